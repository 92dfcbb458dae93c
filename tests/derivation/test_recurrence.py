"""Equations of recurrent networks: one for all times, as the courses write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_samples import floats

import tinygrad_course as tc
from tinygrad_course.derivation.recurrence import folded


def recurrent(times: int, last: bool = True) -> Any:
    """A recurrent network written by hand: h⟨t⟩ = tanh(x⟨t⟩ W_xh + h⟨t-1⟩ W_hh + b)."""

    def parameter(name: str, *shape: int) -> Any:
        made: Any = tc.tensor(floats(*shape, key=name), requires_grad=True)
        made.name = name
        return made

    W_xh, W_hh, b = parameter("W_xh", 3, 4), parameter("W_hh", 4, 4), parameter("b", 4)
    W_hy = parameter("W_hy", 4, 1)
    h: Any = tc.tensor(floats(5, 4))
    h.name = "h⟨0⟩"
    y: Any = tc.tensor(floats(5, 1, key="y"))
    y.name = "y"
    total: Any = None
    for t in range(1, times + 1):
        x: Any = tc.tensor(floats(5, 3, key=str(t)))
        x.name = f"x⟨{t}⟩"
        z = x @ W_xh + h @ W_hh + b
        z.name = f"z⟨{t}⟩"
        h = tc.tanh(z)
        h.name = f"h⟨{t}⟩"
        if not last:
            e = h @ W_hy - y
            e.name = f"e⟨{t}⟩"
            error = (e**2).mean()
            total = error if total is None else total + error
    return ((h @ W_hy - y) ** 2).mean() if last else total


def test_backpropagation_through_time_is_written_once_for_t() -> None:
    """The recurrence of Werbos (1990): dz⟨t⟩ = dz⟨t+1⟩ W_hhᵀ ⊙ (1 − h⟨t⟩²), and sums over t."""
    sheet = tc.equations(recurrent(50), verify=True)
    rows = {row.text: row.remark for block in sheet.blocks for row in block.rows}
    assert rows["z⟨t⟩ = x⟨t⟩ W_xh + h⟨t-1⟩ W_hh + b"] == "for t = 1, …, 50"
    assert rows["h⟨t⟩ = tanh(z⟨t⟩)"] == "for t = 1, …, 50"
    assert rows["dz⟨t⟩ = dz⟨t+1⟩ W_hhᵀ * (1 - h⟨t⟩²)"] == "for t = 49, …, 1"
    assert any(text.startswith("dz⟨50⟩ = ") for text in rows)
    text = str(sheet)
    assert "Σ(t=1…50) x⟨t⟩ᵀ dz⟨t⟩" in text and "Σ(t=1…50) h⟨t-1⟩ᵀ dz⟨t⟩" in text
    assert "dz⟨t⟩" in sheet.remarks[0] and "⟨50⟩" not in sheet.remarks[0]
    assert len(rows) < 20


def test_every_form_has_the_recurrence() -> None:
    sheet = tc.equations(recurrent(6))
    recurrence = r"h^{\langle t\rangle} &= \tanh(z^{\langle t\rangle})"
    assert recurrence in sheet.latex and recurrence in sheet.markdown
    assert r"\sum_{t=1}^{6}" in sheet.latex
    assert r"\langle t+1\rangle" in sheet.latex
    assert "⟨t⟩" in sheet.mathml or "⟨</mo>" in sheet.mathml


def test_unrolled_writes_each_time() -> None:
    sheet = tc.equations(recurrent(4), unrolled=True)
    assert [row for row in sheet.forward if row.startswith("h⟨")] == [
        f"h⟨{t}⟩ = tanh(z⟨{t}⟩)" for t in (1, 2, 3, 4)
    ]


def test_two_times_stay_as_they_are() -> None:
    sheet = tc.equations(recurrent(2))
    assert "h⟨1⟩ = tanh(z⟨1⟩)" in sheet.forward and "h⟨2⟩ = tanh(z⟨2⟩)" in sheet.forward


def test_a_loss_at_every_time() -> None:
    """Then the recurrence has two parts, from the output and from the next time."""
    sheet = tc.equations(recurrent(5, last=False), verify=True)
    assert "e⟨t⟩ = h⟨t⟩ W_hy - y" in sheet.forward
    assert sheet.cost == ["J = Σ(t=1…5) (1/m) np.sum(e⟨t⟩²)"]
    assert "dz⟨t⟩ = (dz⟨t+1⟩ W_hhᵀ + de⟨t⟩ W_hyᵀ) * (1 - h⟨t⟩²)" in sheet.backward
    assert "dW_hy = (1/m) Σ(t=1…5) h⟨t⟩ᵀ de⟨t⟩" in sheet.backward


def test_a_program_has_names_for_times() -> None:
    source = tc.source(recurrent(3))
    assert "h_t2 = np.tanh(z_t2)" in source
    compile(source, "<source>", "exec")


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("a⟨1⟩ b + a⟨2⟩ b + a⟨3⟩ b", "Σ(t=1…3) a⟨t⟩ b"),
        ("c + a⟨3⟩ + a⟨2⟩ + a⟨1⟩", "c + Σ(t=1…3) a⟨t⟩"),
        ("(1/m) (a⟨1⟩ + a⟨2⟩ + a⟨3⟩)", "(1/m) Σ(t=1…3) a⟨t⟩"),
        ("(a⟨1⟩ + a⟨2⟩ + a⟨3⟩) b", "(Σ(t=1…3) a⟨t⟩) b"),
        ("a⟨1⟩ + a⟨2⟩ + a⟨4⟩", "a⟨1⟩ + a⟨2⟩ + a⟨4⟩"),
        ("a⟨1⟩ + a⟨2⟩", "a⟨1⟩ + a⟨2⟩"),
        ("a⟨1⟩ * b⟨0⟩ + a⟨2⟩ * b⟨1⟩ + a⟨3⟩ * b⟨2⟩", "Σ(t=1…3) a⟨t⟩ * b⟨t-1⟩"),
        (
            "f(a⟨1⟩, [:, 0]) + f(a⟨2⟩, [:, 1]) + f(a⟨3⟩, [:, 2])",
            "Σ(t=1…3) f(a⟨t⟩, [:, t-1])",
        ),
    ],
)
def test_sums(terms: str, expected: str) -> None:
    from tinygrad_course.derivation.equations import Row

    (row,) = folded([Row(None, f"y = {terms}", ("y", ""), "", "", section="forward")])
    assert row.text == f"y = {expected}"


@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        ("RNN", ["h⟨t⟩ = tanh(z⟨t⟩)"], []),
        (
            "LSTM",
            ["c⟨t⟩ = f⟨t⟩ * c⟨t-1⟩ + i⟨t⟩ * g⟨t⟩", "h⟨t⟩ = o⟨t⟩ * a⟨t⟩", "i⟨t⟩ = σ(z_i⟨t⟩)"],
            ["dc⟨t⟩ = dc⟨t+1⟩ * f⟨t+1⟩ + dh⟨t⟩ * o⟨t⟩ * (1 - a⟨t⟩²)"],
        ),
        ("GRU", ["h⟨t⟩ = n⟨t⟩ + z⟨t⟩ * v⟨t⟩", "v⟨t⟩ = h⟨t-1⟩ - n⟨t⟩"], ["dv⟨t⟩ = dh⟨t⟩ * z⟨t⟩"]),
    ],
)
def test_recurrent_layers(layer: str, forward: list[str], backward: list[str]) -> None:
    """As Hochreiter and Schmidhuber (1997) and Cho et al. (2014) write them, once for all t."""
    made = getattr(tc.nn, layer)(3, 4)
    y, _ = made(tc.tensor(floats(8, 5, 3).astype(np.float32), name="X"))
    sheet = tc.equations((y[-1] ** 2).mean(), verify=True)
    assert set(forward) <= set(sheet.forward) and set(backward) <= set(sheet.backward)
    assert "Σ(t=1…8) h⟨t-1⟩ᵀ" in str(sheet)
    assert len(sheet.forward + sheet.backward) < 45
