"""The data of a training run: cast once, cut into batches, shuffled anew in every epoch.

Two sources look alike to the training loop: `ArrayBatches` over arrays, which is lean, and
`LoaderBatches` over a `DataLoader`. Each gives ``(inputs, target, count)`` per batch, and a state
dict from which an epoch can be repeated exactly. Nothing here knows models or losses.

Layouts. In "rows" one example is one row: X is (m, in), Y (m, out) or (m,). In "columns", as the
Deep Learning Specialization writes it, one example is one column: X is (in, m), Y (out, m); labels
that are one flat list stay (m,).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.data import DataLoader, Dataset, TensorDataset
from tinygrad_course.data.dataset import numbers_in
from tinygrad_course.errors import ArgumentError, CheckpointError, DtypeError, ShapeError
from tinygrad_course.random import Generator
from tinygrad_course.tensor import Tensor, wrap

__all__ = ["ArrayBatches", "Casts", "LoaderBatches", "arrays_of", "batches_of", "split"]

Array = NDArray[Any]
Batch = tuple[tuple[Tensor, ...], Tensor, int]

# Batches are gathered several at a time, this many bytes at once: one call instead of many, and
# small enough to stay in the cache.
_CHUNK = 1 << 20


class Casts:
    """What becomes of the data's dtypes: floats take the model's, integers as the parts need.

    Args:
        dtype: that of the model's parameters.
        inputs: cast integer and boolean inputs too (not for a model that looks numbers up).
        targets: cast integer and boolean targets too (not where they are class numbers).
    """

    def __init__(self, dtype: Any, inputs: bool = True, targets: bool = True) -> None:
        """Hold the three."""
        self.dtype = np.dtype(dtype)
        self.inputs = inputs
        self.targets = targets

    def input(self, array: Array) -> Array:
        """Return inputs in the dtype to compute with."""
        return self._cast(array, self.inputs)

    def target(self, array: Array) -> Array:
        """Return targets in the dtype to compare with."""
        return self._cast(array, self.targets)

    def _cast(self, array: Array, integers: bool) -> Array:
        if array.dtype != self.dtype and (array.dtype.kind == "f" or integers):
            return array.astype(self.dtype)
        return array


class ArrayBatches:
    """Batches of arrays.

    Args:
        x: the inputs.
        y: the targets.
        size: examples per batch; None for all in one, in their order and without a copy.
        columns: whether examples are columns.
        generator: shuffles each epoch; None leaves the order.

    Attributes:
        axis: of a batch's target, that counts examples.
    """

    def __init__(
        self, x: Array, y: Array, size: int | None, columns: bool, generator: Generator | None
    ) -> None:
        """Hold the data so that gathering a batch reads whole rows."""
        self.examples = count(y, columns)
        self.size = self.examples if size is None else min(size, self.examples)
        self.generator = generator
        self.axis = -1 if columns else 0
        whole = self.size == self.examples
        self._whole = whole
        # Columns are turned into rows once; the batches are turned back as views.
        self._turn_x, self._turn_y = columns and not whole, columns and not whole and y.ndim > 1
        self._x = np.ascontiguousarray(x.T) if self._turn_x else x
        self._y = np.ascontiguousarray(y.T) if self._turn_y else y

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.examples // self.size)

    def __iter__(self) -> Iterator[Batch]:
        """Go through one epoch."""
        return _wrapped(self.arrays(), self.axis)

    def arrays(self) -> Iterator[tuple[Array, ...]]:
        """Go through one epoch: yield the arrays of each batch."""
        for x, y in self.blocks():
            yield from zip(x, y, strict=True)

    def blocks(self) -> Iterator[tuple[Array, ...]]:
        """Go through one epoch: yield the arrays of batches of one size, stacked."""
        if self._whole:
            yield self._x[None], self._y[None]
            return
        size, turn_x, turn_y = self.size, self._turn_x, self._turn_y
        order = None
        if self.generator is not None:
            order = self.generator.numpy.permutation(self.examples)
        bytes_per_batch = size * max(1, self._x.nbytes // self.examples)
        step = size * max(1, _CHUNK // bytes_per_batch)
        full = self.examples // size * size
        starts = [*range(0, full, step), *([full] if full < self.examples else [])]
        for start, end in zip(starts, [*starts[1:], self.examples], strict=True):
            rows = slice(start, end) if order is None else order[start:end]
            x, y = self._x[rows], self._y[rows]
            each = min(size, len(y))
            x, y = x.reshape(-1, each, *x.shape[1:]), y.reshape(-1, each, *y.shape[1:])
            yield x.swapaxes(1, 2) if turn_x else x, y.swapaxes(1, 2) if turn_y else y

    def state_dict(self) -> dict[str, Any]:
        """Return where the shuffling stands between two epochs."""
        state = None if self.generator is None else self.generator.get_state()
        return {"examples": self.examples, "batch_size": self.size, "generator": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, which must be of as many examples and such batches."""
        mine = self.state_dict()
        for key in ("examples", "batch_size"):
            if state.get(key) != mine[key]:
                raise CheckpointError(
                    f"fit: the checkpoint is of a run with {key}={state.get(key)}, this one has "
                    f"{mine[key]}. Resume with the same data and batch_size."
                )
        if (state["generator"] is None) != (self.generator is None):
            raise CheckpointError(
                "fit: the checkpoint is of a run with another shuffle. Resume with the same one."
            )
        if self.generator is not None:
            self.generator.set_state(state["generator"])


