"""Splitting examples at random into training and test parts.

Every split draws from a `Generator`, so that a seed repeats it. This module knows nothing of
batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.data.dataset import Array, Subset, as_dataset, rows_of
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_course.random import Generator, default_generator
from tinygrad_course.tensor import Tensor, wrap

__all__ = ["checked_generator", "random_split", "train_test_split"]

Data = TypeVar("Data", Tensor, Array)


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Part a dataset at random into non-overlapping subsets.

    Args:
        dataset: any dataset, an array, or a tuple of arrays.
        lengths: either the sizes, which sum to `len(dataset)`, or fractions that sum to 1. With
            fractions, the examples that rounding down leaves over go one each to the first subsets.
        generator: where to draw from; `default_generator` when None.

    Returns:
        One `Subset` per length.

    Raises:
        ArgumentError: the lengths are negative or do not sum to the whole.
        DtypeError: the lengths are not numbers, or the generator is not a `Generator`.

    Source: `torch.utils.data.random_split`.

    Example:
        >>> from tinygrad_course.data import TensorDataset, random_split
        >>> from tinygrad_course.random import Generator
        >>> parts = random_split(TensorDataset(list(range(10))), [0.75, 0.25], Generator(0))
        >>> [len(part) for part in parts]
        [8, 2]
    """
    whole = as_dataset("random_split", dataset)
    sizes = _split_sizes(lengths, len(whole))
    order = checked_generator("random_split", generator).numpy.permutation(len(whole))
    ends = np.cumsum(sizes)[:-1]
    return [Subset(whole, part) for part in np.split(order, ends)]


def train_test_split(
    X: Data,
    Y: Data,
    test_size: float = 0.2,
    seed: SupportsIndex | None = 0,
    stratify: Any = None,
) -> tuple[Data, Data, Data, Data]:
    """Part examples at random into a training and a test set.

    Args:
        X: inputs of shape (m, ...), an array or a tensor.
        Y: labels of shape (m, ...), an array or a tensor.
        test_size: a fraction between 0 and 1, rounded up to whole examples, or a number of
            examples.
        seed: an integer; the same seed gives the same parts. None draws from `default_generator`.
        stratify: labels, m of them, whose proportions both parts shall keep: usually `Y`.

    Returns:
        `X_train, X_test, Y_train, Y_test`: copies, arrays for arrays and tensors for tensors.

    Raises:
        ArgumentError: `test_size` leaves a part empty; a stratified class has fewer than two
            examples, or there are more classes than places.
        DtypeError: `test_size` or the seed is not a number, the data not numbers.
        ShapeError: the numbers of examples differ.

    Source: the order of the results is scikit-learn's `train_test_split`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_course.data import train_test_split
        >>> X, Y = np.arange(10.0).reshape(10, 1), np.arange(10) % 2
        >>> X_train, X_test, Y_train, Y_test = train_test_split(X, Y, stratify=Y)
        >>> X_train.shape, X_test.shape, sorted(Y_test.tolist())
        ((8, 1), (2, 1), [0, 1])
    """
    x = rows_of("train_test_split", 0, X)
    y = rows_of("train_test_split", 1, Y)
    if len(x) != len(y):
        raise ShapeError(
            f"train_test_split: got X of shape {x.shape} and Y of shape {y.shape}, expected the "
            "same length along the first axis. Examples are rows: transpose data in columns."
        )
    size = _test_size(test_size, len(x))
    generator = default_generator if seed is None else Generator(seed)
    if stratify is None:
        order = generator.numpy.permutation(len(x))
        test, train = order[:size], order[size:]
    else:
        test, train = _stratified(_labels(stratify, len(x)), size, generator)
    return _take(X, x, train), _take(X, x, test), _take(Y, y, train), _take(Y, y, test)


def checked_generator(caller: str, generator: Generator | None) -> Generator:
    """Return `generator`, or `default_generator` for None; blame `caller` for anything else."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise DtypeError(
            f"{caller}: got a generator of type {type(generator).__name__}, expected a "
            "tinygrad_course Generator. Pass Generator(seed)."
        )
    return generator


def _split_sizes(lengths: Sequence[float], total: int) -> list[int]:
    values = list(lengths)
    if not values or not all(isinstance(v, int | float | np.number) for v in values):
        raise DtypeError(
            f"random_split: got lengths={lengths!r}, expected a list of numbers. "
            f"Pass sizes that sum to {total}, or fractions that sum to 1."
        )
    whole = all(isinstance(v, int | np.integer) for v in values)
    negative = any(not v >= 0 for v in values)  # written so that NaN counts as negative
    if negative or (whole and sum(values) != total) or (not whole and abs(sum(values) - 1) > 1e-9):
        raise ArgumentError(
            f"random_split: got lengths={values}, which sum to {sum(values)}, for {total} "
            f"examples; expected sizes >= 0 that sum to {total}, or fractions that sum to 1."
        )
    if whole:
        return [int(v) for v in values]
    sizes = [math.floor(total * v) for v in values]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    return sizes


def _test_size(value: Any, total: int) -> int:
    cure = "Pass a fraction such as 0.2, or a number of examples that leaves some for training."
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise DtypeError(f"train_test_split: got test_size={value!r}, expected a number. {cure}")
    if isinstance(value, int | np.integer):
        size = int(value)
    elif 0 < value < 1:
        # The small step back keeps 0.1 of 30 at 3: the product is 3.0000000000000004.
        size = math.ceil(float(value) * total - 1e-9)
    else:
        size = 0
    if not 0 < size < total:
        raise ArgumentError(
            f"train_test_split: got test_size={value!r} for {total} examples, expected a fraction "
            f"between 0 and 1, or from 1 to {total - 1} examples. {cure}"
        )
    return size


def _labels(stratify: Any, total: int) -> Array:
    array = stratify.numpy() if isinstance(stratify, Tensor) else np.asarray(stratify)
    if array.size != total or array.shape[:1] != (total,):
        raise ShapeError(
            f"train_test_split: got stratify of shape {array.shape}, expected {total} labels, one "
            "per example. Pass the labels, usually stratify=Y (for one-hot rows Y.argmax(axis=1))."
        )
    return array.reshape(total)


def _stratified(
    labels: Array, size: int, generator: Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the test and the training indices, each class in its proportion in both.

    Shares are rounded down, and the places left go to the largest remainders (Hamilton's method).
    """
    classes, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    total = len(labels)
    if counts.min() < 2 or size < len(classes) or total - size < len(classes):
        raise ArgumentError(
            f"train_test_split: got stratify with {len(classes)} classes, the smallest of "
            f"{counts.min()} examples, for {size} test and {total - size} training examples; "
            "expected at least two examples of each class and a place for each class in both "
            "parts. Change test_size, or leave out stratify."
        )
    shares = counts * size / total
    places = np.floor(shares).astype(np.int64)
    by_remainder = np.argsort(-(shares - places), kind="stable")
    places[by_remainder[: size - places.sum()]] += 1
    order = generator.numpy.permutation(total)
    parts = [order[members[order] == c] for c in range(len(classes))]
    pairs = list(zip(parts, places, strict=True))
    test = np.concatenate([part[:n] for part, n in pairs])
    train = np.concatenate([part[n:] for part, n in pairs])
    # Classes stand one after another so far; mix them, as a reader of the first rows would expect.
    return generator.numpy.permutation(test), generator.numpy.permutation(train)


def _take(given: Data, array: Array, indices: NDArray[np.int64]) -> Data:
    part = array[indices]
    return wrap(part) if isinstance(given, Tensor) else part
