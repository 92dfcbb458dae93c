"""One measurement in a process of its own: a task comes in as JSON, the result goes out as JSON.

``python -m benchmarks.worker '["chains", "one", {"ops": 9, "names": []}]'``. "one" thread is one
core, and comes with the environment (`environment`) too, because libraries read it when loaded.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
# Where compiled programs are kept; an empty folder makes the first process a first one.
CACHES = ("TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR", "TINYGRAD_COURSE_CACHE", "XDG_CACHE_HOME")


def environment(threads: str, cache: str = "") -> dict[str, str]:
    """Return the environment of a process with "one" thread or "all", and an own cache."""
    kept = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    kept |= ONE_THREAD if threads == "one" else {}
    return kept | (dict.fromkeys(CACHES, cache) if cache else {})


def measured(task: str, threads: str = "one", cache: str = "", **given: Any) -> Any:
    """Run a task in a process of its own and return its result.

    Raises:
        SystemExit: the process failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", json.dumps([task, threads, given])],
        cwd=ROOT,
        env=environment(threads, cache),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise SystemExit(last if last.startswith("benchmarks:") else f"benchmarks: {task}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def built(makers: dict[str, Callable[[], Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what could be built and run once, and why the others could not."""
    steps, failed = {}, {}
    for name, make in makers.items():
        try:
            step = make()
            float(step())
        except Exception as error:
            failed[name] = str(error).strip().partition("\n")[0] or type(error).__name__
        else:
            steps[name] = step
    return steps, failed


def steps(sizes: list[int], m: int, names: list[str], seconds: float) -> Any:
    """Time one training step in each library, in turns, after checking that the losses agree."""
    from .measure import agreement, cores_used, interleave
    from .steps import LIBRARIES, problem

    data = problem(tuple(sizes), m)
    made, failed = built({n: functools.partial(LIBRARIES[n].build, *data) for n in names})
    losses = agreement(made)
    times = interleave(made, seconds)
    cores = {n: cores_used(step, min(0.2, seconds)) for n, step in made.items()}
    return {"times": times, "losses": losses, "cores": cores, "failed": failed}


def images(case: int, names: list[str], seconds: float) -> Any:
    """Time one step of a convolutional network, after checking that the losses agree."""
    from .images import BUILDERS, CASES, available, problem
    from .measure import agreement, interleave

    data = problem(CASES[case])
    found = available(names)
    made, failed = built({n: functools.partial(BUILDERS[n].build, *data) for n in found})
    return {"losses": agreement(made), "times": interleave(made, seconds), "failed": failed}


def recurrent(case: int, names: list[str], seconds: float) -> Any:
    """Time one step of a recurrent network, after checking that the losses agree."""
    from .measure import agreement, interleave
    from .recurrent import BUILDERS, CASES, available, problem

    data = problem(CASES[case])
    found = available(names, CASES[case].kind)
    made, failed = built({n: functools.partial(BUILDERS[n].build, *data) for n in found})
    return {"losses": agreement(made), "times": interleave(made, seconds), "failed": failed}


def first(sizes: list[int], m: int, name: str) -> Any:
    """Measure one library alone: its import, its first step, the memory for steps."""
    from .measure import Memory
    from .steps import LIBRARIES, problem

    data = problem(tuple(sizes), m)
    library = LIBRARIES[name]
    before = Memory()
    if name != "by hand":
        importlib.import_module(library.module)
    if library.module in ("numpy", "numba") and name != "by hand":
        importlib.import_module("tinygrad_course")
    imported = before.grown()
    memory = Memory()
    start = time.perf_counter()
    made, failed = built({name: functools.partial(library.build, *data)})
    seconds = time.perf_counter() - start
    for step in made.values():
        for _ in range(20):
            step()
    return {
        "first": seconds,
        "memory": memory.grown(),
        "imported": imported,
        "failed": failed.get(name, ""),
    }


def first_and_second(sizes: list[int], m: int, name: str) -> Any:
    """Measure one library in two new processes; the second finds what the first left on disk."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        given = {"sizes": sizes, "m": m, "name": name}
        once, again = (measured("first", cache=cache, **given) for _ in range(2))
    return {**once, "second": again["first"]}


def elementwise(n: int, names: list[str], seconds: float) -> Any:
    """Time chains of elementwise operations with a sum; tell how far the sums are off."""
    import numpy as np

    from .elementwise import BUILDERS, CHAINS, available, numbers
    from .measure import agree, interleave

    x = numbers(n)
    times, failed, errors = {}, {}, {}
    found = available(names)
    for chain in CHAINS:
        made, without = built({k: functools.partial(BUILDERS[k], chain, x) for k in found})
        exact = float(chain.function(np, x.astype(np.float64)))
        values = {k: float(step()) for k, step in made.items()}
        agree({"float64": [exact], **{k: [value] for k, value in values.items()}}, 1e-3)
        errors[chain.text] = {k: abs(value / exact - 1) for k, value in values.items()}
        times[chain.text] = interleave(made, seconds, rounds=5)
        failed |= without
    return {"times": times, "errors": errors, "failed": failed}


def blocks(sizes: list[int], m: int, names: list[str], seconds: float) -> Any:
    """Time many steps in one call, for each step, after checking that the losses agree."""
    import numpy as np

    from .blocks import BATCHES, BLOCKS, available, batches
    from .measure import agree, interleave
    from .steps import problem

    _, _, W, b = problem(tuple(sizes), m)
    data = batches(tuple(sizes), m)
    makers = {n: functools.partial(BLOCKS[n][1].build, *data, W, b) for n in available(names)}
    made, failed = {}, {}
    losses: dict[str, list[float]] = {}
    for name, make in makers.items():
        try:
            made[name] = make()
            found = np.concatenate([np.asarray(made[name]()) for _ in range(2)])
        except Exception as error:
            made.pop(name, None)
            failed[name] = str(error).strip().partition("\n")[0] or type(error).__name__
        else:
            losses[name] = found.tolist()
    agree(losses, 1e-4)
    times = {n: t / BATCHES for n, t in interleave(made, seconds).items()}
    return {"times": times, "losses": losses, "failed": failed}


def coffee(epochs: int, tile: int, repeats: int, names: list[str]) -> Any:
    """Time the coffee lab from the first line to the last, after checking that losses agree."""
    from .coffee import RUNS, available, lab
    from .measure import agree

    data = lab(tile)
    runs = available(names)
    small = lab(4)
    # Also loads what each library loads when it is first used.
    agree({name: RUNS[name][1](*small, 3) for name in runs}, 1e-4)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    losses = {}
    for _ in range(repeats):
        for name in runs:
            start = time.perf_counter()
            losses[name] = RUNS[name][1](*data, epochs)
            seconds[name].append(time.perf_counter() - start)
    # The same order of the same examples; what is left is rounding, over many steps.
    agree(losses, 1e-2)
    return {
        "seconds": {name: median(s) for name, s in seconds.items()},
        "losses": {name: found[-1] for name, found in losses.items()},
        "examples": len(data[0]),
    }


def derivation(repeats: int) -> Any:
    """Time the stages of deriving, for networks and for graphs of single numbers."""
    from .derivation import LAYERS, OPERATIONS, network, numbers, stages

    models = {f"{n} layers": network(n) for n in LAYERS}
    models |= {f"{n:,} operations on numbers": numbers(n) for n in OPERATIONS}
    stages(network(3))  # loads what is loaded when it is first used
    found = {}
    for name, compute in models.items():
        runs = [stages(compute) for _ in range(repeats)]
        times = {stage: min(seconds[stage] for _, seconds in runs) for stage in runs[0][1]}
        found[name] = {"nodes": runs[0][0], "seconds": times}
    return found


def chains(ops: int, names: list[str]) -> Any:
    """Time long chains on single numbers, this package's and PyTorch's."""
    import tinygrad_course as tc

    from .chains import KINDS, chain_time

    libraries: dict[str, Any] = {"tinygrad_course": tc}
    if "PyTorch" in names:
        import torch

        libraries["PyTorch"] = torch
    times = {}
    for kind in KINDS:
        samples: dict[str, list[float]] = {n: [] for n in libraries}
        for _ in range(5):
            for name, lib in libraries.items():
                samples[name].append(chain_time(lib, kind, ops))
        times[kind] = {n: median(s) for n, s in samples.items()}
    return times


def imports() -> Any:
    """Time ``import`` in new processes, this package's against NumPy's."""
    samples: dict[str, list[float]] = {"numpy": [], "tinygrad_course": []}
    # As users run it: with compiled bytecode kept.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(9):
        for name in samples:
            code = (
                "import time; t = time.perf_counter(); "
                f"import {name}; print(time.perf_counter() - t)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
            )
            samples[name].append(float(done.stdout))
    return {name: median(s) for name, s in samples.items()}


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        *(steps, blocks, images, recurrent, first),
        *(elementwise, coffee, chains, derivation, imports),
    )
}


def main(argument: str) -> int:
    """Run the task that a line of JSON asks for."""
    task, threads, given = json.loads(argument)
    if threads == "one" and hasattr(os, "sched_setaffinity"):
        # JAX's pool of threads knows no other bound. The first core has the interrupts.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(json.dumps(TASKS[task](**given)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
