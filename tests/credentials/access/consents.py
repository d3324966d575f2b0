"""A person who connects accounts: at Lanyard's pages by Django's client, at the simulator's over HTTP."""

import html
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from credentials import probes
from credentials.models import AccessToken, Credential

# Where the simulator's apps send people back to.
HOST = "127.0.0.1:8000"
# What is asked before the consent page is known.
ASKED = {
    "shopify_oauth2": {"shop_url": "arrakis-water.myshopify.com"},
    "salesforce_oauth2": {"domain": "arrakis-water.my.salesforce.com"},
    "quickbooks_oauth2": {"environment": "production"},
}
KINDS = (
    *("airtable_oauth2", "hubspot_oauth2", "linear_oauth2", "quickbooks_oauth2", "salesforce_oauth2"),
    *("shopify_oauth2", "stripe_oauth2", "github_app"),
)


class Page(HTMLParser):
    """The form of a consent page."""

    def __init__(self, text: str):
        super().__init__()
        self.fields: dict[str, str] = {}
        self.accounts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "input" and given["type"] == "hidden":
            self.fields[given["name"]] = given["value"]
        elif tag == "option":
            self.accounts.append(given["value"])


class Person:
    """Somebody with a browser. `seen` is every text that Lanyard sent to it after it came back."""

    def __init__(self, user: User):
        self.user = user
        self.client = Client(HTTP_HOST=HOST)
        self.client.force_login(user)
        self.seen: list[str] = []

    def leave(self, kind: str, **values: Any) -> str:
        """Ask for a new credential; the address of the provider's page."""
        return self.sent_to(self.ask(kind, **values))

    def ask(self, kind: str, **values: Any) -> Any:
        data = {"oauth_app": values.pop("app", None) or self.app_for(kind), "name": "", **ASKED.get(kind, {})}
        return self.client.post(reverse("connect_new", args=[kind]), data | values)

    def app_for(self, kind: str) -> str:
        form = self.client.get(reverse("connect_new", args=[kind])).context["form"]
        return str(form.fields["oauth_app"].initial.pk)

    def leave_again(self, credential: Credential) -> str:
        return self.sent_to(self.client.post(reverse("connect_again", args=[credential.pk])))

    def sent_to(self, response: Any) -> str:
        assert response.status_code == 200, response
        found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', response.content.decode())
        assert found, response.content.decode()
        return html.unescape(found[1])

    def consent(self, address: str, *, account: int = 0, decision: str = "allow", broken: str = "") -> str:
        """Decide on the provider's page; the address that it sends the browser back to."""
        with requests.Session() as session:
            session.trust_env = False
            shown = session.get(address, timeout=10)
            page = Page(shown.text)
            assert page.accounts, shown.text
            data = page.fields | {
                "account": page.accounts[account],
                "decision": decision,
                "broken": broken,
            }
            answer = session.post(shown.url, data=data, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def come_back(self, address: str) -> Any:
        """Follow the redirect back to Lanyard, and what that redirects to; the last page."""
        place = urlsplit(address)
        assert f"{place.scheme}://{place.netloc}" == f"http://{HOST}"
        first = self.client.get(f"{place.path}?{place.query}")
        self.note(first)
        assert first.status_code == 302, first
        last = self.client.get(first.headers["Location"], follow=True)
        self.note(last)
        return last

    def note(self, response: Any) -> None:
        # Of the address asked for, only the part after the redirect is Lanyard's doing.
        self.seen.append(f"{response.headers}\n{response.content.decode()}")

    def connect(self, kind: str, **how: Any) -> Credential:
        """The whole way; the one new credential."""
        before = set(Credential.objects.values_list("pk", flat=True))
        self.come_back(self.consent(self.leave(kind), **how))
        return Credential.objects.exclude(pk__in=before).get()


def changed(address: str, **values: str | None) -> str:
    """The address with other parameters; None takes one away."""
    place = urlsplit(address)
    params = dict(parse_qsl(place.query)) | values
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return place._replace(query=query).geturl()


def param(address: str, name: str) -> str:
    return dict(parse_qsl(urlsplit(address).query))[name]


def refusal(response: Any) -> str:
    """The code of the refusal that a page shows."""
    assert response.templates[0].name == "credentials/refused.html", response.templates
    return str(response.context["code"])


def state() -> list[tuple[Any, ...]]:
    """All that a consent can change."""
    rows = Credential.objects.order_by("pk")
    return [(row.pk, row.version, row.secret_version, row.account) for row in rows]


def works(credential: Credential) -> bool:
    """Whether the stored secret is good: proven by a new access token."""
    AccessToken.objects.all().delete()
    return probes.probe(Credential.objects.get(pk=credential.pk)).code == "ok"
