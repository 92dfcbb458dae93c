"""Random numbers from an explicit generator, never from a hidden global one.

Here you seed (`manual_seed`), make independent streams (`Generator`), and save or restore the exact
place in a stream (`get_state`, `set_state`). Everything in the package that draws - initializers,
dropout, shuffling - draws from a `Generator`, and from `default_generator` when it is given none.

This module knows nothing of tensors, and it neither reads nor seeds NumPy's global state.

Source: the streams are PCG64 (O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically
Good Algorithms for Random Number Generation", 2014) seeded through NumPy's `SeedSequence`.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

from tinygrad_course.errors import ArgumentError, DtypeError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Generator", "default_generator", "get_rng_state", "manual_seed", "set_rng_state"]

_ALGORITHM = "PCG64"
_STATE_KEYS = {
    "algorithm",
    "seed",
    "spawn_key",
    "spawned",
    "state",
    "inc",
    "has_uint32",
    "uinteger",
}


class Generator:
    """A seeded stream of random numbers whose place can be saved and restored.

    Two generators with the same seed give the same numbers on every machine.

    Args:
        seed: an integer >= 0. `None` takes fresh entropy from the operating system; read it back
            from `.seed` to repeat the run.

    Raises:
        DtypeError: the seed is not an integer.
        ArgumentError: the seed is negative.

    Example:
        >>> from tinygrad_course.random import Generator
        >>> g = Generator(2)
        >>> float(g.numpy.random())
        0.2616121342493164
        >>> g.manual_seed(2).numpy.random() == Generator(2).numpy.random()
        True
    """

    def __init__(self, seed: SupportsIndex | None = None, *, device: Any = "cpu") -> None:
        """Start a stream at `seed`; the device is the CPU."""
        if str(device) != "cpu":
            raise ArgumentError(f"Generator: got device={device!r}; only the CPU is here.")
        self._seed = _checked_seed("Generator", seed)
        self._spawn_key: tuple[int, ...] = ()
        self._spawned = 0
        # Built on first use: `import numpy.random` alone costs a fifth of `import numpy`.
        self._stream: np.random.Generator | None = None

    @property
    def numpy(self) -> np.random.Generator:
        """The `numpy.random.Generator` that does the drawing.

        Example:
            >>> from tinygrad_course.random import Generator
            >>> Generator(0).numpy.permutation(4).tolist()
            [2, 0, 1, 3]
        """
        if self._stream is None:
            self._stream = _stream(self._seed, self._spawn_key)
        return self._stream

    @property
    def seed(self) -> int:
        """The seed this generator was last given (or took from the operating system).

        Example:
            >>> from tinygrad_course.random import Generator
            >>> Generator(7).seed
            7
        """
        return self._seed

    def initial_seed(self) -> int:
        """Return `.seed`: PyTorch's spelling.

        Example:
            >>> from tinygrad_course.random import Generator
            >>> Generator(7).initial_seed()
            7
        """
        return self._seed

    def manual_seed(self, seed: SupportsIndex) -> Generator:
        """Start the stream again from `seed`, in place, and return this generator.

        Args:
            seed: an integer >= 0.

        Raises:
            DtypeError: the seed is not an integer (`None` included).
            ArgumentError: the seed is negative.

        Example:
            >>> from tinygrad_course.random import Generator
            >>> g = Generator(1)
            >>> first = g.numpy.random()
            >>> g.manual_seed(1).numpy.random() == first
            True
        """
        if seed is None:
            raise _not_an_integer("manual_seed", seed)
        self._seed = _checked_seed("manual_seed", seed)
        self._spawn_key = ()
        self._spawned = 0
        if self._stream is not None:
            # In place, so that whoever holds `.numpy` already follows the new seed.
            self._stream.bit_generator.state = _stream(self._seed, ()).bit_generator.state
        return self

    def get_state(self) -> dict[str, Any]:
        """Return the exact place in the stream as a dictionary that JSON can hold.

        Example:
            >>> import json
            >>> from tinygrad_course.random import Generator
            >>> g = Generator(0)
            >>> state = json.loads(json.dumps(g.get_state()))
            >>> first = g.numpy.random()
            >>> g.set_state(state)
            >>> g.numpy.random() == first
            True
        """
        bits: Mapping[str, Any] = self.numpy.bit_generator.state
        return {
            "algorithm": _ALGORITHM,
            "seed": self._seed,
            "spawn_key": list(self._spawn_key),
            "spawned": self._spawned,
            "state": int(bits["state"]["state"]),
            "inc": int(bits["state"]["inc"]),
            "has_uint32": int(bits["has_uint32"]),
            "uinteger": int(bits["uinteger"]),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go to the place in the stream that `get_state` described.

        Args:
            state: a dictionary from `get_state`, of any `Generator`.

        Raises:
            DtypeError: `state` is not a dictionary.
            ArgumentError: `state` was not made by `get_state`, or was damaged. The generator then
                keeps its place.

        Example:
            >>> from tinygrad_course.random import Generator
            >>> a, b = Generator(1), Generator(2)
            >>> b.set_state(a.get_state())
            >>> a.numpy.random() == b.numpy.random()
            True
        """
        _check_state(state)
        self.numpy.bit_generator.state = {
            "bit_generator": _ALGORITHM,
            "state": {"state": state["state"], "inc": state["inc"]},
            "has_uint32": state["has_uint32"],
            "uinteger": state["uinteger"],
        }
        self._seed = state["seed"]
        self._spawn_key = tuple(state["spawn_key"])
        self._spawned = state["spawned"]

    def spawn(self) -> Generator:
        """Return a new generator with a stream of its own, independent of this one.

        This generator's numbers stay the same; the k-th child depends only on the seed and k. Give
        each worker or each part of a program its own child.

        Example:
            >>> from tinygrad_course.random import Generator
            >>> g = Generator(0)
            >>> a, b = g.spawn(), g.spawn()
            >>> a.numpy.random() == b.numpy.random()
            False
            >>> a.numpy.random() == g.numpy.random()
            False
        """
        child = Generator(self._seed)
        child._spawn_key = (*self._spawn_key, self._spawned)
        self._spawned += 1
        return child

    def __repr__(self) -> str:
        """Show the seed, and for a spawned generator which child it is."""
        child = f", spawn_key={self._spawn_key}" if self._spawn_key else ""
        return f"Generator(seed={self._seed}{child})"


