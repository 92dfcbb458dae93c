"""Applying an elementwise formula to many small arrays at once.

NumPy takes about as long to start an operation as to add a thousand numbers, so a formula of a
dozen operations on several small arrays is faster on one array that joins them. The numbers are the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_course.tensor import Tensor

__all__ = ["SMALL", "Joined"]

# Up to this many elements, copying an array costs less than starting a dozen operations on it.
SMALL = 8192


class Joined:
    """The small parameters of a group, updated as one array.

    Their moments live in joined arrays, of which the state's tensors are views; parameters and
    gradients are copied in, and the parameters back, in each step.

    Args:
        params: at least two, of one dtype.
        entries: their states, with every moment in use.
        used: the names of the moments, None for those not in use.
    """

    __slots__ = ("params", "entries", "used", "dtype", "p", "g", "moments", "back", "kept")

    def __init__(
        self, params: list[Tensor], entries: list[dict[str, Any]], used: tuple[str | None, ...]
    ) -> None:
        """Make the joined arrays and turn the state's tensors into views of them."""
        self.params = params
        self.entries = entries
        self.used = used
        self.dtype = params[0].dtype
        total = sum(p._data.size for p in params)
        self.p = np.empty(total, self.dtype)
        self.g = np.empty(total, self.dtype)
        self.moments = [None if m is None else np.empty(total, self.dtype) for m in used]
        self.back: list[Any] = []
        # (entry, name, view): what must still hold for the joined moments to be the state's.
        self.kept: list[tuple[dict[str, Any], str, Any]] = []
        start = 0
        for p, entry in zip(params, entries, strict=True):
            rows = slice(start, start + p._data.size)
            start = rows.stop
            self.back.append(self.p[rows].reshape(p.shape))
            for name, joined in zip(used, self.moments, strict=True):
                if name is not None and joined is not None:
                    view = joined[rows].reshape(p.shape)
                    view[...] = entry[name]._data
                    entry[name]._data = view
                    self.kept.append((entry, name, view))

    def valid(self, state: dict[Tensor, dict[str, Any]]) -> bool:
        """Return False when someone replaced a part of the state."""
        for p, entry in zip(self.params, self.entries, strict=True):
            if state.get(p) is not entry:
                return False
        return all(entry[name]._data is view for entry, name, view in self.kept)

    def step(self, update: Callable[..., None], lr: float, options: Sequence[Any]) -> bool:
        """Update all parameters, or none and return False when they do not move together."""
        t = self.entries[0]["step"]
        if type(t) is not int:
            return False
        values, gradients = [], []
        for p, entry in zip(self.params, self.entries, strict=True):
            grad = p.grad
            if type(grad) is not Tensor or entry["step"] != t:
                return False
            x, g = p._data, grad._data
            if x.shape != g.shape or x.dtype is not self.dtype or g.dtype is not self.dtype:
                return False
            values.append(x)
            gradients.append(g)
        np.concatenate(values, None, self.p)
        np.concatenate(gradients, None, self.g)
        t += 1
        update(self.p, self.g, lr, t, *self.moments, *options)
        for x, new in zip(values, self.back, strict=True):
            x[...] = new
        for entry in self.entries:
            entry["step"] = t
        return True
