"""Methods that convert a tensor: dtype, device, and the small questions PyTorch users ask."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..journal import active
from ..node import RECORD_GRAD, recording
from ..tensor import Tensor, apply, as_dtype, note_same, wrap
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


# --- what PyTorch programs ask of a tensor or its memory -----------------------------------------


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Convert to a dtype, or return the name of the type: ``"FloatTensor"``."""
    from ..pytorch import TENSOR_TYPES

    if dtype is None:
        return next((t.name for t in TENSOR_TYPES if t.dtype == self.dtype), str(self.dtype))
    if isinstance(dtype, str):
        name = dtype.rpartition(".")[2]
        dtype = next((t for t in TENSOR_TYPES if t.name == name), dtype)
    return to(self, dtype=dtype.dtype if dtype in TENSOR_TYPES else dtype)


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Refuse: there is no graphics card here."""
    raise errors.ArgumentError(
        "cuda: this package computes on the CPU. Leave .cuda() out, or write "
        '.to(device) with device = "cuda" if tc.cuda.is_available() else "cpu".'
    )


def bfloat16(self: Tensor) -> Tensor:
    """Refuse: NumPy has no such dtype."""
    raise errors.DtypeError("bfloat16: NumPy has no such dtype. Use .float() or .half().")


def is_contiguous(self: Tensor) -> bool:
    """Return True when the elements lie in row-major order, without gaps."""
    return bool(self._data.flags.c_contiguous)


def stride(self: Tensor, dim: int | None = None) -> Any:
    """Return by how many elements each axis steps through the memory, or one axis."""
    steps = tuple(n // self._data.itemsize for n in self._array().strides)
    return steps if dim is None else steps[axis_of(dim, self.ndim, "stride")]


def element_size(self: Tensor) -> int:
    """Return the number of bytes of one element."""
    return int(self._data.itemsize)


def data_ptr(self: Tensor) -> int:
    """Return the address of the first element."""
    return int(self._array().ctypes.data)


def get_device(self: Tensor) -> int:
    """Return −1: the CPU."""
    return -1


def is_complex(self: Tensor) -> bool:
    """Return False: tensors are real."""
    return False


def is_signed(self: Tensor) -> bool:
    """Return True for dtypes with negative numbers."""
    return self.dtype.kind in "fi"


def is_nonzero(self: Tensor) -> bool:
    """Return True when the only element is not 0."""
    return bool(self.item() != 0)


def same(self: Tensor, *_: Any) -> Tensor:
    """Return the tensor: its memory is where it should be."""
    return self


def detach_(self: Tensor) -> Tensor:
    """Forget the history of this tensor, in place: it becomes a leaf without a gradient."""
    if self._view is not None and self._view.op is not None:
        raise errors.GraphError(
            "detach_: this tensor is a view of another, and keeps its history. Use .detach()."
        )
    if self._node is not None and (journal := active()) is not None:
        journal.same(self, self._node)
    self._node = None
    self._requires_grad = False
    return self


def _reshaping(name: str) -> Any:
    """Return the in-place form of a view operation, such as ``unsqueeze_``."""

    def change_shape(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self._node is None and self._requires_grad and recording.get() & RECORD_GRAD:
            raise errors.InplaceError(
                f"{name}_: a leaf that requires grad cannot be changed in place while recording. "
                f"Use .{name}(), which returns a new tensor."
            )
        before = wrap(self._array())
        for slot in ("_node", "_requires_grad", "_view", "_name"):
            setattr(before, slot, getattr(self, slot))
        before._memory = self._stamp()
        if self._node is None and active() is not None:
            note_same(before, self)
        after = getattr(before, name)(*args, **kwargs)
        for slot in ("_data", "_node", "_view", "_memory"):
            setattr(self, slot, getattr(after, slot))
        return self

    change_shape.__name__ = change_shape.__qualname__ = f"{name}_"
    change_shape.__doc__ = f"In-place `{name}`: this tensor gets the new shape, on its memory."
    return change_shape


attach(to, "to", "astype")
attach(type_, "type")
for _name in ("unsqueeze", "squeeze", "t", "transpose", "swapaxes"):
    attach(_reshaping(_name), f"{_name}_")
attach(same, "pin_memory", "share_memory_")
attach(dim, "ndimension")
attach(property(element_size), "itemsize")
attach(property(lambda self: int(self._data.nbytes)), "nbytes")
for _name in ("is_cuda", "is_sparse", "is_quantized", "is_meta", "is_mps"):
    attach(property(lambda self: False), _name)
attach(property(lambda self: True), "is_cpu")
for _asked in (
    cuda,
    bfloat16,
    is_contiguous,
    stride,
    element_size,
    data_ptr,
    get_device,
    is_complex,
    is_signed,
    is_nonzero,
    detach_,
):
    attach(_asked, _asked.__name__)
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
    ("short", np.int16),
    ("byte", np.uint8),
    ("char", np.int8),
):
    attach(_converter(_kind, _name), _name)
attach(property(_transposed), "T")
attach(property(_matrix_transposed), "mT")
