"""The operations, by family. Importing this package defines them all and their `Tensor` methods."""

from . import (
    activation,
    compare,
    convert,
    elementwise,
    index,
    join,
    linalg,
    loss,
    random,
    reduce,
    rounding,
    shape,
    special,
    trigonometry,
)
from .define import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "activation",
    "compare",
    "convert",
    "elementwise",
    "index",
    "join",
    "linalg",
    "loss",
    "random",
    "reduce",
    "rounding",
    "shape",
    "special",
    "trigonometry",
]
