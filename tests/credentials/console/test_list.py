"""The console's list of credentials: what it shows, finds, sorts and turns, and what it refuses."""

import itertools
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import F
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from credentials.console import gathering, list_forms, listing
from credentials.console.list_forms import ListForm
from credentials.kinds import KINDS
from credentials.models import Credential
from health import pausing
from health.models import Component
from health.status import Status
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

LIST = "/credentials/"
# Session, user, saved views, OAuth apps to choose from, an estimate, keys, rows, their use, how many.
MOST_QUERIES = 9


def get(client, query=""):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response
    return response


def names(client, query=""):
    return [row.credential.name for row in get(client, query).context["found"].rows]


def maintain(credential, **values):
    Component.objects.filter(pk=credential.component_id).update(**values)


@pytest.fixture
def cast():
    """One of each that a filter tells apart."""
    now = timezone.now()
    app = make_oauth_app("hubspot", name="Ours")
    made = {
        "us": make_credential("stripe_key", name="us", metadata={"plan": "growth", "seats": 42, "vip": True}),
        "customer": make_credential(
            "stripe_oauth2", name="customer", metadata={"plan": "growth", "seats": "42"}
        ),
        "healthy": make_credential(
            "hubspot_oauth2", name="healthy", oauth_app=app, metadata={"plan": "starter"}
        ),
        "unchecked": make_credential("github_app", name="unchecked", metadata={"share": "%", "n": 1.5}),
        "paused": make_credential("github_app", name="paused"),
        "broken": make_credential("sendgrid_key", name="broken"),
        "gone": make_credential("sendgrid_key", name="gone"),
    }
    for name, status in (("us", Status.SEQUIN_INTERVENTION), ("customer", Status.CUSTOMER_INTERVENTION)):
        maintain(made[name], status=status, known_since=now)
    maintain(made["us"], also=made["customer"].component_id)
    maintain(made["healthy"], known_since=now)
    pausing.pause(made["paused"].component, actor="cli:tests@localhost", reason="Moving house")
    Credential.objects.filter(pk=made["broken"].pk).update(unreadable=True)
    made["gone"].delete()
    return made


NARROWED = {
    "": "broken customer healthy paused unchecked us",
    "provider=stripe": "customer us",
    "kind=stripe_key": "us",
    "status=healthy": "healthy",
    "status=customer_intervention": "customer",
    "status=sequin_intervention": "us",
    "status=unchecked": "broken paused unchecked",
    "status=paused": "paused",
    "owner=us": "us",
    "owner=customer": "customer us",
    "owner=both": "us",
    "app={app}": "healthy",
    "only=unreadable": "broken",
    "only=deleted": "gone",
    "meta=plan%3Dgrowth": "customer us",
    "meta=seats=42": "customer us",
    "meta=vip+%3D+true": "us",
    "meta=plan=grow": "",
    "meta=seats=growth": "",
    "meta=share=%25": "unchecked",
    "meta=n=1.5": "unchecked",
    "meta=plan=growth&provider=stripe&owner=customer&kind=stripe_oauth2&q=CUSTOM": "customer",
    "meta=plan=growth&meta=vip=true": "us",
    "q=heal": "healthy",
    "q=gone": "",
    "q=gone&only=deleted": "gone",
}


def test_what_narrows_the_list_combines(admin_client, cast):
    app = cast["healthy"].oauth_app_id
    found = {query: " ".join(names(admin_client, query.format(app=app))) for query in NARROWED}
    assert found == NARROWED


def test_chips_and_address_say_the_same_and_each_chip_takes_one_away(admin_client, cast):
    query = (
        "q=us&provider=stripe&kind=stripe_key&status=sequin_intervention&owner=both&meta=plan%3Dgrowth"
        "&meta=seats%3D42&sort=-used"
    )
    response = get(admin_client, query + "&after=nonsense")
    form, chips = response.context["form"], response.context["chips"]
    assert QueryDict(list_forms.canonical(form)) == QueryDict(query)
    assert [f"{chip['label']} {chip['words']}" for chip in chips] == [
        *("Find “us”", "Provider Stripe", "Kind Stripe: Secret or restricted key", "Status We must act"),
        *("Who must act Both", "Metadata plan = growth", "Metadata seats = 42"),
    ]
    html = response.content.decode()
    for chip, (name, value) in zip(chips, [(n, v) for n, v, *_ in list_forms.chips(form)], strict=True):
        without = QueryDict(chip["without"].partition("?")[2])
        assert value not in without.getlist(name)
        assert "after" not in without and without["sort"] == "-used"
        assert len(list_forms.chips(ListForm(without))) == len(chips) - 1
        assert chip["without"].replace("&", "&amp;") in html
    # What the form sends again is the same list.
    assert html.count('name="meta" value=') == 2


