"""Expressions as text, LaTeX or NumPy: one walk over the graph, the operations spell themselves.

`Writer.equation` writes a line; operands without a line of their own are written inside it, in
brackets where they bind less tightly than their place asks (see `spelling`). Course notation that
no single operation can know is here: a product with a number is written side by side, ``(1/m) dZ``;
what counts examples is m.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors, naming
from ..graph import GraphNode
from ..op import ATOM, JUXTAPOSITION, POWER, PRODUCT, SUM, UNARY, find

if TYPE_CHECKING:
    from .lines import Derivation, Line

FORMS = ("text", "latex", "numpy")

Written = tuple[str, int]
"""A written expression, and how tightly it binds."""

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "η": "eta"},
    **{"θ": "theta", "λ": "lambda", "μ": "mu", "ρ": "rho", "σ": "sigma", "φ": "phi"},
}
_LAYER_LATEX = re.compile(r"((?:d )?[^\s^]+\^\{(?:2\\,)?[\[(]\w+[\])])\}")
_WORDS = {"ᵀ": "_T", "′": "_prime", "²": "_sq", "\u0303": "_tilde"}
_NAME = re.compile(r"(d?)([A-Za-zα-ω])(\u0303?)(²?)_?(\d+|(?<=_)[A-Za-z]+)?")
_INDEXED = re.compile(r"([^\[\]]+)\[(\w+)\](.*)")


class Writer:
    """Writes the lines of a derivation in one form.

    Args:
        derivation: the lines.
        form: one of `FORMS`.
        names: other names of lines and leaves, such as Welch's δ3.
    """

    def __init__(
        self, derivation: Derivation, form: str = "text", names: dict[str, str] | None = None
    ) -> None:
        if form not in FORMS:
            raise errors.ArgumentError(f"equations: form must be one of {FORMS}, got {form!r}.")
        self.d = derivation
        self.form = form
        self.names = names or {}
        self._written: dict[int, Written] = {}

    # --- lines ------------------------------------------------------------------------------

    def equation(self, line: Line) -> str:
        """Return ``name = expression``."""
        return f"{self.left(line)} = {self.right(line)}"

    def left(self, line: Line) -> str:
        """Return the name of a line."""
        return self.symbol(line.name, line.of)

    def right(self, line: Line) -> str:
        """Return the expression of a line."""
        if line.same_as is not None:
            first = self.d.by_name[line.same_as]
            return self.symbol(first.name, first.of)
        node = self.d.graph[line.index]
        text = self._compute(node)[0]
        if self.form == "numpy" and line.of is not None and node.dtype.kind == "b":
            text = f"1.0 * ({text})"  # NumPy does not negate or subtract booleans
        return _normal(text) if self.form == "numpy" else text

    # --- names ------------------------------------------------------------------------------

    def symbol(self, name: str, of: str | None = None) -> str:
        """Return a name as the form writes it; `of` tells whose derivative it is."""
        name = self.names.get(name, name)
        if self.form == "numpy":
            return identifier(name)
        if of is not None and name == naming.derivative_name(of):
            if self.d.scalar:
                return self._quotient("d", of)
            if self.d.convention == "exact":
                return self._quotient("∂", of)
        return name if self.form == "text" else latex_name(name)

    def _quotient(self, sign: str, of: str) -> str:
        """Return dJ/dv or ∂J/∂v."""
        cost = self.d.graph.outputs[0].name
        if self.form == "text":
            return f"{sign}{cost}/{sign}{of}"
        mark = r"\partial " if sign == "∂" else "d"
        return rf"\frac{{{mark}{latex_name(cost)}}}{{{mark}{latex_name(of)}}}"

    # --- expressions ------------------------------------------------------------------------

    def operand(self, index: int) -> Written:
        """Return a node as an operand: its name, or its expression."""
        name = self.d.name_of(index)
        node = self.d.graph[index]
        if name is not None:
            line = self.d.by_name.get(name)
            return self.symbol(name, line.of if line is not None else None), ATOM
        if node.op is None:
            return self.number(node.value)
        found = self._written.get(index)
        if found is None:
            found = self._written[index] = self._compute(node)
        return found

    def number(self, value: Any, factor: bool = False) -> Written:
        """Return a number; as a `factor`, a half is 1/2."""
        text = naming.number_text(value)
        if self.form != "numpy":
            fraction = (1, 2) if factor and value == 0.5 else _fraction(value)
            if fraction is not None:
                return self.quotient(*fraction)
            root = _root(value)
            if root is not None:
                return self._of_root(*root)
            text = re.sub(r"e-0(\d)$", r"e-\1", _rounded(text))
        if self.form == "latex":
            text = re.sub(r"e\+?(-?)0*(\d+)$", r" \\cdot 10^{\1\2}", text)
            text = re.sub(r"^1 \\cdot ", "", text)
        return text, UNARY if text.startswith("-") else ATOM

    def _of_root(self, number: int, below: bool) -> Written:
        """Return √8, or 1/√8."""
        text = rf"\sqrt{{{number}}}" if self.form == "latex" else f"√{number}"
        return self.quotient(1, text) if below else (text, ATOM)

    def quotient(self, top: Any, bottom: Any) -> Written:
        """Return a quotient of numbers, written close together: 2/3."""
        if self.form == "latex":
            return rf"\frac{{{top}}}{{{bottom}}}", JUXTAPOSITION
        return f"{top}/{bottom}", PRODUCT

    def _compute(self, node: GraphNode) -> Written:
        """Return the expression that computes a node."""
        op = node.op
        if op is None:
            return self.number(node.value)
        if node.index in self.d._opaque:
            return self.operand(node.inputs[0])
        special = _SPECIAL.get(op.name)
        if special is not None:
            found = special(self, node)
            if found is not None:
                return found
        parts = [self.operand(i) for i in node.inputs]
        params = self._params(node)
        if self.form == "numpy":
            return op.spell("numpy", [f"({text})" for text, _ in parts], params), SUM
        bounds = op.bounds(len(parts), params, self.form)
        texts = [self.bracket(part, least) for part, least in zip(parts, bounds, strict=True)]
        return op.spell(self.form, texts, params), op.precedence

    def _params(self, node: GraphNode) -> dict[str, Any]:
        """Return the parameters of a node as they are written.

        The last axis is −1 where that is the default, all axes need not be listed, and a shape
        holds m where examples are counted.
        """
        assert node.op is not None
        shape = node.params.get("shape")
        if type(shape) is tuple and len(shape) == len(node.shape):
            lengths = self.d.sizes.lengths(node.index)
            pairs = zip(lengths, node.shape, strict=True)
            return {
                **node.params,
                "shape": tuple(_Length(n) if _counts(n) else k for n, k in pairs),
            }
        axis = node.params.get("axis")
        last = len(self.d.graph[node.inputs[0]].shape) - 1
        default = node.op.defaults.get("axis")
        if default == -1 and axis == last:
            return {**node.params, "axis": -1}
        if type(axis) is int and -1 > axis or (axis == -1 and default != -1):
            if self.form != "numpy":
                count = len(node.shape) if node.op.name == "one_hot" else last + 1
                return {**node.params, "axis": axis + count}
        if type(axis) is tuple and len(axis) == last + 1 and node.params.get("keepdims") is False:
            return {**node.params, "axis": None}
        return node.params

    def bracket(self, part: Written, least: int) -> str:
        """Return an operand, in brackets when it binds less tightly than `least`."""
        text, strength = part
        if strength >= least:
            return text
        return _in_brackets(text) if self.form == "latex" else f"({text})"


class _Length:
    """The name of a length among numbers, as in ``(m, 3)``."""

    def __init__(self, name: Any) -> None:
        self.name = name

    def __repr__(self) -> str:
        return str(self.name)


def _counts(length: Any) -> bool:
    """Return True for the name of a number of examples, and not of units."""
    return isinstance(length, str) and not length.startswith("n[")


# --- what the operations cannot know ------------------------------------------------------------


def _count(w: Writer, node: GraphNode) -> Written | None:
    """What counts examples is m."""
    lengths = w.d.sizes.lengths(node.inputs[0])
    axis = node.params["axis"]
    places = range(len(lengths)) if axis is None else axis if type(axis) is tuple else (axis,)
    shape = w.d.graph[node.inputs[0]].shape
    factors = [str(lengths[k]) if _counts(lengths[k]) else str(shape[k]) for k in places]
    factors = [n for n in factors if n != "1"] or ["1"]
    factors.sort(key=lambda n: not n.isdigit())
    if w.form == "numpy":
        return " * ".join(factors), PRODUCT if len(factors) > 1 else ATOM
    return " ".join(factors), ATOM if len(factors) == 1 else JUXTAPOSITION


def _product(w: Writer, node: GraphNode) -> Written | None:
    """A product with a number is written side by side: (1/m) dZ, 3 v."""
    a, b = node.inputs
    graph = w.d.graph
    if a == b:
        return _raised(w, w.operand(a), "2"), POWER
    if w.form == "numpy":
        # The number first here too, as in beta * v.
        if not graph[a].shape or graph[b].shape:
            return None
        return f"({w.operand(b)[0]}) * ({w.operand(a)[0]})", PRODUCT
    if graph[a].shape and graph[b].shape:
        return None
    if graph[a].shape and not graph[b].shape:
        a, b = b, a
    if graph[b].role == "constant" and graph[a].role != "constant":
        a, b = b, a
    # Signs come first: −(1/m) Σ.
    (sign, first), (other, second) = _unsigned(w, a), _unsigned(w, b)
    text, strength = _side_by_side(w, first, second)
    return (text, strength) if sign == other else (f"-{text}", min(strength, UNARY))


def _unsigned(w: Writer, index: int) -> tuple[int, Written]:
    """Return the sign of an operand, and the operand without it."""
    sign = 1
    while w.d.name_of(index) is None and w.d.graph[index].op is not None:
        node = w.d.graph[index]
        if node.op is None or node.op.name != "neg":
            break
        sign, index = -sign, node.inputs[0]
    node = w.d.graph[index]
    if node.role == "constant" and np.isrealobj(node.value):
        sign = -sign if node.value < 0 else sign
        return sign, w.number(abs(node.value), factor=True)
    text, strength = w.operand(index)
    if strength == UNARY and text.startswith("-"):
        # A number, or a sum whose sign was written before it.
        return -sign, (text[1:], JUXTAPOSITION)
    return sign, (text, strength)


def _side_by_side(w: Writer, first: Written, second: Written) -> Written:
    left = w.bracket(first, JUXTAPOSITION)
    # A product of matrices goes on, (1/m) dZ Aᵀ; so does one of elements, (1/m) dZ * A, unless it
    # begins with a sign. What begins with a digit would read as one number.
    goes_on = second[1] == PRODUCT and " " in second[0] and second[0][0] != "-"
    right = second[0] if goes_on else w.bracket(second, JUXTAPOSITION)
    if right[0].isdigit():
        right = w.bracket(second, ATOM + 1)
    apart = w.form == "latex" and (right.startswith(r"\mathrm{") or left.endswith("}"))
    space = r" \, " if apart else " "
    return f"{left}{space}{right}", PRODUCT if goes_on and right == second[0] else JUXTAPOSITION


def _quotient(w: Writer, node: GraphNode) -> Written | None:
    """A coefficient is written close together: (1/m)."""
    if w.form == "numpy" or not w.d.is_coefficient(node):
        return None
    top, bottom = (w.operand(i) for i in node.inputs)
    if w.form == "latex":
        return rf"\frac{{{top[0]}}}{{{bottom[0]}}}", JUXTAPOSITION
    return f"{w.bracket(top, JUXTAPOSITION)}/{w.bracket(bottom, ATOM)}", PRODUCT


def _power(w: Writer, node: GraphNode) -> Written | None:
    """Whole powers are superscripts: x³."""
    base, exponent = (w.operand(i) for i in node.inputs)
    if w.form == "numpy" or not re.fullmatch(r"-?\d{1,3}", exponent[0]):
        return None
    if exponent[0] == "-1" and len(node.shape) > 1:  # A⁻¹ is the inverse of a matrix
        return None if w.form == "text" else (_raised(w, base, r"\circ -1"), POWER)
    return _raised(w, base, exponent[0]), POWER


def _negative(w: Writer, node: GraphNode) -> Written | None:
    """−(a · b) needs no brackets."""
    if w.form == "numpy":
        return None
    part = w.operand(node.inputs[0])
    return "-" + w.bracket(part, PRODUCT), PRODUCT if part[1] == PRODUCT else UNARY


def _total(w: Writer, node: GraphNode) -> Written | None:
    """The sign of what is summed stands before the sum: −Σ (y log a + …)."""
    sign, (text, _) = _unsigned(w, node.inputs[0])
    if w.form == "numpy" or sign > 0:
        return None
    assert node.op is not None
    return "-" + node.op.spell(w.form, [unwrapped(text)], w._params(node)), UNARY


def _transpose(w: Writer, node: GraphNode) -> Written | None:
    """In NumPy, the transpose of a matrix is X.T; in LaTeX W^{[1]} has one superscript: [1] T."""
    part = w.operand(node.inputs[0])
    if w.form == "numpy" and len(node.shape) == 2:
        return f"({part[0]}).T", ATOM
    layer = _LAYER_LATEX.fullmatch(part[0]) if w.form == "latex" else None
    return None if layer is None else (rf"{layer[1]}\,\top}}", POWER)


def _square(w: Writer, node: GraphNode) -> Written | None:
    return _raised(w, w.operand(node.inputs[0]), "2"), POWER


def _raised(w: Writer, part: Written, power: str) -> str:
    """Return x², in LaTeX with brackets around what has a superscript: (A^{[1]})^{2}."""
    if w.form == "numpy":
        return f"({part[0]}) ** {power}"
    text = w.bracket(part, POWER + 1)
    if w.form == "text":
        return text + power.translate(_SUPERSCRIPTS)
    if text == part[0] and "^" in text:
        text = _in_brackets(text)
    return f"{text}^{{{power}}}"


def _in_brackets(latex: str) -> str:
    """Return LaTeX in brackets that are as high as what they enclose."""
    return rf"\left({latex}\right)" if r"\frac" in latex else f"({latex})"


def _root(value: Any) -> tuple[int, bool] | None:
    """Return n for √n and 1/√n, as attention divides by √d, and whether it stands below.

    >>> _root(8**0.5), _root(1 / 8**0.5), _root(0.1), _root(1.5), _root(3)
    ((8, False), (8, True), None, None, None)
    """
    if not isinstance(value, float) or not 0.01 < value < 100 or value.is_integer():
        return None
    for below, square in ((False, value * value), (True, 1 / (value * value))):
        n = round(square)
        if math.isqrt(n) ** 2 != n and value in (
            (1 / math.sqrt(n), n**-0.5) if below else (math.sqrt(n),)
        ):
            return n, below
    return None


def _fraction(value: Any) -> tuple[int, int] | None:
    """Return 2, 3 for 0.666…, which has no end as a decimal; None for others."""
    number = float(value)
    if not math.isfinite(number):
        return None
    found = Fraction(number).limit_denominator(1000)
    rest = found.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1 or abs(found.numerator) > 1000 or float(found) != number:
        return None
    return found.numerator, found.denominator


def _rounded(text: str) -> str:
    """Return a number with 15 digits where that is much shorter: 0.00175, not 0.00174…98."""
    if len(text) < 12 or not re.fullmatch(r"-?[\d.]+(e-?\d+)?", text):
        return text
    shorter = f"{float(text):.15g}"
    return shorter if len(shorter) <= len(text) - 4 else text


def unwrapped(text: str) -> str:
    """Return a text without the brackets around all of it."""
    for opening, closing in (("(", ")"), (r"\left(", r"\right)")):
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : -len(closing)]
            depth = 0
            for character in inner:
                depth += (character == "(") - (character == ")")
                if depth < 0:
                    return text
            return inner
    return text


def _sum(w: Writer, node: GraphNode) -> Written | None:
    """Signs are written once: a − b, not a + −b."""
    first, second = (w.operand(i) for i in node.inputs)
    if w.form == "numpy" or not second[0].startswith("-") or second[1] not in (PRODUCT, UNARY):
        return None
    return f"{w.bracket(first, SUM)} - {second[0][1:]}", SUM


def _assigned(w: Writer, node: GraphNode) -> Written | None:
    """What replaces all of a tensor is repeated to its shape."""
    old, new = node.inputs
    if w.form == "numpy" or w.d.sizes.same(old, new):
        return None
    return find("broadcast_like").spell(w.form, [w.operand(new)[0], w.operand(old)[0]]), ATOM


_SPECIAL = {
    "add": _sum,
    "assign": _assigned,
    "count": _count,
    "mul": _product,
    "div": _quotient,
    "pow": _power,
    "neg": _negative,
    "matrix_transpose": _transpose,
    "square": _square,
    "sum": _total,
    "mean": _total,
}


def identifier(name: str) -> str:
    """Return a name as a program spells it.

    >>> identifier("dW[1]"), identifier("b[1]ᵀ"), identifier("lambda"), identifier("dσ²[1]")
    ('dW1', 'b1_T', 'lambda_', 'dsigma_sq1')
    >>> identifier("h⟨3⟩"), identifier("dh[2]⟨3⟩")
    ('h_t3', 'dh2_t3')
    """
    import keyword

    text = re.sub(r"⟨(\d+)⟩", r"_t\1", naming.compact(name))
    for mark, word in _WORDS.items():
        text = text.replace(mark, word)
    for letter, word in _GREEK.items():
        text = text.replace(letter, word)
    text = re.sub(r"\W", "_", text)
    if not text.isidentifier() or keyword.iskeyword(text):
        text = f"{text}_" if keyword.iskeyword(text) else f"x_{text}"
    return text


def latex_name(name: str) -> str:
    r"""Return a name as LaTeX writes it.

    >>> latex_name("W[1]"), latex_name("dZ[2]"), latex_name("z1"), latex_name("loss")
    ('W^{[1]}', 'dZ^{[2]}', 'z_{1}', '\\mathrm{loss}')
    >>> latex_name("σ²[1]"), latex_name("dZ_norm[1]"), latex_name("Z\u0303[1]")
    ('\\sigma^{2\\,[1]}', 'dZ_{\\mathrm{norm}}^{[1]}', '\\tilde{Z}^{[1]}')
    >>> latex_name("h⟨3⟩"), latex_name("h[2]⟨3⟩")
    ('h^{\\langle 3\\rangle}', 'h^{[2]\\langle 3\\rangle}')
    >>> latex_name("δ(3)"), latex_name("ŷ"), latex_name("∂J/∂W(1)")
    ('\\delta^{(3)}', '\\hat{y}', '\\frac{\\partial J}{\\partial W^{(1)}}')
    """
    timed = re.fullmatch(r"(.+)⟨(.+)⟩", name)
    if timed is not None:
        stem = latex_name(timed[1])
        time = rf"\langle {timed[2]}\rangle"
        inner = stem.removesuffix("}") if re.search(r"\^\{\[\w+\]\}$", stem) else f"{stem}^{{"
        return f"{inner}{time}}}"
    indexed = _INDEXED.fullmatch(name)
    if indexed is not None and not indexed[3]:
        stem = latex_name(indexed[1])
        if stem.endswith("^{2}"):
            return rf"{stem[:-1]}\,[{indexed[2]}]}}"
        return f"{stem}^{{[{indexed[2]}]}}"
    quotient = re.fullmatch(r"∂(.+)/∂(.+)", name)
    if quotient is not None:
        above, below = (latex_name(part) for part in quotient.groups())
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"
    numbered = re.fullmatch(r"(.+)\((\d+)\)", name)  # Welch's z(2)
    if numbered is not None:
        return f"{latex_name(numbered[1])}^{{({numbered[2]})}}"
    if len(name) == 1 and unicodedata.normalize("NFD", name)[1:] == "\u0302":
        return rf"\hat{{{unicodedata.normalize('NFD', name)[0]}}}"
    parts = _NAME.fullmatch(name)
    if parts is None:
        word, number = re.fullmatch(r"(.*?)_?(\d*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
        for letter, command in _GREEK.items():
            word = word.replace(letter, rf"\{command} ")
        text = r"\mathrm{" + word.strip().replace("_", r"\_") + "}"
        return f"{text}_{{{number}}}" if number else text
    sign, letter, tilde, square, below = parts.groups()
    text = rf"\{_GREEK[letter]}" if letter in _GREEK else letter
    if tilde:
        text = rf"\tilde{{{text}}}"
    if below:
        text += f"_{{{below}}}" if below.isdigit() else rf"_{{\mathrm{{{below}}}}}"
    # Two letters in a row are two numbers in a product; the d of dσ belongs to the name.
    space = " " if sign and text.startswith("\\") else ""
    return sign + space + text + ("^{2}" if square else "")


def _normal(source: str) -> str:
    """Return a Python expression with the brackets it needs and no more."""
    return ast.unparse(ast.parse(source, mode="eval"))
