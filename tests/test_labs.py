"""The labs on real data: each gives its published numbers, or those of another program."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_examples import run

import tinygrad_course as tc
from tinygrad_course.data import course


def regularized(name):
    """Return the weights that scikit-learn's solver finds for λ = 1, its b less their mean."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, labels = getattr(course, name)()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    found = linear_model.LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(
        X, labels.ravel()
    )
    b = found.intercept_
    return (
        found.coef_.T,
        b - b.mean() if len(b) > 1 else b,
        (found.predict(X) != labels.ravel()).sum(),
    )


def test_softmax_regression(tmp_path):
    found = run("softmax_regression", tmp_path)
    for name in ("iris", "wine"):
        W, b, errors = regularized(name)
        assert found[name]["costs"][0] == pytest.approx(math.log(3), rel=1e-12)
        np.testing.assert_allclose(found[name]["W"], W, atol=2e-4)
        np.testing.assert_allclose(found[name]["b"], b, atol=1e-3)
        assert found[name]["errors"] == errors
    assert (found["iris"]["errors"], found["wine"]["errors"]) == (4, 0)
    assert found["sheet"].backward[0] == "dZ[1] = A[1] - one_hot(Y, classes=3, axis=0)"
    assert (tmp_path / "softmax_regression.png").stat().st_size > 5000


def test_breast_cancer(tmp_path):
    found = run("breast_cancer", tmp_path)
    W, b, errors = regularized("breast_cancer")
    np.testing.assert_allclose(found["W"], W, atol=1e-4)
    np.testing.assert_allclose(found["b"], b, atol=1e-4)
    assert found["errors"] == errors == 7
    (right, missed), (alarms, rest) = found["table"]
    assert right + missed + alarms + rest == 142
    assert missed + alarms <= 6
    assert found["costs"][0] == pytest.approx(math.log(2), rel=1e-12)
    assert found["sheet"].backward[0] == "dZ[1] = A[1] - Y"
    assert (tmp_path / "breast_cancer.png").stat().st_size > 5000


def test_diabetes(tmp_path):
    found = run("diabetes", tmp_path)
    # The coefficients that scikit-learn's page on this table prints, for columns of length 1.
    assert found["R2"] == pytest.approx(0.5177, abs=5e-5)
    published = [-10, -240, 520, 324, -792, 477, 101, 177, 751, 68]
    np.testing.assert_allclose(found["best"][:-1] * math.sqrt(442), published, atol=0.5)
    assert found["best"][-1] == pytest.approx(152.133, abs=5e-4)
    np.testing.assert_allclose(found["descended"], found["best"], atol=1e-5)
    np.testing.assert_allclose(found["lbfgs"], found["best"], atol=0.05)
    assert found["costs"][100] > found["least"] + 10  # the valley
    assert found["curvatures"][-1] / found["curvatures"][0] == pytest.approx(470, abs=1)
    assert len(found["evaluations"]) < 60
    assert found["sheet"].backward[0] == "dZ[1] = 2 (Z[1] - Y)"
    assert (tmp_path / "diabetes.png").stat().st_size > 5000


def test_deep_network(tmp_path):
    found = run("deep_network", tmp_path, steps=1000)
    # What the lab "step by step" prints.
    by_step = found["by_step"]
    np.testing.assert_allclose(by_step["linear_forward"], [[3.26295337, -1.23429987]], atol=5e-9)
    np.testing.assert_allclose(by_step["sigmoid"], [[0.96890023, 0.11013289]], atol=5e-9)
    np.testing.assert_allclose(by_step["relu"], [[3.43896131, 0]], atol=5e-9)
    AL = [[0.03921668, 0.70498921, 0.19734387, 0.04728177]]
    np.testing.assert_allclose(by_step["L_model_forward"], AL, atol=5e-9)
    assert by_step["caches"] == 3
    assert by_step["compute_cost"] == pytest.approx(0.2797765635793422, rel=1e-14)
    backward = {
        "sigmoid": (
            [[0.11017994, 0.01105339], [0.09466817, 0.00949723], [-0.05743092, -0.00576154]],
            [[0.10266786, 0.09778551, -0.01968084]],
            [[-0.05729622]],
        ),
        "relu": (
            [[0.44090989, 0], [0.37883606, 0], [-0.2298228, 0]],
            [[0.44513824, 0.37371418, -0.10478989]],
            [[-0.20837892]],
        ),
    }
    for activation, printed in backward.items():
        for ours, lab in zip(by_step[f"{activation}_backward"], printed, strict=True):
            np.testing.assert_allclose(ours, lab, atol=5e-9)
    line, deep = found["logistic regression"], found["64-20-7-5-1"]
    assert line["right"][1] < 92
    assert deep["right"][1] > 95
    assert deep["costs"][-1] < line["costs"][-1] / 5
    assert found["sheet"].backward[-1] == "dA[l-1] = W[l]ᵀ dZ[l]"
    assert (tmp_path / "deep_network.png").stat().st_size > 5000
    assert "</svg>" in (tmp_path / "deep_network.svg").read_text(encoding="utf-8")


