"""What pages load of the theme: the system's font, and of the icons those that are shown."""

from pathlib import Path

import pytest
import unfold
from django.contrib.staticfiles import finders

from health.status import Status
from project.navigation import UNFOLD
from tests import icons

THEME = Path(unfold.__file__).parent


@pytest.mark.parametrize(
    "name",
    [f"{folder}/styles.css" for folder in ("inter", "material-symbols")]
    + ["material-symbols/Material-Symbols-Outlined.woff2"],
)
def test_our_file_stands_in_for_one_that_the_theme_has(name):
    path = f"unfold/fonts/{name}"
    assert (THEME / "static" / path).exists()
    found = Path(finders.find(path))
    assert found.is_relative_to(icons.ROOT / "project" / "theme")
    assert found.stat().st_size < 60_000


def test_every_icon_that_a_page_shows_is_in_the_font():
    """Where one is missing: python -m tests.icons."""
    pages = [path.read_text(errors="ignore") for path in icons.files(THEME)]
    shown = {name for text in pages for name in icons.SHOWN.findall(text)}
    shown |= {status.icon for status in Status} | {UNFOLD["SITE_SYMBOL"]}
    shown |= {item["icon"] for group in UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]}
    assert shown - set(icons.NAMES.read_text().split()) == set()
    assert len(shown) > 20
