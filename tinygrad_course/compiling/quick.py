"""The shortest way through a call of a compiled function, written out as source.

A step on a small network takes a few microseconds, as long as a handful of Python calls. What has
to be looked at before a program runs, and done after it, is therefore written as one function for
each program: are these the shapes, is all it takes for granted as it was; run; note what changed.
Where it does not fit, the function returns `MISSED`, and `Specialised` decides at leisure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..node import last_write, module_changes, tick
from ..tensor import Tensor, wrap
from .effects import has_history

MISSED: Any = object()
SCALARS = (np.float32, np.float64)


def quick(made: Any) -> Callable[[tuple[Any, ...]], Any] | None:
    """Return the function for a `Specialised`, or None where arguments are looked for in lists."""
    if made.owners_of_grads or made.wrt:
        return None
    space: dict[str, Any] = {
        "Tensor": Tensor,
        "ndarray": np.ndarray,
        "MISSED": MISSED,
        "GONE": (LookupError, AttributeError, ValueError),
        "SCALARS": SCALARS,
        "array": np.array,
        "has_history": has_history,
        "wrap": wrap,
        "call": made.call,
        "tick": tick,
        "last_write": last_write,
        "changes": module_changes,
        "guards": made.guards,
        "owners": made.owners,
        "reachable": made.reachable,
        "rebuilt": made._rebuilt,
        "structure": made.structure,
        "id": id,
        "type": type,
    }
    terms = _arguments(made, space)
    if terms is None:
        return None
    terms.append("changes[0] == guards.seen")
    terms += made.guards.terms(space, "g") + made.bound.terms(space, "b")
    count = len(made.held)
    names = "".join(f"x{k}, " for k in range(count))
    lines = [f"if len(args) != {count}: return MISSED"]
    if count:
        lines.append(f"{names}= args")
    # What is looked at may be gone: a key of a dictionary, a global variable.
    lines.append(f"try: holds = {' and '.join(terms)}")
    lines.append("except GONE: return MISSED")
    lines.append("if not holds: return MISSED")
    lines += _steps(made, space)
    body = "\n    ".join(lines)
    exec(f"def run(args):\n    {body}\n", space)
    return space["run"]  # type: ignore[no-any-return]


def _arguments(made: Any, space: dict[str, Any]) -> list[str] | None:
    """Return what must hold of the arguments."""
    terms: list[str] = []
    pins = {id(x) for _, x in made.pins}
    tensors = []
    for k, x in enumerate(made.held):
        space[f"v{k}"] = x
        if isinstance(x, Tensor) and id(x) not in pins:
            if type(x) is not Tensor:
                return None
            tensors.append(k)
            space[f"s{k}"], space[f"t{k}"] = x._data.shape, x._data.dtype
            if x._requires_grad:
                terms.append(f"has_history(x{k}) is {has_history(x)}")
            terms.append(
                f"type(x{k}) is Tensor and x{k}._data.shape == s{k} and x{k}._data.dtype is t{k} "
                f"and x{k}._requires_grad is {x._requires_grad} and x{k} not in reachable "
                f"and (x{k}._view is None or not x{k}._view.base._requires_grad)"
            )
        elif isinstance(x, np.ndarray):
            space[f"s{k}"], space[f"t{k}"] = x.shape, x.dtype
            terms.append(f"type(x{k}) is ndarray and x{k}.shape == s{k} and x{k}.dtype is t{k}")
        elif isinstance(x, (list, dict, np.floating)) or isinstance(x, tuple):
            return None
        else:
            terms.append(f"x{k} is v{k}")
    for i, a in enumerate(tensors):
        if any(made.held[a] is made.held[b] for b in tensors[:i]):
            return None
        terms += [f"x{a} is not x{b}" for b in tensors[:i]]
    at = _places(made)
    for j, (place, fulfils) in enumerate(made.required):
        k = at[place]
        space[f"fulfils{j}"] = fulfils
        terms.append(f"fulfils{j}(x{k}{'._data' if isinstance(made.held[k], Tensor) else ''})")
    return terms


def _places(made: Any) -> list[int]:
    """Return the places among the arguments of those that are tensors and arrays."""
    return [k for k, x in enumerate(made.held) if isinstance(x, (Tensor, np.ndarray))]


def _steps(made: Any, space: dict[str, Any]) -> list[str]:
    """Return the lines that run the program, and what comes before and after it."""
    lines = []
    at = _places(made)
    arrays = []
    for place in made.places:
        k = at[place]
        arrays.append(f"x{k}._data" if isinstance(made.held[k], Tensor) else f"x{k}")
    if made.owners and arrays:
        for j, array in enumerate(arrays):
            lines.append(f"a{j} = {array}; base = a{j}.base")
            lines.append(f"if id(a{j} if base is None else base) in owners: return MISSED")
        arrays = [f"a{j}" for j in range(len(arrays))]
    if made.left:
        space["left"] = made.left
        lines += ["if left[0] <= 0: return MISSED", "left[0] -= 1"]
    for j, (x, read) in enumerate(made.refresh):
        space[f"r{j}"], space[f"read{j}"] = x._data, read
        lines.append(f"r{j}[...] = read{j}()")
    called = ["call", *arrays]
    if made.quiet is not None:
        space["quietly"] = made.quiet.run
        lines.append(f"values = quietly({', '.join(called)})")
    else:
        lines.append(f"values = call({', '.join(arrays)})")
    if made.cells:
        lines.append("now = last_write[0] = tick()")
        # One cell may be shared by many: all moments of an optimizer.
        for j, cell in enumerate({id(cell): cell for cell in made.cells}.values()):
            space[f"c{j}"] = cell
            lines.append(f"c{j}[0] = now")
    for j, commit in enumerate(made.commits):
        space[f"commit{j}"] = commit
        lines.append(f"commit{j}()")
    for j, x in enumerate(dict.fromkeys([*made.inside, *made.clears])):
        space[f"p{j}"] = x
        lines.append(f"p{j}.grad = None")
    if made.deposits:
        space["deposit"] = made._deposit
        lines.append(f"deposit(values[{made.count}:])")
    if isinstance(made.structure, Tensor) and not (made.same or made.wanted):
        lines.append("y = values[0]")
        lines.append("return wrap(y if type(y) in SCALARS else array(y))")
    elif made.structure is None:
        lines.append("return None")
    else:
        space["enumerate"] = enumerate
        lines.append("return rebuilt(structure, enumerate(values), args)")
    return lines
