"""A catalogue of wrong and of correct backpropagation, to hold `tc.check_backprop` against.

`BUGS` are the programs of `bug_catalogue_programs` with one expression replaced by what learners
write instead; what comes after it in the program inherits the error. `CORRECT` are other ways to
write the same right thing. Nothing here asks the package what is right: the programs were written
by hand, and a test checks them with central differences.

The kinds of mistake:

    factor          a plain multiple: 2×, m×, 1/m
    sign            the wrong sign, or a difference the wrong way round
    transpose       the transpose of the result or of an operand
    sum             a sum over the wrong axis, over too many, or missing
    shape           right numbers in a wrong shape: keepdims missing, (n,) against (n, 1)
    broadcast       (m,) against (m, 1) made an (m, m) matrix
    missing factor  a factor is not there: an activation's derivative, a mask, W
    extra factor    a factor too many
    activation      another activation, or the derivative of another activation
    operand         another quantity than the one that belongs there
    missing term    a term is not there: the bias, λW
    extra term      a term too many
    term            a term with a wrong factor
    product         a matrix product where an elementwise one belongs, or the other way round
    updated         parameters that were already updated
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from bug_catalogue_edits import EDITS
from bug_catalogue_programs import PROGRAMS, Arrays, Program
from bug_catalogue_variants import VARIANTS

GIVES = ("all", "backward", "gradients")


@dataclass(frozen=True)
class Bug:
    """A program with one mistake in it.

    Attributes:
        target: the quantity computed wrongly; all others wrong only inherit it.
        expression: what it is computed by.
        kinds: the kinds of mistake that name it rightly.
        words: a pattern that the diagnosis must contain.
        gives: what the learner hands in: "all" that was computed, the "backward" pass, or only
            the "gradients".
    """

    program: Program
    target: str
    expression: str
    kinds: tuple[str, ...]
    words: str
    seed: int
    m: int
    gives: str

    @property
    def id(self) -> str:
        return f"{self.program.name}: {self.target} = {self.expression} [{self.gives}]"

    @cached_property
    def inputs(self) -> Arrays:
        return self.program.inputs(self.seed, self.m)

    @cached_property
    def computed(self) -> Arrays:
        """Everything the wrong program computed."""
        return self.program.run(self.inputs, self.program.edited(self.target, self.expression))

    @property
    def results(self) -> Arrays:
        """What the learner hands in."""
        return given(self.program, self.computed, self.gives)


@dataclass(frozen=True)
class Variant:
    """A correct program that looks different, or hands in its results in another way."""

    program: Program
    name: str
    inputs: Arrays
    results: Arrays


def given(program: Program, computed: Arrays, gives: str) -> Arrays:
    """Return the part of a program's results that is handed in."""
    if gives == "all":
        return {k: v for k, v in computed.items() if isinstance(v, np.ndarray | np.generic)}
    names = [*program.gradients, *(program.backward if gives == "backward" else ())]
    return {name: computed[name] for name in names}


def everywhere(program: Program, position: int) -> list[tuple[str, str, str, str]]:
    """Return mistakes that fit every program, another choice of them for each."""
    found = []
    m = "m" if "m = " in program.source else str(program.sizes[0])
    for place, (name, of) in enumerate(program.gradients.items()):
        right = program.expression(name)
        choices = [
            (f"2 * ({right})", "factor", r"2\.00 ×"),
            (f"-({right})", "sign", "sign"),
            (f"({right}) * {m}", "factor", r"\bm ×|1/m" if m == "m" else f"{m} ×|{m}.00 ×"),
            (f"({right}) / {m}", "factor", r"1/m" if m == "m" else f"1/{m}"),
            (f"({right}) / 2", "factor", r"1/2 ×|½|0\.5"),
            (f"({right}) * 10", "factor", r"10(\.0*)? ×"),
        ]
        if of[0] in "Ww" and of != "w":
            choices.append((f"({right}).T", "transpose|shape", "transpose"))
        start = position + 2 * place
        for choice in (choices[start % len(choices)], choices[(start + 1) % len(choices)]):
            found.append((name, *choice))
    return found


def bugs(every: bool = False) -> list[Bug]:
    """Return the catalogue: each edit handed in in one of three ways, or in `every` one."""
    made = []
    for position, program in enumerate(PROGRAMS):
        seen = set()
        for place, edit in enumerate([*EDITS[program.name], *everywhere(program, position)]):
            target, expression, kinds, words = edit
            if (target, expression) in seen:
                continue
            seen.add((target, expression))
            m = program.sizes[place % len(program.sizes)]
            for gives in GIVES if every else GIVES[(position + place) % 3 :][:1]:
                made.append(
                    Bug(
                        program,
                        target,
                        expression,
                        tuple(kinds.split("|")),
                        words,
                        seed=3 + place % 3,
                        m=m,
                        gives=gives,
                    )
                )
    return made


def variants() -> list[Variant]:
    """Return the correct programs."""
    made = []
    for position, program in enumerate(PROGRAMS):
        for m in program.sizes:
            inputs = program.inputs(position, m)
            computed = program.run(inputs)
            for gives in GIVES:
                results = given(program, computed, gives)
                made.append(Variant(program, f"as it is, m = {m}, {gives}", inputs, results))
        inputs = program.inputs(position, program.sizes[0])
        for place, (target, expression) in enumerate(VARIANTS["edits"].get(program.name, ())):
            computed = program.run(inputs, program.edited(target, expression))
            gives = GIVES[place % 3] if target not in program.backward else "backward"
            results = given(program, computed, gives)
            made.append(Variant(program, f"{target} = {expression}", inputs, results))
        for name, change in VARIANTS["texts"].get(program.name, ()):
            computed = program.run(inputs, change(program.source))
            made.append(Variant(program, name, inputs, given(program, computed, "backward")))
        for place, (name, hand_in) in enumerate(VARIANTS["forms"]):
            results = given(program, program.run(inputs), GIVES[(position + place) % 3])
            changed = hand_in(program, inputs, results)
            if changed is not None:
                made.append(Variant(program, name, inputs, changed))
    return made
