"""What PyTorch programs say to the machine: threads, graphics cards, settings; and what is missing.

Programs choose a device and make runs repeatable with these names, so they are here and do what
they can on one CPU with NumPy: mostly nothing, for the reason that each says. `MISSING` holds the
names of PyTorch that are not here, with what to do instead; the package's ``__getattr__`` says it.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import errors
from .ops.define import attach
from .random import Generator, default_generator
from .tensor import Tensor, as_dtype, as_tensor, default_dtype, to_array, wrap

_threads = [os.cpu_count() or 1]


def set_num_threads(threads: int) -> None:
    """Accept the number of threads: NumPy's BLAS has chosen its own when it was loaded.

    Set ``OPENBLAS_NUM_THREADS`` (or ``OMP_NUM_THREADS``) before Python starts.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.set_num_threads(1)
        >>> tc.get_num_threads()
        1
    """
    if not isinstance(threads, int) or threads < 1:
        raise errors.ArgumentError(f"set_num_threads: got {threads!r}, expected an integer >= 1.")
    _threads[0] = threads


def get_num_threads() -> int:
    """Return what `set_num_threads` was given, else the number of processors.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.get_num_threads() >= 1
        True
    """
    return _threads[0]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept the wish: all operations here are deterministic.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.use_deterministic_algorithms(True)
    """


def set_float32_matmul_precision(precision: str) -> None:
    """Accept the wish: float32 products are computed in float32.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.set_float32_matmul_precision("high")
    """


class _Backend(SimpleNamespace):
    """Switches of a library that is not used here; they can be set, and change nothing."""

    def is_available(self) -> bool:
        """Return False."""
        return False

    is_built = is_available


backends = SimpleNamespace(
    cudnn=_Backend(enabled=False, deterministic=True, benchmark=False, allow_tf32=False),
    cuda=_Backend(matmul=SimpleNamespace(allow_tf32=False)),
    mps=_Backend(),
    mkldnn=_Backend(enabled=False),
    openmp=_Backend(),
)


def initial_seed() -> int:
    """Return the seed of `default_generator`.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(7)
        >>> tc.initial_seed()
        7
    """
    return default_generator.seed


def seed() -> int:
    """Seed `default_generator` from the operating system, and return the seed.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.seed() == tc.initial_seed()
        True
    """
    return default_generator.manual_seed(Generator().seed).seed


# --- questions about tensors that are answered at once -------------------------------------------


def is_tensor(obj: Any) -> bool:
    """Return True for a tensor.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.is_tensor(tc.zeros(2)), tc.is_tensor([0.0, 0.0])
        (True, False)
    """
    return isinstance(obj, Tensor)


def numel(input: Any) -> int:
    """Return the number of elements.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.numel(tc.zeros(2, 3))
        6
    """
    return int(to_array(input).size)


def is_floating_point(input: Any) -> bool:
    """Return True for a float dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.is_floating_point(tc.zeros(2)), tc.is_floating_point(tc.arange(2))
        (True, False)
    """
    return to_array(input).dtype.kind == "f"


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that operands of these shapes are broadcast to.

    Raises:
        ShapeError: they cannot be broadcast together.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise errors.ShapeError(
            f"broadcast_shapes: {', '.join(map(str, shapes))} do not go together. Aligned at the "
            "last axis, lengths must be equal or 1."
        ) from None


def result_type(a: Any, b: Any) -> np.dtype[Any]:
    """Return the dtype of the result of an operation on both (NumPy's promotion, NEP 50).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.result_type(tc.zeros(1), 2.5)
        dtype('float32')
    """
    given = [x if isinstance(x, int | float) else to_array(x) for x in (a, b)]
    return np.result_type(*given)


def finfo(dtype: Any = None) -> np.finfo[Any]:
    """Return the limits of a float dtype: ``eps``, ``max``, ``min``, ``tiny``.

    Example:
        >>> import tinygrad_course as tc
        >>> float(tc.finfo(tc.float32).eps) == 2**-23
        True
    """
    return np.finfo(default_dtype() if dtype is None else as_dtype(dtype, "finfo"))


