"""PyTorch's argument names as keywords, NumPy's too, and clear errors for wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_course as tc

X = tc.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
V = tc.tensor([1.0, 2.0, 3.0])
MASK = tc.tensor([[True, False, True], [False, True, False]])
INDEX = tc.tensor([[0, 1, 1], [1, 0, 0]])

# (function, keywords as in PyTorch's documentation, the same call by position)
CALLS = [
    ("abs", {"input": X}, (X,)),
    ("add", {"input": X, "other": V}, (X, V)),
    ("sub", {"input": X, "other": V}, (X, V)),
    ("mul", {"input": X, "other": V}, (X, V)),
    ("div", {"input": X, "other": V}, (X, V)),
    ("pow", {"input": X, "exponent": 2}, (X, 2)),
    ("remainder", {"input": X, "other": 2}, (X, 2)),
    ("maximum", {"input": X, "other": V}, (X, V)),
    ("eq", {"input": X, "other": V}, (X, V)),
    ("isclose", {"input": X, "other": V, "rtol": 0.1}, (X, V, 0.1)),
    ("where", {"condition": MASK, "input": X, "other": 0.0}, (MASK, X, 0.0)),
    ("clamp", {"input": X, "min": 2.0, "max": 4.0}, (X, 2.0, 4.0)),
    ("clip", {"input": X, "min": 2.0}, (X, 2.0)),
    ("round", {"input": X, "decimals": 1}, (X, 1)),
    ("sum", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("mean", {"input": X, "dim": (0, 1)}, (X, (0, 1))),
    ("mean", {"input": X, "dim": [0, 1]}, (X, (0, 1))),
    ("prod", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("amax", {"input": X, "dim": 1}, (X, 1)),
    ("argmax", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("max", {"input": X, "other": V}, (X, V)),
    ("logsumexp", {"input": X, "dim": 1}, (X, 1)),
    ("norm", {"input": X, "p": 2, "dim": 1, "keepdim": True}, (X, 2, 1, True)),
    ("var", {"input": X, "dim": 1, "correction": 0}, (X, 1, 0)),
    ("var", {"input": X, "dim": 1, "unbiased": False}, (X, 1, 0)),
    ("var", {"input": X, "dim": [0, 1]}, (X, (0, 1))),
    ("std", {"input": X, "unbiased": False}, (X, None, 0)),
    ("std", {"input": X, "dim": 1, "keepdim": True}, (X, 1, 1, True)),
    ("cumsum", {"input": X, "dim": 1}, (X, 1)),
    ("softmax", {"input": X, "dim": 0}, (X, 0)),
    ("log_softmax", {"input": X, "dim": 1}, (X, 1)),
    ("leaky_relu", {"input": X, "negative_slope": 0.2}, (X, 0.2)),
    ("gelu", {"input": X, "approximate": "tanh"}, (X, "tanh")),
    ("matmul", {"input": X, "other": V}, (X, V)),
    ("dot", {"input": V, "tensor": V}, (V, V)),
    ("outer", {"input": V, "vec2": V}, (V, V)),
    ("reshape", {"input": X, "shape": (3, 2)}, (X, 3, 2)),
    ("flatten", {"input": X, "start_dim": 0, "end_dim": 1}, (X, 0, 1)),
    ("permute", {"input": X, "dims": (1, 0)}, (X, 1, 0)),
    ("transpose", {"input": X, "dim0": 0, "dim1": 1}, (X, 0, 1)),
    ("swapaxes", {"input": X, "axis0": 0, "axis1": 1}, (X, 0, 1)),
    ("movedim", {"input": X, "source": 0, "destination": 1}, (X, 0, 1)),
    ("squeeze", {"input": X, "dim": 0}, (X, 0)),
    ("unsqueeze", {"input": X, "dim": 0}, (X, 0)),
    ("broadcast_to", {"input": V, "size": (2, 3)}, (V, (2, 3))),
    ("cat", {"tensors": (X, X), "dim": 1}, ((X, X), 1)),
    ("stack", {"tensors": [X, X], "dim": 1}, ([X, X], 1)),
    ("hstack", {"tensors": [X, X]}, ([X, X],)),
    ("flip", {"input": X, "dims": (0,)}, (X, (0,))),
    ("flip", {"input": X, "dims": [0, 1]}, (X, (0, 1))),
    ("roll", {"input": X, "shifts": 1, "dims": 1}, (X, 1, 1)),
    ("tile", {"input": X, "dims": (2,)}, (X, 2)),
    ("split", {"tensor": X, "split_size_or_sections": 1, "dim": 1}, (X, 1, 1)),
    ("chunk", {"input": X, "chunks": 2, "dim": 1}, (X, 2, 1)),
    ("unbind", {"input": X, "dim": 1}, (X, 1)),
    ("narrow", {"input": X, "dim": 1, "start": 0, "length": 2}, (X, 1, 0, 2)),
    ("pad", {"input": X, "pad": (1, 1), "mode": "constant", "value": 2.0},
     (X, (1, 1), "constant", 2.0)),
    ("gather", {"input": X, "dim": 0, "index": INDEX}, (X, 0, INDEX)),
    ("index_select", {"input": X, "dim": 1, "index": [0]}, (X, 1, [0])),
    ("masked_fill", {"input": X, "mask": MASK, "value": 0.0}, (X, MASK, 0.0)),
    ("scatter_add", {"input": X, "dim": 0, "index": INDEX, "src": X}, (X, 0, INDEX, X)),
    ("argsort", {"input": X, "dim": 0, "descending": True, "stable": True}, (X, 0, True)),
    ("sort", {"input": X, "dim": 0, "descending": True, "stable": True}, (X, 0, True)),
    ("topk", {"input": X, "k": 2, "dim": 1, "largest": False, "sorted": True}, (X, 2, 1, False)),
    ("kthvalue", {"input": X, "k": 2, "dim": 1, "keepdim": True}, (X, 2, 1, True)),
    ("mode", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("median", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("quantile", {"input": X, "q": 0.3, "dim": 1, "keepdim": True, "interpolation": "linear"},
     (X, 0.3, 1, True)),
    ("nansum", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("std_mean", {"input": X, "dim": 1, "correction": 0, "keepdim": True}, (X, 1, 0, True)),
    ("var_mean", {"input": X, "dim": 1, "unbiased": False}, (X, 1, 0)),
    ("aminmax", {"input": X, "dim": 1, "keepdim": True}, (X, 1, True)),
    ("dist", {"input": X, "other": V, "p": 1}, (X, V, 1)),
    ("cov", {"input": X, "correction": 0}, (X, 0)),
    ("cumprod", {"input": X, "dim": 1}, (X, 1)),
    ("cummax", {"input": X, "dim": 1}, (X, 1)),
    ("logcumsumexp", {"input": X, "dim": 1}, (X, 1)),
    ("diff", {"input": X, "n": 1, "dim": 0, "prepend": X, "append": X}, (X, 1, 0, X, X)),
    ("searchsorted", {"sorted_sequence": V, "input": X, "right": True}, (V, X, True)),
    ("bucketize", {"input": X, "boundaries": V, "right": True}, (X, V, True)),
    ("bincount", {"input": INDEX[0], "weights": V, "minlength": 4}, (INDEX[0], V, 4)),
    ("histc", {"input": X, "bins": 3, "min": 0, "max": 4}, (X, 3, 0, 4)),
    ("count_nonzero", {"input": X, "dim": 0}, (X, 0)),
    ("nonzero", {"input": X, "as_tuple": True}, (X, True)),
    ("tril", {"input": X, "diagonal": 1}, (X, 1)),
    ("triu", {"input": X, "diagonal": 1}, (X, 1)),
    ("diag", {"input": X, "diagonal": 1}, (X, 1)),
    ("diagonal", {"input": X, "offset": 1, "dim1": 1, "dim2": 0}, (X, 1, 1, 0)),
    ("diag_embed", {"input": X, "offset": 1, "dim1": 0, "dim2": 2}, (X, 1, 0, 2)),
    ("diagflat", {"input": X, "offset": 1}, (X, 1)),
    ("scatter", {"input": X, "dim": 0, "index": INDEX, "src": X}, (X, 0, INDEX, X)),
    ("scatter", {"input": X, "dim": 0, "index": INDEX, "value": 2.0, "reduce": "add"},
     (X, 0, INDEX, 2.0, "add")),
    ("index_add", {"input": V, "dim": 0, "index": [0], "source": V[:1]}, (V, 0, [0], V[:1])),
    ("index_copy", {"input": V, "dim": 0, "index": [0], "source": V[1:2]}, (V, 0, [0], V[1:2])),
    ("index_fill", {"input": V, "dim": 0, "index": [0], "value": 7.0}, (V, 0, [0], 7.0)),
    ("index_put", {"input": V, "indices": (INDEX[0],), "values": V, "accumulate": True},
     (V, (INDEX[0],), V, True)),
    ("take", {"input": X, "index": INDEX}, (X, INDEX)),
    ("take_along_dim", {"input": X, "indices": INDEX, "dim": 1}, (X, INDEX, 1)),
    ("masked_select", {"input": X, "mask": MASK}, (X, MASK)),
    ("masked_scatter", {"input": X, "mask": MASK, "source": X}, (X, MASK, X)),
    ("tensor_split", {"input": X, "indices_or_sections": 2, "dim": 1}, (X, 2, 1)),
    ("tensor_split", {"input": X, "sections": 2}, (X, 2)),
    ("tensor_split", {"input": X, "indices": (1,), "dim": 1}, (X, (1,), 1)),
    ("unfold", {"input": X, "dimension": 1, "size": 2, "step": 1}, (X, 1, 2, 1)),
    ("unflatten", {"input": X, "dim": 1, "sizes": (3, 1)}, (X, 1, (3, 1))),
    ("rot90", {"input": X, "k": 2, "dims": (0, 1)}, (X, 2, (0, 1))),
    ("repeat_interleave", {"input": X, "repeats": 2, "dim": 1}, (X, 2, 1)),
    ("combinations", {"input": V, "r": 2, "with_replacement": True}, (V, 2, True)),
    ("dstack", {"tensors": [X, X]}, ([X, X],)),
    ("column_stack", {"tensors": [X, X]}, ([X, X],)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keywords", "positions"), CALLS, ids=lambda v: str(v)[:12])
def test_keywords_as_pytorch(name, keywords, positions):
    f = getattr(tc, name)
    a, b = f(**keywords), f(*positions)
    pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
    for p, q in pairs:
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("clip", {"a_min": 2.0, "a_max": 3.0}, [[2, 2, 3], [3, 3, 3]]),
        ("sum", {"axis": 0, "keepdims": True}, [[5, 7, 9]]),
        ("roll", {"shift": 1, "axis": 1}, [[3, 1, 2], [6, 4, 5]]),
        ("transpose", {"dim0": -1, "dim1": 0}, [[1, 4], [2, 5], [3, 6]]),
        ("moveaxis", {"source": 0, "destination": 1}, [[1, 4], [2, 5], [3, 6]]),
    ],
)
def test_keywords_as_numpy(name, args, expected):
    assert getattr(tc, name)(X, **args).tolist() == expected


def test_synonyms():
    assert tc.subtract is tc.sub
    assert tc.multiply is tc.mul
    assert tc.true_divide is tc.divide is tc.div
    assert tc.negative is tc.neg
    assert tc.power is tc.pow
    assert tc.absolute is tc.abs
    assert (tc.acos, tc.asin, tc.atan) == (tc.arccos, tc.arcsin, tc.arctan)
    assert tc.concat is tc.concatenate is tc.cat
    assert tc.clip is tc.clamp
    assert tc.greater_equal is tc.ge
    assert X.T.shape == X.mT.shape == X.t().shape == (3, 2)
    assert tc.zeros(2, 3, 4).T.shape == (4, 3, 2)
    assert tc.zeros(2, 3, 4).mT.shape == (2, 4, 3)
    assert X.view(6).shape == X.view(-1).shape == X.ravel().shape == (6,)


def test_where_as_a_method_keeps_the_tensor_where_the_condition_holds():
    assert X.where(X > 2, 0.0).tolist() == [[0, 0, 3], [4, 5, 6]]


def test_equal_and_allclose_answer_with_a_bool():
    assert tc.equal(X, X.clone()) is True
    assert X.equal(X + 1) is False
    assert tc.equal(X, V) is False
    assert X.allclose(X + 1e-9) is True
    assert tc.allclose(X, X + 1, atol=2.0) is True
    assert tc.allclose(tc.tensor(np.nan), tc.tensor(np.nan), equal_nan=True) is True
    assert (X == X).all().item() is True


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tc.add(X), TypeError, "add: takes 2 operands"),
        (lambda: tc.add(X, V, V), TypeError, "add: takes"),
        (lambda: tc.add(X, other=V, b=V), ValueError, "mean the same"),
        (lambda: tc.sum(X, 0, axis=1), TypeError, "two values for 'axis'"),
        (lambda: tc.sum(X, axis=0, dim=0), ValueError, "mean the same"),
        (lambda: tc.sum(X, axes=0), TypeError, "no argument 'axes'"),
        (lambda: tc.softmax(X, 0, 1), TypeError, "softmax"),
        (lambda: tc.var(X, colour=1), TypeError, "var"),
        (lambda: tc.exp("x"), TypeError, "exp"),
        (lambda: X.reshape(2.5), TypeError, "reshape"),
        (lambda: X.gelu("cube"), ValueError, "approximate"),
        (lambda: X.clamp(), ValueError, "min, max or both"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()
