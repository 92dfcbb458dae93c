"""Graphs as text: an exact round trip, and clear words about texts that are no graph."""

from __future__ import annotations

import copy
import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from op_samples import COMPOSED, OPS
from test_random_graphs import LEAVES, build, graphs
from test_registry import arrays_of, each, fill, run

import tinygrad_course as tc
import viz
from tinygrad_course import errors, nn, optim
from tinygrad_course.graph import Graph, GraphNode


def assert_equal(a: Any, b: Any) -> None:
    """Compare values and types, NaN being equal to itself."""
    assert type(a) is type(b), (a, b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        assert np.array_equal(np.signbit(a), np.signbit(b)) or np.isnan(a).any()
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, tc.Generator):
        assert a.get_state() == b.get_state()
    elif a == a:
        assert a == b


def stored(graph: Graph) -> Graph:
    """Return the graph that comes back, after comparing all there is."""
    text = graph.to_json()
    back = Graph.from_json(text)
    assert back.to_json() == text
    assert str(back) == str(graph) and repr(back) == repr(graph)
    assert back.updates == graph.updates and back.notes == graph.notes
    assert [n.index for n in back.outputs] == [n.index for n in graph.outputs]
    for old, new in zip(graph, back, strict=True):
        for field in fields(GraphNode):
            a, b = getattr(old, field.name), getattr(new, field.name)
            if field.name == "op":
                assert a is b
            elif field.name == "value" and isinstance(a, np.generic):
                assert_equal(np.asarray(a), b)
            else:
                assert_equal(a, b)
    return back


def network() -> nn.Module:
    return nn.Sequential(
        nn.Dense(2, 3, activation="tanh"), nn.BatchNorm1d(3), nn.Dense(3, 1), nn.Sigmoid()
    )


def step_graph() -> Graph:
    model, loss_fn = network(), nn.BCELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step(X, Y):
        optimizer.zero_grad()
        J = loss_fn(model(X), Y)
        J.backward()
        optimizer.step()
        return J

    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 2)).astype("f")
    return tc.trace(step, X, (X[:, :1] > 0).astype("f"))


def test_a_training_step_comes_back():
    graph = step_graph()
    back = stored(graph)
    rng = np.random.default_rng(1)
    values = {"X": rng.normal(size=(7, 2)), "Y": np.ones((7, 1)), "lr": 0.01}
    assert_equal(back.evaluate(values), graph.evaluate(values))
    for options in ({"backward": True}, {}, {"depth": 1}):
        assert viz.draw(back, **options).source == viz.draw(graph, **options).source


def test_the_text_is_deterministic_and_readable():
    tc.manual_seed(0)
    first = step_graph().to_json()
    tc.manual_seed(0)
    assert step_graph().to_json() == first
    assert "0x" not in first
    lines = first.splitlines()
    assert lines[0] == '{"format": "tinygrad_course.graph", "version": 1, "nodes": ['
    assert lines[1].startswith('{"name": "X", "role": "data", "shape": [5, 2], "dtype": "float32"')
    a = tc.tensor(2.0, requires_grad=True, name="a")
    assert Graph.of(a * 3).to_json().splitlines() == [
        '{"format": "tinygrad_course.graph", "version": 1, "nodes": [',
        '{"name": "a", "role": "parameter", "shape": [], "dtype": "float32", "value": [2.0]},',
        '{"name": "3", "role": "constant", "shape": [], "dtype": "int64", "value": 3},',
        '{"name": "J", "op": "mul", "inputs": [0, 1], "role": "loss", "shape": [], '
        '"dtype": "float32", "value": [6.0]}',
        '], "outputs": [2], "updates": [], "notes": []}',
    ]


def test_it_is_strict_json():
    with np.errstate(all="ignore"):
        graph = Graph.of(tc.tensor([np.nan, np.inf, -np.inf, -0.0], requires_grad=True) * np.inf)

    def refuse(word):
        raise AssertionError(word)

    json.loads(graph.to_json(), parse_constant=refuse)
    stored(graph)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "uint8", "int64", "bool"]
)
def test_every_bit_comes_back(dtype):
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    bits = rng.integers(0, 256, 64 * kind.itemsize, dtype=np.uint8)
    values = np.ones(64, bool) if dtype == "bool" else bits.view(kind)
    with np.errstate(all="ignore"):
        graph = tc.trace(lambda x: x.reshape(8, 8)[::2], values)
    back = stored(graph)
    original = graph.find("x").value
    finite = np.isfinite(original) if kind.kind == "f" else np.ones(64, bool)
    assert back.find("x").value[finite].tobytes() == values[finite].tobytes()


