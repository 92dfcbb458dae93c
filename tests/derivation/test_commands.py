"""The commands `equations`, `source`, `exercise` and `check --yours`, as their users meet them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tinygrad_course.cli import main

PROGRAM = """\
import numpy as np
import tinygrad_course as tc
from tinygrad_course import nn

W = tc.tensor(np.ones((3, 2)), requires_grad=True, name="W")
net = nn.Sequential(nn.Dense(3, 2, "tanh"), nn.Dense(2, 1))


def fresh():
    x = tc.tensor(2.0, requires_grad=True, name="x")
    return (x**2).sigmoid()


def kept():
    return (W * W).sum()


def pair():
    return net, np.ones((4, 3))


def by_hand(X=np.arange(10.0).reshape(5, 2) / 7, Y=np.arange(5.0).reshape(5, 1)):
    m = X.shape[0]
    w = tc.tensor([[1.0], [-2.0]], requires_grad=True, name="w")
    return (1 / (2 * m)) * ((1 - Y) * (X @ w - Y) ** 2).sum()


def only_arrays(X=np.ones((4, 2))):
    w = tc.tensor([[1.0], [-2.0]], requires_grad=True, name="w")
    return (tc.tensor(np.ascontiguousarray(X.view())) @ w).sum()
"""

# The backward pass of the shallow network as a learner writes it; {} is the place of a mistake.
YOURS = """\
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backward(X, Y, W1, b1, W2, b2):
    m = X.shape[1]
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    A2 = sigmoid(W2 @ A1 + b2)
    dZ2 = A2 - Y
    dW2 = {} * dZ2 @ A1.T
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    dW1 = 1 / m * dZ1 @ X.T
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {{"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


# --- check --yours --------------------------------------------------------------------------------


def yours(factor: str) -> list[str]:
    Path("mine.py").write_text(YOURS.format(factor))
    return ["check", "shallow", "--yours", "mine.py:backward"]


def test_check_passes_a_learners_own_backward_pass(here, capsys):
    assert main(yours("1 / m")) == 0
    assert "Backprop check passed: 4 values" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        ("2 / m", "dW2 is exactly 2.00 × the derivative"),
        ("1", "dW2 is exactly m × the derivative (m = 400): the 1/m is missing"),
        ("-1 / m", "dW2 has the wrong sign"),
    ],
)
def test_check_names_the_mistake_in_a_learners_backward_pass(factor, said, here, capsys):
    assert main(yours(factor)) == 1
    text = capsys.readouterr().out
    assert "Backprop check FAILED: dW2 is wrong" in text
    assert said in text


def test_check_tells_a_learner_when_their_function_raises(here, capsys):
    assert main(yours("nothing")) == 1
    captured = capsys.readouterr()
    assert "NameError" in captured.out and "'nothing'" in captured.out
    assert "Traceback" not in captured.out + captured.err


# --- equations ------------------------------------------------------------------------------------

SHALLOW = """\
Forward propagation
  Z[1] = W[1] X + b[1]
  A[1] = tanh(Z[1])
  Z[2] = W[2] A[1] + b[2]
  A[2] = σ(Z[2])

Cost
  J = -(1/m) np.sum(Y * log(A[2]) + (1 - Y) * log(1 - A[2]))

Backward propagation
  dZ[2] = A[2] - Y
  dW[2] = (1/m) dZ[2] A[1]ᵀ
  db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)
  dZ[1] = W[2]ᵀ dZ[2] * (1 - A[1]²)
  dW[1] = (1/m) dZ[1] Xᵀ
  db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)
"""

