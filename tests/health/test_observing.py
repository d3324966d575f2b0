"""observe(): what is stored of an observation, at what price, and how it goes together with reports."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from health import incidents, observing, reports
from health.models import Component, Flip, Note
from health.observations import Observation
from tests.health import cast as casting
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, chained, say
from tests.rawsql import failing

pytestmark = pytest.mark.django_db

START = timezone.now() - timedelta(hours=20)


def make(kind, name, *needs, **fields):
    """A component that was there long before."""
    long_ago = START - timedelta(days=30)
    return casting.make(kind, name, *needs, since=long_ago, own_since=long_ago, **fields)


def make_cast():
    cast = casting.make_cast()
    long_ago = START - timedelta(days=30)
    Component.objects.update(since=long_ago, own_since=long_ago, created_at=long_ago)
    return cast.refresh()


def look(component, minute, code="ok", **fields):
    """An observation at so many minutes after the start, with the revision that the component has now."""
    at = START + timedelta(minutes=minute)
    fields.setdefault("revision", component.revision)
    return Observation(code, at, at + timedelta(seconds=1), **fields)


def watch(component, steps, **fields):
    """Observe "minute:code" one by one, and return the flips."""
    flips = []
    for step in steps.split():
        minute, code = step.split(":")
        component.refresh_from_db()
        flips.append(reports.observe(component, look(component, float(minute), code, **fields)))
    component.refresh_from_db()
    return [flip for flip in flips if flip]


def minute_of(moment):
    return round((moment - START) / timedelta(minutes=1), 2)


@pytest.fixture
def key():
    component = make("credential", "acme shop", provider="shopify", revision="1")
    watch(component, "0:ok")
    return component


def test_the_first_ok_makes_it_known_and_its_syncs_as_well():
    cast = make_cast()
    assert not cast.sync.checked
    assert reports.observe(cast.credential, look(cast.credential, 0)) is None
    cast.refresh()
    assert cast.credential.known_since == cast.sync.known_since == START
    assert cast.credential.last_observed_at == cast.credential.last_ok_at == START
    assert cast.credential.evidence is None and reports.drift() == []


def test_an_ok_of_what_is_well_is_one_update(key):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert reports.observe(key.pk, look(key, 5)) is None
    (query,) = asked.captured_queries
    assert query["sql"].startswith("UPDATE")
    key.refresh_from_db()
    assert minute_of(key.last_observed_at) == minute_of(key.last_ok_at) == 5
    assert key.evidence is None and key.sequence == 0


def test_a_failure_that_decides_nothing_locks_nothing(key):
    with CaptureQueriesContext(connection) as asked:
        assert reports.observe(key, look(key, 5, "revoked")) is None
    statements = [query["sql"] for query in asked.captured_queries]
    assert not [sql for sql in statements if "FOR NO KEY UPDATE" in sql or "SAVEPOINT" in sql]
    assert len(statements) <= 5 and len([sql for sql in statements if sql.startswith("UPDATE")]) == 1


def test_a_confirmed_failure_flips_it_and_what_hangs_on_it():
    cast = make_cast()
    (flip,) = watch(
        cast.credential, "0:ok 5:revoked 10:revoked", detail="Key\u202e was\nrevoked " + "x" * 400
    )
    cast.refresh()
    assert (flip.old, flip.new, flip.code, flip.actor, minute_of(flip.happened_at)) == (
        *(HEALTHY, CUSTOMER, "revoked"),
        *("", 5),
    )
    assert (cast.credential.own_status, cast.credential.own_code) == (CUSTOMER, "revoked")
    assert minute_of(cast.credential.since) == 5
    assert (cast.sync.status, cast.sync.cause, cast.sync.code) == (
        CUSTOMER,
        cast.credential,
        "credential:revoked",
    )
    assert chained(cast.sync)[-1].happened_at == flip.happened_at and cast.other.status == HEALTHY
    note = cast.credential.notes.get()
    assert (note.code, note.owner, note.severity, minute_of(note.since)) == (
        "revoked",
        "customer",
        "warning",
        5,
    )
    assert note.text.startswith("The provider no longer accepts the secret")
    assert "“Key was revoked xxx" in note.text and len(note.text) < 500 and note.what_to_do
    assert reports.drift() == []
    (flip,) = watch(cast.credential, "20:ok 21:ok")
    assert (flip.new, minute_of(flip.happened_at)) == (HEALTHY, 20)
    cast.refresh()
    assert cast.sync.status == HEALTHY and not Note.objects.exists()
    assert chained(cast.credential) and chained(cast.sync) and reports.drift() == []


def test_the_note_of_a_lasting_cause_counts_how_often_it_was_seen(key):
    watch(key, "5:revoked 6:revoked 60:revoked 61:timeout 120:revoked")
    note = key.notes.get(code="revoked")
    assert (note.count, minute_of(note.since)) == (3, 5) and note.last_seen > note.since


def test_a_note_comes_and_goes_with_its_cause(key):
    watch(key, "5:rate_limited 6:rate_limited")
    note = key.notes.get()
    assert (note.code, note.severity, note.count, note.owner) == ("rate_limited", "info", 2, "")
    assert key.status == HEALTHY and key.last_ok_at == START
    watch(key, "7:expires_in_days")
    assert key.notes.get(code="expires_in_days").severity == "urgent"
    watch(key, "8:ok")
    assert not key.notes.exists() and key.evidence is None


# --- what requests of workers show --------------------------------------------------------------------------


def test_an_answer_to_what_is_well_is_one_update_and_no_look(key):
    with CaptureQueriesContext(connection) as asked:
        assert reports.observe(key.pk, look(key, 5, "answered")) is None
    (query,) = asked.captured_queries
    assert query["sql"].startswith("UPDATE")
    key.refresh_from_db()
    assert (minute_of(key.last_observed_at), minute_of(key.last_ok_at), key.evidence) == (0, 5, None)
    # A probe that began before it is not late, and answers come in any order.
    watch(key, "4:answered 3:revoked")
    assert (minute_of(key.last_observed_at), minute_of(key.last_ok_at)) == (3, 5)
    assert key.evidence["hard_owner"] == CUSTOMER


def test_an_answer_makes_nothing_known_and_ends_no_note(key):
    watch(key, "1:expires_soon 2:answered")
    assert key.notes.get().code == "expires_soon"
    unknown = make("credential", "never looked at", revision="1")
    watch(unknown, "0:answered")
    assert unknown.known_since is None and minute_of(unknown.last_ok_at) == 0


def test_an_answer_that_comes_while_a_failure_is_weighed_is_not_lost(key, monkeypatch):
    watch(key, "5:timeout")
    plain, answers = observing._around, [look(key, 5.5, "answered")]

    def answered_meanwhile(row, seen):
        while answers:
            reports.observe(row.pk, answers.pop())
        return plain(row, seen)

    monkeypatch.setattr(observing, "_around", answered_meanwhile)
    watch(key, "6:timeout")
    assert key.evidence["soft_count"] == 1 and minute_of(key.last_ok_at) == 5.5


@pytest.mark.parametrize(
    "steps, fields, hurried",
    [
        ("5:revoked 6:revoked 7:answered", {}, True),
        ("5:revoked 7:answered", {}, False),
        ("5:revoked 6:revoked 7:answered", {"claimed_by": "somebody"}, False),
        ("5:revoked 6:revoked 7:answered", {"last_observed_at": timezone.now()}, False),
    ],
    ids=["it fails", "it is not sure to fail", "it is being looked at", "it was looked at just now"],
)
def test_what_answers_and_fails_is_looked_at_at_once(key, steps, fields, hurried):
    later = timezone.now() + timedelta(hours=6)
    *before, last = steps.split()
    watch(key, " ".join(before))
    Component.objects.filter(pk=key.pk).update(next_check_at=later, refusals=2, **fields)
    watch(key, last)
    assert (key.next_check_at <= timezone.now()) == hurried
    assert hurried or key.next_check_at == later
    assert key.refusals == 2 and key.claimed_by == fields.get("claimed_by", "")


@pytest.mark.parametrize(
    "late",
    [
        lambda key: look(key, 4, "secret_missing"),
        lambda key: look(key, 5, "secret_missing"),
        lambda key: look(key, 6, "secret_missing", revision="0"),
        lambda key: look(key, 6, "secret_missing", revision=""),
        lambda key: look(key, 4),
        lambda key: look(key, 6, revision="0"),
    ],
    ids=["earlier", "same time", "old secret", "no revision", "an earlier ok", "an ok of an old secret"],
)
def test_late_results_change_nothing(key, late):
    watch(key, "5:ok")
    before = Component.objects.filter(pk=key.pk).values().get()
    assert reports.observe(key, late(key)) is None
    assert Component.objects.filter(pk=key.pk).values().get() == before


def test_a_replaced_secret_begins_anew_and_one_ok_heals(key):
    watch(key, "5:revoked")
    Component.objects.filter(pk=key.pk).update(revision="2")
    assert watch(key, "6:revoked") == []
    assert [flip.new for flip in watch(key, "7:revoked")] == [CUSTOMER]
    Component.objects.filter(pk=key.pk).update(revision="3")
    (flip,) = watch(key, "8:ok")
    assert flip.new == HEALTHY


def test_a_clock_that_is_ahead_makes_nothing_late(key):
    ahead = timezone.now() + timedelta(hours=1)
    reports.observe(key, Observation("ok", ahead, ahead, revision="1"))
    key.refresh_from_db()
    assert key.last_observed_at <= timezone.now()


def test_what_is_deleted_or_gone_is_no_error(key):
    Component.objects.filter(pk=key.pk).update(retired_at=timezone.now())
    for code in ("ok", "secret_missing"):
        assert reports.observe(key, look(key, 5, code)) is None
    Component.everything.filter(pk=key.pk).delete()
    for code in ("ok", "secret_missing"):
        assert reports.observe(key.pk, look(key, 6, code)) is None
    assert not Flip.objects.exists()


# --- with reports -------------------------------------------------------------------------------------------


def test_a_report_stands_until_the_observations_after_it_are_confirmed(key):
    watch(key, "5:revoked")
    say(key, OURS)
    now = timezone.now()

    def after(seconds, code):
        at = now + timedelta(seconds=seconds)
        return observing.weighed(key.pk, Observation(code, at, at, revision="1"))

    # What was seen before the report is late, and the one before it is forgotten.
    assert reports.observe(key, look(key, 10, "revoked")) is None
    assert after(10, "revoked") is None and after(20, "ok") is None
    key.refresh_from_db()
    assert key.status == OURS
    assert after(90, "ok").new == HEALTHY


def test_a_report_takes_the_notes_of_observations_along(key):
    watch(key, "5:rate_limited 6:revoked 7:revoked 8:our_fault")
    assert {note.code for note in key.notes.all()} == {"revoked", "our_fault"}
    say(key, HEALTHY)
    assert not key.notes.exists()
    key.refresh_from_db()
    assert key.evidence is None


# --- what stands above --------------------------------------------------------------------------------------


def test_below_a_failing_app_a_credential_decides_nothing():
    cast = make_cast()
    watch(cast.credential, "0:ok")
    watch(cast.app, "1:ok 2:oauth_app_rejected 3:oauth_app_rejected")
    watch(cast.credential, "4:revoked 5:revoked 6:secret_missing")
    cast.refresh()
    assert (cast.credential.own_status, cast.credential.status) == (HEALTHY, OURS)
    assert cast.credential.cause == cast.app and minute_of(cast.credential.last_observed_at) == 6
    watch(cast.app, "20:ok 21:ok")
    watch(cast.credential, "22:revoked 23:revoked")
    cast.refresh()
    assert (cast.app.status, cast.credential.status) == (HEALTHY, CUSTOMER)


def test_a_paused_parent_masks_nothing():
    cast = make_cast()
    watch(cast.app, "1:oauth_app_missing")
    reports.pause(cast.app, reason="Being replaced", actor=ANNA)
    assert [flip.new for flip in watch(cast.credential, "2:revoked 3:revoked")] == [CUSTOMER]


def test_our_dns_is_the_platforms_fault_and_masks_everything(key):
    assert watch(key, "5:name_not_found 6:name_not_found 7:revoked 8:revoked") == []
    platform = Component.objects.get(kind="platform")
    assert (platform.status, platform.code, platform.pk) == (OURS, "name_not_found", incidents.PLATFORM_ID)
    assert key.own_status == key.status == HEALTHY and Flip.objects.count() == 1
    # Who reached a provider proves that names are found.
    watch(key, "9:ok")
    now = timezone.now()
    incidents.clear_platform(now - timedelta(seconds=90))
    incidents.clear_platform(now)
    platform.refresh_from_db()
    assert platform.status == OURS
    of_late(key, 0.5, "ok")
    incidents.clear_platform(now)
    platform.refresh_from_db()
    assert platform.status == HEALTHY
    assert of_late(key, 0.1, "secret_missing").new == CUSTOMER


def test_single_failures_of_the_platform_do_not_add_up_where_all_works_between(key):
    for minute in range(0, 60, 10):
        watch(key, f"{minute + 1}:name_less {minute + 5}:ok".replace("name_less", "limiter_unavailable"))
        incidents.clear_platform(START + timedelta(minutes=minute + 6))
    assert Component.objects.get(kind="platform").status == HEALTHY


def test_the_platform_stays_failing_while_nothing_works(key):
    watch(key, "5:name_not_found")
    incidents.clear_platform(timezone.now())
    incidents.clear_platform(timezone.now() + timedelta(minutes=5))
    assert Component.objects.get(kind="platform").status == OURS


# --- incidents of a provider --------------------------------------------------------------------------------


def many(count, provider="shopify"):
    """That many credentials which worked a moment ago; ten minutes before now begins their story."""
    now = timezone.now()
    rows = [
        Component(
            kind="credential",
            name=f"{provider} {n}",
            provider=provider,
            revision="1",
            known_since=now,
            last_observed_at=now - timedelta(minutes=14),
            last_ok_at=now - timedelta(minutes=14),
        )
        for n in range(count)
    ]
    return Component.objects.bulk_create(rows)


def of_late(component, minutes_ago, code):
    at = timezone.now() - timedelta(minutes=minutes_ago)
    return reports.observe(component, Observation(code, at, at, revision="1"))


def test_many_that_fail_at_once_are_one_incident_and_no_flip_of_theirs():
    keys = many(10)
    for minutes_ago in (11, 6, 0.5):
        for number, key in enumerate(keys):
            assert of_late(key, minutes_ago, "timeout" if number < 5 else "ok") is None
    (flip,) = Flip.objects.all()
    incident = Component.objects.get(kind="provider")
    assert flip.component == incident and (incident.name, incident.status) == ("shopify", OURS)
    assert incident.code == "provider_incident"
    # It is one note, which all of the provider's show.
    keys[0].refresh_from_db()
    assert [note.component for note in keys[0].shown_notes()] == [incident] and Note.objects.count() == 1
    assert make("credential", "other", provider="stripe").shown_notes() == []
    # What else they say during it counts nothing.
    assert of_late(keys[7], 0.1, "secret_missing") is None and keys[7].flips.count() == 0


def test_four_are_no_incident_and_neither_is_less_than_a_third():
    for count, failures in ((4, 4), (20, 5)):
        keys = many(count, f"provider{count}")
        flips = []
        for minutes_ago in (11, 6, 0.5):
            for number, key in enumerate(keys):
                flips.append(of_late(key, minutes_ago, "timeout" if number < failures else "ok"))
        assert [flip.new for flip in flips if flip] == [OURS] * failures
    assert not Component.objects.filter(kind="provider").exists()


def test_an_incident_ends_when_they_work_again():
    keys = many(6)
    for key in keys:
        of_late(key, 9, "timeout")
    now = timezone.now()
    assert incidents.suspected(now) == {"shopify"}
    assert incidents.assess("shopify", now - timedelta(minutes=8))
    for key in keys:
        of_late(key, 2, "ok")
    assert incidents.suspected(now) == {"shopify"}
    assert not incidents.assess("shopify", now - timedelta(seconds=90))
    assert not incidents.assess("shopify", now - timedelta(seconds=20))
    assert Component.objects.get(kind="provider").status == HEALTHY and incidents.suspected(now) == set()


def test_an_incident_does_not_end_because_nobody_looks():
    keys = many(6)
    for key in keys:
        of_late(key, 9, "timeout")
    now = timezone.now()
    assert incidents.assess("shopify", now - timedelta(minutes=5))
    for later in (30, 32, 60):
        assert incidents.assess("shopify", now + timedelta(minutes=later))
    for key in keys:
        of_late(key, 0.2, "ok")
    assert not incidents.assess("shopify", now + timedelta(minutes=5))
    # Few that fail are no new incident, but a third of them keeps an old one going.
    for key in keys[1:3]:
        of_late(key, 0.1, "timeout")
    assert incidents.happening("shopify", now, already=True) and not incidents.happening("shopify", now)


def test_who_was_refused_in_an_incident_is_looked_at_when_it_ends():
    """Refused again and again, and undecided for the incident's sake: else it is tried hours later."""
    keys = many(6)
    for key in keys:
        of_late(key, 9, "timeout")
    now = timezone.now()
    assert incidents.assess("shopify", now - timedelta(minutes=8))
    late = now + timedelta(hours=4)
    refused, decided, well = (key.pk for key in keys[:3])
    Component.objects.update(next_check_at=late)
    Component.objects.filter(pk__in=[refused, decided]).update(refusals=3)
    Component.objects.filter(pk=decided).update(own_status=CUSTOMER)
    for key in keys:
        of_late(key, 2, "ok")
    assert not incidents.assess("shopify", now - timedelta(seconds=90))
    assert set(Component.objects.filter(next_check_at=late)) >= {Component.objects.get(pk=refused)}
    assert not incidents.assess("shopify", now - timedelta(seconds=20))
    rows = Component.objects.in_bulk([refused, decided, well])
    assert rows[refused].next_check_at <= timezone.now() and rows[refused].refusals == 0
    assert rows[decided].next_check_at == rows[well].next_check_at == late and rows[decided].refusals == 3


