"""The control endpoint, under /_control/: what tests and people use to make trouble and to look.

POST /_control/fail {"answer": NAME, "provider", "account", "token", "host", "path", "context", "times"}
    NAME is a recorded answer of the provider, a code, or a behaviour (faults.py). The others narrow whom it
    meets; "times" is how often (1; null: until it is taken away). Answers {"id": N}.
DELETE /_control/fail {"id": N}, or without a body all of them
POST /_control/reset                as at the start
POST /_control/expire-tokens {"provider", "account"}     every access token that can expire has expired
POST /_control/revoke {"provider", "account"}            every consent and key of it is gone
POST /_control/latency {"seconds": S, "provider"}
POST /_control/clock {"ahead": S}                        the providers' clock is S seconds ahead of ours
POST /_control/limits {"provider", "requests", "seconds", "concurrent", "burst", "penalty", "account"}
POST /_control/credentials [DOCUMENT, ...]               documents as Lanyard imports them, OAuth apps too
POST /_control/redirects {"provider", "uris": [...]}     redirect URIs of the provider's apps, besides
GET  /_control/log?since=N&provider=P                    every request after number N, of the last 200,000
DELETE /_control/log
GET  /_control/lookup?provider=P&token=T                 what is known of a token
GET  /_control/documents                                 the OAuth apps and credentials that work
"""

from typing import TYPE_CHECKING, Any

from credentials.simulator import cast, faults, registration
from credentials.simulator.faults import Fault
from credentials.simulator.limits import Limit
from credentials.simulator.messages import Answer, Request

if TYPE_CHECKING:
    from credentials.simulator.server import Simulator

HOST = "_control"


class Wrong(Exception):
    """The control endpoint was used wrongly."""


def answer(request: Request, simulator: "Simulator") -> Answer:
    """Does what was asked; 400 with the reason where that cannot be."""
    name = f"{request.method} {request.path.strip('/')}"
    act = ACTS.get(name)
    if act is None:
        return Answer(404, {"error": f"no such control: {name}", "there are": sorted(ACTS)})
    given = request.json() if request.body else {}
    try:
        if given is None:
            raise Wrong("the body is not JSON")
        return Answer(200, act(simulator, given | request.parameters() if isinstance(given, dict) else given))
    except (Wrong, TypeError, ValueError, KeyError) as error:
        return Answer(400, {"error": f"{type(error).__name__}: {error}"})


def fail(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    fault = Fault(**given)
    if fault.provider and fault.provider not in simulator.router.providers:
        raise Wrong(f"no provider {fault.provider}")
    faults.check(fault.provider, fault.answer)
    simulator.world.faults.append(fault)
    return {"id": fault.id}


def mend(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    world = simulator.world
    kept = [fault for fault in world.faults if given and fault.id != given.get("id")]
    removed = len(world.faults) - len(kept)
    world.faults[:] = kept
    return {"removed": removed}


def reset(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    simulator.reset()
    return {"reset": True}


def expire_tokens(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    world, count = simulator.world, 0
    for (provider, _value), token in world.access.items():
        if _means(given, provider, token.account.id) and token.expires_at is not None:
            token.expires_at = min(token.expires_at, world.now())
            count += 1
    return {"expired": count}


def revoke(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    world, grants = simulator.world, {}
    for tokens in (world.access, world.refresh):
        for (provider, _value), token in tokens.items():
            if _means(given, provider, token.account.id):
                grants[id(token.grant)] = token.grant
    for grant in grants.values():
        world.revoke(grant)
    return {"revoked": len(grants)}


def latency(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    simulator.world.latency[given.get("provider", "")] = float(given["seconds"])
    return {"latency": simulator.world.latency}


def clock(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    simulator.world.ahead = float(given["ahead"])
    return {"now": simulator.world.now()}


def limits(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    provider, account, counter = (given.pop(name, "") for name in ("provider", "account", "counter"))
    if provider not in simulator.router.providers:
        raise Wrong(f"no provider {provider}")
    known = simulator.router.providers[provider].limits
    # Stripe counts live and test mode each by itself: without a name both are meant.
    for name in [counter] if counter or "" in known or not known else known:
        simulator.world.limits[provider, account, name] = Limit(**given)
    for key in [key for key in simulator.world.counters if key[0] == provider]:
        del simulator.world.counters[key]
    return {"provider": provider, "account": account, "counter": counter, **given}


def credentials(simulator: "Simulator", given: Any) -> dict[str, Any]:
    documents = given if isinstance(given, list) else [given]
    for document in documents:
        registration.register(simulator.world, document, simulator.redirects)
    return {"registered": len(documents)}


def redirects(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    apps = [app for app in simulator.world.apps.values() if app.provider == given["provider"]]
    for app in apps:
        app.redirect_uris.update(given["uris"])
    return {"apps": len(apps)}


def log(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    since, provider = int(given.get("since", 0)), given.get("provider", "")
    rows = [row for row in simulator.world.log if row["n"] > since and provider in ("", row["provider"])]
    return {"requests": rows, "last": simulator.world.numbers}


def clear_log(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    simulator.world.log.clear()
    return {"last": simulator.world.numbers}


def lookup(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    world, key = simulator.world, (given["provider"], given["token"])
    for where, tokens in (("access", world.access), ("refresh", world.refresh)):
        if token := tokens.get(key):
            grant = token.grant
            live = not (token.dead or grant.revoked)
            live = live and (token.expires_at is None or token.expires_at > world.now())
            return {
                "found": where,
                "live": live,
                "account": token.account.id,
                "scopes": grant.scopes,
                "expires_at": token.expires_at,
            }
    return {"found": None, "live": False}


def documents(simulator: "Simulator", given: dict[str, Any]) -> dict[str, Any]:
    return {"documents": cast.documents(simulator.count)}


def _means(given: dict[str, Any], provider: str, account: str) -> bool:
    return given.get("provider", provider) == provider and given.get("account", account) == account


ACTS = {
    "POST fail": fail,
    "DELETE fail": mend,
    "POST reset": reset,
    "POST expire-tokens": expire_tokens,
    "POST revoke": revoke,
    "POST latency": latency,
    "POST clock": clock,
    "POST limits": limits,
    "POST credentials": credentials,
    "POST redirects": redirects,
    "GET log": log,
    "DELETE log": clear_log,
    "GET lookup": lookup,
    "GET documents": documents,
}
