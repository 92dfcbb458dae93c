"""What a function reads, as its code says: variables, attributes, numbers.

A compiled program holds while what its function reads is as it was (see `guards`). What a function
can read at all is in its code: names of variables and attributes, and the texts that may name them.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from types import CodeType
from typing import Any, NamedTuple

# Of what these packages define, nothing is a variable of the user's.
_FOREIGN = frozenset({*sys.stdlib_module_names, "numpy", "scipy", "tinygrad_course"})
_INSTALLED = ("site-packages", "dist-packages")
# Whoever uses these may read attributes that are not named in the code.
_ANY_ATTRIBUTE = frozenset(
    "getattr setattr vars eval exec __dict__ __getattribute__ attrgetter methodcaller asdict "
    "astuple replace copy deepcopy".split()
)
_OF_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR")


class Reads(NamedTuple):
    """What a function, with those inside it, may read.

    Attributes:
        variables: names of global variables.
        attributes: names of attributes, and all texts.
        numbers: the numbers that stand in it, and their opposites.
        modules: what it imports.
        any_attribute: True when it may read attributes that it does not name.
    """

    variables: frozenset[str]
    attributes: frozenset[str]
    numbers: frozenset[float]
    modules: frozenset[str]
    any_attribute: bool


@lru_cache(maxsize=1024)
def reads_of(code: CodeType) -> Reads:
    """Return what a function may read."""
    variables: set[str] = set()
    attributes: set[str] = set()
    numbers: set[float] = set()
    modules: set[str] = set()
    for inner in _codes(code):
        for instruction in dis.get_instructions(inner):
            name = instruction.argval
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                variables.add(name)
            elif instruction.opname in _OF_ATTRIBUTES:
                attributes.add(name)
            elif instruction.opname == "IMPORT_NAME":
                modules.add(name)
            elif instruction.opname == "IMPORT_FROM":
                attributes.add(name)
        for value in _flat(inner.co_consts):
            if isinstance(value, str):
                attributes.add(value)
            elif isinstance(value, (int, float)):
                numbers |= {value, -value}
    return Reads(
        frozenset(variables),
        frozenset(attributes),
        frozenset(numbers),
        frozenset(modules),
        not _ANY_ATTRIBUTE.isdisjoint(variables | attributes),
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _flat(constants: Any) -> Iterator[Any]:
    for constant in constants:
        if isinstance(constant, (tuple, frozenset)):
            yield from _flat(constant)
        else:
            yield constant


def is_users(what: Any) -> bool:
    """Return whether a function, class or module is the user's own."""
    while isinstance(what, partial):
        what = what.func
    name = getattr(what, "__module__", None) or getattr(what, "__name__", None) or ""
    return _is_users_module(name.partition(".")[0])


@lru_cache(maxsize=1024)
def _is_users_module(root: str) -> bool:
    if root in _FOREIGN:
        return False
    path = getattr(sys.modules.get(root), "__file__", None) or ""
    return not any(folder in path for folder in _INSTALLED)
