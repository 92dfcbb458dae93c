"""What layers with a weight and a bias have in common: their names, and the courses' words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import errors
from .module import Module
from .parameter import Parameter


class Layer(Module):
    """A layer with a weight and a bias: W[l] and b[l], and Z[l] for what it computes."""

    is_layer = True
    symbols = {"weight": "W", "bias": "b"}

    weight: Parameter
    bias: Parameter | None
    # Names of the results, once the model has numbered its layers.
    _z: str | None = None
    _a: str | None = None

    @property
    def W(self) -> Parameter:
        """The weight, as the courses call it."""
        return self.weight

    @W.setter
    def W(self, value: Any) -> None:
        self.weight = value

    @property
    def b(self) -> Parameter | None:
        """The bias, as the courses call it."""
        return self.bias

    @b.setter
    def b(self, value: Any) -> None:
        self.bias = value

    def name_results(self) -> None:
        """Prepare the names ``Z[l]`` and ``A[l]``."""
        vars(self).update(_z=f"Z[{self._layer}]", _a=f"A[{self._layer}]")

    def get_weights(self) -> list[Any]:
        """Return copies of W and b as arrays (W alone without bias), as Keras does."""
        return [p.numpy().copy() for p in (self.weight, self.bias) if p is not None]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set W and b from arrays, as Keras does.

        Raises:
            StateDictError: a wrong number of arrays, or wrong shapes. Nothing is then changed.

        Example:
            >>> import numpy as np
            >>> from tinygrad_course import nn
            >>> layer = nn.Dense(1, 1)
            >>> layer.set_weights([np.array([[200.0]]), np.array([100.0])])
            >>> layer([[1.0], [2.0]]).tolist()
            [[300.0], [500.0]]
        """
        names = [name for name, _ in self.own_parameters()]
        if len(weights) != len(names):
            raise errors.StateDictError(
                f"{type(self).__name__}.set_weights: got {len(weights)} arrays, expected "
                f"{len(names)}: [{', '.join(names)}]."
            )
        values = dict(zip(names, weights, strict=True))
        self.load_state_dict({**self.state_dict(), **values})

    def _label(self) -> str:
        kind = type(self).__name__
        return f"{kind} (layer {self._layer})" if self._layer else kind
