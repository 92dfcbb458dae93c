"""Datasets: examples looked up by number.

Here you hold examples as rows of arrays (`TensorDataset`), choose some of them (`Subset`), or write
a `Dataset` of your own. One example is one row; data written in columns, as DLS writes it, is
transposed first. This module knows nothing of batches or order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import ArgumentError, DtypeError, IndexingError, ShapeError
from tinygrad_course.tensor import Tensor, to_array, wrap

__all__ = [
    "ConcatDataset",
    "Dataset",
    "Subset",
    "TensorDataset",
    "as_dataset",
    "rows_of",
    "numbers_in",
    "takes_many",
]

Array = NDArray[Any]


class Dataset:
    """Base class for examples that are looked up by number: give it a length and `dataset[i]`.

    Any object with `__len__` and `__getitem__` will do; subclassing only says so.

    Example:
        >>> from tinygrad_course.data import DataLoader, Dataset
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         return float(index), float(index) ** 2
        >>> [(x.tolist(), y.tolist()) for x, y in DataLoader(Squares(), batch_size=2)]
        [([0.0, 1.0], [0.0, 1.0]), ([2.0], [4.0])]
    """

    def __len__(self) -> int:
        """Return the number of examples."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__, to tell its length.")

    def __getitem__(self, index: Any) -> Any:
        """Return the example at `index`."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__.")

    def __add__(self, other: Any) -> ConcatDataset:
        """Return the examples of this dataset, followed by those of another."""
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Examples that are the rows of arrays or tensors: example i is `(X[i], Y[i], ...)`.

    The memory is shared with what was given, not copied; what indexing hands out is a copy.

    Args:
        *tensors: arrays, tensors or nested lists of numbers, each of shape (examples, ...), with
            the same number of examples.

    Raises:
        ArgumentError: nothing was given, or a tensor that requires a gradient.
        DtypeError: the values are not numbers.
        ShapeError: the numbers of examples differ, or a value has no axis of examples.

    Example:
        >>> from tinygrad_course.data import TensorDataset
        >>> data = TensorDataset([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0, 1, 0])
        >>> len(data)
        3
        >>> x, y = data[1]
        >>> x.tolist(), y.tolist()
        ([3.0, 4.0], 1)
    """

    def __init__(self, *tensors: Any) -> None:
        """Hold the tensors, which must have the same number of examples."""
        if not tensors:
            raise ArgumentError(
                "TensorDataset: got no arrays, expected at least one. "
                "Pass the inputs and the labels: TensorDataset(X, Y)."
            )
        self._arrays = tuple(rows_of("TensorDataset", i, t) for i, t in enumerate(tensors))
        lengths = [len(array) for array in self._arrays]
        if len(set(lengths)) > 1:
            shapes = ", ".join(str(array.shape) for array in self._arrays)
            raise ShapeError(
                f"TensorDataset: got the shapes {shapes}, that is {lengths} examples, expected the "
                "same length along the first axis. Examples are rows: transpose data written in "
                "columns, TensorDataset(X.T, Y.T)."
            )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The whole data as tensors, sharing memory with what was given.

        Example:
            >>> from tinygrad_course.data import TensorDataset
            >>> TensorDataset([[1.0], [2.0]]).tensors[0].shape
            (2, 1)
        """
        return tuple(wrap(array) for array in self._arrays)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._arrays[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """Return one example, or with a slice or an array of integers many at once."""
        # NumPy gives a view for a number or a slice, and a fresh array for an array of indices.
        copy = None if isinstance(index, np.ndarray) and index.ndim > 0 else True
        try:
            return tuple(wrap(np.array(array[index], copy=copy)) for array in self._arrays)
        except IndexError as error:
            raise IndexingError(
                f"TensorDataset: got the index {index!r}, expected one from 0 to {len(self) - 1}. "
                f"({error})"
            ) from None

    def __repr__(self) -> str:
        """Show the number of examples and the shapes."""
        shapes = ", ".join(str(array.shape) for array in self._arrays)
        return f"TensorDataset({len(self)} examples: {shapes})"


class Subset(Dataset):
    """The part of a dataset at the given indices, in their order.

    Args:
        dataset: any dataset.
        indices: integers from -len(dataset) to len(dataset) - 1; repeats are allowed.

    Raises:
        DtypeError: the indices are not integers.
        IndexingError: an index outside the dataset.
        ShapeError: the indices are not one flat list.

    Example:
        >>> from tinygrad_course.data import Subset, TensorDataset
        >>> data = Subset(TensorDataset([10.0, 11.0, 12.0]), [2, 0])
        >>> [x.item() for (x,) in data]
        [12.0, 10.0]
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        """Choose the examples at `indices`."""
        self.dataset = dataset
        self.indices = _checked_indices(indices, len(dataset))

    def __len__(self) -> int:
        """Return the number of chosen examples."""
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        """Return the example at place `index` among the chosen; many at once with a slice."""
        try:
            chosen = self.indices[index]
        except IndexError:
            raise IndexingError(
                f"Subset: got the index {index!r}, expected one from 0 to {len(self) - 1}."
            ) from None
        return self.dataset[int(chosen) if chosen.ndim == 0 else chosen]

    def __repr__(self) -> str:
        """Show how much of what is chosen."""
        return f"Subset({len(self)} of {self.dataset!r})"


