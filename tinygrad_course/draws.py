"""Tensors drawn at random: uniform, normal, integers, orders, coin tosses and samples.

All of it comes from a `Generator`: the one given, or the one that `manual_seed` seeds. A draw has
no derivative; ``mean + std * randn(n)`` has one in `mean` and `std`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors
from .creation import check_device, dtype_of, finish, kind_of, lengths_of, maker
from .inplace import assign, change
from .ops.define import attach
from .random import Generator, default_generator
from .tensor import Tensor, as_dtype, as_tensor, wrap


def _numpy_generator(generator: Generator | None) -> np.random.Generator:
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise errors.DtypeError(
            f"random: generator is {type(generator).__name__}, expected a tc.Generator. Make one "
            "with tc.Generator(seed), or leave it out and call tc.manual_seed(seed)."
        )
    return generator.numpy


@maker
def rand(
    *shape: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw from the uniform distribution on [0, 1).

    Args:
        shape: lengths of the axes.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        dtype: a float dtype.
        requires_grad: collect ``.grad`` here.
        device: the CPU, if given.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> bool((tc.rand(100) < 1).all())
        True
    """
    check_device(device)
    draw = _numpy_generator(generator).random(lengths_of(shape, "rand"))
    return finish(np.asarray(draw, kind_of(dtype, "rand")), requires_grad, None)


