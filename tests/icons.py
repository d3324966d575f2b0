"""Makes the font of icons anew: that of the theme, with the icons whose names stand anywhere in the pages.

    python -m tests.icons [folder of the theme's package]

Needs fonttools and brotli, which nothing else here does: run it in an environment that has them. An icon
takes 100 bytes, so a word that happens to be the name of one does no harm. tests/project/test_theme.py says
when it is time.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
THEME = ROOT / "project" / "theme" / "unfold" / "fonts" / "material-symbols"
FONT, NAMES = THEME / "Material-Symbols-Outlined.woff2", THEME / "icons.txt"
OURS = ("project", "credentials", "health", "templates")
WORD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
# An icon in a page or a style sheet, by its name.
SHOWN = re.compile(r"material-symbols-outlined[^>]*>\s*([a-z0-9_]+)\s*<")


def files(theme: Path) -> list[Path]:
    """What pages are made of: templates, code and styles, ours and the theme's."""
    kinds = (".py", ".html", ".js")
    found = [path for folder in OURS for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    found += [*(theme / "templates").rglob("*.html"), *(theme / "static").rglob("*.js"), *theme.rglob("*.py")]
    found += [*(theme / "static").rglob("styles.css"), *(ROOT / "project" / "static").rglob("*.css")]
    return [path for path in found if "chart" not in path.name and "alpine" not in path.name]


def main() -> None:
    from fontTools import subset  # type: ignore[import-not-found]

    if len(sys.argv) > 1:
        theme = Path(sys.argv[1])
    else:
        import unfold

        theme = Path(unfold.__file__).parent
    words = {word for path in files(theme) for word in WORD.findall(path.read_text(errors="ignore"))}
    options = subset.Options(flavor="woff2", layout_features=["*"], hinting=False, desubroutinize=True)
    font = subset.load_font(theme / "static/unfold/fonts/material-symbols" / FONT.name, options)
    names = sorted(words & set(_glyphs(font)))
    made = subset.Subsetter(options)
    # A name is written as a ligature of its letters: they stay, and of the ligatures those of these names.
    glyphs = [glyph for name, glyph in _glyphs(font).items() if name in names]
    made.populate(text="abcdefghijklmnopqrstuvwxyz_0123456789 ", glyphs=glyphs)
    _keep(font, set(names))
    made.subset(font)
    subset.save_font(font, FONT, options)
    NAMES.write_text("\n".join(names) + "\n")
    print(f"{len(names)} icons, {FONT.stat().st_size:,} bytes")


def _tables(font: Any) -> Iterator[tuple[dict[str, str], Any]]:
    cmap = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            if hasattr(table, "ligatures"):
                yield cmap, table


def _name(cmap: dict[str, str], first: str, ligature: Any) -> str:
    return "".join(cmap.get(part, "?") for part in (first, *ligature.Component))


def _glyphs(font: Any) -> dict[str, str]:
    """The glyph of each icon, by the name that it is written with."""
    return {
        _name(cmap, first, ligature): ligature.LigGlyph
        for cmap, table in _tables(font)
        for first, all_of in table.ligatures.items()
        for ligature in all_of
    }


def _keep(font: Any, names: set[str]) -> None:
    """Take all other ligatures out: they could be written with the letters that stay."""
    for cmap, table in _tables(font):
        table.ligatures = {
            first: kept
            for first, all_of in table.ligatures.items()
            if (kept := [one for one in all_of if _name(cmap, first, one) in names])
        }


if __name__ == "__main__":
    main()
