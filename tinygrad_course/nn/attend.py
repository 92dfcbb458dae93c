"""Scaled dot-product attention as a function: O = softmax(Q Kᵀ / √d + M) V.

`functional` gives it under PyTorch's name, and `MultiheadAttention` calls it for all its heads at
once. Masks are added to the scores as numbers M, 0 or −∞, so that the equations are the paper's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import creation, errors
from ..ops.activation import softmax
from ..ops.compare import where
from ..ops.elementwise import mul
from ..ops.join import repeat_interleave
from ..ops.linalg import matrix_product
from ..ops.random import bernoulli_mask
from ..tensor import Tensor, apply, as_input

Names = tuple[str, str, str] | None
"""What the scores S, the weights A and the result O are called."""


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention: O = A V with A = softmax(S + M) along the keys and S = Q Kᵀ / √d.

    Row i of A says how much position i takes of each value; its derivatives are dV = Aᵀ dO,
    dA = dO Vᵀ, dS = A (dA − Σ dA A), dQ = dS K / √d and dK = dSᵀ Q / √d.

    Args:
        query: Q, (…, L, d).
        key: K, (…, S, d).
        value: V, (…, S, v).
        attn_mask: which keys a query sees, in a shape that broadcasts to (…, L, S): True for those
            it sees, or numbers M that are added to the scores (−∞ hides). A query that sees no key
            gets 0, as in PyTorch.
        dropout_p: the probability of dropping a weight. A function knows of no training: pass 0 to
            predict.
        is_causal: position i sees the keys 0 … i; instead of a mask.
        scale: what to multiply Q Kᵀ with, by default 1 / √d.
        enable_gqa: fewer heads (axis −3) of keys and values than of queries, each for a group.

    Returns:
        O, (…, L, v).

    Raises:
        ShapeError: lengths that do not fit; DtypeError: a mask that is neither boolean nor float;
        ArgumentError: a mask and `is_causal` together, or a probability outside [0, 1).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.nn import functional as F
        >>> Q, K = tc.tensor([[10.0, 0.0]]), tc.tensor([[10.0, 0.0], [0.0, 10.0]])
        >>> F.scaled_dot_product_attention(Q, K, tc.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.]])
    """
    name = "scaled_dot_product_attention"
    q, k, v = (as_input(x) for x in (query, key, value))
    if attn_mask is not None and is_causal:
        raise errors.ArgumentError(
            f"{name}: got attn_mask and is_causal=True; is_causal is a mask of its own. Leave one "
            "out."
        )
    if enable_gqa and k.ndim > 2 and k.shape[-3] < q.shape[-3]:
        groups = q.shape[-3] // k.shape[-3]
        k, v = (repeat_interleave(x, groups, -3) for x in (k, v))
    check(name, q, k, v)
    mask = None
    if attn_mask is not None:
        scores = (*np.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
        mask = as_mask(name, "attn_mask", attn_mask, scores, q.dtype, hides=False)
    o: Tensor = attend(q, k, v, mask, dropout_p, is_causal, scale)[0]
    return o


def attend(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    p: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
    guarded: bool = True,
    names: Names = None,
) -> tuple[Any, Any]:
    """Return O and the weights A, for a mask M of numbers.

    Args:
        q: Q, (…, L, d).
        k: K, (…, S, d).
        v: V, (…, S, v).
        mask: M, or None.
        p: the probability of dropping a weight.
        causal: hide later positions too.
        scale: the factor of Q Kᵀ, or None for 1 / √d.
        guarded: give 0 to queries that see no key; otherwise they get NaN, the mean of nothing.
        names: what S, A and O are called.
    """
    s = apply(matrix_product.op, (q, k.mT))
    s = s / math.sqrt(q.shape[-1]) if scale is None else s * scale
    _called(s, names, 0)
    if causal:
        m = causal_mask(s.shape[-2], s.shape[-1], s.dtype)
        if m._node is None:
            m.name = "M"
        mask = m if mask is None else mask + m
    sees = None
    if mask is not None:
        # Each position sees itself or the first one, when only later ones are hidden.
        if guarded and not (causal and mask is m):
            sees = (mask > -math.inf).any(axis=-1, keepdims=True)
            mask = where(sees, mask, 0.0)
        s = s + mask
    a: Any = softmax(s, axis=-1)
    if sees is not None:
        a = a * sees
    _called(a, names, 1)
    dropped = a
    if not 0 <= p <= 1:
        raise errors.ArgumentError(
            f"scaled_dot_product_attention: dropout_p is a probability, got {p}."
        )
    if p > 0:
        keep = {"keep": 1.0 - p, "generator": None}
        dropped = apply(mul.op, (a, apply(bernoulli_mask.op, (a,), keep)))
    o: Any = apply(matrix_product.op, (dropped, v))
    return _called(o, names, 2), a


def causal_mask(rows: int, columns: int, dtype: Any = None) -> Any:
    """Return M with −∞ above the diagonal, where a position would see a later one."""
    return creation.full((rows, columns), -math.inf, dtype=dtype).triu(1)


def as_mask(
    name: str, what: str, mask: Any, scores: tuple[int, ...], dtype: Any, hides: bool
) -> Any:
    """Return a mask as numbers to add: 0 where a key is seen, −∞ where it is hidden.

    Args:
        name: the layer or function, for messages.
        what: the argument, for messages.
        mask: booleans or numbers.
        scores: the shape that it must broadcast to.
        dtype: that of the scores.
        hides: True in a boolean mask hides a key; else it shows it.

    Raises:
        DtypeError: other values; ShapeError: another shape.
    """
    mask = mask if isinstance(mask, Tensor) else Tensor(mask)
    if mask.dtype.kind not in "bf":
        means = "hides" if hides else "shows"
        raise errors.DtypeError(
            f"{name}: {what} has dtype {mask.dtype}, expected booleans (True {means} a key) or "
            "floats, which are added to the scores. Use mask.bool()."
        )
    try:
        fits = np.broadcast_shapes(mask.shape, scores) == tuple(scores)
    except ValueError:
        fits = False
    if not fits:
        raise errors.ShapeError(
            f"{name}: {what} has shape {mask.shape}, expected one that broadcasts to the scores "
            f"{tuple(scores)}: a row for each query, a column for each key."
        )
    if mask.dtype.kind == "f":
        return mask if mask.dtype == dtype else mask.to(dtype)
    zero, hidden = (dtype.type(value) for value in (0, -math.inf))
    m: Any = where(mask, hidden, zero) if hides else where(mask, zero, hidden)
    if m._node is None:
        m.name = "M"
    return m


def check(name: str, q: Tensor, k: Tensor, v: Tensor) -> None:
    """Refuse queries, keys and values that do not fit.

    Raises:
        ShapeError: says which lengths differ.
    """
    shapes = f"query {q.shape}, key {k.shape} and value {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise errors.ShapeError(
            f"{name}: got {shapes}; each needs an axis of positions and one of features, (…, L, d)."
        )
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        cure = (
            "Queries and keys need the same number of features (the last axis)."
            if q.shape[-1] != k.shape[-1]
            else "There is one value for each key (the last axis but one)."
        )
        raise errors.ShapeError(f"{name}: got {shapes}. {cure}")
    try:
        np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise errors.ShapeError(
            f"{name}: got {shapes}; the axes before the last two must broadcast. With fewer heads "
            "of keys than of queries, pass enable_gqa=True."
        ) from None


def _called(y: Any, names: Names, place: int) -> Any:
    """Return a recorded result under its name."""
    node = y._node
    if names is not None and node is not None:
        node.name = names[place]
    return y


__all__ = ["scaled_dot_product_attention"]