def test_without_values_only_numbers_are_kept():
    graph = step_graph()
    text = graph.to_json(values=False)
    back = Graph.from_json(text)
    assert str(back) == str(graph)
    kept = [n for n in back if n.value is not None]
    assert kept and all(n.role == "constant" for n in kept)
    assert len(text) < len(graph.to_json()) / 1.5
    assert back.to_json(values=False) == text
    with pytest.raises(ValueError, match="value of X is not known.*or is not stored.*Give it"):
        back.evaluate()
    values = {n.name: n.value for n in graph if n.op is None and n.role != "constant"}
    assert_equal(back.evaluate(values), graph.evaluate())


def test_parameters_of_all_kinds():
    x = tc.tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True, name="x")
    index = tc.tensor([0, 2])
    y = x[:, index, None, ..., 1:3:2] * 2
    y = y + x[0, 1, -1] + tc.pad(x, (1, 0)).sum() + x.permute(2, 0, 1).mean((0, 2)).sum()
    z = x * 1.5
    z.reshape(6, 4)[1:3] = 0.25
    total = y.sum() + z.sum() + tc.clamp(x, min=None, max=3.0).sum() + x.to(tc.float32).sum()
    back = stored(Graph.of(total, backward=True))
    kinds = {n.op.name for n in back if n.op is not None}
    assert {"getitem", "assign_view", "setitem", "pad_constant", "permute_axes", "cast"} <= kinds


def test_a_generator_keeps_its_place():
    generator = tc.Generator(3)
    generator.numpy.random(5)
    drop = nn.Dropout(0.5, generator=generator)
    graph = tc.trace(lambda x: drop(x).sum(), np.ones((4, 4)))
    back = stored(graph)
    again = Graph.from_json(graph.to_json())
    first, second = back.evaluate(), again.evaluate()
    assert_equal(first, second)
    assert_equal(graph.evaluate(), first)  # the captured one goes on in the same stream


@settings(max_examples=120)
@given(graphs)
def test_random_graphs_come_back_and_replay(steps):
    """Values, derivatives and copies of a graph on fresh leaves equal those of an eager run."""
    graph = tc.trace(lambda *leaves: build(steps, list(leaves)), *LEAVES, wrt=[0, 1, 2, 3])
    rng = np.random.default_rng(len(graph))
    fresh = [v + rng.normal(size=v.shape) * 0.3 for v in LEAVES]
    points = [tc.tensor(v, requires_grad=True) for v in fresh]
    total = build(steps, points)
    total.backward()
    names = [f"leaves[{k}]" for k in range(4)]
    for replayed in (graph, stored(graph)):
        found = replayed.evaluate(dict(zip(names, fresh, strict=True)))
        assert found["J"] == pytest.approx(total.item(), rel=1e-12)
        for name, p in zip(names, points, strict=True):
            np.testing.assert_allclose(
                found[f"d{name}"], p.grad.numpy(), rtol=1e-10, atol=1e-13, err_msg=name
            )


@each(OPS, COMPOSED)
def test_every_operation_is_traced_stored_and_replayed(name, sample):
    def f(*values):
        return run(name, sample, fill(sample, list(values)))

    arrays = arrays_of(sample)
    if not arrays or (name == "t" and arrays[0].ndim < 2):  # nothing is computed
        return
    graph = tc.trace(f, *arrays)
    if any(n.op is not None and n.op.kind == "random" for n in graph):
        return
    back = stored(graph)
    names = [f"values[{k}]" for k in range(len(arrays))]
    used = {n.name for n in graph}
    # The same values in another order: what was chosen by value must be chosen anew.
    for fresh in (arrays, [np.flip(a) for a in arrays]):
        with tc.no_grad():
            expected = run(name, sample, fill(sample, [tc.tensor(a) for a in fresh]))
        values = {n: a for n, a in zip(names, fresh, strict=True) if n in used}
        results = back.run(values)
        for y, node in zip(expected, back.outputs, strict=True):
            np.testing.assert_array_equal(np.asarray(results[node.index]), y.numpy())


# --- bad input --------------------------------------------------------------------------------