@pytest.fixture
def many():
    """Three pages: equal names and times, some never used, some failing."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(130):
        one = make_credential(("stripe_key", "github_app")[n % 2], name=f"Customer {n % 9}")
        used = began + timedelta(minutes=n % 11) if n % 3 else None
        rows = Credential.everything.non_polymorphic().filter(pk=one.pk)
        super(type(rows), rows).update(last_used_at=used, created_at=began + timedelta(minutes=n % 7))
        maintain(one, since=began + timedelta(minutes=n % 5), known_since=began)
        if n % 4 == 0:
            maintain(one, status=Status.CUSTOMER_INTERVENTION)


ORDERS = {
    "name": (F("name").asc(), "pk"),
    "-name": (F("name").desc(), "-pk"),
    "since": ("component__since", "component_id"),
    "-since": ("-component__since", "-component_id"),
    "used": (F("last_used_at").asc(nulls_first=True), "pk"),
    "-used": (F("last_used_at").desc(nulls_last=True), "-pk"),
    "created": ("created_at", "pk"),
    "-created": ("-created_at", "-pk"),
}


@pytest.mark.parametrize("walking", [False, True], ids=["gathered", "walked"])
def test_the_pages_hold_each_row_once_in_order_in_both_directions(admin_client, many, monkeypatch, walking):
    if walking:
        # As where too many match to gather them.
        monkeypatch.setattr(gathering, "BY_WORDS", 3)
        monkeypatch.setattr(gathering, "BY_OTHERS", 3)
    narrowed = {
        "": {},
        "q=custom": {},
        "status=customer_intervention": {"component__status": "customer_intervention"},
    }
    for sort, query in itertools.product(ORDERS, narrowed):
        rows = Credential.objects.non_polymorphic().filter(**narrowed[query]).order_by(*ORDERS[sort])
        whole = list(rows.values_list("pk", flat=True))
        size = listing.SIZE
        cut = [whole[start : start + size] for start in range(0, len(whole), size)]
        address = f"{LIST}?{query}&sort={sort}"
        forwards = turned(admin_client, address, "older")
        assert forwards == cut, (sort, query)
        backwards = turned(admin_client, f"{address}&last=1", "newer")
        assert [pk for page in reversed(backwards) for pk in page] == whole, (sort, query)
        assert [len(page) for page in backwards[:-1]] == [size] * (len(backwards) - 1)


def turned(client, address, way):
    """The keys on each page, turning until there is no further one."""
    pages = []
    while address:
        assert len(pages) < 10
        response = client.get(address)
        pages.append([row.credential.pk for row in response.context["found"].rows])
        address = response.context[way]
    return pages


def test_how_many_is_said_exactly_at_least_or_about(admin_client, many, monkeypatch):
    assert "130 credentials" in get(admin_client).content.decode()
    assert "33 credentials" in get(admin_client, "status=customer_intervention").content.decode()
    monkeypatch.setattr(listing, "COUNTED", 100)
    monkeypatch.setattr(gathering, "BY_WORDS", 100)
    monkeypatch.setattr(gathering, "BY_OTHERS", 100)
    found = str(get(admin_client, "q=customer").context["found"].count)
    assert found == "more than 100" or re.fullmatch(r"about 1\d0", found)
    assert str(listing._about(1_043_211)) == "about 1,000,000"
    assert str(listing._about(87_211)) == "about 87,000"


@pytest.mark.parametrize("rows", [10, 300])
def test_a_page_costs_the_same_at_any_length_and_opens_no_secret(
    admin_client, django_assert_max_num_queries, monkeypatch, rows
):
    kinds = list(KINDS)
    app = make_oauth_app("hubspot")
    for index in range(rows):
        kind = kinds[index % len(kinds)]
        own = {"oauth_app": app} if kind == "hubspot_oauth2" else {}
        make_credential(kind, metadata={"plan": "growth"}, **own)
    get(admin_client)
    monkeypatch.setattr(Fernet, "decrypt", None)
    for query in (
        "",
        "q=fake+growth&sort=-since",
        "provider=hubspot&status=unchecked&meta=plan%3Dgrowth",
        "last=1",
    ):
        with django_assert_max_num_queries(MOST_QUERIES):
            response = get(admin_client, query)
        assert len(response.content) < 150_000


UNREADABLE = {
    "kind=nope": "Kind: “nope” is none of those to choose from.",
    "provider=%3Cscript%3E": "Provider: “&lt;script&gt;” is none of those to choose from.",
    "status=healthy%27--": "is none of those to choose from.",
    f"app={uuid.UUID(int=1)}": "OAuth app: There is no such OAuth app any more.",
    "app=%F0%9F": "OAuth app: There is no such OAuth app any more.",
    "q=%22---%22": "holds no letter and no digit to look for.",
    "q=" + "x" * 201: "Find: Ensure this value has at most 200 characters",
    "meta=plan": "Metadata: “plan” is no key with its value",
    "meta=%3Dx": "is no key with its value",
    "meta=a=1" + "&meta=a=1" * 5: "At most 5 pairs narrow the list at once.",
    "sort=password": "“password” is nothing to sort by: name one of name, since, used, created.",
}


def test_what_cannot_be_read_is_said_and_nothing_is_shown(admin_client, cast):
    for query, message in UNREADABLE.items():
        html = get(admin_client, query).content.decode()
        assert message in html, query
        assert "Nothing is shown, lest it be more than you meant." in html
        assert "data-row" not in html


STRANGE = (
    *("after=x", "before=~~~", f"after={uuid.UUID(int=1)}~never&sort=-since", "last=&after=&before="),
    f"after={uuid.UUID(int=1)}~0001-01-01T00:00:00%2B23:59&sort=since",
    *("meta=nan=nan", "meta=a%22b=1e999", "meta=a.b%5B0%5D=%25", "meta=0=1", "q=%27%3B%20DROP&meta=x%27=%22"),
    "meta=n=99999999999999999999999999",
)


def test_strange_places_and_values_show_a_list(admin_client, cast):
    for query in STRANGE:
        get(admin_client, query)


def test_a_row_says_what_a_credential_is(admin_client, cast):
    row = next(r for r in get(admin_client, "q=healthy").content.decode().split("<tr data-row>")[1:])
    for text in (
        reverse("credential", args=[cast["healthy"].pk]),
        "HubSpot",
        "Healthy",
        "check_circle",
        "since",
    ):
        assert text in row
    assert "Ours" in row and "never" in row
    unchecked = get(admin_client, "q=unchecked").content.decode().split("<tr data-row>")[1]
    assert "Not checked yet" in unchecked and "since" not in unchecked
    gone = get(admin_client, "only=deleted").content.decode()
    assert "Deleted" in gone and reverse("credential", args=[cast["gone"].pk]) not in gone


def test_an_empty_list_leads_to_the_first_credential(admin_client, client):
    ways = (reverse("new_credential"), reverse("import_credentials"))
    html = get(admin_client).content.decode()
    assert all(f'href="{way}"' in html for way in ways)
    assert "Load demo data" in html and "data-find" not in html
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(Group.objects.get(name="viewer"))
    client.force_login(viewer)
    html = get(client).content.decode()
    assert not any(f'href="{way}"' in html for way in ways)
    assert "Whoever is an operator or an admin can add the first one." in html


def test_who_may_not_see_credentials_sees_no_list(client):
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(LIST).status_code == 403


def test_what_is_chosen_is_what_is_ticked_or_all_that_match(cast):
    def chosen(text):
        return sorted(listing.chosen(QueryDict(text)).values_list("name", flat=True))

    assert chosen(f"pk={cast['us'].pk}&pk={cast['gone'].pk}") == ["gone", "us"]
    assert chosen("everything=1&match=provider%3Dstripe") == ["customer", "us"]
    assert chosen("") == []
    for text in ("pk=1", "everything=1&match=provider%3Dnope"):
        with pytest.raises(ValidationError):
            chosen(text)
