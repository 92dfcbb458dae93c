"""Random programs of views and in-place writes, and what they mean.

A program is a list of steps on a growing pool of tensors. `Dual` runs one on NumPy arrays alone: a
value and its derivative along one direction (a dual number), each an array whose views alias as the
tensors' do. Because it differentiates forward, step by step, it never needs a value that a later
step overwrites; that makes it the reference for what the backward pass must find. The rules:

* a recorded write replaces values and derivatives;
* a write under `no_grad`, or through a detached alias, replaces values and leaves derivatives;
* `detach`, and whatever is made under `no_grad`, shares values and has derivative 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course.errors import InplaceError

UNARY = {
    "sin": (np.sin, np.cos),
    "sigmoid": (
        lambda v: 1 / (1 + np.exp(-v)),
        lambda v: 1 / (1 + np.exp(-v)) * (1 - 1 / (1 + np.exp(-v))),
    ),
    "square": (np.square, lambda v: 2 * v),
    "neg": (np.negative, lambda v: -np.ones_like(v)),
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda v: 1 - np.tanh(v) ** 2),
    "clone": (np.array, np.ones_like),
}
INPLACE_UNARY = tuple(k for k in UNARY if k != "clone")
BINARY = ("add", "sub", "mul")
VIEWS = (
    "first", "last", "step", "column", "back", "transpose", "flat", "unsqueeze", "rows", "expand",
)  # fmt: skip
PLACES = ("first", "last", "step", "column", "back", "all", "mask", "list")


@dataclass(frozen=True)
class Step:
    """One step: what, on which tensors of the pool, recorded or under `no_grad`."""

    kind: str
    which: int
    a: int
    b: int
    quiet: bool = False

    def __repr__(self) -> str:
        return f"Step({self.kind!r}, {self.which}, {self.a}, {self.b}, {self.quiet})"


def index_of(place: str, shape: tuple[int, ...]) -> Any:
    """Return the index a place stands for, None where the shape has no such place."""
    if place == "all":
        return ...
    if not shape or 0 in shape:
        return None
    if place == "first":
        return (0,)
    if place == "last":
        return (slice(-1, None),)
    if place == "step":
        return (..., slice(None, None, 2))
    if place == "column":
        return (..., 0)
    if place == "back":
        return (slice(None, None, -1),)
    if place == "mask":
        return (np.arange(np.prod(shape)).reshape(shape) % 2 == 0,)
    return ([0, -1] if shape[0] > 1 else [0],)


def view_of(x: Any, which: str, shape: tuple[int, ...]) -> Any:
    """Take a view, with code that arrays and tensors share; None where there is none."""
    if which == "unsqueeze":
        return x[None]
    if which == "flat":
        return x.reshape((-1,))
    if which == "rows":
        return x.reshape((1, *shape))
    if which == "transpose":
        return x.mT if len(shape) > 1 else None
    if which == "expand":
        if isinstance(x, np.ndarray):
            return np.broadcast_to(x, (2, *shape))
        return x.expand(2, *shape)
    index = index_of(which, shape)
    if index is None:
        return None
    # NumPy needs the ellipsis to give a 0-d view instead of a copied number.
    return x[(*index, ...)] if isinstance(x, np.ndarray) and ... not in index else x[index]


class Dual:
    """The reference: values and derivatives as NumPy arrays that alias."""

    def __init__(self, leaves: list[np.ndarray], directions: list[np.ndarray]) -> None:
        self.pool = [(v.copy(), d.copy()) for v, d in zip(leaves, directions, strict=True)]

    def shape(self, k: int) -> tuple[int, ...]:
        return self.pool[k][0].shape

    def new(self, v: Any, t: Any, quiet: bool) -> None:
        v, t = np.array(v), np.array(t)
        self.pool.append((v, np.zeros_like(t) if quiet else t))

    def write(self, k: int, v: Any, t: Any, quiet: bool) -> None:
        value, tangent = self.pool[k]
        value[...] = v
        if not quiet:
            tangent[...] = t

    def unary(self, name: str, k: int, quiet: bool) -> None:
        v, t = self.pool[k]
        f, slope = UNARY[name]
        self.new(f(v), slope(v) * t, quiet)

    def _binary(self, name: str, k: int, j: int) -> tuple[Any, Any]:
        (v, t), (w, s) = self.pool[k], self.pool[j]
        if name == "add":
            return v + w, t + s
        if name == "sub":
            return v - w, t - s
        return v * w, t * w + v * s

    def binary(self, name: str, k: int, j: int, quiet: bool) -> None:
        self.new(*self._binary(name, k, j), quiet)

    def view(self, name: str, k: int, quiet: bool) -> None:
        v, t = self.pool[k]
        part = view_of(v, name, v.shape)
        tangent = view_of(t, name, v.shape)
        self.pool.append((part, np.zeros(part.shape) if quiet else tangent))

    def detach(self, k: int, quiet: bool) -> None:
        v, t = self.pool[k]
        self.pool.append((v, np.zeros_like(t)))

    def unary_(self, name: str, k: int, quiet: bool) -> None:
        v, t = self.pool[k]
        f, slope = UNARY[name]
        self.write(k, f(v), slope(v) * t, quiet)

    def binary_(self, name: str, k: int, j: int, quiet: bool) -> None:
        v, t = self._binary(name, k, j)
        self.write(k, np.array(v), np.array(t), quiet)

    def copy_(self, k: int, j: int, quiet: bool) -> None:
        v, t = self.pool[j]
        self.write(k, v.copy(), t.copy(), quiet)

    def fill_(self, k: int, number: float, quiet: bool) -> None:
        self.write(k, number, 0.0, quiet)

    def masked_fill_(self, k: int, number: float, quiet: bool) -> None:
        v, t = self.pool[k]
        mask = v > 0
        self.write(k, np.where(mask, number, v), np.where(mask, 0.0, t), quiet)

    def setitem(self, k: int, place: str, j: int | None, number: float, quiet: bool) -> None:
        v, t = self.pool[k]
        index = index_of(place, v.shape)
        value, tangent = (number, 0.0) if j is None else (a.copy() for a in self.pool[j])
        v[index] = value
        if not quiet:
            t[index] = tangent

    def loss(self, weights: list[float]) -> tuple[float, float]:
        v = sum(w * np.sum(np.sin(v)) for w, (v, _) in zip(weights, self.pool, strict=True))
        t = sum(w * np.sum(np.cos(v) * t) for w, (v, t) in zip(weights, self.pool, strict=True))
        return float(v), float(t)


class Tensors:
    """The same steps on this package's tensors."""

    def __init__(self, leaves: list[np.ndarray], needs: list[bool]) -> None:
        self.leaves = [tc.tensor(v, requires_grad=n) for v, n in zip(leaves, needs, strict=True)]
        self.pool = list(self.leaves)

    def unary(self, name: str, k: int, quiet: bool) -> None:
        self.pool.append(getattr(self.pool[k], name)())

    def binary(self, name: str, k: int, j: int, quiet: bool) -> None:
        self.pool.append(getattr(self.pool[k], name)(self.pool[j]))

    def view(self, name: str, k: int, quiet: bool) -> None:
        self.pool.append(view_of(self.pool[k], name, tuple(self.pool[k].shape)))

    def detach(self, k: int, quiet: bool) -> None:
        self.pool.append(self.pool[k].detach() if not quiet else self.pool[k].data)

    def unary_(self, name: str, k: int, quiet: bool) -> None:
        getattr(self.pool[k], f"{name}_")()

    def binary_(self, name: str, k: int, j: int, quiet: bool) -> None:
        x, other = self.pool[k], self.pool[j]
        if name == "add":
            x += other
        elif name == "sub":
            x -= other
        else:
            x.mul_(other)

    def copy_(self, k: int, j: int, quiet: bool) -> None:
        self.pool[k].copy_(self.pool[j])

    def fill_(self, k: int, number: float, quiet: bool) -> None:
        self.pool[k].fill_(number)

    def masked_fill_(self, k: int, number: float, quiet: bool) -> None:
        self.pool[k].masked_fill_(self.pool[k] > 0, number)

    def setitem(self, k: int, place: str, j: int | None, number: float, quiet: bool) -> None:
        x = self.pool[k]
        x[index_of(place, tuple(x.shape))] = number if j is None else self.pool[j]

    def no_grad(self) -> Any:
        return tc.no_grad()


