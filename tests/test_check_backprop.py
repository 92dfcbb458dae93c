"""Backpropagation by hand: what is wrong is found and named, what is right is left alone."""

from __future__ import annotations

import importlib.util
import os
import re
import types
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from bug_catalogue import Bug, bugs, variants
from bug_catalogue_programs import CHECKING_LAB, LOGISTIC, PROGRAMS, SHALLOW, WELCH
from op_samples import OPS

import tinygrad_course as tc
from tinygrad_course import nn, op
from tinygrad_course.checking.verdicts import BackpropReport
from tinygrad_course.naming import compact
from tinygrad_course.tensor import apply

LEARNERS = Path(__file__).parent / "learners"
# HYPOTHESIS_PROFILE=thorough tries all of the catalogue, handed in in every way.
EVERY = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
BUGS = [b for i, b in enumerate(bugs(EVERY)) if EVERY or i % 5 < 3]
VARIANTS = [v for i, v in enumerate(variants()) if EVERY or i % 5 < 3]
# Welch counts the input as layer 1; where he names nothing, our names stand.
WELCH_NAMES = {
    **{"z2": "Z1", "a2": "A1", "z3": "Z2", "yHat": "A2", "delta3": "dZ2", "delta2": "dZ1"},
    **{"dJdW2": "dW2", "dJdW1": "dW1"},
}


@lru_cache(maxsize=16)
def graph(name: str, seed: int, m: int) -> tc.Graph:
    program = next(p for p in PROGRAMS if p.name == name)
    return tc.Graph.of(program.model(program.inputs(seed, m)), backward=True)


def plain(text: str) -> str:
    """Return a diagnosis without the signs that patterns would have to spell."""
    return text.replace("−", "-").replace("²", "**2")


def is_named(bug: Bug, report: BackpropReport) -> bool:
    """Return True when the report blames the right value for the right mistake."""
    first = report.first
    assert first is not None
    ours = bug.words
    for own, other in WELCH_NAMES.items():
        ours = ours.replace(own, other)
    said = plain(first.diagnosis)
    if not any(re.search(words, said) for words in (bug.words, ours)):
        return False
    if bug.kinds != ("",) and first.kind not in bug.kinds:
        return False
    handed_in = bug.target in {v.name for v in report}
    return not handed_in or bug.target in (first.name, first.culprit)


# --- the catalogue --------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_the_programs_are_right_by_central_differences(program):
    inputs = program.inputs(seed=5, m=program.sizes[-1])
    computed = program.run(inputs)
    cost = "J" if "J" in computed else "cost"
    np.testing.assert_allclose(program.model(inputs).item(), computed[cost], rtol=1e-12)
    rng = np.random.default_rng(0)
    for name, of in program.gradients.items():
        start = np.asarray(inputs[of], np.float64)
        gradient = np.asarray(computed[name])
        assert gradient.shape == start.shape
        for _ in range(4):  # along random directions, which all entries take part in
            direction = rng.normal(size=start.shape)
            up, down = (
                program.run({**inputs, of: start + s * 1e-6 * direction})[cost] for s in (1, -1)
            )
            slope = float(np.sum(gradient * direction))
            assert (up - down) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_catalogue_is_large_and_every_bug_changes_its_value():
    assert len({(b.program.name, b.target, b.expression) for b in BUGS}) >= 350
    assert len(VARIANTS) >= 250
    for bug in BUGS:
        wrong = np.asarray(bug.computed[bug.target])
        right = np.asarray(bug.program.run(bug.inputs)[bug.target])
        assert wrong.shape != right.shape or np.abs(wrong - right).max() > 1e-5, bug.id


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_bugs_are_found_and_named(program):
    own = [b for b in BUGS if b.program is program]
    unnamed = []
    for bug in own:
        report = tc.check_backprop(graph(program.name, bug.seed, bug.m), bug.results)
        assert not report.passed, bug.id
        if not is_named(bug, report):
            unnamed.append(f"{bug.id}: {report.first.diagnosis}")
    assert len(unnamed) <= 0.1 * len(own), "\n".join(unnamed)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_what_is_right_is_left_alone(program):
    for variant in VARIANTS:
        if variant.program is program:
            report = tc.check_backprop(program.model(variant.inputs), variant.results)
            assert report.passed, f"{variant.name}\n{report}"
            assert report.first is None


