"""The demo: its files, its numbers against an evaluation of our own, and twice the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from contextlib import redirect_stdout
from html import unescape
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file

from tinygrad_course import demo
from tinygrad_course.cli import main
from tinygrad_course.data import course, train_test_split
from tinygrad_course.demo import page, pictures
from tinygrad_course.demo.training import code, train

ROOT = Path(__file__).parents[1]
FILES = sorted(demo.FILES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a demo with the settings that users get, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    said = StringIO()
    with redirect_stdout(said):
        assert main(["demo", "--out", str(out)]) == 0
    return out, said.getvalue()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return a demo of two epochs, after which some images are still read wrong."""
    out = tmp_path_factory.mktemp("few")
    said = StringIO()
    with redirect_stdout(said):
        outcome = demo.make(out, epochs=2, verbose=False)
    assert said.getvalue() == ""
    return out, outcome


def forward(out: Path, X: Any) -> Any:
    """Return the network's outputs, computed with NumPy alone."""
    values = load_file(out / "model.safetensors")
    A = X
    for layer in range(3):
        A = 1 / (1 + np.exp(-(A @ values[f"{layer}.weight"] + values[f"{layer}.bias"])))
    return A


def split(seed: int = 0) -> tuple[Any, ...]:
    X, Y = course.digits01()
    return train_test_split(X, Y, 0.2, seed=seed, stratify=Y)


class Page(HTMLParser):
    """Checks that elements are closed, and collects what a page refers to."""

    EMPTY = ("meta", "img", "br", "link", "hr", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
                self.references.append(value)
            assert not name.startswith("on"), f"a script in {name}"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: Any) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


# --- files ----------------------------------------------------------------------------------------


def test_it_leaves_what_it_says(made):
    out, said = made
    assert sorted(p.name for p in out.iterdir()) == FILES
    for name in FILES:
        assert name in said


@pytest.mark.parametrize("name", ["graph.svg", "network.svg"])
def test_svg_files_parse_and_name_what_they_show(name, made):
    text = " ".join(ElementTree.parse(made[0] / name).getroot().itertext())
    expected = {
        "graph.svg": ("W[1]", "Z[2]", "A[3]", "dW[1]", "db[3]", "(64×25)", "layer 3 (Dense)"),
        "network.svg": ("64-25-15-1 network, 2031 parameters", "layer 2: 15 units, sigmoid"),
    }
    for piece in expected[name]:
        assert piece in text


def test_png_files_can_be_read_and_are_large_enough_to_show(made):
    from matplotlib.image import imread

    for name in ("graph.png", "history.png", "activations.png", "digits.png"):
        pixels = imread(BytesIO((made[0] / name).read_bytes()), format="png")
        assert pixels.shape[1] >= 1200, name
        assert pixels[..., :3].std() > 0.03, f"{name} is empty"


def test_the_gradient_check_covers_every_parameter(made):
    text = (made[0] / "gradcheck.txt").read_text(encoding="utf-8")
    assert "Gradient check passed: 2031 of 2031 entries of 6 parameters" in text
    assert re.search(r"central differences in float64, ε = .*6\.06e-06", text)
    for name, entries in (("W[1]", 1600), ("b[1]", 25), ("W[2]", 375), ("b[3]", 1)):
        assert re.search(rf"\({re.escape(name)}\).* {entries}/{entries} ", text)
    found = re.search(r"\+ ‖approx‖₂\) = ([\d.e-]+)$", text, re.MULTILINE)
    assert found is not None and 0 < float(found[1]) < 1e-7


# --- numbers --------------------------------------------------------------------------------------


def test_accuracy_and_loss_are_those_of_the_saved_model(made):
    out, said = made
    X_train, X_test, Y_train, Y_test = split()
    assert (len(X_train), len(X_test)) == (288, 72)
    for name, X, Y in (("training", X_train, Y_train), ("test", X_test, Y_test)):
        A = forward(out, X)
        loss = float(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))
        accuracy = float(np.mean((A >= 0.5) == (Y == 1)))
        line = re.search(rf"^{name} .* loss ([\d.]+) +accuracy ([\d.]+)%", said, re.MULTILINE)
        assert line is not None
        assert float(line[1]) == pytest.approx(loss, rel=1e-3)
        assert float(line[2]) / 100 == pytest.approx(accuracy, abs=1e-4)
        assert accuracy >= 0.98
    assert "misclassified test images: none" in said


