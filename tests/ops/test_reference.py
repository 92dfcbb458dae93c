"""Operations against published numbers and definitions written another way."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_course as tc


def test_erf_to_the_last_digits():
    # Abramowitz and Stegun, table 7.1, and the tail beyond it.
    known = {
        0.0: 0.0,
        0.1: 0.1124629160182849,
        0.5: 0.5204998778130465,
        1.0: 0.8427007929497149,
        2.0: 0.9953222650189527,
        3.0: 0.9999779095030014,
        6.5: 1.0,
    }
    for x, value in known.items():
        assert tc.erf(tc.tensor(x, dtype=tc.float64)).item() == pytest.approx(value, rel=3e-16)
        assert tc.erf(tc.tensor(-x, dtype=tc.float64)).item() == pytest.approx(-value, rel=3e-16)


def test_erf_everywhere():
    x = np.concatenate([np.linspace(-7, 7, 4001), np.geomspace(1e-300, 1, 100)])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(tc.erf(x).numpy(), exact, rtol=7e-16, atol=0)
    single = tc.erf(x.astype(np.float32))
    assert single.dtype == np.float32
    near = np.array([math.erf(v) for v in x.astype(np.float32)])
    np.testing.assert_allclose(single.numpy(), near, rtol=4e-7, atol=1e-38)
    assert tc.erf(tc.tensor([-math.inf, math.inf])).tolist() == [-1.0, 1.0]
    assert math.isnan(tc.erf(tc.tensor(math.nan)).item())


def test_gelu_numbers_of_pytorch():
    x = tc.tensor([-2.0, -0.5, 0.5, 2.0], dtype=tc.float64)
    exact = [-0.04550026389635842, -0.15426876936299344, 0.34573123063700656, 1.9544997361036416]
    tanh = [-0.04540230591222494, -0.15428599017485688, 0.34571400982514312, 1.9545976940877752]
    np.testing.assert_allclose(x.gelu().numpy(), exact, rtol=1e-14)
    np.testing.assert_allclose(x.gelu(approximate="tanh").numpy(), tanh, rtol=1e-13)


def test_variance_defaults():
    x = tc.tensor([1.0, 2.0, 3.0, 4.0], dtype=tc.float64)
    assert x.var().item() == pytest.approx(5 / 3)
    assert tc.var(x, correction=0).item() == pytest.approx(5 / 4)
    assert tc.var(x, unbiased=False).item() == pytest.approx(5 / 4)
    assert np.var(x).item() == pytest.approx(5 / 4)
    assert np.var(x, ddof=1).item() == pytest.approx(5 / 3)
    assert np.std(x).item() == pytest.approx(math.sqrt(5 / 4))
    assert x.std(unbiased=True).item() == pytest.approx(math.sqrt(5 / 3))
    with pytest.raises(ValueError, match="leave nothing to divide by"):
        tc.tensor([1.0]).var()


def test_product_derivative_with_zeros():
    for numbers, expected in (
        ([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        ([2.0, 3.0, 4.0, 5.0, 6.0], [360.0, 240.0, 180.0, 144.0, 120.0]),
    ):
        x = tc.tensor(numbers, requires_grad=True)
        x.prod().backward()
        assert x.grad.tolist() == expected


def test_means_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no elements"):
        tc.zeros(0, 3).mean(0)
    assert tc.zeros(0, 3).sum(0).tolist() == [0.0, 0.0, 0.0]
    assert tc.zeros(0, 3).mean(1).shape == (0,)


def test_sums_of_booleans_count():
    assert tc.tensor([True, False, True]).sum().item() == 2
    assert tc.tensor([True, False, True]).mean().item() == pytest.approx(2 / 3)


def test_einsum_forms():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=(2, 3, 4))
    square = rng.normal(size=(4, 4))
    for text, operands in (
        ("ij,jk->ik", (a, b)),
        ("ij,jk", (a, b)),
        ("ij->ji", (a,)),
        ("ij", (a,)),
        ("ji", (a,)),
        ("ii", (square,)),
        ("ii->i", (square,)),
        ("bij,jk->bik", (c, b)),
        ("...j,jk->...k", (c, b)),
        ("b...->...", (c,)),
        ("...", (c,)),
        ("i j , j k -> i k", (a, b)),
        ("ij,jk,kl->il", (a, b, rng.normal(size=(5, 2)))),
    ):
        got = tc.einsum(text, *operands).numpy()
        np.testing.assert_allclose(got, np.einsum(text, *operands), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(tc.einsum("ij,jk", [a, b]).numpy(), a @ b)
    for text, operands, words in (
        ("ij,jk", (a,), "2 terms for 1"),
        ("ijk", (a,), "names 3 axes"),
        ("ij,jk", (a, a), "einsum"),
        (3, (a,), "string"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            tc.einsum(text, *operands)


def test_pad_as_pytorch_and_as_numpy():
    x = tc.tensor([[1.0, 2.0]])
    assert tc.pad(x, (1, 0)).tolist() == [[0.0, 1.0, 2.0]]  # the last axis first
    assert tc.pad(x, (0, 0, 1, 0)).tolist() == [[0.0, 0.0], [1.0, 2.0]]
    assert tc.pad(x, ((1, 0), (0, 0))).tolist() == [[0.0, 0.0], [1.0, 2.0]]
    array = x.numpy()
    for widths in (1, (1, 2), ((1, 0), (0, 2)), [(2,), (1,)]):
        np.testing.assert_array_equal(np.pad(x, widths), np.pad(array, widths))
    for mode in ("edge", "wrap"):
        np.testing.assert_array_equal(np.pad(x, 1, mode=mode), np.pad(array, 1, mode=mode))
    np.testing.assert_array_equal(
        np.pad(x, 1, constant_values=7), np.pad(array, 1, constant_values=7)
    )
    with pytest.raises(ValueError, match="cropping"):
        tc.pad(x, (-2, -1))


def test_splits_of_nothing():
    assert [p.shape for p in tc.zeros(0, 2).split(2)] == [(0, 2)]
    assert [p.shape for p in tc.zeros(0, 2).chunk(3)] == [(0, 2)]
    assert tc.zeros(0, 2).unbind() == ()


def test_indexing_reads_as_numpy():
    array = np.arange(24.0).reshape(2, 3, 4)
    x = tc.tensor(array)
    for index in (
        1, -1, (0, 1), (0, 1, 2), slice(1), (..., 1), (None, 1), (slice(None), slice(0, None, 2)),
        [1, 0], ([0, 1], [2, 0]), np.array([1]), (slice(None), [0, 2], 1), array > 5, True, None,
        (array > 5).any(axis=2), [], (..., None), np.int64(1), (0, [True, False, True]),
    ):  # fmt: skip
        got = x[tuple(map(_wrap, index)) if isinstance(index, tuple) else _wrap(index)]
        np.testing.assert_array_equal(got.numpy(), array[index])
        assert got.shape == array[index].shape
    assert x[tc.tensor(1)].shape == (3, 4)
    for bad in (1.5, "a", np.array([0.5]), 7, (0, 0, 0, 0), [9]):
        with pytest.raises((IndexError, TypeError)):
            x[bad]


def _wrap(part):
    return tc.tensor(part) if isinstance(part, (list, np.ndarray)) and len(part) else part


def test_repeated_indices_add_their_cotangents():
    x = tc.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 0, 2]].sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


def test_iteration_and_unpacking():
    x = tc.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x
    (a * b).sum().backward()
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert len(x) == 2
    assert 3.0 in x


def test_integers_become_floats_where_the_result_is_one():
    n = tc.tensor([1, 2])
    for f in (tc.softmax, tc.log_softmax, tc.sigmoid, tc.gelu, tc.erf, tc.softplus, tc.exp):
        assert f(n).dtype == np.float64
    np.testing.assert_allclose(tc.softmax(n).numpy(), [1 / (1 + math.e), math.e / (1 + math.e)])
    assert tc.logsumexp(n, 0).item() == pytest.approx(math.log(math.e + math.e**2))
    assert tc.relu(n).dtype == np.int64


def test_argsort():
    assert tc.tensor([3.0, 1.0, 2.0]).argsort().tolist() == [1, 2, 0]
    assert tc.tensor([3.0, 1.0, 2.0]).argsort(descending=True).tolist() == [0, 2, 1]
    assert tc.tensor([False, True]).argsort(descending=True).tolist() == [1, 0]


def test_rounding_and_remainder():
    x = tc.tensor([-7.5, 7.5, 0.5, 1.5])
    assert tc.floor(x).tolist() == [-8.0, 7.0, 0.0, 1.0]
    assert tc.ceil(x).tolist() == [-7.0, 8.0, 1.0, 2.0]
    assert tc.round(x).tolist() == [-8.0, 8.0, 0.0, 2.0]
    assert (x % 3).tolist() == [1.5, 1.5, 0.5, 1.5]
    assert (x // 3).tolist() == [-3.0, 2.0, 0.0, 0.0]
    assert (7 % tc.tensor([3, -4])).tolist() == [1, -1]


def test_matmul_shapes_that_do_not_multiply():
    for a, b in (
        ((2, 3), (2, 3)),
        ((3,), (2, 3)),
        ((2, 3), (2,)),
        ((), (2, 2)),
        ((2, 2, 3), (4, 2)),
    ):
        with pytest.raises(ValueError, match="matmul"):
            tc.zeros(*a) @ tc.zeros(*b)
    for a, b in (((2,), (2, 2)), ((2, 2), (2,))):
        with pytest.raises(ValueError, match="matrices"):
            tc.addmm(tc.zeros(2), tc.zeros(*a), tc.zeros(*b))
    with pytest.raises(ValueError, match="affine|addmm"):
        tc.addmm(tc.zeros(3, 1, 1), tc.zeros(2, 2), tc.zeros(2, 2))
    wide = tc.addmm(tc.zeros(2, dtype=tc.float64), tc.eye(2), tc.eye(2))
    assert wide.dtype == np.float64
