"""The page for those who come from PyTorch: what it says is there is there, and the rest is not."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import tinygrad_course as tc
from tinygrad_course.pytorch import MISSING, MISSING_LAYERS

PAGE = (Path(__file__).parents[1] / "docs/from_pytorch.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)]


def find(name: str) -> Any:
    return functools.reduce(getattr, name.removeprefix("tc.").split("."), tc)


THERE = names([row[1] for row in rows("What is there")])
MISSED = names([row[0] for row in rows("What is missing")])


def test_the_tables_are_read():
    assert len(THERE) > 60
    assert len(MISSED) > 25
    assert len(rows("What differs")) > 15


@pytest.mark.parametrize("name", THERE)
def test_what_is_there_is_there(name):
    find(name)


@pytest.mark.parametrize("name", MISSED)
def test_what_is_missing_is_missing(name):
    with pytest.raises(AttributeError):
        find(name)


@pytest.mark.parametrize("name", [n for n in names([r[1] for r in rows("What is missing")])])
def test_what_is_to_be_used_instead_is_there(name):
    if name.startswith("tc."):
        find(name)


def test_layers_that_are_missing_say_what_to_do():
    for name in MISSING_LAYERS:
        with pytest.raises(AttributeError, match=f"nn.{name} is not here: "):
            getattr(tc.nn, name)


def test_top_level_names_of_the_page_are_explained():
    for name in MISSED:
        if "." not in name:
            assert name in MISSING


def test_the_import_lines_work():
    lines = [row[1].strip("`") for row in rows_before_the_first_heading()]
    assert len(lines) == 6
    for line in lines:
        exec(line, {})


def rows_before_the_first_heading() -> list[list[str]]:
    head = PAGE.partition("\n## ")[0]
    lines = [line for line in head.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_number_of_programs_is_right():
    programs = Path(__file__).parent / "torch_programs"
    made = [p for p in programs.glob("*.py") if p.stem not in ("make_golden", "numpy_start")]
    assert len(made) == 23
    assert "twenty-three programs" in PAGE
    assert importlib.import_module("tinygrad_course.utils.data")
