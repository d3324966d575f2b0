"""What every page knows."""

from django.conf import settings
from django.http import HttpRequest


def provider_simulator(request: HttpRequest) -> dict[str, str]:
    """The simulator's address, for the banner; empty where calls go to the providers."""
    return {"provider_simulator": settings.PROVIDER_SIMULATOR_URL}
