"""The result of a gradient check: numbers per parameter, and sentences that name causes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import GradcheckError

COLUMNS = (
    "parameter",
    "shape",
    "checked",
    "worst entry",
    "analytic",
    "numeric",
    "ratio",
    "abs. error",
    "rel. error",
    "difference",
)
_ASCII = str.maketrans(
    {
        "ε": "eps",
        "θ": "theta",
        "·": "*",
        "−": "-",
        "–": "-",
        "×": "x",
        "≤": "<=",
        "‖": "||",
        "₂": "",
        "∛": "cbrt",
    }
)


@dataclass(frozen=True)
class ParameterCheck:
    """What the check found for one parameter (or one input).

    Attributes:
        name: the parameter's name; in a model its path, such as ``0.weight``.
        symbol: how pictures and equations call it, such as ``W[1]``; "" without such a name.
        shape: its shape.
        dtype: its own dtype; the check computes in float64.
        entries: how many of its entries were checked.
        size: how many it has.
        index: the entry that disagrees most.
        output: which output or projection that entry was differentiated of; "" for a scalar.
        analytic: its derivative by the backward pass.
        numeric: its derivative by differences.
        difference: ‖grad − approx‖₂ / (‖grad‖₂ + ‖approx‖₂) over the checked entries.
        passed: True when all checked entries agree.
        failed: how many do not.
        kinks: how many entries lie at a kink and were not compared.
        findings: sentences that name causes.
    """

    name: str
    symbol: str
    shape: tuple[int, ...]
    dtype: str
    entries: int
    size: int
    index: tuple[int, ...] | None
    output: str
    analytic: float
    numeric: float
    difference: float
    passed: bool
    failed: int = 0
    kinks: int = 0
    findings: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Analytic over numeric derivative: 1 is right, 2 is twice too much, −1 a wrong sign."""
        if self.numeric == 0:
            return 1.0 if self.analytic == 0 else math.copysign(math.inf, self.analytic)
        return self.analytic / self.numeric

    @property
    def absolute(self) -> float:
        """Absolute error |analytic − numeric|."""
        return abs(self.analytic - self.numeric)

    @property
    def relative(self) -> float:
        """Relative error |analytic − numeric| / max(|analytic|, |numeric|)."""
        return self.absolute / (max(abs(self.analytic), abs(self.numeric)) or 1.0)

    def cells(self) -> tuple[str, ...]:
        """Return the columns of the report's table."""
        also = f" ({self.symbol})" if self.symbol not in ("", self.name) else ""
        head = (self.name + also, shown(self.shape), f"{self.entries}/{self.size}")
        if self.index is None:
            return (*head, *("-",) * (len(COLUMNS) - len(head)))
        place = shown(self.index) + (f" of {self.output}" if self.output else "")
        return (
            *head,
            place,
            f"{self.analytic:.9g}",
            f"{self.numeric:.9g}",
            f"{self.ratio:.6g}",
            f"{self.absolute:.2e}",
            f"{self.relative:.2e}",
            f"{self.difference:.2e}",
        )


class Report:
    """What the reports of all checks share: true when passed, readable, raised when asked to.

    Attributes:
        passed: True when nothing is wrong.
    """

    passed: bool

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def raise_if_failed(self) -> None:
        """Raise a `GradcheckError` that shows the report, unless the check passed."""
        __tracebackhide__ = True
        if not self.passed:
            raise GradcheckError(f"{self.summary()}\n\n{self.to_text()}", report=self)

    def summary(self) -> str:
        """Return one paragraph: what is wrong first, or that all is well."""
        raise NotImplementedError

    def to_text(self, ascii: bool = False) -> str:
        """Return the report as text; `ascii` spells signs such as ε with ASCII characters."""
        raise NotImplementedError


