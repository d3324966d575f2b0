"""The vocabulary of health: three statuses that answer one question, who must act before this works again?"""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Status(models.TextChoices):
    """The status of a component. Each member knows its severity, owner, colour, icon and next step."""

    HEALTHY = "healthy", _("Healthy")
    CUSTOMER_INTERVENTION = "customer_intervention", _("Customer must act")
    SEQUIN_INTERVENTION = "sequin_intervention", _("We must act")

    @property
    def severity(self) -> int:
        """0 for healthy, then rising. Our own faults rank highest: they can look like the customer's."""
        return {"healthy": 0, "customer_intervention": 1, "sequin_intervention": 2}[self.value]

    @property
    def owner(self) -> str:
        """Who must act: an empty string (nobody), "customer" or "us"."""
        return {"healthy": "", "customer_intervention": "customer", "sequin_intervention": "us"}[self.value]

    @property
    def colour(self) -> str:
        """The name of the colour, as the style sheet knows it."""
        return {"healthy": "green", "customer_intervention": "amber", "sequin_intervention": "red"}[
            self.value
        ]

    @property
    def icon(self) -> str:
        """The name of the icon in the icon font. Each has its own shape, so that colour is not needed."""
        return {
            "healthy": "check_circle",
            "customer_intervention": "person_alert",
            "sequin_intervention": "build",
        }[self.value]

    @property
    def next_step(self) -> "StrOrPromise":
        """What the owner should do, in one sentence."""
        return {
            "healthy": _("Nothing to do."),
            "customer_intervention": _("Ask the customer to put their account or access in order."),
            "sequin_intervention": _("One of us must look into it; the customer cannot help here."),
        }[self.value]