def test_optimizers(tmp_path):
    found = run("optimizers", tmp_path, epochs=2001)
    # What the lab prints after 0, 1000 and 2000 epochs.
    printed = {
        "gradient descent": ([0.702405, 0.668101, 0.635288], 5e-7),
        "momentum": ([0.702413, 0.668167, 0.635388], 1e-4),  # the lab's v starts from 0
        "Adam": ([0.702166, 0.167845, 0.141316], 5e-7),
    }
    for name, (lab, digits) in printed.items():
        np.testing.assert_allclose(found[name]["costs"][::1000], lab, atol=digits)
    assert found["RMSprop"]["costs"][1000] < 0.2
    assert found["Adam"]["right"] > 90
    assert (tmp_path / "optimizers.png").stat().st_size > 5000


def test_regularization(tmp_path):
    found = run("regularization", tmp_path)
    # What the lab prints for its three exercises.
    assert found["cost"] == pytest.approx(1.7864859451590758, abs=5e-9)
    printed = [
        [[-0.25604646, 0.12298827, -0.28297129], [-0.17706303, 0.34536094, -0.4410571]],
        [[0.79276486, 0.85133918], [-0.0957219, -0.01720463], [-0.13100772, -0.03750433]],
        [[-1.77691347, -0.11832879, -0.09397446]],
    ]
    for ours, lab in zip(found["gradients"], printed, strict=True):
        np.testing.assert_allclose(ours, lab, atol=5e-9)
    A3 = [[0.36974721, 0.00305176, 0.04565099, 0.49683389, 0.36974721]]
    np.testing.assert_allclose(found["dropped"], A3, atol=5e-9)
    free, l2, dropout = (found[w]["right"] for w in ("freely", "L2, λ = 0.7", "dropout, keep 0.86"))
    assert free[0] > max(l2[0], dropout[0])
    assert free[1] + 1 < l2[1]
    assert "dW[3] = (1/m) dZ[3] A[2]ᵀ + 0.005 λ W[3]" in found["sheet"].backward
    assert "dZ[1] = dA_drop[1] * D[1] * (Z[1] > 0)" in found["dropout"].backward
    assert (tmp_path / "regularization.png").stat().st_size > 5000


def test_autoencoder(tmp_path):
    found = run("autoencoder", tmp_path)
    # No linear code of 8 numbers loses less than the principal components (Baldi, Hornik 1989).
    least = found["components"]
    assert least < found["linear"]["lost"] < 1.03 * least
    assert found["deep"]["lost"] < 0.6 * least
    assert found["deep"]["test"] < 0.8 * found["components_test"]
    assert found["sheet"].cost == ["J = (1/(64 m)) np.sum((Z[2] - X)²)"]
    assert (tmp_path / "autoencoder.png").stat().st_size > 5000


def test_vae(tmp_path):
    found = run("vae", tmp_path, epochs=40)
    # The test images cost less than to one who knows the mean image alone, and not less than the
    # entropy of their pixels.
    assert found["floor"] < found["reconstruction"] < found["blind"] - 3
    assert found["reconstruction"] + found["divergence"] < found["blind"]
    assert 1 < found["divergence"] < 4
    # KL(N(0.7, 0.4²) ‖ N(0, 1)) by quadrature.
    x = np.linspace(-6, 6, 100_001)
    p, q = (np.exp(-(((x - μ) / σ) ** 2) / 2) / σ for μ, σ in ((0.7, 0.4), (0, 1)))
    integrand = p * (np.log(p) - np.log(q)) / math.sqrt(2 * math.pi)
    by_formula = found["kl"](tc.tensor([0.7]), tc.tensor([2 * math.log(0.4)])).item()
    assert by_formula == pytest.approx(integrand.sum() * (x[1] - x[0]), rel=1e-6)
    for line in ("dz = dZ[4] W[4]ᵀ", "dμ = μ + dz", "dσ = dz * ε"):
        assert line in found["sheet"].backward
    assert "z = μ + σ * ε" in found["sheet"].forward
    assert (tmp_path / "vae.png").stat().st_size > 5000


def test_sequences(tmp_path):
    found = run("sequences", tmp_path, steps=1200)
    # Always 1: the variance of a sum of two numbers, 2/12. Solved: below 0.01, as in the paper.
    assert found["RNN"]["error"] > 0.1
    assert found["LSTM"]["error"] < 0.01
    assert sum("h⟨t⟩ = " in line for line in found["LSTM"]["sheet"].forward) == 1
    assert sum(line.startswith("c⟨") for line in found["LSTM"]["sheet"].forward) == 2  # and c⟨0⟩
    assert "z⟨t⟩ = h⟨t-1⟩ W_hhᵀ + U⟨t⟩" in " ".join(found["RNN"]["sheet"].forward)
    assert (tmp_path / "sequences.png").stat().st_size > 5000


def test_hybrid(tmp_path):
    found = run("hybrid", tmp_path, epochs=40)
    # One of the two alone: the mean over numbers t of max(P(d > t), P(d ≤ t)), 75 % for digits d
    # that are equally frequent; the sampling error of 360 images is 2.3 %.
    assert found["image alone"]["right"] < 82
    assert found["table alone"]["right"] < 82
    assert found["image and table"]["right"] > 93
    assert "r = cat(F[2], A[3], axis=1)" in found["sheet"].forward
    assert "dF[2] = dr[:, 0:64]" in found["sheet"].backward
    assert "dZ[3] = dr[:, 64:80] * (Z[3] > 0)" in found["sheet"].backward
    assert (tmp_path / "hybrid.png").stat().st_size > 5000
