"""How a customer's consent becomes a credential: the authorization-code flow, as each kind runs it.

RFC 6749 with PKCE, and what providers do differently. Nothing here sends; `credentials.connect` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError

from credentials.exchange import Call
from credentials.models.access import Tokens

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp


@dataclass(frozen=True)
class Consent:
    """What a provider's consent page needs to be asked.

    `authorize_url` may hold `{host}`, the host of the API. `asks` names the properties that a person must
    give before: they decide where the consent page is. `echoes` are what comes back beside the code, or
    in its place where the provider `gives_code` none.
    """

    authorize_url: str
    separator: str = " "
    params: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    echoes: tuple[str, ...] = ()
    gives_code: bool = True


class Consenting:
    """What a kind says of the consent that makes a credential of it."""

    # None where a kind is entered by hand only.
    CONSENT: ClassVar[Consent | None] = None

    if TYPE_CHECKING:

        def api_host(self) -> str: ...

    def page_call(self, app: "OAuthApp") -> Call | None:
        """What must be asked to know where the consent page is; None where the kind knows.

        May open the app's secrets. Raises SecretError.
        """
        return None

    def consent_url(
        self,
        app: "OAuthApp",
        *,
        state: str,
        challenge: str,
        redirect_uri: str,
        found: Mapping[str, Any] | None = None,
    ) -> str:
        """The address of the provider's consent page. `challenge` is that of PKCE, by S256; `found` is what
        `page_call` was answered. Raises ValidationError where that tells no address."""
        consent = self.CONSENT
        if consent is None:
            raise TypeError("This kind has no consent page.")
        params = {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": redirect_uri,
            "scope": consent.separator.join(app.scopes),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **consent.params,
        }
        return f"{consent.authorize_url.format(host=self.api_host())}?{urlencode(params)}"

    def consent_check(self, app: "OAuthApp", params: Mapping[str, str]) -> None:
        """Raise ValidationError where what came back beside the code cannot be the provider's own.

        Its code is "account" where it is another account's, and else a key of `connect.WORDS` or none. May
        open the app's secret. Raises SecretError.
        """
        missing = [name for name in (self.CONSENT.echoes if self.CONSENT else ()) if not params.get(name)]
        if missing:
            raise ValidationError(f"The provider's answer lacks: {', '.join(missing)}.", code="callback")

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        """The request that exchanges a code for tokens, with this form (see `code_form`).

        Opens the app's secret. Raises SecretError.
        """
        raise NotImplementedError

    def account_call(self, app: "OAuthApp") -> Call | None:
        """What else must be asked to know whose the tokens are, by the app itself; None where the probe with
        them tells. Raises SecretError."""
        return None

    def consented(
        self, tokens: Tokens, params: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The properties that a consent gives.

        They come from the tokens, from what came back beside the code (the `scopes` that were asked for are
        added to it), and from what a probe with the new token tells. It is asked twice, first without these
        facts, so that the probe has what it needs; None is what is not known then.

        Raises ValidationError, with the code "account" where the consent is for another one than was asked.
        """
        raise NotImplementedError


def code_form(code: str, verifier: str, redirect_uri: str) -> dict[str, str]:
    """The form of a code's exchange after RFC 6749, with PKCE."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
