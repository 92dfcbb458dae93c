"""Several calls of a compiled function in one, and the choice of a backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.compiling import Compiled, choice, specialised
from tinygrad_course.train import fit

BACKENDS = ["numpy", "numba"]
rng = np.random.default_rng(0)
X = rng.normal(size=(7, 5, 3))
Y = (rng.random((7, 5, 1)) > 0.5) * 1.0


@pytest.fixture(autouse=True)
def _needs_numba(request: Any) -> None:
    if "numba" in getattr(request.node, "callspec", Any).__dict__.get("params", {}).values():
        pytest.importorskip("numba")


class Training:
    """A network, an optimizer, a schedule; `step` is the function to compile."""

    def __init__(self, make: Any = optim.Adam, *layers: nn.Module, **options: Any) -> None:
        tc.manual_seed(3)
        self.model = nn.Sequential(
            nn.Dense(3, 4, activation="tanh"), *layers, nn.Dense(4, 1)
        ).double()
        self.loss = nn.BCEWithLogitsLoss()
        self.optimizer = make(self.model.parameters(), lr=0.05, **options)

    def step(self, X: Any, Y: Any) -> Any:
        J = self.loss(self.model(X), Y)
        self.optimizer.zero_grad()
        J.backward()
        self.optimizer.step()
        return J

    def states(self) -> list[Any]:
        found = [*self.model.parameters(), *self.model.buffers()]
        for entry in self.optimizer.state.values():
            found += [v for v in entry.values() if isinstance(v, tc.Tensor)]
        return [x.numpy().copy() for x in found]


def alike(a: Training, b: Training) -> None:
    for x, y in zip(a.states(), b.states(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-15)
    steps = [[entry["step"] for entry in t.optimizer.state.values()] for t in (a, b)]
    assert steps[0] == steps[1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_that_is_trained_goes_on_from_call_to_call(backend: str) -> None:
    w = tc.tensor(4.0, dtype=tc.float64, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        J = ((w * x) ** 2).sum()
        J.backward()
        optimizer.step()
        return J

    fast = tc.compile(step, backend=backend)
    for _ in range(3):
        w.data = np.array(4.0)
        # J = w², dw = 2 w: w is halved in each step.
        assert fast.map(np.ones((4, 1))).tolist() == [16.0, 4.0, 1.0, 0.25]
        assert w.item() == 0.25


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (optim.SGD, {}),
        (optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (optim.Adam, {}),
        (optim.AdamW, {"weight_decay": 0.1}),
        (optim.RMSprop, {}),
        (optim.NAdam, {}),
        (optim.RAdam, {}),
        (optim.Rprop, {}),
    ],
)
def test_map_is_eager_steps_one_after_another(make: Any, options: Any, backend: str) -> None:
    eager, fast = Training(make, **options), Training(make, **options)
    step = tc.compile(fast.step, backend=backend)
    tensors = tc.tensor(X), tc.tensor(Y)
    for round in range(3):
        expected = [eager.step(x, y).item() for x, y in zip(*tensors, strict=True)]
        given = tensors if round % 2 else (X, Y)  # tensors or arrays
        losses = step.map(*given)
        assert losses.shape == (7,) and not losses.requires_grad
        np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-12)
        alike(eager, fast)
        for group in (*eager.optimizer.param_groups, *fast.optimizer.param_groups):
            group["lr"] *= 0.5  # as a scheduler does
    # Single calls, plain steps and a shorter epoch in between.
    for train in (lambda x, y: step(x, y), fast.step, lambda x, y: step.map(x[None], y[None])[0]):
        np.testing.assert_allclose(
            train(tensors[0][2], tensors[1][2]).item(),
            eager.step(tensors[0][2], tensors[1][2]).item(),
            rtol=1e-12,
        )
    alike(eager, fast)


@pytest.mark.parametrize("backend", BACKENDS)
def test_map_draws_and_keeps_statistics_as_eager_steps(backend: str) -> None:
    layers = lambda: (nn.BatchNorm1d(4), nn.Dropout(0.4))  # noqa: E731
    eager, fast = Training(optim.Adam, *layers()), Training(optim.Adam, *layers())
    step = tc.compile(fast.step, backend=backend)
    for _ in range(3):
        tc.manual_seed(5)
        expected = [
            eager.step(tc.tensor(x), tc.tensor(y)).item() for x, y in zip(X, Y, strict=True)
        ]
        tc.manual_seed(5)
        np.testing.assert_allclose(step.map(X, Y).numpy(), expected, rtol=1e-12)
        alike(eager, fast)


@pytest.mark.parametrize("backend", BACKENDS)
def test_map_stacks_nested_results(backend: str) -> None:
    total = tc.zeros(3).double()

    @tc.compile(backend=backend)
    def add(x: Any) -> Any:
        total.add_(x.sum(axis=0))
        return {"total": total.clone(), "parts": (x * 2, x.sum())}, None

    running = np.cumsum(X.sum(axis=1), axis=0)
    for round in (1, 2):
        result, nothing = add.map(X)
        assert nothing is None
        before = (round - 1) * running[-1]
        np.testing.assert_allclose(result["total"].numpy(), before + running, rtol=1e-12)
        np.testing.assert_allclose(result["parts"][0].numpy(), 2 * X)
        np.testing.assert_allclose(result["parts"][1].numpy(), X.sum(axis=(1, 2)), rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_map_are_kept_by_later_calls(backend: str) -> None:
    double = tc.compile(lambda x: x * 2, backend=backend)
    double.map(X)
    first = double.map(X)
    double.map(-X)
    np.testing.assert_array_equal(first.numpy(), 2 * X)
    # Slices of other strides, integers, numbers, no copy of the argument.
    np.testing.assert_array_equal(double.map(X.T).numpy(), 2 * X.T)
    for array in (np.arange(6).reshape(3, 2), np.arange(4.0)):
        for _ in range(2):
            np.testing.assert_array_equal(double.map(array).numpy(), 2 * array)


def test_map_of_a_function_that_is_no_program() -> None:
    """Derivatives, and a function that only Python can run."""
    w = tc.tensor([1.0, 2.0, 3.0], requires_grad=True)
    cost = tc.compile(lambda x: ((x * w) ** 2).sum())
    x = tc.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    cost.map(x).sum().backward()
    # d/dw of sum (w x)^2 = 2 w x^2, over both rows.
    np.testing.assert_allclose(w.grad.numpy(), [2.0, 4.0, 30.0])
    seen: list[int] = []

    @tc.compile
    def count(x: Any) -> Any:
        seen.append(1)
        return x.sum() * len(seen)

    np.testing.assert_allclose(count.map(np.ones((3, 2))).numpy(), [2.0, 4.0, 6.0])


def test_map_sees_an_argument_that_lies_in_a_state() -> None:
    """Each slice is read after the writes of the calls before it."""
    rows = tc.tensor([[1.0, 2.0], [3.0, 4.0]])

    def shift(x: Any) -> Any:
        y = x.sum()
        rows.mul_(10.0)
        return y

    np.testing.assert_allclose(tc.compile(shift).map(rows).numpy(), [3.0, 70.0])
    np.testing.assert_allclose(tc.compile(shift).map(rows).numpy(), [300.0, 7000.0])


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((), tc.errors.ShapeError, "got no arguments"),
        ((np.zeros((0, 2)),), tc.errors.ShapeError, r"got \(0, 2\)"),
        ((np.zeros((3, 2)), np.zeros((4, 2))), tc.errors.ShapeError, r"\(3, 2\), \(4, 2\)"),
        ((np.float64(3.0),), tc.errors.DtypeError, "expected tensors or arrays"),
        ((np.zeros((3, 2)), 4), tc.errors.DtypeError, "got 4, expected tensors or arrays"),
    ],
)
def test_map_refuses(args: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        tc.compile(lambda x, y=1: x * y).map(*args)


# --- the choice of a backend --------------------------------------------------------------------


def test_auto_changes_to_numba_when_compiling_is_repaid(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(specialised, "calls_to_repay", lambda graph: 3)
    eager, fast = Training(), Training()
    step = tc.compile(fast.step)
    x, y = tc.tensor(X[0]), tc.tensor(Y[0])
    told = []
    for _ in range(6):
        assert step(x, y).item() == pytest.approx(eager.step(x, y).item(), rel=1e-12)
        told.append(step.explain())
    assert ["backend numba" in text for text in told] == [False] * 3 + [True] * 3
    assert "auto: numba takes over after 2 more calls" in told[0]
    assert step.traced == 1
    alike(eager, fast)


def test_auto_counts_the_calls_of_map(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(specialised, "calls_to_repay", lambda graph: 10)
    eager, fast = Training(), Training()
    step = tc.compile(fast.step)
    for names in ("numpy", "numba"):
        expected = [
            eager.step(tc.tensor(x), tc.tensor(y)).item() for x, y in zip(X, Y, strict=True)
        ]
        np.testing.assert_allclose(step.map(X, Y).numpy(), expected, rtol=1e-12)
        assert f"backend {names}" in step.explain()
    alike(eager, fast)


def test_auto_stays_with_numpy_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specialised, "calls_to_repay", lambda graph: 1)
    monkeypatch.setattr(specialised, "is_installed", lambda: False)
    double = tc.compile(lambda x: x * 2)
    for _ in range(4):
        double(tc.ones(2))
    assert "backend numpy" in double.explain() and "numba is not installed" in double.explain()


def test_expected_calls_decide_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(specialised, "calls_to_repay", lambda graph: 100)
    for expected, backend in ((99, "numpy"), (100, "numba")):
        double = Compiled(lambda x: x * 2, expected=expected)
        double(tc.ones(2))
        assert f"backend {backend}" in double.explain()


def test_larger_arrays_repay_compiling_sooner() -> None:
    def calls(n: int) -> int:
        f = tc.compile(lambda x: ((x * 2).exp() + x).sum(), backend="numpy")
        f(tc.ones(n))
        return choice.calls_to_repay(f.graph)

    counts = [calls(n) for n in (10, 10_000, 10_000_000)]
    assert counts == sorted(counts, reverse=True)
    # Four passes over 40 MB take some 20 ms, a second of compiling is worth less than 100 of them.
    assert counts[-1] < 100 < 10_000 < counts[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_with_a_backend_by_name(backend: str) -> None:
    x, y = X.reshape(-1, 3), Y.reshape(-1, 1)

    def run(**how: Any) -> Any:
        t = Training()
        history = fit(
            t.model, x, y, loss=t.loss, optimizer=t.optimizer, epochs=3, batch_size=4, **how
        )
        return t, history["loss"]

    (a, one), (b, two) = run(compile=False), run(compile=backend)
    np.testing.assert_allclose(two, one, rtol=1e-12)
    alike(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["add", "dot", "copyto", "matrix_product", "at"])
def test_a_function_may_have_the_name_of_something_its_program_calls(
    backend: str, name: str
) -> None:
    def f(x: Any) -> Any:
        return x @ x + x * 2

    f.__name__ = name
    g = tc.compile(f, backend=backend)
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(2):
        np.testing.assert_allclose(g(tc.tensor(x)).numpy(), [[9.0, 14.0], [21.0, 30.0]])
    assert not g.reason
