"""Runs the suite on SQLite and then on PostgreSQL, and ends with both counts: `python -m tests.run`.

Arguments go to pytest. The exit status is 0 when both runs passed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# One more than there are cores: many tests wait for processes, servers and time-outs.
WORKERS = str((os.cpu_count() or 1) + 1)
DATABASES = {"SQLite": "sqlite", "PostgreSQL": "postgresql"}


@dataclass
class Outcome:
    title: str
    status: int
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def line(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped in {self.seconds:.0f} s"
        remark = "" if self.status == 0 or self.failed else f" (pytest ended with status {self.status})"
        return f"{self.title + ':':12} {counts}{remark}"


def run(title: str, database: str, arguments: list[str]) -> Outcome:
    """Runs pytest on one database; returns what came of it."""
    print(f"\n--- {title}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        counts_file = Path(directory) / "counts.json"
        environment = {
            **os.environ,
            "LANYARD_TEST_DATABASE": database,
            "LANYARD_TEST_COUNTS": str(counts_file),
        }
        environment.pop("PYTEST_ADDOPTS", None)
        command = [sys.executable, "-m", "pytest", "-q", "-n", WORKERS, "--dist", "worksteal", *arguments]
        status = subprocess.run(command, env=environment).returncode
        counts = json.loads(counts_file.read_text()) if counts_file.exists() else {}
    outcome = Outcome(title, status, time.monotonic() - started)
    outcome.passed = counts.get("passed", 0) + counts.get("xpassed", 0)
    outcome.failed = counts.get("failed", 0) + counts.get("error", 0)
    outcome.skipped = counts.get("skipped", 0) + counts.get("xfailed", 0)
    if not counts:
        outcome.failed += 1  # a run that broke off must not look like one without failures
    return outcome


def main() -> int:
    # subprocess.run ends pytest when this process is interrupted, but not when it is simply killed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(Path(__file__).resolve().parent.parent)
    outcomes = [run(title, database, sys.argv[1:]) for title, database in DATABASES.items()]
    passed, failed, skipped = (
        sum(getattr(outcome, name) for outcome in outcomes) for name in ("passed", "failed", "skipped")
    )
    print()
    for outcome in outcomes:
        print(outcome.line())
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if all(outcome.status == 0 for outcome in outcomes) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