def test_operations_of_ones_own_cannot_be_stored():
    class Twice(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    graph = Graph.of(Twice.apply(tc.tensor(1.0, requires_grad=True)))
    with pytest.raises(errors.GraphError, match="computed by 'Twice', an operation of your own"):
        graph.to_json()


def good() -> dict[str, Any]:
    x = tc.tensor([[1.0, 2.0]], requires_grad=True, name="x")
    return json.loads(Graph.of(x[:, 0].reshape(1, 1).sum(), backward=True).to_json())


def change(path: str, value: Any) -> Any:
    def changed(stored: dict[str, Any]) -> None:
        *way, last = [int(p) if p.isdigit() else p for p in path.split("/")]
        place: Any = stored
        for part in way:
            place = place[part]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value

    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "onnx", "no graph that to_json wrote"),
        ("version", 2, "version 2; this version of tinygrad_course reads version 1"),
        ("version", KeyError, "version None"),
        ("nodes", {}, "should be list"),
        ("nodes/0", [], "should be dict"),
        ("nodes/0/role", "king", "role 'king'"),
        ("nodes/0/role", KeyError, r"lacks \['role'\]"),
        ("nodes/0/colour", "red", "colour"),
        ("nodes/0/name", 3, "should be str"),
        ("nodes/0/dtype", "float31", "float31"),
        ("nodes/0/dtype", "complex128", "no dtype of numbers"),
        ("nodes/0/shape", [2, 2], r"2 numbers for the shape \(2, 2\)"),
        ("nodes/0/shape", [-2, -1], "no shape"),
        ("nodes/0/shape", [1e400], "should be int"),
        ("nodes/0/value", ["zero", 1.0], "no number"),
        ("nodes/0/value", [[1.0], 2.0], "no number"),
        ("nodes/0/value", {"a": 1}, "no number"),
        ("nodes/0/dtype", "int64", "values that are not int64"),
        ("nodes/0/grad", 99, "no node number 99"),
        ("nodes/0/grad", "x", "no node number 'x'"),
        ("nodes/1/op", "explode", "'explode', which is no operation of this version"),
        ("nodes/1/op", "getitm", "Is it 'getitem'"),
        ("nodes/1/op", 3, "which is no operation"),
        ("nodes/1/inputs", [], "has 0 inputs, which getitem does not take"),
        ("nodes/2/inputs", [1, 1], "has 2 inputs, which reshape_to does not take"),
        ("nodes/1/inputs", [1], "no node number 1"),
        ("nodes/1/inputs", [-1], "no node number -1"),
        ("nodes/1/inputs", [True], "no node number True"),
        ("nodes/1/params/speed", 3, "has parameters that getitem has not"),
        ("nodes/1/params/index", {"slice": [0, "x", 1]}, "no slice"),
        ("nodes/1/params/index", {"tuple": 3}, "should be list"),
        ("nodes/1/params/index", {"code": "1"}, "no parameter of the kind 'code'"),
        ("nodes/1/params/index", {"a": 1, "b": 2}, "no parameter"),
        ("nodes/1/params/index", {"generator": {}}, "set_state"),
        ("nodes/1/params/index", {"array": ["float32", [2], [1.0]]}, "1 numbers for the shape"),
        ("nodes/1/params/index", {"op": "os.system"}, "no operation"),
        ("nodes/0/params", {"x": 1}, "the leaf x has inputs"),
        ("nodes/0/scope", ["a", 1], "should be str"),
        ("nodes/0/anonymous", 1, "should be bool"),
        ("outputs", [99], "no node number 99"),
        ("outputs", KeyError, "should be list"),
        ("updates", [[0]], "an update is a pair"),
        ("notes", [1], "should be str"),
    ],
)
def test_damaged_texts_are_told_in_a_sentence(path, value, message):
    stored = good()
    Graph.from_json(json.dumps(stored))
    change(path, value)(stored)
    with pytest.raises(errors.TinygradCourseError, match=message) as caught:
        Graph.from_json(json.dumps(stored))
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "3", '"graph"', "{}", "[" * 100_000, '{"format": NaN}', "\0"]
)
def test_texts_that_are_no_graph(text):
    with pytest.raises(errors.GraphFileError, match="Graph.from_json"):
        Graph.from_json(text)


def test_only_text_is_read():
    with pytest.raises(TypeError, match="got bytes, expected the text"):
        Graph.from_json(b"{}")  # type: ignore[arg-type]


def test_cut_off_anywhere_it_is_refused():
    text = Graph.from_json(json.dumps(good())).to_json()
    for k in range(0, len(text) - 2, 7):
        with pytest.raises(ValueError, match="Graph.from_json"):
            Graph.from_json(text[:k])


def test_what_was_read_is_a_graph_of_its_own():
    text = step_graph().to_json()
    first, second = Graph.from_json(text), Graph.from_json(text)
    first.nodes[0].value[...] = 0
    assert second.nodes[0].value.any()
    assert copy.copy(first).nodes[0] is first.nodes[0]


def test_a_long_graph_comes_back():
    def chain(x):
        for _ in range(5_000):
            x = x * 1.0001
        return x

    graph = tc.trace(chain, 1.0, wrt="x")
    back = stored(graph)
    assert back.evaluate(x=3.0) == graph.evaluate(x=3.0)
