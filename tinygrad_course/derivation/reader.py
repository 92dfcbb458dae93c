"""Reading equations back: the text form, parsed and computed.

`read` computes a sheet of equations line by line, so that what is printed can be compared with what
the model does (see `verify`). It reads the notation of `spelling`: a product of matrices is written
side by side, ``W[1] X``, and so is a product with a number, ``(1/m) dZ[1]``; ``x²`` and ``Xᵀ`` bind
more tightly, and ``+ - * /`` as in Python. Any registered operation can be called by the name that
equations give it. This module knows text and arrays, no graphs and no tensors.

An expression is read by precedence and becomes instructions for a stack, operands first; these are
then carried out in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from .. import errors
from ..op import COMPARISON, JUXTAPOSITION, PRODUCT, REGISTRY, SUM, UNARY, Op, find

LOGIC = COMPARISON - 1  # and, or: equations put their operands in brackets, but need not
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"

_INFIX = {
    **{"+": ("add", SUM), "-": ("sub", SUM)},
    **{"*": ("mul", PRODUCT), "/": ("div", PRODUCT), "//": ("floor_divide", PRODUCT)},
    **{"mod": ("remainder", PRODUCT), "·": ("inner", PRODUCT)},
    **{"==": ("eq", COMPARISON), "!=": ("ne", COMPARISON), "<": ("lt", COMPARISON)},
    **{"<=": ("le", COMPARISON), ">": ("gt", COMPARISON), ">=": ("ge", COMPARISON)},
    **{"and": ("logical_and", LOGIC), "or": ("logical_or", LOGIC), "xor": ("logical_xor", LOGIC)},
    **{"&": ("bitwise_and", LOGIC), "|": ("bitwise_or", LOGIC)},
}
_PREFIX = {"-": ("neg", UNARY), "~": ("bitwise_not", UNARY), "not ": ("logical_not", COMPARISON)}
_BARS = {"|": "abs", "‖": "norm2"}
# Words for values; names that equations give to operations with more than one way to be written.
_WORDS: dict[str, Any] = {"inf": np.inf, "nan": np.nan, "np.inf": np.inf, "np.nan": np.nan}
_WORDS |= {"True": True, "False": False, "None": None}
_CALLED = {"norm": "norm2", "mask": "bernoulli_mask"}
# Equations write True and 1 alike; these operations alone tell them apart.
_LOGICAL = ("logical_", "bitwise_", "where", "getitem", "place", "setitem", "all", "any", "cast")

_NUMBER = re.compile(r"\d+(\.\d*)?(e[+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w.]*")
_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(?!=)")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d+))?(?=[,\]])")
_PLACE = re.compile(r"(\.\.\.|None|-?\d+)(?=[,\]])")
_STRING = re.compile(r"'([^']*)'")

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


def read(sheet: str, values: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """Return the value of every equation of a sheet, by the name on its left.

    Args:
        sheet: one equation per line; titles, shapes, remarks and notes are passed over.
        values: arrays and numbers by name, such as ``W[1]``, ``X`` and ``m``.
        options: further arguments of `Reader`.

    Raises:
        EquationError: what stands in an equation is not known, or not an equation.

    Example:
        >>> import numpy as np
        >>> from tinygrad_course.derivation.reader import read
        >>> values = {"W[1]": np.ones((1, 2)), "X": np.eye(2), "b[1]": 0.5, "m": 2}
        >>> found = read('''
        ... Z[1] = W[1] X + b[1]
        ... J = (1/m) np.sum(Z[1]²)
        ... ''', values)
        >>> found["Z[1]"].tolist(), float(found["J"])
        ([[1.5, 1.5]], 2.25)
    """
    return Reader(values, **options).run(sheet)


class Reader:
    """Computes equations, one after the other.

    Args:
        values: arrays and numbers by name. Names may hold brackets, as ``W[1]`` and ``dJ/dv`` do:
            the longest name that fits is meant.
        given: values that are taken for those on the left of equations, which are not computed.
        operations: operations that are not registered, by the name before their brackets.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        operations: Mapping[str, Op] | None = None,
    ) -> None:
        self.values = dict(values)
        self.given = dict(given or {})
        self.functions = {**_functions(), **(operations or {})}
        self._lengths = {len(name) for name in self.values}

    def run(self, sheet: str) -> dict[str, Any]:
        """Return the value of every equation of a sheet, by name; later ones know earlier ones."""
        found = {}
        for equation in equations_in(sheet):
            name, _, right = equation.partition(" = ")
            if name in self.given:
                value = self.given[name]
            else:
                value = self.value(right, equation, len(name) + 3)
            found[name] = self.values[name] = value
            self._lengths.add(len(name))
        return found

    def value(self, expression: str, text: str | None = None, start: int = 0) -> Any:
        """Return the value of an expression; `text` is what errors show, where it starts there."""
        parser = _Parser(self, expression if text is None else text, start)
        try:
            parser.whole()
        except RecursionError:
            parser.fail("its brackets are nested too deeply")
        return self._compute(parser)

    def name_at(self, text: str, at: int, known: Mapping[str, Any]) -> str | None:
        """Return the longest known name that stands in a text at a position."""
        lengths = self._lengths if known is self.values else {len(name) for name in known}
        for length in sorted(lengths, reverse=True):
            name = text[at : at + length]
            if name in known and not (_goes_on(name[-1:]) and _goes_on(text[at + length :][:1])):
                return name
        return None

    def _compute(self, parser: _Parser) -> Any:
        stack: list[Any] = []
        for (op, count, params), column in zip(parser.program, parser.columns, strict=True):
            if op is None:
                stack.append(params)
                continue
            operands = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            try:
                stack.append(_apply(op, operands, params))
            except (TypeError, ValueError, LookupError, ArithmeticError) as error:
                shapes = ", ".join(str(np.shape(x)) for x in operands)
                parser.fail(f"{op.name} of shapes {shapes}: {error}", column)
        return stack.pop()


