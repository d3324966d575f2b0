"""Storing what a consent gave: in the credential that is connected again, in that of the account, or anew."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from credentials import tokens
from credentials.models import Conflict, Credential, OAuthApp
from credentials.models import properties as declared
from credentials.models.access import Tokens
from credentials.refusals import Refused

# How often it is tried, where others save the same credential meanwhile or the database fails.
TRIES = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Renewed:
    """What is to be stored: the kind and name as they were asked for in `fresh`, the app that was allowed,
    the properties with opaque secrets, the account that they are of, and the tokens."""

    fresh: Credential
    app: OAuthApp
    properties: dict[str, Any] = field(repr=False)
    account: str | None
    tokens: Tokens


@dataclass(frozen=True)
class Stored:
    """The credential that was stored; `app_before` is the app that it used, where that was another one."""

    credential: Credential
    created: bool
    app_before: OAuthApp | None = None


def store(given: Renewed, stored: Credential | None) -> Stored:
    """Store it, in `stored` where a credential is connected again. Raises ValidationError, Refused."""
    pk, failed = stored.pk if stored else None, ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(0.05 * 2**attempt)
        try:
            # As it stands now: somebody may just have saved it, or connected the same account.
            existing = Credential.objects.filter(pk=pk).first() if pk else None
            if pk and existing is None:
                raise Refused("expired")
            with transaction.atomic():
                return _store_once(given, existing)
        except (Conflict, DatabaseError) as error:
            failed = type(error).__name__
    logger.error("What a consent gave for a credential of %s was not stored: %s", given.fresh.kind, failed)
    raise Refused(
        "failed", _("It could not be stored here: others changed it, or the database failed."), stored
    )


def _store_once(given: Renewed, existing: Credential | None) -> Stored:
    fresh, app_before = given.fresh, None
    if existing is None and given.account:
        existing = Credential.objects.kind(fresh.KIND).filter(account=given.account).first()
    if existing is None:
        kept = type(fresh).from_properties(given.properties, name=fresh.name, oauth_app=given.app)
    else:
        kept = existing
        # The name of a Stripe credential is one of its properties, and people's own.
        properties = {name: value for name, value in given.properties.items() if name != "name"}
        before = kept.app_in_use()
        if before != given.app:
            # What this app got, no other can refresh.
            kept.oauth_app, app_before = given.app, before
        # A secret of the consent before has no place beside those of this one.
        for name in declared.secret_names(type(kept)):
            properties.setdefault(name, None)
        declared.assign(kept, properties)
    kept.account = kept.account or given.account
    kept.save()
    # In the same transaction: nobody may exchange the new secret before its token stands beside it.
    tokens.keep(kept, given.tokens)
    return Stored(kept, existing is None, app_before)
