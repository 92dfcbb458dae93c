"""The command line as its users meet it: what they type, what they see, what they get wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinygrad_course
from tinygrad_course.cli import main
from tinygrad_course.commands import bench
from tinygrad_course.data import course

ROOT = Path(__file__).parents[1]

PROGRAM = """\
import numpy as np
import tinygrad_course as tc
from tinygrad_course import nn

W = tc.tensor(np.ones((3, 2)), requires_grad=True, name="W")
net = nn.Sequential(nn.Dense(3, 2, "tanh"), nn.Dense(2, 1))


class Twice(tc.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 3 * g


def fresh():
    x = tc.tensor(2.0, requires_grad=True, name="x")
    return (x**2).sigmoid()


def kept():
    return (W * W).sum()


def pair():
    return net, np.ones((4, 3))


def model():
    return net


def wrong():
    return Twice.apply(W).sum()


def drawn_anew():
    return (W * tc.randn(3, 2)).sum()


def misfit():
    return W @ W


def needs(a, b):
    return a


def nothing():
    pass


def number():
    return 3.0


def constant():
    return tc.tensor(3.0)


def leaves_python():
    raise SystemExit(3)


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
    (tmp_path / "syntax.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "imports.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "boom.py").write_text('x = 1\n\nraise RuntimeError("two\\nlines")\n')
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "a_file").write_text("")
    (tmp_path / "folder.py").mkdir()
    return tmp_path


