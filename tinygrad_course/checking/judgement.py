"""Which of a learner's values are right, which are wrong, and which only inherit an error.

Each value is held against what its line yields on the learner's own values before it. If it is
that, and yet not the right value, an earlier one is wrong. dZ and dA may be m times the derivative,
as the DL Specialization writes them, the true derivative, or another multiple, as long as the
gradients come out right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tape import Tape

Array = NDArray[Any]

OK, INHERITED, WRONG = "ok", "inherited", "wrong"
# How many roundings of the terms of a sum are no error.
ROUNDINGS = 64.0
CONVENTIONS = ("course", "exact", "free")


@dataclass
class Given:
    """One array of the learner's.

    Attributes:
        key: the learner's name for it.
        index: the node of the derivation that it should equal.
        raw: the array as it was handed in.
        value: the same in the shape it should have; None where that does not fit.
        whole: True when it was handed in as whole numbers.
    """

    key: str
    index: int
    raw: Array
    value: Array | None
    whole: bool = False


class Judgement:
    """A learner's values on one tape.

    Args:
        tape: the derivation.
        given: the learner's values by node.
        convention: "course" where dZ and dA are m times the derivative, "exact", or "free": each
            has the factor that makes it fit its own line.
        tolerance: how far apart two values may be, as the courses' difference.
        assumed: values of operations that the learner did not hand in, known from their effect.

    Attributes:
        computed: what each line yields on the learner's values before it.
        reads: what later lines read.
        factor: node -> what the learner's value is multiplied by to be the true derivative.
        state: node -> `OK`, `INHERITED` or `WRONG`.
    """

    def __init__(
        self,
        tape: Tape,
        given: Mapping[int, Given],
        convention: str,
        tolerance: float,
        assumed: Mapping[int, Array] | None = None,
    ) -> None:
        self.tape = tape
        self.assumed = dict(assumed or {})
        self.given = given
        self.convention = convention
        self.tolerance = tolerance
        self.factor: dict[int, float] = {}
        self.right = tape.right
        self.eps = max((_eps(g.raw) for g in given.values()), default=_eps(np.zeros(0)))
        self.computed, self.reads = tape.run(self._read)
        self.state: dict[int, str] = {}
        for index in sorted(given, key=tape.order):
            self.state[index] = self._state(index)

    def _read(self, index: int, computed: Array | None) -> Array | None:
        """Return what later lines read: the learner's value where there is one."""
        mine = self.given.get(index)
        if mine is None:
            return self.assumed.get(index, computed)
        factor = self.unit(index)
        if self.convention == "free" and self.tape.is_scaled(index) and mine.value is not None:
            fit = ratio(mine.value, self.right[index])
            if fit and self.same(fit * np.asarray(self.right[index]), mine.value):
                factor = 1 / fit
        self.factor[index] = factor
        value = mine.raw if mine.value is None else mine.value
        return value * factor if factor != 1 else value.astype(np.float64, copy=False)

    def assuming(self, node: int, value: Array) -> Judgement:
        """Return the judgement on the rest, with a mistake in what was not handed in known."""
        assumed = {**self.assumed, node: value}
        return Judgement(self.tape, self.given, self.convention, self.tolerance, assumed)

    def unit(self, index: int) -> float:
        """Return the true derivative over what the convention writes for it."""
        if self.convention == "course" and self.tape.is_scaled(index) and self.tape.m:
            return 1 / self.tape.m
        return 1.0

    def value(self, index: int) -> Array:
        """Return the learner's value as a true derivative, whatever its shape."""
        mine = self.given[index]
        return mine.raw * self.factor[index]

    def _state(self, index: int) -> str:
        mine = self.given[index]
        right = self.tape.right[index]
        if mine.value is None:
            return WRONG
        value = mine.value * self.factor[index]
        if right is None or self.agrees(value, right, index, self.tape.right, ()):
            return OK
        fitting = False
        for recipe in self.tape.recipes(index):
            computed = self.computed[recipe]
            if computed is None:  # on values of a wrong shape nothing can be computed
                fitting |= any(self.state[i] != OK for i in self._behind(recipe))
            elif self.agrees(value, computed, recipe, self.reads, self.given):
                return INHERITED
        return INHERITED if fitting else WRONG

    def _behind(self, index: int) -> list[int]:
        """Return the learner's values that a line reads."""
        region = self.tape.region(index, self.given)
        return sorted(
            {i for k in region for i in self.tape.nodes[k].inputs if i in self.given} - {index}
        )

    # --- comparing --------------------------------------------------------------------------

    def same(self, a: Array, b: Array) -> bool:
        """Return True when two arrays agree within the tolerance."""
        return difference(a, b) <= self.tolerance

    def agrees(self, a: Array, b: Array, index: int, reads: list[Array | None], stop: Any) -> bool:
        """Return True when two arrays agree, or differ by no more than rounding explains."""
        if not (np.all(np.isfinite(a)) or np.all(np.isfinite(b))):
            return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
        if self.same(a, b):
            return True
        apart = np.abs(a - b)
        if not np.all(np.isfinite(apart)) or apart.max(initial=0) > 1e-2:
            return False
        region = set(self.tape.region(index, stop))
        size = self.tape.magnitude(index, region, reads)
        return size is not None and bool(np.all(apart <= ROUNDINGS * self.eps * size))

    # --- the whole --------------------------------------------------------------------------

    @property
    def wrong(self) -> list[int]:
        """The nodes in error, in the order of computing."""
        return sorted((i for i, s in self.state.items() if s == WRONG), key=self.tape.order)

    @property
    def score(self) -> tuple[int, int, int]:
        """How badly the convention fits: kinds of error, errors, and all that is not right.

        All dW that are the same multiple of what they should be are one kind of error.
        """
        kinds = {self._kind(i) for i in self.wrong}
        return len(kinds), len(self.wrong), sum(s != OK for s in self.state.values())

    def _kind(self, index: int) -> tuple[str, float]:
        mine, computed = self.given[index], self.computed[index]
        if mine.value is not None and computed is not None:
            value = mine.value * self.factor[index]
            c = ratio(value, computed)
            if c and self.same(value, c * computed):
                return self.tape.called.get(index, "").rstrip("0123456789"), round(c, 9)
        return str(index), 0.0

    @property
    def gradients_right(self) -> bool:
        """True when gradients were given and all are right."""
        found = [self.state[i] for i in self.given if self.tape.is_gradient(i)]
        return bool(found) and all(state == OK for state in found)


