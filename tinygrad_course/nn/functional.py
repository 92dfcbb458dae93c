"""Layers, activations and losses as plain functions, under PyTorch's names.

Usually imported as ``F``. Nothing here holds parameters or state; the modules of `nn` call these.

Example:
    >>> import tinygrad_course as tc
    >>> from tinygrad_course.nn import functional as F
    >>> F.relu(F.linear(tc.tensor([[1.0, -2.0]]), tc.tensor([[3.0, 1.0]])))
    tensor([[1.]])
"""

from __future__ import annotations

import functools
import inspect
from functools import partial
from typing import Any

import numpy as np

from .. import errors
from ..creation import zeros_like
from ..journal import active, look
from ..ops import activation as _activation
from ..ops import piecewise as _piecewise
from ..ops.activation import (
    gelu,
    glu,
    log_softmax,
    sigmoid,
    softmax,
    softmin,
    softsign,
    step,
    tanhshrink,
)
from ..ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
)
from ..ops.distance import cosine_similarity, normalize, pairwise_distance
from ..ops.elementwise import add, mul
from ..ops.join import pad
from ..ops.linalg import affine, matmul
from ..ops.logarithms import logsigmoid
from ..ops.piecewise import hardshrink, prelu, softshrink
from ..ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ..ops.random import bernoulli_mask
from ..ops.resize import interpolate
from ..ops.shape import flatten
from ..ops.trigonometry import tanh
from ..ops.windows import fold, unfold
from ..random import Generator, default_generator
from ..tensor import Tensor, apply, as_input, as_tensor
from .activation import overwrite
from .attend import scaled_dot_product_attention
from .densities import gaussian_nll_loss, kl_div, poisson_nll_loss
from .embedding import embedding
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .margins import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from .normalise import batch_norm, group_norm, instance_norm, layer_norm, rms_norm


def _with_inplace(function: Any) -> Any:
    """Give an activation PyTorch's last argument, `inplace`: the result overwrites the input."""
    count = len(inspect.signature(function).parameters) - 1

    @functools.wraps(function)  # its operation too: a layer can take it as its activation
    def activation(input: Any, *args: Any, inplace: bool = False, **params: Any) -> Any:
        if len(args) > count:
            *args, inplace = args  # type: ignore[assignment]
        if inplace:
            return overwrite(function, input, *args, **params)
        return function(input, *args, **params)

    return activation


relu = _with_inplace(_activation.relu)
leaky_relu = _with_inplace(_activation.leaky_relu)
elu = _with_inplace(_activation.elu)
celu = _with_inplace(_activation.celu)
selu = _with_inplace(_activation.selu)
silu = swish = _with_inplace(_activation.silu)
mish = _with_inplace(_activation.mish)
hardtanh = _with_inplace(_piecewise.hardtanh)
relu6 = _with_inplace(_piecewise.relu6)
hardsigmoid = _with_inplace(_piecewise.hardsigmoid)
hardswish = _with_inplace(_piecewise.hardswish)
threshold = _with_inplace(_piecewise.threshold)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Softplus: y = log(1 + exp(β x)) / β.

    Args:
        input: x.
        beta: β; the larger, the nearer to ReLU.
        threshold: accepted as in PyTorch, which takes y = x for β x beyond it; the formula here is
            exact for every x.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.softplus(tc.tensor([0.0, 1.0]), beta=2.0)
        tensor([0.3466, 1.0635])
    """
    if beta == 1:
        return _activation.softplus(input)
    return _activation.softplus(as_tensor(input) * beta) / beta


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """Affine map as PyTorch writes it: y = x Wᵀ + b.

    Args:
        input: x, (…, in).
        weight: W, (out, in).
        bias: b, (out,), or None.

    Raises:
        ShapeError: lengths that do not fit.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.linear(tc.tensor([[1.0, 2.0]]), tc.tensor([[3.0, 4.0]]), tc.tensor([5.0]))
        tensor([[16.]])
    """
    w: Any = weight if isinstance(weight, Tensor) else Tensor(weight)
    if bias is None or np.ndim(input) < 2:
        z: Tensor = matmul(input, w.mT)
        return z if bias is None else apply(add.op, (z, bias))
    return apply(affine.op, (input, w.mT, as_tensor(bias)))


def dropout(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Inverted dropout: in training y = x d / (1 − p), each d 0 with probability p, else 1.

    The division keeps the mean of each unit, so that evaluation needs no scaling.

    Args:
        input: x.
        p: the probability of dropping, 0 ≤ p ≤ 1.
        training: False returns x itself.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: p outside [0, 1].

    Source:
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, JMLR 15.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.dropout(tc.ones(4), p=0.5, generator=tc.Generator(6))
        tensor([2., 0., 0., 2.])
        >>> F.dropout(tc.ones(4), training=False)
        tensor([1., 1., 1., 1.])
    """
    _check_probability("dropout", p)
    x = as_input(input)
    if not training or p == 0:
        return x
    mask = apply(bernoulli_mask.op, (x,), {"keep": 1.0 - p, "generator": generator})
    return apply(mul.op, (x, mask))


