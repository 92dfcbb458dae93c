"""Distributions: densities, entropies, divergences and samples, against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors
from tinygrad_course.distributions import Bernoulli, Categorical, Normal, Uniform, kl_divergence

ALL = {
    "normal": lambda: Normal(tc.tensor([0.5, -2.0]), tc.tensor([1.5, 0.25])),
    "uniform": lambda: Uniform(tc.tensor([0.0, -1.0]), tc.tensor([2.0, 3.0])),
    "categorical": lambda: Categorical(logits=tc.tensor([[0.0, 1.0, -2.0], [3.0, 3.0, 0.0]])),
    "bernoulli": lambda: Bernoulli(probs=tc.tensor([0.2, 0.9])),
}


@pytest.mark.parametrize("name", ALL)
def test_the_entropy_is_the_mean_of_minus_log_p(name):
    """Over samples, within 6 deviations of their mean: sampling and log_prob agree."""
    made = ALL[name]()
    x = made.sample((20_000,))
    assert x.shape == (20_000, 2) and not x.requires_grad
    surprise = -made.log_prob(x).numpy().astype(np.float64)
    error = 6 * surprise.std(axis=0) / math.sqrt(len(surprise)) + 1e-6
    assert (np.abs(surprise.mean(axis=0) - made.entropy().numpy()) <= error).all()


def test_densities_are_the_formulas():
    x = 1.2
    expected = math.exp(-((x - 0.5) ** 2) / (2 * 1.5**2)) / math.sqrt(2 * math.pi * 1.5**2)
    assert math.isclose(Normal(0.5, 1.5).prob(x).item(), expected, rel_tol=1e-5)
    assert Uniform(0.0, 2.0).log_prob(tc.tensor([1.0, 2.0])).tolist() == [
        pytest.approx(-math.log(2)), -math.inf,
    ]  # fmt: skip
    p = Categorical(probs=tc.tensor([2.0, 6.0]))
    np.testing.assert_allclose(p.log_prob(tc.tensor([0, 1])).exp().numpy(), [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(Bernoulli(logits=0.0).prob(1.0).numpy(), 0.5, rtol=1e-6)
    assert Bernoulli(probs=0.0).prob(0.0).item() == pytest.approx(1.0)


def test_divergences():
    p, q = Normal(1.0, 2.0), Normal(-0.5, 3.0)
    # log(σq/σp) + (σp² + (μp − μq)²) / 2σq² − ½
    expected = math.log(1.5) + (4 + 2.25) / 18 - 0.5
    assert math.isclose(kl_divergence(p, q).item(), expected, rel_tol=1e-6)
    a, b = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    found = kl_divergence(Categorical(probs=tc.tensor(a)), Categorical(probs=tc.tensor(b)))
    assert math.isclose(found.item(), float((a * np.log(a / b)).sum()), rel_tol=1e-12)
    with pytest.raises(errors.DtypeError, match="Normal and Uniform"):
        kl_divergence(p, Uniform(0.0, 1.0))


def test_gradients_pass_to_the_parameters():
    mu, sigma = tc.tensor(0.5, requires_grad=True), tc.tensor(2.0, requires_grad=True)
    x = Normal(mu, sigma).rsample((5,))
    x.sum().backward()
    assert mu.grad.item() == 5
    assert math.isclose(sigma.grad.item(), ((x - mu) / sigma).sum().item(), rel_tol=1e-5)
    logits = tc.tensor([0.0, 1.0], requires_grad=True)
    Categorical(logits=logits).log_prob(0).backward()
    p = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    np.testing.assert_allclose(logits.grad.numpy(), [1 - p[0], -p[1]], rtol=1e-6)


def test_a_probability_of_0_gives_no_nan():
    probs = tc.tensor([0.0, 1.0], requires_grad=True)
    p = Categorical(probs=probs)
    (p.entropy() + p.log_prob(1)).backward()
    assert np.isfinite(probs.grad.numpy()).all() and p.entropy().item() == pytest.approx(
        0, abs=1e-5
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(0.0, 0.0),
        lambda: Uniform(1.0, 1.0),
        lambda: Categorical(),
        lambda: Categorical(probs=[0.5, 0.5], logits=[0.0, 0.0]),
        lambda: Categorical(probs=[-1.0, 2.0]),
        lambda: Bernoulli(probs=1.5),
        lambda: Bernoulli(probs=0.5).rsample(),
    ],
)
def test_parameters_that_are_none_are_refused(make):
    with pytest.raises(errors.ArgumentError):
        make()
