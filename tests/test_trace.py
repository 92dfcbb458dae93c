"""Tracing functions and whole training steps; replaying the graphs on other values."""

from __future__ import annotations

import copy
import functools
import math
import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from numeric import differences

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim


def examples(m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, 2)), (rng.random((m, 1)) > 0.4).astype(np.float64)


def network() -> nn.Sequential:
    tc.manual_seed(1)
    return nn.Sequential(
        nn.Dense(2, 3, activation="tanh"), nn.Dense(3, 1, activation="sigmoid")
    ).double()


# --- a loss -----------------------------------------------------------------------------------


def test_a_loss_is_traced_without_side_effects():
    model, loss_fn = network(), nn.BCELoss()
    X, Y = examples(5)
    before = [p.numpy().copy() for p in model.parameters()]
    graph = tc.trace(lambda X, Y: loss_fn(model(X), Y), X, Y, backward=True)
    assert [n.name for n in graph.outputs] == ["J"]
    assert [n.name for n in graph.inputs] == ["X", "W[1]", "b[1]", "W[2]", "b[2]", "Y"]
    assert [n.role for n in graph.inputs] == ["data", *["parameter"] * 4, "data"]
    assert all(p.grad is None for p in model.parameters())
    assert all(
        np.array_equal(p.numpy(), b) for p, b in zip(model.parameters(), before, strict=True)
    )
    assert graph.updates == [] and graph.notes == []
    J = loss_fn(model(X), Y)
    J.backward()
    found = graph.evaluate()
    assert set(found) == {"J", "dW[1]", "db[1]", "dW[2]", "db[2]"}
    assert found["J"] == J.item()
    for p in model.parameters():
        np.testing.assert_allclose(found[f"d{p.name}"], p.grad.numpy(), rtol=1e-14)


def test_without_backward_only_the_forward_pass_is_there():
    model = network()
    graph = tc.trace(model, examples(4)[0])
    assert not graph.has_backward
    assert [n.name for n in graph.outputs] == ["A[2]"]
    assert repr(graph) == "<Graph of A[2]: 9 nodes, 4 operations, forward>"


def test_the_graph_of_a_trace_is_that_of_graph_of():
    model, loss_fn = network(), nn.MSELoss()
    X, Y = (tc.tensor(v, name=n) for v, n in zip(examples(5), "XY", strict=True))
    traced = tc.trace(lambda X, Y: loss_fn(model(X), Y), X, Y, backward=True)
    assert str(traced) == str(tc.Graph.of(loss_fn(model(X), Y), backward=True))
    links = [(n.grad, n.grad_of, n.rule_of, n.scope) for n in traced]
    captured = tc.Graph.of(loss_fn(model(X), Y), backward=True)
    assert links == [(n.grad, n.grad_of, n.rule_of, n.scope) for n in captured]


LOSSES = {
    "bce": (nn.BCELoss(), "sigmoid"),
    "logits": (nn.BCEWithLogitsLoss(), None),
    "mse": (nn.MSELoss(), "tanh"),
    "sum": (nn.MSELoss(reduction="sum"), "tanh"),
    "l1": (nn.L1Loss(), "sigmoid"),
    "huber": (nn.HuberLoss(delta=0.4), None),
    "smooth": (nn.SmoothL1Loss(beta=0.5), "leaky_relu"),
}


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("kind", LOSSES)
def test_a_graph_holds_for_any_number_of_examples(kind, layout):
    loss_fn, activation = LOSSES[kind]
    tc.manual_seed(3)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="tanh", layout=layout),
        nn.Dense(3, 1, activation=activation, layout=layout),
    ).double()

    def turned(m: int) -> list[np.ndarray]:
        return [v if layout == "rows" else v.T.copy() for v in examples(m, seed=m)]

    graph = tc.trace(lambda X, Y: loss_fn(model(X), Y), *turned(5), backward=True)
    for m in (1, 7, 400):
        X, Y = turned(m)
        model.zero_grad()
        J = loss_fn(model(X), Y)
        J.backward()
        found = graph.evaluate(X=X, Y=Y)
        assert found["J"] == pytest.approx(J.item(), rel=1e-13)
        for p in model.parameters():
            np.testing.assert_allclose(
                found[f"d{p.name}"], p.grad.numpy(), rtol=1e-11, atol=1e-14, err_msg=p.name
            )


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_graph_captured_with_one_example_is_no_sum_over_many(layout):
    model, loss_fn = nn.Dense(2, 1, activation="sigmoid", layout=layout).double(), nn.BCELoss()
    turn = np.asarray if layout == "rows" else np.transpose
    one, many = ([turn(v) for v in examples(m)] for m in (1, 4))
    graph = tc.trace(lambda X, Y: loss_fn(model(X), Y), *one, backward=True)
    more = dict(zip("XY", many, strict=True))
    if layout == "rows":
        loss_fn(model(many[0]), many[1]).backward()
        np.testing.assert_allclose(graph.evaluate(more)["db[1]"], model.bias.grad.numpy())
        return
    with pytest.raises(ValueError, match=r"with one example, .* of b\[1\] needs no sum"):
        graph.evaluate(more)


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_holds_for_any_number_of_examples(weighted):
    tc.manual_seed(3)
    model = nn.Dense(2, 4).double()
    weight = np.array([1.0, 2.0, 0.5, 1.5]) if weighted else None
    loss_fn = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)
    rng = np.random.default_rng(0)

    def draw(m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(m, 2)), rng.integers(0, 4, m)

    graph = tc.trace(lambda X, y: loss_fn(model(X), y), *draw(5), backward=True)
    for m in (1, 7, 400):
        X, y = draw(m)
        model.zero_grad()
        J = loss_fn(model(X), tc.tensor(y))
        J.backward()
        found = graph.evaluate(X=X, y=y)
        assert found["J"] == pytest.approx(J.item(), rel=1e-13)
        np.testing.assert_allclose(found["dW[1]"], model.weight.grad.numpy(), rtol=1e-11)


