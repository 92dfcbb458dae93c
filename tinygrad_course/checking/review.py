"""A learner's values, all of them judged and explained: the report on a dictionary of arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnosis import Explanation, explain
from .judgement import INHERITED, OK, WRONG, Given, Judgement, difference, judge
from .matching import Names, Problem, as_array, assign
from .tape import Tape
from .verdicts import BackpropReport, Verdict
from .wording import Words

Array = NDArray[Any]

# Differences that rounding may cause in correct code, by precision.
TOLERANCES = {2: 1e-2, 4: 1e-5, 8: 1e-7}


def choose_tolerance(arrays: Collection[Any]) -> tuple[float, str]:
    """Return how far apart right values may be, and why, for the coarsest dtype among `arrays`."""
    floats = [a.dtype for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    coarsest = min(floats, key=lambda d: d.itemsize, default=np.dtype(np.float64))
    tolerance = TOLERANCES.get(coarsest.itemsize, 1e-7)
    return tolerance, f"{tolerance:g}, chosen for {coarsest}"


def tolerance_text(words: str) -> str:
    """Say when a value is right."""
    return f"right when ‖yours − derived‖₂ / (‖yours‖₂ + ‖derived‖₂) ≤ {words}"


def review(
    tape: Tape,
    yours: Mapping[str, Any],
    *,
    wanted: Collection[int],
    names: Mapping[str, str],
    tolerance: float | None,
    reference: str,
    notes: Collection[str] = (),
    alone: bool = False,
) -> BackpropReport:
    """Judge a learner's values and explain what is wrong.

    Args:
        tape: the derivation.
        yours: the values by the learner's names.
        wanted: the gradients that must be among them.
        names: learner's name -> ours, where they differ.
        tolerance: as a difference; None chooses it for the dtype.
        reference: what is compared with, in words.
        notes: to be shown below.
        alone: the values are those of one layer, and scaled like what they were computed from.
    """
    arrays = [as_array(v)[0] for v in yours.values()]
    inputs = [np.asarray(tape.nodes[i].value) for i in tape.leaves]
    chosen, words = choose_tolerance([*arrays, *inputs])
    if tolerance is not None:
        chosen, words = tolerance, f"{tolerance:g} (as given)"
    given, problems, found = assign(tape, yours, names, chosen)
    judgement = judge(tape, given, chosen, free=not alone)
    verdicts = _Review(judgement, problems).verdicts()
    missing = _missing(tape, yours, given, problems, wanted, names)
    verdicts += missing
    comments = [*notes, *found, *_convention(judgement)]
    passed = bool(verdicts) and all(v.ok for v in verdicts)
    return BackpropReport(
        tuple(verdicts), passed, reference, tolerance_text(words), tuple(comments)
    )


class _Review:
    """Turns a judgement into verdicts."""

    def __init__(self, judgement: Judgement, problems: list[Problem]) -> None:
        self.j = judgement
        self.tape = judgement.tape
        self.problems = problems
        self.words = Words(judgement)
        # Wrong values that a mistake found earlier explains -> the value it is in.
        self.explained: dict[int, int] = {}
        # The latest value with a mistake that was not handed in.
        self.hidden: int | None = None

    def verdicts(self) -> list[Verdict]:
        """Return a verdict for each value, in the order of computing."""
        found: dict[int, Verdict] = {}
        for problem in self.problems:
            node = self.tape.nodes[problem.index]
            found[problem.index] = Verdict(
                problem.key, self._quantity(problem.index), False, np.inf, np.inf, node.shape,
                problem.kind, problem.sentence, culprit=problem.key,
            )  # fmt: skip
        for index in sorted(self.j.given, key=self.tape.order):
            found[index] = self._verdict(index)
        return [found[i] for i in sorted(found, key=self.tape.order)]

    def _quantity(self, index: int) -> str:
        return self.tape.called.get(index, "")

    def _verdict(self, index: int) -> Verdict:
        mine = self.j.given[index]
        state = self.j.state[index]
        apart, error = self._distance(mine)
        kind = diagnosis = culprit = ""
        inherited = False
        if state == INHERITED:
            inherited, kind = True, "inherited"
            culprit = "" if index in self.explained else self._source(index)
        elif state == WRONG and index in self.explained:
            inherited, kind = True, "inherited"
        elif state == WRONG:
            explanation = explain(self.j, index, self.words)
            if explanation is None:
                kind, diagnosis, culprit = *self._unknown(mine, apart), mine.key
            else:
                kind = explanation.kind
                diagnosis = self._introduced(index, explanation)
                culprit = self.words.name(explanation.culprit)
                for other in explanation.explained:
                    if other != index:
                        self.explained[other] = explanation.culprit
                if explanation.culprit not in self.j.given and explanation.value is not None:
                    self.j = self.j.assuming(explanation.node, explanation.value)
                    self.hidden = explanation.culprit
        if inherited and not culprit:
            source = self.explained.get(index, self.hidden)
            culprit = self.words.name(source) if source is not None else ""
        return Verdict(
            mine.key, self._quantity(index), state == OK, apart, error, mine.raw.shape, kind,
            diagnosis, inherited, culprit,
        )  # fmt: skip

    def _distance(self, mine: Given) -> tuple[float, float]:
        right = self.tape.right[mine.index]
        if right is None or mine.value is None:
            return np.inf, np.inf
        value = mine.value * self.j.factor[mine.index]
        with np.errstate(all="ignore"):
            error = float(np.max(np.abs(value - right), initial=0.0))
        return difference(value, right), error if np.isfinite(error) else np.inf

    def _source(self, index: int) -> str:
        """Return the nearest value in error that a value inherits from."""
        seen: set[int] = set()
        stack = [index]
        while stack:
            i = stack.pop()
            behind = self.tape.behind(i, self.j.given)
            reads = {k for n in behind for k in self.tape.nodes[n].inputs if k in self.j.given}
            for k in sorted(reads - seen - {i}, key=self.tape.order, reverse=True):
                seen.add(k)
                if self.j.state[k] == WRONG:
                    culprit = self.explained.get(k, k)
                    return self.words.name(culprit)
                stack.append(k)
        return ""

    def _introduced(self, index: int, explanation: Explanation) -> str:
        """Return the diagnosis, with what to look at first."""
        culprit = self.tape.nodes[explanation.culprit]
        if culprit.is_backward or explanation.culprit == self.tape.cost:
            return explanation.sentence
        name = self.words.name(explanation.culprit)
        if index == explanation.culprit:
            return (
                f"{explanation.sentence} Your forward differs already at {name}: compare it first."
            )
        return f"Your forward seems to differ already at {name}: {explanation.sentence}"

    def _unknown(self, mine: Given, apart: float) -> tuple[str, str]:
        node = self.tape.nodes[mine.index]
        line = ""
        if not self.tape.opaque:
            line = f" Its line is {mine.key} = {self.tape.write(mine.index, inside=True)}."
        if mine.value is None and mine.raw.size != node.size:
            return (
                "shape",
                f"{mine.key} has shape {mine.raw.shape}, expected {node.shape}.{line}",
            )
        if not node.is_backward and mine.index != self.tape.cost:
            return (
                "unknown",
                f"Your forward differs already at {mine.key}: compare it first "
                f"(difference {apart:.2g}).{line}",
            )
        return (
            "unknown",
            f"{mine.key} is wrong (difference {apart:.2g}), and no single mistake that is known "
            f"here explains it.{line}",
        )


def _missing(
    tape: Tape,
    yours: Mapping[str, Any],
    given: Mapping[int, Given],
    problems: list[Problem],
    wanted: Collection[int],
    spoken: Mapping[str, str],
) -> list[Verdict]:
    """Return verdicts on gradients that were not handed in."""
    names = Names(tape, list(yours), spoken)
    used = {g.key for g in given.values()} | {p.key for p in problems}
    spare = [key for key in yours if key not in used]
    found = []
    for index in sorted(wanted, key=tape.order):
        if index in given or any(p.index == index for p in problems):
            continue
        name = tape.called[index]
        close = names.close(name, spare)
        text = f"{name} is missing"
        text += f": your {close} looks like it. Did you mean {name}?" if close else "."
        if not yours:
            text += " Nothing was handed in."
        found.append(
            Verdict(name, name, False, np.inf, np.inf, tape.nodes[index].shape, "missing", text)
        )
    return found


def _convention(j: Judgement) -> list[str]:
    """Say how the learner scales dZ and dA."""
    m = j.tape.m
    scaled = [i for i in j.given if j.tape.is_scaled(i) and j.given[i].raw.ndim]
    if not scaled or not m or m == 1:
        return []
    if all(round(1 / j.factor[i], 6) == m for i in scaled if i in j.factor):
        return [
            "Your dZ and dA are m × the derivatives of the mean cost, as the DL Specialization "
            "writes them: the 1/m stands in the gradients."
        ]
    if j.convention == "free":
        return ["Your dZ and dA have factors of their own, and the gradients come out right."]
    return []
