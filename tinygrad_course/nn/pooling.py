"""Pooling layers, windows, padding and resizing as modules, with PyTorch's arguments."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import errors
from ..ops import pooling
from ..ops.join import pad
from ..ops.resize import interpolate
from ..ops.windows import each, fold, unfold
from ..tensor import Tensor, as_input
from .module import Module
from .numbering import name_after


class _Pool(Module):
    """What pooling layers share: their options, and the function that they call."""

    axes: ClassVar[int]
    options: ClassVar[tuple[str, ...]]
    function: ClassVar[Any]

    def _keep(self, **options: Any) -> None:
        name = type(self).__name__
        # Wrong options are refused here, not when the layer is called.
        each(name, "kernel_size", options["kernel_size"], self.axes)
        if options["stride"] is None:
            options["stride"] = options["kernel_size"]
        for key, value in options.items():
            setattr(self, key, value)

    def forward(self, x: Any) -> Any:
        """Pool."""
        size, *rest = (getattr(self, key) for key in self.options)
        return name_after(x, self.function(as_input(x), size, *rest), "P")

    def extra_repr(self) -> str:
        """Return the options."""
        return ", ".join(f"{key}={getattr(self, key)}" for key in self.options[:3])


class _MaxPool(_Pool):
    options: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "ceil_mode",
        "return_indices",
    )

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self._keep(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
            return_indices=return_indices,
        )


class _AvgPool(_Pool):
    options: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
    )

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self._keep(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class _AvgPoolDivided(_AvgPool):
    options: ClassVar[tuple[str, ...]] = (*_AvgPool.options, "divisor_override")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


class MaxPool1d(_MaxPool):
    """The largest number of each window of signals (N, C, L); see `nn.functional.max_pool1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MaxPool1d(2)(tc.zeros(5, 2, 8)).shape
        (5, 2, 4)
    """

    axes = 1
    function = staticmethod(pooling.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest number of each window of images (N, C, H, W); see `nn.functional.max_pool2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MaxPool2d(2)(tc.zeros(5, 2, 8, 6)).shape
        (5, 2, 4, 3)
    """

    axes = 2
    function = staticmethod(pooling.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest number of each window of volumes (N, C, D, H, W); see `nn.functional.max_pool3d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.MaxPool3d(2)(tc.zeros(5, 2, 4, 8, 6)).shape
        (5, 2, 2, 4, 3)
    """

    axes = 3
    function = staticmethod(pooling.max_pool3d)


class AvgPool1d(_AvgPool):
    """The average of each window of signals (N, C, L); see `nn.functional.avg_pool1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AvgPool1d(2)(tc.zeros(5, 2, 8)).shape
        (5, 2, 4)
    """

    axes = 1
    function = staticmethod(pooling.avg_pool1d)


class AvgPool2d(_AvgPoolDivided):
    """The average of each window of images (N, C, H, W); see `nn.functional.avg_pool2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AvgPool2d(2)(tc.zeros(5, 2, 8, 6)).shape
        (5, 2, 4, 3)
    """

    axes = 2
    function = staticmethod(pooling.avg_pool2d)


class AvgPool3d(_AvgPoolDivided):
    """The average of each window of volumes (N, C, D, H, W); see `nn.functional.avg_pool3d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AvgPool3d(2)(tc.zeros(5, 2, 4, 8, 6)).shape
        (5, 2, 2, 4, 3)
    """

    axes = 3
    function = staticmethod(pooling.avg_pool3d)


