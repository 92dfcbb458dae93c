"""Losses that ask for a margin: right answers are to be ahead of wrong ones, near ones nearer.

PyTorch's names, arguments and conventions; `nn.functional` exports them. Beyond the margin a loss
is 0, and so is its derivative there and at the margin itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .. import errors
from ..ops.activation import relu, softplus
from ..ops.compare import minimum, where
from ..ops.elementwise import sqrt
from ..ops.index import one_hot, take_along_axis
from ..ops.loss import bce_with_logits
from ..ops.reduce import any as any_of
from ..ops.reduce import mean, norm, sum
from ..tensor import Tensor, apply, as_input, default_dtype
from .losses import (
    _check_classes,
    _converted,
    _is_number,
    _outside,
    _pair,
    _reduce,
    _refuse_labels,
    _weighted,
)

# Keeps the divisor of a cosine from zero, as in PyTorch.
_TINY = 1e-12
# No label is ignored.
_NO_CLASS = int(np.iinfo(np.int64).min)


# --- labels −1 and 1 ----------------------------------------------------------------------------


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Hinge loss of distances x: x where y = 1, max(0, Δ − x) where y = −1.

    Args:
        input: distances x of pairs.
        target: labels y, 1 for alike and −1 for different; of the same shape.
        margin: Δ, how far apart different ones are to be.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a label that is not −1 or 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x, y = tc.tensor([0.5, 0.25, 2.0]), tc.tensor([1, -1, -1])
        >>> F.hinge_embedding_loss(x, y, reduction="none")
        tensor([0.5 , 0.75, 0.  ])
    """
    name = "hinge_embedding_loss"
    _check_number(name, "margin", margin)
    x, y = _pair(name, input, target)
    _check_signs(name, y)
    return _reduce(name, where(y > 0, x, relu(margin - x)), reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Logistic loss for labels −1 and 1: log(1 + exp(−y x)), finite for every x.

    Args:
        input: scores x.
        target: labels y, −1 or 1, of the same shape.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a label that is not −1 or 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.soft_margin_loss(tc.tensor([0.0, 2.0]), tc.tensor([1, -1]), reduction="none")
        tensor([0.6931, 2.1269])
    """
    x, y = _pair("soft_margin_loss", input, target)
    _check_signs("soft_margin_loss", y)
    return _reduce("soft_margin_loss", softplus(-y * x), reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Hinge loss of an order: max(0, −y (x₁ − x₂) + Δ).

    Args:
        input1: scores x₁.
        input2: scores x₂, of the same shape.
        target: y of the same shape: 1 where x₁ is to be larger, −1 where x₂ is.
        margin: Δ, by how much.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a label that is not −1 or 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x1, x2 = tc.tensor([1.0, 2.0]), tc.tensor([3.0, 1.0])
        >>> F.margin_ranking_loss(x1, x2, tc.tensor([1, 1]), margin=0.5, reduction="none")
        tensor([2.5, 0. ])
    """
    name = "margin_ranking_loss"
    _check_number(name, "margin", margin)
    a, b = _pair(name, input1, input2)
    a, y = _pair(name, a, target)
    _check_signs(name, y)
    difference: Any = a - b
    return _reduce(name, relu(-y * difference + margin), reduction)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Loss of the angle of two vectors: 1 − cos where y = 1, max(0, cos − Δ) where y = −1.

    Args:
        input1: vectors x₁, (m, n) or (n,).
        input2: vectors x₂, of the same shape.
        target: labels y, (m,) or a number: 1 for alike, −1 for different.
        margin: Δ, the cosine up to which different ones cost nothing, in [−1, 1].
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that do not fit; ArgumentError: a label that is not −1 or 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x1, x2 = tc.tensor([[1.0, 0.0], [1.0, 0.0]]), tc.tensor([[0.0, 2.0], [3.0, 0.0]])
        >>> F.cosine_embedding_loss(x1, x2, tc.tensor([1, -1]), reduction="none")
        tensor([1., 1.])
    """
    name = "cosine_embedding_loss"
    _check_number(name, "margin", margin)
    a, b = _pair(name, input1, input2)
    y = as_input(target)
    if a.ndim not in (1, 2) or y.shape != a.shape[:-1]:
        raise errors.ShapeError(
            f"{name}: the vectors have shape {a.shape}, the labels {y.shape}; expected (m, n) and "
            "(m,), or (n,) and one label."
        )
    _check_signs(name, y)
    squares = (sum(a * a, -1) + _TINY) * (sum(b * b, -1) + _TINY)
    cosine = sum(a * b, -1) / sqrt(squares)
    return _reduce(name, where(y > 0, 1 - cosine, relu(cosine - margin)), reduction)


# --- distances of three -------------------------------------------------------------------------


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of three vectors: max(0, d(a, p) − d(a, n) + Δ).

    Args:
        anchor: a, (m, n) or (n,).
        positive: vectors that are to be near, of the same shape.
        negative: vectors that are to be farther away, of the same shape.
        margin: Δ > 0, by how much.
        p: which norm of the difference is the distance.
        eps: added to the difference, which keeps the norm from 0.
        swap: take d(p, n) instead of d(a, n) where it is smaller.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a margin that is not positive.

    Source:
        Balntas, Riba, Ponsa and Mikolajczyk 2016, "Learning shallow convolutional feature
        descriptors with triplet losses".

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> a, p, n = tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]), tc.tensor([[0.0, 2.0]])
        >>> F.triplet_margin_loss(a, p, n)
        tensor(4.)
    """

    def distance(x1: Any, x2: Any) -> Any:
        return norm(x1 - x2 + eps, p, -1)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap,
                    reduction)  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of three with a distance of one's own: max(0, d(a, p) − d(a, n) + Δ).

    Args:
        anchor: a.
        positive: what is to be near, of the same shape.
        negative: what is to be farther away, of the same shape.
        distance_function: d, of two tensors; by default the Euclidean distance of vectors.
        margin: Δ > 0, by how much.
        swap: take d(p, n) instead of d(a, n) where it is smaller.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a margin that is not positive.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> a, p, n = tc.tensor([[0.0, 0.0]]), tc.tensor([[3.0, 4.0]]), tc.tensor([[0.0, 2.0]])
        >>> def largest(x1, x2):
        ...     return (x1 - x2).abs().amax(-1)
        >>> F.triplet_margin_with_distance_loss(a, p, n, distance_function=largest)
        tensor(3.)
    """
    name = "triplet_margin_with_distance_loss"
    if distance_function is None:
        return _triplet(name, anchor, positive, negative, _distance, margin, swap, reduction)
    if not callable(distance_function):
        raise errors.DtypeError(
            f"{name}: got a {type(distance_function).__name__} as distance_function, expected a "
            "function of two tensors."
        )
    return _triplet(name, anchor, positive, negative, distance_function, margin, swap, reduction)


def _distance(x1: Any, x2: Any) -> Any:
    return norm(x1 - x2 + 1e-6, 2, -1)


def _triplet(
    name: str,
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    _check_number(name, "margin", margin)
    if not margin > 0:
        raise errors.ArgumentError(f"{name}: margin must be a positive number, got {margin!r}.")
    a, b = _pair(name, anchor, positive)
    a, c = _pair(name, a, negative)
    near, far = distance(a, b), distance(a, c)
    if swap:
        far = minimum(far, distance(b, c))
    return _reduce(name, relu(near - far + margin), reduction)


# --- many classes -------------------------------------------------------------------------------


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of classes: (1/C) Σ_{c≠y} max(0, Δ − x_y + x_c)ᵖ.

    Args:
        input: scores x, (m, C) or (C,).
        target: class numbers y, (m,) or one.
        p: 1 or 2.
        margin: Δ, by how much the right class is to be ahead.
        weight: one factor per class, (C,): w_y multiplies the loss of an example of class y.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that do not fit; IndexingError: a class number outside 0 … C−1;
        DtypeError: class numbers that are no integers; ArgumentError: p that is not 1 or 2.

    Source:
        Crammer and Singer 2001, JMLR 2.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.multi_margin_loss(tc.tensor([[0.1, 0.2, 0.4, 0.8]]), tc.tensor([3]))
        tensor(0.325)
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise errors.ArgumentError(f"{name}: p must be 1 or 2, got {p!r}.")
    _check_number(name, "margin", margin)
    x: Any = _float(as_input(input))
    y: Any = as_input(target)
    if x.ndim not in (1, 2):
        _refuse_scores(name, x)
    axis = x.ndim - 1
    if x.ndim == 1 and y.shape == (1,):
        y = y.squeeze(0)
    _check_classes(name, x, y, _NO_CLASS, axis)
    classes = x.shape[axis]
    index = y.unsqueeze(-1)
    over = relu(margin - take_along_axis(x, index, -1) + x)
    if p == 2:
        over = over * over
    if weight is not None:
        w = _converted(weight, x.dtype)
        if w.shape != (classes,):
            raise errors.ShapeError(
                f"{name}: weight has shape {w.shape}, expected one factor for each of the "
                f"{classes} classes: ({classes},)."
            )
        over = over * take_along_axis(w.expand(*x.shape), index, -1)
    hot = apply(one_hot.op, (y,), {"classes": classes, "axis": -1})
    losses: Any = sum(where(hot > 0, 0.0, over), -1)
    return _reduce(name, losses / classes, reduction)


def multilabel_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Hinge loss of several right classes: (1/C) Σ_j Σ_c max(0, 1 − x_{y_j} + x_c), c none of them.

    Args:
        input: scores x, (m, C) or (C,).
        target: of the same shape, integers: the numbers of the right classes, then −1; what comes
            after the first −1 does not count.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; IndexingError: a class number outside −1 … C−1;
        DtypeError: class numbers that are no integers.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> x, y = tc.tensor([[0.1, 0.2, 0.4, 0.8]]), tc.tensor([[3, 0, -1, 1]])
        >>> F.multilabel_margin_loss(x, y)
        tensor(0.85)
    """
    name = "multilabel_margin_loss"
    x: Any = _float(as_input(input))
    y: Any = as_input(target)
    if x.ndim not in (1, 2):
        _refuse_scores(name, x)
    if y.shape != x.shape:
        raise errors.ShapeError(
            f"{name}: the scores have shape {x.shape}, the labels {y.shape}; they must be equal. "
            "Fill the rest of each row with -1."
        )
    _check_several(name, y, x.shape[-1])
    # Before the first -1 of a row: none of the labels so far is one.
    counts = (y < 0).to(np.int64).cumsum(-1) == 0
    index = where(counts, y, 0)
    classes = Tensor(np.arange(x.shape[-1]))
    hot = (index.unsqueeze(-1) == classes) & counts.unsqueeze(-1)  # (m, labels, classes)
    wrong = ~any_of(hot, -2)
    over = relu(1 - take_along_axis(x, index, -1).unsqueeze(-1) + x.unsqueeze(-2))
    losses: Any = sum(where(counts.unsqueeze(-1) & wrong.unsqueeze(-2), over, 0.0), (-2, -1))
    return _reduce(name, losses / x.shape[-1], reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """Logistic loss of each class, averaged: −(1/C) Σ_c (y log σ(x) + (1 − y) log σ(−x)).

    Args:
        input: scores x, (…, C).
        target: labels y in [0, 1], of the same shape.
        weight: factors of the classes, (C,).
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ; ArgumentError: a label that is NaN or outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.multilabel_soft_margin_loss(tc.tensor([[0.0, 0.0]]), tc.tensor([[1, 0]]))
        tensor(0.6931)
    """
    name = "multilabel_soft_margin_loss"
    x, y = _pair(name, input, target)
    if x.ndim == 0:
        _refuse_scores(name, x)
    if _outside(y._data):
        _refuse_labels(name, y._data)
    losses: Any = apply(bce_with_logits.op, (x, y))
    if weight is not None:
        losses = _weighted(losses, weight)
    return _reduce(name, mean(losses, -1), reduction)


# --- checks -------------------------------------------------------------------------------------


def _float(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.to(default_dtype())


def _check_number(name: str, what: str, value: Any) -> None:
    if isinstance(value, bool) or not _is_number(value) or value != value:
        raise errors.ArgumentError(f"{name}: {what} must be a number, got {value!r}.")


def _check_signs(name: str, y: Any) -> None:
    """Raise unless every label is −1 or 1."""
    labels = y._data
    if not labels.size or (np.abs(labels) == 1).all():
        return
    index = tuple(int(i) for i in np.argwhere(np.abs(labels) != 1)[0])
    cure = "Labels are −1 or 1."
    if set(np.unique(labels)) <= {0, 1}:
        cure = "For labels 0 and 1, use 2 * y - 1."
    place = f" at index {index[0] if len(index) == 1 else index}" if index else ""
    raise errors.ArgumentError(f"{name}: the label{place} is {labels[index].item()}. {cure}")


def _check_several(name: str, y: Any, classes: int) -> None:
    """Raise unless every label is a class number or −1."""
    labels = y._data
    if labels.dtype.kind not in "iu":
        raise errors.DtypeError(
            f"{name}: class numbers are integers, got dtype {labels.dtype}. Use y.long()."
        )
    bad = np.argwhere((labels < -1) | (labels >= classes))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise errors.IndexingError(
            f"{name}: the label at index {index[0] if len(index) == 1 else index} is "
            f"{labels[index]}, but there are {classes} classes, numbered 0 to {classes - 1}; -1 "
            "ends a row."
        )


def _refuse_scores(name: str, x: Any) -> NoReturn:
    raise errors.ShapeError(
        f"{name}: the scores have shape {x.shape}, expected (m, C), or (C,) for one example."
    )


__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]
