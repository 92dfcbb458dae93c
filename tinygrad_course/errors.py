"""Every error this package raises on purpose.

Each one subclasses the built-in exception a reader would expect, so ordinary ``except`` clauses
keep working, and `TinygradCourseError`, so that one clause catches them all. A message is one
paragraph: the operation, what it got, what it expected, the cure.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class TinygradCourseError(Exception):
    """Base class of all errors raised on purpose by this package."""

    def __init__(self, *args: Any) -> None:
        """Keep the message; a tensor quoted in it must not break the paragraph into lines."""
        if args and isinstance(args[0], str) and "\n" in args[0] and self.report is None:
            args = (" ".join(args[0].split()), *args[1:])
        super().__init__(*args)

    # What a message with a table below it reports on; see `GradcheckError`.
    report: Any = None


class ShapeError(TinygradCourseError, ValueError):
    """Shapes or axes that an operation cannot work with."""


class DtypeError(TinygradCourseError, TypeError):
    """A dtype or a Python type that an operation cannot work with."""


class ArgumentError(TinygradCourseError, ValueError):
    """An argument with a value outside what the function accepts."""


class IndexingError(TinygradCourseError, IndexError):
    """An index outside the tensor it selects from, or of a kind that cannot select."""


class LinAlgError(TinygradCourseError, np.linalg.LinAlgError, RuntimeError):
    """A matrix that has no such inverse or factors: singular, or not positive definite."""


class GraphError(TinygradCourseError, RuntimeError):
    """The recorded graph cannot do what was asked: no graph, spent graph, unreachable input."""


class InplaceError(GraphError):
    """A value that the backward pass needs was overwritten, or must not be overwritten."""


class TraceError(GraphError):
    """A function that cannot be traced, such as one that looks at the values of its tensors."""


class UnrecordableError(TraceError):
    """A step that no recorded program can take; a function to compile is then called as it is."""


class AnomalyError(GraphError):
    """A NaN or Inf found by `detect_anomaly`."""


class GradcheckError(TinygradCourseError, RuntimeError):
    """Analytic and numeric derivatives disagree, or cannot be compared.

    Attributes:
        report: the `GradientReport`, when the comparison was made.
    """

    def __init__(self, *args: Any, report: Any = None) -> None:
        """Keep the message as it is, with its table, when there is a `report`."""
        self.report = report
        super().__init__(*args)


class NothingToCheckError(GradcheckError, ValueError):
    """A gradient check without a floating-point input or output that requires grad."""


class CheckpointError(TinygradCourseError, ValueError):
    """A file that cannot be trusted or understood as a checkpoint."""


class GraphFileError(TinygradCourseError, ValueError):
    """A text that cannot be understood as a stored graph."""


class StateDictError(TinygradCourseError, KeyError, RuntimeError):
    """State-dict keys or shapes that do not fit the module or optimizer."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class ModuleError(TinygradCourseError, AttributeError, KeyError):
    """A module that was not set up, or that has no part of that name."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class MissingNameError(TinygradCourseError, AttributeError):
    """A name that is not here: misspelt, or of PyTorch and left out; then the cure is said."""

    def __init__(self, *args: Any, name: str | None = None, obj: Any = None) -> None:
        """Keep the name and where it was looked for, from which Python suggests similar ones."""
        super().__init__(*args)
        self.name = name
        self.obj = obj


class MissingDependencyError(TinygradCourseError, ImportError):
    """An optional package is needed for this feature and is not installed."""


def missing(package: str, feature: str, extra: str) -> MissingDependencyError:
    """Return the error that says which extra brings `package`."""
    return MissingDependencyError(
        f"{feature} needs the package {package!r}, which is not installed. "
        f'Install it with: pip install "tinygrad_course[{extra}]"'
    )
