"""Compiling: a traced function as one straight-line program."""

from .compiled import BACKENDS, Compiled, compile

__all__ = ["BACKENDS", "Compiled", "compile"]