def test_an_ok_in_an_incident_is_no_failure_any_more():
    (key,) = many(1)
    say(incidents.of_provider("shopify"), OURS)
    of_late(key, 5, "timeout")
    key.refresh_from_db()
    assert key.failed_at is not None and key.evidence is None and not key.notes.exists()
    of_late(key, 4, "ok")
    key.refresh_from_db()
    assert key.failed_at is None


def test_an_outage_that_lasts_is_ours_when_the_data_are_out_of_date():
    (key,) = many(1)
    now = timezone.now()
    Component.objects.filter(pk=key.pk).update(last_ok_at=now - timedelta(hours=7))
    of_incident = incidents.of_provider("shopify")
    say(of_incident, OURS)
    assert of_late(key, 5, "timeout") is None
    flip = of_late(key, 3, "timeout")
    assert (flip.new, flip.code) == (OURS, "outage_lasts")


# --- many at once -------------------------------------------------------------------------------------------


def test_a_batch_says_the_same_as_one_by_one():
    steps = [("0:ok", "0:revoked"), ("5:ok", "5:revoked"), ("6:rate_limited", "7:ok"), ("8:ok", "9:revoked")]
    codes = [[step[n % 2] for step in steps] for n in range(6)]
    singly = [make("credential", f"single {n}", revision="1") for n in range(6)]
    batched = [make("credential", f"batch {n}", revision="1") for n in range(6)]

    def looks(component, number):
        for step in codes[number]:
            minute, code = step.split(":")
            yield component, look(component, float(minute), code)

    one_by_one = [reports.observe(*pair) for number, key in enumerate(singly) for pair in looks(key, number)]
    batch = [pair for number, key in enumerate(batched) for pair in looks(key, number)]
    flips = reports.observe_all([(key.pk, seen) for key, seen in reversed(batch)])
    assert len(flips) == len([flip for flip in one_by_one if flip]) == 3
    names = ("own_status", "own_code", "since", "last_observed_at", "last_ok_at", "known_since", "evidence")
    names += ("own_since", "code", "status")
    for one, other in zip(singly, batched, strict=True):
        one.refresh_from_db()
        other.refresh_from_db()
        assert {name: getattr(one, name) for name in names} == {name: getattr(other, name) for name in names}


