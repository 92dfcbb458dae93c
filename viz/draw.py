"""The picture of a computation: the forward graph, and how derivatives flow back through it.

`draw` shows what a tensor was computed from. A graph of numbers is drawn as on the slides of a
course: each box shows its value above and its derivative below, and a dashed red arrow runs back
along each operation, labelled with the local derivative it multiplies by. A graph of arrays shows
names and shapes; with ``backward=True`` the recorded operations of the backward pass stand below
the forward pass, in red, each derivative under the tensor it belongs to. Modules are frames, and
`depth` closes them to single boxes.

`draw` decides what to show; `viz.dot` knows how a box looks, `viz.sketch` writes the text and
`viz.render` makes the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinygrad_course.compiling.compiled import Compiled
from tinygrad_course.errors import ArgumentError, DtypeError
from tinygrad_course.graph import Graph, GraphNode
from tinygrad_course.tensor import Tensor
from viz import dot, formula, style
from viz.frames import hidden, scopes
from viz.program import Program
from viz.render import Drawing
from viz.sketch import Path, Sketch

MAX_NODES = 500
"""Larger graphs take Graphviz long to lay out, and nobody can read them."""

MAX_NAMED = 2000
"""In larger graphs, only inputs and results have boxes; the rest is operations."""

DIRECTIONS = ("LR", "TB")
STYLES = ("slide", "detail")

# Frames of the two passes; a user's module cannot be called so.
_FORWARD, _BACKWARD = "\0forward", "\0backward"

# An arrow from a value of the forward pass to an operation of the backward pass.
_READ = {"color": f"{style.BLUE}90", "dir": "back", "penwidth": "0.9", "arrowsize": "0.6"}

# Operations whose circle shows the number they work with: ×3, +1, 1−. With the number on the left
# and on the right.
_WITH_NUMBER = {
    "add": ("+{}", "+{}"),
    "mul": ("×{}", "×{}"),
    "sub": ("{}−", "−{}"),
    "div": ("{}÷", "÷{}"),
    "pow": ("{}^", "^{}"),
}


def draw(
    tensor_or_graph: Any,
    backward: bool = False,
    *,
    values: bool | str = "auto",
    grads: bool | None = None,
    names: bool | None = None,
    shapes: bool = True,
    formulas: bool = True,
    depth: int | None = None,
    direction: str = "auto",
    legend: bool = True,
    max_nodes: int = MAX_NODES,
    style: str = "auto",
    title: str | None = None,
    groups: bool | None = None,
    buffers: bool = True,
) -> Drawing:
    """Draw the graph behind a tensor.

    Drawing changes nothing: it works before and after ``backward()``, and leaves every ``.grad``
    alone. The same program gives the same text, byte for byte.

    Args:
        tensor_or_graph: A tensor, several, a `tinygrad_course.Graph`, or a compiled function.
        backward: Whether to draw how derivatives flow back; the tensor must then be a scalar.
        values: "auto" writes out numbers and small arrays, True the beginning of any array, False
            nothing.
        grads: Whether boxes show derivatives; by default in the slide style, with `backward`.
        names: Whether intermediate values have boxes, beside inputs, outputs and gradients. By
            default True up to 2,000 nodes.
        shapes: Whether to write the shapes of arrays.
        formulas: Whether a factor that the backward pass computes from values of the forward pass
            alone is written as a formula, such as "1 - A[1]²", instead of drawn step by step.
        depth: How many levels of modules to open: 0 draws a whole model as one box, 1 its layers;
            None opens all.
        direction: "LR" left to right, the default, or "TB" top down, that of a compiled function.
        legend: Whether to explain the colours.
        max_nodes: The largest number of boxes and operations to draw.
        style: "slide" (the default for graphs of numbers) or "detail" (for arrays).
        title: Line above the picture.
        groups: Of a compiled function, whether to draw what runs: its loops and calls, see
            `viz.program`. By default, unless `backward` or `depth` asks for its graph.
        buffers: Whether that picture says where values lie.

    Returns:
        A `graphviz.Digraph`: ``.render("g.svg")``, ``.pipe("png")``, ``.source``.

    Raises:
        GraphError: Nothing was recorded for the tensor.
        ShapeError: `backward` of a tensor that is not a scalar.
        ArgumentError: More than `max_nodes` to draw, or an unknown option.
        DtypeError: Something else than a tensor or a graph.

    Example:
        >>> import tinygrad_course as tc
        >>> a = tc.tensor(5.0, requires_grad=True, name="a")
        >>> b = tc.tensor(3.0, requires_grad=True, name="b")
        >>> c = tc.tensor(2.0, requires_grad=True, name="c")
        >>> drawing = draw(3 * (a + b * c), backward=True)
        >>> "dv = 3" in drawing.source, "c = 2" in drawing.source
        (True, True)

        What a compiled function runs:

        >>> step = tc.compile(lambda x: tc.exp(x).sum(), backend="numpy")
        >>> J = step(tc.ones(3))
        >>> "J = np.sum(exp(x))" in draw(step).source
        True
    """
    _check_options(values, direction, style, depth, max_nodes)
    graph_only = backward or depth is not None
    if isinstance(tensor_or_graph, Compiled) and (not graph_only if groups is None else groups):
        program = Program(tensor_or_graph, buffers=buffers, shapes=shapes, title=title)
        program.refuse_too_many(max_nodes)
        program.draw(upward=direction == "LR")
        return _finished("TB" if direction == "auto" else direction, program, legend)
    direction = "LR" if direction == "auto" else direction
    graph = _graph(tensor_or_graph, backward or bool(grads), depth, max_nodes)
    forward = [node for node in graph if not node.is_backward]
    if style == "auto":
        style = "slide" if all(node.size == 1 for node in forward) else "detail"
    if backward and not graph.has_backward:
        raise ArgumentError(
            "draw: backward=True, but this graph was captured without its backward pass. "
            "Capture it with Graph.of(loss, backward=True), or pass the tensor itself."
        )
    slide = style == "slide"
    look = _Look(
        backward=backward,
        values=values,
        grads=graph.has_backward and (slide and backward if grads is None else grads),
        names=len(graph) <= MAX_NAMED if names is None else names,
        shapes=shapes,
        formulas=formulas,
        depth=depth,
        slide=slide,
        outer=(title,) if title else (),
    )
    picture = _Picture(graph, look)
    picture.prepare_frames(upward=direction == "LR")
    picture.refuse_too_many(max_nodes)
    picture.draw()
    return _finished(direction, picture, legend)


def _finished(direction: str, picture: Any, legend: bool) -> Drawing:
    """Return the drawing of a picture, with its legend."""
    drawing = Drawing(
        "graph",
        graph_attr=dot.graph_style(direction, **picture.layout()),
        node_attr=dot.node_style(),
        edge_attr=dot.edge_style(),
    )
    if legend:
        drawing.attr(**dot.legend(picture.roles(), notes=picture.notes(), plates=picture.plates()))
    picture.sketch.write(drawing)
    return drawing


def _check_options(values: Any, direction: Any, style: Any, depth: Any, max_nodes: Any) -> None:
    if direction not in (*DIRECTIONS, "auto"):
        raise ArgumentError(
            f"draw: direction is {direction!r}; expected 'LR' (left to right) or 'TB' (top down)."
        )
    if style != "auto" and style not in STYLES:
        raise ArgumentError(f"draw: style is {style!r}; expected 'slide', 'detail' or 'auto'.")
    if values != "auto" and not isinstance(values, bool):
        raise ArgumentError(f"draw: values is {values!r}; expected True, False or 'auto'.")
    for name, number in (("depth", depth), ("max_nodes", max_nodes)):
        wrong = isinstance(number, bool) or not isinstance(number, int) or number < 0
        if wrong and not (name == "depth" and number is None):
            raise ArgumentError(f"draw: {name} is {number!r}; expected a whole number from 0 on.")


def _graph(source: Any, backward: bool, depth: int | None, max_nodes: int) -> Graph:
    source = getattr(source, "graph", source)  # that of a compiled function
    if isinstance(source, Graph):
        return source
    several = isinstance(source, (list, tuple)) and all(isinstance(y, Tensor) for y in source)
    if not isinstance(source, Tensor) and not several:
        kind = type(source).__name__
        raise DtypeError(
            f"draw: got {kind}; expected a tensor that was computed, such as the loss, or a "
            "tinygrad_course.Graph. Of a model, draw what it returns: viz.draw(model(X)); "
            "viz.draw_network(model) shows its layers."
        )
    if backward:
        # Count the forward pass first: a backward pass through too large a graph takes long.
        forward = _Picture(Graph.of(source), _Look(depth=depth))
        forward.refuse_too_many(max_nodes)
    return Graph.of(source, backward=backward)


@dataclass(frozen=True, slots=True)
class _Look:
    """What to show, as asked for."""

    backward: bool = False
    values: bool | str = "auto"
    grads: bool = False
    names: bool = True
    shapes: bool = True
    formulas: bool = True
    depth: int | None = None
    slide: bool = False
    outer: Path = ()


class _Picture:
    """Turns the nodes of a graph into boxes, circles and arrows."""

    def __init__(self, graph: Graph, look: _Look) -> None:
        self.graph = graph
        self.look = look
        self.sketch = Sketch()
        self.used: set[str] = set()
        self.results = {node.index for node in graph.outputs}
        # Tensors that share a derivative: in v = a + u, dv is the derivative of all three.
        self.sharing: dict[int, list[str]] = {}
        for node in graph:
            if node.grad is not None and not node.anonymous:
                self.sharing.setdefault(node.grad, []).append(node.name)
        unseen = hidden(graph, look.backward, look.slide)
        self.nodes = [n for n in graph if n.index not in unseen]
        self.scopes = scopes(graph)
        self.groups: dict[tuple[bool, Path], str] = {}
        self.group_of: list[str | None] = [None] * len(graph)
        for node in self.nodes:
            self._close(node)
        self.arrows: set[tuple[str, str]] = set()
        self.drawn_numbers: set[int] = set()
        # Values of the forward pass that the backward pass reads, written as formulas; and those of
        # them that have no box yet.
        self.factors: dict[int, formula.Text] = {}
        self.named: set[int] = set()
        if look.backward and not look.slide:
            self._find_factors()

    # --- what to draw -----------------------------------------------------------------------

    def _close(self, node: GraphNode) -> None:
        """Put the node into the box of its module, when `depth` closes that module."""
        depth, scope = self.look.depth, self.scopes[node.index]
        if depth is None or len(scope) <= depth or node.role == "constant":
            return
        key = (node.is_backward, scope[: depth + 1])
        if key not in self.groups:
            self.groups[key] = f"{'d' if node.is_backward else 'm'}{len(self.groups)}"
        self.group_of[node.index] = self.groups[key]

    def prepare_frames(self, upward: bool) -> None:
        """Open the frames around everything: the title's, and those of the two passes.

        Graphviz stacks frames in the order of the text, which from left to right runs upward.
        """
        outer = self.look.outer
        if outer:
            title = dot.html(dot.span(outer[0], size=style.SIZE, bold=True))
            plain = {"label": title, "labeljust": "c", "labelloc": "t", "color": style.PAPER}
            self.sketch.frame(outer, plain)
        if self.look.backward and not self.look.slide:
            passes = (_BACKWARD, _FORWARD) if upward else (_FORWARD, _BACKWARD)
            for name in passes:
                self.sketch.frame((*outer, name), {"label": "", "color": style.PAPER})

    def _find_factors(self) -> None:
        """Find the nodes of the backward pass that can be written instead of drawn."""
        updating = {i for node in self.nodes if node.role == "update" for i in node.inputs}
        for node in self.nodes:
            read = [self.graph[i] for i in node.inputs]
            if (
                not node.is_backward
                or node.index in updating
                or self.group_of[node.index] is not None
            ):
                continue
            if not self.look.formulas or not node.anonymous or node.op is None:
                continue
            parts = [self._factor(n) for n in read]
            if any(part is None for part in parts):
                continue
            known = [part for part in parts if part is not None]
            text = formula.write(node.op, node.params, known, elementwise=node.size > 1)
            if len(text[0]) <= formula.MAX_FACTOR:
                self.factors[node.index] = text
        for node in self.nodes:
            for position, i in enumerate(node.inputs):
                source = self.graph[i]
                is_value = node.is_backward and not _is_pattern(node, position)
                if node.index in self.factors and self.factors[node.index][0] == "m":
                    continue  # the m of a mean names nothing
                if is_value and not source.is_backward and not _is_moved(source):
                    self.named.add(i)

    def _factor(self, node: GraphNode) -> formula.Text | None:
        """Return how a value is written in a formula; None when it depends on a derivative."""
        if node.is_backward:
            return self.factors.get(node.index)
        if not _is_moved(node) or node.index in self.results:
            return formula.name(node)
        # W[1]ᵀ has no name of its own, and needs none.
        assert node.op is not None
        inner = self._factor(self.graph[node.inputs[0]])
        return None if inner is None else formula.write(node.op, node.params, [inner])

    def refuse_too_many(self, max_nodes: int) -> None:
        """Raise when there is more to draw than was allowed."""
        drawn = (
            self.group_of[n.index] is None and n.role != "constant" and n.index not in self.factors
            for n in self.nodes
            if not (self.look.slide and n.is_backward)
        )
        count = sum(drawn) + len(self.groups)
        if count <= max_nodes:
            return
        modules = any(self.scopes) and (self.look.depth is None or self.look.depth > 0)
        cures = [f"allow more with max_nodes={count} (Graphviz may then take minutes)"]
        if modules:
            cures.append("draw modules as single boxes with depth=1 or depth=0")
        cures.append("draw a smaller part, such as the loss of fewer examples or layers")
        raise ArgumentError(
            f"draw: there are {count} nodes to draw, more than max_nodes={max_nodes}. You can "
            f"{'; or '.join(cures)}."
        )

    def has_box(self, node: GraphNode) -> bool:
        """Return whether the value of an operation has a box, or is only passed on by an arrow."""
        if node.index in self.results or node.op is None or node.index in self.named:
            return True
        if not self.look.names:
            return node.role == "gradient"
        if self.look.slide:
            return True
        of = None if node.grad_of is None else self.graph[node.grad_of]
        return not node.anonymous and (of is None or not of.anonymous)

    def draw(self) -> None:
        """Draw everything."""
        shown = [n for n in self.nodes if n.index not in self.factors]
        if self.look.slide:
            shown = [n for n in shown if not n.is_backward]
        for node in shown:
            if self.group_of[node.index] is None and node.role != "constant":
                self._draw_node(node)
        self._draw_groups()
        self._draw_results_of_groups()
        for node in shown:
            self._draw_inputs(node)
            if self.look.slide and self.look.backward:
                self._draw_derivatives(node)
        self._stand_in_front()
        if self.look.backward and not self.look.slide:
            self._align()

    # --- boxes ------------------------------------------------------------------------------

    def _path(self, node: GraphNode) -> Path:
        later = node.is_backward or node.role == "update"
        inner = () if later else self.scopes[node.index][: self.look.depth]
        return (*self._pass(later), *inner)

    def _pass(self, is_backward: bool) -> Path:
        if not self.look.backward or self.look.slide:
            return self.look.outer
        return (*self.look.outer, _BACKWARD if is_backward else _FORWARD)

    def _draw_node(self, node: GraphNode) -> None:
        path = self._path(node)
        role = _tone(node)
        if node.op is not None:
            tone = role if role in ("backward", "update") else "forward"
            self.sketch.circle(f"o{node.index}", self._symbol(node), tone, path)
        if self.has_box(node):
            self.used.add(role)
            self.sketch.add(f"n{node.index}", self._box(node, role), path)

    def _box(self, node: GraphNode, role: str) -> dict[str, str]:
        look = self.look
        name = node.name
        if node.is_backward:
            name = self._derivative_name(node)
        elif look.slide and node.op is not None:
            name = formula.definition(self.graph, node)
        value = formula.value(node.value, look.values)
        derivative = None
        if look.grads and node.grad is not None:
            g = self.graph[node.grad]
            written = formula.value(g.value, look.values)
            derivative = f"d{node.name}" + (f" = {written}" if written is not None else "")
        note = (formula.shape(node.shape) or None) if look.shapes and not look.slide else None
        if node.value is None:
            note = "overwritten since"
        if node.is_backward:
            return dot.box(name, derivative=value, note=note, role=role)
        return dot.box(name, value=value, derivative=derivative, note=note, role=role)

    def _derivative_name(self, node: GraphNode) -> str:
        names = [f"d{name}" for name in self.sharing.get(node.index, ())]
        if node.name in names:  # the one computed last is the node's own name: write it first
            names.remove(node.name)
        return " = ".join([node.name, *names][:3])

    def _symbol(self, node: GraphNode) -> str:
        assert node.op is not None
        folded = self._folded(node)
        if folded is None:
            return node.op.symbol
        number = self.graph[node.inputs[folded]].name
        return _WITH_NUMBER[node.op.name][folded].format(number)

    def _folded(self, node: GraphNode) -> int | None:
        """Return the position of the number that the operation's circle shows, if it does."""
        if node.op is None or node.op.name not in _WITH_NUMBER:
            return None
        nodes = self.graph.nodes
        left, right = (nodes[i].role == "constant" for i in node.inputs)
        if left == right:
            return None
        return 0 if left else 1

    # --- arrows -----------------------------------------------------------------------------

    def _exit(self, index: int) -> str:
        """Return where arrows from a node start."""
        group = self.group_of[index]
        if group is not None:
            return group
        return f"n{index}" if self.has_box(self.graph[index]) else f"o{index}"

    def _draw_inputs(self, node: GraphNode) -> None:
        """Draw the arrows into the operation of a node, and from it to the box of its value."""
        if node.op is None:
            return
        group = self.group_of[node.index]
        entry = group or f"o{node.index}"
        folded = self._folded(node)
        for position, i in enumerate(node.inputs):
            source = self.graph[i]
            if position == folded or _is_pattern(node, position):
                continue
            if node.is_backward and not self._is_derivative(source):
                if group is None:
                    self._draw_factor(node, position, source)
                continue
            if source.role == "constant":
                if group is not None:
                    continue
                if i not in self.drawn_numbers:
                    self.drawn_numbers.add(i)
                    self.used.add("constant")
                    values = dot.box(source.name, role="constant")
                    self.sketch.add(f"n{i}", values, self._path(node))
            self._arrow(self._exit(i), entry, source, node)
        if group is None and self.has_box(node):
            self._connect(entry, f"n{node.index}", node.is_backward, None)

    def _is_derivative(self, source: GraphNode) -> bool:
        """Return whether a value is drawn in the backward pass, rather than read from before."""
        return source.is_backward and source.index not in self.factors

    def _draw_factor(self, node: GraphNode, position: int, source: GraphNode) -> None:
        """Write a value of the forward pass, or a formula of such values, beside its user."""
        text = self._factor(source) or formula.name(source)
        values = dot.tag(text[0], role="forward" if source.is_backward else _tone(source))
        identifier = f"r{node.index}_{position}"
        self.sketch.add(identifier, values, self._path(node))
        self.sketch.line(f"o{node.index}", identifier, _READ)

    def _arrow(self, tail: str, head: str, source: GraphNode, user: GraphNode) -> None:
        between_groups = tail[0] in "md" or head[0] in "md"
        if tail == head or (between_groups and (tail, head) in self.arrows):
            return
        self.arrows.add((tail, head))
        label = None
        if tail[0] in "omd" and self.look.shapes and not self.look.slide:
            label = formula.shape(source.shape) or None
            if tail[0] in "md":
                label = " ".join(filter(None, (source.name, label)))
        self._connect(tail, head, user.is_backward, label)

    def _connect(self, tail: str, head: str, backward: bool, label: str | None) -> None:
        if not backward:
            self.sketch.arrow(tail, head, "forward", label)
            return
        # Turned round for the layout, so that the backward pass runs against the forward pass.
        turned = {"dir": "back", "constraint": "true", "style": "solid"}
        self.sketch.arrow(head, tail, "backward", label, **turned)

    def _draw_derivatives(self, node: GraphNode) -> None:
        """Draw the red arrows of the slide style, from a result back to what it came from."""
        if node.op is None or node.grad is None:
            return
        for position, i in enumerate(node.inputs):
            source = self.graph[i]
            if source.grad is None or node.op.rule(position) is None:
                continue
            tail, head = self._exit(node.index), self._exit(i)
            if tail == head:
                continue
            label = None
            if node.size == 1 and source.size == 1:
                label = formula.local_derivative(self.graph, node, position)
            # Turned round for the layout: it then keeps these arrows apart like all others. With
            # constraint=false it would draw them last, across everything.
            turned = {"dir": "back", "constraint": "true", "weight": "0"}
            self.sketch.arrow(head, tail, "backward", label, **turned)

    # --- modules and columns ----------------------------------------------------------------

    def _draw_groups(self) -> None:
        sizes: dict[str, int] = {}
        for node in self.nodes:
            group = self.group_of[node.index]
            if group is not None:
                count = node.size if node.role == "parameter" else 0
                sizes[group] = sizes.get(group, 0) + count
        for (is_backward, path), group in self.groups.items():
            count = sizes[group]
            note = f"{count:,} parameter" + ("s" if count != 1 else "")
            if is_backward:
                values = dot.box(f"∂ {path[-1]}", role="backward")
            else:
                role = "parameter" if count else "forward"
                values = dot.box(path[-1], note=note if count else None, role=role)
            self.used.add("backward" if is_backward else "parameter" if count else "forward")
            inner = () if is_backward else path[:-1]
            self.sketch.add(group, values, (*self._pass(is_backward), *inner))

    def _draw_results_of_groups(self) -> None:
        """Draw the box of an output that a closed module computes, outside the module."""
        for node in self.graph.outputs:
            group = self.group_of[node.index]
            if group is not None and not node.is_backward:
                role = _tone(node)
                self.used.add(role)
                self.sketch.add(f"n{node.index}", self._box(node, role), self._pass(False))
                self._connect(group, f"n{node.index}", False, None)

    def _stand_in_front(self) -> None:
        """Put what enters a module in front of the module's frame; layers then stand in a row."""
        parameters: dict[Path, list[int]] = {}
        first_use: dict[int, int] = {}
        for node in self.nodes:
            if node.op is None and node.role == "parameter" and self.scopes[node.index]:
                parameters.setdefault(self.scopes[node.index], []).append(node.index)
            for i in node.inputs:
                first_use.setdefault(i, node.index)
        done: set[tuple[int, int]] = set()
        for node in self.nodes:
            if node.is_backward or self.group_of[node.index] is not None:
                continue
            for i in node.inputs:
                if not self._enters(self.graph[i], node):
                    continue
                for k in parameters.get(self.scopes[node.index], ()):
                    # A parameter used before cannot stand behind what was computed with it.
                    before = self.graph[i].op is not None and first_use[k] <= i
                    if (i, k) not in done and not before:
                        done.add((i, k))
                        self.sketch.line(f"n{i}", f"n{k}", {"style": "invis"})

    def _enters(self, source: GraphNode, user: GraphNode) -> bool:
        """Return whether a value comes into the frame of its user from outside, with a box."""
        if source.op is None:
            return source.role == "data"
        inside = self.scopes[source.index] == self.scopes[user.index]
        return not inside and self.group_of[source.index] is None and self.has_box(source)

    def _align(self) -> None:
        """Put each derivative in the column of the tensor it belongs to, below it."""
        for node in self.nodes:
            of = node.grad_of
            if of is None or self.group_of[node.index] or self.group_of[of]:
                continue
            if self.has_box(node) and self.has_box(self.graph[of]):
                self.sketch.column([f"n{of}", f"n{node.index}"])

    # --- around the picture -----------------------------------------------------------------

    def layout(self) -> dict[str, str]:
        """Return the graph attributes that this picture needs."""
        if self.look.slide:
            return {}
        return {"newrank": "true"}

    def roles(self) -> list[str]:
        """Return the roles to explain, in the order of a lesson."""
        order = ("data", "parameter", "constant", "forward", "loss", "backward", "update")
        return [role for role in order if role in self.used]

    def notes(self) -> list[tuple[str, str]]:
        """Return what the arrows mean."""
        if self.look.slide and self.look.backward:
            return [("⇠", "multiplies by the local derivative")]
        return []

    def plates(self) -> list[tuple[str, str]]:
        """Return what plates mean, of which there are none."""
        return []


def _is_pattern(node: GraphNode, position: int) -> bool:
    """Return whether an operation reads an input only as the pattern of a shape."""
    return position > 0 and node.op is not None and node.op.name.endswith("_like")


def _is_moved(node: GraphNode) -> bool:
    """Return whether a value without a name only has other axes than the one it is made of."""
    return node.anonymous and node.op is not None and node.op.name == "matrix_transpose"


def _tone(node: GraphNode) -> str:
    if node.is_backward:
        return "backward"
    return {"output": "forward", "state": "update"}.get(node.role, node.role)
