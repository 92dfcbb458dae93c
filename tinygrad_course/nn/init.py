"""How weights start: functions that fill a tensor in place, and return it.

Zeros would keep all units of a layer equal for ever; numbers too large saturate or explode. The
scaled schemes choose the variance from the number of inputs (fan_in) and outputs (fan_out) of a
layer, so that signals keep their size through many layers.

Which axis counts the inputs: the weight of `Dense` in rows is (in, out) and remembers it; any other
matrix is taken as (out, in), as PyTorch stores it, unless ``layout="rows"`` is passed.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from ..inplace import assign, change
from ..modes import no_grad
from ..random import Generator, default_generator
from ..tensor import Tensor, default_dtype
from .parameter import Parameter

if TYPE_CHECKING:
    from ..tensor import Array


def _fill(tensor: Any, values: Any, name: str) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise errors.DtypeError(
            f"init.{name}: fills a tensor, got {type(tensor).__name__}. Pass for example "
            "layer.weight."
        )
    with no_grad():
        return change(tensor, assign, (values,))


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(np.shape(tensor))


def _stream(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy


def _normal(tensor: Any, mean: float, std: float, generator: Generator | None) -> Array:
    return _stream(generator).standard_normal(_shape(tensor)) * std + mean


def _uniform(tensor: Any, low: float, high: float, generator: Generator | None) -> Array:
    return _stream(generator).uniform(low, high, _shape(tensor))


# --- constants ----------------------------------------------------------------------------------


def zeros_(tensor: Any) -> Tensor:
    """Fill with 0: right for a bias, but as weights it leaves all units of a layer the same.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.zeros_(tc.ones(2))
        tensor([0., 0.])
    """
    return _fill(tensor, 0, "zeros_")


def ones_(tensor: Any) -> Tensor:
    """Fill with 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.ones_(tc.zeros(2))
        tensor([1., 1.])
    """
    return _fill(tensor, 1, "ones_")


def constant_(tensor: Any, val: Any) -> Tensor:
    """Fill with one number, or with an array that broadcasts.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.constant_(tc.zeros(2), 0.1)
        tensor([0.1, 0.1])
    """
    return _fill(tensor, val, "constant_")


# --- of a given width ---------------------------------------------------------------------------


def normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the normal distribution N(mean, std²).

    Args:
        tensor: filled in place.
        mean: its mean.
        std: its standard deviation; the courses' small start is 0.01.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.normal_(tc.zeros(2, 3), std=0.01).shape
        (2, 3)
    """
    if not std >= 0:
        raise errors.ArgumentError(f"init.normal_: std must not be negative, got {std}.")
    return _fill(tensor, _normal(tensor, mean, std, generator), "normal_")


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with draws from N(mean, std²); those outside [a, b] are drawn again.

    Args:
        tensor: filled in place.
        mean: the mean of the normal distribution.
        std: its standard deviation.
        a: the lowest value.
        b: the highest value.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ArgumentError: [a, b] is empty or more than 4 standard deviations away from the mean.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.trunc_normal_(tc.zeros(100)).abs() <= 2).all())
        True
    """
    if not (a < b and std >= 0 and mean - 4 * std <= b and a <= mean + 4 * std):
        raise errors.ArgumentError(
            f"init.trunc_normal_: got [{a}, {b}] for N({mean}, {std}²), expected an interval "
            "within 4 standard deviations of the mean."
        )
    values = _normal(tensor, mean, std, generator)
    while (outside := (values < a) | (values > b)).any():
        values[outside] = _stream(generator).standard_normal(int(outside.sum())) * std + mean
    return _fill(tensor, values, "trunc_normal_")


def eye_(tensor: Any) -> Tensor:
    """Fill a matrix with the identity.

    Raises:
        ShapeError: not a matrix.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.eye_(tc.empty(2, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    shape = _shape(tensor)
    if len(shape) != 2:
        raise errors.ShapeError(
            f"init.eye_: got shape {shape}, expected a matrix. Reshape the weight to two axes."
        )
    return _fill(tensor, np.eye(shape[0], shape[1]), "eye_")


def uniform_(
    tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b).

    Args:
        tensor: filled in place.
        a: lower end.
        b: upper end.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.uniform_(tc.zeros(100), -1.0, 1.0).abs() <= 1).all())
        True
    """
    if not a <= b:
        raise errors.ArgumentError(f"init.uniform_: a must not be above b, got {a} and {b}.")
    return _fill(tensor, _uniform(tensor, a, b, generator), "uniform_")


# --- scaled by the layer's size -----------------------------------------------------------------


def fans(tensor: Any, layout: str | None = None) -> tuple[int, int]:
    """Return (fan_in, fan_out): how many inputs and outputs a weight connects to each unit.

    Args:
        tensor: a matrix; or more axes, of which the third and later count a filter's places.
        layout: ``"rows"`` for (in, out), ``"columns"`` for (out, in); by default what the tensor
            remembers, else (out, in).

    Raises:
        ShapeError: fewer than two axes; ArgumentError: an unknown layout.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.fans(tc.zeros(25, 400)), nn.init.fans(nn.Dense(400, 25).weight)
        ((400, 25), (400, 25))
    """
    shape = _shape(tensor)
    if layout is None:
        layout = getattr(tensor, "layout", None) or "columns"
    if layout not in ("rows", "columns"):
        raise errors.ArgumentError(f'init: layout must be "rows" or "columns", got {layout!r}.')
    if len(shape) < 2:
        raise errors.ShapeError(
            f"init: fan_in and fan_out need a matrix, got shape {shape}. Use zeros_, normal_ or "
            "uniform_ for a bias."
        )
    places = math.prod(shape[2:])
    first, second = shape[0] * places, shape[1] * places
    return (first, second) if layout == "rows" else (second, first)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights before this activation should be larger.

    Args:
        nonlinearity: ``linear``, ``sigmoid``, ``tanh`` (5/3), ``relu`` (√2), ``leaky_relu``,
            ``selu``.
        param: the negative slope of ``leaky_relu``.

    Raises:
        ArgumentError: an unknown name.

    Example:
        >>> from tinygrad_course import nn
        >>> round(nn.init.calculate_gain("relu"), 4)
        1.4142
    """
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in gains:
        raise errors.ArgumentError(
            f"init.calculate_gain: {nonlinearity!r} is unknown; known are {', '.join(gains)} and "
            "leaky_relu."
        )
    return gains[nonlinearity]


