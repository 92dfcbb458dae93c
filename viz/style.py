"""One definition of the colours and typography of every picture.

Read this to learn what a colour means, or to change the look of all pictures at once: graphs,
layered networks and plots take every colour from here. This module knows nothing about tensors,
Graphviz or files, and it imports Matplotlib only inside `plotting` and `diverging_colormap`.

The meaning of the colours, the same everywhere:

| role        | colour | what it marks                                          |
|-------------|--------|--------------------------------------------------------|
| `forward`   | blue   | values computed forward, and operations                |
| `backward`  | red    | derivatives, and operations that compute them; errors  |
| `parameter` | green  | what training changes: weights and biases              |
| `data`      | grey   | inputs, labels, constants                              |
| `loss`      | amber  | the number that is minimised                           |
| `update`    | purple | new values of parameters and states, and what they need |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinygrad_course.errors import ArgumentError, missing

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap


@dataclass(frozen=True, slots=True)
class Tone:
    """The shades of one role.

    Attributes:
        line: A saturated colour, `#rrggbb`, for borders, arrows, curves and text.
        fill: A pale colour, `#rrggbb`, for the inside of boxes and circles.
        meaning: What the role marks, in the words a legend uses.
    """

    line: str
    fill: str
    meaning: str


ROLES: dict[str, Tone] = {
    "forward": Tone("#1f5fbf", "#e8f0fe", "value, computed forward"),
    "backward": Tone("#c62828", "#fdecea", "derivative, computed backward"),
    "parameter": Tone("#2e7d32", "#e8f5e9", "parameter"),
    "data": Tone("#5f6b7a", "#eef1f4", "data"),
    "constant": Tone("#8a94a0", "#f7f8fa", "constant"),
    "loss": Tone("#b7791f", "#fff8e1", "loss"),
    "update": Tone("#7b4fb3", "#f3ecfa", "state, and update"),
}

BLUE = ROLES["forward"].line
RED = ROLES["backward"].line
GREEN = ROLES["parameter"].line
GREY = ROLES["data"].line
AMBER = ROLES["loss"].line

INK = "#1b1f24"
"""Names and titles."""
MUTED = "#5f6b7a"
"""Captions, shapes, tick labels: what is read second."""
FAINT = "#d5dbe2"
"""Grid lines, cluster borders, arrows that carry no message of their own."""
PAPER = "#ffffff"

POSITIVE = BLUE
NEGATIVE = AMBER
"""Signs of weights. Not red: red already says "derivative" or "error"."""

CLASSES = (AMBER, BLUE, GREEN, "#7b4fb3", GREY, "#00838f", "#ad1457", "#6d4c41", "#9e9d24", INK)
"""Colours of classes 0, 1, 2, ... in plots of labelled data."""

# Helvetica, Arial, Liberation Sans and Nimbus Sans have the same widths, so an SVG laid out with
# one of them fits when another one displays it. DejaVu Sans is the last resort with wide coverage.
FONT = "Helvetica,Arial,DejaVu Sans,sans-serif"
FONT_FAMILIES = ("Helvetica", "Arial", "Liberation Sans", "Nimbus Sans", "DejaVu Sans")

SIZE = 14.0
"""Names in boxes, in points."""
SIZE_SMALL = 11.0
"""Values, derivatives and labels of arrows, in points."""
SIZE_TINY = 9.5
"""Captions, in points."""

DPI = 144
"""Dots per inch of PNG files: twice the points, sharp on a projector."""


def tone(role: str) -> Tone:
    """Return the shades of a role.

    Args:
        role: One of the keys of `ROLES`.

    Raises:
        ValueError: For any other role.

    >>> tone("loss").line
    '#b7791f'
    """
    try:
        return ROLES[role]
    except KeyError:
        known = ", ".join(ROLES)
        raise ArgumentError(
            f"style.tone: unknown role {role!r}; expected one of: {known}"
        ) from None


def rc() -> dict[str, Any]:
    """Return the Matplotlib settings of every plot, as a fresh dictionary.

    >>> rc()["axes.spines.top"]
    False
    """
    return {
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "font.family": "sans-serif",
        # DejaVu Sans comes with Matplotlib: naming it first makes plots identical on every
        # machine, and it has the Greek letters and primes that formulas need.
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.5,
        "axes.titlesize": 11.0,
        "axes.titleweight": "bold",
        "axes.titlecolor": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "text.color": INK,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.1,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "image.interpolation": "nearest",
        "svg.fonttype": "none",
        # Element ids in SVG files are random without a salt: two runs would differ.
        "svg.hashsalt": "tinygrad_course",
    }


@contextmanager
def plotting() -> Iterator[None]:
    """Draw everything inside the `with` block in this style; the user's settings return after it.

    Matplotlib is imported when the block is entered.

    Raises:
        MissingDependencyError: (an ImportError) when Matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise missing("matplotlib", "viz.plot_*", "viz") from error
    # Matplotlib types the keys as literals, which differ between its versions.
    settings: Any = rc()
    with rc_context(settings):
        yield


def diverging_colormap() -> LinearSegmentedColormap:
    """Return the Matplotlib colormap for signed numbers: amber below zero, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = [NEGATIVE, ROLES["loss"].fill, PAPER, ROLES["forward"].fill, POSITIVE]
    stops = [0.0, 0.4, 0.5, 0.6, 1.0]
    return LinearSegmentedColormap.from_list("signed", list(zip(stops, shades, strict=True)))
