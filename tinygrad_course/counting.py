"""Numbers that a program computed from the number of examples, found and made operations.

``m = X.shape[1]; J = (1 / m) * np.sum(L)`` multiplies by a plain number, which a graph would keep
for ever: replayed with other examples, the cost would be wrong. Two runs of the program, on data
with different numbers of examples, tell: a number that changed as 1/m does is replaced by
``1 / count(X)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .capture import Builder
from .graph import GraphNode
from .op import find

# How a number may depend on m: c · top / bottom, each of these; the simplest first.
_PARTS: dict[str, Callable[[float], float]] = {
    "1": lambda m: 1,
    "m": lambda m: m,
    "m - 1": lambda m: m - 1,
    "m + 1": lambda m: m + 1,
    "√m": math.sqrt,
}
Form = tuple[str, str]
FORMS: tuple[Form, ...] = tuple(
    sorted(((a, b) for a in _PARTS for b in _PARTS if a != b), key=lambda form: "1" not in form)
)
# Factors as in 1/m and 1/(2m): a number that is one of these times a form is likely no accident.
FACTORS = (1.0, 2.0, 0.5)
# Numbers that stand in formulas anyway.
COMMON = (0.5, 1, 2, 3, 4)

Place = tuple[int, int]


def numbers(builder: Builder) -> Iterator[tuple[Place, Any]]:
    """Yield each plain number that an operation works with, and where; not those of updates."""
    for node in builder.nodes:
        if node.role == "update":
            continue
        for position, i in enumerate(node.inputs):
            source = builder.nodes[i]
            if source.role == "constant" and source.op is None and source.size == 1:
                yield (node.index, position), np.asarray(source.value).item()


def suspects(builder: Builder, m: int) -> tuple[list[float], list[float]]:
    """Return the numbers that may have been computed from a length m, and those that likely were.

    Of two in three numbers neither is true, and a second run can be saved.
    """
    may: dict[float, None] = {}
    likely: dict[float, None] = {}
    for _, value in numbers(builder):
        if isinstance(value, bool) or not math.isfinite(value) or value == 0:
            continue
        factors = [abs(value / base) for base in map(_base(m), FORMS) if base]
        if any(_rounded(c) in FACTORS for c in factors):
            may[value] = None
            if abs(value) not in COMMON:
                likely[value] = None
        # A factor such as the 0.35 of 0.7/(2m), when the number itself is not as short.
        elif not is_short(value) and any(map(is_short, factors)):
            may[value] = None
    return list(may), list(likely)


def _base(m: int) -> Callable[[Form], float]:
    """Return the function that computes a form for m, without its factor; 0 where it has none."""
    return lambda form: _computed(form, m) if m > 1 else 0.0


def _computed(form: Form, m: float) -> float:
    top, bottom = form
    return _PARTS[top](m) / _PARTS[bottom](m)


def _rounded(value: float) -> float:
    return float(f"{value:.13g}")


def is_short(value: float) -> bool:
    """Return whether a number looks like one that somebody wrote."""
    return abs(value) < 1e4 and _rounded(abs(value) * 1000).is_integer()


# --- comparing two runs -------------------------------------------------------------------------


def differences(first: Builder, second: Builder) -> dict[Place, tuple[Any, Any]] | None:
    """Return where two runs worked with different numbers; None when they did different things."""
    ours, theirs = ([n for n in b.nodes if n.op is not None] for b in (first, second))
    if len(ours) != len(theirs):
        return None
    twin = {a.index: b.index for a, b in zip(ours, theirs, strict=True)}
    found = {}
    for a, b in zip(ours, theirs, strict=True):
        if a.op is not b.op or len(a.inputs) != len(b.inputs):
            return None
        for position, (i, j) in enumerate(zip(a.inputs, b.inputs, strict=True)):
            x, y = first.nodes[i], second.nodes[j]
            if x.op is not None or y.op is not None:
                if twin.get(i) != j:
                    return None
            elif (x.role == "constant") != (y.role == "constant"):
                return None
            elif x.role == "constant":
                v, w = np.asarray(x.value).item(), np.asarray(y.value).item()
                if v != w and (v == v or w == w):
                    found[a.index, position] = (v, w)
    return found


def form_of(v: Any, w: Any, m: int, n: int) -> tuple[Form, float] | None:
    """Return the form and factor that give `v` for m examples and `w` for n."""
    for form in FORMS:
        c = _rounded(v / _computed(form, m))
        if all(
            math.isclose(value, c * _computed(form, count), rel_tol=1e-14)
            for value, count in ((v, m), (w, n))
        ):
            return form, int(c) if c.is_integer() else c
    return None


# --- replacing ----------------------------------------------------------------------------------


class Counted:
    """Rewrites the nodes of a builder, with operations in the place of some numbers.

    Args:
        builder: the nodes; not named yet.
        leaf: index of the data whose examples are counted.
        axis: the axis along which they lie.
    """

    def __init__(self, builder: Builder, leaf: int, axis: int) -> None:
        """Start with nothing replaced."""
        self.builder = builder
        self.leaf = leaf
        self.axis = axis
        self.nodes: list[GraphNode] = []
        self.scopes: list[Any] = []
        self.place: dict[int, int] = {}
        self._known: dict[Any, int] = {}

    def replace(self, forms: dict[Place, tuple[Form, float]]) -> None:
        """Compute the numbers at these places from m."""
        builder = self.builder
        used = {
            i
            for node in builder.nodes
            for position, i in enumerate(node.inputs)
            if (node.index, position) not in forms
        }
        for node in builder.nodes:
            if node.index in self.place or node.role == "constant" and node.index not in used:
                continue
            inputs = [
                self._number(node, position, *forms[node.index, position])
                if (node.index, position) in forms
                else self.place[i]
                for position, i in enumerate(node.inputs)
            ]
            self.place[node.index] = self._add(
                replace(node, inputs=tuple(inputs)), builder.scopes[node.index]
            )
        for node in self.nodes:
            for link in ("grad", "grad_of", "rule_of"):
                old = getattr(node, link)
                if old is not None:
                    setattr(node, link, self.place[old])
        builder.outputs = [self.place[i] for i in builder.outputs]
        builder.updates = [(self.place[i], self.place[j]) for i, j in builder.updates]
        builder.index = {x: self.place[i] for x, i in builder.index.items() if i in self.place}
        builder.nodes, builder.scopes = self.nodes, self.scopes

    def _add(self, node: GraphNode, where: Any) -> int:
        node.index = len(self.nodes)
        self.nodes.append(node)
        self.scopes.append(where)
        return node.index

    def _number(self, user: GraphNode, position: int, form: Form, c: float) -> int:
        """Return the index of c · form(m), for an operand of `user`."""
        role = "forward" if user.role in ("loss", "output") else user.role
        role = "backward" if role == "gradient" else role
        data = self.builder.nodes[self.leaf]
        if self.leaf not in self.place:  # it counts data that are read later
            self.place[self.leaf] = self._add(replace(data), self.builder.scopes[self.leaf])
        m = self._computed("count", (self.place[self.leaf],), {"axis": self.axis}, role)
        self.nodes[m].name = "m"
        if data.dtype.kind == "f" and data.dtype != np.float64:
            # As exact as Python's number was.
            m = self._computed("cast", (m,), {"dtype": "float64"}, role)
        top, bottom = (self._part(text, m, role) for text in form)
        if form[0] == "1":
            found = self._computed("div", (self._constant(c), bottom), {}, role)
        else:
            found = top
            if form[1] != "1":
                found = self._computed("div", (top, bottom), {}, role)
            if c != 1:
                found = self._computed("mul", (self._constant(c), found), {}, role)
        wanted = self._dtype_for(user, position)
        if wanted != self.nodes[found].dtype:
            found = self._computed("cast", (found,), {"dtype": wanted.name}, role)
        return found

    def _part(self, text: str, m: int, role: str) -> int:
        """Return the index of one of `_PARTS`."""
        if text == "1":
            return -1  # not needed: the factor takes its place
        if text == "m":
            return m
        name, number = {"m - 1": ("sub", 1), "m + 1": ("add", 1), "√m": ("pow", 0.5)}[text]
        return self._computed(name, (m, self._constant(number)), {}, role)

    def _dtype_for(self, user: GraphNode, position: int) -> np.dtype[Any]:
        """Return the dtype in which a plain number took part in an operation."""
        number = self.builder.nodes[user.inputs[position]].value
        if isinstance(number, np.ndarray):  # np.sqrt(m) has a dtype that counts
            return np.dtype(number.dtype)
        others = [
            self.builder.nodes[i].dtype
            for k, i in enumerate(user.inputs)
            if k != position and self.builder.nodes[i].role != "constant"
        ]
        kind = np.result_type(*others) if others else user.dtype
        if kind.kind == "f":
            return kind
        return np.dtype(np.float64 if isinstance(number, float) else np.int64)

    def _constant(self, value: Any) -> int:
        key = ("constant", type(value), value)
        if key not in self._known:
            array = np.asarray(value)
            self._known[key] = self._add(
                GraphNode(0, None, (), {}, "", "constant", (), array.dtype, value), None
            )
        return self._known[key]

    def _computed(
        self, name: str, inputs: tuple[int, ...], params: dict[str, Any], role: str
    ) -> int:
        """Return the index of an operation on nodes, added when it is a new one."""
        key = (name, inputs, tuple(params.items()))
        if key not in self._known:
            op = find(name)
            full = {**op.defaults, **params}
            value = np.asarray(op.forward(*[self.nodes[i].value for i in inputs], **full))
            self._known[key] = self._add(
                GraphNode(0, op, inputs, full, "", role, value.shape, value.dtype, value), None
            )
        return self._known[key]
