"""The equations of attention are those of the paper (Vaswani et al. 2017), and verified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation.verify import verify

RNG = np.random.default_rng(0)


def data(*shape: int, name: str, grad: bool = False) -> Any:
    return tc.tensor(RNG.normal(size=shape), requires_grad=grad, name=name)


def test_one_head_with_a_mask() -> None:
    """S = Q Kᵀ / √d, A = softmax(S + M), O = A V; and backwards."""
    Q, K, V = (data(5, 4, name=name, grad=True) for name in "QKV")
    M = tc.tensor(np.triu(np.full((5, 5), -np.inf), 1), name="M")
    S = Q @ K.mT / 2
    S.name = "S"
    A = (S + M).softmax(-1)
    A.name = "A"
    O = A @ V  # noqa: E741
    O.name = "O"
    found = tc.equations((O * data(5, 4, name="G")).sum())
    assert found.forward == ["S = Q Kᵀ / 2", "A = softmax(S + M)", "O = A V"]
    assert found.backward == [
        "dV = Aᵀ G",
        "dA = G Vᵀ",
        "dS = A * (dA - np.sum(dA * A, axis=1, keepdims=True))",
        "dK = (1/2) dSᵀ Q",
        "dQ = (1/2) dS K",
    ]


def cost(layer: nn.MultiheadAttention, **options: Any) -> Any:
    X, Y = data(3, 5, 4, name="X"), data(3, 5, 4, name="Y")
    return nn.MSELoss()(layer(X, X, X, **options)[0], Y)


def test_a_layer_with_one_head() -> None:
    layer = nn.MultiheadAttention(4, 1, bias=False, batch_first=True, dtype=tc.float64)
    found = tc.equations(cost(layer, is_causal=True))
    assert found.forward[:9] == [
        "W_Q[1] = W_QKV[1][0:4]",
        "Q[1] = X W_Q[1]ᵀ",
        "W_K[1] = W_QKV[1][4:8]",
        "K[1] = X W_K[1]ᵀ",
        "W_V[1] = W_QKV[1][8:12]",
        "V[1] = X W_V[1]ᵀ",
        "S[1] = Q[1] K[1]ᵀ / 2",
        "A[1] = softmax(S[1] + M)",
        "O[1] = A[1] V[1]",
    ]
    assert found.backward[2:] == [
        "dA[1] = dO[1] V[1]ᵀ",
        "dV[1] = A[1]ᵀ dO[1]",
        "dS[1] = A[1] * (dA[1] - np.sum(dA[1] * A[1], axis=2, keepdims=True))",
        "dQ[1] = (1/2) dS[1] K[1]",
        "dK[1] = (1/2) dS[1]ᵀ Q[1]",
        "dW_V[1] = (1/m) np.sum(Xᵀ dV[1], axis=0)ᵀ",
        "dW_K[1] = (1/m) np.sum(Xᵀ dK[1], axis=0)ᵀ",
        "dW_Q[1] = (1/m) np.sum(Xᵀ dQ[1], axis=0)ᵀ",
        "dW_QKV[1] = place(dW_Q[1], W_QKV[1], [0:4]) + place(dW_K[1], W_QKV[1], [4:8]) + "
        "place(dW_V[1], W_QKV[1], [8:12])",
    ]


def test_several_heads_have_the_same_equations_between_their_arrangements() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=tc.float64)
    found = tc.equations(cost(layer, need_weights=False))
    assert "A[1] = softmax(S[1])" in found.forward
    assert "O[1] = A[1] V[1]" in found.forward
    assert "dV[1] = A[1]ᵀ dO[1]" in found.backward
    assert "dA[1] = dO[1] V[1]ᵀ" in found.backward


def test_the_root_of_the_width_is_written_as_such() -> None:
    X, Y = data(3, 5, 8, name="X"), data(3, 5, 8, name="Y")
    layer = nn.MultiheadAttention(8, 1, bias=False, batch_first=True, dtype=tc.float64)
    J = nn.MSELoss()(layer(X, X, X)[0], Y)
    found = tc.equations(J)
    assert "S[1] = Q[1] K[1]ᵀ / √8" in found.forward
    assert "dQ[1] = (1/√8) dS[1] K[1]" in found.backward
    assert r"\frac{1}{\sqrt{8}}" in found.latex
    assert r"W_{\mathrm{Q}}^{[1]}" in found.latex
    assert "S1 = (Q1 @ np.swapaxes(K1, -1, -2)) / 2.8284271247461903" in str(tc.source(J))
    w = tc.tensor([2.0, 3.0], requires_grad=True, name="w", dtype=tc.float64)
    assert tc.equations((w * 0.1).sum()).forward == ["u = 0.1 w"]  # not 1/√100


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("options", ["", "is_causal", "key_padding_mask"])
def test_the_equations_of_attention_compute_its_gradients(heads: int, options: str) -> None:
    """Also for another number of examples."""
    layer = nn.MultiheadAttention(4, heads, batch_first=True, dtype=tc.float64)
    given: dict[str, Any] = {"is_causal": True} if options == "is_causal" else {}
    if options == "key_padding_mask":
        given = {options: tc.tensor([[False] * 3 + [True] * 2] * 3), "need_weights": False}
    found = verify(cost(layer, **given), tolerance=1e-11)
    assert found and found.checks and len(found.counts) == 2 and not found.notes


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.TransformerEncoderLayer(4, 2, 3, 0.0, norm_first=True, batch_first=True),
        lambda: nn.TransformerEncoderLayer(4, 1, 3, 0.0, "gelu", batch_first=True),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.GroupNorm(5, 5)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.RMSNorm((5, 4))),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.InstanceNorm1d(5, affine=True)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.PositionalEncoding(4, 0.0, 7, learned=True)),
    ],
)
def test_the_equations_of_layers_compute_their_gradients(make: Any) -> None:
    layer = make().double()
    J = nn.MSELoss()(layer(data(3, 5, 4, name="X")), data(3, 5, 4, name="Y"))
    found = verify(J, tolerance=1e-10)
    assert found and found.checks
