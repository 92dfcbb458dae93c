"""Equations as MathML, which browsers show natively: LaTeX converted, and laid out as a table.

The conversion is latex2mathml's; words and the transpose, which it writes letter by letter and as a
logical symbol, are set right here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from .. import errors

_WORD = re.compile(
    r'<mrow>((?:<m[ion] ?(?:mathvariant="normal")?>(?:&#x[0-9A-F]+;|[^<])</m[ion]>)+)</mrow>'
)
_LETTER = re.compile(r"<m([ion])[^>]*>(&#x[0-9A-F]+;|[^<])</m[ion]>")


def convert(latex: str) -> str:
    r"""Return the MathML of a LaTeX expression, without the enclosing ``<math>``.

    >>> convert("X^{\\top}")
    '<msup><mi>X</mi><mrow><mi mathvariant="normal">T</mi></mrow></msup>'

    Raises:
        MissingDependencyError: latex2mathml is not installed.
    """
    try:
        from latex2mathml.converter import convert as to_mathml
    except ImportError:
        raise errors.missing("latex2mathml", "MathML", "demo") from None
    text = to_mathml(latex)
    text = re.sub(r"^<math[^>]*>|</math>$", "", text)
    text = re.sub(r"^<mrow>(.*)</mrow>$", r"\1", text) if _is_one(text) else text
    text = text.replace("<mo>&#x022A4;</mo>", '<mi mathvariant="normal">T</mi>')
    return _WORD.sub(_joined, text)


def _is_one(text: str) -> bool:
    """Return True when one <mrow> encloses everything."""
    if not text.startswith("<mrow>"):
        return False
    depth = 0
    for match in re.finditer(r"<(/?)mrow>", text):
        depth += -1 if match[1] else 1
        if depth == 0:
            return match.end() == len(text)
    return False


def _joined(match: re.Match[str]) -> str:
    """Join the letters of an upright word into one identifier."""
    if 'mathvariant="normal"' not in match[1] or match[1].count("<m") < 2:
        return match[0]
    word = "".join(html.unescape(letter) for _, letter in _LETTER.findall(match[1]))
    return f"<mi>{html.escape(word)}</mi>"


def table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    """Return a titled table of equations.

    Args:
        title: a heading.
        rows: (left, right, shape, remark), the sides in LaTeX; and, to stand below, a sentence with
            LaTeX between dollar signs.
    """
    body = []
    for left, right, shape, remark, *below in rows:
        cells = f'<mtd style="text-align: right">{convert(left)}</mtd>'
        equals = "<mo>=</mo>" if right else ""
        cells += f'<mtd>{equals}</mtd><mtd style="text-align: left">'
        cells += f"{convert(right) if right else ''}</mtd>"
        for note in (shape, remark):
            inner = f"<mtext>{html.escape(note)}</mtext>" if note else ""
            cells += f'<mtd style="text-align: left">{inner}</mtd>' if note else ""
        body.append(f"<mtr>{cells}</mtr>")
        if below and below[0]:
            inner = f'<mtd style="text-align: left">{sentence(below[0])}</mtd>'
            body.append(f"<mtr><mtd></mtd><mtd></mtd>{inner}</mtr>")
    heading = f"<h3>{html.escape(title)}</h3>\n"
    math = '<math display="block" style="width: max-content"><mtable displaystyle="true">'
    return f"{heading}{math}\n" + "\n".join(body) + "\n</mtable></math>"


def sentence(mixed: str) -> str:
    """Return a sentence with LaTeX between dollar signs, small, as a row of MathML."""
    parts = []
    for k, part in enumerate(mixed.split("$")):
        if k % 2:
            parts.append(convert(part))
        elif part:
            # Spaces at the ends of <mtext> are dropped, unbreakable ones are not.
            text = re.sub("^ | $", "\u00a0", part)
            parts.append(f"<mtext>{html.escape(text)}</mtext>")
    return f'<mstyle mathsize="85%" displaystyle="false">{"".join(parts)}</mstyle>'


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{html.escape(text)}</p>"