# --- the sentences of the labs --------------------------------------------------------------------


def learner(name: str):
    spec = importlib.util.spec_from_file_location(name, LEARNERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lab():
    inputs = CHECKING_LAB.inputs(seed=3, m=8)
    return types.SimpleNamespace(inputs=inputs, J=CHECKING_LAB.model(inputs))


def edited(tmp_path: Path, name: str, *edits: tuple[str, str]) -> Path:
    text = (LEARNERS / f"{name}.py").read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_two_mistakes_of_the_gradient_checking_lab(lab):
    report = tc.check_backprop(lab.J, learner("checking_lab").backward_propagation_n)
    assert not report
    assert [v.name for v in report if not v.ok] == ["dW2", "db1"]
    assert report.first.name == "dW2"
    assert report["dW2"].diagnosis.startswith("dW2 is exactly 2.00 × the derivative")
    assert report["db1"].diagnosis == "db1 is 4 × too large: (4/m) where (1/m) belongs."
    # ‖2g − g‖ / (‖2g‖ + ‖g‖) and ‖4g − g‖ / (‖4g‖ + ‖g‖)
    assert report["dW2"].difference == pytest.approx(1 / 3)
    assert report["db1"].difference == pytest.approx(3 / 5)


def test_the_lab_corrected_passes(lab, tmp_path):
    path = edited(tmp_path, "checking_lab", ("A1.T) * 2", "A1.T)"), ("4.0 / m", "1.0 / m"))
    report = tc.check_backprop(lab.J, path)
    assert report.passed and "passed" in str(report)


def test_an_error_is_blamed_where_it_arose():
    inputs = SHALLOW.inputs(seed=1, m=7)
    wrong = SHALLOW.run(inputs, SHALLOW.edited("dZ2", "Y - A2"))
    everything = {k: wrong[k] for k in ("dZ2", "dW2", "db2", "dZ1", "dW1", "db1")}
    report = tc.check_backprop(SHALLOW.model(inputs), everything)
    assert report.first.name == "dZ2"
    assert report.first.diagnosis == "dZ2 is Y − A2 instead of A2 − Y: the sign is wrong."
    assert all(v.inherited and v.culprit == "dZ2" for v in report if v.name != "dZ2")
    assert report["dW1"].mark == "inherits dZ2"


def test_an_error_in_what_was_not_handed_in_is_inferred():
    inputs = SHALLOW.inputs(seed=1, m=7)
    wrong = SHALLOW.run(inputs, SHALLOW.edited("dZ1", "np.dot(W2.T, dZ2)"))
    gradients = {k: wrong[k] for k in ("dW2", "db2", "dW1", "db1")}
    report = tc.check_backprop(SHALLOW.model(inputs), gradients)
    assert report.first.culprit == "dZ1"
    assert report.first.diagnosis == (
        "dZ1 lacks the factor 1 − A1². dW1 and db1 inherit it."
        if report.first.name == "dW1"
        else "dZ1 lacks the factor 1 − A1². db1 and dW1 inherit it."
    )
    assert report["dW2"].ok and report["db2"].ok


def test_two_mistakes_are_both_named():
    inputs = SHALLOW.inputs(seed=1, m=7)
    text = SHALLOW.edited("dZ1", "np.dot(W2.T, dZ2)")
    text = text.replace("dW1 = np.dot(dZ1, X.T) / m", "dW1 = np.dot(dZ1, X.T)")
    wrong = SHALLOW.run(inputs, text)
    report = tc.check_backprop(
        SHALLOW.model(inputs), {k: wrong[k] for k in ("dZ2", "dW2", "db2", "dZ1", "dW1", "db1")}
    )
    assert report["dZ1"].kind == "missing factor"
    assert report["dW1"].diagnosis.startswith("dW1 is exactly m × the derivative (m = 7)")
    assert report["db1"].inherited


def test_the_forward_is_compared_first():
    inputs = SHALLOW.inputs(seed=1, m=7)
    wrong = SHALLOW.run(inputs, SHALLOW.edited("Z2", "np.dot(W2, A1)"))
    values = {k: wrong[k] for k in ("Z1", "A1", "Z2", "A2", *SHALLOW.gradients)}
    first = tc.check_backprop(SHALLOW.model(inputs), values).first
    assert first.name == "Z2" and first.kind == "missing term"
    assert "Z2 lacks the term b2" in first.diagnosis
    assert "Your forward differs already at Z2" in first.diagnosis
    apart = tc.check_backprop(
        SHALLOW.model(inputs),
        {k: wrong[k] for k in SHALLOW.gradients},
        forward={k: wrong[k] for k in ("Z1", "A1", "Z2", "A2")},
    )
    assert apart.first.name == "Z2"


def test_keepdims_and_what_the_update_would_do():
    inputs = SHALLOW.inputs(seed=1, m=7)
    values = {k: v for k, v in SHALLOW.run(inputs).items() if k in SHALLOW.gradients}
    values["db1"] = values["db1"][:, 0]
    first = tc.check_backprop(SHALLOW.model(inputs), values).first
    assert first.diagnosis == (
        "db1 has the right numbers in shape (4,) instead of (4, 1): keepdims=True is missing; "
        "b1 − α · db1 would become (4, 4)."
    )


def test_both_conventions_for_dZ_and_no_mixture():
    inputs = SHALLOW.inputs(seed=1, m=7)
    course = SHALLOW.run(inputs)
    names = ("dZ2", "dZ1", *SHALLOW.gradients)
    values = {k: course[k] for k in names}
    report = tc.check_backprop(SHALLOW.model(inputs), values)
    assert report and any("m × the derivatives" in note for note in report.notes)
    exact = {k: v / 7 if k.startswith("dZ") else v for k, v in values.items()}
    report = tc.check_backprop(SHALLOW.model(inputs), exact)
    assert report and not report.notes
    mixed = {**values, "dZ1": values["dZ1"] / 7, "dW1": values["dW1"] / 7}
    assert not tc.check_backprop(SHALLOW.model(inputs), mixed)


# --- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deep", "shallow", "logistic"])
def test_right_functions_pass(name, lab):
    program = {"deep": CHECKING_LAB, "shallow": SHALLOW, "logistic": LOGISTIC}[name]
    inputs = program.inputs(seed=2, m=6)
    report = tc.check_backprop(program.model(inputs), learner(name))
    assert report.passed, str(report)


@pytest.mark.parametrize(
    ("edit", "function", "words"),
    [
        (
            ("np.dot(dZ, A_prev.T) / m", "np.dot(dZ, A_prev.T)"),
            "linear_backward",
            "linear_backward: dW3 is exactly m × the derivative",
        ),
        (
            ("np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ, axis=1)"),
            "linear_backward",
            "keepdims=True is missing",
        ),
        (("dZ[Z <= 0] = 0", "dZ[dA <= 0] = 0"), "relu_backward", "used dA2 instead of A2"),
        (("dA * s * (1 - s)", "dA * s"), "sigmoid_backward", "dZ3 lacks the factor 1 − A3"),
        (("np.dot(W.T, dZ)", "np.dot(W.T, dZ) / m"), "linear_backward", "exactly 1/m ×"),
        (
            ("-(np.divide(Y, AL)", "(np.divide(Y, AL)"),
            "L_model_backward",
            "dZ3 is Y − A3 instead of A3 − Y",
        ),
        (("np.dot(W, A) + b", "np.dot(W, A) - b"), "linear_forward", "b3 with the wrong sign"),
        (
            ("return dA_prev, dW, db\n\n\ndef linear_act", "return dW, db\n\n\ndef linear_act"),
            "linear_backward",
            "returned 2 values, expected 3: dA, dW, db",
        ),
        (("dW = np.dot(dZ, A_prev.T)", "dW = np.dot(dZ, A.T)"), "linear_backward", "NameError"),
        (("-1 / m * np.sum", "1 / m * np.sum"), "compute_cost", "wrong sign"),
        (
            ("relu_backward(dA, activation_cache)", "relu_backward(dA, linear_cache)"),
            "linear_activation_backward",
            "raised TypeError",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1][:30],
)
def test_the_wrong_function_is_named(edit, function, words, lab, tmp_path):
    report = tc.check_backprop(lab.J, edited(tmp_path, "deep", edit))
    assert not report.passed
    assert report.first.name.split(":")[0] == function
    assert words in report.first.diagnosis
    later = [v for v in report if not v.ok and not v.name.startswith(function)]
    assert all(v.inherited for v in later), str(report)


def test_functions_of_the_shallow_network_alone(tmp_path):
    inputs = SHALLOW.inputs(seed=2, m=6)
    J = SHALLOW.model(inputs)
    path = edited(tmp_path, "shallow", ("(1 - np.power(A1, 2))", "(1 - np.power(A2, 2))"))
    first = tc.check_backprop(J, path).first
    assert first.kind == "operand" or first.kind == "activation" or first.kind == "unknown"
    path = edited(tmp_path, "shallow", ("A1 = np.tanh(Z1)", "A1 = sigmoid(Z1)"))
    first = tc.check_backprop(J, path).first
    assert first.name == "forward_propagation: A1"
    assert "A1 is sigmoid(Z1) where tanh(Z1) belongs" in first.diagnosis
    module = learner("shallow")
    assert tc.check_backprop(J, module.backward_propagation)
    assert tc.check_backprop(
        J, module.backward_propagation, forward=module.forward_propagation
    ).passed


def test_logistic_regression_against_a_dense_layer():
    inputs = LOGISTIC.inputs(seed=2, m=6)
    layer = nn.Dense(3, 1, activation="sigmoid", layout="columns").double()
    layer.set_weights([inputs["w"].T, np.array([[inputs["b"]]])])
    output = nn.Sequential(layer)(tc.tensor(inputs["X"], name="X"))
    J = nn.BCELoss()(output, tc.tensor(inputs["Y"], name="Y"))
    assert tc.check_backprop(J, learner("logistic"))
    assert tc.check_backprop(J, learner("logistic").propagate)


def test_the_class_of_neural_networks_demystified(tmp_path):
    inputs = WELCH.inputs(seed=2, m=5)
    J = WELCH.model(inputs)
    network = learner("welch").Neural_Network()
    assert tc.check_backprop(J, network)
    assert not network.W1.any()  # it is left as it was
    wrong = learner("welch").Neural_Network()
    wrong.sigmoidPrime = lambda z: wrong.sigmoid(z)
    assert not tc.check_backprop(J, wrong)


def test_arguments_are_found_by_name_and_asked_for_by_name():
    inputs = SHALLOW.inputs(seed=2, m=6)
    J = SHALLOW.model(inputs)
    right = SHALLOW.run(inputs)

    def gradients(X, Y, W1, b1, W2, b2, A1, A2, Z1, m, parameters, cache):
        assert parameters["W1"].shape == W1.shape and m == X.shape[1]
        return {k: right[k] for k in SHALLOW.gradients}

    assert tc.check_backprop(J, gradients)

    def needs(X, lambd):
        return {k: right[k] for k in SHALLOW.gradients} if lambd == 0.7 else {}

    report = tc.check_backprop(J, needs)
    assert "wants 'lambd'" in report.diagnoses[0] and "inputs={'lambd': …}" in report.diagnoses[0]
    assert tc.check_backprop(J, needs, inputs={"lambd": 0.7})


def test_an_argument_changed_in_place_is_told():
    inputs = SHALLOW.inputs(seed=2, m=6)
    right = SHALLOW.run(inputs)

    def careless(parameters):
        parameters["W1"] -= 1.2
        return {k: right[k] for k in SHALLOW.gradients}

    report = tc.check_backprop(SHALLOW.model(inputs), careless)
    assert report.passed and "in place" in report.notes[0]


# --- plain NumPy forwards -------------------------------------------------------------------------


def numpy_cost(X, Y, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    A2 = 1 / (1 + np.exp(-(np.dot(parameters["W2"], A1) + parameters["b2"])))
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / X.shape[1]


def cut_cost(X, Y, parameters):
    return float(np.squeeze(np.array(numpy_cost(X, Y, parameters)))), {"A2": None}


def real_cost(X, Y, parameters):
    return float(np.real(numpy_cost(X, Y, parameters)))


@pytest.mark.parametrize(
    ("cost", "how"),
    [(numpy_cost, "recorded"), (cut_cost, "differences"), (real_cost, "differences")],
)
def test_a_numpy_forward(cost, how):
    inputs = SHALLOW.inputs(seed=2, m=6)
    parameters = {k: inputs[k] for k in ("W1", "b1", "W2", "b2")}
    given = {"X": inputs["X"], "Y": inputs["Y"], "parameters": parameters}
    right = {k: v for k, v in SHALLOW.run(inputs).items() if k in SHALLOW.gradients}
    report = tc.check_backprop(cost, right, inputs=given)
    assert report.passed, str(report)
    assert how in report.reference
    wrong = {**right, "dW2": right["dW2"] * 6, "dW1": -right["dW1"], "db1": right["db1"][:, 0]}
    report = tc.check_backprop(cost, wrong, inputs=given)
    assert "dW2 is exactly m × the derivative (m = 6)" in report["dW2"].diagnosis
    assert "wrong sign" in report["dW1"].diagnosis
    assert "keepdims" in report["db1"].diagnosis
    assert report["db2"].ok
    flat = {"X": inputs["X"], "Y": inputs["Y"], **parameters}
    assert tc.check_backprop(cost, right, inputs=flat)


def test_a_numpy_forward_by_a_complex_step():
    def cost(w):
        z = np.empty(3, dtype=w.dtype)  # what is written into an array is not recorded
        z[:] = w
        return np.sum(np.exp(z) * z)

    w = np.array([0.3, -1.2, 2.0])
    right = (1 + w) * np.exp(w)  # by hand
    report = tc.check_backprop(cost, {"dw": right}, inputs={"w": w})
    assert report.passed and "complex-step" in report.reference
    assert report["dw"].difference < 1e-14


def test_a_numpy_forward_that_raises_is_told():
    def cost(w):
        return np.sum(w @ np.ones(5))

    report = tc.check_backprop(cost, {"dw": np.ones(3)}, inputs={"w": np.ones(3)})
    assert not report and "cost raised ValueError" in report.diagnoses[0]


# --- names, shapes, dtypes ------------------------------------------------------------------------


@pytest.fixture
def shallow():
    inputs = SHALLOW.inputs(seed=2, m=6)
    right = {k: v for k, v in SHALLOW.run(inputs).items() if k in SHALLOW.gradients}
    return types.SimpleNamespace(J=SHALLOW.model(inputs), right=right)


def without(values, name, **more):
    return {**{k: v for k, v in values.items() if k != name}, **more}


def test_a_missing_gradient_and_a_misspelt_one(shallow):
    report = tc.check_backprop(shallow.J, without(shallow.right, "dW1"))
    assert not report and report["dW1"].kind == "missing"
    assert report["dW1"].diagnosis == "dW1 is missing."
    report = tc.check_backprop(shallow.J, without(shallow.right, "dW1", dw1=shallow.right["dW1"]))
    assert report.notes[0].startswith("dw1: did you mean dW1?")
    report = tc.check_backprop(shallow.J, without(shallow.right, "dW1", dWl=np.ones((4, 2))))
    assert report["dW1"].diagnosis == "dW1 is missing: your dWl looks like it. Did you mean dW1?"


def test_some_gradients_only(shallow):
    some = {"dW2": shallow.right["dW2"]}
    assert not tc.check_backprop(shallow.J, some)
    assert tc.check_backprop(shallow.J, some, wrt=["dW2"])
    assert tc.check_backprop(shallow.J, some, wrt="W[2]")
    assert not tc.check_backprop(shallow.J, {"dW2": -some["dW2"]}, wrt="dW2")


def test_names_of_ones_own(shallow):
    renamed = {f"grad_{'abcd'[i]}": v for i, v in enumerate(shallow.right.values())}
    names = dict(zip(renamed, shallow.right, strict=True))
    assert tc.check_backprop(shallow.J, renamed, names=names)
    renamed["grad_a"] = -renamed["grad_a"]
    assert tc.check_backprop(shallow.J, renamed, names=names).first.name == "grad_a"


def test_the_arguments_may_come_in_the_other_order(shallow):
    assert tc.check_backprop(shallow.right, shallow.J)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, "missing", "dW1 is None"),
        ("x", "dtype", "array of <U1"),
        ([[1.0, 2.0], [3.0]], "dtype", "rows differ in length"),
        (np.full((4, 2), np.nan), "nan", "NaN at 8 of 8 entries"),
        (np.full((4, 2), np.inf), "nan", "inf at 8 of 8 entries"),
        (np.ones((4, 2)) * 1j, "dtype", "complex"),
        (np.ones((4, 2), int), "dtype", "whole numbers"),
        (np.zeros((4, 2)), "zero", "zero everywhere"),
        (np.ones((3, 3)), "shape", "shape (3, 3), expected (4, 2)"),
        (1.5, "shape", "shape (), expected (4, 2)"),
        (object(), "dtype", "object"),
        (len, "dtype", "expected an array of numbers"),
        (np.random.default_rng(0).normal(size=(4, 2)), "unknown", "dW1 = dZ1 Xᵀ"),
        (np.full((4, 2), 1e300), "unknown", "dW1"),
    ],
)
def test_unusable_values_are_told(shallow, value, kind, words):
    report = tc.check_backprop(shallow.J, {**shallow.right, "dW1": value})
    assert not report and report.first.name == "dW1"
    assert report["dW1"].kind == kind
    assert words in report["dW1"].diagnosis
    assert report["dW2"].ok and report["db2"].ok


