"""From DOT text to an SVG, PNG or PDF picture, with or without Graphviz on the machine.

`render_dot` turns text into bytes. It runs the program `dot` when that is on PATH, and otherwise
lays the picture out with pygraphviz, whose wheels carry Graphviz. Both run in a child process
with a time limit, so that a crash or a hang inside Graphviz becomes an error message and the
interpreter lives on. `Drawing` is a `graphviz.Digraph` that draws itself this way. Nothing here
knows what is drawn.

No shell is involved, and the only file written is the picture itself: it appears complete or not
at all.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape as _escape_xml

import graphviz

from tinygrad_course.errors import ArgumentError, MissingDependencyError, TinygradCourseError
from viz import style

FORMATS = ("svg", "png", "pdf")
"""The formats that both ways of rendering write well; others of Graphviz have crashed."""
ENGINES = ("dot", "neato", "fdp", "sfdp", "circo", "twopi")
"""The layout programs of Graphviz."""
TIMEOUT = 60.0
"""Seconds that one picture may take."""

# Reads DOT from stdin, writes the picture to stdout. Arguments: engine, format, dots per inch,
# and the folder that holds pygraphviz, because a child does not inherit what the parent added to
# sys.path.
_CHILD = """
import sys
engine, format, dpi, folder = sys.argv[1:]
sys.path.append(folder)
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
if format == "png" and "dpi" not in graph.graph_attr:
    graph.graph_attr["dpi"] = dpi
sys.stdout.buffer.write(graph.draw(format=format, prog=engine))
"""

# What fontconfig reads in the child: the system's own settings where there are some, then the
# fonts that come with Matplotlib. A slim container has no fonts at all, and every letter would be
# an empty rectangle.
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{fonts}</dir>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


class RenderError(TinygradCourseError, RuntimeError):
    """A picture could not be drawn or written; the message says why and what helps."""


class RendererNotFoundError(RenderError, MissingDependencyError):
    """Neither the program `dot` nor pygraphviz is there to draw with."""


def check_format(name: str) -> str:
    """Return the format in lower case, or raise ValueError when it is not one of `FORMATS`.

    >>> check_format("PNG")
    'png'
    """
    lower = name.lower() if isinstance(name, str) else name
    if lower not in FORMATS:
        expected = ", ".join(FORMATS)
        raise ArgumentError(
            f"render: unsupported format {name!r}; expected one of: {expected}. "
            'Name the file with one of these endings, such as "graph.svg", or pass format="svg"'
        )
    return lower


def render_dot(
    source: str,
    format: str = "svg",
    *,
    engine: str = "dot",
    timeout: float = TIMEOUT,
) -> bytes:
    """Return the picture that DOT text describes.

    Args:
        source: A graph in the DOT language.
        format: "svg", "png" or "pdf".
        engine: The layout program, one of `ENGINES`.
        timeout: Seconds after which the layout is stopped.

    Raises:
        ValueError: For an unsupported format or engine, or a time limit that is not positive.
        RendererNotFoundError: When neither `dot` nor pygraphviz is installed.
        RenderError: When Graphviz refuses the text, crashes, or takes too long.

    >>> render_dot("digraph { x -> y }").rstrip().endswith(b"</svg>")
    True
    """
    format = check_format(format)
    if engine not in ENGINES:
        expected = ", ".join(ENGINES)
        raise ArgumentError(f"render: unknown engine {engine!r}; expected one of: {expected}")
    if not timeout > 0:
        raise ArgumentError(
            f"render: timeout is {timeout!r}; expected a positive number of seconds"
        )
    data = source.encode("utf-8", errors="replace")
    program = shutil.which("dot")
    if program is not None:
        command = [program, f"-K{engine}", f"-T{format}"]
        if format == "png":
            command.append(f"-Gdpi={style.DPI}")
        return _run(command, data, None, timeout, "dot")
    with tempfile.TemporaryDirectory(prefix="viz-fonts-") as scratch:
        command = _pygraphviz_command(engine, format)
        return _run(command, data, _font_environment(scratch), timeout, "pygraphviz")


def _pygraphviz_command(engine: str, format: str) -> list[str]:
    """Return the command line of the child that draws with pygraphviz."""
    try:
        spec = importlib.util.find_spec("pygraphviz")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not sys.executable:
        raise RendererNotFoundError(
            "render: found neither the program dot on PATH nor the package pygraphviz, and one of "
            'them has to lay the picture out; install one with: pip install "tinygrad_course[viz]"'
            " (or install Graphviz itself). The text of the graph is in .source"
        )
    folder = str(Path(spec.origin).parent.parent)
    # -I: a file named pygraphviz.py in the working directory must not be run instead.
    return [sys.executable, "-I", "-c", _CHILD, engine, format, str(style.DPI), folder]


def _font_environment(scratch: str) -> dict[str, str] | None:
    """Return an environment in which the child finds at least Matplotlib's fonts, or None as is."""
    if not sys.platform.startswith("linux") or "FONTCONFIG_FILE" in os.environ:
        return None
    try:
        spec = importlib.util.find_spec("matplotlib")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    settings = Path(scratch, "fonts.conf")
    settings.write_text(
        _FONTS.format(fonts=_escape_xml(str(fonts)), cache=_escape_xml(scratch)), encoding="utf-8"
    )
    return {**os.environ, "FONTCONFIG_FILE": str(settings)}


