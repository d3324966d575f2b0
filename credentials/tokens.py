"""Access tokens: short-lived, got in exchange for a credential's secret, one exchange at a time.

Many providers end a refresh token at its first use. So whoever exchanges holds a lease in the database, with
a number that no later holder has; the new refresh token is stored in the same transaction as the access
token, and only in place of the very one that was tried. What was sent and not answered is noted before it is
sent: if the provider then refuses it, the token was lost on the way and not revoked, and the credential says
so.
"""

import hmac
import platform
import random
import time
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn, cast

from django.db import DatabaseError, models, transaction
from django.utils import timezone

from credentials import audit, egress, token_leases, token_waits
from credentials.answers import Reading, redacted
from credentials.exchange import Call
from credentials.models import AccessToken, Credential, Fingerprint, OAuthApp
from credentials.models.access import Tokens
from credentials.models.access_token import for_credential
from credentials.sealing import Fresh, Sealed, SecretError, SecretField, fingerprint, seal
from credentials.token_leases import Held, mark, release

# How long others wait for the one who exchanges.
PATIENCE = 20.0
# A token is exchanged ahead of its end: the last tenth of its life, at least this long before.
AHEAD = timedelta(seconds=60)
# How often a new refresh token is written when the database fails: it exists nowhere else.
STORING_TRIES = 8
# After these the provider may have taken the token without our hearing of it.
UNCERTAIN = ("timeout", "connection_failed", "garbled", "provider_outage")


class NoToken(Exception):
    """No access token could be had. `reading` says why, as after a probe."""

    def __init__(self, reading: Reading):
        super().__init__(reading.code)
        self.reading = reading


def access_token(credential: Credential, *, refused: Fresh | None = None) -> str:
    """An access token that is good for now, from the cache or by an exchange.

    `refused` is the token that the provider has just answered with 401: it is not given again. Raises
    NoToken, and RuntimeError in a transaction, which could take a new refresh token back after the old one
    ended.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        row = for_credential(credential)
        known = _usable(row, refused)
        if known.text and not _ends_soon(row):
            return known.text
        if waits := token_waits.reading(row, credential):
            if known.text:
                return known.text
            raise NoToken(waits)
        if held := token_leases.take(row):
            try:
                return _exchange(credential, held)
            except NoToken:
                if known.text:
                    # It ends soon, and is good until then.
                    return known.text
                raise
        if known.text:
            return known.text
        if time.monotonic() > deadline:
            raise NoToken(Reading("busy", row.leased_by))
        time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - keeps those who wait apart


def tried(credential: Credential) -> Tokens | Reading:
    """What the provider gives for secrets that are not stored yet, or why nothing. Nothing of it is kept."""
    app = credential.app_in_use()
    if credential.USES_OAUTH_APP and app is None:
        return Reading("oauth_app_missing")
    try:
        call, _fingerprint = _call(credential, app)
    except NoToken as error:
        return error.reading
    return _ask(credential, call)


def keep(credential: Credential, found: Tokens) -> None:
    """Store a token that came with secrets, from a consent or a try, for the credential that has them now."""
    if not credential.exchanges():
        return
    row = for_credential(credential)
    with transaction.atomic():
        AccessToken.objects.filter(pk=row.pk).update(
            fence=models.F("fence") + 1, in_flight="", leased_until=None, **token_waits.NONE
        )
        _note_end(credential, found)
        _fill(row, credential, found)


def _usable(row: AccessToken, refused: Fresh | None) -> Fresh:
    """The cached token; an empty one where it has ended, was refused, or is of an older secret."""
    rows = Credential.everything.non_polymorphic().filter(pk=row.credential_id)
    current = rows.values_list("secret_version", flat=True).first()
    none = Fresh("")
    if row.token is None or row.obtained_at is None or row.secret_version != current:
        return none
    if row.expires_at is not None and row.expires_at <= timezone.now() + timedelta(seconds=5):
        return none
    try:
        found = Fresh(row.token.use(row.destination()))
    except SecretError:
        return none
    if refused and hmac.compare_digest(found.text.encode(), refused.text.encode()):
        return none
    return found


def _ends_soon(row: AccessToken) -> bool:
    if row.expires_at is None or row.obtained_at is None:
        return False
    ahead = max(AHEAD, (row.expires_at - row.obtained_at) / 10)
    return timezone.now() >= row.expires_at - min(ahead, (row.expires_at - row.obtained_at) / 2)


# --- the exchange -------------------------------------------------------------------------------------------


def _exchange(credential: Credential, held: Held) -> str:
    """Get a new token and store it; returns it. Raises NoToken."""
    try:
        # As it stands now, under the lease: whoever held it before may have stored another refresh token.
        current = Credential.objects.filter(pk=credential.pk).first()
        if current is None:
            raise NoToken(Reading("deleted"))
        if current.destination() != credential.destination():
            # Its token would be sent to where the credential led before.
            raise NoToken(Reading("superseded"))
        app = current.app_in_use()
        if current.USES_OAUTH_APP and app is None:
            raise NoToken(Reading("oauth_app_missing"))
        call, tried = _call(current, app)
        interrupted = bool(tried) and held.row.in_flight == tried
        if tried and not mark(held, in_flight=tried):
            raise NoToken(Reading("busy"))
        found = _ask(current, call)
        # It holds secrets, and reporters print what is in a frame.
        del call
    except BaseException:
        release(held)
        raise
    if isinstance(found, Reading):
        _failed(current, app, held, found, interrupted)
    _store(current, held, found, tried)
    if wrong := current.read_owner(found):
        raise NoToken(wrong)
    return found.access_token


def _call(credential: Credential, app: OAuthApp | None) -> tuple[Call, str]:
    """The exchange's request, and the fingerprint of the refresh token that it may end; "" where none is."""
    name = credential.REFRESHES_WITH
    if name and not getattr(credential, name):
        raise NoToken(Reading("secret_missing"))
    try:
        call = credential.token_call(cast(OAuthApp, app))
        ends = name and credential.ROTATES
        tried = fingerprint(getattr(credential, name).use(credential.destination())) if ends else ""
    except SecretError as error:
        reading = Reading(error.code)
    else:
        return call, tried
    raise NoToken(reading)


