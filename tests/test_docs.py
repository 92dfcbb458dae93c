"""The README and docs/ are true: their code runs, their tables and pictures are current."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sessions(text: str) -> str:
    """Return the page with everything blanked but the Python sessions; lines keep their numbers."""
    kept = []
    inside = False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```pycon"
            kept.append("")
        else:
            kept.append(line if inside else "")
    return "\n".join(kept) + "\n"


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_does_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(sessions(text), {}, page, str(ROOT / page), 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.S)  # g[l](Z[l]) is no link
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


def test_every_page_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"]({page})" in readme, page


def test_the_table_of_operations_is_current():
    made = load("tools/make_op_table.py").page()
    kept = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert made == kept, "run: python tools/make_op_table.py"


def test_the_table_of_operations_has_every_public_one():
    from tinygrad_course import ops

    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for name in ops.FUNCTIONS:
        assert re.search(rf"`{name}[`(]", text), name


def structure(svg: str) -> tuple[list[str], int, int]:
    """Return the words of a picture, and how many boxes and arrows it has: what is not layout."""
    words = sorted(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    return words, svg.count('class="node"'), svg.count('class="edge"')


@pytest.mark.parametrize("name", sorted(load("docs/make_pictures.py").DRAWINGS))
def test_the_pictures_are_current(name):
    fresh = load("docs/make_pictures.py").DRAWINGS[name]().pipe("svg").decode("utf-8")
    kept = (ROOT / f"docs/pictures/{name}.svg").read_text(encoding="utf-8")
    assert structure(fresh) == structure(kept), "look at them, run: python docs/make_pictures.py"


def test_there_is_no_picture_that_nothing_makes():
    made = {f"{name}.svg" for name in load("docs/make_pictures.py").DRAWINGS}
    assert {path.name for path in (ROOT / "docs/pictures").iterdir()} == made


def test_the_definition_shown_in_autodiff_is_the_code():
    page = (ROOT / "docs/autodiff.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(.*?\)\n)def ", page, flags=re.S)
    source = (ROOT / "tinygrad_course/ops/elementwise.py").read_text(encoding="utf-8")
    assert f"{shown}def mul(" in source


def test_the_readme_has_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert load(".ci/readme_commands.py").commands(text) == [
        'pip install -e ".[demo]" && tinygrad-course demo',
        'pip install -e ".[test]" && pytest -n auto',
    ]