def test_wrt_makes_parameters_of_arrays():
    def cost(w, b, X, y):
        return ((X @ w + b - y) ** 2).mean()

    rng = np.random.default_rng(0)
    w, b = rng.normal(size=2), np.array(0.3)
    X, y = rng.normal(size=(6, 2)), rng.normal(size=6)

    def plain(w, b):
        return np.mean((X @ w + b - y) ** 2)

    dw, db = differences(plain, [w, b])
    for wrt in (["w", "b"], (0, 1), ("w", -3), [0, "b"]):
        graph = tc.trace(cost, w, b, X, y, wrt=wrt)
        assert [n.name for n in graph.inputs if n.role == "parameter"] == ["w", "b"]
        found = graph.evaluate()
        np.testing.assert_allclose(found["dw"], dw, rtol=1e-7)
        np.testing.assert_allclose(found["db"], db, rtol=1e-7)
    only = tc.trace(cost, w, b, X, y, wrt="b")
    assert set(only.evaluate()) == {"J", "db"}


def test_wrt_tensors_and_parameters_of_a_module():
    model, loss_fn = network(), nn.MSELoss()
    X, Y = examples(4)
    f = lambda X, Y: loss_fn(model(X), Y)  # noqa: E731
    assert set(tc.trace(f, X, Y, wrt="W2").evaluate()) == {"J", "dW[2]"}
    assert set(tc.trace(f, X, Y, wrt=[model[0].bias]).evaluate()) == {"J", "db[1]"}
    x = tc.tensor(X)
    graph = tc.trace(f, x, Y, wrt=[x, "W[1]"])
    assert set(graph.evaluate()) == {"J", "dX", "dW[1]"}
    assert not x.requires_grad and x.name is None
    assert graph.find("X").role == "parameter"


def test_numbers_are_constants_unless_they_are_asked_for():
    def f(a, b, c):
        return 3 * (a + b * c)

    graph = tc.trace(f, 5.0, 3.0, 2.0, wrt=["a", "b", "c"])
    found = graph.evaluate()
    assert {k: v.item() for k, v in found.items()} == {"J": 33, "da": 3, "db": 6, "dc": 9}
    partly = tc.trace(f, 5.0, 3.0, 2.0, wrt="a")
    assert [n.name for n in partly.inputs] == ["a"]


def test_names_come_from_parameters_keys_and_variables():
    Point = namedtuple("Point", "x y")
    scale = tc.tensor(2.0, requires_grad=True)
    given = tc.tensor([1.0, 2.0])

    def f(params, layers, point, *rest):
        total = (params["W1"] * params["b1"]).sum() + layers[1].sum() * scale
        return total + (point.x * point.y).sum() + (rest[1] * rest[0]).sum()

    one = np.ones(2)
    inputs = {"W1": one, "b1": given}, [one, one * 3], Point(one, one), one, one
    graph = tc.trace(f, *inputs, wrt="params")
    names = {n.name for n in graph.inputs}
    assert names == {
        "W1", "b1", "layers[1]", "scale", "point[0]", "point[1]", "rest[0]", "rest[1]"
    }  # fmt: skip
    assert {n.name for n in graph if n.role == "gradient"} == {"dW1", "db1"}
    assert graph.notes == ["The input layers[0] is not used."]
    assert given.name is None and scale.name is None and not given.requires_grad


def test_dictionaries_of_results_name_them():
    def f(x):
        return {"total": x.sum(), "pair": (x * 2, x.mean())}

    graph = tc.trace(f, np.arange(3.0))
    assert [n.name for n in graph.outputs][0] == "total"
    assert len(graph.outputs) == 3
    assert graph.evaluate(x=[1.0, 2.0, 6.0])["total"] == 9


def test_a_tensor_computed_before_is_a_leaf():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
    u = w * 3
    graph = tc.trace(lambda u: (u * u).sum(), u, backward=True)
    assert str(graph).splitlines()[0].split() == ["u", "(2,)", "float32", "parameter"]
    np.testing.assert_array_equal(graph.evaluate()["du"], [6, 12])
    assert w.grad is None


def test_a_second_derivative_is_traced():
    def penalty(w):
        (g,) = tc.autograd.grad((w**3).sum(), w, create_graph=True)
        return (g * g).sum()  # Σ 9 w⁴

    w = tc.tensor([1.0, 2.0], requires_grad=True, dtype=tc.float64)
    graph = tc.trace(penalty, w, backward=True)
    np.testing.assert_allclose(graph.evaluate()["dw"], [36, 288])
    np.testing.assert_allclose(graph.evaluate(w=[0.5, 3.0])["dw"], [36 / 8, 36 * 27])
    assert w.grad is None


@pytest.mark.parametrize("transform", [tc.grad, lambda f: tc.jacobian(f), tc.hessian])
def test_transforms_inside_a_traced_function(transform):
    def f(x, s):
        return transform(lambda x: (x**3).sum() * s)(x)

    x, s = np.array([1.0, 2.0]), np.array(2.0)
    graph = tc.trace(f, x, s)
    fresh = np.array([0.5, -1.5])
    (got,) = graph.evaluate(x=fresh, s=3.0).values()
    expected = transform(lambda x: (x**3).sum() * 3.0)(tc.tensor(fresh))
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-12)


def test_detach_cuts_the_gradient_but_not_the_graph():
    def f(x):
        return (x * x.detach()).sum() + (x.data * 2).sum() + tc.tensor(x).sum()

    graph = tc.trace(f, np.array([1.0, 2.0]), wrt="x")
    found = graph.evaluate(x=[3.0, 5.0])
    assert found["J"] == 9 + 25 + 16 + 8
    np.testing.assert_array_equal(found["dx"], [3, 5])


