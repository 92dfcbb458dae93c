"""fit: the same numbers as a loop written by hand, in both layouts, with every kind of data."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.data import DataLoader, Dataset, TensorDataset
from tinygrad_course.errors import TinygradCourseError
from tinygrad_course.train import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    ModelCheckpoint,
    accuracy,
    evaluate,
    fit,
    predict,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = (X[:, :1] - 2 * X[:, 1:2] > 0).astype(np.float64)


def network(seed: int = 1, columns: bool = False) -> nn.Module:
    tc.manual_seed(seed)
    layout = "columns" if columns else "rows"
    return nn.Sequential(
        nn.Dense(3, 4, activation="tanh", layout=layout),
        nn.Dense(4, 1, activation="sigmoid", layout=layout),
    )


def weights(model: nn.Module) -> list[Any]:
    return [p.numpy().copy() for p in model.parameters()]


def same(a: nn.Module, b: nn.Module) -> None:
    for p, q in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(p, q)


# The loop


def test_full_batch_equals_gradient_descent_in_numpy() -> None:
    """Logistic regression: dW = Xᵀ(a − y)/m, db = mean(a − y), written out."""
    w, b = np.zeros((3, 1)), np.zeros(1)
    costs = []
    for _ in range(20):
        a = 1 / (1 + np.exp(-(X @ w + b)))
        costs.append(-np.mean(Y * np.log(a) + (1 - Y) * np.log(1 - a)))
        w, b = w - 0.5 * X.T @ (a - Y) / 50, b - 0.5 * np.mean(a - Y)
    model = nn.Sequential(nn.Dense(3, 1), nn.Sigmoid()).double()
    for p in model.parameters():
        nn.init.zeros_(p)
    history = fit(
        model, X, Y, loss="bce", optimizer="sgd", lr=0.5, epochs=20, batch_size=None, shuffle=False
    )
    np.testing.assert_allclose(model[0].weight.numpy(), w, rtol=1e-10)
    np.testing.assert_allclose(model[0].bias.numpy(), b, rtol=1e-10)
    np.testing.assert_allclose(history["loss"], costs, rtol=1e-10)


def test_minibatches_in_order_equal_a_hand_written_loop() -> None:
    model, expected = network(), network()
    x, y = X.astype(np.float32), Y.astype(np.float32)
    loss = nn.BCELoss()
    adam = optim.Adam(expected.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        total = 0.0
        for i in range(0, 50, 16):
            J = loss(expected(tc.tensor(x[i : i + 16])), tc.tensor(y[i : i + 16]))
            adam.zero_grad()
            J.backward()
            adam.step()
            total += J.item() * len(x[i : i + 16])
        losses.append(total / 50)
    options = {"loss": loss, "optimizer": "adam", "lr": 0.01, "epochs": 3, "batch_size": 16}
    compiled = network()
    history = fit(model, X, Y, shuffle=False, compile=False, **options)
    same(model, expected)
    assert history["loss"] == losses
    assert all(p.dtype == np.float32 for p in model.parameters())
    assert fit(compiled, X, Y, shuffle=False, compile=True, **options)["loss"] == pytest.approx(
        losses, rel=1e-6
    )
    for p, q in zip(weights(compiled), weights(expected), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6)


def test_shuffling_visits_every_example_once_and_repeats_with_the_seed() -> None:
    seen: list[list[float]] = []

    class Recorder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(1.0)

        def forward(self, x: Any) -> Any:
            seen[-1].extend(x.numpy()[:, 0].tolist())
            return self.w * x

    def orders(**options: Any) -> list[list[float]]:
        seen.clear()
        begin = LambdaCallback(on_epoch_begin=lambda epoch: seen.append([]))
        numbers = np.arange(70.0).reshape(70, 1)
        fit(Recorder(), numbers, numbers, loss="mse", lr=0.0, epochs=3, callbacks=begin, **options)
        return [list(order) for order in seen]

    first = orders(seed=3)
    assert all(sorted(order) == list(range(70)) for order in first)
    assert first[0] != first[1] != first[2]
    assert first == orders(seed=3)
    assert first != orders(seed=4)
    assert orders(shuffle=False) == [[*range(70)]] * 3
    tc.manual_seed(5)
    drawn = orders(seed=None)
    tc.manual_seed(5)
    assert drawn == orders(seed=None)


def test_columns_give_the_same_as_rows() -> None:
    rows = network()
    columns = network(columns=True)
    with tc.no_grad():
        for p, q in zip(rows.parameters(), columns.parameters(), strict=True):
            q.copy_(p.numpy().T.reshape(q.shape))
    options: dict[str, Any] = dict(loss="bce", optimizer="adam", lr=0.05, epochs=4, batch_size=8)
    a = fit(rows, X, Y, metrics="accuracy", validation_split=0.2, **options)
    b = fit(columns, X.T, Y.T, metrics="accuracy", validation_split=0.2, **options)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5)
    found = predict(columns, X.T)
    assert found.shape == (1, 50)
    np.testing.assert_allclose(found.numpy(), predict(rows, X).numpy().T, rtol=1e-3)
    np.testing.assert_array_equal(predict(columns, X.T, batch_size=7).shape, (1, 50))
    whole = evaluate(columns, X.T, Y.T, loss="bce", metrics="accuracy")
    parts = evaluate(columns, X.T, Y.T, loss="bce", metrics="accuracy", batch_size=7)
    assert whole == pytest.approx(parts, rel=1e-5)


def test_columns_with_class_numbers() -> None:
    tc.manual_seed(0)
    model = nn.Dense(3, 2, layout="columns")
    labels = Y[:, 0].astype(int)
    options: dict[str, Any] = dict(loss="cross_entropy", metrics="accuracy")
    history = fit(model, X.T, labels, lr=0.1, epochs=30, batch_size=10, **options)
    assert history["accuracy"][-1] > 0.9
    assert evaluate(model, X.T, labels, **options)["accuracy"] > 0.9


def test_layout_argument_for_layers_that_do_not_tell() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(np.ones((3, 1)))

        def forward(self, x: Any) -> Any:
            assert x.shape[0] == 3
            return self.w * x

    history = fit(Scale(), X.T, X.T * 2, loss="mse", lr=0.1, epochs=60, layout="columns")
    assert history["loss"][-1] < 0.01


def test_every_kind_of_data_gives_the_same() -> None:
    class Pairs(Dataset):
        def __len__(self) -> int:
            return 50

        def __getitem__(self, i: Any) -> Any:
            return X[i], Y[i]

    options: dict[str, Any] = dict(loss="bce", optimizer="sgd", lr=0.1, epochs=2)
    kept = weights(network())
    expected = network()
    fit(expected, X, Y, batch_size=20, shuffle=False, **options)
    for data in (
        (X.tolist(), Y.tolist()),
        (tc.tensor(X), tc.tensor(Y)),
        (np.asfortranarray(X), Y.astype(bool)),
        (X, Y.astype(int)),
        (TensorDataset(X, Y),),
        (Pairs(),),
        (DataLoader((X, Y), batch_size=20),),
    ):
        model = network()
        fit(model, *data, batch_size=20, shuffle=False, **options)
        same(model, expected)
    assert any((a != b).any() for a, b in zip(kept, weights(expected), strict=True))


def test_several_inputs_through_a_loader() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(0.0)

        def forward(self, a: Any, b: Any) -> Any:
            return self.w * (a + b)

    a, b = X[:, 0], X[:, 1]
    loader = DataLoader((a, b, 3 * (a + b)), batch_size=10, shuffle=True, seed=0)
    model = Sum()
    fit(model, loader, loss="mse", optimizer="sgd", lr=0.1, epochs=50)
    assert model.w.item() == pytest.approx(3.0, abs=1e-3)


def test_the_users_arrays_are_left_alone() -> None:
    x, y = X.astype(np.float32), Y.astype(np.float32)
    before = x.copy()
    fit(network(), x, y, loss="bce", epochs=2, batch_size=None)
    np.testing.assert_array_equal(x, before)


def test_modes_are_restored_and_dropout_acts_in_training_only() -> None:
    tc.manual_seed(0)
    model = nn.Sequential(nn.Dense(3, 8), nn.Dropout(0.5), nn.Dense(8, 1))
    model.eval()
    modes: list[bool] = []
    note = LambdaCallback(on_batch_end=lambda batch, loss: modes.append(model[1].training))
    history = fit(
        model, X, Y, loss="mse", epochs=2, lr=0.0, batch_size=None, callbacks=note,
        validation_data=(X, Y),
    )  # fmt: skip
    assert modes == [True, True]
    assert not model.training and not model[1].training
    assert history["val_loss"][0] == history["val_loss"][1]
    assert history["loss"][0] != history["loss"][1]


def test_validation_and_metrics() -> None:
    model = network()
    seen: dict[str, Any] = {}

    def largest(prediction: Any, target: Any) -> Any:
        seen["shapes"] = prediction.shape, target.shape
        return prediction.max()

    history = fit(
        model, X, Y, loss="bce", lr=0.05, epochs=30, metrics=["accuracy", largest],
        validation_data=(X[:10], Y[:10]),
    )  # fmt: skip
    assert list(history) == [
        "loss", "accuracy", "largest", "val_loss", "val_accuracy", "val_largest",
    ]  # fmt: skip
    assert seen["shapes"] == ((10, 1), (10, 1))
    a = predict(model, X[:10]).numpy()
    y = Y[:10]
    assert history["val_accuracy"][-1] == np.mean((a >= 0.5) == y)
    by_hand = -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))
    assert history["val_loss"][-1] == pytest.approx(by_hand, rel=1e-5)
    assert history["val_largest"][-1] == pytest.approx(a.max())


def test_validation_split_holds_examples_out() -> None:
    numbers = np.arange(20.0).reshape(20, 1)
    trained: set[float] = set()
    judged: set[float] = set()

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(1.0)

        def forward(self, x: Any) -> Any:
            (trained if self.training else judged).update(x.numpy()[:, 0].tolist())
            return self.w * x

    fit(Spy(), numbers, numbers, loss="mse", validation_split=0.25, epochs=2)
    assert len(trained) == 15 and len(judged) == 5
    assert not trained & judged


def test_clipping_and_scheduler() -> None:
    model = nn.Dense(1, 1)
    start = weights(model)
    fit(
        model, [[1.0]], [[1e4]], loss="mse", optimizer="sgd", lr=1.0, epochs=1, clip_norm=0.5,
        batch_size=None,
    )  # fmt: skip
    moved = sum(((a - b) ** 2).sum() for a, b in zip(start, weights(model), strict=True))
    assert math.sqrt(moved) == pytest.approx(0.5, rel=1e-4)

    model = network()
    history = fit(
        model, X, Y, loss="bce", optimizer="sgd", lr=1.0, epochs=4,
        scheduler=lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
    )  # fmt: skip
    assert history["lr"] == [1.0, 1.0, 0.5, 0.5]
    sgd = optim.SGD(model.parameters(), lr=1.0)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(
        sgd, patience=0, threshold=10.0, threshold_mode="abs"
    )
    history = fit(model, X, Y, loss="bce", optimizer=sgd, epochs=3, scheduler=plateau)
    assert history["lr"] == [1.0, 1.0, pytest.approx(0.1)]


def test_optimizer_forms() -> None:
    model = network()
    made: list[Any] = []

    def factory(parameters: Any, lr: float) -> optim.Optimizer:
        made.append(optim.SGD(parameters, lr=lr, momentum=0.9))
        return made[0]  # type: ignore[no-any-return]

    fit(model, X, Y, loss="bce", optimizer=factory, lr=0.25)
    assert made[0].param_groups[0]["lr"] == 0.25
    model[0].requires_grad_(False)
    before = weights(model)
    fit(model, X, Y, loss="bce", optimizer="adam")
    after = weights(model)
    assert [(a == b).all() for a, b in zip(before, after, strict=True)] == [
        True,
        True,
        False,
        False,
    ]


def test_sum_reduction_is_summed() -> None:
    model = network()
    total = fit(model, X, Y, loss=nn.BCELoss(reduction="sum"), optimizer="sgd", lr=0.0)["loss"][0]
    mean = fit(model, X, Y, loss="bce", optimizer="sgd", lr=0.0)["loss"][0]
    assert total == pytest.approx(50 * mean, rel=1e-5)
    judged = evaluate(model, X, Y, loss=nn.BCELoss(reduction="sum"), batch_size=7)
    assert judged["loss"] == pytest.approx(total, rel=1e-5)


# Accuracy


def test_accuracy_reads_predictions_as_the_loss_does() -> None:
    logits = np.array([[0.3], [-0.3], [0.2], [-2.0]])
    y = np.array([[1], [0], [1], [1]])
    assert accuracy(logits, y, kind="logits") == 0.75
    assert accuracy(logits, y) == 0.25  # as probabilities, none of them reaches 0.5
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    assert accuracy(scores, [1, 2]) == 0.5
    assert accuracy(scores, [[0, 1, 0], [1, 0, 0]]) == 1.0
    assert accuracy(scores.T, [1, 2], columns=True) == 0.5
    # Several independent labels per example: each counts.
    assert accuracy(scores, [[0, 1, 1], [1, 0, 0]], kind="probabilities") == pytest.approx(5 / 6)
    for bad in ([1, 2, 0], [[1], [2]]):
        with pytest.raises(ValueError, match="accuracy"):
            accuracy(scores, bad)
    with pytest.raises(ValueError, match="equal shapes"):
        accuracy(logits, [1, 0, 0, 1])
    model = nn.Dense(1, 1)
    model.load_state_dict({"weight": [[1.0]], "bias": [0.0]})
    assert (
        evaluate(model, logits, y, loss="bce_with_logits", metrics="accuracy")["accuracy"] == 0.75
    )
    found = evaluate(model, logits, y, loss=nn.BCEWithLogitsLoss(), metrics=["accuracy"])
    assert found["accuracy"] == 0.75


# Callbacks and history


def test_callbacks_are_called_in_order() -> None:
    calls: list[Any] = []

    class Log(Callback):
        def on_train_begin(self) -> None:
            calls.append("begin")

        def on_train_end(self) -> None:
            calls.append("end")

        def on_epoch_begin(self, epoch: int) -> None:
            calls.append(epoch)

        def on_batch_end(self, batch: int, loss: float) -> None:
            calls.append((batch, type(loss)))

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert self.run.epoch == epoch and self.run.history["loss"][-1] == logs["loss"]
            calls.append(-epoch)
            self.run.stop = epoch == 2

    fit(network(), X, Y, loss="bce", epochs=9, batch_size=25, callbacks=[Log()])
    b = [(1, float), (2, float)]
    assert calls == ["begin", 1, *b, -1, 2, *b, -2, "end"]


def test_early_stopping_and_best_weights() -> None:
    values = iter([5.0, 3.0, 4.0, 3.5, 2.0, 9.0])
    model = network()
    kept: dict[int, Any] = {}
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.setdefault(epoch, weights(model)))
    stopper = EarlyStopping(patience=1, monitor="val_shown", restore_best=True, mode="min")
    history = fit(
        model, X, Y, loss="bce", epochs=9, validation_data=(X, Y), callbacks=[keep, stopper],
        metrics={"shown": lambda a, y: next(values) if not model.training else 0.0},
    )  # fmt: skip
    assert history.epochs == 4  # 3.0 in epoch 2 was best; epochs 3 and 4 did not improve
    assert (stopper.best, stopper.best_epoch, stopper.stopped_epoch) == (3.0, 2, 4)
    for p, q in zip(weights(model), kept[2], strict=True):
        np.testing.assert_array_equal(p, q)


def test_early_stopping_knows_that_accuracy_grows() -> None:
    stopper = EarlyStopping(patience=0, monitor="accuracy")
    history = fit(
        network(), X, Y, loss="bce", lr=0.0, metrics="accuracy", epochs=5, callbacks=stopper
    )
    assert history.epochs == 2
    with pytest.raises(ValueError, match="watches 'val_accuracy'.*reports loss"):
        fit(network(), X, Y, loss="bce", callbacks=EarlyStopping(monitor="val_accuracy"))


def test_model_checkpoint_and_csv(tmp_path: Path) -> None:
    model = network()
    fit(
        model, X, Y, loss="bce", epochs=3, lr=0.01,
        callbacks=[
            ModelCheckpoint(tmp_path / "m{epoch}.safetensors"),
            ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True),
            CSVLogger(tmp_path / "log.csv"),
        ],
    )  # fmt: skip
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["best.safetensors", "log.csv"] + [f"m{i}.safetensors" for i in (1, 2, 3)]
    again = network(7)
    again.load_state_dict(tc.load(tmp_path / "best.safetensors"))
    same(again, model)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss" and len(lines) == 4 and lines[3].startswith("3,0.")


def test_history() -> None:
    history = History({"loss": [3.0, 1.0, 2.0], "val_loss": [1.0, math.nan, 0.5]})
    assert history.epochs == 3
    assert history.best == {"epoch": 3, "loss": 2.0, "val_loss": 0.5}
    assert "val_loss" in history and list(history.keys()) == ["loss", "val_loss"]
    lines = repr(history).splitlines()
    assert lines[1].split() == ["epoch", "loss", "val_loss"]
    assert lines[4].split() == ["last", "3", "2", "0.5"]
    with pytest.raises(ValueError, match="has no 'accuracy', only loss, val_loss"):
        history["accuracy"]
    assert repr(History()) == "History of 0 epochs" and History().best == {}
    pytest.importorskip("matplotlib").use("Agg")
    ax = history.plot()
    assert ax.get_xlabel() == "epoch"
    ax.figure.clear()


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress(capsys: Any, monkeypatch: Any) -> None:
    options: dict[str, Any] = dict(loss="bce", epochs=2)
    fit(network(), X, Y, **options)
    assert capsys.readouterr().out == ""
    fit(network(), X, Y, verbose=True, metrics="accuracy", **options)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2: loss 0.") and "accuracy" in lines[1]
    pytest.importorskip("tqdm")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    fit(network(), X, Y, **options)
    assert "epoch 2/2" in screen.getvalue() and "4/4" in screen.getvalue()
    screen.truncate(0)
    fit(network(), X, Y, verbose=False, **options)
    assert "epoch" not in screen.getvalue()
    with pytest.raises(ValueError, match="verbose=2"):
        fit(network(), X, Y, verbose=2, **options)


# Bad input


def failing(message: str, *args: Any, **options: Any) -> None:
    options = {"loss": "bce", **options}
    with pytest.raises((ValueError, TypeError, RuntimeError, OSError), match=message) as caught:
        fit(*(args or (network(), X, Y)), **options)
    assert isinstance(caught.value, TinygradCourseError | OSError)
    assert "\n" not in str(caught.value)


def test_bad_data() -> None:
    net = network()
    failing("holds no examples", net, X[:0], Y[:0])
    failing("50 and 49 examples", net, X, Y[:49])
    failing("layout='columns'", net, X.T, Y.T)
    failing("got no targets", net, X)
    failing("real numbers", net, np.array([["a"]] * 50), Y)
    failing("in the dataset", net, TensorDataset(X, Y), Y)
    failing("tuples of inputs", net, DataLoader(X, batch_size=5))
    failing("single number", net, 1.0, 2.0)
    failing("Give each input its target", net, X, Y[:7])
    failing("examples, features|features, examples", network(columns=True), X[:, 0], Y[:, 0])
    failing("shape", net, X, Y[:, 0])  # (m,) against (m, 1): the loss refuses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "loss='hinge'"),
        ({"loss": nn.BCELoss}, r"Write BCELoss\(\)"),
        ({"loss": 3}, "int as loss"),
        ({"loss": lambda a, y: 1.0}, "returned a float"),
        ({"loss": lambda a, y: a - y}, "expected one number"),
        ({"optimizer": "lbfgs"}, "optimizer='lbfgs'"),
        ({"optimizer": 3}, "int as optimizer"),
        ({"optimizer": "sgd", "lr": -1.0}, "lr=-1.0"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 2.5}, "epochs=2.5"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": "all"}, "batch_size='all'"),
        ({"metrics": "precision"}, "'precision'"),
        ({"metrics": [3]}, "int as a metric"),
        ({"metrics": ["accuracy", "accuracy"]}, "taken"),
        ({"callbacks": [print]}, "LambdaCallback"),
        ({"scheduler": 3}, "scheduler"),
        ({"validation_split": 1.5}, "validation_split=1.5"),
        ({"validation_split": 0.001}, "leaves 0"),
        ({"validation_split": 0.5, "validation_data": (X, Y)}, "one of them"),
        ({"validation_data": (X, Y, Y)}, "3 parts"),
        ({"layout": "diagonal"}, "layout='diagonal'"),
        ({"clip_norm": -1}, "clip_norm=-1"),
        ({"resume": True}, "without checkpoint"),
        ({"resume": "perhaps", "checkpoint": "x"}, "resume='perhaps'"),
        ({"checkpoint": "/no/such/folder/run.safetensors"}, "does not exist"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    failing(message, **options)


def test_bad_models_and_optimizers() -> None:
    failing("expected a Module", lambda x: x, X, Y)
    failing("nothing to train", nn.Sequential(nn.ReLU()), X, Y)
    other = network()
    failing("none of the model's", optimizer=optim.SGD(other.parameters(), 0.1))
    net = network()
    failing("which has its own", net, X, Y, optimizer=optim.SGD(net.parameters(), 0.1), lr=0.1)
    step = optim.lr_scheduler.StepLR(optim.SGD(other.parameters(), 0.1), 1)
    failing("same optimizer", scheduler=step)
    mixed = nn.Sequential(nn.Dense(3, 3), nn.Dense(3, 1, layout="columns"))
    failing("does not tell", mixed, X, Y)


def test_nan_loss_names_epoch_and_batch_and_keeps_the_weights() -> None:
    bad = X.copy()
    bad[45] = np.nan
    model = network()
    seen = LambdaCallback(on_batch_end=lambda batch, loss: kept.append(weights(model)))
    kept: list[Any] = []
    failing(
        "nan in epoch 1, batch 5 of 5.*detect_anomaly",
        model, bad, Y, loss="mse", batch_size=10, shuffle=False, callbacks=seen,
    )  # fmt: skip
    for p, q in zip(weights(model), kept[-1], strict=True):
        np.testing.assert_array_equal(p, q)
    assert not model[0].weight.numpy().size == 0 and np.isfinite(model[0].weight.numpy()).all()


def test_evaluate_and_predict_errors() -> None:
    model = network()
    with pytest.raises(ValueError, match="predict: got batch_size=0"):
        predict(model, X, batch_size=0)
    with pytest.raises(ValueError, match="evaluate: got X of shape"):
        evaluate(model, X, Y[:3], loss="bce")
    with pytest.raises(ValueError, match="evaluate: got loss"):
        evaluate(model, X, Y, loss="nope")
    assert predict(model, X).requires_grad is False
    np.testing.assert_allclose(
        predict(model, X, batch_size=7).numpy(), predict(model, X).numpy(), rtol=1e-5
    )