def _channel_dropout(
    name: str, ndims: dict[int, int], x: Any, p: float, training: bool, generator: Any
) -> Tensor:
    """Drop whole channels; `ndims` maps numbers of axes to how many stand before the places."""
    _check_probability(name, p)
    x = as_input(x)
    before = ndims.get(x.ndim)
    if before is None:
        known = " or ".join(map(str, ndims))
        raise errors.ShapeError(
            f"{name}: got an input of shape {x.shape}, expected {known} axes: examples, channels "
            "and their places. Use dropout for single units."
        )
    if not training or p == 0:
        return x  # type: ignore[no-any-return]
    one = x[(slice(None),) * before + (slice(0, 1),) * (x.ndim - before)]
    mask = apply(bernoulli_mask.op, (one,), {"keep": 1.0 - p, "generator": generator})
    return apply(mul.op, (x, mask))


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Dropout of whole channels of (m, C, L) or (C, L): all places of a channel, or none.

    Args:
        input: x.
        p: the probability of dropping a channel; those kept are divided by 1 − p.
        training: False returns x itself.
        generator: where to draw from.

    Raises:
        ArgumentError: p outside [0, 1]; ShapeError: another number of axes.

    Source:
        Tompson, Goroshin, Jain, LeCun, Bregler 2015, arXiv:1411.4280.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.dropout1d(tc.ones(2, 3), generator=tc.Generator(6))
        tensor([[2., 2., 2.],
                [0., 0., 0.]])
    """
    return _channel_dropout("dropout1d", {2: 1, 3: 2}, input, p, training, generator)


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Dropout of whole channels of (m, C, H, W), or (m, C, L); see `dropout1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.dropout2d(tc.ones(1, 2, 1, 2), generator=tc.Generator(6)).tolist()
        [[[[2.0, 2.0]], [[0.0, 0.0]]]]
    """
    return _channel_dropout("dropout2d", {4: 2, 3: 2}, input, p, training, generator)


