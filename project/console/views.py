"""Where people start."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from health.pages import page
from project.console.overview import overview

# Both: it tells of credentials and of whatever depends on them.
SEE = ("credentials.view_credential", "health.view_component")
# In seconds.
REFRESHED = 20


@never_cache
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What needs whom right now; of an empty installation, the first steps. Who may not see that starts
    elsewhere."""
    part = "part" in request.GET
    if not request.user.has_perms(SEE):
        return admin.site.index(request)
    return page(
        request,
        "project/overview_now.html" if part else "project/overview.html",
        title=_("Overview"),
        found=overview(),
        read_at=timezone.now(),
        refreshed=REFRESHED,
        add=reverse("new_credential"),
    )