def _run(
    command: list[str], data: bytes, environment: dict[str, str] | None, timeout: float, name: str
) -> bytes:
    """Run a renderer with `data` as its input and return its output, or raise RenderError."""
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=timeout,
            env=environment,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"render: {name} was stopped after {timeout:g} seconds without a picture; "
            "draw a smaller part of the graph, or allow more time with the argument timeout"
        ) from None
    except OSError as error:
        raise RenderError(f"render: {name} could not be started: {error}") from error
    complaint = _complaint(done.stderr)
    if done.returncode < 0 or done.returncode >= 0xC0000000:
        raise RenderError(
            f"render: {name} crashed ({_signal_name(done.returncode)}) while it drew the picture; "
            f"its last words: {complaint or 'none'}. Labels that are not HTML-like and begin "
            "with a line break are known to do this"
        )
    if done.returncode != 0 or not done.stdout:
        raise RenderError(
            f"render: {name} could not draw this graph (exit status {done.returncode}); "
            f"it said: {complaint or 'nothing'}"
        )
    if complaint.startswith("Error: "):
        # Graphviz goes on after such an error, and leaves out labels or arrows.
        raise RenderError(f"render: {name} could not draw all of this graph; it said: {complaint}")
    return done.stdout


def _complaint(stderr: bytes) -> str:
    """Return what a renderer complained about, in at most three lines."""
    text = stderr.decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Fontconfig", "Warning: "))]
    errors = [index for index, line in enumerate(lines) if line.startswith("Error: ")]
    if errors:
        return " / ".join(lines[errors[0] : errors[0] + 3])
    return " / ".join(lines[-1:])


