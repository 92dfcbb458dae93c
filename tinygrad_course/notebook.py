"""How tensors, graphs and models show themselves in a notebook.

Each function returns the "MIME bundle" that IPython asks an object for: always its ordinary text,
and a picture where one says more: the graph of a computed number (a loss), a captured graph, the
layers of a model. An array stays text, and so does everything that would be too large to read or
cannot be drawn here. `viz` is imported only when a picture is made.
"""

from __future__ import annotations

from typing import Any

from . import errors
from .graph import Graph
from .node import Node
from .tensor import Tensor

MAX_NODES = 60
"""A larger graph behind a tensor is not drawn unasked; ``viz.draw`` draws it."""

Bundle = dict[str, Any]


def tensor_bundle(x: Tensor) -> Bundle:
    """Return a tensor's text, and for a computed number its graph.

    Example:
        >>> import tinygrad_course as tc
        >>> sorted(tensor_bundle(tc.ones(3)))
        ['text/plain']
    """
    bundle: Bundle = {"text/plain": repr(x)}
    if x._node is not None and x._data.size == 1 and _is_small(x._node):
        _add_graph(bundle, x)
    return bundle


def graph_bundle(graph: Graph) -> Bundle:
    """Return the lines of a graph, and its picture."""
    bundle: Bundle = {"text/plain": str(graph) if len(graph) <= 500 else repr(graph)}
    _add_graph(bundle, graph, backward=graph.has_backward)
    return bundle


def module_bundle(module: Any) -> Bundle:
    """Return a model's text, and the picture of its layers when they are dense."""
    bundle: Bundle = {"text/plain": repr(module)}
    try:
        import viz

        bundle["image/svg+xml"] = viz.draw_network(module).pipe("svg", encoding="utf-8")
    except (errors.TinygradCourseError, ImportError):
        pass  # the text says it all the same
    return bundle


def _add_graph(bundle: Bundle, source: Any, **options: Any) -> None:
    """Add the picture of a graph, unless it is too large or nothing here can draw."""
    try:
        import viz

        bundle["image/svg+xml"] = viz.draw(source, **options).pipe("svg", encoding="utf-8")
    except (errors.TinygradCourseError, ImportError):
        pass


def _is_small(node: Node) -> bool:
    seen = {node}
    stack = [node]
    while stack and len(seen) <= MAX_NODES:
        for source in stack.pop().inputs:
            if type(source) is Node and source not in seen:
                seen.add(source)
                stack.append(source)
    return len(seen) <= MAX_NODES
