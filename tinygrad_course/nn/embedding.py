"""Embeddings: a learned vector for each number of a word, letter or user."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import numpy as np

from .. import errors
from ..journal import active
from ..ops.compare import where
from ..random import Generator
from ..tensor import Tensor, as_input
from . import init as initializers
from .dense import check_count
from .module import Module
from .parameter import Parameter


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Look rows up: y[…, :] = W[input[…], :]; a row's gradient is the sum over where it was used.

    Args:
        input: integers of any shape, 0 … n−1.
        weight: W, (n, d).
        padding_idx: a row that gets no gradient.
        max_norm: not supported; leave None.
        norm_type: of max_norm.
        scale_grad_by_freq: not supported; leave False.
        sparse: accepted as in PyTorch; gradients are arrays like W.

    Raises:
        DtypeError: an input that holds no integers; IndexingError: a number outside W's rows;
        ShapeError: a W that is no matrix.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.embedding([2, 0], tc.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).tolist()
        [[5.0, 6.0], [1.0, 2.0]]
    """
    if max_norm is not None or scale_grad_by_freq:
        raise errors.ArgumentError(
            "embedding: max_norm and scale_grad_by_freq are not supported. Leave them out; "
            "weight decay keeps rows small."
        )
    return _look_up(input, weight, padding_idx, "embedding")


def _look_up(input: Any, weight: Any, padding_idx: int | None, name: str) -> Tensor:
    index: Any = as_input(input)
    w: Any = weight if isinstance(weight, Tensor) else Tensor(weight)
    if w.ndim != 2:
        raise errors.ShapeError(
            f"{name}: the weight has shape {w.shape}, expected a matrix (n, d)."
        )
    if index.dtype.kind not in "iu":
        raise errors.DtypeError(
            f"{name}: looks rows up by integers, got an input of dtype {index.dtype} and shape "
            f"{index.shape}. Use .long(); for measured features put nn.Linear here."
        )
    n = w.shape[0]
    values = index._data
    if not _within(n, values):
        bad = np.argwhere((values < 0) | (values >= n))[0]
        place = tuple(int(i) for i in bad)
        raise errors.IndexingError(
            f"{name}: the input holds {values[place]} at index {place}, outside the rows 0 … "
            f"{n - 1} of a weight of shape {w.shape}. Count from 0, or make num_embeddings larger."
        )
    if (journal := active()) is not None:
        journal.expected.append((index, partial(_within, n)))
    y: Any = w[index]
    if padding_idx is not None:
        row = _row(padding_idx, n, name)
        y = where((index == row).unsqueeze(-1), y.detach(), y)
    return y  # type: ignore[no-any-return]


def _within(length: int, values: Any) -> bool:
    return bool(values.size == 0 or (values.min() >= 0 and values.max() < length))


def _row(padding_idx: Any, n: int, name: str) -> int:
    if isinstance(padding_idx, bool) or not isinstance(padding_idx, (int, np.integer)):
        raise errors.DtypeError(f"{name}: padding_idx is a whole number, got {padding_idx!r:.40}.")
    if not -n <= padding_idx < n:
        raise errors.ArgumentError(
            f"{name}: padding_idx={padding_idx} is no row of {n}; it may be {-n} … {n - 1}."
        )
    return int(padding_idx) % n


class Embedding(Module):
    """A table of learned vectors: y[…, :] = W[x[…], :].

    Args:
        num_embeddings: n, how many there are; inputs are 0 … n−1.
        embedding_dim: d, the length of a vector.
        padding_idx: the number of a row that starts at 0 and gets no gradient.
        max_norm, norm_type, scale_grad_by_freq: not supported: leave them.
        sparse: accepted as in PyTorch; gradients are arrays like W.
        device, dtype: as in PyTorch; the CPU, and the default dtype.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Attributes:
        weight: W, (n, d), started with standard normal numbers.

    Raises:
        ArgumentError: sizes below 1, a padding_idx outside; when called: DtypeError for what are no
            integers, IndexingError for a number outside 0 … n−1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> words = nn.Embedding(10, 3, padding_idx=0)
        >>> words(tc.tensor([[1, 2, 0]])).shape
        (1, 3, 3)
    """

    symbols = {"weight": "E"}
    numbers_symbols = False

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if max_norm is not None or scale_grad_by_freq:
            raise errors.ArgumentError(
                "Embedding: max_norm and scale_grad_by_freq are not supported. Leave them out; "
                "weight decay keeps rows small."
            )
        self.num_embeddings = check_count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_count("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = (
            None if padding_idx is None else _row(padding_idx, self.num_embeddings, "Embedding")
        )
        self.sparse = bool(sparse)
        self.weight = initializers.new((self.num_embeddings, self.embedding_dim), dtype, "rows")
        initializers.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight._data[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Return an embedding of given vectors, (n, d); `freeze` leaves them as they are.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course import nn
            >>> nn.Embedding.from_pretrained(tc.tensor([[1.0, 2.0], [3.0, 4.0]]))([1]).tolist()
            [[3.0, 4.0]]
        """
        table: Any = embeddings if isinstance(embeddings, Tensor) else Tensor(embeddings)
        if table.ndim != 2 or table.dtype.kind != "f":
            raise errors.ShapeError(
                f"Embedding.from_pretrained: got shape {table.shape} and dtype {table.dtype}, "
                "expected floats (n, d): one row for each number."
            )
        n, d = table.shape
        made = cls(n, d, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        made.weight = Parameter(table.detach(), requires_grad=not freeze)
        return made

    def forward(self, input: Any) -> Tensor:
        """Look the rows up."""
        name = f"Embedding({self.num_embeddings}, {self.embedding_dim})"
        return _look_up(input, self.weight, self.padding_idx, name)

    def extra_repr(self) -> str:
        """Return sizes, and the row of the padding."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"


__all__ = ["Embedding", "embedding"]