def start(arguments: list[str], folder: Path, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_course", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def one_line(text: str) -> str:
    assert text.startswith("tinygrad-course: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


COMMANDS = ("demo", "train", "draw", "equations", "source", "check", "exercise")

# --- help and version -----------------------------------------------------------------------------


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tinygrad-course {tinygrad_course.__version__}\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_gives_examples(command, capsys):
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "examples:\n  tinygrad-course " in text
    assert max(map(len, text.splitlines())) <= 100


# --- bad usage ------------------------------------------------------------------------------------

BAD: list[tuple[list[str], str]] = [
    ([], "COMMAND"),
    (["flowers"], "invalid choice: 'flowers'"),
    (["--versio"], "required: COMMAND"),
    (["demo", "--epochs", "0"], "got '0', expected a whole number of at least 1"),
    (["demo", "--epochs", "-1"], "got '-1'"),
    (["demo", "--epochs", "abc"], "got 'abc'"),
    (["demo", "--epochs"], "expected one argument"),
    (["demo", "--seed", "-1"], "at least 0"),
    (["demo", "--seed", "1.5"], "at least 0"),
    (["demo", "--out", "a_file"], "is a file"),
    (["demo", "--out", "a_file/demo"], "cannot be written to"),
    (["demo", "--out", ""], "--out is empty"),
    (["demo", "extra"], "unrecognized arguments: extra"),
    (["train"], "required: DATASET"),
    (["train", "flowers"], "choose from 'coffee', 'digits', 'planar', 'moons', 'circles'"),
    (["train", "moons", "--epochs", "0"], "--epochs"),
    (["train", "moons", "--epo", "3"], "unrecognized arguments: --epo 3"),
    (["train", "moons", "--hidden", "3,x"], "'3,x'"),
    (["train", "moons", "--hidden", ""], "--hidden"),
    (["train", "moons", "--hidden", "16,0"], "--hidden"),
    (["train", "moons", "--hidden", "9" * 30], "at most 1,000,000 each"),
    (["train", "moons", "--hidden", "1000000,1000000"], "not enough memory"),
    (["train", "moons", "--lr", "nan"], "got 'nan', expected a number above 0"),
    (["train", "moons", "--lr", "inf"], "--lr"),
    (["train", "moons", "--lr", "0"], "--lr"),
    (["train", "moons", "--lr", "fast"], "'fast'"),
    (["train", "moons", "--batch-size", "0"], "or 'all'"),
    (["train", "moons", "--optimizer", "best"], "invalid choice: 'best'"),
    (["train", "moons", "--activation", "best"], "invalid choice: 'best'"),
    (["train", "moons", "--out", "a_file"], "is a file"),
    (["train", "moons", "--out", ""], "--out is empty"),
    (["train", "moons", "--resume"], "no checkpoint"),
    (["train", "moons", "--lr", "1e30", "--epochs", "3"], "the loss became nan in epoch 2"),
    (["draw", "slides"], "no built-in 'slides'; expected one of slide, fanout"),
    (["draw", "slide", "-o", "graph.bmp"], "ends in .svg, .png, .pdf, .gv"),
    (["draw", "slide", "-o", "graph"], "ends in .svg"),
    (["draw", "slide", "-o", "a_file/graph.svg"], "cannot write"),
    (["draw", "slide", "--depth", "-1"], "at least 0"),
    (["draw", "slide", "--direction", "UP"], "invalid choice: 'UP'"),
    (["draw", "digits", "--max-nodes", "5"], "more than max_nodes=5"),
    (["draw", "absent.py:loss"], "no file 'absent.py'"),
    (["draw", "folder.py:loss"], "no file 'folder.py'"),
    (["draw", "program.py"], "it defines fresh, kept, pair"),
    (["draw", "program.py:absent"], "program.py has no 'absent'; it defines fresh"),
    (["draw", "program.py:np"], "a value of type module; expected a function"),
    (["draw", "program.py:needs"], "needs the arguments a, b"),
    (["draw", "program.py:nothing"], "returned nothing (None)"),
    (["draw", "program.py:number"], "returned a value of type float"),
    (["draw", "program.py:constant"], "nothing was recorded"),
    (["draw", "program.py:misfit"], "program.py, line 45, in misfit: ShapeError: matmul"),
    (["draw", "program.py:leaves_python"], "in leaves_python: SystemExit: 3"),
    (["draw", "program.py:model", "--backward"], "a model without an input"),
    (["draw", "program.py:pair", "--backward"], "starts from a scalar"),
    (["draw", "syntax.py:f"], "syntax.py, line 2: SyntaxError"),
    (["draw", "imports.py:f"], "imports.py, line 1: ModuleNotFoundError: No module named"),
    (["draw", "boom.py:f"], "boom.py, line 3: RuntimeError: two lines"),
    (["draw", "empty.py:f"], "it defines no function"),
    (["check", "slides"], "no built-in 'slides'"),
    (["check", "slide", "--eps", "0"], "--eps"),
    (["check", "slide", "--max-entries", "none"], "or 'all'"),
    (["check", "program.py:model"], "a model without an input"),
    (["check", "program.py:constant"], "depends on nothing with requires_grad=True"),
    (["check", "program.py:misfit"], "line 45, in misfit"),
    (["check", "shallow", "--yours", "absent.py"], "no file 'absent.py'"),
    (["check", "shallow", "--yours", "mine"], "got 'mine', expected FILE.py or FILE.py:FUNCTION"),
    (["check", "shallow", "--yours", "program.py:absent"], "program.py has no 'absent'"),
    (["check", "shallow", "--yours", "boom.py"], "boom.py, line 3: RuntimeError: two lines"),
    (["check", "shallow", "--yours", "program.py", "--double"], "--double is for central"),
    (["check", "shallow", "--yours", "program.py", "--eps", "1e-3"], "--eps is for central"),
    (["equations"], "required: PROGRAM"),
    (["equations", "slides"], "no built-in 'slides'; expected one of slide, fanout, logistic1"),
    (["equations", "shallow", "--notation", "greek"], "invalid choice: 'greek'"),
    (["equations", "shallow", "--mean", "sum"], "invalid choice: 'sum'"),
    (["equations", "shallow", "--form", "pdf"], "invalid choice: 'pdf'"),
    (["equations", "shallow", "--layers", "some"], "invalid choice: 'some'"),
    (["equations", "slide", "--layers", "general"], "the general form needs numbered layers"),
    (["equations", "shallow", "--wrt", ""], "got '', expected names, such as W1,b1"),
    (["equations", "shallow", "--wrt", "W1,,b1"], "expected names"),
    (
        ["equations", "shallow", "--wrt", "W9"],
        "--wrt names 'W9', which is no parameter here. The parameters are W[1]",
    ),
    (["equations", "shallow", "-o", "a.pdf"], "ends in .txt, .md, .tex, .html"),
    (["equations", "shallow", "-o", "a_file/a.md"], "cannot write 'a_file/a.md'"),
    (["equations", "shallow", "-o", "folder.py", "--form", "text"], "is a folder"),
    (["equations", "program.py:model"], "a model without an input"),
    (["equations", "program.py:number"], "returned a value of type float"),
    (["equations", "program.py:constant"], "equations: nothing was recorded for what program.py"),
    (["equations", "program.py:misfit"], "line 45, in misfit"),
    (["source", "slides"], "no built-in 'slides'"),
    (["source", "shallow", "--style", "rows"], "invalid choice: 'rows'"),
    (["source", "shallow", "--functions", "many"], "invalid choice: 'many'"),
    (["source", "shallow", "--optimizer", "best"], "invalid choice: 'best'"),
    (["source", "shallow", "-o", "a.txt"], "a name that ends in .py"),
    (["source", "shallow", "-o", "folder.py"], "is a folder"),
    (["source", "slide", "--functions", "layers"], "source: "),
    (["source", "program.py:model"], "a model without an input"),
    (["exercise", "slides"], "no built-in 'slides'"),
    (
        ["exercise", "shallow", "--hide", "dz1"],
        "no line 'dz1' in the backward pass: did you mean dZ[1]?",
    ),
    (["exercise", "shallow", "--hide", "Z1"], "'Z1' is no line of the backward pass"),
    (["exercise", "shallow", "--hide", ","], "expected names"),
    (["exercise", "shallow", "-o", "a.pdf"], "ends in .py, .md, .txt, .tex, .html"),
    (["exercise", "shallow", "-o", "a_file"], "is a file"),
    (["exercise", "shallow", "-o", "folder.py"], "is a folder"),
    (["exercise", "program.py:pair"], "of shape (4, 1), and derivatives are those of a single"),
    (["exercise", "program.py:constant"], "nothing was recorded"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=lambda value: str(value)[:60])
def test_bad_usage_is_one_line_and_status_2(arguments, said, here, capsys):
    assert main(arguments) == 2
    assert said in one_line(capsys.readouterr().err)


def test_line_numbers_are_those_of_the_users_file():
    assert PROGRAM.splitlines()[44].strip() == "return W @ W"


@pytest.mark.parametrize(
    ("absent", "arguments", "said"),
    [
        (["sklearn"], ["demo"], "'scikit-learn', which is not installed"),
        (["matplotlib"], ["demo"], "'matplotlib', which is not installed"),
        (["sklearn", "matplotlib", "pygraphviz"], ["demo"], "scikit-learn, matplotlib, pygraphviz"),
        (["sklearn"], ["train", "digits"], 'pip install "tinygrad_course[demo]"'),
        (["matplotlib"], ["train", "moons"], 'pip install "tinygrad_course[viz]"'),
        (["pygraphviz"], ["draw", "slide"], 'pip install "tinygrad_course[viz]"'),
        (["sklearn"], ["check", "digits"], 'pip install "tinygrad_course[demo]"'),
    ],
)
def test_missing_packages_are_named_with_their_extra(
    absent, arguments, said, here, capsys, monkeypatch
):
    monkeypatch.setenv("PATH", str(here))  # no dot either
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.datasets", None)
    assert main(arguments) == 2
    assert said in one_line(capsys.readouterr().err)
    assert not (here / "demo").exists()


def test_a_folder_in_the_way_of_a_file_is_named_before_the_work(here, capsys):
    (here / "out" / "index.html").mkdir(parents=True)
    assert main(["demo", "--out", "out"]) == 2
    assert "index.html' is a folder" in one_line(capsys.readouterr().err)


def test_interrupt_before_anything_is_saved(here, capsys, monkeypatch):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_course.commands.program.find", interrupted)
    assert main(["check", "slide"]) == 130
    assert one_line(capsys.readouterr().err) == "tinygrad-course: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted_training_says_how_to_go_on(here):
    process = start(["train", "moons", "--epochs", "100000"], here)
    checkpoint = here / "runs" / "moons" / "checkpoint.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"interrupted; \d+ of 100000 epochs are saved.* --resume", one_line(errors))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_closed_pipe_ends_quietly(here):
    process = start(["check", "slide"], here)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


# --- draw -----------------------------------------------------------------------------------------


def test_draw_writes_the_slides_graph(here, capsys):
    assert main(["draw", "slide", "--backward"]) == 0
    assert capsys.readouterr().out == "wrote graph.svg\n"
    text = " ".join(ElementTree.parse(here / "graph.svg").getroot().itertext())
    # The slide's numbers: dJ/da = 3, dJ/db = 6, dJ/dc = 9, J = 33.
    for expected in ("da = 3", "db = 6", "dc = 9", "33"):
        assert expected in text


@pytest.mark.parametrize(
    "program",
    ["fanout", "logistic1", "micrograd", "linear", "logistic", "shallow", "deep", "softmax"]
    + ["welch", "coffee", "digits"],
)
def test_draw_knows_the_courses_graphs(program, here):
    assert main(["draw", program, "--backward", "-o", "a.gv"]) == 0
    assert (here / "a.gv").read_text(encoding="utf-8").startswith('digraph "graph" {')


@pytest.mark.parametrize("name", ["fresh", "kept", "pair", "model", "net"])
def test_draw_takes_a_users_function_model_or_pair(name, here):
    assert main(["draw", f"program.py:{name}", "-o", "a.gv"]) == 0
    source = (here / "a.gv").read_text(encoding="utf-8")
    assert source.startswith("digraph network" if name in ("model", "net") else 'digraph "graph"')


def test_draw_options_change_the_picture(here):
    sources = set()
    for options in ([], ["--depth", "1"], ["--direction", "TB"], ["--backward"]):
        assert main(["draw", "digits", *options, "-o", "a.gv"]) == 0
        sources.add((here / "a.gv").read_text(encoding="utf-8"))
    assert len(sources) == 4


# --- check ----------------------------------------------------------------------------------------


def test_check_prints_published_derivatives(here, capsys):
    assert main(["check", "micrograd"]) == 0
    text = capsys.readouterr().out
    assert "passed: 2 of 2 entries" in text
    # micrograd's README: dg/da = 138.8338, dg/db = 645.5773.
    assert re.search(r"^a .* 138\.8338\d* +138\.8338", text, re.MULTILINE)
    assert re.search(r"^b .* 645\.577[23]\d* +645\.577[23]", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["slide"], "3 of 3 entries of 3 parameters"),
        (["fanout"], "3 of 3"),
        (["logistic1", "--double"], "cotangent of output 0"),
        (["logistic"], "3 of 3 entries of 2 parameters"),
        (["linear"], "2 of 2 entries of 2 parameters"),
        (["deep"], "58 of 58 entries of 8 parameters"),
        (["softmax"], "27 of 27 entries of 4 parameters"),
        (["welch"], "9 of 9 entries of 2 parameters"),
        (["shallow"], "17 of 17 entries of 4 parameters"),
        (["coffee", "--eps", "1e-5"], "ε = 1e-05"),
        (["digits", "--max-entries", "20"], "20 of 2031 entries"),
        (["program.py:fresh", "--double"], "passed"),
        (["program.py:kept"], "6 of 6 entries of 1 parameter"),
        (["program.py:pair"], "11 of 11 entries of 4 parameters"),
    ],
)
def test_right_gradients_pass(arguments, said, here, capsys):
    assert main(["check", *arguments]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("wrong", "1.5"), ("drawn_anew", "the function is non-deterministic")]
)
def test_wrong_gradients_fail_with_status_1(name, said, here, capsys):
    assert main(["check", f"program.py:{name}"]) == 1
    text = capsys.readouterr().out
    assert "Gradient check FAILED" in text
    assert said in text


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


