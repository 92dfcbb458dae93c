"""Derivatives of plain functions, against hand derivations and differences."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc

X = np.array([0.4, -0.7, 1.2])
A = np.array([[0.3, -1.1, 0.5], [0.8, 0.2, -0.6]])


def f(x):
    """A scalar with a full Hessian: sin(x₀ x₁) + x₂² x₀."""
    return tc.sin(x[0] * x[1]) + x[2] ** 2 * x[0]


def gradient_of_f(x):
    c = np.cos(x[0] * x[1])
    return np.array([x[1] * c + x[2] ** 2, x[0] * c, 2 * x[2] * x[0]])


def hessian_of_f(x):
    s, c = np.sin(x[0] * x[1]), np.cos(x[0] * x[1])
    return np.array(
        [
            [-(x[1] ** 2) * s, c - x[0] * x[1] * s, 2 * x[2]],
            [c - x[0] * x[1] * s, -(x[0] ** 2) * s, 0],
            [2 * x[2], 0, 2 * x[0]],
        ]
    )


def g(x):
    """Three numbers to two: A x, squared, plus a product of both."""
    y = tc.tensor(A) @ x
    return tc.stack([y[0] ** 2, y[0] * y[1]])


def jacobian_of_g(x):
    y = A @ x
    return np.stack([2 * y[0] * A[0], y[1] * A[0] + y[0] * A[1]])


def test_grad_and_value_and_grad():
    np.testing.assert_allclose(tc.grad(f)(X).numpy(), gradient_of_f(X), rtol=1e-14)
    value, slope = tc.value_and_grad(f)(tc.tensor(X))
    assert value.item() == pytest.approx(np.sin(X[0] * X[1]) + X[2] ** 2 * X[0])
    np.testing.assert_allclose(slope.numpy(), gradient_of_f(X), rtol=1e-14)
    assert not slope.requires_grad


def test_grad_of_several_arguments():
    def h(a, b, scale=1.0):
        return (a * b**2).sum() * scale

    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    da, db = tc.grad(h, argnums=(0, 1))(a, b, scale=10.0)
    assert da.tolist() == [90.0, 160.0]
    assert db.tolist() == [60.0, 160.0]
    assert tc.grad(h, argnums=1)(a, b).tolist() == [6.0, 16.0]
    assert tc.grad(h, argnums=-1)(a, b).tolist() == [6.0, 16.0]


def test_grad_of_grad_of_grad():
    def fourth(x):
        return x**4

    first, second, third = (tc.grad(fourth), tc.grad(tc.grad(fourth)),
                            tc.grad(tc.grad(tc.grad(fourth))))  # fmt: skip
    x = tc.tensor(2.0, dtype=tc.float64)
    assert [d(x).item() for d in (first, second, third)] == [32.0, 48.0, 48.0]


def test_grad_inside_a_recorded_computation():
    x = tc.tensor(2.0, dtype=tc.float64, requires_grad=True)
    slope = tc.grad(lambda v: v**3)(x)  # 3 x², still a function of x
    (slope * x).backward()  # 3 x³
    assert x.grad.item() == 36.0


def test_gradients_with_respect_to_closed_over_tensors_stay_possible():
    w = tc.tensor(3.0, dtype=tc.float64, requires_grad=True)
    value, pull = tc.vjp(lambda x: w * x * x, tc.tensor(2.0, dtype=tc.float64))
    assert (value.item(), pull(tc.tensor(1.0)).item()) == (12.0, 12.0)


def test_vjp():
    value, pull = tc.vjp(g, tc.tensor(X))
    v = np.array([0.3, -2.0])
    np.testing.assert_allclose(value.numpy(), g(tc.tensor(X)).numpy())
    np.testing.assert_allclose(pull(v).numpy(), v @ jacobian_of_g(X), rtol=1e-13)
    np.testing.assert_allclose(pull(v).numpy(), v @ jacobian_of_g(X), rtol=1e-13)  # again
    _, pull = tc.vjp(lambda a, b: a * b, tc.tensor([2.0]), tc.tensor([5.0]))
    assert [p.tolist() for p in pull(tc.tensor([1.0]))] == [[5.0], [2.0]]


def test_jvp():
    v = np.array([1.0, -0.5, 2.0])
    value, pushed = tc.jvp(g, tc.tensor(X), v)
    np.testing.assert_allclose(value.numpy(), g(tc.tensor(X)).numpy())
    np.testing.assert_allclose(pushed.numpy(), jacobian_of_g(X) @ v, rtol=1e-13)
    _, pushed = tc.jvp(lambda a, b: a * b, (2.0, 5.0), (1.0, 10.0))
    assert pushed.item() == 5.0 + 20.0
    _, pushed = tc.jvp(lambda a: a * 0 + 1, tc.tensor(2.0), tc.tensor(1.0))
    assert pushed.item() == 0.0
    _, pushed = tc.jvp(lambda a: tc.tensor(1.0), tc.tensor(2.0), tc.tensor(1.0))
    assert pushed.item() == 0.0


def test_hvp():
    v = np.array([1.0, -0.5, 2.0])
    np.testing.assert_allclose(tc.hvp(f, X, v).numpy(), hessian_of_f(X) @ v, rtol=1e-13)
    du, dw = tc.hvp(lambda u, w: (u**2 * w).sum(), ([1.0], [2.0]), ([1.0], [0.0]))
    assert (du.tolist(), dw.tolist()) == ([4.0], [2.0])
    assert tc.hvp(lambda x: x.sum(), X, v).tolist() == [0.0, 0.0, 0.0]


def test_jacobian():
    J = tc.jacobian(g)(tc.tensor(X))
    assert J.shape == (2, 3)
    np.testing.assert_allclose(J.numpy(), jacobian_of_g(X), rtol=1e-13)
    outer = tc.jacobian(lambda a, b: tc.outer(a, b), argnums=(0, 1))(X[:2], X)
    assert [j.shape for j in outer] == [(2, 3, 2), (2, 3, 3)]
    assert outer[0][1, 2].tolist() == [0.0, X[2]]
    assert tc.jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert tc.jacobian(lambda x: tc.ones(2))(X).tolist() == np.zeros((2, 3)).tolist()


def test_hessian():
    H = tc.hessian(f)(tc.tensor(X))
    np.testing.assert_allclose(H.numpy(), hessian_of_f(X), rtol=1e-13, atol=1e-15)
    W = np.arange(4.0).reshape(2, 2) + 1
    assert tc.hessian(lambda w: (w**3).sum())(W).shape == (2, 2, 2, 2)


def test_derivative_of_a_hessian():
    """Third order through two transforms, against differences of the hand-derived Hessian."""
    total = tc.grad(lambda x: (tc.hessian(f)(x) ** 2).sum())(X).numpy()
    (expected,) = differences(lambda x: np.sum(hessian_of_f(x) ** 2), [X])
    assert_close(total, expected, 1e-9)


def test_lists_and_numbers_as_arguments():
    assert tc.grad(lambda x: x * x)(3.0).item() == 6.0
    assert tc.grad(lambda x: (x * x).sum())([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert tc.grad(lambda x: (x * x).sum())([1.0, 2.0]).dtype == np.float32


def test_transforms_work_under_no_grad():
    with tc.no_grad():
        assert tc.grad(lambda x: x * x)(3.0).item() == 6.0
        assert tc.hessian(lambda x: x**3)(2.0).item() == 12.0
        assert tc.jvp(lambda x: x * x, 3.0, 1.0)[1].item() == 6.0
        assert tc.hvp(lambda x: x**3, 2.0, 1.0).item() == 12.0
        assert tc.jacobian(lambda x: x**3)(tc.tensor([1.0])).tolist() == [[3.0]]
        assert tc.vjp(lambda x: x**3, 2.0)[1](1.0).item() == 12.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tc.grad(lambda x: x)(X), ValueError, "needs a scalar"),
        (lambda: tc.grad(lambda x: 1.0)(X), TypeError, "expected a tensor"),
        (lambda: tc.grad(f, argnums=1)(X), ValueError, "argnums names argument 1"),
        (lambda: tc.grad(f)(np.array([1, 2, 3])), TypeError, "only differentiate"),
        (lambda: tc.jvp(f, X, X[:2]), ValueError, "not equal"),
        (lambda: tc.jvp(f, (X,), (X, X)), ValueError, "one for each"),
        (lambda: tc.hvp(f, X, X[:2]), ValueError, "not equal"),
        (lambda: tc.vjp(g, X)[1](np.ones(5)), (ValueError, RuntimeError), "shape"),
    ],
)
def test_what_transforms_refuse(call, error, words):
    with pytest.raises(error, match=words):
        call()
