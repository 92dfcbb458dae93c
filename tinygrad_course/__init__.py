"""Write a model PyTorch-style, and see, understand, check and run its backpropagation.

Example:
    >>> import tinygrad_course as tc
    >>> a, b, c = (tc.tensor(v, requires_grad=True) for v in (5.0, 3.0, 2.0))
    >>> J = 3 * (a + b * c)
    >>> J.backward()
    >>> J.item(), a.grad.item(), b.grad.item(), c.grad.item()
    (33.0, 3.0, 6.0, 9.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import bool_ as bool_
from numpy import e as e
from numpy import float16, float32, float64, int8, int16, int32, int64, uint8
from numpy import inf as inf
from numpy import nan as nan
from numpy import pi as pi

from . import autograd, errors, linalg, ops
from . import history as _history  # noqa: F401  (y.grad_fn)
from . import numpy_protocol as _numpy_protocol  # noqa: F401  (np.exp(t) records)
from .creation import (
    arange,
    as_tensor,
    device,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    tril_indices,
    triu_indices,
    zeros,
    zeros_like,
)
from .draws import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .elsewhere import lazy as _lazy
from .function import Function
from .gradcheck import check_gradients, gradcheck, gradgradcheck
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .pytorch import MISSING as _MISSING
from .pytorch import (
    BoolTensor,
    ByteTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    backends,
    broadcast_shapes,
    cuda,
    finfo,
    get_num_threads,
    iinfo,
    initial_seed,
    is_floating_point,
    is_tensor,
    isin,
    numel,
    result_type,
    seed,
    set_float32_matmul_precision,
    set_num_threads,
    unique,
    use_deterministic_algorithms,
)
from .random import Generator, default_generator, get_rng_state, manual_seed, set_rng_state
from .tensor import Tensor, default_dtype, set_default_dtype
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.1.0"

get_default_dtype = default_dtype
promote_types = np.promote_types
# PyTorch's other names of dtypes, and of the type of a shape. They hide Python's own below.
half = float16
float = float32
double = float64
short = int16
int = int32
long = int64
bool = bool_
Size: type[tuple[Any, ...]] = tuple

# Every operation is a function of the package too: tc.exp, tc.sum, tc.matmul, …
_FUNCTIONS = {name: f for name, f in ops.FUNCTIONS.items() if "." not in name}
globals().update(_FUNCTIONS)

# Loaded on first use, so that `import tinygrad_course` costs little more than NumPy.
_LAZY = {
    "nn": "nn",
    "optim": "optim",
    "data": "data",
    "utils": "utils",
    "distributions": "distributions",
    "train": "train",
    "fit": "train:fit",
    "evaluate": "train:evaluate",
    "predict": "train:predict",
    "History": "train:History",
    "save": "checkpoint:save",
    "load": "checkpoint:load",
    "Graph": "graph:Graph",
    "trace": "tracing:trace",
    "summary": "nn:summary",
    "compile": "compiling:compile",
    "derivation": "derivation",
    "derive": "derivation:derive",
    "equations": "derivation:equations",
    "simplify": "derivation:simplify",
    "source": "derivation.source:source",
    "exercise": "derivation.exercise:exercise",
    "check_backprop": "checking.backprop:check_backprop",
}

if TYPE_CHECKING:
    from . import nn as nn

    def __getattr__(name: str) -> Any: ...

else:
    __getattr__ = _lazy(__name__, _LAZY, _MISSING)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "BoolTensor",
    "ByteTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "backends",
    "bernoulli",
    "broadcast_shapes",
    "cuda",
    "finfo",
    "get_num_threads",
    "iinfo",
    "initial_seed",
    "isin",
    "seed",
    "inference_mode",
    "is_floating_point",
    "is_tensor",
    "multinomial",
    "normal",
    "numel",
    "randint_like",
    "result_type",
    "set_float32_matmul_precision",
    "set_num_threads",
    "unique",
    "use_deterministic_algorithms",
    "Function",
    "Generator",
    "Graph",
    "History",
    "Tensor",
    "arange",
    "as_tensor",
    "autograd",
    "bool_",
    "check_backprop",
    "check_gradients",
    "compile",
    "data",
    "default_dtype",
    "default_generator",
    "derivation",
    "derive",
    "detect_anomaly",
    "device",
    "double",
    "empty",
    "empty_like",
    "enable_grad",
    "equations",
    "errors",
    "evaluate",
    "exercise",
    "eye",
    "fit",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "get_default_dtype",
    "get_rng_state",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "linalg",
    "linspace",
    "load",
    "logspace",
    "long",
    "manual_seed",
    "nan",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "ops",
    "optim",
    "pi",
    "predict",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "save",
    "set_default_dtype",
    "set_grad_enabled",
    "set_rng_state",
    "simplify",
    "source",
    "summary",
    "tensor",
    "trace",
    "train",
    "tril_indices",
    "triu_indices",
    "uint8",
    "value_and_grad",
    "vjp",
    "zeros",
    "zeros_like",
]
__all__ += _FUNCTIONS
