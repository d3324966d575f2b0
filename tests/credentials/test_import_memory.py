"""The memory of an import does not grow with its input: streams that are made while they are read."""

import subprocess
import sys

import pytest

from tests.credentials.test_import_processes import ROOT, environment

STREAM = """if True:
    import io, resource, sys

    class Made(io.RawIOBase):
        # A beginning, then a line again and again, up to so many bytes.
        def __init__(self, beginning, line, size):
            self.waiting, self.line, self.left = beginning, line, size
        def readable(self):
            return True
        def readinto(self, buffer):
            while len(self.waiting) < len(buffer) and self.left > 0:
                self.waiting += self.line
                self.left -= len(self.line)
            piece, self.waiting = self.waiting[:len(buffer)], self.waiting[len(buffer):]
            buffer[:len(piece)] = piece
            return len(piece)

    def memory():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
READ = (
    STREAM
    + """
    import django
    django.setup()
    from credentials.reading import read
    beginning, line, size = eval(sys.argv[1])
    rows = problems = before = 0
    for row in read(io.BufferedReader(Made(beginning, line, size), 65536)):
        rows += 1
        problems += bool(row.problem)
        before = before or memory()
    print(rows, problems, memory() - before, before)
"""
)
IMPORT = (
    STREAM
    + """
    import django
    django.setup()
    from unittest import mock
    from credentials import audit, batches
    from credentials.reading import read
    line = b'{"object": "x", "metadata": {"text": "' + b"x" * 60_000 + b'"}, "properties": {}}\\n'
    rows = failed = before = 0
    stream = io.BufferedReader(Made(b"", line, int(sys.argv[1])), 65536)
    with audit.acting("cli:test@localhost"):
        for _row, result in batches.import_rows(read(stream)):
            rows += 1
            failed += not isinstance(result, str)
            if rows == 200:
                before = memory()
    print(rows, failed, memory() - before, before)
"""
)
MB = 1_000_000
HEADER = b"properties.kind,properties.name,metadata.text\n"


def run(script, argument):
    """(rows, failed, growth in kilobytes) of a process that works on a stream."""
    done = subprocess.run(
        [sys.executable, "-c", script, argument],
        cwd=ROOT,
        env={**environment(), "DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows, failed, grown, _before = map(int, done.stdout.split())
    return rows, failed, grown


LINE = b'{"properties": {"kind": "stripe_key", "text": "' + b"x" * 4_000 + b'"}}\n'
ROW = b'stripe_key,"two\nlines",' + b"x" * 4_000 + b"\n"
QUOTED = (b"x" * 100 + b'\n""') * 600


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stream", "rows", "failed"),
    [
        ((b"", LINE, 200 * MB), 200 * MB // len(LINE) + 1, 0),
        ((HEADER, ROW, 100 * MB), 100 * MB // len(ROW) + 1, 0),
        ((HEADER + b"stripe_key,a,", b"x" * 60_000, 200 * MB), 1, 1),
        ((HEADER + b'stripe_key,a,"', QUOTED, 200 * MB), 1, 1),
        ((HEADER, b"," * 60_000, 200 * MB), 1, 1),
        ((b'{"a": "', b"x" * 60_000, 200 * MB), 1, 1),
    ],
    ids=[
        "lines",
        "a table",
        "a cell of 200 MB",
        "a quoted cell of 200 MB",
        "endless cells",
        "an endless line",
    ],
)
def test_reading_is_bounded(stream, rows, failed):
    found = run(READ, repr(stream))
    assert (found[0], found[1]) == (rows, failed)
    assert found[2] < 12_000  # kilobytes


@pytest.mark.django_db
def test_importing_is_bounded():
    rows, failed, grown = run(IMPORT, str(60 * MB))
    assert (rows, failed) == (1_000, 1_000)
    assert grown < 12_000  # kilobytes