@maker
def randn(
    *shape: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw from the standard normal distribution.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> tc.randn(2, 3).shape
        (2, 3)
    """
    check_device(device)
    draw = _numpy_generator(generator).standard_normal(lengths_of(shape, "randn"))
    return finish(np.asarray(draw, kind_of(dtype, "randn")), requires_grad, None)


@maker
def randint(
    low: int = 0,
    high: Any = None,
    size: Any = (),
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Draw integers from low … high − 1 (0 … low − 1 with one bound), int64 unless told.

    Example:
        >>> import tinygrad_course as tc
        >>> _ = tc.manual_seed(0)
        >>> bool((tc.randint(0, 10, (5,)) < 10).all())
        True
    """
    check_device(device)
    if isinstance(high, (tuple, list)):  # randint(high, size)
        low, high, size = 0, low, high
    if high is None:
        low, high = 0, low
    if high <= low:
        raise errors.ArgumentError(f"randint: high must be above low, got {low} and {high}.")
    drawn = np.asarray(_numpy_generator(generator).integers(low, high, tuple(size)))
    return wrap(drawn if dtype is None else drawn.astype(as_dtype(dtype, "randint")))


@maker
def randint_like(x: Any, low: int, high: Any = None, generator: Generator | None = None) -> Tensor:
    """Draw integers as `randint`, in a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.randint_like(tc.zeros(2, 3), 10).dtype
        dtype('float32')
    """
    return randint(low, high, np.shape(x), generator, dtype_of(x))


@maker
def randperm(n: int, generator: Generator | None = None, device: Any = None) -> Tensor:
    """Return the numbers 0 … n − 1 in random order.

    Example:
        >>> import tinygrad_course as tc
        >>> sorted(tc.randperm(4).tolist())
        [0, 1, 2, 3]
    """
    check_device(device)
    return wrap(_numpy_generator(generator).permutation(n))


@maker
def rand_like(
    x: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw uniformly, in a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.rand_like(tc.zeros(2, 3)).shape
        (2, 3)
    """
    kind = dtype_of(x) if dtype is None else dtype
    return rand(
        np.shape(x), generator=generator, dtype=kind, requires_grad=requires_grad, device=device
    )


@maker
def randn_like(
    x: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Draw from the standard normal distribution, in a tensor's shape and dtype.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.randn_like(tc.zeros(2, 3)).shape
        (2, 3)
    """
    kind = dtype_of(x) if dtype is None else dtype
    return randn(
        np.shape(x), generator=generator, dtype=kind, requires_grad=requires_grad, device=device
    )


@maker
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Tensor:
    """Draw from normal distributions N(mean, std²), one for each element of `mean` and `std`.

    Args:
        mean: a tensor or a number.
        std: a tensor or a number, not negative.
        size: the shape, when both are numbers.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        dtype: a float dtype; by default that of the tensors.

    Raises:
        ArgumentError: a negative `std`.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.normal(0.0, 1.0, size=(2, 3)).shape
        (2, 3)
        >>> tc.normal(tc.tensor([5.0, -5.0]), 0.0)
        tensor([ 5., -5.])
    """
    m, s = as_tensor(mean)._data, as_tensor(std)._data
    if (s < 0).any():
        raise errors.ArgumentError("normal: got a negative std, expected numbers >= 0.")
    shape = np.broadcast_shapes(m.shape, s.shape) if size is None else lengths_of((size,), "normal")
    drawn = _numpy_generator(generator).standard_normal(shape) * s + m
    kind = np.result_type(m, s) if dtype is None else kind_of(dtype, "normal")
    return wrap(np.asarray(drawn, kind if kind.kind == "f" else kind_of(None, "normal")))


@maker
def bernoulli(input: Any, p: float | None = None, generator: Generator | None = None) -> Tensor:
    """Draw 1 with the probability that stands in each element, else 0.

    Args:
        input: the probabilities; with `p`, only the shape.
        p: one probability for all.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: a probability outside [0, 1].

    Example:
        >>> import tinygrad_course as tc
        >>> tc.bernoulli(tc.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    array = as_tensor(input)._data
    chance = array if p is None else p
    if not (np.greater_equal(chance, 0) & np.less_equal(chance, 1)).all():
        raise errors.ArgumentError("bernoulli: probabilities are from 0 to 1, got others.")
    drawn = _numpy_generator(generator).random(array.shape) < chance
    return wrap(np.asarray(drawn, array.dtype))


@maker
def multinomial(
    input: Any,
    num_samples: int,
    replacement: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Draw indices with probabilities in proportion to each row of weights.

    Args:
        input: weights of shape (n,) or (rows, n), not negative; they need not sum to 1.
        num_samples: how many to draw from each row.
        replacement: False draws each index at most once.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: weights that are negative, not finite or all 0, or more samples than weights
            above 0 without replacement.
        ShapeError: weights without an axis, or with more than two.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.multinomial(tc.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
        tensor([1, 1])
    """
    weights = np.asarray(as_tensor(input)._data, np.float64)
    if weights.ndim not in (1, 2):
        raise errors.ShapeError(
            f"multinomial: got weights of shape {weights.shape}, expected (n,) or (rows, n)."
        )
    totals = weights.sum(axis=-1, keepdims=True)
    if not ((weights >= 0).all() and (totals > 0).all() and np.isfinite(totals).all()):
        raise errors.ArgumentError(
            "multinomial: weights must be finite and not negative, in each row one above 0. "
            "Pass probabilities, such as softmax(logits, dim=-1)."
        )
    most = int((weights > 0).sum(axis=-1).min())
    if num_samples < 1 or (num_samples > most and not replacement):
        raise errors.ArgumentError(
            f"multinomial: got num_samples={num_samples}, expected from 1 to {most}, the number "
            "of weights above 0; or pass replacement=True."
        )
    stream = _numpy_generator(generator)
    if replacement:
        # The first place where the cumulated probability exceeds a uniform draw.
        levels = np.cumsum(weights / totals, axis=-1)
        levels /= levels[..., -1:]
        draws = stream.random((*weights.shape[:-1], num_samples))
        drawn = (draws[..., None] >= levels[..., None, :]).sum(axis=-1)
    else:
        # The smallest of exponential waiting times at these rates (Efraimidis and Spirakis 2006).
        with np.errstate(divide="ignore"):
            waits = stream.standard_exponential(weights.shape) / weights
        drawn = np.argsort(waits, axis=-1)[..., :num_samples]
    return wrap(np.asarray(drawn, np.int64))


# --- in place -----------------------------------------------------------------------------------


def _normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the normal distribution N(mean, std²)."""
    if std < 0:
        raise errors.ArgumentError(f"normal_: got std={std}, expected a number >= 0.")
    drawn = _numpy_generator(generator).standard_normal(self.shape) * std + mean
    return change(self, assign, (np.asarray(drawn, self.dtype),))


def _uniform_(
    self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the uniform distribution on [low, high)."""
    if low > high:
        raise errors.ArgumentError(f"uniform_: {low} is above {high}. Give the lower end first.")
    drawn = _numpy_generator(generator).uniform(low, high, self.shape)
    return change(self, assign, (np.asarray(drawn, self.dtype),))


def _bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with draws of 1 with probability p, else 0."""
    chance = as_tensor(p)._data
    drawn = _numpy_generator(generator).random(self.shape) < chance
    return change(self, assign, (np.asarray(drawn, self.dtype),))


def _exponential_(
    self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the exponential distribution of rate λ."""
    drawn = _numpy_generator(generator).standard_exponential(self.shape) / lambd
    return change(self, assign, (np.asarray(drawn, self.dtype),))


def _random_(
    self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fill with integers drawn from low … high − 1 (0 … low − 1 with one bound)."""
    if high is None:
        low, high = 0, low
    if high <= low:
        raise errors.ArgumentError(f"random_: got {low} and {high}; give an upper bound above low.")
    drawn = _numpy_generator(generator).integers(low, high, self.shape)
    return change(self, assign, (np.asarray(drawn, self.dtype),))


attach(_normal_, "normal_")
attach(_uniform_, "uniform_")
attach(_bernoulli_, "bernoulli_")
attach(_exponential_, "exponential_")
attach(_random_, "random_")
attach(bernoulli, "bernoulli")
attach(multinomial, "multinomial")
