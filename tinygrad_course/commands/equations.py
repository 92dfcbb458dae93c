"""``tinygrad-course equations``: the forward and backward pass of a program, as equations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tinygrad_course.commands import program
from tinygrad_course.commands.options import named, output, write

if TYPE_CHECKING:
    from tinygrad_course.derivation import Equations

FORMS = ("text", "latex", "mathml", "markdown")
ENDINGS = (".txt", ".md", ".tex", ".html")

# How a form writes what is not part of it.
COMMENTS = {
    "text": "{}",
    "latex": "% {}",
    "mathml": "<!-- {} -->",
    "markdown": "<!-- {} -->",
}

EPILOG = f"""\
{program.BUILT_IN}
examples:
  tinygrad-course equations shallow
  tinygrad-course equations shallow --shapes --notation rows
  tinygrad-course equations deep --layers general
  tinygrad-course equations welch --notation welch
  tinygrad-course equations shallow --steps -o backprop.html
  tinygrad-course equations mymodel.py:loss --mean exact -o backprop.tex

-o writes a whole document: .tex compiles with pdflatex, .html opens in a browser, light or dark.
With --form the file holds the bare equations, for a document of your own.
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "equations",
        help="print forward and backward propagation as equations",
        description="Print the equations of forward and backward propagation behind a loss, in\n"
        "the notation of a course. They are checked against automatic differentiation.",
        epilog=EPILOG,
    )
    add_program(parser)
    add_notation(parser, ("auto", "columns", "rows", "welch"))
    parser.add_argument(
        "--mean",
        choices=("course", "exact"),
        default="course",
        help="where the 1/m of a mean stands: in dW and db, or exactly where it arises (course)",
    )
    parser.add_argument(
        "--steps", action="store_true", help="the chain rule link by link, with reasons"
    )
    parser.add_argument("--shapes", action="store_true", help="the shape beside each equation")
    parser.add_argument(
        "--layers", choices=("all", "general"), default="all", help="or the general layer l (all)"
    )
    parser.add_argument(
        "--activations",
        choices=("named", "general"),
        default="named",
        help="tanh(Z[1]), or g[1](Z[1]) for any activation (named)",
    )
    parser.add_argument("--form", choices=FORMS, help="of the bare equations (text)")
    parser.add_argument(
        "-o", "--out", metavar="FILE", help=f"write a document: {', '.join(ENDINGS)}"
    )
    add_verify(parser)
    parser.set_defaults(run=run)


def add_program(parser: Any) -> None:
    """Add the arguments that say what to derive."""
    parser.add_argument("program", metavar="PROGRAM", help=program.HELP)
    parser.add_argument(
        "--wrt",
        type=named,
        metavar="NAME,NAME,…",
        help="differentiate with respect to these (all parameters)",
    )


def add_notation(parser: Any, choices: tuple[str, ...]) -> None:
    """Add the option that says how examples lie."""
    parser.add_argument(
        "--notation", choices=choices, default="auto", help="examples as columns or rows (auto)"
    )


def add_verify(parser: Any) -> None:
    """Add the option that skips the comparison with autodiff."""
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="do not compare with automatic differentiation",
    )


def run(arguments: argparse.Namespace) -> int:
    """Derive, verify, and print or write."""
    from tinygrad_course.commands.samples import SAMPLES
    from tinygrad_course.derivation.verify import verify

    form = arguments.form or "text"
    ending = ""
    if arguments.out is not None and arguments.form is None:
        ending = output("equations", arguments.out, ENDINGS)
    found = program.find(arguments.program, SAMPLES)
    loss = found.computation("equations")
    arguments.wrt = program.parameters("equations", loss, arguments.wrt)
    sheet = derived(loss, arguments, form)
    # The largest difference from autodiff, in a line.
    verdict = str(verify(sheet, program=False)) if arguments.verify else ""
    text = document(sheet, ending, title(found.name), verdict) if ending else str(sheet)
    if arguments.out is None:
        print(text)
        if verdict:
            print()
            print(COMMENTS[form].format(verdict))
        return 0
    write(arguments.out, text.rstrip("\n") + "\n")
    print(f"wrote {arguments.out}" + (f"\n{verdict}" if verdict else ""))
    return 0


def derived(loss: Any, arguments: argparse.Namespace, form: str) -> Equations:
    """Return the sheet that the options ask for."""
    from tinygrad_course.derivation import equations

    return equations(
        loss,
        wrt=arguments.wrt,
        notation=arguments.notation,
        mean=arguments.mean,
        form=form,
        steps=arguments.steps,
        shapes=arguments.shapes,
        layers=arguments.layers,
        activations=arguments.activations,
    )


def title(name: str) -> str:
    """Return the heading of a document about a program."""
    return f"Backpropagation: {name}"


def document(sheet: Equations, ending: str, heading: str, verdict: str = "") -> str:
    """Return a sheet as a document of the kind that a file's ending names."""
    from tinygrad_course.derivation.documents import to_html, to_tex

    remarks = [f"{verdict[0].upper()}{verdict[1:]}."] if verdict else []
    if ending == ".tex":
        return to_tex(heading, sheet, remarks)
    if ending == ".html":
        return to_html(heading, sheet, remarks)
    if ending == ".md":
        more = "".join(f"\n*{remark}*\n" for remark in remarks)
        return f"# {heading}\n\n{sheet.markdown}{more}"
    more = "".join(f"\n\n{remark}" for remark in remarks)
    return f"{heading}\n\n{sheet}{more}"
