"""Imports that are killed again and again, and imports of one file by four processes at once.

    python -m tests.faults.import_kill [documents] [kills] [sqlite|postgresql|both]

Each scenario prints one JSON line with its verdict. The exit status is 1 where one of them failed.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.import_whole import TWICE
from tests.fresh_databases import ROOT, Databases, ask, chosen, environment, load

AT_ONCE = 4
# Where one import takes longer than this, it hangs.
LONGEST = 3_600
# Before so many documents of the end, a kill still hits a running import.
AT_THE_END = 1_000
# What belongs to each created credential. One statement, so that it is one moment.
WRITTEN = """
    SELECT (SELECT count(*) FROM credentials_credential),
           (SELECT count(*) FROM health_component WHERE kind = 'credential'),
           (SELECT count(*) FROM credentials_ratelimit),
           (SELECT count(*) FROM credentials_auditevent WHERE action = 'create')
"""


class Failed(Exception):
    """A process did not do what the scenario needs it to do."""


def start(url: str, *arguments: Any, **options: Any) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    command = [sys.executable, "manage.py", *map(str, arguments)]
    pipes: Any = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **options,
    }
    return subprocess.Popen(command, cwd=ROOT, env=environment(url), text=True, **pipes)


def end(process: "subprocess.Popen[str]") -> "Counter[str]":
    """Wait for an import; returns what its last line counts. Raises Failed where it did not end well."""
    out, err = process.communicate(timeout=LONGEST)
    if process.returncode or "Traceback" in err:
        raise Failed(f"an import ended with {process.returncode}: {err.strip().splitlines()[-1:]}")
    words = [word.split() for word in out.strip().splitlines()[-1].split(", ")]
    return Counter({name: int(count) for name, count in words})


def proven(url: str, file: Path) -> list[str]:
    """The problems that `import_whole` finds after an import."""
    export = file.with_suffix(".export")
    with export.open("w") as stdout:
        exporting = start(url, "export_credentials", "--format", "jsonl", stdout=stdout)
        _out, err = exporting.communicate()
    if exporting.returncode:
        raise Failed(f"the export ended with {exporting.returncode}: {err.strip().splitlines()[-1:]}")
    done = whole(url, "prove", file, export)
    return json.loads(done.splitlines()[-1])


def whole(url: str, *arguments: Any) -> str:
    command = [sys.executable, "-m", "tests.faults.import_whole", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(url), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def killed(url: str, file: Path, documents: int, kills: int) -> dict[str, Any]:
    """Kill the import at random points, the last time behind its last document, then let it end.

    Most points are numbers of stored credentials, so that they are spread over the whole file; some are
    times, which hit the start of the process and the way over what is stored already.
    """
    chance = random.Random()
    points = sorted(chance.choices(range(1, max(2, documents - AT_THE_END)), k=kills - 1))
    found: list[str] = []
    landed: list[int] = []
    for attempt in range(2 * kills):
        if len(landed) == kills:
            break
        point = [*points, documents][len(landed)]
        process = start(url, "import_credentials", file)
        if attempt % 4 == 1:
            time.sleep(chance.uniform(0.2, 1.5))
        else:
            while ask(url, WRITTEN)[0] < point and process.poll() is None:
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 0.3 if point < documents else 0.1))
        process.send_signal(signal.SIGKILL)
        _out, err = process.communicate()
        if process.returncode == 0:
            continue  # it was faster
        if process.returncode != -signal.SIGKILL:
            raise Failed(f"an import ended with {process.returncode}: {err.strip().splitlines()[-1:]}")
        counts = ask(url, WRITTEN)
        if len(set(counts)) > 1:
            found.append(f"after a kill: {counts} credentials, components, limits and events")
        if landed and counts[0] < landed[-1]:
            found.append(f"after a kill: {landed[-1] - counts[0]} credentials are gone")
        landed.append(counts[0])
    stored = ask(url, WRITTEN)[0]
    if len(landed) < kills:
        found.append(f"only {len(landed)} of {kills} kills hit a running import")
    last = end(start(url, "import_credentials", file))
    wanted = {"created": documents - stored, "unchanged": documents // TWICE + stored}
    if +last != +Counter(wanted):
        found.append(f"the last import counted {dict(last)} and should {wanted}")
    return {"kills": len(landed), "stored_at_kills": landed, "problems": found}


def at_once(url: str, file: Path, documents: int, _kills: int) -> dict[str, Any]:
    """Import the file in four processes at once."""
    processes = [start(url, "import_credentials", file) for _ in range(AT_ONCE)]
    ends, found = [], []
    for process in processes:
        try:
            ends.append(end(process))
        except Failed as error:
            found.append(str(error))
    total = sum(ends, Counter())
    lines = documents + documents // TWICE
    if +total != Counter({"created": documents, "unchanged": AT_ONCE * lines - documents}):
        found.append(f"together they counted {dict(total)}")
    return {"created": [one["created"] for one in ends], "problems": found}


SCENARIOS: dict[str, Callable[[str, Path, int, int], dict[str, Any]]] = {
    "import killed and run again": killed,
    "four imports at once": at_once,
}


def main() -> None:
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    vendors = chosen(sys.argv[3] if len(sys.argv) > 3 else "both")
    passed = True
    for vendor in vendors:
        with Databases(vendor) as databases, tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "documents.jsonl"
            for title, scenario in SCENARIOS.items():
                url = databases.new()
                if not file.exists():
                    whole(url, "write", file, documents)
                said: dict[str, Any] = {"scenario": title, "database": vendor, "documents": documents}
                said |= {"duplicates": documents // TWICE}
                began = time.monotonic()
                try:
                    said |= scenario(url, file, documents, kills)
                    said["problems"] += proven(url, file)
                except Failed as error:
                    said["problems"] = [*said.get("problems", []), str(error)]
                said |= {"seconds": round(time.monotonic() - began), "load": load()}
                said["verdict"] = "failed" if said["problems"] else "passed"
                passed &= not said["problems"]
                print(json.dumps(said), flush=True)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
