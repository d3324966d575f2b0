"""The demo: a believable platform, made the same each time and taken away exactly."""

import uuid

import pytest
from django.core.management import CommandError, call_command

from credentials import demo, kinds
from credentials.models import AuditEvent, Credential, Fingerprint, OAuthApp, RateLimit
from health.models import Component, Dependency, Flip, Note
from health.status import Status
from tests.factories import make_credential

pytestmark = pytest.mark.django_db
TABLES = (Credential, OAuthApp, RateLimit, Fingerprint, Component, Dependency, Flip, Note)


def rows():
    return {table: table._base_manager.count() for table in TABLES}


def run(*arguments):
    call_command("demo", *arguments)


def test_it_has_credentials_of_every_kind_and_a_month_of_health(capsys):
    run()
    assert capsys.readouterr().out.startswith("credentials 60, OAuth apps ")
    assert set(Credential.objects.values_list("kind", flat=True)) == set(kinds.KINDS)
    assert {row.status for row in Component.objects.filter(kind="sync")} == set(Status)
    assert Flip.objects.count() > 10 and not Component.objects.filter(known_since=None).exists()


def test_every_flip_follows_the_one_before():
    demo.fill()
    for component in Component.objects.filter(sequence__gt=1):
        flips = list(component.flips.order_by("sequence"))
        assert all(one.new == two.old for one, two in zip(flips, flips[1:], strict=False))


def test_made_twice_it_is_there_once(capsys):
    run()
    before = rows()
    run()
    assert "there already" in capsys.readouterr().out and rows() == before


def test_removing_it_takes_exactly_the_demo_away_and_leaves_its_audit():
    make_credential(name="stays", metadata={"demo": 1})
    make_credential("shopify_oauth2", name="stays too", metadata={"demo": True})
    before, events = rows(), AuditEvent.objects.count()
    run("--scale", "20")
    run("--remove")
    assert rows() == before
    assert AuditEvent.objects.count() > events + 80


def test_it_is_not_removed_where_something_else_depends_on_it():
    run()
    mine = Component.objects.create(kind="sync", name="mine")
    mine.depends_on.add(Credential.objects.get(pk=demo.demo_id("credential", 4)).component)
    before = rows()
    with pytest.raises(CommandError, match="Sync mine"):
        run("--remove")
    assert rows() == before


def test_more_are_made_by_number_and_the_second_time_unchanged(capsys):
    run("--scale", "34")
    assert "created 34, unchanged 0, failed 0" in capsys.readouterr().out
    run("--scale", "34")
    assert "created 0, unchanged 34, failed 0" in capsys.readouterr().out
    assert Credential.objects.count() == 94


def test_its_secrets_say_that_they_are_none():
    for n, document in enumerate(demo.documents(34)):
        kind = kinds.KINDS[document["properties"]["kind"]]
        from credentials.models.properties import secret_names

        assert all("demoNotReal" in document["properties"][name] for name in secret_names(kind)), n


def test_wrong_use_is_said():
    with pytest.raises(CommandError, match="positive"):
        run("--scale", "-1")
    assert uuid.UUID(str(demo.demo_id("app", "github"))).version == 5
