"""Losses: gradients, conventions, and messages for labels that are wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, IndexingError, ShapeError
from tinygrad_course.nn import functional as F
from tinygrad_course.nn import losses as implementation

PAIRED = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "huber_loss": F.huber_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "binary_cross_entropy": F.binary_cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
}


def nodes(y: Any) -> list[str]:
    names, stack, seen = [], [y._node], set()
    while stack:
        node = stack.pop()
        if node is not None and id(node) not in seen and hasattr(node, "op"):
            seen.add(id(node))
            names.append(node.op.name)
            stack.extend(node.inputs)
    return names[::-1]


# --- values ---------------------------------------------------------------------------------------


def test_values_by_hand() -> None:
    a, y = [[0.8], [0.9], [0.4]], [[1.0], [1.0], [0.0]]
    expected = -(math.log(0.8) + math.log(0.9) + math.log(0.6)) / 3
    assert nn.BCELoss()(np.array(a), np.array(y)).item() == pytest.approx(expected, rel=1e-14)
    z = np.log(np.array(a) / (1 - np.array(a)))
    got = nn.BCEWithLogitsLoss()(z, np.array(y)).item()
    assert got == pytest.approx(expected, rel=1e-14)
    # ln 2 for a model that knows nothing, ln C for C classes.
    assert F.binary_cross_entropy(np.full(4, 0.5), np.ones(4)).item() == pytest.approx(math.log(2))
    assert F.cross_entropy(np.zeros((4, 10)), np.arange(4)).item() == pytest.approx(math.log(10))


def test_softmax_cross_entropy_has_gradient_a_minus_y_over_m() -> None:
    z = tc.tensor(np.random.default_rng(0).normal(size=(4, 3)), requires_grad=True)
    y = np.array([0, 2, 1, 1])
    nn.CrossEntropyLoss()(z, tc.tensor(y)).backward()
    expected = (tc.softmax(z, 1).numpy() - np.eye(3)[y]) / 4
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), expected, atol=1e-15)


def test_cross_entropy_with_examples_in_columns() -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    y = np.array([0, 2, 1, 1])
    rows = nn.CrossEntropyLoss()(z, y).item()
    assert nn.CrossEntropyLoss(dim=0)(z.T, y).item() == pytest.approx(rows, rel=1e-14)
    hot = np.eye(3)[y]
    assert nn.CrossEntropyLoss(dim=0)(z.T, hot.T).item() == pytest.approx(rows, rel=1e-14)
    assert nn.NLLLoss(dim=0)(F.log_softmax(z.T, 0), y).item() == pytest.approx(rows, rel=1e-14)


def test_one_hot_labels_equal_class_numbers() -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    y = tc.tensor([0, 2, 1, 1])
    hot = F.one_hot(y, 3)
    assert hot.dtype == np.int64
    assert F.cross_entropy(z, hot).item() == pytest.approx(F.cross_entropy(z, y).item(), rel=1e-14)
    assert F.one_hot(y).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert F.one_hot(y, dim=0).tolist() == F.one_hot(y).T.tolist()


def test_ignoring_a_class_that_exists() -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    y = np.array([0, 2, 1, 2])
    kept = y != 2
    got = F.cross_entropy(z, y, ignore_index=2).item()
    assert got == pytest.approx(F.cross_entropy(z[kept], y[kept]).item(), rel=1e-14)
    assert math.isnan(F.cross_entropy(z, np.full(4, -100)).item())  # as PyTorch: 0 / 0


def test_losses_stay_finite_far_out() -> None:
    z = np.array([1e4, -1e4])
    for y in (0.0, 1.0):
        losses = F.binary_cross_entropy_with_logits(z, np.full(2, y), reduction="none").numpy()
        assert sorted(losses.tolist()) == [0.0, 1e4]
    logits = tc.tensor([[1e4, -1e4]], requires_grad=True)
    J = F.cross_entropy(logits, tc.tensor([1]))
    J.backward()
    assert J.item() == 2e4
    assert logits.grad is not None and logits.grad.tolist() == [[1.0, -1.0]]
    a = tc.tensor([0.0, 1.0], requires_grad=True)
    J = F.binary_cross_entropy(a, tc.tensor([1.0, 0.0]))
    assert J.item() == 100.0  # PyTorch clamps log(0) at -100
    J.backward()
    assert a.grad is not None and np.isfinite(a.grad.numpy()).all()


def test_huber_meets_its_two_neighbours() -> None:
    a, y = np.array([0.2, -0.3]), np.zeros(2)
    assert F.huber_loss(a, y, delta=10).item() == pytest.approx(F.mse_loss(a, y).item() / 2)
    far = np.array([20.0, -30.0])
    got = F.smooth_l1_loss(far, y, beta=1e-9).item()
    assert got == pytest.approx(F.l1_loss(far, y).item())
    assert F.smooth_l1_loss(far, y, beta=0).item() == F.l1_loss(far, y).item()


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradients_agree_with_differences(name: str, reduction: str) -> None:
    rng = np.random.default_rng(3)
    a, y = rng.uniform(0.05, 0.95, (4, 2)), rng.uniform(0.05, 0.95, (4, 2))
    loss = PAIRED[name]

    def f(a: Any, y: Any) -> Any:
        return loss(a, y, reduction=reduction).numpy().sum()

    expected = differences(f, [a, y], eps=1e-8)
    x, t = tc.tensor(a, requires_grad=True), tc.tensor(y, requires_grad=True)
    loss(x, t, reduction=reduction).sum().backward()
    assert x.grad is not None and t.grad is not None
    assert_close(x.grad.numpy(), expected[0], 1e-7, "d input")
    assert_close(t.grad.numpy(), expected[1], 1e-7, "d target")


def test_second_derivative_of_the_logistic_loss() -> None:
    """d²J/dz² = a (1 − a) / m."""
    z = tc.tensor(np.array([0.3, -1.2]), requires_grad=True)
    J = F.binary_cross_entropy_with_logits(z, np.array([1.0, 0.0]))
    (g,) = tc.autograd.grad(J, z, create_graph=True)
    assert g is not None
    (h,) = tc.autograd.grad(g.sum(), z)
    a = 1 / (1 + np.exp(-z.numpy()))
    assert h is not None
    np.testing.assert_allclose(h.numpy(), a * (1 - a) / 2, rtol=1e-12)


def test_few_operations_are_recorded() -> None:
    a = tc.tensor([[0.5]], requires_grad=True)
    y = tc.tensor([[1.0]])
    assert nodes(nn.BCELoss()(a, y)) == ["bce", "mean"]
    assert nodes(nn.BCEWithLogitsLoss()(a, y)) == ["bce_with_logits", "mean"]
    assert nodes(nn.HuberLoss()(a, y)) == ["huber", "mean"]
    assert nodes(nn.MSELoss()(a, y)) == ["sub", "square", "mean"]
    z = tc.tensor([[0.5, 1.0]], requires_grad=True)
    got = nodes(nn.CrossEntropyLoss()(z, tc.tensor([1])))
    assert got == ["log_softmax", "take_along_axis", "mean", "neg"]


def test_labels_take_the_dtype_of_the_predictions() -> None:
    a = tc.tensor([[0.5], [0.25]], requires_grad=True)
    for labels in ([[1], [0]], np.array([[True], [False]]), np.array([[1.0], [0.0]])):
        J = nn.BCELoss()(a, labels)
        assert J.dtype == np.float32
    assert nn.MSELoss()(np.array([1, 2]), np.array([1, 4])).item() == 2.0


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRED)
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    loss = PAIRED[name]
    with pytest.raises(ShapeError, match=rf"{name}: .*\(4,\), the labels \(4, 1\)") as caught:
        loss(np.full(4, 0.5), np.ones((4, 1)))
    assert "would broadcast to (4, 4)" in str(caught.value)
    assert "y.reshape(4)" in str(caught.value)
    with pytest.raises(ShapeError, match=r"y\.reshape\(4, 1\)"):
        loss(np.full((4, 1), 0.5), np.ones(4))
    with pytest.raises(ShapeError, match=r"Write y\.T, or build the model with the other layout"):
        loss(np.full((4, 1), 0.5), np.ones((1, 4)))
    with pytest.raises(ShapeError, match="Compare the last layer's units"):
        loss(np.full((4, 3), 0.5), np.ones((4, 2)))


@pytest.mark.parametrize("name", PAIRED)
def test_no_examples(name: str) -> None:
    loss = PAIRED[name]
    with pytest.raises(ShapeError, match="got no examples"):
        loss(np.zeros((0, 1)), np.zeros((0, 1)))
    assert loss(np.zeros((0, 1)), np.zeros((0, 1)), reduction="sum").item() == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_labels_outside_0_and_1(name: str, dtype: Any) -> None:
    loss = PAIRED[name]
    for bad, cure in ((2, "CrossEntropyLoss"), (-1, r"\(y \+ 1\) / 2"), (255, "divide by 255")):
        y = np.array([[0], [bad], [bad]], dtype)
        with pytest.raises(ArgumentError, match=rf"label at index \(1, 0\) is {bad}.*{cure}"):
            loss(np.full((3, 1), 0.5, np.float32), y)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_labels_that_are_nan(name: str) -> None:
    y = np.array([0.0, 1.0, np.nan])
    with pytest.raises(ArgumentError, match=r"label at index 2 is nan\. A label is missing"):
        PAIRED[name](np.full(3, 0.5), y)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_quick_check_of_labels_is_exact(dtype: Any) -> None:
    edge = np.nextafter(dtype(1), dtype(2))
    good = [0.0, -0.0, 1.0, 0.5, np.finfo(dtype).tiny, np.nextafter(dtype(1), dtype(0))]
    assert not implementation._outside(np.array(good, dtype))
    for bad in (edge, np.nan, -np.nan, np.inf, -np.inf, -np.finfo(dtype).tiny, -1.0):
        assert implementation._outside(np.array([0.5, bad], dtype)), bad
    wide = np.array([[0.0, 9.0], [1.0, 9.0]], dtype)
    assert not implementation._outside(wide[:, 0])  # not contiguous
    assert implementation._outside(wide)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_predictions_that_are_no_probabilities(reduction: str) -> None:
    y = np.ones((2, 1))
    for bad in (1.5, -0.25):
        with pytest.raises(ArgumentError, match=rf"prediction at index \(1, 0\) is {bad}.*sigmoid"):
            F.binary_cross_entropy(np.array([[0.5], [bad]]), y, reduction=reduction)
    with pytest.raises(ArgumentError, match="is nan.*learning rate.*detect_anomaly"):
        F.binary_cross_entropy(np.array([[0.5], [np.nan]]), y, reduction=reduction)


def test_a_nan_weight_is_not_blamed_on_the_predictions() -> None:
    J = F.binary_cross_entropy(np.array([0.5]), np.array([1.0]), weight=np.array([np.nan]))
    assert math.isnan(J.item())


def test_reduction_names() -> None:
    for make in (nn.BCELoss, nn.MSELoss, nn.CrossEntropyLoss):
        with pytest.raises(ArgumentError, match="reduction must be 'mean', 'sum' or 'none'"):
            make(reduction="average")
    with pytest.raises(ArgumentError, match="reduction"):
        F.mse_loss([1.0], [1.0], reduction="average")


Z = np.zeros((4, 3))


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1, 3, 0], IndexingError, "index 2 is 3, but there are 3 classes, numbered 0 to 2"),
        ([0, 1, -1, 0], IndexingError, "index 2 is -1"),
        ([0.0, 1.0, 2.0, 0.0], DtypeError, r"class numbers are integers, got dtype float32.*long"),
        ([[0], [1], [2], [0]], ShapeError, r"labels \(4, 1\).*y\.squeeze\(-1\)"),
        ([0, 1, 2], ShapeError, r"class numbers must have shape \(4,\)"),
    ],
)
def test_wrong_class_numbers(loss: Any, labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        loss(Z, labels)


def test_other_wrong_arguments() -> None:
    with pytest.raises(ShapeError, match=r"weight has shape \(2,\).*each of the 3 classes"):
        F.cross_entropy(Z, [0, 1, 2, 0], weight=[1.0, 2.0])
    with pytest.raises(ArgumentError, match="label_smoothing must lie in"):
        F.cross_entropy(Z, [0, 1, 2, 0], label_smoothing=1.5)
    with pytest.raises(ShapeError, match="got a single number"):
        F.cross_entropy(1.0, 0)
    with pytest.raises(ShapeError, match="class axis 5"):
        F.cross_entropy(Z, [0, 1, 2, 0], dim=5)
    with pytest.raises(ShapeError, match="no examples"):
        F.cross_entropy(np.zeros((0, 3)), np.zeros(0, np.int64))
    with pytest.raises(ArgumentError, match="delta must be"):
        F.huber_loss([1.0], [1.0], delta=0)
    with pytest.raises(ArgumentError, match="beta must"):
        F.smooth_l1_loss([1.0], [1.0], beta=-1)


def test_one_hot_messages() -> None:
    with pytest.raises(DtypeError, match="labels.long"):
        F.one_hot([0.5])
    with pytest.raises(IndexingError, match="label 3 at index .1,. is outside 0 … 2"):
        F.one_hot([0, 3], 3)
    with pytest.raises(IndexingError, match="label -1"):
        F.one_hot([0, -1])
    with pytest.raises(ArgumentError, match="num_classes must be given"):
        F.one_hot(np.zeros(0, np.int64))
    with pytest.raises(ShapeError, match="axis 2 does not exist"):
        F.one_hot([0, 1], dim=2)


def test_labels_in_a_buffer_that_is_reused() -> None:
    a = tc.tensor(np.array([0.5]), requires_grad=True)
    y = np.array([1.0])
    J = nn.BCELoss()(a, y)
    y[0] = 0.0
    J.backward()
    assert a.grad is not None and a.grad.tolist() == [-2.0]


def test_repr_shows_the_reduction() -> None:
    assert repr(nn.MSELoss()) == "MSELoss()"
    assert repr(nn.MSELoss("sum")) == "MSELoss(reduction='sum')"