# --- train ----------------------------------------------------------------------------------------


def weights(path: Path) -> list[Any]:
    values = load_file(path / "model.safetensors")
    return [values[name] for name in sorted(values)]


def figures(text: str) -> dict[str, tuple[float, float]]:
    found = re.findall(r"^(training|test) +([\d.e-]+) +([\d.]+)%$", text, re.MULTILINE)
    return {name: (float(loss), float(accuracy) / 100) for name, loss, accuracy in found}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_moons_reaches_the_lectures_accuracy(here, capsys):
    assert main(["train", "moons"]) == 0
    text = capsys.readouterr().out
    out = here / "runs" / "moons"
    assert sorted(p.name for p in out.iterdir()) == [
        "boundary.png",
        "checkpoint.safetensors",
        "history.png",
        "model.safetensors",
        "settings.json",
    ]
    assert "Total params: 337" in text
    b1, W1, b2, W2, b3, W3 = weights(out)
    for name, seed in (("training", 1337), ("test", 1338)):
        X, Y = course.moons(100, noise=0.1, seed=seed)
        A = np.maximum(np.maximum(X @ W1 + b1, 0) @ W2 + b2, 0)
        score = A @ W3 + b3
        penalty = 1e-4 * sum(float((p * p).sum()) for p in (W1, b1, W2, b2, W3, b3))
        loss = float(np.maximum(0, 1 - (2 * Y - 1) * score).mean()) + penalty
        accuracy = float(np.mean((score > 0) == (Y > 0.5)))
        printed = figures(text)[name]
        assert printed == (pytest.approx(loss, rel=1e-3), pytest.approx(accuracy, abs=1e-4))
        assert accuracy >= 0.99


