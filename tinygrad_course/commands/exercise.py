"""``tinygrad-course exercise``: a backward pass with blanks, on paper and as a program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinygrad_course.commands import program
from tinygrad_course.commands.equations import add_notation, add_program, document
from tinygrad_course.commands.options import folder, named, output, writable, write

SHEETS = (".md", ".txt", ".tex", ".html")
ENDINGS = (".py", *SHEETS)

EPILOG = f"""\
{program.BUILT_IN}
examples:
  tinygrad-course exercise shallow                      every line of the backward pass is a blank
  tinygrad-course exercise shallow --hide dZ1           only this one
  tinygrad-course exercise shallow -o exercise          a folder: sheet and program to fill in
  tinygrad-course exercise shallow -o exercise.py       only the program; run it, it checks itself
  tinygrad-course check shallow --yours exercise.py     the same check from here
  tinygrad-course exercise shallow --solution           the sheet without blanks
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "exercise",
        help="make an exercise: the backward pass with blanks, as a sheet and a program",
        description="Hide lines of the backward pass: equations with blanks, and a NumPy program\n"
        "to fill in, which tells what is right and what is wrong.",
        epilog=EPILOG,
    )
    add_program(parser)
    parser.add_argument(
        "--hide",
        type=named,
        metavar="NAME,NAME,…",
        help="lines of the backward pass, such as dZ1,dW2 (all of them)",
    )
    add_notation(parser, ("auto", "columns", "rows", "welch"))
    parser.add_argument(
        "--mean",
        choices=("course", "exact"),
        default="course",
        help="where the 1/m of a mean stands: in dW and db, or exactly where it arises (course)",
    )
    parser.add_argument("--solution", action="store_true", help="with the blanks filled in")
    parser.add_argument(
        "-o",
        "--out",
        metavar="PATH",
        help=f"a folder for sheet and program, or one file: {', '.join(ENDINGS)}",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the exercise, and print or write it."""
    from tinygrad_course.commands.samples import SAMPLES
    from tinygrad_course.derivation.exercise import exercise

    out = arguments.out
    if out is not None and Path(out).suffix:
        output("exercise", out, ENDINGS)
    found = program.find(arguments.program, SAMPLES)
    loss = found.loss("exercise")
    made = exercise(
        loss,
        hide=arguments.hide,
        wrt=program.parameters("exercise", loss, arguments.wrt),
        notation=arguments.notation,
        mean=arguments.mean,
        solution=arguments.solution,
    )
    heading = f"{'Solution' if arguments.solution else 'Exercise'}: backpropagation, {found.name}"
    code = made.solution if arguments.solution else made.skeleton
    if out is None:
        print(made)
        print("\nWith -o exercise.py: the same as a program that checks itself.")
        return 0
    if Path(out).suffix:
        ending = Path(out).suffix.lower()
        text = code if ending == ".py" else document(made.sheet, ending, heading)
        write(out, text.rstrip("\n") + "\n")
        print(f"wrote {out}")
        return 0
    stem = "solution" if arguments.solution else "exercise"
    files = {
        f"{stem}.md": document(made.sheet, ".md", heading).rstrip("\n") + "\n",
        f"{stem}.py": code,
    }
    target = folder(out)
    writable(target, files)
    for name, text in files.items():
        write(target / name, text)
    print(f"wrote {target}: {', '.join(files)}")
    return 0
