"""``tinygrad-course demo``: train the lecture's network on real digits, and make a page of it."""

from __future__ import annotations

import argparse
from typing import Any

from tinygrad_course.commands.options import count, folder, number_from_zero, require, writable

EPILOG = """\
examples:
  tinygrad-course demo                     writes ./demo; open demo/index.html
  tinygrad-course demo --out /tmp/digits
  tinygrad-course demo --epochs 2          too few epochs: some images are read wrong
"""


def add(commands: Any) -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "demo",
        help="train a 64-25-15-1 network on real digits, and make a page about it",
        description="Train the lecture's 64-25-15-1 network on real handwritten zeros and ones\n"
        "(bundled with scikit-learn; nothing is downloaded), check its gradients, and leave\n"
        "pictures, the model, and one page that shows them all.",
        epilog=EPILOG,
    )
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder to write (demo)")
    parser.add_argument(
        "--seed", type=number_from_zero, default=0, help="of split, weights and order (0)"
    )
    parser.add_argument(
        "--epochs", type=count, default=40, help="how often to go through the data (40)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the demo, telling what happens."""
    require("demo", ("sklearn", "matplotlib", "pygraphviz"))
    out = folder(arguments.out)
    from tinygrad_course import demo

    writable(out, demo.FILES)
    demo.make(out, seed=arguments.seed, epochs=arguments.epochs)
    return 0
