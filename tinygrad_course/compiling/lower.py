"""Lowering: a graph in operations that one NumPy call computes.

A loss or an activation is one operation to a reader, and several calls to a machine. `lower` writes
such operations out (σ(z) becomes 1/(1 + exp(−z))), so that what follows can give each call a buffer
and fuse neighbours. Lengths are fixed by now: a compiled program is for the shapes it was made for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..derivation.rewriter import Rewriter
from ..derivation.rules import RULES
from ..graph import Graph
from ..op import Op, find
from ..ops.activation import SELU_ALPHA, SELU_SCALE
from .join import JOIN
from .scale import live, scale_early

Lowering = Callable[[Rewriter, tuple[int, ...], dict[str, Any]], int | None]

LOWERINGS: dict[str, Lowering] = {}


def lowering(*names: str) -> Callable[[Lowering], Lowering]:
    """Register how operations are written out."""

    def register(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return register


def of_floats(function: Lowering) -> Lowering:
    """Leave an operation of integers, whose result is of floats, as it is."""

    def checked(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
        return function(r, x, p) if r.nodes[x[0]].dtype.kind == "f" else None

    return checked


class _Lowerer(Rewriter):
    """A rewriter that asks the lowerings too."""

    # Operations that are not written out.
    without: frozenset[str] = frozenset()
    for_loops = False

    def make(self, op: Any, *inputs: int, **params: Any) -> int:
        if isinstance(op, str):
            op = find(op)
        write_out = LOWERINGS.get(op.name) if op.name not in self.without else None
        if write_out is not None:
            found = write_out(self, inputs, {**op.defaults, **params})
            if found is not None:
                return found
        if self._are_numbers(op, inputs):
            values = [self.nodes[i].value for i in inputs]
            with np.errstate(all="ignore"):
                return self.number(op.forward(*values, **{**op.defaults, **params}))
        return super().make(op, *inputs, **params)

    def _are_numbers(self, op: Op, inputs: tuple[int, ...]) -> bool:
        """Return whether an operation computes a number from constants alone."""
        return (
            bool(inputs)
            and op.kind == "elementwise"
            and all(
                self.nodes[i].op is None
                and self.nodes[i].role == "constant"
                and not self.nodes[i].shape
                for i in inputs
            )
        )

    def array(self, value: Any) -> int:
        """Return a node for a fixed array."""
        key = ("array", value.shape, value.dtype.str, value.tobytes())
        index = self._table.get(key)
        if index is None:
            index = self._append(None, (), {}, "", "constant", value.shape, value.dtype, value)
            self._table[key] = index
        return index

    def like(self, number: float, index: int) -> int:
        """Return a number of the dtype of a node."""
        return self.number(self.nodes[index].dtype.type(number))


_KEPT = ("add", "sub", "mul", "div", "neg", "matrix_transpose", "clone", "cast", "broadcast_like",
         "reshape_like", "sum_like", "where", "pow", "insert_axes", "remove_axes")  # fmt: skip


def lower(graph: Graph, for_loops: bool = False) -> Graph:
    """Return the graph written out; leaves keep their names.

    Args:
        graph: simplified, and gathered by `together`.
        for_loops: sums stay sums, which a loop adds up beside what it computes.
    """
    rules = {name: RULES[name] for name in _KEPT if name in RULES}
    r = _Lowerer(rules, exact_dtypes=True)
    r.for_loops = for_loops
    # NumPy warns of the logarithm of 0, unless it is part of an operation that is quiet.
    r.without = frozenset({"sum" if for_loops else "logsumexp"})
    new: dict[int, int] = {}
    for node in graph:
        r.role = node.role if node.op is not None else "forward"
        if node.op is None:
            new[node.index] = r.leaf(node)
        elif node.op.kind == "random":
            new[node.index] = r.drawn(node, [new[i] for i in node.inputs])
        else:
            new[node.index] = r.make(node.op, *(new[i] for i in node.inputs), **node.params)
        made = r.nodes[new[node.index]]
        if not made.name and not node.anonymous and node.role != "constant":
            made.name = node.name
    outputs = [new[n.index] for n in graph.outputs]
    lowered = Graph(r.nodes, outputs, [(new[s], new[v]) for s, v in graph.updates])
    for node in graph:
        if node.op is None:
            lowered[new[node.index]].grad = None if node.grad is None else new[node.grad]
    return scale_early(live(lowered))


# --- sums and layers ----------------------------------------------------------------------------


@lowering("affine")
def _affine(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    a, b, c = x
    return r.make("add", r.make("matrix_product", a, b), c)  # type: ignore[no-any-return]


@lowering("join")
def _join(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Along the first axis, arrays are joined as they lie in memory."""
    nodes = [r.nodes[i] for i in x]
    axis = p["axis"] % max(len(nodes[0].shape), 1)
    same = all(n.dtype == nodes[0].dtype for n in nodes)
    if r.for_loops or not same or any(n != 1 for n in nodes[0].shape[:axis]):
        return None
    shape = list(nodes[0].shape)
    shape[axis] = sum(n.shape[axis] for n in nodes)
    return r.make("reshape_to", r.emit(JOIN, x, {}), shape=tuple(shape))  # type: ignore[no-any-return]


