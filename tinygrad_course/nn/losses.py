"""Losses as functions: how far predictions are from labels, as one number to make small.

Each is a few recorded operations: the loss of every element, then the reduction. Shapes must be
equal; labels are checked. PyTorch's names, arguments and conventions; `nn.functional` exports them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import ref

import numpy as np

from .. import errors
from ..journal import active
from ..ops.activation import log_softmax, softplus
from ..ops.compare import where
from ..ops.elementwise import abs as absolute
from ..ops.elementwise import square, sub
from ..ops.index import take_along_axis
from ..ops.loss import bce, bce_with_logits, huber
from ..ops.reduce import mean, sum
from ..tensor import Tensor, apply, as_input, default_dtype

if TYPE_CHECKING:
    from ..tensor import Array

_ALL = {"axis": None, "keepdims": False}
REDUCTIONS = ("mean", "sum", "none")
# Unsigned integers of a float's width, and the bit pattern of 1.0.
_BITS: dict[Any, tuple[Any, int]] = {
    np.dtype(np.float16): (np.uint16, 0x3C00),
    np.dtype(np.float32): (np.uint32, 0x3F800000),
    np.dtype(np.float64): (np.uint64, 0x3FF0000000000000),
}


# --- what all losses check ----------------------------------------------------------------------


def check_reduction(name: str, reduction: Any, known: tuple[str, ...] = REDUCTIONS) -> str:
    """Return `reduction` when it is one of ``mean``, ``sum``, ``none``; else raise."""
    if not isinstance(reduction, str) or reduction not in known:
        listed = ", ".join(repr(r) for r in known[:-1])
        raise errors.ArgumentError(
            f"{name}: reduction must be {listed} or {known[-1]!r}, got {reduction!r}."
        )
    return reduction


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number))


def _pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Return predictions and labels as tensors of one shape and one float dtype."""
    if not isinstance(input, Tensor):
        input = Tensor(input)
    if not isinstance(target, Tensor):
        target = Tensor(target)
    a, y = input._data, target._data
    if a.shape != y.shape:
        _refuse_shapes(name, a.shape, y.shape)
    if a.dtype != y.dtype or a.dtype.kind != "f":
        if a.dtype.kind != "f":
            input = _converted(input, default_dtype())
        target = _converted(target, input.dtype)
    return input, target


def _refuse_shapes(name: str, a: tuple[int, ...], y: tuple[int, ...]) -> NoReturn:
    danger = ""
    try:
        joint = np.broadcast_shapes(a, y)
        danger = f" They would broadcast to {joint}: every prediction against every label."
    except ValueError:
        pass
    if sorted(n for n in a if n != 1) == sorted(n for n in y if n != 1):
        cure = f"Write y.reshape({', '.join(map(str, a))})."
        if len(a) == len(y) == 2 and a == y[::-1]:
            cure = "Write y.T, or build the model with the other layout."
    else:
        cure = "Compare the last layer's units with the labels."
    raise errors.ShapeError(
        f"{name}: the predictions have shape {a}, the labels {y}; they must be equal."
        f"{danger} {cure}"
    )


