from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CredentialsConfig(AppConfig):
    name = "credentials"
    verbose_name = _("Access to accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credentials import (
            checks,  # noqa: F401 - registers them
            jobs,
            notifications,
            scheduled,
            timeline,
        )
        from credentials.console import uploads

        scheduled.register()
        jobs.register()
        notifications.register()
        timeline.register()
        uploads.register()