@pytest.mark.parametrize(
    ("yours", "words"),
    [
        ({}, "dW2 is missing"),
        ([1.0], "1 arrays without names for 4 gradients"),
        (lambda X: 1 / 0, "raised ZeroDivisionError"),
        (lambda X: None, "returned None"),
        (lambda foo: {}, "wants 'foo'"),
        (types.SimpleNamespace(a=1), "nothing to check"),
        (types.ModuleType("mine"), "none of the functions"),
        ("missing.py", "There is no file"),
        ({1, 2}, "nothing to check"),
        (lambda X: {"x": object()}, "dW2 is missing"),
    ],
    ids=range(10),
)
def test_nothing_usable_is_told_without_a_traceback(shallow, yours, words):
    report = tc.check_backprop(shallow.J, yours)
    assert not report
    assert words in " ".join(report.diagnoses)


def test_a_file_that_does_not_run_is_told(shallow, tmp_path):
    path = tmp_path / "mine.py"
    for text, words in (
        ("def f(:\n", "syntax error in line 1"),
        ("import numpi\n", "ModuleNotFoundError"),
        ("x = 1\n", "none of the functions"),
        ("import sys\nsys.exit(2)\n", "SystemExit"),
    ):
        path.write_text(text, encoding="utf-8")
        assert words in tc.check_backprop(shallow.J, path).diagnoses[0]


