"""Special functions that NumPy lacks: the error function and its complement.

Between −1 and 1, erf(x) is x times a polynomial in x². Beyond, 1 − erf(x) is exp(−x²) times a
smooth function, which is a polynomial in (x − 3)/(x + 3), the substitution of Shepherd and
Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", Math. Comp. 36, 1981. The
coefficients are Chebyshev interpolations of the two functions, computed with 50 digits for this
file; they reproduce erf to within three units in the last place.

1 − erf(x) would have no digit left for large x: erfc(x) is x exp(−x²)/π times the integral of
exp(−t²)/(x² + t²), which the trapezoidal rule with steps of 1/2 gives to all digits, less the term
of the pole at t = ix; Chiarella and Reichel, "On the evaluation of integrals related to the error
function", Math. Comp. 22, 1968.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .define import op

# erf(x) / x in powers of x², |x| ≤ 1, highest power first.
_NEAR = {
    np.dtype(np.float64): (
        5.957176147748911e-11,
        -1.1372848856791674e-09,
        1.4659775274047436e-08,
        -1.6350312701054695e-07,
        1.6461000484121368e-06,
        -1.4925595266831182e-05,
        0.0001205533111164271,
        -0.000854832698083379,
        0.0052239776248180145,
        -0.026866170645076792,
        0.11283791670954879,
        -0.3761263890318375,
        1.1283791670955126,
    ),
    np.dtype(np.float32): (
        -9.667044571486996e-06,
        0.00011265959025606609,
        -0.0008484080405535107,
        0.005221031807858023,
        -0.026865430727670243,
        0.11283782495236845,
        -0.3761263846802871,
        1.1283791670615435,
    ),
}
# exp(x²) erfc(x) in powers of u = 2.4 (x − 3)/(x + 3) + 0.2, 1 ≤ x ≤ 6, highest power first.
_FAR = {
    np.dtype(np.float64): (
        -1.6799777159311457e-13,
        4.468786282795809e-15,
        6.716060821011204e-12,
        6.030100178315267e-12,
        -2.5809703293704675e-10,
        -2.6378817019432074e-10,
        1.1340261055840323e-08,
        -4.526722197970927e-09,
        -5.541277438329464e-07,
        2.4255574811020284e-06,
        1.956358330834969e-05,
        -0.00033160296057845436,
        0.0024793146970724187,
        -0.012713147695691995,
        0.0496984454033948,
        -0.15436117429436919,
        0.20798329133342885,
    ),
    np.dtype(np.float32): (
        -5.294554126105606e-07,
        2.4145078152230687e-06,
        1.954527515097425e-05,
        -0.00033159447203562185,
        0.0024793197594595853,
        -0.012713150077462087,
        0.04969844502435794,
        -0.1543611741150767,
        0.20798329133342885,
    ),
}

# x times this, added and taken away again, leaves half of the digits of x: their square is exact.
_SPLIT = {np.dtype(np.float64): 2.0**27 + 1, np.dtype(np.float32): 2.0**12 + 1}


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Evaluate a polynomial by Horner's rule, in place."""
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total *= x
        total += c
    return total


@op(
    symbol="erf",
    numpy="erf",
    helper="""
def erf(x):
    # The Fourier series of erf(x) between -6 and 6; beyond, erf is -1 or 1 in float64.
    x = np.clip(x, -6, 6)
    total = x / 5
    for n in range(1, 33):
        total = total + np.e ** -((n / 5) ** 2) * np.sin(0.4 * n * x) / n
    return 2 / np.pi * total
""",
    quiet=True,  # x² may overflow: exp(−x²) is 0 then
    dx=lambda g, x: g * (2 / math.sqrt(math.pi)) * np.exp(-(x * x)),
)
def erf(x: Any) -> Any:
    """Error function: y = (2/√π) ∫₀ˣ exp(−s²) ds, with dx = g (2/√π) exp(−x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.erf(tc.tensor([0.0, 0.5, 2.0]))
        tensor([0.    , 0.5205, 0.9953])
    """
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    work = np.dtype(np.float32) if kind.itemsize <= 4 else np.dtype(np.float64)
    size = np.abs(x.astype(work))
    near = np.minimum(size, 1)
    small = near * _polynomial(_NEAR[work], near * near)
    size = np.clip(size, 1, 6)  # beyond 6, erf is 1 in float64
    far = _polynomial(_FAR[work], 2.4 * (size - 3) / (size + 3) + 0.2)
    large = 1 - np.exp(-size * size) * far
    return np.copysign(np.where(near < 1, small, large), x).astype(kind, copy=False)


def _gauss(x: Any) -> Any:
    """Return exp(−x²); the rounding of x² alone would cost x² units in the last place."""
    much = x * _SPLIT[x.dtype]
    high = much - (much - x)
    return np.exp(-high * high) * np.exp((high - x) * (high + x))


@op(
    symbol="erfc",
    numpy="erfc",
    helper="""
def erfc(x):
    # 1 - erf(x); for x > 1/2, an integral by the trapezoidal rule, less the term of a pole.
    t = np.maximum(np.abs(x), 0.5)
    terms = [np.e ** -(k**2 / 4) / (t**2 + k**2 / 4) for k in range(12, 0, -1)]
    pole = np.where(t < 6, 2 / np.expm1(4 * np.pi * np.minimum(t, 6)), 0)
    tail = t * np.exp(-(t**2)) * (2 * sum(terms) + 1 / t**2) / (2 * np.pi) - pole
    return np.where(np.abs(x) < 0.5, 1 - erf(x), np.where(x < 0, 2 - tail, tail))
""",
    quiet=True,
    dx=lambda g, x: g * (-2 / math.sqrt(math.pi)) * np.exp(-(x * x)),
)
def erfc(x: Any) -> Any:
    """Complement of the error function: y = 1 − erf x, with dx = −g (2/√π) exp(−x²).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.erfc(tc.tensor([0.0, 2.0, 8.0]))
        tensor([1.0000e+00, 4.6777e-03, 1.1224e-29])
    """
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    work = np.dtype(np.float32) if kind.itemsize <= 4 else np.dtype(np.float64)
    z = x.astype(work)
    near = np.clip(z, -0.5, 0.5)
    small = 1 - near * _polynomial(_NEAR[work], near * near)
    size = np.clip(np.abs(z), 0.5, 28)  # beyond 28, erfc is 0 in float64
    square = size * size
    total = np.zeros_like(square)
    for k in range(12, 0, -1):  # from the smallest term to the largest
        total += math.exp(-k * k / 4) / (square + k * k / 4)
    pole = np.where(size < 6, 2 / np.expm1(4 * math.pi * np.minimum(size, 6)), 0)
    tail = size * (total + 0.5 / square) / math.pi * _gauss(size) - pole
    large = np.where(z < 0, 2 - tail, tail)
    return np.where(near == z, small, large).astype(kind, copy=False)