class ConcatDataset(Dataset):
    """The examples of several datasets, one after the other; also written ``first + second``.

    Args:
        datasets: the datasets, at least one.

    Raises:
        ArgumentError: no dataset was given.

    Example:
        >>> from tinygrad_course.data import ConcatDataset, TensorDataset
        >>> both = ConcatDataset([TensorDataset([1.0, 2.0]), TensorDataset([3.0])])
        >>> len(both), both[2][0].item(), both[-3][0].item()
        (3, 3.0, 1.0)
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        """Note where each dataset ends."""
        self.datasets = [as_dataset("ConcatDataset", data) for data in datasets]
        if not self.datasets:
            raise ArgumentError(
                "ConcatDataset: got no datasets, expected at least one. Pass a list of them."
            )
        self.cumulative_sizes = list(accumulate(len(data) for data in self.datasets))

    def __len__(self) -> int:
        """Return the number of examples in all datasets together."""
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> Any:
        """Return one example."""
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexingError(
                f"ConcatDataset: got the index {index!r}, expected one from 0 to {len(self) - 1}."
            )
        which = bisect_right(self.cumulative_sizes, place)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][place - before]


def as_dataset(caller: str, data: Any) -> Any:
    """Return `data` as a dataset; arrays and tuples of arrays become a `TensorDataset`.

    Args:
        caller: the name to blame in an error.
        data: a dataset, an array or tensor, or a tuple of arrays or tensors.

    Raises:
        DtypeError: it has no length or cannot be indexed.

    Example:
        >>> import numpy as np
        >>> from tinygrad_course.data.dataset import as_dataset
        >>> as_dataset("DataLoader", (np.zeros((3, 2)), np.zeros(3)))
        TensorDataset(3 examples: (3, 2), (3,))
    """
    if isinstance(data, np.ndarray | Tensor):
        return TensorDataset(data)
    if isinstance(data, tuple):
        return TensorDataset(*data)
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise DtypeError(
            f"{caller}: got a {type(data).__name__}, expected a dataset with __len__ and "
            "__getitem__, or arrays. Pass for example (X, Y)."
        )
    return data


def rows_of(caller: str, place: int, value: Any) -> Array:
    """Return the array behind `value`, whose first axis counts examples."""
    if isinstance(value, Tensor) and value.requires_grad:
        raise ArgumentError(
            f"{caller}: got a tensor (argument {place}) with requires_grad=True, expected data; "
            "batches do not pass gradients back to it. Pass t.detach()."
        )
    array = numbers_in(caller, f"argument {place}", value)
    if array.ndim == 0:
        raise ShapeError(
            f"{caller}: got a single number as argument {place}, expected an array of shape "
            "(examples, ...). Pass a list or an array."
        )
    return array


def numbers_in(caller: str, what: str, value: Any) -> Array:
    """Return the array behind `value`, or blame `what` when it does not hold numbers."""
    try:
        return to_array(value)
    except ShapeError:
        raise ShapeError(
            f"{caller}: got {what} that is not rectangular, expected numbers in rows of equal "
            "length. Pad or cut the rows."
        ) from None
    except DtypeError:
        got = getattr(value, "dtype", type(value).__name__)
        raise DtypeError(
            f"{caller}: got {what} of {got}, expected real numbers, integers or booleans. "
            "Convert it first, for example array.astype(np.float64)."
        ) from None


def takes_many(dataset: Any) -> bool:
    """Tell whether `dataset[indices]` gives many examples at once, stacked.

    A subclass with an `__getitem__` of its own (say, one that adds noise) is asked one by one.
    """
    if isinstance(dataset, Subset):
        return type(dataset).__getitem__ is Subset.__getitem__ and takes_many(dataset.dataset)
    return (
        isinstance(dataset, TensorDataset)
        and type(dataset).__getitem__ is TensorDataset.__getitem__
    )


def _checked_indices(indices: Any, length: int) -> NDArray[np.int64]:
    array = np.asarray(indices)
    if array.ndim != 1:
        raise ShapeError(f"Subset: got indices of shape {array.shape}, expected one flat list.")
    if array.size and array.dtype.kind not in "iu":
        raise DtypeError(
            f"Subset: got indices of dtype {array.dtype}, expected integers. "
            "For a mask of booleans pass np.flatnonzero(mask)."
        )
    chosen = array.astype(np.int64)
    wrong = chosen[(chosen < -length) | (chosen >= length)]
    if wrong.size:
        raise IndexingError(
            f"Subset: got the index {wrong[0]} for a dataset of {length} examples, expected one "
            f"from 0 to {length - 1}."
        )
    return np.where(chosen < 0, chosen + length, chosen)
