"""A picture being put together: boxes in nested frames, arrows between them, columns.

`Sketch` collects the pieces in any order and writes the DOT text once, in one pass whose time is
proportional to the number of pieces, however deep the graph. It knows frames and arrows, and
nothing of tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from viz import dot
from viz.render import Drawing

Path = tuple[str, ...]


def attributes(values: Mapping[str, str]) -> str:
    """Return Graphviz attributes as DOT text; labels are HTML-like and stand as they are.

    >>> attributes({"label": "<a &lt; b>", "style": "dashed"})
    'label=<a &lt; b> style="dashed"'
    """
    return " ".join(
        f"{key}={value}"
        if key == "label" and value.startswith("<")
        else f'{key}="{_quoted(value)}"'
        for key, value in values.items()
    )


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=4096)
def _arrow(kind: str, label: str | None, extra: tuple[tuple[str, str], ...]) -> str:
    make = dot.backward_arrow if kind == "backward" else dot.forward_arrow
    return attributes(make(label, **dict(extra)))


@lru_cache(maxsize=4096)
def _circle(symbol: str, role: str) -> str:
    return attributes(dot.circle(symbol, role=role))


class Sketch:
    """Boxes, circles and arrows, in the order in which they will be written."""

    def __init__(self) -> None:
        """Start with an empty picture."""
        self.frames: dict[Path, list[str]] = {(): []}
        self.titles: dict[Path, Mapping[str, str]] = {}
        self.arrows: list[str] = []
        self.columns: list[str] = []
        self.count = 0

    def frame(self, path: Path, values: Mapping[str, str] | None = None) -> None:
        """Open the frame `path` (and those around it) with the attributes `values`."""
        for depth in range(1, len(path) + 1):
            if path[:depth] not in self.frames:
                self.frames[path[:depth]] = []
                self.titles[path[:depth]] = dot.cluster(path[depth - 1])
        if values is not None:
            self.titles[path] = values

    def add(self, identifier: str, values: Mapping[str, str], path: Path = ()) -> None:
        """Add a box to a frame."""
        self._add(identifier, attributes(values), path)

    def circle(self, identifier: str, symbol: str, role: str, path: Path = ()) -> None:
        """Add an operation to a frame."""
        self._add(identifier, _circle(symbol, role), path)

    def _add(self, identifier: str, text: str, path: Path) -> None:
        self.count += 1
        if path not in self.frames:
            self.frame(path)
        self.frames[path].append(f"{identifier} [{text}]\n")

    def arrow(
        self, tail: str, head: str, kind: str = "forward", label: str | None = None, **extra: str
    ) -> None:
        """Add an arrow; `kind` is "forward" or "backward"."""
        text = _arrow(kind, label, tuple(extra.items()))
        self.arrows.append(f"\t{tail} -> {head} [{text}]\n")

    def line(self, tail: str, head: str, values: Mapping[str, str]) -> None:
        """Add an arrow with other attributes than a forward or backward one."""
        self.arrows.append(f"\t{tail} -> {head} [{attributes(values)}]\n")

    def column(self, identifiers: Iterable[str]) -> None:
        """Put boxes in one column (in one row, when the picture runs from top to bottom)."""
        self.columns.append(f"\t{{rank=same; {'; '.join(identifiers)}}}\n")

    def write(self, drawing: Drawing) -> None:
        """Write everything into `drawing`."""
        body: list[str] = drawing.body
        children: dict[Path, list[Path]] = {}
        for path in self.frames:
            if path:
                children.setdefault(path[:-1], []).append(path)
        stack: list[tuple[Path, bool]] = [((), True)]
        number = 0
        while stack:
            path, opening = stack.pop()
            tab = "\t" * (len(path) or 1)
            if not opening:
                body.append(f"{tab}}}\n")
                continue
            if path:
                body.append(f"{tab}subgraph cluster_{number} {{\n")
                number += 1
                tab += "\t"
                body.append(f"{tab}graph [{attributes(self.titles[path])}]\n")
                stack.append((path, False))
            body.extend(tab + text for text in self.frames[path])
            stack.extend((child, True) for child in reversed(children.get(path, ())))
        body.extend(self.columns)
        body.extend(self.arrows)
