"""One step of training: predict, compute the loss, differentiate, update.

`Step` takes it as it is written here, or, when it can be, as a compiled program (see `compile`).
Both leave the same: a step whose loss is NaN or infinite is not taken. A program learns the loss
only with the update done; it goes back then to what it kept some steps ago, and comes again to the
step before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_course.compiling import Compiled, compile
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_course.optim import Optimizer, clip_grad_norm_
from tinygrad_course.random import Generator, default_generator
from tinygrad_course.tensor import Tensor, wrap

__all__ = ["NotFinite", "Step"]

Batch = tuple[Any, ...]
# How many steps there may be to go back.
KEPT = 256


class NotFinite(Exception):
    """The loss is NaN or infinite; the step was not taken."""

    def __init__(self, value: float) -> None:
        """Say which."""
        super().__init__(value)
        self.value = value


class Step:
    """Takes the steps of a run.

    Args:
        model, optimizer: what is trained, and how.
        loss: a function of prediction and target.
        clip_norm: the largest joint norm of the gradients, or None.
        compiled: True or a backend; False; or "auto": if it can be.
        predicts: whether predictions are asked for.
        grads: whether someone may look at the gradients afterwards.
        singly: whether someone looks on after each step.
        expected: how many steps there will be.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Optimizer,
        loss: Callable[[Any, Any], Any],
        *,
        clip_norm: float | None,
        compiled: Any,
        predicts: bool,
        grads: bool,
        singly: bool,
        expected: int,
    ) -> None:
        """Take no step yet."""
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.clip_norm = clip_norm
        self.insists = compiled not in (False, "auto")
        self.predicts = predicts
        self.singly = singly
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._fast: Compiled | None = None
        if optimizer.needs_closure:
            if self.insists:
                raise ArgumentError(
                    f"fit: a step of {type(optimizer).__name__} depends on the loss, and cannot be "
                    "compiled. Leave compile out."
                )
            compiled = False
        if compiled:
            backend = "auto" if compiled is True else compiled
            # Checks the name, and that the backend is installed.
            compile(backend=backend)
            self._fast = Compiled(self._written(), backend, grads, expected)
        self._traced = 0
        self._since: list[Batch] = []
        self._kept: _Kept | None = None

    def through(self, block: Batch) -> Iterator[tuple[float, Any, Any]]:
        """Take a step on each batch of a block; yield loss, prediction and target after each.

        A program takes several steps before the first is yielded, unless someone looks on.

        Args:
            block: the arrays of batches, stacked.

        Raises:
            NotFinite: the loss is NaN or infinite.
        """
        count = len(block[0])
        for start in range(0, count, KEPT):
            part = tuple(array[start : start + KEPT] for array in block)
            if not self._traced:  # see first whether there is a program
                yield from self._one_by_one(tuple(array[:1] for array in part))
                part = tuple(array[1:] for array in part)
            if self._fast is None or self.singly or len(part[0]) <= 1:
                yield from self._one_by_one(part)
            else:
                yield from self._together(part)

    def _one_by_one(self, part: Batch) -> Iterator[tuple[float, Any, Any]]:
        for batch in zip(*part, strict=True):
            yield *self(*batch), batch[-1]

    def _together(self, part: Batch) -> Iterator[tuple[float, Any, Any]]:
        """Take all steps of a part in one call, or from its first again one by one."""
        assert self._fast is not None
        kept = _Kept(self.model, self.optimizer)
        self._kept = None  # what single steps go back to
        try:
            result = self._fast.map(*part)
        except BaseException as error:  # also when interrupted: step counts are ahead of moments
            kept.restore(self.optimizer)
            if self.insists or not isinstance(error, Exception):
                raise
            self._fast = None
            yield from self._one_by_one(part)
            return
        if self._fast.traced != self._traced:
            self._look(self._fast)
        J = result[0] if self.predicts else result
        values = J._data.reshape(-1).tolist()
        if not all(value - value == 0 for value in values):
            kept.restore(self.optimizer)
            yield from self._one_by_one(part)
            return
        for k, value in enumerate(values):
            yield value, wrap(result[1]._data[k]) if self.predicts else None, part[-1][k]

    def __call__(self, *batch: Any) -> tuple[float, Any]:
        """Take a step on the arrays of a batch; return the loss and the prediction.

        Raises:
            NotFinite: the loss is NaN or infinite.
        """
        fast = self._fast
        if fast is None:
            return self._eager(batch)
        since = self._since
        if len(since) == KEPT or self._kept is None:
            self._kept = _Kept(self.model, self.optimizer)
            since.clear()
        since.append(batch)
        try:
            result = fast(*batch)
        except Exception:
            if self.insists:
                raise
            self._fast = None  # the function itself says what is wrong, if something is
            return self._eager(batch)
        if fast.traced != self._traced:
            self._look(fast)
        J, prediction = result if self.predicts else (result, None)
        value: float = J._data.item()
        if value - value != 0:
            self._go_back()
            return self._eager(batch)
        return value, prediction

    def _eager(self, batch: Batch) -> tuple[float, Any]:
        *inputs, target = [wrap(x) for x in batch]
        prediction = self.model(*inputs)
        J = self.loss(prediction, target)
        try:
            value: float = J._data.item()
        except (AttributeError, ValueError):
            _refuse_loss(J)
            raise
        if value - value != 0:  # true for NaN and for infinity
            raise NotFinite(value)
        if self.optimizer.needs_closure:
            self.optimizer.step(lambda: self._loss_with_gradients(inputs, target))
            return value, prediction
        self.optimizer.zero_grad()
        J.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        return value, prediction

    def _loss_with_gradients(self, inputs: list[Tensor], target: Tensor) -> Any:
        J = self.loss(self.model(*inputs), target)
        self.optimizer.zero_grad()
        J.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.parameters, self.clip_norm)
        return J

    def _written(self) -> Callable[..., Any]:
        """Return the step as a function to compile."""
        model, optimizer, loss = self.model, self.optimizer, self.loss
        parameters, clip_norm, predicts = self.parameters, self.clip_norm, self.predicts

        def step(*batch: Any) -> Any:
            *inputs, target = [x if isinstance(x, Tensor) else wrap(x) for x in batch]
            prediction = model(*inputs)
            J = loss(prediction, target)
            optimizer.zero_grad()
            J.backward()
            if clip_norm is not None:
                clip_grad_norm_(parameters, clip_norm)
            optimizer.step()
            return (J, prediction) if predicts else J

        return step

    def _look(self, fast: Compiled) -> None:
        """See whether there is a program."""
        self._traced = fast.traced
        if fast.reason:
            if self.insists:
                raise ArgumentError(
                    f"fit: the step cannot be compiled: {fast.reason}. Pass compile='auto' to take "
                    "it as it is written then."
                )
            self._fast = None

    def _go_back(self) -> None:
        """Undo the last step."""
        assert self._kept is not None and self._fast is not None
        self._kept.restore(self.optimizer)
        for batch in self._since[:-1]:
            self._fast(*batch)
        self._since.clear()
        self._kept = None


