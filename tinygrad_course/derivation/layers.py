"""The general layer l: one set of equations for all layers of a network.

The equations of every layer are written with l in place of the layer's number; where they are the
same for all layers, that one set is the general form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from .. import errors
from ..naming import is_data
from .lines import Derivation, Line
from .writer import Writer, unwrapped

_NUMBER = re.compile(r"\[(\d+)\]")
_INDEXED = re.compile(r"\D+\[(\d+)\]")


@dataclass(frozen=True)
class Written:
    """An equation as text, its two sides in LaTeX, and for which layers it holds."""

    text: str
    latex: tuple[str, str]
    remark: str = ""

    @property
    def left(self) -> str:
        """What it defines, as text."""
        return self.text.partition(" = ")[0]


class GeneralForm:
    """The equations of layer l, and what surrounds them.

    Args:
        derivation: link by link, with general activations.
        named: the same with the activations' own names.

    Attributes:
        forward, backward: the equations of layer l.
        cost, start: the cost, and the derivative that the backward pass starts from.
        activations: what g is in each layer.
        remarks: what the backward pass reads.

    Raises:
        GraphError: no numbered layers, or layers that differ.
    """

    def __init__(self, derivation: Derivation, named: Derivation) -> None:
        self.d = derivation
        self.data = _data_of_first_layer(derivation)
        names = {self.data: "A[0]"} if self.data is not None else {}
        self.writers = [Writer(derivation, form) for form in ("text", "latex")]
        self.first = [Writer(derivation, form, names) for form in ("text", "latex")]
        numbers = [_layer_of(line.name) for line in derivation.lines]
        self.last = max((n for n in numbers if n is not None), default=0)
        if self.last < 1 or self.data is None:
            raise errors.GraphError(
                "equations: the general form needs numbered layers (Z[1], A[1], …), as nn.Dense in "
                "an nn.Sequential gives them. Use layers='all'."
            )
        self.cost: list[Written] = []
        self.start: list[Written] = []
        layers = self._sort()
        self.forward = self._joined(layers["forward"])
        self.backward = self._joined(layers["backward"])
        self.activations = self._activations(named)
        parameters = [n.name for n in derivation.leaves if n.role == "parameter"]
        stems = dict.fromkeys(name.partition("[")[0] for name in parameters)
        kept = ", ".join(["Z[l]", "A[l-1]", *(f"{stem}[l]" for stem in list(stems)[:-1])])
        self.remarks = [
            f"The forward pass keeps {kept} and {list(stems)[-1]}[l] (the cache) for the backward "
            "pass."
        ]

    def parts(self) -> list[tuple[str, str, list[Written]]]:
        """Return the parts of the sheet: title, section and equations."""
        forward = f"Forward propagation, for l = 1, …, L, with A[0] = {self.data}"
        return [
            (forward, "forward", self.forward),
            ("Cost", "cost", self.cost),
            ("Backward propagation starts from", "backward", self.start),
            ("Backward propagation, for l = L, …, 1", "backward", self.backward),
            (f"Activations of the L = {self.last} layers", "", self.activations),
        ]

    # --- layers -----------------------------------------------------------------------------

    def _sort(self) -> dict[str, dict[int, list[Written]]]:
        """Write each line for its layer, with l in place of the number."""
        layers: dict[str, dict[int, list[Written]]] = {"forward": {}, "backward": {}}
        derivatives = {x.name for x in self.d.lines if x.of is not None}
        for line in self.d.lines:
            layer = _layer_of(line.name)
            reads = self.d.reads(line)
            # A softmax mixes the units of its layer, so it is no g[l].
            output = line.name == f"A[{self.last}]" and "g[" not in self.writers[0].right(line)
            if line.section == "cost" or output:
                self.cost.append(self._written(line, self.last, "L"))
                continue
            if layer is None:
                self._refuse(line, "belongs to no layer")
            if line.section == "forward":
                layers["forward"].setdefault(layer, []).append(self._written(line, layer, "l"))
            elif not derivatives.intersection(reads):
                self.start.append(self._written(line, self.last, "L"))
            else:
                # dA[l-1] is computed in the backward pass of layer l.
                layer = max(n for name in (line.name, *reads) if (n := _layer_of(name)))
                layers["backward"].setdefault(layer, []).append(self._written(line, layer, "l"))
        return layers

    def _joined(self, layers: dict[int, list[Written]]) -> list[Written]:
        """Return the equations that hold for all layers, and those that hold for all but one."""
        found: dict[str, Written] = {}
        where: dict[str, set[int]] = {}
        order: list[str] = []
        for layer, equations in layers.items():
            place = 0
            for equation in equations:
                known = found.setdefault(equation.left, equation)
                if known.text != equation.text:
                    self._refuse(equation, f"holds for layer {layer} only")
                where.setdefault(equation.left, set()).add(layer)
                # What only some layers have stands after what comes before it there.
                if equation.left not in order:
                    order.insert(place, equation.left)
                place = order.index(equation.left) + 1
        every = set(range(1, self.last + 1))
        for left, own in where.items():
            if own == every - {self.last}:
                found[left] = replace(found[left], remark="for l < L")
            elif own not in (every, every - {1}):
                listed = ", ".join(map(str, sorted(own)))
                self._refuse(found[left], f"holds for layer {listed} only")
        return [found[left] for left in order]

    def _refuse(self, equation: Line | Written, why: str) -> NoReturn:
        text = equation.name if isinstance(equation, Line) else equation.text
        raise errors.GraphError(
            f"equations: {text} {why}, so there is no general layer l. Use layers='all'."
        )

    def _written(self, line: Line, layer: int, letter: str) -> Written:
        text, latex = self.first if layer == 1 and letter == "l" else self.writers
        return Written(
            _general(text.equation(line), layer, letter),
            (
                _general(latex.left(line), layer, letter),
                _general(latex.right(line), layer, letter),
            ),
        )

    # --- activations ------------------------------------------------------------------------

    def _activations(self, named: Derivation) -> list[Written]:
        """Say what g[l] and its derivative are; layers that share them are taken together."""
        writers = [Writer(named, form) for form in ("text", "latex")]
        groups: dict[tuple[Written, ...], list[int]] = {}
        for layer in range(1, self.last + 1):
            equations = _activation(named, writers, layer)
            if equations:
                groups.setdefault(equations, []).append(layer)
        return [
            replace(equation, remark=f"for l = {', '.join(map(str, layers))}")
            for equations, layers in groups.items()
            for equation in equations
        ]


def _activation(d: Derivation, writers: Sequence[Writer], layer: int) -> tuple[Written, ...]:
    """Return g[l](Z[l]) = …, and g[l]′(Z[l]) = … where dZ[l] is dA[l] times it."""
    forward, backward = d.by_name.get(f"A[{layer}]"), d.by_name.get(f"dZ[{layer}]")
    if forward is None:
        return ()
    text, latex = (_general(w.right(forward), layer, "l") for w in writers)
    found = [Written(f"g[l](Z[l]) = {text}", ("g^{[l]}(Z^{[l]})", latex))]
    slopes = []
    for w, times in zip(writers, (" * ", r" \odot "), strict=True):
        factor = w.symbol(f"dA[{layer}]", f"A[{layer}]") + times
        right = w.right(backward) if backward is not None else ""
        if right.startswith(factor):
            slopes.append(_general(_bare(right[len(factor) :]), layer, "l"))
    if len(slopes) == 2:
        text, latex = slopes
        found.append(Written(f"g[l]′(Z[l]) = {text}", (r"g^{[l]\prime}(Z^{[l]})", latex)))
    return tuple(found)


def _bare(text: str) -> str:
    """Return 1 - A² for (1 - A²); a comparison keeps its brackets."""
    inner = unwrapped(text)
    return text if re.search("[<>=]", inner) else inner


def _general(equation: str, layer: int, letter: str) -> str:
    """Write an equation with a letter for the number of the layer."""

    def relative(match: re.Match[str]) -> str:
        away = int(match[1]) - layer
        return f"[{letter}{away:+d}]" if away else f"[{letter}]"

    return _NUMBER.sub(relative, equation)


def _layer_of(name: str) -> int | None:
    match = _INDEXED.fullmatch(name)
    return int(match[1]) if match else None


def _data_of_first_layer(derivation: Derivation) -> str | None:
    first = derivation.by_name.get("Z[1]")
    if first is None:
        return None
    data = {n.name for n in derivation.leaves if is_data(n)}
    return next((name for name in derivation.reads(first) if name in data), None)
