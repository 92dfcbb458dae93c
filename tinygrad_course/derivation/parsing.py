"""Parsing the expressions of equations: text in, instructions for a stack out.

An expression is read by precedence, as `spelling` writes it, and becomes a list of instructions,
operands first. What its names mean is given beforehand, since names may hold brackets and blanks:
``W[1]``, ``dJ/dv``. `reader` carries the instructions out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from .. import errors
from ..op import COMPARISON, JUXTAPOSITION, PRODUCT, SUM, UNARY, Op, find

LOGIC = COMPARISON - 1  # and, or: equations put their operands in brackets, but need not
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"

_INFIX = {
    **{"+": ("add", SUM), "-": ("sub", SUM)},
    **{"*": ("mul", PRODUCT), "/": ("div", PRODUCT), "//": ("floor_divide", PRODUCT)},
    **{"mod": ("remainder", PRODUCT), "·": ("inner", PRODUCT), "∗": ("conv", PRODUCT)},
    **{"==": ("eq", COMPARISON), "!=": ("ne", COMPARISON), "<": ("lt", COMPARISON)},
    **{"<=": ("le", COMPARISON), ">": ("gt", COMPARISON), ">=": ("ge", COMPARISON)},
    **{"and": ("logical_and", LOGIC), "or": ("logical_or", LOGIC), "xor": ("logical_xor", LOGIC)},
    **{"&": ("bitwise_and", LOGIC), "|": ("bitwise_or", LOGIC)},
}
_PREFIX = {"-": ("neg", UNARY), "~": ("bitwise_not", UNARY), "not ": ("logical_not", COMPARISON)}
_BARS = {"|": "abs", "‖": "norm2"}
_WORDS: dict[str, Any] = {"inf": np.inf, "nan": np.nan, "np.inf": np.inf, "np.nan": np.nan}
_WORDS |= {"True": True, "False": False, "None": None}

_NUMBER = re.compile(r"\d+(\.\d*)?(e[+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w.]*")
_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(?!=)")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d+))?(?=[,\]])")
_PLACE = re.compile(r"(\.\.\.|None|-?\d+)(?=[,\]])")
_POWER = re.compile(f"[{SUPERSCRIPTS}]+")
_STRING = re.compile(r"'([^']*)'")

_PLACES = {"...": ..., "None": None}

Instruction = tuple[Op | None, int, Any]
"""An operation, its number of operands and its parameters; or None, 0 and a value or name."""


class EquationError(errors.ArgumentError):
    """An equation that cannot be read.

    Attributes:
        text: the equation.
        column: where, counted from 1.
    """

    def __init__(self, message: str, text: str, column: int) -> None:
        """Point at a column of the text."""
        self.text, self.column = text, column
        self.report = text  # keeps the lines apart
        start = max(0, column - 60)
        shown = text[start : column + 40]
        where = f"The equation cannot be read at column {column}: "
        super().__init__(f"{where}{message}\n  {shown}\n  {' ' * (column - 1 - start)}^")


class Names(dict[str, Any]):
    """Names and what they mean; the longest that fits is meant.

    >>> Names({"W": 1, "W[1]": 2}).at("3 W[1] X", 2)
    'W[1]'
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self._lengths = {len(name) for name in self}

    def __setitem__(self, name: str, value: Any) -> None:
        self._lengths.add(len(name))
        super().__setitem__(name, value)

    def at(self, text: str, place: int) -> str | None:
        """Return the name that stands in a text at a place."""
        for length in sorted(self._lengths, reverse=True):
            end = place + length
            name = text[place:end]
            if name in self and not (_goes_on(name[-1:]) and _goes_on(text[end : end + 1])):
                return name
        return None


def _goes_on(character: str) -> bool:
    """Return True for a character that can continue a word."""
    return character.isalnum() and character not in SUPERSCRIPTS + "ᵀ" or character in ("_", "′")