class LoaderBatches:
    """Batches of a `DataLoader`: the last part of each is the target, those before are inputs.

    Args:
        loader: gives batches of rows.
        casts: what becomes of their dtypes.
        columns: turn the rows into columns.
    """

    def __init__(self, loader: DataLoader, casts: Casts, columns: bool) -> None:
        """Hold the loader."""
        self.loader = loader
        self.examples = len(loader.dataset)
        self._casts = casts
        self.axis = -1 if columns else 0
        self._columns = columns

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        """Go through one epoch."""
        return _wrapped(self.arrays(), self.axis)

    def blocks(self) -> Iterator[tuple[Array, ...]]:
        """Go through one epoch: yield the arrays of each batch, as a block of one."""
        for batch in self.arrays():
            yield tuple(a[None] for a in batch)

    def arrays(self) -> Iterator[tuple[Array, ...]]:
        """Go through one epoch: yield the arrays of each batch."""
        casts = self._casts
        for batch in self.loader:
            if not isinstance(batch, tuple | list) or len(batch) < 2:
                raise DtypeError(
                    f"fit: the loader gave a {type(batch).__name__}, expected tuples of inputs "
                    "and a target. Use a dataset of pairs: TensorDataset(X, Y)."
                )
            arrays = [
                part._data if isinstance(part, Tensor) else np.asarray(part) for part in batch
            ]
            *inputs, target = arrays
            inputs = [casts.input(a) for a in inputs]
            target = casts.target(target)
            if self._columns:
                inputs = [a.T for a in inputs]
                target = target.T
            yield *inputs, target

    def state_dict(self) -> dict[str, Any]:
        """Return the loader's state."""
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the loader's state."""
        self.loader.load_state_dict(state)


def _wrapped(batches: Iterator[tuple[Array, ...]], axis: int) -> Iterator[Batch]:
    """Yield batches as tensors, with their numbers of examples."""
    for *inputs, target in batches:
        yield tuple(map(wrap, inputs)), wrap(target), target.shape[axis]


