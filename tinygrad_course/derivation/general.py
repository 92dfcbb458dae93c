"""Activations in general: g[l] and its derivative g[l]′, as the courses' formulas write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import naming
from ..graph import Graph
from ..op import Op


def general_activations(graph: Graph, activations: str) -> dict[int, Op]:
    """Return the operations that stand for activations: g[l], or f."""
    found: dict[int, Op] = {}
    if activations == "named":
        return found
    products = {
        i
        for n in graph
        if n.op is not None and n.op.name in ("affine", "matrix_product") and not n.is_backward
        for i in n.inputs
    }
    for node in graph:
        if node.op is None or node.is_backward or node.op.name not in naming.ACTIVATIONS:
            continue
        if node.op.kind == "elementwise" and (activations != "general" or node.index in products):
            layer = node.name[node.name.index("[") :] if "[" in node.name else ""
            found[node.index] = (
                _called(node.op, "f", "f")
                if activations == "f"
                else _called(node.op, f"g{layer}", f"g^{{{layer}}}" if layer else "g")
            )
    return found


def _called(op: Op, text: str, latex: str) -> Op:
    """Return an activation under a general name."""
    made = Op(
        f"{op.name} as {text}",
        op.forward,
        inputs=op.inputs,
        defaults=op.defaults,
        kind="elementwise",
        text=lambda form, operands, params: f"{text}({operands[0]})",
        latex=lambda form, operands, params: f"{latex}({operands[0]})",
        numpy=op.numpy,
        helper=op.helper,
    )
    made.rules = op.rules
    made.symbol = text
    made.doc = latex
    return made


def slope_of(activation: Op) -> Op:
    """Return the operation g′: the derivative of an activation."""
    rule = activation.rules[0]
    assert rule is not None

    def slope(x: Any, **params: Any) -> Any:
        y = activation.forward(x, **params)
        return rule((np.ones_like(y), y, x, *params.values()))

    return Op(
        f"slope of {activation.name}",
        slope,
        inputs=("x",),
        defaults=activation.defaults,
        kind="elementwise",
        text=lambda form, operands, params: f"{activation.symbol}′({operands[0]})",
        latex=lambda form, operands, params: f"{activation.doc}{{}}'({operands[0]})",
    )
