"""Random tensors: shapes, dtypes, seeds, and the distributions they are drawn from.

A bound of 6 standard deviations of the mean fails once in 5·10⁸ times; the seed is fixed.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors

N = 20_000


def assert_mean(values, mean, deviation):
    assert abs(values.mean() - mean) < 6 * deviation / np.sqrt(len(values))


def test_normal_has_mean_and_deviation():
    x = tc.normal(3.0, 0.5, size=(N,)).numpy()
    assert x.dtype == np.float32
    assert_mean(x, 3.0, 0.5)
    assert_mean((x - 3.0) ** 2, 0.25, np.sqrt(2) * 0.25)  # Var (x−μ)² = 2σ⁴
    means = tc.normal(mean=tc.tensor([[0.0], [10.0]]), std=tc.zeros(3))
    assert means.tolist() == [[0.0] * 3, [10.0] * 3]
    with pytest.raises(errors.ArgumentError, match="negative std"):
        tc.normal(0.0, -1.0, size=(2,))


def test_bernoulli_has_its_probabilities():
    x = tc.bernoulli(tc.full((N,), 0.3))
    assert set(x.tolist()) == {0.0, 1.0}
    assert_mean(x.numpy(), 0.3, np.sqrt(0.21))
    assert_mean(tc.zeros(N).bernoulli_(0.8).numpy(), 0.8, 0.4)
    with pytest.raises(errors.ArgumentError, match="from 0 to 1"):
        tc.bernoulli(tc.tensor([1.5]))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_draws_in_proportion(replacement):
    weights = tc.tensor([[1.0, 0.0, 3.0]]).expand(N, 3)
    drawn = tc.multinomial(weights, 1, replacement).numpy()[:, 0]
    assert set(drawn) == {0, 2}
    assert_mean(drawn == 2, 0.75, np.sqrt(0.1875))


def test_multinomial_without_replacement_draws_each_once():
    drawn = tc.multinomial(tc.tensor([1.0, 2.0, 0.0, 3.0]).expand(50, 4), 3)
    assert all(sorted(row) == [0, 1, 3] for row in drawn.tolist())
    # P(first two are {1, 3}) = 2/6 · 3/4 + 3/6 · 2/3 = 7/12, by hand.
    pairs = np.sort(tc.multinomial(tc.tensor([1.0, 2.0, 3.0]).expand(N, 3), 2).numpy(), axis=1)
    assert_mean((pairs == [1, 2]).all(axis=1), 7 / 12, np.sqrt(35) / 12)


@pytest.mark.parametrize(
    ("weights", "count", "words"),
    [
        ([1.0, -1.0], 1, "not negative"),
        ([0.0, 0.0], 1, "one above 0"),
        ([np.inf, 1.0], 1, "finite"),
        ([1.0, 0.0], 2, "from 1 to 1"),
        ([1.0, 1.0], 0, "from 1 to 2"),
    ],
)
def test_impossible_samples_are_refused(weights, count, words):
    with pytest.raises(errors.ArgumentError, match=words):
        tc.multinomial(tc.tensor(weights), count)


def test_filling_in_place():
    x = tc.empty(N)
    assert_mean(x.uniform_(-1, 3).numpy(), 1.0, 4 / np.sqrt(12))
    assert x.min() >= -1 and x.max() < 3
    assert_mean(x.normal_(2.0, 3.0).numpy(), 2.0, 3.0)
    assert_mean(x.exponential_(4.0).numpy(), 0.25, 0.25)
    assert set(tc.zeros(200, dtype=tc.int64).random_(3).tolist()) == {0, 1, 2}
    w = tc.zeros(2, requires_grad=True)
    with pytest.raises(errors.InplaceError):
        w.normal_()
    with tc.no_grad():
        w.normal_()
    w.data.uniform_(5, 6)
    assert w.requires_grad and bool((w >= 5).all())


def test_seeds_and_generators_repeat_draws():
    for draw in (
        lambda g: tc.normal(0.0, 1.0, size=(4,), generator=g),
        lambda g: tc.bernoulli(tc.full((40,), 0.5), generator=g),
        lambda g: tc.multinomial(tc.ones(30), 9, generator=g),
        lambda g: tc.empty(4).uniform_(generator=g),
        lambda g: tc.randint(high=100, size=(9,), generator=g),
    ):
        assert tc.equal(draw(tc.Generator(1)), draw(tc.Generator(1)))
        assert not tc.equal(draw(tc.Generator(1)), draw(tc.Generator(2)))
    tc.manual_seed(3)
    first = tc.rand(size=(2, 3))
    assert tc.initial_seed() == 3 and first.shape == (2, 3)
    tc.manual_seed(3)
    assert tc.equal(tc.rand(2, 3), first)


def test_truncated_normal_keeps_its_interval():
    x = tc.nn.init.trunc_normal_(tc.empty(N), mean=0.0, std=1.0, a=-1.0, b=2.0).numpy()
    assert x.min() >= -1 and x.max() <= 2
    # (φ(−1) − φ(2)) / (Φ(2) − Φ(−1)) = 0.22963; its deviation is below that of the interval.
    assert_mean(x, 0.22963, 0.8)
    with pytest.raises(errors.ArgumentError, match="4 standard deviations"):
        tc.nn.init.trunc_normal_(tc.empty(2), a=9.0, b=10.0)
