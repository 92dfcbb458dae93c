"""The mistakes that can be made in an operation, as other values that it might have yielded.

`mutations` changes one operation of a line in every way learners do: a factor or term left out,
another operand, a transpose, a sum over another axis, another activation. It works on any graph: a
mistake is an edit of an operation, not of a particular network. What a mistake does to the values
after it, and whether that is what the learner has, is decided in `diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import naming, op
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
        text: a sentence's middle, with fields ``{0}`` … for `parts` and ``{c}`` for the factor.
        parts: nodes to be written in the text, or texts.
        cost: how unlikely it is; of several that fit, the likeliest is named.
        direction: with it the mistake yields value + c · direction, c to be found.
    """

    kind: str
    node: int
    value: Array
    text: str
    parts: tuple[int | str, ...] = ()
    cost: float = 3.0
    direction: Array | None = None


# Derivatives of activations as learners write them: activation, formula, text.
SLOPES = (
    ("tanh", lambda v: 1 - v**2, "1 − {0}²"),
    ("sigmoid", lambda v: v * (1 - v), "{0} * (1 − {0})"),
    ("relu", lambda v: v > 0, "({0} > 0)"),
    ("relu", lambda v: v < 0, "({0} < 0)"),
    ("leaky relu", lambda v: np.where(v > 0, 1, 0.01), "leaky_relu′({0})"),
    ("sigmoid", lambda v: _sigmoid(v) * (1 - _sigmoid(v)), "σ′({0})"),
    ("tanh", lambda v: 1 - np.tanh(v) ** 2, "tanh′({0})"),
)
_ROUNDABOUT = ("σ′({0})", "tanh′({0})")
# Activations that a learner may take for another.
CHOICES = "sigmoid tanh relu leaky_relu softplus elu abs step softmax".split()
_PASSING = frozenset("reshape_like reshape_to insert_axes remove_axes sum_like clone".split())
_OPPOSITE = {"gt": ("lt", "<"), "lt": ("gt", ">"), "ge": ("le", "≤"), "le": ("ge", "≥")}


def _sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(v, -700, 700)))


