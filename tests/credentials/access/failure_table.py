"""Break every kind in every way, look at it, and print what was found: kinds by failures, as run.

    python -m tests.credentials.access.failure_table [sqlite|postgresql]

A number is how many failures with that code were read as it; "1/2" where not all were. Those that were read
otherwise are named beneath. The exit status is 1 where there are any.
"""

import os
import sys
import time
from collections import Counter
from typing import Any

from tests.fresh_databases import Databases, environment

# Seconds that a call may take: only what never answers needs as many.
TOTAL = 1.0


def main() -> int:
    with Databases(sys.argv[1] if len(sys.argv) > 1 else "sqlite") as databases:
        os.environ |= environment(databases.new())
        import django

        django.setup()
        from credentials import audit
        from credentials.simulator.server import running
        from tests.credentials.access import failures

        before = failures.shorten(TOTAL)
        try:
            with running(count=2) as simulator, audit.acting("cli:failure_table@localhost"):
                return shown(simulator)
        finally:
            failures.lengthen(before)
            _close()


def shown(simulator: Any) -> int:
    from django.conf import settings

    from credentials import probes
    from credentials.kinds import KINDS
    from credentials.models import AccessToken
    from tests.credentials.access import failures

    settings.PROVIDER_SIMULATOR_URL = simulator.url
    credentials = {kind: stored(kind) for kind in KINDS}
    tried: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    wrong, slowest = [], 0.0
    for failure in failures.failures():
        credential = reset(credentials[failure.kind], simulator)
        failure.arrange(simulator)
        AccessToken.objects.all().delete()
        begun = time.monotonic()
        seen, _steps = probes.look(credential)
        slowest = max(slowest, time.monotonic() - begun)
        cell = failure.kind, failure.code
        tried[cell] += 1
        right[cell] += seen.code == failure.code
        if seen.code != failure.code:
            wrong.append(f"{failure}: {seen.code} instead of {failure.code} ({seen.detail})")
    works = {kind: probes.look(reset(one, simulator))[0].code for kind, one in credentials.items()}
    print_table(works, tried, right)
    for line in wrong:
        print(line)
    print(
        f"kinds {len(KINDS)}, failures {sum(tried.values())}, read right {sum(right.values())},"
        f" wrong {len(wrong)}, works unbroken {sum(code == 'ok' for code in works.values())},"
        f" slowest look {slowest:.1f} s with calls of {TOTAL:.0f} s at most"
    )
    return 1 if wrong or set(works.values()) != {"ok"} else 0


def stored(kind: str) -> Any:
    """The simulator's first credential of a kind, with its app, as they are imported."""
    from credentials import transfer
    from credentials.app_documents import import_app
    from credentials.kinds import KINDS
    from credentials.models import Credential, OAuthApp
    from credentials.simulator import cast

    provider = KINDS[kind].PROVIDER.key
    if KINDS[kind].USES_OAUTH_APP and not OAuthApp.objects.filter(provider=provider).exists():
        import_app(cast.app(provider))
    transfer.import_document(cast.credential(kind, 0))
    return Credential.objects.get(pk=cast.credential(kind, 0)["id"])


def reset(credential: Any, simulator: Any) -> Any:
    """A credential and its provider as at the start, but that its account is known."""
    from credentials.models import Credential
    from credentials.sealing import secret_fields
    from credentials.simulator import cast

    simulator.reset()
    credential = Credential.objects.get(pk=credential.pk)
    properties = cast.credential(credential.kind, 0)["properties"]
    for field in secret_fields(type(credential)):
        if field.name in properties:
            setattr(credential, field.name, properties[field.name])
    credential.save()
    credential.rate_limit.lift()
    if credential.account is None:
        from credentials import probes

        probes.look(credential)
    return credential


def print_table(works: dict[str, str], tried: Counter[Any], right: Counter[Any]) -> None:
    codes = [code for code, _count in _by_code(tried).most_common()]
    print("| kind | unbroken | " + " | ".join(codes) + " |")
    print("|---|---|" + "---|" * len(codes))
    for kind, found in works.items():
        cells = []
        for code in codes:
            all_, good = tried[kind, code], right[kind, code]
            cells.append("" if not all_ else str(good) if good == all_ else f"{good}/{all_}")
        print(f"| {kind} | {found} | " + " | ".join(cells) + " |")


def _by_code(tried: Counter[Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_kind, code), number in tried.items():
        found[code] += number
    return found


def _close() -> None:
    from django.db import connection, connections

    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


if __name__ == "__main__":
    sys.exit(main())
