"""The time of a step against its multiply-adds, both on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Curve = Mapping[str, Sequence[tuple[float, float]]]

# This package is drawn in full colour, its peers in muted ones.
OWN = {
    "tinygrad_course": "#f4a261",
    "compiled numpy": "#e4572e",
    "compiled numba": "#a4161a",
}
PEERS = ("#222222", "#4c78a8", "#72b7b2", "#54a24b", "#9d755d", "#b279a2")
MARKS = "osv^DPX<>"


def draw(curve: Curve, path: Path, title: str) -> None:
    """Draw microseconds of a step against multiply-adds, a line for each library.

    Args:
        curve: for each library its points (multiply-adds, µs).
        path: the picture to write; its suffix says the kind (.svg, .png, .pdf).
        title: the line above.
    """
    import matplotlib
    from matplotlib.figure import Figure

    peers = iter(PEERS)
    # The same curve gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for k, (name, points) in enumerate(curve.items()):
            x, y = zip(*sorted(points), strict=True)
            color = OWN.get(name) or next(peers, "#999999")
            own = name in OWN
            axes.plot(
                x,
                y,
                label=name,
                color=color,
                marker=MARKS[k % len(MARKS)],
                markersize=4,
                linewidth=2.2 if own else 1.2,
                zorder=3 if own else 2,
            )
        axes.set(xscale="log", yscale="log", title=title)
        axes.set_xlabel("multiply-adds in one step")
        axes.set_ylabel("time of one step, µs")
        axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, dpi=150)
