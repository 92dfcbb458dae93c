"""One equation for all times: what a recurrent network computes again and again, indexed by t.

Quantities of time step k are named with ``⟨k⟩``, as in the Deep Learning Specialization: h⟨1⟩, h⟨2⟩
and so on. Equations that are the same but for the time are written once, for t, and sums over times
get a sign of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .equations import Row

# What carries a time: ⟨3⟩ in a name; the place [:, 2] or [2, ...] along the axis of times; and the
# rows [10:15, :] where the times lie one below the other. In LaTeX one place alone is [2], and the
# number of a layer stands in an exponent.
_TEXT = re.compile(
    r"(?P<open>⟨)(?P<time>\d+)(?P<close>⟩)"
    r"|(?P<before>\[:, |\[(?=\d+, \.\.\.\]))(?P<place>\d+)(?=[\],])"
    r"|\[(?P<first>\d+):(?P<last>\d+)(?=, :\])"
)
_LATEX = re.compile(
    r"(?P<open>\\langle )(?P<time>\d+)(?P<close>\\rangle)"
    r"|(?P<before>\[\{:\}, |(?<!\{)\[(?=\d+\]))(?P<place>\d+)(?=[\],])"
    r"|\[(?P<first>\d+)\{:\}(?P<last>\d+)(?=, \{:\}\])"
)
# Two equations may be alike by chance.
LEAST = 3


def folded(rows: Sequence[Row]) -> list[Row]:
    """Return equations with those of all times as one.

    Args:
        rows: in the order of computing.
    """
    rows = [_with_sums(row) for row in rows]
    groups: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for place, row in enumerate(rows):
        time = _time(row.text.partition(" = ")[0])
        if time is not None:
            latex = tuple(_relative(part, time, True) for part in row.latex)
            key = (_relative(row.text, time), *latex, row.shape)
            groups.setdefault(key, []).append((place, time))
    made: dict[int, Row | None] = dict(enumerate(rows))
    for (text, left, right, _), found in groups.items():
        times = [time for _, time in found]
        if len(times) < LEAST or not _in_order(times):
            continue
        first, *others = (place for place, _ in found)
        made[first] = replace(
            rows[first], text=text, latex=(left, right), remark=f"for t = {_range(times)}"
        )
        made.update(dict.fromkeys(others))
    return [row for row in made.values() if row is not None]


def _time(text: str, latex: bool = False) -> int | None:
    """Return the latest time among the names in a text."""
    marks = (_LATEX if latex else _TEXT).finditer(text)
    return max((int(m["time"]) for m in marks if m["time"]), default=None)


def _relative(text: str, time: int, latex: bool = False) -> str:
    """Write a text with t in place of a time, and t - 1 in place of the one before."""
    colon = "{:}" if latex else ":"

    def later(number: int) -> str:
        return f"t{number - time:+d}" if number != time else "t"

    def letter(match: re.Match[str]) -> str:
        if match["time"]:
            return f"{match['open']}{later(int(match['time']))}{match['close']}"
        if match["place"]:
            return f"{match['before']}{later(int(match['place']))}"
        first, last = int(match["first"]), int(match["last"])
        count = last - first
        if count < 1 or first % count:
            return match[0]
        start, end = later(first // count), later(last // count)
        return f"[{count} ({start}){colon}{count} {end if end == 't' else f'({end})'}"

    return (_LATEX if latex else _TEXT).sub(letter, text)


def _in_order(times: Sequence[int]) -> bool:
    """Return whether times follow one another, upward or downward."""
    steps = {b - a for a, b in zip(times, times[1:], strict=False)}
    return steps in ({1}, {-1})


def _range(times: Sequence[int]) -> str:
    return f"{times[0]}, …, {times[-1]}"


# --- sums ---------------------------------------------------------------------------------------


def _with_sums(row: Row) -> Row:
    """Write sums over times in an equation with Σ."""
    left, equals, right = row.text.partition(" = ")
    return replace(
        row,
        text=f"{left}{equals}{_summed(right, False)}",
        latex=(row.latex[0], _summed(row.latex[1], True)),
    )


def _summed(text: str, latex: bool) -> str:
    """Write the sums in an expression, and in what it holds in brackets, with Σ."""
    marks = _LATEX if latex else _TEXT
    if len(marks.findall(text)) < LEAST or " + " not in text:
        return text
    pieces, start, depth = [], 0, 0
    opened = 0
    for k, character in enumerate(text):
        if character in "([{":
            if not depth:
                opened = k
            depth += 1
        elif character in ")]}":
            depth -= 1
            if not depth and character == ")":
                inner = _summed(text[opened + 1 : k], latex)
                # A sum sign reaches to the end, and needs no brackets there.
                alone = inner.startswith(("Σ", r"\sum")) and k == len(text) - 1
                pieces += [text[start : opened + (not alone)], inner]
                start = k + alone
    text = "".join([*pieces, text[start:]])
    return _joined(_terms(text), latex)


def _terms(text: str) -> list[str]:
    """Split an expression at the plus signs that stand outside of brackets."""
    terms, start, depth = [], 0, 0
    for k, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if not depth and text.startswith(" + ", k):
            terms.append(text[start:k])
            start = k + 3
    return [*terms, text[start:]]


def _joined(terms: list[str], latex: bool) -> str:
    """Write terms that are the same but for the time as one, after the others."""
    groups: dict[str, list[int]] = {}
    for term in terms:
        time = _time(term, latex)
        if time is not None:
            groups.setdefault(_relative(term, time, latex), []).append(time)
    sums = {
        term: times for term, times in groups.items() if len(times) >= LEAST and _in_order(times)
    }
    written = []
    for term in terms:
        time = _time(term, latex)
        if time is None or _relative(term, time, latex) not in sums:
            written.append(term)
    for term, times in sums.items():
        low, high = min(times), max(times)
        sign = rf"\sum_{{t={low}}}^{{{high}}} " if latex else f"Σ(t={low}…{high}) "
        written.append(sign + term)
    return " + ".join(written)
