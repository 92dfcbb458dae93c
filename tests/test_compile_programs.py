"""Programs as users write them, plainly and compiled: never a stale or a wrong answer.

Each yields what a user would look at; what changes in between must show in the next call.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import gc
import itertools
import pickle
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from random_trainings import differs
from test_compile_state import values, weight

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.nn import functional as F

X = tc.tensor(np.random.default_rng(0).normal(size=(4, 3)))
SCALE = 1.0
settings = types.ModuleType("settings_of_a_user")
exec("rate = 1.0\ndef loss(x): return x.sum() * rate", vars(settings))

Compile = Callable[..., Any]
Played = Iterator[Any]


def plainly(f: Any, **options: Any) -> Any:
    return f


def played(program: Callable[[Compile], Played], compile: Compile) -> list[Any]:
    tc.manual_seed(0)
    return [values(x) if isinstance(x, tc.Tensor) else x for x in program(compile)]


def the_same(program: Callable[[Compile], Played]) -> list[Any]:
    """Play a program plainly and compiled; return the compiled functions."""
    made: list[Any] = []

    def compiled(f: Any, **options: Any) -> Any:
        made.append(tc.compile(f, backend="numpy", **options))
        return made[-1]

    expected, found = played(program, plainly), played(program, compiled)
    assert len(found) == len(expected)
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype and a.shape == b.shape, k
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=f"value {k}")
        else:
            assert a == b, k
    return made


# --- what a function reads ------------------------------------------------------------------------


def changes(name: str) -> tuple[Callable[[Any], Any], Callable[[], Any]]:
    """Return a function, and what changes what it reads."""
    global SCALE
    SCALE, settings.rate = 1.0, 1.0

    class Options:
        rate = 1.0

    class Slots:
        __slots__ = ("rate",)

    class Trainer:
        def step(self, x: Any) -> Any:
            return self.loss(x)

        def loss(self, x: Any) -> Any:
            return x.sum() * SCALE

    class Base(nn.Module):
        kind = 1.0

        def __init__(self) -> None:
            super().__init__()
            self._rate = 1.0
            self.options = {"rate": 1.0}
            self.object = types.SimpleNamespace(rate=1.0)
            self.act = scaled

        def forward(self, x: Any) -> Any:
            return self.helper(x) * self._rate * self.options["rate"] * self.kind

        def helper(self, x: Any) -> Any:
            return self.act(x).sum() * self.object.rate * SCALE

    class Model(Base):
        def forward(self, x: Any) -> Any:
            return super().forward(x)

    def scaled(x: Any) -> Any:
        return x * factor[0]

    def set_scale() -> None:
        global SCALE
        SCALE = 2.0

    def keywords(x: Any, *, factors: Any = None) -> Any:
        return x.sum() * (factors or factor)[0]

    def default(x: Any, table: dict[str, float] = {"a": 1.0}) -> Any:  # noqa: B006
        return x.sum() * table["a"]

    factor, table = [1.0], {"a": 1.0, "b": 2.0}
    words, queue, deep = {"a"}, collections.deque([1.0]), {"a": {"b": {"c": {"d": {"e": [1.0]}}}}}
    slots, model, array, trainer = Slots(), Model(), np.array([1.0, 3.0]), Trainer()
    slots.rate = 1.0
    w = weight()
    sgd = optim.SGD([w], lr=0.5)
    return {
        "class": (lambda x: x.sum() * Options.rate, lambda: setattr(Options, "rate", 2.0)),
        "slot": (lambda x: x.sum() * slots.rate, lambda: setattr(slots, "rate", 2.0)),
        "module": (lambda x: x.sum() * settings.rate, lambda: setattr(settings, "rate", 2.0)),
        "function of a module": (
            lambda x: settings.loss(x),
            lambda: setattr(settings, "rate", 2.0),
        ),
        "method": (trainer.step, set_scale),
        "method of an object": (lambda x: trainer.loss(x), set_scale),
        "keyword": (keywords, lambda: factor.__setitem__(0, 2.0)),
        "default": (default, lambda: default.__defaults__[0].update(a=2.0)),
        "private setting": (model, lambda: setattr(model, "_rate", 2.0)),
        "setting in a dictionary": (model, lambda: model.options.update(rate=2.0)),
        "setting in an object": (model, lambda: setattr(model.object, "rate", 2.0)),
        "class of a model": (model, lambda: setattr(Base, "kind", 2.0)),
        "global variable of a model": (model, set_scale),
        "variable of a model's function": (model, lambda: factor.__setitem__(0, 2.0)),
        "set": (lambda x: x.sum() * (2 if "a" in words else 1), words.clear),
        "queue": (lambda x: x.sum() * queue[0], lambda: queue.__setitem__(0, 2.0)),
        "keys": (lambda x: x.sum() * table["a"], lambda: (table.clear(), table.update(b=1, a=2.0))),
        "depth": (
            lambda x: x.sum() * deep["a"]["b"]["c"]["d"]["e"][0],  # type: ignore[index]
            lambda: deep["a"]["b"]["c"]["d"]["e"].__setitem__(0, 2.0),  # type: ignore[attr-defined]
        ),
        "default dtype": (lambda x: x.sum() * tc.tensor(0.5), lambda: None),
        "array": (lambda x: x.sum() * array.mean(), lambda: array.fill(7.0)),
        "number of an array": (lambda x: x.sum() * array[0], lambda: array.fill(7.0)),
        "learning rate": (
            lambda x: x.sum() * sgd.param_groups[0]["lr"],
            lambda: sgd.param_groups[0].update(lr=0.1),
        ),
        "variable of a derivative": (
            tc.grad(lambda x: (x * factor[0]).sum()),
            lambda: factor.__setitem__(0, 2.0),
        ),
    }[name]


CHANGES = (
    "class|slot|module|function of a module|method|method of an object|keyword|default|"
    "private setting|setting in a dictionary|setting in an object|class of a model|"
    "global variable of a model|variable of a model's function|set|queue|keys|depth|array|"
    "number of an array|learning rate|variable of a derivative"
).split("|")


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_function_reads_may_change(name: str) -> None:
    def program(compile: Compile) -> Played:
        f, change = changes(name)
        f = compile(f)
        for k in range(3):
            yield f(X + k)
        change()
        for k in range(2):
            yield f(X + k)

    (compiled,) = the_same(program)
    assert compiled.traced == 2 and not compiled.reason


def test_the_default_dtype() -> None:
    compiled = tc.compile(lambda x: (x * tc.tensor(0.5) + tc.ones(3)).sum())
    x = tc.tensor([1.0, 2.0, 3.0])
    assert compiled(x).dtype == tc.float32
    tc.set_default_dtype(tc.float64)
    try:
        assert compiled(x).dtype == tc.float64
    finally:
        tc.set_default_dtype(tc.float32)
    assert compiled(x).dtype == tc.float32


def test_iterators_and_what_is_stored_are_left_to_the_function() -> None:
    class Model(nn.Module):
        def forward(self, x: Any) -> Any:
            self.last = x * 2
            return self.last.sum()

    class Counting(nn.Module):
        _calls = 0

        def forward(self, x: Any) -> Any:
            self._calls += 1
            return x.sum() * self._calls

    def program(compile: Compile) -> Played:
        counter, model = itertools.count(1), Model()
        f, g, h = compile(lambda x: x.sum() * next(counter)), compile(model), compile(Counting())
        for k in range(3):
            yield f(X)
            yield g(X + k)
            yield model.last
            yield h(X)

    reasons = [f.reason for f in the_same(program)]
    assert reasons[0] == "an iterator may give something else in each call: counter"
    assert all(r.startswith("it changes what it reads: a module") for r in reasons[1:])


def test_hooks_of_tensors_are_called() -> None:
    def program(compile: Compile) -> Played:
        w = weight()

        def f(x: Any) -> Any:
            w.grad = None
            J = (x @ w).sum()
            J.backward()
            return J

        f = compile(f)
        yield f(X)
        handle = w.register_hook(lambda g: g * 10)
        yield f(X)
        yield w.grad
        handle.remove()
        yield f(X)
        yield w.grad

    the_same(program)


def test_what_is_gone_raises_as_in_the_function() -> None:
    table = {"a": 2.0}
    compiled = tc.compile(lambda x: x.sum() * table["a"])
    compiled(X)
    compiled(X)
    del table["a"]
    with pytest.raises(KeyError, match="a"):
        compiled(X)


def test_dataclasses_and_objects_as_arguments() -> None:
    @dataclasses.dataclass(slots=True)
    class Batch:
        x: Any
        y: Any
        factor: float = 1.0

    def program(compile: Compile) -> Played:
        f = compile(lambda b: (b.x * b.y).sum() * b.factor)
        batch = Batch(X, X)
        for k in range(5):
            yield f(batch)
            batch.x, batch.factor = X + k, float(k)
        for k in range(3):
            yield f(Batch(X * k, X))

    the_same(program)


# --- results --------------------------------------------------------------------------------------


def test_old_values_of_states_are_returned() -> None:
    def program(compile: Compile) -> Played:
        a, b, c = (tc.tensor(np.random.default_rng(k).normal(size=(3, 3))) for k in range(3))
        w = weight()

        def rotate(x: Any) -> Any:
            t = a.clone()
            a.copy_(b.T)
            b.copy_(c + x)
            c.copy_(t.T * 2)
            return t, t.T.clone(), a.clone(), b.sum()

        def step(x: Any) -> Any:
            old = w.detach().clone()
            w.grad = None
            (x @ w).sum().backward()
            with tc.no_grad():
                w.sub_(0.1 * w.grad)
            return old, w.detach().clone()

        rotate, step = compile(rotate), compile(step)
        for _ in range(3):
            yield from rotate(X[:3])
            yield from (a, b, c)
            yield from step(X)

    assert not any(f.reason for f in the_same(program))


def test_numbers_beside_tensors() -> None:
    compiled = tc.compile(lambda x: {"loss": x.sum(), "m": len(x), "kind": "mse", "none": None})
    for m in (4, 2, 4):
        found = compiled(X[:m])
        assert found["loss"].item() == pytest.approx(X[:m].sum().item())
        assert (found["m"], found["kind"], found["none"]) == (m, "mse", None)
    assert compiled.traced == 2


def test_results_that_are_the_next_parameters() -> None:
    def program(compile: Compile) -> Played:
        def step(w: Any, x: Any) -> Any:
            J = ((x @ w) ** 2).mean()
            (g,) = tc.autograd.grad(J, [w])
            return (w - 0.1 * g).detach().requires_grad_()

        step = compile(step)
        w = weight()
        for k in range(3):
            w = step(w, X + k)
            yield w
            yield w.requires_grad and w.is_leaf

    assert not the_same(program)[0].reason


def test_results_stay_as_they_are() -> None:
    compiled = tc.compile(lambda x: (x * 2, x.sum(0), x.T, x.sum()))
    kept = [compiled(X + k) for k in range(3)]
    expected = [[np.array(y.numpy()) for y in ys] for ys in kept]
    for y in compiled(X):
        y.mul_(0)
    compiled(X + 5)
    for ys, zs in zip(kept, expected, strict=True):
        assert all(np.array_equal(y.numpy(), z) for y, z in zip(ys, zs, strict=True))


# --- labels ---------------------------------------------------------------------------------------


def test_labels_are_looked_at_in_each_call() -> None:
    layer = nn.Dense(3, 4).double()
    loss, bce = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss()

    def program(compile: Compile) -> Played:
        f = compile(lambda x, t: loss(layer(x), t[1:].long()).detach())
        g = compile(lambda y: F.one_hot(y, 4).float())
        h = compile(lambda x, y: bce(x.sum(1), y).detach())
        for labels in ([0, 1, 2, 3], [0, 1, -100, 3], [0, -1, 2, 3], [0, 1, 2, 4], [1, 1, 0, 1]):
            y = tc.tensor(labels)
            for run in (lambda y=y: f(X, tc.tensor([9, *y.tolist()])), lambda y=y: g(y)):
                try:
                    yield run()
                except IndexError as error:
                    yield type(error).__name__
            try:
                yield h(X, y.double())
            except ValueError as error:
                yield str(error)

    the_same(program)
    table = tc.tensor(np.arange(10.0).reshape(5, 2))
    compiled = tc.compile(lambda i: table[i].sum())
    compiled(tc.tensor([0, 4]))
    with pytest.raises(tc.errors.IndexingError, match=r"<lambda>: index 5 is out of bounds"):
        compiled(tc.tensor([0, 5]))


# --- gradients ------------------------------------------------------------------------------------


def test_gradients_of_arguments_go_to_those_given() -> None:
    def program(compile: Compile) -> Played:
        def f(w: Any, x: Any) -> Any:
            J = ((x @ w) ** 2).sum()
            J.backward()
            return J

        f = compile(f)
        a, b, c = weight(1), weight(2), weight(3)
        for w in (a, b, a, c, c, b):
            yield f(w, X)
            yield from (a.grad, b.grad)
            a.grad = None
        yield f(c * 2, X)  # goes on to c
        yield c.grad

    the_same(program)


def test_tensors_computed_outside() -> None:
    def program(compile: Compile) -> Played:
        w = weight()
        h = (w * 2).exp()
        f = compile(lambda x: (x @ h).detach())

        def g(x: Any) -> Any:
            J = (x @ h).sum()
            J.backward(retain_graph=True)
            return J

        g = compile(g)
        for _ in range(2):
            yield f(X)
            yield g(X)
            yield w.grad
            w.data = w.data * 2

    assert all("computed outside" in f.reason for f in the_same(program))


def test_functions_of_ones_own() -> None:
    class Exp(tc.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, keep: bool) -> Any:
            y = tc.tensor(np.exp(x.numpy()))
            if keep:
                ctx.save_for_backward(y)
            else:
                ctx.y = y.numpy()
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * (ctx.saved_tensors[0] if ctx.saved_tensors else tc.tensor(ctx.y)), None

    def program(compile: Compile) -> Played:
        w = weight()
        for keep in (True, False):

            def f(x: Any, keep: bool = keep) -> Any:
                w.grad = None
                J = Exp.apply(x @ w, keep).sum()
                J.backward()
                return J

            f = compile(f)
            for k in range(3):
                yield f(X * k)
                yield w.grad

    first, second = the_same(program)
    assert not first.reason and "Exp.forward leaves ctx.y to backward" in second.reason


def test_seeding_inside() -> None:
    dropout = nn.Dropout(0.5)

    def program(compile: Compile) -> Played:
        def f(x: Any) -> Any:
            tc.manual_seed(3)
            return dropout(x)

        f = compile(f)
        for k in range(3):
            yield f(X + k)

    (compiled,) = the_same(program)
    assert compiled.reason == "it seeds a generator"


def test_parameters_that_begin_to_share_memory() -> None:
    def program(compile: Compile) -> Played:
        model = nn.Sequential(nn.Dense(3, 3), nn.Dense(3, 1)).double()
        sgd = optim.SGD(model.parameters(), lr=0.01)

        def step(x: Any) -> Any:
            sgd.zero_grad()
            J = (model(x) ** 2).mean()
            J.backward()
            sgd.step()
            return J

        step = compile(step)
        for k in range(4):
            yield step(X)
            yield from model.parameters()
            if k == 1:
                model[1].weight.data = model[0].weight.data[:, :1]

    the_same(program)


def test_an_interruption_changes_nothing() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dense(3, 1)).double()
    sgd = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        J = model(x).sum()
        J.backward()
        sgd.step()
        raise KeyboardInterrupt

    before = [values(x) for x in (*model.parameters(), *model.buffers())]
    with pytest.raises(KeyboardInterrupt):
        tc.compile(step)(X)
    for x, y in zip((*model.parameters(), *model.buffers()), before, strict=True):
        assert np.array_equal(x.numpy(), y)


# --- copies and threads ---------------------------------------------------------------------------


@tc.compile
def doubled(x: Any) -> Any:
    return x.sum() * 2


def test_copies_and_pickles() -> None:
    model = nn.Dense(3, 1).double()
    compiled = tc.compile(model)
    with tc.no_grad():
        before = compiled(X).numpy()
        other, third = copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))
        model.weight.mul_(2)
        assert np.array_equal(other(X).numpy(), before) and np.array_equal(third(X).numpy(), before)
        assert not np.array_equal(compiled(X).numpy(), before)
        assert pickle.loads(pickle.dumps(doubled)) is doubled and copy.deepcopy(doubled) is doubled


def test_a_compiled_model_has_its_attributes() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f, self.backend, self.traced = 2.0, "mine", 5

        def forward(self, x: Any) -> Any:
            return x.sum() * self.f

    compiled = tc.compile(Model())
    assert compiled(X).item() == pytest.approx(2 * X.sum().item()) and compiled.traced == 1
    assert compiled.eval() is compiled.f and compiled.training is False
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = compiled.nothing


def test_threads() -> None:
    w = tc.tensor(np.random.default_rng(1).normal(size=(100, 200)))
    compiled = tc.compile(lambda x: ((x @ w).tanh().exp() * 2 + 1).sum(0))
    xs = [tc.tensor(np.random.default_rng(k).normal(size=(20 + k % 2, 100))) for k in range(6)]
    wrong: list[Any] = []

    def work(k: int) -> None:
        try:
            expected = compiled.f(xs[k]).numpy()
            for _ in range(20):
                if not np.allclose(compiled(xs[k]).numpy(), expected, rtol=1e-11):
                    wrong.append(k)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_no_values_of_the_traced_call_are_kept() -> None:
    model, loss = nn.Sequential(nn.Dense(300, 200, "tanh"), nn.Dense(200, 1)), nn.MSELoss()
    sgd = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        sgd.zero_grad()
        J = loss(model(x), y)
        J.backward()
        sgd.step()
        return J

    compiled = tc.compile(step, backend="numpy")
    x, y = tc.ones(500, 300), tc.ones(500, 1)
    compiled(x, y)
    gc.collect()
    graphs = [compiled.graph, compiled._last.program.graph]
    held = [n.value for g in graphs for n in g if isinstance(n.value, np.ndarray)]
    assert sum(a.nbytes for a in held) < x.numpy().nbytes / 10


# --- random programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_random_training(seed: int) -> None:
    assert not differs(seed, lambda f: tc.compile(f, backend="numpy"), steps=6)