def test_arrays_without_names_in_the_order_of_the_parameters(shallow):
    ordered = [shallow.right[k] for k in ("dW1", "db1", "dW2", "db2")]
    assert tc.check_backprop(shallow.J, ordered)
    assert tc.check_backprop(shallow.J, lambda: tuple(ordered))


def test_float32_is_compared_as_float32(shallow):
    small = {k: v.astype(np.float32) for k, v in shallow.right.items()}
    report = tc.check_backprop(shallow.J, small)
    assert report and "chosen for float32" in report.tolerance
    off = {**shallow.right, "dW1": shallow.right["dW1"] * (1 + 1e-6)}
    assert not tc.check_backprop(shallow.J, off)
    assert tc.check_backprop(shallow.J, off, tolerance=1e-5)


def test_gradients_that_cancel_to_rounding_are_no_error():
    X = np.array([[1.0, -1.0, 2.0, -2.0]])
    w = tc.tensor(np.zeros((1, 1)), requires_grad=True, name="w")
    b = tc.tensor(np.zeros((1, 1)), requires_grad=True, name="b")
    Y = np.array([[1.1, 0.9, 1.3, 0.7]])
    J = ((w @ tc.tensor(X, name="X") + b - tc.tensor(Y, name="Y")) ** 2).mean()
    mine = {"dw": -2 * np.mean(X * (Y - 1), keepdims=True), "db": np.array([[-2.0]])}
    mine["dw"] += 3e-17
    assert tc.check_backprop(J, mine)
    zero = {"dw": mine["dw"], "db": mine["db"] + 1e-15}
    assert tc.check_backprop(J, zero)


