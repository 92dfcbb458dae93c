"""What a compiled program takes for granted, looked at before each run.

A program is recorded once, from one call. It holds for other calls only while what the function
reads besides its arguments is the same: the variables of its closure, the options of an optimizer,
the mode of a model, which array a parameter has. `Guards` collects these as pairs of a place and
the object that was found there. All places are compared by identity in one expression; where an
object was replaced by an equal number or text, the program still holds.
"""

from __future__ import annotations

import io
import operator
import random
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import chain
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..arrays import _default_dtype
from ..node import module_changes
from ..random import Generator
from ..tensor import Tensor
from .reads import is_users, reads_of

_is = operator.is_
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)
CONTAINERS = (list, tuple, dict, set, frozenset, deque)
# What lies deeper in lists of lists is not looked at; a function that reads it is no program.
_DEEP = 50
# Arrays of more bytes are not compared in each call.
_LARGE = 1 << 20
# What runs when an object is made, not when it is used.
_MAKING = frozenset(("__init__", "__new__", "__post_init__"))
# What a module keeps about itself; its mode is among its settings.
_OF_MODULES = frozenset(("_members", "_hooks", "_structure", "_layer"))
# Of the package's own objects these may change between calls.
_CHANGING = ("tinygrad_course.optim", "tinygrad_course.train", "tinygrad_course.data")


