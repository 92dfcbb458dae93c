"""Labels are escaped, attributes are what Graphviz expects, and text is always the same."""

from __future__ import annotations

import re

import graphviz
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz import dot, style
from viz.render import Drawing

HOSTILE = [
    '<<TABLE><TR><TD HREF="javascript:alert(1)">x</TD></TR></TABLE>>',
    "<b>",
    "quote \" and ' apostrophe",
    "a & b &amp; &lt;",
    "line\nbreak",
    "\nleading line break",
    "\r\n\r\n",
    "\\N \\G \\E \\T \\H \\L",
    "\\n\\l\\r",
    "ends with a backslash\\",
    "]]> --> </TABLE>",
    "nul \x00 bell \x07 escape \x1b",
    "lone surrogate \ud800",
    "not a character \uffff",
    "right to left \u202e gnp.exe",
    "Greek αβγδ σ′(z) ∂J/∂W ŷ 日本語 🙂",
    "",
    " ",
    "x" * 5000,
    "\n".join("x" * 50),
    "a:b:c",
    "n0 -> n1; }",
]


def test_escape_known_texts():
    assert dot.escape("a < b & c") == "a &lt; b &amp; c"
    assert dot.escape("\"'") == "&quot;&#x27;"
    assert dot.escape("one\ntwo\r\nthree\rfour") == "one<BR/>two<BR/>three<BR/>four"
    assert dot.escape("\\N") == "\\\\N"
    assert dot.escape("a\x00b") == "a\ufffdb"
    assert dot.escape(3.5) == "3.5"


def test_escape_cuts_what_is_too_long():
    assert dot.escape("x" * 100, limit=10) == "x" * 9 + "…"
    lines = dot.escape("\n".join(str(n) for n in range(100))).split("<BR/>")
    assert len(lines) == dot.MAX_LINES
    assert lines[0] == "0"
    assert lines[-1] == "⋮"


@given(st.text())
def test_escaped_text_holds_no_markup(text):
    escaped = dot.escape(text).replace("<BR/>", "")
    assert not set(escaped) & set("<>\"'\n\r\t\x00")
    escaped.encode("utf-8")
    # Backslashes come in pairs, so that none starts an escape sequence of Graphviz.
    assert escaped.replace("\\\\", "").count("\\") == 0


def test_box_golden_text():
    attributes = dot.box("a<b", value="5", derivative="da = 3", note="(2, 3)", role="parameter")
    assert attributes == {
        "shape": "plain",
        "label": (
            '<<TABLE BORDER="1.2" COLOR="#2e7d32" STYLE="ROUNDED" BGCOLOR="#e8f5e9"'
            ' CELLBORDER="0" CELLSPACING="4" CELLPADDING="0">'
            '<TR><TD ALIGN="CENTER" BALIGN="CENTER" CELLPADDING="1">'
            '<FONT COLOR="#1f5fbf" POINT-SIZE="11">5</FONT></TD></TR>'
            '<TR><TD ALIGN="CENTER" BALIGN="CENTER" CELLPADDING="1">'
            '<FONT POINT-SIZE="14"><B>a&lt;b</B></FONT></TD></TR>'
            '<TR><TD ALIGN="CENTER" BALIGN="CENTER" CELLPADDING="1">'
            '<FONT COLOR="#5f6b7a" POINT-SIZE="9.5">(2, 3)</FONT></TD></TR>'
            '<TR><TD ALIGN="CENTER" BALIGN="CENTER" CELLPADDING="1">'
            '<FONT COLOR="#c62828" POINT-SIZE="11">da = 3</FONT></TD></TR>'
            "</TABLE>>"
        ),
    }


def test_value_above_name_above_derivative():
    label = dot.box("NAME", value="VALUE", derivative="DERIVATIVE")["label"]
    assert label.index("VALUE") < label.index("NAME") < label.index("DERIVATIVE")


def test_zero_is_a_value_and_none_is_not():
    assert ">0</FONT>" in dot.box("x", value=0)["label"]
    assert dot.box("x")["label"].count("<TR>") == 1


def test_short_operations_are_circles_and_long_ones_capsules():
    assert dot.circle("×3")["shape"] == "circle"
    assert dot.circle("×3")["fixedsize"] == "true"
    assert dot.circle("matmul")["shape"] == "box"
    assert "fixedsize" not in dot.circle("matmul")


def test_backward_arrows_do_not_move_the_values():
    arrow = dot.backward_arrow("c = 2")
    assert arrow["constraint"] == "false"
    assert arrow["style"] == "dashed"
    assert arrow["color"] == style.RED
    assert "label" not in dot.forward_arrow()


def test_attributes_can_be_replaced():
    assert dot.box("x", shape="box")["shape"] == "box"
    assert dot.circle("+", fillcolor="#000000")["fillcolor"] == "#000000"
    assert dot.graph_style("TB", nodesep="1")["nodesep"] == "1"


def test_unknown_role_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown role 'purple'.*parameter"):
        dot.box("x", role="purple")


