"""The report's tables, in Markdown, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .measure import agree

OURS = ("tinygrad_course", "compiled ")
OWN = ("compiled numpy", "compiled numba")
# What the ratios are to, besides the fastest of the other frameworks.
AGAINST = ("by hand", "PyTorch", "JAX jit", "JAX synchronous")
PEERS = ("PyTorch", "torch.compile", "JAX jit", "JAX synchronous", "autograd", "MyGrad")
README = ("<!-- speed: python -m benchmarks --readme -->\n", "<!-- /speed -->\n")


@dataclass
class Row:
    """What was measured at one size.

    Attributes:
        name, work: the layers with the batch, and the multiply-adds of a step.
        times: µs per step.
        losses: of the first steps.
        cores: processor time per wall time.
        failed: why a library is not there.
    """

    name: str
    work: int
    times: dict[str, float] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, **measured: dict[str, Any]) -> None:
        """Take in what a process measured, after checking that its losses are the same.

        Raises:
            SystemExit: they are not.
        """
        for name, values in measured.items():
            getattr(self, name).update(values)
        agree(self.losses, 1e-4)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table; a blank line follows."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def short(value: float) -> str:
    """Return a time with three digits: 1.53, 15.3, 153, 1530."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(value: float | None, base: float | None) -> str:
    """Return a quotient, or a dash where one of the two was not measured."""
    if value is None or base is None:
        return "–"
    return f"{value / base:.2f}" if value / base >= 0.095 else f"{value / base:.3f}"


def steps(title: str, rows: Sequence[Row], names: Sequence[str], ratios: bool = True) -> list[str]:
    """Return the tables of one training step."""
    names = [n for n in names if any(n in r.times for r in rows)]
    lines = [f"## {title}, µs", ""]
    cells = [
        [r.name, f"{r.work:,}", *(short(r.times[n]) if n in r.times else "–" for n in names)]
        for r in rows
    ]
    lines += table(["layers, batch", "multiply-adds", *names], cells)
    if ratios:
        lines += quotients(rows)
    lines += notes(rows)
    return lines


def blocks(count: int, rows: Sequence[Row]) -> list[str]:
    """Return the table of many steps in one call."""
    names = list(dict.fromkeys(n for r in rows for n in r.times))
    cells = [
        [r.name, *(f"{short(r.times[n])} ({ratio(r.times[n], r.times.get('NumPy by hand'))})"
                   if n in r.times else "–" for n in names)]
        for r in rows
    ]  # fmt: skip
    return [
        f"## {count} training steps in one call, one thread, µs per step (ratio to NumPy)",
        "",
        "On as many batches that are there already: this package's `map`, JAX's `lax.scan`; "
        "NumPy and PyTorch take one step after another.",
        "",
        *table(["layers, batch", *names], cells),
        *notes(rows),
    ]


def quotients(rows: Sequence[Row]) -> list[str]:
    """Return the ratios of the compiled steps to the others."""
    head = ["ratio of", *(r.name for r in rows)]
    lines = []
    for own in OWN:
        if not any(own in r.times for r in rows):
            continue
        for other in AGAINST:
            if any(other in r.times for r in rows):
                quotient = [ratio(r.times.get(own), r.times.get(other)) for r in rows]
                lines.append([f"{own} to {other}", *quotient])
        best = [min((r.times[n] for n in PEERS if n in r.times), default=None) for r in rows]
        if any(best):
            quotient = [ratio(r.times.get(own), b) for r, b in zip(rows, best, strict=True)]
            lines.append([f"{own} to the fastest other framework", *quotient])
    return table(head, lines) if lines else []


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what failed, and the most cores that a library kept busy."""
    failed = {n: why for r in rows for n, why in r.failed.items()}
    lines = [f"{name} could not run: {why}" for name, why in failed.items()]
    used = [(cores, n) for r in rows for n, cores in r.cores.items()]
    if used:
        cores, name = max(used)
        lines.append(f"Most processor time per wall time: {cores:.2f} ({name}).")
    return [line for note in lines for line in (note, "")]


def first(sizes: Sequence[str], found: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the tables of first steps and of memory."""
    lines = ["## The first step, s", ""]
    lines += [
        "Building, tracing and compiling, with one step, after the import; each library alone in "
        "a new process, first with empty caches, then again with what the first process left on "
        "disk.",
        "",
    ]
    cells = []
    for name, values in found.items():
        if any(v["failed"] for v in values):
            cells.append([name, *("–" for _ in values)])
        else:
            cells.append([name, *(f"{v['first']:.3f}, {v['second']:.3f}" for v in values)])
    lines += table(["first process, second process", *sizes], cells)
    lines += ["## Memory, MB", ""]
    lines += [
        "How much larger a process is at most while it builds, compiles and steps 20 times than "
        "after the import with the data; compilers that run as processes of their own are not "
        "counted.",
        "",
    ]
    cells = [
        [name, f"{values[0]['imported'] / 1e6:.0f}", *(f"{v['memory'] / 1e6:.1f}" for v in values)]
        for name, values in found.items()
        if not any(v["failed"] for v in values)
    ]
    return lines + table(["", "import (beyond NumPy)", *sizes], cells)


