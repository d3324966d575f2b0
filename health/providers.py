"""What providers are called. Health holds plain keys; the floor above says the names."""

from collections.abc import Mapping

NAMES: dict[str, str] = {}


def register(names: Mapping[str, str]) -> None:
    """Say what providers are called, by their keys."""
    NAMES.update(names)


def name(key: str) -> str:
    """What people call a provider; its key where nobody said."""
    return NAMES.get(key, key)