def _signal_name(returncode: int) -> str:
    with suppress(ValueError):
        return signal.Signals(-returncode).name
    return f"exit status {returncode}"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it holds either all of the new bytes or what was there before.

    Raises:
        RenderError: When the folder or the file cannot be written.
    """
    # Follow a link instead of replacing it.
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            # "x" makes a new file with the permissions that the user's umask gives.
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RenderError(
            f"render: cannot write {str(path)!r}: {reason}; "
            "give the name of a file in a folder that you may write to"
        ) from error


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    r"""A `graphviz.Digraph` that renders without Graphviz installed, and leaves no stray files.

    `.render("g.svg")` writes exactly that file, `.pipe(format="png")` returns bytes, and a
    notebook shows the picture. `.source` is the DOT text; building the same drawing twice gives
    the same text. Everything else is as in `graphviz.Digraph`, with "svg" as the default format.

    Attributes:
        timeout: Seconds that one picture may take.

    >>> drawing = Drawing("g")
    >>> drawing.node("n0", label="x")
    >>> drawing.source
    'digraph g {\n\tn0 [label=x]\n}\n'
    """

    _default_extension = "gv"

    def __init__(self, *args: Any, timeout: float = TIMEOUT, **kwargs: Any) -> None:
        """Take the arguments of `graphviz.Digraph`, and `timeout` in seconds."""
        if len(args) <= 4:  # name, comment, filename, directory come before format
            kwargs["format"] = kwargs.get("format") or "svg"
        super().__init__(*args, **kwargs)
        self.timeout = timeout

    def _copy_kwargs(self, **kwargs: Any) -> Any:
        return {**super()._copy_kwargs(**kwargs), "timeout": self.timeout}

    def pipe(
        self,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        *,
        engine: str | None = None,
        encoding: str | None = None,
    ) -> Any:
        """Return the picture as bytes, or as a string when `encoding` is given.

        Args:
            format: "svg" (the default), "png" or "pdf".
            renderer: Not supported; must be None.
            formatter: Not supported; must be None.
            neato_no_op: Not supported; must be None.
            quiet: Ignored: nothing is printed.
            engine: The layout program; by default the drawing's own.
            encoding: Such as "utf-8", to decode an SVG.

        Raises:
            ValueError: For an unsupported format, engine or option.
            RenderError: When the picture cannot be drawn; see `render_dot`.
        """
        options = {"renderer": renderer, "formatter": formatter, "neato_no_op": neato_no_op}
        given = [name for name, option in options.items() if option is not None]
        if given:
            raise ArgumentError(f"Drawing.pipe: {', '.join(given)} is not supported; leave it out")
        data = render_dot(
            self.source,
            format or self.format,
            engine=engine or self.engine or "dot",
            timeout=self.timeout,
        )
        return data if encoding is None else data.decode(encoding)

    def render(
        self,
        filename: os.PathLike[str] | str | None = None,
        directory: os.PathLike[str] | str | None = None,
        view: bool = False,
        cleanup: bool = True,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        quiet_view: bool = False,
        *,
        outfile: os.PathLike[str] | str | None = None,
        engine: str | None = None,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
    ) -> str:
        """Write the picture to one file and return its path.

        Args:
            filename: Such as "g.svg": the ending gives the format. A name without an ending gets
                that of `format`.
            directory: Folder of the file; by default the drawing's own. Missing folders are made.
            view: Whether to open the picture with the program that the system has for it.
            cleanup: False also writes the DOT text, beside the picture, with the ending .gv.
            format: "svg", "png" or "pdf"; must agree with the ending of `filename`.
            renderer: Not supported; must be None.
            formatter: Not supported; must be None.
            neato_no_op: Not supported; must be None.
            quiet: Ignored: nothing is printed.
            quiet_view: As `view`, without messages of the program that shows the picture.
            outfile: Another word for `filename`.
            engine: The layout program; by default the drawing's own.
            raise_if_result_exists: Whether to refuse to replace a file.
            overwrite_source: Ignored: the picture is never written over the DOT text.

        Raises:
            ValueError: For an unsupported format, engine or option, and when the ending of the
                file and `format` disagree.
            RenderError: When the picture cannot be drawn or written.
        """
        path, format = self._target(outfile if filename is None else filename, directory, format)
        if raise_if_result_exists and path.exists():
            raise RenderError(f"Drawing.render: {str(path)!r} exists; choose another name")
        picture = self.pipe(format, renderer, formatter, neato_no_op, engine=engine)
        write_atomically(path, picture)
        if not cleanup:
            write_atomically(path.with_suffix(".gv"), self.source.encode("utf-8"))
        if view or quiet_view:
            self._view(str(path), format=format, quiet=quiet_view)
        return str(path)

    def _target(
        self,
        filename: os.PathLike[str] | str | None,
        directory: os.PathLike[str] | str | None,
        format: str | None,
    ) -> tuple[Path, str]:
        """Return the path to write and its format."""
        named = Path(self.filename if filename is None else filename)
        ending = named.suffix[1:].lower()
        if filename is None and ending == self._default_extension:
            named = named.with_suffix("")
            ending = ""
        if format is not None:
            format = check_format(format)
            if ending in FORMATS and ending != format:
                raise ArgumentError(
                    f"Drawing.render: the file {named.name!r} ends in .{ending}, but format is "
                    f"{format!r}; make them agree, or leave format out"
                )
        elif ending:
            format = check_format(ending)
        else:
            format = check_format(self.format)
        if ending != format:
            named = named.with_name(f"{named.name}.{format}")
        folder = self.directory if directory is None else directory
        return Path(folder, named), format

    def _repr_svg_(self) -> str:
        """Return the picture as SVG text, for notebooks."""
        return str(self.pipe("svg", encoding="utf-8"))

    def _repr_mimebundle_(
        self,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **_: Any,
    ) -> dict[str, bytes | str]:
        """Return the picture for a notebook; when it cannot be drawn, the reason as text."""
        formats = {"image/svg+xml": "svg", "image/png": "png", "application/pdf": "pdf"}
        wanted = {"image/svg+xml"} if include is None else set(include)
        wanted -= set(exclude or ())
        bundle: dict[str, bytes | str] = {}
        try:
            for mimetype, format in formats.items():
                if mimetype in wanted:
                    bundle[mimetype] = self._repr_svg_() if format == "svg" else self.pipe(format)
        except RenderError as error:
            return {"text/plain": f"{type(self).__name__} {self.name or ''} not shown. {error}"}
        return bundle
