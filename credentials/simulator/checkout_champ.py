"""Checkout Champ: login and password in every call, and what is wrong comes with HTTP 200."""

import hmac

from credentials.simulator import faults
from credentials.simulator.messages import Answer, Request
from credentials.simulator.routing import Provider


def _error(message: str) -> Answer:
    return Answer(200, {"result": "ERROR", "message": message})


PROVIDER = Provider(
    "checkout_champ",
    hosts=("api.checkoutchamp.com", "api.konnektive.com"),
    refuse=lambda request, why: _error("Invalid login credentials"),
    not_found=lambda request: _error("Unknown endpoint"),
)
route = PROVIDER.route


@route("GET", "/(campaign|order|product|funnels)/query/?")
@route("POST", "/(campaign|order|product|funnels)/query/?")
def query(request: Request) -> Answer:
    given = request.parameters() | request.form()
    login, password = given.get("loginId", ""), given.get("password", "")
    request.token = password
    request.world.fail_as(request, faults.marker(password))
    client = request.world.clients.get(("checkout_champ", login))
    if client is None or not hmac.compare_digest(client["secret"].encode(), password.encode()):
        return _error("Invalid login credentials")
    request.world.enter(request, client["account"])
    page = {
        "totalResults": 1,
        "resultsPerPage": 25,
        "page": 1,
        "data": [{"campaignId": 1, "campaignName": "Spice"}],
    }
    return Answer(200, {"result": "SUCCESS", "message": page})
