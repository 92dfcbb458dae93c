"""Programs of fused loops: the results of eager calls, from machine code."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numeric import differences
from op_samples import OPS, Sample

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.op import REGISTRY
from tinygrad_course.tensor import apply

pytest.importorskip("numba")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep machine code away from the user's cache."""
    directory = tmp_path_factory.mktemp("cache")
    before = os.environ.get("TINYGRAD_COURSE_CACHE")
    os.environ["TINYGRAD_COURSE_CACHE"] = str(directory)
    yield directory
    os.environ.pop("TINYGRAD_COURSE_CACHE")
    if before is not None:
        os.environ["TINYGRAD_COURSE_CACHE"] = before


def fused(f: Callable[..., Any]) -> Any:
    return tc.compile(f, backend="numba")


def program(compiled: Any) -> Any:
    return compiled._program().program


def same(a: Any, b: Any, tolerance: float) -> None:
    """Assert that two arrays are equal, infinities and NaN too."""
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# --- training -----------------------------------------------------------------------------------

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("Adadelta", {"eps": 1e-3}),
    ("Adamax", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 3}),
    ("Rprop", {"lr": 0.01}),
]


def trainings(dtype: Any, chosen: slice) -> tuple[list[Any], Callable[..., Any]]:
    """Return models that start from the same weights, and a step that trains each its own way."""
    rng = np.random.default_rng(1)
    models, optimizers = [], []
    for k, (name, options) in enumerate(OPTIMIZERS[chosen]):
        activation = ("sigmoid", "tanh", "relu")[k % 3]
        model = nn.Sequential(
            nn.Dense(3, 9, activation=activation), nn.Dense(9, 1, activation="sigmoid")
        )
        for layer, shape in zip(model, ((3, 9), (9, 1)), strict=True):
            layer.set_weights([rng.normal(size=shape).astype(dtype), np.zeros(shape[1], dtype)])
        models.append(model.to(dtype))
        optimizers.append(getattr(optim, name)(model.parameters(), **options))
    losses = [nn.BCELoss(), nn.MSELoss()]

    def step(X: Any, Y: Any) -> Any:
        costs = []
        for k, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            optimizer.zero_grad()
            J = losses[k % 2](model(X), Y)
            J.backward()
            optimizer.step()
            costs.append(J.detach())
        return costs

    return models, step


@pytest.mark.parametrize(
    ("dtype", "tolerance", "chosen"),
    [
        (np.float64, 1e-12, slice(0, 2)),
        (np.float64, 1e-12, slice(2, 4)),
        (np.float64, 1e-12, slice(4, 6)),
        (np.float64, 1e-12, slice(6, 9)),
        (np.float64, 1e-12, slice(9, 12)),
        (np.float32, 1e-5, slice(1, 3)),
    ],
)
def test_steps_of_optimizers(dtype: Any, tolerance: float, chosen: slice) -> None:
    rng = np.random.default_rng(0)
    X = tc.tensor(rng.normal(size=(40, 3)).astype(dtype))
    Y = tc.tensor((rng.random((40, 1)) > 0.5).astype(dtype))
    models, step = trainings(dtype, chosen)
    others, plain = trainings(dtype, chosen)
    fast = fused(step)
    for k in range(20):
        costs = step(X, Y) if k % 7 == 3 else fast(X, Y)  # eager and compiled steps mix
        for J, K in zip(costs, plain(X, Y), strict=True):
            same(J.numpy(), K.numpy(), tolerance)
    for model, other in zip(models, others, strict=True):
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            same(p.numpy(), q.numpy(), 30 * tolerance)
    assert fast.traced == 1
    assert not program(fast).notes and len(program(fast).loops) <= 2


