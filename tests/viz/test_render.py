"""Pictures appear whole or not at all, with or without Graphviz on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import graphviz
import pytest

from viz import render
from viz.render import Drawing, RendererNotFoundError, RenderError, render_dot

SIGNATURES = {"svg": b"<?xml", "png": b"\x89PNG\r\n", "pdf": b"%PDF-"}


@pytest.fixture
def drawing() -> Drawing:
    picture = Drawing("g")
    picture.node("n0", label="x")
    picture.node("n1", label="y")
    picture.edge("n0", "n1")
    return picture


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    """A machine with nothing on PATH."""
    empty = tmp_path / "empty-path"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.fixture
def child(monkeypatch):
    """Replace the child that draws by a given Python program."""

    def replace(program: str) -> None:
        monkeypatch.setattr(render.shutil, "which", lambda name: None)
        monkeypatch.setattr(render, "_CHILD", program)

    return replace


@pytest.mark.parametrize("format", render.FORMATS)
def test_render_writes_exactly_one_file(drawing, tmp_path, no_dot, format):
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / f"g.{format}"
    assert drawing.render(target) == str(target)
    assert [path.name for path in folder.iterdir()] == [target.name]
    assert target.read_bytes().startswith(SIGNATURES[format])


@pytest.mark.parametrize("engine", ["dot", "neato"])
def test_pipe_with_nothing_on_path(drawing, no_dot, engine):
    svg = drawing.pipe(format="svg", engine=engine, encoding="utf-8")
    assert "<svg" in svg
    assert "n0&#45;&gt;n1" in svg


def test_names_and_formats(drawing, tmp_path):
    assert drawing.render("a", directory=tmp_path) == str(tmp_path / "a.svg")
    assert drawing.render("b", directory=tmp_path, format="png") == str(tmp_path / "b.png")
    assert drawing.render(outfile=tmp_path / "c.svg") == str(tmp_path / "c.svg")
    assert drawing.render("D.SVG", directory=tmp_path) == str(tmp_path / "D.SVG")
    assert drawing.render("v1.2", directory=tmp_path, format="svg") == str(tmp_path / "v1.2.svg")
    assert drawing.render(directory=tmp_path) == str(tmp_path / "g.svg")
    assert drawing.render("deep/er/e.svg", directory=tmp_path) == str(tmp_path / "deep/er/e.svg")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.svg", "b.png", "c.svg", "D.SVG", "v1.2.svg", "g.svg", "deep"}


def test_dot_text_is_kept_when_asked(drawing, tmp_path):
    drawing.render(tmp_path / "g.svg", cleanup=False)
    assert (tmp_path / "g.gv").read_text(encoding="utf-8") == drawing.source


@pytest.mark.parametrize("name", ["g.jpeg", "g.xdot", "g.txt", "g.gif"])
def test_unsupported_format(drawing, tmp_path, name):
    with pytest.raises(ValueError, match=r"unsupported format .*svg, png, pdf"):
        drawing.render(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_ending_and_format_must_agree(drawing, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.svg, but format is 'png'"):
        drawing.render(tmp_path / "g.svg", format="png")


def test_bad_options(drawing):
    with pytest.raises(ValueError, match="unknown engine 'sh'"):
        render_dot("graph {}", engine="sh")
    with pytest.raises(ValueError, match="positive number of seconds"):
        render_dot("graph {}", timeout=0)
    with pytest.raises(ValueError, match="renderer is not supported"):
        drawing.pipe("svg", renderer="cairo")


def test_existing_file_is_replaced_or_kept(drawing, tmp_path):
    target = tmp_path / "g.svg"
    target.write_text("old")
    with pytest.raises(RenderError, match="exists"):
        drawing.render(target, raise_if_result_exists=True)
    assert target.read_text() == "old"
    drawing.render(target)
    assert target.read_bytes().startswith(b"<?xml")


def test_permissions_follow_the_umask(drawing, tmp_path):
    if os.name != "posix":
        pytest.skip("permissions are a POSIX matter")
    reference = tmp_path / "reference"
    reference.write_text("x")
    drawing.render(tmp_path / "g.svg")
    assert (tmp_path / "g.svg").stat().st_mode == reference.stat().st_mode


def test_folder_in_the_way(drawing, tmp_path):
    (tmp_path / "g.svg").mkdir()
    with pytest.raises(RenderError, match=r"cannot write .*folder"):
        drawing.render(tmp_path / "g.svg")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RenderError, match="cannot write"):
        drawing.render(tmp_path / "file" / "g.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "g.svg"]


def test_failed_write_keeps_the_old_file(drawing, tmp_path, monkeypatch):
    target = tmp_path / "g.svg"
    target.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render.os, "replace", full)
    with pytest.raises(RenderError, match="No space left on device"):
        drawing.render(target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["g.svg"]


def test_link_is_followed(drawing, tmp_path):
    (tmp_path / "link.svg").symlink_to(tmp_path / "real.svg")
    drawing.render(tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "real.svg").read_bytes().startswith(b"<?xml")


def test_nothing_to_draw_with(drawing, monkeypatch, no_dot, tmp_path):
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RendererNotFoundError, match=r'pip install "tinygrad_course\[viz\]"'):
        drawing.render(tmp_path / "g.svg")
    assert not (tmp_path / "g.svg").exists()


def test_crash_of_the_child_is_an_error(drawing, child, tmp_path):
    child("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(RenderError, match=r"crashed \(SIGSEGV\)"):
        drawing.render(tmp_path / "g.svg")
    assert not list(tmp_path.iterdir())


def test_hang_of_the_child_is_an_error(drawing, child):
    child("import time; time.sleep(60)")
    drawing.timeout = 0.3
    with pytest.raises(RenderError, match=r"stopped after 0\.3 seconds"):
        drawing.pipe("svg")


def test_failure_and_silence_of_the_child_are_errors(drawing, child):
    child("raise ValueError('no such layout')")
    with pytest.raises(RenderError, match="ValueError: no such layout"):
        drawing.pipe("svg")
    child("pass")
    with pytest.raises(RenderError, match="it said: nothing"):
        drawing.pipe("svg")


def test_half_drawn_picture_is_an_error(drawing, child):
    child("import sys; print('Error: syntax error in label', file=sys.stderr); print('<svg/>')")
    with pytest.raises(RenderError, match="could not draw all .*syntax error in label"):
        drawing.pipe("svg")


def test_text_that_is_not_dot(no_dot):
    with pytest.raises(RenderError, match="could not draw"):
        render_dot("this is not a graph")


def test_broken_label_is_an_error(no_dot):
    with pytest.raises(RenderError, match="syntax error"):
        render_dot("digraph { a [label=<<B></B>>] }")


def test_label_with_leading_line_break_leaves_python_alive(no_dot):
    """Graphviz may crash on this; whatever happens, it happens in the child."""
    for text in ("\\nx", "\nx"):
        picture = Drawing("g")
        picture.node("n0", label=text)
        try:
            assert picture.pipe("svg").startswith(b"<?xml")
        except RenderError as error:
            assert "crashed" in str(error)


def test_program_dot_is_used_when_it_is_there(drawing, monkeypatch, tmp_path):
    if os.name != "posix":
        pytest.skip("the stand-in for dot is a script with a first line for POSIX")
    fake = tmp_path / "dot"
    fake.write_text(
        f"#!{sys.executable}\nimport sys\nprint('<svg>', sys.argv[1:], len(sys.stdin.read()))\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    svg = drawing.pipe("svg", encoding="utf-8")
    assert svg == f"<svg> ['-Kdot', '-Tsvg'] {len(drawing.source)}\n"
    fake.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('Format: not recognized')\n")
    with pytest.raises(RenderError, match="dot could not draw .*Format: not recognized"):
        drawing.pipe("svg")


def test_no_shell_and_no_module_of_the_working_directory(drawing, tmp_path, monkeypatch, no_dot):
    (tmp_path / "pygraphviz.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    calls = []
    run = subprocess.run

    def watched(command, **options):
        calls.append((command, options))
        return run(command, **options)

    monkeypatch.setattr(render.subprocess, "run", watched)
    drawing.render("$(touch broken);.svg")
    ((command, options),) = calls
    assert isinstance(command, list)
    assert not options.get("shell")
    assert not (tmp_path / "broken").exists()
    assert (tmp_path / "$(touch broken);.svg").exists()


def test_letters_without_fonts_on_the_machine(no_dot, monkeypatch, tmp_path):
    """In a slim container the only fonts are Matplotlib's; letters must not be empty boxes."""
    if not sys.platform.startswith("linux"):
        pytest.skip("fontconfig is used on Linux")
    pytest.importorskip("matplotlib")
    without = render._FONTS.replace("/etc/fonts/fonts.conf", str(tmp_path / "missing"))
    monkeypatch.setattr(render, "_FONTS", without)
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    i, w = (render_dot(f'digraph {{ a [shape=plain label="{c * 20}"] }}') for c in "iw")
    # With no font at all, every letter would be the same rectangle.
    assert i.split(b"viewBox")[1].split()[2] != w.split(b"viewBox")[1].split()[2]


