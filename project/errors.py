"""What error pages, error mails and logs may say. They never repeat what a person or a provider sent."""

import logging
import re
import sys
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

# In seconds: what browsers and programs are told to wait for the database.
RETRY_AFTER = 10

logger = logging.getLogger(__name__)


# --- pages --------------------------------------------------------------------------------------------------


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for an error: 503 where the database cannot be reached or is locked, else 500."""
    error = sys.exc_info()[1]
    if not is_trouble(error):
        return defaults.server_error(request)
    logger.warning("%s %s: the database cannot be used: %s", request.method, request.path, reason(error))
    page = render_to_string("503.html")
    response = HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
    # Django would log it again, as an error with a traceback.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def is_trouble(error: BaseException | None) -> bool:
    """Whether the database is down, locked or gone: something that passes, and no fault of the code."""
    if isinstance(error, OperationalError):
        # SQLite says in the same way that a table or a column is missing.
        return not any(words in str(error) for words in ("no such ", "has no column"))
    return isinstance(error, InterfaceError)


def reason(error: BaseException | None) -> str:
    """The first line of what a database said: the others repeat the statement."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# --- reports and logs ---------------------------------------------------------------------------------------


class ReporterFilter(SafeExceptionReporterFilter):
    """Replaces every value by stars, whether DEBUG is on or off. Names stay."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request else {}

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.COOKIES, self.cleansed_substitute) if request else {}

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        meta = super().get_safe_request_meta(request) if request else {}
        return {
            name: self.cleansed_substitute if name in ("QUERY_STRING", "HTTP_REFERER") else value
            for name, value in meta.items()
        }

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        return dict.fromkeys(tb_frame.f_locals, self.cleansed_substitute).items()


class Reporter(ExceptionReporter):
    """Also hides the query string: an OAuth callback carries its code there."""

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        if self.request is not None:
            stars = ReporterFilter.cleansed_substitute
            data["request_GET_items"] = [(name, stars) for name in self.request.GET]
            data["request_insecure_uri"] = self.request.path
        return data


class OneLineFormatter(logging.Formatter):
    """Writes one line for each record: a line break inside is written as \\n, so that nobody can forge a
    line by putting one into a name."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in text
        )


class NoQuery(logging.Filter):
    """Takes the query out of the lines that the development server writes about requests: a callback carries
    a code there. gunicorn writes no such lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "django.server" and isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"\?\S*", "?…", part) if isinstance(part, str) else part for part in record.args
            )
        return True


class SendersFault(logging.Filter):
    """Django logs a request that looks like an attack as an error with a traceback. Anybody can send one: it
    is a warning, in one line, with the place and without what was asked for there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.exc_info = record.exc_text = None
            path = getattr(getattr(record, "request", None), "path", "")
            record.msg, record.args = f"{path} {record.getMessage()}".strip()[:300], ()
        return True
