"""What the list of credentials is narrowed and sorted by. All of it stands in the address."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import finding, kinds
from credentials.console.narrowing import PAUSED, owned_by, with_health, with_metadata, with_status
from credentials.models import KEPT_FOR, Credential, OAuthApp
from health import admin_base, selection

STATUSES = [*selection.CHOICES, (PAUSED, gettext_lazy("Paused"))]
OWNERS = [
    ("us", gettext_lazy("We")),
    ("customer", gettext_lazy("Customer")),
    ("both", gettext_lazy("Both")),
]
UNREADABLE, DELETED = "unreadable", "deleted"
ONLY = [
    (UNREADABLE, gettext_lazy("Secrets that cannot be read")),
    (DELETED, gettext_lazy("Deleted within %d days") % KEPT_FOR.days),
]
SORTS = {
    "name": gettext_lazy("Name"),
    "since": gettext_lazy("Status since"),
    "used": gettext_lazy("Last used"),
    "created": gettext_lazy("Created"),
}
# Times begin with the newest, names at A.
USUAL = {"name": "name", "since": "-since", "used": "-used", "created": "-created"}
MOST_PAIRS = 5


class _Choice(forms.ChoiceField):
    """One of some choices, or all. Says which word it does not know."""

    widget = admin_base.UnfoldAdminSelectWidget

    def __init__(self, *, everything: Any, choices: Any, **kwargs: Any):
        wrong = gettext_lazy("“%(value)s” is none of those to choose from.")
        super().__init__(
            required=False,
            choices=[("", everything), *choices],
            error_messages={"invalid_choice": wrong},
            **kwargs,
        )


class _AppField(forms.ModelChoiceField):
    """One of the OAuth apps, by its id."""

    widget = admin_base.UnfoldAdminSelectWidget

    def to_python(self, value: Any) -> OAuthApp | None:
        try:
            return super().to_python(value)
        except (ValidationError, ValueError):
            raise ValidationError(_("There is no such OAuth app any more.")) from None


class ListForm(forms.Form):
    """Every field narrows the list. `problems` says what cannot be read; then nothing is shown, lest more is
    shown, and chosen, than was meant."""

    q = forms.CharField(
        label=gettext_lazy("Find"),
        required=False,
        max_length=admin_base.LONGEST_SEARCH,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    provider = _Choice(
        label=gettext_lazy("Provider"),
        everything=gettext_lazy("All providers"),
        choices=[(provider.key, provider.name) for provider in kinds.PROVIDERS.values()],
    )
    kind = _Choice(
        label=gettext_lazy("Kind"),
        everything=gettext_lazy("All kinds"),
        choices=[(name, f"{kind.PROVIDER.name}: {kind.LABEL}") for name, kind in kinds.KINDS.items()],
    )
    status = _Choice(label=gettext_lazy("Status"), everything=gettext_lazy("Any status"), choices=STATUSES)
    owner = _Choice(
        label=gettext_lazy("Who must act"), everything=gettext_lazy("Whoever it is"), choices=OWNERS
    )
    app = _AppField(
        label=gettext_lazy("OAuth app"),
        queryset=OAuthApp.objects.order_by("name", "pk").only("name"),
        required=False,
        empty_label=gettext_lazy("Any app, or none"),
    )
    only = _Choice(label=gettext_lazy("Only"), everything=gettext_lazy("All that are in use"), choices=ONLY)
    meta = forms.CharField(
        label=gettext_lazy("Metadata"),
        required=False,
        max_length=admin_base.LONGEST_SEARCH,
        widget=admin_base.UnfoldAdminTextInputWidget({"placeholder": "plan=growth", "spellcheck": "false"}),
        help_text=gettext_lazy("A key and its exact value: plan=growth"),
    )
    sort = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, query: QueryDict):
        super().__init__(query, use_required_attribute=False)
        # A field of its own narrows by one pair; the address can hold several.
        self.pairs: list[tuple[str, str]] = []
        self.is_valid()

    # --- reading --------------------------------------------------------------------------------------------

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        if text and not finding.words(text):
            raise ValidationError(_("“%s” holds no letter and no digit to look for.") % text)
        return text

    def clean_meta(self) -> str:
        given = [text for text in self._query.getlist("meta") if text.strip()]
        if len(given) > MOST_PAIRS:
            raise ValidationError(_("At most %d pairs narrow the list at once.") % MOST_PAIRS)
        for text in given:
            key, equals, value = (part.strip() for part in text.partition("="))
            if not equals or not key or not value:
                raise ValidationError(
                    _("“%s” is no key with its value: write them with an equals sign, as in plan=growth.")
                    % text[: admin_base.LONGEST_SEARCH]
                )
            self.pairs.append((key, value))
        return "&".join("=".join(pair) for pair in self.pairs)

    def clean_sort(self) -> str:
        sort: str = self.cleaned_data["sort"] or "name"
        if sort.removeprefix("-") not in SORTS:
            raise ValidationError(
                _("“%(sort)s” is nothing to sort by: name one of %(names)s.")
                % {"sort": sort[:40], "names": ", ".join(SORTS)}
            )
        return sort

    @property
    def _query(self) -> QueryDict:
        query: Any = self.data
        return query

    def said(self, name: str) -> Any:
        """What was entered, where it can be read; else empty."""
        return self.cleaned_data.get(name) or ""

    @property
    def problems(self) -> list[str]:
        return [
            f"{self.fields[name].label or _('Sort')}: {' '.join(map(str, messages))}"
            for name, messages in self.errors.items()
        ]

    @property
    def narrows(self) -> bool:
        return bool(self.problems) or any(self.said(name) for name in self.fields if name != "sort")

    @property
    def order(self) -> str:
        """One of SORTS, with a minus before it where it falls."""
        return self.said("sort") or "name"

    @property
    def deleted(self) -> bool:
        """Whether the deleted ones are shown, and no others."""
        return bool(self.said("only") == DELETED)

    # --- narrowing ------------------------------------------------------------------------------------------

    def rows(self, *, whole_words: bool = False) -> QuerySet[Credential]:
        """The credentials that were asked for, in no order. None where something cannot be read.

        With `whole_words` only those that have each word, and not those that have one that begins with it.
        """
        if self.problems:
            return Credential.everything.non_polymorphic().none()
        rows: QuerySet[Credential] = Credential.objects.non_polymorphic()
        if self.deleted:
            rows = Credential.everything.non_polymorphic().exclude(deleted_at=None)
        wanted = Q()
        for name in ("provider", "kind"):
            if value := self.said(name):
                wanted &= Q(**{name: value})
        if app := self.said("app"):
            wanted &= Q(oauth_app=app)
        if self.said("only") == UNREADABLE:
            wanted &= Q(unreadable=True)
        rows = rows.filter(wanted)
        if status := self.said("status"):
            rows = with_health(rows, with_status, status)
        if owner := self.said("owner"):
            rows = with_health(rows, owned_by, owner)
        found: QuerySet[Credential] = finding.find(rows, self.said("q"), whole=whole_words)
        for number, pair in enumerate(self.pairs):
            found = with_metadata(found, *pair, name=f"pair_{number}")
        return found


def chips(form: ListForm) -> list[tuple[str, str, str, str]]:
    """What the list is narrowed by: (parameter, its value in the address, label, value in words)."""
    shown = []
    for name, field in form.fields.items():
        if name == "sort" or not (value := form.said(name)):
            continue
        label = str(field.label)
        if name == "meta":
            shown += [(name, f"{key}={wanted}", label, f"{key} = {wanted}") for key, wanted in form.pairs]
        elif name == "q":
            shown.append((name, value, label, f"“{value}”"))
        elif name == "app":
            shown.append((name, str(value.pk), label, value.name))
        else:
            words: dict[Any, Any] = dict(getattr(field, "choices", []))
            shown.append((name, value, label, str(words[value])))
    return shown


def canonical(form: ListForm) -> str:
    """What the list is narrowed and sorted by, as the one written form of an address."""
    query = QueryDict(mutable=True)
    for name, value, _label, _words in chips(form):
        query.appendlist(name, value)
    if form.order != "name":
        query["sort"] = form.order
    return query.urlencode()


def of_keys(keys: list[str]) -> list[UUID]:
    """Keys as the list's checkboxes send them. Raises ValidationError."""
    try:
        return [UUID(key) for key in keys]
    except ValueError:
        raise ValidationError(_("A selected row has no key of a credential.")) from None
