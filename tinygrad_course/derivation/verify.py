"""Is what is printed true? Equations and program against automatic differentiation.

`verify` computes a model's derivatives in independent ways on the same random numbers, all in
float64: by differentiating the recorded operations, by computing the lines of the derivation, by
reading their printed equations back (`reader`), and by running the emitted program (`source`). It
does so for the number of examples that the model was recorded with, and for another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors
from ..graph import Graph
from ..op import REGISTRY, Op
from .lines import Derivation, derive
from .notation import relayout
from .reader import EquationError, Reader
from .truth import Truth, Values, replayed, truth_of
from .writer import Writer

_READABLE = re.compile(r"[^\W\d][^\s=+\-*/()|‖,<>~√·^'&]*")

# A gradient that vanishes but for rounding is compared with the size of the others, down to this.
LEAST = 1e-3


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        name: the line.
        what: "lines", "equations" or "program": what was compared with autodiff.
        m: the number of examples, None when there is no such number.
        difference: ‖a − b‖ / (‖a‖ + ‖b‖).
    """

    name: str
    what: str
    m: int | None
    difference: float


@dataclass(frozen=True)
class Verification:
    """What `verify` found; true when everything agrees.

    Attributes:
        checks: every comparison.
        tolerance: the largest difference that counts as rounding.
        derivatives: how many were compared.
        counts: the numbers of examples.
        notes: what could not be compared, in sentences.
    """

    checks: tuple[Check, ...]
    tolerance: float
    derivatives: int
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.largest <= self.tolerance

    @property
    def largest(self) -> float:
        """The largest difference."""
        return max((c.difference for c in self.checks), default=0.0)

    @property
    def where(self) -> str:
        """The name of the line with the largest difference."""
        return max(self.checks, key=lambda c: c.difference).name if self.checks else ""

    @property
    def first(self) -> Check | None:
        """The first comparison that failed, in the order of computing: later ones inherit it."""
        return next((c for c in self.checks if not c.difference <= self.tolerance), None)

    def __str__(self) -> str:
        what = sorted({c.what for c in self.checks} - {"lines"})
        sides = " and ".join(what) or "lines"
        if self.first is not None:
            return f"wrong: {_blamed(self.first)}"
        compared = f"{self.derivatives} derivatives" if self.derivatives else "forward pass"
        at = " and ".join(f"m = {m}" for m in self.counts)
        more = "".join(f"; {note}" for note in self.notes)
        inside = f"{compared}, {at}" if at else compared
        return f"verified: {sides} agree with autodiff to {self.largest:.1e} ({inside}){more}"


def _blamed(check: Check) -> str:
    at = f" for m = {check.m}" if check.m is not None else ""
    means = {"lines": "the line", "equations": "the equation", "program": "the program"}
    return (
        f"{means[check.what]} of {check.name}{at} differs from autodiff by a relative "
        f"{check.difference:.1e}"
    )