class Mutator:
    """Enumerates the mistakes of the operations behind one value.

    Args:
        judgement: the learner's values.
        target: the value to be explained.
        region: the operations behind it, down to the learner's own values.
    """

    def __init__(self, judgement: Judgement, target: int, region: list[int]) -> None:
        self.j = judgement
        self.tape = judgement.tape
        self.target = target
        self.region = region
        self.reads = judgement.reads
        self.computed = judgement.computed
        self.inside = set(region)
        self.own = self.tape.own(target)
        self.pool = [
            i for i in sorted(self.tape.called) if self.reads[i] is not None and self._named(i)
        ]
        if self.tape.opaque:
            self.pool = []

    def _named(self, index: int) -> bool:
        node = self.tape.nodes[index]
        return node.role not in ("loss", "constant") and not self.tape.called[index].endswith("ᵀ")

    def learners(self, index: int) -> Array:
        """Return a value as the learner has it: dZ may be m times the derivative."""
        return np.asarray(self.reads[index]) / self.unit(index)

    def unit(self, index: int) -> float:
        """Return the true derivative over what the learner calls it."""
        if index in self.j.factor:
            return self.j.factor[index]
        return self.j.unit(index)

    def mutations(self, index: int) -> Iterator[Mutation]:
        """Yield the mistakes of one operation, the likely ones first."""
        node = self.tape.nodes[index]
        if node.op is None or self.computed[index] is None or self._is_number(index):
            return
        if index == self.target or self._is_line(index):
            yield from self._whole(node)
        if node.op.name in ("clone", "count") or self.tape.opaque:
            return
        yield from self._left_out(node)
        yield from self._sums(node)
        yield from self._activations(node)
        yield from self._products(node)
        yield from self._operands(node)
        yield from self._updated(node)

    def _is_line(self, index: int) -> bool:
        return index in self.tape.called

    # --- the whole value --------------------------------------------------------------------

    def _whole(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield: a multiple, the transpose, a factor or term too many, another slope."""
        i = node.index
        value = np.asarray(self.computed[i])
        zero = np.zeros_like(value, dtype=np.float64)
        if node.is_backward or i == self.target:
            yield Mutation("factor", i, zero, "", (), 1.0, value)
        else:
            for c in self._usual_factors():
                yield Mutation("factor", i, value * c, "", (f"{c!r}",), 2.0)
        if value.ndim == 2 and value.size > 1:
            cost = 1.5 if i == self.target else 4.0
            yield Mutation(
                "transpose", i, value.T, "is the transpose of {0}", (self._what(i),), cost
            )
        yield from self._slopes(i)
        for v in self.pool:
            if v not in self.inside and v != self.tape.own(i):
                other = self.learners(v) * self.unit(i)
                if other.shape == value.shape:
                    yield Mutation(
                        "operand", i, other, "is {0} where {1} belongs", (v, self._inside(i)), 4.4
                    )
        if i == self.target or self.tape.is_scaled(i):
            if not self.tape.is_gradient(self.tape.own(i)):
                yield from self._extra_factors(i, value)
            yield from self._extra_terms(i, value)

    def _what(self, index: int) -> str:
        return "the derivative" if self.tape.own(index) in self.tape.of else "what it should be"

    def _usual_factors(self) -> list[float]:
        m = self.tape.m
        return [-1.0, 2.0, 0.5, *([float(m), 1 / m] if m and m > 1 else [])]

    def _slopes(self, index: int) -> Iterator[Mutation]:
        """Yield dZ with the derivative of another activation, or taken of another value."""
        layer = self._layer(index)
        if layer is None:
            return
        z, a, da = layer
        activation = self.tape.nodes[a].op
        assert activation is not None
        own = naming_of(activation.name)
        upstream = np.asarray(self.reads[da])
        right = self._slope_text(index, a, da)
        yield Mutation("missing factor", index, upstream, "lacks the factor {0}", (right,), 2.0)
        for v in self.pool:
            value = np.asarray(self.reads[v], np.float64) / self.unit(v)
            if value.shape != upstream.shape:
                continue
            near = v in (z, a)
            for name, slope, text in SLOPES:
                said = text.replace("{0}", self.tape.write(v))
                with np.errstate(all="ignore"):
                    mutated = upstream * slope(value)
                cost = 0.3 * (text in _ROUNDABOUT)
                if not near or (name == own and v != a):
                    yield Mutation(
                        "operand" if name == own else "activation",
                        index, mutated, "has {0} where {1} belongs: used {2} instead of {3}",
                        (said, right, v, a if a != v else z), cost + (3.0 if near else 4.0),
                    )  # fmt: skip
                elif name == own:
                    yield Mutation(
                        "operand",
                        index,
                        mutated,
                        "has {0} where {1} belongs",
                        (said, right),
                        3.5 + cost,
                    )
                else:
                    yield Mutation(
                        "activation", index, mutated,
                        f"has the derivative of {name}, {{0}}, where that of {own}, {{1}}, belongs",
                        (said, right), 3.0 + cost,
                    )  # fmt: skip

    def _layer(self, index: int) -> tuple[int, int, int] | None:
        """Return Z, A and dA when `index` is the dZ of an activation, and dA is known."""
        z = self.tape.of.get(self.tape.own(index))
        if z is None:
            return None
        for a in self.tape.users[z]:
            node = self.tape.nodes[a]
            if node.is_backward or node.op is None or node.op.name not in naming.ACTIVATIONS:
                continue
            da = self.tape.grad.get(a)
            if da is not None and self.reads[da] is not None and da in self.tape.region(index, ()):
                if node.shape == self.tape.nodes[z].shape and node.op.kind == "elementwise":
                    return z, a, da
        return None

    def _slope_text(self, index: int, a: int, da: int) -> str:
        """Return the derivative of an activation as the line has it."""
        i = index
        graph = self.tape.nodes
        while graph[i].op is not None and graph[i].op.name == "clone":  # type: ignore[union-attr]
            i = graph[i].inputs[0]
        node = graph[i]
        if node.op is not None and node.op.name == "mul" and da in node.inputs:
            other = node.inputs[1] if node.inputs[0] == da else node.inputs[0]
            return self.tape.write(other)
        assert graph[a].op is not None
        return f"{graph[a].op.symbol}′({self.tape.write(graph[a].inputs[0])})"  # type: ignore[union-attr]

    def _extra_factors(self, index: int, value: Array) -> Iterator[Mutation]:
        for factor, text, cost in self._factors(np.shape(value), index):
            yield Mutation(
                "extra factor", index, value * factor, "has a factor too many: {0}", (text,), cost
            )

    def _factors(self, shape: tuple[int, ...], index: int) -> Iterator[tuple[Array, str, float]]:
        """Yield what a value of this shape might be multiplied by in error."""
        for v in self.pool:
            array = np.asarray(self.reads[v], np.float64)
            if array.shape != shape or v in self.tape.of:
                continue
            name = self.tape.write(v)
            yield array, name, 4.5
            with np.errstate(all="ignore"):
                for _, slope, text in SLOPES:
                    cost = 4.7 if text in _ROUNDABOUT else 4.5
                    yield slope(array) * 1.0, text.replace("{0}", name), cost

    def _extra_terms(self, index: int, value: Array) -> Iterator[Mutation]:
        for v in self.pool:
            array = np.asarray(self.reads[v], np.float64)
            if v == self.tape.own(index):
                continue
            for term, name in ((array, self.tape.write(v)), (array.T, self.tape.write(v) + "ᵀ")):
                term = _spread(term, value.shape)
                if term is not None:
                    yield Mutation(
                        "extra term", index, value, "has a term too many: {c} {0}", (name,),
                        6.0, term,
                    )  # fmt: skip

    # --- operands ---------------------------------------------------------------------------

    def _left_out(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield: a factor, a term or a function left out; a term with another factor."""
        assert node.op is not None
        i, name = node.index, node.op.name
        inputs = [self.reads[k] for k in node.inputs]
        if any(x is None for x in inputs):
            return
        arrays = [np.asarray(x, np.float64) for x in inputs]
        if name in ("mul", "matrix_product", "inner"):
            for k in (1, 0):
                lost = node.inputs[k]
                if self._is_number(lost):
                    continue
                # Without a derivative the learner's m× is gone too.
                kept = arrays[1 - k] * (self.unit(lost) if lost in self.tape.of else 1.0)
                yield Mutation("missing factor", i, kept, "lacks the factor {0}", (lost,), 3.0)
                if name != "mul" and not self._is_transpose(lost):
                    ones = np.ones_like(arrays[k])
                    pair = (arrays[0], ones) if k else (ones, arrays[1])
                    summed = _product(*pair, True)
                    if summed is not None:
                        summed = summed * (self.unit(lost) if lost in self.tape.of else 1.0)
                        said = "lacks the factor {0}"
                        yield Mutation("missing factor", i, summed, said, (lost,), 4.0)
                if name != "mul" and kept.ndim == 2:
                    yield Mutation(
                        "missing factor", i, kept.T, "lacks the factor {0}", (lost,), 4.5
                    )
        if name == "div":
            yield Mutation(
                "missing factor", i, arrays[0], "is not divided by {0}", (node.inputs[1],), 3.0
            )
        if name in ("add", "sub"):
            signs = (1.0, -1.0 if name == "sub" else 1.0)
            whole = np.asarray(self.computed[i])
            for k in (1, 0):
                term = np.broadcast_to(signs[k] * arrays[k], whole.shape)
                rest = np.broadcast_to(signs[1 - k] * arrays[1 - k], whole.shape)
                said = ("−" if signs[k] < 0 else "") + "{0}"
                part = (node.inputs[k],)
                yield Mutation("missing term", i, rest, f"lacks the term {said}", part, 3.0)
                yield Mutation(
                    "sign", i, rest - term, "has the term {0} with the wrong sign", part, 3.5
                )
                yield Mutation(
                    "term", i, rest, "has the term {0} {c} × as large as it should be", part, 4.0,
                    term,
                )  # fmt: skip
        if name == "one_hot":
            labels = np.broadcast_to(np.expand_dims(arrays[0], node.params["axis"]), node.shape)
            if labels is not None:
                said = "used the class numbers {0} where the one-hot labels {1} belong"
                parts = (node.inputs[0], self._inside(i))
                yield Mutation("operand", i, labels, said, parts, 3.0)
        if name == "affine":
            a, b, c = arrays
            bias = (node.inputs[2],)
            yield Mutation("missing term", i, a @ b, "lacks the term {0}", bias, 2.5)
            yield Mutation("sign", i, a @ b - c, "has the term {0} with the wrong sign", bias, 3.5)
            for k, other in ((0, b), (1, a)):
                value = _try_add(other, c)
                if value is not None and value.shape == node.shape:
                    yield Mutation(
                        "missing factor", i, value, "lacks the factor {0}", (node.inputs[k],), 5.0
                    )
        if len(arrays) == 1 and node.op.kind == "elementwise" and arrays[0].shape == node.shape:
            if name not in ("clone", "neg", "cast"):
                yield Mutation(
                    "activation" if name in naming.ACTIVATIONS else "operand",
                    i, arrays[0], "used {0} where {1} belongs", (node.inputs[0], self._inside(i)),
                    3.0,
                )  # fmt: skip

    def _inside(self, index: int) -> str:
        return self.tape.write(index, inside=True)

    def _is_number(self, index: int) -> bool:
        return index in self.tape.coefficients

    def _sums(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield: a sum over another axis, over all, none at all; a softmax likewise."""
        assert node.op is not None
        i, name = node.index, node.op.name
        axis = node.params.get("axis")
        if not node.inputs or "axis" not in node.op.params or name in ("insert_axes", "count"):
            return
        x = self.reads[node.inputs[0]]
        if x is None or x.ndim == 0 or name in ("remove_axes", "one_hot"):
            return
        if "keepdims" not in node.op.params:
            for other in range(x.ndim):
                value = forward(_with(node, axis=other), [self.reads[k] for k in node.inputs])
                if value is not None and axis is not None and other != axis % x.ndim:
                    said = f"has {name} over axis={other} instead of axis={axis}"
                    yield Mutation("sum", i, value, said, (), 3.0)
            return
        here = tuple(range(x.ndim)) if axis is None else axis
        over = "all axes" if axis is None else f"axis={axis}"
        instead: list[tuple[Any, str]] = [(k, f"axis={k}") for k in range(x.ndim)]
        instead.append((None, "all axes"))
        for other, said in instead:
            if other == here or (x.ndim == 1 and axis is not None):
                continue
            for keepdims in (True, False):
                value = forward(_with(node, axis=other, keepdims=keepdims), [x])
                if value is not None:
                    yield Mutation(
                        "sum", i, value, f"was summed over {said} instead of {over}", (), 2.0
                    )
        yield Mutation("sum", i, x, f"lacks the sum over {over}", (), 2.0)

    def _activations(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield another activation than the one that belongs here; other numbers in it."""
        assert node.op is not None
        name, i = node.op.name, node.index
        if name in _OPPOSITE:
            other, sign = _OPPOSITE[name]
            value = forward(_with_op(node, other), [self.reads[k] for k in node.inputs])
            if value is not None:
                yield Mutation(
                    "activation", i, value, "compares the wrong way round: {0} where {1} belongs",
                    (self._inside(i).replace(node.op.symbol, sign), self._inside(i)), 3.0,
                )  # fmt: skip
        if name not in naming.ACTIVATIONS or self.reads[node.inputs[0]] is None:
            return
        x = np.asarray(self.reads[node.inputs[0]])
        for choice in CHOICES:
            if choice == name:
                continue
            other_op = op.find(choice)
            params = dict(other_op.defaults)
            if choice == "softmax":
                params["axis"] = 0 if self._columns() else -1
            try:
                with np.errstate(all="ignore"):
                    value = np.asarray(other_op.forward(x, **params))
            except (ValueError, TypeError):
                continue
            yield Mutation(
                "activation", i, value,
                f"is {naming_of(choice)}({{0}}) where {naming_of(name)}({{0}}) belongs",
                (node.inputs[0],), 2.5,
            )  # fmt: skip
        for key, number in node.params.items():
            if isinstance(number, float) and key != "axis":
                base = forward(_with(node, **{key: 0.0}), [x])
                one = forward(_with(node, **{key: 1.0}), [x])
                for other in (0.1, 0.2, 0.3, 0.01, 0.001, 1.0):
                    value = None if other == number else forward(_with(node, **{key: other}), [x])
                    if value is not None:
                        said = f"has {key} = {other:g} in {naming_of(name)} instead of {number:g}"
                        yield Mutation("activation", i, value, said, (), 3.5)
                if base is not None and one is not None:
                    said = f"has {key} = {{c}} in {naming_of(name)} instead of {number:g}"
                    yield Mutation("activation", i, base, said, (), 4.0, one - base)

    def _columns(self) -> bool:
        """Return True when examples are columns."""
        return any(
            n.op is not None
            and n.op.name in ("affine", "matrix_product")
            and self.tape.nodes[n.inputs[0]].role == "parameter"
            for n in self.tape.nodes
        )

    def _products(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield: an operand transposed, the operands swapped, the other kind of product."""
        assert node.op is not None
        i, name = node.index, node.op.name
        if name not in ("matrix_product", "affine", "mul"):
            return
        values = [self.reads[k] for k in node.inputs]
        if any(v is None for v in values[:2]):
            return
        a, b = np.asarray(values[0]), np.asarray(values[1])
        if a.ndim != 2 or b.ndim != 2:
            return
        extra = np.asarray(values[2]) if name == "affine" else 0.0
        matrix = name != "mul"
        for p, left in ((0, a), (1, a.T)):
            for q, right in ((0, b), (1, b.T)):
                for swapped in (False, True):
                    first, second = (right, left) if swapped else (left, right)
                    for product in (True, False) if not swapped else (True,):
                        if (p, q, swapped, product) == (0, 0, False, matrix):
                            continue
                        value = _product(first, second, product)
                        value = None if value is None else _try_add(value, extra)
                        if value is None:
                            continue
                        changed = p + q + swapped
                        if product != matrix:
                            said = (
                                "has the matrix product (np.dot) of {0} and {1} where the "
                                "elementwise one (*) belongs"
                                if product
                                else "has the elementwise product (*) of {0} and {1} where the "
                                "matrix product (np.dot) belongs"
                            )
                            yield Mutation(
                                "product", i, value, said, node.inputs[:2], 3.5 + changed / 2
                            )
                            continue
                        if not matrix:
                            continue
                        yield self._transposed(node, value, (p, q), swapped, 3.0 + changed / 2)

    def _transposed(
        self, node: GraphNode, value: Array, turned: tuple[int, int], swapped: bool, cost: float
    ) -> Mutation:
        if swapped:
            text = "has the factors {0} and {1} of the matrix product swapped"
            return Mutation("transpose", node.index, value, text, node.inputs[:2], cost)
        said = []
        for k, is_turned in zip(node.inputs[:2], turned, strict=True):
            if is_turned:
                text = self.tape.write(k)
                said.append(
                    f"{text[:-1]} without the transpose"
                    if text.endswith("ᵀ")
                    else f"{text} transposed"
                )
        return Mutation("transpose", node.index, value, "used " + " and ".join(said), (), cost)

    def _operands(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield other quantities in the place of each operand."""
        assert node.op is not None
        name = node.op.name
        values = [self.reads[k] for k in node.inputs]
        if any(v is None for v in values) or name == "one_hot":
            return
        matrix = name in ("matrix_product", "affine")
        for k, old in enumerate(node.inputs):
            right = np.asarray(values[k])
            if self._is_number(old) or (name == "clone"):
                continue
            turned = self._is_transpose(old)
            base = self.tape.nodes[old].inputs[0] if turned else old
            for v in self.pool:
                if v in (old, base, self.own) or (v in self.inside and v >= node.index):
                    continue
                new = self.learners(v) * self.unit(base)
                for side in (new.T, new) if matrix and new.ndim == 2 else (new,):
                    if not matrix and side.shape != right.shape and name != "sum":
                        continue
                    plainly = side is new
                    result = forward(node, [*values[:k], side, *values[k + 1 :]])
                    if result is None:
                        continue
                    mark = "" if plainly else "ᵀ"
                    yield Mutation(
                        "operand", node.index, result, "used {0} where {1} belongs",
                        (self.tape.write(v) + mark, old),
                        4.0 + 0.5 * (turned == plainly) + 0.5 * (side.shape != right.shape),
                    )  # fmt: skip
            yield from self._edge_edits(node, values, k, base)

    def _is_transpose(self, index: int) -> bool:
        node = self.tape.nodes[index]
        return node.op is not None and node.op.name == "matrix_transpose"

    def _edge_edits(
        self, node: GraphNode, values: list[Array | None], k: int, base: int
    ) -> Iterator[Mutation]:
        """Yield: an operand with a factor too many; labels of another shape."""
        old = np.asarray(values[k])
        role = self.tape.nodes[base].role
        if base in self.tape.of and not self._is_transpose(node.inputs[k]):
            for factor, text, cost in self._factors(old.shape, base):
                result = forward(node, [*values[:k], old * factor, *values[k + 1 :]])
                if result is not None:
                    said = f"has a factor too many: {text} beside {{0}}"
                    yield Mutation("extra factor", node.index, result, said, (base,), cost + 1)
        if node.op is not None and (node.op.kind == "elementwise" or node.op.name == "inner"):
            result = forward(node, [*values[:k], np.ones_like(old), *values[k + 1 :]])
            if result is not None and node.op.name not in ("mul", "div"):
                text = "used 1 where {0} belongs"
                yield Mutation("operand", node.index, result, text, (base,), 5.0)
        if role == "data" and node.op is not None and node.op.kind == "elementwise":
            shapes: list[tuple[int, ...]] = [(old.size, 1), (1, old.size), (old.size,)]
            for shape in shapes:
                if shape == old.shape or max(old.shape, default=0) != old.size:
                    continue
                result = forward(node, [*values[:k], old.reshape(shape), *values[k + 1 :]])
                if result is not None and result.size > math.prod(node.shape):
                    other = next(np.shape(v) for n, v in enumerate(values) if n != k)
                    said = (
                        f"has shape {result.shape}: {other} against {{0}} of shape {shape} was "
                        f"broadcast. Give {{0}} the shape {old.shape}, for example by "
                        f"{{0}}.reshape{old.shape}"
                    )
                    yield Mutation("broadcast", node.index, result, said, (base,), 2.0)

    def _updated(self, node: GraphNode) -> Iterator[Mutation]:
        """Yield parameters after their update: W − α dW in the place of W."""
        values = [self.reads[k] for k in node.inputs]
        for k, old in enumerate(node.inputs):
            base = self.tape.nodes[old].inputs[0] if self._is_transpose(old) else old
            of = self.tape.nodes[base]
            step_of = self.tape.grad.get(base)
            if of.role != "parameter" or step_of is None or self.reads[step_of] is None:
                continue
            if not node.is_backward or any(v is None for v in values):
                continue
            step = np.asarray(self.reads[step_of])
            step = step.T if old != base else step
            if step.shape != np.shape(values[k]):
                continue
            value = np.asarray(self.computed[node.index])
            moved = forward(node, [*values[:k], np.asarray(values[k]) - step, *values[k + 1 :]])
            if moved is not None and moved.shape == value.shape:
                yield Mutation(
                    "updated", node.index, value,
                    "used {0} already updated ({0} − {c} {1}): compute all gradients before the "
                    "update",
                    (base, step_of), 3.5, moved - value,
                )  # fmt: skip


# --- small things ---------------------------------------------------------------------------------


def naming_of(activation: str) -> str:
    """Return an activation's name as learners say it."""
    return {"gelu_exact": "gelu", "gelu_tanh": "gelu", "leaky_relu": "leaky relu"}.get(
        activation, activation
    )


def _with(node: GraphNode, **params: Any) -> GraphNode:
    return replace(node, params={**node.params, **params})


def _with_op(node: GraphNode, name: str) -> GraphNode:
    return replace(node, op=op.find(name))


def _product(a: Array, b: Array, matrix: bool) -> Array | None:
    try:
        return np.asarray(a @ b if matrix else a * b)
    except ValueError:
        return None


def _spread(a: Array, shape: tuple[int, ...]) -> Array | None:
    """Return `a` repeated to a shape, None when it does not fit or is a single number."""
    if a.ndim != len(shape) or (a.size == 1 and shape and max(shape) > 1):
        return None
    try:
        return np.broadcast_to(a, shape)
    except ValueError:
        return None


def _try_add(a: Array, b: Any) -> Array | None:
    try:
        return np.asarray(a + b)
    except ValueError:
        return None


def passes(node: GraphNode) -> bool:
    """Return True for operations on the shape alone, which a wrong shape may pass by."""
    return node.op is not None and node.op.name in _PASSING


def near(a: float, b: float) -> bool:
    """Return True for two numbers that differ by rounding."""
    return math.isclose(a, b, rel_tol=1e-4)