def test_values_shared_by_several_names():
    a, b, c = (
        tc.tensor(v, dtype=tc.float64, requires_grad=True, name=n)
        for n, v in (("a", 5.0), ("b", 3.0), ("c", 2.0))
    )
    J = 3 * (a + b * c)
    slide = {"da": 3.0, "db": 6.0, "dc": 9.0}
    assert tc.check_backprop(J, slide)
    first = tc.check_backprop(J, {**slide, "dc": 6.0}).first
    assert first.name == "dc"


# --- any operation, any network -------------------------------------------------------------------


def captured(J: tc.Tensor) -> dict[str, np.ndarray]:
    """Return the gradients of a loss, computed by the backward pass."""
    graph = tc.Graph.of(J, backward=True)
    return {
        f"d{compact(leaf.name)}": np.array(graph[leaf.grad].value)
        for leaf in graph
        if leaf.role == "parameter" and leaf.grad is not None
    }


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_operation(name):
    for sample in OPS[name][:2]:
        args = []
        for place, a in enumerate(sample.args):
            trained = isinstance(a, np.ndarray) and a.dtype.kind == "f"
            named = {"requires_grad": True, "name": f"x{place}"} if trained else {}
            args.append(tc.tensor(a, **named) if isinstance(a, np.ndarray) else a)
        y = apply(op.find(name), tuple(args), {**op.find(name).defaults, **sample.params})
        if not y.requires_grad or y.numel() == 0:
            continue
        weights = np.random.default_rng(0).normal(size=y.shape)
        J = (y * tc.tensor(weights, name="Y")).sum()
        right = captured(J)
        report = tc.check_backprop(J, right)
        assert report.passed, str(report)
        first = next(iter(right))
        for wrong in (right[first] * 2, right[first].T, right[first] + 1, np.sum(right[first])):
            report = tc.check_backprop(J, {**right, first: wrong})
            value = np.reshape(wrong, -1)
            same = value.size == right[first].size and np.allclose(value, right[first].reshape(-1))
            assert same or not report.passed, first
            assert str(report)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "elu", "softplus", "gelu", None])
