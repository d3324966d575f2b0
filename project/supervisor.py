"""Keeps the processes of `make run` alive: one that dies is started again, and all end together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# Seconds: between two looks; before one that died is started again, at first and at most; after so long it is
# taken for well again; and how long all may take to end.
LOOK, FIRST_WAIT, LONGEST_WAIT, WELL, PATIENCE = 0.1, 1.0, 30.0, 60.0, 15.0
# The exit status of what cannot start because of its settings.
MISTAKE = 2


@dataclass
class Program:
    """`needed`: where it cannot start because of its settings, nothing goes on."""

    name: str
    command: Sequence[str]
    keep_open: tuple[int, ...] = ()
    needed: bool = False
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    start_at: float = field(default=0.0, init=False)
    wait: float = field(default=FIRST_WAIT, init=False)

    def start(self) -> None:
        # In a group of its own: Ctrl-C in the terminal reaches this process alone, which then ends them.
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            self.command, pass_fds=self.keep_open, process_group=0, preexec_fn=partial(_end_with, os.getpid())
        )
        self.started_at = time.monotonic()

    def watch(self) -> int | None:
        """Start it where it is time; returns its exit status where it has just died."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return None
        status = self.process.poll()
        if status is None:
            return None
        if now - self.started_at > WELL:
            self.wait = FIRST_WAIT
        self.process, self.start_at = None, now + self.wait
        said = f"with status {status}" if status >= 0 else f"by signal {-status}"
        sys.stderr.write(f"The {self.name} ended {said}: it is started again in {self.wait:.0f} s.\n")
        self.wait = min(2 * self.wait, LONGEST_WAIT)
        return status


def watch(programs: Sequence[Program]) -> int:
    """Run them until SIGTERM or Ctrl-C, then end them all; returns the exit status for this process."""
    told: list[int] = []

    def end(number: int, frame: Any) -> None:
        told.append(number)

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, end)
    try:
        while not told:
            for program in programs:
                if program.watch() == MISTAKE and program.needed:
                    return MISTAKE
            time.sleep(LOOK)
        return 0
    finally:
        _end(programs)


def _end(programs: Sequence[Program]) -> None:
    processes = [program.process for program in programs if program.process]
    for process in processes:
        process.terminate()
    ends = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with(parent: int) -> None:
    """Let the kernel end a program whose supervisor was killed (Linux; elsewhere it goes on alone)."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
