"""Lines: which values get an equation, in which order and under which name; and computing them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_samples import COMPOSED, OPS
from test_registry import each, fill, leaves, run, weights

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.derivation import Derivation, derive
from tinygrad_course.graph import Graph

sys.path.insert(0, str(Path(__file__).parent))  # its own helpers, as in conftest.py

import verified_models as models  # noqa: E402

M = 6
DATA = models.Data(M, "columns")


def shallow(**options: Any) -> Derivation:
    tc.manual_seed(0)
    model = DATA.network(3, 4, 1, last="sigmoid")
    return derive(nn.BCELoss()(model(DATA.X), DATA.binary), **options)


def names(d: Derivation, section: str | None = None) -> list[str]:
    return [line.name for line in d.lines if section in (None, line.section)]


def check(d: Derivation) -> None:
    """What holds for every derivation."""
    known = {n.name for n in d.leaves}
    assert len(known) == len(d.leaves)
    order = ("forward", "cost", "backward", "update")
    places = [order.index(line.section) for line in d.lines]
    assert places == sorted(places)
    for line in d.lines:
        assert line.name not in known  # no two values are called alike
        assert set(d.reads(line)) <= known  # each line reads what stands before it
        known.add(line.name)
        if line.same_as is None:
            assert d.body(line)[-1] == line.index
            assert d.name_of(line.index) == line.name
        if line.of is not None:
            assert line.section == "backward"
        for form in ("text", "latex"):
            assert d.write(line, form)
    written = [d.write(line) for line in d.lines]
    assert len(set(written)) == len(written)
    assert max(map(len, written), default=0) < 600


@each(OPS, COMPOSED)
def test_every_operation(name, sample):
    total = None
    outputs = run(name, sample, fill(sample, leaves(sample)))
    for y, w in zip(outputs, weights(outputs), strict=True):
        if y.requires_grad:
            part = (y * w).sum()
            total = part if total is None else total + part
    if total is not None:
        for simplify in (True, False):
            check(derive(total, simplify=simplify))


def test_every_model():
    sources = [
        *models.layers(M), *models.expressions(M), *models.written_by_hand(M, "columns"),
        *models.losses(M, "rows", "mean"), *models.activations(M, "rows"),
    ]  # fmt: skip
    for _, loss in sources:
        for simplify in (True, False):
            check(derive(loss, simplify=simplify))


# --- which lines ----------------------------------------------------------------------------------


def test_the_shallow_network_has_four_lines_forward_and_six_backward():
    """Ng, Deep Learning Specialization, course 1, week 3."""
    d = shallow()
    assert names(d, "forward") == ["Z[1]", "A[1]", "Z[2]", "A[2]"]
    assert names(d, "cost") == ["J"]
    assert names(d, "backward") == ["dZ[2]", "dW[2]", "db[2]", "dZ[1]", "dW[1]", "db[1]"]
    assert [n.name for n in d.leaves] == ["W[1]", "X", "b[1]", "W[2]", "b[2]", "Y"]
    assert d.m == M
    assert {line.name: line.of for line in d.lines if line.of} == {
        f"d{v}": v for v in ("Z[2]", "W[2]", "b[2]", "Z[1]", "W[1]", "b[1]")
    }


def test_dz_of_the_course_is_m_times_the_derivative():
    course, exact = shallow(), shallow(mean="exact")
    assert {line.name for line in course.lines if line.scale} == {"dZ[2]", "dZ[1]"}
    assert not any(line.scale for line in exact.lines)
    a, b = course.evaluate(), exact.evaluate()
    for name in ("dZ[1]", "dZ[2]"):
        np.testing.assert_allclose(a[name], M * b[name], rtol=1e-13)
    for name in ("dW[1]", "db[1]", "dW[2]", "db[2]"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-13)


def test_numbers_have_a_line_for_every_step():
    a, b, c = (
        tc.tensor(v, requires_grad=True, name=n) for v, n in ((5.0, "a"), (3.0, "b"), (2.0, "c"))
    )
    d = derive(3 * (a + b * c))
    assert d.scalar
    assert names(d, "forward") == ["u", "v", "J"]
    assert sorted(names(d, "backward")) == ["da", "db", "dc", "du", "dv"]
    values = d.evaluate()
    assert [values[n] for n in ("u", "v", "J", "dv", "da", "du", "db", "dc")] == [
        6, 11, 33, 3, 3, 3, 6, 9,
    ]  # fmt: skip


def test_wrt_leaves_out_the_rest():
    model = DATA.network(3, 4, 1, last="sigmoid")
    loss = nn.BCELoss()(model(DATA.X), DATA.binary)
    for wrt in (model[1].W, "W[2]", [model[1].W]):
        backward = names(derive(loss, wrt), "backward")
        assert backward in (["dZ[2]", "dW[2]"], ["dW[2]"])
    assert "dA[1]" not in names(derive(loss, [model[0].b]), "backward")


def test_long_expressions_are_split():
    w = tc.tensor(np.ones((3, 1)), requires_grad=True, name="w")
    z = DATA.X.T @ w
    total = z
    for k in range(60):
        total = (total * z.sin()).cos() if k % 2 else total / (1 + z * z) - 0.5
    check(derive(total.mean()))
    check(derive(total.mean(), simplify=False))


def test_numbers_on_the_way_to_arrays_stand_before_them():
    """s is a number, but no cost: A reads it."""
    w = tc.tensor(np.ones((3, 1)), requires_grad=True, name="w")
    s = (w * w).sum().sqrt()
    s.name = "s"
    A = (DATA.X.T @ w / s).tanh()
    A.name = "A"
    d = derive((A * A).mean())
    check(d)
    assert names(d, "forward").index("s") < names(d, "forward").index("A")
    assert names(d, "cost") == ["J"]


def test_updates_come_last():
    model = DATA.network(3, 1, last="sigmoid")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(X: Any, Y: Any) -> Any:
        loss = nn.BCELoss()(model(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    d = derive(tc.trace(step, DATA.X, DATA.binary))
    check(d)
    assert {"W[1]_new", "b[1]_new"} <= set(names(d, "update"))
    assert set(names(d)[-4:]) <= set(names(d, "update"))


def test_several_outputs():
    w = tc.tensor(np.ones((3, 1)), requires_grad=True, name="w")
    z = DATA.X.T @ w
    d = derive(Graph.of([z.tanh().mean(), (z * z).sum()], backward=True))
    check(d)
    assert {n.name for n in d.graph.outputs} <= set(names(d))


def test_a_derivative_of_a_derivative():
    w = tc.tensor(np.ones((3, 1)), requires_grad=True, name="w")
    (slope,) = tc.autograd.grad(((DATA.X.T @ w) ** 4).sum(), [w], create_graph=True)
    d = derive((slope * slope).sum())
    check(d)
    x = DATA.X.numpy()
    z = x.T @ np.ones((3, 1))
    first = x @ (4 * z**3)
    np.testing.assert_allclose(d.evaluate()["dw"], x @ (12 * z**2 * (x.T @ (2 * first))), 1e-12)


# --- computing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 5, 7])
@pytest.mark.parametrize("traced", [1, 6])
def test_other_numbers_of_examples(m, traced):
    """What is derived from 1 or 6 examples computes the gradients for others."""
    data, other = models.Data(traced, "columns"), models.Data(m, "columns")
    model = data.network(3, 4, 1, last="sigmoid")
    d = derive(nn.BCELoss()(model(data.X), data.binary))
    values = d.evaluate({"X": other.X.numpy(), "Y": other.binary.numpy()})
    loss = nn.BCELoss()(model(other.X), other.binary)
    loss.backward()
    np.testing.assert_allclose(values["J"], loss.item(), rtol=1e-13)
    for p in model.parameters():
        np.testing.assert_allclose(values[f"d{p.name}"], p.grad.numpy(), rtol=1e-12, atol=1e-15)
    assert values["dZ[1]"].shape == (4, m)


def test_other_values_of_parameters():
    d = shallow()
    at = d.evaluate()
    step = 1e-6
    for sign in (1, -1):
        moved = at["W[1]"].copy()
        moved[2, 1] += sign * step
        at[f"J{sign}"] = d.evaluate({"W[1]": moved})["J"]
    slope = (at["J1"] - at["J-1"]) / (2 * step)
    np.testing.assert_allclose(at["dW[1]"][2, 1], slope, rtol=1e-7)


def test_given_values_take_the_place_of_a_line():
    d = shallow()
    plain = d.evaluate()
    wrong = d.evaluate(given={"dZ[2]": 2 * plain["dZ[2]"]})
    np.testing.assert_array_equal(wrong["dZ[2]"], plain["dZ[2]"])  # what the line itself computes
    np.testing.assert_allclose(wrong["dW[2]"], 2 * plain["dW[2]"])
    np.testing.assert_array_equal(wrong["A[2]"], plain["A[2]"])


def dropout() -> Derivation:
    X = models.Data(M, "rows").X
    model = nn.Sequential(nn.Linear(3, 4, dtype=tc.float64), nn.Dropout(0.5))
    return derive((model(X) ** 2).mean())


def test_what_was_drawn_is_not_drawn_anew():
    d = dropout()
    (mask,) = (n.name for n in d.graph if n.op is not None and n.op.kind == "random")
    first, second = d.evaluate(), d.evaluate()
    np.testing.assert_array_equal(first[mask], second[mask])
    np.testing.assert_array_equal(first["dW[1]"], second["dW[1]"])
    assert mask in names(d)
    # Deriving and computing leave the generator alone.
    tc.manual_seed(3)
    expected = tc.rand(4).numpy()
    tc.manual_seed(3)
    d.evaluate()
    np.testing.assert_array_equal(tc.rand(4).numpy(), expected)


def test_a_mask_for_other_examples_is_given():
    d = dropout()
    other = models.Data(2, "rows").X.numpy()
    (mask,) = (n.name for n in d.graph if n.op is not None and n.op.kind == "random")
    with pytest.raises(errors.GraphError, match="drawn at random"):
        d.evaluate({"X": other})
    drawn = np.array([[2.0, 0.0, 0.0, 2.0], [0.0, 2.0, 2.0, 0.0]])
    values = d.evaluate({"X": other}, {mask: drawn})
    np.testing.assert_allclose(values["J"], np.mean((values["Z[1]"] * drawn) ** 2))


def test_overwritten_values_are_asked_for():
    d = shallow()
    value = d.graph.find("W[1]").value
    d.graph.find("W[1]").value = None
    with pytest.raises(errors.GraphError, match=r"'W\[1\]' was overwritten"):
        d.evaluate()
    assert d.evaluate({"W[1]": value})["dW[1]"].shape == (4, 3)


# --- bad input ------------------------------------------------------------------------------------


def test_bad_sources():
    with pytest.raises(errors.DtypeError, match="got str, expected the loss"):
        derive("J")
    with pytest.raises(errors.ArgumentError, match="mean is 'course' or 'exact', got 'sum'"):
        shallow(mean="sum")
    with pytest.raises(errors.GraphError, match="nothing was recorded"):
        derive(tc.ones(3))


def test_wrt_that_is_not_there():
    with pytest.raises((errors.GraphError, errors.ArgumentError), match="'V'"):
        shallow(wrt="V")
    with pytest.raises(errors.GraphError):
        shallow(wrt=[tc.ones(2, requires_grad=True)])
