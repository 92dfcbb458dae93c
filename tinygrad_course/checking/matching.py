"""What a learner handed in, sorted out: which of their arrays is which quantity of the derivation.

Names differ: dW1, dW[1], grads_W1, dJdW1 are one quantity, and Welch's delta3 is the dZ2 of others.
A value that is not recognised by its name is recognised by its numbers, if they are right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tensor import Tensor
from .judgement import Given, difference, judge
from .tape import Tape

Array = NDArray[Any]

_PREFIX = re.compile(r"(grads?|gradients?|d[JLCj]_?d|∂[JL]/∂|[dδ∂]_|derivatives?)[ _.]?")
_SUFFIX = re.compile(r"[ _.](grads?|gradients?)$")
_COSTS = ("cost", "j", "loss", "total_cost", "cost_total")
_PREDICTED = ("yhat", "y_hat", "a_out", "p", "al", "a[l]", "predictions", "probs")


class Names:
    """What a learner's names mean, given all of them.

    Args:
        tape: the derivation.
        keys: all names handed in.
        spoken: the user's own dictionary, learner's name -> ours.
    """

    def __init__(self, tape: Tape, keys: Sequence[str], spoken: Mapping[str, str]) -> None:
        self.tape = tape
        self.spoken = {str(k): plain(str(v)) for k, v in spoken.items()}
        layers = [int(n) for n in re.findall(r"\bW(\d+)\b", " ".join(tape.names))]
        self.layers = max(layers, default=1)
        self.single = max(layers, default=0) <= 1
        numbers = [_number(k, r"(?:delta|z|a)_?(\d+)") for k in keys]
        # Welch counts the input as layer 1: his z2 is Z1, his delta3 is dZ2.
        self.shift = 1 if self.layers + 1 in numbers else 0

    def find(self, key: str) -> tuple[str, bool]:
        """Return our name of what a learner calls `key`, or "", and whether it is just that."""
        if key in self.spoken:
            return self.spoken[key], True
        for name in self._spellings(key):
            if name in self.tape.names:
                return name, True
        lower = {n.lower(): n for n in self.tape.names if n[0] in "dWwbB"}
        for name in self._spellings(key):
            found = lower.get(name.lower())
            if found is not None:
                return found, self.single and name[:-1].lower() == found[:-1].lower()
        return "", False

    def _spellings(self, key: str) -> list[str]:
        """Return what `key` may mean, the likeliest first."""
        stem = _SUFFIX.sub("", key.strip())
        rest = _PREFIX.sub("", stem, count=1) if _PREFIX.match(stem) else stem
        derivative = stem != key.strip() or rest != stem
        name = plain(rest)
        low = name.lower()
        if low in _COSTS and not derivative:
            return [self.tape.called.get(self.tape.cost, "J")]
        if low in _PREDICTED or low in tuple("d" + n for n in _PREDICTED):
            d = "d" if low[0] == "d" or derivative else ""
            return [f"{d}A{self.layers}", f"{d}A", f"{d}a"]
        delta = _number(name, r"(?:delta|δ)(\d*)")
        if delta is not None:
            return [f"dZ{delta - self.shift}" if delta else "dZ", "dz"]
        found = [f"d{name}"] if derivative else [name]
        if not derivative and not name.startswith("d"):
            found.append(f"d{name}")
        shifted = re.fullmatch(r"([za])(\d+)", name)
        if self.shift and shifted is not None:
            found = [f"{shifted[1].upper()}{int(shifted[2]) - 1}"]
        more = []
        for each in found:
            if self.single:  # dw of a single unit is the dW1 of a layer, and the other way round
                base = re.sub(r"\d+$", "", each)
                more += [base, base + "1", _swapped(base), _swapped(base) + "1"]
            head = re.fullmatch(r"(d?)([za])(\d*)", each)
            if head is not None:
                more.append(f"{head[1]}{head[2].upper()}{head[3]}")
        if name == "A0":
            more.append("X")
        return found + more

    def show(self, given: Mapping[int, Given]) -> None:
        """Let the tape write values as the learner calls them."""
        if self.shift:
            for index, name in self.tape.called.items():
                self.tape.shown[index] = self._welch(name)
        for index, mine in given.items():
            self.tape.shown[index] = mine.key

    def _welch(self, name: str) -> str:
        """Return what Welch calls one of our values: z2 for Z1, delta3 for dZ2."""
        match = re.fullmatch(r"(d?)([ZA])(\d+)", name)
        if match is None:
            return re.sub(r"^d(?=W\d)", "dJd", name)
        number = int(match[3]) + self.shift
        if match[2] == "Z":
            return f"delta{number}" if match[1] else f"z{number}"
        own = "yHat" if number == self.layers + self.shift else f"a{number}"
        return f"dJd{own}" if match[1] else own

    def close(self, name: str, keys: Sequence[str]) -> str:
        """Return the one of `keys` that may be a misspelt `name`, or ""."""
        low = {plain(k).lower(): k for k in reversed(keys)}
        found = difflib.get_close_matches(name.lower(), low, n=1, cutoff=0.65)
        return low[found[0]] if found else ""


def plain(name: str) -> str:
    """Return a name without brackets and underscores before a number: dW[1] and dW_1 are dW1."""
    return re.sub(r"[\[_{(^]+(\d+)[\])}]*$", r"\1", name.strip())


def _swapped(name: str) -> str:
    """Return dW for dw, and dw for dW."""
    return name[:-1] + name[-1:].swapcase()


def _number(text: str, pattern: str) -> int | None:
    match = re.fullmatch(pattern, plain(text))
    return int(match[1] or 0) if match else None


# --- arrays ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A value of the learner's that cannot be compared.

    Attributes:
        key: the learner's name for it.
        index: the quantity it should have been.
        kind: the kind of problem.
        sentence: what is wrong, and the cure.
    """

    key: str
    index: int
    kind: str
    sentence: str


