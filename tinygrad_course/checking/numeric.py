"""The reference for a forward pass in plain NumPy: traced if possible, else by differences.

A NumPy function that accepts tensors is recorded as it runs, and derived like a model; a random
direction by differences says whether the record is complete. Otherwise each derivative is a
difference: by a complex step, which has no rounding, where the function stands complex numbers, and
central in float64 where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..derivation.lines import derive
from ..modes import enable_grad
from ..tensor import Tensor, as_tensor
from .calling import Supply, flattened, quietly, sentence_on, supplied
from .differences import BEST
from .judgement import difference
from .tape import Tape

Array = NDArray[Any]

# More differences than this take minutes.
MOST = 50_000
_DATA = ("x", "y", "a0", "labels", "targets", "inputs", "x_train", "y_train")


class FailedForward(Exception):
    """The learner's forward pass raised; the message says what and where."""


class Forward:
    """A cost as a plain function of named arrays.

    Args:
        function: the learner's forward pass.
        inputs: its arguments by name; parameters may stand in dictionaries.
        wrt: names of what to differentiate by; None chooses the parameters.
    """

    def __init__(self, function: Callable[..., Any], inputs: Any, wrt: Any) -> None:
        self.function = function
        if not isinstance(inputs, Mapping) or not inputs:
            raise errors.ArgumentError(
                f"check_backprop: got a function and inputs={type(inputs).__name__}; expected its "
                'arguments by name: inputs={"X": X, "Y": Y, "W1": W1, …}.'
            )
        self.inputs = dict(inputs)
        self.values = {
            name: value.numpy() if isinstance(value, Tensor) else value
            for name, value in flattened(inputs).items()
        }
        self.wrt = self._chosen(wrt)
        self.start = {n: np.array(self.values[n], np.float64) for n in self.wrt}

    def _chosen(self, wrt: Any) -> list[str]:
        floats = {
            n
            for n, v in self.values.items()
            if isinstance(v, (float, np.ndarray, np.floating)) and np.asarray(v).dtype.kind == "f"
        }
        if wrt is not None:
            listed = [wrt] if isinstance(wrt, str) else [str(w) for w in wrt]
            names = [w if w in floats else w[1:] for w in listed]
            unknown = [w for w, n in zip(listed, names, strict=True) if n not in floats]
            if unknown:
                raise errors.ArgumentError(
                    f"check_backprop: wrt names {unknown[0]!r}, which is not among the floats of "
                    f"inputs: {', '.join(sorted(floats))}."
                )
            return names
        nested = [k for v in self.inputs.values() if isinstance(v, Mapping) for k in flattened(v)]
        if nested:
            return [n for n in nested if n in floats]
        weights = [n for n in self.values if n in floats and n[0] in "Wwbθ"]
        weights += [n for n in self.values if n in floats and n.startswith("theta")]
        if not weights:
            raise errors.NothingToCheckError(
                "check_backprop: no argument of the function looks like a parameter (W1, b1, w, b, "
                "theta). Say which are: wrt=['W1', …]."
            )
        return weights

    def __call__(self, moved: Mapping[str, Any]) -> Any:
        """Return the cost with some values replaced."""
        values = {**self.values, **moved}
        given: dict[str, Any] = {}
        for name, value in self.inputs.items():
            given[name] = _replaced(value, values) if isinstance(value, Mapping) else values[name]
        parameters = [n for n in self.wrt if n in values]
        arguments, failure = supplied(self.function, Supply(values, parameters, given))
        if failure:
            raise FailedForward(failure)
        try:
            with quietly():
                returned = self.function(*arguments.values())
        except Exception as error:
            raise FailedForward(sentence_on(error, _name(self.function))) from None
        return self._cost(returned)

    def _cost(self, returned: Any) -> Any:
        parts = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        if isinstance(returned, Mapping):
            parts = [v for k, v in returned.items() if str(k).lower() in ("cost", "j", "loss")]
        for part in parts:
            numeric = isinstance(part, (int, float, complex, np.number, np.ndarray, Tensor))
            if numeric and np.size(part.numpy() if isinstance(part, Tensor) else part) == 1:
                return part
        raise FailedForward(
            f"{_name(self.function)} returned {type(returned).__name__}, expected the cost, a "
            "single number (or a tuple with it)."
        )


def _replaced(value: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: _replaced(v, values) if isinstance(v, Mapping) else values.get(str(k), v)
        for k, v in value.items()
    }


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def reference(function: Callable[..., Any], inputs: Any, wrt: Any) -> tuple[Tape, str]:
    """Return the derivatives of a NumPy cost as a tape, and how they were found, in words.

    Raises:
        FailedForward: the function raised, or returned no cost.
        ArgumentError: `inputs` or `wrt` do not fit.
    """
    forward = Forward(function, inputs, wrt)
    cost = float(np.real(np.asarray(forward({})).item()))
    traced = _traced(forward, cost)
    if traced is not None:
        return traced, f"derived from {_name(function)}, recorded as it ran, in float64"
    size = sum(v.size for v in forward.start.values())
    if size > MOST:
        raise errors.ArgumentError(
            f"check_backprop: {_name(function)} cannot be recorded, and {size} differences are too "
            f"many (at most {MOST}). Write the forward pass in tensors, or choose with wrt=…."
        )
    gradients, how = _by_differences(forward)
    tape = _as_tape(gradients)
    tape.opaque = True
    tape.m = _examples(forward)
    return tape, f"{how} of {_name(function)}, in float64"


