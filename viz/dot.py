r"""Text of Graphviz pictures: labels, boxes, circles, arrows and legends.

Every function here returns text, or a dictionary of Graphviz attributes for one call of
`graphviz.Digraph.node`, `.edge`, `.attr` or `.subgraph`. Nothing here runs a program, opens a
file or knows what a tensor is; `viz.render` draws, and `viz.draw` decides what to draw.

    >>> import graphviz
    >>> picture = graphviz.Digraph("slide", graph_attr=graph_style(), node_attr=node_style())
    >>> picture.node("n0", **box("a", value="5", derivative="da = 3", role="parameter"))
    >>> picture.node("n1", **circle("+"))
    >>> picture.node("n2", **box("v = a + u", value="11", derivative="dv = 3"))
    >>> picture.edge("n0", "n1", **forward_arrow())
    >>> picture.edge("n1", "n2", **forward_arrow())
    >>> picture.edge("n2", "n0", **backward_arrow("1"))

Two kinds of strings appear. A `str` is somebody's text: it may hold anything, and is escaped
where it enters. `Markup` is text that went through `escape` or was built from such pieces, ready
to stand in an HTML-like label. All labels are HTML-like: the `graphviz` package would take a
plain label of the form `<...>` as live markup, and a plain label that begins with a line break
can crash Graphviz.

Node identifiers are the caller's: use `n0`, `n1`, ..., never a user's name (a colon in an
identifier means a port, and identifiers appear in the SVG).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as _escape_html
from typing import NewType

from tinygrad_course.errors import ArgumentError
from viz import style

Markup = NewType("Markup", str)
"""Text that is safe inside an HTML-like label."""

MAX_CHARACTERS = 60
"""A line of a label longer than this is cut, with an ellipsis."""
MAX_LINES = 12
"""A label with more lines than this is cut, with an ellipsis."""

# What XML 1.0 cannot hold, even as a character reference, and what cannot be encoded as UTF-8: one
# such character makes Graphviz drop the whole label. Tab and the line breaks are handled before.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Controls of writing direction would reorder the text that follows them in the same label.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


# Text that needs no care: almost every name and number.
_PLAIN = re.compile(r"[\w +*/=.,()\[\]-]*")


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[: max(limit - 1, 1)].rstrip() + "…"


def escape(text: object, limit: int = MAX_CHARACTERS) -> Markup:
    r"""Return any text as markup that shows exactly these characters.

    Line breaks become `<BR/>`. Characters that XML cannot represent show as the replacement
    character. A backslash is doubled, because Graphviz replaces `\N`, `\G`, `\E` ... by names
    even in HTML-like labels.

    Args:
        text: The text; anything else than a string is converted with `str`.
        limit: Longest line, in characters; the rest is cut, with an ellipsis.

    >>> escape('<B HREF="javascript:x">')
    '&lt;B HREF=&quot;javascript:x&quot;&gt;'
    >>> escape("two\nlines \\N")
    'two<BR/>lines \\\\N'
    """
    if type(text) is str and len(text) <= limit and _PLAIN.fullmatch(text):
        return Markup(text)
    plain = str(text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    plain = _DIRECTION.sub("", _FORBIDDEN.sub("\ufffd", plain))
    lines = re.split("[\n\u2028\u2029]", plain)
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], "⋮"]
    safe = [_escape_html(_cut(line, limit)).replace("\\", "\\\\") for line in lines]
    return Markup("<BR/>".join(safe))


def span(
    text: object,
    *,
    color: str | None = None,
    size: float | None = None,
    bold: bool = False,
    italic: bool = False,
    limit: int = MAX_CHARACTERS,
) -> Markup:
    """Return text with a colour, a size in points and a weight, as markup.

    Args:
        text: Anybody's text; it is escaped.
        color: A colour of `viz.style`.
        size: In points.
        bold: Whether to write in bold.
        italic: Whether to write in italics.
        limit: Longest line, in characters.

    >>> span("dv = 3", color="#c62828", bold=True)
    '<FONT COLOR="#c62828"><B>dv = 3</B></FONT>'
    """
    # Graphviz takes `<B></B>` with nothing inside for a syntax error.
    markup = escape(text, limit) or " "
    if bold:
        markup = f"<B>{markup}</B>"
    if italic:
        markup = f"<I>{markup}</I>"
    attributes = ""
    if color is not None:
        attributes += f' COLOR="{color}"'
    if size is not None:
        attributes += f' POINT-SIZE="{size:g}"'
    return Markup(f"<FONT{attributes}>{markup}</FONT>" if attributes else markup)


def join(*pieces: Markup) -> Markup:
    """Return several pieces of markup one after another, in one line.

    >>> join(span("J", bold=True), escape(" < 1"))
    '<B>J</B> &lt; 1'
    """
    return Markup("".join(pieces))


def table(
    rows: Iterable[Markup],
    *,
    line: str | None = None,
    fill: str | None = None,
    width: float = 1.2,
    align: str = "CENTER",
    padding: int = 1,
    margin: int = 4,
) -> Markup:
    """Return a table of one column, one row per piece of markup.

    Args:
        rows: The rows, from top to bottom; at least one.
        line: Colour of the rounded border; None for no border.
        fill: Colour of the inside; None for transparent.
        width: Width of the border, in points, at least 1 where there is a border.
        align: "LEFT", "CENTER" or "RIGHT".
        padding: Space around the text of each row, in points.
        margin: Space around all rows, in points.

    Raises:
        ValueError: When there is no row.
    """
    cells = [
        f'<TR><TD ALIGN="{align}" BALIGN="{align}" CELLPADDING="{padding}">{row or " "}</TD></TR>'
        for row in rows
    ]
    if not cells:
        raise ArgumentError("dot.table: got no rows; expected at least one")
    border = f' BORDER="{width:g}" COLOR="{line}"' if line is not None else ' BORDER="0"'
    rounded = ' STYLE="ROUNDED"' if line is not None or fill is not None else ""
    background = f' BGCOLOR="{fill}"' if fill is not None else ""
    opening = (
        f"<TABLE{border}{rounded}{background}"
        f' CELLBORDER="0" CELLSPACING="{margin}" CELLPADDING="0">'
    )
    return Markup(f"{opening}{''.join(cells)}</TABLE>")


def html(markup: Markup) -> str:
    """Return the value of a `label` attribute that Graphviz reads as HTML-like.

    >>> html(escape("a < b"))
    '<a &lt; b>'
    """
    return f"<{markup or ' '}>"


def graph_style(rankdir: str = "LR", **attributes: str) -> dict[str, str]:
    """Return graph attributes: direction, spacing, fonts.

    Args:
        rankdir: "LR" left to right, "TB" top down.
        attributes: More Graphviz attributes, or others in place of these.
    """
    return {
        "rankdir": rankdir,
        "bgcolor": style.PAPER,
        "fontname": style.FONT,
        "fontsize": f"{style.SIZE_SMALL:g}",
        "nodesep": "0.3",
        "ranksep": "0.45",
        "pad": "0.15",
        **attributes,
    }


def node_style(**attributes: str) -> dict[str, str]:
    """Return the default attributes of nodes: fonts, and an explicit empty label."""
    # A node that only edges mention would otherwise be labelled with its identifier by `dot`,
    # and not at all by pygraphviz.
    return {
        "label": "",
        "fontname": style.FONT,
        "fontsize": f"{style.SIZE:g}",
        "fontcolor": style.INK,
        **attributes,
    }


def edge_style(**attributes: str) -> dict[str, str]:
    """Return the default attributes of arrows: fonts, thin blue lines."""
    return {
        "fontname": style.FONT,
        "fontsize": f"{style.SIZE_SMALL:g}",
        "color": style.BLUE,
        "penwidth": "1.2",
        "arrowsize": "0.75",
        **attributes,
    }


def box(
    name: object,
    *,
    value: object = None,
    derivative: object = None,
    note: object = None,
    role: str = "forward",
    **attributes: str,
) -> dict[str, str]:
    """Return node attributes of a tensor: value in blue, name in bold, derivative in red.

    Args:
        name: The name, or an equation such as "v = a + u".
        value: Text of the value; None leaves the row out.
        derivative: Text such as "dv = 3"; None leaves the row out.
        note: A small grey line under the name, such as the shape "(25, 64)"; None leaves it out.
        role: A role of `viz.style`, which gives border and background.
        attributes: More Graphviz attributes.

    Raises:
        ValueError: For an unknown role.

    >>> box("J", value="33", role="loss")["shape"]
    'plain'
    """
    shades = style.tone(role)
    rows = []
    if value is not None:
        rows.append(span(value, color=style.BLUE, size=style.SIZE_SMALL))
    rows.append(span(name, size=style.SIZE, bold=True))
    if note is not None:
        rows.append(span(note, color=style.MUTED, size=style.SIZE_TINY))
    if derivative is not None:
        rows.append(span(derivative, color=style.RED, size=style.SIZE_SMALL))
    label = html(table(rows, line=shades.line, fill=shades.fill))
    return {"shape": "plain", "label": label, **attributes}


def plate(text: str) -> str:
    """Return a table cell that says where a value lies, such as "#3"."""
    words = span(text, color=style.PAPER, size=style.SIZE_TINY, bold=True)
    return f'<TD BGCOLOR="{style.MUTED}" STYLE="ROUNDED" CELLPADDING="2">{words}</TD>'


def card(
    head: object,
    rows: Iterable[tuple[str, str, str]],
    *,
    right: str = "",
    role: str = "forward",
    **attributes: str,
) -> dict[str, str]:
    """Return node attributes of a card: a grey caption, then equations with plates behind them.

    Args:
        head: The caption.
        rows: For each line the equation, its role, which gives its colour, and its plate or "".
        right: Text at the right end of the caption, such as a time.
        role: A role of `viz.style`, which gives border and background.
        attributes: More Graphviz attributes.

    Raises:
        ValueError: For an unknown role.

    >>> "exp(x)" in card("loop", [("y = exp(x)", "forward", "#1")])["label"]
    True
    """
    shades = style.tone(role)
    caption = span(f"{head} · " if right else head, color=style.MUTED, size=style.SIZE_TINY)
    if right:
        caption = join(caption, span(right, size=style.SIZE_TINY, bold=True))
    cells = [f'<TR><TD ALIGN="LEFT" COLSPAN="2">{caption}</TD></TR>']
    for text, tone, mark in rows:
        line = span(text, color=style.tone(tone).line, size=style.SIZE)
        place = plate(mark) if mark else "<TD></TD>"
        cells.append(f'<TR><TD ALIGN="LEFT" BALIGN="LEFT">{line}</TD>{place}</TR>')
    opening = (
        f'<TABLE BORDER="1.2" COLOR="{shades.line}" STYLE="ROUNDED" BGCOLOR="{shades.fill}"'
        ' CELLBORDER="0" CELLSPACING="3" CELLPADDING="1">'
    )
    label = Markup(f"{opening}{''.join(cells)}</TABLE>")
    return {"shape": "plain", "label": html(label), **attributes}


def boxes(
    entries: Iterable[tuple[str, str, str, str]], *, stacked: bool = False, **attributes: str
) -> dict[str, str]:
    """Return node attributes of several tensors side by side, in one node.

    Args:
        entries: For each its port, to which arrows can go, its name, a note or "", and its role.
        stacked: One above the other.
        attributes: More Graphviz attributes.

    >>> boxes([("p0", "X", "(4,)", "data"), ("p1", "w", "", "parameter")])["shape"]
    'plain'
    """
    cells = []
    for port, name, note, role in entries:
        label = box(name, note=note or None, role=role)["label"]
        cells.append(f'<TD PORT="{port}">{label[1:-1]}</TD>')
    rows = "</TR><TR>".join(cells) if stacked else "".join(cells)
    opening = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" CELLPADDING="0">'
    return {"shape": "plain", "label": f"<{opening}<TR>{rows}</TR></TABLE>>", **attributes}


def circle(symbol: object, *, role: str = "forward", **attributes: str) -> dict[str, str]:
    """Return node attributes of an operation: a small circle, or a capsule when the text is long.

    Args:
        symbol: The text, such as "+", "×3" or "sigmoid".
        role: A role of `viz.style`; "backward" for an operation that computes a derivative.
        attributes: More Graphviz attributes.

    Raises:
        ValueError: For an unknown role.

    >>> circle("+")["shape"]
    'circle'
    >>> circle("sigmoid")["shape"]
    'box'
    """
    shades = style.tone(role)
    text = str(symbol)
    short = len(text) <= 2
    size = style.SIZE if short else style.SIZE_SMALL
    drawn = {
        "shape": "circle",
        "label": html(span(text, color=shades.line, size=size)),
        "style": "filled",
        "color": shades.line,
        "fillcolor": style.PAPER,
        "penwidth": "1.2",
        "width": "0.4",
        "height": "0.4",
        "margin": "0",
    }
    if short:
        drawn["fixedsize"] = "true"
    else:
        drawn.update(shape="box", style="rounded,filled", height="0.32", margin="0.1,0.03")
    return {**drawn, **attributes}


def tag(text: object, *, role: str = "forward", **attributes: str) -> dict[str, str]:
    """Return node attributes of a small label without a border, such as a value used again.

    Args:
        text: The text.
        role: A role of `viz.style`, which gives the colours.
        attributes: More Graphviz attributes.

    Raises:
        ValueError: For an unknown role.

    >>> tag("1 - A[1]²")["shape"]
    'box'
    """
    shades = style.tone(role)
    return {
        "shape": "box",
        "label": html(span(text, color=shades.line, size=style.SIZE_SMALL)),
        "style": "rounded,filled",
        "color": shades.fill,
        "fillcolor": shades.fill,
        "height": "0.25",
        "width": "0.3",
        "margin": "0.06,0.02",
        **attributes,
    }


def forward_arrow(label: object = None, **attributes: str) -> dict[str, str]:
    """Return edge attributes of a solid blue arrow in the direction of computing.

    Args:
        label: Text beside the arrow.
        attributes: More Graphviz attributes.
    """
    drawn = {"color": style.BLUE}
    if label is not None:
        drawn["label"] = html(span(label, color=style.BLUE, size=style.SIZE_TINY))
    return {**drawn, **attributes}


def backward_arrow(label: object = None, **attributes: str) -> dict[str, str]:
    """Return edge attributes of a dashed red arrow that runs backward.

    It has no say in the layout (`constraint=false`), so the values keep their places.

    Args:
        label: The local derivative that this arrow multiplies by.
        attributes: More Graphviz attributes.
    """
    drawn = {"color": style.RED, "style": "dashed", "constraint": "false"}
    if label is not None:
        drawn["label"] = html(span(f" {label} ", color=style.RED, size=style.SIZE_SMALL))
    return {**drawn, **attributes}


def cluster(title: object, **attributes: str) -> dict[str, str]:
    """Return graph attributes of a frame around the nodes of one module or group.

    Use it as `with picture.subgraph(name="cluster_0") as part: part.attr(**cluster("Dense"))`.

    Args:
        title: Text at the top left of the frame.
        attributes: More Graphviz attributes.
    """
    return {
        "label": html(span(title, color=style.MUTED, size=style.SIZE_SMALL, bold=True)),
        "labeljust": "l",
        # Without this, a frame would inherit the place of the legend.
        "labelloc": "t",
        "style": "rounded,filled",
        "color": style.FAINT,
        "fillcolor": "#fafbfc",
        "margin": "12",
        **attributes,
    }


def _sample(role: str, meaning: str) -> str:
    shades = style.tone(role)
    swatch = (
        f'<TD BGCOLOR="{shades.fill}" COLOR="{shades.line}" BORDER="1" STYLE="ROUNDED"'
        ' WIDTH="18" HEIGHT="11" FIXEDSIZE="TRUE"></TD>'
    )
    words = span(meaning, color=style.MUTED, size=style.SIZE_TINY)
    return f'{swatch}<TD ALIGN="LEFT">{words}</TD>'


def legend(
    roles: Sequence[str] | Sequence[tuple[str, str]],
    *,
    notes: Sequence[tuple[str, str]] = (),
    plates: Sequence[tuple[str, str]] = (),
    **attributes: str,
) -> dict[str, str]:
    """Return graph attributes that put a legend under the picture, outside of its layout.

    Use it as `picture.attr(**legend(["parameter", "forward", "loss"]))`.

    Args:
        roles: The roles to explain, in this order; a pair (role, text) explains in other words.
        notes: More samples as pairs (sample, text), such as ("- - >", "local derivative"); the
            sample is written in the red of derivatives.
        plates: Plates of cards and what they mean; an empty one stands for none.
        attributes: More Graphviz attributes.

    Raises:
        ValueError: For an unknown role, or when there is nothing to explain.

    >>> "parameter" in legend(["parameter"])["label"]
    True
    """
    cells = []
    for entry in roles:
        role, meaning = (entry, style.tone(entry).meaning) if isinstance(entry, str) else entry
        cells.append(_sample(role, meaning))
    for sample, meaning in notes:
        mark = span(sample, color=style.RED, size=style.SIZE_TINY)
        words = span(meaning, color=style.MUTED, size=style.SIZE_TINY)
        cells.append(f'<TD>{mark}</TD><TD ALIGN="LEFT">{words}</TD>')
    for mark_text, meaning in plates:
        words = span(meaning, color=style.MUTED, size=style.SIZE_TINY)
        sample_cell = plate(mark_text) if mark_text else "<TD></TD>"
        cells.append(f'{sample_cell}<TD ALIGN="LEFT">{words}</TD>')
    if not cells:
        raise ArgumentError(
            "dot.legend: got nothing to explain; expected at least one role or note"
        )
    gap = '<TD WIDTH="8"></TD>'
    row = gap.join(cells)
    plain = 'BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1"'
    label = Markup(f"<TABLE {plain}><TR>{row}</TR></TABLE>")
    return {"label": html(label), "labelloc": "b", "labeljust": "l", **attributes}
