import pytest

from tests.credentials.notifications.cast import HOST, Receiver


@pytest.fixture(autouse=True)
def approved(settings):
    settings.NOTIFICATION_HOSTS = [HOST]
    settings.MAIL_SERVER = True
    settings.LANYARD_URL = "https://lanyard.example.com"


@pytest.fixture
def receiver(monkeypatch):
    return Receiver(monkeypatch)
