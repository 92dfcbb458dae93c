"""Losses and metrics by name, and what a loss tells about predictions.

A loss says how its predictions are to be read: probabilities (BCE), logits (BCE with logits), class
scores (cross-entropy) or plain values. `accuracy` reads them accordingly, so that a model trained
on logits is not judged at the threshold of probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_course.tensor import Tensor

__all__ = ["Loss", "Metric", "accuracy", "metrics_of"]

Array = NDArray[Any]
Metric = Callable[[Tensor, Tensor], Any]

PROBABILITIES, LOGITS, CLASSES, VALUES, UNKNOWN = (
    "probabilities",
    "logits",
    "classes",
    "values",
    "unknown",
)

# Name -> (function in nn.functional, how it reads predictions).
_LOSSES = {
    "bce": ("binary_cross_entropy", PROBABILITIES),
    "binary_cross_entropy": ("binary_cross_entropy", PROBABILITIES),
    "bce_with_logits": ("binary_cross_entropy_with_logits", LOGITS),
    "binary_cross_entropy_with_logits": ("binary_cross_entropy_with_logits", LOGITS),
    "cross_entropy": ("cross_entropy", CLASSES),
    "nll": ("nll_loss", CLASSES),
    "nll_loss": ("nll_loss", CLASSES),
    "mse": ("mse_loss", VALUES),
    "mse_loss": ("mse_loss", VALUES),
    "l1": ("l1_loss", VALUES),
    "mae": ("l1_loss", VALUES),
    "l1_loss": ("l1_loss", VALUES),
    "huber": ("huber_loss", VALUES),
    "huber_loss": ("huber_loss", VALUES),
    "smooth_l1_loss": ("smooth_l1_loss", VALUES),
}
_CLASSES = {
    "BCELoss": PROBABILITIES,
    "BCEWithLogitsLoss": LOGITS,
    "CrossEntropyLoss": CLASSES,
    "NLLLoss": CLASSES,
    "MSELoss": VALUES,
    "L1Loss": VALUES,
    "HuberLoss": VALUES,
    "SmoothL1Loss": VALUES,
}


class Loss:
    """A loss to train on: a function of prediction and target, and how it reads predictions.

    Args:
        who: the function to blame in an error.
        loss: a name such as "bce" or "mse", a module such as `nn.BCELoss()`, or a function
            ``loss(prediction, target)`` that returns one number as a tensor.
        columns: whether examples are columns; class scores then stand along axis 0.

    Raises:
        ArgumentError: an unknown name. DtypeError: something that cannot be called.
    """

    def __init__(self, who: str, loss: Any, columns: bool = False) -> None:
        """Find the function."""
        self.kind = UNKNOWN
        self.function: Callable[[Tensor, Tensor], Any]
        if isinstance(loss, str):
            if loss not in _LOSSES:
                raise ArgumentError(
                    f"{who}: got loss={loss!r}, expected one of {', '.join(_LOSSES)}, a module "
                    "such as nn.BCELoss(), or a function."
                )
            from tinygrad_course.nn import functional

            name, self.kind = _LOSSES[loss]
            found = getattr(functional, name)
            if self.kind == CLASSES and columns:
                self.function = lambda prediction, target: found(prediction, target, dim=0)
            else:
                self.function = found
        elif isinstance(loss, type):
            raise DtypeError(
                f"{who}: got the class {loss.__name__} as loss, expected an object of it. "
                f"Write {loss.__name__}()."
            )
        elif callable(loss):
            self.function = loss
            name = getattr(loss, "__name__", "")
            self.kind = _LOSSES[name][1] if name in _LOSSES else UNKNOWN
            for base in type(loss).__mro__:
                self.kind = _CLASSES.get(base.__name__, self.kind)
        else:
            raise DtypeError(
                f"{who}: got a {type(loss).__name__} as loss, expected a name such as 'bce', a "
                "module such as nn.BCELoss(), or a function of prediction and target."
            )
        #: Whether the values of batches are means, to be weighted by the number of examples.
        self.means = getattr(loss, "reduction", "mean") != "sum"

    @property
    def casts_targets(self) -> bool:
        """True when targets are numbers like the predictions, so that integers become floats."""
        return self.kind in (PROBABILITIES, LOGITS, VALUES)


def accuracy(prediction: Any, target: Any, kind: str = UNKNOWN, columns: bool = False) -> float:
    """Return the part of the examples that are predicted right.

    Binary (a loss of probabilities or logits, or one output only): an output counts as 1 from the
    threshold on, 0.5 for probabilities and 0 for logits. Otherwise the largest of the class scores
    wins; targets are class numbers, or one-hot of the predictions' shape.

    Args:
        prediction: what the model returned: (m, classes), (m, 1) or (m,).
        target: (m,), or of the prediction's shape.
        kind: how to read the predictions: "probabilities", "logits", "classes", or "values".
        columns: examples are columns: (classes, m).

    Raises:
        ShapeError: shapes that do not fit.

    Example:
        >>> from tinygrad_course.train import accuracy
        >>> accuracy([[0.2], [0.7], [0.9]], [[0], [1], [0]])
        0.6666666666666666
        >>> accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0])
        0.5
        >>> accuracy([[0.2], [-0.7]], [[1], [0]], kind="logits")
        1.0
    """
    a, y = _array(prediction), _array(target)
    axis = 0 if columns and a.ndim > 1 else a.ndim - 1
    many = a.ndim > 1 and a.shape[axis] > 1 and kind not in (PROBABILITIES, LOGITS)
    if not many:
        if a.shape != y.shape:
            raise ShapeError(
                f"accuracy: got predictions of shape {a.shape} and targets of shape {y.shape}, "
                "expected equal shapes. Reshape the targets."
            )
        guess = a >= (0.0 if kind == LOGITS else 0.5)
        return float(np.mean(guess == (y >= 0.5))) if a.size else 0.0
    if a.shape == y.shape:
        y = np.argmax(y, axis=axis)
    guess = np.argmax(a, axis=axis)
    if guess.shape != y.shape:
        raise ShapeError(
            f"accuracy: got class scores of shape {a.shape} and targets of shape {y.shape}, "
            f"expected class numbers of shape {guess.shape}, or one-hot targets of {a.shape}."
        )
    return float(np.mean(guess == y)) if guess.size else 0.0


def metrics_of(who: str, metrics: Any, loss: Loss, columns: bool) -> dict[str, Metric]:
    """Return name -> function for what a user passed as metrics.

    Args:
        who: the function to blame in an error.
        metrics: "accuracy", a function of prediction and target, several of these in a list, or a
            dictionary name -> function.
        loss: says how to read the predictions.
        columns: whether examples are columns.

    Raises:
        ArgumentError: an unknown name, or one given twice. DtypeError: something else.
    """
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    else:
        listed = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        pairs = [(None, metric) for metric in listed]
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if metric in ("accuracy", "acc") or metric is accuracy:
            name = name or "accuracy"

            def metric(a: Any, y: Any) -> float:
                return accuracy(a, y, loss.kind, columns)
        elif isinstance(metric, str):
            raise ArgumentError(
                f"{who}: got the metric {metric!r}, expected 'accuracy' or a function of "
                "prediction and target."
            )
        elif not callable(metric):
            raise DtypeError(
                f"{who}: got a {type(metric).__name__} as a metric, expected 'accuracy' or a "
                "function of prediction and target."
            )
        name = name or getattr(metric, "__name__", type(metric).__name__)
        if name in found or name in ("loss", "lr") or name.startswith("val_"):
            raise ArgumentError(
                f"{who}: the metric name {name!r} is taken. Give names in a dictionary: "
                "metrics={'name': function}."
            )
        found[name] = metric
    return found


def _array(value: Any) -> Array:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)