def test_custom_functions_are_replayed():
    class Exp(tc.Function):
        @staticmethod
        def forward(ctx, x):
            assert float(x.sum()) < 100  # values may be looked at here
            y = tc.tensor(np.exp(x.numpy()))
            positive = x > 0
            ctx.save_for_backward(y, positive)
            return y

        @staticmethod
        def backward(ctx, g):
            y, positive = ctx.saved_tensors
            return tc.where(positive, g * y, g * y * 10)

    graph = tc.trace(lambda x: Exp.apply(x).sum(), np.array([1.0, 2.0]), wrt="x")
    found = graph.evaluate(x=[0.5, -0.5])
    assert found["J"] == pytest.approx(math.exp(0.5) + math.exp(-0.5))
    np.testing.assert_allclose(found["dx"], [math.exp(0.5), 10 * math.exp(-0.5)])


# --- a training step --------------------------------------------------------------------------

OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.3),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5, maximize=True),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "amsgrad": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1),
    "centered": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
    "Adadelta": lambda p: optim.Adadelta(p, lr=0.5, weight_decay=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1, lambd=0.1, t0=1),
    "Rprop": lambda p: optim.Rprop(p, lr=0.1),
}


def stepper(make: Any) -> tuple[nn.Module, optim.Optimizer, Any]:
    model, loss_fn = network(), nn.BCELoss()
    optimizer = make(model.parameters())

    def step(X, Y):
        optimizer.zero_grad()
        J = loss_fn(model(X), Y)
        J.backward()
        optimizer.step()
        return J

    return model, optimizer, step


def state_of(model: nn.Module, optimizer: optim.Optimizer) -> list[Any]:
    """Return everything that a step changes."""
    found: list[Any] = [v.numpy().copy() for v in model.state_dict().values()]
    found += [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]
    for entry in optimizer.state_dict()["state"].values():
        found += [entry[key] for key in sorted(entry)]
    return found


def assert_same(first: list[Any], second: list[Any], rtol: float = 1e-13) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=rtol)


@pytest.mark.parametrize("key", OPTIMIZERS)
def test_a_training_step_is_taken_once_and_replayed(key):
    plain_model, plain_optimizer, plain = stepper(OPTIMIZERS[key])
    model, optimizer, step = stepper(OPTIMIZERS[key])
    for k in range(2):  # moments exist in the second round
        X, Y = (tc.tensor(v) for v in examples(5, seed=k))
        plain(X, Y)
        graph = tc.trace(step, X, Y)
        assert_same(state_of(model, optimizer), state_of(plain_model, plain_optimizer))
        for p in model.parameters():
            assert p.is_leaf and p.requires_grad and p.grad.is_leaf and not p.grad.requires_grad
    roles = [n.role for n in graph if n.op is not None]
    order = ["forward", "loss", "backward", "gradient", "update"]
    assert {*roles} == {*order}
    rank = {"forward": 0, "loss": 0, "backward": 1, "gradient": 1, "update": 2}
    assert [rank[r] for r in roles] == sorted(rank[r] for r in roles)
    assert repr(graph).endswith("forward, backward and update>")
    states = {graph[i].name: graph[j].name for i, j in graph.updates}
    assert states["W[1]"] == "W[1]_new" and ("t" in states) == bool(optimizer.state)

    # One step by the graph is one step of the optimizer, with other data and another lr.
    X, Y = examples(9, seed=7)
    now = {p.name: p.numpy().copy() for p in model.parameters()}
    for p, entry in optimizer.state.items():
        now.update({f"{p.name}.{m}": v.numpy().copy() for m, v in entry.items() if m != "step"})
        now["t"] = np.array(float(entry["step"]))
    for group in plain_optimizer.param_groups:
        group["lr"] = 0.02
    J = plain(tc.tensor(X), tc.tensor(Y))
    rate = {} if key == "Rprop" else {"lr": 0.02}  # which its steps do not read
    found = graph.evaluate({**now, **rate}, X=X, Y=Y)
    assert found["J"] == pytest.approx(J.item(), rel=1e-13)
    for p in plain_model.parameters():
        np.testing.assert_allclose(found[p.name], p.numpy(), rtol=1e-11)
        np.testing.assert_allclose(found[f"d{p.name}"], p.grad.numpy(), rtol=1e-11, atol=1e-15)
        for m, value in plain_optimizer.state.get(p, {}).items():
            if m != "step":
                np.testing.assert_allclose(found[f"{p.name}.{m}"], value.numpy(), rtol=1e-11)
    if "t" in states:
        assert found["t"] == 3


def test_evaluating_a_step_again_and_again_trains():
    model, _, step = stepper(OPTIMIZERS["momentum"])
    X, Y = (tc.tensor(v) for v in examples(20))
    graph = tc.trace(step, X, Y)
    twin_model, _, twin = stepper(OPTIMIZERS["momentum"])
    twin(X, Y)
    state = {graph[j].name.removesuffix("_new"): graph[j].value for _, j in graph.updates}
    for _ in range(10):
        found = graph.evaluate(state)
        state = {name: found[name] for name in state}
        twin(X, Y)
    for p in twin_model.parameters():
        np.testing.assert_allclose(state[p.name], p.numpy(), rtol=1e-12)


def by_hand(clear: Any, write: Any) -> Any:
    w = tc.tensor([1.0, -2.0], requires_grad=True, dtype=tc.float64, name="w")

    def step(x):
        J = ((w * x) ** 2).sum()
        J.backward()
        write(w)
        clear(w)
        return J

    return w, step


def subtract(w):
    with tc.no_grad():
        w -= 0.1 * w.grad


def copied(w):
    with tc.no_grad():
        w.copy_(w - 0.1 * w.grad)


def items(w):
    with tc.no_grad():
        w[:1] -= 0.1 * w.grad[:1]
        w[1] = w[1] - 0.1 * w.grad[1]


def data(w):
    w.data -= 0.1 * w.grad.data