def test_coffee_follows_the_lab_and_takes_plain_inputs(here, capsys):
    assert main(["train", "coffee", "--epochs", "1"]) == 0
    text = capsys.readouterr().out
    # The lab prints about .18 for its first epoch.
    first = re.search(r"^  first +1 +([\d.]+)", text, re.MULTILINE)
    assert first is not None and 0.15 < float(first[1]) < 0.22
    values = load_file(here / "runs" / "coffee" / "model.safetensors")
    X, Y = course.coffee()
    X = (X - values["0.mean"]) / np.sqrt(values["0.variance"])
    A = sigmoid(X @ values["1.weight"] + values["1.bias"])
    A = sigmoid(A @ values["2.weight"] + values["2.bias"])
    loss = float(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))
    accuracy = float(np.mean((A >= 0.5) == (Y == 1)))
    assert figures(text) == {
        "training": (pytest.approx(loss, rel=1e-3), pytest.approx(accuracy, abs=1e-4))
    }


def test_digits_judges_on_images_held_out(here, capsys):
    assert main(["train", "digits", "--epochs", "8", "--out", "here"]) == 0
    text = capsys.readouterr().out
    assert "1437 images of 8 x 8 pixels, 360 more held out" in text
    b1, W1, b2, W2, b3, W3 = weights(here / "here")
    X, labels = course.digits()
    A = np.maximum(np.maximum(X @ W1 + b1, 0) @ W2 + b2, 0)
    right = np.mean((A @ W3 + b3).argmax(axis=1) == labels)
    printed = figures(text)
    both = (1437 * printed["training"][1] + 360 * printed["test"][1]) / 1797
    assert both == pytest.approx(float(right), abs=1e-4)
    assert printed["test"][1] > 0.8


