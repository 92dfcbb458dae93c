"""What compiled loops call: memory, and exponentials and logarithms that run on several numbers.

The functions of the C library take one number at a time. Those here are written without branches,
so that the compiler turns a loop over them into vector instructions. The error is below 2 units in
the last place. Only this module and the programs it serves import numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from ..errors import IndexingError
from ..ops.special import _FAR, _NEAR


def _strict(function: Any) -> Any:
    """Compile with IEEE arithmetic; a product and a sum may become one instruction."""
    return _compiled(function, {"contract"})


def _compiled(function: Any, fastmath: Any) -> Any:
    """Compile a function into each loop that calls it: a loop with a call stays one by one."""
    options = {"error_model": "numpy", "fastmath": fastmath, "forceinline": True}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to write
        return njit(**options)(function)


# --- memory -------------------------------------------------------------------------------------


def _vector(context: Any, builder: Any, array_type: Any, data: Any, count: Any) -> Any:
    """Return a one-dimensional array at an address; nobody frees its memory."""
    array = make_array(array_type)(context, builder)
    pointer = builder.bitcast(data, context.get_data_type(array_type.dtype).as_pointer())
    size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
    itemsize = context.get_constant(types.intp, size)
    populate_array(array, pointer, [count], [itemsize], itemsize, None)
    return impl_ret_borrowed(context, builder, array_type, array._getvalue())


@intrinsic
def at(typing: Any, table: Any, place: Any, offset: Any, count: Any, dtype: Any) -> Any:
    """Return `count` numbers that start `offset` bytes after the address in ``table[place]``."""
    array_type = types.Array(dtype.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table, place, offset, count, _ = args
        addresses = builder.inttoptr(table, ir.IntType(64).as_pointer())
        start = builder.load(builder.gep(addresses, [place]))
        data = builder.inttoptr(start, cgutils.voidptr_t)
        data = builder.gep(data, [offset])
        return _vector(context, builder, array_type, data, count)

    given = (types.int64, types.int64, types.int64, types.int64, dtype)
    return array_type(*given), generate


@intrinsic
def flat(typing: Any, array: Any, count: Any) -> Any:
    """Return the numbers of a contiguous array in one row."""
    array_type = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = make_array(array)(context, builder, args[0])
        return _vector(context, builder, array_type, value.data, args[1])

    return array_type(array, types.int64), generate


def _bits(given: Any, result: Any, llvm: Any) -> Any:
    @intrinsic
    def bits(typing: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], llvm)

        return result(given), generate

    return bits


_as_float32 = _bits(types.int32, types.float32, ir.FloatType())
_as_int32 = _bits(types.float32, types.int32, ir.IntType(32))
_as_float64 = _bits(types.int64, types.float64, ir.DoubleType())
_as_int64 = _bits(types.float64, types.int64, ir.IntType(64))


# --- places -------------------------------------------------------------------------------------


@_strict
def counted(k: Any, length: Any) -> Any:
    """Return where the index k is on an axis; negative ones count from the end."""
    if k < -length or k >= length:
        raise IndexingError(
            "an index is outside of its axis; along an axis of length n, indices run from -n to "
            "n - 1."
        )
    return k + length if k < 0 else k


# --- sums and choices ---------------------------------------------------------------------------


def _plus(total: Any, x: Any) -> Any:
    """Return total + x, for a sum whose order does not matter."""
    return total + x


def _plus_product(total: Any, a: Any, b: Any) -> Any:
    """Return total + a b, for a sum whose order does not matter."""
    return total + a * b


plus = _compiled(_plus, {"reassoc", "nsz"})
plus_product = _compiled(_plus_product, {"reassoc", "nsz", "contract"})


@_strict
def larger(a: Any, b: Any) -> Any:
    """The larger of two numbers; NaN when one is NaN, as np.maximum."""
    found = a if a > b else b
    return a if a != a else found


@_strict
def smaller(a: Any, b: Any) -> Any:
    """The smaller of two numbers; NaN when one is NaN, as np.minimum."""
    found = a if a < b else b
    return a if a != a else found


@_strict
def step_of(x: Any) -> Any:
    """1 where x ≥ 0, else 0; NaN stays."""
    y = (x >= 0) * 1.0
    return x if x != x else y


@_strict
def sign_of(x: Any) -> Any:
    """−1, 0, 1 or NaN."""
    y = (x > 0) * 1.0 - (x < 0) * 1.0
    return x if x != x else y


# --- the largest of many ------------------------------------------------------------------------
#
# The compiler keeps the order of comparisons of floats, one after the other, since NaN is neither
# less nor more than anything. The bits of a float, those of the value turned over where the sign is
# set, are integers in the same order; whether there was NaN is noted apart.


def _comparisons(bits_of: Any, float_of: Any, integer: Any, none: Any) -> Any:
    """Return functions that find the largest and the smallest of floats of one size."""
    value, last = integer(np.iinfo(integer).max), integer(8 * integer().itemsize - 1)

    @_strict
    def most(total: Any, x: Any) -> Any:
        b = bits_of(x)
        k = integer(b ^ (integer(b >> last) & value))
        return total if total > k else k

    @_strict
    def least(total: Any, x: Any) -> Any:
        b = bits_of(x)
        k = integer(b ^ (integer(b >> last) & value))
        return total if total < k else k

    @_strict
    def unordered(nan: Any, x: Any) -> Any:
        return integer(nan | integer(x != x))

    @_strict
    def in_order(total: Any, nan: Any) -> Any:
        y = float_of(integer(total ^ (integer(total >> last) & value)))
        return y if nan == 0 else none

    return most, least, unordered, in_order


most32, least32, unordered32, in_order32 = _comparisons(
    _as_int32, _as_float32, np.int32, np.float32(np.nan)
)
most64, least64, unordered64, in_order64 = _comparisons(
    _as_int64, _as_float64, np.int64, np.float64(np.nan)
)


# --- float32 ------------------------------------------------------------------------------------
#
# exp x = 2ᵏ exp r with x = k log 2 + r, |r| ≤ log(2)/2; exp r by its Taylor series. log 2 is
# written as a sum of two numbers, the first with so few digits that k times it is exact. Adding and
# subtracting 1.5 · 2²³ rounds to an integer. NaN passes through all of it.

F = np.float32
ONE, TWO, HALF, ZERO, INFINITY = F(1), F(2), F(0.5), F(0), F(np.inf)
LOG2E, LOG2_HIGH, LOG2_LOW = F(1 / math.log(2)), F(0.693359375), F(math.log(2) - 0.693359375)
ROUND = F(1.5 * 2**23)
EXP_MOST, EXP_LEAST = F(89), F(-104.5)
E2, E3, E4, E5, E6, E7 = (F(1 / math.factorial(k)) for k in range(2, 8))
L3, L5, L7, L9 = (F(2 / k) for k in (3, 5, 7, 9))
TINY, LIFT = F(1.17549435e-38), F(2**25)
I1, I23, I126, I127 = (np.int32(k) for k in (1, 23, 126, 127))
ROUND_BITS = np.int32(ROUND.view(np.int32))
ROOT_HALF_BITS = np.int32(np.sqrt(F(0.5)).view(np.int32))
SIGN = np.int32(-(2**31))


@_strict
def _series32(r: Any) -> Any:
    """Return eʳ − 1 for small r."""
    p = ((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2
    return p * r * r + r


@_strict
def exp32(x: Any) -> Any:
    """Return eˣ."""
    z = EXP_MOST if x > EXP_MOST else x
    z = EXP_LEAST if z < EXP_LEAST else z
    shifted = z * LOG2E + ROUND
    n = shifted - ROUND
    p = _series32((z - n * LOG2_HIGH) - n * LOG2_LOW) + ONE
    # 2ᵏ as a product of two: it may be infinite, or below the normal numbers.
    k = np.int32(_as_int32(shifted) - ROUND_BITS)
    half = np.int32(k >> I1)
    return p * _as_float32((half + I127) << I23) * _as_float32((k - half + I127) << I23)


@_strict
def expm1_32(x: Any) -> Any:
    """Return eˣ − 1 as 2 (2ᵏ⁻¹ (eʳ − 1) + (2ᵏ⁻¹ − 1/2)), of which the last is exact."""
    z = EXP_MOST if x > EXP_MOST else x
    z = F(-20) if z < F(-20) else z
    shifted = z * LOG2E + ROUND
    n = shifted - ROUND
    p = _series32((z - n * LOG2_HIGH) - n * LOG2_LOW)
    half = _as_float32((_as_int32(shifted) - ROUND_BITS + I126) << I23)
    y = TWO * (half * p + (half - HALF))
    return x if x == ZERO else y


@_strict
def _log32(x: Any, c: Any) -> Any:
    """Return log x + c, for c that is next to nothing.

    x = 2ᵏ f with f between √½ and √2, and log f = 2 (s + s³/3 + …) with s = (f − 1)/(f + 1).
    """
    small = x < TINY
    z = x * LIFT if small else x
    bits = _as_int32(z)
    k = np.int32(np.int32(bits - ROOT_HALF_BITS) >> I23)
    f = _as_float32(bits - (k << I23))
    n = F(k)
    n = n - F(25) if small else n
    d = f - ONE
    s = d / (f + ONE)
    q = s * s
    # 2 s is d − s d, with d exact.
    t = s * (q * (((L9 * q + L7) * q + L5) * q + L3) - d) + c + d
    y = n * LOG2_HIGH + (n * LOG2_LOW + t)
    special = -INFINITY if x == ZERO else F(np.nan)
    special = INFINITY if x == INFINITY else special
    return y if (x > ZERO) & (x < INFINITY) else special


@_strict
def log32(x: Any) -> Any:
    """Return log x."""
    return _log32(x, ZERO)


@_strict
def log1p32(x: Any) -> Any:
    """Return log(1 + x), with what the sum 1 + x loses added back."""
    u = ONE + x
    y = _log32(u, (x - (u - ONE)) / u)
    return y if u < INFINITY else u


@_strict
def tanh32(x: Any) -> Any:
    """Return tanh x as u/(u + 2), u = exp(2|x|) − 1 computed without the difference."""
    a = abs(x)
    z = F(20) if a > F(10) else a + a
    shifted = z * LOG2E + ROUND
    n = shifted - ROUND
    p = _series32((z - n * LOG2_HIGH) - n * LOG2_LOW)
    scale = _as_float32((_as_int32(shifted) - ROUND_BITS + I127) << I23)
    u = scale * p + (scale - ONE)
    y = u / (u + TWO)
    return _as_float32(_as_int32(y) | (_as_int32(x) & SIGN))


# The error function as in `ops.special`, where its coefficients come from.
A7, A6, A5, A4, A3, A2, A1, A0 = map(F, _NEAR[np.dtype(F)])
B8, B7, B6, B5, B4, B3, B2, B1, B0 = map(F, _FAR[np.dtype(F)])
THREE, SIX = F(3), F(6)
ROOT_HALF, GELU_1, GELU_3 = F(math.sqrt(0.5)), F(math.sqrt(2 / math.pi)), F(0.044715)


@_strict
def erf32(x: Any) -> Any:
    """Return erf x."""
    a = abs(x)
    near = ONE if a > ONE else a
    q = near * near
    small = ((((((A7 * q + A6) * q + A5) * q + A4) * q + A3) * q + A2) * q + A1) * q + A0
    s = ONE if a < ONE else a
    s = SIX if s > SIX else s
    v = F(2.4) * (s - THREE) / (s + THREE) + F(0.2)
    far = ((((B8 * v + B7) * v + B6) * v + B5) * v + B4) * v + B3
    far = ((far * v + B2) * v + B1) * v + B0
    large = ONE - exp32(-s * s) * far
    y = near * small if near < ONE else large
    return _as_float32(_as_int32(y) | (_as_int32(x) & SIGN))


@_strict
def elu32(x: Any, alpha: Any) -> Any:
    """Return x where x > 0, else α (eˣ − 1)."""
    return x if x > ZERO else alpha * expm1_32(x)


@_strict
def gelu32(x: Any) -> Any:
    """Return x Φ(x), with Φ the normal distribution function."""
    return x * (HALF * (ONE + erf32(x * ROOT_HALF)))


@_strict
def gelu_tanh32(x: Any) -> Any:
    """Return x Φ(x), with Φ written with a tanh."""
    return x * (HALF * (ONE + tanh32(GELU_1 * (x * (ONE + GELU_3 * (x * x))))))


# --- float64: the same with longer series ---------------------------------------------------------

D_LOG2E, D_HIGH = 1 / math.log(2), float.fromhex("0x1.62e42feep-1")
D_LOW = 1.9082149292705878e-10  # log 2 − D_HIGH
D_ROUND = 1.5 * 2.0**52
D_MOST, D_LEAST = 710.0, -746.0
D_TINY, D_LIFT = 2.2250738585072014e-308, 2.0**54
(T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13) = (1 / math.factorial(k) for k in range(2, 14))
(S3, S5, S7, S9, S11, S13, S15, S17, S19, S21) = (2 / k for k in range(3, 22, 2))
D_ROUND_BITS = np.int64(np.float64(D_ROUND).view(np.int64))
D_ROOT_HALF_BITS = np.int64(np.sqrt(np.float64(0.5)).view(np.int64))
D_SIGN = np.int64(-(2**63))
D_ROOT_HALF, D_GELU_1, D_GELU_3 = math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715


@_strict
def _series64(r: Any) -> Any:
    """Return eʳ − 1 for small r."""
    p = ((((T13 * r + T12) * r + T11) * r + T10) * r + T9) * r + T8
    p = (((((p * r + T7) * r + T6) * r + T5) * r + T4) * r + T3) * r + T2
    return p * r * r + r


@_strict
def exp64(x: Any) -> Any:
    """Return eˣ."""
    z = D_MOST if x > D_MOST else x
    z = D_LEAST if z < D_LEAST else z
    shifted = z * D_LOG2E + D_ROUND
    n = shifted - D_ROUND
    p = _series64((z - n * D_HIGH) - n * D_LOW) + 1.0
    k = _as_int64(shifted) - D_ROUND_BITS
    half = k >> 1
    return p * _as_float64((half + 1023) << 52) * _as_float64((k - half + 1023) << 52)


@_strict
def expm1_64(x: Any) -> Any:
    """Return eˣ − 1."""
    z = D_MOST if x > D_MOST else x
    z = -40.0 if z < -40.0 else z
    shifted = z * D_LOG2E + D_ROUND
    n = shifted - D_ROUND
    p = _series64((z - n * D_HIGH) - n * D_LOW)
    half = _as_float64((_as_int64(shifted) - D_ROUND_BITS + 1022) << 52)
    y = 2.0 * (half * p + (half - 0.5))
    return x if x == 0.0 else y


@_strict
def _log64(x: Any, c: Any) -> Any:
    """Return log x + c, for c that is next to nothing."""
    small = x < D_TINY
    z = x * D_LIFT if small else x
    bits = _as_int64(z)
    k = (bits - D_ROOT_HALF_BITS) >> 52
    f = _as_float64(bits - (k << 52))
    n = np.float64(np.int32(k))
    n = n - 54.0 if small else n
    d = f - 1.0
    s = d / (f + 1.0)
    q = s * s
    p = ((((S21 * q + S19) * q + S17) * q + S15) * q + S13) * q + S11
    p = (((p * q + S9) * q + S7) * q + S5) * q + S3
    t = s * (q * p - d) + c + d
    y = n * D_HIGH + (n * D_LOW + t)
    special = -np.inf if x == 0.0 else np.nan
    special = np.inf if x == np.inf else special
    return y if (x > 0.0) & (x < np.inf) else special


@_strict
def log64(x: Any) -> Any:
    """Return log x."""
    return _log64(x, 0.0)


@_strict
def log1p64(x: Any) -> Any:
    """Return log(1 + x)."""
    u = 1.0 + x
    y = _log64(u, (x - (u - 1.0)) / u)
    return y if u < np.inf else u


@_strict
def tanh64(x: Any) -> Any:
    """Return tanh x."""
    a = abs(x)
    z = 44.0 if a > 22.0 else a + a
    shifted = z * D_LOG2E + D_ROUND
    n = shifted - D_ROUND
    p = _series64((z - n * D_HIGH) - n * D_LOW)
    scale = _as_float64((_as_int64(shifted) - D_ROUND_BITS + 1023) << 52)
    u = scale * p + (scale - 1.0)
    y = u / (u + 2.0)
    return _as_float64(_as_int64(y) | (_as_int64(x) & D_SIGN))


P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0 = _NEAR[np.dtype(np.float64)]
(Q16, Q15, Q14, Q13, Q12, Q11, Q10, Q9, Q8, Q7, Q6, Q5, Q4, Q3, Q2, Q1, Q0) = _FAR[
    np.dtype(np.float64)
]


@_strict
def erf64(x: Any) -> Any:
    """Return erf x."""
    a = abs(x)
    near = 1.0 if a > 1.0 else a
    q = near * near
    small = (((((P12 * q + P11) * q + P10) * q + P9) * q + P8) * q + P7) * q + P6
    small = (((((small * q + P5) * q + P4) * q + P3) * q + P2) * q + P1) * q + P0
    s = 1.0 if a < 1.0 else a
    s = 6.0 if s > 6.0 else s
    v = 2.4 * (s - 3.0) / (s + 3.0) + 0.2
    far = ((((Q16 * v + Q15) * v + Q14) * v + Q13) * v + Q12) * v + Q11
    far = (((((far * v + Q10) * v + Q9) * v + Q8) * v + Q7) * v + Q6) * v + Q5
    far = ((((far * v + Q4) * v + Q3) * v + Q2) * v + Q1) * v + Q0
    large = 1.0 - exp64(-s * s) * far
    y = near * small if near < 1.0 else large
    return _as_float64(_as_int64(y) | (_as_int64(x) & D_SIGN))


@_strict
def elu64(x: Any, alpha: Any) -> Any:
    """Return x where x > 0, else α (eˣ − 1)."""
    return x if x > 0.0 else alpha * expm1_64(x)


@_strict
def gelu64(x: Any) -> Any:
    """Return x Φ(x), with Φ the normal distribution function."""
    return x * (0.5 * (1.0 + erf64(x * D_ROOT_HALF)))


@_strict
def gelu_tanh64(x: Any) -> Any:
    """Return x Φ(x), with Φ written with a tanh."""
    return x * (0.5 * (1.0 + tanh64(D_GELU_1 * (x * (1.0 + D_GELU_3 * (x * x))))))