VERIFIED = re.compile(r"verified: .*agree with autodiff to ([\d.e+-]+) \(")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_equations_prints_those_of_the_shallow_network_and_verifies_them(capsys):
    text = printed(capsys, "equations", "shallow")
    assert text.startswith(SHALLOW)
    found = VERIFIED.search(text.splitlines()[-1])
    assert found is not None and float(found[1]) <= 1e-12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["shallow", "--notation", "rows"], "dW[1] = (1/m) Xᵀ dZ[1]"),
        (["coffee", "--notation", "columns"], "dW[1] = (1/m) dZ[1] Xᵀ"),
        (["shallow", "--mean", "exact"], "∂J/∂Z[2] = (1/m) (A[2] - Y)"),
        (["shallow", "--activations", "general"], "dZ[1] = W[2]ᵀ dZ[2] * g[1]′(Z[1])"),
        (["deep", "--layers", "general"], "dA[l-1] = W[l]ᵀ dZ[l]"),
        (["shallow", "--shapes"], "Shapes: n[0] = 2, n[1] = 4, n[2] = 1, m = 400"),
        (["shallow", "--steps"], "dA[1] · ∂A[1]/∂Z[1], where A[1] = tanh(Z[1])"),
        (["welch", "--notation", "welch"], "δ(2) = δ(3) W(2)ᵀ * f′(z(2))"),
        (["logistic"], "dw = (1/m) X dZᵀ"),
        (["linear"], "dw = (1/m) Xᵀ dA"),
        (["softmax"], "dZ[2] = A[2] - Y"),
        (["digits"], "dZ[2] = dZ[3] W[3]ᵀ * A[2] * (1 - A[2])"),
        (["slide"], "dJ/dc = dJ/du b  = 9"),
        (["logistic1"], "dJ/dw1 = dJ/dt1 x1"),
        (["fanout"], "dJ/da"),
        (["micrograd"], "= 138.834"),
        (["program.py:fresh"], "dJ/dx"),
        (["program.py:pair"], "A[1] = tanh(Z[1])"),
        (["program.py:kept"], "dW = 2 W"),
    ],
)
def test_equations_options_and_programs(options, said, here, capsys):
    text = printed(capsys, "equations", *options)
    assert said in text
    found = VERIFIED.search(text)
    assert found is not None and float(found[1]) <= 1e-12


def test_equations_by_some_parameters_only(capsys):
    text = printed(capsys, "equations", "shallow", "--wrt", "W1,b[2]")
    assert "dW[1] =" in text and "db[2] =" in text
    assert "dW[2] =" not in text and "db[1] =" not in text


def test_data_that_are_defaults_of_arguments_have_their_names(here, capsys):
    text = printed(capsys, "equations", "program.py:by_hand")
    assert "p = X w - Y\n" in text and "J = (1/(2 m)) np.sum((1 - Y) * p²)\n" in text
    assert "dw = (1/m) Xᵀ ((1 - Y) * p)" in text
    assert "dw =" in printed(capsys, "equations", "program.py:only_arrays")


def test_equations_without_verification_do_not_verify(capsys, monkeypatch):
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("verified")

    monkeypatch.setattr("tinygrad_course.derivation.verify.verify", refused)
    text = printed(capsys, "equations", "shallow", "--no-verify")
    assert text.startswith(SHALLOW) and "verified" not in text


@pytest.mark.parametrize(
    ("form", "said", "comment"),
    [
        ("latex", r"dW^{[2]} &= \frac{1}{m}", "% verified: "),
        ("mathml", "<mi>d</mi>", "<!-- verified: "),
        ("markdown", "$$\n\\begin{aligned}", "<!-- verified: "),
        ("text", "dW[2] = (1/m)", "verified: "),
    ],
)
def test_equations_in_each_form(form, said, comment, here, capsys):
    text = printed(capsys, "equations", "shallow", "--form", form)
    assert said in text
    assert text.splitlines()[-1].startswith(comment)
    # With a form, a file holds the bare equations, whatever its name.
    assert main(["equations", "shallow", "--form", form, "-o", "bare.txt"]) == 0
    bare = (here / "bare.txt").read_text(encoding="utf-8")
    assert bare.rstrip("\n") == text[: text.index(comment)].rstrip("\n")