def _reduce(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        if not losses._data.size:
            raise errors.ShapeError(
                f"{name}: got no examples (shape {losses.shape}), and a mean of nothing does not "
                "exist. Check how the data was selected, or use reduction='sum'."
            )
        return apply(mean.op, (losses,), _ALL)
    if reduction == "sum":
        return apply(sum.op, (losses,), _ALL)
    check_reduction(name, reduction)
    return losses


def _converted(value: Any, dtype: Any) -> Any:
    x: Any = as_input(value)
    return x.to(dtype)


def _weighted(losses: Any, weight: Any) -> Any:
    return losses * _converted(weight, losses.dtype)


class _Labels:
    """Whether labels lie in [0, 1]; the same array is looked at once."""

    def __init__(self) -> None:
        self.seen: Any = None

    def __call__(self, array: Array) -> bool:
        if self.seen is not None and self.seen() is array:
            return True
        if _outside(array):
            return False
        self.seen = ref(array)
        return True


def _check_labels(name: str, y: Tensor) -> None:
    if _outside(y._data):
        _refuse_labels(name, y._data)
    if (journal := active()) is not None:
        journal.expected.append((y, _Labels()))


def _outside(array: Array) -> bool:
    """Return True when a label is NaN, below 0 or above 1."""
    if not array.size or array.dtype.kind == "b":
        return False
    bits = _BITS.get(array.dtype)
    # The bit patterns of the floats 0 … 1 are the integers from 0 to that of 1.0; NaN and negative
    # numbers lie above. One unsigned maximum costs half of a minimum and a maximum.
    if bits is not None and np.maximum.reduce(array.view(bits[0]), axis=None) <= bits[1]:
        return False
    return not bool((array >= 0).all() and (array <= 1).all())


def _first_bad(array: Array) -> tuple[Any, Any] | None:
    """Return index and value of the first element outside [0, 1]."""
    bad = np.argwhere(~((array >= 0) & (array <= 1)))
    if not len(bad):
        return None
    index = tuple(int(i) for i in bad[0])
    return (index[0] if len(index) == 1 else index), array[index].item()


def _refuse_labels(name: str, array: Array) -> NoReturn:
    found = _first_bad(array)
    assert found is not None
    index, value = found
    cure = "Labels are 0, 1 or a probability between them."
    if value != value:
        cure = "A label is missing: drop such examples, or fill them in."
    elif array.size and set(np.unique(array)) <= {-1, 0, 1}:
        cure = "For labels −1 and 1, use (y + 1) / 2."
    elif value > 1 and value == int(value):
        cure = "For more than two classes use CrossEntropyLoss; for 0 … 255 images divide by 255."
    raise errors.ArgumentError(f"{name}: the label at index {index} is {value}. {cure}")


def _refuse_probabilities(name: str, array: Array) -> None:
    found = _first_bad(array)
    if found is None:
        return
    index, value = found
    if value != value:
        cure = (
            "The model computed it from NaN or infinite numbers: lower the learning rate, "
            "normalise the inputs, and look for the first NaN with tc.detect_anomaly()."
        )
    else:
        cure = (
            "Probabilities lie in [0, 1]: end the model with a sigmoid, or give the values before "
            "it to binary_cross_entropy_with_logits (BCEWithLogitsLoss)."
        )
    raise errors.ArgumentError(f"{name}: the prediction at index {index} is {value}. {cure}")


# --- regression ---------------------------------------------------------------------------------


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean squared error: J = (1/m) Σ (a − y)².

    Args:
        input: predictions a.
        target: labels y, of the same shape.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ, such as (n,) and (n, 1).

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.mse_loss(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 4.0]))
        tensor(2.)
    """
    a, y = _pair("mse_loss", input, target)
    difference = apply(sub.op, (a, y))
    return _reduce("mse_loss", apply(square.op, (difference,)), reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean absolute error: J = (1/m) Σ |a − y|.

    Args:
        input: predictions a.
        target: labels y, of the same shape.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.l1_loss(tc.tensor([1.0, 2.0]), tc.tensor([1.0, 4.0]))
        tensor(1.)
    """
    a, y = _pair("l1_loss", input, target)
    difference = apply(sub.op, (a, y))
    return _reduce("l1_loss", apply(absolute.op, (difference,)), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Huber loss: d²/2 for small differences |d| ≤ δ, δ (|d| − δ/2) for large ones.

    Args:
        input: predictions.
        target: labels, of the same shape.
        reduction: ``mean``, ``sum`` or ``none``.
        delta: where the square ends and the line begins, δ > 0.

    Raises:
        ShapeError: shapes that differ; ArgumentError: δ ≤ 0.

    Source:
        Huber 1964, doi:10.1214/aoms/1177703732.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.huber_loss(tc.tensor([1.0, 3.0]), tc.tensor([0.0, 0.0]), reduction="none")
        tensor([0.5, 2.5])
    """
    if not _is_number(delta) or not delta > 0:
        raise errors.ArgumentError(f"huber_loss: delta must be a positive number, got {delta!r}.")
    a, y = _pair("huber_loss", input, target)
    return _reduce("huber_loss", apply(huber.op, (a, y), {"delta": float(delta)}), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Smooth L1 loss: d²/(2β) where |d| < β, else |d| − β/2; the Huber loss divided by β.

    Args:
        input: predictions.
        target: labels, of the same shape.
        reduction: ``mean``, ``sum`` or ``none``.
        beta: where the square ends, β ≥ 0; 0 gives the absolute error.

    Raises:
        ShapeError: shapes that differ; ArgumentError: β < 0.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.smooth_l1_loss(tc.tensor([1.0, 3.0]), tc.tensor([0.0, 0.0]), reduction="none")
        tensor([0.5, 2.5])
    """
    if not _is_number(beta) or not beta >= 0:
        raise errors.ArgumentError(
            f"smooth_l1_loss: beta must be a number, not negative, got {beta!r}."
        )
    if beta == 0:
        return l1_loss(input, target, reduction)
    a, y = _pair("smooth_l1_loss", input, target)
    losses: Any = apply(huber.op, (a, y), {"delta": float(beta)})
    return _reduce("smooth_l1_loss", losses if beta == 1 else losses / beta, reduction)


# --- two classes --------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy: J = −(1/m) Σ (y log a + (1 − y) log(1 − a)).

    The logarithms are clamped at −100, so that a = 0 or 1 gives a large but finite loss.

    Args:
        input: probabilities a in [0, 1], as a sigmoid gives.
        target: labels y in [0, 1], of the same shape.
        weight: factors of the losses, of a shape that broadcasts to theirs.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        ShapeError: shapes that differ, such as (n,) and (n, 1).
        ArgumentError: a label or probability that is NaN or outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> J = F.binary_cross_entropy(tc.tensor([0.8, 0.9, 0.4]), tc.tensor([1.0, 1.0, 0.0]))
        >>> round(J.item(), 6)
        0.279777
    """
    name = "binary_cross_entropy"
    a, y = _pair(name, input, target)
    _check_labels(name, y)
    losses = apply(bce.op, (a, y))
    loss = _reduce(name, losses if weight is None else _weighted(losses, weight), reduction)
    # A probability outside [0, 1] makes its logarithm, and so the loss, NaN: one look at the result
    # is cheaper than a look at every input.
    value = loss._data
    if math.isnan(value.item()) if value.size == 1 else np.isnan(value).any():
        _refuse_probabilities(name, a._data)
    return loss


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Binary cross-entropy of a = σ(z), computed from z: finite for every z.

    J = (1/m) Σ (log(1 + eᶻ) − z y), with dz = (σ(z) − y)/m.

    Args:
        input: logits z: what the last layer gives without a sigmoid.
        target: labels y in [0, 1], of the same shape.
        weight: factors of the losses.
        reduction: ``mean``, ``sum`` or ``none``.
        pos_weight: factor of the part y log a, such as (number of 0s) / (number of 1s).

    Raises:
        ShapeError: shapes that differ; ArgumentError: a label that is NaN or outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> F.binary_cross_entropy_with_logits(tc.tensor([0.0, 1e4]), tc.tensor([1.0, 1.0]))
        tensor(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    z, y = _pair(name, input, target)
    _check_labels(name, y)
    if pos_weight is None:
        losses: Any = apply(bce_with_logits.op, (z, y))
    else:
        p = _converted(pos_weight, z.dtype)
        losses = _weighted_positives(z, y, p)
    return _reduce(name, losses if weight is None else _weighted(losses, weight), reduction)


def _weighted_positives(z: Any, y: Any, p: Any) -> Any:
    """Return −(p y log σ(z) + (1 − y) log(1 − σ(z))), finite for every z."""
    return (1 - y) * z + (1 + (p - 1) * y) * softplus(-z)


# --- many classes -------------------------------------------------------------------------------


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    dim: int | None = None,
) -> Tensor:
    """Softmax cross-entropy: J = −(1/m) Σᵢ Σ_c y_ic log softmax(z_i)_c.

    Args:
        input: logits z of shape (m, C), (m, C, …) or (C,).
        target: class numbers 0 … C−1 of the shape without the class axis, or probabilities of the
            shape of `input`.
        weight: one factor per class, (C,); the mean is then the weighted mean.
        ignore_index: a class number that does not count.
        reduction: ``mean``, ``sum`` or ``none``.
        label_smoothing: ε, the part of each label spread evenly over all classes.
        dim: the class axis; by default 1 (0 for a vector). With examples in columns it is 0.

    Raises:
        ShapeError: shapes that do not fit; IndexingError: a class number outside 0 … C−1;
        DtypeError: class numbers that are no integers; ArgumentError: ε outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> z = tc.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> F.cross_entropy(z, tc.tensor([0, 2]), reduction="none")
        tensor([0.2395, 1.0986])
    """
    name = "cross_entropy"
    z: Any = as_input(input)
    y: Any = as_input(target)
    if not _is_number(label_smoothing) or not 0 <= label_smoothing <= 1:
        raise errors.ArgumentError(
            f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing!r}."
        )
    axis = _class_axis(name, z, dim)
    logp = log_softmax(z, axis)
    if y.shape == z.shape:
        return _soft_labels(name, logp, y, weight, label_smoothing, axis, reduction)
    picked, factor, kept = _picked(name, logp, y, weight, ignore_index, axis)
    if label_smoothing:
        spread = logp if weight is None else logp * _per_class(name, weight, logp, axis)
        even: Any = sum(spread, axis, True)
        if kept is not None:
            even = where(kept, even, 0.0)
        classes = logp.shape[axis]
        picked = (1 - label_smoothing) * picked + (label_smoothing / classes) * even
    return _reduce_picked(name, picked, factor, axis, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    dim: int | None = None,
) -> Tensor:
    """Negative log-likelihood: J = −(1/m) Σᵢ log p_i[yᵢ], from logarithms of probabilities.

    Args:
        input: log-probabilities of shape (m, C), (m, C, …) or (C,), as `log_softmax` gives.
        target: class numbers 0 … C−1, of the shape without the class axis.
        weight: one factor per class, (C,); the mean is then the weighted mean.
        ignore_index: a class number that does not count.
        reduction: ``mean``, ``sum`` or ``none``.
        dim: the class axis; by default 1 (0 for a vector).

    Raises:
        ShapeError: shapes that do not fit; IndexingError: a class number outside 0 … C−1;
        DtypeError: class numbers that are no integers.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> logp = F.log_softmax(tc.tensor([[2.0, 0.0, 0.0]]), dim=1)
        >>> F.nll_loss(logp, tc.tensor([0]))
        tensor(0.2395)
    """
    logp: Any = as_input(input)
    y: Any = as_input(target)
    axis = _class_axis("nll_loss", logp, dim)
    picked, factor, _ = _picked("nll_loss", logp, y, weight, ignore_index, axis)
    return _reduce_picked("nll_loss", picked, factor, axis, reduction)


def _class_axis(name: str, z: Any, dim: int | None) -> int:
    if z.ndim == 0:
        raise errors.ShapeError(
            f"{name}: needs one number per class, got a single number. Its predictions have shape "
            "(m, C), or (C,) for one example."
        )
    ndim: int = z.ndim
    axis = min(1, ndim - 1) if dim is None else dim
    if not -ndim <= axis < ndim:
        raise errors.ShapeError(f"{name}: the class axis {dim} does not exist in shape {z.shape}.")
    return axis % ndim


def _soft_labels(
    name: str, logp: Any, y: Any, weight: Any, smoothing: float, axis: int, reduction: str
) -> Tensor:
    """Return the cross-entropy with probabilities as labels."""
    if y.dtype.kind != "f":
        y = y.to(logp.dtype)
    if _outside(y._data):
        _refuse_soft_labels(name, y._data)
    classes = logp.shape[axis]
    if smoothing:
        y = y * (1 - smoothing) + smoothing / classes
    if weight is not None:
        y = y * _per_class(name, weight, logp, axis)
    total: Any = sum(y * logp, axis)
    return _reduce(name, -total, reduction)


def _refuse_soft_labels(name: str, array: Array) -> None:
    """Raise for what is no probability; rounding is forgiven."""
    found = np.argwhere(~((array >= -1e-5) & (array <= 1 + 1e-5)))
    if len(found):
        index = tuple(int(i) for i in found[0])
        raise errors.ArgumentError(
            f"{name}: labels of the shape of the predictions, {array.shape}, are probabilities; "
            f"the one at index {index} is {array[index].item()}. Normalise each example's with "
            "softmax, or give class numbers."
        )


def _per_class(name: str, weight: Any, logp: Any, axis: int) -> Any:
    """Return class weights in a shape that broadcasts along the class axis."""
    w = _converted(weight, logp.dtype)
    classes = logp.shape[axis]
    if w.shape != (classes,):
        raise errors.ShapeError(
            f"{name}: weight has shape {w.shape}, expected one factor for each of the {classes} "
            f"classes: ({classes},)."
        )
    return w.reshape([classes if a == axis else 1 for a in range(logp.ndim)])


def _picked(
    name: str, logp: Any, y: Any, weight: Any, ignore_index: int, axis: int
) -> tuple[Any, Any, Any]:
    """Return log p of the labelled classes times their factors, the factors and which count.

    Factors and mask are None when all examples count 1.
    """
    _check_classes(name, logp, y, ignore_index, axis)
    index = y.unsqueeze(axis)
    kept: Any = None
    factor: Any = None
    if ignore_index != -100 or (y._data == ignore_index).any():
        kept = index != ignore_index
        index = where(kept, index, 0)
    if (journal := active()) is not None:
        ignored = None if kept is None else ignore_index
        journal.expected.append((y, partial(_are_classes, logp.shape[axis], ignored)))
    picked: Any = take_along_axis(logp, index, axis)
    if weight is not None:
        table = _per_class(name, weight, logp, axis).expand(*logp.shape)
        factor = take_along_axis(table, index, axis)
        picked = picked * factor
    if kept is not None:
        picked = where(kept, picked, 0.0)
        factor = where(kept, 1.0 if factor is None else factor, 0.0)
    return picked, factor, kept


def _reduce_picked(name: str, picked: Any, factor: Any, axis: int, reduction: str) -> Tensor:
    losses: Any = picked.squeeze(axis) if reduction == "none" else picked
    if reduction == "mean" and factor is not None:
        total: Any = sum(losses)
        return -total / sum(factor)  # type: ignore[no-any-return]
    reduced: Any = _reduce(name, losses, reduction)
    return -reduced  # type: ignore[no-any-return]


def _are_classes(classes: int, ignored: int | None, labels: Any) -> bool:
    """Return whether all labels are class numbers, or do not count."""
    if not labels.size:
        return True
    if 0 <= np.minimum.reduce(labels, axis=None) and np.maximum.reduce(labels, axis=None) < classes:
        return True
    within = (labels >= 0) & (labels < classes)
    return ignored is not None and bool((within | (labels == ignored)).all())


def _check_classes(name: str, logp: Any, y: Any, ignore_index: int, axis: int) -> None:
    """Refuse labels that are not one class number per example."""
    expected = logp.shape[:axis] + logp.shape[axis + 1 :]
    classes = logp.shape[axis]
    if y.shape != expected:
        cure = "Give one class number per example, or one probability per class and example."
        if y.shape == expected + (1,):
            cure = "Remove the axis of length 1: y.squeeze(-1)."
        raise errors.ShapeError(
            f"{name}: the predictions have shape {logp.shape} (class axis {axis}), the labels "
            f"{y.shape}; class numbers must have shape {expected}. {cure}"
        )
    if y.dtype.kind not in "iu":
        raise errors.DtypeError(
            f"{name}: class numbers are integers, got dtype {y.dtype}. Use y.long(); or give "
            f"probabilities of shape {logp.shape}."
        )
    labels = y._data
    if not _are_classes(classes, ignore_index, labels):
        bad = np.argwhere(((labels < 0) | (labels >= classes)) & (labels != ignore_index))
        index = tuple(int(i) for i in bad[0])
        raise errors.IndexingError(
            f"{name}: the label at index {index[0] if len(index) == 1 else index} is "
            f"{labels[index]}, but there are {classes} classes, numbered 0 to {classes - 1}. Count "
            "classes from 0, and give the last layer one unit per class."
        )