class Guards:
    """Places and what was found there.

    Attributes:
        failed: what has changed, in words, after `hold` returned False.
        modules: the modules found, with those inside them.
        tensors: the tensors found, in modules and elsewhere.
        arrays: the NumPy arrays found.
        generators: the `Generator`s found.
        numbers: the numbers that stand in the functions' code.
        iterators: the names of what gives something else each time it is asked.
        unseen: what it would take too long to look at.
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
        self.iterators: list[str] = []
        self.unseen = ""
        self.hooked = False
        self._places: list[_Place] = []
        self._seen: dict[int, Any] = {}
        self._functions: set[Any] = set()
        self._streams: list[tuple[Any, Any]] = []
        self._roots: list[Any] = []
        # Attributes that the functions name, and the dictionaries of attributes that were found.
        self._named: set[str] = set()
        self._any_attribute = False
        self._spaces: dict[tuple[int, str], tuple[Any, Any, str]] = {}
        self._watched: set[tuple[int, str]] = set()
        self._optimizers: list[Any] = []
        self.seen = -1
        self.version = 0
        self._snapshot: Any = [0]  # no hooks, no modules
        self._holds: Callable[[], bool] | None = None
        self.item(_default_dtype, 0, "the default dtype")

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
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # assigned later
                continue
            self.attribute(cell, "cell_contents", name)
            self.value(value, name)
        for value in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self.value(value, "a default")
        if is_users(f):
            self._code(f)

    def _code(self, f: FunctionType) -> None:
        reads = reads_of(f.__code__)
        self.numbers |= reads.numbers
        self._named |= reads.attributes
        self._any_attribute |= reads.any_attribute
        for name in sorted(reads.variables):
            if name in f.__globals__:
                self.item(f.__globals__, name, name)
                self.value(f.__globals__[name], name)
        for name in sorted(reads.modules):
            self.value(sys.modules.get(name), name)

    def value(self, value: Any, called: str, deep: int = 0) -> None:
        """Look into something that a function reads."""
        if isinstance(value, PLAIN) or self._is_known(value):
            return
        if isinstance(value, Tensor):
            self.tensors[value] = called
        elif isinstance(value, np.ndarray):
            self.arrays.append(value)
            if value.nbytes > _LARGE:
                self.unseen = f"{called}, a large NumPy array; make it a tensor"
            else:
                self._places.append(_Place(value, "array", None, called, value.copy()))
        elif hasattr(value, "named_parameters") and hasattr(value, "_members"):
            self.module(value)
        elif _is_optimizer(value):
            self._optimizers.append(value)
            self._tensors_of(value)
        elif isinstance(value, Generator):
            self.generators.append(value)
        elif isinstance(value, (np.random.Generator, random.Random)):
            self._streams.append((value, _place_of(value)))
        elif isinstance(value, CONTAINERS):
            if not isinstance(value, (tuple, frozenset)):
                self.contents(value, called)
            if deep == _DEEP:
                self.unseen = f"{called}, which lies too deep in lists"
                return
            for part in _parts(value):
                self.value(part, called, deep + 1)
        else:
            self._code_or_object(value, called)

    def _code_or_object(self, value: Any, called: str) -> None:
        if isinstance(value, (FunctionType, MethodType, partial)):
            self.function(value, called)
        elif isinstance(value, (staticmethod, classmethod)):
            self.value(value.__func__, called)
        elif isinstance(value, property):
            self.value((value.fget, value.fset), called)
        elif isinstance(value, ModuleType):
            if is_users(value):
                self._space(vars(value), value, called, "module")
        elif isinstance(value, type):
            self._class(value, True)
        elif hasattr(value, "__next__"):
            if not isinstance(value, io.IOBase):
                self.iterators.append(called)
        elif hasattr(value, "f") and type(value).__name__ == "Compiled":
            self.function(value.f, called)
        elif hasattr(value, "__wrapped__"):
            self.function(value.__wrapped__, called)
        else:
            self._object(value, called)

    def _object(self, value: Any, called: str) -> None:
        """Look at the attributes of an object, and at what its class defines."""
        kind = type(value)
        own = hasattr(value, "__dict__")
        if kind.__module__.startswith("tinygrad_course"):
            if own and kind.__module__.startswith(_CHANGING):
                self.value(vars(value), called)
            return
        self._class(kind)
        if own:
            self._space(vars(value), value, called, "object")
        for base in kind.__mro__ if is_users(kind) else ():
            for name, slot in vars(base).items():
                if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                    self.attribute(value, name, f"{called}.{name}")
                    self.value(getattr(value, name), f"{called}.{name}")

    def _class(self, kind: type, made: bool = False) -> None:
        """Look at what a class of the user's defines; `made` if objects of it may be made."""
        for base in kind.__mro__:
            if is_users(base):
                self._space(vars(base), base, base.__name__, "made" if made else "class")

    def _space(self, space: Any, owner: Any, called: str, kind: str) -> None:
        """Note a place of attributes, of which those are looked at that the functions name."""
        if (id(owner), kind) not in self._spaces:
            self._spaces[id(owner), kind] = space, owner, called
            if kind != "module":
                self._places.append(_Place(space, "len", None, called, len(space)))

    def settle(self) -> None:
        """Look at those attributes of what was found that the functions name."""
        before = (-1, 0)
        while before != (len(self._named), len(self._spaces)):
            before = len(self._named), len(self._spaces)
            for (key, kind), (space, _, called) in list(self._spaces.items()):
                for name in list(space):
                    if (key, name) not in self._watched and self._is_read(name, kind):
                        self._watched.add((key, name))
                        self.item(space, name, f"{called}.{name}")
                        self.value(space[name], f"{called}.{name}")
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for option in self._named.intersection(group):
                    self.item(group, option, f"{option} of {type(optimizer).__name__}")
        self._snapshot = self._settings_of_modules()

    def _is_read(self, name: str, kind: str) -> bool:
        if name in _MAKING:
            return kind == "made"
        if name in self._named or (kind != "module" and self._any_attribute):
            return True
        return kind in ("class", "made") and name[:2] == "__"

    def module(self, module: Any) -> None:
        """Look at a module and all inside it: mode, settings, parts, hooks."""
        self._roots.append(module)
        for part in module.modules():
            self.modules[part] = None
            self.generators += [g for g in vars(part).values() if isinstance(g, Generator)]
            for _, x in part._own("parameter", "buffer", "temporary buffer"):
                self.tensors.setdefault(x, x.name or "")
            self._class(type(part))
            for name, value in _settings(part):
                self.value(value, f"{type(part).__name__}.{name}")
        self._named.add("forward")

    def names(self, attribute: str) -> bool:
        """Return whether the functions name an attribute."""
        return attribute in self._named

    def optimizer(self, optimizer: Any) -> None:
        """Look at the options of an optimizer, the learning rate excepted, and at its state."""
        kind = type(optimizer).__name__
        self.attribute(optimizer, "state", f"the state of {kind}")
        self.attribute(optimizer, "param_groups", f"the groups of {kind}")
        self.contents(optimizer.param_groups, f"the groups of {kind}")
        counted: dict[int, Any] = {}
        for group in optimizer.param_groups:
            for key in group:
                if key not in ("lr", "initial_lr") or key in self._named:
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
        self._class(type(optimizer))
        if is_users(type(optimizer)):
            self._space(vars(optimizer), optimizer, kind, "object")
        self.settle()
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
            if self.seen == module_changes[0] and self._holds():
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
            self.failed = "a module: its mode, its settings, its parts or hooks"
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
        space.update(all=all, map=map, same=_is, len=len, chain=chain, equal=_same_values)
        terms = []
        for k, place in enumerate(self._places):
            o, v, key = f"{mark}o{k}", f"{mark}v{k}", f"{mark}k{k}"
            space[o], space[v], space[key] = place.owner, place.found, place.key
            if place.kind == "=":
                terms.append(f"{o}[{key}] == {v}[{key}]")
            elif place.kind == "[]":
                terms.append(f"{o}[{key}] is {v}")
            elif place.kind == "array":
                terms.append(f"equal({o}, {v})")
            elif place.kind == "len":
                terms.append(f"len({o}) == {place.found}")
            elif place.kind == "*":
                is_dict = isinstance(place.owner, dict)
                items, count = (f"chain({o}, {o}.values())", 2) if is_dict else (o, 1)
                size = len(place.found) // count
                terms.append(f"len({o}) == {size} and all(map(same, {items}, {v}))")
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
        """Return the plain attributes of all modules, which parts each has, and hooks."""
        found: list[Any] = [sum(len(x._hooks) for x in self.tensors if x._hooks)]
        self.hooked = found[0] > 0
        for root in self._roots:
            for module in root.modules():
                own = vars(module)
                parts = [(name, own.get(name)) for name in module._members]
                plain = _settings(module)
                hooks = own.get("_hooks")
                count = 0 if hooks is None else sum(map(len, hooks))
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
            if self.kind == "array":
                return _same_values(self.owner, self.found)
            if self.kind == "[]":
                now = self.owner[self.key]
            elif self.kind == "*":
                now = _items(self.owner)
            elif self.kind == "len":
                now = len(self.owner)
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
    """Return the parts of a list, or the keys and values of a dictionary."""
    return [*owner, *owner.values()] if isinstance(owner, dict) else list(owner)


def _parts(owner: Any) -> list[Any]:
    return list(owner.values() if isinstance(owner, dict) else owner)


def _settings(module: Any) -> list[tuple[str, Any]]:
    """Return the attributes of a module that are none of its parts."""
    private = is_users(type(module))
    return [
        (name, value)
        for name, value in vars(module).items()
        if name not in module._members and name not in _OF_MODULES and (private or name[0] != "_")
    ]


def _equal(a: Any, b: Any) -> bool:
    """Return whether two things are the same object, or equal numbers or texts."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return isinstance(a, PLAIN) and bool(a == b)


def _same_values(a: Any, b: Any) -> bool:
    """Return whether two arrays are the same to the bit."""
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


def _is_optimizer(value: Any) -> bool:
    return hasattr(value, "param_groups") and hasattr(value, "zero_grad")


def _place_of(stream: Any) -> Any:
    """Return where a stream of random numbers is."""
    if isinstance(stream, random.Random):
        return stream.getstate()
    return repr(stream.bit_generator.state)
