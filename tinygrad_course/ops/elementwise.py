"""Elementwise operations: arithmetic, powers, exponentials, trigonometry, comparison, choice.

Every result has the broadcast shape of its operands; the engine sums a cotangent over broadcast axes,
so a rule here is the formula for numbers. From simple to complex: add first, powers later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import POWER, PRODUCT, SUM, UNARY
from .define import function, op

# --- arithmetic ---------------------------------------------------------------------------------


@op(
    ufunc=np.add,
    operator="add",
    symbol="+",
    text="{a} + {b}",
    latex="{a} + {b}",
    numpy="{a} + {b}",
    precedence=SUM,
    da=lambda g: g,
    db=lambda g: g,
)
def add(a: Any, b: Any) -> Any:
    """Sum, elementwise: y = a + b, with da = g and db = g.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.add(tc.tensor([1.0, 2.0]), 10)
        tensor([11., 12.])
    """


@op(
    ufunc=np.subtract,
    operator="sub",
    symbol="−",
    text="{a} - {b}",
    latex="{a} - {b}",
    numpy="{a} - {b}",
    precedence=SUM,
    methods=("subtract",),
    da=lambda g: g,
    db=lambda g: -g,
)
def sub(a: Any, b: Any) -> Any:
    """Difference, elementwise: y = a − b, with da = g and db = −g.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sub(tc.tensor([1.0, 2.0]), 1)
        tensor([0., 1.])
    """


@op(
    ufunc=np.multiply,
    operator="mul",
    symbol="×",
    text="{a} * {b}",
    latex=r"{a} \odot {b}",
    numpy="{a} * {b}",
    precedence=PRODUCT,
    methods=("multiply",),
    da=lambda g, b: g * b,
    db=lambda g, a: g * a,
)
def mul(a: Any, b: Any) -> Any:
    """Product, elementwise: y = a b, with da = g b and db = g a.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.mul(tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0]))
        tensor([3., 8.])
    """


@op(
    ufunc=np.true_divide,
    operator="truediv",
    symbol="÷",
    text="{a} / {b}",
    latex=r"\frac{{{a}}}{{{b}}}",
    numpy="{a} / {b}",
    precedence=PRODUCT,
    methods=("divide", "true_divide"),
    quiet=True,
    da=lambda g, b: g / b,
    db=lambda g, a, b: -g * a / (b * b),
)
def div(a: Any, b: Any) -> Any:
    """Quotient, elementwise: y = a / b, with da = g / b and db = −g a / b².

    Example:
        >>> import tinygrad_course as tc
        >>> tc.div(tc.tensor([1.0, 3.0]), 2)
        tensor([0.5, 1.5])
    """


@op(
    ufunc=np.negative,
    operator="neg",
    symbol="−",
    text="-{x}",
    latex="-{x}",
    numpy="-{x}",
    precedence=UNARY,
    methods=("negative",),
    dx=lambda g: -g,
)
def neg(x: Any) -> Any:
    """Negative: y = −x, with dx = −g.

    Example:
        >>> import tinygrad_course as tc
        >>> -tc.tensor([1.0, -2.0])
        tensor([-1.,  2.])
    """


def _less_one(b: Any) -> Any:
    """Return b − 1; where b = 0, 1 instead: b·a^(b−1) is then 0 at a = 0 too."""
    if isinstance(b, (int, float)):
        return b - 1 if b else 1
    return np.where(b == 0, np.ones_like(b), b - 1)


def _log_safe(a: Any) -> Any:
    """Return log a where a > 0, 0 elsewhere: 0^b has derivative 0 in b for b > 0."""
    positive = a > 0
    return np.where(positive, np.log(np.where(positive, a, np.ones_like(a))), np.zeros_like(a))


@op(
    ufunc=np.power,
    operator="pow",
    symbol="^",
    text="{a}^{b}",
    latex="{a}^{{{b}}}",
    numpy="{a} ** {b}",
    precedence=POWER,
    methods=("power",),
    quiet=True,
    da=lambda g, a, b: g * b * a ** _less_one(b),
    db=lambda g, y, a: g * y * _log_safe(a),
)
def pow(a: Any, b: Any) -> Any:
    """Power, elementwise: y = aᵇ, with da = g b aᵇ⁻¹ and db = g y log a.

    At a = 0 the derivative with respect to b is 0, and 0⁰ has the gradient (0, 0), as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.pow(tc.tensor([2.0, 3.0]), 2)
        tensor([4., 9.])
    """


@op(
    ufunc=np.absolute,
    operator="abs",
    symbol="|·|",
    text="|{x}|",
    latex=r"\left|{x}\right|",
    overrides=(np.abs,),
    dx=lambda g, x: g * np.sign(x),
)
def abs(x: Any) -> Any:
    """Absolute value: y = |x|, with dx = g sign x, which is 0 at 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.abs(tc.tensor([-1.5, 2.0]))
        tensor([1.5, 2. ])
    """


@op(ufunc=np.sign, dx=lambda g: np.zeros_like(g))
def sign(x: Any) -> Any:
    """Sign: −1, 0 or 1; the derivative is 0.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sign(tc.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])
    """


@op(
    ufunc=np.sqrt,
    symbol="√",
    text="√{x}",
    latex=r"\sqrt{{{x}}}",
    quiet=True,
    dx=lambda g, y: g / (2 * y),
)
def sqrt(x: Any) -> Any:
    """Square root: y = √x, with dx = g / (2 y).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sqrt(tc.tensor([4.0, 9.0]))
        tensor([2., 3.])
    """


@op(
    ufunc=np.square,
    symbol="²",
    text="{x}²",
    latex="{x}^2",
    precedence=POWER,
    dx=lambda g, x: g * (2 * x),
)
def square(x: Any) -> Any:
    """Square: y = x², with dx = 2 g x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.square(tc.tensor([-2.0, 3.0]))
        tensor([4., 9.])
    """


@op(
    ufunc=np.reciprocal,
    symbol="1/·",
    text="1 / {x}",
    latex=r"\frac{{1}}{{{x}}}",
    precedence=PRODUCT,
    quiet=True,
    dx=lambda g, y: -g * y * y,
)
def reciprocal(x: Any) -> Any:
    """Reciprocal: y = 1 / x, with dx = −g y².

    Example:
        >>> import tinygrad_course as tc
        >>> tc.reciprocal(tc.tensor([2.0, 4.0]))
        tensor([0.5 , 0.25])
    """


# --- exponentials and logarithms ----------------------------------------------------------------


@op(ufunc=np.exp, latex=r"\exp({x})", quiet=True, dx=lambda g, y: g * y)
def exp(x: Any) -> Any:
    """Exponential: y = eˣ, with dx = g y.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.exp(tc.tensor([0.0, 1.0]))
        tensor([1.    , 2.7183])
    """


@op(ufunc=np.expm1, quiet=True, dx=lambda g, y: g * (y + 1))
def expm1(x: Any) -> Any:
    """Exponential less one: y = eˣ − 1, exact near 0, with dx = g (y + 1).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.expm1(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.7183])
    """


@op(ufunc=np.log, latex=r"\log({x})", quiet=True, dx=lambda g, x: g / x)
def log(x: Any) -> Any:
    """Natural logarithm: y = log x, with dx = g / x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.log(tc.tensor([1.0, 2.0]))
        tensor([0.    , 0.6931])
    """


@op(ufunc=np.log1p, quiet=True, dx=lambda g, x: g / (1 + x))
def log1p(x: Any) -> Any:
    """Logarithm of 1 + x, exact near 0, with dx = g / (1 + x).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.log1p(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.6931])
    """


# --- trigonometry -------------------------------------------------------------------------------


@op(ufunc=np.sin, latex=r"\sin({x})", quiet=True, dx=lambda g, x: g * np.cos(x))
def sin(x: Any) -> Any:
    """Sine: y = sin x (radians), with dx = g cos x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sin(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.8415])
    """


@op(ufunc=np.cos, latex=r"\cos({x})", quiet=True, dx=lambda g, x: -g * np.sin(x))
def cos(x: Any) -> Any:
    """Cosine: y = cos x (radians), with dx = −g sin x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cos(tc.tensor([0.0, 1.0]))
        tensor([1.    , 0.5403])
    """


@op(ufunc=np.tan, latex=r"\tan({x})", quiet=True, dx=lambda g, y: g * (1 + y * y))
def tan(x: Any) -> Any:
    """Tangent: y = tan x (radians), with dx = g (1 + y²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tan(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.5574])
    """


@op(ufunc=np.arcsin, quiet=True, methods=("asin",), dx=lambda g, x: g / np.sqrt(1 - x * x))
def arcsin(x: Any) -> Any:
    """Inverse sine, in radians: dx = g / √(1 − x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arcsin(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.5708])
    """


@op(ufunc=np.arccos, quiet=True, methods=("acos",), dx=lambda g, x: -g / np.sqrt(1 - x * x))
def arccos(x: Any) -> Any:
    """Inverse cosine, in radians: dx = −g / √(1 − x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arccos(tc.tensor([1.0, 0.0]))
        tensor([0.    , 1.5708])
    """


@op(ufunc=np.arctan, methods=("atan",), dx=lambda g, x: g / (1 + x * x))
def arctan(x: Any) -> Any:
    """Inverse tangent, in radians: dx = g / (1 + x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.arctan(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7854])
    """


@op(ufunc=np.sinh, quiet=True, latex=r"\sinh({x})", dx=lambda g, x: g * np.cosh(x))
def sinh(x: Any) -> Any:
    """Hyperbolic sine, with dx = g cosh x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.sinh(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.1752])
    """


@op(ufunc=np.cosh, quiet=True, latex=r"\cosh({x})", dx=lambda g, x: g * np.sinh(x))
def cosh(x: Any) -> Any:
    """Hyperbolic cosine, with dx = g sinh x.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.cosh(tc.tensor([0.0, 1.0]))
        tensor([1.    , 1.5431])
    """


@op(ufunc=np.tanh, latex=r"\tanh({x})", dx=lambda g, y: g * (1 - y * y))
def tanh(x: Any) -> Any:
    """Hyperbolic tangent: y = tanh x, with dx = g (1 − y²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tanh(tc.tensor([0.0, 1.0]))
        tensor([0.    , 0.7616])
    """


# --- comparison and choice ----------------------------------------------------------------------


@op(ufunc=np.equal, operator="eq", symbol="=", text="{a} == {b}", precedence=0, methods=("equal",))
def eq(a: Any, b: Any) -> Any:
    """True where a = b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) == 2
        tensor([False,  True])
    """


@op(ufunc=np.not_equal, operator="ne", symbol="≠", text="{a} != {b}", precedence=0)
def ne(a: Any, b: Any) -> Any:
    """True where a ≠ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) != 2
        tensor([ True, False])
    """


@op(ufunc=np.less, operator="lt", symbol="<", text="{a} < {b}", precedence=0, methods=("less",))
def lt(a: Any, b: Any) -> Any:
    """True where a < b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) < 2
        tensor([ True, False])
    """


@op(ufunc=np.less_equal, operator="le", symbol="≤", text="{a} <= {b}", precedence=0)
def le(a: Any, b: Any) -> Any:
    """True where a ≤ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) <= 1
        tensor([ True, False])
    """


@op(ufunc=np.greater, operator="gt", symbol=">", text="{a} > {b}", precedence=0)
def gt(a: Any, b: Any) -> Any:
    """True where a > b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) > 1
        tensor([False,  True])
    """


@op(ufunc=np.greater_equal, operator="ge", symbol="≥", text="{a} >= {b}", precedence=0)
def ge(a: Any, b: Any) -> Any:
    """True where a ≥ b; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([1.0, 2.0]) >= 2
        tensor([False,  True])
    """


@op(
    symbol="where",
    numpy="np.where({condition}, {a}, {b})",
    overrides=(np.where,),
    like="condition",
    da=lambda g, condition: np.where(condition, g, np.zeros_like(g)),
    db=lambda g, condition: np.where(condition, np.zeros_like(g), g),
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


def _share(a: Any, b: Any) -> Any:
    """Return 1 where a > b, 1/2 where they tie, else 0."""
    return (a > b) + 0.5 * (a == b)


@op(
    ufunc=np.maximum,
    symbol="max",
    text="max({a}, {b})",
    latex=r"\max({a}, {b})",
    da=lambda g, a, b: g * _share(a, b),
    db=lambda g, a, b: g * _share(b, a),
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
    text="min({a}, {b})",
    latex=r"\min({a}, {b})",
    da=lambda g, a, b: g * _share(b, a),
    db=lambda g, a, b: g * _share(a, b),
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
    text="clamp({x}, {low}, {high})",
    numpy="np.minimum(np.maximum({x}, {low}), {high})",
    public=False,
    dx=lambda g, x, low, high: g * ((x >= low) & (x <= high)),
    dlow=lambda g, x, low: g * (x < low),
    dhigh=lambda g, x, high: g * (x > high),
)
def clip_between(x: Any, low: Any, high: Any) -> Any:
    """Elementwise min(max(x, low), high)."""
    return np.minimum(np.maximum(x, low), high)


@function(methods=("clip",))
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
    if min is None and max is None:
        from ..errors import ArgumentError

        raise ArgumentError("clamp: give min, max or both.")
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    return clip_between(x, low, high)


# --- dtype and copies ---------------------------------------------------------------------------


@op(
    symbol="cast",
    text="{x}",
    latex="{x}",
    numpy="np.asarray({x}).astype('{dtype}')",
    public=False,
    dx=lambda g: g,
)
def cast(x: Any, *, dtype: Any = None) -> Any:
    """Convert to another dtype; the engine casts the cotangent back."""
    return np.asarray(x).astype(dtype)


@op(symbol="copy", text="{x}", latex="{x}", numpy="np.array({x})", dx=lambda g: g)
def clone(x: Any) -> Any:
    """Copy: a new tensor with the same values, and history.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.clone(tc.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    return np.array(x)


# --- logic on booleans --------------------------------------------------------------------------


@op(ufunc=np.logical_and, symbol="∧", text="{a} and {b}", precedence=0)
def logical_and(a: Any, b: Any) -> Any:
    """True where both are; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_and(tc.tensor([True, False]), True)
        tensor([ True, False])
    """


@op(ufunc=np.logical_or, symbol="∨", text="{a} or {b}", precedence=0)
def logical_or(a: Any, b: Any) -> Any:
    """True where one is; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_or(tc.tensor([True, False]), False)
        tensor([ True, False])
    """


@op(ufunc=np.logical_not, symbol="¬", text="not {x}", precedence=0)
def logical_not(x: Any) -> Any:
    """True where x is not; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.logical_not(tc.tensor([True, False]))
        tensor([False,  True])
    """


@op(ufunc=np.bitwise_and, operator="and", symbol="&", text="{a} & {b}", precedence=0, public=False)
def bitwise_and(a: Any, b: Any) -> Any:
    """Bitwise (for booleans: logical) and."""


@op(ufunc=np.bitwise_or, operator="or", symbol="|", text="{a} | {b}", precedence=0, public=False)
def bitwise_or(a: Any, b: Any) -> Any:
    """Bitwise (for booleans: logical) or."""


@op(ufunc=np.invert, operator="invert", symbol="~", text="~{x}", precedence=UNARY, public=False)
def bitwise_not(x: Any) -> Any:
    """Bitwise (for booleans: logical) not."""


@op(ufunc=np.floor_divide, operator="floordiv", symbol="//", precedence=PRODUCT)
def floor_divide(a: Any, b: Any) -> Any:
    """Quotient rounded down; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.tensor([7, 8]) // 2
        tensor([3, 4])
    """


@op(ufunc=np.isnan, symbol="nan?", kind="elementwise")
def isnan(x: Any) -> Any:
    """True where x is NaN; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isnan(tc.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """


@op(ufunc=np.isfinite, symbol="finite?", kind="elementwise")
def isfinite(x: Any) -> Any:
    """True where x is neither NaN nor infinite; no derivative.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isfinite(tc.tensor([1.0, float("inf")]))
        tensor([ True, False])
    """
