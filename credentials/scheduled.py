"""The probes that health's schedule calls for credentials and OAuth apps.

What the demo made is asked about nowhere but at the simulator: its secrets are made up.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import models

from credentials import app_tests, audit, demo, probes
from credentials.models import Credential, OAuthApp
from health import schedule
from health.graph import Id
from health.management.base import worker
from health.meaning import About
from health.models import Component
from health.observations import Observation
from health.schedule import Look

# An OAuth app is also looked at with each credential that exchanges a token through it.
APPS_EVERY = 3600
Row = TypeVar("Row", Credential, OAuthApp)


def register() -> None:
    schedule.register(Component.Kind.CREDENTIAL, credentials)
    schedule.register(Component.Kind.OAUTH_APP, apps, every=APPS_EVERY)


def credentials(components: list[Id]) -> dict[Id, Look]:
    """How to look at the credentials of these components."""
    return _looks(Credential.objects.filter(component__in=components), _of_credential)


def apps(components: list[Id]) -> dict[Id, Look]:
    """How to look at the OAuth apps of these components."""
    return _looks(OAuthApp.objects.filter(component__in=components), _of_app)


def _looks(
    rows: "models.QuerySet[Row]", look: Callable[[Row], list[tuple[Id, Observation]]]
) -> dict[Id, Look]:
    found = [row for row in rows if settings.PROVIDER_SIMULATOR_URL or not demo.is_demo(row)]
    return {row.component_id: partial(_acting, look, row) for row in found}


def _acting(look: Callable[[Row], list[tuple[Id, Observation]]], row: Row) -> list[tuple[Id, Observation]]:
    with audit.acting(worker("check")):
        return look(row)


def _of_credential(credential: Credential) -> list[tuple[Id, Observation]]:
    seen, _steps = probes.look(credential)
    app = credential.app_in_use() if seen.meaning.about is About.OAUTH_APP else None
    if app is None:
        return [(credential.component_id, seen)]
    # The app's own secret was tried, not the credential's.
    return [(app.component_id, replace(seen, revision=str(app.secret_version)))]


def _of_app(app: OAuthApp) -> list[tuple[Id, Observation]]:
    seen = app_tests.look(app, source="probe").observation
    return [(app.component_id, seen)] if seen else []
