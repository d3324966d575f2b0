"""What several kinds say alike."""

from typing import Any

from django.utils.translation import gettext as _

from credentials.models.credential import Credential
from credentials.models.properties import field_of, secret_names


def joined(*parts: Any) -> str | None:
    """An account that several properties make up together; None where one of them is missing."""
    return ":".join(map(str, parts)) if all(parts) else None


def repeated(credential: Credential, *names: str) -> dict[str, Any]:
    """The first of these properties that is the same as one before it: a provider gives each its own value.

    Secrets are compared while they are fresh.
    """
    secrets = secret_names(type(credential))
    seen: dict[str, str] = {}
    for name in names:
        text = credential.fresh(name) if name in secrets else getattr(credential, name)
        if not text:
            continue
        if text in seen:
            other = field_of(type(credential), seen[text]).verbose_name
            return {name: _("This is the same as the %s: each has a value of its own.") % other}
        seen[text] = name
    return {}
