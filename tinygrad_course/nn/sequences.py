"""Sequences of different lengths: padded to one length, or packed without padding.

As in PyTorch, under ``nn.utils.rnn``. A `PackedSequence` holds the first elements of all sequences,
then their second elements, and so on, the longest sequence first: each step of a recurrent layer
reads the rows of the sequences that are still going on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import errors
from ..ops.index import index_select
from ..ops.join import cat, stack
from ..ops.shape import reshape, transpose
from ..tensor import Tensor, as_tensor


class PackedSequence(NamedTuple):
    """Sequences in one array of elements, made by `pack_padded_sequence` or `pack_sequence`."""

    data: Any
    """All elements: those of step 1 of every sequence, then of step 2 …; the longest first."""
    batch_sizes: Tensor
    """How many sequences have a step t."""
    sorted_indices: Tensor | None = None
    """Where each of the sorted sequences stood; None where they were given in that order."""
    unsorted_indices: Tensor | None = None
    """Where each given sequence stands among the sorted ones."""

    @property
    def sizes(self) -> list[int]:
        """The batch sizes as Python's numbers."""
        return [int(n) for n in self.batch_sizes.tolist()]


def _lengths(lengths: Any, count: int, name: str) -> Any:
    """Return the lengths as an array of integers, checked."""
    given = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    array = np.asarray(given)
    if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) != count:
        raise errors.ShapeError(
            f"{name}: lengths has shape {array.shape} and dtype {array.dtype}; expected {count} "
            "integers, one for each sequence of the batch."
        )
    if (array < 1).any():
        raise errors.ArgumentError(
            f"{name}: lengths holds {array.min()}; a sequence has at least one element. Leave "
            "empty sequences out."
        )
    return array


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch: only its elements within the lengths are kept.

    Args:
        input: (T, m, …), or (m, T, …) with `batch_first`.
        lengths: of the m sequences.
        batch_first: which axis counts the sequences.
        enforce_sorted: True asks for lengths that never grow; False sorts the sequences, and
            results come back in the order given.

    Raises:
        ShapeError: another number of lengths, or lengths beyond T; ArgumentError: lengths below 1,
            or that grow.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import pack_padded_sequence
        >>> x = tc.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
        >>> packed = pack_padded_sequence(x, [3, 1], batch_first=True)
        >>> packed.data.tolist(), packed.batch_sizes.tolist()
        ([1.0, 4.0, 2.0, 3.0], [2, 1, 1])
    """
    name = "pack_padded_sequence"
    x = as_tensor(input)
    if x.ndim < 2:
        raise errors.ShapeError(
            f"{name}: got shape {x.shape}, expected (T, m, …), or (m, T, …) with batch_first=True."
        )
    if batch_first:
        x = transpose(x, 0, 1)
    steps, m = x.shape[:2]
    counts = _lengths(lengths, m, name)
    if counts.max() > steps:
        raise errors.ShapeError(
            f"{name}: a length is {counts.max()}, and the input of shape {np.shape(input)} has "
            f"{steps} steps. Is batch_first={batch_first} right?"
        )
    order = None
    if (np.diff(counts) > 0).any():
        if enforce_sorted:
            raise errors.ArgumentError(
                f"{name}: lengths {counts.tolist()!r:.60} grow; the longest sequence comes first. "
                "Pass enforce_sorted=False, which sorts them."
            )
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
        x = x[:, Tensor(order)]
    longest = int(counts[0])
    sizes = (counts[:, None] > np.arange(longest)).sum(0)
    if sizes[-1] == m:
        data = reshape(x[:longest], (-1, *x.shape[2:]))
    else:
        data = cat([x[t, : int(n)] for t, n in enumerate(sizes)], 0)
    back = None if order is None else Tensor(np.argsort(order))
    return PackedSequence(
        data, Tensor(sizes.astype(np.int64)), None if order is None else Tensor(order), back
    )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the padded batch, in the order that was packed, and the lengths.

    Args:
        sequence: what a recurrent layer returned, or a packing function.
        batch_first: (m, T, …) instead of (T, m, …).
        padding_value: what stands behind the end of a sequence.
        total_length: T; by default the longest length.

    Raises:
        DtypeError: not a packed sequence; ArgumentError: a total_length below the longest length.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> x, lengths = pad_packed_sequence(pack_sequence([tc.ones(2), tc.ones(1)]))
        >>> x.tolist(), lengths.tolist()
        ([[1.0, 1.0], [1.0, 0.0]], [2, 1])
    """
    if not isinstance(sequence, PackedSequence):
        raise errors.DtypeError(
            f"pad_packed_sequence: needs a PackedSequence, got {type(sequence).__name__}. What a "
            "recurrent layer returns for one is a pair: (packed, h_n)."
        )
    sizes = sequence.sizes
    m, longest = sizes[0], len(sizes)
    steps = longest if total_length is None else total_length
    if steps < longest:
        raise errors.ArgumentError(
            f"pad_packed_sequence: total_length={total_length} is below the longest length, "
            f"{longest}."
        )
    x: Any = sequence.data
    shape = x.shape[1:]
    starts = np.cumsum([0, *sizes])
    counts = np.array([sum(n > i for n in sizes) for i in range(m)], np.int64)
    # Row 0 of what is picked from is the padding; a sequence's step t is the row of that element.
    t, i = np.ogrid[:steps, :m]
    inside = t < counts
    order = np.arange(m)
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices.numpy()
    begin = np.append(starts[:-1], np.zeros(steps - longest, np.int64))
    rows = np.where(inside, begin[:, None] + i, len(x))[:, order]
    if not inside.all():
        pad = (x[:1] * 0 + padding_value).to(x.dtype)
        x = cat([x, pad], 0)
    y: Any = reshape(index_select(x, 0, Tensor(rows.reshape(-1))), (steps, m, *shape))
    return transpose(y, 0, 1) if batch_first else y, Tensor(counts[order])


