"""/livez, /readyz and /metrics: for whom, how soon, and what they say."""

import re
import threading
import time
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials import keys
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import AuditEvent, Channel, Delivery
from health import doubts, incidents, upkeep
from health.models import Component
from project import gauges, readiness
from tests.factories import make_credential
from tests.health.cast import CUSTOMER, OURS, make, say

TOKEN = "fake-metrics-token-0123456789"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch, settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(gauges, "_kept", (float("-inf"), ""))


def numbers(text):
    """Each sample by its name and labels."""
    return {key: float(value) for key, value in re.findall(r"^(lanyard_\S+) (\S+)$", text, re.MULTILINE)}


# --- alive and ready ----------------------------------------------------------------------------------------


def test_livez_asks_nobody_and_takes_any_host_and_cookie(settings):
    # Without the mark django_db any query fails; a cookie of a session would cause one further in.
    settings.SECURE_SSL_REDIRECT = True
    client = Client(headers={"host": "10.1.2.3:8000"})
    client.cookies[settings.SESSION_COOKIE_NAME] = "somebody"
    for method in (client.get, client.head):
        answer = method("/livez")
        assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert client.post("/livez").status_code == 405
    assert client.get("/livez/").status_code != 200


@pytest.mark.django_db(transaction=True)
def test_readyz_says_that_all_is_well():
    answer = Client(headers={"host": "10.1.2.3:8000"}).get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"ready": True, "checks": dict.fromkeys(("database", "migrations", "keys", "limiter"), "ok")},
    )


def raising(error):
    def fail(*args, **options):
        raise error

    return fail


# What breaks: where, with what, and which check says so, how.
FAULTS = {
    "database": (
        (
            readiness,
            "MigrationRecorder",
            raising(OperationalError("connection to db.internal, user lanyard, failed")),
        ),
        {"database": "does not answer", "migrations": "not checked", "keys": "not checked"},
    ),
    "migrations": (
        (readiness, "_expected", lambda: frozenset([("health", "9999_later"), ("health", "9998_later")])),
        {"migrations": "2 to be applied: manage.py migrate", "keys": "not checked"},
    ),
    "keys": (
        (keys, "proof", lambda: "of another key"),
        {"keys": "FINGERPRINT_KEY is not the one that this database was written with"},
    ),
    "limiter": (
        (watching, "reach", raising(LimiterUnavailable("PostgreSQL: OperationalError"))),
        {"limiter": "does not answer"},
    ),
    "our own code": (
        (watching, "reach", raising(ValueError("of a secret"))),
        {"limiter": "the check failed in our own code: see the log"},
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_readyz_says_which_check_fails(fault, monkeypatch):
    keys.refuse_others()
    (module, name, broken), said = FAULTS[fault]
    monkeypatch.setattr(module, name, broken)
    answer = Client().get("/readyz")
    checks = dict.fromkeys(("database", "migrations", "keys", "limiter"), "ok") | said
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "checks": checks})
    assert "db.internal" not in answer.text and "of a secret" not in answer.text


def test_readyz_answers_soon_while_the_database_hangs_and_piles_up_no_threads(monkeypatch):
    ends, begun = threading.Event(), []
    monkeypatch.setattr(readiness, "PATIENCE", 0.2)
    monkeypatch.setattr(readiness, "_database", lambda: begun.append(1) or ends.wait(10) and {} or {})
    monkeypatch.setattr(readiness, "_limiter", lambda: {"limiter": ""})
    try:
        for _number in range(3):
            started = time.monotonic()
            answer = Client().get("/readyz")
            assert time.monotonic() - started < 1.5
            assert answer.status_code == 503
            assert answer.json()["checks"] == {
                "database": "does not answer",
                "migrations": "not checked",
                "keys": "not checked",
                "limiter": "ok",
            }
        assert len(begun) == 1
    finally:
        ends.set()
        readiness._running["database"].join(5)


