"""The traced call of a function that is compiled: its arguments, and what it returned."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..tracing import Program, Run
from .effects import leaves_of


class Inputs(Program):
    """A function's arguments, and the leaves that stood for them in the traced call."""

    def arguments(self, resize: Any = None) -> list[Any]:
        """Return the arguments of the traced call."""
        made = super().arguments(resize)
        self.given = list(leaves_of(made))
        return made


class Traced(Run):
    """A traced call that may also have computed nothing."""

    computed = True
    # What depends on no value may stand beside the tensors of a result.
    beside = (bool, int, float, str, type(None))

    def _check_outputs(self) -> None:
        try:
            super()._check_outputs()
        except errors.TraceError:
            self.computed = False
