"""Django's changepassword; the new password leaves an event in the same transaction, or is not stored."""

import getpass
from typing import Any

from django.contrib.auth.management.commands.changepassword import Command as DjangoChangepassword
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction

from credentials import audit
from health.management.base import actor

TRIES = 3


class Command(DjangoChangepassword):
    help = "Change a user's password. Example: manage.py changepassword ada"

    def handle(self, *args: Any, **options: Any) -> str:
        name = options["username"] or getpass.getuser()
        try:
            user = User.objects.get(username=name)
        except User.DoesNotExist:
            raise CommandError(f"There is no user {name!r}.") from None
        self.stdout.write(f"Changing password for user '{user}'")
        password = self.entered(user)
        with audit.acting(actor()), transaction.atomic():
            user.set_password(password)
            user.save(update_fields=["password"])
            audit.record("set_password", user, fields=["password"])
        return f"Password changed successfully for user '{user}'"

    def entered(self, user: User) -> str:
        """A new password, entered twice and good enough. Raises CommandError after some tries."""
        for _ in range(TRIES):
            password = self._get_pass()  # type: ignore[attr-defined]  # Django's
            again = self._get_pass("Password (again): ")  # type: ignore[attr-defined]
            if password != again:
                self.stderr.write("The two passwords differ. Try again.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
            else:
                return password
        raise CommandError(f"The password of {user} was not changed, after {TRIES} tries.")
