"""A worker in a process of its own, whose every item takes a while and is written down.

python -c "from tests.credentials.console import job_processes; job_processes.main(FILE, SECONDS)"
"""

import os
import sys
import time


def main(path: str, seconds: float) -> None:
    """Take turns until there is no job left. Each item takes so many seconds more, inside its transaction."""
    import django

    django.setup()
    from credentials import job_acts, jobs

    carry_out = job_acts.carry_out

    def slowly(act, pk, parameters, actor):
        words = carry_out(act, pk, parameters, actor)
        with open(path, "a") as file:
            file.write(f"{pk} {os.getpid()}\n")
        time.sleep(seconds)
        return words

    job_acts.carry_out = slowly
    print("ready", flush=True)
    jobs.turn()
    sys.exit(0)
