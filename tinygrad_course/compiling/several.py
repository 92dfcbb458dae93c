"""Many calls of a program in one: an epoch over batches, without a turn to Python for each.

A program that consists of loops alone is run by a loop around it, compiled with it; of any other
program, what a call has to look at before and after is looked at once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ops.join import stack
from ..tensor import Tensor
from .effects import meets, owner


def can_repeat(made: Any, stacks: Sequence[Any]) -> bool:
    """Return whether the calls of a `Specialised` leave nothing behind but states and results."""
    aside = made.owners_of_grads or made.wrt or made.deposits or made.same or made.wanted
    if aside or made.pins or not _is_stackable(made.structure):
        return False
    if not meets(made.required, stacks):
        return False
    return not any(id(owner(array)) in made.owners for array in stacks)


def stacked(results: list[Any]) -> Any:
    """Return the results of calls as one, of the same structure."""
    first = results[0]
    if isinstance(first, Tensor):
        return stack(results)
    if isinstance(first, (list, tuple)):
        parts = [stacked(list(part)) for part in zip(*results, strict=True)]
        return type(first)(parts) if type(first) in (list, tuple) else type(first)(*parts)
    if isinstance(first, dict):
        return {key: stacked([r[key] for r in results]) for key in first}
    return first if all(r is first for r in results) else results


def _is_stackable(structure: Any) -> bool:
    if isinstance(structure, (list, tuple)):
        return all(_is_stackable(part) for part in structure)
    if isinstance(structure, dict):
        return all(_is_stackable(part) for part in structure.values())
    return structure is None or isinstance(structure, Tensor)


def repeat(made: Any, stacks: Sequence[Any], count: int) -> Any:
    """Run a program `count` times, on the slices of arrays; return the results, stacked.

    Args:
        made: a `Specialised` that holds for the first slices, and for which `can_repeat`.
        stacks: an array for each argument, with one more axis, the first.
        count: its length.
    """
    made.count_calls(count)
    arrays = [stacks[k] for k in made.places]
    graph = made.program.graph
    results = [np.empty((count, *n.shape), n.dtype) for n in graph.outputs[: made.count]]
    # What is read anew in each call depends on the counts alone, which go on in each call.
    anew = {x: np.empty((count, *x._data.shape), x._data.dtype) for x, _ in made.refresh}
    for k in range(count):
        for x, read in made.refresh:
            anew[x][k] = read()
        for commit in made.commits:
            commit()
    run = _compiled(made, arrays, anew, results) or _loop(made, arrays, anew, results)
    if made.quiet is None:
        run(count)
    else:
        made.quiet.run(run, count)
    made.written_now()
    return made._rebuilt(made.structure, iter(enumerate(results)), ())


def _loop(
    made: Any, arrays: list[Any], anew: dict[Any, Any], results: list[Any]
) -> Callable[[int], None]:
    """Return a function that calls the program for one slice after another."""
    call = made.call

    def run(count: int) -> None:
        for k in range(count):
            for x, values in anew.items():
                x._data[...] = values[k]
            found = call(*[array[k, ...] for array in arrays])
            for result, value in zip(results, found or (), strict=False):
                result[k] = value

    return run


def _compiled(
    made: Any, arrays: list[Any], anew: dict[Any, Any], results: list[Any]
) -> Callable[[int], None] | None:
    """Return a function that runs the loop around a program of loops, or None for others."""
    program = made.program
    entry = program.several() if hasattr(program, "several") else None
    states = {made.states.get(i): i for i in program.numbers} if entry else {}
    if entry is None or None in states or not anew.keys() <= states.keys():
        return None

    def run(count: int) -> None:
        given = [np.ascontiguousarray(array) for array in arrays]
        for x in states:
            values = anew.get(x)
            given.append(x._data.reshape(1).copy() if values is None else values)
        entry(program.table, count, *given, *[r.reshape(-1) for r in results])

    return run


# --- the text -----------------------------------------------------------------------------------


def loop_around(program: Any) -> str:
    """Return the text of a function that runs a numba program several times, or nothing.

    It takes the arguments with one more axis, the numbers among the states in rows, and rows for
    the results.
    """
    graph = program.graph
    results = [n.index for n in graph.outputs]
    results += [n.grad for n in graph if n.op is None and n.grad is not None]
    if not program.is_loops_alone() or not all(program.lies_in_order(i) for i in results):
        return ""
    if any(not graph[i].shape for i in program.arguments):
        return ""
    parameters = [f"{program.names[i]}_all" for i in program.arguments]
    lines = []
    for i in program.numbers:
        parameters.append(f"{program.names[i]}_all")
        # What is not read anew is there already, and may be what the call before left.
        lines.append(f"if k < {parameters[-1]}.size:")
        lines.append(f"    {program.memory_of(i)}[0] = {parameters[-1]}[k]")
    for name, given, _ in program.loops:
        passed = "".join(f", {program.names[i]}_all[k]" for i in given)
        lines.append(f"{name}(table{passed})")
    for k, i in enumerate(results):
        size = graph[i].size
        parameters.append(f"result_{k}")
        lines.append(f"value = {program.memory_of(i)}")
        lines.append(f"for i in range({size}):")
        lines.append(f"    result_{k}[k * {size} + i] = value[i]")
    body = "\n".join(f"        {line}" for line in lines)
    head = f"def {program.name}_several(table, count, {', '.join(parameters)}):"
    return f"\n\n{head}\n    for k in range(count):\n{body}\n"
