"""The table of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import DtypeError, ShapeError


def digits(layout: str = "rows") -> Any:
    return nn.Sequential(
        nn.Dense(400, 25, "sigmoid", layout=layout),
        nn.Dense(25, 15, "sigmoid", layout=layout),
        nn.Dense(15, 1, "sigmoid", layout=layout),
    )


TABLE = """\
Model: Sequential
─────────────────────────────────────
Layer (type)   Output shape   Param #
─────────────────────────────────────
0 (Dense)      (None, 25)      10,025
1 (Dense)      (None, 15)         390
2 (Dense)      (None, 1)           16
─────────────────────────────────────
Total params: 10,431 (40.75 KB)
Trainable params: 10,431
Non-trainable params: 0"""


def test_digits_lab() -> None:
    for given in ((400,), (None, 400), [400], tc.zeros(1, 400), np.zeros((32, 400))):
        assert str(nn.summary(digits(), given)) == TABLE
    assert repr(tc.summary(digits(), (400,))) == TABLE


def test_columns() -> None:
    for given in ((400,), (400, None), tc.zeros(400, 7)):
        shapes = [row.shape for row in nn.summary(digits("columns"), given).rows]
        assert shapes == [(25, None), (15, None), (1, None)]


def test_without_input_there_are_no_shapes() -> None:
    text = str(nn.summary(digits()))
    assert "Output shape" not in text and "Total params: 10,431" in text


def test_frozen_shared_and_buffers() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.BatchNorm1d(2), nn.Dense(2, 2), nn.ReLU())
    model[2].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    table = nn.summary(model, (2,))
    assert (table.total, table.trainable, table.frozen, table.buffers) == (12, 10, 2, 5)
    assert "Buffers: 5 numbers" in str(table)
    assert [row.kind for row in table.rows] == ["Dense", "BatchNorm1d", "Dense", "ReLU"]


def test_nothing_is_changed() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model[1].eval()
    state = {k: v.tolist() for k, v in model.state_dict().items()}
    tc.manual_seed(1)
    before = tc.get_rng_state()
    nn.summary(model, (2,))
    assert tc.get_rng_state() == before
    assert {k: v.tolist() for k, v in model.state_dict().items()} == state
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert not any(any(m._hooks) for m in model.modules())


def test_nested_and_functional_models() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Dense(64, 3))
            self.gain = nn.Parameter(1.0)

        def forward(self, x: Any) -> Any:
            return self.body(x) * self.gain

    table = nn.summary(Net(), (8, 8))
    rows = [(row.name, row.kind, row.shape, row.parameters) for row in table.rows]
    assert rows == [
        ("", "Net", (None, 3), 1),
        ("body.0", "Flatten", (None, 64), 0),
        ("body.1", "Dense", (None, 3), 195),
    ]


def test_messages() -> None:
    with pytest.raises(DtypeError, match="needs a module"):
        nn.summary([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="got a number"):
        nn.summary(digits(), 3.0)
    with pytest.raises(ShapeError, match=r"expected \(m, 400\)"):
        nn.summary(digits(), (20, 20))
    model = digits().train()
    with pytest.raises(ShapeError):
        nn.summary(model, (3,))
    assert model.training and not any(any(m._hooks) for m in model.modules())


def test_a_convolutional_network() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)),
    )
    rows = nn.summary(model, (1, 28, 28)).rows
    assert [(r.shape[1:], r.parameters) for r in rows if r.parameters] == [
        ((8, 26, 26), 8 * 9 + 8),
        ((16, 11, 11), 16 * 8 * 9 + 16),
        ((10,), 4010),
    ]
    assert [r.shape for r in rows][5:7] == [(None, 16, 5, 5), (None, 400)]
