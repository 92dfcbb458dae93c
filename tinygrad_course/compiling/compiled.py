"""`compile`: a function of tensors, recorded once and then run as straight-line NumPy.

The first call with arguments of given shapes traces the function: it is that call, and its graph
becomes a program (`lower`, `plan`, `numpy_program`). Later calls run the program. What a program
takes for granted is looked at before each run: shapes and dtypes, training or evaluation mode, the
arrays of parameters and states, the settings of optimizers; where something changed, the function
is traced again.
"""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import errors
from ..derivation.simplify import simplify
from ..graph import Graph
from ..messages import brief
from ..node import RECORD_ALL, RECORD_GRAD, last_write, recording, tick
from ..tensor import Tensor, to_array, wrap
from ..tracing import Program, Run, _variables
from .lower import lower
from .numpy_program import NumpyProgram
from .plan import plan

BACKENDS = ("auto", "numpy")
# Programs kept per function: one for each combination of shapes and modes.
MOST_PROGRAMS = 16


class Compiled:
    """A compiled function; made by `compile`.

    Attributes:
        source: the program of the last call, as Python text.
        graph: its graph, simplified.
    """

    def __init__(self, f: Callable[..., Any], backend: str = "auto") -> None:
        """Take the function; nothing is traced before the first call."""
        self.f = f
        self.backend = backend
        self._programs: OrderedDict[Any, _Specialised] = OrderedDict()
        self._last: _Specialised | None = None
        self._modules: list[Any] | None = None
        self._signature = _signature(f)
        self.traced = 0
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for arguments of these shapes; the first time, trace it."""
        if kwargs:
            args = self._positional(args, kwargs)
        mode = recording.get()
        if mode & RECORD_ALL:
            return self.f(*args)  # part of another trace
        key = self._key(args, mode)
        found = self._programs.get(key)
        if found is not None and found.holds():
            self._last = found
            return found.run(args)
        return self._trace(key, args)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if self._signature is None:
            raise errors.DtypeError(
                f"compile: {brief(self.f)} takes positional arguments only, got {list(kwargs)}."
            )
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise errors.DtypeError(f"compile: {self.f.__name__}: {error}.") from None
        bound.apply_defaults()
        return bound.args

    def _key(self, args: tuple[Any, ...], mode: int) -> Any:
        parts: list[Any] = [mode & RECORD_GRAD]
        for a in args:
            if isinstance(a, Tensor):
                parts.append((a._data.shape, a._data.dtype, a._requires_grad))
            elif isinstance(a, np.ndarray):
                parts.append((a.shape, a.dtype))
            elif isinstance(a, (int, float, str, bool, type(None))):
                parts.append((type(a), a))
            else:
                parts.append(id(a))
        if self._modules is None:
            self._modules = _modules_of(self.f)
        parts += [m.training for m in self._modules]
        return tuple(parts)

    def _trace(self, key: Any, args: tuple[Any, ...]) -> Any:
        self.traced += 1
        made = _Specialised(self.f, args)
        if made.reason:
            return made.result
        self._programs[key] = self._last = made
        while len(self._programs) > MOST_PROGRAMS:
            self._programs.popitem(last=False)
        return made.result

    # --- what one can see -------------------------------------------------------------------

    def _program(self) -> _Specialised:
        if self._last is None:
            raise errors.GraphError(
                f"compile: {self.__name__} has no program yet: it is made in the first call. Call "  # type: ignore[attr-defined]
                "it once with example arguments."
            )
        return self._last

    @property
    def source(self) -> str:
        """The program of the last call."""
        return self._program().program.source

    @property
    def graph(self) -> Graph:
        """The graph of the last call's program, simplified."""
        return self._program().graph

    def explain(self) -> str:
        """Return in a few lines what was made of the function."""
        made = self._program()
        program = made.program
        calls = sum(1 for line in program.source.splitlines()[1:-1] if line.strip())
        plan = program.plan
        fresh = plan.kinds.count("fresh")
        lines = [
            f"backend numpy: {calls} calls",
            f"nodes: {made.traced_nodes} traced, {len(made.graph)} simplified, "
            f"{len(program.graph)} written out",
            f"memory: {plan.planned:,} bytes in {len(plan.sizes)} buffers, {plan.naive:,} without "
            "reuse",
            f"programs kept: {len(self._programs)}; traced {self.traced} times",
        ]
        if fresh:
            lines.append(f"{fresh} operations make a new array in each call")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self, '__name__', 'function')}>"


