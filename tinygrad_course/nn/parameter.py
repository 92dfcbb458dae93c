"""The parameter: a tensor that a module finds by itself and an optimizer adjusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..tensor import Tensor, to_array, wrap

if TYPE_CHECKING:
    from ..tensor import Array


class Parameter(Tensor):
    """A leaf tensor that training adjusts: a weight or a bias.

    Assigned to an attribute of a `Module`, it is registered there: ``parameters()`` yields it and
    ``state_dict()`` holds it.

    Args:
        data: a tensor, whose memory is shared as in PyTorch; or numbers, lists or arrays, which are
            copied.
        requires_grad: False for a parameter that training leaves alone.
        name: how equations and pictures call it. A parameter without one is named by the model it
            belongs to, ``W[1]`` or ``b[1]`` in a layer, at the model's first call.

    Raises:
        DtypeError: integer data with ``requires_grad``, or data that is not numeric.

    Example:
        >>> from tinygrad_course import nn
        >>> w = nn.Parameter([1.0, 2.0], name="w")
        >>> w
        tensor([1., 2.], requires_grad=True, name='w')
    """

    # `layout` says which axis counts the inputs ("rows": the first), for initializers; `_named` is
    # False while the name is one that a model gave, and may give anew.
    __slots__ = ("layout", "_named")

    layout: str | None
    _named: bool

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None) -> None:
        """Make a leaf of `data`."""
        if isinstance(data, Tensor):
            self._start(data._data)
            self._memory = data._stamp()
        else:
            self._start(to_array(data, copy=True))
        self._name = name
        self._named = name is not None
        self.layout = None
        if requires_grad:
            self.requires_grad_()

    @property
    def name(self) -> str | None:
        """How equations, pictures and messages call this parameter."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        self._named = name is not None

    def suggest_name(self, name: str) -> None:
        """Take a name that a model gives, unless the user gave one."""
        if not self._named:
            self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self._requires_grad, self._name, self._named, self.layout, self.grad)
        return _restore, (self._data.copy(), *state)


def _restore(
    array: Array,
    requires_grad: bool,
    name: str | None,
    named: bool,
    layout: str | None,
    grad: Tensor | None,
) -> Parameter:
    out = wrap(array, Parameter)
    assert isinstance(out, Parameter)
    out._requires_grad = requires_grad
    out._name = name
    out._named = named
    out.layout = layout
    out.grad = grad
    return out
