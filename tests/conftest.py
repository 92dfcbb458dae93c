"""Shared by all tests: where helpers are found, how hard Hypothesis searches, and a fresh seed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

# Helpers (`op_samples`, `numeric`) stand beside the tests, which need not be an installed package.
sys.path.insert(0, str(Path(__file__).parent))

# `ci`, the default, draws the same cases every time; `thorough` draws new ones, many more of them.
#   HYPOTHESIS_PROFILE=thorough pytest tests/test_random_graphs.py
_common = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
    "print_blob": True,
}
hypothesis.settings.register_profile("ci", derandomize=True, database=None, **_common)
hypothesis.settings.register_profile("thorough", max_examples=5_000, **_common)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _fresh_state():
    """Start every test from one seed and the default dtype, whatever ran before."""
    import tinygrad_course as tc

    tc.manual_seed(0)
    tc.set_default_dtype(tc.float32)
    yield
    tc.set_default_dtype(tc.float32)
