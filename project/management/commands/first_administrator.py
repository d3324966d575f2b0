"""Creates the first administrator: `manage.py first_administrator`."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import IntegrityError, transaction

from credentials import audit
from health.management.base import actor

USERNAME = "admin"
# Without letters and digits that look alike; 24 of them are 118 random bits.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """Returns a random password in six groups of four."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(6))


def create_first_administrator() -> str | None:
    """Creates the user admin unless somebody can administer already.

    Returns the new password, or None when nothing was created. Of two processes at the same time one
    creates the user: the name is unique.
    """
    users = get_user_model()
    password = new_password()
    try:
        with transaction.atomic():
            if users.objects.filter(is_superuser=True, is_active=True).exists():
                return None
            user = users.objects.create_superuser(USERNAME, password=password)
            audit.record("create", user, actor=actor())
    except IntegrityError:
        return None
    return password


class Command(BaseCommand):
    help = (
        "Creates the administrator 'admin' with a random password, which is printed once, unless there is an"
        " active administrator. Example: manage.py first_administrator"
    )

    def handle(self, *args: Any, **options: Any) -> None:
        password = create_first_administrator()
        if password:
            self.stdout.write(f"\n  Administrator: {USERNAME}\n  Password:      {password}\n")
            self.stdout.write("  It is shown this once. Write it down, or change it after signing in.\n\n")
        elif not get_user_model().objects.filter(is_superuser=True, is_active=True).exists():
            self.stderr.write(
                f"No administrator is active, and the name {USERNAME} is taken."
                " Make one with: manage.py createsuperuser"
            )
