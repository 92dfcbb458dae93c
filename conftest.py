"""For tests and docstrings alike: the package under its own name, files and figures put away."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

# A docstring's module is then taken from the package. Imported once more from its file, when
# `pytest tinygrad_course/ops/shape.py` names one, it would register its operations twice.
import tinygrad_course as tc

# Only compiled loops need numba: without it their functions cannot be imported.
if importlib.util.find_spec("numba") is None:
    collect_ignore = ["tinygrad_course/compiling/loop_math.py"]

os.environ["MPLBACKEND"] = "Agg"  # no test opens a window


@pytest.fixture(autouse=True)
def _figures_are_closed():
    """Close the figures that a test opened."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture(autouse=True)
def _docstrings_run_apart(request, tmp_path_factory, monkeypatch):
    """Run each docstring in a folder of its own, from one seed."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("docstring"))
        tc.manual_seed(0)