def equations_in(sheet: str) -> Iterator[str]:
    r"""Yield the equations of a sheet, without its titles, shapes, remarks and notes.

    >>> list(equations_in("Cost\n  J = 3 v    = 33\n\nNote: here J = 33."))
    ['J = 3 v']
    >>> list(equations_in("a = b"))
    ['a = b']
    """
    for paragraph in re.split(r"\n\s*\n", sheet):
        lines = paragraph.strip("\n").splitlines()
        if any(line.startswith(" ") for line in lines):
            # Reasons stand below their equation, further in.
            lines = [line for line in lines if re.match(r" {1,4}\S", line)]
        if paragraph.lstrip().startswith("Note:"):
            continue
        for line in lines:
            equation = re.split(r"\s{2,}", line.strip())[0]
            if " = " in equation:
                yield equation


def _functions() -> dict[str, Op]:
    """Return the registered operations by the names that equations call them."""
    found = {name: op for name, op in REGISTRY.items() if op.kind != "custom"}
    for op in list(found.values()):
        if isinstance(op.text, str) and "{" not in op.text:
            found[op.text] = op
    return {**found, **{text: find(name) for text, name in _CALLED.items()}}


def _goes_on(character: str) -> bool:
    """Return True for a character that can continue a word."""
    return character.isalnum() and character not in SUPERSCRIPTS + "ᵀ" or character in ("_", "′")


def _apply(op: Op, operands: list[Any], params: dict[str, Any]) -> Any:
    if op.name == "matrix_product" and any(np.ndim(x) == 0 for x in operands):
        op = find("mul")  # side by side with a number
    operands = [np.asarray(x) for x in operands]
    if not op.name.startswith(_LOGICAL):
        operands = [x * 1.0 if x.dtype == np.bool_ else x for x in operands]
    if op.name == "pow":  # integers have no negative powers
        operands = [x.astype(np.float64) for x in operands]
    with np.errstate(all="ignore"):
        return op.forward(*operands, **{**op.defaults, **params})


class _Parser:
    """Reads one expression: a text, a position in it, and the instructions so far."""

    def __init__(self, reader: Reader, text: str, at: int) -> None:
        self.reader = reader
        self.text = text
        self.at = at
        self.program: list[Instruction] = []
        self.columns: list[int] = []

    def fail(self, message: str, column: int | None = None) -> NoReturn:
        """Raise the error that points at a column (counted from 0), or at the position."""
        raise EquationError(message + ".", self.text, (self.at if column is None else column) + 1)

    # --- moving along -----------------------------------------------------------------------

    def skip(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def accept(self, piece: str) -> bool:
        """Move past a piece of text, when it stands here."""
        if not self.text.startswith(piece, self.at):
            return False
        self.at += len(piece)
        return True

    def expect(self, piece: str) -> None:
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
        after = self.text[self.at :][:5]
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
        power = self.match(re.compile(f"[{SUPERSCRIPTS}]+"))
        if power is not None:
            exponent = int("".join("0123456789-"[SUPERSCRIPTS.index(c)] for c in power[0]))
            if exponent == 2:
                self.emit("square", 1, {}, column)
            else:
                self.emit(None, 0, exponent, column)
                self.emit("pow", 2, {}, column)
        elif self.accept("ᵀ"):
            self.emit("matrix_transpose", 1, {}, column)
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
        reader, column = self.reader, self.at
        name = reader.name_at(self.text, self.at, reader.values)
        function = reader.name_at(self.text, self.at, reader.functions)
        if function is not None and self.text[self.at + len(function) :][:1] == "(":
            if name is None or len(name) <= len(function):
                self.at += len(function) + 1
                return self.call(reader.functions[function], column)
        if name is not None:
            self.at += len(name)
            return self.emit(None, 0, reader.values[name], column)
        word = _WORD.match(self.text, self.at)
        if word is not None and word[0] in _WORDS:
            self.at = word.end()
            return self.emit(None, 0, _WORDS[word[0]], column)
        if word is None:
            self.fail("expected a number, a name or a bracket")
        else:
            known = ", ".join(list(reader.values)[:12])
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
                index.append({"...": ..., "None": None}.get(place[1], place[1]))
                if isinstance(index[-1], str):
                    index[-1] = int(index[-1])
            else:
                self.expression(LOGIC)
                index.append("array")
                arrays += 1
            if not self.text.startswith("]", self.at):
                self.expect(",")
        return tuple(index), arrays


__all__ = ["EquationError", "Reader", "equations_in", "read"]
