"""What is said of a provider once, for all its kinds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A third-party service. `limits` is what it promises about rate limits, in one sentence for people."""

    key: str
    name: str
    category: str
    docs_url: str
    limits: str
