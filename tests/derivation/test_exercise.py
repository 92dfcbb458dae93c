"""Exercises: blanks where they belong, programs that know right from wrong, and say what is wrong.

Right and wrong are not asked of the package: the solutions of the shallow network are those of the
course, each mistake is planted by hand, and central differences in the programs are their own.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.commands.samples import SAMPLES
from tinygrad_course.derivation.exercise import exercise
from tinygrad_course.errors import ArgumentError, DtypeError, GraphError
from tinygrad_course.modes import record_all

# The course's own lines, as a student writes them.
LINES = {
    "dZ2": "A2 - Y",
    "dW2": "1 / m * np.dot(dZ2, A1.T)",
    "db2": "1 / m * np.sum(dZ2, axis=1, keepdims=True)",
    "dZ1": "np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))",
    "dW1": "1 / m * np.dot(dZ1, X.T)",
    "db1": "1 / m * np.sum(dZ1, axis=1, keepdims=True)",
}


def sample(name: str) -> Any:
    with record_all():
        return SAMPLES[name]()


@pytest.fixture(scope="module")
def shallow() -> Any:
    return sample("shallow")


def filled(skeleton: str, lines: dict[str, str]) -> str:
    """Fill in a skeleton as a student does: what stands after the name, up to the comment."""
    for name, line in lines.items():
        skeleton = re.sub(
            rf"^(    {name} = )None\b.*$", rf"\g<1>{line}", skeleton, flags=re.MULTILINE
        )
    return skeleton


def loaded(code: str, package: bool = False) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "exercise"}
    exec(code, scope)
    if not package:
        scope["diagnosis"] = no_package
    return scope


def no_package(inputs: Any, yours: Any) -> str:
    """Stand in for a machine where the package is not installed."""
    return ""


def said(scope: dict[str, Any]) -> tuple[bool, str]:
    out = io.StringIO()
    with redirect_stdout(out):
        passed = scope["check"]()
    return passed, out.getvalue()


# --- the sheet ------------------------------------------------------------------------------------


def test_hidden_lines_are_blanks_and_the_others_stay(shallow):
    task = exercise(shallow, hide=["dZ1", "dW[2]"])
    assert task.hidden == ("dW[2]", "dZ[1]")
    assert task.sheet.backward == [
        "dZ[2] = A[2] - Y",
        "dW[2] = ______",
        "db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)",
        "dZ[1] = ______",
        "dW[1] = (1/m) dZ[1] Xᵀ",
        "db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)",
    ]
    assert task.sheet.forward[0] == "Z[1] = W[1] X + b[1]"
    assert str(task) == str(task.sheet) == repr(task)
    assert task.sheet.latex.count(r"\underline{\hspace{5em}}") == 2
    assert task.sheet.mathml.count("<munder>") == 2
    assert task._repr_markdown_() == task.sheet.markdown


@pytest.mark.parametrize("hide", ["dZ1", "dZ[1]", " dZ1 ", ["dZ1"], ("dZ[1]", "dZ1")])
def test_a_line_can_be_named_as_in_equations_and_as_in_programs(hide, shallow):
    assert exercise(shallow, hide=hide).hidden == ("dZ[1]",)


def test_by_default_every_line_of_the_backward_pass_is_a_blank(shallow):
    task = exercise(shallow)
    assert task.hidden == ("dZ[2]", "dW[2]", "db[2]", "dZ[1]", "dW[1]", "db[1]")
    assert str(task).count("______") == 6


def test_the_solution_is_shown_when_asked_for(shallow):
    assert "______" not in exercise(shallow, solution=True)
    assert exercise(shallow, solution=True).skeleton == exercise(shallow).skeleton


def test_options_choose_notation_and_derivatives(shallow):
    assert exercise(shallow, wrt=["W2"]).hidden == ("dZ[2]", "dW[2]")
    rows = exercise(shallow, notation="rows", hide="dW1")
    assert "Z[1] = X W[1] + b[1]" in rows.sheet.forward
    exact = exercise(shallow, mean="exact", hide="∂J/∂Z[2]")
    assert "∂J/∂Z[2] = ______" in exact.sheet.backward
    assert "dZ2 = (1 / m) * (A2 - Y)" in exact.solution


def test_welchs_names_are_those_of_his_programs():
    task = exercise(sample("welch"), notation="welch", hide=["δ(3)", "dJdW1"])
    assert task.sheet.backward[0] == "δ(3) = ______"
    assert task.sheet.backward[-1] == "∂J/∂W(1) = ______"
    assert "def backward(X, y, W1, W2, z2, a2, z3, yHat):" in task.skeleton
    assert re.search(r"delta3 = None +# shape \(m, n\[2\]\)", task.skeleton)
    # costFunctionPrime of the series.
    right = {"delta3": "-(y - yHat) * yHat * (1 - yHat)", "dJdW1": "np.dot(X.T, delta2)"}
    code = filled(task.skeleton, right)
    assert said(loaded(code))[0] and said(loaded(code, package=True))[0]
    report = task.check(loaded(code))
    assert report.passed and "delta3" in [v.name for v in report]
    wrong = filled(task.skeleton, {**right, "delta3": "(y - yHat) * yHat * (1 - yHat)"})
    assert task.check(loaded(wrong)).first.name == "delta3"


def test_numbers_of_a_slide_are_hidden_with_their_lines():
    task = exercise(sample("slide"), hide="dJ/dc")
    assert "dJ/dc = ______" in task.sheet.backward
    assert task.hidden == ("dc",)
    assert "9" not in str(task)
    assert task.check({"dc": 9.0, "da": 3.0, "db": 6.0}).passed
    assert not task.check({"dc": 6.0, "da": 3.0, "db": 6.0}).passed
    report = task.check({"dv": 3.0, "du": 1.0, "dc": 9.0, "da": 3.0, "db": 6.0})
    assert not report.passed and report["dv"].ok
    assert report.diagnoses == ("du is not the derivative of the result with respect to u.",)


# --- what cannot be hidden ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hide", "message"),
    [
        ("dz1", r"no line 'dz1' in the backward pass: did you mean dZ\[1\]\?$"),
        (["dW2", "dW3"], r"no line 'dW3' in the backward pass: did you mean dW\[\d\]"),
        ("Z1", r"'Z1' is no line of the backward pass: did you mean dZ\[1\]\?$"),
        ("J", r"'J' is no line of the backward pass\. Its lines are dZ\[2\], dW\[2\]"),
        ("nothing", r"Its lines are dZ\[2\], dW\[2\], db\[2\], dZ\[1\], dW\[1\], db\[1\]\.$"),
        ([], "hide is empty"),
    ],
)
def test_a_name_that_is_no_line_is_refused_with_close_ones(hide, message, shallow):
    with pytest.raises(ArgumentError, match=message):
        exercise(shallow, hide=hide)


def test_other_bad_arguments_are_refused(shallow):
    with pytest.raises(DtypeError, match="strings such as 'dZ1', got int"):
        exercise(shallow, hide=[1])
    with pytest.raises(ArgumentError, match="notation must be one of"):
        exercise(shallow, notation="greek")
    with pytest.raises(GraphError, match="no backward pass"):
        exercise(nn.Dense(2, 1)(tc.ones(3, 2)))
    with pytest.raises(DtypeError, match="got int"):
        exercise(3)


# --- the program ----------------------------------------------------------------------------------


def test_untouched_blanks_are_not_filled_in_yet(shallow):
    task = exercise(shallow, hide=["dZ1", "dW2"])
    assert task.skeleton.count("    ### YOUR CODE HERE ###\n") == 2
    assert re.search(r"    dZ1 = None +# shape \(n\[1\], m\)\n", task.skeleton)
    for package in (False, True):
        passed, text = said(loaded(task.skeleton, package))
        assert not passed
        assert text == "Not filled in yet: dW2, dZ1.\n"
    assert "W2.T @" not in task.skeleton


def test_one_blank_filled_in_is_judged_and_the_other_still_asked_for(shallow):
    task = exercise(shallow, hide=["dZ1", "dW2"])
    passed, text = said(loaded(filled(task.skeleton, {"dW2": LINES["dW2"]})))
    assert not passed
    assert "dW2      right\n" in text and "Not filled in yet: dZ1.\n" in text
    report = task.check(loaded(filled(task.skeleton, {"dW2": LINES["dW2"]})))
    assert not report.passed and report["dW2"].ok
    assert report.diagnoses == ("dZ1 is not filled in yet.",)


def test_the_courses_own_lines_are_right(shallow):
    task = exercise(shallow)
    code = filled(task.skeleton, LINES)
    assert "= None" not in code[: code.index("# --- the check")]
    passed, text = said(loaded(code))
    assert passed
    assert text == "".join(f"{name:<8} right\n" for name in LINES)
    assert said(loaded(code, package=True))[0]
    assert task.check(loaded(code)).passed


MISTAKES = [
    ("dW2", "2 / m * np.dot(dZ2, A1.T)", "exactly 2 times", r"exactly 2\.00 × the derivative"),
    ("dW2", "np.dot(dZ2, A1.T)", "exactly m times", r"exactly m × the derivative"),
    ("dW1", "1 / m**2 * np.dot(dZ1, X.T)", "exactly 1/m times", "1/m"),
    ("dZ2", "Y - A2", "wrong sign", "A2 − Y|sign"),
    ("db1", "4 / m * np.sum(dZ1, axis=1, keepdims=True)", "exactly 4 times", r"4\.00 ×|\(4/m\)"),
    ("db1", "1 / m * np.sum(dZ1, axis=1)", r"shape is \(4,\), expected \(4, 1\)", "keepdims"),
    ("dW1", "1 / m * np.dot(X, dZ1.T)", "as its transpose has", "transpose"),
    ("dZ1", "np.dot(W2.T, dZ2)", "difference", "lacks the factor 1 − A1²"),
    ("dZ1", "np.dot(W2.T, dZ2) * (1 - np.power(Z1, 2))", "difference", "Z1"),
    ("db1", "1 / m * np.sum(dZ1)", r"shape is \(\), expected \(4, 1\)", "axis|sum"),
    ("dW2", "1 / m * np.dot(dZ2, Z1.T)", "difference", "Z1"),
    ("dZ2", "np.full_like(A2, np.nan)", "NaN or infinite", "NaN"),
    ("dW2", "'a text'", "it is str, and no array", "dW2"),
]


@pytest.mark.parametrize(("name", "line", "plain", "named"), MISTAKES)
def test_a_single_mistake_is_found_and_named(name, line, plain, named, shallow):
    task = exercise(shallow)
    code = filled(task.skeleton, {**LINES, name: line})
    # NumPy alone: the wrong line first, the lines computed from it after it, the others right.
    passed, text = said(loaded(code))
    assert not passed
    verdicts = dict(re.findall(r"^(d\w+) +(.*)$", text, re.MULTILINE))
    assert re.search(f"WRONG: .*{plain}", verdicts[name])
    assert [n for n, verdict in verdicts.items() if verdict.startswith("WRONG")] == [name]
    order = list(LINES)
    for other in order[: order.index(name)]:
        assert verdicts[other] == "right"
    for other, verdict in verdicts.items():
        assert verdict == "right" or other == name or verdict.endswith(f"first put {name} right")
    # With the package: the mistake in a sentence, here and from `Exercise.check`.
    passed, text = said(loaded(code, package=True))
    assert not passed
    assert re.search(named, text[text.index("Diagnosis") :])
    report = task.check(loaded(code))
    assert not report.passed and report.first.name == name
    assert re.search(named, report.diagnoses[0])


def test_dz_scaled_in_another_way_is_right_when_the_gradients_are(shallow):
    lines = {name: line.replace("1 / m * ", "") for name, line in LINES.items()}
    lines["dZ2"] = "(A2 - Y) / m"
    task = exercise(shallow)
    code = filled(task.skeleton, lines)
    assert said(loaded(code))[0]
    assert said(loaded(code, package=True))[0]
    assert task.check(loaded(code)).passed


def test_a_program_that_stops_tells_where_and_why(shallow):
    task = exercise(shallow)
    code = filled(task.skeleton, {**LINES, "dZ1": "np.dot(W2, dZ2) * no_such_name"})
    (line,) = [k for k, text in enumerate(code.splitlines(), 1) if "no_such_name" in text]
    passed, text = said(loaded(code))
    assert not passed
    assert re.search(rf"backward\(\) stops in line {line}: \w+Error: ", text)
    assert "dW2      right\n" in text
    report = task.check(loaded(code))
    assert not report.passed
    assert f"Your backward() stops in line {line}: " in report.diagnoses[0]


@pytest.mark.parametrize("name", sorted(SAMPLES))
@pytest.mark.parametrize("options", [{}, {"mean": "exact"}, {"notation": "columns"}], ids=str)
def test_solutions_pass_their_own_check(name, options):
    task = exercise(sample(name), **options)
    passed, text = said(loaded(task.solution))
    assert passed, text
    # No line is left unchecked but those that are the derivative of nothing that has a name.
    checked = re.findall(r"^(\S+) +right$", text, re.MULTILINE)
    assert len(checked) >= len([h for h in task.hidden if not h.startswith("g")])
    assert said(loaded(task.solution, package=True))[0]
    assert task.check(loaded(task.solution)).passed
    passed, text = said(loaded(task.skeleton))
    assert not passed and text.startswith("Not filled in yet: ")


def models() -> dict[str, Any]:
    random = np.random.default_rng(0)
    X = tc.tensor(random.normal(size=(12, 5)), name="X")
    labels = tc.tensor(random.integers(0, 3, 12), name="Y")
    Y = tc.tensor(random.normal(size=(12, 1)), name="Y")
    theta = tc.tensor([2.0, 3.0], requires_grad=True, name="theta")
    w = tc.tensor(random.normal(size=(5, 1)), requires_grad=True, name="w")
    lam = tc.tensor(0.7, name="lambda")
    with record_all():
        relu = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        drop = nn.Sequential(nn.Dense(5, 4, "relu"), nn.Dropout(0.5), nn.Dense(4, 1))
        norm = nn.Sequential(nn.Dense(5, 4, "elu"), nn.BatchNorm1d(4), nn.Dense(4, 1))
        tanh = nn.Sequential(nn.Dense(5, 4, "tanh"), nn.Dense(4, 1))
        return {
            "labels": nn.CrossEntropyLoss()(relu(X), labels),
            "dropout": nn.MSELoss()(drop(X), Y),
            "batch norm": nn.MSELoss()(norm(X), Y),
            "margin": (1 - Y * tanh(X)).relu().mean(),
            "positive": (theta.log() * X[:, :2]).sum(),
            "ridge": ((X @ w - Y) ** 2).mean() + lam * (w * w).sum(),
        }


@pytest.mark.parametrize("name", ["labels", "dropout", "batch norm", "margin", "positive", "ridge"])
def test_other_models_make_exercises_too(name):
    task = exercise(models()[name])
    passed, text = said(loaded(task.solution))
    assert passed, text
    assert not said(loaded(task.skeleton))[0]
    # Every gradient is really compared: twice a right one is wrong.
    gradient = task.hidden[-1].replace("[", "").replace("]", "")
    code = task.solution.replace(f'"{gradient}": {gradient}', f'"{gradient}": 2 * {gradient}')
    passed, text = said(loaded(code))
    assert not passed
    assert re.search(rf"^{gradient} +WRONG: .*exactly 2 times", text, re.MULTILINE)


def test_the_program_needs_numpy_only_and_ends_with_a_status(shallow, tmp_path):
    task = exercise(shallow, hide="dZ1")
    block = "import sys; sys.modules['tinygrad_course'] = None\n"
    for code, status, words in (
        (task.skeleton, 1, "Not filled in yet: dZ1."),
        (filled(task.skeleton, {"dZ1": LINES["dZ1"]}), 0, "dZ1      right"),
        (filled(task.skeleton, {"dZ1": "np.dot(W2.T, dZ2)"}), 1, "dZ1      WRONG"),
    ):
        path = tmp_path / "exercise.py"
        path.write_text(block + code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", str(path)], capture_output=True, encoding="utf-8", check=False
        )
        assert (done.returncode, done.stderr) == (status, "")
        assert words in done.stdout


def test_names_of_the_check_do_not_clash_with_those_of_the_model():
    with record_all():
        w = tc.tensor([[1.0], [2.0]], requires_grad=True, name="step")
        X = tc.tensor(np.arange(8.0).reshape(4, 2), name="values")
        J = ((X @ w) ** 2).mean()
    task = exercise(J)
    assert said(loaded(task.solution))[0]


# --- checking from outside ------------------------------------------------------------------------


def test_a_solution_is_checked_as_file_namespace_module_or_arrays(shallow, tmp_path):
    task = exercise(shallow)
    code = filled(task.skeleton, LINES)
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    module = ModuleType("mine")
    exec(code, vars(module))
    shallow.backward(retain_graph=True)
    leaves = {n.name: n.value for n in tc.Graph.of(shallow) if n.role == "parameter"}
    assert set(leaves) == {"W[1]", "b[1]", "W[2]", "b[2]"}
    # Arrays: the derivatives at the model's own data, here by central differences of its program.
    scope = loaded(code)
    inputs = {name: np.float64(value) for name, value in task._inputs.items()}
    arrays = {
        f"d{name}": scope["differences"](name, inputs[name].shape, inputs)
        for name in ("W1", "b1", "W2", "b2")
    }
    for yours in (path, str(path), scope, module):
        assert task.check(yours).passed
    report = task.check(arrays)
    assert all(verdict.difference < 1e-6 for verdict in report)
    arrays["dW2"] = 2 * arrays["dW2"]
    assert task.check(arrays).first.name == "dW2"


def test_what_cannot_be_checked_is_refused(shallow, tmp_path):
    task = exercise(shallow)
    with pytest.raises(ArgumentError, match="there is no file 'absent.py' to check"):
        task.check("absent.py")
    (tmp_path / "broken.py").write_text("def backward(:\n")
    with pytest.raises(ArgumentError, match="cannot be run: SyntaxError"):
        task.check(tmp_path / "broken.py")
    with pytest.raises(DtypeError, match="got int to check"):
        task.check(3)
    with pytest.raises(ArgumentError, match="no run_backward"):
        task.check({"backward": print})


def test_the_same_exercise_is_made_each_time(shallow):
    first, second = exercise(shallow), exercise(sample("shallow"))
    assert (first, first.skeleton, first.solution) == (second, second.skeleton, second.solution)


def test_a_copy_is_a_plain_string(shallow):
    import pickle

    task = exercise(shallow)
    assert pickle.loads(pickle.dumps(task)) == str(task)
    assert isinstance(Path("x") / str(task.hidden[0]), Path)