def classifier(dtype: Any) -> tuple[Any, Callable[..., Any]]:
    tc.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 70), nn.BatchNorm1d(70), nn.ReLU(), nn.Dropout(0.3), nn.Linear(70, 4)
    ).to(dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = nn.CrossEntropyLoss()

    def step(X: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        J = loss(model(X), labels)
        J.backward()
        optimizer.step()
        return J.detach()

    return model, step


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 2e-5)])
def test_batch_norm_dropout_and_labels(dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    X = tc.tensor(rng.normal(size=(130, 20)).astype(dtype))
    labels = tc.tensor(rng.integers(0, 4, 130))
    runs = []
    for compiled in (False, True):
        model, step = classifier(dtype)
        call = fused(step) if compiled else step
        tc.manual_seed(5)
        costs = [call(X, labels).numpy() for _ in range(6)]
        runs.append([*costs, *(v.numpy() for v in model.state_dict().values())])
    for a, b in zip(*runs, strict=True):
        same(a, b, tolerance)
    assert any("mask" in note for note in program(call).notes)  # drawn by NumPy, as eagerly


# --- every operation ----------------------------------------------------------------------------

# All in one program; of an operation with as many results as its values say there is none.
CALLS = [
    (REGISTRY[name], samples[0]) for name, samples in OPS.items() if samples and name != "add_up"
]


def filled(value: Any, tensors: Iterator[Any]) -> Any:
    """Return arguments with tensors in the place of arrays."""
    if isinstance(value, (list, tuple)):
        return type(value)(filled(part, tensors) for part in value)
    return next(tensors) if isinstance(value, np.ndarray) else value


def arrays_in(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in arrays_in(part)]
    return [value] if isinstance(value, np.ndarray) else []


def is_derived(op: Any, sample: Sample) -> bool:
    return bool(op.kind != "custom" and op.differentiable and sample.wrt)


@pytest.mark.parametrize("part", range(3))
def test_operations_and_their_derivatives(part: int) -> None:
    calls = [(op, sample) for op, sample in CALLS if is_derived(op, sample)][part::3]
    arrays = [a for _, sample in calls for a in arrays_in(sample.args)]

    def step(*xs: Any) -> Any:
        tensors = iter(xs)
        found = [
            apply(op, tuple(filled(sample.args, tensors)), {**op.defaults, **sample.params})
            for op, sample in calls
        ]
        total = sum(y.cos().sum() for y in found if y.requires_grad)
        total.backward()
        return [y.detach() for y in found], total.detach()

    fast = fused(step)
    for k in range(2):
        rng = np.random.default_rng(k)
        given = [
            a * (1 + 0.02 * k * rng.uniform(-1, 1, a.shape)) if a.dtype.kind == "f" else a
            for a in arrays
        ]
        one, two = (
            [tc.tensor(a, requires_grad=a.dtype.kind == "f") for a in given] for _ in range(2)
        )
        tc.manual_seed(k)
        expected, total = step(*one)
        tc.manual_seed(k)
        found, again = fast(*two)
        same(again.numpy(), total.numpy(), 1e-12)
        for a, b in zip(found, expected, strict=True):
            same(a.numpy(), b.numpy(), 1e-12)
        for a, b in zip(one, two, strict=True):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                same(b.grad.numpy(), a.grad.numpy(), 1e-12)
    assert program(fast).loops


# --- corners ------------------------------------------------------------------------------------


def test_broadcasting_views_and_reductions() -> None:
    rng = np.random.default_rng(2)
    a, row, column, cube = (rng.normal(size=s) for s in ((4, 5), (5,), (4, 1), (3, 4, 5)))

    def f(a: Any, row: Any, column: Any, cube: Any) -> Any:
        b = (a + row) * column - a.T.sum(axis=1)
        c = cube * b + cube.permute(0, 1, 2)
        d = (cube.permute(2, 0, 1) * 2).sum(axis=(0, 2))
        e = b[1:3, ::-2].exp().amax(axis=0)
        return (
            b, c.sum(axis=(0, 2)), c.amin(axis=1, keepdims=True), d, e, c.sum(),
            c.mean(axis=1) @ row, (a > 0).sum(axis=0), a[2, -1] * row, b.reshape(2, 10).sum(axis=0),
            (cube.reshape(12, 5) @ a.T).tanh(),
        )  # fmt: skip

    given = [tc.tensor(x) for x in (a, row, column, cube)]
    fast = fused(f)
    for _ in range(2):
        for x, y in zip(fast(*given), f(*given), strict=True):
            same(x.numpy(), y.numpy(), 1e-13)
    # An argument whose elements do not lie in order.
    turned = tc.from_numpy(np.asfortranarray(a))
    for x, y in zip(fast(turned, *given[1:]), f(turned, *given[1:]), strict=True):
        same(x.numpy(), y.numpy(), 1e-13)


def test_infinities_nan_and_no_elements() -> None:
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-320, 1e300, -1.0, 3.0, 720.0, -745.0]

    def f(x: Any, y: Any, nothing: Any) -> Any:
        return (
            x.exp(), x.log(), x.tanh(), x.log1p(), x.sqrt(), x / y, 1 / x, tc.maximum(x, y),
            tc.minimum(x, y), x.sign(), x.abs(), x**3, x**0.5, tc.where(x > y, x, y), x.relu(),
            x.sum(), x.amax(), tc.isfinite(x), tc.isnan(x), x == y, nothing * 2, nothing.sum(),
            nothing.sum(axis=0), x.sigmoid(), nothing.T @ nothing,
        )  # fmt: skip

    x = tc.tensor(np.array(edges))
    y = tc.tensor(np.array(edges[::-1]))
    nothing = tc.tensor(np.empty((0, 3)))
    fast = fused(f)
    with np.errstate(all="ignore"):
        fast(x, y, nothing)
        for a, b in zip(fast(x, y, nothing), f(x, y, nothing), strict=True):
            same(a.numpy(), b.numpy(), 1e-14)
    for dtype in (np.float32, np.int64):
        x, y = (tc.tensor(np.array([3, 1, 2], dtype)) for _ in range(2))

        def g(x: Any, y: Any) -> Any:
            return (
                x + y,
                x * 2,
                x / 3,
                -x,
                x.sum(),
                x > 1,
                x.exp(),
                x * 0.5,
                tc.maximum(x, 2),
                x - y,
            )

        for a, b in zip(fused(g)(x, y), g(x, y), strict=True):
            same(a.numpy(), b.numpy(), 1e-6)