def test_misclassified_images_are_listed_and_marked(few):
    out, outcome = few
    X, Y = course.digits01()
    _, X_test, _, Y_test = split()
    guess = forward(out, X_test) >= 0.5
    wrong = np.flatnonzero(guess != (Y_test == 1)).tolist()
    assert wrong and outcome.wrong == wrong
    assert f"misclassified test images: {', '.join(map(str, wrong))}" in outcome.lines()
    for i in range(len(X_test)):
        # The rows that are given lead to the images in the whole dataset.
        np.testing.assert_array_equal(X[outcome.rows[i]], X_test[i])
    text = (out / "index.html").read_text(encoding="utf-8")
    marked = re.findall(r'<li class="wrong" title="test image (\d+),', text)
    assert [int(i) for i in marked] == wrong


def test_the_program_on_the_page_makes_the_saved_model(few):
    out, _ = few
    program = code(seed=0, epochs=2)
    text = (out / "index.html").read_text(encoding="utf-8")
    shown = re.search(r"<pre>(<span.*?)</pre>", text, re.DOTALL)
    assert shown is not None
    assert re.sub(r"<[^>]*>", "", shown[1]).replace("&amp;", "&") == program
    names: dict[str, Any] = {}
    exec(program, names)
    for name, value in load_file(out / "model.safetensors").items():
        np.testing.assert_array_equal(names["model"].state_dict()[name].numpy(), value)


