"""Attention, transformer layers, positions and normalisation: arguments, errors, names, states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_course.nn import functional as F

RNG = np.random.default_rng(0)


def data(*shape: int, grad: bool = False) -> Any:
    return tc.tensor(RNG.normal(size=shape), requires_grad=grad)


# --- attention ------------------------------------------------------------------------------------


def test_attention_by_hand() -> None:
    """Scores 0 and ln 3: weights 1/4 and 3/4."""
    q = tc.tensor([[math.log(3.0)]], dtype=tc.float64)
    k = tc.tensor([[0.0], [1.0]], dtype=tc.float64)
    v = tc.tensor([[4.0, 0.0], [8.0, 1.0]], dtype=tc.float64)
    found = F.scaled_dot_product_attention(q, k, v)
    np.testing.assert_allclose(found.numpy(), [[7.0, 0.75]], rtol=1e-15)


def test_causal_positions_do_not_see_later_ones() -> None:
    x = data(1, 4, 6)
    layer = nn.TransformerEncoderLayer(6, 2, 5, batch_first=True, dtype=tc.float64).eval()
    y = layer(x, is_causal=True).numpy()
    changed = x.numpy().copy()
    changed[:, 3] += 1
    z = layer(tc.tensor(changed), is_causal=True).numpy()
    np.testing.assert_array_equal(y[:, :3], z[:, :3])
    assert np.abs(y[:, 3] - z[:, 3]).max() > 1e-3


def test_a_padded_key_changes_nothing() -> None:
    q, k = data(2, 3, 4), data(2, 5, 4)
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=tc.float64)
    padding = tc.tensor([[False] * 3 + [True] * 2] * 2)
    y, a = layer(q, k, k, key_padding_mask=padding)
    z, _ = layer(q, k[:, :3], k[:, :3])
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-12)
    assert not a.numpy()[:, :, 3:].any()


def test_gradients_where_no_key_is_seen_are_zero() -> None:
    q, k = data(2, 4, grad=True), data(3, 4, grad=True)
    seen = tc.tensor([[True, True, False], [False, False, False]])
    y = F.scaled_dot_product_attention(q, k, k, attn_mask=seen)
    assert not y.numpy()[1].any()
    y.sum().backward()
    assert not q.grad.numpy()[1].any()
    assert np.isfinite(q.grad.numpy()).all() and np.isfinite(k.grad.numpy()).all()


def test_gradients_agree_with_differences() -> None:
    xs = [RNG.normal(size=s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 2))]
    weights = RNG.normal(size=(2, 3, 2))

    def f(q: Any, k: Any, v: Any) -> Any:
        y = F.scaled_dot_product_attention(tc.tensor(q), tc.tensor(k), tc.tensor(v))
        return (y.numpy() * weights).sum()

    leaves = [tc.tensor(x, requires_grad=True) for x in xs]
    (F.scaled_dot_product_attention(*leaves) * weights).sum().backward()
    for leaf, expected in zip(leaves, differences(f, xs), strict=True):
        assert_close(leaf.grad.numpy(), expected, 1e-7)


def test_gradcheck_of_a_block() -> None:
    layer = nn.TransformerEncoderLayer(
        4, 2, 3, dropout=0.0, activation="gelu", norm_first=True, batch_first=True, dtype=tc.float64
    )
    assert tc.gradcheck(lambda x: layer(x, is_causal=True), [data(2, 3, 4, grad=True)])


def test_dropped_weights_are_scaled_up() -> None:
    tc.manual_seed(0)
    ones = tc.ones(1000, 1)
    y = F.scaled_dot_product_attention(ones, tc.ones(4, 1), tc.ones(4, 1), dropout_p=0.5)
    assert set(np.unique(y.numpy())) <= {0.0, 0.5, 1.0, 1.5, 2.0}
    assert y.numpy().mean() == pytest.approx(1, abs=0.1)
    layer = nn.MultiheadAttention(4, 2, dropout=0.5)
    x = data(3, 1, 4).to(tc.float32)
    assert not np.array_equal(layer(x, x, x)[0].numpy(), layer(x, x, x)[0].numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x, x, x)[0].numpy(), layer(x, x, x)[0].numpy())


def test_dtypes_are_kept() -> None:
    x = tc.ones(2, 3, 4)
    mask = tc.zeros(3, 3, dtype=tc.float64)
    assert F.scaled_dot_product_attention(x, x, x, attn_mask=mask).dtype == tc.float32
    layer = nn.TransformerEncoderLayer(4, 2, 5, batch_first=True)
    assert layer(x, src_mask=mask.bool(), is_causal=False).dtype == tc.float32
    assert nn.RMSNorm(4)(x).dtype == nn.GroupNorm(1, 3)(x).dtype == tc.float32


def test_names_of_the_parameters() -> None:
    model = nn.Sequential(nn.MultiheadAttention(4, 2), nn.Linear(4, 1))
    assert list(model.state_dict()) == [
        "0.in_proj_weight",
        "0.in_proj_bias",
        "0.out_proj.weight",
        "0.out_proj.bias",
        "1.weight",
        "1.bias",
    ]
    nn.numbering.number(model)
    names = [p.name for p in model.parameters()]
    assert names == ["W_QKV[1]", "b_QKV[1]", "W_O[1]", "b_O[1]", "W[2]", "b[2]"]
    other = nn.MultiheadAttention(4, 2, kdim=3, bias=False)
    assert {n: p.shape for n, p in other.named_parameters()} == {
        "q_proj_weight": (4, 4),
        "k_proj_weight": (4, 3),
        "v_proj_weight": (4, 4),
        "out_proj.weight": (4, 4),
    }


def test_the_layers_of_an_encoder_start_alike_and_are_trained_apart() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 3), 2)
    first, second = (layer.linear1.weight for layer in encoder.layers)
    assert first is not second
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert len(list(encoder.parameters())) == 2 * 12


A = nn.MultiheadAttention(6, 2, batch_first=True)
X = tc.zeros(3, 4, 6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.MultiheadAttention(6, 4), ArgumentError, "embed_dim=6 for num_heads=4"),
        (lambda: nn.MultiheadAttention(6, 4), ArgumentError, "Use embed_dim=8"),
        (lambda: nn.MultiheadAttention(6, 2, dropout=2), ArgumentError, "between 0 and 1"),
        (lambda: nn.MultiheadAttention(6, 2, add_bias_kv=True), ArgumentError, "add_bias_kv"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation="rleu"), ArgumentError, "'relu'"),
        (lambda: nn.TransformerEncoderLayer(6, 2, activation=None), ArgumentError, "gelu"),
        (lambda: nn.TransformerEncoder(A, 0), ArgumentError, "num_layers"),
        (lambda: A(X, X, X[0]), ShapeError, "expected three inputs (m, L, E)"),
        (lambda: A(X, tc.zeros(3, 5, 4), X), ShapeError, "kdim=6"),
        (lambda: A(X, tc.zeros(3, 5, 6), X), ShapeError, "a value for each key"),
        (lambda: A(X, X[:2], X[:2]), ShapeError, "Is batch_first right?"),
        (lambda: A(X, X, X, attn_mask=tc.zeros(4, 5)), ShapeError, "(L, S) = (4, 4)"),
        (lambda: A(X, X, X, attn_mask=tc.zeros(3, 4, 4)), ShapeError, "(m h, L, S) = (6, 4, 4)"),
        (lambda: A(X, X, X, attn_mask=tc.ones(4, 4).long()), DtypeError, "Use mask.bool()"),
        (lambda: A(X, X, X, key_padding_mask=tc.zeros(4, 3)), ShapeError, "expected (3, 4)"),
        (
            lambda: F.scaled_dot_product_attention(X, tc.zeros(3, 5, 2), X),
            ShapeError,
            "same number of features",
        ),
        (
            lambda: F.scaled_dot_product_attention(X, X, tc.zeros(3, 5, 2)),
            ShapeError,
            "one value for each key",
        ),
        (
            lambda: F.scaled_dot_product_attention(X, tc.zeros(2, 5, 6), tc.zeros(2, 5, 6)),
            ShapeError,
            "enable_gqa=True",
        ),
        (lambda: F.scaled_dot_product_attention(X, X, tc.zeros(6)), ShapeError, "(…, L, d)"),
        (
            lambda: F.scaled_dot_product_attention(X, X, X, tc.zeros(5, 4)),
            ShapeError,
            "attn_mask has shape (5, 4)",
        ),
        (
            lambda: F.scaled_dot_product_attention(X, X, X, tc.zeros(4, 4), is_causal=True),
            ArgumentError,
            "Leave one out",
        ),
        (
            lambda: F.scaled_dot_product_attention(X, X, X, dropout_p=1.5),
            ArgumentError,
            "dropout_p is a probability",
        ),
        (lambda: nn.PositionalEncoding(6, max_len=3)(X), ShapeError, "max_len = 3"),
        (lambda: nn.PositionalEncoding(4)(X), ShapeError, "E = 4"),
        (lambda: nn.sinusoidal_positions(0, 4), ArgumentError, "length must be at least 1"),
        (lambda: nn.GroupNorm(4, 6), ArgumentError, "num_groups=4"),
        (lambda: nn.GroupNorm(2, 6)(X), ShapeError, "expected (m, 6, …)"),
        (lambda: F.group_norm(X, 3), ShapeError, "that 3 divides"),
        (lambda: nn.RMSNorm(5)(X), ShapeError, "RMSNorm: got an input of shape (3, 4, 6)"),
        (lambda: F.layer_norm(X, (4,)), ShapeError, "layer_norm"),
        (lambda: nn.BatchNorm2d(4)(X), ShapeError, "expected (m, 4, H, W)"),
        (lambda: nn.BatchNorm3d(4)(X), ShapeError, "expected (m, 4, D, H, W)"),
        (lambda: nn.InstanceNorm2d(3)(tc.zeros(2, 4, 3, 3)), ShapeError, "or (m, 3, H, W)"),
        (lambda: nn.InstanceNorm1d(3)(tc.zeros(2, 3, 1)), ShapeError, "more than one value"),
        (lambda: F.batch_norm(tc.zeros(1, 3), None, None, training=True), ShapeError, "needs two"),
        (lambda: F.batch_norm(X, None, None), ArgumentError, "training=True"),
        (lambda: nn.Dropout2d(0.5)(tc.zeros(3, 4)), ShapeError, "expected 4 or 3 axes"),
        (lambda: nn.Dropout2d(-1.0), ArgumentError, "Dropout2d"),
        (lambda: F.alpha_dropout(X, 2.0), ArgumentError, "alpha_dropout"),
    ],
)
def test_mistakes_are_named(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as found:
        call()
    assert words in str(found.value)


# --- positions ------------------------------------------------------------------------------------


def test_sines_and_cosines() -> None:
    """P[p, 2i] = sin(p / 10000^(2i/E)), P[p, 2i+1] = cos of it, for odd E too."""
    for width in (6, 5):
        found = nn.sinusoidal_positions(50, width, tc.float64).numpy()
        for p in (0, 1, 49):
            for j in range(width):
                angle = p / 10000 ** (2 * (j // 2) / width)
                expected = math.cos(angle) if j % 2 else math.sin(angle)
                assert found[p, j] == pytest.approx(expected, abs=1e-13)


def test_positions_are_added_along_the_right_axis() -> None:
    x = tc.zeros(2, 3, 4)
    table = nn.sinusoidal_positions(3, 4).numpy()
    np.testing.assert_array_equal(nn.PositionalEncoding(4, 0.0)(x).numpy(), [table, table])
    first = nn.PositionalEncoding(4, 0.0, batch_first=False)(x.transpose(0, 1))
    np.testing.assert_array_equal(first.transpose(0, 1).numpy(), [table, table])
    learned = nn.PositionalEncoding(4, 0.0, max_len=5, learned=True)
    learned(x).sum().backward()
    grad = [[2.0] * 4] * 3 + [[0.0] * 4] * 2
    np.testing.assert_array_equal(learned.pe.grad.numpy(), grad)  # type: ignore[union-attr]


# --- normalisation and dropout --------------------------------------------------------------------


def test_normalised_numbers_have_mean_0_and_variance_1() -> None:
    x = 5 * data(4, 6, 3, 5) + 2
    for layer, axes in (
        (nn.BatchNorm2d(6), (0, 2, 3)),
        (nn.InstanceNorm2d(6), (2, 3)),
        (nn.GroupNorm(1, 6), (1, 2, 3)),
    ):
        y = layer.double()(x).numpy()
        np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axes), 1, rtol=1e-5)
    y = nn.RMSNorm(5)(x).numpy()
    np.testing.assert_allclose((y**2).mean(-1), 1, rtol=1e-6)


def test_one_group_per_channel_is_instance_norm() -> None:
    x = data(2, 3, 4, 2)
    np.testing.assert_allclose(
        F.group_norm(x, 3).numpy(), F.instance_norm(x).numpy(), rtol=1e-12, atol=1e-14
    )


def test_running_statistics_of_images() -> None:
    """Mean 2.5 and unbiased variance 5/3 of 1, 2, 3, 4; momentum 0.1."""
    norm = nn.BatchNorm2d(1)
    norm(tc.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert norm.running_mean.item() == pytest.approx(0.25)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 5 / 3)
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize(
    ("drop", "shape"), [(nn.Dropout1d, (8, 5, 3)), (nn.Dropout2d, (8, 5, 2, 3))]
)
def test_channels_are_dropped_as_a_whole(drop: Any, shape: Any) -> None:
    y = drop(0.5, generator=tc.Generator(0))(tc.ones(*shape)).numpy().reshape(40, -1)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert (y.min(axis=1) == y.max(axis=1)).all()


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(1).normal(size=100_000)
    y = nn.AlphaDropout(0.3, generator=tc.Generator(1))(tc.tensor(x)).numpy()
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.var() == pytest.approx(1, abs=0.02)


def test_inplace_dropout_overwrites() -> None:
    x = tc.ones(4, 2, 3)
    y = nn.Dropout1d(0.5, inplace=True, generator=tc.Generator(0))(x)
    assert y is x and set(np.unique(x.numpy())) == {0.0, 2.0}


# --- compiled -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_masks_are_looked_at_in_every_call(backend: Any) -> None:
    """Also for a mask that hides all keys of a query, which that of the first call did not."""
    if backend == "numba":
        pytest.importorskip("numba")
    w = data(4, 4, grad=True)

    def back(x: Any, seen: Any) -> Any:
        w.grad = None
        q = x @ w
        J = (F.scaled_dot_product_attention(q, x, x, attn_mask=seen) ** 2).sum()
        J.backward()
        return J

    fast = tc.compile(back, backend=backend)
    for hidden in ([], [(0, 2), (1, 0)], [(1, 0), (1, 1), (1, 2)]):
        seen = np.ones((3, 3), bool)
        for place in hidden:
            seen[place] = False
        x, mask = data(2, 3, 4), tc.tensor(seen)
        J = fast(x, mask).item()
        grad = w.grad.numpy().copy()
        assert J == pytest.approx(back(x, mask).item(), rel=1e-12)
        np.testing.assert_allclose(grad, w.grad.numpy(), rtol=1e-11, atol=1e-13)
