"""The derivation: from a recorded graph to equations and programs."""

from .equations import Equations, equations
from .lines import Derivation, Line, derive
from .simplify import simplify

__all__ = ["Derivation", "Equations", "Line", "derive", "equations", "simplify"]
