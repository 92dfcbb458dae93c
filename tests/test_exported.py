"""What the package exports is listed, documented, and shown in an example that runs."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

PUBLIC = (
    "tinygrad_course",
    "tinygrad_course.nn",
    "tinygrad_course.nn.functional",
    "tinygrad_course.nn.init",
    "tinygrad_course.optim",
    "tinygrad_course.optim.lr_scheduler",
    "tinygrad_course.data",
    "tinygrad_course.data.course",
    "tinygrad_course.utils.data",
    "tinygrad_course.train",
    "viz",
)


def exported() -> list[Any]:
    found = []
    for module in PUBLIC:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            found.append(pytest.param(module, name, id=f"{module}.{name}"))
    return found


@pytest.mark.parametrize("module", PUBLIC)
def test_names_are_listed_once_and_exist(module):
    loaded = importlib.import_module(module)
    assert len(set(loaded.__all__)) == len(loaded.__all__)
    for name in loaded.__all__:
        assert hasattr(loaded, name), name


@pytest.mark.parametrize("module", [m for m in PUBLIC if m != "tinygrad_course.nn.init"])
def test_what_is_there_under_a_public_name_is_listed(module):
    """A helper that is no part of the interface has an underscore (two for layers in nn.init)."""
    loaded = importlib.import_module(module)
    for name, value in vars(loaded).items():
        ours = getattr(value, "__module__", "").startswith((module, f"{module}."))
        if not name.startswith("_") and ours and callable(value):
            assert name in loaded.__all__, name


@pytest.mark.parametrize(("module", "name"), exported())
def test_an_exported_function_or_class_has_a_docstring_with_an_example(module, name):
    value = getattr(importlib.import_module(module), name)
    ours = getattr(value, "__module__", None) or ""
    if inspect.ismodule(value):
        assert value.__doc__
    elif callable(value) and ours.startswith(("tinygrad_course", "viz")):
        assert value.__doc__, "no docstring"
        assert value.__doc__.split("\n")[0].strip().endswith((".", "?", ":")), "no summary line"
        if not (inspect.isclass(value) and issubclass(value, Exception)):
            assert ">>>" in value.__doc__, "no example"


def test_the_version_is_the_changelogs():
    from pathlib import Path

    import tinygrad_course as tc

    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{tc.__version__}]" in changelog