def replace_data(w):
    w.data = w.data - 0.1 * w.grad.data


def view(w):
    part = w.detach()[1:]
    part -= 0.1 * w.grad[1:].detach()
    with tc.no_grad():
        w[0] -= 0.1 * w.grad[0]


def nothing(w):
    pass


def zero(w):
    w.grad.zero_()


def forget(w):
    w.grad = None


def out_of(w):
    w.grad = tc.zeros_like(w)


@pytest.mark.parametrize("clear", [nothing, zero, forget, out_of])
@pytest.mark.parametrize("write", [subtract, copied, items, data, replace_data, view])
def test_updates_by_hand(write, clear):
    plain_w, plain = by_hand(clear, write)
    w, step = by_hand(clear, write)
    x = tc.tensor([0.5, 1.5], dtype=tc.float64)
    for _ in range(2):
        plain(x)
        graph = tc.trace(step, x)
        np.testing.assert_allclose(w.numpy(), plain_w.numpy(), rtol=1e-14)
        assert (w.grad is None) == (plain_w.grad is None)
        if w.grad is not None:
            np.testing.assert_allclose(w.grad.numpy(), plain_w.grad.numpy(), rtol=1e-14)
        assert w.is_leaf and w.requires_grad
    # w' = w − 0.1 · (the .grad so far, if it was kept, + 2 w x²)
    fresh, x = np.array([3.0, 4.0]), np.array([1.0, 2.0])
    old = graph.find("w.grad").value if clear is nothing else 0
    found = graph.evaluate(w=fresh, x=x)
    np.testing.assert_allclose(found["w"], fresh - 0.1 * (old + 2 * fresh * x**2), rtol=1e-12)
    assert found["J"] == pytest.approx(((fresh * x) ** 2).sum())


def test_a_parameter_read_after_its_update_is_the_new_one():
    w = tc.tensor(3.0, requires_grad=True, dtype=tc.float64, name="w")

    def two_steps(x):
        for _ in range(2):
            w.grad = None
            J = (w * x - 1) ** 2
            J.backward()
            with tc.no_grad():
                w.sub_(0.1 * w.grad)
        return w * 1

    graph = tc.trace(two_steps, np.array(2.0))

    def step(w, x):
        return w - 0.1 * 2 * (w * x - 1) * x

    found = graph.evaluate(w=5.0, x=0.5)
    assert found["w"] == pytest.approx(step(step(5.0, 0.5), 0.5), rel=1e-14)
    assert list(found.values())[0] == found["w"]
    assert w.item() == pytest.approx(step(step(3.0, 2.0), 2.0), rel=1e-14)


def test_gradients_may_be_returned_and_intermediate_leaves_made():
    def f(x):
        point = x.detach().requires_grad_()
        half = (x * 2).requires_grad_()
        J = (point**3).sum() + (half * half).sum()
        J.backward()
        return {"slope": point.grad, "half": half.grad}

    graph = tc.trace(f, np.array([1.0, 2.0]))
    assert [n.role for n in graph.outputs] == ["gradient", "gradient"]
    results = graph.run(x=[3.0, 1.0])
    slope, half = (results[n.index] for n in graph.outputs)
    np.testing.assert_allclose(slope, [27, 3])
    np.testing.assert_allclose(half, [12, 4])


def test_a_scheduler_gives_every_step_its_rate():
    w = tc.tensor([1.0, 2.0], requires_grad=True, dtype=tc.float64, name="w")
    optimizer = optim.SGD([w], lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)

    def epoch():
        for _ in range(2):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
            scheduler.step()

    graph = tc.trace(epoch)
    np.testing.assert_allclose(w.numpy(), np.array([1.0, 2.0]) * 0.8 * 0.9)
    found = graph.evaluate(lr=0.25, w=[1.0, 1.0])
    np.testing.assert_allclose(found["w"], 0.5 * 0.9)
    assert graph.find("lr_2").value == 0.05
    assert all(n.name for n in graph)


def test_a_recurrent_network_with_a_state_made_inside():
    rng = np.random.default_rng(0)
    Wx, Wh = rng.normal(size=(2, 4)), rng.normal(size=(4, 4))

    def last(X, Wx, Wh):
        h = tc.zeros(X.shape[0], 4, dtype=tc.float64)
        for t in range(X.shape[1]):
            h = tc.tanh(X[:, t] @ Wx + h @ Wh)
        return (h * h).mean()

    graph = tc.trace(last, rng.normal(size=(3, 5, 2)), Wx, Wh, wrt=["Wx", "Wh"])
    X = rng.normal(size=(8, 5, 2))
    leaf = tc.tensor(Wh, requires_grad=True)
    last(tc.tensor(X), Wx, leaf).backward()
    np.testing.assert_allclose(graph.evaluate(X=X)["dWh"], leaf.grad.numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match="one by one"):
        graph.evaluate(X=rng.normal(size=(3, 6, 2)))


def test_objects_and_other_callables():
    class Net:
        def __init__(self):
            self.W1 = tc.tensor(np.ones((2, 3)), requires_grad=True)
            self.b1 = tc.tensor(np.zeros(3), requires_grad=True)

        def loss(self, X):
            return ((X @ self.W1 + self.b1) ** 2).mean()

        __call__ = loss

    net, model = Net(), network()
    X = np.ones((4, 2))
    for f in (net, net.loss):
        assert [n.name for n in tc.trace(f, X).inputs] == ["X", "W1", "b1"]
    first = tc.trace(lambda model, X: model(X), model, X)
    second = tc.trace(functools.partial(lambda model, X: model(X), model), X)
    assert str(first) == str(second)
    assert tc.trace(np.tanh, np.ones(3)).outputs[0].op.name == "tanh"


