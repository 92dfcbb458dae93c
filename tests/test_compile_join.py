"""Small parameters updated together: the same numbers as one by one, whatever else happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.compiling import specialised
from tinygrad_course.compiling.join import joins, settle, spanning

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "maximize": True}),
    ("SGD", {"weight_decay": 0.01}),
    ("Adagrad", {"lr_decay": 0.01}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "eps": 1e-3}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.01}),
    ("AdamW", {}),
    ("Adadelta", {}),
    ("Adamax", {"weight_decay": 0.01}),
    ("RAdam", {}),
    ("ASGD", {"t0": 1}),
    ("Rprop", {}),
]
each = pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)


class Training:
    """A 3-4-2-1 network with its optimizer; `layout` as in `nn.Dense`."""

    def __init__(
        self, kind: str, options: dict[str, Any], clip: bool = False, layout: str = "rows"
    ) -> None:
        tc.manual_seed(0)
        self.model = nn.Sequential(
            nn.Dense(3, 4, activation="relu", layout=layout),
            nn.Dense(4, 2, activation="tanh", layout=layout),
            nn.Dense(2, 1, layout=layout),
        ).to(tc.float64)
        rng = np.random.default_rng(0)
        X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
        self.data = (X, Y) if layout == "rows" else (X.T.copy(), Y.T.copy())
        loss = nn.MSELoss()
        self.model(tc.tensor(self.data[0]))
        self.optimizer = optimizer = getattr(optim, kind)(
            self.model.parameters(), lr=0.01, **options
        )

        def step(X: Any, Y: Any) -> Any:
            optimizer.zero_grad()
            J = loss(self.model(X), Y)
            J.backward()
            if clip:
                optim.clip_grad_norm_(self.model.parameters(), 0.1)
            optimizer.step()
            return J

        self.step = step
        self.compiled = tc.compile(step, backend="numpy")

    def run(self, count: int, compiled: bool = True) -> None:
        for _ in range(count):
            (self.compiled if compiled else self.step)(*map(tc.tensor, self.data))

    def values(self) -> list[Any]:
        """Return parameters and moments."""
        state = self.optimizer.state_dict()["state"]
        moments = [m for entry in state.values() for m in entry.values()]
        return [p.numpy().copy() for p in self.model.parameters()] + moments

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.compiled.source.splitlines()]


def agree(a: Training, b: Training, exactly: bool = False) -> None:
    # Centered: a difference of nearly equal numbers under a root.
    centered = a.optimizer.param_groups[0].get("centered", False)
    for x, y in zip(a.values(), b.values(), strict=True):
        if exactly:
            np.testing.assert_array_equal(x, y)
        else:
            np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-9 if centered else 1e-12)


def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave programs as they are without joining."""
    monkeypatch.setattr(specialised, "join", lambda graph, moments: graph)


