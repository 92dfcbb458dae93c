"""Methods that convert a tensor: dtype, device, and the small questions PyTorch users ask."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, apply, as_dtype
from .define import attach
from .elementwise import cast
from .shape import axis_of, matrix_transpose, permute


def to(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **_: Any) -> Tensor:
    """Convert to a dtype; devices other than the CPU are refused."""
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda", "mps", "xpu"):
            device = value
        elif type(value).__name__ == "device":
            device = value
        elif not isinstance(value, bool):
            dtype = value
    if device is not None:
        from ..creation import device as check

        check(device)
    if dtype is None:
        return self
    kind = as_dtype(dtype, "to")
    if kind == self.dtype:
        return self
    if kind.kind not in "fiub":
        raise errors.DtypeError(f"to: tensors hold real numbers, got dtype {kind}.")
    return apply(cast.op, (self,), {"dtype": kind.name})


def _converter(kind: Any, name: str) -> Any:
    def convert(self: Tensor) -> Tensor:
        return to(self, dtype=kind)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Convert to {np.dtype(kind).name}."
    return convert


def cpu(self: Tensor) -> Tensor:
    """Return the tensor: it is on the CPU."""
    return self


def size(self: Tensor, dim: int | None = None) -> Any:
    """Return the shape, or the length of one axis."""
    return self.shape if dim is None else self.shape[axis_of(dim, self.ndim, "size")]


def numel(self: Tensor) -> int:
    """Return the number of elements."""
    return int(self._data.size)


def contiguous(self: Tensor) -> Tensor:
    """Return the tensor with its elements in row-major order."""
    return self if self._data.flags.c_contiguous else self.clone()


def _transposed(self: Tensor) -> Tensor:
    """The transpose of a matrix; with more axes, their order reversed (see ``.mT``)."""
    if self.ndim == 2:
        return apply(matrix_transpose.op, (self,))
    return permute(self, tuple(range(self.ndim))[::-1])  # type: ignore[no-any-return]


def _matrix_transposed(self: Tensor) -> Tensor:
    """The last two axes swapped."""
    if self.ndim < 2:
        raise errors.ShapeError(f"mT: needs at least 2 axes, got shape {self.shape}.")
    return apply(matrix_transpose.op, (self,))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to another tensor's dtype."""
    return to(self, dtype=other.dtype)


def is_floating_point(self: Tensor) -> bool:
    """Return True for float dtypes."""
    return self.dtype.kind == "f"


def dim(self: Tensor) -> int:
    """Return the number of axes."""
    return self.ndim


attach(to, "to", "astype")
attach(numel, "numel", "nelement")
for _method in (cpu, size, contiguous, type_as, is_floating_point, dim):
    attach(_method, _method.__name__)
for _name, _kind in (
    ("float", np.float32),
    ("double", np.float64),
    ("half", np.float16),
    ("long", np.int64),
    ("int", np.int32),
    ("bool", np.bool_),
):
    attach(_converter(_kind, _name), _name)
attach(property(_transposed), "T")
attach(property(_matrix_transposed), "mT")
