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


def _strict(function: Any) -> Any:
    """Compile with IEEE arithmetic; a product and a sum may become one instruction."""
    return _compiled(function, {"contract"})


def _compiled(function: Any, fastmath: Any) -> Any:
    try:
        return njit(cache=True, error_model="numpy", fastmath=fastmath)(function)
    except RuntimeError:  # nowhere to write
        return njit(error_model="numpy", fastmath=fastmath)(function)


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
def sign_of(x: Any) -> Any:
    """−1, 0, 1 or NaN."""
    y = (x > 0) * 1.0 - (x < 0) * 1.0
    return x if x != x else y


# --- float32 ------------------------------------------------------------------------------------
#
# exp x = 2ᵏ exp r with x = k log 2 + r, |r| ≤ log(2)/2; exp r by its Taylor series. log 2 is
# written as a sum of two numbers, the first with so few digits that k times it is exact. Adding and
# subtracting 1.5 · 2²³ rounds to an integer.

F = np.float32
ONE, TWO, HALF, ZERO, INFINITY = F(1), F(2), F(0.5), F(0), F(np.inf)
LOG2E, LOG2_HIGH, LOG2_LOW = F(1 / math.log(2)), F(0.693359375), F(math.log(2) - 0.693359375)
ROUND = F(1.5 * 2**23)
EXP_MOST, EXP_LEAST = F(88.72284), F(-103.98)
E2, E3, E4, E5, E6, E7 = (F(1 / math.factorial(k)) for k in range(2, 8))
L3, L5, L7, L9 = (F(2 / k) for k in (3, 5, 7, 9))
ROOT2, TINY, LIFT = F(math.sqrt(2)), F(1.17549435e-38), F(2**25)
DOWN = F(2**-64)
I23, I64, I126, I127, I150 = (np.int32(k) for k in (23, 64, 126, 127, 150))
I0, I1, I25 = np.int32(0), np.int32(1), np.int32(25)
MANTISSA, ONE_BITS = np.int32(0x7FFFFF), np.int32(0x3F800000)


