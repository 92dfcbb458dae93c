"""Ordinary PyTorch programs run after a change of their import lines, with PyTorch's numbers.

`torch_programs/golden.json` was written by `torch_programs/make_golden.py`, with PyTorch.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "torch_programs"
GOLDEN = json.loads((PROGRAMS / "golden.json").read_text(encoding="utf-8"))


def with_imports_changed(text: str) -> str:
    """Return a program with `tinygrad_course` in place of `torch` in its import lines."""
    text = re.sub(r"^import torch$", "import tinygrad_course as torch", text, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 tinygrad_course", text, flags=re.M)


def test_only_import_lines_are_changed():
    for name in GOLDEN:
        text = (PROGRAMS / f"{name}.py").read_text(encoding="utf-8")
        changed = with_imports_changed(text)
        assert re.search(r"^import tinygrad_course as torch$", changed, flags=re.M), name
        lines = zip(text.splitlines(), changed.splitlines(), strict=True)
        for before, after in lines:
            assert before == after or re.match("(import|from) torch", before), name


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_pytorch_program_gives_pytorchs_numbers(name, monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAMS))
    path = PROGRAMS / f"{name}.py"
    code = compile(with_imports_changed(path.read_text(encoding="utf-8")), str(path), "exec")
    program: dict[str, object] = {"__name__": name}
    exec(code, program)
    got, expected = program["losses"], GOLDEN[name]
    assert isinstance(got, list)
    assert len(got) == len(expected)
    for place, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        assert math.isclose(mine, theirs, rel_tol=1e-5, abs_tol=1e-5), (place, mine, theirs)
