"""Before many credentials are changed at once: which are meant, what becomes of them, what hangs on them."""

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from credentials import jobs
from credentials.console import listing
from credentials.job_acts import CHANGE, IS_USED, Act, Refusal
from credentials.models import Credential, Job, JobItem
from health import graph
from health.models import Component
from health.pages import key

# Those who may see what others have started: they see it in the audit trail as well.
SEE_OTHERS = "credentials.view_auditevent"
NAMED = 5
# What the forms of these pages carry along: which credentials are meant.
CARRIED = ("pk", "everything", "match", "again", "result")
# A result to do again, and how a page calls it: what was never done has none.
LEFT = "left"
# A download is written while somebody waits for it.
MOST_EXPORTED = 10_000


@dataclass(frozen=True)
class Export(Act):
    """Not a job: the answer is the file."""

    @property
    def title(self) -> str:
        return _("Export")


EXPORT = Export("export", (CHANGE,))


@dataclass(frozen=True)
class Left:
    """Credentials that will be left alone, and why: how many, and the first of their names."""

    words: str
    number: int
    names: list[str]

    @property
    def others(self) -> int:
        return self.number - len(self.names)


@dataclass
class Preflight:
    """What an act would do to the chosen credentials. More than `most` are not counted."""

    total: int
    most: int
    left: list[Left] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    # What depends on those that are acted upon: (kind in words, how many), and the first of their names.
    users: list[tuple[str, int]] = field(default_factory=list)
    user_names: list[str] = field(default_factory=list)
    # The OAuth apps through which they sign in, with how many of them each.
    apps: list[tuple[str, int]] = field(default_factory=list)

    @property
    def too_many(self) -> bool:
        return self.total > self.most

    @property
    def number(self) -> int:
        """How many will be acted upon."""
        return 0 if self.too_many else self.total - sum(one.number for one in self.left)

    @property
    def seen(self) -> str:
        """What is compared when somebody starts it: the selection may have changed since they looked."""
        return f"{self.total}-{self.number}"

    @property
    def other_names(self) -> int:
        return self.number - len(self.names)

    @property
    def other_users(self) -> int:
        return sum(number for _kind, number in self.users) - len(self.user_names)


def chosen(sent: QueryDict, person: Any) -> QuerySet[Credential]:
    """The credentials that a form was sent for: by the list, or (`again`) those of a job with a `result`.

    Raises ValidationError, PermissionDenied, or Http404.
    """
    if not sent.get("again"):
        return listing.chosen(sent)
    job = get_object_or_404(Job, pk=key(sent.get("again")))
    if not may_see(person, job):
        raise PermissionDenied
    result = sent.get("result", JobItem.Result.FAILED)
    items = JobItem.objects.filter(job=job, result="" if result == LEFT else result)
    return Credential.everything.non_polymorphic().filter(pk__in=items.values("credential"))


def may_see(person: Any, job: Job) -> bool:
    return bool(job.person_id == person.pk or person.has_perm(SEE_OTHERS))


def look(act: Act, rows: QuerySet[Credential]) -> Preflight:
    """What would happen, by a handful of queries, whatever was chosen. Opens no secret."""
    most = MOST_EXPORTED if act is EXPORT else jobs.MOST
    found = Preflight(rows.order_by()[: most + 1].count(), most)
    if found.too_many or not found.total:
        return found
    meant = rows
    for refusal in act.refuses:
        if left := _left(meant, refusal):
            found.left.append(left)
            meant = meant.exclude(refusal.those)
    if found.number:
        found.names = list(meant.order_by("name", "pk").values_list("name", flat=True)[:NAMED])
    # What something depends on is not deleted: then this says what it is that depends on it.
    _blast(found, rows if IS_USED in act.refuses else meant, meant)
    return found


def _left(rows: QuerySet[Credential], refusal: Refusal) -> Left | None:
    those = rows.filter(refusal.those)
    number = those.order_by().count()
    if not number:
        return None
    names = list(those.order_by("name", "pk").values_list("name", flat=True)[:NAMED])
    return Left(str(refusal.words), number, names)


def _blast(found: Preflight, rows: QuerySet[Credential], meant: QuerySet[Credential]) -> None:
    """What depends on these rows, and what those that are meant depend on."""
    edges = graph.edges().filter(depends_on__in=rows.order_by().values("component"))
    kinds = edges.values("component__kind").annotate(number=Count("component", distinct=True))
    found.users = [
        (str(Component.Kind(one["component__kind"]).label), one["number"])
        for one in kinds.order_by("component__kind")
    ]
    if found.users:
        users = Component.objects.filter(pk__in=edges.values("component")).order_by("kind", "name")
        found.user_names = list(users.values_list("name", flat=True)[:NAMED])
    above = graph.edges().filter(
        depends_on__kind=Component.Kind.OAUTH_APP, component__in=meant.order_by().values("component")
    )
    apps = above.values("depends_on__name").annotate(number=Count("component"))
    found.apps = [
        (one["depends_on__name"], one["number"])
        for one in apps.order_by("-number", "depends_on__name")[:NAMED]
    ]


def refuse_nothing(found: Preflight) -> None:
    """Raise ValidationError where there is nothing to act upon."""
    if found.too_many:
        raise ValidationError(_("At most %s at once: narrow the list.") % f"{found.most:,}")
    if not found.number:
        raise ValidationError(_("None of these can be changed so."))
