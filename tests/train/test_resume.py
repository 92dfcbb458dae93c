"""Resuming: a run that was interrupted ends with the very bits of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.data import DataLoader
from tinygrad_course.errors import CheckpointError, StateDictError
from tinygrad_course.train import Callback, EarlyStopping, fit

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X.sum(axis=1, keepdims=True) > 0).astype(np.float32)

schedule = optim.lr_scheduler


class Interrupt(Exception):
    pass


class Interrupter(Callback):
    """Raises in the middle of an epoch, as a power cut would."""

    def __init__(self, epoch: int | None) -> None:
        self.at = epoch

    def on_batch_end(self, batch: int, loss: float) -> None:
        if self.run.epoch == self.at and batch == 2:
            raise Interrupt


def network(seed: int) -> nn.Module:
    tc.manual_seed(seed)
    return nn.Sequential(
        nn.Dense(4, 8, activation="relu"),
        nn.BatchNorm1d(8),
        nn.Dropout(0.4),
        nn.Dropout(0.1, generator=tc.Generator(seed)),
        nn.Dense(8, 1, activation="sigmoid"),
    )


CASES: dict[str, dict[str, Any]] = {
    "sgd": dict(optimizer=lambda p: optim.SGD(p, 0.1)),
    "momentum": dict(optimizer=lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True)),
    "adam": dict(optimizer="adam", lr=0.01),
    "adamw_amsgrad": dict(optimizer=lambda p: optim.AdamW(p, 0.01, amsgrad=True)),
    "rmsprop": dict(optimizer=lambda p: optim.RMSprop(p, 0.01, centered=True, momentum=0.5)),
    "adagrad": dict(optimizer="adagrad", lr=0.1),
    "nadam": dict(optimizer="nadam", lr=0.01),
    "rprop": dict(optimizer=lambda p: optim.Rprop(p, 0.01)),
    "cosine": dict(optimizer="adam", scheduler=lambda o: schedule.CosineAnnealingLR(o, 5)),
    "plateau": dict(
        optimizer="adam",
        lr=0.05,
        scheduler=lambda o: schedule.ReduceLROnPlateau(o, patience=0, threshold=0.2, factor=0.5),
    ),
    "split": dict(optimizer="adam", validation_split=0.25, metrics="accuracy"),
    "no seed": dict(optimizer="adam", seed=None, validation_split=0.25),
    "full batch": dict(optimizer="adam", batch_size=None),
    "clipped": dict(optimizer="sgd", lr=0.5, clip_norm=0.1),
    "every 2": dict(optimizer="adam", checkpoint_every=2),
}


def trained(path: Path, init: int, stop: int | None = None, **options: Any) -> tuple[Any, Any]:
    model = network(init)
    options = {"loss": "bce", "epochs": 7, "batch_size": 16, **options}
    history = fit(model, X, Y, checkpoint=path, callbacks=[Interrupter(stop)], **options)
    return model, history


def same_bits(a: nn.Module, b: nn.Module) -> None:
    for (name, p), q in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy(), err_msg=name)


@pytest.mark.parametrize("key", CASES)
def test_interrupted_equals_uninterrupted(key: str, tmp_path: Path) -> None:
    options = CASES[key]
    whole, history = trained(tmp_path / "whole.safetensors", 3, **options)
    after = tc.random.default_generator.numpy.random()

    path = tmp_path / "run.safetensors"
    stop = None if options.get("batch_size", 16) is None else 5
    if stop is None:
        trained(path, 3, **{**options, "epochs": 4})
    else:
        with pytest.raises(Interrupt):
            trained(path, 3, stop=stop, **options)
    # Another initialization, another seed: everything must come from the file.
    resumed, again = trained(path, 99, resume=True, **options)
    same_bits(resumed, whole)
    assert again.history == history.history
    assert again.epochs == 7
    assert tc.random.default_generator.numpy.random() == after
    saved, expected = tc.load(path), tc.load(tmp_path / "whole.safetensors")
    assert saved["history"] == expected["history"]
    assert saved["default_generator"] == expected["default_generator"]


def test_data_loader_resumes_too(tmp_path: Path) -> None:
    def go(name: str, seed: int, epochs: int, **options: Any) -> Any:
        model = network(seed)
        loader = DataLoader((X, Y), batch_size=16, shuffle=True, seed=seed)
        fit(model, loader, loss="bce", epochs=epochs, checkpoint=tmp_path / name, **options)
        return model

    whole = go("whole", 2, 6)
    go("part", 2, 3)
    same_bits(go("part", 50, 6, resume=True), whole)


@pytest.mark.parametrize("at", [2, 4, 8])
def test_early_stopping_is_resumed(at: int, tmp_path: Path) -> None:
    def go(name: str, seed: int, stop: int | None = None, resume: Any = False) -> Any:
        model = network(seed)
        stopper = EarlyStopping(patience=2, restore_best=True, min_delta=0.02)
        history = fit(
            model, X, Y, loss="bce", lr=0.05, epochs=40, batch_size=16,
            callbacks=[stopper, Interrupter(stop)], checkpoint=tmp_path / name, resume=resume,
        )  # fmt: skip
        return model, history, stopper

    whole, history, stopper = go("whole", 4)
    assert stopper.stopped_epoch is not None and stopper.stopped_epoch > at
    with pytest.raises(Interrupt):
        go("run", 4, stop=at)
    model, again, resumed = go("run", 77, resume=True)
    same_bits(model, whole)
    assert again.history == history.history
    assert resumed.state_dict()["best_epoch"] == stopper.best_epoch
    # A run that has stopped stays stopped.
    model, again, _ = go("run", 78, resume=True)
    same_bits(model, whole)
    assert again.epochs == history.epochs


def test_resuming_a_finished_run_and_going_further(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model, history = trained(path, 3, optimizer="adam")
    again, other = trained(path, 9, optimizer="adam", resume=True)
    same_bits(again, model)
    assert other.history == history.history
    further, longer = trained(path, 9, optimizer="adam", resume=True, epochs=9)
    whole, expected = trained(tmp_path / "nine.safetensors", 3, optimizer="adam", epochs=9)
    same_bits(further, whole)
    assert longer.history == expected.history


def test_resume_auto(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    first, _ = trained(path, 3, optimizer="adam", resume="auto", epochs=4)
    second, history = trained(path, 5, optimizer="adam", resume="auto")
    whole, _ = trained(tmp_path / "whole.safetensors", 3, optimizer="adam")
    same_bits(second, whole)
    assert history.epochs == 7


def refused(kind: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def go(**options: Any) -> Any:
        options = {"optimizer": "adam", "resume": True, **options}
        return lambda: trained(path, 3, **options)

    refused(FileNotFoundError, "no checkpoint", go())
    trained(path, 3, optimizer="adam", epochs=2)
    refused(CheckpointError, "batch_size", go(batch_size=8))
    refused(CheckpointError, "optimizer: Adam, this one has SGD", go(optimizer="sgd"))
    refused(CheckpointError, "another shuffle", go(shuffle=False))
    refused(CheckpointError, "scheduler", go(scheduler=lambda o: schedule.ExponentialLR(o, 0.5)))
    short = nn.Sequential(nn.Dense(4, 1), nn.Sigmoid())
    kept = [p.numpy().copy() for p in short.parameters()]
    refused(
        CheckpointError,
        "generators",
        lambda: fit(
            short, X, Y, loss="bce", checkpoint=path, resume=True, callbacks=Interrupter(None),
            batch_size=16,
        ),
    )  # fmt: skip
    for p, q in zip(short.parameters(), kept, strict=True):
        np.testing.assert_array_equal(p.numpy(), q)
    fit(short, X, Y, loss="bce", checkpoint=path)
    wider = nn.Sequential(nn.Dense(4, 2), nn.Dense(2, 1), nn.Sigmoid())
    refused(
        StateDictError,
        "parameters",
        lambda: fit(wider, X, Y, loss="bce", checkpoint=path, resume=True),
    )
    tc.save(short.state_dict(), path)
    refused(CheckpointError, "weights of a model", go())
    path.write_bytes(b"x" * 100)
    refused(CheckpointError, "not a safetensors file", go())


def test_a_failing_write_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model, _ = trained(path, 3, optimizer="adam", epochs=2)
    before = path.read_bytes()

    class Odd(Callback):
        def state_dict(self) -> Any:
            return {"function": print}

    with pytest.raises(TypeError, match="save"):
        fit(network(3), X, Y, loss="bce", checkpoint=path, callbacks=Odd())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
