"""With which keys this database was written: never a key, only what can be computed from one."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class KeyCheck(models.Model):
    """The row "fingerprint" holds a keyed hash made with FINGERPRINT_KEY; "seal" and an id stand for a key of
    FERNET_KEYS that was in force. See `credentials.keys`."""

    # The key, so that of two hosts that start for the first time with different keys one is told.
    name = models.CharField(_("name"), max_length=32, primary_key=True)
    value = models.CharField(_("value"), max_length=64)
    since = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("key check")
        verbose_name_plural = _("key checks")

    def __str__(self) -> str:
        return self.name
