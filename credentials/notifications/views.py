"""Pages of one channel: what was sent to it and how that went, sending a test, and sending again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from credentials import audit
from credentials.models import Channel, Delivery
from credentials.notifications import delivering
from credentials.notifications.admin import condition
from credentials.notifications.outcomes import Outcome
from health.pages import page
from health.views import page_url

SEE, CHANGE = "credentials.view_channel", "credentials.change_channel"
SHOWN = 50
# What can be sent once more: all that was tried and is not being told by another message.
AGAIN = (Delivery.State.SENT, Delivery.State.GIVEN_UP, Delivery.State.PENDING, Delivery.State.DROPPED)


@never_cache
@permission_required(SEE, raise_exception=True)
@require_GET
def deliveries(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What was, or is to be, sent to a channel, newest first, with every attempt."""
    channel = get_object_or_404(Channel, pk=pk)
    rows = Delivery.objects.filter(channel=channel, spoken_by=None)
    counts = rows.aggregate(
        waiting=Count("pk", filter=Q(state=Delivery.State.PENDING)),
        given_up=Count("pk", filter=Q(state=Delivery.State.GIVEN_UP) & ~Q(stage=Delivery.Stage.TEST)),
    )
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    rows = rows.select_related("flip__component").prefetch_related("tries").order_by("-pk")
    found = list(rows.annotate(others=Count("speaks_for", filter=Q(gathers=True)))[: SHOWN + 1])
    more, found = len(found) > SHOWN, found[:SHOWN]
    return page(
        request,
        "credentials/deliveries.html",
        title=_("Messages to “%s”") % channel,
        channel=channel,
        condition=condition(channel),
        counts=counts,
        rows=[_shown(row) for row in found],
        older=found[-1].pk if more else None,
        may_send=request.user.has_perm(CHANGE),
    )


def _shown(row: Delivery) -> dict[str, Any]:
    tries = sorted(row.tries.all(), key=lambda one: one.number)
    return {
        "row": row,
        "component": row.flip.component if row.flip else None,
        "page": page_url(row.flip.component) if row.flip else "",
        "tries": tries,
        "last": tries[-1] if tries else None,
        "again": row.state in AGAIN and row.flip_id is not None,
        "under_way": bool(tries and tries[-1].ended_at is None and row.state == Delivery.State.PENDING),
    }


@never_cache
@permission_required(CHANGE, raise_exception=True)
@require_POST
def send_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send a test message now, and say what came of it."""
    channel = get_object_or_404(Channel, pk=pk)
    audit.record("notify", channel)
    _delivery, outcome = delivering.test(channel)
    _say(request, outcome)
    return redirect("deliveries", channel.pk)


@never_cache
@permission_required(CHANGE, raise_exception=True)
@require_POST
def send_again(request: HttpRequest, key: UUID) -> HttpResponse:
    """Try a delivery now, whatever came of it before."""
    rows = Delivery.objects.filter(state__in=AGAIN, flip__isnull=False)
    delivery = get_object_or_404(rows.select_related("channel", "flip__component"), key=key)
    audit.record("notify", delivery.channel)
    outcome = delivering.send_now(delivery)
    if outcome is None:
        messages.warning(request, _("Somebody is sending it just now."))
    else:
        _say(request, outcome)
    return redirect("deliveries", delivery.channel_id)


def _say(request: HttpRequest, outcome: Outcome) -> None:
    if outcome.worked:
        messages.success(request, _("The receiver took the message."))
    else:
        messages.error(request, _("It did not arrive. %s") % outcome.reason)
