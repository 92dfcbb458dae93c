"""The program that a command looks at: a built-in one, or a function in a user's file.

``FILE.py:name`` names a function that returns a loss (a tensor), a model, or a pair (model, input);
or it names such a thing itself. The function has no arguments, or defaults for all of them: arrays
among these become tensors with the names of the arguments. Mistakes in the user's file are reported
with the user's exception and line, never with a traceback of ours.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from tinygrad_course.errors import ArgumentError
from tinygrad_course.graph import Graph
from tinygrad_course.modes import record_all
from tinygrad_course.naming import compact
from tinygrad_course.nn import Module
from tinygrad_course.node import Node
from tinygrad_course.tensor import Tensor, apply, wrap

__all__ = ["HELP", "Program", "find"]

HELP = (
    "a built-in name, or FILE.py:NAME where NAME is a function, without arguments or with defaults "
    "for them, that returns a loss, a model, or (model, input)"
)
BUILT_IN = """\
built-in:
  numbers   slide, fanout, logistic1 (one example), micrograd
  columns   logistic, shallow, deep, softmax
  rows      linear, coffee, digits, welch
"""
"""The names of the built-in programs, for the help of commands."""


class Program:
    """Something to run: `call` runs it.

    Attributes:
        name: how to call it in messages.
        path: the user's file; None for a built-in program.
        arguments: arrays that are defaults of the function's arguments, by name.
    """

    def __init__(self, name: str, call: Callable[..., Any], path: Path | None = None) -> None:
        """Take what to run."""
        self.name = name
        self.path = path
        self.arguments = _arrays(call) if path is not None else {}
        self._call = call

    def call(self) -> Any:
        """Run it.

        Raises:
            ArgumentError: the user's function raised; the message gives its exception and line.
        """
        if self.arguments:
            # A function that needs an array for what only arrays can do gets the array itself.
            with suppress(Exception):
                return self._call(**{name: _data(name, x) for name, x in self.arguments.items()})
        try:
            return self._call()
        except (Exception, SystemExit) as error:
            if self.path is None:
                raise
            _blame(self.path, error)

    def result(self) -> tuple[Tensor | None, Module | None]:
        """Run it; return the tensor that it computes, and the model of which it does so, if known.

        A model alone gives no tensor, a tensor alone no model.

        Raises:
            ArgumentError: it returns something else.
        """
        value = self.call()
        if isinstance(value, Module):
            return None, value
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Module):
            model, x = value
            output = Program(self.name, lambda: model(x), self.path).call()
            return self._tensor(output), model
        return self._tensor(value), None

    def computation(self, command: str) -> Tensor:
        """Run it with everything recorded, data included; return the tensor that it computes.

        Args:
            command: who asks, for messages.

        Raises:
            ArgumentError: it gives a model without an input, or nothing that was recorded.
        """
        with record_all():
            tensor, _ = self.result()
        if tensor is None:
            raise ArgumentError(
                f"{command}: {self.name} gives a model without an input, so that nothing was "
                "computed. Return the loss, or (model, input) for the forward pass."
            )
        if tensor._node is None:
            raise ArgumentError(
                f"{command}: nothing was recorded for what {self.name} returned: it is no result "
                "of operations on tensors. Return the loss, computed from tensors in this function."
            )
        return tensor

    def loss(self, command: str) -> Tensor:
        """Run it as `computation` does, for a loss that has derivatives.

        Raises:
            ArgumentError: it is no scalar, or depends on nothing that requires a gradient.
        """
        tensor = self.computation(command)
        if tensor._data.size != 1:
            raise ArgumentError(
                f"{command}: {self.name} gives an output of shape {tensor.shape}, and derivatives "
                "are those of a single number. Return the loss."
            )
        if not tensor.requires_grad:
            raise ArgumentError(
                f"{command}: {self.name} returned a tensor that depends on nothing with "
                "requires_grad=True, so that there is nothing to differentiate. Create the "
                "parameters with requires_grad=True."
            )
        return tensor

    def _tensor(self, value: Any) -> Tensor:
        if isinstance(value, Tensor):
            return value
        raise ArgumentError(
            f"{self.name} returned {_a(value)}; expected a tensor such as the loss, a model, or "
            "(model, input)."
        )


def find(target: str, samples: dict[str, Callable[[], Tensor]]) -> Program:
    """Return the program that a command line names.

    Args:
        target: a name among `samples`, or ``FILE.py:NAME``.
        samples: the built-in programs.

    Raises:
        ArgumentError: there is none of this name, or the user's file cannot be run.
    """
    if target in samples:
        return Program(target, samples[target])
    path, name = _split(target)
    if path is None:
        raise ArgumentError(
            f"there is no built-in {target!r}; expected one of {', '.join(samples)}, or "
            "FILE.py:FUNCTION."
        )
    module, file = _load(path), str(path)
    if not name:
        raise ArgumentError(
            f"{file}: name a function in it, such as {file}:{_names(module, 1) or 'loss'}; "
            f"{_offer(module)}."
        )
    value = _member(module, file, name)
    if isinstance(value, (Tensor, Module, tuple)):
        return Program(f"{file}:{name}", lambda: value, path)
    if not callable(value):
        raise ArgumentError(f"{file}:{name} is {_a(value)}; expected a function.")
    needed = _needed(value)
    if needed:
        raise ArgumentError(
            f"{file}:{name} needs the arguments {', '.join(needed)}; expected a function "
            "without any, or with defaults for them. Write one that makes them and returns the "
            "loss."
        )
    return Program(f"{file}:{name}", value, path)


def parameters(command: str, loss: Tensor, wanted: list[str] | None) -> list[str] | None:
    """Return the names of the parameters to differentiate by; None for all of them.

    Raises:
        ArgumentError: a name that is none of the loss's parameters.
    """
    nodes = Graph.of(loss)
    known = {compact(n.name): n.name for n in nodes if n.role == "parameter"}
    for name in wanted or ():
        if compact(name) not in known:
            raise ArgumentError(
                f"{command}: --wrt names {name!r}, which is no parameter here. "
                f"The parameters are {', '.join(known.values()) or 'none'}."
            )
    return wanted and [known[compact(name)] for name in wanted]


def load(target: str) -> Any:
    """Return what a learner wrote: the module of ``FILE.py``, or what ``FILE.py:NAME`` names.

    Raises:
        ArgumentError: there is none of this name, or the file cannot be run.
    """
    path, name = _split(target)
    if path is None:
        raise ArgumentError(f"got {target!r}, expected FILE.py or FILE.py:FUNCTION.")
    module = _load(path)
    return _member(module, str(path), name) if name else module


def leaves(loss: Tensor) -> list[Tensor]:
    """Return the leaves behind a tensor that require grad, in the order of their first use."""
    found: dict[int, Tensor] = {}
    for node in _nodes(loss):
        for source in node.inputs:
            if isinstance(source, Tensor) and source.requires_grad:
                found.setdefault(id(source), source)
    return list(found.values())


def replay(loss: Tensor) -> Callable[[], Tensor]:
    """Return a function that computes `loss` again, from what its leaves then hold.

    A program that makes its parameters itself makes new ones in each run, and so cannot be run
    again on parameters that were moved a little; the operations it recorded can.
    """
    order = _nodes(loss)

    def again() -> Tensor:
        values: dict[Node, Tensor] = {}
        for node in order:
            inputs = tuple(values[s] if isinstance(s, Node) else s for s in node.inputs)
            values[node] = apply(node.op, inputs, node.params)
        return values[order[-1]]

    return again


def _nodes(loss: Tensor) -> list[Node]:
    """Return the recorded operations behind a tensor, oldest first; it is the last."""
    seen: set[Node] = set()
    stack = [loss._node] if loss._node is not None else []
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(s for s in node.inputs if isinstance(s, Node))
    return sorted(seen, key=lambda node: node.time)


# --- the user's file ----------------------------------------------------------------------------


def _split(target: str) -> tuple[Path | None, str]:
    """Return file and name of ``FILE.py:NAME``; None when no file is meant."""
    file, _, name = target.rpartition(":")
    if not file.endswith(".py"):
        file, name = target, ""  # "model.py" without a name, also "C:\\model.py"
    return (Path(file) if file.endswith(".py") else None), name


def _member(module: ModuleType, file: str, name: str) -> Any:
    if not hasattr(module, name):
        raise ArgumentError(f"{file} has no {name!r}; {_offer(module)}.")
    return getattr(module, name)


def _load(path: Path) -> ModuleType:
    """Run the user's file, as an import would; files beside it can be imported from it."""
    if not path.is_file():
        raise ArgumentError(f"there is no file {str(path)!r}. Check the path.")
    here = str(path.resolve().parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else "_program"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{str(path)!r} cannot be read as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        _blame(path, error)
    return module


def _blame(path: Path, error: BaseException) -> NoReturn:
    """Raise an error that says what the user's code raised, and where."""
    place = ""
    if isinstance(error, SyntaxError) and error.filename is not None:
        if not _same(error.filename, path):
            place = f": {error.filename}"
        place += f", line {error.lineno}"
        what = f"{type(error).__name__}: {error.msg}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if _same(frame.filename, path):
                inside = "" if frame.name == "<module>" else f", in {frame.name}"
                place = f", line {frame.lineno}{inside}"
        text = str(error)
        what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    raise ArgumentError(f"{path}{place}: {what}") from None


def _same(file: str, path: Path) -> bool:
    return Path(file).resolve() == path.resolve()


def _needed(function: Callable[..., Any]) -> list[str]:
    """Return the arguments that a function cannot do without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable]


def _arrays(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arrays that are defaults of a function's arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {
        p.name: p.default
        for p in parameters
        if isinstance(p.default, np.ndarray) and p.kind is not p.POSITIONAL_ONLY
    }


def _data(name: str, array: Any) -> Tensor:
    """Return data under the name of the argument that it is given to."""
    tensor = wrap(array)
    tensor.name = name
    return tensor


def _names(module: ModuleType, most: int) -> str:
    """Return the first functions that a file defines itself."""
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    return ", ".join([name for name in own if not name.startswith("_")][:most])


def _offer(module: ModuleType) -> str:
    names = _names(module, 8)
    return f"it defines {names}" if names else "it defines no function"


def _a(value: Any) -> str:
    return "nothing (None)" if value is None else f"a value of type {type(value).__name__}"