def test_the_first_oks_of_many_are_rolled_up_together():
    keys = [make("credential", f"key {n}", revision="1") for n in range(150)]
    other = make("credential", "already failing", revision="1")
    watch(other, "0:revoked 1:revoked")
    syncs = [make("sync", "orders", *keys[:75]), make("sync", "invoices", keys[149], other)]
    looks = [(key, look(key, 5 + n / 100)) for n, key in enumerate(keys)]
    with CaptureQueriesContext(connection) as asked:
        assert reports.observe_all([*looks[1:], (keys[0], look(keys[0], 3)), (other, look(other, 5))]) == []
    assert len(asked) < 40
    for number, key in enumerate(keys):
        key.refresh_from_db()
        moment = 5 + number / 100 if number else 3
        assert minute_of(key.known_since) == minute_of(key.last_ok_at) == pytest.approx(moment, abs=0.01)
        assert key.last_observed_at == key.known_since and key.sequence == 0
    orders, invoices = (Component.objects.get(pk=sync.pk) for sync in syncs)
    assert (orders.status, minute_of(orders.known_since)) == (HEALTHY, 3)
    assert (invoices.status, invoices.known_since) == (
        CUSTOMER,
        Component.objects.get(pk=other.pk).known_since,
    )
    assert reports.drift() == []


