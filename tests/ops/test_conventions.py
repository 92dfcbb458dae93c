"""What happens at the awkward points: kinks, ties, poles, overflow. As PyTorch, value by value.

Warnings are errors in this suite, so each of these also shows that none escapes.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course.op import REGISTRY
from tinygrad_course.ops.loss import bce, bce_with_logits

INF, NAN = math.inf, math.nan


def grads(f, *numbers, dtype=tc.float64):
    """Return the value and the gradients of the sum of f at lists or numbers."""
    points = [tc.tensor(n, dtype=dtype, requires_grad=True) for n in numbers]
    y = f(*points)
    y.sum().backward()
    return y.tolist(), *(p.grad.tolist() for p in points)


def second(f, *numbers):
    """Return the gradients of the sum of the first gradients."""
    points = [tc.tensor(n, dtype=tc.float64, requires_grad=True) for n in numbers]
    first = tc.autograd.grad(f(*points).sum(), points, create_graph=True)
    total = sum(g.sum() for g in first)
    if not total.requires_grad:
        return [np.zeros(p.shape).tolist() for p in points]
    found = tc.autograd.grad(total, points, allow_unused=True)
    zeros = [tc.zeros_like(p) for p in points]
    return [(z if g is None else g).tolist() for z, g in zip(zeros, found, strict=True)]


# --- kinks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (tc.relu, 0.0),
        (tc.abs, 0.0),
        (tc.leaky_relu, 0.01),
        (tc.elu, 1.0),
        (tc.sign, 0.0),
        (tc.softplus, 0.5),
        (tc.silu, 0.5),
        (tc.gelu, 0.5),
    ],
)
def test_slope_at_zero(f, slope):
    assert grads(f, 0.0)[1] == slope
    assert grads(f, 0.0, dtype=tc.float32)[1] == pytest.approx(slope)


def test_norm_at_zero_is_flat():
    for p in (1, 2, 3, INF):
        value, slope = grads(lambda x, p=p: x.norm(p), [0.0, 0.0])
        assert (value, slope) == (0.0, [0.0, 0.0])
    assert second(lambda x: x.norm(), [0.0, 0.0]) == [[0.0, 0.0]]
    rows = [[0.0, 0.0], [3.0, 4.0]]
    np.testing.assert_allclose(grads(lambda x: x.norm(dim=1), rows)[1], [[0, 0], [0.6, 0.8]])


def test_std_of_equal_numbers_is_flat():
    assert grads(tc.std, [1.0, 1.0, 1.0]) == (0.0, [0.0, 0.0, 0.0])
    assert np.isfinite(second(tc.std, [1.0, 1.0])).all()


def test_clamp_passes_the_cotangent_inside_and_at_its_edges():
    assert grads(lambda x: x.clamp(0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0])[1] == [
        0.0,
        1.0,
        1.0,
        1.0,
        0.0,
    ]
    assert grads(lambda x: x.clamp(min=0), [-1.0, 0.0, 2.0])[1] == [0.0, 1.0, 1.0]
    assert grads(lambda x: x.clamp(max=0), [-1.0, 0.0, 2.0])[1] == [1.0, 1.0, 0.0]


def test_clamp_between_tensors():
    x, low, high = [-1.0, 0.0, 0.5, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 3.0], [1.0] * 5
    value, dx, dlow, dhigh = grads(tc.clamp, x, low, high)  # numbers from PyTorch 2.13
    assert value == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert dx == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert dlow == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert dhigh == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_clamp_keeps_integers():
    assert tc.clamp(tc.tensor([-3, 0, 5]), min=0).tolist() == [0, 0, 5]
    assert tc.clamp(tc.tensor([-3, 0, 5]), max=1).dtype == np.int64


# --- ties ----------------------------------------------------------------------------------------


def test_maximum_and_minimum_split_a_tie():
    assert grads(tc.maximum, [1.0, 2.0, 5.0], [1.0, 3.0, 4.0])[1:] == ([0.5, 0, 1], [0.5, 1, 0])
    assert grads(tc.minimum, [1.0, 2.0, 5.0], [1.0, 3.0, 4.0])[1:] == ([0.5, 1, 0], [0.5, 0, 1])


def test_full_maximum_splits_a_tie_evenly():
    for f in (tc.amax, tc.max):
        assert grads(f, [2.0, 1.0, 2.0])[1] == [0.5, 0.0, 0.5]
    for f in (tc.amin, tc.min):
        assert grads(f, [2.0, 1.0, 1.0])[1] == [0.0, 0.5, 0.5]
    assert grads(lambda x: x.amax(dim=1), [[1.0, 1.0, 1.0]])[1] == [[1 / 3] * 3]


def test_maximum_along_an_axis_picks_one():
    x = tc.tensor([[2.0, 1.0, 2.0]], requires_grad=True)
    values, indices = x.max(dim=1)
    assert values.tolist() == [2.0]
    assert indices.tolist() == [0]
    values.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 0.0]]
    assert x.max(1).values.tolist() == x.max(1)[0].tolist()
    assert x.min(1).indices.tolist() == [1]


# --- powers --------------------------------------------------------------------------------------


def test_zero_to_the_power_of_zero():
    assert grads(tc.pow, 0.0, 0.0) == (1.0, 0.0, 0.0)
    assert second(tc.pow, 0.0, 0.0) == [0.0, 0.0]


def test_powers_of_zero_and_of_negative_numbers():
    value, da, db = grads(tc.pow, [0.0, 0.0, -2.0, 0.0], [2.0, 0.5, 3.0, 1.0])
    assert value == [0.0, 0.0, -8.0, 0.0]
    assert da == [0.0, INF, 12.0, 1.0]
    assert db[:2] == [0.0, 0.0]
    assert math.isnan(db[2])  # the power of a negative number is not smooth in its exponent
    assert db[3] == 0.0


def test_square_at_zero_to_third_order():
    x = tc.tensor(0.0, requires_grad=True)
    (g,) = tc.autograd.grad(x**2, x, create_graph=True)
    (h,) = tc.autograd.grad(g, x, create_graph=True)
    assert (g.item(), h.item()) == (0.0, 2.0)
    if h.requires_grad:
        assert tc.autograd.grad(h, x)[0].item() == 0.0


# --- choice never lets a NaN through -------------------------------------------------------------


def test_where_stops_the_nan_of_the_branch_not_taken():
    def safe(x):
        return tc.where(x > 0, tc.log(tc.where(x > 0, x, 1.0)), 0.0)

    assert grads(safe, [0.0, 2.0]) == ([0.0, math.log(2.0)], [0.0, 0.5])
    x = tc.tensor([NAN, INF, 1.0], requires_grad=True)
    tc.where(tc.tensor([False, False, True]), x, 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_where_with_an_infinite_cotangent():
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    tc.where(tc.tensor([True, False]), x, 0.0).backward(tc.tensor([1.0, INF]))
    assert x.grad.tolist() == [1.0, 0.0]


# --- large numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64])
def test_activations_are_finite_at_ten_thousand(dtype):
    for f, (low, high) in {
        tc.sigmoid: (0.0, 1.0),
        tc.softplus: (0.0, 1e4),
        tc.silu: (0.0, 1e4),
        tc.gelu: (0.0, 1e4),
        tc.elu: (-1.0, 1e4),
        tc.tanh: (-1.0, 1.0),
        lambda x: tc.gelu(x, approximate="tanh"): (0.0, 1e4),
    }.items():
        value, slope = grads(f, [-1e4, 1e4], dtype=dtype)
        assert value == pytest.approx([low, high])
        assert np.isfinite(slope).all()
    assert grads(tc.silu, [-1e8, 1e8], dtype=dtype)[1] == [0.0, 1.0]
    assert grads(lambda x: tc.gelu(x, "tanh"), [-1e30, 1e30], dtype=dtype)[1] == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64])
def test_softmax_and_logsumexp_at_ten_thousand(dtype):
    big = [-1e4, 0.0, 1e4]
    assert grads(lambda x: x.logsumexp(0), big, dtype=dtype) == (1e4, [0.0, 0.0, 1.0])
    assert tc.softmax(tc.tensor(big, dtype=dtype), 0).tolist() == [0.0, 0.0, 1.0]
    assert tc.log_softmax(tc.tensor(big, dtype=dtype), 0).tolist() == [-2e4, -1e4, 0.0]


def test_logsumexp_of_infinities():
    assert tc.logsumexp(tc.tensor([-INF, -INF]), 0).item() == -INF
    assert tc.logsumexp(tc.tensor([[-INF, -INF], [-INF, 2.0]]), 1).tolist() == [-INF, 2.0]
    assert tc.logsumexp(tc.tensor([INF, 1e4]), 0).item() == INF
    assert grads(lambda x: x.logsumexp(0), [-INF, 1.0]) == (1.0, [0.0, 1.0])
    assert tc.logsumexp(tc.zeros(0, 2), 0).tolist() == [-INF, -INF]


def test_softmax_of_infinities_does_not_warn():
    assert tc.softmax(tc.tensor([-INF, 1.0]), 0).tolist() == [0.0, 1.0]
    assert np.isnan(tc.softmax(tc.tensor([-INF, -INF]), 0).numpy()).all()
    assert tc.log_softmax(tc.tensor([-INF, 1.0]), 0).tolist() == [-INF, 0.0]


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64])
def test_binary_cross_entropy_clamps_as_pytorch(dtype):
    a, target = [0.0, 1.0, 0.0, 1.0, 0.5], [1.0, 0.0, 0.0, 1.0, 0.3]
    value = bce(tc.tensor(a, dtype=dtype), tc.tensor(target, dtype=dtype)).tolist()
    assert value == pytest.approx([100.0, 100.0, 0.0, 0.0, math.log(2.0)], abs=1e-7)


def test_binary_cross_entropy_derivatives_at_the_edges():
    _, slope, log_odds = grads(bce, [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0])
    assert slope == [-1e12, 1e12, 0.0, 0.0]
    assert log_odds == [INF, -INF, INF, -INF]


def test_binary_cross_entropy_is_exact_where_it_is_small():
    for dtype, a in ((tc.float32, 1 - 2.0**-24), (tc.float64, 1 - 2.0**-53)):
        loss = bce(tc.tensor([a], dtype=dtype), tc.tensor([1.0], dtype=dtype)).item()
        assert loss == pytest.approx(1 - a, rel=1e-6)
    tiny = bce(tc.tensor([1e-40], dtype=tc.float64), tc.tensor([1.0], dtype=tc.float64)).item()
    assert tiny == pytest.approx(40 * math.log(10))


def test_binary_cross_entropy_keeps_its_dtypes():
    a, target = tc.tensor([0.3], requires_grad=True), tc.tensor([0.0], dtype=tc.float64)
    assert bce(a, target).dtype == np.float64
    assert bce(a, tc.tensor([1.0])).dtype == np.float32
    assert bce(tc.tensor(0.25, dtype=tc.float64), 1.0).item() == pytest.approx(math.log(4.0))
    assert math.isnan(bce(tc.tensor([-0.5]), tc.tensor([1.0])).item())


def test_logits_loss_at_ten_thousand():
    z, target = [-1e4, 1e4, 1e4, -1e4], [1.0, 1.0, 0.0, 0.0]
    value, slope, _ = grads(bce_with_logits, z, target)
    assert value == [1e4, 0.0, 1e4, 0.0]
    assert slope == [-1.0, 0.0, 1.0, 0.0]


# --- poles: infinite or NaN, never a warning -----------------------------------------------------


def test_poles_do_not_warn():
    assert grads(tc.sqrt, 0.0) == (0.0, INF)
    assert grads(tc.log, 0.0) == (-INF, INF)
    assert grads(tc.reciprocal, 0.0)[0] == INF
    assert grads(tc.arcsin, 1.0)[1] == INF
    value, da, db = grads(tc.div, [1.0, 0.0], [0.0, 0.0])
    assert value[0] == INF
    assert math.isnan(value[1])
    assert math.isnan(tc.sqrt(tc.tensor(-1.0)).item())
    assert tc.exp(tc.tensor(1000.0)).item() == INF


def test_division_by_small_numbers_does_not_underflow_its_derivative():
    _, da, db = grads(tc.div, [1e-25], [1e-25], dtype=tc.float32)
    assert da == pytest.approx([1e25])
    assert db == pytest.approx([-1e25])


def test_integer_reciprocal_is_not_zero():
    assert tc.reciprocal(tc.tensor([2, 4])).tolist() == [0.5, 0.25]
    assert np.reciprocal(tc.tensor([2, 4])).tolist() == [0.5, 0.25]


# --- Python numbers ------------------------------------------------------------------------------


def test_python_numbers_alone_get_the_default_dtypes():
    assert tc.exp(1.0).dtype == np.float32
    assert tc.sigmoid(2.0).dtype == np.float32
    assert tc.add(2, 3.0).dtype == np.float32
    assert tc.sum(2.0).dtype == np.float32
    assert tc.where(tc.tensor([True, False]), 1.0, 0.0).dtype == np.float32
    assert tc.where(tc.tensor([True, False]), 1, 0).dtype == np.int64
    assert tc.maximum(1, 2).dtype == np.int64
    tc.set_default_dtype(tc.float64)
    assert tc.exp(1.0).dtype == np.float64


def test_numbers_beside_tensors_are_weak():
    x = tc.tensor([1.0, 2.0])
    for y in (x + 1, x * 2.0, x**2, 1 / x, tc.maximum(x, 0.0), x.clamp(0.0, 1.0), x - True):
        assert y.dtype == np.float32
    assert (tc.tensor([1, 2]) * 2).dtype == np.int64
    assert (x * np.float64(2.0)).dtype == np.float64  # NEP 50: a NumPy scalar is not weak


def test_every_rule_of_an_elementwise_op_keeps_float32():
    """Also for a 0-d float32 beside a Python float, where older NumPy would promote."""
    x = tc.tensor(0.5, requires_grad=True)
    for name in ("pow", "maximum", "mul", "div"):
        y = tc.ops.FUNCTIONS[name](x, 2.0)
        (g,) = tc.autograd.grad(y, x, create_graph=True)
        assert (y.dtype, g.dtype) == (np.float32, np.float32)
    assert REGISTRY["pow"].differentiable