def as_array(value: Any) -> tuple[Array | None, str, str]:
    """Return a learner's value as an array of floats; or None, what is wrong, and a sentence."""
    if value is None:
        return None, "missing", "is None: was it never computed, or not returned?"
    if isinstance(value, Tensor):
        value = value.numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind in "iub" or array.dtype == object:
            array = array.astype(np.float64)
    except Exception:  # whatever an object's conversion raises
        kind = type(value).__name__
        if isinstance(value, (list, tuple)):
            return (
                None,
                "dtype",
                f"is a {kind} that is no array: its rows differ in length or type.",
            )
        return None, "dtype", f"is of type {kind}, expected an array of numbers."
    if array.dtype.kind == "c":
        return None, "dtype", f"is complex ({array.dtype}); a derivative is real: take its .real."
    if array.dtype.kind != "f":
        return None, "dtype", f"is an array of {array.dtype}, expected numbers."
    return array, "", ""


def fitted(raw: Array, shape: tuple[int, ...], updates: bool) -> Array | None:
    """Return `raw` in another shape if the difference does no harm, else None.

    Axes of length 1 may be more or fewer. A gradient must also leave its parameter's size alone in
    W − α dW: (4,) from (4, 1) would make a (4, 4) of it.
    """
    if raw.shape == shape:
        return raw
    if tuple(n for n in raw.shape if n != 1) != tuple(n for n in shape if n != 1):
        return None
    if updates:
        result = np.broadcast_shapes(raw.shape, shape)
        if int(np.prod(result)) != int(np.prod(shape)):
            return None
    return raw.reshape(shape)


def assign(
    tape: Tape, yours: Mapping[str, Any], spoken: Mapping[str, str], tolerance: float
) -> tuple[dict[int, Given], list[Problem], list[str]]:
    """Find out which quantity each of the learner's values is.

    Returns:
        The values by node, those that cannot be compared, and notes.
    """
    names = Names(tape, list(yours), spoken)
    given: dict[int, Given] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    unnamed: list[tuple[str, Array]] = []
    for key, value in yours.items():
        name, exactly = names.find(key)
        array, kind, why = as_array(value)
        index = tape.names[name] if name else -1
        if index in tape.leaves:
            index = _gradient_by_name(tape, names, index, array, yours)
            if index < 0:
                continue
        if array is None:
            if index >= 0:
                problems.append(Problem(key, index, kind, f"{key} {why}"))
            continue
        alias = index >= 0 and plain(key).lower() in (*_COSTS, *_PREDICTED)
        if index < 0 or (alias and array.size != tape.nodes[index].size):
            unnamed.append((key, array))
            continue
        if index in given:
            notes.append(f"{key} is not looked at: {given[index].key} is the same quantity.")
            continue
        if not exactly:
            notes.append(f"{key}: did you mean {name}? It is checked as {name}.")
        whole = np.asarray(value).dtype if not isinstance(value, Tensor) else value.dtype
        given[index] = _given(tape, key, index, array)
        given[index].whole = whole.kind in "iub"
    notes += _by_numbers(tape, given, unnamed, tolerance)
    names.show(given)
    return given, problems, notes


