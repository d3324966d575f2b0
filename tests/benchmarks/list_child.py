"""What list_pages.py starts: fills a database, or answers pages and says what each of them cost."""

import json
import sys
import time
from typing import Any

# Of so many rows, one needs the customer, and one needs us.
CUSTOMER, OURS = 50, 100


def main() -> None:
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
    else:
        answer()


def fill(rows: int) -> None:
    """Import made-up documents until there are so many, and let a few of them need somebody."""
    from django.db import connection
    from django.utils import timezone

    from credentials import audit, batches, demo
    from credentials.models import Credential
    from credentials.reading import Row
    from health.models import Component
    from health.status import Status

    there = Credential.objects.count()
    documents = enumerate(demo.documents(rows - there, start=1_000 + there), start=1)
    with audit.acting("cli:benchmark@localhost"):
        for _ in batches.import_rows(Row(n, one) for n, one in documents):
            pass
    ids = list(Component.objects.order_by("pk").values_list("pk", flat=True))
    Component.objects.update(last_observed_at=timezone.now())
    for status, every in ((Status.CUSTOMER_INTERVENTION, CUSTOMER), (Status.SEQUIN_INTERVENTION, OURS)):
        some = ids[every // 2 :: every]
        for start in range(0, len(some), 500):
            Component.objects.filter(pk__in=some[start : start + 500]).update(status=status)
    if connection.vendor == "postgresql":
        # What its autovacuum does within a minute or so.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def answer() -> None:
    """Answer each address from standard input, and print what it cost as a JSON line."""
    from cryptography.fernet import Fernet
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    client = Client()
    user = User.objects.filter(username="benchmark").first()
    client.force_login(user or User.objects.create_superuser("benchmark"))
    queries: list[str] = []
    opened: list[int] = []
    decrypt = Fernet.decrypt

    def counted(self: Fernet, *args: Any, **kwargs: Any) -> bytes:
        opened.append(1)
        return decrypt(self, *args, **kwargs)

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        queries.append(sql)
        return execute(sql, *rest)

    Fernet.decrypt = counted  # type: ignore[method-assign]
    with connection.execute_wrapper(count):
        for line in sys.stdin:
            queries.clear()
            opened.clear()
            began, busy = time.perf_counter(), time.process_time()
            response: Any = client.get(line.strip())
            took, worked = time.perf_counter() - began, time.process_time() - busy
            assert response.status_code == 200, (line, response.status_code)
            said = {
                "ms": took * 1000,
                "cpu": worked * 1000,
                "queries": len(queries),
                "opened": len(opened),
                "KB": len(response.content) // 1024,
                "rows": response.context_data["cl"].result_count,
            }
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
