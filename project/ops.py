"""Pages for those who watch whether Lanyard works: programs, and people in a hurry. None asks to sign in."""

import hmac
import ipaddress

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from project import environment, gauges, prometheus, readiness

# Set by what stands in front of us: then the address is that of a proxy, and not of whoever asks.
FORWARDED = (
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"),
    *("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA"),
)
REFUSED = (
    "Metrics are for this machine only, and only while ALLOWED_HOSTS names no other: set METRICS_TOKEN, and"
    " send it as Authorization: Bearer TOKEN.\n"
)
UNKNOWN = "Send METRICS_TOKEN as Authorization: Bearer TOKEN.\n"


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Whether this process answers. It asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests can be served: 200, or 503 with what fails. Within three seconds."""
    found = readiness.check()
    ready = not any(found.values())
    checks = {name: problem or "ok" for name, problem in found.items()}
    response = JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)
    # Where something fails the log has it already, from the check.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers in Prometheus' text format, a few seconds old at most."""
    if refused := _refused(request):
        return refused
    try:
        text = gauges.text()
    except (DatabaseError, InterfaceError):
        text = "The database does not answer. /readyz says more.\n"
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse(text, content_type=prometheus.CONTENT_TYPE)


def _refused(request: HttpRequest) -> HttpResponse | None:
    """Why whoever asks gets no numbers; None where they do."""
    if settings.METRICS_TOKEN:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
        if scheme.lower() == "bearer" and known:
            return None
        headers = {"WWW-Authenticate": 'Bearer realm="Lanyard metrics"'}
        return HttpResponse(UNKNOWN, status=401, content_type="text/plain; charset=utf-8", headers=headers)
    if _is_of_this_machine(request):
        return None
    return HttpResponse(REFUSED, status=403, content_type="text/plain; charset=utf-8")


def _is_of_this_machine(request: HttpRequest) -> bool:
    """Whether it was asked for on this machine, as far as that can be known: a proxy is on it, too."""
    if any(request.META.get(name) for name in FORWARDED):
        return False
    if not all(environment.LOOPBACK.fullmatch(host) for host in settings.ALLOWED_HOSTS):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False