def test_oks_of_many_are_two_statements():
    keys = [make("credential", f"key {n}", revision="1") for n in range(150)]
    reports.observe_all([(key, look(key, 0)) for key in keys])
    with CaptureQueriesContext(connection) as asked:
        assert reports.observe_all([(key, look(key, 5 + n / 100)) for n, key in enumerate(keys)]) == []
    assert len(asked) == 2
    for number, key in enumerate(keys):
        key.refresh_from_db()
        assert minute_of(key.last_observed_at) == pytest.approx(5 + number / 100, abs=0.01)
    # Late ones among them are left out, and so are those of an old secret.
    old = [(key, look(key, 5.005, revision="0")) for key in keys[:2]]
    reports.observe_all([*old, *((key, look(key, 5.5)) for key in keys[2:])])
    keys[149].refresh_from_db()
    keys[0].refresh_from_db()
    assert minute_of(keys[149].last_observed_at) == 6.49 and minute_of(keys[0].last_observed_at) == 5


# --- transactions -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_it_waits_for_its_end(key):
    with transaction.atomic():
        for minute in (5, 6):
            assert reports.observe(key, look(key, minute, "revoked")) is None
        assert reports.observe_all([(key, look(key, 7, "revoked"))]) == []
        key.refresh_from_db()
        assert minute_of(key.last_observed_at) == 0
    key.refresh_from_db()
    assert key.status == CUSTOMER and minute_of(key.last_observed_at) == 7


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_not_seen_and_breaks_nothing(key):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        reports.observe(key, look(key, 5, "secret_missing"))
        raise ZeroDivisionError
    with transaction.atomic():
        transaction.set_rollback(True)
        # In a transaction that is broken already no statement may run; this runs none.
        reports.observe(key, look(key, 5, "secret_missing"))
    key.refresh_from_db()
    assert (key.status, minute_of(key.last_observed_at)) == (HEALTHY, 0)


