"""How long each part of a program takes.

The program runs as it is and part by part, in turn, on copies of what it changes: parameters,
moments, step counts and random streams are as before. A clock is read between the lines of the
program; what reading it takes is subtracted. Loops that share a compiled function are compiled
once more, each as a function of its own, with the cost of an empty call subtracted.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np

from .. import errors
from ..random import default_generator
from ..tensor import Tensor
from .effects import leaves_of, owner, set_state, state_of
from .parts import Part, View

SECONDS = 0.5
"""How long a profile runs, unless asked otherwise."""
LEAST, MOST = 5, 1000
WIDEST = 64
IDLE = 4


@dataclass
class Timed:
    """One part and its time.

    Attributes:
        part: what runs, see `Part`.
        seconds: per call of the program.
        share: of the time of all parts.
    """

    part: Part
    seconds: float
    share: float = 0.0

    @property
    def rate(self) -> str:
        """GFLOP/s of matrix products, GB/s of all others."""
        if self.seconds <= 0:
            return ""
        if self.part.flops:
            return f"{self.part.flops / self.seconds / 1e9:.1f} GFLOP/s"
        return f"{self.part.bytes / self.seconds / 1e9:.1f} GB/s" if self.part.bytes else ""


@dataclass
class Profile:
    """The times of a program, part by part; it prints as a table.

    Attributes:
        name: of the function.
        rows: the parts in the order in which they run.
        seconds: of the whole program in one call, as it is.
        repeat: how often everything was measured; times are means of the middle half.
        backend: "numpy" or "numba".
        program: what was measured.
        notes: loops that could not be measured as machine code, in sentences.
    """

    name: str
    rows: list[Timed]
    seconds: float
    repeat: int
    backend: str
    program: Any = field(default=None, repr=False)
    notes: list[str] = field(default_factory=list)

    @property
    def apart(self) -> float:
        """The seconds of all parts together."""
        return sum(row.seconds for row in self.rows)

    def table(self, most: int | None = None) -> str:
        """Return the table; of more than `most` parts, those that take longest."""
        shown = self.rows
        if most is not None and len(shown) > most:
            least = sorted(row.seconds for row in shown)[-most]
            shown = [row for row in shown if row.seconds >= least][:most]
        lines = [f"{'time':>8} {'share':>6} {'bytes':>11} {'rate':>14}  what"]
        lines += [_line(row) for row in shown]
        if len(shown) < len(self.rows):
            rest = self.apart - sum(row.seconds for row in shown)
            share = rest / (self.apart or 1)
            count = len(self.rows) - len(shown)
            lines.append(f"{_time(rest):>8} {share:>6.1%} {'':>26}  {count} others")
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"{self.head()}\n{self.table()}"

    def head(self) -> str:
        """Return what was measured, in a sentence."""
        what = "calls of NumPy"
        how = "line by line"
        if self.backend == "numba":
            loops = sum(row.part.kind == "loop" for row in self.rows)
            calls = len(self.rows) - loops
            what = f"{loops} loops" + (f" and {calls} calls of NumPy" if calls else "")
            how = "each loop as a function of its own"
        said = "".join(f"\n{note}" for note in self.notes)
        return (
            f"{self.name}: {_time(self.seconds)} a call on backend {self.backend}; "
            f"{_time(self.apart)} for its {what}, {how} (mean of {self.repeat} calls){said}"
        )


def _line(row: Timed) -> str:
    part = row.part
    shape = " × ".join(map(str, part.shape))
    what = f"loop over {shape or 'a number'}: {part.text}" if part.kind == "loop" else part.text
    what = what if len(what) <= WIDEST else what[: WIDEST - 1].rstrip() + "…"
    size = f"{part.bytes:,}"
    return f"{_time(row.seconds):>8} {row.share:>6.1%} {size:>11} {row.rate:>14}  {what}"


def _time(seconds: float) -> str:
    """Return a time with its unit.

    >>> [_time(t) for t in (2.13e-7, 4.5e-6, 0.0123, 2.0)]
    ['213 ns', '4.5 µs', '12.3 ms', '2.00 s']
    """
    if seconds < 1e-6:
        return f"{seconds * 1e9:.0f} ns"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def profile(made: Any, args: tuple[Any, ...], name: str, repeat: int | None = None) -> Profile:
    """Measure a program part by part, on copies of all that it changes.

    Args:
        made: a `Specialised`.
        args: arguments that it is for.
        name: of the function.
        repeat: how often; by default for half a second.
    """
    if repeat is not None and (isinstance(repeat, bool) or not isinstance(repeat, int)):
        raise errors.DtypeError(f"profile: repeat is {repeat!r}; expected a whole number.")
    if repeat is not None and repeat < 1:
        raise errors.ArgumentError(f"profile: repeat is {repeat}; expected at least 1.")
    given = [*leaves_of(args), *(x.grad for x in made.owners_of_grads)]
    arrays = [given[k] for k in made.places]
    arrays = [x._data if isinstance(x, Tensor) else x for x in arrays]
    program = getattr(made.program, "_instead", None) or made.program
    view = View(program)
    drawn = {
        n.params["generator"] or default_generator
        for n in program.graph
        if n.op is not None and n.op.kind == "random"
    }
    before = [(g, state_of(g)) for g in drawn]
    try:
        with np.errstate(all="ignore"):
            measured = _Measured(made, program, view)
            whole, stamps, repeat = measured.times(arrays, repeat)
            rows = measured.rows(stamps)
            whole -= measured.clock / 1e9
    finally:
        for g, state in before:
            set_state(g, state)
    total = sum(row.seconds for row in rows) or 1.0
    for row in rows:
        row.share = row.seconds / total
    backend = "numba" if view.is_fused else "numpy"
    return Profile(name, rows, whole, repeat, backend, made.program, measured.notes)


class _Measured:
    """A program and its parts, bound to copies of the states."""

    def __init__(self, made: Any, program: Any, view: View) -> None:
        self.parts = view.parts()
        fresh = {id(x): read for x, read in made.refresh}
        changed = {s for s, _ in program.graph.updates}
        states = {i: x._array() for i, x in made.states.items()}
        copies = _copied(states)
        for i, x in made.states.items():
            if id(x) in fresh:
                copies[i][...] = fresh[id(x)]()
        changed |= {i for s in changed for i in program.graph[s].params.get("joins", ())}
        self.start = [(copies[i], copies[i].copy()) for i in copies if i in changed]
        # Binding notes what it bound in the program, which the user goes on using.
        program = copy.copy(program)
        self.whole = program.bind({**copies, **made.fixed})
        apart = program
        if view.is_fused:
            apart = type(program)(
                program.graph, program.plan, program.arguments, program.name, apart=True
            )
        bound = apart.bind({**copies, **made.fixed})
        if getattr(apart, "_instead", None) is not None:
            raise errors.GraphError(
                f"profile: {program.name} cannot be measured loop by loop: {apart.notes[-1]}."
            )
        notes = getattr(apart, "notes", [])
        self.notes = [note for note in notes if note.startswith("numba cannot")]
        body, ends = _lines(apart, view, len(self.parts))
        parameters = ", ".join(apart.names[i] for i in apart.arguments)
        space = bound.__globals__
        # Behind the program, in each run: what the clock takes, and a call of nothing.
        idle = ["pass"] * IDLE
        if any(part.kind == "loop" for part in self.parts):
            space["_empty"] = _empty_loop()
            idle += ["_empty(table)"] * IDLE
        body = [line for line in body if not line.startswith("return")]
        ends += [len(body) + k for k in range(len(idle) + 1)]
        self.stamped = _stamped(program.name, parameters, body + idle, ends, space)
        self.clock = self.call = 0.0

    def _reset(self) -> None:
        for array, start in self.start:
            np.copyto(array, start)

    def times(self, arrays: list[Any], repeat: int | None) -> tuple[float, Any, int]:
        """Return the seconds of a whole call, those of each part in each run, and how many runs."""
        whole: list[int] = []
        stamps: list[tuple[int, ...]] = []
        finish = 0
        while not repeat or len(stamps) < repeat:
            self._reset()
            times = self.stamped(*arrays)
            self._reset()
            begun = perf_counter_ns()
            self.whole(*arrays)
            now = perf_counter_ns()
            if not finish:  # the first run finds its place, and does not count
                finish = now + int(SECONDS * 1e9)
                continue
            stamps.append(times)
            whole.append(now - begun)
            if repeat is None and len(stamps) >= LEAST and (now > finish or len(stamps) == MOST):
                repeat = len(stamps)
        assert repeat is not None
        seconds = float(_middle(np.array(whole, float)[:, None])[0]) / 1e9
        return seconds, np.array(stamps, float), repeat

    def rows(self, stamps: Any) -> list[Timed]:
        """Return each part with its time."""
        took = _middle(np.diff(stamps, axis=1))
        idle = took[len(self.parts) + 1 :]
        self.clock = float(np.median(idle[:IDLE]))
        self.call = float(np.median(idle[-IDLE:]))  # of compiled loops; the same as the clock else
        rows = []
        for part, nanoseconds in zip(self.parts, took, strict=False):
            own = nanoseconds - (self.call if part.kind == "loop" else self.clock)
            rows.append(Timed(part, max(float(own), 0.0) / 1e9))
        return rows


def _middle(times: Any) -> Any:
    """Return the means of the middle halves: what interrupts a run does not count."""
    times = np.sort(times, axis=0)
    quarter = len(times) // 4
    return times[quarter : len(times) - quarter].mean(axis=0)


def _copied(arrays: dict[int, Any]) -> dict[int, Any]:
    """Return copies of arrays; those that lie in one piece of memory do so in the copies."""
    owners = {i: owner(array) for i, array in arrays.items()}
    shared = Counter(id(whole) for whole in owners.values())
    memory: dict[int, Any] = {}
    copies = {}
    for i, array in arrays.items():
        whole = owners[i]
        if shared[id(whole)] == 1 or not whole.flags.c_contiguous:
            copies[i] = np.array(array)
            continue
        held = memory.setdefault(id(whole), whole.copy())
        start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        copies[i] = np.ndarray(array.shape, array.dtype, held, start, array.strides)
    return copies


def _lines(program: Any, view: View, count: int) -> tuple[list[str], list[int]]:
    """Return the lines of a program, and where the first part begins and each part ends.

    Behind the parts that compute come the copies into states, see `View.parts`.
    """
    if view.is_fused:
        body = program.body
        ends = list(program.ends)
        begin = 0
        while body[begin].startswith(("if ", "    ")) or body[begin].endswith(".copy()"):
            begin += 1
    else:
        body = [line[4:] for line in program.source.splitlines()[1:] if line.strip()]
        lines = [line for line, _ in program.steps]
        begin = next(k for k in range(len(body)) if body[k : k + len(lines)] == lines)
        nodes = [i for _, i in program.steps]
        last = [k + 1 == len(nodes) or nodes[k + 1] != i for k, i in enumerate(nodes)]
        ends = [begin + k + 1 for k in range(len(nodes)) if last[k]]
    copies = range(ends[-1] if ends else begin, len(body))
    ends += [k + 1 for k in copies if "copyto(" in body[k] or "[...] = " in body[k]]
    return body, [begin, *ends[:count]]


def _stamped(
    name: str, parameters: str, body: list[str], ends: list[int], space: dict[str, Any]
) -> Callable[..., Any]:
    """Return a program that tells when each part ends."""
    lines = [f"def {name}({parameters}):"]
    stamp = 0
    for k, line in enumerate([*body, "pass"]):
        while stamp < len(ends) and ends[stamp] == k:
            lines.append(f"    _time{stamp} = _clock()")
            stamp += 1
        lines.append(f"    {line}")
    lines.append(f"    return ({''.join(f'_time{k}, ' for k in range(stamp))})")
    space = {**space, "_clock": perf_counter_ns}
    exec(compile("\n".join(lines), f"<profiled {name}>", "exec"), space)
    made: Callable[..., Any] = space[name]
    return made


def _empty_loop() -> Any:
    """Return a compiled function that does nothing."""
    import numba

    def empty(table: int) -> None:
        return

    compiled = numba.njit(numba.void(numba.int64))(empty)
    (result,) = compiled.overloads.values()
    return result.entry_point


__all__ = ["Profile", "Timed", "profile"]
