"""Short texts of numbers, values and formulas, for the boxes and arrows of a picture.

A definition is one operation written with the names of its inputs, such as ``a + u``. A local
derivative is what one operation multiplies a cotangent by on its way to one input; it is found by
running the operation's own derivative rule on the cotangent 1. Everything is plain text, without
markup; nothing here draws.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_course.graph import Graph, GraphNode
from tinygrad_course.modes import record_all
from tinygrad_course.node import Node
from tinygrad_course.op import ATOM, POWER, PRODUCT, UNARY, Op
from tinygrad_course.tensor import Tensor, wrap

MAX_ELEMENTS = 6
"""A larger array is not written out."""
MAX_ROWS = 4
"""Nor a matrix with more rows."""
MAX_FORMULA = 14
"""A local derivative with a longer formula shows its number only."""
MAX_FACTOR = 30
"""A longer factor of the backward pass is drawn as operations."""
MAX_DEFINITION = 26
"""A longer definition is abbreviated to the operation's name and its inputs."""
_MAX_STEPS = 12

Text = tuple[str, int]
"""A written formula, and how tightly it binds."""

_SHORT = re.compile(r"[^\W\d_]")
_POWER = re.compile(r"[^\W\d_][⁰¹²³⁴⁵⁶⁷⁸⁹]*")
_INDEXED = re.compile(r"[^\W\d_](\d+|\[\w+\])")
_NUMBER = re.compile(r"-?\d[\d.e+-]*")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: Any) -> str:
    """Return a number briefly, with four significant digits.

    >>> [number(x) for x in (33.0, 0.19661193, 10431.0, 1e-12, float("nan"))]
    ['33', '0.1966', '10431', '1e-12', 'nan']
    """
    plain = value if type(value) in (int, float) else np.asarray(value).item()
    if isinstance(plain, (bool, int)) or not math.isfinite(plain):
        return str(plain)
    if abs(plain) < 1e6 and plain == int(plain):
        return str(int(plain))
    if 1e4 <= abs(plain) < 1e6:
        return f"{plain:.0f}"
    text = f"{plain:.4g}"
    return re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].replace('+', '')}{m[2]}", text)


def value(array: Any, wanted: bool | str = "auto") -> str | None:
    r"""Return the text of a value, in rows; None when it is too large to write out.

    Args:
        array: the value, or None when it is not known.
        wanted: "auto" for small arrays only, True for the beginning of any array, False for none.

    >>> value(np.eye(2))
    '[1, 0]\n[0, 1]'
    """
    if array is None or wanted is False:
        return None
    array = np.asarray(array)
    if array.size == 1:
        return number(array)
    if array.size == 0:
        return None
    rows = array.reshape(-1, array.shape[-1])
    small = array.size <= MAX_ELEMENTS and array.ndim <= 2 and len(rows) <= MAX_ROWS
    if wanted == "auto" and not small:
        return None
    shown = [_row(row) for row in rows[:MAX_ROWS]]
    return "\n".join(shown + ["…"] * (len(rows) > MAX_ROWS))


def _row(row: Any) -> str:
    cells = [number(x) for x in row[:MAX_ELEMENTS]]
    return f"[{', '.join(cells + ['…'] * (len(row) > MAX_ELEMENTS))}]"


def shape(lengths: tuple[int, ...]) -> str:
    """Return a shape as a caption.

    >>> shape((4, 400)), shape((3,)), shape(())
    ('(4×400)', '(3,)', '')
    """
    if not lengths:
        return ""
    if len(lengths) == 1:
        return f"({lengths[0]},)"
    return f"({'×'.join(str(n) for n in lengths)})"


def write(op: Op, params: dict[str, Any], parts: Sequence[Text], elementwise: bool = False) -> Text:
    """Return an operation applied to written operands, and how tightly the text binds.

    Args:
        op: the operation.
        params: its parameters.
        parts: text and binding strength (see `spelling`) of each operand.
        elementwise: whether products are of arrays, and so written with ``*``.
    """
    if op.name == "count":
        return "m", ATOM
    if op.name == "mul":
        return _product(parts[0], parts[1], elementwise)
    if op.name == "pow" and parts[1][0] == "1":
        return parts[0]
    if op.name == "pow" and re.fullmatch(r"-?\d{1,3}", parts[1][0]):
        return _bracket(parts[0], ATOM) + parts[1][0].translate(_SUPERSCRIPTS), POWER
    if op.text == f"{{{op.inputs[0]}}}":
        return parts[0]
    if op.name == "matrix_transpose" and parts[0][0].endswith("ᵀ"):
        return parts[0][0][:-1], ATOM
    least = op.bounds(len(parts), params)
    texts = [_bracket(part, bound) for part, bound in zip(parts, least, strict=True)]
    if op.precedence != ATOM:  # a + (-2)
        texts[1:] = [f"({t})" if t.startswith("-") else t for t in texts[1:]]
    return op.spell("text", texts, params), op.precedence


