"""The README is run, so that it stays true."""

import doctest
import re
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.django_db
def test_the_tour_in_the_shell_gives_what_it_says():
    # As in the tour: what is imported before is there.
    call_command("import_credentials", str(ROOT / "tests" / "data" / "credentials.json"))
    parser, failures = doctest.DocTestParser(), []
    globs: dict = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for number, block in enumerate(re.findall(r"```pycon\n(.*?)```", README, re.DOTALL)):
        test = parser.get_doctest(block, globs, f"block {number}", "README.md", 0)
        # get_doctest copies the names; the blocks share theirs.
        test.globs = globs
        runner.run(test, out=failures.append, clear_globs=False)
    assert runner.summarize(verbose=False).attempted > 15
    assert not failures, "".join(failures)


def test_every_file_it_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_every_setting_it_names_is_read():
    read = (ROOT / "project" / "environment.py").read_text() + (ROOT / "project" / "settings.py").read_text()
    for name in re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE):
        assert f'"{name}"' in read, name