def test_states_that_change_places() -> None:
    def made() -> Any:
        a, b, c = (tc.tensor(np.arange(3.0) + k) for k in (0, 10, 20))

        def step(x: Any) -> Any:
            old = a.clone()
            a.copy_(b)
            b.copy_(old * 1.0)
            before = c + 0
            c.mul_(2).add_(x)
            return before, c * a, old

        return (a, b, c), step

    one, plain = made()
    two, step = made()
    fast = fused(step)
    x = tc.tensor(np.ones(3))
    with tc.no_grad():
        for _ in range(4):
            for p, q in zip(plain(x), fast(x), strict=True):
                same(q.numpy(), p.numpy(), 0)
            for p, q in zip(one, two, strict=True):
                same(q.numpy(), p.numpy(), 0)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_masks_that_select_another_number_of_elements(backend: str) -> None:
    w = tc.tensor(np.arange(5.0), requires_grad=True)

    def step(mask: Any) -> None:
        w.grad = None
        (w[mask] ** 2).mean().backward()

    fast = tc.compile(step, backend=backend)
    for mask in ([1, 0, 1, 0, 0], [1, 1, 1, 0, 1], [0, 0, 0, 0, 1]):
        chosen = np.array(mask, bool)
        fast(tc.tensor(chosen))
        same(w.grad.numpy(), 2 * np.arange(5.0) * chosen / chosen.sum(), 1e-15)
    assert "mask" in fast.explain()
    fixed = tc.compile(lambda x: x[[True, False, True]] * 2, backend=backend)
    same(fixed(tc.tensor([1.0, 2.0, 3.0])).numpy(), np.float32([2, 6]), 0)
    assert not fixed.explain().startswith("no program")