class _Adaptive(Module):
    """What the adaptive pooling layers share."""

    function: ClassVar[Any]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        """Pool into cells."""
        return name_after(x, self.function(as_input(x), self.output_size), "P")  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the output size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """The average of so many cells of signals; see `nn.functional.adaptive_avg_pool1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AdaptiveAvgPool1d(3)(tc.zeros(5, 2, 8)).shape
        (5, 2, 3)
    """

    function = staticmethod(pooling.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """The average of so many cells of images; see `nn.functional.adaptive_avg_pool2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AdaptiveAvgPool2d(3)(tc.zeros(5, 2, 8, 6)).shape
        (5, 2, 3, 3)
    """

    function = staticmethod(pooling.adaptive_avg_pool2d)


class AdaptiveMaxPool1d(_Adaptive):
    """The largest number of so many cells of signals; see `nn.functional.adaptive_max_pool1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AdaptiveMaxPool1d(3)(tc.zeros(5, 2, 8)).shape
        (5, 2, 3)
    """

    function = staticmethod(pooling.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest number of so many cells of images; see `nn.functional.adaptive_max_pool2d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.AdaptiveMaxPool2d(3)(tc.zeros(5, 2, 8, 6)).shape
        (5, 2, 3, 3)
    """

    function = staticmethod(pooling.adaptive_max_pool2d)


class Unfold(Module):
    """Windows of images as columns; see `nn.functional.unfold`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Unfold(2)(tc.zeros(5, 3, 4, 4)).shape
        (5, 12, 9)
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Any) -> Tensor:
        """Return the windows."""
        return unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class Fold(Module):
    """Columns added up to images; see `nn.functional.fold`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Fold((4, 4), 2)(tc.zeros(5, 12, 9)).shape
        (5, 3, 4, 4)
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Any) -> Tensor:
        """Add the columns up."""
        return fold(  # type: ignore[no-any-return]
            x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return f"output_size={self.output_size}, kernel_size={self.kernel_size}"


class _Pad(Module):
    """What the padding layers share."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        count = 2 * self.axes
        widths = padding if isinstance(padding, (tuple, list)) else (padding,) * count
        if len(widths) != count:
            raise errors.ArgumentError(
                f"{type(self).__name__}: got padding={padding!r}, expected an integer, or {count}: "
                "before and after each axis, the last axis first."
            )
        self.padding = tuple(widths)

    def forward(self, x: Any) -> Tensor:
        """Pad."""
        return pad(as_input(x), self.padding, self.mode, self.value)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float = 0.0) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad1d(_ConstantPad):
    """Signals with a number around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ConstantPad1d(2, 0.5)(tc.zeros(1, 1, 4)).shape
        (1, 1, 8)
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Images with a number around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ConstantPad2d(2, 0.5)(tc.zeros(1, 1, 4, 4)).shape
        (1, 1, 8, 8)
    """

    axes = 2


class ZeroPad1d(_Pad):
    """Signals with zeros around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ZeroPad1d(2)(tc.zeros(1, 1, 4)).shape
        (1, 1, 8)
    """

    axes = 1


class ZeroPad2d(_Pad):
    """Images with zeros around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ZeroPad2d(2)(tc.zeros(1, 1, 4, 4)).shape
        (1, 1, 8, 8)
    """

    axes = 2


class ReflectionPad1d(_Pad):
    """Signals with mirror images around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReflectionPad1d(2)(tc.zeros(1, 1, 4)).shape
        (1, 1, 8)
    """

    axes = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Images with mirror images around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReflectionPad2d(2)(tc.zeros(1, 1, 4, 4)).shape
        (1, 1, 8, 8)
    """

    axes = 2
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Signals with the numbers at the edge around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReplicationPad1d(2)(tc.zeros(1, 1, 4)).shape
        (1, 1, 8)
    """

    axes = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Images with the numbers at the edge around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.ReplicationPad2d(2)(tc.zeros(1, 1, 4, 4)).shape
        (1, 1, 8, 8)
    """

    axes = 2
    mode = "replicate"


class CircularPad1d(_Pad):
    """Signals with what is at the other end around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.CircularPad1d(2)(tc.zeros(1, 1, 4)).shape
        (1, 1, 8)
    """

    axes = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Images with what is at the other end around them; see `tinygrad_course.pad`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.CircularPad2d(2)(tc.zeros(1, 1, 4, 4)).shape
        (1, 1, 8, 8)
    """

    axes = 2
    mode = "circular"


class Upsample(Module):
    """Resize signals, images or volumes; see `nn.functional.interpolate`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.Upsample(scale_factor=2)(tc.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 1., 2., 2.]]])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Any) -> Tensor:
        """Resize."""
        return interpolate(  # type: ignore[no-any-return]
            as_input(x), self.size, self.scale_factor, self.mode, self.align_corners
        )

    def extra_repr(self) -> str:
        """Return the options."""
        how = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{how}, mode={self.mode!r}"