def written(
    lines: list[str],
    sections: Iterable[tuple[str, Sequence[str]]],
    ascii: Mapping[int, str] | None,
) -> str:
    """Return the text of a report: its lines, then its titled lists of sentences.

    Args:
        lines: headline and table.
        sections: titles and sentences; a title without sentences is left out.
        ascii: how to spell signs with ASCII characters; None leaves them.
    """
    lines = list(lines)
    for title, sentences in sections:
        if sentences:
            lines += ["", f"{title}:", *(f"- {s}" for s in sentences)]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    if ascii is None:
        return text
    return text.translate(ascii).encode("ascii", "backslashreplace").decode("ascii")


@dataclass(frozen=True, repr=False)
class GradientReport(Report):
    """Analytic against numeric derivatives, parameter by parameter.

    Attributes:
        parameters: one `ParameterCheck` per parameter, in order; ``report["W1"]`` finds one.
        difference: ‖grad − approx‖₂ / (‖grad‖₂ + ‖approx‖₂) over all checked entries together.
        passed: True when every comparison agrees.
        eps: the step ε, in words.
        tolerance: when an entry agrees, in words.
        causes: sentences about the function as a whole that made the check fail.
        notes: sentences worth reading that are no failures.
    """

    parameters: tuple[ParameterCheck, ...]
    difference: float
    passed: bool
    eps: str
    tolerance: str
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """How many entries were checked."""
        return sum(p.entries for p in self.parameters)

    @property
    def size(self) -> int:
        """How many entries the parameters have."""
        return sum(p.size for p in self.parameters)

    @property
    def findings(self) -> tuple[str, ...]:
        """All sentences that name a cause, those of wrong parameters first."""
        ordered = sorted(self.parameters, key=lambda p: p.passed)
        return (*self.causes, *(f for p in ordered for f in p.findings))

    def __getitem__(self, name: str) -> ParameterCheck:
        for parameter in self.parameters:
            if name in (parameter.name, parameter.symbol):
                return parameter
        names = ", ".join(p.name for p in self.parameters)
        raise KeyError(f"the report has no parameter {name!r}; it has {names}")

    def __iter__(self) -> Iterator[ParameterCheck]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def summary(self) -> str:
        """Return one paragraph: what failed first and why, or that all is well."""
        if self.passed:
            return f"gradcheck: passed, difference {self.difference:.3g}."
        first = self.causes or next((p.findings for p in self.parameters if not p.passed), ())
        return "gradcheck: " + " ".join(first)

    def to_text(self, ascii: bool = False) -> str:
        """Return the report as text: the verdict, a table, and the causes found.

        Args:
            ascii: spell ε, ‖ and the like with ASCII characters.
        """
        verdict = "passed" if self.passed else "FAILED"
        count = len(self.parameters)
        sampled = "" if self.entries == self.size else " (a seeded sample)"
        extent = (
            f"{self.entries} of {self.size} entries{sampled} of {count} "
            f"parameter{'' if count == 1 else 's'}"
        )
        lines = [
            f"Gradient check {verdict}: {extent if count else 'nothing could be compared'}",
            f"central differences in float64, {self.eps}",
            self.tolerance,
            "difference ‖grad − approx‖₂ / (‖grad‖₂ + ‖approx‖₂) = " + repr(self.difference),
            "",
        ]
        if self.parameters:
            marks = [("" if p.passed else "WRONG") for p in self.parameters]
            lines += _table([p.cells() for p in self.parameters], marks)
        wrong = [f for p in self.parameters if not p.passed for f in p.findings]
        fine = [f for p in self.parameters if p.passed for f in p.findings]
        sections = (("Causes", [*self.causes, *wrong]), ("Notes", [*fine, *self.notes]))
        return written(lines, sections, _ASCII if ascii else None)


def _table(rows: list[tuple[str, ...]], marks: list[str]) -> list[str]:
    widths = [max(len(r[i]) for r in (COLUMNS, *rows)) for i in range(len(COLUMNS))]
    lines = []
    for row, mark in zip((COLUMNS, *rows), ("", *marks), strict=True):
        # Names and indices align left, numbers right.
        cells = [
            c.ljust(w) if i in (0, 1, 3) else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells) + f"  {mark}")
    return lines


def shown(index: tuple[int, ...]) -> str:
    """Return an index or a shape as text, with plain integers."""
    return str(tuple(int(i) for i in index))
