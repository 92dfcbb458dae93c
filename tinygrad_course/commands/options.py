"""What the commands share: the parser, types of arguments, output folders, needed packages."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_course.errors import ArgumentError, MissingDependencyError, missing

__all__ = [
    "Parser",
    "count",
    "folder",
    "hidden",
    "limit",
    "named",
    "number_from_zero",
    "output",
    "positive",
    "require",
    "writable",
    "write",
]

# Package -> how pip calls it, and the extra that brings it.
_PACKAGES = {
    "sklearn": ("scikit-learn", "demo"),
    "matplotlib": ("matplotlib", "viz"),
    "pygraphviz": ("pygraphviz", "viz"),
}

MOST_UNITS = 1_000_000
"""Larger layers are mistakes of typing."""


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose complaints are one line, raised as `ArgumentError`."""

    def __init__(self, prog: str, description: str = "", epilog: str = "", **more: Any) -> None:
        """Keep the line breaks of description and epilog; take options in full only."""
        more["formatter_class"] = argparse.RawDescriptionHelpFormatter
        more["allow_abbrev"] = False
        super().__init__(prog, description=description, epilog=epilog, **more)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage, which is many lines long."""
        raise ArgumentError(f"{message}. See: {self.prog} --help")


def count(text: str) -> int:
    """Return a whole number of at least 1."""
    return _whole(text, 1)


def number_from_zero(text: str) -> int:
    """Return a whole number of at least 0."""
    return _whole(text, 0)


def limit(text: str) -> int | None:
    """Return a whole number of at least 1, or None for "all"."""
    return None if text == "all" else _whole(text, 1, " or 'all'")


def named(text: str) -> list[str]:
    """Return a list of names, such as "W1,b1"."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected names, such as W1,b1")
    return names


def positive(text: str) -> float:
    """Return a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number above 0, such as 0.01")
    return number


def hidden(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers, such as "25,15"; none for "none"."""
    if text == "none":
        return ()
    try:
        sizes = tuple(_whole(part, 1) for part in text.split(","))
    except argparse.ArgumentTypeError:
        sizes = ()
    if not sizes or max(sizes) > MOST_UNITS:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected the units of each hidden layer, such as 25,15 (at most "
            f"{MOST_UNITS:,} each), or 'none'"
        )
    return sizes


def _whole(text: str, least: int, also: str = "") -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected a whole number of at least {least}{also}"
        )
    return number


def folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder to write to, made if need be; refuse it now rather than after the work.

    Raises:
        ArgumentError: it is a file, or cannot be made or written to.
    """
    if not os.fspath(path):
        raise ArgumentError("--out is empty; expected a folder, such as --out results.")
    wanted = Path(path)
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        # Permissions lie (for root, on network drives): only writing tells.
        with tempfile.TemporaryFile(dir=wanted):
            pass
    except FileExistsError:
        raise ArgumentError(
            f"--out {os.fspath(path)!r} is a file; expected a folder. Choose another name."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArgumentError(
            f"--out {os.fspath(path)!r} cannot be written to ({reason}); "
            "choose a folder that you may write to."
        ) from None
    return wanted


def output(command: str, path: str, endings: Sequence[str]) -> str:
    """Return the ending of a file to write, in lower case.

    Raises:
        ArgumentError: it is none of `endings`.
    """
    ending = Path(path).suffix.lower()
    if ending not in endings:
        raise ArgumentError(
            f"{command}: got -o {path!r}, expected a name that ends in {', '.join(endings)}."
        )
    return ending


def write(path: str | os.PathLike[str], text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        ArgumentError: it is a folder.
        RenderError: it cannot be written.
    """
    from viz.render import write_atomically

    target = Path(path)
    if target.is_dir():
        raise ArgumentError(f"-o {str(target)!r} is a folder; expected the name of a file.")
    write_atomically(target, text.encode("utf-8"))


def writable(path: Path, names: Iterable[str]) -> None:
    """Refuse a folder in which one of these files is itself a folder.

    Raises:
        ArgumentError: naming it.
    """
    for name in names:
        if (path / name).is_dir():
            raise ArgumentError(
                f"{os.fspath(path / name)!r} is a folder, and a file of that name is to be "
                "written. Remove it, or choose another --out."
            )


def require(feature: str, packages: Sequence[str]) -> None:
    """Refuse to start when a package is missing that will be needed.

    Args:
        feature: what needs them, such as "demo".
        packages: names to import. Graphviz's own program `dot` does instead of pygraphviz.

    Raises:
        MissingDependencyError: naming all that is missing, and the extra that brings it.
    """
    absent = [name for name in packages if not _found(name)]
    if not absent:
        return
    extras = [_PACKAGES[name][1] for name in absent]
    extra = "demo" if "demo" in extras else extras[0]
    names = [_PACKAGES[name][0] for name in absent]
    if len(names) == 1:
        raise missing(names[0], feature, extra)
    raise MissingDependencyError(
        f"{feature} needs the packages {', '.join(names)}, which are not installed. "
        f'Install them with: pip install "tinygrad_course[{extra}]"'
    )


def _found(name: str) -> bool:
    if name == "pygraphviz" and shutil.which("dot") is not None:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