def test_a_gradient_by_differences() -> None:
    rng = np.random.default_rng(3)
    W, x = rng.normal(size=(3, 2)), rng.normal(size=(5, 3))

    def cost(W: Any, x: Any) -> Any:
        return ((x @ W).softplus() * (x @ W).sigmoid()).mean()

    def step(W: Any, x: Any) -> Any:
        cost(W, x).backward()

    w = tc.tensor(W, requires_grad=True)
    fast = fused(step)
    for _ in range(2):
        w.grad = None
        fast(w, tc.tensor(x))

    def value(W: Any) -> float:
        z = x @ W
        return float(np.mean(np.log1p(np.exp(z)) / (1 + np.exp(-z))))

    np.testing.assert_allclose(w.grad.numpy(), differences(value, [W])[0], rtol=1e-8)


# --- machine code -------------------------------------------------------------------------------


def applied(name: str, x: Any) -> Any:
    """Return a function of `loop_math` of each number."""
    from numba import njit

    from tinygrad_course.compiling import loop_math

    one = getattr(loop_math, f"{name}{8 * x.itemsize}")

    @njit(error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
    def each(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = one(x[i])

    y = np.empty_like(x)
    each(x, y)
    return y


EXACT = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "expm1_": np.expm1,
    "erf": lambda x: np.array([math.erf(float(v)) for v in x], x.dtype),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_functions_are_exact_to_three_units(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    wide = 85 if dtype == np.float32 else 700
    parts = [rng.normal(size=3000), rng.uniform(-wide, wide, 3000), rng.normal(size=3000) * 1e-5]
    x = np.concatenate([*parts, 10.0 ** rng.uniform(-30, 0, 3000)]).astype(dtype)
    if name.startswith("log"):
        x = np.abs(x)
    y = applied(name, x)
    exact = EXACT[name](x.astype(np.longdouble))
    error = np.abs(y - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert error.max() <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXACT)
def test_functions_at_the_edges(name: str, dtype: Any) -> None:
    tiny = float(np.finfo(dtype).tiny)
    edges = [
        0.0,
        np.inf,
        np.nan,
        tiny,
        tiny / 8,
        1,
        88.7,
        88.8,
        103.9,
        104.1,
        709.7,
        709.8,
        745,
        747,
    ]
    x = np.array([*edges, *np.negative(edges)], dtype)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64 if dtype == np.float32 else x.dtype)).astype(dtype)
        np.testing.assert_allclose(applied(name, x), exact, rtol=4 * np.finfo(dtype).eps, atol=0)


def small_step() -> Any:
    model = nn.Sequential(nn.Dense(2, 3, activation="sigmoid"), nn.Dense(3, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss = nn.MSELoss()

    def step(X: Any, Y: Any) -> Any:
        optimizer.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        optimizer.step()
        return J.detach()

    return step


def test_source_and_cache(cache: Path) -> None:
    X, Y = tc.ones(4, 2), tc.zeros(4, 1)
    fast = fused(small_step())
    fast(X, Y)
    assert "    # A[1]: 4 × 3\n    for i in range(12):\n" in fast.source
    assert "return J," in fast.source
    assert list(cache.glob("step_*.py"))
    kept = set(cache.rglob("*.nbc"))
    assert kept
    for file in kept:
        assert stat.S_ISREG(file.stat().st_mode)
    again = fused(small_step())
    again(X, Y)
    assert set(cache.rglob("*.nbc")) == kept  # found, not compiled again


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYGRAD_COURSE_CACHE", str(tmp_path / "file" / "cache"))
    fast = fused(lambda x: x.exp() + 1)
    x = tc.ones(3)
    for _ in range(2):
        same(fast(x).numpy(), np.exp(x.numpy()) + 1, 1e-6)
    assert any("not kept" in note and str(tmp_path) in note for note in program(fast).notes)


def test_damaged_files_are_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGRAD_COURSE_CACHE", str(tmp_path))
    x = tc.ones(3)

    def f(x: Any) -> Any:
        return x.tanh() * 5 + x

    expected = f(x).numpy()
    fused(f)(x)
    for damage in (b"", b"not what was written"):
        files = [*tmp_path.glob("step_*.py"), *tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
        assert len(files) == 3
        for file in files:
            file.write_bytes(damage)
            fast = fused(f)
            same(fast(x).numpy(), expected, 1e-6)
            assert not program(fast).notes and file.read_bytes() != damage


def test_the_oldest_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tinygrad_course.compiling import machine_code

    monkeypatch.setenv("TINYGRAD_COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(machine_code, "MOST_KEPT", 2)
    x = tc.ones(3)
    made: list[Path] = []
    for k in range(3):
        fused(lambda x, k=k: x * x + k)(x)
        (new,) = set(tmp_path.glob("step_*.py")) - set(made)
        os.utime(new, (k, k))
        made.append(new)
    left = {path.name.split(".")[0] for path in tmp_path.rglob("step_*")}
    assert left == {path.stem for path in made[1:]}


TWO_PROCESSES = """
import numpy as np, tinygrad_course as tc
fast = tc.compile(lambda x: (x * x + 1).sum(axis=0), backend="numba")
print(fast(tc.tensor(np.arange(6.0).reshape(2, 3))).tolist(), fast._program().program.notes)
"""


def test_two_processes_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "TINYGRAD_COURSE_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", TWO_PROCESSES]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        assert process.communicate()[0] == "[11.0, 19.0, 31.0] []\n"


def fails(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """Let numba fail on functions of which the name ends so."""
    from tinygrad_course.compiling import machine_code

    compiled = machine_code._compiled

    def fail(program: Any, function: Any, signature: Any) -> Any:
        if function.__name__.endswith(which):
            raise ValueError("no machine code today")
        return compiled(program, function, signature)

    monkeypatch.setattr(machine_code, "_compiled", fail)


@pytest.mark.parametrize("which", ["_1", "_2", ""])
def test_functions_that_numba_cannot_compile(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    fails(monkeypatch, which)
    rng = np.random.default_rng(4)
    X = tc.tensor(rng.normal(size=(40, 3)))
    Y = tc.tensor((rng.random((40, 1)) > 0.5).astype(np.float64))
    # A product that is left to BLAS parts the loops into two functions.
    A = tc.tensor(rng.normal(size=(60, 60)))

    def made() -> Any:
        models, train = trainings(np.float64, slice(1, 3))

        def step(X: Any, Y: Any) -> Any:
            costs = train(X, Y)
            B = (A.exp() * costs[0]) @ A.T
            return [*costs, B.sum(axis=0) * B.amax(), X.reshape(-1)[3:5] * costs[1]]

        return models, step

    (models, plain), (others, step) = made(), made()
    fast = fused(step)
    for _ in range(3):
        for a, b in zip(fast(X, Y), plain(X, Y), strict=True):
            same(a.numpy(), b.numpy(), 1e-12)
    for model, other in zip(models, others, strict=True):
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            same(p.numpy(), q.numpy(), 1e-11)
    notes = [note for note in program(fast).notes if "no machine code today" in note]
    assert len(notes) == (1 if which else len(program(fast).loops)) and len(program(fast).loops) > 1
    assert program(fast)._entries or not which


def test_a_program_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_course.compiling import numba_program

    def fail(program: Any) -> Any:
        raise ValueError("no machine code today")

    monkeypatch.setattr(numba_program, "machine_code", fail)
    fast = fused(lambda x: (x.exp() + 1).sum())
    x = tc.ones(3)
    for _ in range(2):
        same(fast(x).numpy(), np.float32(3 * np.exp(1) + 3), 1e-6)
    assert any("no machine code today" in note for note in program(fast).notes)
