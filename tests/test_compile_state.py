"""Compiled functions and all that changes around them: gradients, parameters, options, variables.

Each program runs twice, from the same start: as it is and compiled. What it returns and leaves must
be the same after every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.nn import functional as F


def data(m: int = 8, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return tc.tensor(rng.normal(size=(m, 3))), tc.tensor(rng.normal(size=(m, 1)))


def weight(seed: int = 1) -> Any:
    return tc.tensor(np.random.default_rng(seed).normal(size=(3, 1)), requires_grad=True)


def values(x: Any) -> Any:
    return None if x is None else np.array(x.numpy() if isinstance(x, tc.Tensor) else x)


def same(make: Callable[[], tuple[Any, Callable[..., Any]]], **options: Any) -> tc.Tensor:
    """Run a program plainly and compiled, and compare all that it notes.

    `make` returns a function to compile, and one that calls it and yields values.
    """
    tc.manual_seed(0)
    plain, play = make()
    expected = [values(x) for x in play(plain)]
    tc.manual_seed(0)
    f, play = make()
    compiled = tc.compile(f, **options)
    found = [values(x) for x in play(compiled)]
    assert len(found) == len(expected)
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert (a is None) == (b is None), k
        if a is not None and b is not None:
            assert a.dtype == b.dtype and a.shape == b.shape, k
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=f"value {k}")
    return compiled


# --- gradients ------------------------------------------------------------------------------------


def test_backward_alone_leaves_gradients_and_adds_to_them() -> None:
    def make() -> Any:
        w = weight()

        def f(X: Any, Y: Any) -> Any:
            J = ((X @ w - Y) ** 2).mean()
            J.backward()
            return J

        def play(f: Any) -> Any:
            for k in range(8):
                yield f(*data(seed=k))
                yield w.grad
                if k == 2:
                    w.grad = None
                if k == 4:
                    w.grad = tc.zeros(3, 1, dtype=tc.float64)
                if k == 6:
                    w.grad = tc.ones(3, 1, dtype=tc.float64)

        return f, play

    assert same(make).traced == 2  # with and without a gradient from before


@pytest.mark.parametrize("place", ["never", "first", "last", "by hand", "zeros"])
def test_steps_with_gradients_forgotten_here_and_there(place: str) -> None:
    def make() -> Any:
        w = weight()
        adam = optim.Adam([w], lr=0.01)

        def f(X: Any, Y: Any) -> Any:
            if place == "first":
                adam.zero_grad()
            if place == "zeros":
                adam.zero_grad(set_to_none=False)
            if place == "by hand":
                w.grad = None
            J = ((X @ w - Y) ** 2).mean()
            J.backward()
            adam.step()
            if place == "last":
                adam.zero_grad()
            return J

        def play(f: Any) -> Any:
            for k in range(8):
                yield f(*data(seed=k))
                yield w
                if place in ("never", "last"):
                    yield w.grad
                if k == 4:
                    w.grad = tc.ones(3, 1, dtype=tc.float64)

        return f, play

    same(make)
    same(make, grads=True)


def test_gradients_of_a_whole_step_stay_inside_unless_asked_for() -> None:
    w = weight()
    sgd = optim.SGD([w], lr=0.0)

    def step(X: Any, Y: Any) -> Any:
        sgd.zero_grad()
        ((X @ w - Y) ** 2).mean().backward()
        sgd.step()

    X, Y = data()
    step(X, Y)
    expected = w.grad.numpy().copy()
    inside = tc.compile(step)
    for _ in range(2):
        assert inside(X, Y) is None and w.grad is None
    assert "gradients stay inside" in inside.explain()
    outside = tc.compile(step, grads=True)
    for _ in range(2):
        outside(X, Y)
        np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-12)


def test_a_step_on_gradients_from_outside() -> None:
    def make() -> Any:
        w = weight()
        adam = optim.Adam([w], lr=0.01)

        def f() -> None:
            optim.clip_grad_value_([w], 0.1)
            adam.step()

        def play(f: Any) -> Any:
            for k in range(6):
                X, Y = data(seed=k)
                w.grad = None
                if k != 3:
                    ((X @ w - Y) ** 2).mean().backward()
                f()
                yield w

        return f, play

    same(make)


def test_updates_by_hand_also_of_arguments() -> None:
    def make() -> Any:
        w, v = weight(), weight(2)

        def f(p: Any, X: Any, Y: Any, rate: float) -> Any:
            p.grad = None
            J = ((X @ p - Y) ** 2).mean()
            J.backward()
            with tc.no_grad():
                p -= rate * p.grad
            return J

        def play(f: Any) -> Any:
            for k in range(9):
                yield f(w if k % 3 else v, *data(seed=k), 0.1 if k < 6 else 0.05)
                yield w
                yield v

        return f, play

    same(make)


# --- what is replaced or changed ------------------------------------------------------------------


def test_everything_may_change_between_steps() -> None:
    """Also the number of steps that a parameter has, which moments are divided by."""

    def make() -> Any:
        model = nn.Sequential(nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 1)).double()
        adam = optim.Adam(model.parameters(), lr=0.01)
        saved: list[Any] = []

        def f(X: Any, Y: Any) -> Any:
            adam.zero_grad()
            J = F.mse_loss(model(X), Y)
            J.backward()
            adam.step()
            return J

        def events() -> dict[int, Callable[[], Any]]:
            first = model[0].weight
            new = nn.Dense(4, 1).double()
            new.weight.data = np.full((4, 1), 0.3)
            return {
                1: lambda: saved.extend([model.state_dict(), adam.state_dict()]),
                2: lambda: setattr(first, "data", np.full((3, 4), 0.1)),
                4: lambda: (model.load_state_dict(saved[0]), adam.load_state_dict(saved[1])),
                6: lambda: adam.param_groups[0].update(lr=0.1),
                7: lambda: adam.param_groups[0].update(betas=(0.8, 0.99)),
                9: lambda: model[0].bias.requires_grad_(False),
                11: lambda: model[0].bias.requires_grad_(True),
                13: lambda: model.to(tc.float32).to(tc.float64),
                15: lambda: model.__setitem__(1, new),
                17: lambda: adam.add_param_group({"params": model[1].parameters(), "lr": 0.02}),
                19: lambda: adam.state[first].update(exp_avg=tc.ones(3, 4, dtype=tc.float64)),
                20: lambda: setattr(model[0], "activation", "relu"),
                21: lambda: first.fill_(0.2) if not first.requires_grad else None,
            }

        def play(f: Any) -> Any:
            happen = events()
            for k in range(24):
                yield f(*data(seed=k))
                yield from model.parameters()
                if k in happen:
                    happen[k]()

        return f, play

    assert same(make).traced < 16


def test_modes_dropout_running_statistics_and_clipping() -> None:
    def make() -> Any:
        model = nn.Sequential(
            nn.Dense(3, 8, activation="relu"),
            nn.BatchNorm1d(8),
            nn.Dropout(0.4),
            nn.Dropout(0.2, generator=tc.Generator(3)),
            nn.Dense(8, 1),
        ).double()
        adam = optim.Adam(model.parameters(), lr=0.01)
        loss = nn.MSELoss()

        def f(X: Any, Y: Any) -> Any:
            adam.zero_grad()
            prediction = model(X)
            J = loss(prediction, Y)
            if model.training:
                J.backward()
                norm = optim.clip_grad_norm_(model.parameters(), 0.5)
                adam.step()
                return {"loss": J, "others": (prediction, [norm, None])}
            with tc.no_grad():
                return {"loss": J.detach(), "others": (prediction.detach(), [])}

        def play(f: Any) -> Any:
            for k in range(12):
                if k in (4, 8):
                    model.eval()
                if k in (6, 10):
                    model.train()
                found = f(*data(40, seed=k))
                yield found["loss"]
                yield found["others"][0]
                assert type(found["others"][1]) is list
                yield from model.buffers()
                yield np.array(tc.random.get_rng_state()["state"] % 2**60)
                if k == 9:
                    model[2].p = 0.1

        return f, play

    assert same(make).traced == 3


def test_shared_weights_and_a_scheduler_between_steps() -> None:
    def make() -> Any:
        model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
        model[2].weight = model[0].weight
        sgd = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = optim.lr_scheduler.CosineAnnealingLR(sgd, 5)

        def f(X: Any) -> Any:
            sgd.zero_grad()
            J = (model(X) ** 2).sum()
            J.backward()
            sgd.step()
            return J

        def play(f: Any) -> Any:
            for k in range(10):
                yield f(data(seed=k)[0])
                schedule.step()

        return f, play

    assert same(make).traced == 1


# --- variables ------------------------------------------------------------------------------------


def test_variables_that_change() -> None:
    rate, options, x = 0.5, {"a": 1.0}, tc.tensor([1.0, 2.0])
    layers = [tc.tensor(3.0)]

    def scaled(x: Any) -> Any:
        return x.sum() * rate

    def f(x: Any) -> Any:
        return scaled(x) * options["a"] * layers[0]

    compiled = tc.compile(f)
    for _ in range(2):
        assert compiled(x).item() == 4.5
    rate = 1.0
    assert compiled(x).item() == 9.0
    options["a"] = 2.0
    assert compiled(x).item() == 18.0
    assert "options" in compiled.explain()
    layers[0] = tc.tensor(1.0)
    assert compiled(x).item() == 6.0
    rate, options["a"] = 0.5, 1.0
    layers[0].fill_(3.0)
    assert compiled(x).item() == 4.5
    assert compiled.traced == 5


def test_what_changes_in_every_call_is_left_to_the_function() -> None:
    k = 0.0
    compiled = tc.compile(lambda x: x.sum() * k)
    for step in range(40):
        k = float(step)
        assert compiled(tc.tensor([1.0, 2.0])).item() == 3.0 * step
    assert compiled.traced <= 16
    assert "changes too often: k" in compiled.explain()
    with pytest.raises(tc.errors.GraphError, match="no program: what it depends on changes"):
        _ = compiled.source


def test_effects_on_variables_happen_in_every_call() -> None:
    count, seen = 0, []
    w = weight()
    sgd = optim.SGD([w], lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(sgd, 0.5)

    def counts(x: Any) -> Any:
        nonlocal count
        count += 1
        return x.sum() * count

    def keeps(x: Any) -> Any:
        seen.append(x.sum())
        return x.mean()

    def schedules(x: Any) -> None:
        sgd.zero_grad()
        (w * x.sum()).sum().backward()
        sgd.step()
        schedule.step()

    x = tc.tensor([1.0, 2.0])
    compiled = tc.compile(counts)
    assert [compiled(x).item() for _ in range(3)] == [3.0, 6.0, 9.0]
    assert "it changes what it reads: count" in compiled.explain()
    compiled = tc.compile(keeps)
    for _ in range(3):
        compiled(x)
    assert len(seen) == 3
    compiled = tc.compile(schedules)
    for _ in range(3):
        compiled(x)
    assert sgd.param_groups[0]["lr"] == pytest.approx(0.0125)


def test_random_numbers() -> None:
    own = np.random.default_rng(0)
    x = tc.tensor([1.0, 2.0])
    for f in (
        lambda x: (x * np.random.rand()).sum(),
        lambda x: (x * tc.rand(2)).sum(),
        lambda x: (x * own.normal(size=2)).sum(),
    ):
        compiled = tc.compile(f)
        assert len({compiled(x).item() for _ in range(4)}) == 4
        assert "random" in compiled.explain()
    with pytest.raises(tc.errors.TraceError, match=r"uses an array of shape \(2,\) that is no arg"):
        tc.compile(lambda x: (x * np.random.default_rng().normal(size=2)).sum())(x)


def test_arrays_that_a_function_makes() -> None:
    def f(x: Any) -> Any:
        one = tc.ones(2, 2)
        place = tc.arange(2)
        return (x * tc.tensor([0.5, 0.25]) + one @ tc.eye(2) + place)[[1, 0]].sum()

    compiled = tc.compile(f)
    for v in (1.0, 2.0):
        x = tc.full((2, 2), v)
        assert compiled(x).item() == f(x).item()
    outside = np.array([1.0, 5.0])
    with pytest.raises(tc.errors.TraceError, match="make it a tensor"):
        tc.compile(lambda x: (x * outside).sum())(tc.tensor([1.0, 2.0]))


def test_hooks_are_called() -> None:
    layer = nn.Dense(3, 1).double()
    calls = []
    compiled = tc.compile(layer)
    X, _ = data()
    with tc.no_grad():
        expected = compiled(X).numpy()
        handle = layer.register_forward_hook(lambda *a: calls.append(1))
        for _ in range(3):
            np.testing.assert_allclose(compiled(X).numpy(), expected)
        assert len(calls) == 3
        handle.remove()
        assert np.allclose(compiled(X).numpy(), expected) and len(calls) == 3


# --- arguments ------------------------------------------------------------------------------------


def test_one_tensor_twice_and_views() -> None:
    def make() -> Any:
        def f(a: Any, b: Any) -> Any:
            return (a * b).sum() + (a - b / 2).mean()

        def play(f: Any) -> Any:
            a, b = data()[0], data(seed=4)[0]
            for x, y in ((a, a), (a, b), (b, b), (b, a), (a, a[:]), (a.T, b.T), (a[::2], b[1::2])):
                yield f(x, y)
            yield f(a.numpy(), a.numpy())
            yield f(a.numpy(), b)

        return f, play

    tc.compile(same(make))


def test_parameters_as_arguments_and_their_memory() -> None:
    def make() -> Any:
        w, v = weight(), weight(2)
        sgd = optim.SGD([w, v], lr=0.1)

        def f(a: Any) -> Any:
            sgd.zero_grad()
            J = ((a * w).sum() - v.sum()) ** 2
            J.backward()
            sgd.step()
            return J + (a**2).sum()

        def play(f: Any) -> Any:
            z = tc.tensor(np.arange(3.0)[:, None])
            for a in (z, w, z, v, w.detach(), v.data, w.numpy(), w, z, z):
                yield f(a)
                yield w
                yield v

        return f, play

    same(make)


def test_an_argument_changed_in_place() -> None:
    def make() -> Any:
        def f(x: Any) -> Any:
            x += 1.0
            return (x * 2).sum()

        def play(f: Any) -> Any:
            x, y = tc.tensor([1.0, 2.0]), tc.tensor([5.0, 2.0])
            for given in (x, x, y, x, y):
                yield f(given)
                yield given
            yield f(tc.tensor([0.0, 0.0]))

        return f, play

    same(make)


def test_containers_names_and_kinds_of_arguments() -> None:
    def f(batch: Any, params: dict[str, Any], scale: float = 1.0, *, shift: Any) -> Any:
        X, Y = batch
        return ((X @ params["w"] + params["b"][0] - Y) ** 2).mean() * scale + shift.sum()

    compiled = tc.compile(f)
    for k in range(3):
        X, Y = data(seed=k)
        params = {"w": weight(k), "b": [tc.tensor(0.5 + k)]}
        for named in ({}, {"scale": 2.0}):
            with tc.no_grad():
                found = compiled((X, Y.numpy()), params, shift=np.ones(2) * k, **named)
                expected = f((X, Y), params, shift=tc.ones(2) * k, **named)
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    assert compiled.traced == 2
    with pytest.raises(tc.errors.DtypeError, match="missing a required"):
        compiled(shift=1.0)
    double = tc.compile(lambda x: x * 2)
    for x in (np.arange(3), np.float64(3), np.array(2.0, np.float32), np.zeros((0, 3))):
        for _ in range(2):
            y = double(x).numpy()
            assert y.dtype == x.dtype and np.array_equal(y, x * 2)


def test_labels_are_read_anew() -> None:
    layer, loss = nn.Dense(3, 3).double(), nn.CrossEntropyLoss()
    compiled = tc.compile(lambda X, y: loss(layer(X), y))
    for k in range(4):
        X, _ = data(seed=k)
        y = tc.tensor(np.random.default_rng(k).integers(0, 3, 8))
        np.testing.assert_allclose(compiled(X, y).item(), loss(layer(X), y).item(), rtol=1e-12)


def test_methods() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3, 1)
            self.scale = 2.0

        @tc.compile
        def forward(self, x: Any) -> Any:
            return self.dense(x) * self.scale

    one, two = Scaled().double(), Scaled().double()
    X, _ = data()
    with tc.no_grad():
        for model in (one, two, one, two):
            expected = model.dense(X).numpy() * model.scale
            np.testing.assert_allclose(model(X).numpy(), expected, rtol=1e-12)
            model.scale += 1.0


# --- derivatives ----------------------------------------------------------------------------------


def test_a_compiled_loss_is_differentiated() -> None:
    w = weight()

    def f(x: Any) -> Any:
        return ((x @ w).tanh() ** 2).mean()

    compiled = tc.compile(f)
    for k in range(3):
        x, y = (tc.tensor(data(seed=k)[0], requires_grad=True) for _ in range(2))
        gradients = []
        for g, z in ((f, x), (compiled, y)):
            w.grad = None
            (g(z * 2) * 3 + g(z)).backward()
            gradients.append(w.grad.numpy())
        np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)
        np.testing.assert_allclose(y.grad.numpy(), x.grad.numpy(), rtol=1e-12)
    X, _ = data(3)
    np.testing.assert_allclose(tc.grad(compiled)(X).numpy(), tc.grad(f)(X).numpy())
    assert tc.value_and_grad(compiled)(X)[0].item() == pytest.approx(f(X).item())
    X.requires_grad_()
    assert tc.gradcheck(compiled, [X]) and tc.gradgradcheck(compiled, [X])
    np.testing.assert_allclose(tc.hessian(compiled)(X).numpy(), tc.hessian(f)(X).numpy())
    assert "tanh" in str(tc.trace(lambda x: compiled(x) * 2, X))


def test_other_results_with_a_gradient_are_left_to_the_function() -> None:
    w = weight()
    compiled = tc.compile(lambda x: x @ w)
    X, _ = data()
    for _ in range(2):
        w.grad = None
        compiled(X).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), X.numpy().sum(0)[:, None])
    assert "not one number; under no_grad it is compiled" in compiled.explain()
    with tc.no_grad():
        compiled(X)
    assert "backend numpy" in compiled.explain()


# --- refusals -------------------------------------------------------------------------------------


def test_a_function_that_cannot_be_recorded_changes_nothing() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Dense(3, 1)).double()
    adam = optim.Adam(model.parameters())
    before = [x.numpy().copy() for x in (*model.parameters(), *model.buffers())]
    place = tc.random.get_rng_state()

    def step(X: Any) -> Any:
        J = model(X).sum()
        J.backward()
        adam.step()
        return J.item()

    with pytest.raises(tc.errors.TraceError, match="item: the value"):
        tc.compile(step)(data()[0])
    for x, y in zip((*model.parameters(), *model.buffers()), before, strict=True):
        assert np.array_equal(x.numpy(), y)
    assert tc.random.get_rng_state() == place
    assert all(p.grad is None for p in model.parameters())
    assert all(entry["step"] == 0 for entry in adam.state.values())


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tc.errors.DtypeError, match="got 3, expected a function"):
        tc.compile(3)
    with pytest.raises(tc.errors.ArgumentError, match="got backend='cuda', expected one of auto"):
        tc.compile(backend="cuda")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(tc.errors.MissingDependencyError, match=r"\[jit\]"):
        tc.compile(lambda x: x, backend="numba")
    compiled = tc.compile(lambda x: x * 2)
    with pytest.raises(tc.errors.GraphError, match="no program yet"):
        compiled.explain()
    with pytest.raises(tc.errors.TraceError, match="bool"):
        tc.compile(lambda x: x if x.sum() > 0 else -x)(tc.ones(2))


def test_a_graph_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_course.compiling.specialised.LARGEST", 50)

    def f(x: Any) -> Any:
        for _ in range(60):
            x = x.sin()
        return x.sum()

    compiled = tc.compile(f)
    x = tc.tensor([1.0, 2.0])
    assert compiled(x).item() == compiled(x).item() == f(x).item()
    assert "no program: its graph has" in compiled.explain()


def test_the_number_of_programs_is_bounded() -> None:
    compiled = tc.compile(lambda x: x * 2)
    for m in range(1, 40):
        assert compiled(tc.ones(m)).shape == (m,)
    assert "programs kept: 16; traced 39 times" in compiled.explain()
