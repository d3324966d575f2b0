"""Answers whose words sound like the customer's turn, and are not.

An outage, a guard, a throttle, or a fault in what a worker asked for must not have a customer called.
"""

import json
from typing import Any

import pytest

from credentials import kinds
from credentials.answers import GUARD, Reading, Rule, read, redacted
from credentials.exchange import Answer
from credentials.models import Credential
from health.meaning import CUSTOMER
from health.observations import CODES
from tests import factories

OUTAGE, SLOW, UNKNOWN, GUARDED = "provider_outage", "rate_limited", "unclassified", "blocked"


def quickbooks(detail: str, code: str) -> Any:
    return {"Fault": {"Error": [{"Message": "Error", "Detail": detail, "code": code}], "type": "SERVICE"}}


# (kind, of the API or the token endpoint, status, body, code)
MISLEADING: tuple[tuple[str, str, int, Any, str], ...] = (
    (
        "auth0_client_credentials",
        "api",
        429,
        {"message": "Your account has been blocked after multiple"},
        SLOW,
    ),
    ("auth0_client_credentials", "api", 400, {"message": "The user is blocked"}, UNKNOWN),
    ("auth0_client_credentials", "api", 403, {"message": "The user is blocked"}, UNKNOWN),
    ("auth0_client_credentials", "api", 403, {"message": "Point the telescope elsewhere"}, UNKNOWN),
    ("auth0_client_credentials", "api", 503, {"message": "tenant is suspended for maintenance"}, OUTAGE),
    ("auth0_client_credentials", "token", 503, {"error": "unauthorized_client"}, OUTAGE),
    ("sendgrid_key", "api", 503, {"errors": [{"message": "suspended for maintenance"}]}, OUTAGE),
    ("sendgrid_key", "api", 503, {"errors": [{"message": "account suspended for maintenance"}]}, OUTAGE),
    ("sendgrid_key", "api", 400, {"errors": [{"message": "the template is frozen"}]}, UNKNOWN),
    ("sendgrid_key", "api", 403, {"errors": [{"message": "the template is frozen"}]}, UNKNOWN),
    ("sendgrid_key", "api", 429, {"errors": [{"message": "account under review: too many"}]}, SLOW),
    ("salesforce_oauth2", "api", 400, [{"message": "No such column 'IP Address'"}], UNKNOWN),
    ("salesforce_oauth2", "api", 503, [{"message": "No IP address is left in the IP address pool"}], OUTAGE),
    ("salesforce_oauth2", "api", 429, [{"message": "ip restricted", "errorCode": "ORG_LOCKED"}], SLOW),
    (
        *("salesforce_oauth2", "token", 503),
        *({"error_description": "this organization is undergoing maintenance"}, OUTAGE),
    ),
    ("salesforce_oauth2", "token", 400, {"error_description": "organization is in maintenance"}, UNKNOWN),
    (
        *("linear_oauth2", "api", 400),
        *({"errors": [{"message": 'Cannot query field "suspended" on type "User"'}]}, UNKNOWN),
    ),
    ("linear_oauth2", "api", 503, {"errors": [{"message": "service suspended"}]}, OUTAGE),
    ("linear_oauth2", "api", 503, {"errors": [{"message": "forbidden"}]}, OUTAGE),
    ("linear_oauth2", "api", 429, {"errors": [{"message": "forbidden: too many"}]}, SLOW),
    (
        *("quickbooks_oauth2", "api", 400),
        *(quickbooks("Your subscription does not include that", "5030"), UNKNOWN),
    ),
    ("quickbooks_oauth2", "api", 503, quickbooks("subscription service unavailable", "10000"), OUTAGE),
    ("quickbooks_oauth2", "api", 429, quickbooks("subscription is throttled", "3002"), SLOW),
    ("quickbooks_oauth2", "api", 400, quickbooks("Invalid Monthly schedule", "2020"), UNKNOWN),
    ("quickbooks_oauth2", "api", 400, quickbooks("Account AuthenticationFailed is no name", "2020"), UNKNOWN),
    ("checkout_champ_password", "api", 503, {"message": "login service temporarily unavailable"}, OUTAGE),
    (
        *("checkout_champ_password", "api", 200),
        *({"result": "ERROR", "message": "Customer login could not be found"}, UNKNOWN),
    ),
    ("checkout_champ_password", "api", 200, {"result": "ERROR", "message": "Order is locked"}, UNKNOWN),
    ("checkout_champ_password", "api", 200, {"result": "ERROR", "message": "campaign disabled"}, UNKNOWN),
    (
        *("checkout_champ_password", "api", 200),
        *({"result": "ERROR", "message": "ip address of the order is required"}, UNKNOWN),
    ),
    (
        *("checkout_champ_password", "api", 429),
        *({"result": "ERROR", "message": "Slow down at this endpoint"}, SLOW),
    ),
    ("workday_oauth2", "api", 503, {"error": "not authorized for use until 5am"}, OUTAGE),
    ("workday_oauth2", "api", 500, {"error": "not authorized for use until 5am"}, OUTAGE),
    ("workday_oauth2", "api", 403, "Blocked by the firewall", GUARDED),
    ("workday_oauth2", "api", 403, {"error": "something new"}, UNKNOWN),
    ("workday_oauth2", "token", 503, {"error": "invalid_client"}, OUTAGE),
    ("airtable_oauth2", "api", 403, "Request blocked by CloudFront", GUARDED),
    ("airtable_oauth2", "api", 403, "Access denied. Reference #18.5e3d1702.1700000000.2a3b4c5d", GUARDED),
    ("airtable_oauth2", "api", 403, "error code: 1020", GUARDED),
    ("airtable_oauth2", "api", 403, {"message": "Forbidden"}, UNKNOWN),
    ("airtable_oauth2", "api", 403, "", UNKNOWN),
    ("airtable_oauth2", "token", 503, {"error": "invalid_grant"}, OUTAGE),
    ("airtable_oauth2", "token", 429, {"error": "invalid_grant"}, SLOW),
    ("servicenow_password", "api", 403, "Copyright 2026 Example Ltd. Stopped by the firewall.", GUARDED),
    (
        "servicenow_password",
        "api",
        403,
        {"error": {"message": "Copyright 2026, all rights reserved"}},
        UNKNOWN,
    ),
    ("servicenow_password", "api", 403, {"error": {"message": "The scroll was not parsed"}}, UNKNOWN),
    ("hubspot_oauth2", "api", 403, {"message": "Point the telescope elsewhere"}, UNKNOWN),
    (
        *("hubspot_oauth2", "token", 400),
        *({"category": "VALIDATION_ERROR", "message": "missing or unknown grant_type"}, UNKNOWN),
    ),
    ("hubspot_oauth2", "token", 400, {"message": "the refresh token service is new"}, UNKNOWN),
    ("marketo_client_credentials", "token", 503, {"error": "unauthorized"}, OUTAGE),
    ("marketo_client_credentials", "api", 503, {"errors": [{"code": "616"}]}, OUTAGE),
    ("netsuite_tba", "api", 400, {"o:errorDetails": [{"detail": "The credit limit exceeded"}]}, UNKNOWN),
    ("netsuite_tba", "api", 400, {"o:errorDetails": [{"detail": "The feature is disabled here"}]}, UNKNOWN),
    (
        "netsuite_tba",
        "api",
        503,
        {"o:errorDetails": [{"detail": "Invalid login attempt: too early"}]},
        OUTAGE,
    ),
    ("github_app", "api", 503, {"message": "This installation has been suspended"}, OUTAGE),
    ("github_app", "token", 404, "<html><body>Not found</body></html>", "garbled"),
    ("shopify_oauth2", "api", 403, "Access denied\nReference #18.5e3d1702", GUARDED),
    ("shopify_oauth2", "api", 503, {"errors": [{"extensions": {"code": "ACCESS_DENIED"}}]}, OUTAGE),
    ("stripe_key", "api", 403, {"error": {"type": "invalid_request_error", "message": "Nothing"}}, UNKNOWN),
    ("stripe_key", "api", 503, {"error": {"code": "account_closed"}}, OUTAGE),
)