@pytest.mark.django_db(transaction=True)
def test_flip_evidence_and_note_are_written_together_or_not_at_all(key):
    watch(key, "5:revoked")
    for model in (Flip, Note):
        with failing(model, "INSERT"), pytest.raises(DatabaseError):
            reports.observe(key, look(key, 10, "revoked"))
        key.refresh_from_db()
        assert (key.own_status, minute_of(key.last_observed_at)) == (HEALTHY, 5)
        assert not Flip.objects.exists() and not Note.objects.exists()
    assert reports.observe(key, look(key, 10, "revoked")).new == CUSTOMER


def test_who_was_overtaken_weighs_it_anew_and_gives_up_in_the_end(key, monkeypatch):
    swap, overtaken = observing._swapped, []

    def swapped(row, found, seen):
        if len(overtaken) < limit:
            overtaken.append(True)
            Component.objects.filter(pk=key.pk).update(
                last_observed_at=seen.started_at - timedelta(seconds=len(overtaken))
            )
            row.last_observed_at = START - timedelta(days=1)
        return swap(row, found, seen)

    monkeypatch.setattr(observing, "_swapped", swapped)
    limit = 2
    assert reports.observe(key, look(key, 5, "revoked")) is None
    key.refresh_from_db()
    assert minute_of(key.last_observed_at) == 5 and key.evidence["hard_owner"] == CUSTOMER
    limit = 1000
    with pytest.raises(reports.Busy):
        reports.observe(key, look(key, 10, "timeout"))


def test_a_report_between_reading_and_writing_is_not_lost(key, monkeypatch):
    swap = observing._swapped

    def swapped(row, found, seen):
        monkeypatch.setattr(observing, "_swapped", swap)
        say(key, OURS, at=START)
        return swap(row, found, seen)

    monkeypatch.setattr(observing, "_swapped", swapped)
    assert reports.observe(key, look(key, 5, "revoked")) is None
    key.refresh_from_db()
    assert key.status == OURS and key.evidence == {"revision": "1"}


def test_replacing_a_version_of_the_secret_while_it_is_weighed_makes_it_late(key, monkeypatch):
    swap = observing._swapped

    def swapped(row, found, seen):
        monkeypatch.setattr(observing, "_swapped", swap)
        Component.objects.filter(pk=key.pk).update(revision="2")
        return swap(row, found, seen)

    monkeypatch.setattr(observing, "_swapped", swapped)
    reports.observe(key, look(key, 5, "revoked"))
    key.refresh_from_db()
    assert key.evidence is None and minute_of(key.last_observed_at) == 0
    assert replace(look(key, 1), code="dragons").meaning.owner == OURS