# --- recorded -------------------------------------------------------------------------------------


def _traced(forward: Forward, cost: float) -> Tape | None:
    """Return the derivation of a function that tensors pass through, None for others."""
    tensors: dict[str, Any] = {}
    for name, value in forward.values.items():
        array = np.asarray(value)
        if name in forward.wrt:
            tensors[name] = as_tensor(forward.start[name].copy()).requires_grad_()
            tensors[name].name = name
        elif array.dtype.kind == "f" and array.ndim:
            tensors[name] = as_tensor(array.astype(np.float64))
            tensors[name].name = name
    try:
        with enable_grad():
            result = forward(tensors)
        if not isinstance(result, Tensor) or not np.isclose(result.item(), cost, rtol=1e-9):
            return None
        plain = derive(result, mean="exact")
        tape = Tape(plain, derive(result, mean="exact", links="all"))
    except (FailedForward, errors.TinygradCourseError, TypeError, ValueError, AttributeError):
        return None
    return tape if _is_complete(tape, forward) else None


def _is_complete(tape: Tape, forward: Forward) -> bool:
    """Return True when a derivative along a random direction agrees with a difference."""
    rng = np.random.default_rng(0)
    direction = {n: rng.normal(size=v.shape) for n, v in forward.start.items()}
    slope = 0.0
    for name, d in direction.items():
        index = tape.names.get(f"d{name}")
        if index is None or tape.right[index] is None:
            return False
        slope += float(np.sum(np.asarray(tape.right[index]) * d))
    ends = []
    for sign in (1, -1):
        moved = {n: forward.start[n] + sign * BEST * d for n, d in direction.items()}
        ends.append(float(np.real(np.asarray(forward(moved)).item())))
    numeric = (ends[0] - ends[1]) / (2 * BEST)
    return bool(np.isclose(slope, numeric, rtol=1e-4, atol=1e-8))


# --- differences ----------------------------------------------------------------------------------


def _by_differences(forward: Forward) -> tuple[dict[str, Array], str]:
    """Return the gradients by a complex step if that agrees with a difference, else by those."""
    try:
        found = {n: _slopes(forward, n, _complex_step) for n in forward.wrt}
    except (FailedForward, TypeError, ValueError):
        found = {}
    central = {n: _slopes(forward, n, _central) for n in forward.wrt}
    if found and all(difference(found[n], central[n]) <= 1e-6 for n in central):
        return found, "complex-step derivatives"
    return central, f"central differences (ε = {BEST:.3g}·max(1, |θ|))"


def _slopes(forward: Forward, name: str, along: Callable[..., float]) -> Array:
    start = forward.start[name]
    result = np.zeros(start.shape)
    for place in np.ndindex(start.shape):
        result[place] = along(forward, name, start, place)
    return result


def _complex_step(forward: Forward, name: str, start: Array, place: tuple[int, ...]) -> float:
    """J′(θ) = Im J(θ + ih) / h, exact to rounding for any small h."""
    moved = start.astype(np.complex128)
    moved[place] += 1e-30j
    value: Any = np.asarray(forward({name: moved})).item()
    if not isinstance(value, complex):
        raise TypeError("the imaginary part was lost")
    return float(value.imag) / 1e-30


def _central(forward: Forward, name: str, start: Array, place: tuple[int, ...]) -> float:
    """J′(θ) ≈ (J(θ + ε) − J(θ − ε)) / 2ε."""
    ends: list[float] = []
    h: float = BEST * max(1.0, abs(float(start[place])))
    for sign in (1, -1):
        moved = start.copy()
        moved[place] += sign * h
        ends.append(float(np.real(np.asarray(forward({name: moved})).item())))
    return float(ends[0] - ends[1]) / (2 * h)


def _as_tape(gradients: Mapping[str, Array]) -> Tape:
    """Return a tape whose gradients are these: of the linear cost Σ G · θ."""
    one = as_tensor(np.float64(1.0))
    total: Any = 0.0
    for name, gradient in gradients.items():
        theta = as_tensor(np.zeros(gradient.shape)).requires_grad_()
        theta.name = name
        total = total + (theta * as_tensor(gradient) * one).sum()
    return Tape(derive(total, mean="exact"), derive(total, mean="exact", links="all"))


def _examples(forward: Forward) -> int | None:
    """Return the number of examples: the length that the data share and the parameters lack."""
    lengths = [
        set(np.shape(v)) for n, v in forward.values.items() if n.lower() in _DATA and np.ndim(v)
    ]
    taken = {k for v in forward.start.values() for k in v.shape} | {1}
    shared = set.intersection(*lengths) - taken if lengths else set()
    return min(shared, default=None)
