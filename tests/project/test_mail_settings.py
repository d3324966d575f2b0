"""Where messages go and come from, as the environment says it."""

import pytest

from tests.project.test_settings import refused, value_of


def test_a_mail_server_is_read_with_its_password():
    server = "(MAIL_SERVER, EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS)"
    url = "smtp+tls://ops:p%40ss@mail.example.com:587"
    assert value_of(server, EMAIL_URL=url) == (True, "mail.example.com", 587, "ops", "p@ss", True)
    assert value_of("(EMAIL_PORT, EMAIL_USE_SSL)", EMAIL_URL="smtp+ssl://mail.example.com") == (465, True)
    assert value_of("(MAIL_SERVER, EMAIL_BACKEND.split('.')[-2])") == (False, "dummy")


def test_hosts_and_the_address_of_lanyard_are_read_strictly():
    found = value_of(
        "(NOTIFICATION_HOSTS, LANYARD_URL)",
        NOTIFICATION_HOSTS="Hooks.Slack.com, alerts.example.com",
        LANYARD_URL="https://lanyard.example.com/",
    )
    assert found == (["hooks.slack.com", "alerts.example.com"], "https://lanyard.example.com")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("EMAIL_URL", "mailgun://key-secret@x", "EMAIL_URL is not smtp+tls://"),
        ("EMAIL_URL", "smtp://ops:secret@host:notaport", "EMAIL_URL is not smtp+tls://"),
        ("NOTIFICATION_HOSTS", "*.slack.com", "is not the full name of a host"),
        ("NOTIFICATION_HOSTS", "https://hooks.slack.com", "is not the full name of a host"),
        ("NOTIFICATION_HOSTS", "10.0.0.7", "is not the full name of a host"),
        ("LANYARD_URL", "lanyard.example.com", "LANYARD_URL is not an address"),
    ],
)
def test_a_mistake_is_said_without_what_is_secret(name, value, sentence):
    assert "secret" not in refused(sentence, **{name: value})
