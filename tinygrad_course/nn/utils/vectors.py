"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_course.errors import ShapeError
from tinygrad_course.modes import no_grad
from tinygrad_course.ops.join import cat
from tinygrad_course.tensor import Tensor, as_tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all parameters, each in row-major order, as one vector; gradients pass back.

    Example:
        >>> from tinygrad_course import nn
        >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
        (8,)
    """
    vector: Tensor = cat([p.reshape(-1) for p in parameters])
    return vector


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Write the numbers of a vector into parameters, in place, in the order of their memory.

    Args:
        vec: as many numbers as the parameters have elements together.
        parameters: what is written to.

    Raises:
        ShapeError: another number of elements; nothing is then changed.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> layer = nn.Linear(2, 1)
        >>> nn.utils.vector_to_parameters(tc.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.weight.tolist(), layer.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    vector, targets = as_tensor(vec).detach(), list(parameters)
    wanted = sum(p.numel() for p in targets)
    if vector.shape != (wanted,):
        raise ShapeError(
            f"vector_to_parameters: got a vector of shape {vector.shape} for parameters with "
            f"{wanted} elements; expected ({wanted},)."
        )
    start = 0
    with no_grad():
        for p in targets:
            p.copy_(vector[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
