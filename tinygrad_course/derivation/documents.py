r"""Whole documents: a sheet of equations as a LaTeX file that compiles, or a page for a browser.

Both are pure functions from a sheet to text. The page needs nothing else, neither network nor
scripts, and follows the light and dark mode of its reader; the LaTeX file needs amsmath only.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from . import mathml

if TYPE_CHECKING:
    from .equations import Block, Equations

# In the words of notes and titles: what pdfLaTeX does not take as it is.
_TEXT = {
    **{"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&"},
    **{"#": r"\#", "$": r"\$", "^": r"\^{}", "~": r"\~{}", "<": "$<$", ">": "$>$", "|": "$|$"},
    **{"−": "$-$", "·": r"$\cdot$", "…": r"\dots{}", "′": "$'$", "∂": r"$\partial$", "≥": r"$\ge$"},
    **{"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\epsilon$"},
    **{"η": r"$\eta$", "θ": r"$\theta$", "λ": r"$\lambda$", "μ": r"$\mu$", "ρ": r"$\rho$"},
    **{"σ": r"$\sigma$", "φ": r"$\phi$", "ᵀ": r"$^{\top}$", "ŷ": r"$\hat{y}$", "≤": r"$\le$"},
    **{power: f"$^{{{k}}}$" for k, power in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}

_PREAMBLE = r"""\documentclass[a4paper,fleqn]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
"""

# The colour of a section.
_KINDS = {"": "", "forward": "forward", "cost": "loss", "backward": "backward"}

# The colours are those of the pictures, forward blue, backward red, loss amber, in both modes.
_STYLE = """\
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --muted: #5f6b7a;
  --line: #d5dbe2; --forward: #1f5fbf; --backward: #c62828; --loss: #b7791f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #171c23; --ink: #e8ebf0; --muted: #a3afbf; --line: #343d4a;
    --forward: #82b1ff; --backward: #ff8a80; --loss: #f0bd5e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial,
  sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) 1.25rem; }
h1 { font-size: clamp(1.6rem, 4.5vw, 2.4rem); line-height: 1.15; letter-spacing: -0.015em;
  margin: 0 0 1.5rem; text-wrap: balance; }
p { color: var(--muted); font-size: 0.9rem; max-width: 46rem; margin: 0.6rem 0 0; }
"""

SHEET_STYLE = """\
.sheet { border-left: 3px solid var(--line); padding: 0.1rem 0 0.1rem 1.1rem;
  margin: 0 0 1.6rem; }
.sheet h3 { font-size: 0.95rem; font-weight: 600; line-height: 1.4; margin: 0 0 0.5rem;
  color: var(--muted); }
.sheet.forward, .sheet.backward, .sheet.loss { border-color: var(--tone); }
.sheet.forward h3, .sheet.backward h3, .sheet.loss h3 { color: var(--tone); }
.sheet.forward { --tone: var(--forward); }
.sheet.backward { --tone: var(--backward); }
.sheet.loss { --tone: var(--loss); }
.sheet div { overflow-x: auto; overflow-y: hidden; -webkit-overflow-scrolling: touch; }
.sheet math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "XITS Math",
  "Libertinus Math", "DejaVu Math TeX Gyre", math; font-size: 1.12em; }
.sheet math[display="block"] { display: block math; width: max-content; margin: 0; }
.sheet mtd { padding: 0.32em 0.2em; math-style: normal; }
.sheet mfrac { padding: 0 0.1em; }
.sheet mtext { color: var(--muted); font: 0.85rem/1.4 system-ui, "Segoe UI", "Liberation Sans",
  Arial, sans-serif; padding-left: 1.5em; }
.sheet mstyle { color: var(--muted); }
.sheet mstyle mtext { padding: 0; }
@media (max-width: 30rem) {
  .sheet { padding-left: 0.8rem; }
  .sheet math { font-size: 1em; }
}
"""
"""How a browser shows `sections`; the colours are variables that the page defines."""


def to_tex(title: str, sheet: Equations, remarks: Sequence[str] = ()) -> str:
    """Return a complete LaTeX document.

    Args:
        title: its heading.
        sheet: the equations.
        remarks: further sentences for its end.
    """
    parts = [_PREAMBLE + r"\begin{document}", rf"\section*{{{words(title)}}}"]
    for block in sheet.blocks:
        rows = " \\\\\n".join(_tex_rows(block))
        parts.append(
            f"\\subsection*{{{words(block.title)}}}\n\\begin{{alignat*}}{{2}}\n{rows}\n"
            r"\end{alignat*}"
        )
    parts += [words(remark) for remark in (*sheet.remarks, *remarks)]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _tex_rows(block: Block) -> list[str]:
    rows = []
    for row in block.rows:
        left, right = row.latex
        equation = f"{left} &= {right}" if right else f"{left} &"
        beside = words(", ".join(part for part in (row.shape, row.remark) if part))
        rows.append(equation + (rf" &\qquad& \text{{{beside}}}" if beside else ""))
        if row.reason[1]:
            rows.append(rf"&\quad \parbox[t]{{0.8\textwidth}}{{\small {row.reason[1]}}}")
    return rows


def words(text: str) -> str:
    r"""Return a text as LaTeX sets it, in letters that every LaTeX takes.

    >>> words("g[1] = σ, 100 % of dW_1")
    'g[1] = $\\sigma$, 100 \\% of dW\\_1'
    """
    return "".join(_TEXT.get(letter, letter) for letter in text)


def to_html(title: str, sheet: Equations, remarks: Sequence[str] = ()) -> str:
    """Return a complete page of HTML, with the equations as MathML.

    Args:
        title: its heading.
        sheet: the equations.
        remarks: further sentences for its end.
    """
    notes = "\n".join(f"<p>{escape(text)}</p>" for text in (*sheet.remarks, *remarks))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}{SHEET_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{sections(sheet)}\n{notes}\n"
        "</main>\n</body>\n</html>\n"
    )


def sections(sheet: Equations) -> str:
    """Return the parts of a sheet as sections of a page, which `SHEET_STYLE` sets."""
    found = []
    for block in sheet.blocks:
        rows = [(*row.latex, row.shape, row.remark, row.reason[1]) for row in block.rows]
        table = mathml.table(block.title, rows)
        heading, _, math = table.partition("\n")
        kind = f"sheet {_KINDS[block.rows[0].section]}".rstrip()
        found.append(
            f'<section class="{kind}">\n{heading}\n<div tabindex="0">{math}</div>\n</section>'
        )
    return "\n".join(found)