def test_planar_and_circles_learn_with_settings_of_ones_own(here, capsys):
    assert main(["train", "planar", "--epochs", "1000"]) == 0
    assert figures(capsys.readouterr().out)["training"][1] > 0.8
    options = ["--hidden", "8", "--activation", "tanh", "--optimizer", "adam", "--lr", "0.03"]
    assert main(["train", "circles", "--epochs", "100", "--batch-size", "50", *options]) == 0
    text = capsys.readouterr().out
    assert "2-8-1, tanh in the hidden layers" in text
    assert "adam, learning rate 0.03, batch 50" in text
    assert figures(text)["test"][1] > 0.8


def test_no_hidden_layer_is_logistic_regression(here, capsys):
    assert main(["train", "planar", "--hidden", "none", "--epochs", "300"]) == 0
    text = capsys.readouterr().out
    assert "Total params: 3 " in text
    # DLS: a straight line gets 47 % of the flower right.
    assert figures(text)["training"][1] == pytest.approx(0.47, abs=0.02)


SMALL = ["train", "circles", "--hidden", "3", "--batch-size", "64", "--optimizer", "adam"]


def test_a_resumed_run_equals_an_uninterrupted_one(here):
    assert main([*SMALL, "--epochs", "7", "--out", "whole"]) == 0
    assert main([*SMALL, "--epochs", "3", "--out", "parts"]) == 0
    assert main(["train", "circles", "--resume", "--epochs", "7", "--out", "parts"]) == 0
    for name in ("model.safetensors", "checkpoint.safetensors", "history.png", "boundary.png"):
        assert (here / "whole" / name).read_bytes() == (here / "parts" / name).read_bytes(), name
    # There is nothing left to do; doing it changes nothing.
    before = (here / "parts" / "model.safetensors").read_bytes()
    assert main([*SMALL, "--resume", "--out", "parts"]) == 0
    assert (here / "parts" / "model.safetensors").read_bytes() == before


