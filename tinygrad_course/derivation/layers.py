"""The general layer l: one set of equations for all layers of a network.

The equations of every layer are written with l in place of the layer's number; where they are the
same for all layers, that one set is the general form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import errors
from .lines import Derivation, Line
from .writer import Writer

_NUMBER = re.compile(r"\[(\d+)\]")
_INDEXED = re.compile(r"(d?)(\D+)\[(\d+)\]")

# Of a layer: as courses list them.
_ORDER = ("Z", "A", "dZ", "dW", "db", "dA")

Written = tuple[str, str, str]
"""An equation as text, and its two sides in LaTeX."""


class GeneralForm:
    """The equations of layer l, and what surrounds them.

    Args:
        derivation: link by link, with general activations.
        named: the same with the activations' own names.

    Attributes:
        forward, backward: the equations of layer l.
        cost, start: the cost, and the derivative that the backward pass starts from.
        remarks: what g is in each layer, and what the backward pass reads.

    Raises:
        GraphError: no numbered layers, or layers that differ.
    """

    def __init__(self, derivation: Derivation, named: Derivation) -> None:
        self.d = derivation
        self.data = _data_of_first_layer(derivation)
        names = {self.data: "A[0]"} if self.data is not None else {}
        self.writers = [Writer(derivation, form) for form in ("text", "latex")]
        self.first = [Writer(derivation, form, names) for form in ("text", "latex")]
        numbers = [_layer_of(line) for line in derivation.lines]
        self.last = max((n for n in numbers if n is not None), default=0)
        if self.last < 1 or self.data is None:
            raise errors.GraphError(
                "equations: the general form needs numbered layers (Z[1], A[1], …), as nn.Dense in "
                "an nn.Sequential gives them. Use layers='all'."
            )
        self.forward: list[Written] = []
        self.backward: list[Written] = []
        self.cost: list[Written] = []
        self.start: list[Written] = []
        per_layer = self._sort()
        self._check(per_layer)
        self.remarks = self._activations(named)

    def _sort(self) -> dict[tuple[str, int], list[Written]]:
        """Write each line for its layer, with l in place of the number."""
        found: dict[tuple[str, int], list[Written]] = {}
        for line in self.d.lines:
            layer = _layer_of(line)
            output = line.name in (f"dA[{self.last}]",) or (
                line.name == f"dZ[{self.last}]" and f"dA[{self.last}]" not in self.d.by_name
            )
            softmax = line.name.startswith("A[") and "g[" not in self.writers[0].right(line)
            if line.section == "cost" or layer is None or softmax:
                self.cost.append(self._written(line, self.last, "L"))
            elif output:
                self.start.append(self._written(line, self.last, "L"))
            else:
                if line.name.startswith("dA["):
                    layer += 1  # dA[l-1] is computed in the backward pass of layer l
                found.setdefault((line.section, layer), []).append(self._written(line, layer, "l"))
        return found

    def _check(self, per_layer: dict[tuple[str, int], list[Written]]) -> None:
        """Take the equations of the last layers as the general ones, if all agree with them."""
        for section, target in (("forward", self.forward), ("backward", self.backward)):
            target += per_layer.get((section, max(self.last, 1)), [])
            target += [w for w in per_layer.get((section, 1), []) if w not in target]
            known = {text for text, *_ in target}
            if section == "backward" and self.last > 1:
                # Where softmax gives dZ[L] at once, the other layers have the line for dZ[l].
                extra = [w for w in per_layer.get((section, 1), []) if w[0].startswith("dZ[l]")]
                target[:] = extra[:1] + [w for w in target if not w[0].startswith("dZ[l]")]
                known |= {text for text, *_ in target}
            target.sort(key=_place)
            for layer in range(1, self.last + 1):
                for text, *_ in per_layer.get((section, layer), []):
                    if text not in known:
                        raise errors.GraphError(
                            f"equations: layer {layer} has {text}, unlike the others, so there is "
                            "no general form. Use layers='all'."
                        )

    def _written(self, line: Line, layer: int, letter: str) -> Written:
        text, latex = self.first if layer == 1 and letter == "l" else self.writers
        return (
            _general(text.equation(line), layer, letter),
            _general(latex.left(line), layer, letter),
            _general(latex.right(line), layer, letter),
        )

    def _activations(self, named: Derivation) -> list[str]:
        writer = Writer(named)
        parts = []
        for layer in range(1, self.last + 1):
            forward = named.by_name.get(f"A[{layer}]")
            if forward is None:
                continue
            part = f"g[{layer}] = {writer.right(forward).split('(')[0]}"
            backward = named.by_name.get(f"dZ[{layer}]")
            factor = f"{writer.symbol(f'dA[{layer}]', f'A[{layer}]')} * "
            if backward is not None and writer.right(backward).startswith(factor):
                slope = writer.right(backward)[len(factor) :]
                part += f", g[{layer}]′(Z[{layer}]) = {slope}"
            parts.append(part)
        cached = (
            "The forward pass keeps Z[l], A[l-1], W[l] and b[l] (the cache) for the backward pass."
        )
        return [f"L = {self.last} layers. " + "; ".join(parts) + ".", cached]


def _general(equation: str, layer: int, letter: str) -> str:
    """Write an equation with a letter for the number of the layer."""

    def relative(match: re.Match[str]) -> str:
        away = int(match[1]) - layer
        return f"[{letter}{away:+d}]" if away else f"[{letter}]"

    return _NUMBER.sub(relative, equation)


def _place(written: Written) -> int:
    """Return where courses list an equation: Z, A; dZ, dW, db, dA."""
    name = written[0].split("[")[0].replace("∂J/∂", "d")
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _layer_of(line: Line) -> int | None:
    match = _INDEXED.fullmatch(line.name)
    return int(match[3]) if match else None


def _data_of_first_layer(derivation: Derivation) -> str | None:
    first = derivation.by_name.get("Z[1]")
    if first is None:
        return None
    data = {n.name for n in derivation.leaves if n.role == "data"}
    return next((name for name in derivation.reads(first) if name in data), None)


def titles(form: GeneralForm) -> Sequence[tuple[str, list[Written]]]:
    """Return the parts of the sheet."""
    data = form.data
    return [
        (f"Forward propagation, for l = 1, …, L, with A[0] = {data}", form.forward),
        ("Cost", form.cost),
        ("Backward propagation starts from", form.start),
        ("Backward propagation, for l = L, …, 1", form.backward),
    ]