def made(kind: str) -> Credential:
    return kinds.KINDS[kind](**{k: v for k, v in factories.properties_of(kind).items() if k != "kind"})


def answer(status: int, body: Any) -> Answer:
    return Answer(status, {}, body.encode() if isinstance(body, str) else json.dumps(body).encode())


@pytest.mark.parametrize(("kind", "context", "status", "body", "code"), MISLEADING)
def test_it_is_not_the_customer_s_turn(kind: str, context: str, status: int, body: Any, code: str):
    credential, given = made(kind), answer(status, body)
    found = credential.read(given) if context == "api" else credential.read_token_answer(given)
    assert isinstance(found, Reading) and found.code == code, found


@pytest.mark.parametrize("kind", list(kinds.KINDS))
def test_no_rule_of_a_kind_blames_the_customer_in_an_outage(kind: str):
    model = kinds.KINDS[kind]
    # Faults of SOAP are the exception: they come with 500 by design.
    soap = {"netsuite_tba": {500}, "workday_oauth2": {500}}.get(kind, set())
    for rule in (*model.RULES, *model.TOKEN_RULES):
        assert rule.code in CODES
        if CODES[rule.code].owner == CUSTOMER:
            moments = {status for status in rule.status if status == 429 or status >= 500}
            assert moments <= soap, rule


