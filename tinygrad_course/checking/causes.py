"""Names for what went wrong in a gradient check: sentences instead of a bare mismatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..node import Node
from ..tensor import Tensor
from .report import shown

Array = NDArray[Any]

# How closely a factor or a transposed matrix must fit to be named.
FIT = 1e-4


def nodes_of(outputs: list[Tensor]) -> Iterator[Node]:
    """Yield the nodes of the graph behind `outputs`, each once."""
    stack = [y._node for y in outputs if y._node is not None]
    seen = {id(node) for node in stack}
    while stack:
        node = stack.pop()
        yield node
        for source in node.inputs:
            if isinstance(source, Node) and id(source) not in seen:
                seen.add(id(source))
                stack.append(source)


def operands(node: Node) -> list[Any]:
    """Return the arrays and numbers that `node` was computed from."""
    values = []
    for source in node.inputs:
        if isinstance(source, Node):
            values.append(source.data)
        else:
            values.append(source.numpy() if isinstance(source, Tensor) else source)
    return values


class Facts:
    """What the recorded graph tells about a function, kept after the graph is gone.

    Attributes:
        narrow: name of an operation that computes in less than float64, and its dtype.
        lengths: lengths of the axes of the data, for naming a factor m.
        custom: names of custom operations, whose derivatives their author wrote.
    """

    def __init__(self, outputs: list[Tensor], points: list[Tensor]) -> None:
        """Read the graph behind `outputs`."""
        self.narrow: tuple[str, str] | None = None
        self.lengths: set[int] = set()
        custom: dict[str, None] = {}
        own = {id(p) for p in points}
        for node in nodes_of(outputs):
            if node.needs and node.data.dtype in (np.float32, np.float16):
                self.narrow = (node.op.name, str(node.data.dtype))
            if node.op.kind == "custom":
                custom[node.op.name] = None
            for source in node.inputs:
                if not isinstance(source, Node) and id(source) not in own:
                    self.lengths.update(np.shape(source))
        self.custom = tuple(custom)

    def author(self) -> str:
        """Return a hint at custom operations, whose backward is the first suspect."""
        if not self.custom:
            return ""
        return f" Look at the backward of {' and '.join(self.custom)}."


def factor(analytic: Array, numeric: Array, lengths: set[int]) -> str:
    """Return a sentence when `analytic` is a plain multiple of `numeric`, else ""."""
    norm = float(numeric @ numeric)
    size = float(np.linalg.norm(analytic))
    if norm == 0:
        return (
            "a gradient reaches it, but moving it changes nothing: the function uses values "
            "computed from it before the check (compute them inside), or a rule is wrong."
        )
    if size == 0:
        return (
            "the analytic gradient is zero everywhere: a term or an activation's derivative is "
            "missing, or the gradient was never passed on."
        )
    c = float(analytic @ numeric) / norm
    if np.linalg.norm(analytic - c * numeric) > FIT * size or analytic.size < 1:
        return ""
    if abs(c - 1) < FIT:
        return ""
    sign = " with the sign flipped" if c < 0 else ""
    amount = abs(c)
    if abs(amount - 1) < FIT:
        return "analytic is exactly −1 × numeric: the sign is flipped (Y − A where A − Y belongs?)."
    whole, inverse = round(amount), round(1 / amount)
    if whole >= 2 and abs(amount - whole) < FIT * whole:
        text = f"analytic is exactly {'−' if sign else ''}{whole} × numeric{sign}: "
        if whole in lengths and whole > 2:
            return text + f"{whole} is the length of a data axis: is the mean's 1/m missing?"
        if whole == 2:
            also = " or, with m = 2 examples, a missing 1/m" if 2 in lengths else ""
            return text + f"a factor 2 too many, a missing ½, or a gradient added twice{also}."
        return text + f"a factor {whole} too many, for example in 1/m."
    if inverse >= 2 and abs(1 / amount - inverse) < FIT * inverse:
        text = f"analytic is exactly {'−' if sign else ''}1/{inverse} × numeric{sign}: "
        if inverse in lengths and inverse > 2:
            return text + f"{inverse} is the length of a data axis: divided by m once too often?"
        if inverse == 2:
            return text + "a factor 2 is missing, or one of two equal terms."
        return text + f"a division by {inverse} too many, for example by m twice."
    return f"analytic is {c:.6g} × numeric at every entry: a constant factor is wrong."


def transposed(analytic: Array, numeric: Array, shape: tuple[int, ...]) -> str:
    """Return a sentence when the gradient is right but for a transpose, else ""."""
    if len(shape) != 2 or min(shape) < 2:
        return ""
    flipped = numeric.reshape(-1, *shape).swapaxes(1, 2).reshape(numeric.shape)
    size = float(np.linalg.norm(analytic))
    if size == 0 or np.linalg.norm(analytic - flipped) > FIT * size:
        return ""
    if np.linalg.norm(numeric - flipped) <= FIT * size:
        return ""  # symmetric: a transpose would not show
    return (
        "analytic is the transpose of numeric: swap the factors of the matrix product, "
        "or transpose its result (a reshape is not a transpose)."
    )


def unreached(name: str, largest: float, requires: bool) -> str:
    """Return why no gradient reaches a point, judged by whether the function depends on it."""
    if largest > 0:
        what = "no gradient reaches it" if requires else "the output does not require grad"
        return (
            f"{name}: {what}, although the function depends on it (numeric slope {largest:.3g}): "
            "it is detached on the way, by .detach(), .data, .numpy(), .item(), no_grad, a new "
            "tensor made from its values, or a conversion to integers."
        )
    return (
        f"{name}: no gradient reaches it, and moving it changes nothing: it is unused, or used "
        "only where the function is flat (comparisons, sign, rounding, indices)."
    )


def _to_zero(x: Any, **_: Any) -> float:
    return float(np.min(np.abs(x), initial=np.inf))


def _to_tie(a: Any, b: Any, **_: Any) -> float:
    return float(np.min(np.abs(np.subtract(a, b)), initial=np.inf))


def _to_edge(x: Any, *edges: Any, **params: Any) -> float:
    bounds = [b for b in (*edges, *params.values()) if isinstance(b, (int, float, np.ndarray))]
    return min((_to_tie(x, b) for b in bounds), default=np.inf)


def _to_second(x: Any, axis: Any = None, **_: Any) -> float:
    if axis is None or isinstance(axis, tuple):
        x, axis = np.reshape(x, -1), 0
    if np.ndim(x) == 0 or np.shape(x)[axis] < 2:
        return np.inf
    ordered = np.sort(x, axis=axis)
    return float(np.min(np.abs(np.diff(ordered, axis=axis)), initial=np.inf))


# Operations with kinks -> how far their operands are from one.
KINKS: dict[str, Callable[..., float]] = {
    "relu": _to_zero,
    "leaky_relu": _to_zero,
    "elu": _to_zero,
    "abs": _to_zero,
    "sqrt": _to_zero,
    "norm2": _to_zero,
    "maximum": _to_tie,
    "minimum": _to_tie,
    "clip_between": _to_edge,
    "amax": _to_second,
    "amin": _to_second,
    "sign": _to_zero,
}
# Operations that the user calls by another name.
CALLED = {"norm2": "norm", "clip_between": "clamp", "amax": "max", "amin": "min"}


def kinked_operation(outputs: list[Tensor]) -> str:
    """Return the name of the operation whose operands lie nearest to a kink, or ""."""
    best, name = 1e-3, ""
    for node in nodes_of(outputs):
        distance = KINKS.get(node.op.name)
        if distance is not None:
            try:
                far = distance(*operands(node), **node.params)
            except (TypeError, ValueError, IndexError):
                continue  # an unusual form of the operation: leave it unnamed
            if far < best:
                best, name = far, CALLED.get(node.op.name, node.op.name)
    return name


def kink_sentence(
    name: str, what: str, index: tuple[int, ...], left: float, right: float, analytic: float
) -> str:
    """Return the sentence that names a kink."""
    between = min(left, right) - 1e-6 <= analytic <= max(left, right) + 1e-6
    judged = "is between them, a valid choice" if between else "is not between them"
    return (
        f"{name}: {what or 'the function'} has a kink at entry {shown(index)}: left slope "
        f"{left:.6g}, right slope {right:.6g}; the analytic {analytic:.6g} {judged}."
    )
