"""L-BFGS: PyTorch's path, the line search by itself, state, and where it cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.derivation.source import source
from tinygrad_course.errors import ArgumentError, DtypeError, StateDictError, TraceError
from tinygrad_course.optim.line_search import Point, strong_wolfe
from tinygrad_course.train import fit

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def valley(a: Any, b: Any) -> Any:
    """Return what make_golden.py minimizes: Rosenbrock's function, and a bowl that bends."""
    steps = [100 * (a[i + 1] - a[i] ** 2) ** 2 + (1 - a[i]) ** 2 for i in range(3)]
    return sum(steps[1:], steps[0]) + ((b[0] - 2) ** 4 + b[0] ** 2) / 3


class Problem:
    """The parameters, the optimizer and the closure."""

    def __init__(self, options: dict[str, Any], scale: float = 1.0) -> None:
        self.params = [tc.tensor(np.array(v), requires_grad=True) for v in GOLDEN["start"]]
        self.optimizer = optim.LBFGS(self.params, **options)
        self.scale = scale
        self.calls = 0

    def closure(self) -> Any:
        self.calls += 1
        self.optimizer.zero_grad()
        J = self.scale * valley(*self.params)
        J.backward()
        return J

    def go(self, times: int) -> tuple[list[Any], list[Any]]:
        losses, path = [], []
        for _ in range(times):
            losses.append(self.optimizer.step(self.closure).item())
            path.append([x for p in self.params for x in p.tolist()])
        return losses, path