def glorot_uniform_(
    tensor: Any, gain: float = 1.0, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """Glorot (Xavier): uniform in ±gain √(6 / (fan_in + fan_out)); for tanh and sigmoid.

    Args:
        tensor: filled in place.
        gain: a factor, see `calculate_gain`.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        layout: see `fans`.

    Source:
        Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural
        networks".

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.glorot_uniform_(tc.zeros(2, 4)).abs() <= 1).all())
        True
    """
    bound = gain * math.sqrt(6 / max(1, sum(fans(tensor, layout))))
    return _fill(tensor, _uniform(tensor, -bound, bound, generator), "glorot_uniform_")


def glorot_normal_(
    tensor: Any, gain: float = 1.0, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """Glorot (Xavier): normal with standard deviation gain √(2 / (fan_in + fan_out)).

    Args:
        tensor: filled in place.
        gain: a factor, see `calculate_gain`.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        layout: see `fans`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.glorot_normal_(tc.zeros(2, 4)).shape
        (2, 4)
    """
    std = gain * math.sqrt(2 / max(1, sum(fans(tensor, layout))))
    return _fill(tensor, _normal(tensor, 0.0, std, generator), "glorot_normal_")


def kaiming_uniform_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
    layout: str | None = None,
) -> Tensor:
    """He (Kaiming): uniform in ±gain √(3 / fan); with a = 0 the gain is √2, for ReLU.

    Args:
        tensor: filled in place.
        a: the negative slope of a leaky ReLU.
        mode: ``fan_in`` keeps the size of the forward signal, ``fan_out`` of the backward one.
        nonlinearity: see `calculate_gain`.
        generator: where to draw from; by default the one that `manual_seed` seeds.
        layout: see `fans`.

    Source:
        He, Zhang, Ren, Sun 2015, arXiv:1502.01852.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.kaiming_uniform_(tc.zeros(2, 6)).abs() <= 1).all())
        True
    """
    std = calculate_gain(nonlinearity, a) / math.sqrt(max(1, _fan(tensor, mode, layout)))
    bound = math.sqrt(3) * std
    return _fill(tensor, _uniform(tensor, -bound, bound, generator), "kaiming_uniform_")


def kaiming_normal_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
    layout: str | None = None,
) -> Tensor:
    """He (Kaiming): normal with standard deviation gain / √fan; with a = 0, √(2 / fan_in).

    Arguments and source as for `kaiming_uniform_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> nn.init.kaiming_normal_(tc.zeros(2, 6)).shape
        (2, 6)
    """
    std = calculate_gain(nonlinearity, a) / math.sqrt(max(1, _fan(tensor, mode, layout)))
    return _fill(tensor, _normal(tensor, 0.0, std, generator), "kaiming_normal_")


