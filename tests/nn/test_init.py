"""Initializers: widths, fans of both layouts, seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, InplaceError, ShapeError
from tinygrad_course.nn import init

N, M = 400, 200  # inputs and outputs: 80,000 numbers

# Name -> the standard deviation that its source states.
WIDTHS = {
    "glorot_uniform": math.sqrt(2 / (N + M)),
    "glorot_normal": math.sqrt(2 / (N + M)),
    "he_uniform": math.sqrt(2 / N),
    "he_normal": math.sqrt(2 / N),
    "lecun_uniform": math.sqrt(1 / N),
    "lecun_normal": math.sqrt(1 / N),
}


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("name", WIDTHS)
def test_widths_in_both_layouts(name: str, layout: str) -> None:
    layer = nn.Dense(N, M, layout=layout, init=name, generator=tc.Generator(0), dtype=tc.float64)
    W = layer.weight.numpy()
    # The standard error of a standard deviation is below σ / √(2·80000) = 0.0025 σ.
    assert W.std() == pytest.approx(WIDTHS[name], rel=0.012)
    assert abs(W.mean()) < 4 * WIDTHS[name] / math.sqrt(W.size)
    if "uniform" in name:
        bound = math.sqrt(3) * WIDTHS[name]
        assert abs(W).max() <= bound and abs(W).max() > 0.999 * bound
    assert not layer.bias.numpy().any()


def test_default_is_glorot_uniform_as_in_keras() -> None:
    a = nn.Dense(3, 4, generator=tc.Generator(5))
    b = nn.Dense(3, 4, init="glorot_uniform", generator=tc.Generator(5))
    assert a.weight.tolist() == b.weight.tolist()
    assert abs(a.weight.numpy()).max() <= math.sqrt(6 / 7)


def test_linear_starts_as_pytorch() -> None:
    layer = nn.Linear(N, M, generator=tc.Generator(0))
    bound = 1 / math.sqrt(N)
    for p in layer.parameters():
        assert abs(p.numpy()).max() <= bound
        assert p.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_fans() -> None:
    assert init.fans(tc.zeros(25, 400)) == (400, 25)
    assert init.fans(tc.zeros(25, 400), "rows") == (25, 400)
    assert init.fans(nn.Dense(400, 25).weight) == (400, 25)
    assert init.fans(nn.Dense(400, 25, layout="columns").weight) == (400, 25)
    assert init.fans(nn.Linear(400, 25).weight) == (400, 25)
    assert init.fans(tc.zeros(8, 3, 5, 5)) == (75, 200)  # a convolution: (out, in, height, width)
    with pytest.raises(ShapeError, match="need a matrix"):
        init.fans(tc.zeros(3))
    with pytest.raises(ArgumentError, match="layout"):
        init.fans(tc.zeros(3, 3), "diagonal")


def test_gains_of_pytorch() -> None:
    # The table in torch.nn.init.calculate_gain.
    assert init.calculate_gain("relu") == pytest.approx(math.sqrt(2))
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    assert init.calculate_gain("sigmoid") == init.calculate_gain("linear") == 1
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    assert init.calculate_gain("selu") == 0.75
    with pytest.raises(ArgumentError, match="'softmax' is unknown"):
        init.calculate_gain("softmax")


def test_kaiming_modes() -> None:
    W = tc.zeros(M, N, dtype=tc.float64)
    init.kaiming_normal_(W, mode="fan_out", nonlinearity="relu", generator=tc.Generator(0))
    assert W.numpy().std() == pytest.approx(math.sqrt(2 / M), rel=0.012)
    init.kaiming_uniform_(W, a=math.sqrt(5), generator=tc.Generator(0))
    assert abs(W.numpy()).max() <= 1 / math.sqrt(N)  # PyTorch's Linear
    with pytest.raises(ArgumentError, match="mode must be"):
        init.kaiming_normal_(W, mode="fan")


@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 3), (4, 2, 3)])
def test_orthogonal(shape: Any) -> None:
    Q = init.orthogonal_(tc.zeros(*shape, dtype=tc.float64), gain=2.0).numpy()
    Q = Q.reshape(shape[0], -1) / 2
    small = Q @ Q.T if Q.shape[0] <= Q.shape[1] else Q.T @ Q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-14)
    with pytest.raises(ShapeError):
        init.orthogonal_(tc.zeros(3))


def test_constants_and_plain_draws() -> None:
    x = tc.zeros(2, 3)
    assert init.ones_(x) is x and x.tolist() == [[1.0] * 3] * 2
    assert init.constant_(x, 0.5).tolist() == [[0.5] * 3] * 2
    assert init.zeros_(x).tolist() == [[0.0] * 3] * 2
    wide = tc.zeros(50_000, dtype=tc.float64)
    assert init.normal_(wide, 3.0, 0.01).numpy().std() == pytest.approx(0.01, rel=0.02)
    assert wide.numpy().mean() == pytest.approx(3.0, abs=1e-3)
    init.uniform_(wide, 2.0, 4.0)
    assert 2 <= wide.numpy().min() < 2.01 and 3.99 < wide.numpy().max() <= 4
    with pytest.raises(ArgumentError):
        init.normal_(wide, std=-1)
    with pytest.raises(ArgumentError):
        init.uniform_(wide, 2, 1)
    with pytest.raises(DtypeError, match="fills a tensor, got ndarray"):
        init.zeros_(np.ones(2))


def test_seeds() -> None:
    def weights(seed: int) -> Any:
        tc.manual_seed(seed)
        return nn.Sequential(nn.Dense(2, 3), nn.Linear(3, 1)).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    for key in first:
        assert first[key].tolist() == again[key].tolist()
    assert first["0.weight"].tolist() != other["0.weight"].tolist()


def test_initializers_of_ones_own() -> None:
    layer = nn.Dense(2, 2, init=lambda W: init.constant_(W, 7.0))
    assert layer.weight.tolist() == [[7.0, 7.0], [7.0, 7.0]]

    def mine(W: Any, generator: Any = None) -> Any:
        return init.normal_(W, std=0.01, generator=generator)

    a = nn.Dense(2, 2, init=mine, generator=tc.Generator(1))
    b = nn.Dense(2, 2, init=mine, generator=tc.Generator(1))
    assert a.weight.tolist() == b.weight.tolist()
    assert nn.Dense(2, 2, init="zeros").weight.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_filling_is_seen_by_autograd() -> None:
    layer = nn.Dense(2, 1)
    x = tc.rand(3, 2, requires_grad=True)
    y = layer(x).sum()
    init.zeros_(layer.weight)
    with pytest.raises(InplaceError):
        y.backward()


def test_zeros_leave_all_units_the_same() -> None:
    """Symmetry: with equal weights every hidden unit keeps the same gradient."""
    model = nn.Sequential(nn.Dense(2, 3, "sigmoid", init="zeros"), nn.Dense(3, 1, init="zeros"))
    X, Y = tc.rand(8, 2), tc.rand(8, 1)
    for _ in range(3):
        model.zero_grad()
        nn.MSELoss()(model(X), Y).backward()
        with tc.no_grad():
            for p in model.parameters():
                p -= 1.0 * p.grad
    W = model[0].weight.numpy()
    assert np.ptp(W, axis=1).max() == 0
