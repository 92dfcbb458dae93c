"""``tinygrad-course check``: are these gradients right, and is a backward pass of one's own?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tinygrad_course.commands import program
from tinygrad_course.commands.options import limit, positive
from tinygrad_course.errors import ArgumentError

EPILOG = f"""\
{program.BUILT_IN}
examples:
  tinygrad-course check digits
  tinygrad-course check digits --max-entries all
  tinygrad-course check slide --double        second derivatives too
  tinygrad-course check mymodel.py:loss
  tinygrad-course check shallow --yours backprop.py
  tinygrad-course check mymodel.py:loss --yours backprop.py:backward

--yours holds your own backpropagation against the derived one and names the mistake. The file has
a function that returns {{"dW1": …}}, functions with the courses' signatures, or is an exercise that
you filled in.

The exit status is 0 when all derivatives agree, and 1 when one does not.
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "check",
        help="check gradients against central differences, or your own backpropagation",
        description="Compare the derivatives of a loss with central differences in float64,\n"
        "parameter by parameter, and name what is wrong. With --yours, check backpropagation\n"
        "that you wrote by hand.",
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
    parser.add_argument(
        "--yours",
        metavar="FILE.py[:NAME]",
        help="check this backward pass of your own against the program's",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, and print the report."""
    return _run_yours(arguments) if arguments.yours is not None else _run_differences(arguments)


def _run_yours(arguments: argparse.Namespace) -> int:
    """Check a learner's own backward pass."""
    from tinygrad_course.checking.backprop import check_backprop
    from tinygrad_course.commands.samples import SAMPLES
    from tinygrad_course.derivation.exercise import exercise

    for option in ("eps", "double"):
        if getattr(arguments, option):
            raise ArgumentError(
                f"check: --{option} is for central differences, and --yours compares with derived "
                "gradients. Leave one of them out."
            )
    loss = program.find(arguments.program, SAMPLES).loss("check")
    yours = program.load(arguments.yours)
    filled_in = isinstance(yours, ModuleType) and hasattr(yours, "BLANKS")
    report = exercise(loss).check(yours) if filled_in else check_backprop(loss, yours)
    _print(report)
    return 0 if report.passed else 1


def _run_differences(arguments: argparse.Namespace) -> int:
    """Check the gradients of the program by central differences."""
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
    _print(report)
    return 0 if report.passed else 1


def _print(report: Any) -> None:
    """Print a report, in ASCII where ε cannot be printed."""
    text = report.to_text()
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = report.to_text(ascii=True)
    print(text, end="")


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
