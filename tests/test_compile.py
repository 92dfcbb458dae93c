"""Compiled training steps against the same steps run eagerly, for layers, losses and optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attention_layers import ATTENTION_LAYERS
from hypothesis import given, settings
from image_layers import IMAGE_LAYERS
from recurrent_layers import RECURRENT_LAYERS
from test_random_graphs import LEAVES, build, graphs

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.compiling import compile

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (RNG.random((40, 1)) > 0.5) * 1.0

OPTIMIZERS = [
    ("SGD", {"lr": 0.5}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("Adadelta", {"eps": 1e-3}),
    ("Adamax", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 2}),
    ("Rprop", {"lr": 0.01}),
]


class Beside(nn.Module):
    """Add to each unit how its example compares with itself, turned round."""

    def __init__(self, compare: nn.Module) -> None:
        super().__init__()
        self.compare = compare

    def forward(self, x: Any) -> Any:
        return x + self.compare(x, x.roll(1, 1)).reshape(-1, 1)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    **{
        name: getattr(nn, name)
        for name in (
            "ELU Flatten GELU Identity LeakyReLU LogSoftmax ReLU SiLU Sigmoid Softmax Softplus "
            "CELU Hardshrink Hardsigmoid Hardswish Hardtanh LogSigmoid Mish PReLU ReLU6 SELU "
            "Softmin Softshrink Softsign Tanh Tanhshrink"
        ).split()
    },
    "GLU": lambda: nn.Sequential(nn.Dense(3, 6), nn.GLU()),
    "Threshold": lambda: nn.Threshold(0.1, 0.5),
    "CosineSimilarity": lambda: Beside(nn.CosineSimilarity()),
    "PairwiseDistance": lambda: Beside(nn.PairwiseDistance()),
    "GELU of tanh": lambda: nn.GELU(approximate="tanh"),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "BatchNorm1d without statistics": lambda: nn.BatchNorm1d(3, track_running_stats=False),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "Dropout": lambda: nn.Dropout(0.3),
    "Linear": lambda: nn.Linear(3, 3),
    **{
        f"Dense {a}": lambda a=a: nn.Dense(3, 3, activation=a)
        for a in ("relu", "sigmoid", "tanh", "softmax", "linear")
    },
    **ATTENTION_LAYERS,
    **IMAGE_LAYERS,
    **RECURRENT_LAYERS,
}
LOSSES = {
    "BCELoss": "probability",
    "BCEWithLogitsLoss": "probability",
    "CrossEntropyLoss": "class",
    "NLLLoss": "class",
    "HuberLoss": "value",
    "L1Loss": "value",
    "MSELoss": "value",
    "SmoothL1Loss": "value",
}


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    a, b = a.numpy(), b.numpy()
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def training(
    layer: Callable[[], nn.Module] = nn.Tanh,
    loss: Any = None,
    optimizer: Any = ("SGD", {"lr": 0.05}),
    dtype: Any = tc.float64,
) -> tuple[Any, Any, Any]:
    """Return a model, an optimizer and one step of training, always from the same weights."""
    tc.manual_seed(1)
    model = nn.Sequential(nn.Dense(3, 3), layer(), nn.Dense(3, 1)).to(dtype)
    name, options = optimizer
    optimizer = getattr(optim, name)(model.parameters(), **options)
    loss = loss or nn.BCEWithLogitsLoss()

    def step(X: Any, Y: Any) -> Any:
        optimizer.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        optimizer.step()
        return J

    return model, optimizer, step


def batch(k: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(k)
    rows = rng.permutation(40)[:16]
    return tc.tensor(X[rows].astype(dtype)), tc.tensor(Y[rows].astype(dtype))


def compare(make: Callable[[], tuple[Any, Any, Any]], steps: int = 8) -> Any:
    """Train twice, plainly and with compiled steps among plain ones, on other data each time."""
    model, optimizer, step = make()
    costs, places = [], []
    for k in range(steps):
        costs.append(step(*batch(k)))
        places.append(tc.random.get_rng_state())
        if k == steps // 2:  # a scheduler changes the learning rate between steps
            optimizer.param_groups[0]["lr"] *= 0.5
    other, optimizer, step = make()
    fast = compile(step)
    for k in range(steps):
        close((step if k % 4 == 2 else fast)(*batch(k)), costs[k])
        assert tc.random.get_rng_state() == places[k]
        if k == steps // 2:
            optimizer.param_groups[0]["lr"] *= 0.5
    for p, q in zip((*other.parameters(), *other.buffers()), (*model.parameters(), *model.buffers()), strict=True):  # noqa: E501  # fmt: skip
        close(p, q)
    assert fast.traced == 1 and fast.source.startswith("def step(X, Y):")
    return fast


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimizers(optimizer: tuple[str, dict[str, Any]]) -> None:
    compare(lambda: training(optimizer=optimizer), steps=20)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    compare(lambda: training(LAYERS[layer]))


def test_every_layer_and_loss_is_tried() -> None:
    tried = {*LOSSES, *(name.split()[0] for name in LAYERS)}
    kinds = {n for n in nn.__all__ if isinstance(getattr(nn, n), type)}
    kinds = {n for n in kinds if issubclass(getattr(nn, n), nn.Module)}
    holders = {"Activation", "Module", "ModuleDict", "ModuleList", "ParameterList", "Sequential"}
    holders |= {"RNNBase", "ParameterDict", "Unflatten"}
    # In nn/test_losses_golden.py.
    there = {n for n in kinds if issubclass(getattr(nn, n), nn.loss.Loss)}
    assert kinds - tried - holders - there == {"Normalization", "Step"}


def test_normalization() -> None:
    norm = nn.Normalization()
    norm.adapt(X)
    compare(lambda: training(lambda: norm))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, reduction: str) -> None:
    loss = getattr(nn, name)(reduction=reduction)
    w = tc.tensor(RNG.normal(size=(3, 3)), requires_grad=True)

    def back(X: Any, Y: Any) -> Any:
        w.grad = None
        z = X @ w
        if name == "BCELoss":
            z = z.sigmoid()
        J = loss(z.log_softmax(-1) if name == "NLLLoss" else z, Y)
        (J * J).sum().backward()
        return J

    fast = compile(back)
    for k in range(4):
        rng = np.random.default_rng(k)
        drawn = rng.random((16, 3)) > 0.5
        if LOSSES[name] == "class":
            target = tc.tensor(rng.integers(0, 3, 16))
        else:
            target = tc.tensor(
                drawn * 1.0 if LOSSES[name] == "probability" else rng.random((16, 3))
            )
        expected = back(batch(k)[0], target)
        gradient = w.grad
        close(fast(batch(k)[0], target), expected)
        close(w.grad, gradient)
    assert not fast.reason


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_a_thousand_steps_in_float32(name: str) -> None:
    def make() -> Any:
        return training(optimizer=(name, {"lr": 0.01}), dtype=tc.float32)

    model, _, step = make()
    other, _, plain = make()
    fast = compile(step)
    given = batch(0, np.float32)
    for _ in range(1000):
        J, expected = fast(*given), plain(*given)
    assert J.dtype == np.float32 and abs(J.item() - expected.item()) < 1e-5
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert p.dtype == np.float32
        assert abs(p.numpy() - q.numpy()).max() < 1e-5


def test_another_shape_is_traced_anew_and_both_are_kept() -> None:
    _, _, step = training()
    fast = compile(step)
    inputs = batch(0)
    for m in (16, 7, 16, 7):
        fast(inputs[0][:m], inputs[1][:m])
    assert fast.traced == 2


def test_the_first_call_gives_what_the_program_gives() -> None:
    """A run that is interrupted and goes on is the same, bit by bit."""
    model, _, step = training()
    fast = compile(step)
    for k in range(6):
        fast(*batch(k))
    other, _, step = training()
    for k in range(6):
        if k % 2 == 0:
            fast = compile(step)
        fast(*batch(k))
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_nothing_is_allocated_in_the_steady_state() -> None:
    """Every array but the result has been there since the program was made."""
    fast = compare(training)
    assert "make a new array" not in fast.explain()
    assert all(kind != "fresh" for kind in fast._last.plan.kinds)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_step_size_does_not_multiply_a_mask(backend: str) -> None:
    """J = Σ max(0, 1 − y(x w + b))/m; its derivative is a mask, lr/m times that is none."""
    if backend == "numba":
        pytest.importorskip("numba")
    w = tc.tensor([[0.5], [0.25]], requires_grad=True, name="w")
    b = tc.tensor([0.0], requires_grad=True, name="b")
    sgd = optim.SGD([w, b], lr=0.1)
    x = tc.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 1.0]])
    y = tc.tensor([[1.0], [-1.0], [1.0], [1.0]])

    def step(x: Any, y: Any) -> Any:
        sgd.zero_grad()
        J = (1 - y * (x @ w + b)).clip(0, None).mean()
        J.backward()
        sgd.step()
        return J

    fast = tc.compile(step, backend=backend)
    assert fast(x, y).item() == pytest.approx((0.5 + 1.25 + 0.25) / 4)
    assert not fast.explain().startswith("no program")
    # dw = −Σ y x/m over the rows inside the margin, which are all but the third.
    np.testing.assert_allclose(w.numpy(), [[0.5 + 0.1 * 2 / 4], [0.25]], rtol=1e-6)
    np.testing.assert_allclose(b.numpy(), [0.1 * 1 / 4], rtol=1e-6)


def test_it_can_be_read_and_drawn() -> None:
    _, _, step = training()
    fast = compile(step)
    fast(*batch(0))
    told = fast.explain()
    assert "backend numpy" in told and "buffers" in told and "traced once" in told
    assert "W[1]_new" in str(fast.graph) and "X.dot(W1" in fast.source
    assert viz.draw(fast, groups=False).source == viz.draw(fast.graph).source
    assert repr(fast) == "<compiled step>"


@settings(max_examples=80)
@given(graphs)
def test_random_graphs(steps: Any) -> None:
    """Values and gradients on three sets of inputs; the program is made from the first."""

    def f(*leaves: Any) -> Any:
        return build(steps, list(leaves))

    fast = compile(f)
    for k in range(3):
        points = [tc.tensor(v * (1 + 0.3 * k), requires_grad=True) for v in LEAVES]
        again = [tc.tensor(v * (1 + 0.3 * k), requires_grad=True) for v in LEAVES]
        expected, found = f(*points), fast(*again)
        close(found, expected, 1e-11)
        expected.backward()
        found.backward()
        for p, q in zip(points, again, strict=True):
            close(q.grad, p.grad, 1e-11)
    assert not fast.reason
