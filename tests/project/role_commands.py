"""Each command as somebody would run it on the cast: what gives it something to do, and its arguments."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.management.commands.changepassword import Command as Changepassword
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from credentials import keys
from credentials.models import Credential
from tests.postgres_plugin import fake_key


def _no_administrator(cast: Any) -> list[str]:
    User.objects.filter(is_superuser=True).delete()
    return []


def _a_document(cast: Any) -> list[str]:
    document = {
        "name": "Imported",
        "properties": {
            "kind": "shopify_oauth2",
            "access_token": "shpat_fake_imported",
            "shop_url": "imported",
        },
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump([document], file)
    cast.files = [Path(file.name)]
    return [file.name]


def _other_keys(cast: Any) -> list[str]:
    keys.refuse_others()
    cast.patch.setattr(settings, "FINGERPRINT_KEY", fake_key("another"))
    return ["--yes"]


def _typed_password(cast: Any) -> list[str]:
    cast.patch.setattr(Changepassword, "_get_pass", lambda *args, **named: "another-good-password-42")
    return ["other"]


def _long_deleted(cast: Any) -> list[str]:
    long_ago = timezone.now() - timedelta(days=400)
    QuerySet(Credential).filter(pk=cast.deleted.pk).update(deleted_at=long_ago)
    return []


RENAME = """
from credentials.models import Credential
row = Credential.objects.first()
row.name = "After"
row.save()
"""

RUNS = {
    "accept_keys": _other_keys,
    "check_health": lambda cast: ["--verify-rollup"],
    "changepassword": _typed_password,
    "createsuperuser": lambda cast: ["--no-input", "--username", "new", "--email", "new@example.com"],
    "demo": lambda cast: [],
    "dumpdata": lambda cast: ["health"],
    "export_credentials": lambda cast: [],
    "first_administrator": _no_administrator,
    "import_credentials": _a_document,
    "purge_credentials": _long_deleted,
    "rate_limits": lambda cast: [],
    "report_health": lambda cast: ["sync:orders", "sequin_intervention", "--code", "broken"],
    "rotate_keys": lambda cast: ["--verify"],
    "shell": lambda cast: ["-c", RENAME],
    "show_audit": lambda cast: [],
    "show_health": lambda cast: [],
    "verify_audit": lambda cast: [],
}
