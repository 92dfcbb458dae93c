"""Sentences that name a mistake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .judgement import Judgement
from .mutations import Mutation, near
from .tape import tidy

Array = NDArray[Any]


class Words:
    """Writes mistakes down, in the learner's names.

    Args:
        judgement: the learner's values.
    """

    def __init__(self, judgement: Judgement) -> None:
        self.j = judgement
        self.tape = judgement.tape
        self.m = self.tape.m

    def name(self, index: int) -> str:
        """Return what to call a value: as the learner does, if they handed it in."""
        return self.tape.write(index)

    def names(self, indices: Iterable[int]) -> str:
        """Return several names for a sentence: ``a, b and c``."""
        found = [self.name(i) for i in indices]
        if len(found) > 8:
            found = [*found[:6], f"{len(found) - 6} others"]
        return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " and " + found[-1]

    def sentence(self, mutation: Mutation, culprit: int, c: float, scale: float) -> str:
        """Return the diagnosis.

        Args:
            mutation: the mistake.
            culprit: the value in whose line it is.
            c: the factor of a mistake that has one.
            scale: a plain factor on top of it.
        """
        name = self.name(culprit)
        if mutation.kind == "factor":
            if mutation.parts:
                c = float(str(mutation.parts[0]))
            if self.tape.own(mutation.node) == culprit or mutation.node == self._core(culprit):
                return self.multiple(culprit, c)
            part = self.tape.write(mutation.node)
            return f"{name} has {part} {self.amount(c)} × as large as it should be."
        parts = [p if isinstance(p, str) else self.tape.write(p) for p in mutation.parts]
        # How often too large is told in fractions, a learning rate or λ/m in decimals.
        number = self.amount(c) if mutation.kind == "term" else f"{c:.4g}".replace("-", "−")
        text = mutation.text.format(*parts, c=number)
        tail = ""
        if scale != 1.0:
            tail = (
                ", and has the wrong sign"
                if near(scale, -1)
                else f", and is {self.amount(scale)} ×"
            )
        return f"{name} {text}{tail}."

    def _core(self, index: int) -> int:
        """Return the operation behind a name and a plain factor."""
        nodes = self.tape.nodes
        while True:
            node = nodes[index]
            name = node.op.name if node.op is not None else ""
            if name == "clone":
                index = node.inputs[0]
            elif name == "mul" and self._is_number(node.inputs[0]):
                index = node.inputs[1]
            elif name == "mul" and self._is_number(node.inputs[1]):
                index = node.inputs[0]
            else:
                return index

    def _is_number(self, index: int) -> bool:
        """Return True for a number, or an array of one number over and over."""
        value = self.tape.right[index]
        if index in self.tape.leaves or value is None or value.dtype.kind != "f":
            return self.tape.nodes[index].role == "constant"
        return bool(np.all(value == value.reshape(-1)[0]))

    def amount(self, c: float) -> str:
        """Return a factor as people write it: 2.00, 1/m, 1/2."""
        sign = "−" if c < 0 else ""
        c = abs(c)
        m = self.m
        if m and m > 1:
            for value, text in (
                (m, "m"), (1 / m, "1/m"), (m * m, "m²"), (1 / m**2, "1/m²"), (2 * m, "2 m"),
                (2 / m, "2/m"), (m / 2, "m/2"), (0.5 / m, "1/(2 m)"),
            ):  # fmt: skip
                if near(c, value) and value not in (1, 2):
                    return sign + text
        if c < 1e4 and near(c, round(c)) and round(c) >= 1:
            return f"{sign}{round(c)}" if round(c) > 2 else f"{sign}{c:.2f}"
        if 1e-4 < c < 1 and near(1 / c, round(1 / c)):
            return f"{sign}1/{round(1 / c)}"
        return f"{sign}{c:.4g}"

    def multiple(self, index: int, c: float) -> str:
        """Return the sentence on a value that is a plain multiple of what it should be."""
        name = self.name(index)
        of = "the derivative" if index in self.tape.of else "what it should be"
        amount = self.amount(c)
        m = f" (m = {self.m})" if "m" in amount else ""
        if near(c, -1):
            swapped = self.difference(index)
            if swapped:
                return f"{name} is {swapped[1]} instead of {swapped[0]}: the sign is wrong."
            return f"{name} has the wrong sign: it is exactly −1 × {of}."
        exact = f"{name} is exactly {amount} × {of}{m}"
        if c < 0:
            return f"{exact}: the sign is wrong, and a factor too."
        if amount == "m":
            return f"{exact}: the 1/m is missing."
        if amount == "1/m":
            also = " (np.mean divides by m itself)" if self.tape.is_gradient(index) else ""
            return f"{exact}: divided by m once too often{also}."
        whole = round(c)
        if c < 1e4 and near(c, whole) and whole >= 2:
            if self.has_mean(index):
                if whole > 2:
                    return f"{name} is {whole} × too large: ({whole}/m) where (1/m) belongs."
                return f"{exact}: (2/m) where (1/m) belongs, or a gradient counted twice."
            return f"{exact}: a factor {whole} too many, or a gradient counted {whole} times."
        if 1e-4 < c < 1 and near(1 / c, round(1 / c)):
            return f"{exact}: a factor {round(1 / c)} is missing."
        return f"{exact}, at every entry: a constant factor is wrong."

    def has_mean(self, index: int) -> bool:
        """Return True for a line in which the learner writes the 1/m of the mean."""
        tape = self.tape
        if not tape.m:
            return False
        if tape.is_gradient(index):
            return self.j.convention == "course" or not any(tape.is_scaled(i) for i in self.j.given)
        return self.j.convention == "exact" and index == min(tape.of, default=-1)

    def difference(self, index: int) -> tuple[str, str] | None:
        """Return a difference a − b, and b − a, when that is what a line computes."""
        node = self.tape.nodes[self._core(index)]
        if node.op is None or node.op.name != "sub":
            return None
        a, b = (self.tape.write(i) for i in node.inputs)
        return f"{a} − {_bracketed(b)}", f"{b} − {_bracketed(a)}"

    def misshapen(self, index: int, raw: Array) -> str:
        """Return the sentence on right numbers in a wrong shape."""
        name = self.name(index)
        shape = self.tape.nodes[index].shape
        if raw.ndim == 2 and raw.shape == shape[::-1]:
            what = "the derivative" if index in self.tape.of else "what it should be"
            return f"{name} is the transpose of {what}: shape {raw.shape} instead of {shape}."
        text = f"{name} has the right numbers in shape {raw.shape} instead of {shape}"
        if raw.ndim < len(shape):
            text += ": keepdims=True is missing"
        if self.tape.is_gradient(index):
            of = self.name(self.tape.of[index])
            try:
                wide = np.broadcast_shapes(raw.shape, shape)
            except ValueError:
                return text + "."
            return f"{text}; {of} − α · {name} would become {tuple(int(n) for n in wide)}."
        return text + "."


def _bracketed(text: str) -> str:
    return f"({text})" if " − " in text or " + " in text else text


def shown(shape: tuple[int, ...]) -> str:
    """Return a shape with plain integers."""
    return str(tuple(int(n) for n in shape))


__all__ = ["Words", "shown", "tidy"]
