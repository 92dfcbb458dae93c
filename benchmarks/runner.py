"""Runs the benchmarks and writes the report: every measurement in a process of its own.

The libraries of one table row take turns in one process; a process starts with one thread or with
all of the machine's.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import report
from .steps import ALONE, CURVE, LIBRARIES, SIZES, missing, multiply_adds
from .worker import ROOT, first_and_second, measured

PACKAGES = ("numpy", "numba", "torch", "jax", "autograd", "mygrad")
# Compiling takes a while; these show the small, the middle and the large.
FIRST_SIZES = (SIZES[0], SIZES[3], SIZES[5])


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for and print (or write) a Markdown report."""
    options = parsed(argv)
    names, left_out = wanted(options.only)
    lines = [*header(), *left_out_lines(left_out)]
    stopped = False
    for part in options.parts:
        say(f"== {part}")
        try:
            made = PARTS[part](options, names)
        except SystemExit as error:
            # Half an hour of other parts is not lost.
            made = [f"Stopped in the part {part}: {error}", ""]
            stopped = True
            say(made[0])
        lines += made
        if options.out:
            options.out.write_text("\n".join(lines), encoding="utf-8")
        if options.readme and part == "steps" and not stopped:
            page = ROOT / "README.md"
            page.write_text(report.with_table(page.read_text(encoding="utf-8"), made), "utf-8")
    lines += [f"Load of the machine at the end: {load()}.", ""]
    text = "\n".join(lines)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    # A peer may lack something here; this package may not.
    failed = [line for line in lines if line.startswith(report.OURS) and "could not run" in line]
    return int(stopped or bool(failed))


def parsed(argv: list[str] | None) -> argparse.Namespace:
    """Return the options, with what --quick shortens."""
    parser = argparse.ArgumentParser(
        prog="tinygrad-course bench",
        description="Time this package beside NumPy by hand, PyTorch, JAX, autograd and MyGrad.",
        epilog="Parts: " + "; ".join(f"{n}: {f.__doc__}" for n, f in PARTS.items()),
    )
    parser.add_argument("--only", help=f"of the libraries {', '.join(LIBRARIES)}")
    parser.add_argument("--parts", type=part_list, default=list(PARTS), help="separated by commas")
    parser.add_argument("--quick", action="store_true", help="a few minutes, noisier numbers")
    parser.add_argument("--seconds", type=float, help="time per library and size (3; quick 0.3)")
    parser.add_argument("--ops", type=int, help="length of the chains (100000; quick 10000)")
    parser.add_argument("--elements", type=int, default=10_000_000, help="of elementwise chains")
    parser.add_argument("--epochs", type=int, help="of the coffee lab (10; quick 1)")
    parser.add_argument("--tile", type=int, default=1000, help="copies of the 200 roasts")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="only the first so many")
    parser.add_argument("-o", "--out", type=Path, help="write the report here, the plot beside it")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args(argv)
    quick = options.quick
    options.seconds = options.seconds or (0.3 if quick else 3.0)
    options.ops = options.ops or (10_000 if quick else 100_000)
    options.epochs = options.epochs or (1 if quick else 10)
    options.repeats = 1 if quick else 3
    return options


def part_list(text: str) -> list[str]:
    """Return the parts asked for."""
    parts = [p.strip() for p in text.split(",")]
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {part!r}; there are {', '.join(PARTS)}")
    return parts


