"""``tinygrad-course draw``: the picture of a computation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinygrad_course.commands import program
from tinygrad_course.commands.options import number_from_zero, require
from tinygrad_course.errors import ArgumentError

FORMATS = (".svg", ".png", ".pdf", ".gv")

EPILOG = f"""\
{program.BUILT_IN}
examples:
  tinygrad-course draw slide --backward
  tinygrad-course draw digits --backward --direction TB -o digits.png
  tinygrad-course draw digits --depth 1
  tinygrad-course draw mymodel.py:loss --backward -o loss.pdf

In mymodel.py:

  def loss():
      x = tc.tensor(2.0, requires_grad=True, name="x")
      return (x ** 2).sigmoid()
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "draw",
        help="draw the graph of a computation, forward and backward",
        description="Draw what a loss was computed from, and how derivatives flow back.\n"
        "A model alone is drawn as layers of circles.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "program", nargs="?", default="slide", metavar="PROGRAM", help=program.HELP + " (slide)"
    )
    parser.add_argument("--backward", action="store_true", help="draw the backward pass too")
    parser.add_argument(
        "--depth", type=number_from_zero, help="levels of modules to open: 0 one box, 1 the layers"
    )
    parser.add_argument(
        "--direction", choices=("LR", "TB"), default="LR", help="left to right, or top to bottom"
    )
    parser.add_argument(
        "--max-nodes", type=number_from_zero, default=500, help="largest graph to draw (500)"
    )
    parser.add_argument(
        "-o",
        "--out",
        default="graph.svg",
        metavar="FILE",
        help="ending in .svg, .png, .pdf, or .gv for Graphviz's own text (graph.svg)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw, and say where."""
    target = Path(arguments.out)
    ending = target.suffix.lower()
    if ending not in FORMATS:
        raise ArgumentError(
            f"draw: got -o {arguments.out!r}, expected a name that ends in {', '.join(FORMATS)}."
        )
    if ending != ".gv":
        require("draw", ("pygraphviz",))
    import viz
    from tinygrad_course.commands.samples import SAMPLES
    from viz.render import write_atomically

    tensor, model = program.find(arguments.program, SAMPLES).result()
    if tensor is None:
        if arguments.backward or arguments.depth is not None:
            raise ArgumentError(
                f"draw: {arguments.program} gives a model without an input, so that there is no "
                "graph: --backward and --depth have no meaning. Return the loss, or "
                "(model, input)."
            )
        drawing = viz.draw_network(model)
    else:
        drawing = viz.draw(
            tensor,
            backward=arguments.backward,
            depth=arguments.depth,
            direction=arguments.direction,
            max_nodes=arguments.max_nodes,
        )
    if ending == ".gv":
        write_atomically(target, drawing.source.encode("utf-8"))
    else:
        drawing.render(target)
    print(f"wrote {target}")
    return 0