def test_a_rule_by_words_names_each_status():
    for status in ((), range(400, 500)):
        with pytest.raises(ValueError, match="names each status"):
            Rule("suspended", status=status, says=("suspended",))


def test_words_are_whole_and_a_gap_stays_in_its_sentence():
    rules = (Rule("suspended", status=(403,), says=("account … frozen", "acl")),)

    def code(text: str) -> str:
        found = read(answer(403, {"message": text}), rules)
        return found.code if found else ""

    for text in ("Your account is frozen", "ACL: no", "account frozen", "the ACL."):
        assert code(text) == "suspended", text
    for text in ("accounting is frozen", "oracle", "acl_x", "An account. The template is frozen", "unfrozen"):
        assert code(text) == "unclassified", text
    assert code("account" + " very" * 100 + " frozen") == "unclassified"


def test_all_that_a_rule_gives_must_be_there():
    rule = Rule("revoked", status=(400,), sign=("bad",), says=("token",), header=("X-Why", ""))
    right = Answer(400, {"X-Why": "so"}, b'{"code": "bad", "message": "the token"}')
    wrong = (
        Answer(400, {}, right.body),
        Answer(401, right.headers, right.body),
        Answer(400, right.headers, b'{"code": "worse", "message": "the token"}'),
        Answer(400, right.headers, b'{"code": "bad", "message": "the tokens"}'),
    )
    assert read(right, (rule,)) == Reading("revoked", "bad; the token")
    assert all(read(one, (rule,)).code == "unclassified" for one in wrong)


# --- what workers ask for -----------------------------------------------------------------------------------

TRAFFIC: tuple[tuple[str, int, Any, str], ...] = (
    # By an error code, or a status that speaks of the credential.
    ("hubspot_oauth2", 401, {"message": "expired"}, "revoked"),
    ("shopify_oauth2", 402, {"errors": "Unavailable Shop"}, "suspended"),
    ("shopify_oauth2", 423, {"errors": "This shop is locked"}, "suspended"),
    ("hubspot_oauth2", 403, {"category": "MISSING_SCOPES", "message": "scope"}, "insufficient_scope"),
    ("linear_oauth2", 200, {"errors": [{"extensions": {"code": "AUTHENTICATION_ERROR"}}]}, "revoked"),
    ("marketo_client_credentials", 200, {"success": False, "errors": [{"code": "601"}]}, "revoked"),
    # By words about whatever was asked for.
    ("hubspot_oauth2", 403, {"message": "no permission for this list"}, UNKNOWN),
    ("github_app", 403, {"message": "The user was suspended"}, UNKNOWN),
    ("sendgrid_key", 403, {"errors": [{"message": "access forbidden"}]}, UNKNOWN),
    ("checkout_champ_password", 200, {"result": "ERROR", "message": "Invalid login credentials"}, UNKNOWN),
    ("shopify_oauth2", 404, {"errors": "Not Found"}, UNKNOWN),
    (
        *("github_app", 404),
        *({"documentation_url": "https://docs.github.com/rest/repos/repos#get-a-repository"}, UNKNOWN),
    ),
    # What is nobody's or ours holds as it is.
    ("github_app", 403, {"message": "API rate limit exceeded"}, SLOW),
    ("sendgrid_key", 403, {"errors": [{"message": "Too many bad requests"}]}, GUARDED),
    ("sendgrid_key", 503, {}, OUTAGE),
)


@pytest.mark.parametrize(("kind", "status", "body", "code"), TRAFFIC)
def test_what_a_worker_s_request_tells(kind: str, status: int, body: Any, code: str):
    found = made(kind).read_traffic(answer(status, body))
    assert found and found.code == code
    if code == UNKNOWN:
        # A probe knows what it asked for.
        probed = made(kind).read_failure(answer(status, body))
        assert probed and CODES[probed.code].owner == CUSTOMER and probed.detail == found.detail


def test_a_good_answer_tells_a_worker_nothing_wrong():
    assert made("hubspot_oauth2").read_traffic(answer(200, {"results": [{"message": "suspended"}]})) is None


def test_a_secret_at_the_cut_is_not_left_in_part():
    secret = "lettersonlysecretofacustomer"
    body = {"message": f"{'x ' * 140}{secret} is wrong"}
    found = made("hubspot_oauth2").read_failure(answer(400, body))
    assert found and secret in found.detail
    shown = redacted(found.detail, [secret])
    assert len(shown) <= 300 and "letters" not in shown and "•••" in shown


def test_github_s_own_refusal_is_no_guard_s():
    assert not GUARD.search(b"Request forbidden by administrative rules. Please make sure your request has a")