def judge(tape: Tape, given: Mapping[int, Given], tolerance: float, free: bool = True) -> Judgement:
    """Judge under the convention that leaves the fewest errors; the `free` one only if wanted."""
    best: Judgement | None = None
    for convention in CONVENTIONS if free else CONVENTIONS[:2]:
        found = Judgement(tape, given, convention, tolerance)
        if convention == "free" and not found.gradients_right:
            continue
        if best is None or found.score < best.score:
            best = found
        if not best.score[2]:
            break
    assert best is not None
    return best


def difference(a: Any, b: Any) -> float:
    """Return the courses' ‖a − b‖ / (‖a‖ + ‖b‖); 0 when all is zero, infinity when not finite."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return np.inf
    largest = float(max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)))
    if largest == 0:
        return 0.0
    a, b = a / largest, b / largest  # squares of large numbers would overflow
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)))


def ratio(a: Any, b: Any) -> float:
    """Return c with the least ‖a − c b‖; 0 when b is zero or the shapes differ."""
    if b is None or np.shape(a) != np.shape(b):
        return 0.0
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    with np.errstate(all="ignore"):
        square = float(b @ b)
        c = float(a @ b) / square if square else 0.0
    return c if np.isfinite(c) else 0.0


def _eps(array: Array) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 2.3e-16
