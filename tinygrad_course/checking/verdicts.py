"""The result of `check_backprop`: a verdict for each value, and a sentence for each mistake."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .report import Report, shown, written

COLUMNS = ("value", "shape", "difference", "largest error", "verdict")
_ASCII = str.maketrans(
    {
        "·": "*", "−": "-", "×": "x", "≤": "<=", "‖": "||", "₂": "", "²": "^2", "ᵀ": ".T",
        "α": "alpha", "σ": "sigma", "′": "'", "λ": "lambda", "∂": "d", "…": "...",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What the check found for one value.

    Attributes:
        name: the value, as the learner calls it.
        quantity: the same as the equations call it, such as ``dW1``.
        ok: True when it is right.
        difference: ‖yours − derived‖₂ / (‖yours‖₂ + ‖derived‖₂), the courses' number.
        error: the largest error of an entry.
        shape: its shape; what was expected when there is no value.
        kind: the kind of mistake: "factor", "sign", "transpose", "sum", "shape", "broadcast",
            "missing factor", "extra factor", "activation", "operand", "missing term",
            "extra term", "term", "product", "updated", "nan", "zero", "dtype", "missing",
            "unknown"; "inherited" for what an earlier mistake explains; "" when right.
        diagnosis: a sentence that names the mistake; "" when there is none.
        inherited: True when the value follows from what precedes it, and only that is wrong.
        culprit: the value in whose line the mistake is.
    """

    name: str
    quantity: str
    ok: bool
    difference: float
    error: float
    shape: tuple[int, ...] = ()
    kind: str = ""
    diagnosis: str = ""
    inherited: bool = False
    culprit: str = ""

    @property
    def mark(self) -> str:
        """Return the verdict in a word or two."""
        if self.ok:
            return "ok"
        if self.inherited:
            return f"inherits {self.culprit}" if self.culprit else "inherits"
        return "missing" if self.kind == "missing" else f"WRONG: {self.kind}"

    def cells(self) -> tuple[str, ...]:
        """Return the columns of the report's table."""
        return (
            self.name,
            shown(self.shape),
            f"{self.difference:.2e}" if self.difference < np.inf else "-",
            f"{self.error:.2e}" if self.error < np.inf else "-",
            self.mark,
        )


@dataclass(frozen=True, repr=False)
class BackpropReport(Report):
    """A learner's values against derived ones, in the order of computing.

    Attributes:
        verdicts: one `Verdict` per value; ``report["dW1"]`` finds one.
        passed: True when all gradients are there and nothing is wrong.
        reference: what the values were compared with, in words.
        tolerance: when a value is right, in words.
        notes: sentences worth reading that are no mistakes.
        causes: sentences about the whole that made the check fail.
    """

    verdicts: tuple[Verdict, ...]
    passed: bool
    reference: str
    tolerance: str
    notes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()

    @property
    def first(self) -> Verdict | None:
        """The first value in error, in the order of the backward pass; None when all is right."""
        wrong = [v for v in self.verdicts if not v.ok and not v.inherited]
        return next((v for v in wrong if v.kind != "missing"), wrong[0] if wrong else None)

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """The sentences that name mistakes, the first mistake first."""
        first = self.first
        ordered = [v for v in self.verdicts if v is first]
        ordered += [v for v in self.verdicts if v is not first and not v.inherited]
        return (*self.causes, *(v.diagnosis for v in ordered if v.diagnosis))

    def __getitem__(self, name: str) -> Verdict:
        for verdict in self.verdicts:
            if name in (verdict.name, verdict.quantity):
                return verdict
        names = ", ".join(v.name for v in self.verdicts)
        raise KeyError(f"the report has no value {name!r}; it has {names}")

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def summary(self) -> str:
        """Return one paragraph: what is wrong first, or that all is well."""
        if self.passed:
            largest = max((v.difference for v in self.verdicts), default=0.0)
            return f"check_backprop: passed, largest difference {largest:.3g}."
        found = self.diagnoses
        return f"check_backprop: {found[0] if found else 'nothing could be compared.'}"

    def headline(self) -> str:
        """Return the verdict in a line."""
        if self.passed:
            return f"Backprop check passed: {_count(len(self.verdicts), 'value')}"
        wrong = sum(not v.ok and not v.inherited and v.kind != "missing" for v in self.verdicts)
        parts = []
        first = self.first
        if wrong and first is not None:
            label = first.name if ":" in first.name else first.culprit or first.name
            parts.append(f"{label} is wrong" + (" first" * (wrong > 1)))
        inherited = sum(v.inherited for v in self.verdicts)
        if inherited:
            parts.append(f"{_count(inherited, 'value')} inherit{'s' * (inherited == 1)} an error")
        missing = sum(v.kind == "missing" for v in self.verdicts)
        if missing:
            parts.append(f"{_count(missing, 'gradient')} missing")
        return "Backprop check FAILED: " + (", ".join(parts) or "nothing could be compared")

    def to_text(self, ascii: bool = False) -> str:
        """Return the report as text: the verdict, a table, and the mistakes named.

        Args:
            ascii: spell ×, −, ᵀ and the like with ASCII characters.
        """
        lines = [self.headline(), self.reference, self.tolerance, ""]
        if self.verdicts:
            lines += _table([v.cells() for v in self.verdicts])
        sections = (("Diagnosis", self.diagnoses), ("Notes", self.notes))
        return written(lines, sections, _ASCII if ascii else None)

    def to_markdown(self) -> str:
        """Return the report as Markdown."""
        lines = [f"**{self.headline()}**", "", f"{self.reference}; {self.tolerance}", ""]
        if self.verdicts:
            lines += ["| " + " | ".join(COLUMNS) + " |", "|---|---|--:|--:|---|"]
            for verdict in self.verdicts:
                cells = [c.replace("|", r"\|") for c in verdict.cells()]
                lines.append("| " + " | ".join((f"`{cells[0]}`", *cells[1:])) + " |")
        for title, sentences in (("Diagnosis", self.diagnoses), ("Notes", self.notes)):
            if sentences:
                lines += ["", f"{title}:", "", *(f"- {_escaped(s)}" for s in sentences)]
        return "\n".join(lines) + "\n"

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in v.cells()) + "</tr>"
            for v in self.verdicts
        )
        head = "".join(f"<th>{c}</th>" for c in COLUMNS)
        text = f"<p><strong>{html.escape(self.headline())}</strong><br>"
        text += f"{html.escape(self.reference)}; {html.escape(self.tolerance)}</p>"
        if rows:
            text += f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        for title, sentences in (("Diagnosis", self.diagnoses), ("Notes", self.notes)):
            if sentences:
                items = "".join(f"<li>{html.escape(s)}</li>" for s in sentences)
                text += f"<p>{title}:</p><ul>{items}</ul>"
        return text


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _escaped(text: str) -> str:
    """Return text in which Markdown finds no emphasis."""
    return text.replace("*", r"\*").replace("_", r"\_").replace("|", r"\|")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(r[i]) for r in (COLUMNS, *rows)) for i in range(len(COLUMNS))]
    lines = []
    for row in (COLUMNS, *rows):
        # Names, shapes and verdicts align left, numbers right.
        cells = [
            c.rjust(w) if i in (2, 3) else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells))
    return lines
