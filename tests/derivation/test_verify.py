"""Equations and programs against autodiff: every operation, layer, loss, optimizer, random graphs.

`verify` replays the recorded operations in float64 and differentiates them; the lines, their
printed equations (read back) and the emitted program must agree with that to 1e-12, for the number
of examples that was recorded and for another.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from op_samples import COMPOSED, OPS
from test_random_graphs import LEAVES, MORE, build, graphs
from test_registry import arrays_of, each, fill, leaves, run, weights

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.derivation import equations
from tinygrad_course.derivation.rewriter import Coefficient, Rewriter
from tinygrad_course.derivation.rules import RULES
from tinygrad_course.derivation.source import Program, source
from tinygrad_course.derivation.verify import Verification, difference, verify
from tinygrad_course.derivation.writer import Writer

sys.path.insert(0, str(Path(__file__).parent))  # its own helpers, as in conftest.py

import verified_models as models  # noqa: E402

TOLERANCE = 1e-12


def check(loss: Any, other_m: bool = True, **options: Any) -> Verification:
    """Assert that all agree, also for another number of examples."""
    found = verify(loss, tolerance=TOLERANCE, **options)
    assert found and found.checks
    if other_m:
        assert len(found.counts) == 2 and not found.notes
    return found


# --- everything that the package has --------------------------------------------------------------


def weighted(outputs: list[Any]) -> Any:
    """Return a sum of the outputs with weights, which are data; None without a derivative."""
    total = None
    for k, (y, w) in enumerate(zip(outputs, weights(outputs), strict=True)):
        if y.requires_grad:
            part = (y * tc.tensor(w, name=f"c{k}")).sum()
            total = part if total is None else total + part
    return total


@each(OPS, COMPOSED)
def test_every_operation_of_parameters(name, sample):
    loss = weighted(run(name, sample, fill(sample, leaves(sample))))
    if loss is not None:
        check(loss, other_m=False, mean="exact", program=False)


@each(OPS, COMPOSED)
def test_every_operation_of_data(name, sample):
    """Data with any number of examples, moved by a parameter."""
    moved = [
        tc.tensor(a, name=f"X{k}") + tc.tensor(np.float64(0.01), requires_grad=True, name=f"p{k}")
        for k, a in enumerate(arrays_of(sample))
    ]
    loss = weighted(run(name, sample, fill(sample, moved)))
    if loss is None:
        return  # no derivative
    # Some samples index with numbers that need as many examples: then verify says so.
    assert verify(loss, tolerance=TOLERANCE)
    assert verify(loss, simplify=False, program=False, tolerance=TOLERANCE)


CASES = [(m, layout) for m in (1, 6) for layout in ("rows", "columns")]


@pytest.mark.parametrize(("m", "layout"), CASES)
def test_every_activation(m, layout):
    for _, loss in models.activations(m, layout):
        check(loss)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("m", "layout"), CASES)
def test_every_loss(m, layout, reduction):
    for name, loss in models.losses(m, layout, reduction):
        picked = name.startswith("NLL") and m == 1  # one label may be one to ignore
        check(loss, other_m=not picked)


@pytest.mark.parametrize(("m", "layout"), CASES)
def test_costs_written_by_hand(m, layout):
    for _, loss in models.written_by_hand(m, layout):
        check(loss)


@pytest.mark.parametrize("m", [1, 6])
def test_every_layer(m):
    for _, loss in models.layers(m):
        check(loss)


@pytest.mark.parametrize("m", [2, 6])
def test_expressions(m):
    for _, loss in models.expressions(m):
        check(loss)


@pytest.mark.parametrize("mean", ["course", "exact"])
def test_both_conventions_without_simplifying(mean):
    for _, loss in [*models.layers(6), *models.written_by_hand(6, "columns")]:
        check(loss, mean=mean, program=False)
        check(loss, mean=mean, simplify=False, program=False)


def test_float32_is_compared_in_float64():
    data = models.Data(6, "columns", np.float32)
    model = data.network(3, 4, 1, last="sigmoid")
    check(nn.BCELoss()(model(data.X), data.binary))
    P = data.network(3, 4, last="softmax")(data.X)
    check(-(data.soft * P.log()).sum(axis=0).mean())


@pytest.mark.parametrize(
    "made",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.AdamW(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.01),
        lambda p: optim.Adagrad(p, lr=0.01),
        lambda p: optim.Adadelta(p),
        lambda p: optim.Adamax(p, lr=0.01),
        lambda p: optim.NAdam(p, lr=0.01),
        lambda p: optim.RAdam(p, lr=0.01),
        lambda p: optim.ASGD(p, lr=0.01),
        lambda p: optim.Rprop(p, lr=0.01),
    ],
)
def test_every_optimizer(made):
    """The updates of a traced training step are lines too."""
    data = models.Data(6, "rows")
    model = data.network(3, 2, 1, last="sigmoid")
    optimizer = made(model.parameters())

    def step(X: Any, Y: Any) -> Any:
        loss = nn.BCELoss()(model(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    found = check(tc.trace(step, data.X, data.binary))
    assert {"W[1]_new", "b[2]_new"} <= {c.name for c in found.checks}


@settings(max_examples=MORE * 15)
@given(graphs)
def test_random_graphs(steps):
    points = [tc.tensor(v) * tc.tensor(np.float64(0.9), requires_grad=True) for v in LEAVES]
    graph = tc.Graph.of(build(steps, points), backward=True)
    assert verify(graph, tolerance=TOLERANCE)
    assert verify(graph, mean="exact", simplify=False, program=False, tolerance=TOLERANCE)


# --- what else is a source ------------------------------------------------------------------------


def shallow(layout: str = "columns", m: int = 400) -> Any:
    data = models.Data(m, layout)
    return nn.BCELoss()(data.network(3, 4, 1, last="sigmoid")(data.X), data.binary)


def test_the_verdict_is_one_line():
    found = check(shallow())
    assert str(found) == (
        f"verified: equations and program agree with autodiff to {found.largest:.1e} "
        "(6 derivatives, m = 400 and m = 5)"
    )
    assert {c.what for c in found.checks} == {"lines", "equations", "program"}
    assert found.where in {c.name for c in found.checks}


def test_sheets_and_programs():
    loss = shallow()
    for sheet in (equations(loss), equations(loss, shapes=True, steps=True)):
        check(sheet)
    for program in (source(loss), source(loss, style="exact"), source(loss, functions="layers")):
        check(program)


@pytest.mark.parametrize("notation", ["rows", "columns", "welch"])
def test_other_notations_have_the_same_gradients(notation):
    for layout in ("rows", "columns"):
        found = check(shallow(layout, 6), notation=notation)
        assert {"dW[1]", "db[2]"} <= {c.name for c in found.checks}


def test_a_forward_pass_alone():
    X = models.Data(6, "rows").X
    found = check(nn.Linear(3, 2, dtype=tc.float64)(X))
    assert "forward pass" in str(found)


def test_several_outputs():
    w = tc.tensor([[1.0], [2.0]], requires_grad=True, name="w")
    X = tc.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], name="X")
    z = X @ w
    check(tc.Graph.of([z.tanh().mean(), (z * z).sum()], backward=True))


def test_some_parameters_only():
    data = models.Data(6, "rows")
    model = data.network(3, 2, 1)
    found = check(nn.MSELoss()(model(data.X), data.binary), wrt=[model[1].W])
    assert "dW[1]" not in {c.name for c in found.checks}


def test_numbers_of_the_slides():
    a, b, c = (
        tc.tensor(v, requires_grad=True, name=n) for v, n in ((5.0, "a"), (3.0, "b"), (2.0, "c"))
    )
    check(3 * (a + b * c), other_m=False)


@pytest.mark.parametrize(
    "name",
    ["m", "np", "sigmoid", "max", "lambda", "a b", "a  b", "2nd", "-", "a = b", "x²", "f(x)", "σ"],
)
def test_any_name_of_a_tensor(name):
    w = tc.tensor([[1.0], [-2.0], [0.5]], requires_grad=True, name=name)
    X = tc.tensor(np.random.default_rng(0).normal(size=(6, 3)), name="X")
    check((X @ w).sigmoid().mean(), other_m=name != "m")


def test_names_that_programs_would_confuse():
    first, second = (
        tc.tensor([[1.0], [-2.0]], requires_grad=True, name=name) for name in ("W[1]", "W1")
    )
    X = tc.tensor([[0.5, 1.0], [-1.0, 2.0], [3.0, 1.0]], name="X")
    check(((X @ first) * (X @ second).tanh()).mean())


def test_data_that_are_one_less_others():
    """1 − Y given as data of its own, which the derivation writes as 1 − Y."""
    data = models.Data(6, "rows", np.float32)
    a = data.network(3, 1, last="sigmoid")(data.X)
    other = tc.tensor(1 - data.binary.numpy())
    found = check(-(data.binary * a.log() + other * (1 - a).log()).mean())
    assert len(found.counts) == 2


def test_saturated_networks_are_compared_where_they_are_not():
    """Where σ is 1 exactly, the guard of the loss shows; the course's A − Y has none."""
    w = tc.tensor([[900.0]], requires_grad=True, name="w", dtype=tc.float64)
    X = tc.tensor([[1.0], [-2.0], [0.5]], dtype=tc.float64)
    Y = tc.tensor([[1.0], [1.0], [0.0]], dtype=tc.float64)
    check(nn.BCELoss()((X @ w).sigmoid(), Y))


