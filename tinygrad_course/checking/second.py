"""The check of second derivatives: the gradient, as a function, put to the same check."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from .. import errors
from ..autograd import grad
from ..modes import enable_grad
from ..tensor import Tensor, as_tensor, wrap
from .check import compare
from .comparison import Options
from .differences import tensors_of
from .inputs import Given, read
from .report import GradientReport
from .state import Point, Surroundings, reached


def check_second(
    f: Callable[..., Any], inputs: Any, grad_outputs: Any, options: Options
) -> GradientReport:
    """Compare derivatives of the gradient of `f`, in its inputs and in its cotangents."""
    given = read(f, inputs)
    chosen, shapes = _outputs(given, reached(f))
    cotangents = _cotangents(grad_outputs, shapes, options.seed)
    tensors = [p.tensor for p in given.points]

    def gradient() -> tuple[Tensor, ...]:
        outputs = tensors_of(given.call())
        found = grad(
            [outputs[i] for i in chosen], tensors, cotangents, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None)

    second = Given(gradient, given.roots)
    second.notes = given.notes
    second.points = [
        *given.points,
        *(Point(v, f"cotangent of output {i}") for i, v in zip(chosen, cotangents, strict=True)),
    ]
    return compare(second, reached(f), options)


def _outputs(given: Given, roots: list[Any]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Return which outputs require grad, and their shapes."""
    around = Surroundings([*roots, *given.roots], given.points)
    with ExitStack() as stack, enable_grad():
        parts: list[Surroundings | Point] = [around]
        for part in (*parts, *given.points):
            stack.callback(part.end)
            part.begin()
        outputs = tensors_of(given.call())
    chosen = [i for i, y in enumerate(outputs) if y.requires_grad]
    if not chosen:
        raise errors.NothingToCheckError(
            "gradgradcheck: no output requires grad, so there is no gradient to differentiate. "
            "gradcheck names the reason."
        )
    return chosen, [outputs[i].shape for i in chosen]


def _cotangents(given: Any, shapes: list[tuple[int, ...]], seed: int) -> list[Tensor]:
    """Return a cotangent per output: those given, or seeded random ones."""
    if given is None:
        random = np.random.default_rng(seed)
        arrays = [np.asarray(random.standard_normal(shape)) for shape in shapes]
    else:
        many = given if isinstance(given, (tuple, list)) else (given,)
        arrays = [np.array(as_tensor(v).numpy(), dtype=np.float64) for v in many]
        if [a.shape for a in arrays] != shapes:
            raise errors.ShapeError(
                f"gradgradcheck: grad_outputs has shapes {[a.shape for a in arrays]}, the outputs "
                f"that require grad have {shapes}; give one of equal shape for each."
            )
    return [wrap(a).requires_grad_() for a in arrays]
