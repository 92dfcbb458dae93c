"""What a check is asked to differentiate, and how the function is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import errors
from ..tensor import Tensor, as_tensor
from .state import Point, _is_module


class Given:
    """The points of a check, the call, and notes about inputs that are left out."""

    def __init__(self, call: Callable[[], Any], roots: list[Any]) -> None:
        """Start without points."""
        self.call = call
        self.roots = roots
        self.points: list[Point] = []
        self.notes: list[str] = []

    def add(self, named: Iterable[tuple[str, Any]]) -> None:
        """Add the floats that require grad; note why others are left out."""
        taken: dict[int, str] = {}
        frozen = []
        for name, value in named:
            if not isinstance(value, Tensor):
                continue
            if id(value) in taken:
                self.notes.append(f"{name} is the same tensor as {taken[id(value)]}.")
                continue
            taken[id(value)] = name
            if value.dtype.kind != "f":
                self.notes.append(
                    f"{name} has dtype {value.dtype}, which has no derivative: not checked "
                    "(convert it with .double() if it is a quantity)."
                )
            elif not value.requires_grad:
                frozen.append(name)
            else:
                self.points.append(Point(value, name))
        if frozen:
            self.notes.append(f"{', '.join(frozen)}: requires_grad is False, not checked.")
        if not self.points:
            why = " ".join(self.notes) or "There is no tensor among them."
            raise errors.NothingToCheckError(
                "gradcheck: no input is a float tensor that requires grad, so there is nothing to "
                f"check. {why} Create the inputs with requires_grad=True, in float64: "
                "tc.tensor(data, dtype=tc.float64, requires_grad=True)."
            )


def read(f: Any, inputs: Any) -> Given:
    """Sort out what `inputs` are: tensors for `f`, or a model that the closure `f` uses."""
    if not callable(f):
        raise errors.DtypeError(
            f"gradcheck: the first argument is {type(f).__name__}, expected a function. Write "
            "gradcheck(f, inputs), where f(*inputs) returns a tensor."
        )
    closed = _takes_nothing(f)
    if _is_module(inputs):
        given = Given(f if closed else (lambda: f(inputs)), [inputs])
        given.add(inputs.named_parameters())
        return given
    if isinstance(inputs, Mapping):
        given = Given(f if closed else (lambda: f(**inputs)), [])
        given.add((str(name), value) for name, value in inputs.items())
        return given
    args = _arguments(inputs)
    given = Given(f if closed else (lambda: f(*args)), [])
    given.add(zip(_names(f, args, closed), args, strict=True))
    return given


def _arguments(inputs: Any) -> tuple[Any, ...]:
    """Return the inputs as a tuple; numbers and arrays become tensors if there are no others."""
    if isinstance(inputs, (Tensor, np.ndarray, int, float, np.generic)):
        inputs = (inputs,)
    if inputs is None or isinstance(inputs, (str, bytes)) or not isinstance(inputs, Iterable):
        raise errors.DtypeError(
            f"gradcheck: inputs is {type(inputs).__name__}, expected a tensor, a tuple of tensors, "
            "a model, or a dictionary of tensors."
        )
    args = tuple(inputs)
    if any(isinstance(a, Tensor) for a in args):
        return args
    return tuple(_point(a) for a in args)


def _point(value: Any) -> Any:
    if isinstance(value, (float, np.ndarray, np.floating)):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            return as_tensor(np.array(array, dtype=np.float64)).requires_grad_()
    if isinstance(value, (int, np.ndarray, np.generic)) and not isinstance(value, bool):
        return as_tensor(value)
    return value


def _signature(f: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):
        return None


def _takes_nothing(f: Any) -> bool:
    """Return True for a closure: a function without parameters."""
    signature = _signature(f)
    return signature is not None and not signature.parameters


def _names(f: Any, args: tuple[Any, ...], closed: bool) -> list[str]:
    """Return a name per input: its own, else that of the function's parameter, else its place."""
    signature = None if closed else _signature(f)
    spoken: list[str] = []
    if signature is not None:
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        spoken = [p.name for p in signature.parameters.values() if p.kind in plain]
    names = []
    for place, value in enumerate(args):
        own = value.name if isinstance(value, Tensor) else None
        formal = spoken[place] if place < len(spoken) else f"inputs[{place}]"
        names.append(own or formal)
    doubled = {n for n in names if names.count(n) > 1}
    return [f"inputs[{i}]" if n in doubled else n for i, n in enumerate(names)]
