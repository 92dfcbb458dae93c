"""Laying out a Python program as people write it: expressions, functions, the whole file.

Expressions get the brackets that help a reader, as in ``(1 / m) * np.sum(dZ2)``, long ones are
broken as formatters break them, and the shapes behind them stand in one column. This module knows
Python's syntax only: neither derivations nor arrays.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 88
# Comments stand in one column, up to this one; behind longer lines they follow after two spaces.
COMMENT_COLUMN = 56
COMMENT_WIDTH = 100
INDENT = "    "

_COMPARE, _OR, _XOR, _AND, _SHIFT, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(10)
_OPERATORS: dict[type[ast.AST], tuple[str, int]] = {
    ast.BitOr: ("|", _OR),
    ast.BitXor: ("^", _XOR),
    ast.BitAnd: ("&", _AND),
    ast.LShift: ("<<", _SHIFT),
    ast.RShift: (">>", _SHIFT),
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.FloorDiv: ("//", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.MatMult: ("@", _PRODUCT),
    ast.Pow: ("**", _POWER),
    ast.USub: ("-", _UNARY),
    ast.UAdd: ("+", _UNARY),
    ast.Invert: ("~", _UNARY),
}


# --- expressions --------------------------------------------------------------------------------


def parsed(source: str, names: Mapping[str, str] | None = None) -> ast.expr:
    """Return an expression in the order in which people write it: signs come first.

    Args:
        source: the expression.
        names: what to write for a name, such as ``v[name]`` for ``v``.

    Example:
        >>> written(parsed("1 / m * np.sum(-(Y * np.log(A)))"))
        '-(1 / m) * np.sum(Y * np.log(A))'
        >>> written(parsed("p - rate * v", {"v": "v[name]"}))
        'p - rate * v[name]'
    """
    tree = ast.parse(source, mode="eval").body
    return signed(Renamer({"inf": "np.inf", "nan": "np.nan", **(names or {})}).visit(tree))


def signed(tree: ast.expr) -> ast.expr:
    """Return an expression with its minus signs in front."""
    found = _Signs().visit(tree)
    assert isinstance(found, ast.expr)
    return found


class Renamer(ast.NodeTransformer):
    """Replaces names by the expressions given for them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace one name."""
        if node.id not in self.names:
            return node
        return ast.parse(self.names[node.id], mode="eval").body


class _Signs(ast.NodeTransformer):
    """Moves minus signs outward and to the front; the result is the same to the last bit."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return _negative(node.operand) if isinstance(node.op, ast.USub) else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) in ("np.sum", "np.mean") and _is_negative(node.args[0]):
            node.args[0] = _negative(node.args[0])
            return _negative(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = node.left, node.right
        if isinstance(node.op, (ast.Mult, ast.Div)):
            if _is_negative(right):
                return _negative(ast.BinOp(left, node.op, _negative(right)))
            if isinstance(node.op, ast.Div) and _is_negative(left):
                return _negative(ast.BinOp(_negative(left), node.op, right))
        if isinstance(node.op, (ast.Add, ast.Sub)) and _is_negative(right):
            op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            return ast.BinOp(left, op, _negative(right))
        return node


def _is_negative(node: ast.expr) -> bool:
    """Return True for an expression that begins with a minus sign."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _is_negative(node.left)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _negative(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return ast.BinOp(_negative(node.left), node.op, node.right)
    return ast.UnaryOp(ast.USub(), node)


def written(node: ast.expr, least: int = _COMPARE) -> str:
    """Return an expression on one line, in brackets when it binds less tightly than `least`."""
    if isinstance(node, ast.BinOp):
        symbol, level = _OPERATORS[type(node.op)]
        left, right = _operands(node)
        if level == _POWER:
            space = "" if _is_simple(node.left) and _is_simple(node.right) else " "
            text = f"{left}{space}**{space}{right}"
        else:
            text = f"{left} {symbol} {right}"
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        symbol, level = _OPERATORS[type(node.op)]
        text = symbol + written(node.operand, _UNARY)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        level = _COMPARE
        sides = [written(side, _COMPARE + 1) for side in (node.left, node.comparators[0])]
        text = ast.unparse(ast.Compare(ast.Name("x"), node.ops, [ast.Name("x")]))
        text = f"{sides[0]} {text[2:-2]} {sides[1]}"
    else:
        level, text = _ATOM, _atom(node)
    return f"({text})" if level < least else text


def _operands(node: ast.BinOp) -> tuple[str, str]:
    """Return both sides of an operator, in brackets where they are needed or help."""
    level = _OPERATORS[type(node.op)][1]
    if level == _POWER:
        return written(node.left, _ATOM), written(node.right, _UNARY)
    left, right = written(node.left, level), written(node.right, level + 1)
    # (1 / m) * dZ and (W.T @ dZ) * (1 - A**2): what belongs together is seen at once.
    inside = node.left.op if isinstance(node.left, ast.BinOp) else None
    if isinstance(node.op, (ast.Mult, ast.MatMult)) and isinstance(inside, ast.Div):
        left = f"({left})"
    elif isinstance(node.op, (ast.Mult, ast.Div)) and isinstance(inside, ast.MatMult):
        left = f"({left})"
    return left, right


def _is_simple(node: ast.expr) -> bool:
    """Return True for what stands close to ``**``: names, numbers and attributes."""
    if isinstance(node, ast.UnaryOp):
        return _is_simple(node.operand)
    if isinstance(node, ast.Attribute):
        return _is_simple(node.value)
    return isinstance(node, (ast.Name, ast.Constant))


def _atom(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return f"{written(node.func, _ATOM)}({', '.join(_arguments(node))})"
    if isinstance(node, ast.Attribute):
        return f"{written(node.value, _ATOM)}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return f"{written(node.value, _ATOM)}[{_index(node.slice)}]"
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, float)):
        return f'"{node.value}"' if isinstance(node.value, str) else number(node.value)
    if isinstance(node, ast.List):
        return f"[{', '.join(written(part) for part in node.elts)}]"
    if isinstance(node, ast.Tuple):
        parts = ", ".join(written(part) for part in node.elts)
        return f"({parts},)" if len(node.elts) == 1 else f"({parts})"
    return ast.unparse(node)


def number(value: float) -> str:
    """Return a number as people write it.

    >>> number(1e-08), number(0.5)
    ('1e-8', '0.5')
    """
    return re.sub(r"e-0(?=\d)", "e-", repr(value))


def _index(node: ast.expr) -> str:
    if isinstance(node, ast.Tuple) and node.elts:
        parts = ", ".join(_index(part) for part in node.elts)
        return f"{parts}," if len(node.elts) == 1 else parts
    return ast.unparse(node) if isinstance(node, ast.Slice) else written(node)


def _arguments(node: ast.Call) -> list[str]:
    named = [f"{k.arg}=" if k.arg else "**" for k in node.keywords]
    return [written(a) for a in node.args] + [
        name + written(k.value) for name, k in zip(named, node.keywords, strict=True)
    ]


# --- breaking long lines ------------------------------------------------------------------------


def broken(before: str, node: ast.expr, width: int = WIDTH) -> list[str]:
    r"""Return the lines of ``before + expression``, none longer than `width` where possible.

    Example:
        >>> print("\n".join(broken("J = ", parsed("first * np.sum(second * third)"), 24)))
        J = first * np.sum(
            second * third
        )
    """
    line = before + written(node)
    if len(line) <= width:
        return [line]
    if isinstance(node, (ast.Call, ast.List, ast.Tuple)):
        return _opened(before, node, width)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Call):
        return broken(before + _OPERATORS[type(node.op)][0], node.operand, width)
    if not isinstance(node, ast.BinOp):
        return [line]  # nothing to break at
    if _OPERATORS[type(node.op)][1] == _PRODUCT and len(_chain(node)) == 2:
        # Of two factors, what stands in brackets at the end is opened: J = (1 / m) * np.sum(
        opened = _opened_at_end(before, node, width)
        if opened and all(len(part) <= width for part in opened):
            return opened
    inside = [INDENT + part for part in _split(node, width - len(INDENT))]
    return [f"{before}(", *inside, ")"]


def _opened_at_end(before: str, node: ast.BinOp, width: int) -> list[str]:
    """Return an expression broken in the brackets it ends with, nothing when there are none."""
    left, right = _operands(node)
    before += f"{left} {_OPERATORS[type(node.op)][0]} "
    if isinstance(node.right, ast.Call) and node.right.args:
        return _opened(before, node.right, width)
    if right == f"({written(node.right)})":
        inside = [INDENT + part for part in _split(node.right, width - len(INDENT))]
        return [f"{before}(", *inside, ")"]
    return _opened_at_end(before, node.right, width) if isinstance(node.right, ast.BinOp) else []


def _opened(before: str, node: ast.expr, width: int) -> list[str]:
    """Return a call or list with its brackets on lines of their own."""
    flat = written(node)
    head = f"{written(node.func, _ATOM)}(" if isinstance(node, ast.Call) else flat[0]
    inner = flat[len(head) : -1]
    room = width - len(INDENT)
    if len(inner) <= room:
        return [before + head, INDENT + inner, flat[-1]]
    lines = []
    if isinstance(node, ast.Call):
        parts = [("", a) for a in node.args] + [(f"{k.arg}=", k.value) for k in node.keywords]
    else:
        assert isinstance(node, (ast.List, ast.Tuple))
        parts = [("", part) for part in node.elts]
    for name, part in parts:
        found = [name + written(part)]
        if len(found[0]) >= room:
            found = _split(part, room) if not name else broken(name, part, room)
        if len(parts) > 1 or found != _split(part, room):
            found[-1] += ","
        lines += found
    return [before + head, *(INDENT + line for line in lines), flat[-1]]


def _split(node: ast.expr, width: int) -> list[str]:
    """Return an expression that stands in brackets, broken before its operators."""
    if len(written(node)) <= width:
        return [written(node)]
    if not isinstance(node, ast.BinOp):
        return broken("", node, width)
    lines: list[str] = []
    for symbol, operand, text in _chain(node):
        before = f"{symbol} " if symbol else ""
        if len(before + text) <= width:
            lines.append(before + text)
        elif text.startswith("(") and text == f"({written(operand)})":
            inside = [INDENT + part for part in _split(operand, width - len(INDENT))]
            lines += [f"{before}(", *inside, ")"]
        elif isinstance(operand, ast.BinOp):
            first, *rest = _split(operand, width)
            lines += [before + first, *rest]
        else:
            lines += broken(before, operand, width)
    return lines


def _chain(node: ast.BinOp) -> list[tuple[str, ast.expr, str]]:
    """Return the operands of the operators that bind as loosely as the outermost one.

    Each with the operator before it and its text, in brackets where it has some.
    """
    level = _OPERATORS[type(node.op)][1]
    found: list[tuple[str, ast.expr, str]] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and _OPERATORS[type(left.op)][1] == level:
        first, second = _operands(left)
        found.append((_OPERATORS[type(left.op)][0], left.right, second))
        left = left.left
        if first.startswith("(") and first == f"({written(left)})":
            return [("", left, first), *reversed(found)]
    found.append(("", left, written(left, level)))
    return found[::-1]


# --- statements, functions, files ---------------------------------------------------------------


@dataclass(frozen=True)
class Assignment:
    """A statement ``target = expression``, and what is to be read behind it.

    Attributes:
        target: the name.
        value: the expression, see `parsed`.
        comment: such as the shape of the value.
    """

    target: str
    value: ast.expr
    comment: str = ""


def assigned(target: str, source: str, comment: str = "") -> Assignment:
    """Return a statement from the source of its expression."""
    return Assignment(target, parsed(source), comment)


Statement = Assignment | str
"""A line of a function's body; of text: as it stands, a comment, or nothing (an empty line)."""


def body(statements: Sequence[Statement], depth: int = 1) -> list[str]:
    """Return the indented lines of statements, their comments in one column."""
    indent = INDENT * depth
    laid = [_lines(statement, len(indent)) for statement in statements]
    ends = [
        len(lines[0])
        for lines, s in zip(laid, statements, strict=True)
        if len(lines) == 1 and isinstance(s, Assignment) and s.comment
    ]
    column = max((end for end in ends if end <= COMMENT_COLUMN), default=0)
    written_lines = []
    for lines, statement in zip(laid, statements, strict=True):
        if isinstance(statement, Assignment) and statement.comment:
            pad = column if len(lines) == 1 else 0
            behind = f"{lines[-1]:<{pad}}  # {statement.comment}"
            if len(indent + behind) <= COMMENT_WIDTH:
                lines = [*lines[:-1], behind]
        written_lines += [indent + line if line else "" for line in lines]
    return written_lines


def _lines(statement: Statement, indent: int) -> list[str]:
    if isinstance(statement, str):
        return [statement]
    return broken(f"{statement.target} = ", statement.value, WIDTH - indent)


def call(head: str, arguments: Sequence[str], tail: str = "", indent: int = 0) -> list[str]:
    """Return ``head(arguments)tail`` on one line, or on several when it is too long.

    Example:
        >>> call("def f", ["x", "y"], ":")
        ['def f(x, y):']
    """
    opening, closing = ("{", "}") if head.endswith(" ") else ("(", ")")
    line = f"{head}{opening}{', '.join(arguments)}{closing}{tail}"
    if indent + len(line) <= WIDTH:
        return [line]
    inner = ", ".join(arguments)
    if opening == "(" and indent + len(INDENT) + len(inner) <= WIDTH:
        return [head + opening, INDENT + inner, closing + tail]
    return [head + opening, *(f"{INDENT}{part}," for part in arguments), closing + tail]


def paragraph(text: str, width: int = WIDTH, indent: str = "") -> list[str]:
    """Return a text in lines of at most `width`."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def docstring(text: str, depth: int = 1) -> list[str]:
    """Return the lines of a docstring; paragraphs are given as lines."""
    indent = INDENT * depth
    lines = text.split("\n")
    if len(lines) == 1 and len(indent) + len(text) + 6 <= WIDTH:
        return [f'{indent}"""{text}"""']
    lines[0] = f'"""{lines[0]}'
    return [indent + line if line else "" for line in [*lines, '"""']]


def function(name: str, arguments: Sequence[str], doc: str, statements: Sequence[Statement]) -> str:
    '''Return the source of a function.

    Example:
        >>> print(function("double", ["x"], "Return 2 x.", [assigned("y", "2 * x"), "return y"]))
        def double(x):
            """Return 2 x."""
            y = 2 * x
            return y
    '''
    head = call(f"def {name}", arguments, ":")
    return "\n".join([*head, *docstring(doc), *body(statements)])


def module(doc: str, helpers: Sequence[str], functions: Sequence[str]) -> str:
    """Return the source of a file: docstring, import, helpers, functions."""
    parts = [f"\n\n{part}" for part in (*helpers, *functions)]
    return "\n".join([*docstring(doc, 0), "", "import numpy as np", *parts, ""])
