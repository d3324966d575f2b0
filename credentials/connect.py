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
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import egress, feedback, kinds, probes
from credentials.answers import Reading, redacted
from credentials.consented import Renewed, store
from credentials.models import Credential, OAuthApp
from credentials.models import properties as declared
from credentials.models.access import Tokens
from credentials.models.consent import code_form
from credentials.models.pending_consent import PendingConsent, digest
from credentials.refusals import Refused, of_error
from credentials.sealing import Fresh, SecretError
from credentials.sessions import Session
from health.observations import CODES

# The longest value that is taken from a redirect: codes of some providers have two thousand characters.
LONGEST = 4096
# What came back and is good for nothing once it was checked and exchanged.
USED_UP = ("code", "state", "hmac")

NOT_OPENED = gettext_lazy("The app's secret cannot be opened: enter it again.")


@dataclass(frozen=True)
class Connected:
    """What a consent made: the credential, whether it is new, and what a probe with it found. `app_before` is
    the app that it was connected through, where that was another one."""

    credential: Credential
    created: bool
    reading: Reading
    app_before: OAuthApp | None = None


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
        try:
            given[name] = declared.cleaned(credential, declared.field_of(type(credential), name), value)
        except ValidationError as error:
            raise ValidationError({name: error}) from None
        setattr(credential, name, given[name])
    found = _page(credential, app)
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
    return egress.address(
        credential.consent_url(app, state=state, challenge=challenge, redirect_uri=redirect_uri, found=found)
    )


def _page(credential: Credential, app: OAuthApp) -> Any:
    """What the provider says of where its page is; None where the kind knows. Raises ValidationError."""
    try:
        call = credential.page_call(app)
        answer = egress.send(call, hosts=credential.hosts()) if call else None
    except SecretError:
        raise ValidationError(NOT_OPENED) from None
    except egress.EgressError as error:
        raise ValidationError(str(error)) from None
    if answer is None:
        return None
    reading = credential.read_app_answer(answer)
    if reading.code != "ok":
        meaning = CODES.get(reading.code, CODES["unclassified"])
        raise ValidationError(f"{meaning.happened} {meaning.what_to_do}")
    return answer.json


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
    if name := params.get("error"):
        came = [params.get(one, "") for one in ("state", "code")]
        said = redacted(f"{name}: {params.get('error_description', '')}".strip(": "), came)
        raise Refused(of_error(name), said, stored)
    fresh = kind(name=str(pending.given.pop("name", "")), oauth_app=app, **pending.given)
    code = Fresh(params.get("code", ""))
    try:
        _check_issuer(fresh, params.get("iss"))
        fresh.consent_check(app, params)
        # Reporters print what is in a frame.
        params = {name: value for name, value in params.items() if name not in USED_UP}
        found = _exchange(fresh, app, code, pending)
    except ValidationError as error:
        raise _refusal(error, stored, "forged") from None
    except SecretError:
        raise Refused("misconfigured", str(NOT_OPENED), stored) from None
    except Refused as refused:
        refused.credential = stored
        raise
    return _kept(fresh, stored, app, found, {**params, "scopes": app.scopes})


def _check_issuer(fresh: Credential, issuer: str | None) -> None:
    """Raise ValidationError where an answer says that it is of somebody else: RFC 9207.

    By host. Most providers do not say it, and each has a redirect address of its own, which tells as well.
    """
    if issuer is None or fresh.CONSENT is None:
        return
    page = fresh.CONSENT.authorize_url.replace("{host}", fresh.api_host())
    try:
        said = urlsplit(issuer)
        known = said.scheme == "https" and said.hostname in (urlsplit(page).hostname, *fresh.hosts())
    except ValueError:
        known = False
    if not known:
        raise ValidationError(_("It says that it is another issuer's."), code="callback")


