"""BatchNorm1d, LayerNorm, Normalization, Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, ModuleError, ShapeError
from tinygrad_course.inplace import assignments
from tinygrad_course.modes import record_all
from tinygrad_course.nn import functional as F

# --- batch normalisation --------------------------------------------------------------------------


def test_batch_norm_by_hand() -> None:
    """x = 1, 3: μ = 2, σ² = 1 (population), 2 (unbiased); momentum 0.1."""
    norm = nn.BatchNorm1d(1, eps=0.0, dtype=tc.float64)
    y = norm(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(y.numpy(), [[-1.0], [1.0]], rtol=1e-15)
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_var.item() == pytest.approx(0.9 * 1 + 0.1 * 2)
    norm.eval()
    expected = (5 - 0.2) / np.sqrt(1.1)
    assert norm(np.array([[5.0]])).item() == pytest.approx(expected)
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2)])
@pytest.mark.parametrize("make", [nn.BatchNorm1d, lambda n, **k: nn.LayerNorm((3,), **k)])
def test_gradients_agree_with_differences(make: Any, shape: Any) -> None:
    layer = make(3, dtype=tc.float64)
    if isinstance(layer, nn.LayerNorm):
        shape = (*shape[:1], *shape[2:], 3)
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=shape), rng.normal(size=shape)
    gamma, beta = rng.normal(size=3), rng.normal(size=3)

    def f(x: Any, gamma: Any, beta: Any) -> Any:
        layer.load_state_dict({"weight": gamma, "bias": beta}, strict=False)
        return (layer(x).numpy() * weights).sum()

    expected = differences(f, [x, gamma, beta])
    layer.load_state_dict({"weight": gamma, "bias": beta}, strict=False)
    leaf = tc.tensor(x, requires_grad=True)
    (layer(leaf) * weights).sum().backward()
    for g, e in zip((leaf.grad, layer.weight.grad, layer.bias.grad), expected, strict=True):
        assert_close(g.numpy(), e, 1e-7)


def test_running_statistics_get_no_gradient_and_no_history() -> None:
    norm = nn.BatchNorm1d(2)
    x = tc.rand(4, 2)
    x.requires_grad_()
    norm(x).sum().backward()
    assert not norm.running_mean.requires_grad and norm.running_mean.is_leaf
    assert [n for n, _ in norm.named_parameters()] == ["weight", "bias"]


def test_running_statistics_are_recorded_when_everything_is() -> None:
    """A captured step has their old values as inputs and the new ones as outputs."""
    norm = nn.BatchNorm1d(2, dtype=tc.float64)
    x = np.array([[1.0, 10.0], [3.0, 30.0]])
    noted: list[Any] = []
    token = assignments.set(noted)
    try:
        with record_all():
            norm(tc.tensor(x))
    finally:
        assignments.reset(token)
    states = [norm.num_batches_tracked, norm.running_mean, norm.running_var]
    assert all(a is b for (a, _), b in zip(noted, states, strict=True))
    for state, new in noted:
        assert new._node.op.name == "assign" and new._node.inputs[0] is state
        np.testing.assert_array_equal(new.numpy(), state.numpy())
        assert state.is_leaf and not state.requires_grad
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.2, 2.0])
    np.testing.assert_allclose(norm.running_var.numpy(), [0.9 + 0.2, 0.9 + 20])


def test_two_forwards_before_one_backward() -> None:
    """The running statistics change in place in between; no gradient needs them."""
    norm = nn.BatchNorm1d(2)
    x = tc.rand(4, 2)
    (norm(x) ** 2 + norm(x + 1) ** 2).sum().backward()
    assert norm.weight.grad is not None


def test_evaluation_does_not_depend_on_the_batch() -> None:
    norm = nn.BatchNorm1d(2)
    for _ in range(3):
        norm(tc.rand(8, 2))
    norm.eval()
    x = tc.rand(5, 2)
    np.testing.assert_array_equal(norm(x).numpy()[:1], norm(x[:1]).numpy())
    assert norm.num_batches_tracked.item() == 3


def test_batch_norm_messages() -> None:
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ShapeError, match=r"expected \(m, 3\) or \(m, 3, L\)"):
        norm(np.zeros((5, 2)))
    with pytest.raises(ShapeError, match="with 1 values per feature; a variance needs two"):
        norm(np.zeros((1, 3)))
    with pytest.raises(ShapeError, match="with 0 values"):
        norm(np.zeros((0, 3)))
    assert norm.num_batches_tracked.item() == 0
    assert norm.eval()(np.zeros((1, 3))).shape == (1, 3)
    with pytest.raises(DtypeError):
        nn.BatchNorm1d("3")  # type: ignore[arg-type]


def test_layer_norm_by_hand_and_messages() -> None:
    y = nn.LayerNorm(4, eps=0.0)(np.array([[1.0, 2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(y.numpy(), [np.array([-3, -1, 1, 3]) / np.sqrt(5)], rtol=1e-6)
    with pytest.raises(ShapeError, match=r"LayerNorm: .*expected it to end in \(4,\)"):
        nn.LayerNorm(4)(np.zeros((2, 3)))
    plain = nn.LayerNorm(4, elementwise_affine=False)
    assert list(plain.parameters()) == []
    assert [n for n, _ in nn.LayerNorm(4, bias=False).named_parameters()] == ["weight"]


# --- Keras's Normalization ------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_normalization_gives_mean_0_and_variance_1(axis: int) -> None:
    X = np.random.default_rng(0).normal(5, 3, (40, 2))
    norm = nn.Normalization(axis=axis)
    data = X.T if axis == 0 else X
    norm.adapt(data)
    y = norm(data).numpy()
    other = 1 if axis == 0 else 0
    np.testing.assert_allclose(y.mean(axis=other), [0, 0], atol=1e-12)
    np.testing.assert_allclose(y.std(axis=other), [1, 1], rtol=1e-12)
    np.testing.assert_allclose(norm.mean.numpy().ravel(), X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(norm.variance.numpy().ravel(), X.var(axis=0), rtol=1e-14)
    if axis != 0:
        np.testing.assert_allclose(norm(X[3]).numpy(), y[3], rtol=1e-14)


def test_constant_feature_becomes_0() -> None:
    norm = nn.Normalization()
    norm.adapt(np.array([[1.0, 7.0], [3.0, 7.0]]))
    assert norm(np.array([[1.0, 7.0]])).tolist() == [[-1.0, 0.0]]


def test_integers_are_normalised_as_floats() -> None:
    norm = nn.Normalization()
    norm.adapt(np.array([[1], [3]]))
    assert norm.mean.dtype == np.float32 and norm(np.array([[5]])).item() == 3.0


def test_normalization_messages() -> None:
    norm = nn.Normalization()
    with pytest.raises(ModuleError, match="Call adapt"):
        norm(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"reshape\(-1, 1\)"):
        norm.adapt(np.zeros(3))
    with pytest.raises(ShapeError, match="got shape"):
        norm.adapt(np.zeros((0, 2)))
    with pytest.raises(ArgumentError, match=r"index \(1, 0\) is nan"):
        norm.adapt(np.array([[1.0], [np.nan]]))
    norm.adapt(np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="expected 2 features along axis -1"):
        norm(np.zeros((3, 3)))
    with pytest.raises(ShapeError, match="axis 2"):
        nn.Normalization(axis=2).adapt(np.zeros((3, 3)))


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_scales() -> None:
    y = F.dropout(tc.ones(100_000), 0.3, generator=tc.Generator(1)).numpy()
    assert y.dtype == np.float32
    values, counts = np.unique(y, return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    # Four standard deviations of a mean of 100,000 draws: 4 √(0.3/0.7/1e5) = 0.0083.
    assert abs(y.mean() - 1) < 0.0083
    assert abs(counts[0] / 1e5 - 0.3) < 4 * np.sqrt(0.21 / 1e5)


def test_dropout_is_reproducible() -> None:
    layer = nn.Dropout(0.5)
    tc.manual_seed(3)
    first = layer(tc.ones(50)).tolist()
    second = layer(tc.ones(50)).tolist()
    tc.manual_seed(3)
    assert layer(tc.ones(50)).tolist() == first != second
    own = nn.Dropout(0.5, generator=tc.Generator(7))
    tc.manual_seed(0)
    a = own(tc.ones(50)).tolist()
    own.generator.manual_seed(7)
    assert own(tc.ones(50)).tolist() == a


def test_dropout_gradient_is_the_mask() -> None:
    x = tc.ones(20)
    x.requires_grad_()
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == y.tolist()


def test_dropout_in_evaluation_and_at_the_ends() -> None:
    x = tc.rand(5)
    assert nn.Dropout(0.5).eval()(x) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).tolist() == [0.0] * 5
    assert F.dropout(tc.zeros(0, 3)).shape == (0, 3)


def test_the_draw_is_a_recorded_operation_without_derivative() -> None:
    x = tc.rand(5, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    mask = y._node.inputs[1]
    assert y._node.op.name == "mul" and mask.op.name == "bernoulli_mask"
    assert mask.op.kind == "random" and not mask.op.differentiable
    with record_all():
        y = nn.Dropout(0.5)(tc.rand(5))
    assert y._node.inputs[1].op.name == "bernoulli_mask"


@pytest.mark.parametrize("p", [-0.1, 1.1, "0.5", True, float("nan")])
def test_dropout_probability(p: Any) -> None:
    with pytest.raises(ArgumentError, match="between 0 and 1.*keep_prob"):
        nn.Dropout(p)
    with pytest.raises(ArgumentError):
        F.dropout(tc.ones(2), p)


def test_normalization_keeps_the_precision_of_its_input():
    norm = nn.Normalization()
    norm.adapt(np.array([[1.0, 7.0], [3.0, 9.0]]))
    assert norm(tc.zeros(4, 2, dtype=tc.float32)).dtype == np.float32
    assert norm(tc.zeros(4, 2, dtype=tc.float64)).dtype == np.float64
