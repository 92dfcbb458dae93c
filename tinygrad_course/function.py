"""Custom operations: subclass `Function` with a `forward` and a `backward`, as in PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import errors
from .journal import active
from .node import RECORD_ALL, RECORD_GRAD, TRACING, recording
from .op import Op
from .tensor import Tensor, apply, as_tensor, note_same, wrap

# What may depend on the values of tensors.
_VALUES = (Tensor, np.ndarray, np.generic, bool, int, float)


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attribute you set."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        """Start with nothing saved."""
        self.needs_input_grad = needs_input_grad
        self.saved: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for `backward`, where they are ``ctx.saved_tensors``."""
        self.saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors kept by `save_for_backward`."""
        return self.saved


class Function:
    """A custom operation with its own derivative.

    Subclass it with two static methods. ``forward(ctx, *args)`` computes from tensors and returns a
    tensor or a tuple of them; ``backward(ctx, *grads)`` takes one cotangent per output and returns
    one per argument of `forward`, None where there is none. Call it with ``apply``. When `backward`
    uses tensor operations on saved tensors, higher derivatives work too.

    Raises:
        GraphError: `backward` returned another number of gradients than `forward` has arguments.
        ShapeError: a gradient of another shape than its argument.

    Example:
        >>> import tinygrad_course as tc
        >>> class Cube(tc.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return g * 3 * x**2
        >>> x = tc.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute the result; override it."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Compute one gradient per argument of `forward`; override it."""
        raise NotImplementedError("a Function needs a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute `forward` and record it with `backward` as its derivative."""
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx = Context(needs)
        mode = recording.get()
        # Inside, values may be looked at: the graph has the operation as a whole.
        token = recording.set(mode & ~(RECORD_GRAD | TRACING))
        try:
            result = cls.forward(ctx, *args)
        finally:
            recording.reset(token)
        if mode & TRACING and (journal := active()) is not None:
            journal.unrepeatable = journal.unrepeatable or _kept_aside(cls, ctx, args, result)
        many = isinstance(result, (tuple, list))
        outputs = [as_tensor(r) for r in (result if many else (result,))]
        if not (any(needs) and mode & RECORD_GRAD) and not mode & RECORD_ALL:
            return tuple(outputs) if many else outputs[0]
        tracked = _record(cls, ctx, args, outputs)
        return tuple(tracked) if many else tracked[0]


def _kept_aside(cls: type[Function], ctx: Context, args: tuple[Any, ...], result: Any) -> str:
    """Return why a replay may not do what `backward` does with what `forward` left, or nothing."""
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    known = [*args, *outputs]
    lengths = {n for a in known for n in getattr(a, "shape", ())}
    for name, value in vars(ctx).items():
        if name == "needs_input_grad":
            continue
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if any(part is a for a in known) or not isinstance(part, _VALUES):
                continue
            if isinstance(part, int) and (part in lengths or any(part == a for a in args)):
                continue
            called = "a tensor of its own" if name == "saved" else f"ctx.{name}"
            return (
                f"{cls.__name__}.forward leaves {called} to backward, which may depend on values; "
                "save arguments and results with ctx.save_for_backward alone"
            )
    return ""


def _record(
    cls: type[Function], ctx: Context, args: tuple[Any, ...], outputs: list[Tensor]
) -> list[Tensor]:
    """Record one node for the call; several outputs are pieces of its flat result."""
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    # Saving an output itself would close a cycle node → ctx → output → node; keep its values only.
    ids = {id(y): k for k, y in enumerate(outputs)}
    places_saved = [ids.get(id(s)) for s in ctx.saved]
    ctx.saved = tuple(
        s if k is None else wrap(s._data) for s, k in zip(ctx.saved, places_saved, strict=True)
    )
    shapes = [y.shape for y in outputs]
    single = len(outputs) == 1
    first: list[Any] = [[a._data for a in args if isinstance(a, Tensor)], outputs]

    def forward(*arrays: Any) -> Any:
        if first and all(a is b for a, b in zip(first[0], arrays, strict=True)):
            values = [y._data for y in first[1]]
            first.clear()
        else:  # a replay on other inputs
            fresh = list(args)
            for i, array in zip(places, arrays, strict=True):
                fresh[i] = wrap(array)
            result = cls.forward(Context(ctx.needs_input_grad), *fresh)
            values = [as_tensor(r)._data for r in (result if not single else (result,))]
        return values[0].copy() if single else np.concatenate([v.reshape(-1) for v in values])

    last: list[Any] = [None, ()]

    def pull(g: Any, i: int, xs: Any) -> Any:
        if last[0] is not g:  # one call of `backward` serves all inputs
            last[:] = [g, _backward(cls, ctx, g, shapes, len(args))]
        result = last[1][places[i]]
        if i == max(k for k, p in enumerate(places) if ctx.needs_input_grad[p]):
            last[:] = [None, ()]
        if result is None:
            return np.zeros_like(xs[i])
        if np.shape(result) != np.shape(xs[i]):
            raise errors.ShapeError(
                f"{cls.__name__}.backward: returned shape {np.shape(result)} for argument "
                f"{places[i]} of shape {np.shape(xs[i])}; they must be equal."
            )
        if isinstance(g, Tensor):
            return as_tensor(result)
        return np.array(result._data if isinstance(result, Tensor) else result)

    made = Op(
        cls.__name__,
        forward,
        inputs=("xs",),
        rules={"xs": pull},
        kind="custom",
        variadic=True,
        doc=cls.__doc__ or "",
    )
    flat = apply(made, tuple(args[i] for i in places))
    pieces = [flat] if single else _cut(flat, shapes)
    for s, k in zip(ctx.saved, places_saved, strict=True):
        if k is not None:
            note_same(s, pieces[k])
    return pieces


def _cut(flat: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Return the outputs that were joined into one vector."""
    pieces = []
    start = 0
    for shape in shapes:
        stop = start + math.prod(shape)
        pieces.append(flat[start:stop].reshape(shape))
        start = stop
    return pieces


def _backward(
    cls: type[Function], ctx: Context, g: Any, shapes: list[tuple[int, ...]], count: int
) -> tuple[Any, ...]:
    """Call the user's `backward` with one cotangent per output."""
    grad = g if isinstance(g, Tensor) else wrap(np.asarray(g))
    grads = _cut(grad, shapes) if len(shapes) > 1 else [grad]
    result = cls.backward(ctx, *grads)
    results = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    if len(results) != count:
        raise errors.GraphError(
            f"{cls.__name__}.backward: returned {len(results)} gradients, but forward takes "
            f"{count} arguments; return one for each, None where there is none."
        )
    return results