def verify(
    source: Any,
    wrt: Any = None,
    mean: str = "course",
    simplify: bool = True,
    notation: str = "auto",
    *,
    tolerance: float = 1e-9,
    seed: int = 0,
    program: bool = True,
    raise_exception: bool = True,
) -> Verification:
    """Compare the equations and the program of a loss with autodiff, on random numbers.

    Parameters are drawn around the values they have, examples are drawn from those there are, so
    that probabilities, labels and positive numbers stay what they are. What a random operation
    drew, such as a dropout mask, is given to every side.

    Args:
        source: the loss, a graph, a `Derivation`, or what `equations` or `source` returned.
        wrt: as for `equations`; what is derived already has its own, also of these:
        mean: where the 1/m of a mean stands.
        simplify: simplify the equations.
        notation: rows or columns; in another layout than the model's, the gradients are compared
            with the model's own too.
        tolerance: the largest relative difference that counts as rounding.
        seed: of the random numbers.
        program: run the emitted program too.
        raise_exception: raise when something differs.

    Returns:
        A `Verification`: true when all agree; printed, one line.

    Raises:
        GraphError: a line differs from autodiff, and `raise_exception`; or nothing was recorded.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.derivation.verify import verify
        >>> w = tc.tensor([[1.0, -2.0]], requires_grad=True, name="w")
        >>> X = tc.tensor([[0.5, 1.0, -1.0], [2.0, 0.0, 1.0]], name="X")
        >>> found = verify((w @ X).tanh().mean())
        >>> bool(found), found.counts
        (True, (3, 5))
    """
    d = getattr(source, "derivation", source)
    checks: list[Check] = []
    notes: list[str] = []
    if not isinstance(d, Derivation):
        laid_out = relayout(source, notation)
        d = derive(laid_out, wrt, mean, simplify)
        if laid_out is not source:
            checks += _compare_layouts(d, source)
    emitted = None
    if program:
        try:
            emitted = _program(source, d)
        except errors.GraphError as error:
            notes.append(f"there is no program ({error})")
    random = np.random.default_rng(seed)
    counts = []
    truths = _truths(d)
    for m in _counts(d):
        try:
            truth = truth_of(d, random, m)
        except errors.TinygradCourseError as error:
            if m == d.m:
                raise
            notes.append(f"the model itself does not run for m = {m} ({error})")
            continue
        if m is not None:
            counts.append(m)
        checks += _compare(d, truth, truths, m, emitted)
    gradients = {k for k, line in enumerate(d.lines) if line.of is not None}
    found = Verification(
        tuple(checks), tolerance, len(gradients), tuple(counts), tuple(dict.fromkeys(notes))
    )
    if raise_exception and found.first is not None:
        raise errors.GraphError(
            f"verify: {_blamed(found.first)}. This is a fault of the derivation, not of your "
            "model: do not use these equations, and please report the model. "
            "simplify=False may avoid it."
        )
    return found


def _program(source: Any, d: Derivation) -> Any:
    """Return the emitted program."""
    from .source import Program, in_one

    return source if isinstance(source, Program) else in_one(d, None, False, None)


def _compare_layouts(d: Derivation, loss: Any) -> list[Check]:
    """Compare the gradients of a model in another layout with those of the model itself."""
    graph = loss if isinstance(loss, Graph) else Graph.of(loss, backward=True)
    values = {n.name: n.value for n in graph.inputs}
    drawn = {n.index: n.value for n in graph if n.op is not None and n.op.kind == "random"}
    own = {graph[i].name: g for i, g in replayed(graph, values, drawn).slopes.items()}
    floor = LEAST * max(map(_norm, own.values()), default=0.0)
    checks = []
    for name, value in d.evaluate().items():
        of = d.by_name[name].of if name in d.by_name else None
        if of not in values:
            continue
        known = [own[of], own[of].T, own[of].reshape(np.shape(value))]
        found = min(difference(value, g, floor) for g in known)
        checks.append(Check(name, "lines", d.m, found))
    return checks


def _counts(d: Derivation) -> list[int | None]:
    """Return the numbers of examples to compare for."""
    if not d.m:
        return [d.m]
    return [d.m, 5 if d.m != 5 else 7]


# --- the comparison -----------------------------------------------------------------------------


def _truths(d: Derivation) -> dict[str, tuple[int, int]]:
    """Return for each line the original node whose value, or derivative · mᵏ, it computes.

    The second number is k, or −1 for a value.
    """
    s = d.simplifier
    place = {old: s.place[new] for old, new in s.new.items() if new in s.place}
    forward: dict[int, int] = {}
    slopes: dict[int, tuple[int, int]] = {}
    for node in s.original:
        if node.is_backward:
            continue
        if node.index in place:
            forward.setdefault(place[node.index], node.index)
        if node.grad is not None and node.index in s.new:
            named = s.named.get(node.index, s.new.get(node.grad, -1))
            if named in s.place:
                slopes.setdefault(s.place[named], (node.index, s.scale.get(node.index, 0)))
    by_name = {s.original[i].name: i for i in forward.values()}
    found = {}
    for line in d.lines:
        if line.same_as is not None:
            found[line.name] = (by_name.get(str(line.of), -1), 0)
        elif line.section != "backward":
            found[line.name] = (forward.get(line.index, -1), -1)
        elif line.index in slopes:
            found[line.name] = slopes[line.index]
    return {name: truth for name, truth in found.items() if truth[0] >= 0}