def test_a_model_for_one_number_of_examples_says_so():
    w = tc.tensor(np.arange(4.0), requires_grad=True, name="w")
    X = tc.tensor([0.5, 1.0, 2.0, 3.0], name="X")
    index = tc.tensor([3, 1, 0, 2], name="I")
    found = verify((w * X[index].exp()).sum())
    assert found
    E = tc.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="E")
    rows = tc.tensor(np.array([[0], [1]]))
    found = verify((tc.gather(E, 1, rows) * tc.tensor([[2.0], [3.0]])).sum())
    assert found


class Cube(tc.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


def test_operations_of_ones_own_have_equations_but_no_program():
    w = tc.tensor([[1.0], [2.0]], requires_grad=True, name="w")
    X = tc.tensor([[1.0, 2.0], [3.0, -1.0]], name="X")
    found = verify(Cube.apply(X @ w).mean(), tolerance=TOLERANCE)
    assert found and {c.what for c in found.checks} == {"lines", "equations"}
    assert "no program" in found.notes[0] and "Cube" in str(found)


# --- what is wrong is found -----------------------------------------------------------------------


def test_a_wrong_rule_is_found(monkeypatch):
    def wrong(r: Any, op: str, inputs: Any, params: Any) -> Any:
        return inputs[0] if r.backward and inputs[0] == inputs[1] else None  # a · a = a

    monkeypatch.setitem(RULES, "mul", [wrong, *RULES["mul"]])
    with pytest.raises(errors.GraphError, match=r"the line of dZ\[1\] for m = 400 differs"):
        verify(shallow())
    found = verify(shallow(), raise_exception=False)
    assert not found and found.first.name == "dZ[1]"
    assert str(found).startswith("wrong: the line of dZ[1] for m = 400")


def test_an_m_that_is_a_number_is_found(monkeypatch):
    count = Rewriter.count_of

    def fixed(self: Rewriter, x: int, axis: Any) -> Coefficient:
        found = count(self, x, axis)
        return Coefficient(400) if found.powers else found

    monkeypatch.setattr(Rewriter, "count_of", fixed)
    found = verify(shallow(), raise_exception=False)
    assert found.first.m == 5


def test_a_wrong_equation_is_found(monkeypatch):
    right = Writer.right

    def swapped(self: Writer, line: Any) -> str:
        return right(self, line).replace("A[2] - Y", "Y - A[2]")

    monkeypatch.setattr(Writer, "right", swapped)
    first = verify(shallow(), raise_exception=False).first
    assert (first.name, first.what) == ("dZ[2]", "equations")


def test_a_wrong_program_is_found(monkeypatch):
    evaluate = Program.evaluate

    def doubled(self: Program, *args: Any) -> Any:
        return {k: 2 * v if k == "dW[2]" else v for k, v in evaluate(self, *args).items()}

    monkeypatch.setattr(Program, "evaluate", doubled)
    first = verify(shallow(), raise_exception=False).first
    assert (first.name, first.what) == ("dW[2]", "program")
    assert 0.33 < first.difference < 0.34  # ‖2a − a‖ / (‖2a‖ + ‖a‖)


def test_a_wrong_notation_is_found(monkeypatch):
    module = sys.modules["tinygrad_course.derivation.verify"]
    monkeypatch.setattr(module, "relayout", lambda loss, notation: loss * 2)
    found = verify(shallow("rows", 6), notation="columns", raise_exception=False)
    assert found.first.name == "dW[2]" and 0.33 < found.first.difference < 0.34


# --- bad input ------------------------------------------------------------------------------------


def test_values_that_were_overwritten():
    data = models.Data(6, "rows")
    model = data.network(3, 1)
    graph = tc.Graph.of(nn.MSELoss()(model(data.X), data.binary), backward=True)
    graph.find("W[1]").value = None
    with pytest.raises(errors.GraphError, match=r"'W\[1\]' was overwritten"):
        verify(graph)


def test_what_is_no_loss():
    with pytest.raises(errors.DtypeError):
        verify("J")
    with pytest.raises(errors.GraphError, match="nothing was recorded"):
        verify(tc.ones(3))


# --- the difference -------------------------------------------------------------------------------


def test_difference():
    assert difference([1.0, 2.0], [1.0, 2.0]) == 0
    assert difference([3.0], [1.0]) == 0.5
    assert difference([3.0], [1.0], floor=8.0) == 0.25
    assert difference([1.0], [[1.0]]) == np.inf
    assert difference([np.inf, np.nan], [np.inf, np.nan]) == 0
    assert difference([np.inf], [1.0]) == difference([np.nan], [0.0]) == np.inf
    assert difference([1e300], [-1e300]) == 1.0  # squares that would overflow
    assert difference([], []) == 0
