"""Finding anything by words: what the search box of every page looks through.

Credentials by their words, components by parts of their name, the rest in memory. A fixed number of queries,
none of which opens a secret, and nothing that the person could not open otherwise.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import get_commands, load_command_class
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import kinds
from credentials.console import listing
from credentials.console.list_forms import ListForm
from credentials.finding import words
from credentials.models import Credential, OAuthApp
from health.console.board_forms import ALL
from health.models import Component
from health.pages import key

Person = User | AnonymousUser

# So many of each sort are shown, and so many characters are looked for.
SHOWN, LONGEST = 6, 200
SEE_CREDENTIALS = "credentials.view_credential"
# Credentials and OAuth apps are found as such.
PARTS = [one for one in Component.Kind if one not in (Component.Kind.CREDENTIAL, Component.Kind.OAUTH_APP)]
# Pages that are in no menu: title, more words for it, icon, routes (the first that there is), right.
PAGES = (
    (gettext_lazy("Add a credential"), gettext_lazy("new create catalogue"), "add",
     ("new_credential", "admin:credentials_credential_add"), "credentials.add_credential"),
    (gettext_lazy("Import a file"), gettext_lazy("import credentials upload csv json"), "upload_file",
     ("import_credentials",), "credentials.add_credential"),
    (gettext_lazy("Find a leaked key"), gettext_lazy("secret token fingerprint holder"), "fingerprint",
     ("find_leaked",), SEE_CREDENTIALS),
    (gettext_lazy("Add an OAuth app"), gettext_lazy("new create register client"), "add",
     ("admin:credentials_oauthapp_add",), "credentials.add_oauthapp"),
    (gettext_lazy("Change your password"), gettext_lazy("sign in account"), "password",
     ("admin:password_change",), ""),
)  # fmt: skip
OURS = ("credentials", "health", "project")


@dataclass(frozen=True)
class Found:
    """One thing: what it is called, what else tells it apart, and where it leads."""

    title: str
    said: str
    address: str
    icon: str
    # Whose status is shown beside it.
    component: Component | None = None
    # A command, which is run elsewhere.
    command: str = ""


@dataclass
class Group:
    """What was found of one sort; `more` is the address of all of them where there may be others."""

    title: str
    found: list[Found] = field(default_factory=list)
    more: str | None = None


def find(request: HttpRequest, text: str) -> list[Group]:
    """What the words of a text find that this person may see, the likeliest sort first; without words, the
    pages there are. Six queries at most."""
    text, user = text[:LONGEST].strip(), request.user
    if not text:
        return [Group(_("Go to"), list(_pages(request, [])))]
    looked_for = words(text)
    groups = [
        *_credentials(user, text),
        Group(_("Syncs, consumers and targets"), *_parts(user, text)),
        Group(_("OAuth apps"), list(_apps(user, text))),
        Group(_("Providers"), list(_providers(user, looked_for))),
        Group(_("Pages"), [*_pages(request, looked_for), *_kinds(user, looked_for)][: 2 * SHOWN]),
        Group(_("Commands"), list(_commands(looked_for))),
    ]
    return [group for group in groups if group.found]


def _credentials(user: Person, text: str) -> Iterator[Group]:
    """Credentials, and the rate limit of each. Two queries, and two more to estimate on PostgreSQL."""
    if not user.has_perm(SEE_CREDENTIALS):
        return
    query = QueryDict(mutable=True)
    query["q"] = text
    form = ListForm(query)
    keys = [] if form.problems else listing.first(form)
    rows = Credential.objects.non_polymorphic().filter(pk__in=keys[:SHOWN]).select_related("component")
    by_key = {row.pk: row for row in rows}
    shown = [by_key[pk] for pk in keys[:SHOWN] if pk in by_key]
    more = f"?{query.urlencode()}" if len(keys) > SHOWN else None
    yield Group(
        _("Credentials"),
        [Found(one.name, _told_apart(one), one.get_absolute_url(), "key", one.component) for one in shown],
        more and reverse("credentials") + more,
    )
    yield Group(
        _("Rate limits"),
        [
            Found(_("Rate limit of %s") % one.name, "", reverse("rate_limit", args=[one.pk]), "speed")
            for one in shown[: SHOWN // 2]
        ],
        more and reverse("rate_limits") + more,
    )


def _told_apart(credential: Credential) -> str:
    kind = kinds.KINDS[credential.kind]
    account = credential.account or ""
    return " · ".join(filter(None, (f"{kind.PROVIDER.name}: {kind.LABEL}", account[:60])))


def _parts(user: Person, text: str) -> tuple[list[Found], str | None]:
    """Components that are no credential and no app, by parts of their names or their id. One query."""
    if not user.has_perm("health.view_component"):
        return [], None
    named = Q()
    for word in text.split():
        named &= Q(name__icontains=word)
    if pk := key(text):
        named |= Q(pk=pk)
    rows = list(Component.objects.filter(named, kind__in=PARTS).order_by("name", "pk")[: SHOWN + 1])
    found = [
        Found(one.name, one.get_kind_display(), reverse("health_component", args=[one.pk]), "sync", one)
        for one in rows[:SHOWN]
    ]
    query = urlencode({"view": ALL, "q": text})
    return found, f"{reverse('health_board')}?{query}" if len(rows) > SHOWN else None


def _apps(user: Person, text: str) -> Iterator[Found]:
    """OAuth apps by parts of their names and client ids. One query."""
    if not user.has_perm("credentials.view_oauthapp"):
        return
    named = Q()
    for word in text.split():
        named &= Q(name__icontains=word) | Q(client_id__icontains=word) | Q(provider__icontains=word)
    for app in OAuthApp.objects.filter(named).select_related("component").order_by("name", "pk")[:SHOWN]:
        address = reverse("admin:credentials_oauthapp_change", args=[app.pk])
        yield Found(app.name, kinds.PROVIDERS[app.provider].name, address, "apps", app.component)


def _providers(user: Person, looked_for: list[str]) -> Iterator[Found]:
    if user.has_perm(SEE_CREDENTIALS):
        for provider in kinds.PROVIDERS.values():
            if _matches(looked_for, provider.name, provider.key):
                address = reverse("provider", args=[provider.key])
                yield Found(provider.name, str(provider.category), address, "hub")


def _pages(request: HttpRequest, looked_for: list[str]) -> Iterator[Found]:
    """The pages of the menu and some others, by their titles; without words, all of them."""
    for group in admin.site.get_sidebar_list(request):  # type: ignore[attr-defined]  # the theme's
        for item in group["items"]:
            if item["has_permission"] and _matches(looked_for, item["title"], group.get("title") or ""):
                yield Found(str(item["title"]), str(group.get("title") or ""), item["link"], item["icon"])
    for title, more_words, icon, routes, right in PAGES:
        address = _leading(routes)
        if (
            address
            and (not right or request.user.has_perm(right))
            and _matches(looked_for, title, more_words)
        ):
            yield Found(str(title), "", address, icon)


def _kinds(user: Person, looked_for: list[str]) -> Iterator[Found]:
    """The forms in which a credential of a kind is added."""
    if user.has_perm("credentials.add_credential"):
        for kind in kinds.KINDS.values():
            title = _("Add %(provider)s: %(kind)s") % {"provider": kind.PROVIDER.name, "kind": kind.LABEL}
            if _matches(looked_for, title, kind.KIND):
                yield Found(title, "", reverse(f"admin:credentials_{kind._meta.model_name}_add"), "add")


def _commands(looked_for: list[str]) -> Iterator[Found]:
    for name, (purpose, example) in commands().items():
        if _matches(looked_for, name, purpose):
            address = f"{reverse('find')}?{urlencode({'q': name.replace('_', ' ')})}"
            yield Found(name.replace("_", " ").capitalize(), purpose, address, "terminal", command=example)


@functools.cache
def commands() -> dict[str, tuple[str, str]]:
    """What each of our commands is for, and an example, as its own help says it."""
    found = {}
    for name, app in sorted(get_commands().items()):
        if app not in OURS:
            continue
        text = load_command_class(app, name).help
        examples = [line.strip() for line in text.splitlines() if line.startswith("  manage.py ")]
        if examples:
            # Its first sentence, which may go on in the next line.
            purpose = (
                " ".join(text.split("\n\n")[0].split()).partition(". ")[0].partition(": ")[0].rstrip(".")
            )
            found[name] = (f"{purpose}.", examples[0])
    return found


def _matches(looked_for: list[str], *texts: Any) -> bool:
    """Whether each word is the beginning of one in the texts."""
    there: Iterable[str] = words(" ".join(map(str, texts)))
    return all(any(word.startswith(one) for word in there) for one in looked_for)


def _leading(routes: tuple[str, ...]) -> str | None:
    """The address of the first of these routes that there is."""
    for route in routes:
        try:
            return reverse(route)
        except NoReverseMatch:
            continue
    return None
