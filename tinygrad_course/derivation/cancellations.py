"""The cancellations learners meet: dZ = A − Y, and how it comes about.

They are rules as in `rules`, for the backward pass, and the only ones that look through a named
derivative: dA = (A − Y)/(A (1 − A)) has a name, and yet dZ = dA · A (1 − A) is A − Y. They hold up
to three things that courses take for granted too: a guard against division by zero, such as
``max(a (1 − a), 1e-12)``, cancels with what it guards; a factor cancels with its divisor also where
both are 0; and labels that sum to 1 for each example go on doing so (`Rewriter.assumed` notes it).
"""

from __future__ import annotations

import numpy as np

from .rewriter import Rewriter
from .rules import Inputs, Params, rule


def cancelled(r: Rewriter, x: int, factor: int) -> int | None:
    """Return x · factor, when x is a quotient (or a sum of quotients) that the factor cancels."""
    c, core = r.split(r.see(x))
    core = r.see(core)
    found = _cancelled(r, core, factor)
    return None if found is None else r.scaled(c, found)


def _cancelled(r: Rewriter, x: int, factor: int) -> int | None:
    if r.is_op(x, "div"):
        top, bottom = r.inputs(x)
        if _guards(r, bottom, factor):
            return top
        if r.is_op(factor, "mul"):
            a, b = r.inputs(factor)
            for own, other in ((a, b), (b, a)):
                if bottom == own:
                    return r.make("mul", top, other)
    if r.is_op(x, "add", "sub") and r.is_op(factor, "mul"):
        return _logistic(r, x, factor)
    return None


def _guards(r: Rewriter, bottom: int, factor: int) -> bool:
    """Return True when a divisor is `factor`, or the larger of it and a tiny number."""
    if bottom == factor:
        return True
    if not r.is_op(bottom, "maximum"):
        return False
    value, least = r.inputs(bottom)
    tiny = r.coefficient(least)
    return value == factor and tiny is not None and not tiny.powers and 0 < tiny.number <= 1e-6


def _logistic(r: Rewriter, x: int, factor: int) -> int | None:
    """((1 − y)/(1 − a) − y/a) · a (1 − a) = a − y."""
    over: dict[int, tuple[float, int]] = {}
    for plus, part in zip((1, -1 if r.is_op(x, "sub") else 1), r.inputs(x), strict=True):
        c, core = r.split(part)
        if not r.is_op(core, "div") or c.powers or abs(c.number) != 1:
            return None
        top, bottom = r.inputs(core)
        over[bottom] = (plus * c.number, top)
    for a, b in (r.inputs(factor), r.inputs(factor)[::-1]):
        if set(over) != {a, b} or not _is_one_less(r, b, a):
            continue
        (sign, y), (other_sign, rest) = over[a], over[b]
        if sign == -other_sign and _is_one_less(r, rest, y):
            return r.make("sub", a, y) if sign < 0 else r.make("sub", y, a)
    return None


def _is_one_less(r: Rewriter, x: int, a: int) -> bool:
    """Return True when x is 1 − a."""
    return r.is_op(x, "sub") and r.is_number(r.inputs(x)[0], 1) and r.inputs(x)[1] == a


