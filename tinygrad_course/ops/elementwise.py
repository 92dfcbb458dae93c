"""Elementwise operations: arithmetic, powers, exponentials, logarithms.

Every result has the broadcast shape of its operands; the engine sums a cotangent over broadcast
axes, so a rule here is the formula for numbers. From simple to complex: add first, powers later.
Sines are in `trigonometry`, remainders in `rounding`, comparisons and choices (`where`, `maximum`,
`clamp`) in `compare`.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..op import POWER, PRODUCT, SUM, UNARY
from ..spelling import literal
from ..tensor import Tensor
from .define import UFUNC_OPS, attach, function, op

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)

# --- arithmetic ---------------------------------------------------------------------------------


@op(
    ufunc=np.add,
    fast=operator.add,
    operator="add",
    symbol="+",
    text="{a} + {b}",
    latex="{a} + {b}",
    numpy="{a} + {b}",
    precedence=SUM,
    keywords={"alpha": "*b"},
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
    fast=operator.sub,
    operator="sub",
    symbol="−",
    text="{a} - {b}",
    latex="{a} - {b}",
    numpy="{a} - {b}",
    precedence=SUM,
    keywords={"alpha": "*b"},
    also=("subtract",),
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
    fast=operator.mul,
    operator="mul",
    symbol="×",
    text="{a} * {b}",
    latex=r"{a} \odot {b}",
    numpy="{a} * {b}",
    precedence=PRODUCT,
    also=("multiply",),
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
    also=("divide", "true_divide"),
    quiet=True,
    da=lambda g, b: g / b,
    db=lambda g, a, b: -g * (a / b) / b,  # not a / b²: b² overflows long before b
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
    fast=operator.neg,
    operator="neg",
    symbol="−",
    text="-{x}",
    latex="-{x}",
    numpy="-{x}",
    precedence=UNARY,
    also=("negative",),
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
    return np.where(b == 0, 1, b - 1)


def _log_safe(a: Any) -> Any:
    """Return log a, and 0 at a = 0: 0^b has derivative 0 in b."""
    zero = a == 0
    return np.where(zero, 0, np.log(np.where(zero, 1, a)))


@op(
    ufunc=np.power,
    operator="pow",
    symbol="^",
    text="{a}^{b}",
    latex="{{{a}}}^{{{b}}}",
    numpy="{a} ** {b}",
    precedence=POWER,
    also=("power",),
    keywords={"exponent": "b"},
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
    numpy="np.abs",
    also=("absolute",),
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
    precedence=POWER,
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
    latex="{{{x}}}^2",
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
    symbol="1/·",
    text="1 / {x}",
    latex=r"\frac{{1}}{{{x}}}",
    numpy="1 / {x}",
    precedence=PRODUCT,
    quiet=True,
    dx=lambda g, y: -g * y * y,
)
def reciprocal(x: Any) -> Any:
    """Reciprocal: y = 1 / x, with dx = −g y²; integers become floats.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.reciprocal(tc.tensor([2.0, 4.0]))
        tensor([0.5 , 0.25])
    """
    return np.true_divide(1, x)


# np.reciprocal itself would round integers to 0.
UFUNC_OPS[np.reciprocal] = reciprocal.op


@op(
    symbol="1/√",
    text="1 / √{x}",
    latex=r"\frac{{1}}{{\sqrt{{{x}}}}}",
    numpy="1 / np.sqrt({x})",
    precedence=PRODUCT,
    quiet=True,
    dx=lambda g, y, x: g * y / (-2 * x),
)
def rsqrt(x: Any) -> Any:
    """Reciprocal of the square root: y = 1 / √x, with dx = −g y / (2 x).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.rsqrt(tc.tensor([4.0, 0.25]))
        tensor([0.5, 2. ])
    """
    return 1 / np.sqrt(x)


@function()
def lerp(x: Any, end: Any, weight: Any) -> Any:
    """Linear interpolation: y = x + w (end − x); w = 0 gives x, w = 1 gives the end.

    Args:
        x: the start.
        end: the end, of a shape that broadcasts with it.
        weight: w, a number or a tensor.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.lerp(tc.tensor([0.0, 10.0]), tc.tensor([4.0, 20.0]), 0.25)
        tensor([ 1. , 12.5])
    """
    return x + weight * (end - x)


@function()
def addcmul(x: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """Add a product: y = x + v a b.

    Args:
        x: what is added to.
        tensor1: a.
        tensor2: b.
        value: v.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addcmul(tc.ones(2), tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0]), value=0.5)
        tensor([2.5, 5. ])
    """
    return x + _scaled(tensor1 * tensor2, value)


@function()
def addcdiv(x: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """Add a quotient: y = x + v a / b, the step of Adam.

    Args:
        x: what is added to.
        tensor1: a.
        tensor2: b.
        value: v.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.addcdiv(tc.ones(2), tc.tensor([1.0, 2.0]), tc.tensor([2.0, 4.0]), value=-0.1)
        tensor([0.95, 0.95])
    """
    return x + _scaled(tensor1 / tensor2, value)


def _scaled(term: Any, value: Any) -> Any:
    """Return v times a term; by 1 nothing is multiplied, and no line of an equation is added."""
    return term if isinstance(value, (int, float)) and value == 1 else value * term


def _lerp_(self: Tensor, end: Any, weight: Any) -> Tensor:
    """Interpolate linearly between this tensor and `end`, in place."""
    return self.add_(weight * (end - self))


def _addcmul_(self: Tensor, tensor1: Any, tensor2: Any, value: Any = 1) -> Tensor:
    """Add v a b, in place."""
    return self.add_(_scaled(tensor1 * tensor2, value))


def _addcdiv_(self: Tensor, tensor1: Any, tensor2: Any, value: Any = 1) -> Tensor:
    """Add v a / b, in place."""
    return self.add_(_scaled(tensor1 / tensor2, value))


attach(_lerp_, "lerp_")
attach(_addcmul_, "addcmul_")
attach(_addcdiv_, "addcdiv_")


# --- exponentials and logarithms ----------------------------------------------------------------


@op(ufunc=np.exp, latex=r"\exp", quiet=True, dx=lambda g, y: g * y)
def exp(x: Any) -> Any:
    """Exponential: y = eˣ, with dx = g y.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.exp(tc.tensor([0.0, 1.0]))
        tensor([1.    , 2.7183])
    """


@op(ufunc=np.expm1, quiet=True, dx=lambda g, x: g * np.exp(x))  # y + 1 would lose small eˣ
def expm1(x: Any) -> Any:
    """Exponential less one: y = eˣ − 1, exact near 0, with dx = g eˣ.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.expm1(tc.tensor([0.0, 1.0]))
        tensor([0.    , 1.7183])
    """


@op(
    ufunc=np.exp2,
    symbol="2^",
    text="2^{x}",
    latex="2^{{{x}}}",
    precedence=POWER,
    quiet=True,
    dx=lambda g, y: g * (y * _LN2),
)
def exp2(x: Any) -> Any:
    """Power of two: y = 2ˣ, with dx = g y log 2.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.exp2(tc.tensor([0.0, 3.0]))
        tensor([1., 8.])
    """


@op(ufunc=np.log, latex=r"\log", quiet=True, dx=lambda g, x: g / x)
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


@op(ufunc=np.log2, quiet=True, latex=r"\log_2", dx=lambda g, x: g / (x * _LN2))
def log2(x: Any) -> Any:
    """Logarithm to base 2, with dx = g / (x log 2).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.log2(tc.tensor([1.0, 8.0]))
        tensor([0., 3.])
    """


@op(ufunc=np.log10, quiet=True, latex=r"\log_{{10}}", dx=lambda g, x: g / (x * _LN10))
def log10(x: Any) -> Any:
    """Logarithm to base 10, with dx = g / (x log 10).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.log10(tc.tensor([1.0, 100.0]))
        tensor([0., 2.])
    """


# --- dtype and copies ---------------------------------------------------------------------------


def _spell_cast(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write nothing for another float dtype: an equation has real numbers."""
    dtype = np.dtype(params["dtype"])
    if dtype.kind == "f":
        return operands[0]
    name = r"\mathrm{cast}" if form == "latex" else "cast"
    key = r"\mathrm{dtype}" if form == "latex" else "dtype"
    return f"{name}({operands[0]}, {key}={literal(dtype, form)})"


@op(
    symbol="cast",
    text=_spell_cast,
    latex=_spell_cast,
    numpy="np.asarray({x}, dtype={dtype})",
    public=False,
    quiet=True,
    dx=lambda g: g,
)
def cast(x: Any, *, dtype: Any = None) -> Any:
    """Convert to another dtype; the engine casts the cotangent back."""
    return np.asarray(x).astype(dtype)


@op(
    symbol="copy",
    text="{x}",
    latex="{x}",
    numpy="np.array({x})",
    inplace=False,
    overrides=(np.copy,),
    dx=lambda g: g,
)
def clone(x: Any) -> Any:
    """Copy: a new tensor with the same values, and history.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.clone(tc.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    return np.array(x)