def _gradient_by_name(
    tape: Tape, names: Names, leaf: int, array: Array | None, keys: Mapping[str, Any]
) -> int:
    """Return the gradient of a parameter that is called like it; -1 for the parameter itself."""
    index = tape.grad.get(leaf, -1)
    if index < 0 or array is None or np.array_equal(array, np.asarray(tape.nodes[leaf].value)):
        return -1
    own = {names.find(key)[0] for key in keys}
    return -1 if own & {n for n, i in tape.names.items() if i == index} else index


def _given(tape: Tape, key: str, index: int, raw: Array) -> Given:
    shape = tape.nodes[index].shape
    return Given(key, index, raw, fitted(raw, shape, tape.is_gradient(index)))


def _by_numbers(
    tape: Tape, given: dict[int, Given], unnamed: list[tuple[str, Array]], tolerance: float
) -> list[str]:
    """Recognise by its numbers what has another name, or a name that means another value.

    With dropout, A1 may be the activation before or after the mask, and so may dA1.

    Returns:
        Notes.
    """
    moved, notes = False, []
    for index, mine in list(given.items()):
        named = tape.is_scaled(index) or index not in tape.of
        if not named or index == tape.cost or _is_right(tape, index, mine.raw, tolerance):
            continue
        later = [i for i in _same_numbers(tape, mine.raw, given, tolerance) if i > index]
        same = [i for i in later if tape.is_scaled(i) == tape.is_scaled(index)]
        if same:
            moved = True
            _move(tape, given, index, same[0])
    for key, raw in unnamed:
        found = _same_numbers(tape, raw, given, tolerance)
        if found:
            if tape.is_gradient(found[0]):
                name = tape.called[found[0]]
                notes.append(f"{key} has the numbers of {name}: did you mean {name}?")
            tape.called.setdefault(found[0], key)
            given[found[0]] = _given(tape, key, found[0], raw)
    _by_consistency(tape, given, tolerance, moved)
    return notes


def _move(tape: Tape, given: dict[int, Given], old: int, new: int) -> None:
    mine = given.pop(old)
    given[new] = _given(tape, mine.key, new, mine.raw)


def _by_consistency(tape: Tape, given: dict[int, Given], tolerance: float, moved: bool) -> None:
    """Let a wrong dA1 be the derivative after the mask, if that leaves fewer errors.

    Once one of them is `moved`, the others follow where it makes no difference.
    """
    trials = [
        (index, other)
        for index in list(given)
        for other in tape.of
        if tape.is_scaled(index) and other > index and other not in given
        if _is_near(tape, index, other)
    ]
    best = judge(tape, given, tolerance).score[1] if trials else 0
    for _ in range(2):
        for index, other in trials:
            if best and index in given and other not in given:
                _move(tape, given, index, other)
                errors = judge(tape, given, tolerance).score[1]
                if errors < best or (moved and errors == best):
                    best, moved = errors, True
                else:
                    _move(tape, given, other, index)


def _is_near(tape: Tape, index: int, other: int) -> bool:
    """Return True when `other` is `index` times a mask and numbers."""
    i = other
    while i != index:
        node = tape.nodes[i]
        if node.op is None or node.op.name not in ("mul", "div", "clone") or i in tape.leaves:
            return False
        following = [k for k in node.inputs if index in tape.region(k, ())]
        if len(following) != 1:
            return False
        i = following[0]
    return tape.nodes[index].shape == tape.nodes[other].shape


def _is_right(tape: Tape, index: int, raw: Array, tolerance: float) -> bool:
    value = fitted(raw, tape.nodes[index].shape, False)
    right = tape.right[index]
    if value is None or right is None:
        return False
    factors = (1.0, 1 / tape.m) if tape.m and index in tape.of else (1.0,)
    return any(difference(value * f, right) <= tolerance for f in factors)


def _same_numbers(
    tape: Tape, raw: Array, given: Mapping[int, Given], tolerance: float
) -> list[int]:
    """Return the values of these numbers that no other name claims, those with a name first."""
    if raw.size < 2 or not np.any(raw):
        return []
    found = []
    for i, node in enumerate(tape.nodes):
        if i in given or node.op is None or tape.own(i) != i:
            continue
        if node.op.name == "clone" and i not in tape.of:
            continue
        if _is_right(tape, i, raw, tolerance):
            found.append(i)
    return sorted(found, key=lambda i: (i not in tape.called, i))
