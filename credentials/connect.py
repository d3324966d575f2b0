"""Connecting an account through the provider's own consent page: the authorization-code flow with PKCE.

`begin` gives the address to send a person to, `finish` makes or renews the credential when they come back.
Security: RFC 9700. The state is bound to person, session, provider, app and credential, lives ten minutes and
is used once; each provider has one exact redirect URI; token endpoints come from the kind, never from an
answer.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import egress, feedback, kinds, probes, tokens
from credentials.answers import Reading, redacted
from credentials.models import Credential, OAuthApp
from credentials.models import properties as declared
from credentials.models.access import Tokens
from credentials.models.consent import code_form
from credentials.models.pending_consent import PendingConsent, digest
from credentials.sealing import SecretError
from credentials.sessions import Session

# The longest value that is taken from a redirect: codes of some providers have two thousand characters.
LONGEST = 4096

# Why a consent made no credential: a title, what happened, and what to do.
WORDS = {
    "denied": (
        gettext_lazy("The consent was not given"),
        gettext_lazy("Whoever saw the provider's page chose not to allow the access."),
        gettext_lazy("Nothing was changed. Connect again when the customer agrees."),
    ),
    "expired": (
        gettext_lazy("This connection is no longer waiting"),
        gettext_lazy(
            "It took more than ten minutes, was finished already, or was begun by somebody else or in another"
            " browser."
        ),
        gettext_lazy("Nothing was changed. Begin again from the credential or the catalogue."),
    ),
    "other_account": (
        gettext_lazy("Another account answered"),
        gettext_lazy("The consent was given for another account than the one of this credential."),
        gettext_lazy(
            "The stored secret was left as it is. Sign in to the right account, then connect again."
        ),
    ),
    "misconfigured": (
        gettext_lazy("The provider does not accept our OAuth app"),
        gettext_lazy("Its client id, client secret or redirect address is not what the provider knows."),
        gettext_lazy("Correct the OAuth app here or at the provider. The customer cannot help."),
    ),
    "forged": (
        gettext_lazy("This answer did not come from the provider"),
        gettext_lazy("A part that only the provider can write is missing or wrong."),
        gettext_lazy("Nothing was changed. Begin again from the credential or the catalogue."),
    ),
    "failed": (
        gettext_lazy("The account could not be connected"),
        gettext_lazy("The provider gave the consent but not an access that works."),
        gettext_lazy(
            "Nothing was changed. Try again; if it fails again, look at the provider's status page."
        ),
    ),
}


class Refused(Exception):
    """A consent made no credential. `code` is a key of WORDS; `detail` are further words, redacted."""

    def __init__(self, code: str, detail: str = "", credential: Credential | None = None):
        super().__init__(code)
        self.code, self.detail, self.credential = code, detail, credential


@dataclass(frozen=True)
class Connected:
    """What a consent made: the credential, whether it is new, and what a probe with it found."""

    credential: Credential
    created: bool
    reading: Reading


def begin(
    user: Any,
    session_key: str,
    credential: Credential,
    app: OAuthApp,
    *,
    redirect_uri: str,
) -> str:
    """The address of the provider's page for a credential, stored or new, with the asked properties set.

    A new one is stored only when the person comes back. Raises ValidationError where the properties that the
    provider's page needs are missing or wrong.
    """
    consent = credential.CONSENT
    if consent is None:
        raise ValidationError(_("This kind is entered by hand: its provider has no consent page."))
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    given = {name: getattr(credential, name) for name in consent.asks}
    # Checked before anybody is sent to a host that follows from them.
    for name, value in given.items():
        given[name] = declared.cleaned(credential, declared.field_of(type(credential), name), value)
        setattr(credential, name, given[name])
    PendingConsent.objects.purge()
    PendingConsent.objects.create(
        state=digest(state),
        session=digest(session_key),
        user=user,
        kind=credential.KIND,
        oauth_app=app,
        credential_id=None if credential._state.adding else credential.pk,
        given={**given, "name": credential.name},
        redirect_uri=redirect_uri,
        verifier=verifier,
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = credential.consent_url(app, state=state, challenge=challenge, redirect_uri=redirect_uri)
    return egress.address(url)


def finish(user: Any, session_key: str, provider: str, params: Mapping[str, str]) -> Connected:
    """Make or renew the credential that a redirect back from the provider is about. Raises Refused."""
    if any(len(value) > LONGEST for value in params.values()):
        raise Refused("forged")
    pending = PendingConsent.objects.take(params.get("state", ""))
    if pending is None or pending.user != user or not _same(pending.session, digest(session_key)):
        raise Refused("expired")
    kind = kinds.KINDS[pending.kind]
    app, before = pending.oauth_app, pending.credential
    stored = Credential.objects.filter(pk=before.pk).first() if before else None
    if kind.PROVIDER.key != provider or app.provider != provider or (before and stored is None):
        raise Refused("expired")
    if error := params.get("error"):
        denied = error in ("access_denied", "user_cancelled_login", "user_denied")
        said = redacted(f"{error}: {params.get('error_description', '')}".strip(": "))
        raise Refused("denied" if denied else "misconfigured", said, stored)
    fresh = kind(name=str(pending.given.pop("name", "")), oauth_app=app, **pending.given)
    try:
        fresh.consent_check(app, params)
        found = _exchange(fresh, app, params, pending)
    except ValidationError as error:
        raise Refused("other_account" if error.code == "account" else "forged", "", stored) from None
    return _kept(fresh, stored, app, found, {**params, "scopes": app.scopes})


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)


def _exchange(
    credential: Credential, app: OAuthApp, params: Mapping[str, str], pending: PendingConsent
) -> Tokens:
    """The tokens that the code is good for. Raises Refused."""
    code = params.get("code", "")
    if not code:
        raise Refused("forged")
    try:
        form = code_form(code, pending.verifier.use(pending.destination()), pending.redirect_uri)
        answer = egress.send(credential.code_call(app, form), hosts=credential.hosts())
    except SecretError:
        raise Refused("misconfigured", _("The app's secret cannot be opened: enter it again.")) from None
    except egress.EgressError as error:
        raise Refused("failed", str(error)) from None
    found = credential.read_token_answer(answer)
    if isinstance(found, Tokens):
        return found
    refused = "misconfigured" if found.code in ("oauth_app_rejected", "our_fault") else "failed"
    raise Refused(refused, redacted(found.detail, [code, *form.values()]))


def _kept(
    fresh: Credential,
    stored: Credential | None,
    app: OAuthApp,
    found: Tokens,
    params: Mapping[str, Any],
) -> Connected:
    """Look whose the tokens are, and store them there. Raises Refused."""
    try:
        for name, value in fresh.consented(found, params, {}).items():
            if value is not None:
                setattr(fresh, name, value)
        reading = _look(fresh, found)
        if reading.code != "ok":
            raise Refused("failed", f"{reading.code}: {reading.detail}".strip(": "), stored)
        properties = {
            name: value
            for name, value in fresh.consented(found, params, reading.facts).items()
            if value is not None
        }
        account = fresh.account_of(properties, reading.facts)
        if stored and stored.account and account != stored.account:
            raise Refused("other_account", _("It answered for the account %s.") % account, stored)
        credential, created = _saved(fresh, stored, app, properties, account)
    except ValidationError as error:
        code = "other_account" if "domain" in getattr(error, "error_dict", {}) else "failed"
        raise Refused(code, " ".join(error.messages)[:300], stored) from None
    tokens.keep(credential, found)
    judged = probes.judged(credential, reading)
    feedback.tell(credential, judged, source="connect")
    return Connected(credential, created, judged)


def _look(credential: Credential, found: Tokens) -> Reading:
    """A probe with the new token, before anything is stored."""
    with Session(credential, token=found.access_token, source="connect", telling=False) as session:
        return probes.asked(credential, session, [])


def _saved(
    fresh: Credential,
    stored: Credential | None,
    app: OAuthApp,
    properties: dict[str, Any],
    account: str | None,
) -> tuple[Credential, bool]:
    """Store the properties: in the credential that is connected again, that of the same account, or new."""
    with transaction.atomic():
        existing = stored
        if existing is None and account:
            existing = Credential.objects.kind(fresh.KIND).filter(account=account).first()
        if existing is None:
            made = type(fresh).from_properties(properties, name=fresh.name, oauth_app=app)
            made.account = made.account or account
            made.save()
            return made, True
        # The name of a Stripe credential is one of its properties, and people's own.
        kept = {name: value for name, value in properties.items() if name != "name"}
        existing.oauth_app = app if existing.oauth_app_id else existing.oauth_app
        declared.assign(existing, kept)
        existing.account = existing.account or account
        existing.save()
        return existing, False
