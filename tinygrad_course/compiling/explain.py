"""What was made of a function, in sentences."""

from __future__ import annotations

from collections import Counter
from typing import Any

from . import fusion
from .parts import NEW, Part, View


def described(program: Any) -> list[str]:
    """Return in a few lines what a program runs, its memory, and what no loop does.

    Args:
        program: a `NumpyProgram` or a `NumbaProgram`.
    """
    view = View(program)
    parts = view.parts()
    notes = [n for n in getattr(program, "notes", ()) if not n.startswith("left to NumPy")]
    lines = _fused(view, parts) if view.is_fused else _calls(view, parts)
    written = [view.name(s) for s, v in view.graph.updates if view.into.get(v) == s]
    if written:
        lines.append(f"written in place: {', '.join(_brief(written))}")
    made = sum(place == NEW for place in view.places.values())
    if made:
        verb = "makes" if made == 1 else "make"
        lines.append(f"{_count(made, 'operation')} {verb} a new array in each call")
    return [*lines, *notes]


def _calls(view: View, parts: list[Part]) -> list[str]:
    plan = view.program.plan
    return [
        f"backend numpy: {_count(len(parts), 'call')}",
        f"memory: {plan.planned:,} bytes planned in {_count(len(plan.sizes), 'buffer')}, "
        f"{plan.naive:,} with an array for every value",
    ]


def _fused(view: View, parts: list[Part]) -> list[str]:
    program = view.program
    loops = [part for part in parts if part.kind == "loop"]
    calls = len(parts) - len(loops)
    fused = sum(len(part.nodes) for part in loops)
    functions = len(program.loops)
    groups = [f"{_count(fused, 'operation')} in {_count(len(loops), 'loop')}"] if loops else []
    if calls:
        groups.append(f"{_count(calls, 'call')} of NumPy")
    lines = [f"backend numba: {_count(len(parts), 'group')}: {' and '.join(groups)}"]
    if loops:
        seconds, found = program.making
        how = f"{_count(functions, 'compiled function')}"
        if seconds:
            how += f", {'loaded from the cache' if found else 'compiled'} in {seconds:.2g} s"
        lines.append(f"machine code: {how}")
    lines.append(
        f"memory: {program.planned:,} bytes planned, {program.naive:,} with an array for every "
        "value"
    )
    return lines + _left(view, parts)


def _left(view: View, parts: list[Part]) -> list[str]:
    """Return what is left to NumPy, and why."""
    nodes = [view.graph[part.nodes[0]] for part in parts if part.kind == "call" and part.nodes]
    names = [node.op.name for node in nodes if node.op is not None]
    lines = []
    products = names.count("matrix_product")
    if products:
        lines.append(
            f"left to NumPy: {_count(products, 'matrix product')}; in a loop are those of up to "
            f"{fusion.SMALL_PRODUCT:,} multiplications"
        )
    others = Counter(name for name in names if name != "matrix_product")
    if others:
        listed = ", ".join(f"{k} × {name}" if k > 1 else name for name, k in others.items())
        lines.append(f"left to NumPy: {listed}; it has no form in a loop")
    copies = sum(not part.nodes for part in parts)
    if copies:
        lines.append(f"left to NumPy: {_count(copies, 'copy', 'copies')} into what is kept")
    return lines


def _brief(names: list[str], most: int = 8) -> list[str]:
    return names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]


def _count(number: int, what: str, many: str = "") -> str:
    return f"{number:,} {what if number == 1 else many or what + 's'}"


__all__ = ["described"]
