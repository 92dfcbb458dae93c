"""The command line as its users meet it: what they type, what they see, what they get wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
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
