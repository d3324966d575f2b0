"""What people type: texts, visible, on one line and stored in one form; times that can be computed with."""

import unicodedata
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

# Characters that turn or hide text: "paid\u202etxt.exe" is the classic. Joiners stay, scripts and emoji need
# them.
HIDING = set("\u200b\u200e\u200f\u2060\ufeff\u061c") | {
    chr(code) for span in ((0x202A, 0x202F), (0x2066, 0x206A)) for code in range(*span)
}

# Outside of these, a time of another zone, or a week later, is no time any more.
YEARS = range(1970, 9000)


def sensible_time(value: datetime) -> None:
    """Raise ValidationError for a time that is too far away to compute with."""
    if value.year not in YEARS:
        raise ValidationError(_("This time is too far away: check the year."), code="year")


def plain_text(value: str) -> None:
    """Raise ValidationError where a text holds characters that cannot be stored or that hide what it says."""
    for position, character in enumerate(value, start=1):
        if character in HIDING or unicodedata.category(character) in ("Cc", "Cs"):
            raise ValidationError(
                _("Character %(position)d is invisible or a control character: leave it out."),
                code="characters",
                params={"position": position},
            )


class PlainTextField(models.CharField):
    """One line of visible text, stored in Unicode's composed form and without spaces around it."""

    default_validators = [plain_text]

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("max_length", 255)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else value
