"""Runs the benchmarks: all libraries interleaved in one process, medians and ratios."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for and print (or write) a Markdown report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", help="comma-separated libraries, for example PyTorch,by hand")
    parser.add_argument("--seconds", type=float, default=3.0, help="time per library and size")
    parser.add_argument("--ops", type=int, default=100_000, help="length of the chains")
    parser.add_argument("--parts", default="steps,chains,import", help="what to run")
    parser.add_argument("-o", "--out", type=Path, help="write the report here too")
    options = parser.parse_args(argv)
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # One thread everywhere; the libraries read this when they are loaded.
        one = dict(os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"))
        one["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        arguments = sys.argv[1:] if argv is None else argv
        return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], env=one).returncode
    parts = options.parts.split(",")
    lines = [*header()]
    if "steps" in parts:
        lines += steps_report(wanted(options.only), options.seconds)
    if "chains" in parts:
        lines += chains_report(options.ops)
    if "import" in parts:
        lines += import_report()
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def header() -> list[str]:
    """Return the machine and the versions."""
    found = ["numpy", "torch", "jax", "autograd", "mygrad"]
    versions = ", ".join(f"{n} {version(n)}" for n in found if importlib.util.find_spec(n))
    machine = platform.machine()
    return [
        "# Benchmarks",
        "",
        f"Python {platform.python_version()}, {versions}; {machine}, one thread, float32.",
        "Medians of interleaved runs in one process; machines differ, so read the ratios.",
        "",
    ]


def wanted(only: str | None) -> list[str]:
    """Return the names of the libraries to run: those asked for, those installed."""
    from .steps import LIBRARIES

    asked = [n.strip() for n in only.split(",")] if only else list(LIBRARIES)
    unknown = [n for n in asked if n not in LIBRARIES]
    if unknown:
        raise SystemExit(f"benchmarks: no library {unknown[0]!r}; there are {', '.join(LIBRARIES)}")
    return [n for n in asked if importlib.util.find_spec(LIBRARIES[n][0]) is not None]


def steps_report(names: list[str], seconds: float) -> list[str]:
    """Time one training step per library and size; check that all give the same loss."""
    from .steps import LIBRARIES, SIZES, problem

    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    lines = [
        "## One training step, µs (ratio to PyTorch)",
        "",
        "| sizes, batch | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for sizes, m in SIZES:
        data = problem(sizes, m)
        built = {n: LIBRARIES[n][1](*data) for n in names}
        losses = {n: [float(step()) for _ in range(5)][-1] for n, step in built.items()}
        if max(losses.values()) - min(losses.values()) > 1e-4:
            raise SystemExit(f"benchmarks: the libraries disagree on the loss: {losses}")
        times = interleave(built, seconds)
        base = times.get("PyTorch")
        cells = [f"{t:.0f}" + (f" ({t / base:.2f})" if base else "") for t in times.values()]
        lines.append(f"| {'-'.join(map(str, sizes))}, {m} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr)
    return [*lines, ""]


def interleave(built: dict[str, Any], seconds: float, rounds: int = 8) -> dict[str, float]:
    """Return the median time of a step in µs, for each; the libraries take turns."""
    samples: dict[str, list[float]] = {n: [] for n in built}
    for _ in range(rounds):
        for name, step in built.items():
            step()
            end = time.perf_counter() + seconds / rounds
            while time.perf_counter() < end:
                start = time.perf_counter()
                step()
                samples[name].append(time.perf_counter() - start)
    return {n: median(s) * 1e6 for n, s in samples.items()}


def chains_report(ops: int) -> list[str]:
    """Time long chains, ours and PyTorch's."""
    import tinygrad_course as tc

    from .chains import KINDS, chain_time

    libraries: dict[str, Any] = {"tinygrad_course": tc}
    if importlib.util.find_spec("torch"):
        import torch

        libraries["PyTorch"] = torch
    lines = [
        f"## A chain of {ops:,} operations built, differentiated and freed, s",
        "",
        "| operation | " + " | ".join(libraries) + " | ratio |",
        "|---|" + "---|" * (len(libraries) + 1),
    ]
    for kind in KINDS:
        samples: dict[str, list[float]] = {n: [] for n in libraries}
        for _ in range(5):
            for name, lib in libraries.items():
                samples[name].append(chain_time(lib, kind, ops))
        times = [median(samples[n]) for n in libraries]
        ratio = f"{times[0] / times[-1]:.2f}" if len(times) > 1 else ""
        cells = " | ".join(f"{t:.2f}" for t in times)
        lines.append(f"| `{kind}` | {cells} | {ratio} |")
        print(lines[-1], file=sys.stderr)
    return [*lines, ""]


def import_report() -> list[str]:
    """Time ``import`` in fresh processes, ours against NumPy's."""
    samples: dict[str, list[float]] = {"numpy": [], "tinygrad_course": []}
    for _ in range(9):
        for name in samples:
            code = (
                "import time; t = time.perf_counter(); "
                f"import {name}; print(time.perf_counter() - t)"
            )
            # As users run it: with compiled bytecode kept.
            env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
            )
            samples[name].append(float(done.stdout))
    base, mine = (median(samples[n]) * 1e3 for n in ("numpy", "tinygrad_course"))
    return [
        "## Import time, ms",
        "",
        f"numpy {base:.0f}, tinygrad_course {mine:.0f} (ratio {mine / base:.2f})",
        "",
    ]
