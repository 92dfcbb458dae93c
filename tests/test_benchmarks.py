"""The benchmarks compare the same mathematics, and their report says what was measured."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import (
    coffee,
    elementwise,
    images,
    measure,
    recurrent,
    report,
    runner,
    steps,
    worker,
)

OWN = ["by hand", "tinygrad_course", "compiled numpy", "compiled numba"]
HERE = [name for name in OWN if not steps.missing(name)]


@pytest.mark.parametrize(("sizes", "m"), steps.SIZES[:3], ids=str)
def test_the_steps_of_the_libraries_are_the_same(sizes, m):
    data = steps.problem(sizes, m)
    made = {name: steps.LIBRARIES[name].build(*data) for name in HERE}
    losses = measure.agreement(made, count=5, tolerance=1e-5)
    assert losses["by hand"][4] < losses["by hand"][0]


def test_the_steps_of_a_convolutional_network_are_the_same():
    case = images.Case(4, 2, 10, (3, 5))
    data = images.problem(case)
    made = {n: images.BUILDERS[n].build(*data) for n in images.available(OWN)}
    losses = measure.agreement(made, count=5, tolerance=1e-5)
    assert losses["by hand"][4] < losses["by hand"][0]
    # 8·8·3·18 twice; 2·2·5·27 and 10·5 three times, for each of 4 examples
    assert case.work == 4 * (2 * 3456 + 3 * (540 + 50))


@pytest.mark.parametrize("kind", recurrent.GATES)
def test_the_steps_of_a_recurrent_network_are_the_same(kind):
    case = recurrent.Case(kind, 4, 5, 2, 3)
    data = recurrent.problem(case)
    own = OWN if kind == "RNN" else OWN[:3]  # numba takes long to compile the others
    made = {n: recurrent.BUILDERS[n].build(*data) for n in recurrent.available(own, kind)}
    losses = measure.agreement(made, count=5, tolerance=1e-5)
    assert losses["tinygrad_course"][4] < losses["tinygrad_course"][0]
    # x[t] to rows twice, h[t] to rows three times; the state to the logit three times.
    assert case.work == 4 * (5 * recurrent.GATES[kind] * 3 * (2 * 2 + 3 * 3) + 3 * 3)


def cost(X, Y, W, b):
    """Return the mean cross-entropy in float64, written another way."""
    A = X.astype(float)
    for w, c in zip(W, b, strict=True):
        A = (1 + np.tanh((A @ w + c) / 2)) / 2
    return float(-np.mean(np.log(np.where(Y == 1, A, 1 - A))))


def test_a_step_by_hand_returns_the_cost_and_goes_down_its_gradient():
    X, Y, W, b = steps.problem((2, 3, 2), 8)
    step = steps.by_hand(X, Y, W, b)
    before = cost(X, Y, W, b)
    assert step() == pytest.approx(before, rel=1e-6)
    W, b = [w.astype(float) for w in W], [c.astype(float) for c in b]
    moved = []
    for p in (*W, *b):
        slopes = np.zeros_like(p)
        for i in np.ndindex(p.shape):
            kept = p[i]
            p[i] = kept + 1e-4
            up = cost(X, Y, W, b)
            p[i] = kept - 1e-4
            slopes[i] = (up - cost(X, Y, W, b)) / 2e-4
            p[i] = kept
        moved.append(p - steps.RATE * slopes)
    after = cost(X, Y, moved[:2], moved[2:])
    assert step() == pytest.approx(after, rel=3e-7)
    assert before - after > 1e-5


def test_multiply_adds():
    # Forward 2·3 + 3·1, weights' gradients as many, hidden gradient 3·1: 21 for each example.
    assert steps.multiply_adds((2, 3, 1), 32) == 32 * 21
    counts = [steps.multiply_adds(*size) for size in steps.CURVE]
    assert [round(np.log10(count)) for count in counts] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_elementwise_chains_have_the_values_they_say():
    x = np.linspace(-2, 2, 1001)
    first, second = (chain.function(np, x) for chain in elementwise.CHAINS)
    assert first == pytest.approx(np.polynomial.Polynomial([-2, 1.5, -2, 1])(x).mean())
    assert second == pytest.approx((x * (1 + np.tanh(x / 2)) / 2).mean())


def test_the_coffee_lab_is_the_same_in_each_library():
    data = coffee.lab(4)
    losses = {name: coffee.RUNS[name][1](*data, 3) for name in coffee.available(OWN)}
    measure.agree(losses, 1e-5)
    assert len(losses["fit"]) == 3


@pytest.mark.parametrize("odd", [0.51, float("nan")])
def test_losses_that_differ_stop_the_run(odd):
    with pytest.raises(SystemExit, match=r"disagree on the loss: a 0\.5, b"):
        measure.agree({"a": [0.7, 0.5], "b": [0.7, odd]}, 1e-4)


def test_a_library_that_fails_is_told_and_the_others_go_on():
    def fails() -> float:
        raise RuntimeError("no compiler\nmore")

    made, failed = worker.built({"a": lambda: lambda: 1.0, "b": lambda: fails})
    assert list(made) == ["a"]
    assert failed == {"b": "no compiler"}


def test_taking_turns_every_step_is_timed():
    counts = {"a": 0, "b": 0}

    def step(name: str) -> None:
        counts[name] += 1

    times = measure.interleave({n: lambda n=n: step(n) for n in counts}, 0.02, rounds=2)
    assert set(times) == {"a", "b"}
    assert min(*counts.values(), *times.values()) > 0


def test_memory_counts_what_grew():
    memory = measure.Memory()
    block = np.ones(30_000_000 // 8)
    assert memory.grown() >= 0.9 * block.nbytes


def test_one_thread_is_asked_of_every_library(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert worker.environment("one")["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in worker.environment("all")
    assert worker.environment("all", "/x")["NUMBA_CACHE_DIR"] == "/x"


def rows() -> list[report.Row]:
    return [
        report.Row("2-3-1, 32", 672, {"by hand": 20.0, "compiled numpy": 15.0, "PyTorch": 200.0}),
        report.Row("9-9, 9", 729, {"by hand": 4.0, "PyTorch": 8.0}, failed={"JAX jit": "no"}),
    ]


def test_the_table_of_steps():
    lines = report.steps("Steps", rows(), ["by hand", "compiled numpy", "PyTorch", "MyGrad"])
    assert "| 2-3-1, 32 | 672 | 20.0 | 15.0 | 200 |" in lines
    assert "| 9-9, 9 | 729 | 4.00 | – | 8.00 |" in lines
    assert "| compiled numpy to by hand | 0.75 | – |" in lines
    assert "| compiled numpy to the fastest other framework | 0.075 | – |" in lines
    assert "JAX jit could not run: no" in lines


def test_the_readme_gets_the_first_table_as_ratios_to_pytorch():
    lines = report.steps("Steps", rows(), ["by hand", "compiled numpy", "PyTorch"])
    page = report.with_table(f"a\n{report.README[0]}old\n{report.README[1]}b\n", lines)
    kept = page.splitlines()
    assert kept[0] == "a" and kept[-1] == "b" and "old" not in page
    assert "| layers, batch | by hand | compiled numpy | PyTorch |" in kept
    assert "| 2-3-1, 32 | 0.10 | 0.075 | 1.00 |" in kept
    assert "| 9-9, 9 | 0.50 | – | 1.00 |" in kept
    assert report.with_table(page, lines) == page


def test_the_readme_has_the_place_for_the_table():
    page = (worker.ROOT / "README.md").read_text(encoding="utf-8")
    assert all(mark in page for mark in report.README)
    with pytest.raises(SystemExit, match="README"):
        report.with_table("nothing", [])


def test_the_plot_names_every_library(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.plot import draw

    curve = {name: [(10.0, 5.0), (1e8, 3000.0)] for name in steps.LIBRARIES}
    for path in (tmp_path / "a.svg", tmp_path / "b.svg"):
        draw(curve, path, "Time")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(f">{name}<" in text for name in (*steps.LIBRARIES, "Time"))


def test_a_library_that_is_not_installed_is_left_out_and_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    names, left_out = runner.wanted("by hand,PyTorch")
    assert names == ["by hand"]
    assert runner.left_out_lines(left_out) == ["Left out: PyTorch (torch is not installed).", ""]
    assert runner.left_out_lines({}) == []


def test_unknown_names_are_refused(capsys):
    with pytest.raises(SystemExit, match="no library 'Torch'; there are by hand, "):
        runner.wanted("by hand,Torch")
    with pytest.raises(SystemExit):
        runner.parsed(["--parts", "steps,nosuch"])
    assert "no part 'nosuch'; there are steps, " in capsys.readouterr().err


def test_a_failing_measurement_is_one_line():
    with pytest.raises(SystemExit, match=r"^benchmarks: elementwise: .*nosuch"):
        worker.measured("elementwise", nosuch=1)


def test_a_part_that_stops_is_told_and_the_others_go_on(tmp_path, capsys, monkeypatch):
    def stops(options, names):
        raise SystemExit("benchmarks: the libraries disagree")

    monkeypatch.setitem(runner.PARTS, "steps", stops)
    monkeypatch.setitem(runner.PARTS, "chains", lambda options, names: ["## Chains", ""])
    path = tmp_path / "r.md"
    assert runner.main(["--only", "by hand", "--parts", "steps,chains", "-o", str(path)]) == 1
    text = path.read_text()
    assert "Stopped in the part steps: benchmarks: the libraries disagree" in text
    assert "## Chains" in text and text in capsys.readouterr().out


def test_a_whole_run(tmp_path):
    path = tmp_path / "r.md"
    only = ["--only", "by hand,tinygrad_course,compiled numpy", "--sizes", "1", "--quick"]
    short = ["--seconds", "0.01", "--ops", "50", "--elements", "1000", "--tile", "4"]
    parts = ["--parts", "steps,curve,elementwise,coffee,chains", "-o", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *only, *short, *parts],
        cwd=worker.ROOT,
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert done.stdout.startswith(text)
    assert re.findall("^## (.*)$", text, flags=re.M)[0] == "One training step, one thread, µs"
    assert re.search(r"^\| 2-3-1, 32 \| 672 \|( [\d.]+ \|){3}$", text, flags=re.M)
    assert "\n| fit | 0" in text
    assert "could not run" not in text


def test_the_first_step_alone():
    found = worker.measured("first", sizes=[2, 3, 1], m=4, name="tinygrad_course")
    assert found["failed"] == "" and found["first"] > 0 and found["memory"] >= 0
    assert json.dumps(found)
    lines = report.first(["2-3-1, 4"], {"tinygrad_course": [{**found, "second": 0.5}]})
    assert any(line.startswith("| tinygrad_course |") and "0.500" in line for line in lines)
