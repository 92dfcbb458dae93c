"""The derivation: from a recorded graph to equations and programs."""

from .simplify import simplify

__all__ = ["simplify"]