def test_other_threads_train_meanwhile():
    model, loss_fn = network(), nn.MSELoss()
    X, Y = examples(4)
    stop = threading.Event()
    steps = []

    def train():
        _, _, step = stepper(OPTIMIZERS["Adam"])
        while not stop.is_set():
            steps.append(step(tc.tensor(X), tc.tensor(Y)).item())

    thread = threading.Thread(target=train)
    thread.start()
    try:
        texts = {
            str(tc.trace(lambda X, Y: loss_fn(model(X), Y), X, Y, backward=True)) for _ in range(20)
        }
    finally:
        stop.set()
        thread.join()
    assert len(texts) == 1 and steps == sorted(steps, reverse=True)


def test_views_and_copies_taken_before_an_update():
    w = tc.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, dtype=tc.float64, name="w")
    before = w.T

    def f(x):
        turned, kept, alias = w.T, w.clone(), w.detach()
        with tc.no_grad():
            w.mul_(x)
        return turned.sum(), kept.sum(), alias.sum(), before[0].sum(), w.sum()

    start = w.numpy().copy()
    graph = tc.trace(f, np.array(2.0))
    assert [float(n.value) for n in graph.outputs] == [20, 10, 20, 8, 20]
    found = graph.run(x=10.0)
    assert [float(found[n.index]) for n in graph.outputs] == [100, 10, 100, 40, 100]
    np.testing.assert_array_equal(graph.find("w").value, start)
    np.testing.assert_array_equal(w.numpy(), start * 2)


def test_gradients_added_up_over_batches():
    w = tc.tensor(2.0, requires_grad=True, dtype=tc.float64, name="w")
    optimizer = optim.SGD([w], lr=0.5)

    def step(a, b):
        optimizer.zero_grad()
        (w * a).backward()
        (w * w * b).backward()
        optimizer.step()

    graph = tc.trace(step, np.array(3.0), np.array(5.0))
    assert w.item() == 2 - 0.5 * (3 + 20) and w.grad.item() == 23
    found = graph.evaluate(w=1.0, a=1.0, b=1.0)
    assert found["w"] == 1 - 0.5 * 3 and found["dw"] == 3
    assert len(graph.outputs) == 2 and all(n.role == "loss" for n in graph.outputs)


def test_clipping_is_part_of_the_step():
    w = tc.tensor([3.0, 4.0], requires_grad=True, dtype=tc.float64, name="w")
    optimizer = optim.SGD([w], lr=1.0)

    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optim.clip_grad_norm_([w], 1.0)
        optimizer.step()

    graph = tc.trace(step, np.array([30.0, 40.0]))
    np.testing.assert_allclose(w.numpy(), [2.4, 3.2], rtol=1e-6)
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(graph.evaluate(w=[0, 0], x=[0.1, 0.1])["w"], [-0.1, -0.1])


def test_running_statistics_and_draws():
    tc.manual_seed(0)
    model = nn.Sequential(nn.Dense(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).double()
    graph = tc.trace(model, examples(6)[0])
    assert {graph[i].name for i, _ in graph.updates} == {
        "1.running_mean", "1.running_var", "1.num_batches_tracked"
    }  # fmt: skip
    assert all(graph[i].role == "state" for i, _ in graph.updates)
    X = examples(11, seed=3)[0]
    (mask,) = [n.name for n in graph if n.op is not None and n.op.kind == "random"]
    found = graph.evaluate({"X": X} if "X" in str(graph) else {"x": X}, **{mask: np.ones((11, 3))})
    z = X @ model[0].weight.numpy() + model[0].bias.numpy()
    centred = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)
    np.testing.assert_allclose(found[graph.outputs[0].name], centred, rtol=1e-9, atol=1e-12)
    old = graph.find("1.running_mean").value
    np.testing.assert_allclose(found["1.running_mean"], 0.9 * old + 0.1 * z.mean(0), rtol=1e-12)
    assert found["1.num_batches_tracked"] == 1
    # Without a mask of one's own, it is drawn anew.
    tries = [graph.evaluate()[graph.outputs[0].name] for _ in range(4)]
    assert not all(np.array_equal(tries[0], t) for t in tries)


def test_hooks_of_a_step_run_and_those_of_a_loss_do_not():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
    seen: list[Any] = []
    w.register_hook(seen.append)

    def loss(x):
        return (w * x).sum()

    tc.trace(loss, np.ones(2, np.float32), backward=True)
    assert not seen and w.grad is None

    def step(x):
        loss(x).backward()

    tc.trace(step, np.ones(2, np.float32))
    assert len(seen) == 1 and w.grad.tolist() == [1, 1]


def test_after_an_error_the_tensors_are_as_a_plain_call_leaves_them():
    w = tc.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)

    def step(x):
        (w * x).sum().backward()
        optimizer.step()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tc.trace(step, np.ones(2, np.float32))
    assert w.grad.is_leaf and optimizer.state[w]["step"] == 1
    assert tc.is_grad_enabled()
    tc.trace(lambda x: (w * x).sum(), np.ones(2, np.float32))


# --- numbers computed from the number of examples ------------------------------------------------


def regularised(X, Y, w):
    m = X.shape[1]
    A = tc.sigmoid(tc.matmul(w, X))
    losses = Y * tc.log(A) + (1 - Y) * tc.log(1 - A)
    return -(1 / m) * tc.sum(losses) + 0.7 / (2 * m) * tc.sum(w * w)


def unbiased(X, Y, w):
    m = len(Y[0])
    centred = w @ X - Y
    return (centred * centred).sum() / (m - 1) * (m / (m + 1)) + (w * math.sqrt(m)).sum() + m


def variance(X, Y, w):
    return tc.var(w @ X, axis=1).sum() + (Y * 3).mean()