def test_resuming_a_different_run_is_refused(here, capsys):
    assert main([*SMALL, "--epochs", "3", "--out", "run"]) == 0
    resume = ["--resume", "--out", "run"]
    capsys.readouterr()
    for arguments, said in (
        (["train", "circles", "--hidden", "4", *resume], "got --hidden 4, but the run"),
        (["train", "circles", "--batch-size", "all", *resume], "--batch-size all"),
        (["train", "circles", "--seed", "5", *resume], "--seed 5"),
        (["train", "moons", *resume], "got moons, but the run in 'run' has circles"),
        (["train", "circles", "--epochs", "2", *resume], "has 3 behind it"),
    ):
        assert main(arguments) == 2
        assert said in one_line(capsys.readouterr().err)

    settings = here / "run" / "settings.json"
    kept = settings.read_text()
    settings.write_text(kept.replace("3\n  ]", "4\n  ]"))
    assert main(["train", "circles", *resume]) == 2
    one_line(capsys.readouterr().err)
    for damaged in ("", "[]", '{"dataset": "circles"}', "\0"):
        settings.write_text(damaged)
        assert main(["train", "circles", *resume]) == 2
        assert "missing or damaged" in one_line(capsys.readouterr().err)

    settings.write_text(kept)
    checkpoint = here / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    assert main(["train", "circles", *resume]) == 2
    one_line(capsys.readouterr().err)


# --- bench ----------------------------------------------------------------------------------------


def test_bench_without_a_checkout_says_where_it_is(here, capsys, monkeypatch):
    monkeypatch.setattr(bench, "__file__", str(here / "a" / "b" / "bench.py"))
    assert main(["bench"]) == 2
    assert "part of the repository" in one_line(capsys.readouterr().err)


def test_bench_hands_its_arguments_on(here, capfd, monkeypatch):
    (here / "benchmarks").mkdir()
    code = "import sys\nprint(sys.argv[1:])\nsys.exit(3)\n"
    (here / "benchmarks" / "__init__.py").write_text("")
    (here / "benchmarks" / "__main__.py").write_text(code)
    monkeypatch.setattr(bench, "__file__", str(here / "a" / "b" / "bench.py"))
    assert main(["bench", "--help", "steps"]) == 3
    assert capfd.readouterr().out == "['--help', 'steps']\n"
