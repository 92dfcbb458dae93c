"""Programs with attention, transformer and normalisation layers that run on PyTorch and on this.

Each takes ``t`` (the package: torch, or tinygrad_course), its ``nn``, its ``F`` and inputs, and
returns a result. make_attention_golden.py runs them on PyTorch, test_attention_golden.py here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Shapes = tuple[tuple[int, ...], ...]
CASES: dict[str, tuple[Callable[..., Any], Shapes]] = {}


def wave(*shape: int, phase: float = 0.0) -> np.ndarray:
    """Return reproducible numbers between -1 and 1."""
    count = int(np.prod(shape))
    return np.sin(1.7 * np.arange(1, count + 1) + phase).reshape(shape)


def filled(t: Any, module: Any) -> Any:
    """Give every parameter and float buffer of a module reproducible values."""
    module = module.double()
    state = module.state_dict()
    for phase, (name, value) in enumerate(state.items()):
        if not name.endswith("num_batches_tracked"):
            numbers = wave(*value.shape, phase=phase)
            state[name] = t.tensor(numbers**2 + 0.1 if name.endswith("var") else numbers)
    module.load_state_dict(state)
    return module


def case(name: str, *shapes: tuple[int, ...]) -> Callable[[Any], Any]:
    """Register a program with the shapes of its inputs."""

    def register(program: Callable[..., Any]) -> Callable[..., Any]:
        CASES[name] = program, shapes
        return program

    return register


def hidden(t: Any, rows: int, columns: int) -> Any:
    """Return booleans, True in about a third of the places, never in the first column."""
    found = wave(rows, columns, phase=2) > 0.3
    found[:, 0] = False
    return t.tensor(found)


def blind(t: Any, rows: int, columns: int) -> Any:
    """Return which keys are seen; row 1 sees none."""
    seen = ~(wave(rows, columns, phase=2) > 0.3)
    seen[1] = False
    return t.tensor(seen)


HEADS = (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 2)


@case("scores", *HEADS)
def _(t, nn, F, q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


@case("scores causal", *HEADS)
def _(t, nn, F, q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3)


@case("scores mask", *HEADS)
def _(t, nn, F, q, k, v):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=~hidden(t, 4, 6))


@case("scores blind", *HEADS)
def _(t, nn, F, q, k, v):
    """A query that sees no key: zeros."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=blind(t, 4, 6))


@case("scores numbers", *HEADS, (4, 6))
def _(t, nn, F, q, k, v, m):
    """A mask of numbers that has a gradient of its own, beside -inf in row 1."""
    m = m.masked_fill(~blind(t, 4, 6), float("-inf"))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=m)


@case("scores groups", (2, 4, 3, 5), (2, 2, 3, 5), (2, 2, 3, 2))
def _(t, nn, F, q, k, v):
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


X, KEYS = (3, 4, 6), (3, 5, 6)


@case("heads", X)
def _(t, nn, F, x):
    return filled(t, nn.MultiheadAttention(6, 2, batch_first=True))(x, x, x)[0]


@case("heads weights", X, KEYS)
def _(t, nn, F, x, k):
    return filled(t, nn.MultiheadAttention(6, 3, batch_first=True))(x, k, k)[1]


@case("heads apart", X, KEYS)
def _(t, nn, F, x, k):
    attention = filled(t, nn.MultiheadAttention(6, 3, bias=False, batch_first=True))
    return attention(x, k, k, average_attn_weights=False)[1]


@case("one head", X, KEYS)
def _(t, nn, F, x, k):
    attention = filled(t, nn.MultiheadAttention(6, 1, batch_first=True))
    options = {"key_padding_mask": hidden(t, 3, 5), "attn_mask": hidden(t, 4, 5)}
    y, a = attention(x, k, k, **options)
    _, b = attention(x, k, k, average_attn_weights=False, **options)
    return t.cat([y, a, b[:, 0]], -1)


@case("heads positions first", (4, 3, 6), (5, 3, 2), (5, 3, 7))
def _(t, nn, F, q, k, v):
    attention = filled(t, nn.MultiheadAttention(6, 2, kdim=2, vdim=7))
    padding, mask = hidden(t, 3, 5), hidden(t, 4, 5)
    return attention(q, k, v, key_padding_mask=padding, attn_mask=mask)[0]


@case("heads single", (4, 6), (5, 6))
def _(t, nn, F, x, k):
    attention = filled(t, nn.MultiheadAttention(6, 2))
    y, a = attention(x, k, k, key_padding_mask=hidden(t, 1, 5)[0])
    return t.cat([y, a], -1)


@case("heads mask each", X, KEYS)
def _(t, nn, F, x, k):
    attention = filled(t, nn.MultiheadAttention(6, 2, batch_first=True))
    return attention(x, k, k, attn_mask=hidden(t, 24, 5).view(6, 4, 5), need_weights=False)[0]


