"""Mistakes in one operation: an operand left out, replaced or transposed, another sum or function.

Each function yields one family. All read nothing but the operation and its operands, and so hold
for any network that is made of these operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import naming, op
from ..graph import GraphNode
from .mutations import (
    Array,
    Mutation,
    Scene,
    added,
    product,
    spoken,
    with_op,
    with_operand,
    with_params,
)
from .tape import forward
from .wholes import wholes

# Activations that a learner may take for another.
CHOICES = "sigmoid tanh relu leaky_relu softplus elu abs step softmax".split()
_OPPOSITE = {"gt": ("lt", "<"), "lt": ("gt", ">"), "ge": ("le", "≤"), "le": ("ge", "≥")}
_MATRIX = ("matrix_product", "affine")


def mistakes(scene: Scene, index: int) -> Iterator[Mutation]:
    """Yield all mistakes in one operation."""
    node = scene.tape.nodes[index]
    if node.op is None or scene.computed[index] is None or scene.is_number(index):
        return
    if index == scene.target or index in scene.tape.called:
        yield from wholes(scene, index)
    if node.op.name in ("clone", "count", "one_hot") or scene.tape.opaque:
        if node.op.name == "one_hot":
            yield from _class_numbers(scene, node)
        return
    values = [scene.reads[i] for i in node.inputs]
    if any(v is None for v in values):
        return
    yield from _left_out(scene, node)
    yield from _sums(node, values)
    yield from _activations(scene, node, values)
    yield from _products(scene, node)
    yield from _replaced(scene, node, values)
    yield from _updated(scene, node, values)


# --- something left out ---------------------------------------------------------------------------


def _left_out(scene: Scene, node: GraphNode) -> Iterator[Mutation]:
    """Yield: a factor, a term or a function left out; a term with another factor."""
    assert node.op is not None
    name, i = node.op.name, node.index
    shape = np.asarray(scene.computed[i]).shape
    arrays = [scene.read(k) for k in node.inputs]
    if name in ("mul", "matrix_product", "inner"):
        yield from _lost_factor(scene, node, arrays)
    elif name == "div":
        said = "is not divided by {0}"
        yield Mutation("missing factor", i, arrays[0], said, (node.inputs[1],))
    elif name in ("add", "sub"):
        signs = (1.0, -1.0 if name == "sub" else 1.0)
        terms = [np.broadcast_to(s * x, shape) for s, x in zip(signs, arrays, strict=True)]
        for k in (1, 0):
            yield from _lost_term(node, k, terms[1 - k], terms[k], signs[k], 3.0)
    elif name == "affine":
        a, b, c = arrays
        term = np.broadcast_to(c, shape)
        yield from _lost_term(node, 2, a @ b, term, 1.0, 2.5)
        for k, other in ((0, b), (1, a)):
            value = added(other, c)
            if value is not None and value.shape == node.shape:
                said = "lacks the factor {0}"
                yield Mutation("missing factor", i, value, said, (node.inputs[k],), 5.0)
    elif len(arrays) == 1 and node.op.kind == "elementwise" and name not in ("neg", "cast"):
        kind = "activation" if name in naming.ACTIVATIONS else "operand"
        parts = (node.inputs[0], scene.inner(i))
        yield Mutation(kind, i, arrays[0], "used {0} where {1} belongs", parts)


def _lost_factor(scene: Scene, node: GraphNode, arrays: list[Array]) -> Iterator[Mutation]:
    matrix = node.op is not None and node.op.name != "mul"
    for k in (1, 0):
        lost = node.inputs[k]
        if scene.is_number(lost):
            continue
        # Without a derivative, the m that the learner scales it by is gone too.
        unit = scene.unit(lost) if lost in scene.tape.of else 1.0
        kept = arrays[1 - k] * unit
        made = [(kept, 3.0)]
        if matrix and kept.ndim == 2:
            made.append((kept.T, 4.5))
        if matrix and not _is_transpose(scene, lost):
            ones = np.ones_like(arrays[k])
            summed = product(arrays[0], ones, True) if k else product(ones, arrays[1], True)
            if summed is not None:
                made.append((summed * unit, 4.0))
        for value, cost in made:
            said = "lacks the factor {0}"
            yield Mutation("missing factor", node.index, value, said, (lost,), cost)


def _lost_term(
    node: GraphNode, place: int, rest: Array, term: Array, sign: float, cost: float
) -> Iterator[Mutation]:
    part = (node.inputs[place],)
    said = "lacks the term " + ("−{0}" if sign < 0 else "{0}")
    yield Mutation("missing term", node.index, rest, said, part, cost)
    said = "has the term {0} with the wrong sign"
    yield Mutation("sign", node.index, rest - term, said, part, 3.5)
    said = "has the term {0} {c} × as large as it should be"
    yield Mutation("term", node.index, rest, said, part, 4.0, term)


def _class_numbers(scene: Scene, node: GraphNode) -> Iterator[Mutation]:
    labels = scene.reads[node.inputs[0]]
    if labels is not None:
        if labels.ndim < len(node.shape):
            labels = np.expand_dims(labels, node.params["axis"])
        said = "used the class numbers {0} where the one-hot labels {1} belong"
        parts = (node.inputs[0], scene.inner(node.index))
        value = np.broadcast_to(labels, np.asarray(scene.computed[node.index]).shape)
        yield Mutation("operand", node.index, value, said, parts)


# --- sums and functions ---------------------------------------------------------------------------


def _sums(node: GraphNode, values: list[Array | None]) -> Iterator[Mutation]:
    """Yield: a sum over another axis, over all, none at all; a softmax likewise."""
    assert node.op is not None
    i, name, params = node.index, node.op.name, node.op.params
    x = np.asarray(values[0])
    if "axis" not in params or x.ndim == 0 or name in ("insert_axes", "remove_axes"):
        return
    axis = node.params.get("axis")
    if "keepdims" not in params:
        for other in range(x.ndim):
            if axis is None or isinstance(axis, tuple) or other == axis % x.ndim:
                continue
            value = forward(with_params(node, axis=other), values)
            if value is not None:
                said = f"has {name} over axis={other} instead of axis={axis}"
                yield Mutation("sum", i, value, said)
        return
    right = "all axes" if axis is None else f"axis={axis}"
    instead: list[tuple[Any, str]] = [(k, f"axis={k}") for k in range(x.ndim)]
    instead.append((None, "all axes"))
    for other, wrong in instead:
        if other == axis or (x.ndim == 1 and axis is not None):
            continue
        for keepdims in (True, False):
            value = forward(with_params(node, axis=other, keepdims=keepdims), values)
            if value is not None:
                said = f"was summed over {wrong} instead of {right}"
                yield Mutation("sum", i, value, said, cost=2.0)
    yield Mutation("sum", i, x, f"lacks the sum over {right}", cost=2.0)


def _activations(scene: Scene, node: GraphNode, values: list[Array | None]) -> Iterator[Mutation]:
    """Yield: another activation, other numbers in it, a comparison the wrong way round."""
    assert node.op is not None
    name, i = node.op.name, node.index
    if name in _OPPOSITE:
        opposite, sign = _OPPOSITE[name]
        value = forward(with_op(node, opposite), values)
        if value is not None:
            parts = (scene.inner(i).replace(node.op.symbol, sign), scene.inner(i))
            said = "compares the wrong way round: {0} where {1} belongs"
            yield Mutation("activation", i, value, said, parts)
    if name not in naming.ACTIVATIONS:
        return
    for choice in CHOICES:
        other = op.find(choice)
        params = dict(other.defaults)
        if choice == "softmax":
            params["axis"] = 0 if _in_columns(scene) else -1
        value = None if choice == name else _applied(other, values[0], params)
        if value is not None:
            said = f"is {spoken(choice)}({{0}}) where {spoken(name)}({{0}}) belongs"
            yield Mutation("activation", i, value, said, (node.inputs[0],), 2.5)
    yield from _other_numbers(node, values)


def _applied(function: op.Op, x: Any, params: dict[str, Any]) -> Array | None:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function.forward(x, **params))
    except (ValueError, TypeError):
        return None


def _other_numbers(node: GraphNode, values: list[Array | None]) -> Iterator[Mutation]:
    """Yield an activation with another number, such as the slope of leaky relu."""
    assert node.op is not None
    name = spoken(node.op.name)
    for key, right in node.params.items():
        if not isinstance(right, float):
            continue
        for wrong in (0.1, 0.2, 0.3, 0.01, 0.001, 1.0):
            value = None if wrong == right else forward(with_params(node, **{key: wrong}), values)
            if value is not None:
                said = f"has {key} = {wrong:g} in {name} instead of {right:g}"
                yield Mutation("activation", node.index, value, said, cost=3.5)
        at_0, at_1 = (forward(with_params(node, **{key: n}), values) for n in (0.0, 1.0))
        if at_0 is not None and at_1 is not None:
            said = f"has {key} = {{c}} in {name} instead of {right:g}"
            yield Mutation("activation", node.index, at_0, said, (), 4.0, at_1 - at_0)


def _in_columns(scene: Scene) -> bool:
    """Return True when examples are columns: Z = W A."""
    nodes = scene.tape.nodes
    return any(
        n.op is not None and n.op.name in _MATRIX and nodes[n.inputs[0]].role == "parameter"
        for n in nodes
    )


# --- products -------------------------------------------------------------------------------------


def _products(scene: Scene, node: GraphNode) -> Iterator[Mutation]:
    """Yield: an operand transposed, the operands swapped, the other kind of product."""
    assert node.op is not None
    matrix = node.op.name in _MATRIX
    arrays = [scene.read(k) for k in node.inputs]
    if not (matrix or node.op.name == "mul") or any(x.ndim != 2 for x in arrays[:2]):
        return
    extra = arrays[2] if len(arrays) > 2 else 0.0
    for turned in ((0, 0), (1, 0), (0, 1), (1, 1)):
        a, b = (x.T if t else x for x, t in zip(arrays, turned, strict=False))
        for swapped in (False, True):
            pair = (b, a) if swapped else (a, b)
            cost = 3.0 + (sum(turned) + swapped) / 2
            if matrix and (swapped or any(turned)):
                value = added(product(*pair, True), extra)
                if value is not None:
                    said = _transposed(scene, node, turned, swapped)
                    yield Mutation("transpose", node.index, value, said, node.inputs[:2], cost)
            value = added(product(*pair, not matrix), extra)
            if value is not None and not (swapped and matrix):
                yield Mutation(
                    "product", node.index, value, _OTHER[matrix], node.inputs[:2], cost + 0.5
                )


_OTHER = {
    True: "has the elementwise product (*) of {0} and {1} where the matrix product (np.dot) "
    "belongs",
    False: "has the matrix product (np.dot) of {0} and {1} where the elementwise one (*) belongs",
}


def _transposed(scene: Scene, node: GraphNode, turned: tuple[int, int], swapped: bool) -> str:
    if swapped:
        return "has the factors {0} and {1} of the matrix product swapped"
    said = []
    for k, is_turned in zip(node.inputs[:2], turned, strict=True):
        text = scene.write(k)
        if is_turned and text.endswith("ᵀ"):
            said.append(f"{text[:-1]} without the transpose")
        elif is_turned:
            said.append(f"{text} transposed")
    return "used " + " and ".join(said)


# --- other operands -------------------------------------------------------------------------------


def _replaced(scene: Scene, node: GraphNode, values: list[Array | None]) -> Iterator[Mutation]:
    """Yield other quantities in the place of each operand."""
    assert node.op is not None
    matrix = node.op.name in _MATRIX
    for k, old in enumerate(node.inputs):
        if scene.is_number(old):
            continue
        right = scene.read(old)
        turned = _is_transpose(scene, old)
        base = scene.tape.nodes[old].inputs[0] if turned else old
        for v in scene.near(node.index):
            if v in (old, base, scene.own) or (v in scene.inside and v >= node.index):
                continue
            new = scene.learners(v) * scene.unit(base)
            sides = [(new, scene.write(v), turned)]
            if matrix and new.ndim == 2:
                sides.append((new.T, f"{scene.write(v)}ᵀ", not turned))
            for side, text, odd in sides:
                fits = side.shape == right.shape
                if not fits and not matrix and node.op.name != "sum":
                    continue
                value = with_operand(node, values, k, side)
                if value is not None:
                    cost = 4.0 + 0.5 * odd + 0.5 * (not fits)
                    said = "used {0} where {1} belongs"
                    yield Mutation("operand", node.index, value, said, (text, old), cost)
        if not turned:
            yield from _edited(scene, node, values, k)


def _edited(
    scene: Scene, node: GraphNode, values: list[Array | None], place: int
) -> Iterator[Mutation]:
    """Yield: an operand with a factor too many; 1 in its place; labels of another shape."""
    assert node.op is not None
    old, i = node.inputs[place], node.index
    array = scene.read(old)
    if old in scene.tape.of:
        for factor, text, odd in scene.factors(i, array.shape):
            value = with_operand(node, values, place, array * factor)
            if value is not None:
                said = "has a factor too many: {0} beside {1}"
                yield Mutation("extra factor", i, value, said, (text, old), 5.5 + odd)
    if node.op.kind == "elementwise" and node.op.name not in ("mul", "div"):
        value = with_operand(node, values, place, np.ones_like(array))
        if value is not None:
            yield Mutation("operand", i, value, "used 1 where {0} belongs", (old,), 5.0)
    if node.op.kind != "elementwise" or scene.tape.nodes[old].role != "data":
        return
    for shape in ((array.size, 1), (1, array.size), (array.size,)):
        if shape == array.shape or max(array.shape, default=0) != array.size:
            continue
        value = with_operand(node, values, place, array.reshape(shape))
        if value is not None and value.size > math.prod(node.shape):
            other = next(scene.read(n).shape for k, n in enumerate(node.inputs) if k != place)
            said = (
                f"has shape {value.shape}: {other} against {{0}} of shape {shape} was broadcast. "
                f"Give {{0}} the shape {array.shape}, for example by {{0}}.reshape{array.shape}"
            )
            yield Mutation("broadcast", i, value, said, (old,), 2.0)


def _updated(scene: Scene, node: GraphNode, values: list[Array | None]) -> Iterator[Mutation]:
    """Yield parameters after their update: W − α dW in the place of W."""
    if not node.is_backward:
        return
    nodes = scene.tape.nodes
    value = np.asarray(scene.computed[node.index])
    if value.dtype.kind != "f":
        return
    for k, old in enumerate(node.inputs):
        base = nodes[old].inputs[0] if _is_transpose(scene, old) else old
        gradient = scene.tape.grad.get(base)
        if nodes[base].role != "parameter" or gradient is None or scene.reads[gradient] is None:
            continue
        step = scene.read(gradient).T if old != base else scene.read(gradient)
        if step.shape != scene.read(old).shape:
            continue
        moved = with_operand(node, values, k, scene.read(old) - step)
        if moved is not None and moved.shape == value.shape:
            said = (
                "used {0} already updated ({0} − {c} {1}): compute all gradients before the update"
            )
            parts = (base, gradient)
            yield Mutation("updated", node.index, value, said, parts, 3.5, moved - value)


def _is_transpose(scene: Scene, index: int) -> bool:
    node = scene.tape.nodes[index]
    return node.op is not None and node.op.name == "matrix_transpose"
