"""Which OAuth app a credential authenticates through: the one that it names, or its provider's default.

Whoever creates a credential that names none looks for the default app, and whoever makes an app the default
looks for such credentials. Neither sees what the other has not committed yet, so they take turns.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from health import wiring
from health.models import Component

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from credentials.models.credential import Credential
    from credentials.models.oauth_app import OAuthApp

# A number of our own among PostgreSQL's advisory locks.
LOCK_OF_DEFAULTS = 0x6C616E7B


def problem(credential: "Credential") -> "StrOrPromise | None":
    """Why a credential cannot have the OAuth app that it names, or None."""
    if not credential.oauth_app_id:
        return None
    if not credential.USES_OAUTH_APP:
        return _("This kind does not use an OAuth app.")
    try:
        app = credential.oauth_app
    except (ObjectDoesNotExist, ValidationError):
        return _("There is no such OAuth app: create it first.")
    if app and app.provider != credential.PROVIDER.key:
        return _("This OAuth app belongs to another provider.")
    return None


def hold(providers: Iterable[str]) -> None:
    """Keep the default apps of these providers as they are until the transaction ends.

    Many may hold them at once. Call it before any row is locked.
    """
    _lock("pg_advisory_xact_lock_shared", providers)


def take(provider: str) -> None:
    """Wait until nobody holds the default app of a provider any more, and be the only one until the
    transaction ends. Call it before any row is locked."""
    _lock("pg_advisory_xact_lock", [provider])


def _lock(function: str, providers: Iterable[str]) -> None:
    # SQLite has one writer at a time, and a transaction there begins as one.
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for provider in sorted(set(providers)):
            cursor.execute(f"SELECT {function}(%s, hashtext(%s))", [LOCK_OF_DEFAULTS, provider])


def kinds_with_apps() -> list[str]:
    """The kinds that authenticate through an OAuth app."""
    ours: Iterable[Any] = apps.get_app_config("credentials").get_models()
    return [model.KIND for model in ours if getattr(model, "USES_OAUTH_APP", False)]


def followers(provider: str) -> models.QuerySet[Component]:
    """The components of the credentials that use the provider's default app, whichever that is.

    A deleted one is in no graph; it is wired again when it comes back.
    """
    return Component.objects.filter(
        provider=provider, credential__oauth_app=None, credential__kind__in=kinds_with_apps()
    )


def followers_by_provider() -> dict[str, int]:
    """How many credentials use a default app, by provider. One query."""
    found = Component.objects.filter(credential__oauth_app=None, credential__kind__in=kinds_with_apps())
    counts = found.values_list("provider").order_by("provider").annotate(count=models.Count("pk"))
    return dict(counts)


def serve(app: "OAuthApp", *, actor: Any) -> None:
    """Let the followers of a provider depend on an app, or no longer, as it says that it is the default."""
    edges = [(pk, app.component_id) for pk in followers(app.provider).values_list("pk", flat=True)]
    change = wiring.connect if app.is_default else wiring.disconnect
    change(edges, actor=actor)
