"""Milliseconds and queries of the list of credentials, beside Django's own admin over the same rows.

Ours is the whole answer, with middleware, theme and frame; of Django's own only the queries and the rows of
the table are made, because the theme stands in place of its templates. So the ratio flatters Django's.

    python -m tests.benchmarks.list_pages --rows 100000

uses the database that DATABASE_URL names, which must be migrated and empty, and is filled on the way.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

ROUNDS = 15
PAGES = {
    "first page": "",
    "last page": "?p={last}",
    "filter: provider": "?provider=stripe",
    "filter: status": "?status=healthy",
    "search: a word": "?q=harkonnen",
    "search: nothing": "?q=zzzzzz",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    fill(rows)
    peer = stock_admin()
    client = signed_in()
    out = sys.stdout.write
    heads = ("page", "Lanyard ms", "queries", "KB", "stock ms", "queries", "ratio")
    out("{:24} {:>11} {:>8} {:>6} {:>10} {:>8} {:>6}\n".format(*heads))
    for name, template in PAGES.items():
        query = template.format(last=rows // 50)
        ours = measured(lambda query=query: client.get(f"/admin/credentials/credential/{query}"))
        stock = measured(lambda query=query: peer(client, query))
        numbers = (*ours, stock[0], stock[1], ours[0] / stock[0])
        out("{:24} {:11.1f} {:8} {:6.0f} {:10.1f} {:8} {:6.2f}\n".format(name, *numbers))
    out(f"secrets opened while listing: {opened()}\n")


def fill(rows: int) -> None:
    """Import made-up documents until there are so many."""
    from credentials import audit, batches, demo
    from credentials.models import Credential
    from credentials.reading import Row

    there = Credential.objects.count()
    if there >= rows:
        return
    began = time.perf_counter()
    documents = enumerate(demo.documents(rows - there, start=1_000 + there), start=1)
    with audit.acting("cli:benchmark@localhost"):
        for _ in batches.import_rows(Row(n, one) for n, one in documents):
            pass
    sys.stdout.write(f"filled {rows} rows in {time.perf_counter() - began:.0f} s\n")


def signed_in() -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    user = User.objects.filter(username="benchmark").first()
    client = Client()
    client.force_login(user or User.objects.create_superuser("benchmark"))
    return client


def stock_admin() -> Any:
    """Django's own admin with the same columns, search and filters, written as its tutorial would."""
    from django.contrib.admin import AdminSite, ModelAdmin
    from django.contrib.auth.models import User
    from django.test import RequestFactory

    from credentials.models import Credential

    class Stock(ModelAdmin):
        list_display = ("name", "kind", "provider", "component", "rate_limit", "updated_at")
        list_per_page = 50
        list_filter = ("provider", "kind", "component__status")
        list_select_related = ("component", "rate_limit")
        search_fields = ("search",)
        ordering = ("-updated_at", "-id")

        def get_queryset(self, request: Any) -> Any:
            return Credential.objects.non_polymorphic()

    class Site(AdminSite):
        def each_context(self, request: Any) -> dict[str, Any]:
            return {**super().each_context(request), "available_apps": [], "is_nav_sidebar_enabled": False}

    listing = Stock(Credential, Site(name="admin"))
    names = {"status": "component__status__exact"}

    def get(client: Any, query: str) -> Any:
        for ours, theirs in names.items():
            query = query.replace(f"?{ours}=", f"?{theirs}=")
        request: Any = RequestFactory().get(f"/{query}")
        request.user = User.objects.get(username="benchmark")
        request.session = {}
        request.resolver_match = None
        answer: Any = listing.changelist_view(request)
        return render_rows(answer.context_data["cl"])

    return get


def render_rows(changes: Any) -> bytes:
    """The rows of a list as Django's own template tag makes them, without the theme's frame."""
    from django.contrib.admin.templatetags.admin_list import result_headers, results

    list(result_headers(changes))
    return "".join("".join(row) for row in results(changes)).encode()


def measured(do: Any) -> tuple[float, int, float]:
    """Median milliseconds, queries, and kilobytes of an answer."""
    from django.db import connection

    do()
    queries: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        queries.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        answer = do()
    size = len(answer if isinstance(answer, bytes) else answer.content)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        do()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), len(queries), size / 1024


def opened() -> int:
    """How often a secret is opened while the first page is made."""
    from unittest import mock

    from cryptography.fernet import Fernet

    client = signed_in()
    with mock.patch.object(Fernet, "decrypt") as decrypt:
        client.get("/admin/credentials/credential/")
    return decrypt.call_count


if __name__ == "__main__":
    main()
