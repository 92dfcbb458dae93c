"""One run of `check_backprop`: whatever the learner handed in becomes one report."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .calling import call, flattened, name_of, supplied
from .functions import Context, Functions, Trial, call_object, call_one, kind_of, load, namespace
from .review import review, tolerance_text
from .tape import Tape
from .verdicts import BackpropReport, Verdict


class Session:
    """What is checked against what, and how.

    Args:
        tape: the derivation.
        reference: where it comes from, in words.
        wanted: the gradients that must be there.
        inputs: further arguments of the learner's functions.
        names: learner's name -> ours, where they differ.
        tolerance: as a difference; None chooses it.
        forward: the learner's forward values, or a function for them.
    """

    def __init__(
        self,
        tape: Tape,
        reference: str,
        *,
        wanted: Collection[int],
        inputs: Mapping[str, Any],
        names: Mapping[str, str],
        tolerance: float | None,
        forward: Any,
    ) -> None:
        self.tape = tape
        self.reference = "reference: " + reference + (f"; m = {tape.m}" if tape.m else "")
        self.wanted = list(wanted)
        self.inputs = dict(inputs)
        self.names = dict(names)
        self.tolerance = tolerance
        self.forward = forward
        if tolerance is None and "differences" in reference:
            self.tolerance = 1e-5
        self.context = Context(tape, flattened(self.inputs))

    @staticmethod
    def failed(sentence: str) -> BackpropReport:
        """Return the report on something that could not be run."""
        return BackpropReport((), False, "nothing was compared", "", causes=(sentence,))

    def report(self, yours: Any) -> BackpropReport:
        """Return the report on whatever the learner handed in."""
        if isinstance(yours, (str, Path)):
            names, failure = load(yours)
            return self.failed(failure) if failure else self._functions(names, Path(yours).name)
        functions = namespace(yours)
        if functions is not None:
            return self._functions(functions, getattr(yours, "__name__", "the namespace"))
        if isinstance(yours, Mapping):
            return self._values(flattened(yours))
        if isinstance(yours, (list, tuple)):
            return self._sequence(yours)
        called = call_object(yours, self.context)
        if called is not None:
            return self._called(*called)
        if callable(yours):
            return self._called(*call_one(yours, self._context_of_forward()))
        return self.failed(
            f"There is nothing to check in an object of type {type(yours).__name__}: hand in your "
            'gradients by name, {"dW1": dW1}, a function that returns them, or a module.'
        )

    # --- values -----------------------------------------------------------------------------

    def _values(
        self, values: Mapping[str, Any], notes: Collection[str] = (), complete: bool = True
    ) -> BackpropReport:
        values = {**self._forward_values(), **values}
        return self._review(values, notes, complete)

    def _review(
        self,
        values: Mapping[str, Any],
        notes: Collection[str],
        complete: bool,
        alone: bool = False,
    ) -> BackpropReport:
        return review(
            self.tape.copy(),
            values,
            wanted=self.wanted if complete else (),
            names=self.names,
            tolerance=self.tolerance,
            reference=self.reference,
            notes=notes,
            alone=alone,
        )

    def _forward_values(self) -> dict[str, Any]:
        if isinstance(self.forward, Mapping):
            return flattened(self.forward)
        return {}

    def _context_of_forward(self) -> Context:
        """Return the right values, with the cache of the learner's own forward function."""
        if not callable(self.forward):
            return self.context
        arguments, failure = supplied(self.forward, self.context.supply)
        outcome = None if failure else call(self.forward, arguments)
        if outcome is not None and not outcome.failure and isinstance(outcome.returned, tuple):
            self.context.supply.extra.setdefault("cache", outcome.returned[-1])
        return self.context

    def _sequence(self, yours: Any) -> BackpropReport:
        """Take arrays without names in the order of the parameters."""
        names = [self.tape.called[i] for i in sorted(self.wanted, key=self._by_parameter)]
        if len(yours) != len(names):
            return self.failed(
                f"Got {len(yours)} arrays without names for {len(names)} gradients. Hand them in "
                'by name: {"dW1": dW1, "db1": db1, …}.'
            )
        note = f"Arrays without names were taken in the order {', '.join(names)}."
        return self._values(dict(zip(names, yours, strict=True)), [note])

    def _by_parameter(self, index: int) -> int:
        return self.tape.of[index]

    def _called(self, values: Mapping[str, Any], outcome: Any) -> BackpropReport:
        if not values and isinstance(outcome.returned, (list, tuple)):
            return self._sequence(outcome.returned)
        if outcome.failure:
            return self.failed(outcome.failure)
        return self._values(values, outcome.notes)

    # --- functions --------------------------------------------------------------------------

    def _functions(self, names: Mapping[str, Any], where: str) -> BackpropReport:
        functions = Functions(names, self.context)
        trials = list(functions.trials())
        if not trials:
            own = [k for k, v in names.items() if inspect.isfunction(v)]
            return self.failed(
                f"{where} has none of the functions that the courses' labs ask for, such as "
                "backward_propagation(parameters, cache, X, Y) or linear_backward(dZ, cache); it "
                f"has {', '.join(own) or 'no functions'}. Check one of your own with "
                "check_backprop(loss, the_function)."
            )
        many = len({t.function for t in trials}) > 1
        reports = [(trial, self._trial(trial)) for trial in trials]
        whole = [r for t, r in reports if not t.helper and t.values and self._is_backward(t)]
        fine = bool(whole) and all(r.passed for r in whole)
        return self._joined(reports, many, fine, names)

    @staticmethod
    def _is_backward(trial: Trial) -> bool:
        return not trial.helper and any(k.startswith("d") for k in trial.values)

    def _trial(self, trial: Trial) -> BackpropReport:
        if trial.outcome.failure:
            return self.failed(trial.outcome.failure)
        values = {**trial.fixed, **trial.values}
        complete = self._is_backward(trial)
        report = self._review(values, trial.outcome.notes, complete, alone=trial.helper)
        kept = tuple(v for v in report if v.name not in trial.fixed)
        return replace(report, verdicts=kept, passed=all(v.ok for v in kept))

    def _joined(
        self,
        reports: list[tuple[Trial, BackpropReport]],
        many: bool,
        fine: bool,
        names: Mapping[str, Any],
    ) -> BackpropReport:
        """Return one report of all functions: of a layer's function the first wrong layer."""
        verdicts: list[Verdict] = []
        notes: dict[str, None] = {}
        broken: dict[str, str] = {}  # function with wrong results -> the one whose mistake it is
        done: set[str] = set()
        tolerance = next((r.tolerance for _, r in reports if r.tolerance), tolerance_text("1e-7"))
        for trial, report in reports:
            name = trial.function
            notes.update(dict.fromkeys(report.notes))
            # What the whole backward pass is made of is right where that is.
            proven = fine and name.endswith("_backward")
            if trial.helper and (proven or report.passed or name in done):
                if name not in done and self._is_last(trial, reports):
                    verdicts.append(self._fine(name, reports))
                continue
            done.add(name)
            uses = [broken[b] for b in broken if _mentions(names.get(name), b)]
            if report.causes:
                verdicts.append(_broken(name, report.causes[0], uses))
            for verdict in report:
                verdicts.append(_under(verdict, name if many else "", uses))
            if not report.passed:
                broken[name] = uses[0] if uses else name
        passed = bool(verdicts) and all(v.ok for v in verdicts)
        if not any(kind_of(t.function) == "backward" for t, _ in reports):
            missing = "No function for the whole backward pass was found: only parts were checked."
            notes.setdefault(missing)
        return BackpropReport(tuple(verdicts), passed, self.reference, tolerance, tuple(notes))

    @staticmethod
    def _is_last(trial: Trial, reports: list[tuple[Trial, BackpropReport]]) -> bool:
        return [t for t, _ in reports if t.function == trial.function][-1] is trial

    @staticmethod
    def _fine(name: str, reports: list[tuple[Trial, BackpropReport]]) -> Verdict:
        own = [v for t, r in reports if t.function == name for v in r if v.ok]
        apart = max((v.difference for v in own), default=0.0)
        return Verdict(name, name, True, apart, max((v.error for v in own), default=0.0))


def _mentions(function: Any, other: str) -> bool:
    """Return True for a function that calls another."""
    code = getattr(function, "__code__", None)
    return code is not None and other in code.co_names


def _broken(name: str, cause: str, uses: list[str]) -> Verdict:
    return Verdict(
        name, name, False, np.inf, np.inf, (), "inherited" if uses else "error",
        "" if uses else cause, inherited=bool(uses), culprit=uses[0] if uses else name,
    )  # fmt: skip


def _under(verdict: Verdict, function: str, uses: list[str]) -> Verdict:
    """Return a verdict under the name of the function, blamed on the one it uses."""
    if not function:
        return verdict
    name = f"{function}: {verdict.name}"
    if verdict.ok:
        return replace(verdict, name=name)
    if uses and not verdict.inherited:
        return replace(
            verdict, name=name, kind="inherited", diagnosis="", inherited=True, culprit=uses[0]
        )
    diagnosis = f"{function}: {verdict.diagnosis}" if verdict.diagnosis else ""
    return replace(verdict, name=name, diagnosis=diagnosis)


__all__ = ["Session", "name_of"]
