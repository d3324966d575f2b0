"""Django's createsuperuser; the new user leaves an event in the same transaction, or is not created."""

from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCreatesuperuser
from django.db import transaction

from credentials import audit
from health.management.base import actor


class Recording:
    """Django's users as the command sees them, down to the one call that creates one."""

    def __init__(self, users: Any):
        self._users = users

    def __getattr__(self, name: str) -> Any:
        return getattr(self._users, name)

    def __call__(self, **values: Any) -> Any:
        return self._users(**values)

    @property
    def _default_manager(self) -> "Recording":
        return Recording(self._users._default_manager)

    def db_manager(self, using: str) -> "Recording":
        return Recording(self._users.db_manager(using))

    def create_superuser(self, **values: Any) -> Any:
        with transaction.atomic():
            user = self._users.create_superuser(**values)
            audit.record("create", user, fields=["is_superuser given"])
        return user


class Command(DjangoCreatesuperuser):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.UserModel: Any = Recording(self.UserModel)

    def execute(self, *args: Any, **options: Any) -> Any:
        with audit.acting(actor()):
            return super().execute(*args, **options)
