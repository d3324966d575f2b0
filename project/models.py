"""What people keep for themselves."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health.fields import PlainTextField


class SavedView(models.Model):
    """A list as a person narrowed and sorted it, under a name of their own. Nobody else sees it."""

    # So many a person has of one list at most: they stand above it as tabs.
    MOST = 20

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    page = models.CharField(max_length=32)
    name = PlainTextField(_("name"), max_length=40)
    query = models.CharField(max_length=1_000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        # Each has their own: no right is given.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="saved_view_one_of_a_name")
        ]

    def __str__(self) -> str:
        return self.name
