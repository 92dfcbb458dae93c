"""Pictures of compiled functions: what runs, where values lie, and the options of draw."""

from __future__ import annotations

import html
import importlib.util
import os
import re

import numpy as np
import pytest

import tinygrad_course as tc
import viz
from tinygrad_course import errors, nn, optim
from tinygrad_course.compiling.parts import View

BACKENDS = ["numpy", *(["numba"] if importlib.util.find_spec("numba") else [])]
both = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """Keep machine code away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_COURSE_CACHE", os.fspath(tmp_path_factory.mktemp("cache")))
        yield


def training(backend):
    """Return a step of a 2-3-1 network that ran once."""
    generator = tc.Generator(0)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="tanh", generator=generator),
        nn.Dense(3, 1, activation="sigmoid", generator=generator),
    )
    loss, sgd = nn.BCELoss(), optim.SGD(model.parameters(), lr=0.1)

    def step(X, Y):
        sgd.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        sgd.step()
        return J

    step = tc.compile(step, backend=backend)
    step(tc.tensor(np.ones((4, 2), "f"), name="X"), tc.tensor(np.ones((4, 1), "f"), name="Y"))
    return step


def labels(drawing):
    """Return the texts of each node: a caption, then equations and plates."""
    found = {}
    for name, label in re.findall(
        r"^\t+(\w+) \[shape=\"plain\" label=<(.*)>\]$", drawing.source, re.M
    ):
        pieces = [html.unescape(t) for t in re.split(r"<[^<>]*>", label)]
        found[name] = [t for t in pieces if t.strip()]
    return found


def cards(drawing):
    return {name: text for name, text in labels(drawing).items() if name.startswith("g")}


def rows(drawing):
    """Return the plate of each equation, or ""."""
    found = {}
    pattern = r'<TR><TD ALIGN="LEFT" BALIGN="LEFT">(.*?)</TD>(<TD.*?</TD>)</TR>'
    for equation, plate in re.findall(pattern, drawing.source):
        strip = [html.unescape(re.sub("<[^<>]*>", "", text)) for text in (equation, plate)]
        found[strip[0]] = strip[1].strip()
    return found


def all_texts(drawing):
    return {html.unescape(t).strip() for t in re.findall(r">([^<>]+)<", drawing.source)}


# --- what is drawn ------------------------------------------------------------------------------


@both
def test_as_many_groups_as_explain_tells(backend):
    step = training(backend)
    drawn = cards(viz.draw(step))
    if backend == "numba":
        (told,) = re.findall(r"backend numba: (\d+) groups", step.explain())
        assert len(drawn) == int(told)
        assert all(" · loop" in text[0] or " · NumPy" in text[0] for text in drawn.values())
    else:
        (told,) = re.findall(r"backend numpy: (\d+) calls", step.explain())
        counts = [int(re.search(r"(\d+) calls?", text[0])[1]) for text in drawn.values()]
        assert sum(counts) == int(told) and len(counts) < int(told)


@both
def test_equations_of_the_forward_pass_and_the_update(backend):
    step = training(backend)
    found = rows(viz.draw(step))
    for text in ("Z[1] = X W[1] + b[1]", "A[1] = tanh(Z[1])", "Z[2] = A[1] W[2] + b[2]"):
        assert text in found
    for name in ("W[1]", "b[1]", "W[2]", "b[2]"):
        assert (
            sum(text.startswith((f"{name} ← {name} - ", f"{name} ← {name}_new")) for text in found)
            == 1
        )
    assert {"X", "Y", "W[1]", "b[1]", "W[2]", "b[2]"} <= all_texts(viz.draw(step))


@both
def test_plates_say_where_values_lie(backend):
    step = training(backend)
    program = step._program().program
    view = View(program)
    found = rows(viz.draw(step))
    written = [text for text, plate in found.items() if "in place" in plate]
    assert all("←" in text for text in written)
    into = {view.name(s) for s, v in view.graph.updates if view.into.get(v) == s}
    copied = {view.name(s) for s, v in view.graph.updates if view.into.get(v) != s}
    assert {text.split(" ← ")[0] for text in written} == into | copied
    node = view.graph.find("A[1]").index
    if backend == "numpy":
        assert found["A[1] = tanh(Z[1])"] == f"#{program.plan.buffer[node]}"
    else:
        assert found["A[1] = tanh(Z[1])"] == f"@{program._memory.offsets[node]}"
        for text, plate in found.items():  # what lies in a register has no plate
            left = text.split(" = ")[0]
            if not plate:
                names = [i for i in view.places if view.name(i) == left]
                assert names == []


@both
def test_loops_of_one_function_stand_in_one_frame(backend):
    step = training(backend)
    source = viz.draw(step).source
    functions = {
        f"compiled function {name}" for name, _, _ in getattr(step._program().program, "loops", ())
    }
    assert {t for t in all_texts(viz.draw(step)) if t.startswith("compiled function")} == functions
    assert source == viz.draw(step).source


@both
def test_times_stand_in_the_picture_after_a_profile(backend):
    step = training(backend)
    assert "%" not in viz.draw(step).source.replace("%%", "")
    step.profile(repeat=2)
    shares = [int(text[1].split("· ")[1][:-1]) for text in cards(viz.draw(step)).values()]
    assert abs(sum(shares) - 100) <= len(shares)  # each is rounded
    assert all(text[1].endswith("%") for text in cards(viz.draw(step)).values())


def test_an_update_alone_is_drawn_as_a_forward_pass():
    w = tc.tensor([1.0, 2.0], name="w")

    def halve():
        w.mul_(0.5)

    f = tc.compile(halve, backend="numpy")
    f()
    drawing = viz.draw(f)
    assert rows(drawing) == {"w ← 0.5 * w": "in place"}
    assert "n0 -> g0" in drawing.source
    drawing.pipe("svg")


def test_a_value_read_by_two_groups_has_one_box():
    W = tc.tensor(np.eye(3, dtype="f"), name="W")
    f = tc.compile(lambda X: tc.tanh(tc.tanh(X @ W) @ W), backend="numpy")
    f(tc.ones(2, 3))
    drawing = viz.draw(f)
    assert sum("W" in text for name, text in labels(drawing).items() if name[0] == "n") == 1
    drawing.pipe("svg")


def test_new_arrays_are_shown():
    f = tc.compile(lambda x: tc.cumsum(x, 0).sum(), backend="numpy")
    f(tc.ones(3))
    assert "new" in rows(viz.draw(f)).values()
    assert "1 operation makes a new array in each call" in f.explain()


# --- options ------------------------------------------------------------------------------------


@both
def test_the_graph_can_still_be_drawn(backend):
    step = training(backend)
    graph = viz.draw(step.graph).source
    assert viz.draw(step, groups=False).source == graph != viz.draw(step).source
    assert viz.draw(step, depth=1).source == viz.draw(step.graph, depth=1).source
    assert viz.draw(step, backward=True).source == viz.draw(step.graph, backward=True).source
    assert viz.draw(step, groups=True, depth=1).source == viz.draw(step).source


@both
def test_options(backend):
    step = training(backend)
    assert "rankdir=TB" in viz.draw(step).source
    assert "rankdir=LR" in viz.draw(step, direction="LR").source
    assert "rankdir=LR" in viz.draw(step.graph).source
    plain = viz.draw(step, buffers=False)
    assert not any(rows(plain).values()) and "in place" not in all_texts(plain)
    assert any("(4×3)" in text for text in all_texts(viz.draw(step)))
    assert not any("×" in text for text in all_texts(viz.draw(step, shapes=False)))
    assert "value, computed forward" in all_texts(viz.draw(step))
    assert "value, computed forward" not in all_texts(viz.draw(step, legend=False))
    hostile = '<<TABLE HREF="javascript:x">'
    titled = viz.draw(step, title=hostile)
    assert hostile in all_texts(titled)
    titled.pipe("svg")
    with pytest.raises(errors.ArgumentError, match=r"groups to draw, more than max_nodes=2\."):
        viz.draw(step, max_nodes=2)


@both
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_it_renders(backend, direction):
    step = training(backend)
    svg = viz.draw(step, direction=direction).pipe("svg", encoding="utf-8")
    assert svg.count('class="node"') == len(labels(viz.draw(step)))


def test_hostile_names():
    W = tc.tensor(np.ones((2, 2), "f"), requires_grad=True, name='<B HREF="x">\\N"; evil')
    f = tc.compile(lambda X: (X @ W).exp().sum(), backend="numpy")
    with tc.no_grad():
        f(tc.ones(2, 2))
    svg = viz.draw(f).pipe("svg", encoding="utf-8")
    assert "<a " not in svg and "<title>evil" not in svg


def test_without_a_program():
    f = tc.compile(lambda x: x.exp(), backend="numpy")
    with pytest.raises(errors.GraphError, match="no program yet"):
        viz.draw(f)
    left = tc.compile(lambda x: x + float(np.random.rand()), backend="numpy")
    left(tc.ones(2))
    with pytest.raises(errors.GraphError, match="draws random numbers"):
        viz.draw(left)