def manual_seed(seed: SupportsIndex) -> Generator:
    """Seed `default_generator`, so that all that follows can be repeated, and return it.

    Args:
        seed: an integer >= 0.

    Raises:
        DtypeError: the seed is not an integer.
        ArgumentError: the seed is negative.

    Example:
        >>> from tinygrad_course.random import Generator, default_generator, manual_seed
        >>> manual_seed(3)
        Generator(seed=3)
        >>> float(default_generator.numpy.random())
        0.08564916714362436
    """
    return default_generator.manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """Return the state of `default_generator`, as a dictionary that JSON can hold.

    Example:
        >>> from tinygrad_course.random import get_rng_state, manual_seed
        >>> _ = manual_seed(0)
        >>> get_rng_state()["seed"]
        0
    """
    return default_generator.get_state()


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put `default_generator` back at a place that `get_rng_state` described.

    Args:
        state: a dictionary from `get_rng_state` or `Generator.get_state`.

    Raises:
        DtypeError: `state` is not a dictionary.
        ArgumentError: `state` was not made by `get_state`, or was damaged.

    Example:
        >>> from tinygrad_course.random import default_generator, get_rng_state, set_rng_state
        >>> state = get_rng_state()
        >>> first = default_generator.numpy.random()
        >>> set_rng_state(state)
        >>> default_generator.numpy.random() == first
        True
    """
    default_generator.set_state(state)


def _stream(seed: int, spawn_key: tuple[int, ...]) -> np.random.Generator:
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def _checked_seed(caller: str, seed: SupportsIndex | None) -> int:
    if seed is None:
        return int.from_bytes(os.urandom(16))
    # True is an int to Python, but as a seed it is a slip: Generator(shuffle) for Generator(seed).
    if isinstance(seed, bool):
        raise _not_an_integer(caller, seed)
    try:
        number = operator.index(seed)
    except TypeError:
        raise _not_an_integer(caller, seed) from None
    if number < 0:
        raise ArgumentError(
            f"{caller}: got the seed {number}, expected an integer >= 0. "
            f"Pass for example {-number}."
        )
    return number


def _not_an_integer(caller: str, seed: object) -> DtypeError:
    return DtypeError(
        f"{caller}: got the seed {seed!r} of type {type(seed).__name__}, expected an integer >= 0. "
        "Pass a whole number such as 0 or 1234."
    )


def _check_state(state: Mapping[str, Any]) -> None:
    cure = "Pass the dictionary that get_state() returned, unchanged."
    if not isinstance(state, Mapping):
        raise DtypeError(f"set_state: got a {type(state).__name__}, expected a dictionary. {cure}")
    if set(state) != _STATE_KEYS:
        got, expected = sorted(map(str, state)), sorted(_STATE_KEYS)
        raise ArgumentError(f"set_state: got the keys {got}, expected {expected}. {cure}")
    if state["algorithm"] != _ALGORITHM:
        raise ArgumentError(
            f"set_state: got a state of {state['algorithm']!r}, expected {_ALGORITHM!r}. {cure}"
        )
    limits = {"state": 2**128, "inc": 2**128, "has_uint32": 2, "uinteger": 2**32}
    for key in sorted(_STATE_KEYS - {"algorithm"}):
        value = state[key]
        if key == "spawn_key":
            valid = isinstance(value, list | tuple) and all(_natural(part) for part in value)
        else:
            valid = _natural(value) and value < limits.get(key, value + 1)
        # PCG64's increment is odd by construction; an even one has a short period.
        if not valid or (key == "inc" and value % 2 == 0):
            raise ArgumentError(
                f"set_state: got {key}={value!r}, which no get_state() writes. {cure}"
            )


def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


default_generator = Generator()
"""The generator used wherever none is given; `manual_seed` seeds it."""