def iinfo(dtype: Any) -> np.iinfo[Any]:
    """Return the limits of an integer dtype: ``max``, ``min``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.iinfo(tc.int8).max
        127
    """
    return np.iinfo(as_dtype(dtype, "iinfo"))


class _TensorType:
    """A constructor named after a dtype, ``FloatTensor``: of numbers, or of a shape (zeros).

    Example:
        >>> import tinygrad_course as tc
        >>> tc.LongTensor([1, 2]), tc.FloatTensor(2).shape
        (tensor([1, 2]), (2,))
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)

    def __call__(self, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return Tensor(data[0], self.dtype)
        return wrap(np.zeros(data, self.dtype))

    def __repr__(self) -> str:
        return f"tinygrad_course.{self.name}"


FloatTensor = _TensorType("FloatTensor", np.float32)
DoubleTensor = _TensorType("DoubleTensor", np.float64)
HalfTensor = _TensorType("HalfTensor", np.float16)
LongTensor = _TensorType("LongTensor", np.int64)
IntTensor = _TensorType("IntTensor", np.int32)
ShortTensor = _TensorType("ShortTensor", np.int16)
ByteTensor = _TensorType("ByteTensor", np.uint8)
BoolTensor = _TensorType("BoolTensor", np.bool_)
TENSOR_TYPES = (
    FloatTensor,
    DoubleTensor,
    HalfTensor,
    LongTensor,
    IntTensor,
    ShortTensor,
    ByteTensor,
    BoolTensor,
)


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the different values in ascending order; they have no gradient.

    Args:
        input: a tensor.
        sorted: accepted; they are always sorted.
        return_inverse: also return where in the result each element stands.
        return_counts: also return how often each value occurs.
        dim: compare whole slices along this axis; all elements when None.

    Example:
        >>> import tinygrad_course as tc
        >>> values, counts = tc.unique(tc.tensor([2, 0, 2]), return_counts=True)
        >>> values.tolist(), counts.tolist()
        ([0, 2], [1, 2])
    """
    array = as_tensor(input).numpy()
    wanted: Any = {"return_inverse": return_inverse, "return_counts": return_counts}
    found: Any = np.unique(array, axis=dim, **wanted)
    return tuple(map(wrap, found)) if isinstance(found, tuple) else wrap(found)


attach(unique, "unique")


def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Tensor:
    """Return which elements are among others; it has no gradient.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.isin(tc.tensor([1, 2, 3]), tc.tensor([2])).tolist()
        [False, True, False]
    """
    among = as_tensor(test_elements).numpy()
    return wrap(np.isin(as_tensor(elements).numpy(), among, invert=invert))


class Variable:
    """PyTorch's old name for a tensor: ``Variable(x)`` is a tensor on the memory of `x`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.autograd import Variable
        >>> x = Variable(tc.ones(2), requires_grad=True)
        >>> type(x) is tc.Tensor, x.requires_grad
        (True, True)
    """

    def __new__(cls, data: Any, requires_grad: bool = False) -> Any:
        """Return the tensor."""
        out = as_tensor(data)
        return out.detach().requires_grad_() if requires_grad else out


# --- what is not here ---------------------------------------------------------------------------

_CPU_ONLY = "this package computes on one CPU. Leave the call out; the device is 'cpu'."
_REAL_ONLY = "tensors hold real numbers. Keep real and imaginary parts as two tensors."
_PLAIN_DTYPES = "dtypes are NumPy's, which has no such one. Use float32 or float64."