class _Kept:
    """What a step changes, as it was at some time."""

    def __init__(self, model: Any, optimizer: Optimizer) -> None:
        states = [*model.parameters(), *model.buffers()]
        for group in optimizer.param_groups:
            states += group["params"]
        self.arrays = [(x, x._data.copy()) for x in dict.fromkeys(states)]
        self.entries = {p: dict(entry) for p, entry in optimizer.state.items()}
        for entry in self.entries.values():
            self.arrays += [(x, x._data.copy()) for x in entry.values() if isinstance(x, Tensor)]
        found = [g for m in model.modules() for g in vars(m).values() if isinstance(g, Generator)]
        self.places = [(g, g.get_state()) for g in dict.fromkeys([default_generator, *found])]

    def restore(self, optimizer: Optimizer) -> None:
        """Make it so again."""
        for x, array in self.arrays:
            np.copyto(x._data, array)
        for p, entry in optimizer.state.items():
            if p in self.entries:
                entry["step"] = self.entries[p]["step"]
            else:  # started since then
                optimizer._restart(p)
        for generator, place in self.places:
            generator.set_state(place)


def _refuse_loss(J: Any) -> None:
    if not isinstance(J, Tensor):
        raise DtypeError(
            f"fit: the loss returned a {type(J).__name__}, expected a tensor. Compute it with "
            "tensor operations, without .item() or .numpy(), so that it has a gradient."
        )
    if J._data.size != 1:
        raise ShapeError(
            f"fit: the loss returned a tensor of shape {J.shape}, expected one number. "
            "Reduce it with .mean(), or leave out reduction='none'."
        )
