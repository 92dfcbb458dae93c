"""Loading a state dict into a module: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import errors
from ..modes import no_grad
from ..tensor import Tensor, to_array

if TYPE_CHECKING:
    from ..tensor import Array
    from .module import Module


class IncompatibleKeys(NamedTuple):
    """What did not match in a state dict that was loaded with ``strict=False``."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load(module: Module, state: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    """Write `state` into `module`, or raise one error that lists all that is wrong."""
    name = type(module).__name__
    if not isinstance(state, Mapping):
        raise errors.DtypeError(
            f"{name}.load_state_dict: needs a dictionary of tensors or arrays, got "
            f"{type(state).__name__}. tc.load(path) returns one."
        )
    targets = dict(module._state())
    empty = _empty_buffers(module)
    missing = [key for key in targets if key not in state]
    unknown = [key for key in state if key not in targets and key not in empty]
    problems = []
    if strict and missing:
        problems.append(f"missing: {', '.join(missing)}")
    if strict and unknown:
        problems.append(f"unknown: {', '.join(map(str, unknown))}")
    arrays: dict[str, Array] = {}
    for key, value in state.items():
        if key in targets or key in empty:
            try:
                # Python numbers at the target's precision; arrays are cast when written. A copy:
                # the state may share memory with this module.
                plain = key in targets and isinstance(value, (list, tuple, float, int))
                arrays[key] = to_array(value, targets[key].dtype if plain else None, copy=True)
            except errors.TinygradCourseError as error:
                problems.append(f"{key}: {str(error).rstrip('.')}")
                continue
            if key in targets:
                problems.extend(_misfits(key, targets[key], arrays[key]))
    if problems:
        raise errors.StateDictError(
            f"{name}.load_state_dict: the state does not fit this module; nothing was changed. "
            + "; ".join(problems)
            + ". Build the model as it was when the state was saved"
            + (", or pass strict=False to load the keys that match." if strict else ".")
        )
    with no_grad():
        for key, array in arrays.items():
            if key in targets:
                targets[key].copy_(array)
            else:
                owner, attribute = empty[key]
                setattr(owner, attribute, Tensor(array))
    return IncompatibleKeys(missing, unknown)


def _empty_buffers(module: Module) -> dict[str, tuple[Module, str]]:
    """Return path -> place of the buffers that get their first value from a state dict."""
    places = {}
    for path, part in module.named_modules():
        for attribute in part.filled_by_state:
            if getattr(part, attribute) is None:
                places[f"{path}.{attribute}" if path else attribute] = (part, attribute)
    return places


def _misfits(key: str, target: Tensor, array: Array) -> list[str]:
    """Return what is wrong with `array` as the new value of `target`."""
    problems = []
    if array.shape != target.shape:
        hint = ""
        if array.ndim == 2 and array.T.shape == target.shape:
            hint = " (its transpose would fit: rows store W as (in, out), columns as (out, in))"
        elif array.size == target._data.size:
            hint = " (as many numbers: reshape it)"
        problems.append(f"{key} has shape {array.shape}, expected {target.shape}{hint}")
    if not target._data.flags.writeable:
        problems.append(f"{key} is read-only here")
    return problems