def test_another_process_without_dot_makes_the_same_files(made, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_course", "demo"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == FILES
    drawn = {"graph.svg", "graph.png", "network.svg", "index.html"}
    # Where this process has a dot of its own, that may be another version of Graphviz.
    skipped = drawn if shutil.which("dot") else set()
    for name in set(FILES) - skipped:
        assert (tmp_path / "demo" / name).read_bytes() == (made[0] / name).read_bytes(), name


def test_the_seed_changes_the_result(few):
    other = train(seed=7, epochs=2)
    assert other.test["loss"] != few[1].test["loss"]
    assert "seed=7" in other.code


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text(made: tuple[Path, str]) -> str:
    return (made[0] / "index.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_needs_nothing_else(text):
    parsed = Page(text)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not {"script", "link", "iframe", "object", "embed"} & set(parsed.tags)
    for reference in parsed.references:
        assert reference.startswith(("data:image/png;base64,", "#")), reference[:80]
        assert not reference.startswith("#") or reference[1:] in parsed.ids
    assert "@import" not in text
    for target in re.findall(r"url\(([^)]*)\)", text):
        assert target[1:] in parsed.ids
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    # Names of XML, not places to fetch from.
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_the_page_tells_the_numbers(text, made):
    said = " ".join(" ".join(Page(text).words).split())
    loss = re.search(r"^test .* loss ([\d.]+)", made[1], re.MULTILINE)
    assert loss is not None
    for expected in ("100.0%", "72 of 72", "2,031", f"{float(loss[1]):.4f}", "Total params: 2,031"):
        assert expected in said
    difference = re.search(r"difference ([\d.]+e-\d+)", made[1])
    assert difference is not None and f"{float(difference[1]):.1e}" in said


def test_the_page_shows_every_test_image_as_it_is(text):
    from matplotlib.image import imread

    _, X_test, _, _ = split()
    images = re.findall(r'<li title="test image (\d+),.*?src="data:image/png;base64,(.*?)"', text)
    assert [int(i) for i, _ in images] == list(range(72))
    for i, data in images:
        pixels = imread(BytesIO(b64decode(data)), format="png")
        expected = 1 - X_test[int(i)].reshape(8, 8)
        np.testing.assert_allclose(pixels, expected, atol=0.5 / 255 + 1e-6)


def test_every_colour_of_a_picture_has_one_for_the_dark_mode(text):
    sheet = text[: text.index("</style>")]
    body = text[text.index("</style>") :]
    used = set(re.findall(r'(fill|stroke)="(#[0-9a-f]+)"', body))
    styled = set(re.findall(r"(fill|stroke): (#[0-9a-f]+)", body))
    assert used and styled
    for kind, color in used:
        assert f'.picture [{kind}="{color}"]' in sheet
    for kind, color in styled:
        assert f'.picture [style*="{kind}: {color}"]' in sheet


def test_pictures_in_the_page_are_svg_of_the_graph_and_the_plots(text):
    svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(svgs) == 10  # network, 2 curves, graph, 6 activations
    for svg in svgs:
        ElementTree.fromstring(svg)
        assert "<title" not in svg and "<style" not in svg
    words = " ".join(svgs)
    for expected in ("dW[1]", "validation loss", "softplus", "a[3] = ŷ"):
        assert expected in words


def three_ways(text: str) -> tuple[str, str, str]:
    """Return picture, equations and program of the page's section, as markup."""
    section = text[text.index("The same backpropagation, three ways") :]
    section = section[: section.index("</section>\n<section>\n<h2>")]
    picture, read, run = (section.index(f"<h3>{way} it</h3>") for way in ("Draw", "Read", "Run"))
    return section[picture:read], section[read:run], section[run:]


def plain(markup: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", markup))


def test_picture_equations_and_program_use_the_same_names(text):
    picture, equations, program = three_ways(text)
    for layer in "123":
        for name in ("W", "b", "Z", "A", "dW", "db", "dZ"):
            assert f">{name}[{layer}]<" in picture
            assert f"{name}[{layer}]" in plain(equations)
            assert re.search(rf"\b{name}{layer} = |, {name}{layer}[,)]", plain(program))
    assert "A[2]" in plain(equations) and "dZ[3]=A[3]−Y" in plain(equations)


def test_names_have_the_colour_of_the_picture_in_equations_and_program(text):
    _, equations, program = three_ways(text)
    roles = {"W1": "p", "b2": "p", "X": "d", "Y": "d", "Z1": "f", "A3": "f", "J": "l", "dW3": "b"}
    for name, role in roles.items():
        colored = set(re.findall(rf'<span class="(\w)">{name}</span>', program))
        assert colored == {role}, name
        found = re.findall(r'<mrow class="(\w)">(.*?)</mrow>(?=<|$)', equations)
        shown = {role for role, inner in found if re.sub(r"[\[\]]", "", plain(inner)) == name}
        assert shown == {role}, name
    # Also where a transpose shares the superscript of the layer's number.
    assert re.search(
        r'<mrow class="p"><msup><mi>W</mi>[^W]*>T</mi></mrow></msup></mrow>', equations
    )


def test_the_equations_are_mathml_and_the_program_is_the_file(text, made):
    _, equations, program = three_ways(text)
    tables = re.findall(r"<math.*?</math>", equations, re.DOTALL)
    assert len(tables) == 3  # forward, cost, backward
    rows = [len(ElementTree.fromstring(table).findall("mtable/mtr")) for table in tables]
    assert rows == [6, 1, 9]
    code = (made[0] / "backprop.py").read_text(encoding="utf-8")
    shown = re.search(r'<pre class="named">(.*?)</pre>', program, re.DOTALL)
    assert shown is not None
    assert code.endswith(plain(shown[1]) + "\n")
    assert plain(shown[1]).startswith("import numpy as np\n")


def test_the_program_of_the_page_gives_the_gradients_of_the_saved_model(made):
    scope: dict[str, Any] = {}
    exec((made[0] / "backprop.py").read_text(encoding="utf-8"), scope)
    values = load_file(made[0] / "model.safetensors")
    parameters = {
        f"{letter}{k + 1}": values[f"{k}.{name}"].astype(np.float64)
        for k in range(3)
        for letter, name in (("W", "weight"), ("b", "bias"))
    }
    X, _, Y, _ = split()
    J, grads = scope["forward_backward"](X[:50], Y[:50], **parameters)
    A = forward(made[0], X[:50])
    assert J == pytest.approx(-np.mean(Y[:50] * np.log(A) + (1 - Y[:50]) * np.log(1 - A)), rel=1e-5)
    for name, entry in (
        ("W1", (20, 3)),
        ("b1", (7,)),
        ("W2", (5, 2)),
        ("W3", (4, 0)),
        ("b3", (0,)),
    ):
        costs = []
        for sign in (1, -1):
            moved = {k: v.copy() for k, v in parameters.items()}
            moved[name][entry] += sign * 1e-5
            costs.append(scope["forward_backward"](X[:50], Y[:50], **moved)[0])
        slope = (costs[0] - costs[1]) / 2e-5
        assert grads[f"d{name}"][entry] == pytest.approx(slope, rel=1e-5, abs=1e-10)


def test_the_page_says_how_far_the_derivation_was_from_autodiff(text, made):
    found = re.search(
        r"agree with autodiff to ([\d.e-]+) \(9 derivatives, m = 32 and m = 5\)", made[1]
    )
    assert found is not None and float(found[1]) < 1e-12
    said = re.search(r"automatic differentiation was ([\d.e-]+)\.</p>", text)
    assert said is not None and said[1] == found[1]


def test_highlighted_code_is_escaped_and_complete():
    source = 'if a < b and "<b>" != c & 1:  # <i>\n    pass\n'
    marked = page.highlight(source)
    assert "<b>" not in marked and "<i>" not in marked
    plain = re.sub(r"</?span[^>]*>", "", marked)
    assert plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == source


def test_images_become_the_smallest_grey_png():
    from matplotlib.image import imread

    pixels = np.array([[0.0, 1.0, 2.0], [0.5, -1.0, 1.0]])
    uri = pictures.image_uri(pixels)
    read = imread(BytesIO(b64decode(uri.partition(",")[2])), format="png")
    np.testing.assert_allclose(read, 1 - np.clip(pixels, 0, 1), atol=0.5 / 255 + 1e-6)
