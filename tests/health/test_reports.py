"""report(): it flips at once, with what hangs on it, in one transaction; and nothing else writes a status."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from health import reports, settling
from health.models import Component, Flip, Note
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, chained, make, make_cast, say
from tests.rawsql import failing

pytestmark = pytest.mark.django_db


def test_a_report_flips_at_once_and_says_when_why_and_by_whom():
    target = make("target", "orders-db")
    noon = timezone.now() - timedelta(hours=2)
    flip = reports.report(target, CUSTOMER, actor=ANNA, note="Disk full", code="disk_full", at=noon)
    assert (flip.sequence, flip.old, flip.new, flip.code, flip.note) == (
        *(1, HEALTHY, CUSTOMER),
        *("disk_full", "Disk full"),
    )
    assert (flip.actor, flip.happened_at, flip.processed_at) == (ANNA, noon, None)
    assert flip.recorded_at > noon and flip.cause == target and not flip.derived
    assert (target.status, target.code, target.since, target.sequence) == (CUSTOMER, "disk_full", noon, 1)
    assert target.cause == target and target.checked and target.known_since == noon
    assert chained(target) == [flip]


def test_a_user_is_written_down_by_name(django_user_model):
    target = make("target", "orders-db")
    flip = reports.report(target, OURS, actor=django_user_model(username="ada"), code="lag")
    assert flip.actor == "user:ada"


def test_a_flip_follows_for_all_that_depends_on_it():
    cast = make_cast()
    say(cast.app, OURS, "invalid_client", note="Our secret expired.")
    cast.refresh()
    for component in (cast.credential, cast.consumer, cast.sync):
        (flip,) = chained(component)
        assert (component.status, component.cause) == (OURS, cast.app)
        assert component.code == flip.code == "oauth_app:invalid_client"
        assert (flip.actor, flip.note) == (ANNA, "oauth_app:shopify app: Our secret expired.")
        assert flip.derived and flip.happened_at == cast.app.since
    assert cast.target.status == cast.other.status == HEALTHY
    assert Flip.objects.count() == 4
    say(cast.app, HEALTHY, note="Renewed.")
    for component in (cast.credential, cast.consumer, cast.sync):
        flip = chained(component)[-1]
        assert (component.status, component.code, component.cause) == (HEALTHY, "", None)
        assert (flip.code, flip.note, flip.cause) == (
            "oauth_app:recovered",
            "oauth_app:shopify app: Renewed.",
            cast.app,
        )


def test_ours_comes_before_the_customers_and_theirs_stays_visible():
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full")
    say(cast.credential, OURS, "unreadable")
    cast.refresh()
    assert (cast.sync.status, cast.sync.cause, cast.sync.also) == (OURS, cast.credential, cast.target)
    assert (cast.other.status, cast.other.cause, cast.other.also) == (CUSTOMER, cast.target, None)
    say(cast.credential, HEALTHY)
    cast.refresh()
    assert (cast.sync.status, cast.sync.cause, cast.sync.also) == (CUSTOMER, cast.target, None)
    assert [flip.new for flip in chained(cast.sync)] == [CUSTOMER, OURS, CUSTOMER]


def test_one_broken_app_is_one_cause_whatever_its_credentials_say():
    cast = make_cast()
    say(cast.credential, CUSTOMER, "invalid_grant")
    say(cast.app, OURS, "invalid_client")
    cast.refresh()
    assert (cast.sync.status, cast.sync.cause, cast.sync.also) == (OURS, cast.app, None)
    assert cast.credential.masked and cast.credential.own_status == CUSTOMER
    assert set(Component.objects.filter(cause__isnull=False).values_list("cause", flat=True)) == {cast.app.pk}
    say(cast.app, HEALTHY)
    cast.refresh()
    assert (cast.sync.status, cast.sync.cause) == (CUSTOMER, cast.credential)
    assert cast.credential.code == "invalid_grant" and not cast.credential.masked


def test_what_is_said_of_a_masked_component_is_kept_without_a_flip():
    cast = make_cast()
    say(cast.app, OURS, "invalid_client")
    cast.refresh()
    assert say(cast.credential, CUSTOMER, "revoked", note="They revoked it.") is None
    assert (cast.credential.status, cast.credential.own_status) == (OURS, CUSTOMER)
    assert cast.credential.notes.get().text == "They revoked it."
    assert len(chained(cast.credential)) == 1


def test_our_own_word_on_a_sync_counts_beside_the_customers_failure():
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full")
    cast.refresh()
    assert say(cast.sync, OURS, "wrong_mapping").new == OURS
    assert (cast.sync.cause, cast.sync.also) == (cast.sync, cast.target)


def test_the_same_report_again_flips_nothing_and_renews_the_note():
    target = make("target", "orders-db")
    first = say(target, CUSTOMER, "disk_full", note="Full.")
    heard = target.last_reported_at
    assert say(target, CUSTOMER, "disk_full", note="Still full.") is None
    note = target.notes.get()
    assert (note.text, note.count, note.owner) == ("Still full.", 2, "customer")
    assert target.last_reported_at > heard and target.since == first.happened_at
    assert chained(target) == [first]


def test_another_reason_for_the_same_status_is_no_flip_but_known():
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full", note="Full.")
    assert say(cast.target, CUSTOMER, "no_login", note="Password changed.") is None
    assert (cast.target.code, cast.refresh().sync.code) == ("no_login", "target:no_login")
    assert [note.code for note in cast.target.notes.all()] == ["no_login"]


def test_notes_go_with_their_cause_and_those_of_people_stay():
    target = make("target", "orders-db")
    Note.objects.write(target, "Ask for Joe.", actor=ANNA)
    say(target, CUSTOMER, "disk_full", note="Full.")
    assert [note.text for note in target.shown_notes()] == ["Full.", "Ask for Joe."]
    say(target, HEALTHY)
    assert [note.text for note in target.shown_notes()] == ["Ask for Joe."]


def test_a_sync_shows_the_notes_of_its_causes_five_at_most():
    cast = make_cast()
    for number in range(6):
        Note.objects.write(cast.sync, f"note {number}", actor=ANNA)
    say(cast.target, CUSTOMER, "disk_full", note="Full.")
    shown = cast.refresh().sync.shown_notes()
    assert [note.text for note in shown] == ["Full.", "note 5", "note 4", "note 3", "note 2"]


def test_the_document_holds_status_notes_and_time():
    target = make("target", "orders-db")
    assert target.document() == {"status": HEALTHY, "notes": ["Not checked yet."], "time": None}
    say(target, CUSTOMER, "disk_full", note="Full.")
    assert target.document() == {"status": CUSTOMER, "notes": ["Full."], "time": target.last_reported_at}


def test_time_moves_forward_only():
    target = make("target", "orders-db")
    noon = timezone.now() - timedelta(hours=3)
    say(target, CUSTOMER, at=noon)
    say(target, HEALTHY, at=noon - timedelta(hours=1))
    say(target, OURS, at=noon)
    times = [flip.happened_at for flip in chained(target)]
    assert times == [noon, noon + timedelta(microseconds=1), noon + timedelta(microseconds=2)]


def test_a_sync_is_known_as_soon_as_any_part_is_but_a_credential_only_by_itself():
    cast = make_cast()
    assert not cast.sync.checked
    say(cast.app, HEALTHY)
    cast.refresh()
    assert cast.sync.checked and cast.sync.known_since == cast.app.known_since
    assert not cast.credential.checked and not cast.consumer.checked


LATER = timezone.now() + timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "fields", "wrong"),
    [
        ("broken", {}, "status"),
        ("", {}, "status"),
        (CUSTOMER, {"code": "", "note": ""}, "note"),
        (CUSTOMER, {"code": "", "note": "  \n "}, "note"),
        (CUSTOMER, {"code": "Disk Full"}, "code"),
        (CUSTOMER, {"code": "x" * 49}, "code"),
        (CUSTOMER, {"note": "to\u202eolleh"}, "note"),
        (CUSTOMER, {"note": "nul\x00"}, "note"),
        (CUSTOMER, {"at": LATER}, "at"),
        (CUSTOMER, {"at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001
        (CUSTOMER, {"actor": ""}, "actor"),
        (HEALTHY, {"actor": ""}, "actor"),
    ],
)
def test_what_cannot_be_reported_is_refused_and_named(status, fields, wrong):
    target = make("target", "orders-db")
    with pytest.raises(ValidationError) as caught:
        reports.report(target, status, **{"actor": ANNA, "code": "x", **fields})
    assert list(caught.value.error_dict) == [wrong]
    target.refresh_from_db()
    assert (target.status, target.last_reported_at, Flip.objects.count()) == (HEALTHY, None, 0)


def test_a_long_note_is_cut_and_whitespace_tidied():
    target = make("target", "orders-db")
    flip = say(target, OURS, note="long \n\t" + "x" * 600)
    assert flip.note.startswith("long xxx") and len(flip.note) == 500 and flip.note.endswith("…")


def test_a_report_on_a_component_that_is_gone_says_so():
    target = make("target", "orders-db")
    Component.objects.filter(pk=target.pk).delete()
    with pytest.raises(reports.Gone):
        say(target, OURS)


@pytest.mark.django_db(transaction=True)
def test_without_its_flip_there_is_no_change():
    cast = make_cast()
    with failing(Flip, "INSERT"), pytest.raises(DatabaseError):
        say(cast.target, CUSTOMER, note="Full.")
    cast.refresh()
    assert {cast.target.status, cast.target.own_status, cast.sync.status} == {HEALTHY}
    assert not Note.objects.exists() and cast.target.last_reported_at is None


def test_a_lost_swap_looks_again_and_gives_up_in_the_end(monkeypatch):
    target = make("target", "orders-db")
    flip, meddled = settling._flip, []

    def meddle(*args):
        if len(meddled) < limit:
            meddled.append(True)
            Component.objects.filter(pk=target.pk).update(sequence=7)
        return flip(*args)

    monkeypatch.setattr(settling, "_flip", meddle)
    monkeypatch.setattr(settling.time, "sleep", lambda seconds: None)
    limit = 2
    assert say(target, OURS).sequence == 1
    limit = 1000
    with pytest.raises(reports.Busy):
        say(target, HEALTHY)
    assert len(meddled) == 2 + settling.TRIES
    assert (Component.objects.get().status, Flip.objects.count()) == (OURS, 1)


def test_a_flip_is_history():
    target = make("target", "orders-db")
    flip = say(target, OURS)
    flip.processed_at = datetime.now(UTC)
    flip.save(update_fields=["processed_at"])
    flip.note = "it was nothing"
    for fields in (None, ["note"], ["note", "processed_at"]):
        with pytest.raises(TypeError):
            flip.save(update_fields=fields)


def test_saving_an_old_copy_puts_no_status_back():
    target = make("target", "orders-db")
    old = Component.objects.get()
    say(target, OURS)
    old.name = "orders-database"
    old.save()
    target.refresh_from_db()
    assert (target.name, target.status, target.sequence) == ("orders-database", OURS, 1)
    with pytest.raises(TypeError):
        old.save(update_fields=["status"])


def test_a_component_may_begin_with_an_intervention():
    target = make("target", "orders-db", status=CUSTOMER, code="disk_full")
    assert (target.own_status, target.cause) == (CUSTOMER, target)
    assert reports.drift() == []


def test_a_report_costs_the_same_for_one_sync_as_for_many():
    target = make("target", "orders-db")
    make("sync", "sync", target)
    with CaptureQueriesContext(
        connection,
    ) as one:
        say(target, CUSTOMER)
    for number in range(40):
        make("sync", f"sync {number}", target)
    with CaptureQueriesContext(connection) as many:
        say(target, HEALTHY)
    assert Component.objects.filter(sequence__gt=0).count() == 42
    # Another group of those that become the same is another statement: the newer syncs flipped less often.
    assert len(many) <= len(one) + 2 <= 24


def test_drift_is_found_and_put_right():
    cast = make_cast()
    say(cast.target, CUSTOMER)
    assert reports.drift() == []
    Component.objects.filter(pk=cast.sync.pk).update(status=HEALTHY, cause=None, code="")
    Component.objects.filter(pk=cast.other.pk).update(also=cast.app)
    assert {component.pk for component in reports.drift()} == {cast.sync.pk, cast.other.pk}
    assert reports.recompute([cast.target.pk]) == 1
    assert reports.drift() == [] and reports.recompute([cast.target.pk]) == 0


WRITES = re.compile(
    r"\.(own_)?(status|since|sequence|cause_id|also_id)\s*(\+|-)?=[^=]"
    r"|update\([^)]*\b(own_)?(status|since|sequence|cause|also)\s*=",
)


# What says, what observes, and what pauses: all swap on the sequence under the locks of reports.
WRITERS = ("reports.py", "settling.py", "observing.py", "pausing.py")


def test_nothing_but_reports_writes_a_status():
    root = Path(__file__).parents[2]
    found = []
    for app in ("health", "credentials", "project"):
        for file in (root / app).rglob("*.py"):
            # Other things have a status too: what a provider or a receiver answers, what a limiter keeps.
            others = {"migrations", "simulator", "limiter", "egress", "notifications"}
            if file.name in WRITERS or not others.isdisjoint(file.parts):
                continue
            for match in WRITES.finditer(file.read_text()):
                found.append((str(file.relative_to(root)), match[0]))
    # A new component that begins with an intervention has said so itself.
    assert [entry for entry in found if entry[0] != "health/models.py"] == []
    assert len([entry for entry in found if entry[0] == "health/models.py"]) <= 2
