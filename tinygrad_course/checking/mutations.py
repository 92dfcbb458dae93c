"""What a mistake in an operation is, and what it may draw on.

A `Mutation` is another value that an operation might have yielded, with the words for it. A `Scene`
is the surroundings that mistakes are made in: the operations behind one value of the learner's, and
what could have been taken in the place of what. The mistakes themselves are in `wholes` (in the
value of a line) and `operands` (in one operation); whether one is what the learner did is decided
in `diagnosis`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import op
from ..graph import GraphNode
from .judgement import Judgement
from .tape import forward

Array = NDArray[Any]


@dataclass(frozen=True)
class Mutation:
    """A mistake in one operation.

    Attributes:
        kind: the kind of mistake.
        node: the operation.
        value: what it yields with the mistake.
        text: a sentence without its subject, with fields ``{0}`` … for `parts`, and ``{c}``.
        parts: nodes to be written in the text, or texts.
        cost: how unlikely it is; of several that fit, the likeliest is named.
        direction: with it the mistake yields value + c · direction, c to be found.
    """

    kind: str
    node: int
    value: Array
    text: str = ""
    parts: tuple[int | str, ...] = ()
    cost: float = 3.0
    direction: Array | None = None


# How many quantities are tried in the place of one.
MOST = 40

# The derivatives of activations as learners write them: activation, text, and how far-fetched.
SLOPES = (
    ("tanh", "1 − {0}²", 0.0),
    ("sigmoid", "{0} * (1 − {0})", 0.0),
    ("relu", "({0} > 0)", 0.0),
    ("relu", "({0} < 0)", 0.0),
    ("leaky relu", "leaky_relu′({0})", 0.0),
    ("sigmoid", "σ′({0})", 0.3),
    ("tanh", "tanh′({0})", 0.3),
)


def slopes(v: Array) -> list[Array]:
    """Return what each of `SLOPES` gives at `v`."""
    with np.errstate(all="ignore"):
        sigmoid = 1 / (1 + np.exp(-np.clip(v, -700, 700)))
        found = [
            1 - v**2,
            v * (1 - v),
            v > 0,
            v < 0,
            np.where(v > 0, 1.0, 0.01),
            sigmoid * (1 - sigmoid),
            1 - np.tanh(v) ** 2,
        ]
    return [np.asarray(x, np.float64) for x in found]


class Scene:
    """The operations behind one value, and what could have been used in them.

    Args:
        judgement: the learner's values.
        target: the node of the value to be explained.
        region: the operations behind it, down to the learner's own values.

    Attributes:
        pool: the values with a name: what may be mistaken for one another.
    """

    def __init__(self, judgement: Judgement, target: int, region: list[int]) -> None:
        self.j = judgement
        self.tape = judgement.tape
        self.target = target
        self.own = self.tape.own(target)
        self.reads = judgement.reads
        self.computed = judgement.computed
        self.inside = frozenset(region)
        self.pool = [] if self.tape.opaque else self._pool()
        self._near: dict[int, list[int]] = {}

    def _pool(self) -> list[int]:
        found = []
        for i in sorted(self.tape.called):
            role = self.tape.nodes[i].role
            transposed = self.tape.called[i].endswith("ᵀ")
            if self.reads[i] is not None and role not in ("loss", "constant") and not transposed:
                found.append(i)
        return found

    def near(self, index: int) -> list[int]:
        """Return the pool, of a deep network only what belongs to a few layers around a node."""
        if len(self.pool) <= MOST:
            return self.pool
        owner = self.tape.owner(index, self.target)
        if owner not in self._near:
            here = _layer(self.tape.called.get(owner, ""))
            apart = {i: abs(_layer(self.tape.called[i], here) - here) for i in self.pool}
            nearest = sorted(self.pool, key=lambda i: apart[i])[:MOST]
            self._near[owner] = sorted(nearest)
        return self._near[owner]

    def read(self, index: int) -> Array:
        """Return the value of a node, in float64."""
        return np.asarray(self.reads[index], np.float64)

    def unit(self, index: int) -> float:
        """Return the true derivative over what the learner writes for it."""
        return self.j.factor.get(index, self.j.unit(index))

    def learners(self, index: int) -> Array:
        """Return a value as the learner has it: dZ may be m times the derivative."""
        return self.read(index) / self.unit(index)

    def write(self, index: int) -> str:
        """Return a node as text."""
        return self.tape.write(index)

    def inner(self, index: int) -> str:
        """Return the expression of a node."""
        return self.tape.write(index, inside=True)

    def is_number(self, index: int) -> bool:
        """Return True for numbers such as 1/m."""
        return index in self.tape.coefficients

    def factors(self, index: int, shape: tuple[int, ...]) -> Iterator[tuple[Array, str, float]]:
        """Yield what a value of this shape might be multiplied by in error, and how unlikely."""
        for v in self.near(index):
            array, name = self.read(v), self.write(v)
            if array.shape != shape or v in self.tape.of:
                continue
            yield array, name, 0.0
            for slope, (_, text, odd) in zip(slopes(array), SLOPES, strict=True):
                yield slope, text.replace("{0}", name), odd


def _layer(name: str, otherwise: int = 0) -> int:
    """Return the number of the layer in a name; that of its own for X and Y."""
    match = re.search(r"(\d+)$", name)
    return int(match[1]) if match else otherwise


# --- small things ---------------------------------------------------------------------------------


def spoken(activation: str) -> str:
    """Return an activation's name as learners say it."""
    return {"gelu_exact": "gelu", "gelu_tanh": "gelu", "leaky_relu": "leaky relu"}.get(
        activation, activation
    )


def with_params(node: GraphNode, **params: Any) -> GraphNode:
    """Return the operation with other parameters."""
    return replace(node, params={**node.params, **params})


def with_op(node: GraphNode, name: str) -> GraphNode:
    """Return another operation on the same operands."""
    return replace(node, op=op.find(name))


def with_operand(
    node: GraphNode, values: list[Array | None], place: int, new: Array
) -> Array | None:
    """Return what an operation yields with one operand replaced."""
    return forward(node, [*values[:place], new, *values[place + 1 :]])


def product(a: Array, b: Array, matrix: bool) -> Array | None:
    """Return a matrix or elementwise product, None where it does not fit."""
    try:
        return np.asarray(a @ b if matrix else a * b)
    except ValueError:
        return None


def added(a: Array | None, b: Any) -> Array | None:
    """Return a + b, None where it does not fit."""
    try:
        return None if a is None else np.asarray(a + b)
    except ValueError:
        return None


def spread(a: Array, shape: tuple[int, ...]) -> Array | None:
    """Return `a` repeated to a shape, None when it does not fit or is a single number."""
    if a.ndim != len(shape) or (a.size == 1 and shape and max(shape) > 1):
        return None
    try:
        return np.broadcast_to(a, shape)
    except ValueError:
        return None


def near(a: float, b: float) -> bool:
    """Return True for two numbers that differ by rounding."""
    return math.isclose(a, b, rel_tol=1e-4)
