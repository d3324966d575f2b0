"""The back office of health: lists, the page of one component, reporting, wiring, deleting."""

import pytest
from django.urls import reverse

from health import charts, uptime
from health.history import Note
from health.models import Component, Dependency, Flip
from tests.factories import make_credential
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, make, make_cast, say
from tests.health.pages import ADD, FLIPS, LIST, act, client_with, page

pytestmark = pytest.mark.django_db


def test_the_list_shows_status_cause_and_second_cause(ada):
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full")
    say(cast.credential, OURS, "unreadable")
    text = ada.get(LIST).content.decode()
    assert "because of Credential acme shop" in text
    assert "also: the customer, for Target orders-db" in text
    assert "and 1 more" in text


def names(response):
    return {component.name for component in response.context["cl"].result_list}


def test_the_list_is_filtered_by_kind_status_owner_and_provider(ada):
    cast = make_cast()
    make("credential", "northwind", provider="stripe")
    say(cast.target, CUSTOMER, "disk_full")
    say(cast.credential, OURS, "unreadable")
    assert names(ada.get(LIST, {"kind": "sync"})) == {"acme orders", "globex orders"}
    assert names(ada.get(LIST, {"status": CUSTOMER})) == {"orders-db", "globex orders"}
    assert names(ada.get(LIST, {"owner": "customer", "kind": "sync"})) == {"acme orders", "globex orders"}
    assert names(ada.get(LIST, {"owner": "both"})) == {"acme orders", "orders consumer"}
    assert names(ada.get(LIST, {"owner": "cause"})) == {"orders-db", "acme shop"}
    assert names(ada.get(LIST, {"status": "unchecked"})) == {"globex shop", "northwind", "shopify app"}
    assert names(ada.get(LIST, {"provider": "stripe"})) == {"northwind"}
    assert names(ada.get(LIST, {"q": "ORDERS"})) == {
        "acme orders",
        "globex orders",
        "orders consumer",
        "orders-db",
    }
    assert names(ada.get(LIST, {"owner": "nonsense", "kind": "\x01"})) == set()


def test_the_page_of_a_component_shows_its_causes_parts_notes_flips_and_uptime(ada):
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full", note="Full since noon.")
    say(cast.app, OURS, "invalid_client", note="Our secret expired.")
    text = ada.get(page(cast.sync)).content.decode()
    for words in (
        "One of us must look into it",
        "oauth_app:invalid_client",
        "Also: the customer must act",
        "Full since noon.",
        "Our secret expired.",
        "indirectly",
        "90 days",
        '<svg class="strip"',
        "Customer must act",
        page(cast.app),
    ):
        assert words in text, words
    assert "5 in all fail because of it" not in text
    assert "3 in all fail because of it" in ada.get(page(cast.app)).content.decode()


def test_a_masked_component_says_what_waits(ada):
    cast = make_cast()
    say(cast.app, OURS, "invalid_client")
    say(cast.credential, CUSTOMER, "revoked")
    text = ada.get(page(cast.credential)).content.decode()
    assert "that counts once the cause works again" in text and "revoked" in text


def test_an_empty_component_says_what_to_do(ada):
    text = ada.get(page(make("sync", "new"))).content.decode()
    for words in (
        "Nobody has looked yet",
        "Nothing yet: say what it cannot work without",
        "has happened yet",
        "–",
    ):
        assert words in text
    assert "Its status is a default" not in text


def test_the_component_of_a_credential_links_to_it_and_cannot_be_edited(ada):
    credential = make_credential()
    response = ada.get(page(credential.component))
    assert credential.get_absolute_url() in response.content.decode()
    assert 'name="name"' not in response.content.decode()
    assert ada.post(page(credential.component, "change"), {"name": "hacked"}).status_code == 403
    assert ada.get(page(credential.component, "delete")).status_code == 403


def test_a_sync_is_added_with_what_it_depends_on(ada):
    target = make("target", "orders-db")
    say(target, CUSTOMER)
    response = ada.post(ADD, {"kind": "sync", "name": "acme", "depends_on": [target.pk]})
    sync = Component.objects.get(name="acme")
    assert response.status_code == 302
    assert (list(sync.depends_on.all()), sync.status) == ([target], CUSTOMER)
    assert sync.flips.get().actor == "user:admin"


def test_no_field_of_a_form_writes_a_status(ada):
    target = make("target", "orders-db")
    posted = {"name": "orders", "status": OURS, "own_status": OURS, "kind": "credential", "sequence": 9}
    assert ada.post(page(target, "change"), posted).status_code == 302
    target.refresh_from_db()
    assert (target.name, target.kind, target.status, target.sequence) == ("orders", "target", HEALTHY, 0)


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({"kind": "credential", "name": "x"}, "Select a valid choice"),
        ({"kind": "sync", "name": ""}, "This field is required"),
        ({"kind": "sync", "name": "paid\u202etxt"}, "Character 5 is invisible"),
        ({"kind": "sync", "name": "x" * 201}, "at most 200 characters"),
        ({"kind": "sync", "name": "  there "}, "There is one of this kind and name already"),
        ({"kind": "sync", "name": "x", "depends_on": ["nonsense"]}, "is not a valid"),
        (
            {"kind": "sync", "name": "x", "depends_on": ["00000000-0000-0000-0000-000000000000"]},
            "valid choice",
        ),
    ],
)
def test_bad_input_is_refused_at_its_field(ada, posted, words):
    make("sync", "there")
    response = ada.post(ADD, posted)
    assert response.status_code == 200 and words in response.content.decode()
    assert Component.objects.count() == 1


