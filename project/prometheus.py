"""The text format in which Prometheus reads numbers."""

from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Lines:
    """Metrics in their text format."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(
        self, name: str, words: str, samples: Iterable[tuple[Labels, float]], kind: str = "gauge"
    ) -> None:
        name = f"lanyard_{name}"
        self.lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        for labels, value in samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            self.lines.append(f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}")

    def one(self, name: str, words: str, value: float, kind: str = "gauge") -> None:
        self.add(name, words, [({}, value)], kind)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