def he_uniform_(
    tensor: Any, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """He: uniform in ±√(6 / fan_in); for ReLU. See `kaiming_uniform_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.he_uniform_(tc.zeros(3, 6)).abs() <= 1).all())
        True
    """
    return kaiming_uniform_(tensor, generator=generator, layout=layout)


def he_normal_(
    tensor: Any, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """He: normal with standard deviation √(2 / fan_in); for ReLU. See `kaiming_normal_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> round(nn.init.he_normal_(tc.zeros(500, 200)).std().item(), 2)
        0.1
    """
    return kaiming_normal_(tensor, generator=generator, layout=layout)


def lecun_uniform_(
    tensor: Any, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """LeCun: uniform in ±√(3 / fan_in); for SELU, or tanh of normalised inputs.

    Source:
        LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp".

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> bool((nn.init.lecun_uniform_(tc.zeros(2, 3)).abs() <= 1).all())
        True
    """
    bound = math.sqrt(3 / max(1, _fan(tensor, "fan_in", layout)))
    return _fill(tensor, _uniform(tensor, -bound, bound, generator), "lecun_uniform_")


def lecun_normal_(
    tensor: Any, generator: Generator | None = None, layout: str | None = None
) -> Tensor:
    """LeCun: normal with standard deviation √(1 / fan_in). See `lecun_uniform_`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> round(nn.init.lecun_normal_(tc.zeros(500, 100)).std().item(), 2)
        0.1
    """
    std = math.sqrt(1 / max(1, _fan(tensor, "fan_in", layout)))
    return _fill(tensor, _normal(tensor, 0.0, std, generator), "lecun_normal_")


def orthogonal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with a random orthogonal matrix: its rows (or columns, the shorter) are orthonormal.

    Args:
        tensor: filled in place; axes after the first count together.
        gain: a factor.
        generator: where to draw from; by default the one that `manual_seed` seeds.

    Raises:
        ShapeError: fewer than two axes.

    Source:
        Saxe, McClelland, Ganguli 2013, arXiv:1312.6120.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> Q = nn.init.orthogonal_(tc.zeros(3, 3, dtype=tc.float64))
        >>> bool(((Q @ Q.T - tc.eye(3)).abs() < 1e-12).all())
        True
    """
    shape = _shape(tensor)
    if len(shape) < 2:
        raise errors.ShapeError(f"init.orthogonal_: needs a matrix, got shape {shape}.")
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = _stream(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    # The signs of R make Q uniform among the orthogonal matrices.
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    matrix = q if rows >= columns else q.T
    return _fill(tensor, gain * matrix.reshape(shape), "orthogonal_")


def _fan(tensor: Any, mode: str, layout: str | None) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise errors.ArgumentError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}.")
    return fans(tensor, layout)[0 if mode == "fan_in" else 1]


xavier_uniform_ = glorot_uniform_
xavier_normal_ = glorot_normal_

BY_NAME: dict[str, Callable[..., Tensor]] = {
    "glorot_uniform": glorot_uniform_,
    "glorot_normal": glorot_normal_,
    "xavier_uniform": glorot_uniform_,
    "xavier_normal": glorot_normal_,
    "he_uniform": he_uniform_,
    "he_normal": he_normal_,
    "kaiming_uniform": he_uniform_,
    "kaiming_normal": he_normal_,
    "lecun_uniform": lecun_uniform_,
    "lecun_normal": lecun_normal_,
    "normal": normal_,
    "uniform": uniform_,
    "orthogonal": orthogonal_,
    "zeros": zeros_,
    "ones": ones_,
}


# --- for layers ---------------------------------------------------------------------------------


def new(shape: tuple[int, ...], dtype: Any = None, layout: str | None = None) -> Parameter:
    """Return a parameter of zeros, to be filled."""
    kind = default_dtype() if dtype is None else np.dtype(dtype)
    if kind.kind != "f":
        raise errors.DtypeError(
            f"dtype: parameters are floats, got {kind}. Use tc.float32 or tc.float64."
        )
    parameter = Parameter(Tensor(np.zeros(shape, kind)))
    parameter.layout = layout
    return parameter


def start(tensor: Tensor, how: Any, generator: Generator | None) -> None:
    """Fill a layer's weight as its argument ``init`` says.

    Args:
        tensor: the weight.
        how: None (Glorot uniform), a name, or a function that fills a tensor in place.
        generator: passed on where the function takes one.

    Raises:
        ArgumentError: an unknown name; DtypeError: neither a name nor a function.
    """
    if how is None:
        how = glorot_uniform_
    if isinstance(how, str):
        name = how.lower().rstrip("_")
        if name not in BY_NAME:
            close = difflib.get_close_matches(name, BY_NAME, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise errors.ArgumentError(
                f"init: {how!r} is unknown; known are {', '.join(BY_NAME)}.{hint}"
            )
        how = BY_NAME[name]
    if not callable(how):
        raise errors.DtypeError(
            f"init: is a name or a function that fills a tensor, got {type(how).__name__}. For "
            "given weights use layer.set_weights([W, b])."
        )
    if _takes_generator(how):
        how(tensor, generator=generator)
    else:
        how(tensor)


def _takes_generator(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "generator" in parameters


__all__ = [
    "eye_",
    "trunc_normal_",
    "calculate_gain",
    "constant_",
    "fans",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
