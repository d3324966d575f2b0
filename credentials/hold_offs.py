"""Ending a hold-off before its time, by a person: recorded."""

from django.db import transaction

from credentials import audit, kinds, limiter
from credentials.limiter import watching
from credentials.models import Credential


def lift(credential: Credential) -> bool:
    """End the hold-off of a credential's own limit; returns whether there was one. That of its provider as a
    whole stays. Raises LimiterUnavailable."""
    if watching.own_hold(credential.rate_limit) is None:
        return False
    with transaction.atomic():
        audit.record("lift", credential, fields=["rate_limit"])
        credential.rate_limit.lift()
    return True


def lift_provider(credential: Credential) -> bool:
    """End the hold-off of a credential's provider as a whole, for all its credentials; returns whether there
    was one. Raises LimiterUnavailable."""
    provider = kinds.PROVIDERS[credential.provider]
    if provider.key not in watching.provider_holds():
        return False
    with transaction.atomic():
        audit.record("lift", audit.Named("provider", provider.key, provider.name))
        limiter.hold_off_provider(provider.key, seconds=0)
    return True
