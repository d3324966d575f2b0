"""What answers, error reports and logs hold, and what they never hold."""

import io
import logging
import sys

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.debug import ExceptionReporter, get_exception_reporter_class

from project import middleware
from project.errors import OneLineFormatter

# --- Headers


def page(request):
    return HttpResponse("hello")


def broken_page(request):
    raise ValueError(f"broken after {len(request.POST['secret'])} characters")


urlpatterns = [path("page/", page), path("broken/", broken_page)]


@pytest.mark.urls(__name__)
def test_every_answer_has_the_security_headers(client):
    response = client.get("/page/")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = {part.strip() for part in response["Content-Security-Policy"].split(";")}
    assert policy == {
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    }


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_pages_of_signed_in_people_are_not_stored(client, django_user_model):
    assert "Cache-Control" not in client.get("/page/")
    client.force_login(django_user_model.objects.create_user("ada"))
    assert client.get("/page/")["Cache-Control"] == "no-store, private"


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/page/?name=%00", "/page/?a=1&%00=2", "/page/%00/", "/pa%00ge/"])
def test_a_nul_in_the_address_is_a_bad_request(client, address):
    response = client.get(address)
    assert response.status_code == 400
    assert "This request cannot be read" in response.text
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.urls(__name__)
def test_a_nul_in_a_cookie_is_a_bad_request(client):
    assert client.get("/page/", HTTP_COOKIE='sessionid="a\\000b"').status_code == 400


@pytest.mark.urls(__name__)
def test_a_percent_sign_before_two_zeros_is_no_nul(client):
    assert client.get("/page/?name=100%2500").status_code == 200


def test_the_cookie_middleware_leaves_stricter_answers_alone():
    def view(request):
        return HttpResponse(headers={"Cache-Control": "no-store, max-age=0"})

    request = RequestFactory().get("/", HTTP_COOKIE="sessionid=x")
    response = middleware.keep_out_of_caches(view)(request)
    assert "no-store" in response["Cache-Control"]


# --- Errors and logs

# Put together here, because reports quote the lines of the program.
TYPED = "-".join(["hunter", "2"])


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("form", ["get_traceback_html", "get_traceback_text"])
def test_error_reports_hold_no_value_that_was_sent(settings, debug, form):
    settings.DEBUG = debug
    request = RequestFactory().post(
        f"/broken/?code={TYPED}",
        {"secret": TYPED},
        HTTP_COOKIE=f"sessionid={TYPED}",
        HTTP_AUTHORIZATION=f"Bearer {TYPED}",
        HTTP_REFERER=f"https://localhost/?code={TYPED}",
    )
    try:
        broken_page(request)
    except ValueError:
        reporter = get_exception_reporter_class(request)(request, *sys.exc_info())
    assert isinstance(reporter, ExceptionReporter)
    text = getattr(reporter, form)()
    assert TYPED not in text
    assert "broken after 8 characters" in text
    assert settings.FERNET_KEYS[0] not in text
    assert settings.SECRET_KEY not in text


def test_a_report_without_a_request_hides_variables_too():
    password = TYPED
    try:
        raise ValueError(len(password))
    except ValueError:
        text = get_exception_reporter_class(None)(None, *sys.exc_info()).get_traceback_html()
    assert "password" in text
    assert TYPED not in text


def test_a_log_record_is_one_line():
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "file", 1, "name %s", ("a\r\nERROR forged \x1b[2J \u2028",), sys.exc_info()
        )
    text = OneLineFormatter("%(levelname)s %(message)s").format(record)
    assert len(text.splitlines()) == 1
    assert "\\r\\nERROR forged" in text
    assert "Traceback" in text


@pytest.mark.parametrize("charset", ["hex", "idna", "undefined", "unicode_escape", "utf-16"])
def test_a_form_in_a_strange_encoding_is_refused(client, charset):
    answer = client.generic(
        "POST", "/admin/login/", b"username=a", content_type=f"text/plain; charset={charset}"
    )
    assert answer.status_code == 400


# --- What looks like an attack


def logged(monkeypatch, ask):
    """The lines that the real log gets while something is asked."""
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one.formatter, OneLineFormatter)]
    stream = io.StringIO()
    monkeypatch.setattr(handler, "stream", stream)
    answer = ask()
    return answer, stream.getvalue().splitlines()


@pytest.mark.parametrize(
    "lookup", ["oauth_app__client_secret__startswith", "component__flips__note__regex", "secret__in"]
)
def test_a_lookup_that_no_list_offers_is_a_400_and_one_warning(admin_client, monkeypatch, lookup):
    address = f"/admin/credentials/credential/?{lookup}={TYPED}"
    answer, lines = logged(monkeypatch, lambda: admin_client.get(address))
    assert answer.status_code == 400
    assert "This request cannot be read" in answer.text
    (line,) = lines
    assert " WARNING django.security.DisallowedModelAdminLookup: /admin/credentials/credential/ " in line
    assert "Traceback" not in line and TYPED not in line


def test_a_strange_host_is_a_400_and_one_warning(client, monkeypatch):
    answer, lines = logged(monkeypatch, lambda: client.get("/admin/login/", HTTP_HOST="elsewhere.example"))
    assert answer.status_code == 400
    (line,) = lines
    assert " WARNING django.security.DisallowedHost: " in line and "Traceback" not in line
