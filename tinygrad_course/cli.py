"""The command line: ``tinygrad-course demo | train | draw | equations | source | check | ...``.

`main` reads the arguments, hands them to one of `tinygrad_course.commands`, and turns what goes
wrong into one line on stderr and an exit status: 0 all well, 1 a check that failed, 2 bad usage or
something that is missing, 130 after Ctrl-C. A user's mistake never ends in a traceback; a fault of
this package does, because it has to be reported.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from tinygrad_course import __version__
from tinygrad_course.commands import (
    bench,
    check,
    demo,
    draw,
    equations,
    exercise,
    source,
    train,
)
from tinygrad_course.commands.options import Parser
from tinygrad_course.errors import TinygradCourseError

__all__ = ["main"]

PROGRAM = "tinygrad-course"
COMMANDS = (demo, train, draw, equations, source, check, exercise, bench)

FAILED_USAGE = 2
INTERRUPTED = 130
CLOSED_PIPE = 141  # as a program that SIGPIPE ended

EPILOG = """\
examples:
  tinygrad-course demo                      train a network on real digits, make a page about it
  tinygrad-course train coffee              a lab of the courses, with its own settings
  tinygrad-course draw slide --backward     the slide's graph J = 3(a + bc)
  tinygrad-course equations shallow         its forward and backward propagation as equations
  tinygrad-course source shallow            the same as a NumPy program
  tinygrad-course check mymodel.py:loss     are my gradients right?
  tinygrad-course exercise shallow          its backward pass with blanks to fill in

Each command has its own help: tinygrad-course train --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after the program's name; by default those of this process.

    Example:
        >>> from tinygrad_course.cli import main
        >>> main(["--version"])
        tinygrad-course 0.1.0
        0
    """
    _prepare_streams()
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _abandon_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted", INTERRUPTED)
    except MemoryError:
        return _complain("there is not enough memory for that; ask for a smaller network")
    except TinygradCourseError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _abandon_stdout()
        return _complain(_reason(error))


def _run(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    # What follows `bench` is for the benchmarks; argparse would look for options of ours in it.
    own = 1 if words[:1] == ["bench"] else len(words)
    try:
        arguments = _parser().parse_args(words[:own])
    except SystemExit as stop:  # --help and --version end argparse this way
        return int(stop.code or 0)
    arguments.rest = words[own:]
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        PROGRAM,
        "Write a model PyTorch-style, and see, understand, check and run its backpropagation.",
        EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _prepare_streams() -> None:
    """Make printing safe: without a stdout, and where ε cannot be written."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere; the interpreter would complain at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # a stdout that is no file
        return


def _complain(text: str, status: int = FAILED_USAGE) -> int:
    line = " ".join(text.split())
    if sys.stderr is not None:
        print(f"{PROGRAM}: {line}", file=sys.stderr)
    return status


def _reason(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    where = f" {os.fspath(error.filename)!r}" if isinstance(error.filename, (str, bytes)) else ""
    return f"cannot use{where}: {error.strerror}" if where else str(error.strerror)
