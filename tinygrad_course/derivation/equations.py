"""The equations of a model: forward, cost, backward, in the notation of your course.

`equations` derives them from a recorded loss and returns a sheet: a string, which also knows its
lines, its LaTeX and its MathML, and shows itself in a notebook.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import errors
from ..graph import Graph
from ..tensor import Tensor
from . import mathml
from .documents import words
from .layers import GeneralForm
from .lines import SECTIONS, Derivation, Line, derive
from .notation import NOTATIONS, names_in, relayout
from .recurrence import folded
from .steps import Reason, reasons
from .writer import Writer

FORMS = ("text", "latex", "mathml", "markdown")

TITLES = {
    "forward": "Forward propagation",
    "cost": "Cost",
    "backward": "Backward propagation",
}
STEP_TITLE = "Backward propagation, link by link"


@dataclass(frozen=True)
class Row:
    """One line of a sheet, written in text and LaTeX.

    Attributes:
        line: the line of the derivation; None for a line of a general layer.
        text: the equation.
        latex: its two sides in LaTeX.
        shape: its shape, in symbols and numbers, or empty.
        remark: a value such as ``= 33``, or for which layers it holds, or empty.
        reason: where a derivative comes from, to be written below it, or empty: as text, and with
            LaTeX between dollar signs.
        section: the part it belongs to, one of `SECTIONS`, or empty.
    """

    line: Line | None
    text: str
    latex: tuple[str, str]
    shape: str = ""
    remark: str = ""
    reason: Reason = ("", "")
    section: str = ""


# What stands beside equations is lined up behind those that are not longer.
LINE = 88


@dataclass(frozen=True)
class Block:
    """A part of a sheet: a title and its rows."""

    title: str
    rows: tuple[Row, ...]


class Equations(str):
    """A sheet of equations: a string with more to tell. Made by `equations`.

    Attributes:
        derivation: the lines behind it.
        blocks: the parts of the sheet.
        forward, cost, backward: the equations of each section, as text.
        latex, mathml, markdown: the sheet in other forms.
    """

    derivation: Derivation
    blocks: list[Block]
    remarks: list[str]

    def __new__(
        cls, derivation: Derivation, blocks: Sequence[Block], remarks: Sequence[str], form: str
    ) -> Equations:
        """Write the sheet in a form."""
        write = {"text": to_text, "latex": to_latex, "mathml": to_mathml, "markdown": to_markdown}
        sheet = super().__new__(cls, write[form](blocks, remarks))
        sheet.derivation = derivation
        sheet.blocks = list(blocks)
        sheet.remarks = list(remarks)
        return sheet

    def _section(self, name: str) -> list[str]:
        return [row.text for block in self.blocks for row in block.rows if row.section == name]

    @property
    def forward(self) -> list[str]:
        """The equations of the forward pass."""
        return self._section("forward")

    @property
    def cost(self) -> list[str]:
        """The equation of the cost, and what it is computed from."""
        return self._section("cost")

    @property
    def backward(self) -> list[str]:
        """The equations of the backward pass."""
        return self._section("backward")

    @property
    def latex(self) -> str:
        """The sheet as LaTeX."""
        return to_latex(self.blocks, self.remarks)

    @property
    def mathml(self) -> str:
        """The sheet as MathML, which browsers show as it is."""
        return to_mathml(self.blocks, self.remarks)

    @property
    def markdown(self) -> str:
        """The sheet as Markdown, with the equations in LaTeX."""
        return to_markdown(self.blocks, self.remarks)

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def equations(
    loss: Tensor | Graph,
    wrt: Any = None,
    notation: str = "auto",
    mean: str = "course",
    form: str = "text",
    simplify: bool = True,
    steps: bool = False,
    shapes: bool = False,
    layers: str = "all",
    activations: str = "named",
    verify: bool = False,
    unrolled: bool = False,
) -> Equations:
    """Return the equations of the forward and backward pass behind a loss.

    Args:
        loss: the loss, a scalar tensor, or a graph (``tc.trace(f, *inputs)``). For a tensor that is
            no scalar, the equations of its forward pass.
        wrt: tensors, or their names, to differentiate with respect to; by default all parameters.
        notation: "columns" (examples as columns, Z = W X + b), "rows" (examples as rows,
            Z = X W + b), "welch" (rows, with z(2), a(2), δ(3) and f) or "auto", the model's own.
            A model can be written in the notation of another layout than its own.
        mean: "course" writes dZ for the derivative of the *sum* of the losses, so that the 1/m of
            the mean stands in dW and db, as the Deep Learning Specialization does; "exact" writes
            ∂J/∂Z, the derivative itself.
        form: "text", "latex", "mathml" or "markdown".
        simplify: False leaves the expressions as the derivative rules wrote them.
        steps: the chain rule link by link, before links are joined: what was multiplied with what,
            and why a sum over an axis appears.
        shapes: write the shape beside each equation.
        layers: "all" layers, or the "general" layer l.
        activations: "named" writes tanh(Z[1]); "general" writes g[1](Z[1]), and g[1]′ backward, for
            hidden layers.
        verify: compare with autodiff on random data, and raise when they differ.
        unrolled: write what recurs in time, as h⟨1⟩, h⟨2⟩, …, for each time instead of once for t.

    Returns:
        A string; see `Equations`.

    Raises:
        DtypeError: something that is neither tensor nor graph.
        GraphError: nothing was recorded; `wrt` is not in the graph; a layout or a general form
            that this graph does not have.
        ArgumentError: an unknown option.

    Source:
        The equations of the shallow network: Ng, Deep Learning Specialization, course 1, week 3.

    Example:
        >>> import numpy as np, tinygrad_course as tc
        >>> a, b, c = (tc.tensor(v, requires_grad=True, name=n)
        ...            for v, n in ((5.0, "a"), (3.0, "b"), (2.0, "c")))
        >>> print(tc.equations(3 * (a + b * c)))
        Forward propagation
          u = b c    = 6
          v = a + u  = 11
          J = 3 v    = 33
        <BLANKLINE>
        Backward propagation
          dJ/dv = 3
          dJ/da = dJ/dv    = 3
          dJ/du = dJ/dv    = 3
          dJ/db = dJ/du c  = 6
          dJ/dc = dJ/du b  = 9
    """
    _check("notation", notation, ("auto", *NOTATIONS))
    _check("form", form, FORMS)
    _check("layers", layers, ("all", "general"))
    _check("activations", activations, ("named", "general"))
    if layers == "general":
        activations = "every"
    if notation == "welch":
        mean, activations = "exact", "f"
    links = "layers" if layers == "general" else "all" if steps else ""
    source = relayout(loss, notation)
    derivation = derive(source, wrt, mean, simplify, links, activations)
    if verify:
        from .verify import verify as check

        check(loss, wrt, mean, simplify, notation)
    names = names_in(notation, derivation)
    if layers == "general":
        general = GeneralForm(derivation, derive(source, wrt, mean, simplify, links))
        parts = [
            Block(
                title, tuple(Row(None, x.text, x.latex, "", x.remark, section=name) for x in rows)
            )
            for title, name, rows in general.parts()
            if rows
        ]
        return Equations(derivation, parts, _remarks(derivation) + general.remarks, form)
    blocks = _blocks(derivation, names, shapes, links == "all", unrolled or bool(steps))
    return Equations(derivation, blocks, _remarks(derivation), form)


def _check(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        options = ", ".join(repr(a) for a in allowed)
        raise errors.ArgumentError(f"equations: {name} must be one of {options}, got {value!r}.")


def _blocks(
    derivation: Derivation, names: dict[str, str], shapes: bool, steps: bool, unrolled: bool
) -> list[Block]:
    text, latex = (Writer(derivation, form, names) for form in ("text", "latex"))
    why = reasons(derivation, (text, latex)) if steps else {}
    values = derivation.evaluate() if derivation.scalar and _known(derivation) else {}
    blocks = []
    for section in SECTIONS:
        rows = []
        for line in derivation.lines:
            if line.section != section:
                continue
            written = text.equation(line)
            remark = ""
            if line.name in values:
                number = f"{float(values[line.name]):.6g}".replace("e-0", "e-")
                remark = "" if written.endswith(f" = {number}") else f"= {number}"
            pair = (latex.left(line), latex.right(line))
            shape = shape_text(derivation, line.index) if shapes else ""
            reason = why.get(line.name, ("", ""))
            rows.append(Row(line, written, pair, shape, remark, reason, section))
        if rows and not unrolled:
            rows = folded(rows)
        if rows:
            title = STEP_TITLE if steps and section == "backward" else TITLES[section]
            blocks.append(Block(title, tuple(rows)))
    if shapes:
        blocks.insert(0, _leaf_shapes(derivation, text, latex))
    return blocks


def _known(derivation: Derivation) -> bool:
    return all(n.value is not None for n in derivation.leaves)


def shape_text(derivation: Derivation, index: int) -> str:
    """Return a shape in symbols, such as ``(n[1], m)``."""
    lengths = derivation.sizes.lengths(index)
    inner = ", ".join(str(n) for n in lengths)
    return f"({inner},)" if len(lengths) == 1 else f"({inner})"


def _leaf_shapes(derivation: Derivation, text: Writer, latex: Writer) -> Block:
    rows = []
    for node in derivation.leaves:
        kind = "data" if node.role == "data" else "parameter"
        name = text.symbol(node.name)
        shape = shape_text(derivation, node.index)
        rows.append(Row(None, name, (latex.symbol(node.name), ""), shape, kind))
    return Block("Shapes: " + _sizes_text(derivation), tuple(rows))


def _sizes_text(derivation: Derivation) -> str:
    symbols = derivation.sizes.symbols()
    used = {n for node in derivation.graph for n in derivation.sizes.lengths(node.index)}
    order = sorted((s for s in symbols if s in used), key=lambda s: (s == "m", s))
    return ", ".join(f"{s} = {symbols[s]}" for s in order)


def _remarks(derivation: Derivation) -> list[str]:
    """Return the notes: whose derivatives these are, what was taken for granted, rare functions."""
    found = [_convention(derivation)] if any(x.scale for x in derivation.lines) else []
    ops = {op.name for node in derivation.graph if (op := node.op) is not None}
    means = [n for n in derivation.graph if n.op is not None and n.op.name == "mean"]
    recorded = any(not n.shape for n in means)  # as it was, without simplification
    if recorded and derivation.graph.has_backward and derivation.convention == "course":
        found = ["These are derivatives of the mean itself; its 1/m is in the first of them."]
    found += derivation.notes
    return found + [meaning for name, meaning in _GLOSSARY.items() if name in ops]


def _convention(derivation: Derivation) -> str:
    """Say where the 1/m is, with the names of this model."""
    summed = _stems(x.name for x in derivation.lines if x.scale and x.of is not None)
    divided = _stems(
        x.name
        for x in derivation.lines
        if x.of is not None and not x.scale and "count" in _operations(derivation, x)
    )
    which = "is the derivative" if len(summed) == 1 else "are derivatives"
    place = f"; the 1/m of the mean stands in {_listed(divided)}" if divided else ""
    return f"As in the course, {_listed(summed)} {which} of the sum of the losses{place}."


def _operations(derivation: Derivation, line: Line) -> set[str]:
    nodes = (derivation.graph[i] for i in derivation.body(line))
    return {node.op.name for node in nodes if node.op is not None}


def _stems(names: Iterable[str]) -> list[str]:
    """Return names without the numbers of their layers, each once."""
    return list(dict.fromkeys(_TIME.sub("⟨t⟩", name).partition("[")[0] for name in names))


_TIME = re.compile(r"⟨\d+⟩")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# What an equation may hold that no lecture shows.
_GLOSSARY = {
    "one_hot": "one_hot(Y) has a 1 for the class of each example, and 0 for the others.",
    "bernoulli_mask": "mask(A, keep=p) is drawn at random: 1/p with probability p, else 0.",
    "place": "place(G, E, [i]) has the shape of E: G where [i] picks from E, added up where it "
    "picks the same twice, and 0 elsewhere.",
    "scatter_into": "scatter_into(A, i, B, axis) is A with B added where i picks along the axis.",
    "conv_kernel": "conv_kernel(dZ, A) is the derivative of W ∗ A by W: the sum, over examples and "
    "windows, of dZ times what of A lies in the window.",
    "conv_transpose": "conv_transpose(W, dZ) is the derivative of W ∗ A by A: each dZ adds its "
    "multiple of the kernel to the window it came from.",
    "pool_place": "pool_place(dP, A) has dP where the largest of each window of A is, else 0.",
    "pool_spread": "pool_spread(dP) adds each dP to all places of its window.",
}


# --- the forms ----------------------------------------------------------------------------------


def to_text(blocks: Sequence[Block], remarks: Sequence[str]) -> str:
    """Write a sheet as text."""
    parts = []
    for block in blocks:
        columns = [[r.text for r in block.rows], [r.shape for r in block.rows]]
        widths = [_common(map(_width, column)) for column in columns]
        lines = [block.title]
        for r in block.rows:
            cells = [_padded(r.text, widths[0]), _padded(r.shape, widths[1]), r.remark]
            lines.append("  " + "  ".join(cell for cell in cells if cell).rstrip())
            lines += _wrapped(r.reason[0], " " * 6)
        parts.append("\n".join(lines))
    parts += ["\n".join(_wrapped(f"Note: {x}", "", "  ")) for x in remarks]
    return "\n\n".join(parts)


def _common(widths: Iterable[int]) -> int:
    """Return how wide a column is; a few that are longer than a line do not push it outward."""
    found = list(widths)
    return max((w for w in found if w <= LINE), default=0)


def _width(text: str) -> int:
    """Return how many columns a text takes; the tilde of Z̃ takes none."""
    if text.isascii():
        return len(text)
    return sum(not unicodedata.combining(letter) for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _wrapped(text: str, indent: str, hanging: str | None = None) -> list[str]:
    """Return the lines of a sentence; formulas may be broken at their spaces."""
    later = indent if hanging is None else hanging
    tied = text.replace("axis ", "axis\u00a0")
    lines = textwrap.wrap(
        tied, 88, initial_indent=indent, subsequent_indent=later,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\u00a0", " ") for line in lines]


def _latex_rows(block: Block) -> list[str]:
    rows = []
    for r in block.rows:
        left, right = r.latex
        row = f"{left} &= {right}" if right else f"{left} &"
        more = ", ".join(words(part) for part in (r.shape, r.remark) if part)
        rows.append(rf"{row} && \text{{{more}}}" if more else row)
        if r.reason[1]:
            rows.append(rf"&\quad {_in_math(r.reason[1])}")
    return rows


def _in_math(mixed: str) -> str:
    """Return a sentence with LaTeX between dollar signs as it stands in a formula."""
    parts = mixed.split("$")
    return "".join(part if k % 2 else rf"\text{{{part}}}" for k, part in enumerate(parts) if part)


def to_latex(blocks: Sequence[Block], remarks: Sequence[str]) -> str:
    """Write a sheet as one LaTeX environment."""
    rows = []
    for block in blocks:
        rows.append(rf"&\textbf{{{words(block.title)}}}")
        rows += _latex_rows(block)
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def to_markdown(blocks: Sequence[Block], remarks: Sequence[str]) -> str:
    """Write a sheet as Markdown."""
    parts = []
    for block in blocks:
        body = " \\\\\n".join(_latex_rows(block))
        parts.append(f"**{block.title}**\n\n$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$")
    parts += [f"*Note: {remark}*".replace("_", r"\_") for remark in remarks]
    return "\n\n".join(parts) + "\n"


def to_mathml(blocks: Sequence[Block], remarks: Sequence[str]) -> str:
    """Write a sheet as MathML: one table of equations per part."""
    tables = [
        mathml.table(block.title, [(*r.latex, r.shape, r.remark, r.reason[1]) for r in block.rows])
        for block in blocks
    ]
    return "\n".join(tables + [mathml.paragraph(f"Note: {r}") for r in remarks])