def elementwise(n: int, found: Mapping[str, Any]) -> list[str]:
    """Return the table of elementwise chains."""
    times: Mapping[str, Mapping[str, float]] = found["times"]
    names = list(next(iter(times.values())))
    rows = [
        [f"`{text}`", *(f"{short(t[k] / 1e3)} ({ratio(t[k], t.get('by hand'))})" for k in names)]
        for text, t in times.items()
    ]
    rows += [
        [f"relative error of `{text}`", *(f"{errors[k]:.0e}" for k in names)]
        for text, errors in found["errors"].items()
    ]
    heading = f"## {n:,} numbers, elementwise with a sum, one thread, ms (ratio to NumPy)"
    head = ["", *("NumPy" if k == "by hand" else k for k in names)]
    failed = [f"{name} could not run: {why}" for name, why in found["failed"].items()]
    return [heading, "", *table(head, rows), *(line for f in failed for line in (f, ""))]


def coffee(epochs: int, found: Mapping[str, Any]) -> list[str]:
    """Return the table of the coffee lab."""
    seconds: Mapping[str, float] = found["seconds"]
    spent = f"{epochs} epochs" if epochs > 1 else "1 epoch"
    base = seconds.get("PyTorch")
    rows = [
        [name, short(s), ratio(s, base), f"{found['losses'][name]:.4f}"]
        for name, s in seconds.items()
    ]
    return [
        f"## The coffee lab, {found['examples']:,} examples, {spent}, one thread",
        "",
        "2-3-1, batches of 32 in a new order in every epoch, Adam; from the arrays to the trained "
        "model, compiling included. All visit the examples in the same order.",
        "",
        *table(["", "s", "ratio to PyTorch", "loss of the last epoch"], rows),
    ]


def chains(ops: int, found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the table of long chains."""
    names = list(next(iter(found.values())))
    rows = []
    for kind, times in found.items():
        quotient = ratio(times["tinygrad_course"], times.get("PyTorch"))
        rows.append([f"`{kind}`", *(f"{times[n]:.2f}" for n in names), quotient])
    heading = f"## A chain of {ops:,} operations built, differentiated and freed, s"
    return [heading, "", *table(["operation", *names, "ratio"], rows)]


def derivation(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the table of what deriving costs."""
    stages = list(next(iter(found.values()))["seconds"])
    rows = []
    for model, run in found.items():
        seconds, nodes = run["seconds"], run["nodes"]
        # The sheet is derived from the graph, simplification included.
        both = seconds["trace"] + seconds["equations"]
        cells = [f"{seconds[stage] * 1e3:.0f}" for stage in stages]
        rows.append([model, f"{nodes:,}", *cells, f"{both / nodes * 1e6:.0f}"])
    heading = "## Deriving equations and programs, ms"
    columns = ["model", "nodes", *stages, "µs per node, traced and printed"]
    return [heading, "", *table(columns, rows)]


def imports(found: Mapping[str, float]) -> list[str]:
    """Return the line on import times."""
    base, mine = found["numpy"] * 1e3, found["tinygrad_course"] * 1e3
    line = f"numpy {base:.0f}, tinygrad_course {mine:.0f} (ratio {mine / base:.2f})"
    return ["## Import time, ms", "", line, ""]


def with_table(page: str, lines: Sequence[str]) -> str:
    """Return the README with the first table of `lines`, as ratios to PyTorch, in its place.

    Raises:
        SystemExit: the README has no marks for it.
    """
    start, end = README
    before, found, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"benchmarks: README.md has no {start.strip()} … {end.strip()}")
    return f"{before}{start}\n" + "\n".join(relative(lines)) + f"\n\n{end}{after}"


def relative(lines: Sequence[str]) -> list[str]:
    """Return the first table of a report with each row divided by its entry for PyTorch."""
    found = [line for line in lines if line.startswith("|")]
    end = next((k for k, line in enumerate(lines) if k > 2 and not line and found), len(lines))
    rows = [line.strip("| ").split(" | ") for line in lines[:end] if line.startswith("|")]
    head, _, *body = rows
    base = head.index("PyTorch") if "PyTorch" in head else 2
    made = []
    for row in body:
        unit = float(row[base])
        made.append([row[0], *("–" if c == "–" else ratio(float(c), unit) for c in row[2:])])
    return table([head[0], *head[2:]], made)[:-1]
