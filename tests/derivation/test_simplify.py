"""Simplified graphs: the same numbers in fewer operations, and the cancellations of the courses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_random_graphs import LEAVES, MORE, build, graphs

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation import derive, simplify
from tinygrad_course.derivation.verify import difference, verify
from tinygrad_course.graph import Graph

RNG = np.random.default_rng(0)
M = 6
X = tc.tensor(RNG.normal(size=(M, 3)), name="X")
Y = tc.tensor((RNG.random((M, 1)) > 0.5) * 1.0, name="Y")
CLASSES = RNG.integers(0, 4, M)
ONE_HOT = tc.tensor(np.eye(4)[CLASSES], name="Y")


def parameter(*shape: int, name: str = "w") -> Any:
    return tc.tensor(RNG.normal(size=shape), requires_grad=True, name=name)


def lines(loss: Any, **options: Any) -> dict[str, str]:
    """Return the equations of a loss, by the names on their left."""
    assert verify(loss, tolerance=1e-12, program=False, **options)
    d = derive(loss, **options)
    return {line.name: d.write(line).partition(" = ")[2] for line in d.lines}


def pieces(graph: Graph) -> list[Any]:
    """Return all that a graph consists of."""
    return [
        (n.index, n.op, n.inputs, repr(n.params), n.name, n.role, n.shape, n.dtype, id(n.value),
         n.grad, n.grad_of, n.anonymous)
        for n in graph
    ]  # fmt: skip


# --- the same numbers -----------------------------------------------------------------------------


@settings(max_examples=MORE * 60)
@given(graphs)
def test_random_graphs_keep_their_values_and_dtypes(steps):
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-4)):
        points = [tc.tensor(v.astype(dtype), requires_grad=True) for v in LEAVES]
        graph = Graph.of(build(steps, points), backward=True)
        before = pieces(graph)
        simpler = simplify(graph)
        assert pieces(graph) == before  # the original is not touched
        assert len(simpler) <= len(graph)
        assert simpler.outputs[0].value == pytest.approx(graph.outputs[0].value, rel=1e-5)
        for node in graph:
            if node.op is None and node.grad is not None:
                known, found = graph[node.grad], simpler[simpler.find(node.name).grad]
                assert found.dtype == known.dtype and found.shape == known.shape
                assert difference(found.value, known.value, 1e-2) < tolerance


def test_a_simplified_graph_is_simplified_no_further():
    model = nn.Sequential(nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 1, activation="sigmoid"))
    once = simplify(Graph.of(nn.BCELoss()(model(X), Y), backward=True))
    assert str(simplify(once)) == str(once)


def test_expressions_are_computed_once():
    w = parameter(3, 1)
    graph = Graph.of(((X @ w).tanh() * (X @ w).exp()).sum())
    products = [n for n in simplify(graph) if n.op is not None and n.op.name == "matrix_product"]
    assert len(products) == 1


def test_of_expressions_that_became_one_no_part_is_called_the_derivative():
    """h = k = X w: the recorded dh and dk are parts of the derivative by h."""
    w = parameter(3, 1)
    h, k = X @ w, X @ w
    h.name, k.name = "h", "k"
    found = lines((h.tanh() * k.exp()).mean())
    assert {"dh", "dk"}.isdisjoint(found)
    copy = h.clone()
    found = lines((h.tanh() * copy.exp()).mean())
    assert "dh" in found  # of a value and its copy, the recorded derivative is whole


def test_what_nothing_uses_is_left_out():
    w = parameter(3, 1)
    z = X @ w
    _ = z.exp()
    graph = simplify(Graph.of(z.tanh().sum(), backward=True))
    assert all(n.op is None or n.op.name != "exp" for n in graph)


@pytest.mark.parametrize(
    ("expression", "ops"),
    [
        (lambda w: (w + 0.0) * 1.0, []),
        (lambda w: -w.neg(), []),
        (lambda w: w.T.T, []),
        (lambda w: w / 1.0, []),
        (lambda w: w**1.0, []),
        (lambda w: w.clone(), []),
        (lambda w: w.reshape(3, 1), []),
        (lambda w: tc.where(w > 0, w, w), []),
        (lambda w: w.unsqueeze(0).squeeze(0), []),
        (lambda w: tc.where(tc.tensor([True, False]), w, w), ["where"]),  # it widens
        (lambda w: w * tc.ones(3, 2, dtype=tc.float64), ["mul"]),
    ],
)
def test_identities(expression, ops):
    w = parameter(3, 1)
    graph = simplify(Graph.of(expression(w).sum()))
    assert [n.op.name for n in graph if n.op is not None] == [*ops, "sum"]


def test_the_forward_pass_stays_as_it_was_written():
    """Factors are moved, and brackets opened, in the backward pass only."""
    z = X @ parameter(3, 1)
    graph = Graph.of((2 * (3 * z) + 1 - (2 - z)).sum())
    assert str(simplify(graph)) == str(graph)


def test_the_transpose_of_a_known_product_is_not_multiplied_out():
    first, second = parameter(3, 2, name="W[1]"), parameter(2, 1, name="W[2]")
    found = lines(((X @ first @ second) ** 2).sum())
    assert found["dW[2]"] == "2 uᵀ v"


# --- the cancellations that learners meet ---------------------------------------------------------


def predicted(activation: Any = "sigmoid", units: int = 1, layout: str = "rows") -> Any:
    layer = nn.Dense(3, units, activation=activation, layout=layout)
    return nn.Sequential(layer)(X if layout == "rows" else X.T)


def log_loss(a: Any, y: Any) -> Any:
    return y * a.log() + (1 - y) * (1 - a).log()


BINARY = {
    "BCELoss": lambda: nn.BCELoss()(predicted(), Y),
    "with logits": lambda: nn.BCEWithLogitsLoss()(predicted(None), Y),
    "by hand": lambda: -log_loss(predicted(), Y).mean(),
    "sum / m": lambda: -log_loss(predicted(), Y).sum() / M,
    "1 / m sum": lambda: -(1 / M) * log_loss(predicted(), Y).sum(),
    "signs inside": lambda: (-Y * (a := predicted()).log() - (1 - Y) * (1 - a).log()).mean(),
    "two means": lambda: -(Y * (a := predicted()).log()).mean() - ((1 - Y) * (1 - a).log()).mean(),
    "dot products": lambda: -(Y.T @ (a := predicted()).log() + (1 - Y).T @ (1 - a).log()) / M,
    "squeezed": lambda: np.squeeze((-1 / M) * (Y.T @ (a := predicted()).log())
                                   - (1 / M) * ((1 - Y).T @ (1 - a).log())),
}  # fmt: skip


@pytest.mark.parametrize("form", BINARY)
def test_cross_entropy_of_sigmoid_is_a_minus_y(form):
    """dz = da · a (1 − a) = ((1 − y)/(1 − a) − y/a) a (1 − a) = a − y."""
    found = lines(BINARY[form]())
    # Yᵀ was computed outside the graph, where it is data of its own.
    transposed = form in ("dot products", "squeezed")
    assert found["dZ[1]"] == ("A[1] - X2ᵀ" if transposed else "A[1] - Y")
    assert found["dW[1]"] == "(1/m) Xᵀ dZ[1]"
    assert found["db[1]"] == "(1/m) np.sum(dZ[1], axis=0)"


def test_of_the_sum_there_is_no_m():
    found = lines(nn.BCELoss(reduction="sum")(predicted(), Y))
    assert found["dZ[1]"] == "A[1] - Y" and found["dW[1]"] == "Xᵀ dZ[1]"


SOFTMAX = {
    "class numbers": lambda: nn.CrossEntropyLoss()(
        predicted(None, 4), tc.tensor(CLASSES, name="y")
    ),
    "one-hot": lambda: nn.CrossEntropyLoss()(predicted(None, 4), ONE_HOT),
    "by hand": lambda: -(ONE_HOT * predicted("softmax", 4).log()).sum(axis=1).mean(),
    "sum of all": lambda: -(ONE_HOT * predicted("softmax", 4).log()).sum() / M,
    "logarithm": lambda: -(ONE_HOT * predicted(None, 4).log_softmax(1)).sum(axis=1).mean(),
    "NLL": lambda: nn.NLLLoss()(predicted(None, 4).log_softmax(1), tc.tensor(CLASSES, name="y")),
}


@pytest.mark.parametrize("form", SOFTMAX)
def test_cross_entropy_of_softmax_is_p_minus_y(form):
    """dz = p Σ y − y, and the labels of an example sum to 1."""
    found = lines(SOFTMAX[form]())
    labels = "one_hot(y, classes=4)" if form in ("class numbers", "NLL") else "Y"
    assert found["dZ[1]"] == f"A[1] - {labels}"
    assert found["dW[1]"] == "(1/m) Xᵀ dZ[1]"


def test_labels_that_do_not_sum_to_one_keep_their_sum():
    labels = tc.tensor(ONE_HOT.numpy() * 2, name="Y")
    found = lines(-(labels * predicted("softmax", 4).log()).sum(axis=1).mean())
    assert found["dZ[1]"] == "A[1] * np.sum(Y, axis=1, keepdims=True) - Y"


def test_that_labels_sum_to_one_is_said():
    (note,) = derive(SOFTMAX["by hand"]()).notes
    assert "sum to 1" in note


def test_labels_seen_by_their_values_alone():
    """−Y and 1 − Y of data are computed outside the graph, and are written in terms of Y."""
    a = predicted()
    d = derive((-Y * a.log() - (1 - Y) * (1 - a).log()).mean())
    assert [n.name for n in d.leaves if n.role == "data"] == ["X", "Y"]
    assert d.write(d.by_name["J"]) == ("J = (1/m) np.sum(-Y * log(A[1]) - (1 - Y) * log(1 - A[1]))")
    assert len(d.notes) == 2 and all("outside the graph" in note for note in d.notes)
    labels = np.array([[1.0], [0.0]])
    values = d.evaluate({"X": X.numpy()[:2], "Y": labels})
    np.testing.assert_allclose(values["dZ[1]"], values["A[1]"] - labels)


def test_tanh_and_sigmoid_are_differentiated_by_their_values():
    for activation, slope in (("tanh", "(1 - A[1]²)"), ("sigmoid", "A[1] * (1 - A[1])")):
        found = lines(nn.MSELoss()(predicted(activation), Y))
        assert found["dZ[1]"] == f"2 (A[1] - Y) * {slope}"
    found = lines(nn.MSELoss()(predicted("relu"), Y))
    assert found["dZ[1]"] == "2 (A[1] - Y) * (Z[1] > 0)"


def test_columns_sum_along_the_other_axis():
    loss = nn.BCELoss()(predicted("sigmoid", 1, "columns"), Y.T)
    found = lines(loss)
    assert found["dW[1]"].startswith("(1/m) dZ[1] ")
    assert found["db[1]"] == "(1/m) np.sum(dZ[1], axis=1, keepdims=True)"


def test_the_mean_stands_where_the_course_puts_it():
    loss = nn.MSELoss()(predicted("tanh"), Y)
    exact = lines(loss, mean="exact")
    assert exact["dZ[1]"] == "(2/m) (A[1] - Y) * (1 - A[1]²)"
    assert exact["dW[1]"] == "Xᵀ ∂J/∂Z[1]"


def test_m_is_taken_out_of_dz_only_where_every_term_has_it():
    """In mean(L) + Σ A², the penalty has no 1/m: dZ stays the derivative of J."""
    w = parameter(3, 1)
    A = (X @ w).tanh()
    A.name = "A"
    d = derive(((A - Y) ** 2).mean() + (A * A).sum())
    assert verify(d, tolerance=1e-12)
    assert all(line.scale == 0 for line in d.lines)
    d = derive(((A - Y) ** 2).mean() + (A * A).mean())
    assert verify(d, tolerance=1e-12)
    assert any(line.scale == 1 for line in d.lines)


def test_a_number_that_happens_to_be_one_over_m_is_a_number():
    """λ = 0.01 beside (1/m) Σ for 100 examples."""
    inputs = tc.tensor(RNG.normal(size=(100, 3)), name="X")
    w = parameter(3, 1)
    loss = (1 / 100) * ((inputs @ w) ** 2).sum() + 0.01 * (w * w).sum()
    assert lines(loss)["dw"] in (
        "(2/m) Xᵀ u + 0.02 w", "(2/m) Xᵀ v + 0.02 w", "(2/m) Xᵀ t1 + 0.02 w",
    )  # fmt: skip
    (note,) = derive(loss).notes
    assert "0.01 is taken for 1/m" in note


def test_one_over_m_is_seen_through_a_constant_factor():
    """A cost of two sums, one of them with a ½ of its own, as a divergence has it."""
    loss = ((X @ parameter(3, 1)) ** 2).sum() / M + ((X @ parameter(3, 1)) ** 2).sum() / 2 / M
    derived = derive(loss)
    assert verify(derived, tolerance=1e-12)
    assert not any(f"{M}" in line for line in lines(loss).values())
    assert all("is taken for m" in note for note in derived.notes)
    assert len(derived.notes) == 2


def test_weights_decay_keeps_its_own_factor():
    model = nn.Sequential(nn.Dense(3, 1, activation="sigmoid"))
    loss = nn.BCELoss()(model(X), Y) + 0.5 / M * (model[0].W ** 2).sum()
    assert "(1/m) Xᵀ dZ[1]" in lines(loss)["dW[1]"]


# --- where the cancelled forms differ, on purpose -------------------------------------------------


def test_saturated_cross_entropy_is_the_limit():
    """At z = 800, σ is 1 in floating point: autodiff's guard gives 0, A − Y the limit 1."""
    z = tc.tensor([[800.0]], requires_grad=True, name="z", dtype=tc.float64)
    a = z.sigmoid()
    loss = nn.BCELoss(reduction="sum")(a, tc.tensor([[0.0]], name="y", dtype=tc.float64))
    loss.backward()
    assert z.grad.item() == 0.0
    assert derive(loss).evaluate()["dz"].item() == 1.0