def test_networks_of_any_activation(activation, layout):
    rng = np.random.default_rng(0)
    losses = [(nn.MSELoss(), None), (nn.BCELoss(), "sigmoid"), (nn.HuberLoss(), None)]
    for loss, last in losses:
        model = nn.Sequential(
            nn.Dense(3, 4, activation=activation, layout=layout).double(),
            nn.Dense(4, 1, activation=last, layout=layout).double(),
        )
        X, Y = rng.normal(size=(6, 3)), (rng.random((6, 1)) > 0.5).astype(float)
        if layout == "columns":
            X, Y = X.T, Y.T
        J = loss(model(tc.tensor(X, name="X")), tc.tensor(Y, name="Y"))
        right = captured(J)
        assert tc.check_backprop(J, right)
        for name, value in right.items():
            first = tc.check_backprop(J, {**right, name: -value}).first
            assert (first.name, first.kind) == (name, "sign")


# --- misuse of the function -----------------------------------------------------------------------


def test_misuse_raises(shallow):
    with pytest.raises(tc.errors.DtypeError, match="the loss is ndarray"):
        tc.check_backprop(np.ones(3), shallow.right)
    with pytest.raises(tc.errors.DtypeError, match="expected your gradients by name"):
        tc.check_backprop(shallow.J, np.ones(3))
    with pytest.raises(tc.errors.DtypeError, match="got NoneType to check"):
        tc.check_backprop(shallow.J, None)
    with pytest.raises(tc.errors.ArgumentError, match="wrt names 'dW9'"):
        tc.check_backprop(shallow.J, shallow.right, wrt=["dW9"])
    with pytest.raises(tc.errors.ArgumentError, match="tolerance is -1"):
        tc.check_backprop(shallow.J, shallow.right, tolerance=-1)
    with pytest.raises(tc.errors.DtypeError, match="names is list"):
        tc.check_backprop(shallow.J, shallow.right, names=["dW1"])
    with pytest.raises(tc.errors.ArgumentError, match="inputs=NoneType"):
        tc.check_backprop(numpy_cost, shallow.right)
    with pytest.raises(tc.errors.GraphError):
        tc.check_backprop(tc.tensor(1.0), shallow.right)


