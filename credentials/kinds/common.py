"""What several kinds say alike."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from credentials.exchange import Call
from credentials.models.credential import Credential
from credentials.models.properties import field_of, secret_names

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp


def refresh_call(credential: Credential, app: "OAuthApp", url: str, *, basic: bool = False) -> Call:
    """The exchange of a refresh token after RFC 6749: the app signs in with HTTP Basic, or in the form.

    Opens the secrets. Raises SecretError.
    """
    token = getattr(credential, credential.REFRESHES_WITH).use(credential.destination())
    form = {"grant_type": "refresh_token", "refresh_token": token}
    secret = app.client_secret.use(app.destination())
    if basic:
        return Call("POST", url, form=form, basic=(app.client_id, secret))
    return Call("POST", url, form={**form, "client_id": app.client_id, "client_secret": secret})


def code_call(app: "OAuthApp", url: str, form: Mapping[str, str], *, basic: bool = False) -> Call:
    """The exchange of a consent's code: the app signs in with HTTP Basic, or in the form.

    Opens the app's secret. Raises SecretError.
    """
    secret = app.client_secret.use(app.destination())
    if basic:
        return Call("POST", url, form=form, basic=(app.client_id, secret))
    return Call("POST", url, form={**form, "client_id": app.client_id, "client_secret": secret})


def client_credentials_call(url: str, client_id: str, secret: str, **more: str) -> Call:
    """The exchange of a client's own id and secret for an access token."""
    return Call(
        "POST",
        url,
        form={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **more},
    )


def texts(found: Any) -> frozenset[str] | None:
    """The texts in a list of a provider's; None where it is no list."""
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else None


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
