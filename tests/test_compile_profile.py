"""What a compiled function tells of itself: parts, equations, memory, times."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.compiling.parts import View, parts

HAS_NUMBA = importlib.util.find_spec("numba") is not None
BACKENDS = ["numpy", *(["numba"] if HAS_NUMBA else [])]
both = pytest.mark.parametrize("backend", BACKENDS)
fused = pytest.mark.skipif(not HAS_NUMBA, reason="needs numba")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep machine code away from the user's cache."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_COURSE_CACHE", os.fspath(directory))
        yield directory


class Training:
    """A step of a small network with all that a step can change."""

    def __init__(self, backend: str, optimizer: str = "Adam", extras: bool = True) -> None:
        generator = tc.Generator(5)
        layers: list[nn.Module] = []
        inputs = 4
        if backend == "numpy" or not extras:  # machine code of few loops is made sooner
            layers.append(nn.Dense(4, 6, activation="tanh", generator=generator))
            inputs = 6
        if extras:
            layers += [nn.BatchNorm1d(6)] if backend == "numpy" else []
            layers.append(nn.Dropout(0.5))
        layers.append(nn.Dense(inputs, 1, activation="sigmoid", generator=generator))
        self.model = nn.Sequential(*layers)
        self.optimizer = getattr(optim, optimizer)(self.model.parameters(), lr=0.05)
        loss = nn.BCELoss()

        def step(X: Any, Y: Any) -> Any:
            self.optimizer.zero_grad()
            J = loss(self.model(X), Y)
            J.backward()
            self.optimizer.step()
            return J

        self.step = tc.compile(step, backend=backend)
        rng = np.random.default_rng(1)
        self.X = tc.tensor(rng.normal(size=(8, 4)).astype("f"), name="X")
        self.Y = tc.tensor((rng.random((8, 1)) < 0.5).astype("f"), name="Y")

    def run(self) -> Any:
        return self.step(self.X, self.Y)

    def state(self) -> list[Any]:
        """Return all that a step may change."""
        values = [v.numpy().tobytes() for v in self.model.state_dict().values()]
        values += [x.numpy().tobytes() for x in (self.X, self.Y)]
        values += [p.grad for p in self.model.parameters()]
        return [*values, repr(self.optimizer.state_dict()), tc.random.get_rng_state()]


def simple(backend: str) -> Training:
    made = Training(backend, "SGD", extras=False)
    made.run()
    return made


# --- profile ------------------------------------------------------------------------------------


@both
def test_profiling_changes_nothing(backend: str) -> None:
    """Bit by bit; and the run goes on as one that was not profiled."""
    costs = []
    for profiled in (True, False):
        tc.manual_seed(3)
        training = Training(backend)
        training.run()
        training.run()
        before, source = training.state(), training.step.source
        if profiled:
            training.step.profile(training.X, training.Y, repeat=3)
            training.step.profile(repeat=1)
            assert training.state() == before and training.step.source == source
            assert training.step.traced == 1
        costs.append([training.run().item() for _ in range(3)] + training.state())
    assert costs[0] == costs[1]


@both
def test_a_step_that_is_interrupted_gives_random_numbers_back(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinygrad_course.compiling import profile

    training = Training(backend)
    training.run()
    before = training.state()

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(profile, "_middle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.step.profile(repeat=2)
    assert training.state() == before


@both
def test_each_part_has_its_time(backend: str) -> None:
    training = simple(backend)
    report = training.step.profile(repeat=5)
    made = parts(training.step._program().program)
    assert [row.part.text for row in report.rows] == [part.text for part in made]
    assert report.repeat == 5 and report.backend == backend and report.seconds > 0
    assert sum(row.share for row in report.rows) == pytest.approx(1.0)
    assert report.apart == pytest.approx(sum(row.seconds for row in report.rows))
    text = str(report)
    assert f"backend {backend}" in text and "mean of 5 calls" in text
    assert len(text.splitlines()) == len(made) + 2
    assert all(name in text for name in ("Z[1] = ", "A[2] = ", "W[1] ← W[1] - "))


def test_bytes_and_flops_of_a_product() -> None:
    """(5, 3) times (3, 2): 2 · 5 · 3 · 2 operations on 15 + 6 + 10 numbers of 4 bytes."""
    W = tc.tensor(np.ones((3, 2), "f"), name="W")
    f = tc.compile(lambda X: tc.exp(X @ W), backend="numpy")
    f(tc.ones(5, 3))
    product, exponential = f.profile(repeat=1).rows
    assert (product.part.flops, product.part.bytes) == (60, 31 * 4)
    assert (exponential.part.flops, exponential.part.bytes) == (0, 20 * 4)
    product.seconds, exponential.seconds = 1e-6, 1e-6
    assert product.rate == "0.1 GFLOP/s" and exponential.rate == "0.1 GB/s"
    product.seconds = 0.0
    assert product.rate == ""


def test_long_tables_show_what_takes_longest() -> None:
    report = simple("numpy").step.profile(repeat=1)
    for k, row in enumerate(report.rows):
        row.seconds = (k + 1) * 1e-6
    table = report.table(3).splitlines()
    assert len(table) == 5 and f"{len(report.rows) - 3} others" in table[-1]
    assert [line.split()[0] for line in table[1:4]] == [
        f"{len(report.rows) - k}.0" for k in (2, 1, 0)
    ]


def test_what_cannot_be_profiled() -> None:
    f = tc.compile(lambda x: x.exp(), backend="numpy")
    with pytest.raises(errors.GraphError, match="no program yet"):
        f.profile()
    with pytest.raises(errors.GraphError, match="no program for these arguments yet"):
        f.profile(tc.ones(3))
    f(tc.ones(2))
    with pytest.raises(errors.GraphError, match="no program for these arguments yet"):
        f.profile(tc.ones(3))
    for repeat in (0, -1):
        with pytest.raises(ValueError, match=f"repeat is {repeat}"):
            f.profile(repeat=repeat)
    for wrong in (1.5, True, "many"):
        with pytest.raises(TypeError, match="repeat is"):
            f.profile(repeat=wrong)
    left = tc.compile(lambda x: x + float(np.random.rand()), backend="numpy")
    left(tc.ones(2))
    with pytest.raises(errors.GraphError, match="has no program: it draws random numbers"):
        left.profile()
    with pytest.raises(errors.GraphError, match="has no program: it draws random numbers"):
        left.profile(tc.ones(2))


@both
def test_states_that_are_exchanged(backend: str) -> None:
    """Values that a state gets from elsewhere are copied: parts of their own."""
    a, b = tc.tensor([1.0, 2.0], name="a"), tc.tensor([3.0, 4.0], name="b")

    def exchange() -> Any:
        old = a.clone()
        a.copy_(b)
        b.copy_(old)
        return (a * b).sum()

    f = tc.compile(exchange, backend=backend)
    f()
    f.profile(repeat=2)
    assert (a.tolist(), b.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    text = "; ".join(part.text for part in parts(f._program().program))
    assert "a ← " in text and "b ← " in text


@both
def test_gradients_that_are_added_to_stay(backend: str) -> None:
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
    f = tc.compile(lambda x: (w * x).exp().sum().backward(), backend=backend)
    x = tc.tensor([0.5, 0.25])
    f(x)
    f(x)  # reads what the first left
    before = w.grad.numpy().tobytes()
    assert f.profile(x, repeat=2).rows and w.grad.numpy().tobytes() == before
    w.grad = None
    with pytest.raises(errors.GraphError, match="has changed since its last call: a gradient"):
        f.profile(repeat=2)


def test_what_has_changed_since_the_last_call() -> None:
    model = nn.Dense(2, 1)
    f = tc.compile(model, backend="numpy")
    with tc.no_grad():
        f(tc.ones(3, 2))
        model.to(tc.float64)
        with pytest.raises(errors.GraphError, match="has changed since its last call: the array"):
            f.profile()
        f(tc.ones(3, 2))
        f.profile(repeat=1)


# --- parts and equations ------------------------------------------------------------------------


@both
@pytest.mark.parametrize("extras", [True, False])
def test_parts_compute_every_operation_once(backend: str, extras: bool) -> None:
    training = Training(backend, extras=extras)
    training.run()
    view = View(training.step._program().program)
    found = [i for part in view.parts() for i in part.nodes if not view.is_view(i)]
    computed = {n.index for n in view.graph if n.op is not None and not view.is_view(n.index)}
    joined = {i for i in computed if "join" in view.graph[i].op.name}  # may take no call
    assert len(found) == len(set(found)) and computed - joined <= {*found} <= computed


def test_equations_are_written_in_the_names_of_the_program() -> None:
    training = simple("numpy")
    view = View(training.step._program().program)
    lines = {e.text for e in view.equations([n.index for n in view.graph if n.op is not None])}
    assert {"Z[1] = X W[1] + b[1]", "A[1] = tanh(Z[1])", "Z[2] = A[1] W[2] + b[2]"} <= lines
    assert "A[2] = 1 / (exp(-Z[2]) + 1)" in lines
    updates = [text for text in lines if text.startswith("b[1] ← ")]
    assert len(updates) == 1 and "np.sum(" in updates[0] and "axis=0" in updates[0]


def test_long_equations_take_several_lines() -> None:
    def chain(x: Any) -> Any:
        for k in range(12):
            x = tc.exp(x) * 0.25 + (k + 1)
        return x

    f = tc.compile(chain, backend="numpy")
    f(tc.ones(3))
    view = View(f._program().program)
    lines = view.equations([n.index for n in view.graph if n.op is not None])
    assert len(lines) > 3 and all(len(e.text) <= 46 for e in lines)
    # Every name on the right was given before.
    given = {"x"}
    for e in lines:
        left, right = e.text.split(" = ")
        assert {*re.findall(r"\bt\d+\b", right)} <= given
        given.add(left)


# --- explain ------------------------------------------------------------------------------------


def numbers(text: str, pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    assert found, text
    return tuple(int(g.replace(",", "")) for g in found.groups())


@both
def test_explain_tells_facts(backend: str) -> None:
    training = simple(backend)
    told = training.step.explain()
    program = training.step._program().program
    before, after, written = numbers(
        told, r"nodes: (\d+) before simplification, (\d+) after, (\d+) written out"
    )
    assert after == len(training.step.graph) < before and written == len(program.graph)
    planned, naive = numbers(told, r"memory: ([\d,]+) bytes planned.*?([\d,]+) with an array")
    assert 0 < planned < naive
    assert "written in place: W[1], b[1], W[2]" in told
    assert "time per group" not in told
    made = parts(program)
    if backend == "numpy":
        assert numbers(told, r"backend numpy: (\d+) calls") == (len(made),)
    else:
        count, operations, loops = numbers(told, r"(\d+) groups?: (\d+) operations in (\d+) loop")
        assert count == len(made) and loops == sum(part.kind == "loop" for part in made)
        assert operations == sum(len(part.nodes) for part in made if part.kind == "loop")


@fused
def test_explain_tells_where_machine_code_comes_from() -> None:
    first = tc.compile(lambda x: (x * 3.25).exp().sum(), backend="numba")
    first(tc.ones(7))
    assert re.search(r"machine code: 1 compiled function, compiled in [\d.]+ s", first.explain())
    again = tc.compile(lambda x: (x * 3.25).exp().sum(), backend="numba")
    again(tc.ones(7))
    assert "1 compiled function, loaded from the cache in" in again.explain()


@fused
def test_explain_tells_what_is_left_to_numpy() -> None:
    f = tc.compile(lambda x, y: (tc.cumsum(x, 0) @ y).exp(), backend="numba")
    f(tc.ones(60, 60), tc.ones(60, 60))
    told = f.explain()
    assert "left to NumPy: 1 matrix product; " in told and "multiplications" in told
    assert "left to NumPy: cumsum; it has no form in a loop" in told


@both
def test_a_profile_belongs_to_its_program(backend: str) -> None:
    f = tc.compile(lambda x: tc.tanh(x).sum(), backend=backend)
    f(tc.ones(4))
    f.profile(repeat=2)
    assert "time per group" in f.explain() and "tanh(x)" in f.explain()
    f(tc.ones(5))
    assert "time per group" not in f.explain()
    f(tc.ones(4))
    assert "time per group" in f.explain()


def test_profile_of_images() -> None:
    """The gradient of flattening is shaped like a result that has no memory of its own."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))  # noqa: E501  # fmt: skip
    sgd, loss = optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()

    @tc.compile(backend="numpy")
    def step(X: Any, Y: Any) -> Any:
        sgd.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        sgd.step()
        return J

    X, Y = tc.rand(4, 1, 6, 6), tc.tensor([0, 1, 2, 1])
    step(X, Y)
    text = str(step.profile(X, Y, repeat=3))
    assert "W[1] ∗ X" in text and "pool_place(" in text
    # α/m multiplies dZ of the last layer once, not the gradients of the convolution.
    assert re.search(r"W\[1\] ← W\[1\] - t\d+$", text, re.MULTILINE)
