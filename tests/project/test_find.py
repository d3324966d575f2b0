"""The search box of every page, and leaked keys: what is found, by whom, and that no secret stays."""

import io
import logging
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credentials import leaked
from credentials.kinds import KINDS
from credentials.models import AuditEvent
from health.models import Component
from project.console import finding
from tests import canary
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

FIND, LEAKED = "/find/", "/find/leaked/"
SEARCHED = (FIND, "/credentials/", "/rate-limits/", "/health/", "/admin/auth/user/", "/admin/search/")
# Session, user, credentials, components, apps; and what PostgreSQL estimates and gathers.
MOST_QUERIES = 9


def person(role):
    user = User.objects.create_user(role, password=None, is_staff=True)
    if role != "nobody":
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def found(client, text):
    groups = client.get(FIND, {"q": text}).context["groups"]
    return {group.title: [one.title for one in group.found] for group in groups}


@pytest.fixture
def operator():
    return person("operator")


@pytest.fixture
def world():
    make_credential("stripe_key", name="Arrakis Water", metadata={"region": "erg-5", "owner": "Stilgar"})
    make_credential("shopify_oauth2", name="Caladan", shop_url="caladan-rice.myshopify.com")
    make_oauth_app("hubspot", name="Our Arrakis app")
    Component.objects.create(kind=Component.Kind.SYNC, name="orders of arrakis")


@pytest.mark.parametrize(
    ("text", "sort", "title"),
    [
        ("arrakis", "Credentials", "Arrakis Water"),
        ("arrakis", "Rate limits", "Rate limit of Arrakis Water"),
        ("stilgar", "Credentials", "Arrakis Water"),
        ("caladan-rice", "Credentials", "Caladan"),
        ("arrakis", "Syncs, consumers and targets", "orders of arrakis"),
        ("arrakis", "OAuth apps", "Our Arrakis app"),
        ("strip", "Providers", "Stripe"),
        ("audit", "Pages", "Audit trail"),
        ("rate lim", "Pages", "Rate limits"),
        ("add stripe key", "Pages", "Add Stripe: Secret or restricted key"),
        ("import credentials", "Commands", "Import credentials"),
    ],
)
def test_one_box_finds_everything(world, text, sort, title):
    admin = person("admin")
    assert title in found(admin, text)[sort]


def test_each_result_leads_to_its_page(world):
    admin = person("admin")
    for text in ("arrakis", "stripe", "credentials", ""):
        for group in admin.get(FIND, {"q": text}).context["groups"]:
            for one in group.found:
                assert admin.get(one.address).status_code == 200, one
            assert not group.more or admin.get(group.more).status_code == 200


def test_a_command_is_told_as_it_is_run(operator):
    page = operator.get(FIND, {"q": "import credentials"}).content.decode()
    assert "manage.py import_credentials credentials.json" in page
    assert set(finding.commands()) >= {"import_credentials", "rotate_keys", "check_health"}


def test_nobody_finds_what_they_may_not_see(world):
    assert set(found(person("nobody"), "arrakis")) == set()
    viewer = found(person("viewer"), "a")
    assert "Add a credential" not in viewer["Pages"] and "Audit trail" not in viewer["Pages"]
    assert "Audit trail" in found(person("auditor"), "audit")["Pages"]


