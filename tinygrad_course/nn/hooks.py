"""Backward hooks of modules: looking at, or changing, the gradients that pass through a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..function import Function
from ..tensor import Tensor

Gradients = tuple[Any, ...]


class Gate(Function):
    """The identity of tensors; `told` hears the gradients that pass back, and may return others."""

    @staticmethod
    def forward(ctx: Any, told: Callable[[Gradients], Any], *xs: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors."""
        ctx.told = told
        return tuple(x.clone() for x in xs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        """Tell the gradients, and pass them on."""
        changed = ctx.told(gradients)
        return (None, *(gradients if changed is None else changed))


def call_between_gates(
    module: Any,
    hooks: dict[int, Callable[..., Any]],
    args: tuple[Any, ...],
    run: Callable[..., Any],
) -> Any:
    """Return ``run(*args)``; in a backward pass call ``hook(module, grad_input, grad_output)``.

    The hooks are called when the gradients of the arguments are known, with one entry for each
    argument (None where it needs no gradient) and for each result. Without an argument that needs a
    gradient they are called when those of the results are.
    """
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    seen: list[Gradients] = [()]

    def of_inputs(gradients: Gradients) -> Gradients:
        full: list[Any] = [None] * len(args)
        for place, gradient in zip(places, gradients, strict=True):
            full[place] = gradient
        for hook in list(hooks.values()):
            changed = hook(module, tuple(full), seen[0])
            if changed is not None:
                full = list(changed if isinstance(changed, tuple | list) else (changed,))
        return tuple(full[place] for place in places)

    def of_results(gradients: Gradients) -> None:
        seen[0] = gradients
        if not places:
            of_inputs(())

    if places:
        passed = list(args)
        gated = Gate.apply(of_inputs, *(args[i] for i in places))
        for place, tensor in zip(places, gated, strict=True):
            passed[place] = tensor
        args = tuple(passed)
    result = run(*args)
    many = isinstance(result, tuple | list)
    results = tuple(result) if many else (result,)
    tensors = [i for i, y in enumerate(results) if isinstance(y, Tensor) and y.requires_grad]
    if not tensors:
        return result
    gated = Gate.apply(of_results, *(results[i] for i in tensors))
    out = list(results)
    for place, tensor in zip(tensors, gated, strict=True):
        out[place] = tensor
    return tuple(out) if many else out[0]
