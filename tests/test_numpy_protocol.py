"""NumPy functions called on tensors record, or refuse; they never lose a gradient in silence."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course.errors import DtypeError

A = np.array([[0.3, 1.2, -0.7], [0.9, -0.4, 0.5]])
B = np.array([[0.2, -0.8], [1.1, 0.6], [-0.5, 0.4]])
V = np.array([0.4, 1.3, -0.6])
SQUARE = np.array([[0.4, 1.3], [-0.6, 0.2]])

# Each works on arrays and on tensors alike.
FUNCTIONS = {
    "add": lambda a, v: np.add(a, v),
    "subtract": lambda a, v: np.subtract(1.0, a * v),
    "multiply": lambda a, v: np.multiply(a, v),
    "divide": lambda a, v: np.divide(a, v) + np.true_divide(2, v),
    "power": lambda a, v: np.power(np.abs(a), 2.5) * np.square(v),
    "negative": lambda a, v: np.negative(a) - v,
    "exp": lambda a, v: np.exp(a) + np.expm1(v),
    "log": lambda a, v: np.log(np.abs(a)) + np.log1p(np.abs(v)) + np.log2(np.abs(v)),
    "trigonometry": lambda a, v: np.sin(a) * np.cos(v) + np.tan(a) + np.arctan(v),
    "hyperbolic": lambda a, v: np.sinh(a) * np.cosh(v) + np.tanh(a),
    "inverse": lambda a, v: np.arcsin(a / 2) + np.arccos(v / 2),
    "sqrt": lambda a, v: np.sqrt(np.abs(a)) + np.reciprocal(v),
    "maximum": lambda a, v: np.maximum(a, v) * np.minimum(a, 0.1),
    "clip": lambda a, v: np.clip(a, -0.5, 0.8) * v,
    "clip keywords": lambda a, v: np.clip(a, a_min=-0.5, a_max=None) * v,
    "where": lambda a, v: np.where(a > 0.4, a, v),
    "where number": lambda a, v: np.where(a > 0.4, 0.0, a * v),
    "remainder": lambda a, v: np.remainder(a, 0.47) * np.mod(v, 1.0),
    "sum": lambda a, v: np.sum(a, axis=0) * v + np.sum(a),
    "sum method": lambda a, v: a.sum(axis=1, keepdims=True) * v,
    "add.reduce": lambda a, v: np.add.reduce(a, axis=1, keepdims=True) * np.add.reduce(a),
    "mean": lambda a, v: np.mean(a, axis=0, keepdims=True) - np.mean(v),
    "max": lambda a, v: np.max(a, axis=1) * np.min(a, axis=1) + np.amax(v) - np.amin(v),
    "prod": lambda a, v: np.prod(a, axis=1) * np.prod(v),
    "var": lambda a, v: np.var(a, axis=0) * v + np.var(a) + np.std(v, ddof=1) + np.std(a, axis=0),
    "cumsum": lambda a, v: np.cumsum(a, axis=1) * np.cumsum(v),
    "norm": lambda a, v: np.linalg.norm(a) * v + np.linalg.norm(a, axis=0) + np.linalg.norm(v, 1),
    "matmul": lambda a, v: np.matmul(a, B) * np.matmul(a, v)[:, None],
    "array @ tensor": lambda a, v: B @ a @ v,
    "tensor @ array": lambda a, v: a @ B,
    "dot": lambda a, v: np.dot(a, v) + np.dot(v, v),
    "outer": lambda a, v: np.outer(v, v)[:2] * a,
    "einsum": lambda a, v: np.einsum("ij,j->i", a, v) + np.einsum("ij->", a, optimize=True),
    "reshape": lambda a, v: np.reshape(a, (3, 2)) * np.reshape(v, (3, 1)),
    "ravel": lambda a, v: np.ravel(a)[:3] * v,
    "transpose": lambda a, v: np.transpose(a) * v[:, None] + np.transpose(a, (1, 0)),
    "swapaxes": lambda a, v: np.swapaxes(a, 0, 1) * v[:, None],
    "moveaxis": lambda a, v: np.moveaxis(a, 0, 1) * v[:, None],
    "expand_dims": lambda a, v: np.expand_dims(a, 1) * np.expand_dims(v, axis=0),
    "squeeze": lambda a, v: np.squeeze(a[:1]) * v,
    "broadcast_to": lambda a, v: np.broadcast_to(v, (2, 3)) * a,
    "concatenate": lambda a, v: np.concatenate([a, v[None]], axis=0) ** 2,
    "stack": lambda a, v: np.stack([a[0], v], axis=1) ** 2,
    "hstack": lambda a, v: np.hstack([v, a[0]]) ** 2 + np.vstack([v, a])[:1, :1],
    "flip": lambda a, v: np.flip(a, 1) * v + np.flip(a),
    "roll": lambda a, v: np.roll(a, 1, axis=1) * np.roll(v, shift=-1),
    "tile": lambda a, v: np.tile(v, (2, 2))[:, :3] * a,
    "pad": lambda a, v: np.pad(a, ((1, 0), (0, 1))) ** 2 * np.pad(v, (0, 1), constant_values=2.0),
    "take": lambda a, v: np.take(a, [2, 0, 1], axis=1) * np.take(v, [0, 0, 1]),
    "take_along_axis": lambda a, v: np.take_along_axis(a, np.array([[2, 0, 1]]), 1) * v,
    "zeros_like": lambda a, v: np.zeros_like(a) + np.ones_like(a) * v + np.full_like(v, 2.0) * a,
    "copy": lambda a, v: np.copy(a) * v,
    "round": lambda a, v: np.round(a, 1) * v + np.floor(a) + np.ceil(v),
    "sign": lambda a, v: np.sign(a) * v * v,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_numpy_records(name):
    f = FUNCTIONS[name]
    points = [tc.tensor(A, requires_grad=True), tc.tensor(V, requires_grad=True)]
    y = f(*points)
    assert isinstance(y, tc.Tensor)
    assert y.requires_grad
    expected = f(A, V)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-13, atol=1e-14)
    weights = np.linspace(0.5, 1.5, expected.size).reshape(expected.shape)
    (y * weights).sum().backward()
    slopes = differences(lambda a, v: float(np.sum(f(a, v) * weights)), [A, V])
    for point, slope in zip(points, slopes, strict=True):
        got = np.zeros(point.shape) if point.grad is None else point.grad.numpy()
        assert_close(got, slope, 1e-9, name)


@pytest.mark.parametrize(
    "f",
    [
        np.gradient,
        np.average,
        lambda x: np.partition(x, 1),
        np.linalg.eigvals,
        lambda x: np.copysign(x, 1.0),
        lambda x: np.add.accumulate(x),
        lambda x: np.sum(x, where=x.numpy() > 0),
        lambda x: np.exp(x, out=np.zeros((2, 2))),
        lambda x: np.resize(x, 2),
    ],
)
def test_a_function_without_a_derivative_is_refused_when_a_gradient_is_at_stake(f):
    with pytest.raises((DtypeError, ValueError), match="np|sum|norm"):
        f(tc.tensor(SQUARE, requires_grad=True))


def test_without_a_gradient_at_stake_it_runs_on_the_array():
    x = tc.tensor(SQUARE)
    np.testing.assert_array_equal(np.sort(x), np.sort(SQUARE))
    assert float(np.linalg.det(x)) == pytest.approx(np.linalg.det(SQUARE))
    assert np.isrealobj(x)


def test_questions_are_answered_also_for_tensors_that_require_grad():
    x = tc.tensor(A, requires_grad=True)
    assert np.shape(x) == (2, 3)
    assert np.ndim(x) == 2
    assert np.size(x) == 6
    assert np.allclose(x, A)
    assert np.array_equal(x, A)
    np.testing.assert_array_equal(np.argsort(x), np.argsort(A))
    np.testing.assert_array_equal(np.asarray(x), A)
    assert [i.tolist() for i in np.where(x > 0.4)] == [i.tolist() for i in np.where(A > 0.4)]
    assert np.argmax(x).item() == np.argmax(A)
    assert np.isnan(x).any().item() is False
    np.testing.assert_allclose(x.detach().numpy(), A)


def test_numpy_scalars_and_arrays_on_the_left():
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    for y in (
        np.float32(2.0) * x,
        np.array([2.0, 2.0], np.float32) * x,
        np.array(2.0, np.float32) * x,
        2 * x,
        np.array([4.0, 4.0], np.float32) - x,
        np.array([4.0, 4.0], np.float32) / x,
        np.array([2.0, 2.0], np.float32) ** x,
    ):
        assert isinstance(y, tc.Tensor)
        assert y.requires_grad
        assert y.dtype == np.float32
    assert (np.array([0.0, 3.0]) < x).tolist() == [True, False]


def test_an_array_does_not_swallow_a_gradient():
    x = tc.tensor([1.0, 2.0], requires_grad=True)
    total = np.zeros(2)
    with pytest.raises(DtypeError, match="gradient would be lost"):
        total += x
    total += x.detach().numpy()
    assert total.tolist() == [1.0, 2.0]


def test_conversion_to_an_array():
    x = tc.tensor([1.0, 2.0])
    assert np.asarray(x) is x.numpy()
    assert np.array(x) is not x.numpy()
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.shares_memory(tc.from_numpy(x.numpy()).numpy(), x.numpy())
    assert tc.tensor(np.arange(3)).numpy().tolist() == [0, 1, 2]
