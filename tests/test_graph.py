"""Graphs: what was computed from what, captured without changing anything."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn
from tinygrad_course.graph import Graph
from tinygrad_course.node import last_write


def slide():
    a = tc.tensor(5.0, requires_grad=True, name="a")
    b = tc.tensor(3.0, requires_grad=True, name="b")
    c = tc.tensor(2.0, requires_grad=True, name="c")
    return a, b, c, 3 * (a + b * c)


def values(graph):
    return {n.name: np.asarray(n.value).item() for n in graph}


def test_forward():
    *_, J = slide()
    graph = Graph.of(J)
    assert str(graph).splitlines() == [
        "b              () float32  parameter",
        "c              () float32  parameter",
        "u = mul(b, c)  () float32  forward",
        "a              () float32  parameter",
        "v = add(a, u)  () float32  forward",
        "3              () int64    constant",
        "J = mul(3, v)  () float32  loss",
    ]
    assert values(graph) == {"a": 5, "b": 3, "c": 2, "u": 6, "v": 11, "3": 3, "J": 33}
    assert repr(graph) == "<Graph of J: 7 nodes, 3 operations, forward>"
    assert [n.name for n in graph.inputs] == ["b", "c", "a"]
    assert [n.name for n in graph.outputs] == ["J"]


def test_backward_has_the_slides_numbers():
    *_, J = slide()
    graph = Graph.of(J, backward=True)
    found = {name: np.asarray(graph.find(f"d{name}").value).item() for name in "abcuvJ"}
    assert found == {"a": 3, "b": 6, "c": 9, "u": 3, "v": 3, "J": 1}
    assert graph.has_backward
    roles = {n.name: n.role for n in graph if n.is_backward}
    assert roles == {"dJ": "backward", "dv": "gradient", "db": "gradient", "dc": "gradient"}
    assert graph[graph.find("db").rule_of].name == "u"


@pytest.mark.parametrize("seed", range(3))
def test_every_recorded_derivative_equals_backwards(seed):
    rng = np.random.default_rng(seed)
    X = tc.tensor(rng.normal(size=(7, 3)))
    model = nn.Sequential(nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 1)).double()
    model(X)  # counts the layers
    middle = model[0](X)
    middle.retain_grad()
    loss = ((model[1](middle) - 1) ** 2).mean() + (middle * middle).sum()
    graph = Graph.of(loss, backward=True)
    loss.backward()
    for name, p in model.named_parameters():
        assert np.array_equal(graph[graph.find(p.name).grad].value, p.grad.numpy()), name
    assert np.allclose(graph[graph.find("A[1]").grad].value, middle.grad.numpy(), rtol=1e-14)


def test_order_is_topological_and_shared_nodes_appear_once():
    x = tc.tensor(2.0, requires_grad=True, name="x")
    y = x * x
    graph = Graph.of(y * y + y, backward=True)
    assert sum(n.name == "x" for n in graph) == 1
    for index, node in enumerate(graph):
        assert node.index == index
        assert all(i < index for i in node.inputs)
    assert graph.find("u").inputs == (0, 0)


def test_capture_changes_nothing_before_or_after_backward():
    a, b, c, J = slide()
    calls = []
    u = b * c
    total = (a + u) * 2 + J
    u.register_hook(calls.append)
    a.register_hook(calls.append)
    u.retain_grad()
    before = Graph.of(total, backward=True)
    assert a.grad is None and u.grad is None and not calls
    total.backward()
    assert len(calls) == 2
    grads = [x.grad.item() for x in (a, b, c, u)]
    after = Graph.of(total, backward=True)
    assert str(before) == str(after)
    assert [x.grad.item() for x in (a, b, c, u)] == grads
    assert len(calls) == 2


def test_capture_does_not_use_up_the_graph():
    a, *_, J = slide()
    Graph.of(J, backward=True)
    J.backward()
    assert a.grad.item() == 3
    with pytest.raises(errors.GraphError, match="retain_graph"):
        J.backward()


def test_capture_inside_no_grad():
    *_, J = slide()
    with tc.no_grad():
        graph = Graph.of(J, backward=True)
    assert len(graph) == 11


def test_capture_leaves_the_users_modes_and_write_clock_alone():
    *_, J = slide()
    clock = last_write[0]
    Graph.of(J, backward=True)
    assert tc.is_grad_enabled()
    assert last_write[0] == clock


def test_wrt():
    a, b, c, J = slide()
    graph = Graph.of(J, backward=True, wrt=b)
    assert graph.find("b").grad is not None
    assert graph.find("a").grad is None or graph.find("a").grad == graph.find("v").grad
    assert graph.find("c").grad is None
    with pytest.raises(errors.GraphError, match="wrt names 'q', which is not in the graph"):
        Graph.of(J, backward=True, wrt=[b, tc.tensor(1.0, requires_grad=True, name="q")])


def test_wrt_a_computed_tensor():
    a, b, c, _ = slide()
    v = a + b * c
    v.name = "v"
    graph = Graph.of(v * v, backward=True, wrt=v)
    assert graph.find("dv").role == "gradient"
    assert graph.find("a").grad is None


def test_several_outputs():
    a, b, *_ = slide()
    graph = Graph.of([a * b, a + b], backward=True)
    assert [n.name for n in graph.outputs] == ["J", "J2"]
    assert np.asarray(graph[graph.find("a").grad].value).item() == 3 + 1


def test_leaf_roles_and_constants():
    w = tc.ones(2, 3, requires_grad=True)
    X = np.ones((4, 2), "f")
    graph = Graph.of((tc.matmul(X, w) * 2 + 2).sum() / 2.0)
    found = {n.name: n.role for n in graph if n.op is None}
    assert found == {"X": "data", "W": "parameter", "2": "constant"}
    assert sum(n.role == "constant" for n in graph) == 2  # the integer 2 once, and 2.0


def test_frozen_parameters_stay_parameters():
    layer = nn.Dense(2, 1)
    layer.bias.requires_grad_(False)
    graph = Graph.of(layer(tc.ones(3, 2)).sum())
    assert graph.find("b[1]").role == "parameter"


def test_scopes_tell_layers_and_calls_apart():
    model = nn.Sequential(nn.Dense(2, 2), nn.Tanh(), nn.Tanh())
    x = tc.ones(1, 2)
    graph = Graph.of(model(model(x)).sum(), backward=True)
    paths = []
    for node in graph:
        if node.scope and not node.is_backward and node.scope not in paths:
            paths.append(node.scope)
    first = [("Sequential", name) for name in ("layer 1 (Dense)", "Tanh", "Tanh 2")]
    second = [("Sequential #2", name) for name in ("layer 1 (Dense)", "Tanh", "Tanh 2")]
    assert paths == first + second
    gradient = graph.find("dW[1]")
    assert graph.find("dZ[1]").is_backward and gradient.role == "gradient"
    assert {n.scope for n in graph if n.is_backward and n.rule_of} <= {*paths, ()}


def test_find_says_what_there_is():
    *_, J = slide()
    graph = Graph.of(J, backward=True)
    assert graph.find("u").op.name == "mul"
    with pytest.raises(ValueError, match=r"none of the 11 nodes is called 'K'"):
        graph.find("K")


def test_overwritten_values_are_not_shown_as_if_nothing_happened():
    a, b, c, J = slide()
    with tc.no_grad():
        b += 1
    graph = Graph.of(J)
    assert graph.find("b").value is None
    assert graph.find("u").value.item() == 6
    with pytest.raises(errors.InplaceError, match=r"'b'.*changed in place"):
        Graph.of(J, backward=True)


def test_recorded_in_place_changes_keep_the_old_value():
    x = tc.tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 2
    z = y * 3
    y += 10
    graph = Graph.of((z * z + y).sum(), backward=True)
    doubled = next(n for n in graph if n.op is not None)
    assert doubled.value.tolist() == [2.0, 4.0]
    assert graph[graph.find("x").grad].value.tolist() == [2 * 6 * 6 + 2, 2 * 6 * 12 + 2]


def test_replaced_data_is_not_shown_as_what_was_used():
    a, b, c, J = slide()
    b.data = tc.tensor(100.0)
    assert Graph.of(J).find("b").value is None


def test_custom_function():
    class Cube(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = tc.tensor(2.0, requires_grad=True, name="x")
    graph = Graph.of(Cube.apply(x), backward=True)
    assert graph.outputs[0].op.name == "Cube"
    assert graph[graph.find("x").grad].value.item() == 12


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        (lambda: 3.0, TypeError, "must be tensors|iterable"),
        (lambda: [], ValueError, "no outputs"),
        (lambda: tc.tensor(1.0, requires_grad=True, name="w"), RuntimeError, "called 'w': it is a"),
        (lambda: tc.ones(2) + 1, RuntimeError, "nothing was recorded"),
        (lambda: [np.ones(2)], TypeError, "got ndarray"),
    ],
)
def test_bad_outputs(outputs, error, message):
    with pytest.raises(error, match=message):
        Graph.of(outputs())


def test_backward_of_an_array_is_refused():
    x = tc.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"starts from a scalar, got shape \(3,\)"):
        Graph.of(x * 2, backward=True)


def test_long_chain_and_no_leaks():
    x = tc.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    graph = Graph.of(y)
    assert len(graph) == 20_002
    full = Graph.of(y, backward=True)
    assert abs(full[full.find("w").grad].value / 1.0001**20_000 - 1) < 1e-2
    alive = weakref.ref(full)
    gc.disable()
    try:
        del full
        assert alive() is None
    finally:
        gc.enable()


def test_a_backward_pass_lost_to_an_optimizer_step_says_so():
    w = tc.tensor([1.0, 2.0], requires_grad=True, name="w")
    J = (w * w).sum()
    J.backward()
    tc.optim.SGD([w], lr=0.1).step()
    with pytest.raises(tc.errors.InplaceError, match=r"Draw before the step"):
        Graph.of(J, backward=True)
    assert len(Graph.of(J)) > 0
