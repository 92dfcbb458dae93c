"""Training with compiled steps against training with eager ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.errors import AnomalyError, ArgumentError, TraceError
from tinygrad_course.train import Callback, fit

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3))
Y = (X[:, :1] + 0.5 * rng.normal(size=(50, 1)) > 0) * 1.0


def network() -> nn.Sequential:
    tc.manual_seed(7)
    return nn.Sequential(nn.Dense(3, 4, activation="tanh"), nn.Dense(4, 1, activation="sigmoid"))


def alike(a: nn.Module, b: nn.Module) -> None:
    one, two = ([*m.parameters(), *m.buffers()] for m in (a, b))
    for x, y in zip(one, two, strict=True):
        # The gradient of a bias before normalisation is rounding alone.
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-7, atol=1e-8)


def test_compiled_steps_give_the_history_of_eager_ones() -> None:
    """Dropout, running statistics, clipping, metrics, a schedule, a smaller last batch."""

    def run(compile: bool | str, **more: Any) -> Any:
        tc.manual_seed(3)
        model = nn.Sequential(
            nn.Dense(3, 6, activation="relu"), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Dense(6, 1)
        ).double()
        return model, fit(
            model,
            X,
            Y,
            loss="bce_with_logits",
            optimizer="adam",
            lr=0.05,
            epochs=6,
            batch_size=16,
            metrics="accuracy",
            validation_data=(X, Y),
            scheduler=lambda o: optim.lr_scheduler.StepLR(o, 2),
            clip_norm=0.5,
            compile=compile,
            **more,
        )

    model, history = run(False)
    fast, again = run(True)
    for key in history:
        np.testing.assert_allclose(again[key], history[key], rtol=1e-10)
    alike(model, fast)


def test_a_model_that_cannot_be_compiled() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Dense(3, 1)

        def forward(self, x: Any) -> Any:
            y = self.dense(x)
            return y if y.sum().item() > 0 else -y

    tc.manual_seed(0)
    before = fit(Choosing(), X, Y, loss="mse", epochs=2, compile=False)
    tc.manual_seed(0)
    assert fit(Choosing(), X, Y, loss="mse", epochs=2)["loss"] == before["loss"]
    with pytest.raises(TraceError, match="item"):
        fit(Choosing(), X, Y, loss="mse", epochs=2, compile=True)
    with pytest.raises(ArgumentError, match="compile=1"):
        fit(network(), X, Y, loss="mse", compile=1)
    model = network()
    model.register_forward_hook(lambda module, args, y: None)
    with pytest.raises(ArgumentError, match="cannot be compiled: hooks"):
        fit(model, X, Y, loss="mse", compile=True)


def test_a_loss_that_becomes_nan_leaves_what_the_eager_step_leaves() -> None:
    """Found after some hundred steps: the program goes back to the step before."""

    def run(compile: bool) -> tuple[Any, Any, Any]:
        tc.manual_seed(1)
        model = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Dense(4, 1))
        adam = optim.Adam(model.double().parameters(), lr=0.01)
        x = np.tile(X, (60, 1))
        y = np.tile(Y, (60, 1))
        y[2000] = np.nan
        with pytest.raises(AnomalyError, match="epoch 1, batch 101 of 150") as told:
            fit(model, x, y, loss="mse", optimizer=adam, batch_size=20, shuffle=False,
                compile=compile)  # fmt: skip
        return model, adam.state_dict(), (str(told.value), tc.random.get_rng_state())

    model, state, after = run(False)
    fast, again, later = run(True)
    assert later == after
    alike(model, fast)
    for k, entry in state["state"].items():
        assert again["state"][k]["step"] == entry["step"] == 100
        np.testing.assert_allclose(again["state"][k]["exp_avg"], entry["exp_avg"], atol=1e-10)


@pytest.mark.parametrize("kind", [optim.Rprop, optim.NAdam])
def test_going_back_to_the_start_finds_the_first_moments(kind: Any) -> None:
    """Those of some optimizers do not start from zero."""

    class Watching(Callback):
        def on_batch_end(self, batch: int, loss: float) -> None:
            pass

    def run(compile: bool) -> Any:
        model = network().double()
        y = Y.copy()
        y[45] = np.nan
        with pytest.raises(AnomalyError, match="batch 5 of 5"):
            fit(model, X, y, loss="mse", optimizer=kind(model.parameters(), lr=0.03), batch_size=10,
                shuffle=False, compile=compile, callbacks=Watching())  # fmt: skip
        return model

    alike(run(False), run(True))
