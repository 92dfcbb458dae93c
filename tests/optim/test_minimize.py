"""SciPy's minimizers: every method on known minima, Welch's network, and bad input."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.errors import (
    ArgumentError,
    DtypeError,
    GraphError,
    MissingDependencyError,
    ShapeError,
)
from tinygrad_course.optim.minimize import WITH_GRADIENT, WITHOUT, _Loss

pytest.importorskip("scipy")


def problem() -> tuple[Any, list[tc.Tensor]]:
    """Return Rosenbrock's function (minimum 0 at (1, 1)) plus (c − 3)², in two tensors."""
    w = tc.tensor(np.array([[-1.2], [1.0]]), requires_grad=True)
    c = tc.tensor(np.array(0.5), requires_grad=True)

    def f() -> Any:
        return 100 * (w[1, 0] - w[0, 0] ** 2) ** 2 + (1 - w[0, 0]) ** 2 + (c - 3) ** 2

    return f, [w, c]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inside of trust-krylov
@pytest.mark.parametrize("method", [*WITH_GRADIENT, *WITHOUT])
def test_every_method_finds_the_minimum(method: str) -> None:
    if method == "COBYQA":
        pytest.importorskip("scipy", "1.14")
    f, params = problem()
    if method == "dogleg":  # needs a Hessian that is positive definite all the way
        params[0].data = np.array([[1.0], [1.0]])
    if method in ("COBYLA", "COBYQA"):  # go slowly along the valley
        params[0].data, params[1].data = np.array([[0.95], [0.9]]), np.array(2.9)
    options = {"maxfun": 5000} if method == "TNC" else {"maxiter": 400}
    tol = 1e-6 if method in ("COBYLA", "COBYQA", "trust-constr") else 1e-10
    result = optim.minimize(f, params, method, tol=tol, options=options)
    if method == "COBYLA":
        assert result.fun < 2e-2
    else:
        np.testing.assert_allclose(result.x, [1, 1, 3], atol=1e-2 if method in WITHOUT else 1e-4)
    assert params[0].tolist() == [[result.x[0]], [result.x[1]]] and params[1].item() == result.x[2]
    assert result.fun == pytest.approx(f().item(), abs=1e-15)
    assert all(p.grad is None for p in params)


def test_gradient_products_and_hessian_are_those_of_rosenbrock() -> None:
    f, params = problem()
    x = np.array([0.5, -0.3, 2.0])
    loss = _Loss(f, params)
    a, b = x[:2]
    value, gradient = loss.with_gradient(x)
    assert value == pytest.approx(100 * (b - a * a) ** 2 + (1 - a) ** 2 + 1)
    expected = [-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a), -2]
    np.testing.assert_allclose(gradient, expected)
    hessian = [[1200 * a * a - 400 * b + 2, -400 * a, 0], [-400 * a, 200, 0], [0, 0, 2]]
    np.testing.assert_allclose(loss.hessian(x), hessian)
    v = np.array([0.3, -2.0, 0.7])
    np.testing.assert_allclose(loss.product(x, v), hessian @ v)


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "L-BFGS-B"])
def test_a_linear_system(method: str) -> None:
    """The least squares of a linear layer are those of the normal equations."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    model = nn.Linear(3, 1, bias=False).double()
    loss = nn.MSELoss()
    inputs, labels = tc.tensor(X), tc.tensor(Y)
    optim.minimize(lambda: loss(model(inputs), labels), model, method, tol=1e-12)
    expected = np.linalg.lstsq(X, Y, rcond=None)[0]
    np.testing.assert_allclose(model.weight.numpy().T, expected, rtol=1e-4)


def welch(seed: int) -> tuple[Any, nn.Module]:
    X = np.array([[3.0, 5.0], [5.0, 1.0], [10.0, 2.0]])
    inputs, labels = tc.tensor(X / X.max(axis=0)), tc.tensor(np.array([[0.75], [0.82], [0.93]]))
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", bias=False, dtype=tc.float64),
        nn.Dense(3, 1, activation="sigmoid", bias=False, dtype=tc.float64),
    )
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)  # as he starts
    return lambda: 0.5 * ((labels - model(inputs)) ** 2).sum(), model


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 6])  # from some starts it ends in a local minimum
def test_welchs_network_is_trained_to_the_end(seed: int) -> None:
    """Neural Networks Demystified, part 6: BFGS on the flat vector reaches J < 1e-9."""
    f, model = welch(seed)
    costs: list[float] = []
    result = optim.minimize(
        f, model, "BFGS", callback=lambda x: costs.append(f().item()),
        options={"maxiter": 1000, "gtol": 1e-7},
    )  # fmt: skip
    assert f().item() == pytest.approx(result.fun) and result.fun < 1e-9
    assert result.x.shape == (9,) and len(costs) == result.nit
    assert costs == sorted(costs, reverse=True)


def test_bounds_and_callback() -> None:
    f, params = problem()
    seen: list[Any] = []

    def watch(x: Any) -> None:
        assert params[1].item() == x[2]
        seen.append(x)

    result = optim.minimize(
        f, params, "L-BFGS-B", bounds=[(None, 0.5), (None, None), (0, 2)], callback=watch
    )
    np.testing.assert_allclose(result.x, [0.5, 0.25, 2.0], atol=1e-5)
    assert len(seen) == result.nit


def test_parameters_that_the_loss_does_not_read_stay() -> None:
    w, idle = (tc.tensor(np.array([2.0]), requires_grad=True) for _ in range(2))
    for method in ("BFGS", "trust-ncg"):
        w.data = np.array([2.0])
        optim.minimize(lambda: ((w - 1) ** 2).sum(), [w, idle], method)
        assert w.item() == pytest.approx(1.0, abs=1e-5) and idle.item() == 2.0
    with tc.no_grad():
        w.fill_(2.0)
        optim.minimize(lambda: ((w - 1) ** 2).sum(), w)
    assert w.item() == pytest.approx(1.0, abs=1e-6)


def test_a_loss_that_fails_leaves_the_parameters() -> None:
    w = tc.tensor(np.array([2.0]), requires_grad=True)
    calls = []

    def f() -> Any:
        calls.append(w.item())
        if len(calls) == 3:
            raise ZeroDivisionError
        return (w**4).sum()

    with pytest.raises(ZeroDivisionError):
        optim.minimize(f, w)
    assert w.item() == 2.0 and len(calls) == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: optim.minimize(lambda: w.sum(), w, "SGD"), ArgumentError, "'SGD', expected one"),
        (lambda w: optim.minimize(w.sum(), w), DtypeError, "a Tensor, expected a function"),
        (lambda w: optim.minimize(lambda: w, w), ShapeError, r"shape \(2,\), expected one number"),
        (lambda w: optim.minimize(lambda: 1.0, w), DtypeError, "returned a float"),
        (lambda w: optim.minimize(lambda: w.sum(), 3), DtypeError, "a int as parameters"),
        (lambda w: optim.minimize(lambda: w.sum(), []), ArgumentError, "without parameters"),
        (lambda w: optim.minimize(lambda: w.sum(), [w.detach()]), GraphError, "require grad"),
        (lambda w: optim.minimize(lambda: w.detach().sum(), w), GraphError, "."),
    ],
)
def test_bad_input(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tc.ones(2, requires_grad=True))


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    w = tc.ones(2, requires_grad=True)
    with pytest.raises(MissingDependencyError, match=r"tinygrad_course\[scipy\]"):
        optim.minimize(lambda: w.sum(), w)