def wanted(only: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the libraries to run, and why the others that were asked for cannot."""
    asked = [n.strip() for n in only.split(",")] if only else list(LIBRARIES)
    unknown = [n for n in asked if n not in LIBRARIES]
    if unknown:
        raise SystemExit(f"benchmarks: no library {unknown[0]!r}; there are {', '.join(LIBRARIES)}")
    reasons = {n: missing(n) for n in asked}
    return [n for n in asked if not reasons[n]], {n: r for n, r in reasons.items() if r}


def header() -> list[str]:
    """Return the machine, the versions, and how to read the numbers."""
    found = [(n, version(n)) for n in PACKAGES if importlib.util.find_spec(n)]
    versions = ", ".join(f"{name} {number}" for name, number in found)
    day = datetime.datetime.now(datetime.UTC).date()
    return [
        "# Benchmarks",
        "",
        f"Python {platform.python_version()}, {versions}; {processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, {day}. Load at the start: {load()}.",
        "",
        "The libraries of a row take turns in one process (but JAX with synchronous dispatch, a "
        "setting of the whole process); medians. Machines differ: read the ratios. All do the same "
        "mathematics in float32 on the same batch, gradients and update included, and a row stops "
        "with an error unless all give the same losses. One thread is one core, to which the "
        "process is bound.",
        "",
    ]


def left_out_lines(left_out: dict[str, str]) -> list[str]:
    """Return which libraries are not in the tables, and why."""
    if not left_out:
        return []
    reasons = "; ".join(f"{name} ({why})" for name, why in left_out.items())
    return [f"Left out: {reasons}.", ""]


def processor() -> str:
    """Return the name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return f"{found[0]} ({platform.machine()})" if found else platform.machine()


def load() -> str:
    """Return how many processes wanted to run in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def say(line: str) -> None:
    """Tell how far the run is; the report itself goes to the standard output."""
    print(line, file=sys.stderr, flush=True)


def each_size(
    sizes: Iterable[tuple[tuple[int, ...], int]], threads: str, seconds: float, names: list[str]
) -> list[report.Row]:
    """Time a step at each size."""
    rows = []
    for layers, m in sizes:
        row = report.Row(f"{'-'.join(map(str, layers))}, {m}", multiply_adds(layers, m))
        for group in ([n for n in names if n not in ALONE], *([n] for n in names if n in ALONE)):
            if group:
                given = {"sizes": layers, "m": m, "names": group, "seconds": seconds}
                row.add(**measured("steps", threads, **given))
        rows.append(row)
        say(f"{threads} {row.name}: " + ", ".join(f"{n} {t:.1f}" for n, t in row.times.items()))
    return rows


def steps(options: Any, names: list[str]) -> list[str]:
    """One training step, with one thread and with all cores."""
    sizes = SIZES[:: 2 if options.quick else 1][: options.sizes]
    one = each_size(sizes, "one", options.seconds, names)
    lines = report.steps("One training step, one thread", one, names)
    if (os.cpu_count() or 1) > 1:
        many = each_size(sizes, "all", options.seconds, names)
        lines += report.steps(f"One training step, all {os.cpu_count()} cores", many, names)
    return lines


def blocks(options: Any, names: list[str]) -> list[str]:
    """Many training steps in one call."""
    from .blocks import BATCHES

    rows = []
    for layers, m in SIZES[:4][:: 2 if options.quick else 1][: options.sizes]:
        row = report.Row(f"{'-'.join(map(str, layers))}, {m}", multiply_adds(layers, m))
        given = {"sizes": layers, "m": m, "names": names, "seconds": options.seconds}
        row.add(**measured("blocks", **given))
        rows.append(row)
        say(f"{BATCHES} steps, {row.name}: {row.times}")
    return report.blocks(BATCHES, rows)


def images(options: Any, names: list[str]) -> list[str]:
    """One training step of a convolutional network, one thread."""
    from .images import CASES

    rows = []
    for k, case in enumerate(CASES):
        row = report.Row(case.title, case.work)
        row.add(**measured("images", case=k, names=names, seconds=options.seconds))
        rows.append(row)
        say(f"{row.name}: {row.times}")
    found = [n for n in names if any(n in row.times for row in rows)]
    return report.steps("One step of a convolutional network, one thread", rows, found)


def recurrent(options: Any, names: list[str]) -> list[str]:
    """One training step of a recurrent network, one thread."""
    from .recurrent import CASES

    rows = []
    for k, case in enumerate(CASES):
        row = report.Row(case.title, case.work)
        row.add(**measured("recurrent", case=k, names=names, seconds=options.seconds))
        rows.append(row)
        say(f"{row.name}: {row.times}")
    found = [n for n in names if any(n in row.times for row in rows)]
    return report.steps("One step of a recurrent network, one thread", rows, found)


def curve(options: Any, names: list[str]) -> list[str]:
    """Time of a step from 10 to 10^8 multiply-adds, as a table and a log-log plot."""
    sizes = CURVE[:: 2 if options.quick else 1][: options.sizes + 2]
    rows = each_size(sizes, "one", options.seconds / 3, names)
    title = "Time against multiply-adds, one thread"
    lines = report.steps(title, rows, names, ratios=False)
    if options.out and importlib.util.find_spec("matplotlib"):
        from .plot import draw

        path = options.out.with_suffix(".svg")
        points = {n: [(r.work, r.times[n]) for r in rows if n in r.times] for n in names}
        draw({n: p for n, p in points.items() if p}, path, "One training step, one thread, float32")
        lines += [f"![Time of one step against its multiply-adds, log-log]({path.name})", ""]
    return lines


def first_step(options: Any, names: list[str]) -> list[str]:
    """The first step (tracing, compiling) and the largest memory, each library alone."""
    sizes = FIRST_SIZES[:1] if options.quick else FIRST_SIZES
    found: dict[str, list[Any]] = {}
    for layers, m in sizes:
        for name in names:
            found.setdefault(name, []).append(first_and_second(list(layers), m, name))
            say(f"{layers} {m} {name}: {found[name][-1]}")
    return report.first([f"{'-'.join(map(str, s))}, {m}" for s, m in sizes], found)


def elementwise(options: Any, names: list[str]) -> list[str]:
    """Elementwise operations with a sum over ten million numbers."""
    given = {"n": options.elements, "names": names, "seconds": options.seconds}
    return report.elementwise(options.elements, measured("elementwise", **given))


def coffee(options: Any, names: list[str]) -> list[str]:
    """The coffee lab from the first line to the last, through `fit` and in PyTorch."""
    given = {"epochs": options.epochs, "tile": options.tile, "repeats": options.repeats}
    return report.coffee(options.epochs, measured("coffee", names=names, **given))


def chains(options: Any, names: list[str]) -> list[str]:
    """Long chains of operations on single numbers, eager."""
    return report.chains(options.ops, measured("chains", ops=options.ops, names=names))


def derivation(options: Any, names: list[str]) -> list[str]:
    """Tracing, simplifying and printing, up to 10,000 nodes."""
    return report.derivation(measured("derivation", repeats=options.repeats))


def imports(options: Any, names: list[str]) -> list[str]:
    """How long `import` takes."""
    return report.imports(measured("imports"))


PARTS: dict[str, Callable[[Any, list[str]], list[str]]] = {
    "steps": steps,
    "blocks": blocks,
    "images": images,
    "recurrent": recurrent,
    "curve": curve,
    "first": first_step,
    "elementwise": elementwise,
    "coffee": coffee,
    "chains": chains,
    "derivation": derivation,
    "import": imports,
}