def _bracket(part: Text, least: int) -> str:
    text, strength = part
    return f"({text})" if strength < least else text


def _product(left: Text, right: Text, elementwise: bool) -> Text:
    """Return a product as mathematics writes it: bc, 3v, w1 x1, price · area; A * B of arrays."""
    if _NUMBER.fullmatch(right[0]) and not _NUMBER.fullmatch(left[0]):
        left, right = right, left
    if left[0].startswith("-") and _NUMBER.fullmatch(left[0]):
        text, strength = _product((left[0][1:], ATOM), right, elementwise)
        return "-" + _bracket((text, strength), PRODUCT), PRODUCT
    if left[0] == "1":
        return right
    if left[0] == right[0] and left[1] == ATOM:
        return f"{left[0]}²", POWER
    a, b = _bracket(left, PRODUCT), _bracket(right, PRODUCT)
    if _NUMBER.fullmatch(a) and (_POWER.fullmatch(b) or b.startswith("(")):
        return a + b, PRODUCT
    if elementwise:
        return f"{a} * {b}", PRODUCT
    if _SHORT.fullmatch(a) and (_SHORT.fullmatch(b) or b.startswith("(")):
        return a + b, PRODUCT
    names = [_SHORT.fullmatch(t) or _INDEXED.fullmatch(t) or _NUMBER.fullmatch(t) for t in (a, b)]
    return (f"{a} {b}" if all(names) else f"{a} · {b}"), PRODUCT


def name(node: GraphNode) -> Text:
    """Return how a node is written as an operand; a negative number needs brackets."""
    return node.name, UNARY if node.name.startswith("-") else ATOM


def definition(graph: Graph, node: GraphNode) -> str:
    """Return an equation of a node, one operation deep, such as ``v = a + u``."""
    assert node.op is not None
    parts = [name(graph[i]) for i in node.inputs]
    text = write(node.op, node.params, parts, node.size > 1)[0]
    if len(text) > MAX_DEFINITION:
        symbol = node.op.symbol if node.op.symbol.isidentifier() else node.op.name
        text = f"{symbol}({', '.join(part[0] for part in parts)})"
        if symbol == node.name:  # L(a, y) rather than L = L(a, y)
            return text
    return f"{node.name} = {text}"


def local_derivative(graph: Graph, node: GraphNode, position: int) -> str | None:
    """Return the derivative of a scalar node by one of its inputs, such as ``c = 2``.

    Returns:
        The formula and its value, or the value alone when the formula is no news or too long; None
        when there is no derivative rule, or a value is not known.
    """
    op = node.op
    if op is None or op.rule(position) is None:
        return None
    read = [graph[i] for i in node.inputs]
    if node.value is None or any(n.value is None for n in read):
        return None
    one = wrap(np.ones_like(np.asarray(node.value)))
    inputs = tuple(n.value if n.role == "constant" else _leaf(n) for n in read)
    values: tuple[Any, ...] = (one, _leaf(node), *inputs, *node.params.values())
    if op.variadic:
        values = (one, _leaf(node), inputs, position, *node.params.values())
    rule = op.rule(position)
    assert rule is not None
    with record_all():
        result = rule(values)
    amount = number(np.sum(np.asarray(result)))
    if op.kind == "custom" or not isinstance(result, Tensor):
        return amount
    text = _written(result, one)
    if text is None or text == amount or len(text) > MAX_FORMULA:
        return amount
    return f"{text} = {amount}"


def _leaf(node: GraphNode) -> Tensor:
    leaf = wrap(np.asarray(node.value))
    leaf.name = node.name
    return leaf


def _written(result: Tensor, one: Tensor) -> str | None:
    """Return the formula of a recorded result; None when it takes too many steps."""
    steps = 0

    def text(source: Any) -> Text | None:
        nonlocal steps
        steps += 1
        if steps > _MAX_STEPS:
            return None
        if not isinstance(source, Node):
            if isinstance(source, Tensor) and source is not one and source.name:
                return source.name, UNARY if source.name.startswith("-") else ATOM
            return _amount(source) if np.size(source) == 1 else None
        parts = [text(s) for s in source.inputs]
        if all(p is not None and re.fullmatch(r"-?[\d.]+", p[0]) for p in parts):
            return _amount(source.data)  # numbers only: no formula, their result
        if any(p is None for p in parts):
            return None
        return write(source.op, source.params, [p for p in parts if p is not None])

    found = text(result._node or result)
    return found[0] if found is not None else None


def _amount(source: Any) -> Text:
    amount = number(source)
    return amount, UNARY if amount.startswith("-") else ATOM