def _compare(
    d: Derivation, truth: Truth, truths: dict[str, tuple[int, int]], m: int | None, program: Any
) -> list[Check]:
    given = _given(d, truth)
    lines = d.evaluate(truth.leaves, given)
    expected: Values = {}
    for name, (index, k) in truths.items():
        if k < 0:
            expected[name] = truth.values[index]
        elif index in truth.slopes:
            expected[name] = truth.slopes[index] * float(m or 1) ** k
    sides = [("lines", lines), ("equations", _read(d, truth, given, m, lines))]
    if program is not None:
        with np.errstate(all="ignore"):
            sides.append(("program", program.evaluate(truth.leaves, given)))
    sizes = {
        "backward": max((_norm(x) for x in truth.slopes.values()), default=0.0),
        "forward": max(_norm(x) for x in truth.values.values()),
    }
    checks = []
    for line in d.lines:
        size = sizes["backward" if line.section == "backward" else "forward"]
        floor = LEAST * min(size, 1e100) * float(m or 1) ** line.scale
        for what, results in sides:
            if line.name not in results or line.name in given:
                continue
            reference = expected.get(line.name, lines[line.name])
            found = difference(results[line.name], reference, floor)
            checks.append(Check(line.name, what, m, found))
    return checks


def _given(d: Derivation, truth: Truth) -> Values:
    """Return what the random operations of a derivation drew, by the names of their lines."""
    s = d.simplifier
    fixed = {s.place[s.new[i]]: x for i, x in truth.fixed.items() if s.new.get(i) in s.place}
    return {line.name: fixed[line.index] for line in d.lines if line.index in fixed}


def _read(d: Derivation, truth: Truth, given: Values, m: int | None, lines: Values) -> Values:
    """Compute the printed equations."""
    names = [n.name for n in d.leaves] + [line.name for line in d.lines]
    plain = {name: f"name{k}" for k, name in enumerate(names) if not _is_readable(name)}
    writer = Writer(d, "text", plain)
    known = {writer.symbol(n.name): truth.leaves.get(n.name, n.value) for n in d.leaves}
    for symbol, length in d.sizes.symbols().items():
        known.setdefault(symbol, m if symbol == "m" else length)
    reader = Reader(known, {writer.left(d.by_name[k]): x for k, x in given.items()})
    found = {}
    for line in d.lines:
        own = _own_operations(d, [d.graph[i].op for i in d.body(line)])
        if own is None:
            reader.values[writer.left(line)] = found[line.name] = lines[line.name]
            continue
        for called, op in own.items():
            reader.functions[called] = op
        try:
            (found[line.name],) = reader.run(writer.equation(line)).values()
        except EquationError as error:
            raise errors.GraphError(
                f"verify: the equation of {line.name} cannot be read back: {error}"
            ) from error
    return found


def _is_readable(name: str) -> bool:
    """Return False for names of tensors that mean something else in an equation, such as 2nd."""
    return _READABLE.fullmatch(name) is not None and name not in ("and", "or", "xor", "not", "mod")


def _own_operations(d: Derivation, ops: list[Op | None]) -> dict[str, Op] | None:
    """Return operations that are not registered by what equations call them; None: not unique."""
    found: dict[str, Op] = {}
    for op in ops:
        if op is None or REGISTRY.get(op.name) is op:
            continue
        called = op.spell("text", ["x"] * len(op.inputs), {}).partition("(x")[0]
        if found.setdefault(called, op) is not op:
            return None
    return found


def _norm(value: Any) -> float:
    value = np.asarray(value, np.float64)
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(value[np.isfinite(value)]))


def difference(a: Any, b: Any, floor: float = 0.0) -> float:
    """Return ‖a − b‖ / (‖a‖ + ‖b‖); the denominator is `floor` at least.

    >>> difference([3.0, 4.0], [3.0, 4.0]), difference([1.0], [[1.0]])
    (0.0, inf)
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("inf")
    floor = max(floor, np.finfo(float).tiny)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.where(same, 0, a - b)
        # Squares of large numbers would overflow.
        largest = (np.max(np.abs(x), initial=0, where=np.isfinite(x)) for x in (a, b))
        scale = float(max(largest)) or 1.0
        found = _norm(apart / scale) / max(_norm(a / scale) + _norm(b / scale), floor / scale)
    return found if np.isfinite(apart).all() and found == found else float("inf")


__all__ = ["Check", "Verification", "difference", "verify"]
