"""The page of the demo: one HTML file that needs nothing else, neither network nor scripts.

`html` is a pure function from the outcome and its pictures to text. Every text that is not markup
of this module goes through `html.escape`; pictures are SVG elements from `pictures.inline`.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from itertools import pairwise

import numpy as np

from tinygrad_course import __version__, nn
from tinygrad_course.derivation.documents import SHEET_STYLE, sections
from tinygrad_course.derivation.equations import Equations
from tinygrad_course.derivation.mathml import convert
from tinygrad_course.derivation.writer import Writer, identifier
from viz import style

from .pictures import Inline, image_uri
from .training import BATCH, Outcome

__all__ = ["html"]

# Colours of the dark mode, for each role: line and fill.
_DARK = {
    "forward": ("#82b1ff", "#14253f"),
    "backward": ("#ff8a80", "#3a1a1b"),
    "parameter": ("#81d18a", "#15301b"),
    "data": ("#a3afbf", "#222a34"),
    "constant": ("#8a94a0", "#1d232b"),
    "loss": ("#f0bd5e", "#37290f"),
    "update": ("#b99be6", "#2b2140"),
}
# What may stand behind the number of a layer: T, or an exponent.
_MORE = r"(?:<mspace [^>]*/><m[in][^>]*>[^<]*</m[in]>)?"
_PLAIN = {
    "ink": (style.INK, "#e8ebf0"),
    "muted": (style.MUTED, "#a3afbf"),
    "line": (style.FAINT, "#343d4a"),
    "paper": (style.PAPER, "#171c23"),
    "frame": ("#fafbfc", "#1a2029"),
    "weight": ("#c6ced8", "#46515f"),
}


def html(outcome: Outcome, pictures: Inline) -> str:
    """Return the whole page.

    Args:
        outcome: what the demo computed.
        pictures: its pictures, as SVG elements.
    """
    title = "A small network learns to read 0 and 1"
    sections = (
        _answers(outcome),
        _network(pictures),
        _program(outcome),
        _learning(outcome, pictures),
        _three_ways(outcome, pictures),
        _gradients(outcome),
        _activations(pictures),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_css()}</style>\n</head>\n<body>\n"
        f"{_head(outcome, title)}<main>\n{''.join(sections)}</main>\n{_foot(outcome)}"
        "</body>\n</html>\n"
    )


# --- colours --------------------------------------------------------------------------------------


def _css() -> str:
    """Return the style sheet: the file beside this one, and the colours of `viz.style`."""
    sheet = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for name, (day, night) in _PLAIN.items():
        light[name], dark[name] = day, night
    for role, tone in style.ROLES.items():
        light[role], dark[role] = tone.line, _DARK[role][0]
        light[f"{role}-fill"], dark[f"{role}-fill"] = tone.fill, _DARK[role][1]
    lines = [_variables(":root", light)]
    lines.append(f"@media (prefers-color-scheme: dark) {{\n{_variables(':root', dark)}}}\n")
    seen: set[str] = set()
    for name, color in light.items():
        if color in seen:  # two names for one colour of a picture: the first decides
            continue
        seen.add(color)
        for kind in ("fill", "stroke"):
            # Graphviz writes attributes, Matplotlib writes style="fill: ...".
            lines.append(f'.picture [{kind}="{color}"] {{ {kind}: var(--{name}); }}\n')
            lines.append(
                f'.picture [style*="{kind}: {color}"] {{ {kind}: var(--{name}) !important; }}\n'
            )
    return sheet + SHEET_STYLE + "".join(lines)


def _variables(selector: str, values: dict[str, str]) -> str:
    body = "".join(f" --{name}: {value};" for name, value in values.items())
    return f"{selector} {{{body} }}\n"


# --- sections -------------------------------------------------------------------------------------


def _head(outcome: Outcome, title: str) -> str:
    total = len(outcome.truth)
    right = total - len(outcome.wrong)
    images = f"{right} of {total} images it never saw"
    loss = f"{outcome.training['loss']:.4f} in training"
    check = f"between backpropagation and differences, all {outcome.report.entries:,} entries"
    tiles = [
        ("Test accuracy", f"{outcome.test['accuracy']:.1%}", images),
        (
            "Training accuracy",
            f"{outcome.training['accuracy']:.1%}",
            f"{len(outcome.X_train)} images, in {_epochs(outcome)}",
        ),
        ("Test loss", f"{outcome.test['loss']:.4f}", loss),
        ("Parameters", f"{outcome.parameters:,}", "numbers that training adjusts"),
        ("Gradient difference", f"{outcome.report.difference:.1e}", check),
    ]
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd>{escape(note)}</dd></div>\n"
        for name, value, note in tiles
    )
    return (
        '<header>\n<div class="kicker">tinygrad-course demo</div>\n'
        f"<h1>{escape(title)}</h1>\n"
        f'<p class="lead">{len(outcome.X_train)} handwritten zeros and ones to learn from, {total} '
        "to be tested on. All numbers and pictures below were computed on this machine, by the "
        f'program on this page.</p>\n<dl class="tiles">\n{shown}</dl>\n</header>\n'
    )


def _epochs(outcome: Outcome) -> str:
    return "1 epoch" if outcome.epochs == 1 else f"{outcome.epochs} epochs"


def _answers(outcome: Outcome) -> str:
    total = len(outcome.truth)
    if outcome.wrong:
        places = ", ".join(map(str, outcome.wrong))
        many = len(outcome.wrong) > 1
        verdict = (
            f"Here are all {total}, each with the network’s answer below. "
            f"{len(outcome.wrong)} {'are' if many else 'is'} wrong, framed in "
            f'<b class="b">red</b>: number{"s" if many else ""} {places}, counted from 0.'
        )
    else:
        verdict = (
            f"Here are all {total}, each with the network’s answer below. None is wrong; an error "
            'would be framed in <b class="b">red</b>.'
        )
    cells = []
    for i in range(total):
        guess, truth = outcome.guess[i], outcome.truth[i]
        said = f"{guess}" if guess == truth else f"{guess}, not {truth}"
        note = (
            f"test image {i}, row {outcome.rows[i]} of course.digits01: a {truth}; "
            f"probability of a one {outcome.probability[i]:.4f}"
        )
        cells.append(
            f'<li{_wrong(outcome, i)} title="{escape(note)}">'
            f"{_pixels(outcome, i)}{escape(said)}</li>\n"
        )
    return (
        "<section>\n<h2>What it was asked, and what it answered</h2>\n"
        "<p>Each image is 8 × 8 pixels: 64 numbers between 0, paper, and 1, ink. The network turns "
        "them into one number, the probability that the image shows a one, and 0.5 or more counts "
        f"as “one”.</p>\n<p>{verdict}</p>\n"
        f'<div class="card"><ol class="digits">\n{"".join(cells)}</ol></div>\n'
        f"{_doubts(outcome)}</section>\n"
    )


def _doubts(outcome: Outcome) -> str:
    """Show the test images about which the network is least sure."""
    order = np.argsort(np.abs(outcome.probability - 0.5), kind="stable")[:6]
    cells = []
    for i in order:
        chance = float(outcome.probability[i])
        cells.append(
            f"<li{_wrong(outcome, int(i))}>"
            f"{_pixels(outcome, int(i))}"
            f'<div class="bar"><i style="width: {chance:.1%}"></i></div>'
            f"<small>{chance:.1%} a one<br>image {i}, a {outcome.truth[i]}</small></li>\n"
        )
    return (
        '<div class="card"><h3>The six it is least sure of</h3>\n'
        f'<ol class="doubts">\n{"".join(cells)}</ol></div>\n'
    )


def _pixels(outcome: Outcome, i: int) -> str:
    uri = image_uri(outcome.X_test[i].reshape(8, 8))
    return (
        f'<span class="pixels"><img src="{uri}" width="8" height="8" '
        f'alt="a handwritten {outcome.truth[i]}"></span>'
    )


def _wrong(outcome: Outcome, i: int) -> str:
    return ' class="wrong"' if outcome.guess[i] != outcome.truth[i] else ""


def _network(pictures: Inline) -> str:
    return (
        "<section>\n<h2>The network</h2>\n"
        "<p>Every circle is a number, every line a weight. A circle of layer <i>l</i> adds up the "
        "numbers to its left, each times its weight, plus a bias, and squeezes the sum between 0 "
        "and 1 with the sigmoid σ. For a whole layer that is one matrix product: "
        "<code>A[l] = σ(A[l−1] W[l] + b[l])</code>.</p>\n"
        '<figure class="card"><div class="picture">'
        f"{pictures.network}</div><figcaption>The first and the last circles of each layer; the "
        "dots stand for the rest. File: network.svg</figcaption></figure>\n</section>\n"
    )


def _summary(outcome: Outcome) -> str:
    return escape(str(nn.summary(outcome.model, (64,))))


def _program(outcome: Outcome) -> str:
    return (
        "<section>\n<h2>The program</h2>\n"
        "<p>This is all of it. Run it, and you get the same weights, to the last digit, that the "
        "demo saved as <code>model.safetensors</code>.</p>\n"
        f'<div class="wide"><div class="card"><pre>{highlight(outcome.code)}</pre></div>\n'
        f'<div class="card"><pre>&gt;&gt;&gt; nn.summary(model, (64,))\n{_summary(outcome)}</pre>'
        "</div></div>\n</section>\n"
    )


def _learning(outcome: Outcome, pictures: Inline) -> str:
    plots = "".join(
        f'<figure class="card"><div class="picture plot">{svg}</div></figure>\n'
        for svg in pictures.curves
    )
    first, last = outcome.history["loss"][0], outcome.history["loss"][-1]
    return (
        "<section>\n<h2>How it learned</h2>\n"
        "<p>Before training, the weights are random and so are the answers. Each step looks at "
        f"{BATCH} images and moves every weight a little, in the direction that makes the loss "
        f"smaller: from {first:.3f} on average in the first epoch to {last:.3f} in the last. The "
        "dashed curves are the test images, from which it never learns. Loss of pure guessing: "
        "ln 2 ≈ 0.693.</p>\n"
        f'<div class="two">\n{plots}</div>\n</section>\n'
    )


def _three_ways(outcome: Outcome, pictures: Inline) -> str:
    """Show forward and backward pass as a picture, as equations and as a program."""
    roles = _roles(outcome)
    names = {identifier(name): role for name, role in roles.items()}
    code = str(outcome.program)
    code = code[code.index("import numpy") :].rstrip("\n")
    J = outcome.loss.item()
    steps = (
        (
            "f",
            f'<b class="f">Down, in blue: forward.</b> {BATCH} images enter as the matrix X. Each '
            "layer computes Z = A W + b (<code>@ +</code>), then A = σ(Z). The loss L of every "
            f"image, averaged, is the cost J = {J:.6f}.",
        ),
        (
            "b",
            '<b class="b">Up, in red: backward.</b> dJ is 1. Each operation multiplies by its own '
            "derivative and hands the result on. Every derivative stands beside the value it "
            "belongs to: dZ[2] beside Z[2].",
        ),
        (
            "f",
            '<b class="f">Blue tags</b> are values of the forward pass that the backward pass '
            "needs again. That is why they are kept. A * (1 − A) is the derivative of σ.",
        ),
        (
            "p",
            '<b class="p">Parameters in green</b> are what training changes. Each W has a dW of '
            "the same shape: how much J grows when an entry of W grows. A step of training "
            "moves W against dW.",
        ),
    )
    told = "".join(f'<li class="{kind}">{text}</li>\n' for kind, text in steps)
    return (
        '<section class="broad">\n<h2>The same backpropagation, three ways</h2>\n'
        "<p>Nobody wrote the red half. The framework recorded the blue half while it ran, and "
        "derived the red half from it with the rules of a formula sheet. What it derived can be "
        "drawn, read and run: a name means the same in the picture, in the equations and in the "
        "program.</p>\n"
        f'<ol class="told">\n{told}</ol>\n<div class="ways">\n'
        '<figure class="card"><h3>Draw it</h3>'
        f'<div class="picture">{pictures.graph}</div>'
        "<figcaption>The files graph.svg and graph.png show it from left to right, for a slide. "
        "The picture has every single operation; in the equations, dL, dA[3] and σ′ have "
        "cancelled to A[3] − Y.</figcaption></figure>\n"
        f'<div class="column"><div class="card"><h3>Read it</h3>\n'
        f"{_in_color(sections(outcome.sheet), outcome.sheet, roles)}\n"
        f'<p class="small muted">{escape(" ".join(outcome.sheet.remarks))}</p></div>\n'
        '<div class="card"><h3>Run it</h3>\n'
        f'<pre class="named">{highlight(code, names)}</pre>\n'
        '<p class="small muted">The file backprop.py, which needs NumPy only, and runs for any '
        "number m of images.</p></div>\n"
        f'<p class="verified">{escape(_sentence(outcome))}</p></div>\n</div>\n</section>\n'
    )


def _sentence(outcome: Outcome) -> str:
    """Say how far equations and program are from automatic differentiation."""
    found = outcome.verified
    counts = " and ".join(f"m = {m}" for m in found.counts)
    return (
        "Checked when this page was made: the equations were read back and the program was run, on "
        f"random numbers and with {counts}. The largest difference of a derivative from automatic "
        f"differentiation was {found.largest:.1e}."
    )


def _roles(outcome: Outcome) -> dict[str, str]:
    """Return the colour of each name: that of the picture."""
    d = outcome.sheet.derivation
    roles = {leaf.name: "p" if leaf.role == "parameter" else "d" for leaf in d.leaves}
    kinds = {"forward": "f", "cost": "l", "backward": "b"}
    return roles | {line.name: kinds[line.section] for line in d.lines}


def _in_color(markup: str, sheet: Equations, roles: dict[str, str]) -> str:
    """Return equations with each name in its colour."""
    d = sheet.derivation
    writer = Writer(d, "latex")
    of = {line.name: line.of for line in d.lines}
    colors = {convert(writer.symbol(name, of.get(name))): role for name, role in roles.items()}
    # The longest first: dZ[1] holds Z[1]. A transpose or a power shares the superscript.
    end = "</mrow></msup>"
    names = "|".join(
        re.escape(name.removesuffix(end)) + (_MORE + end if name.endswith(end) else "")
        for name in sorted(colors, key=len, reverse=True)
    )

    def colored(found: re.Match[str]) -> str:
        return f'<mrow class="{colors[re.sub(_MORE + end, end, found[0])]}">{found[0]}</mrow>'

    return re.sub(names, colored, markup)


def _gradients(outcome: Outcome) -> str:
    report = outcome.report
    rows = "".join(
        f"<tr><td>{escape(p.symbol or p.name)}</td><td>{escape(_size(p.shape))}</td>"
        f"<td>all {p.entries:,}</td><td>{p.difference:.1e}</td></tr>\n"
        for p in report
    )
    verdict = "agree" if report.passed else "do not agree"
    return (
        "<section>\n<h2>Are the gradients right?</h2>\n"
        "<p>A derivative can be measured: move one weight a little, and see how much the loss "
        "changes. <code>(J(θ + ε) − J(θ − ε)) / 2ε</code> needs no backpropagation at all, but two "
        f"runs of the network per weight. For all {report.entries:,} weights and biases, both "
        f"{verdict}. The step: <code>{escape(report.eps)}</code>.</p>\n"
        '<div class="card"><div class="table"><table>\n<thead><tr><th>parameter</th><th>shape</th>'
        "<th>checked</th><th>difference</th></tr></thead>\n<tbody>\n"
        f"{rows}<tr><td><b>together</b></td><td></td><td>all {report.entries:,}</td>"
        f"<td><b>{report.difference:.1e}</b></td></tr>\n</tbody></table></div></div>\n"
        '<p class="small muted" style="margin-top: 0.8rem">difference = ‖grad − approx‖₂ / '
        "(‖grad‖₂ + ‖approx‖₂). About 1e-7 or less is a right gradient; a forgotten factor gives "
        "0.1 and more. gradcheck.txt has the worst entry of each parameter.</p>\n</section>\n"
    )


def _activations(pictures: Inline) -> str:
    plots = "".join(f'<div class="picture plot">{svg}</div>\n' for svg in pictures.activations)
    return (
        "<section>\n<h2>Activations, and their derivatives</h2>\n"
        "<p>Without a curved function between the layers, the whole network would be one straight "
        'line. This one uses the sigmoid. In <b class="f">blue</b> what an activation does to a '
        'sum z, in <b class="b">red</b> its derivative, with which the backward pass multiplies: '
        "where the red curve is near 0, learning is slow. tanh is four times as steep as the "
        "sigmoid at 0; ReLU passes derivatives on unchanged.</p>\n"
        f'<div class="card three">\n{plots}</div>\n</section>\n'
    )


def _foot(outcome: Outcome) -> str:
    return (
        f"<footer>\n<p>Made by <code>tinygrad-course demo --seed {outcome.seed} --epochs "
        f"{outcome.epochs}</code>, tinygrad_course {escape(__version__)}. Images: E. Alpaydin, "
        "C. Kaynak, Optical Recognition of Handwritten Digits, 1998, as bundled with "
        "scikit-learn.</p>\n</footer>\n"
    )


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)


# --- the program in colours -----------------------------------------------------------------------


def highlight(source: str, names: Mapping[str, str] | None = None) -> str:
    r"""Return Python source as markup: keywords, texts, numbers and comments in `span` elements.

    Args:
        source: the program.
        names: classes of further elements, for names of the program.

    >>> highlight("for x in [1]:\n    pass  # <b>\n").splitlines()[0]
    '<span class="k">for</span> x <span class="k">in</span> [<span class="n">1</span>]:'
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    pieces: list[tuple[int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _kind(token, names or {})
        if kind:
            (row, column), (last_row, last_column) = token.start, token.end
            pieces.append((starts[row - 1] + column, starts[last_row - 1] + last_column, kind))
    pieces.append((len(source), len(source), ""))
    marked = [escape(source[: pieces[0][0]], quote=False)]
    for (start, stop, kind), (following, _, _) in pairwise(pieces):
        marked.append(f'<span class="{kind}">{escape(source[start:stop], quote=False)}</span>')
        marked.append(escape(source[stop:following], quote=False))
    return "".join(marked)


def _kind(token: tokenize.TokenInfo, names: Mapping[str, str]) -> str:
    if token.type == tokenize.NAME:
        return "k" if keyword.iskeyword(token.string) else names.get(token.string, "")
    kinds = {tokenize.STRING: "s", tokenize.NUMBER: "n", tokenize.COMMENT: "c"}
    return kinds.get(token.type, "")
