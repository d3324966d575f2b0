"""Processes that hammer a limit on the tests' own database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def environment() -> dict[str, str]:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        host = settings["HOST"] or settings["OPTIONS"].get("host", "")
        user = quote(settings["USER"] or "", safe="")
        password = f":{quote(settings['PASSWORD'], safe='')}" if settings["PASSWORD"] else ""
        port = f":{settings['PORT']}" if settings["PORT"] else ""
        place = f"{user}{password}@{'' if host.startswith('/') else host}{port}"
        url = f"postgresql://{place}/{settings['NAME']}" + (f"?host={host}" if host.startswith("/") else "")
    return os.environ | {"DATABASE_URL": url, "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "project.settings"}


def hammer(key, options: list[list[str]], seconds: float, meanwhile=None) -> list[float]:
    """Run one process for each list of options, all at once; returns the times of all leases, in order."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.credentials.limiter.hammer",
        str(key),
        str(seconds),
    ]
    running: list[Any] = [
        subprocess.Popen(
            [*command, *own],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for own in options
    ]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        if meanwhile:
            meanwhile()
        said = [process.communicate(timeout=seconds + 60)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return sorted(sum((json.loads(text)["times"] for text in said), []))
