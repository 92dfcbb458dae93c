"""The symbolic length of every axis: what counts examples, what units, and what is a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation import derive
from tinygrad_course.derivation.sizes import COUNTS, Sizes, sizes_of
from tinygrad_course.graph import Graph


def data(*shape: int, name: str = "X") -> Any:
    return tc.tensor(np.random.default_rng(0).normal(size=shape), name=name)


def parameter(*shape: int, name: str = "w") -> Any:
    return tc.tensor(np.ones(shape), requires_grad=True, name=name)


def lengths(y: Any) -> tuple[Any, ...]:
    """Return the symbolic shape of a result."""
    return sizes_of(Graph.of(y))[Graph.of(y).outputs[0].index]


W = parameter(3, 2)
BIAS = parameter(2, name="b")
NUMBERS = tc.tensor(np.array([0, 1, 1, 0, 2]), name="y")


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: x @ W, ("m", 2)),
        (lambda x: x @ W + BIAS, ("m", 2)),
        (lambda x: (x @ W).T, (2, "m")),
        (lambda x: (x @ W).sum(axis=0), (2,)),
        (lambda x: (x @ W).sum(axis=1), ("m",)),
        (lambda x: (x @ W).mean(axis=1, keepdims=True), ("m", 1)),
        (lambda x: (x @ W).mean(axis=0, keepdims=True), (1, 2)),
        (lambda x: x @ W - (x @ W).mean(axis=0, keepdims=True), ("m", 2)),
        (lambda x: (x @ W).softmax(1), ("m", 2)),
        (lambda x: (x @ W).amax(axis=1), ("m",)),
        (lambda x: (x @ W).logsumexp(axis=0, keepdims=True), (1, 2)),
        (lambda x: (x @ W).cumsum(axis=0), ("m", 2)),
        (lambda x: (x @ W).flip(0), ("m", 2)),
        (lambda x: (x @ W).roll(1, 0), ("m", 2)),
        (lambda x: (x @ W).unsqueeze(1), ("m", 1, 2)),
        (lambda x: (x @ W).unsqueeze(1).squeeze(1), ("m", 2)),
        (lambda x: (x @ W)[:, 0], ("m",)),
        (lambda x: (x @ W)[0], (2,)),
        (lambda x: (x @ W)[..., None], ("m", 2, 1)),
        (lambda x: (x @ W)[:, 1:], ("m", 1)),
        (lambda x: (x @ W).reshape(-1, 1, 2), ("m", 1, 2)),
        (lambda x: (x @ W[:, :1]).reshape(-1), ("m",)),
        (lambda x: tc.einsum("ij,jk->ki", x, W), (2, "m")),
        (lambda x: tc.where(x @ W > 0, x @ W, 0.0), ("m", 2)),
        (lambda x: tc.stack([x @ W, x @ W]).sum(axis=0), ("m", 2)),
        (lambda x: W[NUMBERS], ("m", 2)),
        (lambda x: (x @ W).gather(1, NUMBERS[:, None] % 2), ("m", 1)),
        (lambda x: (x @ W).permute(1, 0), (2, "m")),
        (lambda x: tc.outer((x @ W)[:, 0], (x @ W)[:, 1]), ("m", "m")),
    ],
)
def test_lengths(compute, expected):
    assert lengths(compute(data(5, 3))) == expected


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: (x @ W)[1:4].tanh(),  # how many are left is a number
        lambda x: tc.cat([x @ W, x @ W]),
        lambda x: tc.pad(x @ W, (0, 0, 1, 0)),
        lambda x: (x @ W).reshape(-1),
        lambda x: (x @ W).cumsum(),
        lambda x: (x @ W).reshape(2, 5),
        lambda x: tc.einsum("ii->i", x[:3] * parameter(3, 3)),
    ],
)
def test_what_depends_on_the_number_of_examples_fixes_it(compute):
    """A graph that holds for these examples only has no m."""
    y = compute(data(5, 3))
    graph = Graph.of((y * y).sum(), backward=True)
    assert "m" not in Sizes.of(graph).symbols()
    assert derive(graph).m is None


def test_a_cut_of_the_features_leaves_m():
    y = tc.cat([data(5, 3) @ W, data(5, 3)[:, :2] * 2], axis=1)[:, 1:]
    assert lengths(y)[0] == "m"


# --- names ----------------------------------------------------------------------------------------


def test_layers_have_units():
    model = nn.Sequential(nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 2))
    graph = Graph.of(model(data(5, 3)))
    sizes = Sizes.of(graph)
    found = {n.name: sizes.lengths(n.index) for n in graph}
    assert found["X"] == ("m", "n[0]")
    assert found["W[1]"] == ("n[0]", "n[1]") and found["b[1]"] == ("n[1]",)
    assert found["A[1]"] == ("m", "n[1]") and found["Z[2]"] == ("m", "n[2]")
    assert sizes.symbols() == {"m": 5, "n[0]": 3, "n[1]": 4, "n[2]": 2}


def test_several_numbers_of_examples():
    y = (data(5, 3) @ W) @ (data(7, 3, name="K") @ W).T
    assert lengths(y) == ("m", "k")


@pytest.mark.parametrize("name", ["m", "k"])
def test_a_symbol_is_never_the_name_of_a_tensor(name):
    w = parameter(3, 2, name=name)
    sizes = Sizes.of(Graph.of((data(5, 3) @ w) @ (data(7, 3, name="K") @ w).T))
    assert name not in sizes.symbols()
    assert len(sizes.symbols()) == 2
    assert set(sizes.symbols()) <= set(COUNTS)


def test_more_kinds_of_examples_than_symbols():
    w = parameter(1)
    total = sum(((data(k + 2, name=f"X{k}") * w).sum() for k in range(9)), start=w.sum())
    found = derive(total.tanh())
    assert len(found.sizes.symbols()) == len(COUNTS)


# --- one example ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_one_example_is_an_m_too(layout):
    """The bias is then not the example, nor are units of a layer of one unit."""
    x = data(1, 3) if layout == "rows" else data(3, 1)
    model = nn.Sequential(
        nn.Dense(3, 4, activation="tanh", layout=layout), nn.Dense(4, 1, layout=layout)
    )
    labels = data(1, 1, name="Y")
    graph = Graph.of(nn.MSELoss()(model(x), labels), backward=True)
    sizes = Sizes.of(graph)
    m = 0 if layout == "rows" else 1
    for name in ("X", "Z[1]", "A[1]", "Z[2]"):
        assert sizes.lengths(graph.find(name).index)[m] == "m"
        assert sizes.lengths(graph.find(name).index)[1 - m] != "m"
    assert "m" not in sizes.lengths(graph.find("b[1]").index)


def test_of_axes_of_length_one_only_one_counts_examples():
    """Y of shape (m, 1): the 1 is no number of examples where another is."""
    loss = ((data(5, 3) @ parameter(3, 1) - data(5, 1, name="Y")) ** 2).mean()
    d = derive(loss)
    assert d.sizes.symbols() == {"m": 5}
    assert d.write(d.by_name["J"]) == "J = (1/m) np.sum(v²)"


def test_a_cost_of_shape_one_by_one_has_no_examples():
    loss = data(1, 5, name="c") @ (data(5, 3) @ parameter(3, 1)).tanh()
    graph = Graph.of(loss, backward=True)
    assert Sizes.of(graph).lengths(graph.outputs[0].index) == (1, 1)


def test_what_stands_for_repetition_meets_no_example():
    """The sum over features, kept as an axis, beside data of one column."""
    w = parameter(4, 3)
    y = w.sum(axis=1, keepdims=True) * data(4, 1, name="c")
    assert Sizes.of(Graph.of(y)).symbols() == {}
    assert lengths(y) == (4, 1)
