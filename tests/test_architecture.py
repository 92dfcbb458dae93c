"""Imports go one way, files stay short, and `import tinygrad_course` loads little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("tinygrad_course/**/*.py"), *ROOT.glob("viz/**/*.py")])
LONGEST = 640  # lines: about 600
OPTIONAL = ("matplotlib", "sklearn", "scipy", "tqdm", "pygraphviz", "IPython")

# From the ground up: at import time a part may import itself, its neighbours on the same line, and
# parts above it in this list. What it needs from further down, it imports when it is called.
LAYERS = (
    {"errors"},
    {"op", "spelling", "naming", "_methods", "random", "elsewhere"},
    {"node", "messages"},
    {"journal", "arrays"},
    {"tensor"},
    {"modes", "inplace"},
    {"ops"},
    {"autograd"},
    {"creation", "draws", "function", "linalg", "numpy_protocol", "transforms"},
    {"differentials", "history", "pytorch"},
    {"graph", "replay", "graph_json", "checkpoint"},
    {"capture", "counting"},
    {"tracing"},
    {"derivation"},
    {"compiling"},
    {"checking", "gradcheck"},
    {"", "notebook", "nn", "optim", "data", "utils", "distributions"},  # "" is the package itself
    {"train"},
    {"viz"},
    {"demo"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def names(path: Path) -> tuple[str, str]:
    """Return the module's full name, and that of the package it lies in."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), ".".join(parts[:-1])
    return ".".join(parts), ".".join(parts[:-1])


def at_import_time(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when the module is imported."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from at_import_time(node.body)
            yield from at_import_time(node.orelse)
        elif isinstance(node, ast.Try):
            yield from at_import_time([*node.body, *node.orelse, *node.finalbody])


def imports(path: Path) -> set[str]:
    """Return the full names of the modules that a module imports at import time."""
    _, package = names(path)
    found = set()
    for node in at_import_time(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            above = package.split(".")
            above = above[: len(above) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        # `from .. import errors` names modules; `from ..errors import ShapeError` does not.
        modules = base in ("tinygrad_course", "viz")
        found.update(f"{base}.{alias.name}" if modules else base for alias in node.names)
    return found


def part(module: str) -> str:
    """Return which part of `LAYERS` a module of ours belongs to."""
    first, _, rest = module.partition(".")
    if first == "viz":
        return "viz"
    below = rest.partition(".")[0]
    return below if below in LEVEL else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: names(path)[0])
def test_imports_go_one_way(path):
    module, _ = names(path)
    assert part(module) or module == "tinygrad_course", f"give {module} a place in LAYERS"
    for target in imports(path):
        if target.partition(".")[0] in ("tinygrad_course", "viz") and target != module:
            here, there = part(module), part(target)
            if there == "" and target == "tinygrad_course.__version__":
                continue
            assert LEVEL[there] <= LEVEL[here], f"{module} imports {target}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: names(path)[0])
def test_optional_packages_are_imported_when_they_are_used(path):
    module, _ = names(path)
    taken = {target.partition(".")[0] for target in imports(path)}
    assert not taken & set(OPTIONAL), module
    if part(module) not in ("viz", "demo", "commands", "cli", "__main__"):
        assert not taken & {"viz", "graphviz", "safetensors"}, module


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import tinygrad_course",
        "from tinygrad_course import nn, optim, data, train, graph, checkpoint",
        "from tinygrad_course import cli",
    ],
)
def test_the_core_loads_neither_viz_nor_optional_packages(statement):
    assert not loaded_by(statement) & {"viz", "graphviz", "safetensors", *OPTIONAL}


def test_import_tinygrad_course_loads_neither_nn_nor_optim():
    code = "import tinygrad_course, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    loaded = {m for m in done.stdout.split() if m.startswith("tinygrad_course.")}
    for name in ("nn", "optim", "data", "train", "checking", "checkpoint", "cli", "commands"):
        assert f"tinygrad_course.{name}" not in loaded


def test_importing_viz_is_light():
    assert not loaded_by("import viz") & set(OPTIONAL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: names(path)[0])
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
