"""Django's dumpdata, with the deleted credentials: what belongs to them is dumped too, and could not be
loaded without them."""

from typing import Any

from django.core.management.commands.dumpdata import Command as DjangoDumpdata


class Command(DjangoDumpdata):
    def handle(self, *app_labels: str, **options: Any) -> None:
        super().handle(*app_labels, **{**options, "use_base_manager": True})
