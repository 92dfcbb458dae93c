"""Machine code of loops, made by numba, and where it is kept for the next process.

The loops of a program are a module of their own, in a file of the cache directory that is named by
its contents; numba keeps machine code beside it. A damaged file is made anew, the oldest go when
there are too many, and a function that numba cannot compile runs as calls of NumPy.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .fusion import read_by

# Programs kept on disk; each takes some 100 kB.
MOST_KEPT = 500


def machine_code(program: Any) -> dict[str, Any]:
    """Return the functions of a `NumbaProgram`'s loops; those missing could not be compiled."""
    import numba

    if not program.loops:
        return {}
    module = _module(program)
    entries = {}
    started, found = perf_counter(), True
    for name, given, _ in program.loops:
        arrays = [_array_of(program.graph[i]) for i in given]
        function = getattr(module, name)
        try:
            compiled = _compiled(program, function, numba.void(numba.int64, *arrays))
        except Exception as error:  # whatever numba says: the program runs all the same
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            program.notes.append(f"numba cannot compile {name} ({reason}): NumPy runs it")
            continue
        # What the dispatcher would call after it has looked at the types, which are known here.
        (result,) = compiled.overloads.values()
        entries[name] = result.entry_point
        found = found and bool(compiled.stats.cache_hits)
        function.__globals__[name] = compiled  # for the loop around it
    program.loaded = module
    program.making = (perf_counter() - started, found)
    return entries


def machine_code_of_several(program: Any) -> Any:
    """Return the function of `several.loop_around`, or False where it cannot be compiled."""
    import numba

    graph = program.graph
    results = [n.index for n in graph.outputs]
    results += [n.grad for n in graph if n.op is None and n.grad is not None]
    rows = [numba.types.Array(numba.from_dtype(graph[i].dtype), 1, "C") for i in results]
    given = [_array_of(graph[i], 1) for i in (*program.arguments, *program.numbers)]
    signature = numba.void(numba.int64, numba.int64, *given, *rows)
    try:
        function = getattr(program.loaded, f"{program.name}_several")
        (result,) = _compiled(program, function, signature).overloads.values()
    except Exception:
        return False
    return result.entry_point


def _array_of(node: Any, wider: int = 0) -> Any:
    import numba

    return numba.types.Array(numba.from_dtype(node.dtype), len(node.shape) + wider, "C")


def _compiled(program: Any, function: Any, signature: Any) -> Any:
    """Return a function compiled, from disk where it can be."""
    from numba import njit
    from numba.core.errors import NumbaError

    for attempt in range(2):
        try:
            return njit(signature, cache=True, error_model="numpy")(function)
        except NumbaError:
            raise
        except Exception:  # nowhere to write; or of a damaged file, whatever unpickling says
            if attempt == 0:
                _forget(function)
    note = "machine code is not kept: there is no directory to write to"
    if note not in program.notes:
        program.notes.append(note)
    return njit(signature, error_model="numpy")(function)


def _forget(function: Any) -> None:
    """Remove what is kept of a function, and of those that it calls."""
    from . import loop_math

    for file in (function.__code__.co_filename, loop_math.__file__):
        path = Path(file)
        _remove(path.parent.glob(f"__pycache__/{path.stem}.*.nb?"))


def _remove(paths: Any) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


# --- files --------------------------------------------------------------------------------------


def cache_directory() -> Path:
    """Return where machine code is kept: $TINYGRAD_COURSE_CACHE, or the user's cache directory."""
    chosen = os.environ.get("TINYGRAD_COURSE_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tinygrad_course"


def _module(program: Any) -> Any:
    """Return the loops as a module that is imported from a file, which numba keeps code beside."""
    import numba

    from . import loop_math

    functions = Path(loop_math.__file__).read_bytes()
    versions = (numba.__version__, np.__version__, platform.python_version())
    key = hashlib.sha256(f"{versions}{program.module}".encode() + functions).hexdigest()[:24]
    name = f"tinygrad_course_step_{key}"
    try:
        path = _written(cache_directory(), f"step_{key}.py", program.module.encode())
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # kept machine code finds its module by name
        spec.loader.exec_module(module)
        return module
    except OSError as error:
        reason = f"{cache_directory()} cannot be written ({error.strerror or error})"
        program.notes.append(f"machine code is not kept: {reason}")
        space: dict[str, Any] = {"__name__": f"step_{key}"}
        exec(compile(program.module, f"<loops of {program.name}>", "exec"), space)
        made = {n: staticmethod(space[n]) for n in space if n.startswith(program.name)}
        return type("Loops", (), made)


def _written(directory: Path, name: str, text: bytes) -> Path:
    """Write a file unless it is there; other processes see all of it or nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    if path.exists() and path.read_bytes() == text:
        return path
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".tmp", delete=False) as file:
        file.write(text)
    try:
        os.replace(file.name, path)
    except OSError:
        _remove([Path(file.name)])
        raise
    _make_room(directory)
    return path


def _make_room(directory: Path) -> None:
    """Remove the oldest programs when there are too many."""
    kept = []
    for path in directory.glob("step_*.py"):
        with contextlib.suppress(OSError):  # another process removed it
            kept.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(kept)[: max(len(kept) - MOST_KEPT, 0)]:
        _remove([path, *directory.glob(f"__pycache__/{path.stem}.*")])


# --- without machine code -----------------------------------------------------------------------


def in_numpy(program: Any, piece: list[int], given: list[int], space: Any) -> Callable[..., None]:
    """Return what a function of loops does, as calls of NumPy on the same memory.

    Args:
        program: a `NumbaProgram`.
        piece: the groups of the function.
        given: the arguments that it takes, behind the address of the table.
        space: the arrays of the program, by name.
    """
    graph, fusion, names = program.graph, program.fusion, program.names

    def found(i: int, values: dict[int, Any]) -> Any:
        if i in values:
            return values[i]
        node = graph[i]
        if fusion.kinds[i] == "number":
            return node.value
        if fusion.kinds[i] == "view" and fusion.root(i) != i:
            return computed(node, values)
        return space[names[i]]

    def computed(node: Any, values: dict[int, Any]) -> Any:
        read = read_by(node)
        operands = [
            found(i, values) if i in read else np.broadcast_to(np.int8(0), graph[i].shape)
            for i in node.inputs
        ]
        return node.op.forward(*operands, **node.params)

    def run(table: int, *arguments: Any) -> None:
        values = dict(zip(given, arguments, strict=True))
        with np.errstate(all="ignore"):
            for g in piece:
                group = fusion.groups[g]
                for i in group.nodes:
                    values[i] = computed(graph[i], values)
                # A state is overwritten when all of the group have read it.
                for i in group.nodes:
                    if program.is_stored(i):
                        np.copyto(space[names[i]], values.pop(i), "unsafe")

    return run


__all__ = ["cache_directory", "in_numpy", "machine_code", "machine_code_of_several"]
