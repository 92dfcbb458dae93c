"""Calling what a learner wrote: arguments found by name, and never a traceback of ours.

`Supply` knows the right values by the names that courses give to arguments, `call` passes copies of
them, and turns whatever goes wrong into a sentence with the learner's own line in it.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import io
import linecache
import textwrap
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Other names of arguments, in small letters -> ours.
ALIASES = {
    "x": "X", "a0": "X", "inputs": "X", "x_train": "X", "y": "Y", "labels": "Y", "targets": "Y",
    "y_train": "Y", "y_true": "Y", "params": "parameters", "weights": "parameters", "al": "AL",
    "a_l": "AL", "yhat": "AL", "y_hat": "AL", "a_out": "AL", "y_pred": "AL",
}  # fmt: skip


@dataclass
class Outcome:
    """What a call gave.

    Attributes:
        values: the results by name.
        returned: what the function returned, as it is.
        failure: why there are none, in a sentence; or "".
        notes: sentences worth reading.
    """

    values: dict[str, Any] = field(default_factory=dict)
    returned: Any = None
    failure: str = ""
    notes: list[str] = field(default_factory=list)


class Supply:
    """Right values for a learner's functions, by name.

    Args:
        values: arrays and numbers by our names.
        parameters: names of the parameters among them.
        extra: the caller's own, such as ``lambd``, which come first.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        parameters: Sequence[str],
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.values = dict(values)
        self.parameters = list(parameters)
        self.extra = dict(extra or {})

    def find(self, name: str, function: Callable[..., Any]) -> tuple[bool, Any]:
        """Return whether an argument of this name can be supplied, and its value."""
        if name in self.extra:
            return True, self.extra[name]
        ours = name if name in self.values else ALIASES.get(name.lower(), name)
        if ours in self.values:
            return True, self.values[ours]
        if ours == "parameters":
            return True, {n: self.values[n] for n in self.parameters}
        if ours == "cache":
            return True, self.cache(function)
        lower = {n.lower(): n for n in reversed(list(self.values))}
        found = lower.get(name.lower().replace("_", ""))
        return (True, self.values[found]) if found is not None else (False, None)

    def cache(self, function: Callable[..., Any]) -> Any:
        """Return the forward pass as the function takes it: a tuple it unpacks, or a dictionary."""
        names = unpacked(function, "cache")
        if names and all(n in self.everything for n in names):
            return tuple(self.everything[n] for n in names)
        return dict(self.everything)

    @property
    def everything(self) -> dict[str, Any]:
        """All values, the caller's own first."""
        return {**self.values, **self.extra}


def call(function: Callable[..., Any], arguments: Mapping[str, Any], name: str = "") -> Outcome:
    """Call a learner's function on copies of its arguments."""
    name = name or name_of(function)
    given = {key: copy.deepcopy(value) for key, value in arguments.items()}
    before = copy.deepcopy(given)
    try:
        with quietly():
            returned = function(*given.values())
    except (Exception, SystemExit) as error:
        return Outcome(failure=sentence_on(error, name))
    outcome = Outcome(named(returned, function), returned)
    changed = [key for key in given if not _same(given[key], before[key])]
    if changed:
        outcome.notes.append(
            f"{name} changes its argument {' and '.join(changed)} in place: work on a copy."
        )
    if returned is None:
        outcome.failure = f"{name} returned None: is its return statement missing?"
    return outcome


def supplied(
    function: Callable[..., Any], supply: Supply, name: str = ""
) -> tuple[dict[str, Any], str]:
    """Return the arguments of a learner's function; or why they cannot be found, in a sentence."""
    name = name or name_of(function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}, f"{name} has no signature that can be read: wrap it in a function of your own."
    found: dict[str, Any] = {}
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for parameter in signature.parameters.values():
        if parameter.kind not in plain:
            continue
        known, value = supply.find(parameter.name, function)
        if known:
            found[parameter.name] = value
        elif parameter.default is inspect.Parameter.empty:
            some = ", ".join(list(supply.everything)[:12])
            return {}, (
                f"{name}{signature} wants {parameter.name!r}, which is not known here. Known are "
                f"parameters, cache, {some} …; pass others as "
                f"inputs={{{parameter.name!r}: …}}."
            )
        else:
            break  # what follows has a default, and is passed by place
    return found, ""


@contextlib.contextmanager
def quietly() -> Any:
    """Keep a learner's prints and warnings to themselves."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


def sentence_on(error: BaseException, name: str) -> str:
    """Return what went wrong in a learner's code, with the line where it did."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = ""
    if frames:
        own = [f for f in frames if "site-packages" not in f.filename] or frames
        last = own[-1]
        line = (last.line or linecache.getline(last.filename, last.lineno or 0)).strip()
        where = f" in line {last.lineno}" + (f", `{line}`" if line else "")
    return f"{name} raised {what}{where}."


def name_of(function: Any) -> str:
    """Return what to call a learner's function."""
    name = str(getattr(function, "__name__", type(function).__name__))
    return "your function" if name == "<lambda>" else name


def _same(a: Any, b: Any) -> bool:
    """Return True for equal arrays, and dictionaries and tuples of them."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return True


# --- reading source -------------------------------------------------------------------------------


def _tree(function: Any) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def unpacked(function: Any, argument: str) -> list[str]:
    """Return the names that a function unpacks an argument into: ``(Z1, A1) = cache``."""
    tree = _tree(function)
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name):
            continue
        target = node.targets[0]
        if node.value.id == argument and isinstance(target, (ast.Tuple, ast.List)):
            return [e.id if isinstance(e, ast.Name) else "" for e in target.elts]
    return []


def _returned(function: Any) -> list[str]:
    """Return the names in the last return statement of a function."""
    tree = _tree(function)
    found: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Return) and node.value is not None:
            value = node.value
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            found = [_name_in(p) for p in parts]
    return found


def _name_in(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def named(returned: Any, function: Any = None) -> dict[str, Any]:
    """Return results by name: of dictionaries by their keys, else by the return statement."""
    found: dict[str, Any] = {}
    parts = list(returned) if isinstance(returned, tuple) else [returned]
    names = _returned(function) if function is not None else []
    if len(names) != len(parts):
        names = [""] * len(parts)
    for name, part in zip(names, parts, strict=True):
        if isinstance(part, Mapping):
            found.update(flattened(part))
        elif name:
            found[name] = part
    return found


def flattened(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a dictionary with the entries of dictionaries in it as its own."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update({k: v for k, v in flattened(value).items() if k not in found})
        else:
            found[str(key)] = value
    return found
