"""Which backend pays.

Machine code has to be compiled first; it repays that after some number of calls. The number is
computed from the graph alone, never measured: the two backends round differently in the last place,
and a program is to give the same numbers whenever it runs.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from ..graph import Graph
from .numpy_program import NumpyProgram

# Seconds, as seen on ordinary machines: to import numba and compile anything, to compile one
# operation more, to start a NumPy operation; and bytes per second through a NumPy operation.
COMPILING = 1.0
COMPILING_ONE = 0.01
STARTING = 0.5e-6
THROUGHPUT = 8e9


def is_installed() -> bool:
    """Return whether numba is there."""
    return importlib.util.find_spec("numba") is not None


def calls_to_repay(graph: Graph) -> int:
    """Return after how many calls machine code would have repaid the time to compile it.

    The graph is what will be written out: simplified, and gathered by `together`.

    What it saves of each operation is its start, and passing its result through memory; of matrix
    products, which are as fast either way, the start.
    """
    computed = [n for n in graph if n.op is not None and not n.op.view]
    saved = 0.0
    for node in computed:
        passing = 0 if node.op is not None and node.op.kind == "linalg" else node.size
        saved += STARTING + passing * node.dtype.itemsize / THROUGHPUT
    if not saved:
        return 1 << 60
    return round((COMPILING + COMPILING_ONE * len(computed)) / saved)


def program_class(backend: str) -> Any:
    """Return what makes the programs of a backend."""
    if backend == "numba":
        from .numba_program import NumbaProgram

        return NumbaProgram
    return NumpyProgram
