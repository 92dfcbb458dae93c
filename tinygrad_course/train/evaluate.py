"""Running a trained model on data: `predict` and `evaluate`, without recording, in eval mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_course.data.dataset import numbers_in
from tinygrad_course.errors import ArgumentError, DtypeError
from tinygrad_course.modes import no_grad
from tinygrad_course.tensor import Tensor, default_dtype, wrap

from .batches import ArrayBatches, Casts, LoaderBatches, batches_of, count
from .metrics import Loss, Metric, metrics_of

__all__ = ["casts_of", "columns_of", "evaluate", "evaluated", "eval_mode", "predict"]


def evaluate(
    model: Any,
    X: Any,
    Y: Any = None,
    *,
    loss: Any,
    metrics: Any = (),
    batch_size: int | None = None,
    layout: str | None = None,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on data.

    Args:
        model: a `Module`; it is put in eval mode for the time.
        X: inputs, (m, in); or a `Dataset` or `DataLoader` with the targets in it.
        Y: targets, (m, out) or (m,).
        loss: as for `fit`.
        metrics: as for `fit`.
        batch_size: examples per batch, None for all at once.
        layout: "rows", "columns", or None: that of the model's layers.

    Returns:
        name -> value; the values of batches are averaged by their numbers of examples.

    Raises:
        ArgumentError, DtypeError, ShapeError: as for `fit`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> from tinygrad_course.train import evaluate
        >>> model = nn.Dense(1, 1)
        >>> _ = model.load_state_dict({"weight": [[200.0]], "bias": [100.0]})
        >>> evaluate(model, [[1.0], [2.0]], [[300.0], [500.0]], loss="mse")
        {'loss': 0.0}
    """
    columns = columns_of("evaluate", model, layout)
    judged = Loss("evaluate", loss, columns)
    found = metrics_of("evaluate", metrics, judged, columns)
    batches = batches_of(
        "evaluate", X, Y, casts=casts_of(model, judged), columns=columns, size=batch_size
    )
    with eval_mode(model):
        return evaluated(model, batches, judged, found)


def evaluated(
    model: Any, batches: ArrayBatches | LoaderBatches, loss: Loss, metrics: dict[str, Metric]
) -> dict[str, float]:
    """Return the averages over batches; the model is in eval mode already."""
    total = 0.0
    sums = dict.fromkeys(metrics, 0.0)
    seen = 0
    with no_grad():
        for inputs, target, number in batches:
            prediction = model(*inputs)
            total += float(loss.function(prediction, target)) * (number if loss.means else 1)
            for name, metric in metrics.items():
                sums[name] += float(metric(prediction, target)) * number
            seen += number
    averages = {name: value / seen for name, value in sums.items()}
    return {"loss": total / seen if loss.means else total, **averages}


def predict(
    model: Any, X: Any, batch_size: int | None = None, *, layout: str | None = None
) -> Tensor:
    """Return what a model says about inputs.

    Args:
        model: a `Module`; it is put in eval mode for the time.
        X: inputs, (m, in), or (in, m) in columns.
        batch_size: examples per batch, None for all at once.
        layout: "rows", "columns", or None: that of the model's layers.

    Returns:
        The outputs of all examples, without history.

    Raises:
        ArgumentError, DtypeError, ShapeError: inputs that cannot be used.

    Example:
        >>> from tinygrad_course import nn
        >>> from tinygrad_course.train import predict
        >>> predict(nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), [[1.0, -2.0]])
        tensor([[1., 0.]])
    """
    columns = columns_of("predict", model, layout)
    x = casts_of(model).input(numbers_in("predict", "X", X))
    if x.ndim == 0:
        raise ArgumentError("predict: got a single number as X, expected examples in an array.")
    m = count(x, columns)
    if batch_size is not None and (isinstance(batch_size, bool) or not batch_size >= 1):
        raise ArgumentError(f"predict: got batch_size={batch_size!r}, expected >= 1, or None.")
    size = m if batch_size is None else int(batch_size)
    with eval_mode(model), no_grad():
        if size >= m:
            return _detached(model(wrap(x)))
        parts = []
        for start in range(0, m, size):
            rows = slice(start, start + size)
            parts.append(_detached(model(wrap(x[:, rows] if columns else x[rows])))._data)
    return wrap(np.concatenate(parts, axis=1 if columns and parts[0].ndim > 1 else 0))


def _detached(result: Any) -> Tensor:
    if not isinstance(result, Tensor):
        raise DtypeError(
            f"predict: the model returned a {type(result).__name__}, expected a tensor. "
            "Call the model itself for other results."
        )
    return result.detach()


@contextmanager
def eval_mode(model: Any) -> Iterator[None]:
    """Put a model in eval mode, and each of its modules back as it was."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def columns_of(who: str, model: Any, layout: str | None) -> bool:
    """Return True when examples are columns: by the argument, or by the model's layers."""
    if layout not in (None, "rows", "columns"):
        raise ArgumentError(f"{who}: got layout={layout!r}, expected 'rows', 'columns' or None.")
    if not hasattr(model, "modules") or not hasattr(model, "parameters"):
        raise DtypeError(
            f"{who}: got a {type(model).__name__} as the model, expected a Module. For a function "
            "write a class: class Net(nn.Module)."
        )
    if layout is not None:
        return layout == "columns"
    found = {m.layout for m in model.modules() if isinstance(getattr(m, "layout", None), str)}
    if len(found) > 1:
        raise ArgumentError(
            f"{who}: the model has layers with layout='rows' and 'columns', so that it does not "
            "tell how the data lies. Pass layout='rows' or 'columns'."
        )
    return found == {"columns"}


def casts_of(model: Any, loss: Loss | None = None) -> Casts:
    """Return what becomes of the data's dtypes for this model and loss."""
    dtype = next((p.dtype for p in model.parameters()), default_dtype())
    # A layer that looks vectors up by number has PyTorch's attribute num_embeddings.
    looks_up = any(hasattr(module, "num_embeddings") for module in model.modules())
    return Casts(dtype, inputs=not looks_up, targets=loss is not None and loss.casts_targets)