@each
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_same_as_one_by_one(
    kind: str, options: dict[str, Any], clip: bool, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit those of a program that updates one by one; and those without a program."""
    joined = Training(kind, options, clip, layout)
    joined.run(50)
    assert any("in joined_g" in line for line in joined.lines) or clip
    assert joined.compiled.traced == 1
    plain = Training(kind, options, clip, layout)
    plain.run(50, compiled=False)
    agree(joined, plain)
    apart(monkeypatch)
    single = Training(kind, options, clip, layout)
    single.run(50)
    agree(joined, single, exactly=True)
    assert len(joined.lines) < len(single.lines)


def test_what_an_update_takes() -> None:
    """One root for all parameters, and one subtraction each; gradients are not copied."""
    adam = Training("Adam", {})
    adam.run(1)
    assert sum(line.startswith("sqrt(") for line in adam.lines) == 1
    assert sum("part_" in line for line in adam.lines) == 6
    assert not any("copyto(joined" in line or "concatenate" in line for line in adam.lines)
    assert sum("in joined_g" in line for line in adam.lines) == 6
    told = "exp_avg_new of W[1], b[1], W[2], b[2], W[3], b[3]"
    assert any(line.endswith(told) for line in adam.lines)


def test_the_norm_of_gradients_is_a_sum_of_products() -> None:
    adam = Training("Adam", {}, clip=True)
    adam.run(1)
    assert not any(line.startswith(("power(", "absolute(", "add_reduce")) for line in adam.lines)
    assert sum("_1d.dot(" in line for line in adam.lines) >= 3


def test_weight_decay_reads_parameters_by_one_copy() -> None:
    adam = Training("AdamW", {})
    adam.run(1)
    assert [line for line in adam.lines if "concatenate" in line] == [
        line for line in adam.lines if line.startswith("concatenate((W1, b1, W2, b2, W3, b3)")
    ]


def test_nothing_is_allocated_in_the_steady_state() -> None:
    adam = Training("Adam", {"weight_decay": 0.1, "amsgrad": True})
    adam.run(3)
    assert all(kind != "fresh" for kind in adam.compiled._last.plan.kinds)


@each
def test_mixed_with_plain_steps(kind: str, options: dict[str, Any]) -> None:
    """The optimizer joins moments too: theirs and the program's are the same arrays."""
    mixed, plain = Training(kind, options), Training(kind, options)
    for k in range(30):
        mixed.run(1, compiled=k % 3 > 0)
        plain.run(1, compiled=False)
        agree(mixed, plain)
    assert mixed.compiled.traced == 1
    assert not any(line.startswith("concatenate((W1_") for line in mixed.lines)


def test_moments_that_someone_moves_again_and_again() -> None:
    """They are copied in the end, and lie where that one put them."""
    mixed, plain = Training("Adam", {}), Training("Adam", {})
    first = next(iter(mixed.model.parameters()))
    for _ in range(12):
        mixed.run(1)
        plain.run(1, compiled=False)
        agree(mixed, plain)
        moment = mixed.optimizer.state[first]["exp_avg"]
        moment._data = moment._data.copy()
    mixed.run(1)
    plain.run(1, compiled=False)
    agree(mixed, plain)
    assert any(line.startswith("concatenate((W1_exp_avg, b1_") for line in mixed.lines)
    assert any(line.startswith("W1_exp_avg[...] = joined_exp_avg_") for line in mixed.lines)
    assert mixed.compiled.traced == 1


@each
def test_states_that_are_replaced(kind: str, options: dict[str, Any]) -> None:
    both = Training(kind, options), Training(kind, options)
    for k, one in enumerate(both):
        compiled = k == 0
        one.run(3, compiled)
        saved = one.optimizer.state_dict()
        weights = {name: x.numpy().copy() for name, x in one.model.state_dict().items()}
        one.run(3, compiled)
        for p in one.model.parameters():
            p.data = tc.tensor(p.numpy() * 0.5)
        one.run(3, compiled)
        one.optimizer.load_state_dict(saved)
        one.run(3, compiled)
        one.model.load_state_dict(weights)
        one.run(3, compiled)
        for group in one.optimizer.param_groups:
            group["lr"] = 0.003
        one.run(3, compiled)
    agree(*both)


def test_parameters_that_begin_to_share_memory() -> None:
    """What is written first then matters: that is left to the function."""
    one = Training("Adam", {})
    one.run(2)
    _, b1, _, _, _, b3 = one.model.parameters()
    b3.data = b1.data[:1]
    one.run(2)
    assert one.compiled.explain().startswith("no program: two tensors")


@pytest.mark.parametrize("same", [True, False])
def test_groups_with_options_of_their_own(same: bool) -> None:
    def make() -> Training:
        one = Training("Adam", {})
        W1, b1, W2, b2, W3, b3 = one.model.parameters()
        betas = (0.9, 0.999) if same else (0.8, 0.9)
        one.optimizer.param_groups.clear()
        one.optimizer.add_param_group({"params": [W1, W2, W3], "lr": 0.01})
        one.optimizer.add_param_group({"params": [b1, b2, b3], "lr": 0.1, "betas": betas})
        return one

    joined, plain = make(), make()
    for k in range(20):
        joined.run(1, compiled=k % 5 > 0)
        plain.run(1, compiled=False)
        joined.optimizer.param_groups[1]["lr"] *= 0.9
        plain.optimizer.param_groups[1]["lr"] *= 0.9
    agree(joined, plain)
    assert sum(line.startswith("sqrt(") for line in joined.lines) == 2
    assert not any(line.startswith("concatenate((W1_") for line in joined.lines)


def test_gradients_that_are_kept() -> None:
    both = Training("Adam", {}), Training("Adam", {})
    compiled = tc.compile(both[0].step, backend="numpy", grads=True)
    for _ in range(3):
        for step, one in zip((compiled, both[1].step), both, strict=True):
            step(*map(tc.tensor, one.data))
        for p, q in zip(both[0].model.parameters(), both[1].model.parameters(), strict=True):
            assert p.grad is not None and q.grad is not None
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-11, atol=1e-13)
    agree(*both)


