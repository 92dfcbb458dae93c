"""A compiled function's result as one recorded operation, whose derivatives are known already."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd, errors
from ..modes import enable_grad
from ..op import Op
from ..tensor import Tensor, apply


def recorded(f: Any, args: Any, tensors: list[Any], value: Any, slopes: Any) -> Tensor:
    """Return the result of a call, recorded.

    Args:
        f: the function, of which derivatives of higher order are taken.
        args: what it was called with.
        tensors: what it can be differentiated by.
        value: the result, a number.
        slopes: its derivatives.
    """
    held = _Held(f, args, tensors, np.array(value), [np.array(g) for g in slopes])
    return apply(_COMPILED, tuple(tensors), {"held": held})


class _Held:
    """The result of one call, with its derivatives."""

    def __init__(self, f: Any, args: Any, tensors: list[Any], value: Any, slopes: Any) -> None:
        self.f = f
        self.args = args
        self.tensors = tensors
        self.arrays = [x._data for x in tensors]
        self.value = value
        self.slopes = slopes
        self.computed: Any = None

    def forward(self, arrays: tuple[Any, ...]) -> Any:
        """Return the result; for other arrays it is computed anew."""
        if all(a is b or np.array_equal(a, b) for a, b in zip(arrays, self.arrays, strict=True)):
            return self.value
        raise errors.GraphError(
            "compile: a compiled function's result cannot be computed again for other values in a "
            "graph. Trace the function itself: tc.trace(f, …)."
        )

    def slope(self, g: Any, i: int) -> Any:
        """Return the derivative by one input; recorded, if the cotangent is."""
        if not isinstance(g, Tensor):
            return self.slopes[i] * g
        if self.computed is None or self.computed[0] is not g:
            with enable_grad():
                y = self.f(*self.args)
                self.computed = g, autograd.grad(y, self.tensors, create_graph=True)
        return self.computed[1][i] * g


def _forward(*arrays: Any, held: Any) -> Any:
    return held.forward(arrays)


def _slope(g: Any, i: int, xs: Any, held: Any) -> Any:
    return held.slope(g, i)


_COMPILED = Op(
    "compiled",
    _forward,
    inputs=("xs",),
    defaults={"held": None},
    rules={"xs": _slope},
    kind="custom",
    variadic=True,
    symbol="f",
    doc="A compiled function of one number as its result.",
)
