"""The page of one component: its timeline, and what people do there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import audit
from credentials.models import AuditEvent
from health import pausing, reports, timeline, uptime
from health.console import periods
from health.models import Note, Override, Pause
from health.timeline import Place
from health.uptime import Segment
from tests.factories import make_credential
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, make, make_cast, say
from tests.health.pages import act, client_with, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def bo(client):
    return client_with(client, "view_component", "report_component")


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def local(moment):
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")


# --- the timeline


def test_the_timeline_mixes_what_all_know_newest_first(bo):
    credential = make_credential("stripe_key", name="Acme")
    sync = make("sync", "acme orders", credential.component)
    with audit.acting("user:ada"):
        credential.secret = "sk_test_fakeNotARealKeyAfter"
        credential.save()
    say(credential.component, CUSTOMER, "key_refused", note="Refused.")
    Note.objects.write(credential.component, "Called them.", actor=ANNA)
    # The sync's own past, with what was changed at what it needs, and who did that.
    response = bo.get(page(sync))
    mine = response.context["timeline"].entries
    assert [(entry.title, entry.about) for entry in mine] == [
        ("Customer must act", ""),
        ("Secret replaced", "credential “Acme”"),
        ("Created", "credential “Acme”"),
    ]
    # That it was created is none of the changes before it broke.
    assert [entry.title for entry in response.context["standing"].before] == ["Secret replaced"]
    assert "sk_test_fake" not in response.content.decode()
    pausing.pause(credential.component, reason="They look into it.", actor=ANNA)
    entries = bo.get(page(credential.component)).context["timeline"].entries
    assert [entry.title for entry in entries] == [
        "Paused",
        "Note",
        "Customer must act",
        "Secret replaced",
        "Created",
    ]
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)
    assert [entry.broke for entry in entries] == [False, False, True, False, False]
    assert (entries[3].actor, entries[3].about) == ("user:ada", "")


def test_the_timeline_goes_on_where_it_ended_also_within_one_time(bo):
    target = make("target", "orders-db")
    at = timezone.now() - timedelta(hours=1)
    for number in range(45):
        Note.objects.write(target, f"note {number}", actor=ANNA, since=at - timedelta(minutes=number // 30))
    seen, address = [], page(target)
    while address:
        context = bo.get(address).context
        seen += [entry.said for entry in context["timeline"].entries]
        address = context["older"]
    assert len(seen) == 45 and len(set(seen)) == 45
    assert seen[30:] == [f"note {number}" for number in range(44, 29, -1)]
    for text in ("", "x", "2026-01-01~1", "0001-01-01T00:00:00+00:00~1", "2026-01-01T00:00:00+00:00~-1"):
        assert Place.read(text) is None
        assert bo.get(page(target), {"before": text}).status_code == 200


def test_secrets_shown_and_tokens_refreshed_are_no_changes():
    credential = make_credential("stripe_key")
    for action in ("reveal", "refresh"):
        audit.record(action, credential)
    audit.record("lift", audit.Named("provider", "stripe", "Stripe"))
    titles = [entry.title for entry in timeline.page(credential.component).entries]
    assert titles == ["Hold-off lifted", "Created"]


def test_a_hold_off_that_is_on_stands_at_the_top(bo):
    credential = make_credential("stripe_key")
    credential.rate_limit.hold_off(seconds=60, reason="throttled")
    entry = timeline.page(credential.component).entries[0]
    assert entry.title.startswith("Held off until")
    older = Place(timezone.now() - timedelta(hours=1), 0)
    assert timeline.page(credential.component, before=older).entries == []


# --- how it is


def test_what_to_do_and_the_words_for_the_customer_follow_from_the_code(bo):
    target = make("target", "orders-db")
    sync = make("sync", "acme", target)
    say(target, CUSTOMER, "expiry_passed")
    for component in (target, sync):
        text = text_of(bo.get(page(component)))
        assert "The day on which the secret expires has passed." in text
        assert "Ask the customer to connect again, or for a new key." in text
        assert "Please connect your account again" in text
    say(target, OURS, "expiry_passed")
    assert "Please connect your account again" not in text_of(bo.get(page(target)))


def test_days_are_called_after_the_worst_of_them(bo):
    now = timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    stretches = [
        Segment(midnight - timedelta(days=2), midnight - timedelta(minutes=1), uptime.HEALTHY),
        Segment(midnight - timedelta(minutes=1), midnight + timedelta(microseconds=1), uptime.US),
        Segment(midnight + timedelta(microseconds=1), now, uptime.HEALTHY),
    ]
    days = periods.by_day(stretches, now)
    assert [day.state for day in days[-3:]] == ["healthy", "us", "us"] and days[0].state == ""
    assert days[-2].failed == timedelta(minutes=1)
    assert sum(day.measured.window for day in days) == sum(one.microseconds for one in stretches)


# --- what people do


def test_a_pause_by_hand_and_its_end(bo):
    cast = make_cast()
    say(cast.target, CUSTOMER)
    posted = {"reason": "Maintenance.", "hours": 4}
    text = text_of(bo.post(act(cast.target, "pause"), posted, follow=True))
    assert "Paused until" in text and "by bo: Maintenance." in text and "Resume" in text
    made = Pause.objects.get()
    assert made.actor == "user:bo"
    assert timedelta(hours=4) - (made.ends_at - made.starts_at) < timedelta(seconds=1)
    assert cast.refresh().sync.status == HEALTHY
    assert "not paused any more" in text_of(bo.post(act(cast.target, "resume"), follow=True))
    assert cast.refresh().target.paused_until is None and cast.sync.status == CUSTOMER
    assert "was not paused any more" in text_of(bo.post(act(cast.target, "resume"), follow=True))


def test_a_maintenance_window_begins_later(bo):
    target = make("target", "orders-db")
    start = timezone.now() + timedelta(days=1)
    posted = {
        "reason": "x",
        "hours": 8,
        "starts_at": local(start),
        "until": local(start + timedelta(hours=2)),
    }
    assert "will be paused from" in text_of(bo.post(act(target, "pause"), posted, follow=True))
    made = Pause.objects.get()
    assert made.ends_at - made.starts_at == timedelta(hours=2)
    target.refresh_from_db()
    assert not target.paused


def test_an_override_by_hand_and_its_end(bo):
    cast = make_cast()
    posted = {"status": OURS, "reason": "The disk is being changed.", "hours": 1}
    text = text_of(bo.post(act(cast.target, "override"), posted, follow=True))
    assert "We must act, whatever is observed." in text and "The disk is being changed." in text
    assert Override.objects.get().actor == "user:bo" and cast.refresh().sync.status == OURS
    assert "was lifted" in text_of(bo.post(act(cast.target, "lift"), follow=True))
    assert cast.refresh().sync.status == HEALTHY
    assert "was not overridden any more" in text_of(bo.post(act(cast.target, "lift"), follow=True))


def test_a_note_by_hand_is_written_and_removed(bo):
    target = make("target", "orders-db")
    say(target, CUSTOMER, "disk_full", note="Full.")
    posted = {"text": "Ask  Anna.", "what_to_do": "Call."}
    bo.post(act(target, "note"), posted)
    note = target.notes.get(code__startswith=Note.MANUAL)
    assert (note.text, note.what_to_do, note.actor) == ("Ask Anna.", "Call.", "user:bo")
    assert f'value="{note.pk}"' in text_of(bo.get(page(target)))
    for number in (target.notes.exclude(pk=note.pk).get().pk, "x", "9" * 40, ""):
        bo.post(act(target, "remove-note"), {"note": number})
    assert target.notes.count() == 2
    bo.post(act(target, "remove-note"), {"note": note.pk})
    assert not target.notes.filter(pk=note.pk).exists() and "Ask Anna." not in target.document()["notes"]
    # What it said stays in the timeline, with who removed it.
    found = [(one.title, one.said, one.actor) for one in timeline.page(target).entries]
    assert found[:2] == [("Note removed", "Ask Anna.", "user:bo"), ("Note", "Ask Anna.", "user:bo")]


@pytest.mark.parametrize(
    ("name", "posted", "words"),
    [
        ("pause", {"hours": 1}, "This field is required"),
        ("pause", {"hours": 1, "reason": " "}, "This field is required"),
        ("pause", {"hours": 2, "reason": "x"}, "Select a valid choice"),
        ("pause", {"hours": 1, "reason": "x", "until": "2020-01-01T00:00"}, "A pause ends after it starts"),
        ("pause", {"hours": 1, "reason": "x", "starts_at": "2020-01-01T00:00"}, "A pause ends after"),
        ("pause", {"hours": 1, "reason": "x", "until": "soon"}, "Enter a valid date"),
        ("pause", {"hours": 1, "reason": "a\u202eb"}, "Character 2 is invisible"),
        ("override", {"hours": 1, "reason": "x"}, "This field is required"),
        ("override", {"hours": 72, "reason": "x", "status": OURS}, "Select a valid choice"),
        ("override", {"hours": 1, "reason": "x", "status": "broken"}, "Select a valid choice"),
        (
            "override",
            {"hours": 1, "reason": "x", "status": OURS, "until": "2126-01-01T00:00"},
            "within 24 hours",
        ),
        ("note", {"text": ""}, "This field is required"),
        ("note", {"text": "a\u202eb"}, "Character 2 is invisible"),
        ("note", {"text": "x", "what_to_do": "a\u202eb"}, "Character 2 is invisible"),
        ("note", {"text": "x" * 501}, "at most 500 characters"),
    ],
)
def test_bad_input_is_shown_again_at_its_field(bo, name, posted, words):
    target = make("target", "orders-db")
    response = bo.post(act(target, name), posted)
    assert words in text_of(response)
    assert not response.context["form"].non_field_errors()
    assert not (Pause.objects.exists() or Override.objects.exists() or Note.objects.exists())


def test_others_who_change_the_same_are_waited_for_and_said(bo, monkeypatch):
    def busy(*args, **fields):
        raise reports.Busy("busy")

    target = make("target", "orders-db")
    monkeypatch.setattr(pausing, "pause", busy)
    monkeypatch.setattr(pausing, "resume", busy)
    assert "nothing was stored" in text_of(bo.post(act(target, "pause"), {"reason": "x", "hours": 1}))
    assert "nothing was stored" in text_of(bo.post(act(target, "resume"), follow=True))


def test_who_may_look_may_do_nothing(client):
    target = make("target", "orders-db")
    Note.objects.write(target, "Ask Anna.", actor=ANNA)
    bo = client_with(client, "view_component")
    text = text_of(bo.get(page(target)))
    assert "Ask Anna." in text and "/pause/" not in text and "remove-note" not in text
    for name in ("report", "note", "pause", "override", "resume", "lift", "remove-note"):
        assert bo.post(act(target, name), {"reason": "x", "hours": 1}).status_code == 403


def test_addresses_that_lead_nowhere(bo):
    target = make("target", "orders-db")
    assert bo.get(act(target, "explode")).status_code == 404
    assert bo.get(act(target, "resume")).status_code == 405
    assert bo.get("/health/00000000-0000-0000-0000-000000000000/").status_code == 404
    assert bo.post(page(target)).status_code == 405
    credential = make_credential("stripe_key", name="Acme")
    credential.delete()
    for name in ("", "pause"):
        address = act(credential.component, name) if name else page(credential.component)
        assert "Credential Acme was deleted" in text_of(bo.get(address, follow=True))
    assert AuditEvent.objects.filter(action="delete").exists()