def test_parameters_that_share_a_gradient_or_are_large() -> None:
    """a and b have the same derivative, which is computed once; C has too many elements."""

    def make() -> tuple[Any, Any, Any]:
        rng = np.random.default_rng(0)
        shapes = {"a": (3,), "b": (3,), "C": (200, 200)}
        tensors = [
            tc.tensor(rng.normal(size=s), requires_grad=True, name=n) for n, s in shapes.items()
        ]
        a, b, C = tensors
        adam = optim.Adam(tensors)

        def step() -> Any:
            adam.zero_grad()
            J = ((a + b) ** 2).sum() + (C**2).sum()
            J.backward()
            adam.step()
            return J

        return step, tensors, adam

    step, plain, _ = make()
    other, joined, _ = make()
    compiled = tc.compile(other, backend="numpy")
    for _ in range(5):
        step()
        compiled()
    for x, y in zip(plain, joined, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)
    assert "exp_avg_new of a, b\n" in compiled.source


def test_two_steps_in_one_program() -> None:
    """The second gradient depends on the first update: each update is joined by itself."""

    def make() -> Training:
        one = Training("Adam", {})
        once = one.step

        def twice(X: Any, Y: Any) -> Any:
            once(X, Y)
            return once(X, Y)

        one.step, one.compiled = twice, tc.compile(twice, backend="numpy")
        return one

    joined, plain = make(), make()
    joined.run(10)
    plain.run(10, compiled=False)
    agree(joined, plain)
    assert joined.compiled.reason == ""
    assert sum(line.startswith("sqrt(") for line in joined.lines) == 2


def test_a_chain_that_starts_from_another_ones_end() -> None:
    """The gradient of b is taken after a has its new value: they cannot be updated together."""

    def make() -> Any:
        a = tc.tensor([1.0, 2.0], requires_grad=True, name="a")
        b = tc.tensor([3.0, -1.0], requires_grad=True, name="b")
        adam = optim.Adam([a, b], lr=0.1)

        def step() -> Any:
            adam.zero_grad()
            (a * a * a).sum().backward()
            adam.step()
            adam.zero_grad()
            J = (a * b * b).sum()
            a.requires_grad_(False)
            J.backward()
            adam.step()
            a.requires_grad_(True)
            return J

        return step, (a, b)

    step, plain = make()
    other, joined = make()
    compiled = tc.compile(other, backend="numpy")
    for _ in range(5):
        assert compiled().item() == pytest.approx(step().item(), rel=1e-5)
    for x, y in zip(plain, joined, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5)


def test_arrays_that_lie_together() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.array([7.0])
    assert spanning([a.copy(), b]) is None
    flat = np.arange(10.0)
    parts = [flat[2:8].reshape(2, 3), flat[8:9]]
    found = spanning(parts)
    assert found.tolist() == flat[2:9].tolist() and np.shares_memory(found, flat)
    assert spanning(parts[::-1]) is None
    assert spanning([flat[2:8].reshape(2, 3).T, flat[8:9]]) is None
    tensors = [tc.from_numpy(a), tc.from_numpy(b)]
    assert settle(tensors) and not settle(tensors)
    assert [x.tolist() for x in tensors] == [[[0, 1, 2], [3, 4, 5]], [7]]
    assert not any(joins(node) for node in tc.Graph.of(tc.ones(2, requires_grad=True) * 2))
