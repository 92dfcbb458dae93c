"""Layers, activations and losses against PyTorch's values and gradients (make_golden.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.nn import functional as F

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def wave(*shape: int, phase: float = 0.0) -> np.ndarray:
    count = int(np.prod(shape))
    return np.sin(1.7 * np.arange(1, count + 1) + phase).reshape(shape)


def const(values: Any) -> Any:
    return tc.tensor(values, dtype=tc.float64)


CLASSES = tc.tensor([0, 2, 1, 2])
GAPS = tc.tensor([0, -100, 1, 2])
WEIGHT = const([0.2, 1.0, 3.0])
SOFT = const(GOLDEN["ce soft"]["soft"])
LABELS = const([[1.0], [0.0], [1.0], [0.3]])
FACTORS = const([[1.0], [2.0], [0.5], [0.0]])
POSITIVE = const([2.5])
TRUTH = const([0.0, 1.0, 1.0, 0.0])
TARGET = const(2 * wave(4, 3, phase=2))

bcel = F.binary_cross_entropy_with_logits


def loaded(module: Any, **values: Any) -> Any:
    module.load_state_dict({**module.state_dict(), **values})
    return module.double()


def batch_norm() -> Any:
    values = {"weight": [0.5, 2.0, -1.0], "bias": [0.1, 0.2, 0.3]}
    return loaded(nn.BatchNorm1d(3, momentum=0.3, eps=1e-3).double(), **values)


def second_batch(x: Any) -> Any:
    norm = batch_norm()
    norm(const(wave(5, 3)))
    return norm(x)


def evaluated(x: Any) -> Any:
    norm = batch_norm()
    norm(const(wave(5, 3)))
    norm(const(wave(5, 3, phase=2)))
    return norm.eval()(x)


LAYER_NORM = loaded(
    nn.LayerNorm((3, 4), dtype=tc.float64),
    weight=wave(3, 4, phase=3),
    bias=wave(3, 4, phase=4),
)
LINEAR = loaded(
    nn.Linear(3, 2, dtype=tc.float64), weight=wave(2, 3, phase=3), bias=wave(2, phase=4)
)

CASES: dict[str, Callable[[Any], Any]] = {
    "ce mean": lambda z: nn.CrossEntropyLoss()(z, CLASSES),
    "ce sum": lambda z: nn.CrossEntropyLoss(reduction="sum")(z, CLASSES),
    "ce none": lambda z: nn.CrossEntropyLoss(reduction="none")(z, CLASSES),
    "ce weight": lambda z: nn.CrossEntropyLoss(weight=WEIGHT)(z, CLASSES),
    "ce weight none": lambda z: F.cross_entropy(z, CLASSES, WEIGHT, reduction="none"),
    "ce ignore": lambda z: F.cross_entropy(z, GAPS),
    "ce smooth": lambda z: nn.CrossEntropyLoss(label_smoothing=0.1)(z, CLASSES),
    "ce all": lambda z: F.cross_entropy(z, GAPS, WEIGHT, label_smoothing=0.2),
    "ce all sum": lambda z: F.cross_entropy(z, GAPS, WEIGHT, label_smoothing=0.2, reduction="sum"),
    "ce soft": lambda z: F.cross_entropy(z, SOFT),
    "ce soft all": lambda z: F.cross_entropy(z, SOFT, WEIGHT, label_smoothing=0.3),
    "ce places": lambda z: F.cross_entropy(z, tc.tensor([[0, 1], [2, 1]])),
    "ce vector": lambda z: F.cross_entropy(z, tc.tensor(2)),
    "nll weight": lambda z: nn.NLLLoss(weight=WEIGHT)(F.log_softmax(z, 1), CLASSES),
    "nll sum": lambda z: nn.NLLLoss(reduction="sum")(z, CLASSES),
    "bce": lambda a: nn.BCELoss()(a, LABELS),
    "bce sum": lambda a: nn.BCELoss(reduction="sum")(a, LABELS),
    "bce weight": lambda a: nn.BCELoss(weight=FACTORS)(a, LABELS),
    "bce edges": lambda a: nn.BCELoss(reduction="none")(a, TRUTH),
    "bcel": lambda z: nn.BCEWithLogitsLoss()(z, LABELS),
    "bcel far": lambda z: nn.BCEWithLogitsLoss(reduction="none")(z, TRUTH),
    "bcel pos": lambda z: nn.BCEWithLogitsLoss(pos_weight=POSITIVE)(z, LABELS),
    "bcel all": lambda z: bcel(z, LABELS, FACTORS, "sum", POSITIVE),
    "mse": lambda a: nn.MSELoss()(a, TARGET),
    "mse none": lambda a: nn.MSELoss(reduction="none")(a, TARGET),
    "l1": lambda a: nn.L1Loss()(a, TARGET),
    "huber": lambda a: nn.HuberLoss(delta=0.7)(a, TARGET),
    "huber none": lambda a: nn.HuberLoss("none", 0.7)(a, TARGET),
    "smooth": lambda a: nn.SmoothL1Loss(beta=0.4)(a, TARGET),
    "bn first": lambda x: batch_norm()(x),
    "bn second": second_batch,
    "bn eval": evaluated,
    "bn average first": lambda x: nn.BatchNorm1d(3, momentum=None).double()(x),
    "bn average second": lambda x: nn.BatchNorm1d(3, momentum=None).double()(x),
    "bn batch only": lambda x: nn.BatchNorm1d(3, affine=False, track_running_stats=False).eval()(x),
    "ln": LAYER_NORM,
    "linear": LINEAR,
    "act Sigmoid": nn.Sigmoid(),
    "act Tanh": nn.Tanh(),
    "act ReLU": nn.ReLU(),
    "act LeakyReLU": nn.LeakyReLU(0.2),
    "act ELU": nn.ELU(0.5),
    "act Softplus": nn.Softplus(),
    "act GELU": nn.GELU(),
    "act GELU tanh": nn.GELU("tanh"),
    "act SiLU": nn.SiLU(),
    "act Softmax": nn.Softmax(1),
    "act LogSoftmax": nn.LogSoftmax(1),
}


def test_every_golden_case_is_compared() -> None:
    assert set(CASES) == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_value_and_gradient_equal_pytorch(name: str) -> None:
    case = GOLDEN[name]
    x = tc.tensor(np.array(case["x"]), requires_grad=True)
    y = CASES[name](x)
    np.testing.assert_allclose(y.numpy(), case["y"], rtol=1e-9, atol=1e-12)
    cotangent = wave(*y.shape, phase=0.5) if y.ndim else None
    (g,) = tc.autograd.grad(y, x, cotangent)
    assert g is not None
    # PyTorch's 1e-12 in the derivative of BCE is a float32.
    np.testing.assert_allclose(g.numpy(), case["grad"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in GOLDEN if not n.startswith("act ReLU")])
def test_recorded_backward_gives_the_same_gradient(name: str) -> None:
    """The rules on tensors (create_graph) equal the rules on arrays."""
    case = GOLDEN[name]
    x = tc.tensor(np.array(case["x"]), requires_grad=True)
    y = CASES[name](x)
    cotangent = wave(*y.shape, phase=0.5) if y.ndim else None
    (g,) = tc.autograd.grad(y, x, cotangent, create_graph=True)
    assert g is not None
    # PyTorch's 1e-12 in the derivative of BCE is a float32.
    np.testing.assert_allclose(g.numpy(), case["grad"], rtol=1e-8, atol=1e-12)


def test_running_statistics_equal_pytorch() -> None:
    norm = batch_norm()
    for name, phase in (("bn first", 0.0), ("bn second", 2.0)):
        norm(const(wave(5, 3, phase=phase)))
        np.testing.assert_allclose(norm.running_mean.numpy(), GOLDEN[name]["mean"], rtol=1e-12)
        np.testing.assert_allclose(norm.running_var.numpy(), GOLDEN[name]["var"], rtol=1e-12)
    assert norm.num_batches_tracked.item() == 2


def test_cumulative_statistics_equal_pytorch() -> None:
    norm = nn.BatchNorm1d(3, momentum=None).double()
    norm(const(wave(2, 3, 4)))
    norm(const(wave(2, 3, 4, phase=2)))
    expected = GOLDEN["bn average second"]
    np.testing.assert_allclose(norm.running_mean.numpy(), expected["mean"], rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.numpy(), expected["var"], rtol=1e-12)
