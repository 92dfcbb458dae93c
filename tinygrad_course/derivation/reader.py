"""Reading equations back: the text form, computed.

`read` computes a sheet of equations line by line, so that what is printed can be compared with what
the model does (see `verify`). It reads the notation of `spelling`: a product of matrices is written
side by side, ``W[1] X``, and so is a product with a number, ``(1/m) dZ[1]``; ``x²`` and ``Xᵀ`` bind
more tightly, and ``+ - * /`` as in Python. Any registered operation can be called by the name that
equations give it. This module knows text and arrays, no graphs and no tensors;
`parsing` takes expressions apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..op import REGISTRY, Op, find
from .parsing import EquationError, Names, Parser

# What equations call operations that have more than one way to be written.
_CALLED = {"norm": "norm2", "mask": "bernoulli_mask"}
# Equations write True and 1 alike; these operations alone tell them apart.
_LOGICAL = ("logical_", "bitwise_", "where", "getitem", "place", "setitem", "all", "any", "cast")


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
        self.values = Names(values)
        self.given = dict(given or {})
        self.functions = Names({**_functions(), **(operations or {})})

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
        return found

    def value(self, expression: str, text: str | None = None, start: int = 0) -> Any:
        """Return the value of an expression; `text` is what errors show, where it starts there."""
        text = expression if text is None else text
        parser = Parser(text, start, self.values, self.functions)
        try:
            parser.whole()
        except RecursionError:
            parser.fail("its brackets are nested too deeply")
        return self._compute(parser)

    def _compute(self, parser: Parser) -> Any:
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


def _apply(op: Op, operands: list[Any], params: dict[str, Any]) -> Any:
    if op.name == "matrix_product" and any(np.ndim(x) == 0 for x in operands):
        op = find("mul")  # side by side with a number
    if op.name == "inverse" and np.ndim(operands[0]) < 2:
        op = find("reciprocal")  # a⁻¹
    operands = [np.asarray(x) for x in operands]
    if not op.name.startswith(_LOGICAL):
        operands = [x * 1.0 if x.dtype == np.bool_ else x for x in operands]
    if op.name == "pow":  # integers have no negative powers
        operands = [x.astype(np.float64) for x in operands]
    with np.errstate(all="ignore"):
        return op.forward(*operands, **{**op.defaults, **params})


__all__ = ["EquationError", "Reader", "equations_in", "read"]