def written(here: Path, capsys: pytest.CaptureFixture[str], name: str, *options: str) -> str:
    assert main([*options, "-o", name]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote {name}\n") and captured.err == ""
    return (here / name).read_text(encoding="utf-8")


def test_equations_as_text_and_markdown_files(here, capsys):
    text = written(here, capsys, "a.txt", "equations", "shallow")
    assert text.startswith(f"Backpropagation: shallow\n\n{SHALLOW}")
    assert text.splitlines()[-1].startswith("Verified: equations agree with autodiff")
    text = written(here, capsys, "new/a.md", "equations", "shallow", "--shapes")
    assert text.startswith("# Backpropagation: shallow\n\n**Shapes: ")
    assert text.count("$$") == 8
    assert "Verified: " in text


class Elements(HTMLParser):
    """Checks that elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "mspace"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "options",
    [
        ["shallow"],
        ["shallow", "--steps", "--shapes"],
        ["deep", "--layers", "general"],
        ["welch", "--notation", "welch"],
        ["slide"],
    ],
    ids=" ".join,
)
def test_equations_as_a_page(options, here, capsys):
    text = written(here, capsys, "a.html", "equations", *options)
    page = Elements(text)
    assert text.startswith("<!DOCTYPE html>\n")
    assert not {"script", "link", "img", "iframe"} & set(page.seen)
    assert "http" not in text and "prefers-color-scheme: dark" in text
    tables = re.findall(r"<math.*?</math>", text, re.DOTALL)
    assert len(tables) == page.seen.count("math") >= 2
    for table in tables:
        ElementTree.fromstring(table)
    assert "Verified: equations agree with autodiff" in text


@pytest.mark.parametrize(
    "options",
    [
        ["shallow"],
        ["shallow", "--steps", "--shapes"],
        ["deep", "--layers", "general"],
        ["welch", "--notation", "welch", "--shapes"],
        ["softmax", "--mean", "exact"],
        ["logistic1"],
    ],
    ids=" ".join,
)
def test_equations_as_a_latex_document(options, here, capsys):
    text = written(here, capsys, "a.tex", "equations", *options)
    assert text.startswith("\\documentclass[a4paper,fleqn]{article}\n")
    assert text.endswith("\\end{document}\n")
    # pdfLaTeX stops at letters that it does not know.
    assert text.isascii()
    begun, ended = (re.findall(rf"\\{word}\{{([\w*]+)\}}", text) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert begun.count("alignat*") >= 2
    for part in re.findall(
        r"\\begin\{alignat\*\}\{2\}\n(.*?)\n\\end\{alignat\*\}", text, re.DOTALL
    ):
        for row in part.split("\\\\\n"):
            bare = row.replace(r"\{", "").replace(r"\}", "")
            assert bare.count("{") == bare.count("}")
            assert row.count(r"\left") == row.count(r"\right")
            assert re.search(r"(?<!\\)&", row), row
    assert text.replace(r"\$", "").count("$") % 2 == 0
    engine = shutil.which("pdflatex")
    if engine is not None:
        run = [engine, "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
        done = subprocess.run(run, cwd=here, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


# --- source ---------------------------------------------------------------------------------------


def run_program(code: str, here: Path, more: str) -> str:
    """Run a program with something behind it, in a process where this package is not found."""
    (here / "alone.py").write_text(f"{code}\n{more}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.modules['tinygrad_course'] = None\n{LOAD}"],
        cwd=here,
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONUTF8": "1", "PATH": os.environ.get("PATH", "")},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOAD = "exec(compile(open('alone.py', encoding='utf-8').read(), 'alone.py', 'exec'))"


def test_source_prints_a_program_that_gives_the_labs_numbers(here, capsys):
    text = printed(capsys, "source", "logistic")
    found = VERIFIED.search(text.splitlines()[-1])
    assert found is not None and float(found[1]) <= 1e-12
    assert text.splitlines()[-1].startswith("# verified: ")
    more = (
        "X = np.array([[1., 2., -1.], [3., 4., -3.2]]); Y = np.array([[1., 0., 1.]])\n"
        "J, grads = forward_backward(X, Y, np.array([[1.], [2.]]), 2.0)\n"
        "print(float(J), *grads['dw'].ravel().tolist(), float(grads['db']))\n"
    )
    # DLS W2: cost 5.801545319394553, dw [.99845601, 2.39507239], db .001455578136784.
    numbers = [float(x) for x in run_program(text, here, more).split()]
    assert numbers == pytest.approx([5.801545319394553, 0.99845601, 2.39507239, 0.001455578136784])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "def forward_backward(X, Y, W1, b1, W2, b2):"),
        (["--functions", "layers"], "def linear_activation_backward("),
        (["--optimizer", "adam"], "beta1"),
        (["--loop"], "def train("),
        (["--style", "exact"], "dZ2 = (1 / m) * (A2 - Y)"),
        (["--notation", "rows"], "dW1 = (1 / m) * (X.T @ dZ1)"),
    ],
)
def test_source_options_change_the_program_and_it_runs(options, said, here, capsys):
    code = written(here, capsys, "net.py", "source", "shallow", *options)
    assert said in code
    assert "verified" not in code
    run_program(code, here, "print('ran')")


def test_source_says_how_far_it_is_from_autodiff_unless_told_not_to(here, capsys):
    assert main(["source", "shallow", "-o", "a.py"]) == 0
    said = capsys.readouterr().out
    assert VERIFIED.search(said) is not None and "program" in said
    assert main(["source", "shallow", "-o", "a.py", "--no-verify"]) == 0
    assert capsys.readouterr().out == "wrote a.py\n"


def test_source_by_some_parameters_only(capsys):
    text = printed(capsys, "source", "shallow", "--wrt", "W2", "--no-verify")
    assert 'grads = {"dW2": dW2}' in text


# --- exercise -------------------------------------------------------------------------------------


def test_exercise_prints_a_sheet_with_blanks(capsys):
    text = printed(capsys, "exercise", "shallow", "--hide", "dZ1,dW[2]")
    assert text.count("______") == 2
    assert "  dZ[1] = ______\n" in text and "  dW[2] = ______\n" in text
    assert printed(capsys, "exercise", "shallow").count("______") == 6
    assert printed(capsys, "exercise", "shallow", "--solution").startswith(SHALLOW)
    assert "dW[1] = ______" in printed(capsys, "exercise", "shallow", "--notation", "rows")
    assert "δ(3) = ______" in printed(capsys, "exercise", "welch", "--notation", "welch")
    exact = printed(capsys, "exercise", "shallow", "--mean", "exact", "--hide", "dZ2")
    assert "∂J/∂Z[2] = ______" in exact
    assert printed(capsys, "exercise", "shallow", "--wrt", "W2").count("______") == 2


def test_exercise_writes_a_folder_and_check_tells_how_it_goes(here, capsys):
    assert main(["exercise", "shallow", "--hide", "dZ1,dW2", "-o", "task"]) == 0
    assert capsys.readouterr().out == "wrote task: exercise.md, exercise.py\n"
    sheet = (here / "task" / "exercise.md").read_text(encoding="utf-8")
    assert sheet.startswith("# Exercise: backpropagation, shallow\n")
    assert sheet.count(r"\underline{\hspace{5em}}") == 2
    program = here / "task" / "exercise.py"
    check = ["check", "shallow", "--yours", "task/exercise.py"]
    assert main(check) == 1
    text = capsys.readouterr().out
    assert "dW2 is not filled in yet." in text and "dZ1 is not filled in yet." in text
    code = program.read_text(encoding="utf-8")
    code = re.sub("dW2 = None", "dW2 = 2 / m * dZ2 @ A1.T", code)
    code = re.sub("dZ1 = None", "dZ1 = W2.T @ dZ2 * (1 - A1**2)", code)
    program.write_text(code, encoding="utf-8")
    assert main(check) == 1
    assert "dW2 is exactly 2.00 × the derivative" in capsys.readouterr().out
    program.write_text(code.replace("2 / m * dZ2", "1 / m * dZ2"), encoding="utf-8")
    assert main(check) == 0


def test_exercise_writes_solutions_that_pass(here, capsys):
    assert main(["exercise", "deep", "--solution", "-o", "task"]) == 0
    assert capsys.readouterr().out == "wrote task: solution.md, solution.py\n"
    assert "underline" not in (here / "task" / "solution.md").read_text(encoding="utf-8")
    assert main(["check", "deep", "--yours", "task/solution.py"]) == 0


@pytest.mark.parametrize(
    ("ending", "blank"),
    [(".md", "underline"), (".txt", "______"), (".tex", r"\underline"), (".html", "<munder>")],
)
def test_exercise_writes_one_file(ending, blank, here, capsys):
    text = written(here, capsys, f"a{ending}", "exercise", "shallow", "--hide", "dZ1")
    assert blank in text
    assert written(here, capsys, "a.py", "exercise", "shallow").count("YOUR CODE HERE") == 7
