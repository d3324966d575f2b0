"""Saving a list as one narrowed it, and renaming and deleting what one saved: only one's own."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from project.models import SavedView

# The lists that can be saved, by their route, with the right to see each.
PAGES = {"credentials": "credentials.view_credential"}


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Save what a list is narrowed and sorted by under a name."""
    page = request.POST.get("page", "")
    if page not in PAGES:
        raise Http404
    if not request.user.has_perm(PAGES[page]):
        raise PermissionDenied
    user: Any = request.user
    view = SavedView(user=user, page=page, query=QueryDict(request.POST.get("query", "")).urlencode())
    if _store(request, view, request.POST.get("name", "")):
        messages.success(request, _("“%s” stands above the list now.") % view)
    return _back(view)


@require_POST
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    view = _own(request, pk)
    before = view.name
    if _store(request, view, request.POST.get("name", "")) and view.name != before:
        messages.success(
            request, _("“%(before)s” is called “%(name)s” now.") % {"before": before, "name": view}
        )
    return _back(view)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a view. What it showed stays on the page, so that it can be saved again."""
    view = _own(request, pk)
    SavedView.objects.filter(pk=view.pk).delete()
    messages.success(
        request, _("“%s” is gone. What it showed is below: save it again to have it back.") % view
    )
    return _back(view)


def _own(request: HttpRequest, pk: int) -> SavedView:
    view = get_object_or_404(SavedView, pk=pk, user=request.user.pk)
    if not request.user.has_perm(PAGES[view.page]):
        raise PermissionDenied
    return view


def _store(request: HttpRequest, view: SavedView, name: str) -> bool:
    """Store a view under a name; where that cannot be, say why."""
    try:
        view.name = name
        view.clean_fields()
        with transaction.atomic():
            # One at a time of a person, so that nobody gets past the most.
            User.objects.select_for_update(no_key=True).get(pk=view.user_id)
            others = SavedView.objects.filter(user=view.user_id, page=view.page).exclude(pk=view.pk)
            if view._state.adding and others.count() >= SavedView.MOST:
                raise ValidationError(_("There is room for %d views. Delete one first.") % SavedView.MOST)
            view.save()
    except ValidationError as error:
        messages.error(request, _("The view was not saved: %s") % " ".join(error.messages))
        return False
    except IntegrityError:
        messages.error(request, _("You have a view called “%s” already. Choose another name.") % view)
        return False
    return True


def _back(view: SavedView) -> HttpResponse:
    address = reverse(view.page)
    return redirect(f"{address}?{view.query}" if view.query else address)
