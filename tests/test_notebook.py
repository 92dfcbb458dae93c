"""What a notebook shows: text always, a picture where it helps, and never an error."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tinygrad_course as tc
from tinygrad_course import nn

SVG = "image/svg+xml"


def test_arrays_and_leaves_stay_text():
    for x in (tc.ones(3), tc.tensor(2.0, requires_grad=True), tc.ones(3, requires_grad=True) * 2):
        assert x._repr_mimebundle_() == {"text/plain": repr(x)}


def test_a_loss_shows_its_graph():
    a = tc.tensor(2.0, requires_grad=True, name="alpha")
    bundle = (a * a)._repr_mimebundle_()
    assert bundle["text/plain"].startswith("tensor(4.")
    assert "alpha" in bundle[SVG]


def test_a_large_graph_stays_text():
    y = tc.tensor(1.0, requires_grad=True)
    for _ in range(1000):
        y = y * 1.001
    assert list(y._repr_mimebundle_()) == ["text/plain"]


def test_graph_and_model():
    model = nn.Sequential(nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1))
    assert "2&#45;3&#45;1 network" in model._repr_mimebundle_()[SVG]
    graph = tc.Graph.of(model(tc.ones(4, 2)).sum(), backward=True)
    bundle = graph._repr_mimebundle_(include=None, exclude=None)
    assert "dW[1]" in bundle["text/plain"]
    assert "dW[1]" in bundle[SVG]
    assert nn.Tanh()._repr_mimebundle_() == {"text/plain": repr(nn.Tanh())}


def test_without_a_renderer_it_is_text(monkeypatch: pytest.MonkeyPatch):
    import viz.render

    def refuse(*args, **options):
        raise viz.render.RendererNotFoundError("no dot")

    monkeypatch.setattr(viz.render, "render_dot", refuse)
    a = tc.tensor(2.0, requires_grad=True)
    assert list((a * a)._repr_mimebundle_()) == ["text/plain"]


def test_viz_is_not_imported_before_it_is_needed():
    code = (
        "import sys, tinygrad_course as tc; tc.Graph; tc.nn\n"
        "tc.ones(3)._repr_mimebundle_()\n"
        "assert 'viz' not in sys.modules and 'graphviz' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
