"""The derivation: from a recorded graph to equations and programs."""

from .lines import Derivation, Line, derive
from .simplify import simplify

__all__ = ["Derivation", "Line", "derive", "simplify"]