def _refusal(error: ValidationError, stored: Credential | None, else_code: str) -> Refused:
    """What a kind, or the form of a property, objected to."""
    code = {"account": "other_account", "requested": "requested"}.get(getattr(error, "code", None) or "")
    return Refused(code or else_code, " ".join(error.messages)[:300], stored)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)


def _exchange(credential: Credential, app: OAuthApp, code: Fresh, pending: PendingConsent) -> Tokens:
    """The tokens that the code is good for. Raises Refused, SecretError."""
    if not code.text and credential.CONSENT and credential.CONSENT.gives_code:
        raise Refused("forged", _("It brought no code."))
    verifier = Fresh(pending.verifier.use(pending.destination()))
    call = credential.code_call(app, code_form(code.text, verifier.text, pending.redirect_uri))
    try:
        answer = egress.send(call, hosts=credential.hosts())
    except egress.EgressError as error:
        raise Refused("failed", str(error)) from None
    found = credential.read_token_answer(answer)
    if isinstance(found, Tokens):
        return found
    refused = "misconfigured" if found.code in ("oauth_app_rejected", "our_fault") else "failed"
    said = found.detail if refused == "misconfigured" else _words(found)
    raise Refused(refused, redacted(said, [code.text, verifier.text, *call.sent()]))


def _kept(
    fresh: Credential,
    stored: Credential | None,
    app: OAuthApp,
    found: Tokens,
    params: Mapping[str, Any],
) -> Connected:
    """Look whose the tokens are, and store them there. Raises Refused."""
    started_at = timezone.now()
    try:
        for name, value in _properties(fresh, found, params, {}).items():
            if value not in (None, "", []):
                # Checked before it becomes a part of an address that the new token is sent to.
                field = declared.field_of(type(fresh), name)
                setattr(fresh, name, declared.cleaned(fresh, field, value))
        reading = _look(fresh, app, found)
        if reading.code != "ok":
            raise Refused("failed", _words(reading), stored)
        given = _properties(fresh, found, params, reading.facts)
        properties = {name: value for name, value in given.items() if value is not None}
        # Where the probe may not ask whose it is, the tokens can tell.
        account = fresh.account_of(properties, {**found.facts, **reading.facts})
        if stored and stored.account and account != stored.account:
            said = _("It answered for the account %s.") % account if account else _("It named no account.")
            raise Refused("other_account", said, stored)
        renewed = store(Renewed(fresh, app, properties, account, found), stored)
    except ValidationError as error:
        raise _refusal(error, stored, "failed") from None
    judged = probes.judged(renewed.credential, reading)
    seen = feedback.observation(renewed.credential, judged, started_at=started_at, source="connect")
    feedback.tell_at_once(renewed.credential, seen, mended=str(_("Connected again.")))
    return Connected(renewed.credential, renewed.created, judged, renewed.app_before)


def _properties(
    fresh: Credential, found: Tokens, params: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What the consent gives, secrets as opaque objects. Raises ValidationError."""
    return declared.renamed(type(fresh), fresh.consented(found, params, facts))


def _words(reading: Reading) -> str:
    meaning = CODES.get(reading.code, CODES["unclassified"])
    return f"{meaning.happened} {reading.detail}".strip()


def _look(credential: Credential, app: OAuthApp, found: Tokens) -> Reading:
    """A probe with the new token, before anything is stored, and what else tells whose it is."""
    with Session(credential, token=found.access_token, source="connect", telling=False) as session:
        reading = probes.asked(credential, session, [])
    call = credential.account_call(app) if reading.code == "ok" else None
    if call is None:
        return reading
    try:
        answer = egress.send(call, hosts=credential.hosts())
    except egress.EgressError as error:
        return credential.read_egress_error(error)
    if failure := credential.read_failure(answer):
        return replace(failure, detail=redacted(failure.detail, call.sent()))
    if not isinstance(answer.json, dict):
        return Reading("garbled")
    return replace(reading, facts={**reading.facts, **answer.json})
