r"""Writing operations down: as text for people, as LaTeX, as NumPy source.

An operation's notation is three templates, one per form. A template is one of

- the name of a function, such as ``np.exp`` or ``\sigma``: the operation is a call of it,
- a text with fields, such as ``{a} + {b}``: fields are inputs (of a variadic operation all of them,
  with commas), parameters, and ``{options}``, the parameters that differ from their defaults as
  ``, axis=0``,
- a function of the form, the written operands and the parameters, where neither can say it.

A call has the operands, then the parameters that differ from their defaults. Whoever fills a
template puts operands in brackets beforehand: how tightly an operand must bind to stand without
them is read off the template by `bounds`. This module knows strings only, neither tensors nor
graphs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

import numpy as np

FORMS = ("text", "latex", "numpy")

Template = str | Callable[[str, list[str], dict[str, Any]], str]

# How tightly a text binds, from loose to tight: z > 0, a + b, a * b, −x, the matrix product W X
# (written side by side), x² or Xᵀ, and a name or call. So −W X is −(W X), and W X * Y is (W X) * Y.
COMPARISON, SUM, PRODUCT, UNARY, JUXTAPOSITION, POWER, ATOM = 0, 1, 2, 3, 4, 5, 9

_INFIX = {
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(
        ("*", "/", "//", "mod", "·", "∗", r"\odot", r"\cdot", r"\times", r"\bmod", r"\ast"), PRODUCT
    ),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "and", "or", "xor", "&", "|"), COMPARISON),
    **dict.fromkeys(
        ("=", r"\neq", r"\leq", r"\geq", r"\land", r"\lor", r"\oplus", r"\mid"), COMPARISON
    ),
    r"\mathbin{\&}": COMPARISON,
}
_ASSOCIATIVE = ("+", "*", r"\odot")
_GROUP = re.compile(r"(\\[a-z]+(\[\d+\])?|[}^_])$")


def literal(value: Any, form: str) -> str:
    r"""Return the value of a parameter as a form writes it.

    >>> literal((0, -1), "text"), literal(np.float32, "numpy"), literal(True, "latex")
    ('(0, -1)', "'float32'", '\\mathrm{True}')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (type, np.dtype)):
        value = np.dtype(value).name
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal(part, form) for part in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, float) and not math.isfinite(value):
        if form == "latex":
            return r"\mathrm{nan}" if value != value else repr(value).replace("inf", r"\infty")
        return repr(value).replace("inf", "np.inf").replace("nan", "np.nan")
    if form == "latex":
        if value is None or isinstance(value, bool):
            return rf"\mathrm{{{value}}}"
        if isinstance(value, str):
            return rf"\text{{{value}}}"
    return repr(value)


def subscript(index: Any, arrays: Sequence[str], form: str) -> str:
    """Return an index as it stands between the brackets of ``x[…]``.

    In a text, one integer alone is written ``1, ...``, so that it cannot be taken for the number of
    a layer, as in ``W[1]``.

    Args:
        index: integers, slices, None, Ellipsis, and "array" where one of `arrays` goes.
        arrays: written arrays.
        form: one of `FORMS`.
    """
    if not isinstance(index, tuple):
        return literal(index, form)
    rest = iter(arrays)
    parts = [next(rest) if p == "array" else _place(p, form) for p in index]
    if form == "text" and len(parts) == 1 and isinstance(index[0], int):
        parts.append("...")
    return ", ".join(parts)


def _place(part: Any, form: str) -> str:
    if part is Ellipsis:
        return r"\ldots" if form == "latex" else "..."
    if not isinstance(part, slice):
        return literal(part, form)
    ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
    return ("{:}" if form == "latex" else ":").join(ends if ends[2] else ends[:2])


def options(params: Mapping[str, Any], defaults: Mapping[str, Any], form: str) -> str:
    """Return the parameters that differ from their defaults, such as ``, axis=0``."""
    written = ""
    for name, value in params.items():
        if value is not defaults[name] and value != defaults[name]:
            key = r"\mathrm{" + name.replace("_", r"\_") + "}" if form == "latex" else name
            written += f", {key}={_value(name, value, form)}"
    return written


def _value(name: str, value: Any, form: str) -> str:
    if name == "axis" and isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return literal(value, form)


def fill(
    template: Template,
    form: str,
    inputs: Sequence[str],
    operands: Sequence[str],
    params: dict[str, Any],
    defaults: Mapping[str, Any],
) -> str:
    """Return an operation written by a template, see the module's docstring."""
    if not isinstance(template, str):
        return template(form, list(operands), params)
    more = options(params, defaults, form)
    if not any(name for _, name, _, _ in Formatter().parse(template)):
        return f"{template.format()}({', '.join(operands)}{more})"
    if len(inputs) == len(operands):
        fields = dict(zip(inputs, operands, strict=True))
    else:
        fields = {inputs[0]: ", ".join(operands)}
    values = {name: _value(name, value, form) for name, value in params.items()}
    return template.format(**values, **fields, options=more)


def bounds(write: Callable[[list[str]], str], count: int) -> list[int]:
    """Return how tightly each of `count` operands must bind to be written without brackets.

    Args:
        write: returns the text with given operands.
        count: the number of operands.
    """
    marks = [chr(0xE000 + k) for k in range(count)]  # private characters: in no template
    text = write(marks)
    needs = []
    for mark in marks:
        places = [k for k, character in enumerate(text) if character == mark]
        needs.append(max((_bound(text[:k], text[k + 1 :]) for k in places), default=COMPARISON))
    return needs


def _bound(before: str, after: str) -> int:
    """Return how tightly an operand must bind between two pieces of text."""
    if not before and not after:
        return ATOM  # the operation is written as its operand, and counts as an atom
    if before.endswith("{") and after.startswith("}"):
        if _GROUP.search(before[:-1]):  # the argument of a LaTeX command encloses
            return COMPARISON
        before, after = before[:-1], after[1:]
    return max(_bound_left(before), _bound_right(after))


def _bound_left(before: str) -> int:
    infix = re.search(r"\S (\S+) $", before)
    if infix and infix[1] in _INFIX:
        level = _INFIX[infix[1]]
        return level + (infix[1] not in _ASSOCIATIVE)
    if before.endswith(("not ", r"\lnot ")):
        return COMPARISON + 1
    if re.search(r"(^|[(\[|‖=]|, |\\\|)$", before):
        return COMPARISON
    if before.endswith(("-", "~")):
        return UNARY
    return JUXTAPOSITION + 1 if before.endswith(" ") else ATOM


def _bound_right(after: str) -> int:
    infix = re.match(r" (\S+) \S", after)
    if infix and infix[1] in _INFIX:
        level = _INFIX[infix[1]]
        return level + (level == COMPARISON)
    if re.match(r"$|[)\],|‖]|\\right", after):
        return COMPARISON
    return JUXTAPOSITION if after.startswith(" ") else ATOM