def pad_sequence(
    sequences: Sequence[Any],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Join sequences (Tᵢ, …) to one batch (T, m, …), padded to the longest.

    Raises:
        ShapeError: elements of different shapes; ArgumentError: no sequences, another side.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import pad_sequence
        >>> pad_sequence([tc.ones(3), tc.ones(1)], batch_first=True).tolist()
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    parts = _checked(sequences, "pad_sequence")
    if padding_side not in ("left", "right"):
        raise errors.ArgumentError(
            f'pad_sequence: padding_side is "left" or "right", got {padding_side!r:.40}.'
        )
    longest = max(len(x) for x in parts)
    full = []
    for x in parts:
        if (missing := longest - len(x)) > 0:
            pad = Tensor(np.full((missing, *x.shape[1:]), padding_value, x.dtype))
            x = cat([x, pad] if padding_side == "right" else [pad, x], 0)
        full.append(x)
    return stack(full, 0 if batch_first else 1)  # type: ignore[no-any-return]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (Tᵢ, …) of any lengths, as `pack_padded_sequence` packs a padded batch.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import pack_sequence
        >>> pack_sequence([tc.tensor([1.0, 2.0]), tc.tensor([3.0])]).data.tolist()
        [1.0, 3.0, 2.0]
    """
    parts = _checked(sequences, "pack_sequence")
    lengths = [len(x) for x in parts]
    return pack_padded_sequence(pad_sequence(parts), lengths, False, enforce_sorted)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Cut a padded batch into its sequences, each of its own length.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import unpad_sequence
        >>> [x.shape for x in unpad_sequence(tc.ones(4, 2, 3), [4, 1])]
        [(4, 3), (1, 3)]
    """
    x = as_tensor(padded_sequences)
    if not batch_first:
        x = transpose(x, 0, 1)
    counts = _lengths(lengths, len(x), "unpad_sequence")
    return [x[i, : int(n)] for i, n in enumerate(counts)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences that were packed, in the order given.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn.utils.rnn import pack_sequence, unpack_sequence
        >>> [x.tolist() for x in unpack_sequence(pack_sequence([tc.ones(2), tc.ones(1)]))]
        [[1.0, 1.0], [1.0]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _checked(sequences: Any, name: str) -> list[Any]:
    """Return the sequences as tensors, of elements of one shape."""
    if isinstance(sequences, Tensor) or not isinstance(sequences, (list, tuple)):
        raise errors.DtypeError(f"{name}: needs a list of tensors, got {type(sequences).__name__}.")
    parts = [as_tensor(x) for x in sequences]
    if not parts:
        raise errors.ArgumentError(f"{name}: got an empty list; give at least one sequence.")
    shapes = [x.shape for x in parts]
    if any(not s or s[1:] != shapes[0][1:] or not s[0] for s in shapes):
        raise errors.ShapeError(
            f"{name}: sequences of shapes {shapes!r:.80}; expected (Tᵢ, …) with at least one "
            "element each, and elements of one shape."
        )
    return parts


__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]
