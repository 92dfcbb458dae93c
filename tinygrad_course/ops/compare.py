"""Comparison and choice: what is larger, where to take which value, limits, logic on booleans.

Comparisons give booleans and have no derivative; they are recorded all the same, so that a replay
on fresh inputs compares again. A choice passes the cotangent to the value chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..inplace import change
from ..journal import look
from ..messages import CAUGHT, explain_call
from ..op import COMPARISON, UNARY
from ..tensor import Tensor, to_array
from .define import FUNCTIONS, NUMPY, attach, function, op

# --- comparison ---------------------------------------------------------------------------------


@op(
    ufunc=np.equal,
    operator="eq",
    symbol="=",
    text="{a} == {b}",
    latex="{a} = {b}",
    numpy="{a} == {b}",
    precedence=COMPARISON,
)
def eq(a: Any, b: Any) -> Any:
    """True where a = b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) == 2
        tensor([False,  True])
    """


@op(
    ufunc=np.not_equal,
    operator="ne",
    symbol="≠",
    text="{a} != {b}",
    latex=r"{a} \neq {b}",
    numpy="{a} != {b}",
    precedence=COMPARISON,
    also=("not_equal",),
)
def ne(a: Any, b: Any) -> Any:
    """True where a ≠ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) != 2
        tensor([ True, False])
    """


@op(
    ufunc=np.less,
    operator="lt",
    symbol="<",
    text="{a} < {b}",
    latex="{a} < {b}",
    numpy="{a} < {b}",
    precedence=COMPARISON,
    also=("less",),
)
def lt(a: Any, b: Any) -> Any:
    """True where a < b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) < 2
        tensor([ True, False])
    """


@op(
    ufunc=np.less_equal,
    operator="le",
    symbol="≤",
    text="{a} <= {b}",
    latex=r"{a} \leq {b}",
    numpy="{a} <= {b}",
    precedence=COMPARISON,
    also=("less_equal",),
)
def le(a: Any, b: Any) -> Any:
    """True where a ≤ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) <= 1
        tensor([ True, False])
    """


@op(
    ufunc=np.greater,
    operator="gt",
    symbol=">",
    text="{a} > {b}",
    latex="{a} > {b}",
    numpy="{a} > {b}",
    precedence=COMPARISON,
    also=("greater",),
)
def gt(a: Any, b: Any) -> Any:
    """True where a > b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) > 1
        tensor([False,  True])
    """


@op(
    ufunc=np.greater_equal,
    operator="ge",
    symbol="≥",
    text="{a} >= {b}",
    latex=r"{a} \geq {b}",
    numpy="{a} >= {b}",
    precedence=COMPARISON,
    also=("greater_equal",),
)
def ge(a: Any, b: Any) -> Any:
    """True where a ≥ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) >= 2
        tensor([False,  True])
    """


def equal(input: Any, other: Any) -> bool:
    """Return True when two tensors have the same shape and equal elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.equal(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 2.0]))
        True
    """
    return np.array_equal(_values("equal", input), _values("equal", other))


def _values(name: str, value: Any) -> Any:
    """Return the array that a question is answered from; while tracing, there is no answer."""
    if isinstance(value, Tensor):
        look(value, name)
    return to_array(value)


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Return True when all elements agree within atol + rtol · |other|.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.allclose(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 2.000001]))
        True
    """
    a, b = _values("allclose", input), _values("allclose", other)
    try:
        return np.allclose(a, b, rtol, atol, equal_nan)
    except CAUGHT as error:
        raise explain_call("allclose", (a, b), error, "(input, other, rtol, atol)") from None


for _question in (equal, allclose):
    FUNCTIONS[_question.__name__] = _question
    attach(_question, _question.__name__)


@op(symbol="≈", numpy="np.isclose")
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """True where a and b agree within atol + rtol · |b|; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isclose(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    return np.isclose(a, b, rtol, atol, equal_nan)


# --- choice -------------------------------------------------------------------------------------


@op(
    symbol="where",
    numpy="np.where",
    keywords={"input": "a", "other": "b"},
    da=lambda g, condition: np.where(condition, g, 0),
    db=lambda g, condition: np.where(condition, 0, g),
)
def where(condition: Any, a: Any, b: Any) -> Any:
    """Choose elementwise: a where the condition holds, else b.

    The cotangent goes to the branch taken; the other one gets exactly 0, even where its value is
    NaN or infinite.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([-1.0, 2.0])
        >>> tc.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    return np.where(condition, a, b)