class _Specialised:
    """One program: for arguments of particular shapes, and what it depends on.

    Attributes:
        result: what the traced call returned.
        reason: why there is no program, or empty.
    """

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.reason = ""
        program = Program(f, args, None)
        _refuse_gradients_left(program)
        run = Run(program)
        builder = run.capture()
        graph = builder.graph()
        self.result = _plain(run.result)
        self.structure = run.result
        self.traced_nodes = len(graph)
        leaves = {i: x for x, i in builder.index.items() if isinstance(x, Tensor)}
        _refuse_values_made(graph, leaves, program)
        for node in graph:
            node.grad = None
        # Leaves are found again by name, which is unique.
        by_name = {graph[i].name: x for i, x in leaves.items()}
        self.graph = simplify(graph)
        lowered = lower(self.graph)
        given = {x: k for k, x in enumerate(program.leaves.values())}
        self.places: list[int] = []
        arguments: list[int] = []
        for node in lowered:
            x = by_name.get(node.name) if node.op is None else None
            if x is not None and x in given:
                arguments.append(node.index)
                self.places.append(given[x])
        self.plan = plan(lowered, set(arguments))
        self.program = NumpyProgram(lowered, self.plan, arguments, f.__name__)
        self.states = {
            i: by_name[lowered[i].name]
            for i, kind in enumerate(self.plan.kinds)
            if kind == "state" and lowered[i].name in by_name
        }
        self.fixed = {
            i: np.asarray(lowered[i].value)
            for i, kind in enumerate(self.plan.kinds)
            if kind == "state" and i not in self.states
        }
        journal = run.journal
        read_here = set(self.states.values())
        self.refresh = [(x._data, read) for x, read in journal.refresh.items() if x in read_here]
        self.commits = list(journal.commits)
        self.guards = [(guard, guard()) for guard in journal.guards]
        self.changed = [self.states[s] for s, _ in lowered.updates if s in self.states]
        self._bind()

    def _bind(self) -> None:
        arrays = {i: x._data for i, x in self.states.items()}
        self.bound = [(x, x._data) for x in self.states.values()]
        self.cells = [x._stamp() for x in self.changed]
        self.call = self.program.bind({**arrays, **self.fixed})

    def holds(self) -> bool:
        """Return whether the program is still right; bind it to replaced arrays if need be."""
        for guard, before in self.guards:
            if guard() != before:
                return False
        for x, array in self.bound:
            if x._data is not array:
                if x._data.shape != array.shape or x._data.dtype != array.dtype:
                    return False
                self._bind()
                return True
        return True

    def run(self, args: tuple[Any, ...]) -> Any:
        """Run the program."""
        for array, read in self.refresh:
            array[...] = read()
        arrays = [_array(args[k]) for k in self.places]
        with np.errstate(all="ignore"):
            values = self.call(*arrays)
        if self.cells:
            now = last_write[0] = tick()
            for cell in self.cells:
                cell[0] = now
        for commit in self.commits:
            commit()
        fresh = iter(values)
        return _rebuilt(self.structure, fresh)


def _array(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else np.asarray(value)


def _rebuilt(structure: Any, values: Any) -> Any:
    """Return the function's result, with fresh tensors in place of those that were traced."""
    if isinstance(structure, Tensor):
        return wrap(np.array(next(values)))
    if isinstance(structure, (list, tuple)):
        return type(structure)(_rebuilt(part, values) for part in structure)
    if isinstance(structure, dict):
        return {key: _rebuilt(part, values) for key, part in structure.items()}
    return structure


def _plain(structure: Any) -> Any:
    """Return a traced result without its history."""
    if isinstance(structure, Tensor):
        return wrap(structure._data.copy())
    if isinstance(structure, (list, tuple)):
        return type(structure)(_plain(part) for part in structure)
    if isinstance(structure, dict):
        return {key: _plain(part) for key, part in structure.items()}
    return structure


def _refuse_gradients_left(program: Program) -> None:
    pass


def _refuse_values_made(graph: Graph, leaves: dict[int, Tensor], program: Program) -> None:
    """Refuse arrays that the function makes itself and that may differ from call to call."""
    for node in graph:
        if node.op is None and node.made and node.role == "data" and node.value is not None:
            array = np.asarray(node.value)
            if array.size and not (array == array.flat[0]).all():
                raise errors.TraceError(
                    f"compile: {program.called} makes an array of shape {node.shape} itself, which "
                    "may differ from call to call. Pass it as an argument, or make it outside of "
                    "the compiled function."
                )


def _modules_of(f: Any) -> list[Any]:
    """Return the modules that a function reads, with those inside them."""
    found: dict[int, Any] = {}
    for _, value in _variables(f):
        if hasattr(value, "modules") and hasattr(value, "training"):
            for module in value.modules():
                found[id(module)] = module
    return list(found.values())


def _signature(f: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):
        return None


def compile(f: Callable[..., Any] | None = None, backend: str = "auto") -> Any:
    """Return a function that does the same as `f`, as one program without overhead."""
    if backend not in BACKENDS:
        raise errors.ArgumentError(f"compile: backend must be one of {BACKENDS}, got {backend!r}.")
    if f is None:
        return functools.partial(compile, backend=backend)
    if not callable(f):
        raise errors.DtypeError(f"compile: got {brief(f)}, expected a function.")
    return Compiled(f, backend)


__all__ = ["BACKENDS", "Compiled", "compile", "to_array"]
