"""A loader that walks through examples in batches, shuffled anew in every epoch.

All shuffling comes from a `Generator`, so that a seed repeats a run, and `DataLoader.state_dict`
lets an interrupted run go on exactly. This module knows nothing of models or training.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.data.dataset import as_dataset, numbers_in, takes_many
from tinygrad_course.data.sampler import BatchSampler
from tinygrad_course.data.split import checked_generator
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_course.random import Generator
from tinygrad_course.tensor import Tensor, wrap

__all__ = ["DataLoader", "default_collate"]

# Arguments for worker processes and graphics cards, of which there are none here.
_OF_PYTORCH = frozenset(
    (
        "num_workers",
        "pin_memory",
        "pin_memory_device",
        "timeout",
        "worker_init_fn",
        "multiprocessing_context",
        "prefetch_factor",
        "persistent_workers",
        "in_order",
    )
)


def default_collate(examples: Sequence[Any]) -> Any:
    """Stack a list of examples into one batch along a new first axis.

    Args:
        examples: numbers, arrays or tensors of one shape, or tuples, lists or dictionaries of them.

    Returns:
        A `Tensor`, or a tuple or dictionary of tensors, as the examples were; strings as a list.

    Raises:
        ArgumentError: the examples have different lengths or keys.
        DtypeError: they hold something that is not numbers.
        ShapeError: their shapes differ.

    Source: `torch.utils.data.default_collate`.

    Example:
        >>> from tinygrad_course.data import default_collate
        >>> x, y = default_collate([([1.0, 2.0], 0), ([3.0, 4.0], 1)])
        >>> x[0].tolist(), y.tolist()
        ([1.0, 3.0], [0, 1])
    """
    first = examples[0]
    if isinstance(first, str):
        return list(examples)
    if isinstance(first, Mapping):
        _same("keys", [sorted(map(str, example)) for example in examples])
        return {key: default_collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple | list):
        _same("numbers of parts", [len(example) for example in examples])
        return tuple(default_collate(parts) for parts in zip(*examples, strict=True))
    arrays = [numbers_in("default_collate", "an example", example) for example in examples]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ShapeError(
            f"default_collate: got examples of the shapes {sorted(shapes)}, expected one shape. "
            "Pad or crop them alike, or pass DataLoader a collate_fn of your own."
        )
    return wrap(np.stack(arrays))


class DataLoader:
    """Walk through a dataset in batches: `for x, y in DataLoader((X, Y), batch_size=32)`.

    Each pass over it is one epoch. With `shuffle`, every epoch draws a new permutation from the
    generator. The batches are copies: changing one in place leaves the data as it is.

    Args:
        dataset: a dataset; or a tuple of arrays or tensors, or one of them alone, meaning
            `TensorDataset(*dataset)`.
        batch_size: examples per batch, an integer >= 1.
        shuffle: whether to visit the examples in random order.
        drop_last: whether to leave out a last batch that is smaller than the others.
        generator: where shuffling draws from. With neither `generator` nor `seed`, it draws from
            `default_generator`, which `manual_seed` seeds.
        seed: an integer: short for `generator=Generator(seed)`.
        collate_fn: makes a batch from a list of examples, in place of `default_collate`.
        sampler: yields the indices of one epoch, in place of `shuffle`.
        batch_sampler: yields lists of indices, in place of `batch_size`, `shuffle`, `sampler` and
            `drop_last`.
        others: PyTorch's `num_workers`, `pin_memory`, `worker_init_fn` and so on. They change
            nothing here: batches are made in this process, when they are asked for.

    Raises:
        ArgumentError: empty data, `batch_size` below 1, both `generator` and `seed`, a `drop_last`
            that would drop everything, or a sampler beside what it replaces.
        DtypeError: `batch_size` is not an integer, the data not numbers, or the generator not a
            `Generator`.
        ShapeError: the numbers of examples differ.

    Source: `torch.utils.data.DataLoader`.

    Example:
        >>> import numpy as np
        >>> from tinygrad_course.data import DataLoader
        >>> X, Y = np.arange(10.0).reshape(5, 2), np.arange(5)
        >>> loader = DataLoader((X, Y), batch_size=2)
        >>> len(loader)
        3
        >>> [y.tolist() for x, y in loader]
        [[0, 1], [2, 3], [4]]
        >>> one, two = (DataLoader((X, Y), batch_size=2, shuffle=True, seed=0) for _ in range(2))
        >>> [y.tolist() for x, y in one] == [y.tolist() for x, y in two]
        True
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: SupportsIndex = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        seed: SupportsIndex | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        **others: Any,
    ) -> None:
        """Check the data and the arguments; nothing is drawn yet."""
        if unknown := sorted(set(others) - _OF_PYTORCH):
            raise DtypeError(
                f"DataLoader: has no argument {unknown[0]!r}; see help(DataLoader) for those it "
                "takes."
            )
        _check_samplers(sampler, batch_sampler, batch_size, shuffle, drop_last)
        if collate_fn is None:
            _refuse_list_of_arrays(dataset)
        self.dataset = as_dataset("DataLoader", dataset)
        self.batch_size = _batch_size(batch_size)
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        if generator is not None and seed is not None:
            raise ArgumentError(
                f"DataLoader: got both generator={generator!r} and seed={seed!r}, expected one of "
                "them. Leave out the seed, or seed the generator itself."
            )
        self.generator = checked_generator(
            "DataLoader", generator if seed is None else Generator(seed)
        )
        self.collate_fn = collate_fn
        if sampler is not None:
            batch_sampler = BatchSampler(sampler, self.batch_size, self.drop_last)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if len(self.dataset) == 0:
            raise ArgumentError(
                "DataLoader: got a dataset without examples, expected at least one. "
                "Check the arrays' first axis and how they were split."
            )
        if batch_sampler is None and len(self) == 0:
            raise ArgumentError(
                f"DataLoader: got {len(self.dataset)} examples, batch_size={self.batch_size} and "
                "drop_last=True, which drops every example; expected at least one full batch. "
                "Lower batch_size or pass drop_last=False."
            )
        # Where the loader stands: epochs finished, batches given in the present one, and the seed
        # of its order (None between epochs). With several passes at a time, the newest counts.
        self._epoch = 0
        self._batch = 0
        self._order_seed: int | None = None
        self._resume = False
        self._newest: object = None

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        if self.drop_last:
            return len(self.dataset) // self.batch_size
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Go through one epoch; after `load_state_dict`, first finish the interrupted one."""
        if self.batch_sampler is not None:
            for indices in self.batch_sampler:
                yield self._fetch(np.asarray(indices))
            return
        if self._resume:
            self._resume = False
        else:
            self._batch = 0
            self._order_seed = int(self.generator.numpy.integers(2**63)) if self.shuffle else 0
        order = self._order()
        this = self._newest = object()
        try:
            for batch in range(self._batch, len(self)):
                rows = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
                values = self._fetch(rows if order is None else order[rows])
                # Set before the batch is handed out: a checkpoint written while it is worked on
                # goes on with the next one.
                if self._newest is this:
                    self._batch = batch + 1
                yield values
        finally:
            # Also after `break`: the next pass is a new epoch, and a checkpoint must say so.
            if self._newest is this:
                self._epoch += 1
                self._batch = 0
                self._order_seed = None

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands, as a dictionary that JSON can hold.

        It may be taken between epochs or during one; the generator's state is in it.

        Raises:
            ArgumentError: a sampler decides about the order, which nothing here can go on with.

        Example:
            >>> import numpy as np
            >>> from tinygrad_course.data import DataLoader
            >>> loader = DataLoader(np.arange(4.0), shuffle=True, seed=0)
            >>> loader.state_dict()["epoch"]
            0
        """
        if self.batch_sampler is not None:
            raise ArgumentError(
                "DataLoader.state_dict: this loader's order is its sampler's, whose state is not "
                "known. Use shuffle=True and generator= to go on exactly."
            )
        return {
            "epoch": self._epoch,
            "batch": self._batch,
            "order_seed": self._order_seed,
            "generator": self.generator.get_state(),
            "examples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the following batches are the same, bit for bit.

        The generator gets its saved state back, also when it is one that others draw from.

        Args:
            state_dict: a dictionary from `state_dict`.

        Raises:
            ArgumentError: it is not from a loader over as many examples with the same settings. The
                loader then stays as it is.

        Example:
            >>> import numpy as np
            >>> from tinygrad_course.data import DataLoader
            >>> loader = DataLoader(np.arange(8.0), batch_size=3, shuffle=True, seed=0)
            >>> batches = iter(loader)
            >>> _ = next(batches)
            >>> state = loader.state_dict()
            >>> rest = [x.tolist() for (x,) in batches]
            >>> resumed = DataLoader(np.arange(8.0), batch_size=3, shuffle=True)
            >>> resumed.load_state_dict(state)
            >>> [x.tolist() for (x,) in resumed] == rest
            True
        """
        self._check_state(state_dict)
        self.generator.set_state(state_dict["generator"])
        self._epoch = state_dict["epoch"]
        self._batch = state_dict["batch"]
        self._order_seed = state_dict["order_seed"]
        self._resume = self._order_seed is not None
        self._newest = None

    def _order(self) -> NDArray[np.int64] | None:
        """Return the order of the epoch, which depends on nothing but its seed."""
        if not self.shuffle:
            return None
        return Generator(self._order_seed).numpy.permutation(len(self.dataset))

    def _fetch(self, rows: Any) -> Any:
        """Return the batch at `rows`, a slice or an array of indices."""
        if self.collate_fn is None and takes_many(self.dataset):
            return self.dataset[rows]
        if isinstance(rows, slice):
            indices = range(*rows.indices(len(self.dataset)))
        else:
            indices = rows.tolist()
        examples = [self.dataset[i] for i in indices]
        return (self.collate_fn or default_collate)(examples)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        mine = self.state_dict()
        if not isinstance(state, Mapping) or set(state) != set(mine):
            got = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
            raise ArgumentError(
                f"DataLoader.load_state_dict: got {got}, expected the keys {sorted(mine)}. "
                "Pass what DataLoader.state_dict() returned."
            )
        for key in ("examples", "batch_size", "shuffle", "drop_last"):
            if state[key] != mine[key]:
                raise ArgumentError(
                    f"DataLoader.load_state_dict: got a state with {key}={state[key]!r}, expected "
                    f"{mine[key]!r} as in this loader. Make the loader as the saved one was."
                )
        places = {"epoch": math.inf, "batch": len(self)}
        if state["order_seed"] is not None:
            places["order_seed"] = 2**63
        elif state["batch"] != 0:
            places["batch"] = 0
        for key, most in places.items():
            value = state[key]
            if type(value) is not int or not 0 <= value <= most:
                raise ArgumentError(
                    f"DataLoader.load_state_dict: got {key}={value!r}, which no state_dict() "
                    "writes. Pass what DataLoader.state_dict() returned, unchanged."
                )


def _batch_size(value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        size = operator.index(value)
    except TypeError:
        raise DtypeError(
            f"DataLoader: got batch_size={value!r} of type {type(value).__name__}, expected an "
            "integer >= 1. Pass a whole number such as 32."
        ) from None
    if size < 1:
        raise ArgumentError(
            f"DataLoader: got batch_size={size}, expected an integer >= 1. "
            "Pass a whole number such as 32; len(X) for all the data in one batch."
        )
    return size


def _check_samplers(
    sampler: Any, batch_sampler: Any, batch_size: Any, shuffle: Any, drop_last: Any
) -> None:
    """Refuse two answers to the question in which order to visit the examples."""
    if sampler is not None and shuffle:
        raise ArgumentError(
            "DataLoader: got a sampler and shuffle=True, which both order the examples. Leave out "
            "shuffle; RandomSampler is its sampler."
        )
    if batch_sampler is not None and (batch_size != 1 or shuffle or drop_last or sampler):
        raise ArgumentError(
            "DataLoader: got a batch_sampler, which takes the place of batch_size, shuffle, "
            "sampler and drop_last. Leave these out."
        )


def _refuse_list_of_arrays(dataset: Any) -> None:
    """Refuse `[X, Y]`, which by PyTorch's rule is a dataset of two examples, X and Y."""
    if isinstance(dataset, list) and any(isinstance(d, np.ndarray | Tensor) for d in dataset):
        raise ArgumentError(
            f"DataLoader: got a list of {len(dataset)} arrays, which could mean arrays side by "
            "side or one example each; expected a dataset or a tuple. Pass a tuple (X, Y) for "
            "arrays side by side, np.stack(arrays) for one example each."
        )


def _same(what: str, values: Sequence[Any]) -> None:
    for value in values:
        if value != values[0]:
            raise ArgumentError(
                f"default_collate: got examples with the {what} {values[0]} and {value}, expected "
                "the same in all. Pass DataLoader a collate_fn of your own."
            )