def test_empty_table_and_legend_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        dot.table([])
    with pytest.raises(ValueError, match="nothing to explain"):
        dot.legend([])


def test_frame_keeps_its_title_on_top_under_a_legend():
    drawing = Drawing("g", node_attr=dot.node_style())
    drawing.attr(**dot.legend(["loss"]))
    with drawing.subgraph(name="cluster_0") as part:
        part.attr(**dot.cluster("Dense"))
        part.node("n0", **dot.box("x"))
    svg = drawing.pipe("svg", encoding="utf-8")
    heights = dict((text, float(y)) for y, text in re.findall(r' y="([-\d.]+)"[^>]*>(\w+)<', svg))
    assert heights["Dense"] < heights["x"] < heights["loss"]


def test_legend_explains_in_given_words():
    label = dot.legend([("loss", "the cost <J>"), "data"], notes=[("- ->", "flows back")])["label"]
    assert "the cost &lt;J&gt;" in label
    assert style.tone("data").meaning in label
    assert "flows back" in label


def hostile_drawing(text: str) -> Drawing:
    drawing = Drawing(
        "hostile",
        graph_attr=dot.graph_style(),
        node_attr=dot.node_style(),
        edge_attr=dot.edge_style(),
    )
    drawing.attr(**dot.legend([("loss", text)], notes=[(text, text)]))
    with drawing.subgraph(name="cluster_0") as part:
        part.attr(**dot.cluster(text))
        part.node("n0", **dot.box(text, value=text, derivative=text, note=text))
    drawing.node("n1", **dot.circle(text))
    drawing.edge("n0", "n1", **dot.forward_arrow(text))
    drawing.edge("n1", "n0", **dot.backward_arrow(text))
    return drawing


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_render_as_text(text):
    svg = hostile_drawing(text).pipe("svg", encoding="utf-8")
    # Graphviz writes links as <a xlink:href=...>, and images as <image>.
    assert "<a " not in svg
    assert "<image" not in svg
    assert "<script" not in svg
    assert "href" not in svg.replace("HREF", "").replace('xmlns:xlink="http', "")


def test_hostile_texts_show_exactly_these_characters():
    svg = hostile_drawing("\\N <x> & \"q\" 'a'").pipe("svg", encoding="utf-8")
    shown = svg.replace("&#45;", "-").replace("&#39;", "'").replace("&#160;", " ")
    assert "\\N &lt;x&gt; &amp; &quot;q&quot; 'a'" in shown


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_in_cards_and_rows_of_boxes(text):
    drawing = Drawing("g", node_attr=dot.node_style())
    drawing.attr(**dot.legend(["loss"], plates=[(text, text), ("", text)]))
    drawing.node("n0", **dot.card(text, [(text, "loss", text), ("y", "data", "")], right=text))
    drawing.node("n1", **dot.boxes([("p0", text, text, "data"), ("p1", "w", "", "parameter")]))
    drawing.edge("n1:p1", "n0")
    svg = drawing.pipe("svg", encoding="utf-8")
    assert "<a " not in svg and svg.count('class="node"') == 2 and svg.count('class="edge"') == 1


def test_cards_have_a_caption_then_lines_in_the_colours_of_their_roles():
    label = dot.card("loop", [("a = b", "backward", "#3"), ("c = d", "update", "")])["label"]
    assert label.index("loop") < label.index("a = b") < label.index("#3") < label.index("c = d")
    assert f'COLOR="{style.RED}" POINT-SIZE="14">a = b' in label
    assert f'COLOR="{style.tone("update").line}" POINT-SIZE="14">c = d' in label
    with pytest.raises(ValueError, match="unknown role"):
        dot.card("loop", [("a = b", "purple", "")])


def test_same_drawing_same_text():
    assert hostile_drawing("a").source == hostile_drawing("a").source
    assert isinstance(hostile_drawing("a"), graphviz.Digraph)


def test_slide_golden_text():
    """The slide J = 3(a + bc), in part: text of the graph as a whole."""
    drawing = Drawing("slide", graph_attr=dot.graph_style())
    drawing.node("n0", **dot.circle("+"))
    drawing.edge("n0", "n0", **dot.backward_arrow("1"))
    assert drawing.source == (
        "digraph slide {\n"
        '\tgraph [bgcolor="#ffffff" fontname="Helvetica,Arial,DejaVu Sans,sans-serif" fontsize=11'
        " nodesep=0.3 pad=0.15 rankdir=LR ranksep=0.45]\n"
        '\tn0 [label=<<FONT COLOR="#1f5fbf" POINT-SIZE="14">+</FONT>> color="#1f5fbf"'
        ' fillcolor="#ffffff" fixedsize=true height=0.4 margin=0 penwidth=1.2 shape=circle'
        " style=filled width=0.4]\n"
        '\tn0 -> n0 [label=<<FONT COLOR="#c62828" POINT-SIZE="11"> 1 </FONT>> color="#c62828"'
        " constraint=false style=dashed]\n"
        "}\n"
    )
