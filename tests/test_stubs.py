"""The stub of `Tensor`'s methods lists exactly the methods there are."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "make_stubs.py"


def test_the_stub_is_up_to_date():
    if not TOOL.exists():
        pytest.skip("only in the repository")
    made = runpy.run_path(str(TOOL))
    written = made["STUB"].read_text(encoding="utf-8")
    assert written == made["stub"](), "run python tools/make_stubs.py"
