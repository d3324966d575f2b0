"""What is said of a provider once, for all its kinds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Provider:
    """A third-party service. `limits` is what it promises about rate limits, in one sentence for people;
    `status_url` its public page of outages, where it has one that needs no account."""

    key: str
    name: str
    category: "StrOrPromise"
    docs_url: str
    limits: "StrOrPromise"
    status_url: str = ""
