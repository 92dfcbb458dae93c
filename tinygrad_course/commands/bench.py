"""``tinygrad-course bench``: the benchmarks of a checkout, side by side with other frameworks."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from tinygrad_course.errors import ArgumentError


def add(commands: Any) -> None:
    """Announce the command; all that follows it is for `python -m benchmarks`."""
    parser = commands.add_parser(
        "bench",
        help="time training steps beside NumPy by hand, PyTorch and JAX; bench --help has options",
        add_help=False,
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start `python -m benchmarks` in the checkout, and return its exit status."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise ArgumentError(
            "bench: the benchmarks are part of the repository, not of the installed package. "
            'Clone it, and there: pip install -e ".[bench]" && tinygrad-course bench'
        )
    command = [sys.executable, "-m", "benchmarks", *arguments.rest]
    return subprocess.run(command, cwd=root, check=False).returncode