def _where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """Keep elements where the condition holds, else take `other`."""
    return where(condition, self, other)


def _numpy_where(condition: Any, *values: Any) -> Any:
    """Serve ``np.where(t)`` (the places of True) and ``np.where(t, a, b)``."""
    return where(condition, *values) if values else np.nonzero(to_array(condition))


attach(_where_method, "where")
NUMPY[np.where] = _numpy_where


def _larger(g: Any, a: Any, b: Any) -> Any:
    """Return g where a > b, g / 2 where they tie, else 0."""
    return np.where(a > b, g, np.where(a == b, g / 2, 0))


@op(
    ufunc=np.maximum,
    symbol="max",
    text="max",
    latex=r"\max",
    da=lambda g, a, b: _larger(g, a, b),
    db=lambda g, a, b: _larger(g, b, a),
)
def maximum(a: Any, b: Any) -> Any:
    """Elementwise maximum; where the operands tie, each gets half of the cotangent.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.maximum(tc.tensor([1.0, 5.0]), 3.0)
        tensor([3., 5.])
    """


@op(
    ufunc=np.minimum,
    symbol="min",
    text="min",
    latex=r"\min",
    da=lambda g, a, b: _larger(g, b, a),
    db=lambda g, a, b: _larger(g, a, b),
)
def minimum(a: Any, b: Any) -> Any:
    """Elementwise minimum; where the operands tie, each gets half of the cotangent.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.minimum(tc.tensor([1.0, 5.0]), 3.0)
        tensor([1., 3.])
    """


@op(
    symbol="clamp",
    text="clamp",
    latex=r"\mathrm{{clamp}}",
    numpy="np.clip",
    public=False,
    dx=lambda g, x, low, high: g * ((x >= low) & (x <= high)),
    dlow=lambda g, x, low, high: g * ((x < low) & (low < high)),
    dhigh=lambda g, x, low, high: g * ((x > high) | (high < low)),
)
def clip_between(x: Any, low: Any, high: Any) -> Any:
    """Elementwise min(max(x, low), high)."""
    return np.minimum(np.maximum(x, low), high)


def _edges(x: Any, min: Any, max: Any) -> tuple[Any, Any]:
    """Return both edges of a clamp: one not given is the end of the dtype's range."""
    if min is None and max is None:
        raise errors.ArgumentError("clamp: give min, max or both.")
    if x.dtype.kind == "f":
        first, last = -np.inf, np.inf
    elif x.dtype.kind == "b":
        first, last = 0, 1
    else:
        first, last = int(np.iinfo(x.dtype).min), int(np.iinfo(x.dtype).max)
    return (first if min is None else min), (last if max is None else max)


@function(also=("clip",), overrides=(np.clip,), keywords={"a_min": "min", "a_max": "max"})
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit values to [min, max]; the cotangent passes inside and at the edges.

    Args:
        x: the tensor.
        min: lower edge, a number or tensor, or None.
        max: upper edge, likewise.

    Raises:
        ArgumentError: neither edge is given.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.clamp(tc.tensor([-2.0, 0.5, 7.0]), min=0.0, max=1.0)
        tensor([0. , 0.5, 1. ])
    """
    return clip_between(x, *_edges(x, min, max))


@function()
def clamp_min(x: Any, min: Any) -> Any:
    """Raise values below `min` to it: `clamp` with a lower edge.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.clamp_min(tc.tensor([-2.0, 0.5]), 0.0)
        tensor([0. , 0.5])
    """
    return clamp(x, min=min)


@function()
def clamp_max(x: Any, max: Any) -> Any:
    """Lower values above `max` to it: `clamp` with an upper edge.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.clamp_max(tc.tensor([-2.0, 0.5]), 0.0)
        tensor([-2.,  0.])
    """
    return clamp(x, max=max)


def _clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit values to [min, max], in place."""
    return change(self, clip_between.op, _edges(self, min, max))


attach(_clamp_, "clamp_", "clip_")


