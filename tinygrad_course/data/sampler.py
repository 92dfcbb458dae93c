"""Samplers: in which order a loader visits the examples, and how often it visits each.

A sampler yields indices; `DataLoader(dataset, sampler=…)` makes batches of them in that order. They
draw from a `Generator`, so that a seed repeats a run. Nothing here knows the data themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np

from tinygrad_course.data.split import checked_generator
from tinygrad_course.errors import ArgumentError
from tinygrad_course.random import Generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


class Sampler:
    """Base class of samplers: give it a length and an iterator over indices.

    Any object that yields indices will do; subclassing only says so.

    Example:
        >>> from tinygrad_course.data import DataLoader, Sampler
        >>> class Backwards(Sampler):
        ...     def __init__(self, data):
        ...         self.data = data
        ...
        ...     def __iter__(self):
        ...         return iter(range(len(self.data) - 1, -1, -1))
        ...
        ...     def __len__(self):
        ...         return len(self.data)
        >>> values = [1.0, 2.0, 3.0]
        >>> [x.tolist() for x in DataLoader(values, batch_size=2, sampler=Backwards(values))]
        [[3.0, 2.0], [1.0]]
    """

    def __init__(self, data_source: Any = None) -> None:
        """Accept the data, which a subclass may look at."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the indices of one epoch."""
        raise NotImplementedError(f"{type(self).__name__} must define __iter__.")


class SequentialSampler(Sampler):
    """The indices 0, 1, 2, … in order.

    Example:
        >>> from tinygrad_course.data import SequentialSampler
        >>> list(SequentialSampler([5.0, 6.0, 7.0]))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        """Visit each example of `data_source` once."""
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        """Yield 0, 1, 2, …."""
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.data_source)


class RandomSampler(Sampler):
    """The indices in random order, or drawn at random with replacement.

    Args:
        data_source: what has the examples.
        replacement: draw each index anew, so that one may come twice.
        num_samples: how many to draw; all examples when None.
        generator: where to draw from; `default_generator` when None.

    Raises:
        ArgumentError: more samples than examples without replacement, or none.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.data import RandomSampler
        >>> sorted(RandomSampler([5.0, 6.0, 7.0], generator=tc.Generator(0)))
        [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        """Check how many are to be drawn."""
        self.data_source = data_source
        self.replacement = bool(replacement)
        self.num_samples = len(data_source) if num_samples is None else int(num_samples)
        self.generator = checked_generator("RandomSampler", generator)
        _check_count("RandomSampler", self.num_samples, len(data_source), self.replacement)

    def __iter__(self) -> Iterator[int]:
        """Draw the order of one epoch."""
        count, stream = len(self.data_source), self.generator.numpy
        if self.replacement:
            return iter(stream.integers(count, size=self.num_samples).tolist())
        return iter(stream.permutation(count)[: self.num_samples].tolist())

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices, in random order.

    Args:
        indices: integers, such as those of the training part.
        generator: where to draw from; `default_generator` when None.

    Example:
        >>> from tinygrad_course.data import SubsetRandomSampler
        >>> sorted(SubsetRandomSampler([4, 7, 1]))
        [1, 4, 7]
    """

    def __init__(self, indices: Any, generator: Generator | None = None) -> None:
        """Keep the indices."""
        self.indices = indices
        self.generator = checked_generator("SubsetRandomSampler", generator)

    def __iter__(self) -> Iterator[int]:
        """Draw the order of one epoch."""
        order = self.generator.numpy.permutation(len(self.indices)).tolist()
        return (int(self.indices[k]) for k in order)

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities in proportion to weights: rare classes as often as others.

    Args:
        weights: one number ≥ 0 per example; they need not sum to 1.
        num_samples: how many to draw.
        replacement: False draws each index at most once.
        generator: where to draw from; `default_generator` when None.

    Raises:
        ArgumentError: weights that are negative, not finite or all 0, or too many samples without
            replacement.

    Example:
        >>> from tinygrad_course.data import WeightedRandomSampler
        >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=4))
        [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        """Check the weights."""
        self.weights = np.asarray(weights, dtype=np.float64)
        self.num_samples = int(num_samples)
        self.replacement = bool(replacement)
        self.generator = checked_generator("WeightedRandomSampler", generator)
        total = self.weights.sum()
        if self.weights.ndim != 1 or not (self.weights >= 0).all() or not 0 < total < np.inf:
            raise ArgumentError(
                f"WeightedRandomSampler: got weights of shape {self.weights.shape} that sum to "
                f"{total:g}, expected one number >= 0 per example, not all 0. Pass for example "
                "(1 / counts)[labels]."
            )
        drawable = int((self.weights > 0).sum())
        _check_count("WeightedRandomSampler", self.num_samples, drawable, self.replacement)

    def __iter__(self) -> Iterator[int]:
        """Draw the indices of one epoch."""
        drawn = self.generator.numpy.choice(
            len(self.weights),
            self.num_samples,
            replace=self.replacement,
            p=self.weights / self.weights.sum(),
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices from another sampler.

    Args:
        sampler: yields single indices.
        batch_size: indices per batch.
        drop_last: leave out a last batch that is smaller.

    Example:
        >>> from tinygrad_course.data import BatchSampler
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        """Cut what `sampler` yields into batches."""
        self.sampler = sampler
        self.batch_size = int(batch_size)
        self.drop_last = bool(drop_last)
        if self.batch_size < 1:
            raise ArgumentError(
                f"BatchSampler: got batch_size={batch_size}, expected an integer >= 1."
            )

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of one epoch."""
        batch: list[int] = []
        for index in self.sampler:
            batch.append(int(index))
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        """Return the number of batches."""
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)


def _check_count(name: str, wanted: int, there: int, replacement: bool) -> None:
    if wanted < 1 or (wanted > there and not replacement):
        raise ArgumentError(
            f"{name}: got num_samples={wanted} for {there} examples, expected from 1 to {there}. "
            "Lower it, or pass replacement=True to draw examples more than once."
        )
