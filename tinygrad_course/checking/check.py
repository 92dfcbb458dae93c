"""The gradient check itself: analytic against numeric derivatives, entry by entry.

`check` runs the function once, recorded, for the analytic derivatives; then twice per entry for the
numeric ones. Outputs that are no scalar are checked by their full Jacobian when it is small, else
by projections on seeded random cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..autograd import grad
from ..modes import enable_grad
from ..tensor import Tensor, wrap
from . import causes
from .comparison import Comparison, Options, difference
from .differences import ROUNDINGS, UNIT, Program, Sides, Step, flatten, refine, slopes
from .inputs import Given, read
from .report import GradientReport, ParameterCheck, shown
from .state import Point, Precision, Surroundings, reached

Array = NDArray[Any]

# The full Jacobian is checked up to this many outputs and entries; projections beyond.
MOST_OUTPUTS, MOST_JACOBIAN = 64, 200_000
PROJECTIONS = 3
# Wrong entries of one parameter that are looked at closely, and true errors after which that ends.
MOST_CLOSE, ENOUGH = 200, 6


def check(f: Callable[..., Any], inputs: Any, options: Options) -> GradientReport:
    """Compare the derivatives of `f`; nothing that `f` uses is changed afterwards."""
    return compare(read(f, inputs), reached(f), options)


def compare(given: Given, roots: list[Any], options: Options) -> GradientReport:
    """Compare the derivatives of ``given.call``, which may use what is in `roots`."""
    around = Surroundings([*roots, *given.roots], given.points)
    narrow = [p for p in given.points if p.dtype != np.float64]
    with ExitStack() as stack:
        parts: list[Precision | Surroundings | Point] = [Precision(bool(narrow)), around]
        for part in (*parts, *given.points):
            stack.callback(part.end)
            part.begin()
        run = _Run(given, around, options)
        if narrow:
            kinds = "/".join(sorted({str(p.dtype) for p in narrow}))
            run.notes.append(
                f"{_listed(p.name for p in narrow)}: {kinds}, checked on float64 copies "
                "(differences in float32 resolve three digits at best)."
            )
        return run.report()


class _Run:
    """One check under way."""

    def __init__(self, given: Given, around: Surroundings, options: Options) -> None:
        self.points = given.points
        self.around = around
        self.options = options
        self.step = Step(options.eps)
        self.notes = list(given.notes)
        self.causes: list[str] = []
        self.program = Program(given.call, given.points, around, options.recorded)
        self.random = np.random.default_rng(options.seed)
        self.entries = _sample(given.points, options.max_entries, self.random)
        self.reaches: dict[int, bool] = {}
        self.requires = True

    def report(self) -> GradientReport:
        """Check everything and return the result."""
        outputs = self.program.outputs()
        for p in self.points:
            p.symbol = p.tensor.name or ""
        self._select(outputs)
        if self._refused(outputs):
            return self._finished([])
        self.facts = causes.Facts(outputs, [p.tensor for p in self.points])
        analytic = self._analytic(outputs)
        del outputs
        checks, sums = [], np.zeros(3)
        for point, entries, full in zip(self.points, self.entries, analytic, strict=True):
            result, squares = self._check_point(point, entries, full)
            checks.append(result)
            sums += squares
        if self.facts.narrow and any(not c.passed for c in checks):
            name, dtype = self.facts.narrow
            self.causes.append(
                f"the function computes in {dtype} (operation {name!r}), too coarse for "
                "differences: leave out .float() and dtype=float32, or give float64 data."
            )
        return self._finished(checks, difference(sums))

    def _finished(self, checks: list[ParameterCheck], difference: float = 0.0) -> GradientReport:
        return GradientReport(
            parameters=tuple(checks),
            difference=difference,
            passed=not self.causes and all(c.passed for c in checks),
            eps=str(self.step),
            tolerance=self.options.words(),
            causes=tuple(self.causes),
            notes=tuple(self.notes),
        )

    # --- the function itself ----------------------------------------------------------------

    def _select(self, outputs: list[Tensor]) -> None:
        """Choose the outputs to check: those that require grad, or all floats if none does."""
        floats = [i for i, y in enumerate(outputs) if y.dtype.kind == "f"]
        if not floats:
            kinds = " and ".join(str(y.dtype) for y in outputs) or "nothing"
            raise errors.NothingToCheckError(
                f"gradcheck: the function returned {kinds}, expected floats: only they have "
                "derivatives. Return the value before the comparison or conversion."
            )
        chosen = [i for i in floats if outputs[i].requires_grad]
        self.requires = bool(chosen)
        if self.options.recorded:
            chosen = floats  # gradients without history are a fault, not a choice
        skipped = [str(i) for i in floats if i not in chosen]
        if chosen and skipped:
            self.notes.append(f"output {', '.join(skipped)} does not require grad: not checked.")
        self.program.selected = tuple(chosen or floats)

    def _refused(self, outputs: list[Tensor]) -> bool:
        """Return True, with the cause noted, when a comparison would mean nothing."""
        program = self.program
        program.base = flatten(outputs, program.selected)
        if self._moved():
            return True
        if not np.isfinite(program.base).all():
            where = int(np.argmin(np.isfinite(program.base)))
            self.causes.append(
                f"the function returned {program.base[where]} (value {where} of its "
                f"{program.base.size}): derivatives need finite values. Look for log(0), a "
                "division by zero or an overflow; tc.detect_anomaly() names the operation."
            )
            return True
        try:
            again = program.values()
        except errors.GraphError:
            if program.recorded:
                raise
            # It differentiates inside, so it must be recorded to run.
            program.recorded = True
            again = program.values()
        if not program.recorded and not self._same(again):
            repeated = flatten(program.outputs(), program.selected)
            if self._same(repeated):
                program.recorded = True  # it only behaves differently under no_grad
                again = repeated
        if self._moved():
            return True
        if self._same(again):
            return False
        gap = float(np.max(np.abs(again - program.base))) if self._alike(again) else np.inf
        who = ""
        if self.around.drew:
            who = (
                " It draws from tinygrad_course.default_generator (dropout?): call model.eval(), "
                "give the layer its own seeded generator, or call tc.manual_seed inside the "
                "function."
            )
        self.causes.append(
            f"the function is non-deterministic: two runs on the same values differ by {gap:.3g}, "
            f"so differences measure the chance, not the slope.{who}"
        )
        return True

    def _alike(self, values: Array) -> bool:
        return bool(values.shape == self.program.base.shape)

    def _same(self, values: Array) -> bool:
        if not self._alike(values):
            return False
        base = self.program.base
        near = np.abs(values - base) <= self.options.nondet_tol
        return bool(np.all(near | (np.isnan(values) & np.isnan(base))))

    def _moved(self) -> bool:
        moved = [p for p in self.points if p.moved()]
        if moved:
            self.causes.append(
                f"the function changes its input in place ({_listed(p.name for p in moved)}): its "
                "derivative is then taken at other values than the differences. Work on a .clone()."
            )
            for p in moved:
                p.rewind()
        return bool(moved)

    # --- analytic derivatives ---------------------------------------------------------------

    def _analytic(self, outputs: list[Tensor]) -> list[Array]:
        """Return per point its derivatives by backward passes: (rows, size)."""
        selected = [outputs[i] for i in self.program.selected]
        count = self.program.base.size
        total = sum(p.size for p in self.points)
        if count != 1 and (count > MOST_OUTPUTS or count * total > MOST_JACOBIAN):
            self.program.rows = self.random.standard_normal((PROJECTIONS, count))
            self.notes.append(
                f"{count} outputs: checked by {PROJECTIONS} projections on seeded random "
                "cotangents."
            )
        rows = self.program.rows if self.program.rows is not None else np.eye(count)
        if not self.requires:
            self.reaches = {}
            return [np.zeros((len(rows), p.size)) for p in self.points]
        found: list[list[Array]] = [[] for _ in self.points]
        for row in rows:
            for place, g in enumerate(self._pull(selected, row)):
                if g is not None:
                    self.reaches[place] = True
                size = self.points[place].size
                found[place].append(np.zeros(size) if g is None else g)
        if len(rows):
            self._check_linear(selected, rows[0], [f[0] for f in found])
        return [
            np.array(f).reshape(len(rows), p.size) for f, p in zip(found, self.points, strict=True)
        ]

    def _pull(self, outputs: list[Tensor], row: Array) -> list[Array | None]:
        """Return per point the gradient of ``row · outputs``, None where none reaches."""
        roots = []
        cotangents = []
        start = 0
        for y in outputs:
            part = row[start : start + y._data.size]
            if y.requires_grad:
                roots.append(y)
                cotangents.append(wrap(part.astype(y.dtype).reshape(y.shape)))
            start += y._data.size
        with enable_grad():
            found = grad(
                roots,
                [p.tensor for p in self.points],
                cotangents,
                retain_graph=True,
                allow_unused=True,
            )
        return [None if g is None else g.numpy().astype(np.float64).reshape(-1) for g in found]

    def _check_linear(self, outputs: list[Tensor], row: Array, first: list[Array]) -> None:
        """Check that a backward pass repeats itself, and that it multiplies by its cotangent."""
        # Rounding of large terms that cancel, as in a bias before batch normalisation.
        rounding = 1e-12 * max((float(np.max(np.abs(f), initial=0.0)) for f in first), default=0.0)
        for scale in (1.0, -2.5):
            again = self._pull(outputs, scale * row)
            for point, g, before in zip(self.points, again, first, strict=True):
                after = np.zeros(point.size) if g is None else g
                room = self.options.nondet_tol + rounding + 1e-9 * np.abs(before)
                with np.errstate(all="ignore"):
                    gap = np.abs(after / scale - before)
                if not np.any(gap > room):  # NaN is reported where it is compared
                    continue
                if scale == 1.0:
                    text = (
                        "the backward pass is non-deterministic: twice the same gives two results."
                    )
                else:
                    text = (
                        "the backward pass is not proportional to the incoming gradient: a rule "
                        "does not multiply by it (dx = g · dy/dx)."
                    )
                self.causes.append(f"{point.name}: {text}{self.facts.author()}")
                return

    # --- comparison -------------------------------------------------------------------------

    def _check_point(
        self, point: Point, entries: Array, full: Array
    ) -> tuple[ParameterCheck, Array]:
        """Compare one point's derivatives; also return the sums for the overall difference."""
        program, options = self.program, self.options
        analytic = full[:, entries]
        numeric = np.zeros_like(analytic)
        bends = np.zeros_like(analytic)
        noise = np.zeros_like(analytic)
        scale = ROUNDINGS * UNIT * program.scale()
        for place, entry in enumerate(entries):
            numeric[:, place], bends[:, place], h = slopes(program, point, int(entry), self.step)
            noise[:, place] = scale / h
        compared = Comparison(analytic, numeric, noise, options)
        findings = self._look_closely(point, entries, compared, bends)
        if len(entries) < point.size:
            findings += self._along_a_direction(point, full, compared)
        findings += self._name(point, entries, compared)
        return self._summary(point, entries, compared, findings), compared.squares()

    def _look_closely(
        self, point: Point, entries: Array, compared: Comparison, bends: Array
    ) -> list[str]:
        """Refine the numeric derivative of entries that disagree; set kinks aside."""
        findings: list[str] = []
        true_errors = 0
        order = np.argsort(-compared.excess(), kind="stable")
        for count, place in enumerate(order):
            if compared.excess()[place] <= 1 or true_errors >= ENOUGH:
                break
            if count >= MOST_CLOSE:
                compared.set_aside_bent(bends)
                break
            entry = int(entries[place])
            h = self.step.of(float(point.start.flat[entry]))
            if self.options.eps is None:
                better, doubt = refine(self.program, point, entry, h)
                compared.replace(place, better, doubt)
                if compared.excess()[place] <= 1:
                    continue
            sides = Sides(self.program, point, entry, h)
            row = compared.worst_row(place)
            index = _index(entry, point.shape)
            if sides.broken[row]:
                findings.append(
                    f"{point.name}: the function is not finite beside entry {shown(index)} = "
                    f"{point.start.flat[entry]:.6g}: the value is at the edge of its domain."
                )
            elif sides.jump[row]:
                compared.set_aside(place)
                if len(findings) < 3:
                    findings.append(
                        f"{point.name}: the function jumps at entry {shown(index)}: there is no "
                        "derivative to compare."
                    )
                continue
            elif sides.kink[row]:
                left, right = float(sides.left[row]), float(sides.right[row])
                inside = compared.between(place, sides.left, sides.right, sides.noise)
                if inside:
                    compared.set_aside(place)
                if len(findings) < 3:
                    what = causes.kinked_operation(self.program.outputs())
                    slope = float(compared.analytic[row, place])
                    findings.append(
                        causes.kink_sentence(point.name, what, index, left, right, slope)
                    )
                if inside:
                    continue
            true_errors += 1
        aside = int(compared.aside.sum())
        if aside:
            verb = "fails the check (strict)" if self.options.strict else "not compared"
            findings.append(f"{point.name}: {aside} of {len(entries)} entries at a kink: {verb}.")
        return findings

    def _along_a_direction(self, point: Point, full: Array, compared: Comparison) -> list[str]:
        """Check one random direction through all entries of a point that was only sampled."""
        direction = self.random.standard_normal(point.shape)
        direction /= np.linalg.norm(direction)
        flat = direction.reshape(-1)
        analytic = full @ flat
        kept = point.array.copy()
        for h in (self.step.of(0.0), self.step.of(0.0) / 16, self.step.of(0.0) * 16):
            try:
                np.add(point.start, h * direction, out=point.array)
                above = self.program.project(self.program.values())
                np.subtract(point.start, h * direction, out=point.array)
                below = self.program.project(self.program.values())
            finally:
                point.array[...] = kept
            numeric = (above - below) / (2 * h)
            noise = ROUNDINGS * UNIT * self.program.scale() / h
            room = self.options.limit(analytic, numeric, noise)
            room += self.options.rtol * np.linalg.norm(full, axis=1) / np.sqrt(point.size)
            if np.all(np.abs(analytic - numeric) <= room):
                return []
        row = int(np.argmax(np.abs(analytic - numeric)))
        compared.direction_failed = True
        return [
            f"{point.name}: along a random direction through all {point.size} entries: analytic "
            f"{analytic[row]:.9g}, numeric {numeric[row]:.9g}; max_entries=None checks every entry."
        ]

    def _name(self, point: Point, entries: Array, compared: Comparison) -> list[str]:
        """Return the sentences that name why a point's derivatives disagree."""
        place = next(i for i, p in enumerate(self.points) if p is point)
        unreached = not self.reaches.get(place, False) and point.size > 0
        largest = compared.largest_numeric()
        if unreached:
            text = causes.unreached(point.name, largest, self.requires)
            if not self.requires and largest == 0:
                text = (
                    f"{point.name}: the output does not require grad, and moving {point.name} "
                    "changes nothing: the function does not depend on it."
                )
            if self.options.recorded and largest > 0:
                text += (
                    " It is the first derivative that is not recorded: a backward that computes "
                    f"with NumPy instead of tensor operations.{self.facts.author()}"
                )
            return [text]
        good = compared.usable()
        if not compared.wrong().any():
            if largest == 0 and (compared.numeric.any() or compared.analytic.any()):
                return [
                    f"{point.name}: its gradient is zero but for rounding, so its ratio and its "
                    "difference mean nothing (a bias before batch normalisation has no effect)."
                ]
            return []
        count = int(compared.wrong().any(axis=0).sum())
        found = [self._worst_sentence(point, entries, compared, count)]
        if not np.isfinite(compared.analytic).all():
            found.append(
                f"{point.name}: the analytic gradient is not finite: a derivative rule divides by "
                "zero or overflows there; tc.detect_anomaly() names the operation."
            )
            return found
        a, n = compared.analytic[good], compared.numeric[good]
        text = ""
        if len(entries) == point.size and good.all():
            text = causes.transposed(compared.analytic, compared.numeric, point.shape)
        text = text or causes.factor(a, n, self.facts.lengths)
        if not text:
            bad = compared.wrong() & good
            text = causes.factor(compared.analytic[bad], compared.numeric[bad], self.facts.lengths)
            text = f"at the entries that disagree, {text}" if text else ""
        if text:
            found.append(f"{point.name}: {text}{self.facts.author()}")
        elif self.facts.custom:
            found.append(f"{point.name}:{self.facts.author()}")
        if point.tensor._hooks:
            found.append(f"{point.name}: a hook registered on it changes its gradient.")
        return found

    def _worst_sentence(
        self, point: Point, entries: Array, compared: Comparison, count: int
    ) -> str:
        row, place = compared.worst()
        a, n = float(compared.analytic[row, place]), float(compared.numeric[row, place])
        ratio = f"ratio {a / n:.6g}" if n else "no ratio"
        index = _index(int(entries[place]), point.shape)
        return (
            f"{point.name}: {count} of {len(entries)} checked entries disagree, most at "
            f"{shown(index)}: analytic {a:.9g}, numeric {n:.9g}, {ratio}."
        )

    def _summary(
        self, point: Point, entries: Array, compared: Comparison, findings: list[str]
    ) -> ParameterCheck:
        index: tuple[int, ...] | None = None
        output, a, n = "", 0.0, 0.0
        if compared.analytic.size:
            row, place = compared.worst()
            index = _index(int(entries[place]), point.shape)
            output = self._row_name(row)
            a, n = float(compared.analytic[row, place]), float(compared.numeric[row, place])
        failed = int(compared.wrong().any(axis=0).sum())
        strict_kinks = self.options.strict and bool(compared.aside.any())
        return ParameterCheck(
            name=point.name,
            symbol=point.symbol,
            shape=point.shape,
            dtype=str(point.dtype),
            entries=len(entries),
            size=point.size,
            index=index,
            output=output,
            analytic=a,
            numeric=n,
            difference=difference(compared.squares()),
            passed=failed == 0 and not strict_kinks and not compared.direction_failed,
            failed=failed,
            kinks=int(compared.aside.sum()),
            findings=tuple(findings),
        )

    def _row_name(self, row: int) -> str:
        """Return how the report calls a row."""
        if self.program.rows is not None:
            return f"projection {row}"
        return f"output {row}" if self.program.base.size > 1 else ""


def _sample(
    points: list[Point], most: int | None, random: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Return the entries to check per point: all, or a share of `most`, small points in full."""
    total = sum(p.size for p in points)
    if most is None or total <= most:
        return [np.arange(p.size) for p in points]
    shares: dict[int, int] = {}
    left = most
    by_size = sorted(range(len(points)), key=lambda i: points[i].size)
    for done, i in enumerate(by_size):
        fair = max(1, left // (len(points) - done))
        shares[i] = min(points[i].size, fair)
        left -= shares[i]
    return [
        np.sort(random.choice(p.size, shares[i], replace=False))
        if shares[i] < p.size
        else np.arange(p.size)
        for i, p in enumerate(points)
    ]


def _index(entry: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(entry, shape)) if shape else ()


def _listed(names: Iterator[str]) -> str:
    every = list(names)
    return ", ".join(every[:6]) + (f" and {len(every) - 6} more" if len(every) > 6 else "")