@rule("mul", backward=True)
def _quotient_times_divisor(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    for x, factor in (inputs, inputs[::-1]):
        found = cancelled(r, x, factor)
        if found is not None:
            return found
    return None


@rule("div", backward=True)
def _product_over_factor(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(a b) / b = a."""
    x, bottom = inputs
    if not r.is_op(x, "mul"):
        return None
    a, b = r.inputs(x)
    return a if b == bottom else b if a == bottom else None


@rule("div", backward=True)
def _cross_entropy(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Link by link, (a − y)/(a (1 − a)) is written as courses do: −y/a + (1 − y)/(1 − a)."""
    top, bottom = inputs
    if r.looks_through or not r.is_op(bottom, "maximum"):
        return None
    if r.is_op(top, "mul") and r.is_op(r.inputs(top)[1], "sub"):
        g, difference = r.inputs(top)
        found = _cross_entropy(r, op, (difference, bottom), params)
        return None if found is None else r.emit("mul", (g, found), {})
    if not r.is_op(top, "sub"):
        return None
    a, y = r.inputs(top)
    factor = r.inputs(bottom)[0]
    if not r.is_op(factor, "mul") or not _guards(r, bottom, factor):
        return None
    first, rest = r.inputs(factor)
    if first != a or not _is_one_less(r, rest, a):
        return None
    one = r.number(1)
    of_ones = r.emit("neg", (r.emit("div", (y, a), {}),), {})
    of_zeros = r.emit("div", (r.emit("sub", (one, y), {}), rest), {})
    return r.emit("add", (of_ones, of_zeros), {})


# --- softmax ------------------------------------------------------------------------------------


@rule("exp", backward=True)
def _exp_of_log_softmax(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    if not r.is_op(x, "log_softmax"):
        return None
    return r.make("softmax", *r.inputs(x), **r.params(x))


@rule("mul", backward=True)
def _opened_bracket(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Open a bracket, a (y/a ± q) = y ± a q: in a softmax under a logarithm."""
    for x, factor in (inputs, inputs[::-1]):
        if not r.is_op(x, "add", "sub"):
            continue
        p, q = r.inputs(x)
        for first, second, order in ((p, q, 1), (q, p, -1)):
            found = cancelled(r, first, factor)
            if found is not None:
                rest = r.make("mul", factor, second)
                pair = (found, rest) if order > 0 else (rest, found)
                return r.make("sub" if r.is_op(x, "sub") else "add", *pair)
    return None


@rule("scatter_into", backward=True)
def _marks(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Ones put at the labelled classes, and zeros elsewhere, are the one-hot labels."""
    x, index, source = inputs
    c, core = r.split(source)
    if not r.is_op(x, "zeros_like") or not r.is_op(core, "ones_like"):
        return None
    axis = params["axis"] % r.ndim(x)
    if r.nodes[index].shape[axis] != 1 or r.sizes.counts(r.sizes.axes[x][axis]):
        return None
    classes = r.nodes[x].shape[axis]
    labels = r.make("remove_axes", index, axis=(axis,))
    marks = r.make("one_hot", labels, classes=classes, axis=axis - r.ndim(x))
    if r.exact_dtypes and r.nodes[marks].dtype != r.nodes[x].dtype:
        marks = r.make("cast", marks, dtype=str(r.nodes[x].dtype))
    return r.scaled(c, marks)


@rule("sum", backward=True)
def _sum_of_labels(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """The labels of one example sum to 1."""
    (x,) = inputs
    axis = params["axis"]
    if not isinstance(axis, int) or r.ndim(x) == 0:
        return None
    ndim = r.ndim(x)
    marks = r.inputs(x)[0] if r.is_op(x, "cast") else x
    if r.is_op(marks, "one_hot"):
        if r.params(marks)["axis"] % ndim != axis % ndim:
            return None
    elif not _sums_to_one(r, x, axis):
        return None
    total = r.emit("sum", inputs, params)
    return r.make("ones_like", total)


def _sums_to_one(r: Rewriter, x: int, axis: int) -> bool:
    """Return True for labels given as data, each column (or row) of which sums to 1."""
    node = r.nodes[x]
    if r.exact_dtypes or node.op is not None or node.role != "data" or node.value is None:
        return False
    values = np.asarray(node.value)
    if not values.size or values.min() < 0 or not np.allclose(values.sum(axis=axis), 1, 1e-6):
        return False
    if x not in r.assumed:
        r.assumed[x] = axis
    return True


# --- the sigmoid by hand ------------------------------------------------------------------------


@rule("div")
def _sigmoid(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """1 / (1 + exp(−z)) is σ(z)."""
    top, bottom = inputs
    if r.exact_dtypes or r.keeps_steps or not r.is_number(top, 1):
        return None
    e = _added_to_one(r, bottom)
    if e is None or not r.is_op(e, "exp") or not r.is_op(r.inputs(e)[0], "neg"):
        return None
    return r.make("sigmoid", *r.inputs(r.inputs(e)[0]))


@rule("mul", backward=True)
def _slope_of_sigmoid(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write g a / (1 + e) · e as g · a (1 − a), where a is 1 / (1 + e)."""
    for x, e in (inputs, inputs[::-1]):
        if not r.is_op(e, "exp") or not r.is_op(r.inputs(e)[0], "neg") or not r.is_op(x, "div"):
            continue
        if r.exact_dtypes or r.keeps_steps:
            return None
        top, bottom = r.inputs(x)
        if _added_to_one(r, bottom) != e:
            continue
        a = r.make("sigmoid", *r.inputs(r.inputs(e)[0]))
        slope = r.make("mul", a, r.make("sub", r.number(1), a))
        if top == a:
            return slope
        if r.is_op(top, "mul") and a in r.inputs(top):
            first, second = r.inputs(top)
            return r.make("mul", first if second == a else second, slope)
    return None


def _added_to_one(r: Rewriter, x: int) -> int | None:
    """Return e of 1 + e."""
    if not r.is_op(x, "add"):
        return None
    one, e = r.inputs(x)
    return e if r.is_number(one, 1) else one if r.is_number(e, 1) else None