def plan(dual: Dual, step: Step) -> tuple[str, tuple[Any, ...]] | None:
    """Return the call a step makes, or None where shapes do not allow it."""
    k, j = step.a % len(dual.pool), step.b % len(dual.pool)
    shape, other = dual.shape(k), dual.shape(j)
    number = (step.which % 7 - 3) / 2
    if step.kind == "unary":
        return "unary", (tuple(UNARY)[step.which % len(UNARY)], k)
    if step.kind == "detach":
        return "detach", (k,)
    if step.kind == "view":
        name = VIEWS[step.which % len(VIEWS)]
        if view_of(dual.pool[k][0], name, shape) is None:
            return None
        if name == "flat" and not np.shares_memory(dual.pool[k][0].reshape(-1), dual.pool[k][0]):
            return None  # a copy, not a view
        if name == "rows":
            wider = dual.pool[k][0].reshape((1, *shape))
            if not np.shares_memory(wider, dual.pool[k][0]):
                return None
        return "view", (name, k)
    fits = np.broadcast_shapes(shape, other) == shape if _meet(shape, other) else False
    if step.kind == "binary":
        name = BINARY[step.which % len(BINARY)]
        return ("binary", (name, k, j)) if _meet(shape, other) else None
    if not dual.pool[k][0].flags.writeable:
        return None
    if step.kind == "unary_":
        return "unary_", (INPLACE_UNARY[step.which % len(INPLACE_UNARY)], k)
    if step.kind == "fill_":
        return "fill_", (k, number)
    if step.kind == "masked_fill_":
        return "masked_fill_", (k, number)
    if step.kind == "binary_":
        return ("binary_", (BINARY[step.which % len(BINARY)], k, j)) if fits else None
    if step.kind == "copy_":
        return ("copy_", (k, j)) if fits else None
    place = PLACES[step.which % len(PLACES)]
    index = index_of(place, shape)
    if index is None:
        return None
    selected = dual.pool[k][0][index].shape
    if _meet(selected, other) and np.broadcast_shapes(selected, other) == selected:
        return "setitem", (k, place, j, number)
    return "setitem", (k, place, None, number)


def _meet(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


KINDS = (
    "unary", "binary", "view", "view", "detach", "unary_", "binary_", "binary_", "copy_", "fill_",
    "masked_fill_", "setitem", "setitem",
)  # fmt: skip


def execute(
    steps: list[Step], duals: list[Dual], tensors: Any, refused: type[BaseException] = InplaceError
) -> int:
    """Run a program on the tensors and on the references; return how many writes were refused."""
    count = 0
    for step in steps:
        planned = plan(duals[0], step)
        if planned is None:
            continue
        name, args = planned
        try:
            if step.quiet:
                with tensors.no_grad():
                    getattr(tensors, name)(*args, True)
            else:
                getattr(tensors, name)(*args, False)
        except refused:
            count += 1
            continue
        for dual in duals:
            getattr(dual, name)(*args, step.quiet)
    return count