@pytest.mark.django_db(transaction=True)
def test_readyz_says_the_same_to_two_who_ask_at_once(monkeypatch):
    asked_for, ends = threading.Event(), threading.Event()
    database = readiness._database

    def slowly():
        asked_for.set()
        ends.wait(10)
        return database()

    monkeypatch.setattr(readiness, "_database", slowly)
    found = []
    first = threading.Thread(target=lambda: found.append(readiness.check()))
    first.start()
    assert asked_for.wait(10)
    # The second one comes while the check of the first is under way.
    second = threading.Thread(target=lambda: found.append(readiness.check()))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    ends.set()
    for thread in (first, second):
        thread.join(10)
    assert found == [dict.fromkeys(("database", "migrations", "keys", "limiter"), "")] * 2


# --- who gets the numbers -----------------------------------------------------------------------------------


def asked(**extra):
    return Client().get("/metrics", **extra)


def test_without_a_token_only_this_machine_gets_numbers(settings, monkeypatch):
    monkeypatch.setattr(gauges, "text", lambda: "lanyard_x 1\n")
    settings.METRICS_TOKEN, settings.ALLOWED_HOSTS = "", ["127.0.0.1", "localhost"]
    assert asked().text == "lanyard_x 1\n" and asked(REMOTE_ADDR="::1").status_code == 200
    refused = [
        asked(REMOTE_ADDR="192.0.2.7"),
        asked(REMOTE_ADDR=""),
        # A proxy on this machine, whoever asks.
        asked(headers={"x-forwarded-for": "192.0.2.7"}),
        asked(headers={"x-forwarded-proto": "https"}),
        asked(headers={"forwarded": "for=192.0.2.7"}),
    ]
    settings.ALLOWED_HOSTS = ["lanyard.example.com"]
    for answer in (*refused, asked()):
        assert answer.status_code == 403 and "METRICS_TOKEN" in answer.text and "lanyard_x" not in answer.text


