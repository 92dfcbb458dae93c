"""Shared by all tests: where helpers are found, how hard Hypothesis searches, and a fresh seed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

# Helpers (`op_samples`, `numeric`) stand beside the tests, which need not be an installed package.
sys.path.insert(0, str(Path(__file__).parent))

# They need PyTorch, which is no test dependency; each wrote a golden file once.
collect_ignore_glob = ["*/make_*.py", "torch_programs/*.py"]

# `ci`, the default, draws the same cases every time; `thorough` draws new ones, and more of them.
#   HYPOTHESIS_PROFILE=thorough pytest tests/test_random_graphs.py
_common = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
    "print_blob": True,
}
hypothesis.settings.register_profile("ci", derandomize=True, database=None, **_common)
hypothesis.settings.register_profile("thorough", **_common)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _fresh_state():
    """Start every test from one seed and the default dtype, whatever ran before."""
    import tinygrad_course as tc

    tc.manual_seed(0)
    tc.set_default_dtype(tc.float32)
    yield
    tc.set_default_dtype(tc.float32)


def pytest_addoption(parser):
    parser.addoption(
        "--overwrite-golden",
        action="store_true",
        help="write the golden files anew instead of comparing with them",
    )


@pytest.fixture
def golden(request):
    """Compare text with a file of the folder `golden` beside the test."""

    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if request.config.getoption("--overwrite-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        expected = path.read_text(encoding="utf-8")
        assert text == expected, f"{name} differs; look at it, then run with --overwrite-golden"

    return check
