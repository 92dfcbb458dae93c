"""The vertex of the computation graph, and the two things recording depends on: mode and time.

Here you find what a recorded operation keeps (`Node`), the switches for what is recorded
(`recording`, set by `modes`), and the clock. This module knows nothing of tensors.

Time. One clock counts recorded operations and in-place writes. A write stamps its time on the
memory it changed (one cell shared by all tensors on that memory). The backward pass compares the
two: a value overwritten after it was recorded is refused, never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from .op import Op

# What is recorded: nothing; what leads to a gradient; or everything (masks, draws, assignments).
RECORD_NOTHING, RECORD_GRAD, RECORD_ALL = 0, 1, 2
# Added to the mode by `detect_anomaly`; and by `tracing`, where the values of tensors are not given
# out, since the graph must hold for others too.
ANOMALY, TRACING = 4, 8

recording: ContextVar[int] = ContextVar("recording", default=RECORD_GRAD)
# The modules being called, innermost first: (module, outer scope), or None outside any module.
scope: ContextVar[tuple[Any, Any] | None] = ContextVar("scope", default=None)

tick: Callable[[], int] = itertools.count(1).__next__
# Time of the last in-place write anywhere: lets the engine skip its checks when there was none.
last_write = [0]

# Counts the changes of modules anywhere: their mode, attributes, parts and hooks.
module_changes = [0]

# While a function is traced, the last set here gets every leaf that is made.
births: list[set[Any]] = []

NO_PARAMS: dict[str, Any] = {}
# The module that runs backward passes; `autograd` puts itself here, since it builds on this one.
engine: list[Any] = []
PYTHON_NUMBERS = frozenset((float, int, bool))
# Results of 0-d computations that stay NumPy scalars until an array is asked for.
FLOATS = frozenset((np.float32, np.float64))


class _Positions(dict[int, tuple[int, ...]]):
    """Bit mask of inputs that need a gradient -> their positions; shared, so nodes stay small."""

    def __missing__(self, mask: int) -> tuple[int, ...]:
        found = tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
        if mask < 256:
            self[mask] = found
        return found


positions_of = _Positions()


class Node:
    """A recorded operation: one vertex of the computation graph.

    Attributes:
        op: the operation.
        inputs: what it was computed from: nodes, leaf tensors or plain values.
        params: its parameters (axis, shape, …).
        data: the resulting array (``_data`` in inner loops, where a computed number may still be a
            NumPy scalar).
        arrays: the arrays it was computed from, in the order of `inputs`.
        needs: positions of the inputs that need a gradient.
        time: creation order; larger than every input's.
        scope: the modules it was recorded in.
        name: a readable name such as ``Z[1]``, or None.
        memory: the write stamp of `data`, or None while it was never written nor shared.
        spent: True after a backward pass that did not retain the graph.
        extra: hooks and other rare things, or None.
    """

    __slots__ = (
        "op",
        "inputs",
        "params",
        "_data",
        "needs",
        "memory",
        "time",
        "scope",
        "name",
        "spent",
        "extra",
    )

    op: Op
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    _data: Any
    needs: tuple[int, ...]
    memory: list[int] | None
    time: int
    scope: tuple[Any, Any] | None
    name: str | None
    spent: bool
    extra: dict[str, Any] | None

    @property
    def data(self) -> Any:
        """The resulting array."""
        return np.asarray(self._data)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays (and numbers) this was computed from."""
        return tuple([getattr(source, "_data", source) for source in self.inputs])

    def __repr__(self) -> str:
        return f"<node {self.name or self.op.name} {self.data.shape}>"