def test_with_a_token_whoever_has_it_gets_numbers_and_nobody_else(settings, monkeypatch):
    monkeypatch.setattr(gauges, "text", lambda: "lanyard_x 1\n")
    settings.METRICS_TOKEN, settings.ALLOWED_HOSTS = TOKEN, ["lanyard.example.com"]
    for said in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
        assert asked(headers={"authorization": said}, REMOTE_ADDR="192.0.2.7").status_code == 200
    for said in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \u00e9"):
        answer = asked(headers={"authorization": said})
        assert answer.status_code == 401 and answer["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text and "lanyard_x" not in answer.text


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_metrics_say_that_the_database_is_down(error, monkeypatch):
    monkeypatch.setattr(gauges, "gathered", raising(error("to db.internal failed")))
    answer = asked()
    assert answer.status_code == 503 and "db.internal" not in answer.text and "/readyz" in answer.text


def test_metrics_answer_soon_while_the_database_hangs_and_pile_up_no_threads(monkeypatch):
    ends, begun = threading.Event(), []
    monkeypatch.setattr(gauges, "PATIENCE", 0.1)
    monkeypatch.setattr(gauges, "gathered", lambda now: begun.append(1) or ends.wait(10) and "lanyard_x 1\n")
    try:
        for _number in range(3):
            started = time.monotonic()
            assert asked().status_code == 503
            assert time.monotonic() - started < 1.5
        assert len(begun) == 1
    finally:
        ends.set()
        gauges._gathering.join(5)
    assert asked().text == "lanyard_x 1\n"


# --- the numbers --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_numbers_are_those_of_the_database():
    now, flips_before = timezone.now(), gauges._given("health_flip")
    # Rate limits outlive a test.
    granted, denied = watching.of_providers(gauges.MINUTES).get("stripe", (0, 0))
    key = make_credential("stripe_key")
    other = make_credential("sendgrid_key")
    say(other.component, OURS)
    sync = make("sync", "acme orders")
    say(make("target", "orders-db"), CUSTOMER)
    say(incidents.of_provider("stripe"), OURS)
    doubts.begin(other.component_id, now)
    Component.objects.filter(pk=key.component_id).update(next_check_at=now - timedelta(minutes=10))
    Component.objects.exclude(pk=key.component_id).update(next_check_at=now + timedelta(hours=1))
    upkeep.beat("alive", now)
    upkeep.beat("gone", now - timedelta(minutes=5))
    mails = Channel(name="On call", way="email", addresses=["ops@example.com"])
    mails.save()
    Delivery.objects.create(channel=mails, stage="began", due_at=now + timedelta(minutes=5))
    assert key.rate_limit.try_acquire().granted
    type(key)._root_rows().filter(pk=key.pk).update(unreadable=True)
    found = numbers(asked().text)
    expected = {
        'components{kind="credential",provider="stripe",status="healthy",owner=""}': 1,
        'components{kind="credential",provider="sendgrid",status="sequin_intervention",owner="us"}': 1,
        'components{kind="sync",provider="",status="healthy",owner=""}': 1,
        'components{kind="target",provider="",status="customer_intervention",owner="customer"}': 1,
        "components_unchecked": 2,
        "components_in_doubt": 1,
        "components_paused": 0,
        "components_also_customer": 0,
        'credentials{provider="stripe"}': 1,
        'credentials{provider="linear"}': 0,
        'provider_incident{provider="stripe"}': 1,
        'provider_incident{provider="sendgrid"}': 0,
        'platform_incident{part="roll-up"}': 0,
        "flips_total": flips_before + 3,
        'flips_last_hour{status="sequin_intervention"}': 2,
        "checks_due": 1,
        "checks_overdue": 1,
        "workers": 1,
        'notifications_waiting{way="email"}': 1,
        'notifications_waiting{way="slack"}': 0,
        "notifications_due": 0,
        "limiter_up": 1,
        'limit_granted{provider="stripe"}': granted + 1,
        'limit_denied{provider="stripe"}': denied,
        'unreadable{kind="credential"}': 1,
        "audit_unchained": AuditEvent.objects.filter(number=None).count(),
    }
    assert {name: found.get(f"lanyard_{name}") for name in expected} == expected
    assert 600 <= found["lanyard_checks_oldest_due_seconds"] < 660
    assert 0 <= found["lanyard_worker_seen_seconds"] < 60
    assert sync.name not in gauges._kept[1] and key.name not in gauges._kept[1]


@pytest.mark.django_db(transaction=True)
def test_the_lines_and_queries_are_as_many_for_many_components_as_for_few():
    make("target", "first", provider="stripe")
    make("target", "made-up", provider='of nobody "x')

    def gather():
        with CaptureQueriesContext(connection) as captured:
            text = gauges.gathered(timezone.now())
        return len(captured), len(text.splitlines())

    few = gather()
    for number in range(30):
        make("target", f"target {number}", provider="stripe")
        make("target", f"odd {number}", provider=f"provider {number}")
    assert gather() == few
    assert few[0] == 15
    text = gauges.gathered(timezone.now())
    assert 'provider="other"' in text and "odd" not in text and "made-up" not in text
    # Every line is a comment or a sample, and every metric says what it is once.
    sample = r'lanyard_[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.e+-]+'
    lines = text.splitlines()
    assert all(line.startswith("# ") or re.fullmatch(sample, line) for line in lines)
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    assert {re.match(r"\w+", line)[0] for line in lines if not line.startswith("#")} <= set(types)


@pytest.mark.django_db(transaction=True)
def test_they_are_gathered_once_in_five_seconds(monkeypatch):
    times = []
    gathered = gauges.gathered
    monkeypatch.setattr(gauges, "gathered", lambda now: times.append(now) or gathered(now))
    assert asked().text == asked().text
    assert len(times) == 1


@pytest.mark.django_db
def test_readyz_waits_for_nobody_who_writes():
    # The transaction around this test holds SQLite's only write lock.
    make("target", "orders-db")
    assert Client().get("/readyz").json()["ready"]