@lowering("count")
def _count(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    node = r.nodes[x[0]]
    axis = p["axis"]
    axes = range(len(node.shape)) if axis is None else axis if type(axis) is tuple else (axis,)
    n = float(np.prod([node.shape[a] for a in axes]))
    dtype = node.dtype if node.dtype.kind == "f" else np.dtype(np.float64)
    return r.number(dtype.type(n))  # type: ignore[no-any-return]


@lowering("mean")
def _mean(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    n = _count(r, x, {"axis": p["axis"]})
    return r.make("div", r.make("sum", *x, **p), n)  # type: ignore[no-any-return]


@lowering("sum_like")
def _sum_like(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Sum over fixed axes."""
    old, new = r.nodes[x[0]].shape, r.nodes[x[1]].shape
    if old == new:
        return x[0]
    extra = len(old) - len(new)
    axes = tuple(range(extra))
    stretched = tuple(k for k, n in enumerate(new) if n == 1 and old[k + extra] != 1)
    index = x[0]
    if axes:
        index = r.make("sum", index, axis=axes, keepdims=False)
    if stretched:
        index = r.make("sum", index, axis=stretched, keepdims=True)
    return index


@lowering("square")
def _square(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("mul", x[0], x[0])  # type: ignore[no-any-return]


@lowering("norm2")
def _norm(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("sqrt", r.make("sum", r.make("mul", x[0], x[0]), **p))  # type: ignore[no-any-return]


MOST_TERMS = 1 << 13
# Σ a b over all elements: one call, and no array for the products.
PRODUCT_SUM = Op(
    "sum of products", np.vdot, inputs=("a", "b"), kind="linalg", numpy="np.vdot({a}, {b})"
)


@lowering("sum")
def _sum(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Sums over everything open brackets; sums over rows or columns are products with ones."""
    (i,) = x
    node = r.nodes[i]
    if node.dtype.kind != "f" or not node.shape:
        return None
    if p["axis"] is None and not p["keepdims"]:
        return _total(r, i)
    if len(node.shape) != 2 or not node.size or p["axis"] not in (0, 1, (0,), (1,)):
        return None
    axis = p["axis"] if isinstance(p["axis"], int) else p["axis"][0]
    if axis == 0:
        ones = r.array(np.ones(node.shape[0], node.dtype))
        found = r.make("matrix_product", ones, i)
        return r.make("insert_axes", found, axis=(0,)) if p["keepdims"] else found  # type: ignore[no-any-return]
    if not p["keepdims"]:
        return None
    return r.make("matrix_product", i, r.array(np.ones((node.shape[1], 1), node.dtype)))  # type: ignore[no-any-return]


def _total(r: Any, i: int) -> int | None:
    """Return Σ of a node as products and sums of its terms, None when that gains nothing."""
    if r.is_op(i, "neg"):
        return r.make("neg", r.make("sum", *r.inputs(i)))  # type: ignore[no-any-return]
    if r.is_op(i, "mul"):
        a, b = r.inputs(i)
        # BLAS adds up in the precision of its operands, term by term: for large arrays NumPy's
        # pairwise sum is much more exact.
        small = r.nodes[i].size <= (MOST_TERMS if r.nodes[i].dtype.itemsize < 8 else 1 << 20)
        same = r.nodes[a].shape == r.nodes[b].shape and r.nodes[a].dtype == r.nodes[b].dtype
        if small and same:
            return r.emit(PRODUCT_SUM, (a, b), {})  # type: ignore[no-any-return]
    if r.is_op(i, "add", "sub"):
        op = r.nodes[i].op
        terms = r.inputs(i)
        if all(r.nodes[t].shape == r.nodes[i].shape for t in terms) and all(
            r.is_op(t, "mul") for t in terms
        ):
            return r.make(op, *(r.make("sum", t) for t in terms))  # type: ignore[no-any-return]
    return None


@lowering("mul")
def _mul(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Numbers are multiplied first: s (t X) = (s t) X. A mask is made an array of numbers."""
    for mask, y in (x, x[::-1]):
        # NumPy converts small pieces of a mask one by one; all at once is faster.
        if r.nodes[mask].dtype.kind == "b" and r.nodes[y].dtype.kind == "f" and not r.for_loops:
            if r.nodes[mask].shape:
                numbers = r.make("cast", mask, dtype=r.nodes[y].dtype.name)
                return r.make("mul", *(numbers if i == mask else i for i in x))  # type: ignore[no-any-return]
    for s, y in (x, x[::-1]):
        if r.nodes[s].shape or not r.nodes[y].shape or not r.is_op(y, "mul"):
            continue
        for t, core in (r.inputs(y), r.inputs(y)[::-1]):
            # A Python number times a truth value would be float64.
            if not r.nodes[t].shape and r.nodes[core].shape and r.nodes[t].dtype.kind == "f":
                return r.make("mul", r.make("mul", s, t), core)  # type: ignore[no-any-return]
    return None


@lowering("pow")
def _pow(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """x² and |x|² are products."""
    a, b = x
    node, two = r.nodes[a], r.nodes[b]
    if r.for_loops or node.dtype.kind != "f" or not node.shape or not r.is_number(b, 2):
        return None
    if isinstance(two.value, np.generic) and two.dtype != node.dtype:
        return None
    a = r.inputs(a)[0] if r.is_op(a, "abs") else a
    return r.make("mul", a, a) if r.nodes[a].dtype == node.dtype else None


# --- activations --------------------------------------------------------------------------------


@lowering("sigmoid")
def _sigmoid(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    if r.nodes[x[0]].dtype.kind != "f":
        return None
    return r.make("reciprocal", r.make("add", r.make("exp", r.make("neg", *x)), r.like(1, x[0])))  # type: ignore[no-any-return]


@lowering("relu")
def _relu(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("maximum", x[0], r.like(0, x[0]))  # type: ignore[no-any-return]


@lowering("leaky_relu")
def _leaky(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    slope = p["negative_slope"]
    if not 0 <= slope <= 1:
        return None
    return r.make("maximum", x[0], r.make("mul", x[0], r.like(slope, x[0])))  # type: ignore[no-any-return]


@lowering("softplus")
def _softplus(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    """max(x, 0) + log(1 + exp(−|x|))."""
    small = r.make("log1p", r.make("exp", r.make("neg", r.make("abs", *x))))
    return r.make("add", r.make("maximum", x[0], r.like(0, x[0])), small)  # type: ignore[no-any-return]


@lowering("silu")
def _silu(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("mul", x[0], r.make("sigmoid", *x))  # type: ignore[no-any-return]


@lowering("mish")
@of_floats
def _mish(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("mul", x[0], r.make("tanh", r.make("softplus", *x)))  # type: ignore[no-any-return]


@lowering("logsigmoid")
@of_floats
def _logsigmoid(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    """min(x, 0) − log(1 + exp(−|x|))."""
    small = r.make("log1p", r.make("exp", r.make("neg", r.make("abs", *x))))
    return r.make("sub", r.make("minimum", x[0], r.like(0, x[0])), small)  # type: ignore[no-any-return]


@lowering("selu")
@of_floats
def _selu(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("mul", r.make("elu", *x, alpha=SELU_ALPHA), r.like(SELU_SCALE, x[0]))  # type: ignore[no-any-return]


@lowering("celu")
@of_floats
def _celu(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    zero, alpha = r.like(0, x[0]), r.like(p["alpha"], x[0])
    low = r.make("expm1", r.make("div", r.make("minimum", x[0], zero), alpha))
    return r.make("where", r.make("gt", x[0], zero), x[0], r.make("mul", alpha, low))  # type: ignore[no-any-return]


@lowering("softsign")
@of_floats
def _softsign(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("div", x[0], r.make("add", r.make("abs", *x), r.like(1, x[0])))  # type: ignore[no-any-return]


@lowering("hardtanh")
@of_floats
def _hardtanh(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return _between(r, x[0], p["min_val"], p["max_val"])


@lowering("hardsigmoid")
@of_floats
def _hardsigmoid(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    six = _between(r, r.make("add", x[0], r.like(3, x[0])), 0, 6)
    return r.make("div", six, r.like(6, x[0]))  # type: ignore[no-any-return]


@lowering("hardswish")
@of_floats
def _hardswish(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    six = _between(r, r.make("add", x[0], r.like(3, x[0])), 0, 6)
    return r.make("div", r.make("mul", x[0], six), r.like(6, x[0]))  # type: ignore[no-any-return]


def _between(r: Any, x: int, low: float, high: float) -> int:
    above = r.make("maximum", x, r.like(low, x))
    return r.make("minimum", above, r.like(high, x))  # type: ignore[no-any-return]


@lowering("softmax")
def _softmax(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    e = r.make("exp", _below_top(r, x[0], p["axis"]))
    return r.make("div", e, r.make("sum", e, axis=p["axis"], keepdims=True))  # type: ignore[no-any-return]


@lowering("log_softmax")
def _log_softmax(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    low = _below_top(r, x[0], p["axis"])
    total = r.make("sum", r.make("exp", low), axis=p["axis"], keepdims=True)
    return r.make("sub", low, r.make("log", total))  # type: ignore[no-any-return]


@lowering("logsumexp")
def _logsumexp(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Log Σ exp(x − t) + t, with the largest t where it is finite, and 0 elsewhere."""
    (i,) = x
    if r.nodes[i].dtype.kind != "f" or not r.nodes[i].size:
        return None
    top = r.make("amax", i, axis=p["axis"], keepdims=True)
    top = r.make("where", r.make("isfinite", top), top, r.like(0, i))
    total = r.make("sum", r.make("exp", r.make("sub", i, top)), axis=p["axis"], keepdims=True)
    y = r.make("add", r.make("log", total), top)
    if p["keepdims"]:
        return y  # type: ignore[no-any-return]
    axis = p["axis"] if p["axis"] is not None else tuple(range(len(r.nodes[i].shape)))
    return r.make("remove_axes", y, axis=axis if isinstance(axis, tuple) else (axis,))  # type: ignore[no-any-return]


def _below_top(r: Any, x: int, axis: int) -> int:
    return r.make("sub", x, r.make("amax", x, axis=axis, keepdims=True))  # type: ignore[no-any-return]


@lowering("one_hot")
def _one_hot(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int | None:
    """Where the class numbers, laid along the axis, equal the label."""
    index = r.nodes[x[0]]
    if index.dtype.kind not in "iu":
        return None
    ndim = len(index.shape) + 1
    axis = p["axis"] % ndim
    numbers = np.arange(p["classes"], dtype=index.dtype)
    laid = r.array(numbers.reshape((-1,) + (1,) * (ndim - 1 - axis)))
    same = r.make("eq", r.make("insert_axes", *x, axis=(axis,)), laid)
    return r.make("cast", same, dtype="float64")  # type: ignore[no-any-return]


# --- losses -------------------------------------------------------------------------------------


@lowering("bce")
def _bce(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    """−(y max(log a, −100) + (1 − y) max(log(1 − a), −100))."""
    a, y = x
    one, least = r.like(1, a), r.like(-100, a)
    first = r.make("mul", y, r.make("maximum", r.make("log", a), least))
    log = r.make("maximum", r.make("log", r.make("sub", one, a)), least)
    return r.make("neg", r.make("add", first, r.make("mul", r.make("sub", one, y), log)))  # type: ignore[no-any-return]


@lowering("bce_with_logits")
def _bce_with_logits(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    """max(z, 0) − z y + log(1 + exp(−|z|)): in this order, a small last term is not lost."""
    z, y = x
    small = r.make("log1p", r.make("exp", r.make("neg", r.make("abs", z))))
    near = r.make("sub", r.make("maximum", z, r.like(0, z)), r.make("mul", z, y))
    return r.make("add", near, small)  # type: ignore[no-any-return]


@lowering("huber")
def _huber(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    d = r.make("abs", r.make("sub", *x))
    near = r.make("minimum", d, r.like(p["delta"], d))
    half = r.make("mul", near, r.like(0.5, d))
    return r.make("mul", near, r.make("sub", d, half))  # type: ignore[no-any-return]


@lowering("clip_between")
def _clip(r: Any, x: tuple[int, ...], p: dict[str, Any]) -> int:
    return r.make("minimum", r.make("maximum", x[0], x[1]), x[2])  # type: ignore[no-any-return]
