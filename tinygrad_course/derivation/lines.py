"""Which values get an equation of their own, and under which name: the lines of a derivation.

`derive` captures a loss with its backward pass, simplifies it, and decides on the lines. Every
printer and program reads the `Derivation` it returns: an equation is a line, and so is a statement
of the emitted program, so both always say the same.

A value has a line when it has a meaning (``Z[1]``, the cost, the derivative of a parameter) or is
used more than once; everything else is written inside the lines that use it. In a graph of single
numbers, as on slides, every step has a line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors, naming
from ..graph import Graph, GraphNode
from ..tensor import Tensor
from .simplify import CONVENTIONS, Simplifier
from .sizes import Sizes

SECTIONS = ("forward", "cost", "backward")

# Longer expressions are split; a derivative used once is written where it is used up to this size.
MOST_OPERATIONS = 16
MOST_INSIDE = 3
# Quickly read, and so written out wherever they are used.
_PLAIN = frozenset(
    {"matrix_transpose", "neg", "square", "insert_axes", "sub", "div", "count", "one_hot"}
)
_COUNTED = re.compile(r"g\d+")
_OF_NUMBERS = ("count", "div", "mul", "neg", "cast")


@dataclass(frozen=True)
class Line:
    """One equation.

    Attributes:
        name: what it defines: ``Z[1]``, ``dW[1]``, ``J``.
        index: the node in the derivation's graph.
        section: one of `SECTIONS`, or "update".
        of: the name of what it is the derivative of, or None.
        scale: k, where the value is mᵏ times the derivative (1 for the dZ of the course, else 0).
        same_as: the name of an earlier line with the same value (``dJ/da = dJ/dv``), or None.
    """

    name: str
    index: int
    section: str
    of: str | None = None
    scale: int = 0
    same_as: str | None = None


def derive(
    source: Tensor | Graph,
    wrt: Any = None,
    mean: str = "course",
    simplify: bool = True,
    links: str = "",
    activations: str = "named",
) -> Derivation:
    """Return the lines of the forward and backward pass behind a loss.

    Args:
        source: the loss (a scalar tensor), or a graph captured from one. From a tensor that is no
            scalar, or a graph without a backward pass, only the forward pass is derived.
        wrt: tensors, or names, to differentiate with respect to; by default all parameters.
        mean: "course" or "exact", see `equations`.
        simplify: False leaves the expressions as the derivative rules wrote them.
        links: "all" gives every derivative a line of its own, the chain rule link by link;
            "layers" those of A[l] and Z[l].
        activations: "named", "general" for g[l] and g[l]′ in hidden layers, "every" in every
            layer, or "f" for f and f′ in every layer.

    Raises:
        DtypeError: a source that is neither tensor nor graph.
        GraphError: nothing was recorded, or `wrt` is not in the graph.
        ArgumentError: another `mean`.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor(3.0, requires_grad=True, name="x")
        >>> derivation = tc.derive(x * x)
        >>> [derivation.write(line) for line in derivation.lines]
        ['J = x²', 'dJ/dx = 2 x']
    """
    if mean not in CONVENTIONS:
        raise errors.ArgumentError(f"equations: mean is 'course' or 'exact', got {mean!r}.")
    graph, wanted = _captured(source, wrt)
    shown: frozenset[str] = frozenset()
    if links == "all":
        # The links of the chain rule are the lines of the forward pass.
        plain = Simplifier(graph, mean, simplify, wanted, "", activations)
        lines = Derivation(plain.graph(), plain).lines
        shown = frozenset(line.name for line in lines if line.section != "backward")
    simplifier = Simplifier(graph, mean, simplify, wanted, links, activations, shown)
    return Derivation(simplifier.graph(), simplifier)


def _captured(source: Any, wrt: Any) -> tuple[Graph, set[int] | None]:
    """Return the graph, and of which of its leaves the derivatives are asked for (None: all)."""
    if isinstance(source, Graph):
        return source, None if wrt is None else _wanted(source, wrt)
    if not isinstance(source, Tensor):
        raise errors.DtypeError(
            f"equations: got {type(source).__name__}, expected the loss (a tensor) or a graph. "
            "For a function, pass tc.trace(f, *inputs)."
        )
    if not source.requires_grad or source._data.size != 1:
        return Graph.of(source), None
    listed = [wrt] if isinstance(wrt, (str, Tensor)) else list(wrt or ())
    if any(isinstance(w, str) for w in listed):
        graph = Graph.of(source, backward=True)
        return graph, _wanted(graph, wrt)
    graph = Graph.of(source, backward=True, wrt=wrt)
    if all(isinstance(w, Tensor) and w._node is None for w in listed):
        return graph, None
    # Of a computed tensor: by what the capture marked.
    return graph, {n.index for n in graph if n.grad and graph[n.grad].role == "gradient"}


def _wanted(graph: Graph, wrt: Any) -> set[int]:
    """Return the nodes of a captured graph that `wrt` names."""
    chosen = set()
    for w in [wrt] if isinstance(wrt, (str, Tensor)) else wrt:
        name = w if isinstance(w, str) else w.name
        if not name:
            raise errors.GraphError(
                "equations: wrt holds a tensor without a name, which cannot be found in a graph. "
                "Give it one (w.name = 'w'), or pass the loss instead of the graph."
            )
        node = graph.find(name)
        if node.grad is None:
            raise errors.GraphError(
                f"equations: the graph has no derivative by {name!r}. Capture it with "
                "tc.Graph.of(loss, backward=True), and require a gradient of that tensor."
            )
        chosen.add(node.index)
    return chosen


class Derivation:
    """The lines of a forward and backward pass; see `derive`.

    Attributes:
        graph: the simplified graph.
        simplifier: how it came about; knows the original graph.
        lines: in the order of computing.
        leaves: the parameters and data that the lines read.
        sizes: the symbolic shapes of the graph's nodes.
        scalar: True when every value is a single number.
        notes: what was taken for granted, in sentences.
    """

    def __init__(self, graph: Graph, simplifier: Simplifier) -> None:
        self.graph = graph
        self.simplifier = simplifier
        self.convention = simplifier.convention or "exact"
        self.scalar = simplifier.scalar
        self.links = simplifier.links
        self.notes = simplifier.notes()
        self.sizes = Sizes.of(graph)
        self._opaque = simplifier.opaque
        self._scales = simplifier.scales
        self._shown = simplifier.lines
        self._uses = _uses(graph)
        self._before_cost = _before_cost(graph)
        self._coefficients = _coefficients(graph)
        self._complexity: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self.lines: list[Line] = []
        self._choose()
        self.by_name = {line.name: line for line in self.lines}
        read = {i for line in self.lines for i in self._reads(line)}
        self.leaves = [
            n for n in graph if n.op is None and n.index in read and n.role != "constant"
        ]

    @property
    def m(self) -> int | None:
        """The number of examples, None when there is no such axis."""
        return self.sizes.symbols().get("m")

    # --- choosing lines ---------------------------------------------------------------------

    def _choose(self) -> None:
        timed = any("⟨" in node.name for node in self.graph)
        for node in self.graph:
            if node.op is None:
                self._complexity[node.index] = 0
                continue
            inside = [self._complexity[i] for i in set(node.inputs)]
            # A sum over times is as long as what is added up, see `recurrence`.
            over_times = timed and node.op.name == "add"
            whole = max(inside) if over_times else sum(inside) + (not self._is_free(node))
            self._complexity[node.index] = whole
            if self._has_line(node):
                self._names[node.index] = node.name
                self._complexity[node.index] = 0
        self._number_lines()
        lines = [self._line(self.graph[i]) for i in sorted(self._names)]
        lines += self._shared_lines()
        order = {section: k for k, section in enumerate((*SECTIONS, "update"))}
        lines.sort(key=lambda line: (order[line.section], line.index))
        self.lines = lines if self.scalar else self._gradients_early(lines)

    def _number_lines(self) -> None:
        """Count the lines that no name fits as g1, g2, …."""
        shown = set(self._names.values())
        rest = []
        for node in self.graph:
            of = None if node.grad_of is None else self.graph[node.grad_of]
            unknown = of is not None and of.op is not None and of.name not in shown
            if node.is_backward and (_COUNTED.fullmatch(node.name) or unknown and node.anonymous):
                rest.append(node)
        rest.sort(key=lambda n: (n.index not in self._names, n.index))
        names = {n.name for n in self.graph} - {n.name for n in rest}
        free = (name for k in itertools.count(1) if (name := f"g{k}") not in names)
        for node, name in zip(rest, free, strict=False):
            node.name = name
            if node.index in self._names:
                self._names[node.index] = name

    def _gradients_early(self, lines: list[Line]) -> list[Line]:
        """List dW and db right after the dZ they come from, as courses do."""
        gradients = {x.name for x in lines if self.graph[x.index].role == "gradient"}
        key: dict[str, tuple[int, int, int, int]] = {}
        first = sum(line.section in ("forward", "cost") for line in lines) - 1
        for k, line in enumerate(lines):
            read = [line.same_as] if line.same_as else map(self.name_of, self._reads(line))
            before = [name for name in read if name in key]
            key[line.name] = (k, 0, 0, 0)
            if line.same_as in gradients:
                key[line.name] = (*key[str(line.same_as)][:3], k)
            elif line.name in gradients and not gradients.intersection(before):
                last = max([first, *(key[str(name)][0] for name in before)])
                key[line.name] = (last, 1, self.graph[line.index].grad_of or 0, 0)
        return sorted(lines, key=lambda line: key[line.name])

    def _is_free(self, node: GraphNode) -> bool:
        """Return True for what adds nothing to read: a name for another value, or an m."""
        return node.index in self._opaque or (node.op is not None and node.op.name == "count")

    def _has_line(self, node: GraphNode) -> bool:
        i = node.index
        if i in {n.index for n in self.graph.outputs}:
            return True
        if self.is_coefficient(node):
            return self._complexity[i] > MOST_OPERATIONS
        uses = self._uses[i]
        if i in self._opaque:
            return self._derivative_has_line(node)
        assert node.op is not None
        if node.op.kind == "random" or (self.scalar and not node.is_backward):
            return True
        if node.op.name == "matrix_transpose" and self.graph[node.inputs[0]].op is None:
            return False
        if not node.is_backward and not node.anonymous:
            return (
                node.name != "L"
                or self.links == "all"
                or uses > 1
                or self._complexity[i] > MOST_OPERATIONS
            )
        if self._complexity[i] > MOST_OPERATIONS or node.name in self._shown:
            return True
        plain = self._complexity[i] <= (MOST_INSIDE if self.links else node.op.name in _PLAIN)
        return uses > 1 and not plain

    def _derivative_has_line(self, node: GraphNode) -> bool:
        target = self.graph[node.grad_of] if node.grad_of is not None else None
        if (
            self.scalar
            or self.links
            or node.role == "gradient"
            or (target is not None and target.op is None)
        ):
            return True
        if self._complexity[node.index] == 0:
            return False  # another name for a value that has a line
        # dA is written inside dZ, as courses do: dZ[1] = W[2]ᵀ dZ[2] * g′(Z[1]).
        op = target.op if target is not None else None
        inside = op is not None and op.name.split(" as ")[0] in naming.ACTIVATIONS
        big = self._complexity[node.index] > MOST_INSIDE
        return not inside or big or self._uses[node.index] > 1

    def is_coefficient(self, node: GraphNode) -> bool:
        """Return True for numbers such as 1/m, computed from constants and counts."""
        return node.index in self._coefficients

    def _line(self, node: GraphNode) -> Line:
        of = self.graph[node.grad_of].name if node.grad_of is not None else None
        if node.is_backward:
            return Line(node.name, node.index, "backward", of, self._scales.get(node.index, 0))
        if node.role == "update":
            return Line(node.name, node.index, "update")
        is_cost = not self.scalar and node.index not in self._before_cost
        return Line(node.name, node.index, "cost" if is_cost else "forward")

    def _shared_lines(self) -> list[Line]:
        """Return lines for derivatives that are the same value as another's."""
        found = []
        for node in self.graph:
            if node.grad is None or node.grad not in self._names:
                continue
            first = self.graph[node.grad]
            if first.grad_of == node.index or not first.is_backward:
                continue
            if node.op is None and node.name not in self._named():
                name = naming.derivative_name(node.name)
                found.append(
                    Line(name, node.grad, "backward", node.name, 0, self._names[node.grad])
                )
        return found

    def _named(self) -> set[str]:
        """Return the names of what lines are the derivatives of."""
        found = (self.graph[i].grad_of for i in self._names)
        return {self.graph[of].name for of in found if of is not None}

    # --- reading ----------------------------------------------------------------------------

    def name_of(self, index: int) -> str | None:
        """Return the name of a node that is a line or a leaf, None for what is written out."""
        if index in self._names:
            return self._names[index]
        node = self.graph[index]
        return node.name if node.op is None and node.role != "constant" else None

    def body(self, line: Line) -> list[int]:
        """Return the nodes of a line's expression, in computing order, its own node last."""
        found: set[int] = set()
        stack = [line.index]
        while stack:
            i = stack.pop()
            if i in found or (i != line.index and self.name_of(i) is not None):
                continue
            found.add(i)
            stack.extend(self.graph[i].inputs)
        return sorted(found)

    def _reads(self, line: Line) -> list[int]:
        body = self.body(line)
        found = {i for k in body for i in self.graph[k].inputs if self.name_of(i) is not None}
        return sorted(found - {line.index})

    def reads(self, line: Line) -> list[str]:
        """Return the names of the lines and leaves that a line reads."""
        if line.same_as is not None:
            return [line.same_as]
        return [str(self.name_of(i)) for i in self._reads(line)]

    # --- computing --------------------------------------------------------------------------

    def evaluate(
        self, values: Mapping[str, Any] | None = None, given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Compute every line.

        Args:
            values: arrays for leaves, by name; the others keep the values they were captured with.
            given: values that take the place of a line wherever later lines read it. The result
                still has what the line itself computes.

        Returns:
            The values of leaves and lines, by name.

        Raises:
            GraphError: a leaf whose value was overwritten since the capture, and is not given.
        """
        values, given = dict(values or {}), dict(given or {})
        sizes = Lengths(self.graph, self.sizes, values)
        results: dict[str, Any] = {}
        known: list[Any] = []
        for node in self.graph:
            if node.op is None:
                value = values.get(node.name, node.value)
                if value is None:
                    raise errors.GraphError(
                        f"equations: the value of {node.name!r} was overwritten after it was used, "
                        "most often by optimizer.step(). Pass it in `values`, or derive the "
                        "equations before the step."
                    )
                value = np.asarray(value)
                value = value.astype(np.float64) if value.dtype.kind == "f" else value
                if node.role != "constant":
                    results[node.name] = value
                else:
                    value = node.value
            else:
                name = self._names.get(node.index)
                inputs = [known[i] for i in node.inputs]
                if node.op.kind == "random":
                    value = self._drawn(node, inputs, given)
                else:
                    with np.errstate(all="ignore"):
                        value = node.op.forward(*inputs, **sizes.params(node))
                if name is not None:
                    results[name] = value
                    value = given.get(name, value)
            known.append(value)
        for line in self.lines:
            if line.same_as is not None:
                results[line.name] = known[line.index]
        return results

    def _drawn(self, node: GraphNode, inputs: Sequence[Any], given: Mapping[str, Any]) -> Any:
        """Return what a random operation drew, or is given to have drawn."""
        value = given.get(self._names[node.index], node.value)
        if value is None or np.shape(value) != np.shape(inputs[0]):
            raise errors.GraphError(
                f"equations: {node.name!r} was drawn at random, for an input of shape "
                f"{node.shape}. Pass what to compute with in `given`, of shape "
                f"{np.shape(inputs[0])}."
            )
        return value

    def write(self, line: Line, form: str = "text") -> str:
        """Return a line as an equation: "text", "latex" or "numpy"."""
        from .writer import Writer

        return Writer(self, form).equation(line)


class Lengths:
    """Parameters of operations for other numbers of examples than the graph was captured with."""

    def __init__(self, graph: Graph, sizes: Sizes, values: Mapping[str, Any]) -> None:
        self.sizes = sizes
        self.changed: dict[int, int] = {}
        for node in graph:
            if node.op is None and node.name in values:
                shape = np.shape(values[node.name])
                if len(shape) == len(node.shape):
                    for axis, n in zip(sizes.axes[node.index], shape, strict=True):
                        if sizes.counts(axis):
                            self.changed[sizes.root(axis)] = n

    def params(self, node: GraphNode) -> dict[str, Any]:
        """Return the parameters of a node, its lengths adapted."""
        shape = node.params.get("shape")
        if not self.changed or not isinstance(shape, tuple) or len(shape) != len(node.shape):
            return node.params
        axes = self.sizes.axes[node.index]
        adapted = tuple(
            self.changed.get(self.sizes.root(axis), n) for axis, n in zip(axes, shape, strict=True)
        )
        return {**node.params, "shape": adapted}


def _uses(graph: Graph) -> list[int]:
    uses = [0] * len(graph)
    for node in graph:
        if node.op is not None and node.op.name == "count":
            continue  # m is a length, not a value
        for i in node.inputs:
            uses[i] += 1
    return uses


def _coefficients(graph: Graph) -> set[int]:
    """Return the nodes that are numbers such as 1/m, computed from constants and counts."""
    found: set[int] = set()
    for node in graph:
        if node.shape or node.op is None or node.op.name not in _OF_NUMBERS:
            continue
        if node.op.name == "count" or all(
            i in found or graph[i].role == "constant" for i in node.inputs
        ):
            found.add(node.index)
    return found


def _before_cost(graph: Graph) -> set[int]:
    """Return the nodes that are arrays, or that arrays of the forward pass are computed from."""
    found = set()
    for node in reversed(graph.nodes):
        is_array = node.shape and node.role in ("forward", "output")
        if node.index in found or is_array:
            found.add(node.index)
            found.update(node.inputs)
    return found