@pytest.mark.parametrize("key", GOLDEN["lbfgs"])
def test_path_equals_pytorch(key: str) -> None:
    golden = GOLDEN["lbfgs"][key]
    problem = Problem(golden["options"], golden["scale"])
    losses, path = problem.go(8)
    # Differences of rounding grow along a valley.
    np.testing.assert_allclose(path, golden["path"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(losses, golden["losses"], rtol=1e-6, atol=1e-12)
    assert problem.calls == golden["evaluations"]


def test_two_steps_by_hand() -> None:
    """J = ½ (x² + 4 y²) from (1, 1), step length 0.5, without a line search."""
    w = tc.tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer = optim.LBFGS([w], lr=0.5, max_iter=1)
    scale = tc.tensor(np.array([1.0, 4.0]))

    def closure() -> Any:
        optimizer.zero_grad()
        J = 0.5 * (scale * w * w).sum()
        J.backward()
        return J

    assert optimizer.step(closure).item() == 2.5
    # The first step: t = 0.5 min(1, 1/|g|₁) = 0.1 along −g = (−1, −4).
    assert w.tolist() == pytest.approx([0.9, 0.6])
    optimizer.step(closure)
    # s = (−.1, −.4), y = (−.1, −1.6), g = (.9, 2.4): H from one pair.
    s, y, g = np.array([-0.1, -0.4]), np.array([-0.1, -1.6]), np.array([0.9, 2.4])
    rho, eye = 1 / (y @ s), np.eye(2)
    inverse = (eye - rho * np.outer(s, y)) @ ((y @ s) / (y @ y) * eye) @ (
        eye - rho * np.outer(y, s)
    ) + rho * np.outer(s, s)
    assert w.tolist() == pytest.approx(([0.9, 0.6] - 0.5 * inverse @ g).tolist())


@pytest.mark.parametrize("first", [1e-3, 0.3, 1.0, 7.0, 30.0])
@pytest.mark.parametrize(
    ("value", "slope"),
    [
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
         lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3),
    ],
)  # fmt: skip
def test_points_found_fulfil_the_wolfe_conditions(value: Any, slope: Any, first: float) -> None:
    """On functions of Moré and Thuente (1994), doi:10.1145/192115.192132."""

    def at(t: float) -> Point:
        return Point(t, value(t), slope(t), None)

    found, looked = strong_wolfe(at, at(0.0), first, 1e-12, 40)
    assert found.value <= value(0) + 1e-4 * found.t * slope(0)
    assert abs(found.slope) <= -0.9 * slope(0)
    assert 1 <= looked <= 41


def test_state_dict_resumes_exactly(tmp_path: Path) -> None:
    options = {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 5}
    problem = Problem(options, 1e-2)
    problem.go(3)
    tc.save(problem.optimizer.state_dict(), tmp_path / "s.safetensors")
    middle = [p.numpy().copy() for p in problem.params]
    whole = problem.go(3)
    again = Problem({})
    again.scale = 1e-2
    for p, value in zip(again.params, middle, strict=True):
        p.data = value.copy()
    again.optimizer.load_state_dict(tc.load(tmp_path / "s.safetensors"))
    assert again.go(3) == whole
    fresh = Problem({})
    fresh.optimizer.load_state_dict(Problem(options).optimizer.state_dict())
    assert fresh.optimizer.param_groups[0]["max_iter"] == 4
    other = optim.Adam(problem.params)
    for bad in (other.state_dict(), {}, {"state": {0: {"step": 1}}, "param_groups": []}):
        with pytest.raises(StateDictError):
            problem.optimizer.load_state_dict(bad)


def test_float32_and_parameters_without_gradient() -> None:
    w, idle = tc.ones(3, requires_grad=True), tc.ones(2, requires_grad=True)
    optimizer = optim.LBFGS([w, idle], line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        J = ((w - tc.tensor([1.0, 2.0, 3.0])) ** 2).sum()
        J.backward()
        return J

    with tc.no_grad():
        optimizer.step(closure)
    np.testing.assert_allclose(w.numpy(), [1, 2, 3], rtol=1e-6)
    assert w.dtype == np.float32 and idle.tolist() == [1.0, 1.0]
    optimizer.step(closure)  # there already
    assert "LBFGS" in repr(optimizer)


def test_compiled_functions_with_it_are_called_as_they_are() -> None:
    eager, other = Problem({"max_iter": 3}, 1e-3), Problem({"max_iter": 3}, 1e-3)
    step = tc.compile(lambda: other.optimizer.step(other.closure))
    for _ in range(3):
        assert step().item() == eager.optimizer.step(eager.closure).item()
    assert "LBFGS looks at the loss to choose how far to go" in step.explain()
    assert "called as it is" in step.explain()
    with pytest.raises(TraceError, match="LBFGS looks at the loss"):
        tc.trace(lambda: other.optimizer.step(other.closure))
    with pytest.raises(ArgumentError, match="LBFGS is no formula"):
        source(valley(*other.params), optimizer=other.optimizer)


def test_fit_takes_its_steps() -> None:
    tc.manual_seed(0)
    X = np.random.default_rng(0).normal(size=(30, 2))
    Y = X @ np.array([[2.0], [-1.0]]) + 0.5
    model = nn.Dense(2, 1).double()
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history = fit(model, X, Y, loss="mse", optimizer=optimizer, epochs=4, batch_size=None)
    assert history["loss"][-1] < 1e-9
    np.testing.assert_allclose(model.W.numpy(), [[2.0], [-1.0]], atol=1e-4)
    with pytest.raises(ArgumentError, match="LBFGS depends on the loss"):
        fit(model, X, Y, loss="mse", optimizer=optimizer, compile=True)


def leaf() -> tc.Tensor:
    return tc.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.LBFGS([{"params": leaf()}, {"params": leaf()}]), "one group"),
        (lambda: optim.LBFGS([leaf()], line_search_fn="armijo"), "'armijo'"),
        (lambda: optim.LBFGS([leaf()], max_iter=0), "max_iter=0"),
        (lambda: optim.LBFGS([leaf()], max_iter=2.5), "max_iter=2.5|max_eval"),
        (lambda: optim.LBFGS([leaf()], tolerance_grad=-1), "tolerance_grad=-1"),
        (lambda: optim.LBFGS([leaf()]).step(), r"optimizer.step\(closure\)"),
        (lambda: optim.LBFGS([leaf()]).step(lambda: None), "return J"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises((ArgumentError, DtypeError), match=message):
        make()
