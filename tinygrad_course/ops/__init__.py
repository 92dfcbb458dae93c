"""The operations, by family. Importing this package defines them all and their `Tensor` methods."""

from . import activation, convert, elementwise, index, linalg, loss, reduce, shape
from .define import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "activation",
    "convert",
    "elementwise",
    "index",
    "linalg",
    "loss",
    "reduce",
    "shape",
]
