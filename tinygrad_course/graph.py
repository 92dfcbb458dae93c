"""The graph as data: what was computed from what, as an ordered list of named nodes.

`Graph.of` captures the operations behind a tensor, and on request the backward pass too (see
`capture`). Printers and pictures read this list and nothing else; it holds no tensors to
differentiate, and nothing here draws.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import errors, naming
from .op import Op
from .tensor import Tensor

if TYPE_CHECKING:
    from .derivation.sizes import Sizes

LEAVES = ("parameter", "data", "state", "constant")
ROLES = (*LEAVES, "forward", "output", "loss", "backward", "gradient", "update")


@dataclass(slots=True, eq=False)
class GraphNode:
    """One value of a graph, and the operation that computed it.

    Attributes:
        index: its place in the graph; larger than those of its inputs.
        op: the operation, or None for a leaf.
        inputs: indices of the nodes it was computed from, in the operation's order.
        params: parameters of the operation (axis, shape, …).
        name: its name, see `naming`.
        role: one of `ROLES`. A leaf is a parameter (requires grad), data, a state that the program
            changes (a moment, a running mean), or a constant (a number); a scalar output is a loss;
            a gradient is the derivative with respect to a parameter, and the rest of the backward
            pass is "backward"; an update computes new values of parameters and states.
        shape, dtype: of the value.
        value: the array or number; None when it was overwritten before the capture (by an optimizer
            step, ``+=``), or is not stored.
        scope: the modules it was computed in, outermost first, such as ``("Sequential", "layer 1
            (Dense)")``; a later call of the same module says so: ``"layer 1 (Dense) #2"``.
        grad: index of the node that is the derivative of the output with respect to this one.
        grad_of: index of the node whose derivative this one is. Several may share one derivative
            (in ``v = a + u``: dv = da = du); this names the one computed last.
        rule_of: index of the forward node whose derivative rule computed this one.
        anonymous: True when the name is an invented one without a meaning (``u``, ``t1``, ``g1``).
        made: True for a leaf that the program made itself, such as ``tc.ones(m, 1)``.
    """

    index: int
    op: Op | None
    inputs: tuple[int, ...]
    params: dict[str, Any]
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    value: Any = field(repr=False)
    scope: tuple[str, ...] = ()
    grad: int | None = None
    grad_of: int | None = None
    rule_of: int | None = None
    anonymous: bool = False
    made: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_backward(self) -> bool:
        """True for values of the backward pass."""
        return self.role in ("backward", "gradient")


class Graph:
    """An ordered list of `GraphNode`s: leaves and operations, each after its inputs.

    ``len(graph)``, iteration and ``graph[index]`` give nodes; ``graph.find("W[1]")`` finds one by
    name; ``print(graph)`` writes one line per node.

    Attributes:
        nodes: all nodes, in the order of computing.
        inputs: the leaves that are parameters, data or states.
        outputs: the nodes the graph was captured from.
        updates: (index of a parameter or state, index of its new value), in the order of writing.
        notes: what a reader should know, such as a number that may depend on the batch size.

    Example:
        >>> import tinygrad_course as tc
        >>> a = tc.tensor(5.0, requires_grad=True, name="a")
        >>> b = tc.tensor(3.0, requires_grad=True, name="b")
        >>> c = tc.tensor(2.0, requires_grad=True, name="c")
        >>> graph = tc.Graph.of(3 * (a + b * c))
        >>> print(graph)
        b              () float32  parameter
        c              () float32  parameter
        u = mul(b, c)  () float32  forward
        a              () float32  parameter
        v = add(a, u)  () float32  forward
        3              () int64    constant
        J = mul(3, v)  () float32  loss
        >>> graph.find("v").value.item()
        11.0
    """

    def __init__(
        self,
        nodes: Sequence[GraphNode],
        outputs: Sequence[int],
        updates: Sequence[tuple[int, int]] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Make a graph of `nodes`, of which those with the indices `outputs` are its results."""
        self.nodes = list(nodes)
        self.updates = list(updates)
        self.notes = list(notes)
        self._outputs = tuple(outputs)
        self._by_name: dict[str, int] | None = None

    @classmethod
    def of(
        cls,
        outputs: Tensor | Sequence[Tensor],
        backward: bool = False,
        wrt: Tensor | Sequence[Tensor] | None = None,
    ) -> Graph:
        """Capture the graph behind `outputs`.

        Args:
            outputs: one tensor, or several.
            backward: capture the backward pass too; the outputs must then be scalars, whose sum is
                differentiated.
            wrt: the tensors to differentiate with respect to; by default every leaf that requires
                grad.

        Raises:
            GraphError: nothing was recorded for the outputs; no leaf requires grad; `wrt` is not in
                the graph.
            ShapeError: a backward pass from an output that is not a scalar.
            InplaceError: a value that a derivative rule reads was overwritten since.
        """
        from .capture import captured

        return captured(outputs, backward, wrt)

    # --- reading ----------------------------------------------------------------------------

    @property
    def inputs(self) -> list[GraphNode]:
        """The leaves that are parameters, data or states, in order."""
        wanted = ("parameter", "data", "state")
        return [n for n in self.nodes if n.op is None and n.role in wanted]

    @property
    def outputs(self) -> list[GraphNode]:
        """The nodes the graph was captured from."""
        return [self.nodes[i] for i in self._outputs]

    @property
    def has_backward(self) -> bool:
        """True when the backward pass is part of the graph."""
        return any(n.is_backward for n in self.nodes)

    def find(self, name: str) -> GraphNode:
        """Return the node called `name`; ``W1`` also finds ``W[1]``, and ``da`` a's derivative.

        Raises:
            ArgumentError: there is none.
        """
        if self._by_name is None:
            self._by_name = {naming.compact(n.name): n.index for n in reversed(self.nodes)}
            self._by_name.update((n.name, n.index) for n in reversed(self.nodes))
        index = self._by_name.get(name)
        if index is None and name.startswith("d"):
            # A derivative shared by several tensors is called after one of them.
            of = self._by_name.get(name[1:])
            index = self.nodes[of].grad if of is not None else None
        if index is None:
            close = difflib.get_close_matches(name, self._by_name, n=3)
            names = close or [n.name for n in self.nodes[-3:]]
            hint = "Close to it" if close else "The last ones"
            raise errors.ArgumentError(
                f"Graph.find: none of the {len(self)} nodes is called {name!r}. "
                f"{hint}: {', '.join(names)}. print(graph) lists them all."
            )
        return self.nodes[index]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self.nodes)

    def __getitem__(self, index: int) -> GraphNode:
        return self.nodes[index]

    def __repr__(self) -> str:
        operations = sum(n.op is not None for n in self.nodes)
        results = ", ".join(n.name for n in self.outputs)
        what = "forward and backward" if self.has_backward else "forward"
        if self.updates:
            what = what.replace(" and", ",") + " and update"
        return f"<Graph of {results}: {len(self)} nodes, {operations} operations, {what}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .notebook import graph_bundle

        return graph_bundle(self)

    def __str__(self) -> str:
        from .derivation.sizes import Sizes

        sizes = Sizes.of(self)
        rows = [
            (self._line(n), f"{_shape_text(sizes, n)} {n.dtype}", n.role + self._extra(n))
            for n in self.nodes
        ]
        widths = [max((len(row[k]) for row in rows), default=0) for k in range(2)]
        return "\n".join(
            f"{line:<{widths[0]}}  {kind:<{widths[1]}}  {role}" for line, kind, role in rows
        )

    def _line(self, node: GraphNode) -> str:
        if node.op is None:
            return node.name
        parts = [self.nodes[i].name for i in node.inputs]
        defaults = node.op.defaults
        for key, value in node.params.items():
            shown = _param_text(value)
            if key not in defaults or shown != _param_text(defaults[key]):
                parts.append(f"{key}={shown}")
        return f"{node.name} = {node.op.name}({', '.join(parts)})"

    def _extra(self, node: GraphNode) -> str:
        return " of " + self.nodes[node.grad_of].name if node.grad_of is not None else ""

    # --- replaying and storing ----------------------------------------------------------------

    def evaluate(self, values: Mapping[str, Any] | None = None, **by_name: Any) -> dict[str, Any]:
        """Compute the graph again, on other values of its leaves.

        A graph holds for any number of examples: give all the data then, of the new length. The
        losses of the graph are not differentiated anew: its recorded backward pass is computed.

        Args:
            values: leaf name -> array or number; ``W1`` is accepted for ``W[1]``. Leaves that are
                not given keep the values they were captured with. A random draw may be given too;
                otherwise it is drawn anew.
            by_name: the same as keyword arguments.

        Returns:
            Name -> array: of the outputs, of the derivative of every parameter (``dW[1]``), and of
            every parameter or state that the graph updates, its new value under its own name.

        Raises:
            ArgumentError: no leaf has that name, or a leaf whose value is not known is not given.
            ShapeError: a value that does not fit: a parameter of another shape, data with different
                numbers of examples.
            DtypeError: a value that is not numeric.

        Example:
            >>> import tinygrad_course as tc
            >>> w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
            >>> x = tc.tensor([[1.0, 1.0], [2.0, 0.0]], name="x")
            >>> graph = tc.Graph.of((x @ w).mean(), backward=True)
            >>> {name: value.tolist() for name, value in graph.evaluate().items()}
            {'J': 2.5, 'dw': [1.5, 0.5]}
            >>> graph.evaluate(x=[[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])["J"].item()
            4.0
        """
        from .replay import evaluate

        return evaluate(self, {**(values or {}), **by_name})

    def run(self, values: Mapping[str, Any] | None = None, **by_name: Any) -> list[Any]:
        """Compute the graph again, as `evaluate`; return the value of every node, in order.

        Example:
            >>> import tinygrad_course as tc
            >>> a = tc.tensor(5.0, requires_grad=True, name="a")
            >>> graph = tc.Graph.of(3 * (a + 6))
            >>> [(node.name, float(v)) for node, v in zip(graph, graph.run(a=1.0))]
            [('a', 1.0), ('6', 6.0), ('u', 7.0), ('3', 3.0), ('J', 21.0)]
        """
        from .replay import run

        return run(self, {**(values or {}), **by_name})

    def to_json(self, values: bool = True) -> str:
        """Return the graph as text that `from_json` reads back exactly.

        Args:
            values: False leaves out the arrays of parameters, data and results; they can then be
                given to `evaluate`.

        Raises:
            GraphError: an operation of the user's own (a `Function`), which text cannot hold.

        Example:
            >>> import tinygrad_course as tc
            >>> a = tc.tensor(5.0, requires_grad=True, name="a")
            >>> text = tc.Graph.of(a * a, backward=True).to_json()
            >>> float(tc.Graph.from_json(text).evaluate(a=3.0)["da"])
            6.0
        """
        from .graph_json import to_json

        return to_json(self, values)

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """Return the graph that `to_json` wrote.

        Raises:
            GraphFileError: (a ValueError) text that is no graph, is damaged, or comes from another
                version.

        Example:
            >>> import tinygrad_course as tc
            >>> graph = tc.Graph.of(tc.tensor(2.0, requires_grad=True, name="w") ** 2)
            >>> print(tc.Graph.from_json(graph.to_json()))
            w              () float32  parameter
            2              () int64    constant
            J = pow(w, 2)  () float32  loss
        """
        from .graph_json import from_json

        return from_json(text)


def leading_to(nodes: Sequence[GraphNode], starts: Iterable[int]) -> set[int]:
    """Return the indices of the nodes that lead to others, these among them."""
    found: set[int] = set()
    stack = list(starts)
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            stack.extend(nodes[i].inputs)
    return found


def _shape_text(sizes: Sizes, node: GraphNode) -> str:
    """Return a shape, in which lengths that count examples are called so: ``(m=5, 2)``."""
    lengths = []
    for axis, n in zip(sizes.axes[node.index], node.shape, strict=True):
        symbol = sizes.length(axis) if sizes.counts(axis) else n
        lengths.append(f"{symbol}={n}" if isinstance(symbol, str) else str(n))
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"


def _param_text(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else text[:39] + "…"
