"""What a compiled program takes for granted, looked at before each run.

A program is recorded once, from one call. It holds for other calls only while what the function
reads besides its arguments is the same: the variables of its closure, the options of an optimizer,
the mode of a model, which array a parameter has. `Guards` collects these as pairs of a place and
the object that was found there. All places are compared by identity in one expression; where an
object was replaced by an equal number or text, the program still holds.
"""

from __future__ import annotations

import dis
import operator
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..node import module_changes
from ..random import Generator
from ..tensor import Tensor

_is = operator.is_
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
# What these packages define has no variables of the user's.
_FOREIGN = frozenset({*sys.stdlib_module_names, "numpy", "scipy", "tinygrad_course"})
_DEEP = 4


class Guards:
    """Places and what was found there.

    Attributes:
        failed: what has changed, in words, after `hold` returned False.
        modules: the modules found, with those inside them.
        tensors: the tensors found, in modules and elsewhere.
        arrays: the NumPy arrays found.
        generators: the `Generator`s found.
        numbers: the numbers that stand in the functions' code.
        iterators: what gives something else each time it is asked.
        hooked: True while a module has hooks.
        seen: how often modules had changed when theirs were last looked at.
        version: counts how often the places were written anew.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.failed = ""
        self.modules: dict[Any, None] = {}
        self.tensors: dict[Tensor, str] = {}
        self.arrays: list[Any] = []
        self.generators: list[Generator] = []
        self.numbers: set[float] = set()
        self.iterators: list[Any] = []
        self.hooked = False
        self._places: list[_Place] = []
        self._seen: dict[int, Any] = {}
        self._functions: set[Any] = set()
        self._streams: list[tuple[Any, Any]] = []
        self._roots: list[Any] = []
        self.seen = -1
        self.version = 0
        self._snapshot: Any = []
        self._holds: Callable[[], bool] | None = None

    # --- what to look at --------------------------------------------------------------------

    def attribute(self, owner: Any, name: str, called: str) -> None:
        """Look at an attribute."""
        self.expect(owner, name, getattr(owner, name), called)

    def expect(self, owner: Any, name: str, found: Any, called: str) -> None:
        """Look at an attribute, which must be as given."""
        self._places.append(_Place(owner, f".{name}", None, called, found))
        self._holds = None

    def item(self, owner: Any, key: Any, called: str) -> None:
        """Look at an item of a dictionary or list."""
        self._places.append(_Place(owner, "[]", key, called, owner[key]))

    def contents(self, owner: Any, called: str) -> None:
        """Look at all items of a list or dictionary."""
        self._places.append(_Place(owner, "*", None, called, _items(owner)))

    def function(self, f: Any, called: str = "") -> None:
        """Look at what a function reads besides its arguments, and what functions it calls read."""
        if isinstance(f, MethodType):
            self.value(f.__self__, called or "self")
            f = f.__func__
        if isinstance(f, partial):
            self.value(list(f.args), called)
            self.value(dict(f.keywords), called)
            self.function(f.func, called)
            return
        inner = getattr(f, "__wrapped__", None)
        if inner is not None:
            self.function(inner, called)
        if not isinstance(f, FunctionType):
            self.value(f, called)
            return
        if f in self._functions:
            return
        self._functions.add(f)
        self.numbers.update(_numbers(f.__code__.co_consts))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # assigned later
                continue
            self.attribute(cell, "cell_contents", name)
            self.value(value, name)
        for name in _names(f.__code__):
            if name in f.__globals__:
                self.item(f.__globals__, name, name)
                self.value(f.__globals__[name], name)
        for value in f.__defaults__ or ():
            self.value(value, "a default")

    def value(self, value: Any, called: str, deep: int = 0) -> None:
        """Look into something that a function reads."""
        if isinstance(value, (*PLAIN, ModuleType)) or self._is_known(value):
            return
        if isinstance(value, Tensor):
            self.tensors[value] = called
        elif isinstance(value, np.ndarray):
            self.arrays.append(value)
        elif hasattr(value, "named_parameters") and hasattr(value, "_members"):
            self.module(value)
        elif _is_optimizer(value):
            self._tensors_of(value)
        elif isinstance(value, Generator):
            self.generators.append(value)
        elif isinstance(value, (np.random.Generator, random.Random)):
            self._streams.append((value, _place_of(value)))
        elif isinstance(value, (FunctionType, MethodType, partial)):
            if _is_users(value):
                self.function(value, called)
        elif isinstance(value, (list, tuple, dict)):
            if not isinstance(value, tuple):
                self.contents(value, called)
            if deep < _DEEP:
                for part in value.values() if isinstance(value, dict) else value:
                    self.value(part, called, deep + 1)
        elif isinstance(value, type):
            return
        elif hasattr(value, "__next__"):
            self.iterators.append(value)
        elif hasattr(value, "f") and type(value).__name__ == "Compiled":
            self.function(value.f, called)
        elif _is_users(type(value)) and hasattr(value, "__dict__") or _is_scheduler(value):
            self.contents(vars(value), called)
            if deep < _DEEP:
                for name, part in vars(value).items():
                    self.value(part, f"{called}.{name}", deep + 1)
            if callable(value) and isinstance(type(value).__call__, FunctionType):
                self.function(type(value).__call__, called)

    def module(self, module: Any) -> None:
        """Look at a module and all inside it: mode, settings, parts, hooks."""
        self._roots.append(module)
        for part in module.modules():
            self.modules[part] = None
            self.generators += [g for g in vars(part).values() if isinstance(g, Generator)]
            for _, x in part._own("parameter", "buffer", "temporary buffer"):
                self.tensors.setdefault(x, x.name or "")
            if _is_users(type(part)):
                self.function(type(part).forward)
        self._snapshot = self._settings_of_modules()

    def optimizer(self, optimizer: Any) -> None:
        """Look at the options of an optimizer, the learning rate excepted, and at its state."""
        kind = type(optimizer).__name__
        self.attribute(optimizer, "state", f"the state of {kind}")
        self.attribute(optimizer, "param_groups", f"the groups of {kind}")
        self.contents(optimizer.param_groups, f"the groups of {kind}")
        counted: dict[int, Any] = {}
        for group in optimizer.param_groups:
            for key in group:
                if key not in ("lr", "initial_lr"):
                    self.item(group, key, f"{key} of {kind}")
            self.contents(group["params"], f"the parameters of {kind}")
            for p in group["params"]:
                entry = optimizer.state.get(p)
                if entry is not None:
                    self.item(optimizer.state, p, f"the state of {kind}")
                    for name in entry:
                        if name != "step":
                            self.item(entry, name, f"{name} of {kind}")
                    # Parameters with the same number of steps share it in the program.
                    first = counted.setdefault(entry["step"], entry)
                    if first is not entry:
                        self._places.append(_Place(entry, "=", "step", f"steps of {kind}", first))
        if _is_users(type(optimizer)):
            for name, value in vars(optimizer).items():
                if isinstance(value, PLAIN) and not name.startswith("_"):
                    self.attribute(optimizer, name, f"{kind}.{name}")
        self._holds = None

    def _tensors_of(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                self.tensors.setdefault(p, p.name or "")

    def _is_known(self, value: Any) -> bool:
        known = id(value) in self._seen
        self._seen[id(value)] = value  # kept, so that its id stays its own
        return known

    # --- looking ----------------------------------------------------------------------------

    def hold(self) -> bool:
        """Return whether nothing has changed."""
        if self._holds is None:
            self._holds = self._expression()
        try:
            known = self.seen == module_changes[0] or not self._roots
            if known and self._holds():
                return True
        except (LookupError, AttributeError, ValueError):
            pass
        return self._hold_still()

    def drew(self) -> bool:
        """Return whether a stream of random numbers that the function reads has moved."""
        return any(_place_of(stream) != before for stream, before in self._streams)

    def _hold_still(self) -> bool:
        """Compare by value what is not the same object."""
        found = self._settings_of_modules()
        if not _equal(found, self._snapshot):
            self.failed = "a module: its mode, its settings or its parts"
            return False
        for place in self._places:
            before = place.found
            if not place.holds():
                self.failed = place.called
                return False
            if place.found is not before:
                self._holds = None
        if not self.hooked:
            self.seen = module_changes[0]
        return True

    def terms(self, space: dict[str, Any], mark: str) -> list[str]:
        """Return the comparisons as Python text; the names in it go into `space`."""
        space.update(all=all, map=map, same=_is, len=len)
        terms = []
        for k, place in enumerate(self._places):
            o, v, key = f"{mark}o{k}", f"{mark}v{k}", f"{mark}k{k}"
            space[o], space[v], space[key] = place.owner, place.found, place.key
            if place.kind == "=":
                terms.append(f"{o}[{key}] == {v}[{key}]")
            elif place.kind == "[]":
                terms.append(f"{o}[{key}] is {v}")
            elif place.kind == "*":
                items = f"{o}.values()" if isinstance(place.owner, dict) else o
                terms.append(f"len({o}) == {len(place.found)} and all(map(same, {items}, {v}))")
            else:
                terms.append(f"{o}{place.kind} is {v}")
        return terms

    def _expression(self) -> Callable[[], bool]:
        """Return a function that compares all places, as one expression."""
        self.version += 1
        space: dict[str, Any] = {}
        text = " and ".join(self.terms(space, "")) or "True"
        return eval(f"lambda: {text}", space)  # type: ignore[no-any-return]

    def _settings_of_modules(self) -> list[Any]:
        """Return the plain attributes of all modules, and which parts each has."""
        found: list[Any] = []
        self.hooked = False
        for root in self._roots:
            for module in root.modules():
                own = vars(module)
                parts = [(name, own.get(name)) for name in module._members]
                plain = [
                    (name, _items(value) if isinstance(value, (list, tuple, dict)) else value)
                    for name, value in own.items()
                    if name[0] != "_" and name not in module._members and _is_watched(value)
                ]
                hooks = own.get("_hooks")
                count = 0 if hooks is None else len(hooks[0]) + len(hooks[1])
                self.hooked = self.hooked or count > 0
                found.append((module, parts, plain, count))
        return found


class _Place:
    """One place, and what was found there."""

    __slots__ = ("owner", "kind", "key", "called", "found")

    def __init__(self, owner: Any, kind: str, key: Any, called: str, found: Any) -> None:
        self.owner = owner
        self.kind = kind
        self.key = key
        self.called = called
        self.found = found

    def holds(self) -> bool:
        """Return whether an equal object is there now, and take it for the one to expect."""
        try:
            if self.kind == "=":
                return bool(self.owner[self.key] == self.found[self.key])
            if self.kind == "[]":
                now = self.owner[self.key]
            elif self.kind == "*":
                now = _items(self.owner)
            else:
                now = getattr(self.owner, self.kind[1:])
        except (LookupError, AttributeError, ValueError):
            return False
        if not _equal(now, self.found):
            return False
        if self.kind != "*" or not all(map(_is, now, self.found)):
            self.found = now
        return True


def _items(owner: Any) -> list[Any]:
    return list(owner.values() if isinstance(owner, dict) else owner)


def _is_watched(value: Any) -> bool:
    return isinstance(value, (*PLAIN, list, tuple, dict)) or callable(value)


def _equal(a: Any, b: Any) -> bool:
    """Return whether two things are the same object, or equal numbers or texts."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return isinstance(a, PLAIN) and bool(a == b)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function and the functions inside it may read."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _numbers(constants: Any) -> Iterator[float]:
    """Yield the numbers in the constants of a function and of those inside it."""
    for constant in constants:
        if isinstance(constant, (int, float)):
            yield constant
            yield -constant
        elif isinstance(constant, tuple):
            yield from _numbers(constant)
        elif isinstance(constant, CodeType):
            yield from _numbers(constant.co_consts)


def _is_users(what: Any) -> bool:
    """Return whether a function or class is the user's own."""
    while isinstance(what, partial):
        what = what.func
    module = getattr(what, "__module__", None) or ""
    return module.partition(".")[0] not in _FOREIGN


def _is_optimizer(value: Any) -> bool:
    return hasattr(value, "param_groups") and hasattr(value, "zero_grad")


def _is_scheduler(value: Any) -> bool:
    return hasattr(value, "step") and _is_optimizer(getattr(value, "optimizer", None))


def _place_of(stream: Any) -> Any:
    """Return where a stream of random numbers is."""
    if isinstance(stream, random.Random):
        return stream.getstate()
    return repr(stream.bit_generator.state)