def test_saturated_softmax_is_finite():
    """Where p underflows to 0, y/p · p is NaN, and p − y is −1."""
    z = tc.tensor([[0.0, 900.0]], requires_grad=True, name="z", dtype=tc.float64)
    labels = tc.tensor([[1.0, 0.0]], name="y", dtype=tc.float64)
    loss = -(labels * z.softmax(-1).log()).sum()
    np.testing.assert_array_equal(derive(loss).evaluate()["dz"], [[-1.0, 1.0]])


# --- cost -----------------------------------------------------------------------------------------


def chain(length: int, step: Any) -> Graph:
    y = X[:3] @ parameter(3, 3)
    for k in range(length):
        y = step(y, k)
    return Graph.of(y.mean(), backward=True)


@pytest.mark.parametrize(
    "step",
    [
        lambda y, k: y.tanh(),
        lambda y, k: -y if k % 2 else y.T,
        lambda y, k: 1 - y,
        lambda y, k: y * 0.999 + 0.01,
        lambda y, k: (y + y.mean(axis=0, keepdims=True)) / 2,
        lambda y, k: tc.where(y > 0, y, 0.9 * y),
        lambda y, k: y.reshape(-1).reshape(3, 3)[::-1],
        lambda y, k: y[[0, 1, 2]],
    ],
)
def test_long_chains_need_no_recursion(step):
    """Thousands of operations deep, far beyond Python's recursion limit."""
    graph = chain(1050, step)
    for simplified in (True, False):
        d = derive(graph, simplify=simplified)
        written = [d.write(line) for line in d.lines]
        assert max(map(len, written)) < 600


def test_a_value_used_thousands_of_times():
    w = parameter(3, 1)
    z = X @ w
    total = z * 0
    for k in range(1100):
        total = total + z * float(k)
    assert verify(total.tanh().mean(), tolerance=1e-9, program=False)
