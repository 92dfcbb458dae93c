"""``tinygrad-course source``: the forward and backward pass of a program, as NumPy."""

from __future__ import annotations

import argparse
from typing import Any

from tinygrad_course.commands import program
from tinygrad_course.commands.equations import add_notation, add_program, add_verify
from tinygrad_course.commands.options import output, write

OPTIMIZERS = (
    "sgd", "asgd", "rprop", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "adamax", "nadam",
    "radam",
)  # fmt: skip

EPILOG = f"""\
{program.BUILT_IN}
examples:
  tinygrad-course source shallow
  tinygrad-course source deep --functions layers -o deep.py
  tinygrad-course source shallow --optimizer adam --loop -o train_shallow.py
  tinygrad-course source mymodel.py:loss --notation rows

The program needs NumPy only, and runs for any number of examples.
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "source",
        help="write forward and backward propagation as a NumPy program",
        description="Write a NumPy program that computes a loss and its gradients, without this\n"
        "package. It is run, and compared with automatic differentiation.",
        epilog=EPILOG,
    )
    add_program(parser)
    add_notation(parser, ("auto", "columns", "rows"))
    parser.add_argument(
        "--style",
        choices=("course", "exact"),
        default="course",
        help="where the 1/m of a mean stands: in dW and db, or exactly where it arises (course)",
    )
    parser.add_argument(
        "--functions",
        choices=("one", "layers"),
        default="one",
        help="one function, or those of the course, layer by layer with caches (one)",
    )
    known = ", ".join(OPTIMIZERS)
    parser.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        metavar="NAME",
        help=f"add the update of the parameters: {known}",
    )
    parser.add_argument("--loop", action="store_true", help="add the training loop")
    parser.add_argument("-o", "--out", metavar="FILE", help="write to this file, ending in .py")
    add_verify(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the program, verify it, and print or store it."""
    from tinygrad_course.commands.samples import SAMPLES
    from tinygrad_course.derivation.source import source
    from tinygrad_course.derivation.verify import verify

    if arguments.out is not None:
        output("source", arguments.out, (".py",))
    loss = program.find(arguments.program, SAMPLES).computation("source")
    text = source(
        loss,
        wrt=program.parameters("source", loss, arguments.wrt),
        notation=arguments.notation,
        style=arguments.style,
        functions=arguments.functions,
        optimizer=arguments.optimizer,
        loop=arguments.loop,
    )
    verdict = str(verify(text)) if arguments.verify else ""
    if arguments.out is None:
        print(text, end="")
        if verdict:
            print(f"\n# {verdict}")
        return 0
    write(arguments.out, str(text))
    print(f"wrote {arguments.out}" + (f"\n{verdict}" if verdict else ""))
    return 0