def test_finding_costs_the_same_however_much_there_is(world, operator):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            operator.get(FIND, {"q": "arrakis"})
        return len(captured)

    few = queries()
    for number in range(12):
        make_credential("stripe_key", name=f"Arrakis {number}")
        Component.objects.create(kind=Component.Kind.SYNC, name=f"arrakis {number}")
    assert queries() <= few <= MOST_QUERIES
    groups = operator.get(FIND, {"q": "arrakis"}).context["groups"]
    assert [len(group.found) for group in groups[:3]] == [finding.SHOWN, finding.SHOWN // 2, finding.SHOWN]
    assert all(group.more for group in groups[:3])


def test_finding_opens_no_secret(world, operator, monkeypatch):
    monkeypatch.setattr("credentials.sealing.unseal", None)
    assert "Credentials" in found(operator, "arrakis")


@pytest.mark.parametrize("text", ["", " ", "…", "%", "'\"<>\\", "a" * 5_000, "ü ß 漢字"])
def test_any_text_is_answered(world, operator, text):
    answer = operator.get(FIND, {"q": text})
    assert answer.status_code == 200
    part = operator.get(FIND, {"q": text, "part": 1})
    assert b"<html" not in part.content and part.status_code == 200


# --- leaked keys


def holders(page):
    return [(held.owner.pk, held.current) for held, _label in page.context["found"]]


def test_a_leaked_key_finds_its_credential(operator):
    credential = make_credential("stripe_key", name="Arrakis", secret="sk_test_FAKEbefore00000000")
    make_credential("stripe_key", name="Caladan")
    credential.secret = "sk_test_FAKEafter000000000"
    credential.save()
    page = operator.post(LEAKED, {"leaked": " sk_test_FAKEafter000000000\n"})
    assert holders(page) == [(credential.pk, True)]
    page = operator.post(LEAKED, {"leaked": "STRIPE_KEY='sk_test_FAKEbefore00000000' # old"})
    assert holders(page) == [(credential.pk, False)]
    assert "Replaced since" in page.content.decode()
    page = operator.post(LEAKED, {"leaked": "sk_test_FAKEnobodys0000000"})
    assert page.context["found"] == [] and "Nothing here holds it" in page.content.decode()


def test_a_leaked_key_of_an_app_or_of_what_was_deleted_is_found(operator):
    app = make_oauth_app("github", private_key="-----BEGIN KEY-----\nFAKE\n-----END KEY-----\n")
    gone = make_credential("sendgrid_key", api_key="SG.FAKEgone.0000000000000")
    gone.delete()
    page = operator.post(LEAKED, {"leaked": "-----BEGIN KEY-----\r\nFAKE\r\n-----END KEY-----"})
    assert holders(page) == [(app.pk, True)]
    page = operator.post(LEAKED, {"leaked": "SG.FAKEgone.0000000000000"})
    assert holders(page) == [(gone.pk, True)]


def test_the_audit_keeps_that_somebody_looked_and_what_was_found(operator):
    credential = make_credential("stripe_key", name="Arrakis", secret="sk_test_FAKE000000000000")
    operator.post(LEAKED, {"leaked": "sk_test_FAKE000000000000"})
    operator.post(LEAKED, {"leaked": "sk_test_FAKEother0000000"})
    events = AuditEvent.objects.filter(action__startswith="leak_").order_by("pk")
    told = [(one.actor, one.action, one.object_id, one.fields) for one in events]
    assert told == [
        ("user:operator", "leak_found", str(credential.pk), ["secret"]),
        ("user:operator", "leak_not_found", "", []),
    ]


def test_what_is_short_or_too_often_is_refused(operator, monkeypatch):
    assert b"Paste the whole secret" in operator.post(LEAKED, {"leaked": "hunter2"}).content
    assert b"Paste the whole secret" in operator.post(LEAKED).content
    monkeypatch.setattr(leaked, "LOOKS_PER_HOUR", 2)
    for _again in range(2):
        assert b"Nothing here holds it" in operator.post(LEAKED, {"leaked": "sk_test_FAKE0000"}).content
    assert b"within an hour" in operator.post(LEAKED, {"leaked": "sk_test_FAKE0000"}).content
    assert b"Nothing here holds it" in person("viewer").post(LEAKED, {"leaked": "sk_test_FAKE0000"}).content


# --- no secret in an address


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("sk_live_51FAKEFAKEFAKE", True),
        ("the key rk_test_FAKE0000 of Arrakis", True),
        ("KEY=SG.FAKE0000.FAKE", True),
        ("shpat_0123456789abcdef", True),
        ("ghp_FAKEFAKEFAKE", True),
        ("pat-na1-00000000-0000", True),
        ("xoxb-0000-0000-FAKE", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("na1-0a1b-2c3d-00000000-0000-0000-0000-000000000000", True),
        ("a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4", True),
        ("Arrakis Water", False),
        ("acct_1032D82eZvKYlo2C:live", False),
        ("6f1c9d0e-1f2a-4b3c-8d4e-5f6a7b8c9d0e", False),
        ("6f1c9d0e1f2a4b3c8d4e5f6a7b8c9d0e", False),
        ("0018d00000AbCdEFAV", False),
        ("start_europe_2024", False),
        ("arrakis-water-2024.my.salesforce.com", False),
        ("Donaudampfschifffahrtsgesellschaft2024kapitaen", False),
        ("ops+eu-west-1@arrakis-water.example.com", False),
    ],
)
def test_what_looks_like_a_secret(text, secret):
    assert leaked.looks_secret(text) is secret


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.SECRETS_BEGIN])
def test_secrets_of_a_kind_are_known_by_how_they_begin(kind):
    for beginning in KINDS[kind].SECRETS_BEGIN:
        assert leaked.looks_secret(f"{beginning}FAKEFAKEFAKE")


@pytest.mark.django_db(transaction=True)
def test_a_leaked_key_stays_nowhere(caplog):
    """The canary: sent as a leaked key, and in the address of each search, signed in and not."""
    caplog.set_level(logging.DEBUG)
    client, output = person("admin"), io.StringIO()
    held, loose = canary.make_plain("sk_test_"), canary.make_plain("shpat_")
    make_credential("stripe_key", name="Arrakis", secret=held)
    for secret in (held, loose):
        output.write(client.post(LEAKED, {"leaked": f"key: {secret}"}).content.decode())
        for address in SEARCHED:
            for visitor in (client, Client()):
                for name in ("q", "s", "meta"):
                    answer = visitor.get(f"{address}?{name}={quote('my key ' + secret)}&part=1")
                    assert answer.status_code == 400 and b"This address holds a secret" in answer.content
                    assert answer["Referrer-Policy"] == "no-referrer"
                    assert "no-store" in answer["Cache-Control"]
                    output.write(answer.content.decode() + str(answer.headers) + str(answer.cookies))
    output.write(client.get("/admin/credentials/auditevent/").content.decode())
    told = output.getvalue() + caplog.text + repr([vars(one) for one in caplog.records])
    # What the test's own client keeps of its requests is no log.
    assert canary.leaks([held, loose], [("pages and logs", canary.as_bytes(told))]) == []
    if connection.vendor == "sqlite":
        connection.ensure_connection()
    assert canary.leaks([held, loose], canary.database()) == []
