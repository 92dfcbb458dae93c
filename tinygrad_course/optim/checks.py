"""What optimizers and schedules ask of their arguments, with a sentence for what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from tinygrad_course.errors import ArgumentError, DtypeError, GraphError
from tinygrad_course.tensor import Tensor

__all__ = [
    "called",
    "checked_betas",
    "checked_number",
    "checked_parameters",
    "groups_of",
    "refuse_unknown",
]

# Arguments by which PyTorch chooses among implementations of the same formula.
WITHOUT_EFFECT = ("foreach", "fused", "capturable")


def checked_number(
    who: str, name: str, value: Any, least: float | None = None, below: float | None = None
) -> None:
    """Raise unless `value` is a number with ``least <= value < below``."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise DtypeError(
            f"{who}: got {name}={value!r} of type {type(value).__name__}, expected a number."
        )
    number = float(value)
    low = least is not None and not number >= least
    high = below is not None and not number < below
    if low or high or number != number:
        if below is None:
            wanted = f"a number >= {least}"
        else:
            wanted = f"{least} <= {name} < {below}"
        raise ArgumentError(f"{who}: got {name}={value!r}, expected {wanted}. Correct the value.")


def checked_betas(who: str, betas: Any) -> None:
    """Raise unless `betas` are two numbers in [0, 1)."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ArgumentError(
            f"{who}: got betas={betas!r}, expected two numbers. Pass for example (0.9, 0.999)."
        )
    for i, beta in enumerate(betas):
        checked_number(who, f"betas[{i}]", beta, least=0, below=1)


def checked_adam(who: str, group: Mapping[str, Any]) -> None:
    """Raise when an option that Adam and its relatives share is out of range."""
    checked_number(who, "eps", group["eps"], least=0)
    checked_number(who, "weight_decay", group["weight_decay"], least=0)
    checked_betas(who, group["betas"])


def refuse_unknown(who: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise for a keyword argument that is none of PyTorch's, or that asks for what is not here."""
    for name, value in given.items():
        if name in WITHOUT_EFFECT or (name == "differentiable" and not value):
            continue
        if name == "differentiable":
            raise ArgumentError(
                f"{who}: got differentiable=True, and a step is not differentiated here. Write "
                "the step as an expression of tensors instead: w = w - lr * g."
            )
        if name == "decoupled_weight_decay":
            if not value:
                continue
            raise ArgumentError(f"{who}: got decoupled_weight_decay=True. Use AdamW for that.")
        raise ArgumentError(
            f"{who}: got the unknown option {name!r}, expected some of {sorted(known)}. "
            "Correct the spelling."
        )


def groups_of(who: str, params: Any) -> list[Mapping[str, Any]]:
    """Return what an optimizer is given as a list of groups."""
    if isinstance(params, Tensor):
        raise DtypeError(
            f"{who}: got one tensor, expected an iterable of tensors. Put it in a list: [w]."
        )
    if isinstance(params, Mapping) or not isinstance(params, Iterable):
        raise DtypeError(
            f"{who}: got a {type(params).__name__} as parameters, expected an iterable of "
            "tensors or of groups. Pass model.parameters()."
        )
    _refuse_set(who, params)
    listed = list(params)
    if not listed:
        raise ArgumentError(
            f"{who}: got no parameters, expected at least one. A generator such as "
            "model.parameters() is used up after one pass; or the model has none."
        )
    if isinstance(listed[0], Mapping):
        return listed
    return [{"params": listed}]


def checked_parameters(who: str, params: Any, taken: set[int]) -> tuple[list[Tensor], list[str]]:
    """Return the tensors of a group, each usable as a parameter, and their names if given.

    Args:
        who: the optimizer, for messages.
        params: what the group has under "params".
        taken: the ids of the tensors that other groups have; those found here are added.
    """
    _refuse_set(who, params)
    listed = [params] if isinstance(params, Tensor) else list(params)
    if not listed:
        raise ArgumentError(f"{who}: got a parameter group without parameters. Leave it out.")
    pairs = [p for p in listed if isinstance(p, tuple) and len(p) == 2]
    if pairs and len(pairs) != len(listed):
        raise DtypeError(
            f"{who}: got tensors with and without names, expected one kind. Pass "
            "model.parameters(), or model.named_parameters()."
        )
    names = [str(name) for name, _ in pairs]
    tensors = [p for _, p in pairs] if pairs else listed
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise DtypeError(
                f"{who}: got a {type(p).__name__} as parameter {i}, expected a tensor. "
                "Make it one: tc.tensor(data, requires_grad=True)."
            )
        what = f"{who}: parameter {i}{called(p)} of shape {p.shape}"
        if not p.is_leaf:
            raise GraphError(
                f"{what} was computed by {p._node and p._node.op.name!r}, expected a leaf: "
                "changing it would not change what it was computed from. Pass the leaves, or "
                "p.detach().requires_grad_()."
            )
        if not p._requires_grad:
            raise GraphError(
                f"{what} does not require grad, so it would never change. "
                "Leave it out, or call p.requires_grad_()."
            )
        if not p._data.flags.writeable:
            raise ArgumentError(
                f"{what} has read-only memory, which cannot be updated. Pass p.clone()."
            )
        if id(p) in taken:
            raise ArgumentError(
                f"{what} is given twice, so it would be updated twice. "
                "Give each parameter once, in one group."
            )
        taken.add(id(p))
    return tensors, names


def called(p: Tensor) -> str:
    """Return the name of a parameter as it stands in a message, if it has one."""
    return f" {p.name!r}" if p.name else ""


def _refuse_set(who: str, params: Any) -> None:
    if isinstance(params, set | frozenset):
        raise DtypeError(
            f"{who}: got a set of parameters, whose order changes from run to run; expected an "
            "ordered collection, since state dicts number the parameters. Pass a list."
        )