class Parser:
    """Reads one expression: a text, a position in it, and the instructions so far.

    Args:
        text: what the expression stands in, up to the end.
        at: where it begins.
        values, functions: what is known.

    Attributes:
        program: the instructions, in order.
        columns: where in the text each comes from.
    """

    def __init__(self, text: str, at: int, values: Names, functions: Names) -> None:
        self.text = text
        self.at = at
        self.values = values
        self.functions = functions
        self.program: list[Instruction] = []
        self.columns: list[int] = []

    def fail(self, message: str, column: int | None = None) -> NoReturn:
        """Raise the error that points at a column (counted from 0), or at the position."""
        raise EquationError(message + ".", self.text, (self.at if column is None else column) + 1)

    # --- moving along -----------------------------------------------------------------------

    def skip(self) -> None:
        """Move past blanks."""
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def accept(self, piece: str) -> bool:
        """Move past a piece of text, when it stands here."""
        if not self.text.startswith(piece, self.at):
            return False
        self.at += len(piece)
        return True

    def expect(self, piece: str) -> None:
        """Move past a piece of text that must stand here."""
        self.skip()
        if not self.accept(piece):
            found = repr(self.text[self.at]) if self.at < len(self.text) else "the end"
            self.fail(f"expected {piece!r}, got {found}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move past what a pattern matches here."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def emit(self, op: Op | str | None, count: int, params: Any, column: int) -> None:
        """Add an instruction."""
        self.program.append((find(op) if isinstance(op, str) else op, count, params))
        self.columns.append(column)

    # --- expressions ------------------------------------------------------------------------

    def whole(self) -> None:
        """Read an expression up to the end of the text."""
        self.expression(LOGIC)
        self.skip()
        if self.at < len(self.text):
            self.fail(f"{self.text[self.at]!r} does not continue the expression")

    def expression(self, least: int) -> None:
        """Read operands joined by operators that bind at least as tightly as `least`."""
        self.operand()
        while True:
            column = self.at
            name, level, length = self.operator()
            if level < least:
                return
            self.at += length
            self.expression(level + 1)
            self.emit(name, 2, {}, column)

    def operator(self) -> tuple[str, int, int]:
        """Return the operator that stands here, how tightly it binds, and its length."""
        after = self.text[self.at : self.at + 5]
        infix = re.match(r" (\S+)(?: |$)", after)
        if infix is not None and infix[1] in _INFIX:
            return *_INFIX[infix[1]], infix.end()
        if after.startswith("/"):  # a coefficient, written close together: 1/m
            return "div", PRODUCT, 1
        if re.match(r" [^\s)\],=+*/<>]", after):
            return "matrix_product", JUXTAPOSITION, 1
        return "", LOGIC - 1, 0

    def operand(self) -> None:
        """Read a sign and what follows, or an atom with what is attached to it: x², Xᵀ, x[0]."""
        self.skip()
        column = self.at
        for sign, (name, level) in _PREFIX.items():
            if self.accept(sign):
                self.expression(level)
                return self.emit(name, 1, {}, column)
        if self.accept("√"):
            self.atom()
            return self.emit("sqrt", 1, {}, column)
        self.atom()
        while self.attached():
            pass

    def attached(self) -> bool:
        """Read one superscript, exponent or subscript; return False when there is none."""
        column = self.at
        if self.accept("⁻ᵀ"):
            self.emit("matrix_transpose", 1, {}, column)
            self.emit("inverse", 1, {}, column)
            return True
        power = self.match(_POWER)
        if power is not None:
            exponent = int("".join("0123456789-"[SUPERSCRIPTS.index(c)] for c in power[0]))
            if exponent == 2:
                self.emit("square", 1, {}, column)
            elif exponent == -1:  # of a matrix; the reader takes 1 / x for numbers and vectors
                self.emit("inverse", 1, {}, column)
            else:
                self.emit(None, 0, exponent, column)
                self.emit("pow", 2, {}, column)
        elif self.accept("ᵀ"):
            self.emit("matrix_transpose", 1, {}, column)
        elif self.accept("⁺"):
            self.emit("pinverse", 1, {}, column)
        elif self.accept("^"):
            self.atom()
            self.emit("pow", 2, {}, column)
        elif self.accept("["):
            index, count = self.subscript()
            if self.text[column + 1 : self.at - 1].isdigit():
                self.fail("there is no value of this number (an element is x[1, ...])", column)
            self.emit("getitem", 1 + count, {"index": index}, column)
        else:
            return False
        return True

    def atom(self) -> None:
        """Read a number, a name, a call, or an expression in brackets or bars."""
        column = self.at
        number = self.match(_NUMBER)
        if number is not None:
            text = number[0]
            value = float(text) if set(text) & set(".e") else int(text)
            return self.emit(None, 0, value, column)
        if self.accept("("):
            self.expression(LOGIC)
            return self.expect(")")
        for bar, name in _BARS.items():
            if self.accept(bar):
                self.expression(LOGIC)
                self.expect(bar)
                return self.emit(name, 1, {}, column)
        self.named()

    def named(self) -> None:
        """Read a name, or a call."""
        column = self.at
        name, function = (names.at(self.text, column) for names in (self.values, self.functions))
        if function is not None and self.text.startswith("(", column + len(function)):
            if name is None or len(name) <= len(function):
                self.at += len(function) + 1
                return self.call(self.functions[function], column)
        if name is not None:
            self.at += len(name)
            return self.emit(None, 0, self.values[name], column)
        word = _WORD.match(self.text, self.at)
        if word is not None and word[0] in _WORDS:
            self.at = word.end()
            return self.emit(None, 0, _WORDS[word[0]], column)
        if word is None:
            self.fail("expected a number, a name or a bracket")
        else:
            known = ", ".join(list(self.values)[:12])
            self.fail(f"{word[0]!r} is not known. Known are: {known}")

    # --- calls ------------------------------------------------------------------------------

    def call(self, op: Op, column: int) -> None:
        """Read the operands and parameters of a call, after its opening bracket."""
        if op.kind == "random":
            self.fail(f"{op.name} draws anew. Give the value that was drawn, by its name", column)
        count, params = 0, {}
        while not self.accept(")"):
            self.skip()
            start = len(self.program)
            keyword = self.match(_KEYWORD)
            if keyword is not None:
                params[keyword[1]] = self.literal()
            elif self.accept("["):  # place(g, x, [0, 2])
                params["index"], more = self.subscript()
                count += more
            else:
                self.expression(LOGIC)
                count += 1
            if op.name == "assign_view" and count == 3:  # which part, as a view of the whole
                params = {"view": self.program[-1][0], "view_params": self.program[-1][2]}
                del self.program[start:], self.columns[start:]
                count = 2
            if not self.text.startswith(")", self.at):
                self.expect(",")
        self.emit(op, count, params, column)

    def literal(self) -> Any:
        """Read the value of a parameter: a number, a length such as m, a text, or a tuple."""
        self.skip()
        if self.accept("("):
            parts = []
            while not self.accept(")"):
                parts.append(self.literal())
                self.skip()
                if not self.text.startswith(")", self.at):
                    self.expect(",")
            return tuple(parts)
        string = self.match(_STRING)
        if string is not None:
            return string[1]
        sign = -1 if self.accept("-") else 1
        start = len(self.program)
        self.atom()
        value = self.program[-1][2]
        del self.program[start:], self.columns[start:]
        return -value if sign < 0 else value

    def subscript(self) -> tuple[tuple[Any, ...], int]:
        """Read an index up to its closing bracket; return it, and how many arrays are in it."""
        index: list[Any] = []
        arrays = 0
        while not self.accept("]"):
            self.skip()
            ends, place = self.match(_SLICE), self.match(_PLACE)
            if ends is not None:
                index.append(slice(*(int(end) if end else None for end in ends.groups())))
            elif place is not None:
                index.append(_PLACES[place[1]] if place[1] in _PLACES else int(place[1]))
            else:
                self.expression(LOGIC)
                index.append("array")
                arrays += 1
            if not self.text.startswith("]", self.at):
                self.expect(",")
        return tuple(index), arrays


__all__ = ["SUPERSCRIPTS", "EquationError", "Instruction", "Names", "Parser"]