def _ask(credential: Credential, call: Call) -> Tokens | Reading:
    try:
        answer = egress.send(call, hosts=credential.hosts())
    except egress.EgressError as error:
        reading = credential.read_egress_error(error)
        return reading if error.sent else replace(reading, facts={"sent": False})
    found = credential.read_token_answer(answer)
    if isinstance(found, Reading):
        return replace(found, detail=redacted(found.detail, call.sent()))
    return found


def _failed(
    current: Credential, app: OAuthApp | None, held: Held, found: Reading, interrupted: bool
) -> NoReturn:
    """Give the lease back, let others wait where it keeps failing, and say why there is no token."""
    # What may have reached the provider stays noted; so does what was lost, to be told again next time.
    uncertain = found.code in UNCERTAIN and found.facts.get("sent", True)
    keep = uncertain or interrupted
    waits = token_waits.after(held.row, current, app, found)
    release(held, **waits, **({} if keep else {"in_flight": ""}))
    if found.code in ("revoked", "expired") and current.REFRESHES_WITH:
        if not _is_current(current):
            raise NoToken(Reading("superseded"))
        if interrupted:
            raise NoToken(Reading("token_lost", found.detail))
    raise NoToken(found)


def _is_current(credential: Credential) -> bool:
    """Whether the refresh token that was tried is still the one in force."""
    field = _refresh_field(credential)
    tried = getattr(credential, field.version_name)
    return models.QuerySet(type(credential)).filter(pk=credential.pk, **{field.version_name: tried}).exists()


def _refresh_field(credential: Credential) -> SecretField:
    return cast(SecretField, type(credential)._meta.get_field(credential.REFRESHES_WITH))


# --- storing ------------------------------------------------------------------------------------------------


def _store(credential: Credential, held: Held, found: Tokens, tried: str) -> None:
    """Keep what the provider gave, however often the database must be asked."""
    for attempt in range(STORING_TRIES):
        try:
            with transaction.atomic(durable=True):
                _store_once(credential, held, found, tried)
            return
        except DatabaseError:
            if attempt == STORING_TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)


def _store_once(credential: Credential, held: Held, found: Tokens, tried: str) -> None:
    rotated = Fresh(found.refresh_token or "") if credential.REFRESHES_WITH else Fresh("")
    if rotated.text and fingerprint(rotated) != tried and not _put_refresh_token(credential, rotated):
        # A person entered another secret meanwhile: theirs is in force, and this token is not of it.
        release(held, in_flight="")
        return
    _note_end(credential, found)
    if not release(held, in_flight="", **token_waits.NONE):
        # Somebody else holds the lease by now. The refresh token is safe; the access token is theirs to get.
        return
    if credential.read_owner(found) is None:
        _fill(held.row, credential, found)


def _note_end(credential: Credential, found: Tokens) -> None:
    """Note when the refresh token itself ends, where the provider says so."""
    if found.refresh_expires_in:
        ends = timezone.now() + timedelta(seconds=found.refresh_expires_in)
        credential._root_rows().filter(pk=credential.pk).update(expires_at=ends)
        credential.expires_at = ends


def _fill(row: AccessToken, credential: Credential, found: Tokens) -> None:
    now = timezone.now()
    row.credential = credential
    row.token = found.access_token  # type: ignore[assignment]  # the attribute takes a text
    row.secret_version, row.obtained_at = credential.secret_version, now
    lifetime = found.expires_in or credential.TOKEN_LIFETIME
    row.expires_at = now + timedelta(seconds=lifetime)
    row.scopes = " ".join(sorted(found.scopes or ()))
    row.save(
        update_fields=[
            *("token", "token_seal_version", "token_seal_key"),
            *("secret_version", "obtained_at", "expires_at", "scopes"),
        ]
    )


def _put_refresh_token(credential: Credential, token: Fresh) -> bool:
    """Put a new refresh token in place of the one that was tried; False where another one stands there.

    It is no edit: `version` stays, so that nobody's open form goes stale, and so does `secret_version`, for
    the grant is the same.
    """
    field = _refresh_field(credential)
    before = getattr(credential, field.version_name)
    setattr(credential, field.version_name, before + 1)
    key, sealed = seal(token, field.place(credential), credential.destination())
    rows: models.QuerySet[Credential] = models.QuerySet(type(credential)).filter(
        pk=credential.pk, **{field.version_name: before}
    )
    stored = rows.update(**{field.name: Sealed(sealed), field.version_name: before + 1, field.key_name: key})
    if not stored:
        setattr(credential, field.version_name, before)
        return False
    Fingerprint.objects.remember(credential.id, field.name, fingerprint(token))
    audit.record("refresh", credential, fields=[field.name], actor=_actor())
    return True


def _actor() -> str:
    """Who acts; workers of the platform need not say so for a refresh."""
    try:
        return audit.now_acting().actor
    except audit.NobodyActs:
        return f"worker:refresh@{platform.node()}"