@case("heads blind", X, KEYS)
def _(t, nn, F, x, k):
    """A query that sees no key gives NaN with the weights, and 0 without."""
    attention = filled(t, nn.MultiheadAttention(6, 2, batch_first=True))
    mask = ~blind(t, 4, 5)
    y = attention(x, k, k, attn_mask=mask)[0]
    return t.cat([y, attention(x, k, k, attn_mask=mask, need_weights=False)[0]], -1)


def later(t: Any, n: int) -> Any:
    return t.tensor(np.triu(np.full((n, n), -np.inf), 1))


def _blocks(activation: str, norm_first: bool, batch_first: bool, bias: bool) -> dict[str, Any]:
    options = {"dim_feedforward": 5, "dropout": 0.0, "activation": activation, "bias": bias}
    return {**options, "norm_first": norm_first, "batch_first": batch_first}


@case("encoder layer", X)
def _(t, nn, F, x):
    layer = filled(t, nn.TransformerEncoderLayer(6, 2, **_blocks("relu", False, True, True)))
    return layer(x, src_mask=later(t, 4), is_causal=True)


@case("encoder layer first", (4, 3, 6))
def _(t, nn, F, x):
    layer = filled(t, nn.TransformerEncoderLayer(6, 2, **_blocks("gelu", True, False, False)))
    return layer(x, src_mask=hidden(t, 4, 4), src_key_padding_mask=hidden(t, 3, 4))


@case("encoder", X)
def _(t, nn, F, x):
    layer = nn.TransformerEncoderLayer(6, 3, **_blocks("gelu", True, True, True))
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(6), enable_nested_tensor=False)
    return filled(t, encoder)(x, mask=later(t, 4))


@case("decoder layer", X, KEYS)
def _(t, nn, F, x, memory):
    layer = filled(t, nn.TransformerDecoderLayer(6, 2, **_blocks("relu", False, True, True)))
    padding = hidden(t, 3, 5)
    return layer(x, memory, tgt_mask=later(t, 4), memory_key_padding_mask=padding)


@case("transformer", KEYS, X)
def _(t, nn, F, x, y):
    model = filled(t, nn.Transformer(6, 2, 1, 2, **_blocks("relu", True, True, True)))
    return model(x, y, tgt_mask=later(t, 4), src_key_padding_mask=hidden(t, 3, 5))


MAPS = (3, 4, 2, 5)


@case("rms", X)
def _(t, nn, F, x):
    return filled(t, nn.RMSNorm((4, 6)))(x)


@case("rms eps", X)
def _(t, nn, F, x):
    return nn.RMSNorm(6, eps=0.1, elementwise_affine=False)(x) + F.rms_norm(x, (6,))


@case("layer function", X, (6,), (6,))
def _(t, nn, F, x, weight, bias):
    return F.layer_norm(x, (6,), weight, bias, 1e-3)


@case("group", MAPS)
def _(t, nn, F, x):
    return filled(t, nn.GroupNorm(2, 4, eps=1e-3))(x)


@case("group rows", (3, 4), (4,))
def _(t, nn, F, x, weight):
    return F.group_norm(x, 2, weight)


@case("instance", MAPS)
def _(t, nn, F, x):
    return nn.InstanceNorm2d(4)(x)


@case("instance tracked", MAPS)
def _(t, nn, F, x):
    norm = filled(t, nn.InstanceNorm2d(4, affine=True, track_running_stats=True, momentum=0.3))
    y = norm(x)
    return t.cat([y, norm.eval()(x), norm(x[0])[None]], 0)


@case("instance lines", (3, 4, 5), (4,), (4,))
def _(t, nn, F, x, weight, bias):
    return F.instance_norm(x, weight=weight, bias=bias) + nn.InstanceNorm1d(4)(x)


@case("batch 2d", MAPS)
def _(t, nn, F, x):
    norm = filled(t, nn.BatchNorm2d(4, momentum=0.3))
    return t.cat([norm(x), norm.eval()(x)], 0)


@case("batch 3d", (2, 3, 2, 2, 2))
def _(t, nn, F, x):
    norm = filled(t, nn.BatchNorm3d(3, eps=1e-3))
    return t.cat([norm(x), norm(x), norm.eval()(x)], 0)


@case("batch function", MAPS, (4,), (4,))
def _(t, nn, F, x, weight, bias):
    mean, var = t.tensor(wave(4)), t.tensor(wave(4, phase=1) ** 2 + 0.1)
    first = F.batch_norm(x, mean, var, weight, bias, True, 0.3, 1e-3)
    return t.cat([first, F.batch_norm(x, mean, var, weight, bias)], 0)
