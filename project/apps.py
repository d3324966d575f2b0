from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ProjectConfig(AppConfig):
    name = "project"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from project import checks  # noqa: F401 - registers them


class LanyardAdminConfig(admin_apps.AdminConfig):
    """Django's admin with our site in place of its own."""

    default = False
    default_site = "project.site.LanyardSite"