def dropout3d(
    input: Any, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Dropout of whole channels of (m, C, D, H, W), or (C, D, H, W); see `dropout1d`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.dropout3d(tc.ones(2, 1, 1, 2), generator=tc.Generator(6)).tolist()
        [[[[2.0, 2.0]]], [[[0.0, 0.0]]]]
    """
    return _channel_dropout("dropout3d", {5: 2, 4: 1}, input, p, training, generator)


def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, generator: Generator | None = None
) -> Tensor:
    """Dropout beside SELU: y = a (x d + α′ (1 − d)) + b, which keeps mean 0 and variance 1.

    A dropped unit takes α′ = −λα ≈ −1.758, SELU's least value; a = ((1 − p) (1 + p α′²))^(−1/2) and
    b = −a p α′ bring mean and variance back.

    Args:
        input: x.
        p: the probability of dropping a unit.
        training: False, the default as in PyTorch, returns x itself.
        generator: where to draw from.

    Raises:
        ArgumentError: p outside [0, 1].

    Source:
        Klambauer, Unterthiner, Mayr, Hochreiter 2017, arXiv:1706.02515.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.alpha_dropout(tc.zeros(4), 0.5, True, tc.Generator(6))
        tensor([ 0.7792, -0.7792, -0.7792,  0.7792])
    """
    _check_probability("alpha_dropout", p)
    x: Any = as_input(input)
    if not training or p == 0:
        return x  # type: ignore[no-any-return]
    keep = 1.0 - p
    if keep == 0:
        return x * 0.0  # type: ignore[no-any-return]
    least = -1.7580993408473766
    mask: Any = apply(bernoulli_mask.op, (x,), {"keep": keep, "generator": generator})
    a = (keep * (1 + p * least**2)) ** -0.5
    kept = mask * keep
    return a * (x * kept + least * (1 - kept)) - a * p * least  # type: ignore[no-any-return]


def gumbel_softmax(
    logits: Any,
    tau: float = 1.0,
    hard: bool = False,
    dim: int = -1,
    generator: Generator | None = None,
) -> Tensor:
    """Draw nearly one-hot vectors with a gradient: y = softmax((logits + G) / τ), G Gumbel's noise.

    Args:
        logits: logarithms of probabilities, up to a constant.
        tau: the temperature τ > 0; the smaller, the nearer to one-hot.
        hard: return one-hot vectors, with the gradient of y.
        dim: the axis of the classes.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: a temperature that is not above 0.

    Source: Jang, Gu and Poole 2017, arXiv:1611.01144.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.gumbel_softmax(tc.zeros(2, 3), hard=True).sum(dim=1)
        tensor([1., 1.])
    """
    if not tau > 0:
        raise errors.ArgumentError(f"gumbel_softmax: got tau={tau}, expected a number > 0.")
    x = as_tensor(logits)
    stream = (generator or default_generator).numpy
    noise = -np.log(stream.standard_exponential(x.shape))
    y: Any = softmax((x + noise.astype(x.dtype)) / tau, axis=dim)
    if not hard:
        return y  # type: ignore[no-any-return]
    best = y.detach().argmax(dim, keepdim=True)
    chosen: Any = zeros_like(y).scatter(dim, best, 1.0)
    return chosen + (y - y.detach())  # type: ignore[no-any-return]


def _check_probability(name: str, p: Any) -> None:
    """Raise unless p is a number in [0, 1]."""
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise errors.ArgumentError(
            f"{name}: p is the probability of dropping a unit, between 0 and 1; got {p!r}. "
            "If you have keep_prob, pass 1 - keep_prob."
        )


def one_hot(labels: Any, num_classes: int = -1, dim: int = -1) -> Tensor:
    """Return class numbers as vectors with a single 1.

    Args:
        labels: integers from 0.
        num_classes: C; by default the largest label + 1.
        dim: where the class axis goes; 0 gives the columns (C, m).

    Raises:
        DtypeError: labels that are no integers; IndexingError: a label outside 0 … C−1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.one_hot(tc.tensor([0, 2]), num_classes=3).tolist()
        [[1, 0, 0], [0, 0, 1]]
    """
    y: Any = labels if isinstance(labels, Tensor) else Tensor(labels)
    if y.dtype.kind not in "iu":
        raise errors.DtypeError(
            f"one_hot: class numbers are integers, got dtype {y.dtype}. Use labels.long()."
        )
    values = y._data
    if num_classes < 0:
        if not values.size:
            raise errors.ArgumentError("one_hot: without labels, num_classes must be given.")
        look(y, "one_hot without num_classes")
        num_classes = int(values.max()) + 1
    if not _within(num_classes, values):
        bad = np.argwhere((values < 0) | (values >= num_classes))
        index = tuple(int(i) for i in bad[0])
        raise errors.IndexingError(
            f"one_hot: the label {values[index]} at index {index} is outside 0 … "
            f"{num_classes - 1}. Count classes from 0, or pass a larger num_classes."
        )
    if (journal := active()) is not None:
        journal.expected.append((y, partial(_within, num_classes)))
    ndim = y.ndim + 1
    if not -ndim <= dim < ndim:
        raise errors.ShapeError(f"one_hot: axis {dim} does not exist in {ndim} axes.")
    axis = dim % ndim
    classes = np.arange(num_classes).reshape([-1 if a == axis else 1 for a in range(ndim)])
    hot: Any = y.unsqueeze(axis) == Tensor(classes)
    return hot.to(np.int64)  # type: ignore[no-any-return]


def _within(length: int, values: Any) -> bool:
    return bool((values >= 0).all() and (values < length).all())


__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "flatten",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "step",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
]