@pytest.mark.parametrize("cost", [regularised, unbiased, variance])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("m", [3, 4, 50, 400])
def test_numbers_of_examples_are_not_baked_in(cost, dtype, m):
    rng = np.random.default_rng(m)
    w = rng.normal(size=(1, 2)).astype(dtype)

    def draw(m: int) -> tuple[Any, Any]:
        return rng.normal(size=(2, m)).astype(dtype), (rng.random((1, m)) > 0.5).astype(dtype)

    X, Y = draw(m)
    graph = tc.trace(cost, X, Y, w, wrt="w")
    assert graph.notes == []
    loss = tc.trace(cost, X, Y, w)
    assert graph.outputs[0].dtype == dtype and loss.outputs[0].value == graph.outputs[0].value
    for other in (m, 2, 7, 123):
        X, Y = draw(other)
        leaf = tc.tensor(w, requires_grad=True)
        J = cost(tc.tensor(X), tc.tensor(Y), leaf)
        J.backward()
        found = graph.evaluate(X=X, Y=Y)
        tolerance = 1e-12 if dtype is np.float64 else 1e-5
        assert found["J"] == pytest.approx(J.item(), rel=tolerance)
        np.testing.assert_allclose(found["dw"], leaf.grad.numpy(), rtol=10 * tolerance, atol=1e-6)


def test_the_same_number_with_another_meaning_stays():
    def f(X):
        m = X.shape[0]
        return (X * 4).sum() / m

    graph = tc.trace(f, np.ones((4, 2)))
    assert graph.evaluate(X=np.ones((10, 2)))["J"] == 8


def test_a_step_is_not_run_again_and_says_so():
    w = tc.tensor([1.0, 2.0], requires_grad=True, dtype=tc.float64, name="w")
    calls = []

    def step(X):
        calls.append(1)
        J = (1 / X.shape[0]) * ((X @ w) ** 2).sum()
        J.backward()
        return J

    graph = tc.trace(step, np.ones((400, 2)))
    assert len(calls) == 1
    (note,) = graph.notes
    assert "0.0025" in note and "the length 400" in note and "changes something" in note


def test_drawing_is_changing_something():
    def f(X):
        return (1 / X.shape[0]) * (X * np.random.default_rng(0).normal()).sum()

    def g(X):
        return (1 / X.shape[0]) * (X * tc.rand(1)).sum()

    def h(X):
        return (1 / X.shape[0]) * (X * np.random.rand()).sum()

    X = np.ones((400, 2))
    tc.manual_seed(0)
    assert tc.trace(f, X).notes == []
    assert "changes something" in tc.trace(g, X).notes[0]
    state = np.random.get_state()
    assert "changes something" in tc.trace(h, X).notes[0]
    np.random.set_state(state)


def test_a_loop_over_the_examples_cannot_be_stretched():
    def f(X, w):
        total = 0.0
        for i in range(X.shape[0]):
            total = total + (X[i] * w).sum() ** 2
        return total / X.shape[0]

    X, w = np.ones((5, 2)), np.ones(2)
    graph = tc.trace(f, X, w, wrt="w")
    assert "the length 5" in graph.notes[0] and "does other things" in graph.notes[0]
    assert graph.evaluate(X=2 * X)["J"] == 16
    with pytest.raises(ValueError, match="one by one"):
        graph.evaluate(X=np.ones((6, 2)))


def test_what_is_printed_is_printed_once(capsys):
    def f(X):
        print("here")
        return X.sum() / X.shape[0]

    tc.trace(f, np.ones((50, 2)))
    assert capsys.readouterr().out == "here\n"


# --- lengths that operations hold -----------------------------------------------------------------


def flattened(X, w):
    m = X.shape[0]
    return (X.reshape(m, 6) @ w).sum()


def joined(X, w):
    m = X.shape[0]
    return (X.reshape(m * 2, 3) @ w.reshape(2, 3).sum(0)).reshape(m, 2).sum()


def expanded(X, w):
    m = X.shape[0]
    return (w.reshape(1, 6).expand(m, 6) * X.reshape(-1, 6)).sum()


def with_ones(X, w):
    m = X.shape[0]
    ones = np.ones((m, 1))
    both = tc.cat([tc.ones(m, 2, dtype=tc.float64), X.reshape(m, 6)], axis=1)
    return (both[:, 2:] @ w * ones[:, 0]).sum() + both[:m].sum()


def numbered(X, w):
    m = X.shape[0]
    flat = X.reshape(m, 6)
    return (flat @ w * np.arange(m)).sum() + flat[np.arange(m), 0].sum()


@pytest.mark.parametrize("f", [flattened, joined, expanded, with_ones, numbered])
def test_lengths_inside_the_program_follow_the_data(f):
    w = np.arange(6.0)
    graph = tc.trace(f, np.ones((4, 2, 3)), w, wrt="w")
    for m in (1, 3, 9):
        X = np.random.default_rng(m).normal(size=(m, 2, 3))
        leaf = tc.tensor(w, requires_grad=True)
        J = f(tc.tensor(X), leaf)
        J.backward()
        found = graph.evaluate(X=X)
        assert found["J"] == pytest.approx(J.item(), rel=1e-12)
        np.testing.assert_allclose(found["dw"], leaf.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_arrays_made_inside_are_noted():
    def f(X):
        return (X * tc.tensor([[1.0], [2.0], [5.0]])).sum()

    graph = tc.trace(f, np.ones((3, 2)))
    (note,) = graph.notes
    assert "(3, 1) is no input of f" in note
    with pytest.raises(ValueError, match=r"of shape \(3, 1\) was made by the program"):
        graph.evaluate(X=np.ones((4, 2)))
    name = note.split()[0]
    assert graph.evaluate({"X": np.ones((4, 2)), name: np.ones((4, 1))})["J"] == 8


# --- control flow ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "look",
    [
        lambda t: bool(t.sum() > 0),
        lambda t: float(t.sum()),
        lambda t: int(t.sum()),
        lambda t: t.sum().item(),
        lambda t: t.tolist(),
        lambda t: t.numpy(),
        lambda t: np.asarray(t),
        lambda t: np.array(t * 2),
        lambda t: 1.0 in t,
        lambda t: [0, 1, 2, 3][t.long()[0]],
        lambda t: range(3)[: t.long()[0]],
        lambda t: math.sqrt(t[0]),
        lambda t: np.allclose(t, t),
        lambda t: t.allclose(t),
        lambda t: tc.equal(t, t),
        lambda t: np.argsort(t),
        lambda t: tc.tensor([t[0], t[1]]),
        lambda t: t.detach().numpy(),
        lambda t: t.reshape(t.long()[0], -1),
        lambda t: t[: t.long()[0]],
        lambda t: max(t[0], t[1]),
        lambda t: tc.nn.functional.one_hot(t.long()),
        lambda t: tc.train.metrics.accuracy(t, t),
        lambda t: nn.Normalization().adapt(t.reshape(2, 1)),
    ],
)
@pytest.mark.parametrize("leaf", [False, True])
def test_a_program_that_looks_at_values_is_refused(look, leaf):
    def f(x):
        look(x if leaf else x * 1)
        return x.sum()

    with pytest.raises(errors.TraceError, match=r"test_trace\.py:\d+") as caught:
        tc.trace(f, np.array([1.0, 2.0]))
    assert "tc.where" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert tc.is_grad_enabled()


