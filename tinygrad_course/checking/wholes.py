"""Mistakes in the value of a line as a whole: multiples, transposes, other slopes, additions.

From simple to complex: a plain multiple first, the derivative of another activation last.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import naming
from .mutations import SLOPES, Array, Mutation, Scene, slopes, spoken, spread


def wholes(scene: Scene, index: int) -> Iterator[Mutation]:
    """Yield the mistakes in the value of a node."""
    tape = scene.tape
    value = np.asarray(scene.computed[index])
    yield from _multiples(scene, index, value)
    if value.ndim == 2 and value.size > 1:
        cost = 1.5 if index == scene.target else 4.0
        what = "the derivative" if tape.own(index) in tape.of else "what it should be"
        yield Mutation("transpose", index, value.T, "is the transpose of {0}", (what,), cost)
    yield from _slopes(scene, index)
    yield from _others(scene, index, value)
    if index == scene.target or tape.is_scaled(index):
        if not tape.is_gradient(tape.own(index)):
            for factor, text, odd in scene.factors(index, value.shape):
                said = "has a factor too many: {0}"
                yield Mutation("extra factor", index, value * factor, said, (text,), 4.5 + odd)
        yield from _extra_terms(scene, index, value)


def _multiples(scene: Scene, index: int, value: Array) -> Iterator[Mutation]:
    """Yield c times the value: any c in the backward pass, which is linear."""
    if scene.tape.nodes[index].is_backward or index == scene.target:
        zero = np.zeros(value.shape)
        yield Mutation("factor", index, zero, cost=1.0, direction=value)
        return
    m = scene.tape.m
    for c in (-1.0, 2.0, 0.5, *([float(m), 1 / m] if m and m > 1 else [])):
        yield Mutation("factor", index, value * c, parts=(repr(c),), cost=2.0)


def _others(scene: Scene, index: int, value: Array) -> Iterator[Mutation]:
    """Yield other quantities."""
    for v in scene.near(index):
        if v in scene.inside or v == scene.tape.own(index):
            continue
        other = scene.learners(v) * scene.unit(index)
        if other.shape == value.shape:
            parts = (v, scene.inner(index))
            yield Mutation("operand", index, other, "is {0} where {1} belongs", parts, 4.4)


def _extra_terms(scene: Scene, index: int, value: Array) -> Iterator[Mutation]:
    for v in scene.near(index):
        if v == scene.tape.own(index):
            continue
        array, name = scene.read(v), scene.write(v)
        sides = [(array, name)]
        if array.ndim == 2:
            sides.append((array.T, f"{name}ᵀ"))
        for side, text in sides:
            term = spread(side, value.shape)
            if term is not None:
                said = "has a term too many: {c} {0}"
                yield Mutation("extra term", index, value, said, (text,), 6.0, term)


# --- dZ = dA · g′(Z) ------------------------------------------------------------------------------


def _slopes(scene: Scene, index: int) -> Iterator[Mutation]:
    """Yield dZ without the activation's derivative, with another's, or taken of another value."""
    layer = _layer(scene, index)
    if layer is None:
        return
    z, a, da = layer
    activation = scene.tape.nodes[a].op
    assert activation is not None
    own, upstream = spoken(activation.name), scene.read(da)
    right = _slope_text(scene, index, a, da)
    yield Mutation("missing factor", index, upstream, "lacks the factor {0}", (right,), 2.0)
    for v in scene.near(index):
        if scene.read(v).shape != upstream.shape:
            continue
        for slope, (name, text, odd) in zip(slopes(scene.learners(v)), SLOPES, strict=True):
            wrong = text.replace("{0}", scene.write(v))
            value = upstream * slope
            same = name == own
            parts: tuple[int | str, ...] = (wrong, right)
            if v not in (z, a) or (same and v != a):
                said = "has {0} where {1} belongs: used {2} instead of {3}"
                parts = (wrong, right, v, a if a != v else z)
                kind = "operand" if same else "activation"
                cost = 3.0 + odd + (v not in (z, a))
            elif same:
                said = "has {0} where {1} belongs"
                kind, cost = "operand", 3.5 + odd
            else:
                said = f"has the derivative of {name}, {{0}}, where that of {own}, {{1}}, belongs"
                kind, cost = "activation", 3.0 + odd
            yield Mutation(kind, index, value, said, parts, cost)


def _layer(scene: Scene, index: int) -> tuple[int, int, int] | None:
    """Return Z, A and dA when `index` is the dZ of an elementwise activation and dA is known."""
    tape = scene.tape
    z = tape.of.get(tape.own(index))
    for a in tape.users[z] if z is not None else ():
        node = tape.nodes[a]
        if node.op is None or node.op.name not in naming.ACTIVATIONS or node.is_backward:
            continue
        da = tape.grad.get(a)
        if da is None or scene.reads[da] is None or node.op.kind != "elementwise":
            continue
        if da in tape.region(index, ()):
            assert z is not None
            return z, a, da
    return None


def _slope_text(scene: Scene, index: int, a: int, da: int) -> str:
    """Return the derivative of an activation as the line has it."""
    nodes = scene.tape.nodes
    node = nodes[index]
    while node.op is not None and node.op.name == "clone":
        node = nodes[node.inputs[0]]
    if node.op is not None and node.op.name == "mul" and da in node.inputs:
        return scene.write(node.inputs[1] if node.inputs[0] == da else node.inputs[0])
    symbol = nodes[a].op.symbol if nodes[a].op is not None else "g"  # type: ignore[union-attr]
    return f"{symbol}′({scene.write(nodes[a].inputs[0])})"
