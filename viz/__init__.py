"""Pictures of networks, graphs and training.

`draw` shows the graph of a computation and how derivatives flow back through it, `draw_network` the
layered picture of circles, `plot_*` return Matplotlib axes, and `Drawing`
is a `graphviz.Digraph` that renders with or without Graphviz on the machine. `viz.style` holds the
colours of all of them.

Importing `viz` is light: Matplotlib is imported by the first plot, and pygraphviz only ever by a
child process. The core never imports this package.
"""

from __future__ import annotations

from viz import dot, style
from viz.draw import draw
from viz.images import plot_images, plot_weights
from viz.network import draw_network
from viz.plots import (
    plot_activations,
    plot_decision_boundary,
    plot_gradient_flow,
    plot_history,
)
from viz.render import Drawing, RendererNotFoundError, RenderError, render_dot

__all__ = [
    "Drawing",
    "RenderError",
    "RendererNotFoundError",
    "dot",
    "draw",
    "draw_network",
    "plot_activations",
    "plot_decision_boundary",
    "plot_gradient_flow",
    "plot_history",
    "plot_images",
    "plot_weights",
    "render_dot",
    "style",
]