def test_a_circle_is_refused_with_the_way(ada):
    cast = make_cast()
    response = ada.post(page(cast.target, "change"), {"name": "orders-db", "depends_on": [cast.sync.pk]})
    assert "target:orders-db → sync:acme orders → target:orders-db" in response.content.decode()
    assert not cast.target.depends_on.exists()


def test_nobody_else_gets_in(client):
    target = make("target", "orders-db")
    for address in (LIST, FLIPS, ADD, page(target), act(target, "report")):
        assert client.get(address).status_code == 302
    bo = client_with(client)
    for address in (LIST, FLIPS, ADD, page(target), act(target, "report")):
        assert bo.get(address).status_code == 403


def test_what_is_needed_is_not_deleted_and_says_by_whom(ada):
    cast = make_cast()
    text = ada.get(page(cast.target, "delete")).content.decode()
    assert "is in use" in text and page(cast.sync) in text
    assert ada.post(page(cast.target, "delete"), {"post": "yes"}).status_code == 200
    assert Component.objects.filter(pk=cast.target.pk).exists()


def test_a_sync_is_deleted_with_its_history(ada):
    cast = make_cast()
    say(cast.sync, OURS, note="x")
    assert "1 flips, 1 notes" in ada.get(page(cast.sync, "delete")).content.decode()
    assert ada.post(page(cast.sync, "delete"), {"post": "yes"}).status_code == 302
    assert not Component.objects.filter(pk=cast.sync.pk).exists() and not Flip.objects.exists()


def test_many_are_deleted_together_but_no_credential(ada):
    cast = make_cast()
    chosen = [cast.sync.pk, cast.other.pk, cast.consumer.pk, cast.target.pk]
    posted = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    ada.post(LIST, posted | {"_selected_action": [cast.credential.pk]})
    assert Component.objects.count() == 7
    assert ada.post(LIST, posted).status_code == 302
    assert set(Component.objects.values_list("kind", flat=True)) == {"credential", "oauth_app"}


def test_empty_lists_say_so(ada):
    assert "No components yet" in ada.get(LIST).content.decode()
    assert "No flips yet" in ada.get(FLIPS).content.decode()


def test_pages_ask_the_database_as_often_for_much_as_for_little(ada, django_assert_max_num_queries):
    cast = make_cast()
    say(cast.target, CUSTOMER, note="Full.")
    addresses = [
        LIST,
        FLIPS,
        page(cast.target),
        page(cast.sync),
        page(cast.sync, "change"),
        act(cast.target, "report"),
    ]
    for address in addresses:
        ada.get(address)  # fills the caches of content types
    counts = []
    for _ in range(2):
        for address in addresses:
            with django_assert_max_num_queries(22) as queries:
                assert ada.get(address).status_code == 200
            counts.append(len(queries))
        for number in range(30):
            sync = make("sync", f"sync {number}", cast.target, make("consumer", f"c {number}"))
            Note.objects.write(cast.target, f"note {number}", actor=ANNA)
            cast.sync.depends_on.add(sync.depends_on.get(kind="consumer"))
        for status in (HEALTHY, CUSTOMER) * 10:
            say(cast.target, status, note="Full.")
    assert counts[:6] == counts[6:]


def test_the_autocompletion_finds_components(ada):
    make_cast()
    query = {"app_label": "health", "model_name": "component", "field_name": "depends_on", "term": "orders"}
    found = ada.get(reverse("admin:autocomplete"), query).json()["results"]
    assert {one["text"] for one in found} >= {"Target orders-db", "Sync acme orders"}


def test_what_people_typed_is_text_on_the_page(ada):
    target = make("target", "<script>alert(1)</script>")
    make("sync", "s", target)
    say(target, CUSTOMER, note="<img src=x onerror=alert(1)>")
    for address in (LIST, FLIPS, page(target), page(Component.objects.get(name="s")), page(target, "delete")):
        text = ada.get(address).content.decode()
        assert "<script>alert" not in text and "<img src=x" not in text


def test_a_failure_of_a_minute_is_seen_in_a_strip_of_ninety_days():
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 1, 1, tzinfo=UTC)
    moment = start + timedelta(days=89, hours=23, minutes=59)
    stretches = [
        uptime.Segment(start, moment, "healthy"),
        uptime.Segment(moment, start + timedelta(days=90), "us"),
    ]
    drawn = charts.strip(stretches, start, start + timedelta(days=90))
    assert '<rect class="strip-us" x="598" y="8" width="2" height="8"/>' in drawn
    assert charts.strip([], start, moment).count("<rect") == 1


def test_dependencies_are_removed_in_the_form(ada):
    cast = make_cast()
    say(cast.target, CUSTOMER)
    ada.post(page(cast.other, "change"), {"name": "globex orders", "depends_on": []})
    assert not Dependency.objects.filter(component=cast.other).exists()
    flip = cast.other.flips.last()
    assert (flip.new, flip.code, flip.actor) == (HEALTHY, "rewired", "user:admin")