MISSING: dict[str, str] = {
    "jit": "models run as they are written. tc.compile(step) makes one program of a training step.",
    "distributed": "there is one process. For larger work take PyTorch; state dicts carry over.",
    "multiprocessing": "there is one process. Python's own multiprocessing works with arrays.",
    "mps": _CPU_ONLY,
    "xpu": _CPU_ONLY,
    "amp": "there is no mixed precision. Leave autocast and GradScaler out.",
    "autocast": "there is no mixed precision. Leave it out: float32 is the default dtype.",
    "GradScaler": "there is no mixed precision, so gradients need no scaling. Leave it out.",
    "bfloat16": _PLAIN_DTYPES,
    "complex64": _REAL_ONLY,
    "complex128": _REAL_ONLY,
    "cfloat": _REAL_ONLY,
    "complex": _REAL_ONLY,
    "fft": f"{_REAL_ONLY} Use np.fft on arrays.",
    "stft": f"{_REAL_ONLY} Use np.fft on arrays.",
    "sparse": "tensors are dense. Use an ordinary tensor.",
    "sparse_coo_tensor": "tensors are dense. Use tc.zeros(...) and index_put, or a dense tensor.",
    "quantization": "dtypes are NumPy's, and none is quantized.",
    "ao": "dtypes are NumPy's, and none is quantized.",
    "fx": "tc.trace(f, *examples) returns the graph of a function.",
    "export": "tc.source(J) writes the model as a NumPy program.",
    "onnx": "tc.source(J) writes the model as a NumPy program.",
    "hub": "no models are downloaded. Load a state dict that was saved as safetensors.",
    "vmap": "write the axis of examples into the operations; they all broadcast.",
    "func": "tc.grad, tc.vjp, tc.jvp, tc.jacobian and tc.hessian are functions of functions.",
    "profiler": "step.profile(X, Y) says where the time of a compiled step goes.",
    "set_default_device": _CPU_ONLY,
    "set_default_tensor_type": "use tc.set_default_dtype(tc.float64).",
    "set_printoptions": "print x.numpy(), with np.set_printoptions.",
    "as_strided": "use slices, reshape or unfold, whose gradients are known.",
    "from_dlpack": "use tc.from_numpy(np.from_dlpack(x)).",
    "frombuffer": "use tc.from_numpy(np.frombuffer(buffer, dtype)).",
    "Storage": "memory is a NumPy array: x.numpy().",
    "memory_format": "arrays are in rows or columns by their strides. Leave memory_format out.",
    "channels_last": "arrays are in rows or columns by their strides. Leave memory_format out.",
    "contiguous_format": "arrays are in rows or columns. Leave memory_format out.",
    "preserve_format": "arrays are in rows or columns. Leave memory_format out.",
    "inference": "use tc.inference_mode.",
    "ctc_loss": "the CTC loss is left out; its recursion over labels is not an array operation.",
}

MISSING_LAYERS: dict[str, str] = {
    "AdaptiveLogSoftmaxWithLoss": "use nn.Linear and nn.CrossEntropyLoss.",
    "Bilinear": "write tc.einsum('bi,oij,bj->bo', x1, weight, x2).",
    "CTCLoss": MISSING["ctc_loss"],
    "DataParallel": "there is one process. Use the model itself.",
    "EmbeddingBag": "use nn.Embedding, then .mean(dim=1) or .sum(dim=1).",
    "LazyConv2d": "write nn.Conv2d with its number of input channels.",
    "LazyLinear": "write nn.Linear with its number of inputs; model(x).shape tells it.",
    "MaxUnpool2d": "use nn.Upsample or nn.ConvTranspose2d.",
    "PixelShuffle": "write it with reshape and permute.",
    "SyncBatchNorm": "there is one process. Use nn.BatchNorm2d.",
    "quantized": MISSING["quantization"],
}


# --- torch.cuda ---------------------------------------------------------------------------------


def _never() -> bool:
    """Return False: there is no such device here."""
    return False


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing: there is no graphics card whose state could be changed."""


class _Cuda(SimpleNamespace):
    """What programs ask of ``torch.cuda`` to find that there is no graphics card."""

    def __getattr__(self, name: str) -> Any:
        raise errors.MissingNameError(f"cuda.{name} is not here: {_CPU_ONLY}", name=name, obj=self)


cuda = _Cuda(
    is_available=_never,
    is_initialized=_never,
    device_count=lambda: 0,
    manual_seed=_nothing,
    manual_seed_all=_nothing,
    empty_cache=_nothing,
    synchronize=_nothing,
)
