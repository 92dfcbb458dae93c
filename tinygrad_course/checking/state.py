"""Leaving no trace: what a check changes for its time, and how all of it is put back.

A check runs the user's function thousands of times, on values it moves a little, in float64. So

- the tensors it differentiates hold private float64 copies meanwhile (`Point`);
- modules that the function uses get their attributes, buffers and generators back before every run,
  so that each run sees the same state (BatchNorm's running statistics, a counter, a dropout's own
  generator), and at the end (`Surroundings`).

The original arrays are never written to: they are set aside, and taken back, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..random import Generator, default_generator
from ..tensor import Tensor, default_dtype, set_default_dtype

Array = NDArray[Any]

# What of a tensor is set aside while it holds a copy.
_SLOTS = ("_data", "_node", "_requires_grad", "grad", "_memory", "_view", "_name")


class Loan:
    """A tensor that holds a copy of its values for a while."""

    def __init__(self, tensor: Tensor) -> None:
        """Note what `tensor` is."""
        self.tensor = tensor
        self.kept = tuple(getattr(tensor, slot) for slot in _SLOTS)
        self.original: Array = tensor._data

    def begin(self) -> None:
        """Give the tensor its copy."""
        self.tensor._data = np.array(self.original, order="K")
        self.tensor._memory = None
        self.tensor._view = None

    def rewind(self) -> None:
        """Write the original values into the copy."""
        if self.tensor._data.shape != self.original.shape:
            self.begin()
        np.copyto(self.tensor._data, self.original, casting="unsafe")

    def end(self) -> None:
        """Give the tensor its own array back, and all else it was."""
        for slot, value in zip(_SLOTS, self.kept, strict=True):
            setattr(self.tensor, slot, value)


class Point(Loan):
    """A tensor to differentiate with respect to: a leaf with a float64 copy of its values.

    Attributes:
        name: what the report calls it.
        array: the copy, moved entry by entry.
        start: its unmoved values.
    """

    def __init__(self, tensor: Tensor, name: str) -> None:
        """Note what `tensor` is, and its name."""
        super().__init__(tensor)
        self.name = name
        self.symbol = ""  # how the tensor calls itself once the function ran, such as W[1]
        self.dtype = tensor.dtype
        self.shape = tensor.shape
        self.size = tensor._data.size
        self.array: Array = self.original
        self.start: Array = self.original

    def begin(self) -> None:
        """Make the tensor a leaf on a float64 copy."""
        self.array = np.array(self.original, dtype=np.float64, order="K")
        self.start = self.array.copy(order="K")
        self.rewind()

    def rewind(self) -> None:
        """Return to the unmoved values, without history or gradient."""
        np.copyto(self.array, self.start)
        self.tensor._data = self.array
        self.tensor._node = None
        self.tensor._requires_grad = True
        self.tensor._memory = None
        self.tensor._view = None
        self.tensor.grad = None

    def moved(self) -> bool:
        """Return True when a run changed the values."""
        return self.tensor._data is not self.array or not np.array_equal(
            self.array, self.start, equal_nan=True
        )


class Surroundings:
    """The modules and generators a function uses, as they were."""

    def __init__(self, roots: list[Any], points: list[Point]) -> None:
        """Find modules and generators in `roots` and in what they close over."""
        taken = {id(p.tensor) for p in points}
        self.modules: list[tuple[Any, dict[str, Any], list[tuple[Any, Any]]]] = []
        self.loans: list[Loan] = []
        self.parameters: list[Loan] = []
        self.arrays: list[tuple[Array, Array]] = []
        self.generators: list[tuple[Any, Any]] = []
        self._default = default_generator.get_state()
        seen: set[int] = set()
        for module in _modules(roots):
            attributes = vars(module)
            containers = [(v, v.copy()) for v in attributes.values() if isinstance(v, (dict, list))]
            self.modules.append((module, dict(attributes), containers))
            trained = {id(p) for _, p in module.named_parameters()}
            for value in _values(attributes):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                if isinstance(value, Tensor) and id(value) not in taken:
                    kind = self.parameters if id(value) in trained else self.loans
                    kind.append(Loan(value))
                elif isinstance(value, np.ndarray):
                    self.arrays.append((value, value.copy()))
                elif value is not default_generator and _is_generator(value):
                    self.generators.append((value, _state(value)))
        for value in roots:
            if value is not default_generator and _is_generator(value) and id(value) not in seen:
                self.generators.append((value, _state(value)))

    def begin(self) -> None:
        """Lend copies of the buffers, and of the parameters that are not moved."""
        for loan in (*self.loans, *self.parameters):
            loan.begin()

    def rewind(self) -> None:
        """Put the state back that a run may have changed, before the next one."""
        for module, attributes, containers in self.modules:
            vars(module).clear()
            vars(module).update(attributes)
            for container, content in containers:
                container.clear()
                container.update(content) if isinstance(content, dict) else container.extend(
                    content
                )
        for loan in self.loans:
            loan.rewind()
        for array, content in self.arrays:
            if array.flags.writeable:
                np.copyto(array, content)
        for generator, state in self.generators:
            _set_state(generator, state)

    def end(self) -> None:
        """Put everything back as it was."""
        self.rewind()
        for loan in (*self.loans, *self.parameters):
            loan.end()
        default_generator.set_state(self._default)

    @property
    def drew(self) -> bool:
        """True when a run drew from the package's default generator."""
        return bool(default_generator.get_state() != self._default)


class Precision:
    """Makes new floats float64 for a while: a float32 model then computes in float64 throughout."""

    def __init__(self, wanted: bool) -> None:
        """Do so only if `wanted`."""
        self.wanted = wanted
        self.before = default_dtype()

    def begin(self) -> None:
        """Set float64."""
        if self.wanted:
            set_default_dtype(np.float64)

    def end(self) -> None:
        """Set what it was."""
        if self.wanted:
            set_default_dtype(self.before)


def reached(f: Any) -> list[Any]:
    """Return `f` and the objects it closes over, is bound to, or names as globals."""
    found: list[Any] = []
    stack = [f]
    while stack:
        item = stack.pop()
        if any(item is other for other in found):
            continue
        found.append(item)
        if isinstance(item, functools.partial):
            stack += [item.func, *item.args, *item.keywords.values()]
        bound = getattr(item, "__self__", None)
        if bound is not None:
            stack.append(bound)
        function = getattr(item, "__func__", item)
        code = getattr(function, "__code__", None)
        if code is None:
            continue
        for cell in getattr(function, "__closure__", None) or ():
            try:
                stack.append(cell.cell_contents)
            except ValueError:  # a name not bound yet
                continue
        names = getattr(function, "__globals__", {})
        near = [names[n] for n in code.co_names if n in names]
        # Functions and classes of other modules are not the user's own state.
        stack += [v for v in near if _is_module(v) or _is_generator(v)]
        stack += [v for v in near if getattr(v, "__globals__", None) is names]
    return found


def _modules(roots: list[Any]) -> Iterator[Any]:
    seen: set[int] = set()
    for root in roots:
        if _is_module(root):
            for module in root.modules():
                if id(module) not in seen:
                    seen.add(id(module))
                    yield module


def _is_module(value: Any) -> bool:
    kind = type(value)
    return hasattr(kind, "named_parameters") and hasattr(kind, "modules")


def _values(attributes: dict[str, Any]) -> Iterator[Any]:
    for value in attributes.values():
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _is_generator(value: Any) -> bool:
    return isinstance(value, (Generator, np.random.Generator, np.random.RandomState))


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state()


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
