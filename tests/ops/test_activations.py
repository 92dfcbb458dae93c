"""Activations, distances and further elementwise functions at their corners, as PyTorch 2.13."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.nn import functional as F

INF, NAN = math.inf, math.nan
POINTS = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0]

# Values and slopes at POINTS; PyTorch rounds the slope 1/6 of hardsigmoid to float32.
PYTORCH = {
    "hardswish": (
        [0, -1 / 3, -0.625 / 3, 0, 0.875 / 3, 2 / 3, 3, 6],
        [0, 1 / 6, 1 / 3, 0.5, 2 / 3, 5 / 6, 1, 1],
    ),
    "hardsigmoid": ([0, 1 / 3, 2.5 / 6, 0.5, 3.5 / 6, 2 / 3, 1, 1], [0, *[1 / 6] * 5, 0, 0]),
    "hardtanh": ([-1, -1, -0.5, 0, 0.5, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0, 0]),
    "relu6": ([0, 0, 0, 0, 0.5, 1, 3, 6], [0, 0, 0, 0, 1, 1, 1, 0]),
    "softshrink": ([-2.5, -0.5, 0, 0, 0, 0.5, 2.5, 5.5], [1, 1, 0, 0, 0, 1, 1, 1]),
    "hardshrink": ([-3, -1, 0, 0, 0, 1, 3, 6], [1, 1, 0, 0, 0, 1, 1, 1]),
    "tanhshrink": (
        [-2.0049452463132695, -0.23840584404423515, -0.03788284273999026, 0,
         0.03788284273999026, 0.23840584404423515, 2.0049452463132695, 5.000012288349204],
        [0.9901339628345598, 0.5800256583859739, 0.2135522670340726, 0,
         0.2135522670340726, 0.5800256583859739, 0.9901339628345598, 0.9999754234525947],
    ),
    "mish": (
        [-0.1456474612756246, -0.30340146137410895, -0.22074377465173, 0,
         0.3752452113048951, 0.8650983882673103, 2.9865350049679575, 5.999926634065252],
        [-0.09339311453232084, 0.059216755877395014, 0.28951067791351226, 0.6,
         0.8864243753577272, 1.0490362200997922, 1.0211069109294435, 1.00013414050621],
    ),
    "selu": (
        [-1.6705687287671118, -1.1113307378125625, -0.6917581878028713, 0,
         0.5253504936777402, 1.0507009873554805, 3.1521029620664414, 6.304205924132883],
        [0.08753061208026487, 0.646768603034814, 1.0663411530445053, 1.7580993408473766,
         *[1.0507009873554805] * 4],
    ),
    "celu": (
        [-0.950212931632136, -0.6321205588285577, -0.3934693402873666, 0, 0.5, 1, 3, 6],
        [0.049787068367863944, 0.36787944117144233, 0.6065306597126334, 1, 1, 1, 1, 1],
    ),
    "softsign": (
        [-0.75, -0.5, -1 / 3, 0, 1 / 3, 0.5, 0.75, 6 / 7],
        [0.0625, 0.25, 4 / 9, 1, 4 / 9, 0.25, 0.0625, 1 / 49],
    ),
    "logsigmoid": (
        [-3.048587351573742, -1.3132616875182228, -0.9740769841801067, -0.6931471805599453,
         -0.4740769841801067, -0.31326168751822286, -0.04858735157374206, -0.0024756851377304495],
        [0.9525741268224333, 0.7310585786300049, 0.6224593312018545, 0.5,
         0.37754066879814546, 0.2689414213699951, 0.04742587317756679, 0.0024726231566347748],
    ),
}  # fmt: skip
MODULES = {
    "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "hardtanh": nn.Hardtanh,
    "relu6": nn.ReLU6, "softshrink": nn.Softshrink, "hardshrink": nn.Hardshrink,
    "tanhshrink": nn.Tanhshrink, "mish": nn.Mish, "selu": nn.SELU, "celu": nn.CELU,
    "softsign": nn.Softsign, "logsigmoid": nn.LogSigmoid,
}  # fmt: skip


def slopes(f, *numbers):
    """Return the value and the gradients of the sum of f."""
    points = [tc.tensor(n, dtype=tc.float64, requires_grad=True) for n in numbers]
    y = f(*points)
    y.sum().backward()
    return y.tolist(), *(p.grad.tolist() for p in points)


@pytest.mark.parametrize("name", PYTORCH)
def test_corners(name):
    values, expected = PYTORCH[name]
    for f in (getattr(tc, name), getattr(F, name), MODULES[name]()):
        y, dx = slopes(f, POINTS)
        np.testing.assert_allclose(y, values, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(dx, expected, rtol=1e-13, atol=1e-15)


def test_threshold_and_prelu_at_the_corner():
    assert slopes(lambda x: F.threshold(x, 0.5, 9.0), [0.5, 0.6]) == ([9.0, 0.6], [0.0, 1.0])
    y, dx, da = slopes(F.prelu, [0.0, -1.0, 2.0], [0.25])
    assert (y, dx, da) == ([0.0, -0.25, 2.0], [0.25, 0.25, 1.0], [-1.0])


def test_awkward_points():
    assert slopes(tc.hypot, [0.0, 3.0], [0.0, 4.0]) == ([0.0, 5.0], [0.0, 0.6], [0.0, 0.8])
    _, da, db = slopes(tc.atan2, [0.0, 1.0], [0.0, 0.0])
    assert (da, db) == ([0.0, 0.0], [0.0, -1.0])
    y, da, db = slopes(tc.xlogy, [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 2.0])
    assert (y, da, db) == ([0.0, 0.0, -INF, 0.0], [0.0, 0.0, -INF, math.log(2)], [0.0, 0.0, INF, 0])
    assert math.isnan(tc.xlogy(tc.tensor(0.0), tc.tensor(NAN)).item())
    assert tc.xlogy(tc.tensor(0.0), tc.tensor(INF)).item() == 0
    y, dx = slopes(tc.nan_to_num, [NAN, INF, -INF, 1.0])
    assert y == [0.0, np.finfo(float).max, np.finfo(float).min, 1.0]
    assert dx == [0.0, 0.0, 0.0, 1.0]
    _, dx, values = slopes(tc.heaviside, [-1.0, 0.0], [0.5, 0.5])
    assert (dx, values) == ([0.0, 0.0], [0.0, 1.0])
    assert slopes(lambda x: tc.logit(x, eps=0.1), [0.05, 0.5])[1] == [0.0, 4.0]


def test_remainders_have_the_sign_of_one_or_the_other():
    a, b = [7.0, -7.0], [3.0, 3.0]
    assert slopes(tc.fmod, a, b) == ([1.0, -1.0], [1.0, 1.0], [-2.0, 2.0])
    assert slopes(tc.remainder, a, b) == ([1.0, 2.0], [1.0, 1.0], [-2.0, 3.0])
    assert slopes(tc.frac, [1.5, -1.5]) == ([0.5, -0.5], [1.0, 1.0])
    assert slopes(tc.trunc, [1.5, -1.5]) == ([1.0, -1.0], [0.0, 0.0])


def test_sinc_is_smooth_at_zero():
    x = tc.tensor([0.0, 0.5], dtype=tc.float64, requires_grad=True)
    found = []
    y = tc.sinc(x)
    for _ in range(4):
        (y,) = tc.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y.tolist())
    assert [at[0] for at in found] == pytest.approx([0, -(math.pi**2) / 3, 0, math.pi**4 / 5])
    assert found[0][1] == pytest.approx(-4 / math.pi, rel=1e-15)


# --- distances ------------------------------------------------------------------------------------

A, B = [[0.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [1.0, 1.0]]
ROOT, FIFTH = math.sqrt(0.5), math.sqrt(0.2)


@pytest.mark.parametrize(
    ("p", "distances", "da", "db"),
    [
        (
            2.0,
            [[0, math.sqrt(2)], [math.sqrt(5), 1]],
            [[-ROOT, -ROOT], [FIFTH, 1 + 2 * FIFTH]],
            [[-FIFTH, -2 * FIFTH], [ROOT, ROOT - 1]],
        ),
        (1.0, [[0, 2], [3, 1]], [[-1, -1], [1, 2]], [[-1, -1], [1, 0]]),
        (
            3.0,
            [[0, 1.2599210498948732], [2.080083823051904, 1]],
            [[-0.6299605249474365] * 2, [0.2311204247835449, 1.9244816991341795]],
            [[-0.2311204247835449, -0.9244816991341795], [0.6299605249474365, -0.3700394750525635]],
        ),
    ],
)
def test_cdist_where_points_coincide(p, distances, da, db):
    found = slopes(lambda a, b: tc.cdist(a, b, p=p), A, B)
    for got, expected in zip(found, (distances, da, db), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


def test_cdist_counts_entries_that_differ():
    x = tc.tensor(A, requires_grad=True)
    assert tc.cdist(x, tc.tensor(B), p=0).tolist() == [[0.0, 2.0], [2.0, 1.0]]
    assert tc.cdist(x, tc.tensor(B), p=INF).tolist() == [[0.0, 1.0], [2.0, 1.0]]


def test_pairwise_distance_with_and_without_eps():
    y, da, db = slopes(F.pairwise_distance, A, B)  # numbers from PyTorch 2.13
    np.testing.assert_allclose(y, [1.414213562373095e-06, 1.0000010000005], rtol=1e-9)
    np.testing.assert_allclose(da, [[ROOT, ROOT], [1e-06, 1.0]], rtol=1e-5)
    np.testing.assert_allclose(db, np.negative(da), rtol=1e-15)
    y, da, _ = slopes(lambda a, b: F.pairwise_distance(a, b, eps=0.0), A, B)
    assert (y, da) == ([0.0, 1.0], [[0.0, 0.0], [0.0, 1.0]])


def test_vectors_of_zeros_have_no_direction():
    y, da, db = slopes(F.cosine_similarity, A, B)
    assert y[0] == 0 and da[0] == db[0] == [0.0, 0.0]
    np.testing.assert_allclose(y[1], 3 / math.sqrt(10), rtol=1e-15)
    np.testing.assert_allclose(da[1], [0.12649110640673517, -0.06324555320336755], rtol=1e-13)
    y, dx = slopes(F.normalize, [[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(y, [[0, 0], [0.6, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[1e12, 1e12], [0.032, -0.024]], rtol=1e-12)


# --- as PyTorch programs call them ----------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.relu(x, True),
        lambda x: F.relu(x, inplace=True),
        lambda x: nn.ReLU(inplace=True)(x),
        lambda x: nn.ReLU(True)(x),
        lambda x: F.relu6(x, inplace=True),
        lambda x: nn.ReLU6(True)(x),
        lambda x: F.leaky_relu(x, 0.0, True),
        lambda x: nn.LeakyReLU(0.0, True)(x),
        lambda x: nn.Hardtanh(0.0, 6.0, True)(x),
        lambda x: F.threshold(x, 0.0, 0.0, True),
    ],
)
def test_inplace_overwrites_the_input(call):
    leaf = tc.tensor([-1.0, 2.0], requires_grad=True)
    x = leaf * 2
    memory = x.numpy()
    assert call(x) is x
    assert memory.tolist() == [0.0, 4.0]
    x.sum().backward()
    assert leaf.grad.tolist() == [0.0, 2.0]


def test_inplace_is_shown():
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert repr(nn.LeakyReLU(0.2, True)) == "LeakyReLU(negative_slope=0.2, inplace=True)"
    assert repr(nn.ReLU()) == "ReLU()"


def test_prelu_learns_its_slopes():
    model = nn.Sequential(nn.Linear(2, 3), nn.PReLU(3))
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight"]
    assert model[1].weight.tolist() == [0.25] * 3
    x = tc.tensor([[-1.0, -2.0, 3.0]])
    model[1](x).sum().backward()
    assert model[1].weight.grad.tolist() == [-1.0, -2.0, 0.0]
    with pytest.raises(ValueError, match=r"prelu: the slopes have shape \(3,\)"):
        model[1](tc.zeros(2, 4))
    with pytest.raises(ValueError, match="num_parameters"):
        nn.PReLU(0)


def test_softplus_with_beta():
    for f in (lambda x: F.softplus(x, 2.0), nn.Softplus(2.0), lambda x: F.softplus(x, beta=2)):
        y, dx = slopes(f, [0.0, 1.0])
        np.testing.assert_allclose(y, [math.log(2) / 2, math.log1p(math.exp(2)) / 2], rtol=1e-15)
        np.testing.assert_allclose(dx, [0.5, 1 / (1 + math.exp(-2))], rtol=1e-15)
    assert slopes(nn.Softplus(threshold=30.0), 800.0) == (800.0, 1.0)


@pytest.mark.parametrize("name", ["selu", "mish", "relu6", "hardswish", "logsigmoid", "softsign"])
def test_a_layer_takes_them_by_name(name):
    layer = nn.Dense(3, 2, activation=name)
    x = tc.rand(4, 3)
    z = x @ layer.weight + layer.bias if hasattr(layer, "weight") else None
    if z is not None:
        np.testing.assert_allclose(layer(x).tolist(), getattr(tc, name)(z).tolist(), rtol=1e-6)


def test_distances_as_modules():
    a, b = tc.tensor(A), tc.tensor(B) + 1
    assert tc.equal(nn.CosineSimilarity(dim=1)(a, b), F.cosine_similarity(a, b))
    assert tc.equal(
        nn.PairwiseDistance(p=1, keepdim=True)(a, b), F.pairwise_distance(a, b, 1, 1e-6, True)
    )


def test_numpy_s_names_record():
    x = tc.tensor([0.3, 0.6], dtype=tc.float64, requires_grad=True)
    for f in (np.exp2, np.arcsinh, np.arctanh, np.sinc, np.trunc, np.fix, np.nan_to_num):
        y = f(x)
        assert isinstance(y, tc.Tensor) and y.requires_grad
        np.testing.assert_array_equal(y.numpy(), f(x.numpy()))
    for f in (np.hypot, np.arctan2, np.logaddexp, np.fmod, np.heaviside):
        assert isinstance(f(x, 2.0), tc.Tensor)
        np.testing.assert_array_equal(f(x, 2.0).numpy(), f(x.numpy(), 2.0))


X = tc.tensor([[0.25, 0.5], [0.75, 0.125]])
V = tc.tensor([0.5, 0.25])
KEYWORDS = [
    ("atan2", {"input": X, "other": V}, (X, V)),
    ("hypot", {"input": X, "other": V}, (X, V)),
    ("logaddexp", {"input": X, "other": V}, (X, V)),
    ("xlogy", {"input": X, "other": V}, (X, V)),
    ("fmod", {"input": X, "other": 0.2}, (X, 0.2)),
    ("heaviside", {"input": X, "values": V}, (X, V)),
    ("logit", {"input": X, "eps": 0.3}, (X, 0.3)),
    ("nan_to_num", {"input": X, "nan": 1.0, "posinf": 2.0, "neginf": -2.0}, (X, 1.0, 2.0, -2.0)),
    ("lerp", {"input": X, "end": V, "weight": 0.5}, (X, V, 0.5)),
    ("addcmul", {"input": X, "tensor1": V, "tensor2": X, "value": 2}, (X, V, X, 2)),
    ("addcdiv", {"input": X, "tensor1": V, "tensor2": X, "value": 2}, (X, V, X, 2)),
    ("celu", {"input": X, "alpha": 2.0}, (X, 2.0)),
    ("hardtanh", {"input": X, "min_val": 0.3, "max_val": 0.6}, (X, 0.3, 0.6)),
    ("threshold", {"input": X, "threshold": 0.3, "value": 2.0}, (X, 0.3, 2.0)),
    ("hardshrink", {"input": X, "lambd": 0.3}, (X, 0.3)),
    ("softshrink", {"input": X, "lambd": 0.3}, (X, 0.3)),
    ("prelu", {"input": X, "weight": V}, (X, V)),
    ("glu", {"input": X, "dim": 0}, (X, 0)),
    ("softmin", {"input": X, "dim": 0}, (X, 0)),
    ("normalize", {"input": X, "p": 1, "dim": 0, "eps": 1e-9}, (X, 1, 0, 1e-9)),
    ("cosine_similarity", {"x1": X, "x2": V, "dim": -1, "eps": 1e-9}, (X, V, -1, 1e-9)),
    ("pairwise_distance", {"x1": X, "x2": V, "p": 1, "keepdim": True}, (X, V, 1, 1e-6, True)),
    ("cdist", {"x1": X, "x2": X, "p": 1}, (X, X, 1)),
]


@pytest.mark.parametrize(("name", "keywords", "positions"), KEYWORDS, ids=lambda v: str(v)[:12])
def test_keywords_as_pytorch(name, keywords, positions):
    for f in (getattr(tc, name), getattr(F, name, None)):
        if f is not None:
            np.testing.assert_array_equal(f(**keywords).numpy(), f(*positions).numpy())


def test_in_place_steps_of_an_optimizer():
    p = tc.tensor([1.0, 2.0])
    assert p.addcmul_(tc.tensor([2.0, 3.0]), tc.tensor([2.0, 3.0]), value=0.5).tolist() == [3, 6.5]
    assert p.addcdiv_(tc.tensor([1.0, 1.0]), tc.tensor([2.0, 4.0]), value=-2).tolist() == [2.0, 6.0]
    assert p.lerp_(tc.tensor([4.0, 8.0]), 0.5).tolist() == [3.0, 7.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tc.glu(tc.zeros(2, 3)), "glu: halves x along axis -?1.*even"),
        (lambda: tc.glu(tc.zeros(2, 4), 5), "glu"),
        (lambda: tc.cdist(tc.zeros(2, 3), tc.zeros(2, 4)), r"cdist: x1 has shape \(2, 3\)"),
        (lambda: tc.cdist(tc.zeros(3), tc.zeros(3)), "cdist"),
        (lambda: tc.softshrink(tc.zeros(2), -1.0), "lambd must not be negative"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