def batches_of(
    who: str,
    x: Any,
    y: Any,
    *,
    casts: Casts,
    columns: bool,
    size: int | None,
    generator: Generator | None = None,
) -> ArrayBatches | LoaderBatches:
    """Return the batches of what a user passed as data.

    Args:
        who: the function to blame in an error.
        x: an array, a `Dataset` or a `DataLoader`.
        y: the targets, None for the last two.
        casts: what becomes of the dtypes.
        columns: whether examples are columns.
        size: examples per batch, None for all.
        generator: shuffles; None leaves the order.

    Raises:
        ArgumentError: no examples, or a batch size below 1.
        DtypeError: data that is not numbers.
        ShapeError: x and y of different length.
    """
    if size is not None:
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise DtypeError(
                f"{who}: got batch_size={size!r} of type {type(size).__name__}, expected an "
                "integer >= 1, or None for all examples at once."
            )
        if size < 1:
            raise ArgumentError(
                f"{who}: got batch_size={size}, expected an integer >= 1, or None for all "
                "examples at once."
            )
    if isinstance(x, DataLoader | Dataset):
        if y is not None:
            raise ArgumentError(
                f"{who}: got a {type(x).__name__} and Y={type(y).__name__}, expected the targets "
                "in the dataset. Leave Y out."
            )
        if type(x) is TensorDataset and len(x.tensors) == 2 and not columns:
            x, y = x.tensors
        else:
            if isinstance(x, Dataset):
                x = DataLoader(
                    x,
                    len(x) if size is None else size,
                    shuffle=generator is not None,
                    generator=generator,
                )
            return LoaderBatches(x, casts, columns)
    a, b = arrays_of(who, x, y, columns)
    return ArrayBatches(casts.input(a), casts.target(b), size, columns, generator)


def arrays_of(who: str, x: Any, y: Any, columns: bool) -> tuple[Array, Array]:
    """Return the arrays behind inputs and targets, of equal length."""
    if y is None:
        raise ArgumentError(
            f"{who}: got no targets, expected X and Y. Pass Y; for an autoencoder pass X twice."
        )
    a = numbers_in(who, "X", x)
    b = numbers_in(who, "Y", y)
    for name, array in (("X", a), ("Y", b)):
        if array.ndim == 0:
            raise ShapeError(f"{who}: got a single number as {name}, expected many examples.")
    if columns and a.ndim < 2:
        raise ShapeError(
            f"{who}: got X of shape {a.shape} for a model with layout='columns', expected "
            "(features, examples). Reshape it: X.reshape(1, -1)."
        )
    m, n = count(a, columns), count(b, columns)
    if m != n:
        other = a.ndim > 1 and count(a, not columns) == count(b, not columns)
        hint = (
            f" Examples are {'columns' if columns else 'rows'} here; for the other way pass "
            f"layout={'rows' if columns else 'columns'!r}, or transpose the data."
            if other
            else " Give each input its target."
        )
        raise ShapeError(
            f"{who}: got X of shape {a.shape} and Y of shape {b.shape}, that is {m} and {n} "
            f"examples, expected equally many.{hint}"
        )
    if m == 0:
        raise ArgumentError(
            f"{who}: got X of shape {a.shape}, which holds no examples; expected at least one. "
            "Check how the data was read and split."
        )
    return a, b


def count(array: Array, columns: bool) -> int:
    """Return the number of examples in an array."""
    return int(array.shape[1 if columns and array.ndim > 1 else 0])


def split(
    x: Array, y: Array, fraction: float, columns: bool, seed: int
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Part the examples at random into training and validation data.

    Raises:
        ArgumentError: a fraction outside (0, 1), or one that leaves a part empty.
    """
    m = count(y, columns)
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ArgumentError(
            f"fit: got validation_split={fraction!r}, expected a fraction between 0 and 1, "
            "such as 0.2."
        )
    held = round(m * fraction)
    if not 0 < held < m:
        raise ArgumentError(
            f"fit: got validation_split={fraction} of {m} examples, which leaves {held} for "
            f"validation and {m - held} for training; expected some for each."
        )
    order = Generator(seed).spawn().numpy.permutation(m)
    parts = (np.sort(order[held:]), np.sort(order[:held]))

    def take(array: Array, rows: Any) -> Array:
        return array[:, rows] if columns and array.ndim > 1 else array[rows]

    train, validation = ((take(x, rows), take(y, rows)) for rows in parts)
    return train, validation
