"""Compiled functions against the same functions run eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.compiling import compile

RNG = np.random.default_rng(0)
X = tc.tensor(RNG.normal(size=(40, 2)))
Y = tc.tensor((RNG.random((40, 1)) > 0.5) * 1.0)

OPTIMIZERS = [
    ("SGD", {"lr": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
]


def training(name: str, options: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return a model, an optimizer and one step of training, always from the same weights."""
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Dense(2, 4, activation="tanh"), nn.Dense(4, 1, activation="sigmoid"))
    for layer, shape in zip(model, ((2, 4), (4, 1)), strict=True):
        layer.set_weights([rng.normal(size=shape), np.zeros(shape[1])])
    optimizer = getattr(optim, name)(model.parameters(), **options)
    loss = nn.BCELoss()

    def step(X: Any, Y: Any) -> Any:
        optimizer.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        optimizer.step()
        return J

    return model, optimizer, step


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_steps_of_every_optimizer(name: str, options: dict[str, Any]) -> None:
    model, optimizer, step = training(name, options)
    other, other_optimizer, plain = training(name, options)
    fast = compile(step)
    for k in range(30):
        if k == 15:  # a scheduler changes the learning rate between steps
            optimizer.param_groups[0]["lr"] *= 0.5
            other_optimizer.param_groups[0]["lr"] *= 0.5
        # Eager and compiled steps mix.
        J = step(X, Y) if k % 7 == 3 else fast(X, Y)
        assert J.item() == pytest.approx(plain(X, Y).item(), rel=1e-6)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=2e-5, atol=1e-6)
    assert fast.traced == 1


def test_another_shape_is_traced_anew_and_both_are_kept() -> None:
    _, _, step = training("SGD", {"lr": 0.1})
    fast = compile(step)
    for m in (40, 7, 40, 7):
        fast(X[:m], Y[:m])
    assert fast.traced == 2
