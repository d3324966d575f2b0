"""Say how much of each rate limit is used."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials import limiter
from credentials.management import base
from credentials.management.base import USAGE
from credentials.models import RateLimit

BATCH = 500
LINE = "{name:30} {limit:28} {used:>5} {under_way:>9} {busiest:>8}  {held}"


class Command(base.Command):
    help = """Say how much of each rate limit is used now, by all processes together.

  manage.py rate_limits
  manage.py rate_limits --over 80%
  manage.py rate_limits --json

USED is the share of the requests allowed in the interval that ends now, AT ONCE the requests under way where
their number is bounded, and BUSIEST the share of the busiest minute of the last hour, where the interval is a
minute or less. A limit that is held off says for how long, and why. --over shows only limits of which more
than so much is used, in any of the three ways, or that are held off.

Exit status: 0, or 2 for wrong usage and where the limiter's store cannot be read."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--over", type=share, metavar="SHARE", help="only those over it: 80%% or 0.8")
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON array")

    def handle(self, *, over: float | None, as_json: bool, **options: Any) -> None:
        shown, total, held = 0, 0, 0
        try:
            for limit, live in uses():
                total += 1
                held += bool(live.held_off)
                if over is not None and live.saturation <= over and not live.held_off:
                    continue
                if as_json:
                    text = json.dumps(document(limit, live), ensure_ascii=False)
                    self.stdout.write(("," if shown else "[") + text)
                else:
                    if not shown:
                        self.stdout.write(HEAD)
                    self.stdout.write(line(limit, live))
                shown += 1
        except limiter.LimiterUnavailable as error:
            raise CommandError(str(error), returncode=USAGE) from None
        if as_json:
            self.stdout.write("]" if shown else "[]")
        else:
            self.stdout.write(f"rate limits {total}, shown {shown}, held off {held}")


def share(text: str) -> float:
    """80%, 80 % or 0.8 as a number from 0 to 1. Raises ValueError, which argparse turns into a message."""
    percent = text.strip().endswith("%")
    number = float(text.strip().removesuffix("%")) / (100 if percent else 1)
    if not 0 <= number <= 1:
        raise ValueError(text)
    return number


def uses() -> Iterator[tuple[RateLimit, limiter.Live]]:
    """Every limit of a credential that is not deleted, with its use, in the order of names."""
    rows = (
        RateLimit.objects.filter(credential__deleted_at=None)
        .order_by("credential__name", "pk")
        .annotate_names()
        .iterator(chunk_size=BATCH)
    )
    while batch := list(islice(rows, BATCH)):
        live = limiter.live(batch)
        for limit in batch:
            yield limit, live[limit.key]


def document(limit: RateLimit, live: limiter.Live) -> dict[str, Any]:
    """One limit for programs; shares are numbers from 0 to 1, `held_off` is in seconds."""
    return {
        "credential": str(limit.pk),
        "name": limit.credential_name,
        "provider": limit.provider,
        **limit.document(),
        "used": live.used,
        "under_way": live.under_way,
        "busiest_minute": live.busiest,
        "saturation": live.saturation,
        "held_off": live.held_off,
        "held_reason": live.held_reason,
    }


def line(limit: RateLimit, live: limiter.Live) -> str:
    under_way = f"{live.under_way}/{live.bound}" if live.bound else "-"
    held = f"held off for {live.held_off:,.0f} s" if live.held_off else ""
    if live.held_reason:
        held += f": {live.held_reason}"
    return LINE.format(
        name=fitted(limit.credential_name, 30),
        limit=fitted(limit.words, 28),
        used=f"{live.used / live.allowed:.0%}",
        under_way=under_way,
        busiest="-" if live.busiest is None else f"{live.busiest:.0%}",
        held=held,
    ).rstrip()


HEAD = LINE.format(
    name="CREDENTIAL", limit="LIMIT", used="USED", under_way="AT ONCE", busiest="BUSIEST", held=""
).rstrip()


def fitted(text: str, width: int) -> str:
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= width else text[: width - 1] + "…"
