"""Switches for recording: each is a context manager and a decorator, per thread and per task."""

from __future__ import annotations

import inspect
from contextlib import ContextDecorator
from contextvars import Token
from typing import Any

from .node import ANOMALY, RECORD_ALL, RECORD_GRAD, recording


class _Mode(ContextDecorator):
    """Sets the recording mode inside a ``with`` block or a decorated function."""

    def __new__(cls, *args: Any) -> Any:
        if len(args) == 1 and inspect.isfunction(args[0]):  # @no_grad without parentheses
            return cls()(args[0])
        return super().__new__(cls)

    def __init__(self) -> None:
        self._tokens: list[Token[int]] = []

    def _mode(self, current: int) -> int:
        raise NotImplementedError

    def _recreate_cm(self) -> _Mode:
        # A decorated function gets a fresh object per call, so that threads do not share tokens.
        fresh: _Mode = type(self).__new__(type(self))
        fresh.__dict__.update(self.__dict__, _tokens=[])
        return fresh

    def __enter__(self) -> Any:
        self._tokens.append(recording.set(self._mode(recording.get())))
        return self

    def __exit__(self, *exc: object) -> None:
        recording.reset(self._tokens.pop())


class no_grad(_Mode):
    """Record nothing: for evaluation and for changing parameters.

    Example:
        >>> import tinygrad_course as tc
        >>> w = tc.tensor(2.0, requires_grad=True)
        >>> with tc.no_grad():
        ...     y = w * 3
        >>> y.requires_grad
        False
    """

    def _mode(self, current: int) -> int:
        # What is recorded for a trace is recorded here too; it only gets no gradient.
        return current & ~RECORD_GRAD


class enable_grad(_Mode):
    """Record again inside a `no_grad` block.

    Example:
        >>> import tinygrad_course as tc
        >>> w = tc.tensor(2.0, requires_grad=True)
        >>> with tc.no_grad(), tc.enable_grad():
        ...     y = w * 3
        >>> y.requires_grad
        True
    """

    def _mode(self, current: int) -> int:
        return current | RECORD_GRAD


class inference_mode(no_grad):
    """Record nothing, as `no_grad` does: PyTorch's name for evaluation.

    Args:
        mode: False records as before.

    Example:
        >>> import tinygrad_course as tc
        >>> w = tc.tensor(2.0, requires_grad=True)
        >>> @tc.inference_mode()
        ... def predict(x):
        ...     return w * x
        >>> predict(3.0)
        tensor(6.)
    """

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self._on = bool(mode)

    def _mode(self, current: int) -> int:
        return super()._mode(current) if self._on else current


class _Switch(_Mode):
    """A mode that holds from when it is made: called alone, from then on, as in PyTorch."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._flag = bool(mode)
        self._tokens.append(recording.set(self._mode(recording.get())))
        self._entered = False

    def __enter__(self) -> Any:
        if self._entered:
            return super().__enter__()
        self._entered = True  # the mode was set when this was made
        return self

    def __call__(self, function: Any) -> Any:
        """Decorate: the flag holds inside the function only."""
        recording.reset(self._tokens.pop())
        self._entered = True
        return super().__call__(function)


class set_grad_enabled(_Switch):
    """Record, or record nothing, by a flag; called alone, it holds from then on, as in PyTorch.

    Example:
        >>> import tinygrad_course as tc
        >>> with tc.set_grad_enabled(False):
        ...     tc.is_grad_enabled()
        False
        >>> tc.is_grad_enabled()
        True
    """

    def _mode(self, current: int) -> int:
        return current | RECORD_GRAD if self._flag else current & ~RECORD_GRAD


class record_all(_Mode):
    """Record every operation, also those that no gradient passes through (masks, draws)."""

    def _mode(self, current: int) -> int:
        return current | RECORD_GRAD | RECORD_ALL


class detect_anomaly(_Mode):
    """Stop at the operation that makes the first NaN or Inf, forward or backward.

    The error names the operation and the user's line that called it. Slow: for debugging.

    Raises:
        AnomalyError: inside the block, at the first operation with a NaN or Inf in its result.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([1.0, 0.0], requires_grad=True)
        >>> with tc.detect_anomaly():
        ...     x.log()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        tinygrad_course.errors.AnomalyError: log: made -inf ...
    """

    def _mode(self, current: int) -> int:
        return current | ANOMALY


class set_detect_anomaly(_Switch):
    """Switch `detect_anomaly` on or off; called alone, it holds from then on.

    Example:
        >>> from tinygrad_course import autograd
        >>> with autograd.set_detect_anomaly(True):
        ...     pass
    """

    def _mode(self, current: int) -> int:
        return current | ANOMALY if self._flag else current & ~ANOMALY


def is_grad_enabled() -> bool:
    """Return True when operations on tensors that require grad get a gradient.

    Example:
        >>> import tinygrad_course as tc
        >>> with tc.no_grad():
        ...     tc.is_grad_enabled()
        False
    """
    return bool(recording.get() & RECORD_GRAD)