@_strict
def exp32(x: Any) -> Any:
    """Return eˣ."""
    z = EXP_MOST if x > EXP_MOST else x
    z = EXP_LEAST if z < EXP_LEAST else z
    n = (z * LOG2E + ROUND) - ROUND
    r = (z - n * LOG2_HIGH) - n * LOG2_LOW
    p = ((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2
    p = p * r * r + r + ONE
    # 2ᵏ as 2 · 2ᵏ⁻¹, since k may be 128; below the normal numbers in two steps.
    k = np.int32(n) - I1
    deep = k < -I126
    k = k + I64 if deep else k
    y = p * TWO * _as_float32((k + I127) << I23)
    y = y * DOWN if deep else y
    y = INFINITY if x > EXP_MOST else y
    y = ZERO if x < EXP_LEAST else y
    return x if x != x else y


@_strict
def log32(x: Any) -> Any:
    """Return log x: x = 2ᵏ f, and log f = 2 (s + s³/3 + …) with s = (f − 1)/(f + 1)."""
    small = x < TINY
    z = x * LIFT if small else x
    bits = _as_int32(z)
    k = (bits >> I23) - I127
    f = _as_float32((bits & MANTISSA) | ONE_BITS)
    above = f > ROOT2
    f = f * HALF if above else f
    k = k + I1 if above else k
    k = k - I25 if small else k
    n = F(k)
    d = f - ONE
    s = d / (f + ONE)
    q = s * s
    # 2 s is d − s d, with d exact.
    t = s * (q * (((L9 * q + L7) * q + L5) * q + L3) - d) + d
    y = n * LOG2_HIGH + (n * LOG2_LOW + t)
    y = INFINITY if x == INFINITY else y
    y = -INFINITY if x == ZERO else y
    y = F(np.nan) if x < ZERO else y
    return x if x != x else y


@_strict
def tanh32(x: Any) -> Any:
    """Return tanh x as u/(u + 2), u = exp(2|x|) − 1 computed without the difference."""
    a = abs(x)
    z = F(20) if a > F(10) else a + a
    n = (z * LOG2E + ROUND) - ROUND
    r = (z - n * LOG2_HIGH) - n * LOG2_LOW
    p = ((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2
    p = p * r * r + r
    scale = _as_float32((np.int32(n) + I127) << I23)
    u = scale * p + (scale - ONE)
    y = u / (u + TWO)
    y = -y if x < ZERO else y
    y = x if a < F(1e-4) else y
    return x if x != x else y


@_strict
def log1p32(x: Any) -> Any:
    """Return log(1 + x), with what the sum 1 + x loses added back."""
    u = ONE + x
    y = log32(u) - ((u - ONE) - x) / u
    return log32(u) if u == INFINITY or u <= ZERO else y


# --- float64: the same with longer series ---------------------------------------------------------

D_LOG2E, D_HIGH = 1 / math.log(2), float.fromhex("0x1.62e42feep-1")
D_LOW = 1.9082149292705878e-10  # log 2 − D_HIGH
D_ROUND = 1.5 * 2.0**52
D_MOST, D_LEAST = 709.782712893384, -745.2
D_ROOT2, D_TINY, D_LIFT, D_DOWN = math.sqrt(2), 2.2250738585072014e-308, 2.0**54, 2.0**-128
(T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13) = (1 / math.factorial(k) for k in range(2, 14))
(S3, S5, S7, S9, S11, S13, S15, S17, S19, S21) = (2 / k for k in range(3, 22, 2))
ROUND_BITS = np.int64(np.float64(D_ROUND).view(np.int64))
D_MANTISSA, D_ONE_BITS = np.int64(0xFFFFFFFFFFFFF), np.int64(0x3FF0000000000000)


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
    k = _as_int64(shifted) - ROUND_BITS - 1
    deep = k < -1022
    k = k + 128 if deep else k
    y = p * 2.0 * _as_float64((k + 1023) << 52)
    y = y * D_DOWN if deep else y
    y = np.inf if x > D_MOST else y
    y = 0.0 if x < D_LEAST else y
    return x if x != x else y


@_strict
def log64(x: Any) -> Any:
    """Return log x."""
    small = x < D_TINY
    z = x * D_LIFT if small else x
    bits = _as_int64(z)
    k = np.int32(bits >> 52) - np.int32(1023)
    f = _as_float64((bits & D_MANTISSA) | D_ONE_BITS)
    above = f > D_ROOT2
    f = f * 0.5 if above else f
    k = k + np.int32(1) if above else k
    k = k - np.int32(54) if small else k
    n = np.float64(k)
    d = f - 1.0
    s = d / (f + 1.0)
    q = s * s
    p = ((((S21 * q + S19) * q + S17) * q + S15) * q + S13) * q + S11
    p = (((p * q + S9) * q + S7) * q + S5) * q + S3
    t = s * (q * p - d) + d
    y = n * D_HIGH + (n * D_LOW + t)
    y = np.inf if x == np.inf else y
    y = -np.inf if x == 0.0 else y
    y = np.nan if x < 0.0 else y
    return x if x != x else y


@_strict
def tanh64(x: Any) -> Any:
    """Return tanh x."""
    a = abs(x)
    z = 44.0 if a > 22.0 else a + a
    shifted = z * D_LOG2E + D_ROUND
    n = shifted - D_ROUND
    p = _series64((z - n * D_HIGH) - n * D_LOW)
    scale = _as_float64((_as_int64(shifted) - ROUND_BITS + 1023) << 52)
    u = scale * p + (scale - 1.0)
    y = u / (u + 2.0)
    y = -y if x < 0.0 else y
    y = x if a < 1e-9 else y
    return x if x != x else y


@_strict
def log1p64(x: Any) -> Any:
    """Return log(1 + x)."""
    u = 1.0 + x
    y = log64(u) - ((u - 1.0) - x) / u
    return log64(u) if u == np.inf or u <= 0.0 else y
