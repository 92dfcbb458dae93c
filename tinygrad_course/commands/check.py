"""``tinygrad-course check``: are these gradients right?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from tinygrad_course.commands import program
from tinygrad_course.commands.options import limit, positive
from tinygrad_course.errors import ArgumentError

EPILOG = """\
built-in: slide, fanout, logistic, micrograd, shallow, coffee, digits

examples:
  tinygrad-course check digits
  tinygrad-course check digits --max-entries all
  tinygrad-course check slide --double        second derivatives too
  tinygrad-course check mymodel.py:loss

The exit status is 0 when all derivatives agree, and 1 when one does not.
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "check",
        help="check gradients against central differences in float64",
        description="Compare the derivatives of a loss with central differences in float64,\n"
        "parameter by parameter, and name what is wrong.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "program", nargs="?", default="slide", metavar="PROGRAM", help=program.HELP + " (slide)"
    )
    parser.add_argument("--eps", type=positive, help="the step (by default the best for float64)")
    parser.add_argument(
        "--max-entries",
        type=limit,
        default=1000,
        help="check a sample of this many entries of a larger model, or 'all' (1000)",
    )
    parser.add_argument("--double", action="store_true", help="check second derivatives")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, and print the report."""
    from tinygrad_course.checking.check import check
    from tinygrad_course.checking.comparison import Options
    from tinygrad_course.checking.second import check_second
    from tinygrad_course.commands.samples import SAMPLES

    found = program.find(arguments.program, SAMPLES)
    function, inputs = _question(found)
    options = Options(
        eps=arguments.eps, max_entries=arguments.max_entries, recorded=arguments.double
    )
    if arguments.double:
        report = check_second(function, inputs, None, options)
    else:
        report = check(function, inputs, options)
    text = report.to_text()
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = report.to_text(ascii=True)
    print(text, end="")
    return 0 if report.passed else 1


def _question(found: program.Program) -> tuple[Callable[[], Any], Any]:
    """Return a function without arguments, and what to differentiate it by."""
    tensor, model = found.result()
    if tensor is None:
        raise ArgumentError(
            f"check: {found.name} gives a model without an input, so that there is nothing to "
            "differentiate. Return the loss, or (model, input)."
        )
    if model is not None:
        return (lambda: found.result()[0]), model
    inputs = program.leaves(tensor)
    if not inputs:
        raise ArgumentError(
            f"check: {found.name} returned a tensor that depends on nothing with "
            "requires_grad=True, so that there is nothing to differentiate. Create the "
            "parameters with requires_grad=True, and compute the loss outside no_grad."
        )
    names = [t.name or f"input {i}" for i, t in enumerate(inputs)]
    named = {
        name if names.count(name) == 1 else f"{name} (input {i})": t
        for i, (name, t) in enumerate(zip(names, inputs, strict=True))
    }
    again, _ = found.result()
    kept = again is not None and {id(t) for t in program.leaves(again)} == {id(t) for t in inputs}
    if kept:
        return (lambda: found.result()[0]), named
    return program.replay(tensor), named
