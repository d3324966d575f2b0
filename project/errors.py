"""What error pages, error mails and logs may say. They never repeat what a person or a provider sent."""

import logging
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter


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