def test_a_loss_from_before_the_update_is_refused():
    inputs = SHALLOW.inputs(seed=2, m=6)
    w = tc.tensor(inputs["W1"], requires_grad=True, name="W1")
    J = (w @ tc.tensor(inputs["X"], name="X")).sum()
    J.backward()
    gradient = w.grad.numpy()
    assert tc.check_backprop(J, {"dW1": gradient})
    tc.optim.SGD([w], lr=0.1).step()
    with pytest.raises(tc.errors.GraphError, match=r"W1 was changed|optimizer\.step"):
        tc.check_backprop(J, {"dW1": gradient})


# --- the report -----------------------------------------------------------------------------------


def test_the_report_reads_well(lab, golden):
    report = tc.check_backprop(lab.J, learner("checking_lab").backward_propagation_n)
    # Differences of right values are rounding, which machines do differently.
    text = re.sub(r"\d\.\d\de-(0[6-9]|[1-9]\d)|0\.00e\+00", "  rounding", str(report))
    golden("check_backprop.txt", text)


def test_other_forms_of_the_report(lab):
    report = tc.check_backprop(lab.J, learner("checking_lab").backward_propagation_n)
    assert str(report) == repr(report) == report.to_text()
    assert report.to_text(ascii=True).isascii()
    assert report._repr_markdown_().count("\n| `") == len(report)
    assert report._repr_html_().count("<tr>") == len(report) + 1
    assert report["dW2"] is next(v for v in report if v.name == "dW2")
    with pytest.raises(KeyError, match="no value 'dW9'"):
        report["dW9"]
    with pytest.raises(tc.errors.GradcheckError, match="dW2 is exactly 2.00") as raised:
        report.raise_if_failed()
    assert raised.value.report is report
    assert report.summary().startswith("check_backprop: dW2 is exactly 2.00 ×")


def test_deep_and_wide_networks_are_searched_in_bounds():
    rng = np.random.default_rng(0)
    layers = []
    for _ in range(30):
        layers.append(nn.Dense(6, 6, activation="tanh", layout="columns").double())
    J = (nn.Sequential(*layers)(tc.tensor(rng.normal(size=(6, 9)))) ** 2).mean()
    J.backward()
    gradients = {
        f"d{k}{i}": p.grad.numpy()
        for i, layer in enumerate(layers, start=1)
        for k, p in (("W", layer.W), ("b", layer.b))
    }
    assert tc.check_backprop(J, gradients)
    gradients["dW7"] = gradients["dW7"].T
    first = tc.check_backprop(J, gradients).first
    assert first.name == "dW7" and first.kind == "transpose"
