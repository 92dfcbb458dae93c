"""Numeric derivatives: central differences in float64, refined where they must be.

Here a `Program` runs the function under check as one vector function of its points; `slopes` gives
its numeric derivative along one entry, `refine` a better one from several steps (Richardson), and
`Sides` the slopes to the left and to the right, which disagree at a kink.

The step. A central difference (J(θ+ε) − J(θ−ε)) / 2ε errs by about ε²J‴/6 from truncation and by
about uJ/ε from rounding, u = 2.2e-16: together they are least near ε = ∛u ≈ 6.06e-6, where about
ten digits are right. The courses' ε = 1e-7 loses more to rounding than it gains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..modes import enable_grad, no_grad
from ..tensor import Tensor
from .state import Point, Surroundings

Array = NDArray[Any]

UNIT = float(np.finfo(np.float64).eps)
BEST = UNIT ** (1 / 3)
# How many units of rounding an evaluation may be off by, relative to its largest value.
ROUNDINGS = 64.0


class Step:
    """The step ε of an entry: `eps` as given, or the best for float64, scaled by max(1, |x|)."""

    def __init__(self, eps: float | None) -> None:
        """Use `eps`, or choose."""
        self.eps = eps

    def of(self, x: float) -> float:
        """Return the step at the value `x`."""
        return self.eps if self.eps is not None else BEST * max(1.0, abs(x))

    def __str__(self) -> str:
        if self.eps is not None:
            return f"ε = {self.eps:g} (as given)"
        return f"ε = ∛u·max(1, |θ|) = {BEST:.3g}·max(1, |θ|), chosen for float64 (u = {UNIT:.3g})"


class Program:
    """The function under check, as a vector function of its points.

    Attributes:
        rows: projections of the outputs, one per row; None for the outputs themselves.
        base: the outputs at the unmoved point, as one vector.
    """

    def __init__(
        self, call: Callable[[], Any], points: list[Point], around: Surroundings, recorded: bool
    ) -> None:
        """Run `call` on `points`; `recorded` when it differentiates inside."""
        self.call = call
        self.points = points
        self.around = around
        self.recorded = recorded
        self.rows: Array | None = None
        self.base: Array = np.zeros(0)
        self.selected: tuple[int, ...] = ()

    def outputs(self, recorded: bool = True) -> list[Tensor]:
        """Run once and return all output tensors."""
        self.around.rewind()
        with enable_grad() if recorded else no_grad():
            result = self.call()
        return tensors_of(result)

    def values(self) -> Array:
        """Run once and return the selected outputs as one float64 vector."""
        return flatten(self.outputs(self.recorded), self.selected)

    def project(self, vector: Array) -> Array:
        """Return the rows' projections of `vector`."""
        return vector if self.rows is None else self.rows @ vector

    def scale(self) -> Array:
        """Return, per row, how large the values are whose rounding limits the differences."""
        size = np.abs(self.base)
        return size if self.rows is None else np.abs(self.rows) @ size

    def ends(self, point: Point, entry: int, up: float, down: float) -> tuple[Array, Array]:
        """Return the rows with one entry of `point` at `up`, and at `down`."""
        flat = point.array.flat
        x = flat[entry]
        try:
            flat[entry] = up
            above = self.values()
            flat[entry] = down
            below = self.values()
        finally:
            flat[entry] = x
        return self.project(above), self.project(below)


def tensors_of(result: Any) -> list[Tensor]:
    """Return the tensors that the function returned."""
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for y in outputs:
        if not isinstance(y, Tensor):
            hint = ""
            if isinstance(y, (float, int, np.ndarray, np.generic)):
                hint = " (.item(), .numpy() and float() cut the graph: leave them out)"
            raise errors.DtypeError(
                f"gradcheck: the function returned {type(y).__name__}, expected a tensor or a "
                f"tuple of tensors computed from the inputs{hint}."
            )
    return outputs


def flatten(outputs: Sequence[Tensor], selected: Sequence[int]) -> Array:
    """Return the selected outputs as one float64 vector."""
    parts = [outputs[i].numpy().reshape(-1).astype(np.float64) for i in selected]
    return np.concatenate(parts) if parts else np.zeros(0)


def slopes(program: Program, point: Point, entry: int, step: Step) -> tuple[Array, Array, float]:
    """Return the numeric derivative of each row along one entry, how far it bends, and the step.

    The bend is the right slope minus the left one: small where the function is smooth.
    """
    x = float(point.start.flat[entry])
    h = step.of(x)
    up, down = x + h, x - h
    above, below = program.ends(point, entry, up, down)
    # A given ε is used as the lab writes it; a chosen one with the step the floats really made.
    width = 2 * h if step.eps is not None else up - down
    with np.errstate(all="ignore"):
        bend = (above - 2 * program.project(program.base) + below) / h
        return (above - below) / width, bend, h


def refine(program: Program, point: Point, entry: int, h: float) -> tuple[Array, Array]:
    """Return better derivatives along one entry, and their estimated errors.

    Richardson: from the differences D at ε and 4ε, (16 D(ε) − D(4ε)) / 15 is free of the ε² term.
    Of several ε the most consistent is taken; the small ones step between nearby kinks.
    """
    x = float(point.start.flat[entry])
    steps = h * 4.0 ** np.arange(-3, 4)
    central = []
    for each in steps:
        up, down = x + float(each), x - float(each)
        above, below = program.ends(point, entry, up, down)
        with np.errstate(all="ignore"):
            central.append((above - below) / (up - down))
    best = np.full_like(central[0], np.nan)
    error = np.full_like(central[0], np.inf)
    for each, fine, coarse in zip(steps, central, central[1:], strict=False):
        with np.errstate(all="ignore"):
            value = (16 * fine - coarse) / 15
            doubt = np.abs(value - fine) + ROUNDINGS * UNIT * program.scale() / each
        better = np.isfinite(doubt) & (doubt < error)
        best = np.where(better, value, best)
        error = np.where(better, doubt, error)
    return best, error


class Sides:
    """What a function does on either side of one entry's value, row by row.

    Attributes:
        left, right: the one-sided slopes at a small step.
        kink: True where they disagree however small the step.
        jump: True where the function itself jumps: its slope grows without bound.
        broken: True where it is not finite on one of the sides.
    """

    def __init__(self, program: Program, point: Point, entry: int, h: float) -> None:
        """Look at `h` and at h/16."""
        x = float(point.start.flat[entry])
        base = program.project(program.base)
        bends = []
        centers = []
        for each in (h, h / 16):
            above, below = program.ends(point, entry, x + each, x - each)
            with np.errstate(all="ignore"):
                self.left: Array = (base - below) / each
                self.right: Array = (above - base) / each
            bends.append(np.abs(self.right - self.left))
            centers.append(np.abs(above - below) / each)
        noise = ROUNDINGS * UNIT * program.scale() / (h / 16)
        self.broken: Array = ~(np.isfinite(self.left) & np.isfinite(self.right))
        with np.errstate(all="ignore"):
            # Smooth functions bend 16 times less at a 16 times smaller step.
            self.kink: Array = (bends[1] > 0.3 * bends[0]) & (bends[1] > 4 * noise)
            self.jump: Array = (bends[1] + centers[1] > 8 * (bends[0] + centers[0])) & (
                centers[1] > 4 * noise
            )
        self.noise: Array = noise
