"""Compiling: a traced function as one straight-line program."""

from .compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