def test_copies_without_history_are_refused():
    w = tc.tensor([1.0, 2.0])
    with pytest.raises(errors.TraceError, match="copy: the value of"):
        tc.trace(lambda x: x * copy.deepcopy(w), np.ones(2))


def test_the_line_of_an_if_is_named():
    def f(x):
        y = x.sum()
        if y > 0:
            y = y * 2
        return y

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(errors.TraceError, match=rf"test_trace\.py:{line}, while"):
        tc.trace(f, np.ones(3))


def test_what_does_not_depend_on_values_is_fine(capsys):
    def f(x):
        print(x, f"{x.sum():.3f}", repr(x), str(x), f"{x}")
        assert x.shape == (2, 3) and len(x) == 2 and x.ndim == 2 and x.dtype == np.float64
        assert np.shape(x) == (2, 3) and np.ndim(x) == 2 and np.size(x) == 6
        total = 0.0
        for row in x:
            total = total + row.sum()
        for k in tc.arange(2):
            total = total + int(k) * x[int(k)].mean()
        limit = tc.tensor(3.0)
        if float(limit) > 2:
            total = total * 2
        return tc.where(total > 0, total, -total)

    graph = tc.trace(f, np.ones((2, 3)))
    assert graph.evaluate(x=-np.ones((2, 3)))["J"] == 14
    assert "6.000" in capsys.readouterr().out


def test_grad_modes_inside_a_trace():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")

    def f(x):
        assert tc.is_grad_enabled()
        with tc.no_grad():
            assert not tc.is_grad_enabled()
            scale = (w * x).sum()
            assert not scale.requires_grad
            with tc.enable_grad():
                assert (w * 2).requires_grad
        with tc.set_grad_enabled(False):
            assert not (w + 1).requires_grad
        return (w / scale).sum()

    graph = tc.trace(f, np.ones(2, np.float32), backward=True)
    found = graph.evaluate(w=[3.0, 1.0], x=[1.0, 1.0])
    np.testing.assert_allclose(found["dw"], [0.25, 0.25])
    assert found["J"] == 1


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tc.trace(3), TypeError, "got 3 to trace, expected a function"),
        (lambda: tc.trace(tc.ones(2)), TypeError, "Graph.of"),
        (lambda: tc.trace(lambda x, y: x, np.ones(2)), TypeError, r"missing.*'y'.*one example"),
        (lambda: tc.trace(lambda x: x, 1.0, 2.0), TypeError, "too many"),
        (lambda: tc.trace(lambda x: 3.0, np.ones(2)), RuntimeError, "returned 3.0; a graph has"),
        (lambda: tc.trace(lambda x: None, np.ones(2)), RuntimeError, "computed nothing"),
        (lambda: tc.trace(lambda x: (x * 2, 1), np.ones(2)), RuntimeError, "returned 1;"),
        (lambda: tc.trace(lambda x: {"n": np.ones(2)}, np.ones(2)), RuntimeError, "as 'n'"),
        (lambda: tc.trace(lambda x: x, np.ones(2)), RuntimeError, "computed nothing"),
        (lambda: tc.trace(lambda x: tc.ones(2), np.ones(2)), RuntimeError, "did not compute"),
        (lambda: tc.trace(lambda x: x * 2, np.ones(2), wrt="y"), ValueError, "'y'.*on: x"),
        (lambda: tc.trace(lambda x: x * 2, np.ones(2), wrt=1), ValueError, "names input 1"),
        (lambda: tc.trace(lambda x: x * 2, np.ones(2), wrt=1.5), TypeError, "wrt holds 1.5"),
        (lambda: tc.trace(lambda x: x * 2, np.ones(2), wrt="x"), ValueError, "from a scalar"),
        (lambda: tc.trace(lambda x: x.sum(), np.arange(3), wrt="x"), TypeError, "int64.*floats"),
        (lambda: tc.trace(lambda x: x * 1.0, 3, wrt="x"), TypeError, "which is 3; only floats"),
        (lambda: tc.trace(lambda x: x.sum(), np.ones(2), backward=True), RuntimeError, "wrt='w'"),
        (
            lambda: tc.trace(lambda x, y: y.sum(), np.ones(2), np.ones(2), wrt="x"),
            RuntimeError,
            "'x', which does not change the result",
        ),
        (
            lambda: tc.trace(lambda x: tc.trace(lambda y: y * 2, x), np.ones(2)),
            RuntimeError,
            "inside a function that is being traced",
        ),
    ],
)
def test_bad_calls(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, errors.TinygradCourseError)
    assert "\n" not in str(caught.value)