@op(
    symbol="step",
    text="heaviside",
    latex=r"\mathrm{{heaviside}}",
    ufunc=np.heaviside,
    dx=lambda g: np.zeros_like(g),
    dvalues=lambda g, x: np.where(x == 0, g, 0),
)
def heaviside(x: Any, values: Any) -> Any:
    """Unit step: y = 0 where x < 0, 1 where x > 0, and the given value where x = 0.

    The derivative with respect to x is 0; the cotangent of the zeros goes to the values.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.heaviside(tc.tensor([-1.5, 0.0, 2.0]), tc.tensor(0.5))
        tensor([0. , 0.5, 1. ])
    """


@op(
    symbol="nan→num",
    numpy="np.nan_to_num",
    overrides=(np.nan_to_num,),
    dx=lambda g, x: np.where(np.isfinite(x), g, 0),
)
def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Replace NaN and infinities by numbers; they get no cotangent.

    Args:
        x: the tensor.
        nan: what replaces NaN.
        posinf: what replaces +∞; by default the largest number of the dtype.
        neginf: what replaces −∞; by default the smallest.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.nan_to_num(tc.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
        tensor([1., 0., 9.])
    """
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


# --- logic on booleans --------------------------------------------------------------------------


@op(
    ufunc=np.logical_and,
    symbol="∧",
    text="{a} and {b}",
    latex=r"{a} \land {b}",
    precedence=COMPARISON,
)
def logical_and(a: Any, b: Any) -> Any:
    """True where both are; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_and(tc.tensor([True, False]), True)
        tensor([ True, False])
    """


@op(
    ufunc=np.logical_or,
    symbol="∨",
    text="{a} or {b}",
    latex=r"{a} \lor {b}",
    precedence=COMPARISON,
)
def logical_or(a: Any, b: Any) -> Any:
    """True where one is; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_or(tc.tensor([True, False]), False)
        tensor([ True, False])
    """


@op(
    ufunc=np.logical_xor,
    symbol="⊕",
    text="{a} xor {b}",
    latex=r"{a} \oplus {b}",
    precedence=COMPARISON,
)
def logical_xor(a: Any, b: Any) -> Any:
    """True where exactly one is; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_xor(tc.tensor([True, False]), True)
        tensor([False,  True])
    """


@op(
    ufunc=np.logical_not,
    symbol="¬",
    text="not {x}",
    latex=r"\lnot {x}",
    precedence=COMPARISON,
)
def logical_not(x: Any) -> Any:
    """True where x is not; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_not(tc.tensor([True, False]))
        tensor([False,  True])
    """


@op(
    ufunc=np.bitwise_and,
    operator="and",
    symbol="&",
    text="{a} & {b}",
    latex=r"{a} \mathbin{{\&}} {b}",
    numpy="{a} & {b}",
    precedence=COMPARISON,
    public=False,
)
def bitwise_and(a: Any, b: Any) -> Any:
    """Bitwise (for booleans: logical) and."""


@op(
    ufunc=np.bitwise_or,
    operator="or",
    symbol="|",
    text="{a} | {b}",
    latex=r"{a} \mid {b}",
    numpy="{a} | {b}",
    precedence=COMPARISON,
    public=False,
)
def bitwise_or(a: Any, b: Any) -> Any:
    """Bitwise (for booleans: logical) or."""


@op(
    ufunc=np.bitwise_xor,
    operator="xor",
    symbol="^",
    numpy="{a} ^ {b}",
    public=False,
)
def bitwise_xor(a: Any, b: Any) -> Any:
    """Bitwise (for booleans: logical) exclusive or."""


@op(
    ufunc=np.invert,
    operator="invert",
    symbol="~",
    text="~{x}",
    latex=r"{{\sim}}{x}",
    precedence=UNARY,
    public=False,
)
def bitwise_not(x: Any) -> Any:
    """Bitwise (for booleans: logical) not."""


@op(ufunc=np.isnan, symbol="nan?")
def isnan(x: Any) -> Any:
    """True where x is NaN; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isnan(tc.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """


@op(ufunc=np.isinf, symbol="inf?")
def isinf(x: Any) -> Any:
    """True where x is infinite; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isinf(tc.tensor([1.0, float("inf")]))
        tensor([False,  True])
    """


@op(ufunc=np.isfinite, symbol="finite?")
def isfinite(x: Any) -> Any:
    """True where x is neither NaN nor infinite; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isfinite(tc.tensor([1.0, float("inf")]))
        tensor([ True, False])
    """
