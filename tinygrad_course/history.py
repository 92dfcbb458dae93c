"""Which operation made a tensor: PyTorch's ``grad_fn``, for programs and eyes that follow it.

`Graph.of` shows the whole graph; here one walks from a result back to what it was computed from.
"""

from __future__ import annotations

from typing import Any

from .node import Node
from .ops.define import attach
from .tensor import Tensor, refresh


class GradFn:
    """The recorded operation behind a tensor.

    Attributes:
        next_functions: (the operation behind it, 0) for each input; None where no gradient goes.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor(2.0, requires_grad=True)
        >>> y = x * 3 + 1
        >>> y.grad_fn, y.grad_fn.next_functions
        (<backward of add>, ((<backward of mul>, 0), (None, 0)))
        >>> x.grad_fn is None
        True
    """

    def __init__(self, node: Node | Tensor) -> None:
        """Look at a node, or at a leaf."""
        self._node = node

    def name(self) -> str:
        """Return the operation's name; a leaf accumulates its gradient."""
        return self._node.op.name if isinstance(self._node, Node) else "accumulate"

    @property
    def variable(self) -> Any:
        """The leaf that collects the gradient; None for an operation."""
        return None if isinstance(self._node, Node) else self._node

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """What the gradient is handed on to: one pair for each input."""
        if not isinstance(self._node, Node):
            return ()
        found: list[tuple[GradFn | None, int]] = []
        for place, source in enumerate(self._node.inputs):
            goes = place in self._node.needs and isinstance(source, Node | Tensor)
            found.append((GradFn(source) if goes else None, 0))
        return tuple(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and other._node is self._node

    def __hash__(self) -> int:
        return id(self._node)

    def __repr__(self) -> str:
        return f"<backward of {self.name()}>"


def grad_fn(self: Tensor) -> GradFn | None:
    """The operation that made this tensor; None for a leaf, and where no gradient goes."""
    if self._view is not None:
        refresh(self)
    return GradFn(self._node) if self._node is not None and self._requires_grad else None


attach(property(grad_fn), "grad_fn")