def test_errors_of_the_function_pass_through():
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("as it is")

    with pytest.raises(Mine, match="as it is"):
        tc.trace(f, np.ones(2))
    with pytest.raises(errors.ShapeError, match="matmul"):
        tc.trace(lambda x: x @ x, np.ones((2, 3)))


def test_a_backward_pass_after_the_update_says_what_to_do():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")

    def f(x):
        J = (w * w * x).sum()
        with tc.no_grad():
            w.mul_(2)
        return J

    with pytest.raises(errors.InplaceError, match=r"Call loss.backward\(\) inside it, before"):
        tc.trace(f, np.ones(2, np.float32), backward=True)


def test_in_place_changes_that_gradients_cannot_follow_are_refused():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")

    def f(x):
        y = w * x
        with tc.no_grad():
            y += 1
        return y.sum()

    with pytest.raises(errors.TraceError, match="gradient does not know of"):
        tc.trace(f, np.ones(2, np.float32))
    with pytest.raises(errors.InplaceError, match="a leaf that requires grad"):
        tc.trace(lambda x: w.mul_(x), np.ones(2, np.float32))


def test_in_place_changes_of_computed_and_new_tensors():
    def f(x):
        total = tc.zeros(3, dtype=tc.float64)
        total += x
        total[1:] *= 2
        y = x * 3
        y[0] = 10
        y.clamp_(0, 20)
        return (total * y).sum()

    x = np.array([1.0, 2.0, 3.0])
    for wrt in (None, "x"):
        graph = tc.trace(f, x, wrt=wrt)
        assert graph.updates == []
        found = graph.evaluate(x=[2.0, 4.0, 5.0])
        assert found["J"] == 2 * 10 + 8 * 12 + 10 * 15
    np.testing.assert_array_equal(found["dx"], [10, 2 * 12 + 8 * 3, 2 * 15 + 10 * 3])


def test_an_input_changed_in_place_is_an_update():
    x = np.array([1.0, 2.0])

    def f(x):
        x *= 2
        return x.sum()

    graph = tc.trace(f, x)
    np.testing.assert_array_equal(x, [2, 4])  # as in a plain call
    found = graph.evaluate(x=[5.0, 5.0])
    assert found["J"] == 20
    np.testing.assert_array_equal(found["x"], [10, 10])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"q": 1.0}, ValueError, "no leaf is called 'q'; they are X, W, Y"),
        ({"Wx": 1.0}, ValueError, "close to it: W. All"),
        ({"J": 1.0}, ValueError, "'J'; it is computed. Give leaves: X, W"),
        ({"W": np.ones((3, 2))}, ValueError, r"parameter W was given with shape \(3, 2\)"),
        ({"X": np.ones(3)}, ValueError, r"X was given with shape \(3,\), but has shape \(4, 2\)"),
        ({"X": np.ones((5, 2))}, ValueError, "length of 5, but Y has 4 along axis 0. Give it too"),
        (
            {"X": np.ones((5, 2)), "Y": np.ones((6, 1))},
            ValueError,
            "length of 5, but Y has 6 along axis 0. Give both",
        ),
        ({"X": np.ones((4, 3)), "Y": np.ones((4, 1))}, ValueError, r"W of shape \(2, 1\) needs 2"),
        ({"X": [["a", "b"]]}, ValueError, "Graph.evaluate: X: tensor"),
        ({"X": np.ones((4, 2)) * 1j}, TypeError, "complex"),
    ],
)
def test_bad_values(values, error, message):
    def f(X, W, Y):
        return ((X @ W - Y) ** 2).mean()

    graph = tc.trace(f, np.ones((4, 2)), np.ones((2, 1)), np.ones((4, 1)), wrt="W")
    with pytest.raises(error, match=message) as caught:
        graph.evaluate(values)
    assert isinstance(caught.value, errors.TinygradCourseError)


def test_integers_stay_integers():
    graph = tc.trace(lambda x, i: x[i].sum(), np.arange(4.0), np.array([0, 2]))
    assert graph.evaluate(i=[1.0, 3.0])["J"] == 4
    with pytest.raises(TypeError, match="i holds int64"):
        graph.evaluate(i=[0.5, 1.0])


def test_a_graph_does_not_change_with_the_tensors_it_was_captured_from():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
    graph = tc.Graph.of((w.reshape(2, 1) * 2).sum(), backward=True)
    with tc.no_grad():
        w *= 100
    assert graph.evaluate()["J"] == 6
    assert graph.find("w").value.tolist() == [1, 2]
    assert [n.value.tolist() for n in graph if n.shape == (2, 1)][0] == [[1], [2]]


def test_overwritten_values_must_be_given():
    b = tc.tensor(2.0, requires_grad=True, name="b")
    J = b * b
    with tc.no_grad():
        b += 1
    graph = tc.Graph.of(J)
    with pytest.raises(ValueError, match="value of b is not known"):
        graph.evaluate()
    assert graph.evaluate(b=5.0)["J"] == 25


def test_a_long_chain_is_quick():
    def chain(x):
        for _ in range(10_000):
            x = x * 1.0001
        return x

    graph = tc.trace(chain, 1.0, wrt="x")
    assert len(graph) > 20_000
    assert graph.evaluate(x=2.0)["J"] == pytest.approx(2 * 1.0001**10_000, rel=1e-2)


def test_a_count_may_stand_before_the_data_it_counts() -> None:
    w = tc.tensor([[1.0], [2.0]], requires_grad=True, name="w")

    def total(X: Any) -> Any:
        scaled = w * len(X)  # m, before X is read
        return (X @ scaled).sum()

    graph = tc.trace(total, tc.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0]], name="X"))
    # m Σ (x₁ + 2 x₂): 3 (1 + 4 + 2), and for two other examples 2 (1 + 2 · 3).
    assert float(graph.evaluate()["J"]) == 21.0
    assert float(graph.evaluate(X=np.array([[1.0, 1.0], [0.0, 2.0]]))["J"]) == 14.0
