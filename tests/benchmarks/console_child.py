"""What console_pages.py starts: fills a database, or answers pages and says what each of them cost."""

import json
import sys
import time
from typing import Any


def main() -> None:
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    if sys.argv[1] == "fill":
        from tests.benchmarks.console_fill import fill

        began = time.perf_counter()
        fill(int(sys.argv[2]))
        print(f"{int(sys.argv[2]):,} rows in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    else:
        answer()


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

    server = _server(connection)
    Fernet.decrypt = counted  # type: ignore[method-assign]
    with connection.execute_wrapper(count):
        for line in sys.stdin:
            queries.clear()
            opened.clear()
            began, busy = time.perf_counter(), _busy(server)
            response: Any = client.get(line.strip())
            took, worked = time.perf_counter() - began, _busy(server) - busy
            assert response.status_code == 200, (line, response.status_code)
            said = {
                "ms": took * 1000,
                "cpu": worked * 1000,
                "queries": len(queries),
                "opened": len(opened),
                "KB": len(response.content) / 1024,
                "rows": _rows(response.context_data or {}),
            }
            print(json.dumps(said), flush=True)


def _server(connection: Any) -> list[int]:
    """The process of a PostgreSQL on this machine that works for this one, without its helpers."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return [pid for (pid,) in cursor.fetchall()]


def _busy(server: list[int]) -> float:
    """Seconds of the processor that this process and the database's have used: other work on the machine does
    not disturb them. SQLite works in this process."""
    used = time.process_time()
    for pid in server:
        with open(f"/proc/{pid}/schedstat") as file:
            used += int(file.read().split()[0]) / 1e9
    return used


def _rows(context: dict[str, Any]) -> int:
    """How many rows the page shows."""
    if "cl" in context:
        return len(context["cl"].result_list)
    return len(context["found"].rows) if hasattr(context.get("found"), "rows") else -1


if __name__ == "__main__":
    main()
