"""The training loop: `fit` a model to data.

Each epoch goes once through the data in batches; each batch is one step: predict, compute the
loss, differentiate, update. Around it stand validation, metrics, schedules, callbacks and
checkpoints; the step itself stays as lean as one written by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tinygrad_course.compiling import BACKENDS
from tinygrad_course.errors import AnomalyError, ArgumentError, DtypeError, GraphError
from tinygrad_course.optim import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
)
from tinygrad_course.optim.checks import checked_number
from tinygrad_course.optim.lr_scheduler import ReduceLROnPlateau
from tinygrad_course.random import Generator, default_generator
from tinygrad_course.tensor import wrap

from . import resume as state_file
from .batches import ArrayBatches, LoaderBatches, arrays_of, batches_of, split
from .callbacks import Callback
from .evaluate import casts_of, columns_of, eval_mode, evaluated
from .history import History
from .metrics import Loss, Metric, metrics_of
from .progress import Progress, progress
from .step import NotFinite, Step

__all__ = ["Run", "fit"]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "adadelta": Adadelta,
    "adamax": Adamax,
    "nadam": NAdam,
    "radam": RAdam,
    "asgd": ASGD,
    "rprop": Rprop,
}


class Run:
    """One call of `fit`, as callbacks see it.

    Attributes:
        model, optimizer, scheduler: what is trained, and how.
        history: the values of the epochs so far.
        epoch: the present epoch, counted from 1.
        epochs: how many there are to be.
        stop: set it to True to end the training after this epoch.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> from tinygrad_course.train import Callback
        >>> class Twice(Callback):
        ...     def on_epoch_end(self, epoch, logs):
        ...         self.run.stop = epoch == 2
        >>> model = nn.Dense(1, 1)
        >>> tc.fit(model, [[1.0]], [[2.0]], loss="mse", epochs=9, callbacks=Twice()).epochs
        2
    """

    def __init__(
        self,
        model: Any,
        optimizer: Optimizer,
        scheduler: Any,
        batches: ArrayBatches | LoaderBatches,
        callbacks: Sequence[Callback],
        epochs: int,
        seed: int,
    ) -> None:
        """Start before the first epoch."""
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.batches = batches
        self.callbacks = callbacks
        self.epochs = epochs
        self.seed = seed
        self.history = History()
        self.epoch = 0
        self.stop = False


def fit(
    model: Any,
    X: Any,
    Y: Any = None,
    *,
    loss: Any,
    optimizer: Any = None,
    lr: float | None = None,
    epochs: int = 1,
    batch_size: int | None = 32,
    shuffle: bool = True,
    seed: int | None = 0,
    validation_data: Any = None,
    validation_split: float = 0.0,
    metrics: Any = (),
    callbacks: Any = (),
    scheduler: Any = None,
    verbose: Any = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: bool | str = False,
    clip_norm: float | None = None,
    layout: str | None = None,
    compile: bool | str = "auto",
) -> History:
    """Train a model.

    Floats in the data are cast once to the dtype of the model's parameters, and so are integers,
    except targets that are class numbers (or that go to a loss function of your own).

    Args:
        model: a `Module`; it is trained in place and left in the modes it was in.
        X: inputs (m, in), or (in, m) for layers with ``layout="columns"``; or a `Dataset` or
            `DataLoader` of (inputs, target). A DataLoader brings its own batches and order.
        Y: targets (m, out) or (m,), in columns (out, m) or (m,).
        loss: "bce", "bce_with_logits", "cross_entropy", "nll", "mse", "l1", "huber"; a module such
            as `nn.BCELoss()`; or a function ``loss(prediction, target)``.
        optimizer: an `Optimizer`; or "sgd", "adagrad", "rmsprop", "adam" (the default), "adamw",
            "adadelta", "adamax", "nadam", "radam", "asgd", "rprop"; or a function of the
            parameters that returns one.
        lr: the learning rate of an optimizer given by name.
        epochs: how often to go through the data, in all: a resumed run does the rest.
        batch_size: examples per batch; None for all at once, in their order.
        shuffle: visit the examples in a new order in each epoch.
        seed: of the shuffling and the split; None draws one from the default generator.
        validation_data: (X, Y), a `Dataset` or a `DataLoader`, judged after each epoch.
        validation_split: or the fraction of the examples, chosen at random, to judge on.
        metrics: "accuracy", functions ``metric(prediction, target)``, or a dictionary of them.
            In training they are averages over the epoch, while the weights change.
        callbacks: one or several `Callback`.
        scheduler: from `optim.lr_scheduler`, stepped after each epoch (`ReduceLROnPlateau` with
            ``val_loss``, else ``loss``); or a function of the optimizer that returns one.
        verbose: "auto" shows a bar on a terminal, True also prints lines elsewhere, False nothing.
        checkpoint: a file to write the whole run to after each epoch, all or nothing.
        checkpoint_every: write it only every so many epochs, and at the end.
        resume: True goes on from `checkpoint`, bit for bit as if never interrupted; "auto" does so
            if the file exists. Pass the same arguments as before (`epochs` may be larger).
        clip_norm: the largest joint norm of the gradients; see `optim.clip_grad_norm_`.
        layout: "rows" or "columns", whether examples are rows or columns of X; by default that of
            the model's layers.
        compile: "auto" takes the steps as a compiled program, see `tinygrad_course.compile`, when
            the model can be; True insists on it; "numpy" and "numba" name the backend, which is
            otherwise chosen by the number of steps; False takes them as they are written. The
            numbers are the same up to rounding. A program keeps gradients to itself: afterwards
            ``.grad`` is None, unless a callback of your own may look at it.

    Returns:
        The `History`: the loss and the metrics of each epoch.

    Raises:
        ArgumentError: unknown names, no epochs, no examples, options out of range.
        DtypeError: something of another kind than expected.
        ShapeError: X and Y of different length, or a loss that is not one number.
        AnomalyError: the loss became NaN or infinite; the message names epoch and batch.
        CheckpointError, StateDictError: the checkpoint cannot be read, or is of another run.
        OSError: the checkpoint cannot be written, or is not there.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn, optim
        >>> _ = tc.manual_seed(1)
        >>> model = nn.Dense(1, 1)
        >>> X, Y = [[1.0], [2.0], [3.0]], [[3.0], [5.0], [7.0]]
        >>> sgd = optim.SGD(model.parameters(), lr=0.1)
        >>> history = tc.fit(model, X, Y, loss="mse", optimizer=sgd, epochs=300, batch_size=None)
        >>> round(model.weight.item(), 3), round(model.bias.item(), 3)
        (2.0, 1.0)
        >>> history["loss"][-1] < 1e-6
        True
    """
    _check_counts(epochs, checkpoint_every)
    if not isinstance(compile, bool) and compile not in BACKENDS:
        raise ArgumentError(
            f"fit: got compile={compile!r}, expected True, False, 'auto', 'numpy' or 'numba'."
        )
    if clip_norm is not None:
        checked_number("fit", "clip_norm", clip_norm, least=0)
    columns = columns_of("fit", model, layout)
    judged = Loss("fit", loss, columns)
    found = metrics_of("fit", metrics, judged, columns)
    listed = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
    for callback in listed:
        if not isinstance(callback, Callback):
            raise DtypeError(
                f"fit: got a {type(callback).__name__} among the callbacks, expected Callback "
                "objects. Wrap a function: LambdaCallback(on_epoch_end=function)."
            )
    shown = progress(verbose)

    saved = _saved(checkpoint, resume)
    if saved is not None:
        seed = saved["seed"]
    elif seed is None:
        seed = int(default_generator.numpy.integers(2**63))
    generator = Generator(seed)
    casts = casts_of(model, judged)
    if validation_split:
        if validation_data is not None:
            raise ArgumentError(
                "fit: got validation_data and validation_split, expected one of them."
            )
        x, y = arrays_of("fit", X, Y, columns)
        (X, Y), validation_data = split(x, y, validation_split, columns, generator.seed)
    batches = batches_of(
        "fit",
        X,
        Y,
        casts=casts,
        columns=columns,
        size=batch_size,
        generator=generator if shuffle else None,
    )
    held = None
    if validation_data is not None:
        pair = validation_data if isinstance(validation_data, tuple) else (validation_data, None)
        if len(pair) != 2:
            raise ArgumentError(
                f"fit: got validation_data of {len(pair)} parts, expected (X, Y), a Dataset or a "
                "DataLoader."
            )
        size = None if batch_size is None else max(batch_size, 256)
        held = batches_of("fit", *pair, casts=casts, columns=columns, size=size)

    made = _optimizer(model, optimizer, lr)
    schedule = _scheduler(scheduler, made)
    run = Run(model, made, schedule, batches, listed, epochs, generator.seed)
    # Callbacks of the package look at no gradients.
    grads = any(not type(c).__module__.startswith("tinygrad_course.") for c in listed)
    singly = any(_has(c, "on_batch_end") for c in listed)
    step = Step(
        model,
        made,
        judged.function,
        clip_norm=clip_norm,
        compiled=compile,
        predicts=bool(found),
        grads=grads,
        singly=singly or grads,
        expected=epochs * len(batches),
    )
    trainer = _Trainer(run, judged, found, held, step, shown)
    for callback in listed:
        callback.run = run
        callback.on_train_begin()
    if saved is not None:
        state_file.restore(saved, run)
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        shown.start(epochs, len(batches), run.epoch)
        while run.epoch < epochs and not run.stop:
            trainer.epoch()
            last = run.stop or run.epoch == epochs
            if checkpoint is not None and (last or run.epoch % checkpoint_every == 0):
                state_file.write(checkpoint, run)
    finally:
        shown.close()
        for module, training in modes:
            module.training = training
    for callback in listed:
        callback.on_train_end()
    return run.history


class _Trainer:
    """Takes the epochs of a run, one after another."""

    def __init__(
        self,
        run: Run,
        loss: Loss,
        metrics: dict[str, Metric],
        held: ArrayBatches | LoaderBatches | None,
        step: Step,
        shown: Progress,
    ) -> None:
        self.run = run
        self.loss = loss
        self.metrics = metrics
        self.held = held
        self.step = step
        self.shown = shown
        # Only what is overridden is called in each batch.
        self.per_batch: list[Callable[[int, float], Any]] = [
            callback.on_batch_end for callback in run.callbacks if _has(callback, "on_batch_end")
        ]

    def epoch(self) -> None:
        """Train for one epoch, judge it, and tell the callbacks."""
        run = self.run
        run.epoch += 1
        for callback in run.callbacks:
            callback.on_epoch_begin(run.epoch)
        logs = self._train()
        if self.held is not None:
            with eval_mode(run.model):
                judged = evaluated(run.model, self.held, self.loss, self.metrics)
            logs.update((f"val_{name}", value) for name, value in judged.items())
        if run.scheduler is not None:
            logs["lr"] = float(run.optimizer.param_groups[0]["lr"])
            if isinstance(run.scheduler, ReduceLROnPlateau):
                run.scheduler.step(logs.get("val_loss", logs["loss"]))
            else:
                run.scheduler.step()
        run.history.add(logs)
        for callback in run.callbacks:
            callback.on_epoch_end(run.epoch, logs)
        self.shown.epoch(run.epoch, logs)

    def _train(self) -> dict[str, float]:
        """Take one step per batch; return the averages."""
        run, metrics, step = self.run, self.metrics, self.step
        means = self.loss.means
        showing = type(self.shown) is not Progress
        sums = dict.fromkeys(metrics, 0.0)
        total = 0.0
        seen = 0
        batch = 0
        axis = run.batches.axis
        try:
            for block in run.batches.blocks():
                number = block[-1].shape[1:][axis]
                for value, prediction, target in step.through(block):
                    batch += 1
                    total += value * number if means else value
                    seen += number
                    if metrics:
                        wrapped = wrap(target)
                        for name, metric in metrics.items():
                            sums[name] += float(metric(prediction, wrapped)) * number
                    for report in self.per_batch:
                        report(batch, value)
                    if showing:
                        self.shown.batch(run.epoch, batch)
        except NotFinite as found:
            self._refuse_value(found.value, batch + 1)
        averages = {name: value / seen for name, value in sums.items()}
        return {"loss": total / seen if means else total, **averages}

    def _refuse_value(self, value: float, batch: int) -> NoReturn:
        raise AnomalyError(
            f"fit: the loss became {value} in epoch {self.run.epoch}, batch {batch} of "
            f"{len(self.run.batches)}; the step was not taken. Look for NaN in the data and lower "
            "the learning rate or pass clip_norm=1.0; `with tc.detect_anomaly():` around fit names "
            "the operation that makes the first NaN or Inf."
        )


def _has(callback: Callback, method: str) -> bool:
    """Return whether a callback does something at that time."""
    return getattr(getattr(callback, method), "__func__", None) is not getattr(Callback, method)


def _check_counts(epochs: Any, checkpoint_every: Any) -> None:
    for name, value in (("epochs", epochs), ("checkpoint_every", checkpoint_every)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise DtypeError(
                f"fit: got {name}={value!r} of type {type(value).__name__}, expected an integer "
                ">= 1."
            )
        if value < 1:
            raise ArgumentError(f"fit: got {name}={value}, expected an integer >= 1.")


def _saved(checkpoint: str | os.PathLike[str] | None, resume: Any) -> dict[str, Any] | None:
    """Return the state to resume from, or None to start anew."""
    if resume not in (True, False, "auto"):
        raise ArgumentError(f"fit: got resume={resume!r}, expected True, False or 'auto'.")
    if checkpoint is None:
        if resume:
            raise ArgumentError(
                f"fit: got resume={resume!r} without checkpoint, expected the file to go on from. "
                "Pass checkpoint='run.safetensors', as in the run that was interrupted."
            )
        return None
    if resume is True or (resume and os.path.exists(checkpoint)):
        return state_file.read(checkpoint)
    state_file.check_folder(checkpoint)
    return None


def _optimizer(model: Any, optimizer: Any, lr: float | None) -> Optimizer:
    """Return the optimizer that was given or named, over the model's parameters."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise GraphError(
            f"fit: the model {type(model).__name__} has no parameters that require grad, so there "
            "is nothing to train. Assign layers in __init__, and unfreeze what shall change."
        )
    if isinstance(optimizer, Optimizer):
        if lr is not None:
            raise ArgumentError(
                f"fit: got lr={lr} and an optimizer, which has its own. Pass lr to the optimizer, "
                'or name it: optimizer="sgd".'
            )
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in held for p in parameters):
            raise ArgumentError(
                "fit: the optimizer holds none of the model's parameters, so the model would not "
                "change. Build it after the model: optim.Adam(model.parameters())."
            )
        return optimizer
    options = {} if lr is None else {"lr": lr}
    if optimizer is None or isinstance(optimizer, str):
        name = "adam" if optimizer is None else optimizer
        if name.lower() not in OPTIMIZERS:
            raise ArgumentError(
                f"fit: got optimizer={optimizer!r}, expected one of {', '.join(OPTIMIZERS)}, or an "
                "Optimizer."
            )
        return OPTIMIZERS[name.lower()](parameters, **options)
    made = optimizer(parameters, **options) if callable(optimizer) else optimizer
    if not isinstance(made, Optimizer):
        raise DtypeError(
            f"fit: got a {type(made).__name__} as optimizer, expected an Optimizer, a name such as "
            "'adam', or a function of the parameters that returns one."
        )
    return made


def _scheduler(scheduler: Any, optimizer: Optimizer) -> Any:
    """Return the scheduler that was given, or made by the function that was given."""
    if scheduler is None:
        return None
    made = scheduler
    if not hasattr(scheduler, "step") or isinstance(scheduler, type):
        made = scheduler(optimizer) if callable(scheduler) else scheduler
    if not hasattr(made, "step") or getattr(made, "optimizer", None) is not optimizer:
        raise ArgumentError(
            f"fit: got a {type(made).__name__} as scheduler, expected one over the optimizer of "
            "this run. Pass scheduler=StepLR(optimizer, 10) with the same optimizer, or a function "
            "of the optimizer that returns one."
        )
    return made