def test_notebook_shows_svg(drawing, no_dot):
    assert "<svg" in drawing._repr_svg_()
    bundle = drawing._repr_mimebundle_()
    assert list(bundle) == ["image/svg+xml"]
    assert drawing._repr_mimebundle_(include=["image/png"])["image/png"].startswith(b"\x89PNG")
    assert drawing._repr_mimebundle_(exclude=["image/svg+xml"]) == {}


def test_notebook_shows_the_reason_when_it_cannot_draw(drawing, monkeypatch, no_dot):
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    bundle = drawing._repr_mimebundle_()
    assert "pip install" in bundle["text/plain"]


def test_it_is_a_digraph_and_copies(drawing):
    drawing.timeout = 7.0
    copy = drawing.copy()
    assert isinstance(copy, Drawing)
    assert isinstance(drawing, graphviz.Digraph)
    assert copy.source == drawing.source
    assert (copy.timeout, copy.format) == (7.0, "svg")
    assert Drawing("g", format="png").format == "png"


def test_same_picture_twice(drawing, no_dot):
    assert drawing.pipe("svg") == drawing.pipe("svg")


def test_import_is_light():
    """Importing viz loads neither Matplotlib nor pygraphviz."""
    program = (
        "import sys, viz; "
        "print(sorted({'matplotlib', 'pygraphviz', 'IPython', 'sklearn'} & set(sys.modules)))"
    )
    root = Path(render.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"


def test_signal_names():
    if hasattr(signal, "SIGABRT"):
        assert render._signal_name(-signal.SIGABRT) == "SIGABRT"
    assert render._signal_name(0xC0000005) == "exit status 3221225477"
