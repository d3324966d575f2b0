"""What a code of an observation means: how much it counts, of what it speaks, whose turn it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from health.status import Status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Weight(StrEnum):
    """How much an observation counts."""

    OK = "ok"
    NOTE = "note"
    SOFT = "soft"
    HARD = "hard"
    INCONCLUSIVE = "inconclusive"

    @property
    def failing(self) -> bool:
        return self in (Weight.SOFT, Weight.HARD)


class About(StrEnum):
    """Of what a code speaks. What is looked at is not always what is broken."""

    ITSELF = "itself"
    OAUTH_APP = "oauth_app"
    PROVIDER = "provider"
    PLATFORM = "platform"


CUSTOMER, US = Status.CUSTOMER_INTERVENTION, Status.SEQUIN_INTERVENTION


@dataclass(frozen=True)
class Code:
    """The meaning of a code: how much it counts, whose turn it is, and the words for it.

    `happened` and `what_to_do` are for operators, `customer_words` is what a customer can be sent: empty
    where the customer need not know. `at_once` is hard without a second look.
    """

    weight: Weight
    happened: "StrOrPromise"
    what_to_do: "StrOrPromise"
    owner: Status = Status.HEALTHY
    about: About = About.ITSELF
    at_once: bool = False
    customer_words: "StrOrPromise" = ""
    # Proof that it works. A note can come with it, and so count as an ok; being asked to wait proves nothing.
    works: bool = False
    # A failure that a worker's request may not show: that one is answered takes nothing of it back.
    only_probes: bool = False
    # A note that somebody must act on soon.
    urgent: bool = False
