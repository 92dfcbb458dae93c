"""The pictures of the demo: as files, and as pieces of SVG to put into a page.

A page sets its own colours, so that pictures follow the light and dark mode of the reader; pieces
for it therefore carry no ids that could clash, no size in points, and no tooltips of node numbers.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import viz
from viz import style

from .training import Outcome

__all__ = ["Inline", "files", "image_uri", "inline", "png"]

Array = NDArray[Any]

_HEADER = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_TITLE = re.compile(r"<title>.*?</title>\s*", re.DOTALL)
_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>\s*", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SIZE = re.compile(r'\s(?:width|height)="[\d.]+pt"')
_ID = re.compile(r'\sid="[^"]*"')
_REFERENCE = re.compile(r'(\sid="|url\(#|href="#)')
_WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)pt"', re.DOTALL)


@dataclass(frozen=True)
class Inline:
    """Pieces of SVG for a page.

    Attributes:
        network: the layers as circles.
        graph: the graph of one loss, from top to bottom.
        curves: loss, and accuracy, against epochs.
        activations: one panel per activation.
    """

    network: str
    graph: str
    curves: tuple[str, ...]
    activations: tuple[str, ...]


def files(outcome: Outcome) -> Iterator[tuple[str, bytes]]:
    """Return name and content of each picture that the demo writes."""
    graph = viz.draw(outcome.loss, backward=True)
    yield "graph.svg", graph.pipe("svg")
    yield "graph.png", graph.pipe("png")
    yield "network.svg", viz.draw_network(outcome.model).pipe("svg")
    yield "history.png", png(viz.plot_history(outcome.history))
    yield "activations.png", png(viz.plot_activations())
    images = viz.plot_images(
        outcome.X_test,
        labels=outcome.truth,
        predictions=outcome.guess,
        columns=12,
        limit=len(outcome.truth),
        title=_title(outcome),
    )
    yield "digits.png", png(images)


def inline(outcome: Outcome) -> Inline:
    """Return the pictures as pieces for a page.

    The graph runs from top to bottom here: a page is higher than wide, and a phone still more.
    """
    from viz.plots import ACTIVATIONS

    network = viz.draw_network(outcome.model, max_neurons=9, title="")
    graph = viz.draw(outcome.loss, backward=True, direction="TB")
    groups = [
        {name: outcome.history[name] for name in (kind, f"val_{kind}")}
        for kind in ("loss", "accuracy")
    ]
    curves = [viz.plot_history(group) for group in groups]
    activations = [viz.plot_activations([name]) for name in ACTIVATIONS]
    limits = (-1.65, 2.15)
    for axes in activations:
        # Panels are compared: one scale for all of them.
        axes.set_ylim(*limits)
    for axes in activations[1:]:
        legend = axes.get_legend()
        if legend is not None:
            legend.remove()
    return Inline(
        _graphviz(network.pipe("svg", encoding="utf-8")),
        _graphviz(graph.pipe("svg", encoding="utf-8")),
        tuple(_matplotlib(axes, f"c{i}") for i, axes in enumerate(curves)),
        tuple(_matplotlib(axes, f"a{i}") for i, axes in enumerate(activations)),
    )


def image_uri(pixels: Array) -> str:
    """Return a grey image as a data URI: 0 is paper, 1 is ink; as small as a PNG can be.

    Args:
        pixels: shape (height, width), from 0 to 1.
    """
    grey = np.rint(255 * (1 - np.clip(pixels, 0, 1))).astype(np.uint8)
    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head)
    data += _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + b64encode(data).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _title(outcome: Outcome) -> str:
    total = len(outcome.truth)
    right = total - len(outcome.wrong)
    return f"{right} of {total} test images right"


def png(axes: Any) -> bytes:
    """Return the figure of these axes as a PNG file, and let go of it."""
    buffer = io.BytesIO()
    _save(axes, buffer, "png")
    return buffer.getvalue()


def _matplotlib(axes: Any, prefix: str) -> str:
    """Return a plot as SVG with ids of its own; its text stays text."""
    buffer = io.StringIO()
    _save(axes, buffer, "svg", {"Date": None})
    svg = _bare(buffer.getvalue())
    return _REFERENCE.sub(rf"\g<1>{prefix}-", svg)


def _save(axes: Any, file: Any, format: str, metadata: dict[str, Any] | None = None) -> None:
    with style.plotting():
        axes.figure.savefig(file, format=format, metadata=metadata)
    # Where pyplot is in use, it keeps the figures that it knows.
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(axes.figure)


def _graphviz(svg: str) -> str:
    """Return a picture of Graphviz without ids, which nothing refers to."""
    return _ID.sub("", _TITLE.sub("", _bare(svg)))


def _bare(svg: str) -> str:
    """Return an SVG element without header, comments and metadata, as wide as its place allows."""
    found = _WIDTH.search(svg)
    natural = f' style="--natural:{float(found[1]) * 4 / 3:.0f}px"' if found else ""
    # A style element inside an SVG element would hold for the whole page.
    body = _STYLE.sub("", svg)
    body = _METADATA.sub("", _COMMENT.sub("", _HEADER.sub("", body, count=1)))
    opening, closing, rest = body.partition(">")
    opening = _SIZE.sub("", opening)
    return opening + natural + ' aria-hidden="true" focusable="false"' + closing + rest.strip()
