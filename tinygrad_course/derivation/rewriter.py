"""A graph being rebuilt, node by node, in its simplest form.

`Rewriter.make` is the one way a node comes to be: it asks the rules of the operation (see `rules`)
for something simpler, and otherwise returns the node that already computes the same, or a new one.
The graph it reads is never changed. Every new node carries its value, so a rewritten graph can be
compared with the original number by number.

Scalar factors are kept outermost: a scaled node is ``mul(coefficient, core)``, possibly negated,
where a coefficient is a number times powers of the numbers of examples, such as 2/m. That is what
lets 1/m travel from the cost, where it arises, to the gradients, where courses write it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..graph import GraphNode
from ..naming import is_data
from ..op import Op, find
from .sizes import Sizes

RuleFunction = Callable[[Any, str, tuple[int, ...], dict[str, Any]], int | None]

COMMUTATIVE = frozenset({"add", "mul", "maximum", "minimum", "eq", "ne", "inner"})


@dataclass(frozen=True)
class Coefficient:
    """A number times powers of lengths, given as (class of axes, exponent)."""

    number: float = 1
    powers: tuple[tuple[int, int], ...] = ()

    def __mul__(self, other: Coefficient) -> Coefficient:
        powers = dict(self.powers)
        for axis, exponent in other.powers:
            powers[axis] = powers.get(axis, 0) + exponent
        kept = tuple(sorted((a, e) for a, e in powers.items() if e))
        return Coefficient(_product(self.number, other.number), kept)

    @property
    def is_one(self) -> bool:
        """True for the number 1."""
        return self.number == 1 and not self.powers

    def inverse(self) -> Coefficient:
        """Return the reciprocal."""
        return Coefficient(_ratio(1, self.number), tuple((a, -e) for a, e in self.powers))

    def negative(self) -> Coefficient:
        """Return the coefficient with the other sign."""
        return Coefficient(-self.number, self.powers)


ONE = Coefficient()


def _product(a: float, b: float) -> float:
    """Multiply; the product of 1/3 and 3 is 1, as on paper."""
    for x, y in ((a, b), (b, a)):
        whole = _ratio(1, x) if x else 0
        if isinstance(whole, int) and whole and not isinstance(x, int):
            return _ratio(y, whole)
    return a * b


def _ratio(a: float, b: float) -> float:
    """Divide; the result is an integer where it is one."""
    quotient = a / b
    if quotient.is_integer() and abs(quotient) < 1e15 and quotient * b == a:
        return int(quotient)
    return quotient


def _fraction(number: float) -> tuple[float, int]:
    """Return a number as a fraction for 1/(2m) and 2/(3m), where 0.1/m stays.

    >>> _fraction(0.5), _fraction(2 / 3), _fraction(0.1)
    ((1, 2), (2, 3), (0.1, 1))
    """
    if not math.isfinite(number):
        return number, 1
    found = Fraction(number).limit_denominator(1000)
    if float(found) != number or (len(repr(number)) < 8 and found.denominator not in (2, 4, 8)):
        return number, 1
    return found.numerator, found.denominator


class Rewriter:
    """Builds simplified nodes; see the module's text.

    Args:
        rules: operation name -> functions ``(rewriter, op, inputs, params) -> index or None``.
        exact_dtypes: keep conversions between float types; otherwise everything is float64.
    """

    def __init__(self, rules: dict[str, list[RuleFunction]], exact_dtypes: bool = True) -> None:
        self.rules = rules
        self.exact_dtypes = exact_dtypes
        self.nodes: list[GraphNode] = []
        self.sizes = Sizes()
        # True while the backward pass is rebuilt: only there factors are moved.
        self.backward = False
        # The role of the nodes that are made now.
        self.role = "forward"
        self.looks_through = True
        # True to compute in the forward pass again what was computed twice there.
        self.keeps_steps = False
        # Named cotangents: node -> what it stands for.
        self.stands_for: dict[int, int] = {}
        # Labels taken to sum to 1 along an axis.
        self.assumed: dict[int, int] = {}
        self._table: dict[Any, int] = {}
        self._coefficients: dict[int, Coefficient] = {}
        # (class of axes, dtype) -> a node that counts it.
        self._counts: dict[tuple[int, str], int] = {}

    # --- making nodes -----------------------------------------------------------------------

    def leaf(self, node: GraphNode, lonely: Sequence[int] = ()) -> int:
        """Copy a leaf of the original graph; its axes `lonely` are plain lengths of 1."""
        if node.role == "constant" and node.size == 1 and not node.is_backward:
            return self.number(node.value)
        value = node.value
        dtype = node.dtype
        if not self.exact_dtypes and dtype.kind == "f":
            dtype = np.dtype(np.float64)
            value = None if value is None else np.asarray(value, dtype)
        index = self._append(None, (), {}, node.name, node.role, node.shape, dtype, value)
        for place in lonely:
            self.sizes.fix(self.sizes.axes[index][place])
        return index

    def number(self, value: Any) -> int:
        """Return the node of a number."""
        plain = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
        if not self.exact_dtypes:
            value = plain
        kind = type(value).__name__ if not hasattr(value, "dtype") else str(value.dtype)
        key = ("number", kind, repr(plain))
        index = self._table.get(key)
        if index is None:
            array = np.asarray(value)
            index = self._append(None, (), {}, "", "constant", array.shape, array.dtype, value)
            self._table[key] = index
            if isinstance(plain, (int, float)) and not isinstance(plain, bool):
                if array.ndim == 0 and math.isfinite(plain):
                    self._coefficients[index] = Coefficient(plain)
        return index

    def make(self, op: Op | str, *inputs: int, **params: Any) -> int:
        """Return a node that computes ``op(*inputs, **params)``, as simple as the rules make it."""
        if isinstance(op, str):
            op = find(op)
        params = {**op.defaults, **params}
        for rule in self.rules.get(op.name, ()):
            found = rule(self, op.name, inputs, params)
            if found is not None:
                return found
        return self.emit(op, inputs, params)

    def drawn(self, node: GraphNode, inputs: Sequence[int]) -> int:
        """Copy a random operation, with what it drew: nothing is drawn anew."""
        value = None if node.value is None else np.asarray(node.value)
        if value is not None and not self.exact_dtypes:
            value = value.astype(np.float64)
        dtype = node.dtype if value is None else value.dtype
        role = self.role
        shape = node.shape
        return self._append(node.op, tuple(inputs), node.params, "", role, shape, dtype, value)

    def emit(self, op: Op | str, inputs: Sequence[int], params: dict[str, Any]) -> int:
        """Return a node of exactly this operation: a known one if there is, else a new one."""
        if isinstance(op, str):
            op = find(op)
        inputs = tuple(inputs)
        order = tuple(sorted(inputs)) if op.name in COMMUTATIVE else inputs
        key: Any = (op.name, order, _key(params))
        if op.kind == "custom":
            key = object()
        index = self._table.get(key)
        if index is None or (self.keeps_steps and not self.backward):
            value = self._value(op, inputs, params)
            shape, dtype = np.shape(value), np.asarray(value).dtype
            known = all(
                self.nodes[i].value is not None
                for i, name in zip(inputs, _names(op, len(inputs)), strict=True)
                if name not in op.like
            )
            role = self.role
            index = self._append(
                op, inputs, params, "", role, shape, dtype, value if known else None
            )
            self._table[key] = index
            if op.name == "count":
                self._note_count(index)
        return index

    def opaque(self, index: int, name: str) -> int:
        """Return a node called `name` that stands for another; only cancellations look into it."""
        key = ("opaque", index, name)
        made = self._table.get(key)
        if made is None:
            node = self.nodes[index]
            made = self._append(
                find("clone"), (index,), {}, name, "backward", node.shape, node.dtype, node.value
            )
            self._table[key] = made
            self.stands_for[made] = index
        return made

    def _value(self, op: Op, inputs: Sequence[int], params: dict[str, Any]) -> Any:
        arrays = []
        for i in inputs:
            node = self.nodes[i]
            value = node.value
            # What was overwritten since is unknown; ones of its shape tell the shape.
            arrays.append(np.ones(node.shape, node.dtype) if value is None else value)
        with np.errstate(all="ignore"):
            return op.forward(*arrays, **params)

    def _append(
        self,
        op: Op | None,
        inputs: tuple[int, ...],
        params: dict[str, Any],
        name: str,
        role: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        value: Any,
    ) -> int:
        index = len(self.nodes)
        node = GraphNode(index, op, inputs, params, name, role, shape, dtype, value)
        self.nodes.append(node)
        self.sizes.add(node)
        return index

    # --- looking at nodes -------------------------------------------------------------------

    def is_op(self, index: int, *names: str) -> bool:
        """Return True when a node is one of these operations."""
        op = self.nodes[index].op
        return op is not None and op.name in names

    def inputs(self, index: int) -> tuple[int, ...]:
        """Return the inputs of a node."""
        return self.nodes[index].inputs

    def params(self, index: int) -> dict[str, Any]:
        """Return the parameters of a node."""
        return self.nodes[index].params

    def see(self, index: int) -> int:
        """Return what a named cotangent stands for; other nodes as they are."""
        while self.looks_through and index in self.stands_for:
            index = self.stands_for[index]
        return index

    def is_number(self, index: int, value: float) -> bool:
        """Return True for the constant `value`."""
        found = self._coefficients.get(index)
        return found is not None and not found.powers and found.number == value

    def ndim(self, index: int) -> int:
        """Return the number of axes of a node."""
        return len(self.nodes[index].shape)

    def fits(self, small: int, large: int) -> bool:
        """Return True when a node broadcasts to the shape of another, for any m."""
        a, b = self.sizes.axes[small], self.sizes.axes[large]
        root = self.sizes.root
        return len(a) <= len(b) and all(
            self.sizes.is_one(p) or root(p) == root(q)
            for p, q in zip(reversed(a), reversed(b), strict=False)
        )

    # --- scalar factors ---------------------------------------------------------------------

    def coefficient(self, index: int) -> Coefficient | None:
        """Return a node as a coefficient, None when it is no number."""
        return self._coefficients.get(index)

    def split(self, index: int) -> tuple[Coefficient, int]:
        """Return a node as a coefficient times a core."""
        negative = False
        while self.is_op(index, "neg"):
            index = self.inputs(index)[0]
            negative = not negative
        c = ONE
        if self.is_op(index, "mul"):
            first, second = self.inputs(index)
            known = self._coefficients.get(first)
            if known is not None and second not in self._coefficients:
                # Moved on and on, a factor could outgrow the numbers there are.
                if 1e-100 < abs(known.number) < 1e100:
                    c, index = known, second
        return c.negative() if negative else c, index

    def scaled(self, c: Coefficient, core: int) -> int:
        """Return a node for a coefficient times a core."""
        if c.is_one:
            return core
        own = self._coefficients.get(core)
        if own is not None:
            return self.factor(c * own, self.nodes[core].dtype)
        inner, core = self.split(core)
        c = c * inner
        if c.is_one:
            return core
        # NumPy has no negative of a condition: −(z > 0) is written −1 (z > 0).
        if c.number < 0 and self.nodes[core].dtype.kind != "b":
            if self.is_op(core, "sub") and self.coefficient(self.inputs(core)[0]) is None:
                a, b = self.inputs(core)
                return self.scaled(c.negative(), self.make("sub", b, a))
            return self.emit("neg", (self.scaled(c.negative(), core),), {})
        return self.emit("mul", (self.factor(c, self.nodes[core].dtype), core), {})

    def factor(self, c: Coefficient, dtype: np.dtype[Any]) -> int:
        """Return a node for a coefficient alone."""
        if not c.powers:
            return self.number(c.number)
        if c.number < 0:
            index = self.emit("neg", (self.factor(c.negative(), dtype),), {})
            self._coefficients[index] = c
            return index
        number, divisor = c.number, 1
        if not isinstance(number, int):
            number, divisor = _fraction(number)
        top = self._power_product(number, [(a, e) for a, e in c.powers if e > 0], dtype)
        bottom = self._power_product(divisor, [(a, -e) for a, e in c.powers if e < 0], dtype)
        index = top
        if not self.is_number(bottom, 1):
            index = self.emit("div", (top, bottom), {})
        self._coefficients[index] = c
        return index

    def _power_product(
        self, number: float, powers: list[tuple[int, int]], dtype: np.dtype[Any]
    ) -> int:
        index: int | None = None if number == 1 and powers else self.number(number)
        for axis, exponent in powers:
            count = self._count(axis, dtype)
            for _ in range(exponent):
                index = count if index is None else self.emit("mul", (index, count), {})
        assert index is not None
        return index

    def count_of(self, x: int, axis: Any) -> Coefficient:
        """Return the number of elements along axes: numbers of examples, times plain lengths."""
        axes = self.sizes.axes[x]
        places = range(len(axes)) if axis is None else axis if type(axis) is tuple else (axis,)
        number = 1
        powers: dict[int, int] = {}
        for place in places:
            root = self.sizes.root(axes[place])
            if self.sizes.counts(axes[place]):
                powers[root] = powers.get(root, 0) + 1
            else:
                number *= self.nodes[x].shape[place]
        return Coefficient(number, tuple(sorted(powers.items())))

    def _note_count(self, index: int) -> None:
        """Note what a count node counts."""
        (x,) = self.inputs(index)
        c = self.count_of(x, self.params(index)["axis"])
        self._coefficients[index] = c
        if c.number == 1 and len(c.powers) == 1 and c.powers[0][1] == 1:
            self._counts.setdefault((c.powers[0][0], self.nodes[index].dtype.name), index)

    def _count(self, axis: int, dtype: np.dtype[Any]) -> int:
        """Return a node that counts a class of axes, of the dtype of what it multiplies."""
        if dtype.kind != "f":
            dtype = np.dtype(np.float64)
        axis = self.sizes.root(axis)
        known = self._counts.get((axis, dtype.name))
        if known is not None:
            return known
        for node in self.nodes:
            if not is_data(node):
                continue
            for place, other in enumerate(self.sizes.axes[node.index]):
                if self.sizes.root(other) == axis:
                    index = self.emit("count", (node.index,), {"axis": place})
                    if self.nodes[index].dtype != dtype:
                        index = self.emit("cast", (index,), {"dtype": dtype.name})
                        self._coefficients[index] = Coefficient(1, ((axis, 1),))
                    self._counts[axis, dtype.name] = index
                    return index
        return next(i for (root, _), i in self._counts.items() if self.sizes.root(root) == axis)


def _names(op: Op, count: int) -> list[str]:
    """Return the names of the inputs as `Op.like` writes them."""
    if not op.variadic:
        return list(op.inputs)
    return [f"{op.inputs[0]}[{k}]" for k in range(count)]


def _key(value: Any) -> Any:
    """Return something hashable that is equal for equal parameters."""
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in value.items())
    if isinstance(value, (tuple, list)):
        return tuple(_key(part) for part in value)
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, (int, float, str, bool, type(None))):
        return (type(value).__name__, value)
    if isinstance(value, (slice, np.dtype, type(Ellipsis), Op)):
        return repr(value)
    return id(value)
