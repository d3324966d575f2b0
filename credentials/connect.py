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
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import audit, egress, feedback, kinds, probes, tokens
from credentials.answers import Reading, redacted
from credentials.models import Conflict, Credential, OAuthApp
from credentials.models import properties as declared
from credentials.models.access import Tokens
from credentials.models.consent import code_form
from credentials.models.pending_consent import PendingConsent, digest
from credentials.refusals import Refused
from credentials.sealing import SecretError
from credentials.sessions import Session
from health import reports
from health.observations import CODES
from health.status import Status

# The longest value that is taken from a redirect: codes of some providers have two thousand characters.
LONGEST = 4096
# How often it is tried to store what a consent gave, where others save the same credential meanwhile.
STORING_TRIES = 3


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
        raise ValidationError(_("The app's secret cannot be opened: enter it again.")) from None
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
        denied = name in ("access_denied", "user_cancelled_login", "user_denied")
        came = [params.get(one, "") for one in ("state", "code")]
        said = redacted(f"{name}: {params.get('error_description', '')}".strip(": "), came)
        raise Refused("denied" if denied else "misconfigured", said, stored)
    fresh = kind(name=str(pending.given.pop("name", "")), oauth_app=app, **pending.given)
    try:
        fresh.consent_check(app, params)
        found = _exchange(fresh, app, params, pending)
    except ValidationError as error:
        raise _refusal(error, stored, "forged") from None
    except Refused as refused:
        refused.credential = stored
        raise
    return _kept(fresh, stored, app, found, {**params, "scopes": app.scopes})


def _refusal(error: ValidationError, stored: Credential | None, else_code: str) -> Refused:
    """What a kind, or the form of a property, objected to."""
    code = {"account": "other_account", "requested": "requested"}.get(getattr(error, "code", None) or "")
    return Refused(code or else_code, " ".join(error.messages)[:300], stored)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)


def _exchange(
    credential: Credential, app: OAuthApp, params: Mapping[str, str], pending: PendingConsent
) -> Tokens:
    """The tokens that the code is good for. Raises Refused."""
    code = params.get("code", "")
    if not code and credential.CONSENT and credential.CONSENT.gives_code:
        raise Refused("forged", _("It brought no code."))
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
    said = found.detail if refused == "misconfigured" else _words(found)
    raise Refused(refused, redacted(said, [code, *form.values()]))


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
        for name, value in fresh.consented(found, params, {}).items():
            if value not in (None, "", []):
                # Checked before it becomes a part of an address that the new token is sent to.
                field = declared.field_of(type(fresh), name)
                setattr(fresh, name, declared.cleaned(fresh, field, value))
        reading = _look(fresh, app, found)
        if reading.code != "ok":
            raise Refused("failed", _words(reading), stored)
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
        raise _refusal(error, stored, "failed") from None
    tokens.keep(credential, found)
    judged = probes.judged(credential, reading)
    _tell(credential, judged, started_at)
    return Connected(credential, created, judged)


def _tell(credential: Credential, reading: Reading, started_at: datetime) -> None:
    """Tell health. It counts at once, unlike a probe's: the provider has just said it to a person."""
    feedback.observe(
        credential, feedback.observation(credential, reading, started_at=started_at, source="connect")
    )
    component, actor = credential.component, audit.now_acting().actor
    component.refresh_from_db()
    if reading.code == "insufficient_scope":
        status = Status.CUSTOMER_INTERVENTION
        reports.report(component, status, actor=actor, code=reading.code, note=reading.detail)
    elif reading.code == "ok" and component.own_status != Status.HEALTHY:
        reports.report(component, Status.HEALTHY, actor=actor, note=str(_("Connected again.")))


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
        return failure
    if not isinstance(answer.json, dict):
        return Reading("garbled")
    return replace(reading, facts={**reading.facts, **answer.json})


def _saved(
    fresh: Credential,
    stored: Credential | None,
    app: OAuthApp,
    properties: dict[str, Any],
    account: str | None,
) -> tuple[Credential, bool]:
    """Store the properties: in the credential that is connected again, that of the same account, or new.

    Raises ValidationError.
    """
    for attempt in range(STORING_TRIES):
        try:
            return _saved_once(fresh, stored, app, properties, account)
        except (Conflict, IntegrityError):
            # Somebody saved it, or connected the same account, in this moment: see what stands there now.
            if attempt == STORING_TRIES - 1:
                raise
            if stored and not (stored := Credential.objects.filter(pk=stored.pk).first()):
                raise Refused("expired") from None
    raise AssertionError


def _saved_once(
    fresh: Credential,
    stored: Credential | None,
    app: OAuthApp,
    properties: dict[str, Any],
    account: str | None,
) -> tuple[Credential, bool]:
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
        if existing.app_in_use() != app:
            # What this app got, no other can refresh.
            existing.oauth_app = app
        # A secret of the consent before has no place beside those of this one.
        for name in declared.secret_names(type(existing)):
            kept.setdefault(name, None)
        declared.assign(existing, kept)
        existing.account = existing.account or account
        existing.save()
        return existing, False
