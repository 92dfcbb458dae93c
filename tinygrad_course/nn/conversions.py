"""What moves or converts all parameters and buffers of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from .. import errors
from ..tensor import Tensor
from .parameter import Parameter


class Conversions:
    """Dtype and device of a module: ``float``, ``double``, ``to``, ``cpu``."""

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters; `Module` does."""
        raise NotImplementedError

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers; `Module` does."""
        raise NotImplementedError

    def to(self, *args: Any, dtype: Any = None, device: Any = None) -> Self:
        """Convert float parameters and buffers to a dtype, in this module; the device is the CPU.

        Raises:
            DtypeError: a dtype that is no float; ArgumentError: another device.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course import nn
            >>> nn.Dense(2, 1).to(tc.float64).weight.dtype
            dtype('float64')
        """
        example: Any = Tensor(0.0).to(*args, dtype=dtype, device=device)
        if dtype is None and not any(_is_dtype(a) for a in args):
            return self
        kind = example.dtype
        if kind.kind != "f":
            raise errors.DtypeError(
                f"{type(self).__name__}.to: parameters are floats, got dtype {kind}. Use "
                "tc.float32 or tc.float64."
            )
        for parameter in self.parameters():
            _convert(parameter, kind)
            if parameter.grad is not None:
                _convert(parameter.grad, kind)
        for buffer in self.buffers():
            _convert(buffer, kind)
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    def cpu(self) -> Self:
        """Return the module: it is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """Refuse: there is no graphics card here."""
        Tensor(0.0).cuda()
        return self

    def half(self) -> Self:
        """Convert to float16."""
        return self.to(np.float16)

    def type(self, dst_type: Any) -> Self:
        """Convert to a dtype, as `to`."""
        return self.to(Tensor(0.0).type(dst_type).dtype)


def _convert(tensor: Tensor, dtype: np.dtype[Any]) -> None:
    if tensor._data.dtype.kind == "f" and tensor._data.dtype != dtype:
        tensor.data = tensor._data.astype(dtype)


def _is_dtype(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    try:
        np.dtype(value)
    except TypeError:
        return False
    return value is not None
