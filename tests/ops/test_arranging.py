"""Sorting, statistics, running computations, writing to places: ties, NaN, edges, bad input.

Numbers that are not worked out in a comment are PyTorch's (2.13).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors

INF, NAN = math.inf, math.nan
X = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def leaf(data):
    return tc.tensor(data, dtype=tc.float64, requires_grad=True)


def slopes(y, x):
    """Return the gradient of the sum of y with weights 1, 2, 3 …"""
    weights = tc.arange(1, y.numel() + 1).reshape(y.shape)
    (g,) = tc.autograd.grad((y * weights).sum(), x)
    return g.tolist()


# --- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sort", "mode", "median", "nanmedian", "max", "min"])
def test_pairs_have_names(name):
    pair = getattr(tc.tensor(X), name)(dim=1)
    assert (pair.values, pair.indices) == (pair[0], pair[1]) or pair._fields == (
        "values",
        "indices",
    )
    values, indices = pair
    assert values.dtype == np.float32 and indices.dtype == np.int64


def test_a_compiled_function_returns_the_pair():
    pair = tc.compile(lambda x: x.topk(2))(tc.tensor([1.0, 3.0, 2.0]))
    assert pair.values.tolist() == [3.0, 2.0]
    assert pair.indices.tolist() == [1, 2]


def test_the_pair_of_extremes():
    pair = tc.tensor(X).aminmax(dim=0)
    assert (pair.min.tolist(), pair.max.tolist()) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])


# --- ties and NaN ---------------------------------------------------------------------------------


def test_sorting_keeps_the_order_of_equal_elements():
    x = tc.tensor([3, 1, 1, 3, 2])
    assert x.sort().indices.tolist() == [1, 2, 4, 0, 3]
    assert x.sort(descending=True).indices.tolist() == [0, 3, 4, 1, 2]
    assert x.argsort(descending=True, stable=True).tolist() == [0, 3, 4, 1, 2]
    assert x.topk(2).indices.tolist() == [0, 3]


def test_nan_is_the_largest():
    x = tc.tensor([1.0, NAN, 0.0])
    assert x.sort().indices.tolist() == [2, 0, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 0, 2]
    assert math.isnan(x.topk(1).values.item())
    assert tc.searchsorted(tc.tensor([1.0, 2.0]), x).tolist() == [0, 2, 0]


def test_the_order_of_booleans():
    assert tc.tensor([False, True, False]).argsort(descending=True).tolist() == [1, 0, 2]


def test_the_mode_is_the_smallest_and_stands_last():
    assert tuple(t.item() for t in tc.tensor([3, 1, 1, 3, 2]).mode()) == (1, 2)


def test_median_of_all_shares_among_ties_and_along_an_axis_picks_one():
    x = leaf([1.0, 2.0, 2.0, 3.0])
    assert tc.median(x).item() == 2.0
    assert slopes(tc.median(x), x) == [0.0, 0.5, 0.5, 0.0]
    assert slopes(tc.median(x, 0).values, x) == [0.0, 1.0, 0.0, 0.0]


def test_median_with_nan():
    x = leaf([1.0, 2.0, 2.0, 3.0, NAN])
    assert math.isnan(tc.median(x).item())
    assert slopes(tc.median(x), x) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert tc.median(x, 0).indices.item() == 4
    assert tc.nanmedian(x).item() == 2.0
    assert slopes(tc.nanmedian(x), x) == [0.0, 0.5, 0.5, 0.0, 0.0]
    assert tc.nanmedian(x, 0).indices.item() == 1
    assert math.isnan(tc.nanmedian(tc.tensor([NAN, NAN])).item())


def test_quantile_with_nan():
    x = leaf([[1.0, NAN, 3.0, 2.0], [4.0, 7.0, 5.0, 6.0]])
    np.testing.assert_array_equal(tc.quantile(x, 0.5, 1).detach(), [NAN, 5.5])
    assert tc.nanquantile(x, 0.5, 1).tolist() == [2.0, 5.5]
    assert slopes(tc.nanquantile(x, 0.5, 1), x) == [[0, 0, 0, 1], [0, 0, 1, 1]]


def test_a_quantile_is_differentiable_in_the_part_too():
    q = leaf(0.3)
    y = tc.quantile(tc.tensor([10.0, 11.0, 14.0]).double(), q)  # at 0.6 between 10 and 11
    assert y.item() == pytest.approx(10.6)
    assert slopes(y, q) == pytest.approx(2.0)  # (3 - 1)(11 - 10)


def test_sums_without_nan():
    x = leaf([1.0, NAN, 3.0])
    assert (tc.nansum(x).item(), tc.nanmean(x).item()) == (4.0, 2.0)
    assert slopes(tc.nanmean(x), x) == [0.5, 0.0, 0.5]


def test_running_extremes_take_the_last_of_equal_ones_and_keep_nan():
    x = tc.tensor([1.0, 3.0, 3.0, 2.0, NAN, 5.0, NAN, 7.0])
    assert x.cummax(0).indices.tolist() == [0, 1, 2, 2, 4, 4, 6, 6]
    assert x.cummin(0).indices.tolist() == [0, 0, 0, 0, 4, 4, 6, 6]
    np.testing.assert_array_equal(x.cummax(0).values, [1, 3, 3, 3] + [NAN] * 4)


def test_running_product_at_zeros():
    """y = (a, ab, abc), so the weights 1, 2, 3 give da = 1 + 2b + 3bc, db = 2a + 3ac, dc = 3ab."""
    for a, b, c in ((2.0, 0.0, 4.0), (0.0, 3.0, 0.0), (0.0, 0.0, 5.0)):
        x = leaf([a, b, c])
        expected = [1 + 2 * b + 3 * b * c, 2 * a + 3 * a * c, 3 * a * b]
        assert slopes(tc.cumprod(x, 0), x) == expected


def test_running_logarithm_of_sums_at_the_extremes():
    x = leaf([-INF, -INF, 1.0, 2.0])
    y = tc.logcumsumexp(x, 0)
    np.testing.assert_allclose(y.detach(), [-INF, -INF, 1, np.logaddexp(1, 2)])
    # No part of a sum that is 0 (PyTorch: NaN); of the last, 4 times the softmax.
    share = 1 / (1 + math.e)
    np.testing.assert_allclose(slopes(y, x), [0, 0, 3 + 4 * share, 4 * (1 - share)])
    big = leaf([1e4, -1e4, 1e4])
    np.testing.assert_allclose(slopes(tc.logcumsumexp(big, 0), big), [4.5, 0, 1.5], atol=1e-300)


def test_counting():
    assert tc.bincount(tc.tensor([], dtype=tc.int64)).tolist() == []
    assert tc.bincount(tc.tensor([1, 1]), tc.tensor([0.5, 0.25])).dtype == np.float32
    assert tc.histc(tc.tensor([1.0, 1.0]), 3).tolist() == [0.0, 2.0, 0.0]
    assert tc.histc(tc.tensor([NAN, 0.0, 9.0]), 2, min=0, max=2).tolist() == [1.0, 0.0]
    assert tc.nonzero(tc.tensor(3.0)).shape == (1, 0)


def test_where_values_fall():
    edges = tc.tensor([1.0, 3.0, 5.0])
    assert tc.searchsorted(edges, 3.0).item() == 1
    assert tc.searchsorted(edges, 3.0, side="right").item() == 2
    assert tc.bucketize(tc.tensor([3.0, 5.1]), edges, right=True).tolist() == [2, 3]


# --- writing to places ----------------------------------------------------------------------------


def test_of_elements_scattered_to_one_place_the_last_stays_and_has_the_gradient():
    x, src = leaf([0.0, 0.0, 7.0]), leaf([1.0, 2.0, 3.0])
    y = x.scatter(0, tc.tensor([1, 0, 1]), src)
    assert y.tolist() == [2.0, 3.0, 7.0]
    assert slopes(y, src) == [0.0, 1.0, 2.0]
    y = x.scatter(0, tc.tensor([1, 0, 1]), src)
    assert slopes(y, x) == [0.0, 0.0, 3.0]


def test_extremes_that_meet_share():
    x, src = leaf([5.0, 0.0]), leaf([5.0, 2.0, 2.0])
    y = x.scatter_reduce(0, tc.tensor([0, 1, 1]), src, "amax")
    assert y.tolist() == [5.0, 2.0]
    assert slopes(y, x) == [0.5, 0.0]
    y = x.scatter_reduce(0, tc.tensor([0, 1, 1]), src, "amax")
    assert slopes(y, src) == [0.5, 1.0, 1.0]


def test_products_that_meet_at_zero():
    x, src = leaf([2.0]), leaf([0.0, 3.0])
    y = x.scatter_reduce(0, tc.tensor([0, 0]), src, "prod")
    assert slopes(y, src) == [6.0, 0.0]


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("scatter_", (0, tc.tensor([2, 0]), 1.0), [1.0, 0.0, 1.0]),
        ("scatter_", (0, tc.tensor([2, 2]), tc.tensor([1.0, 5.0])), [0.0, 0.0, 5.0]),
        ("scatter_reduce_", (0, tc.tensor([2, 2]), tc.tensor([1.0, 5.0]), "sum"), [0.0, 0.0, 6.0]),
        ("index_add_", (0, tc.tensor([1, 1]), tc.tensor([1.0, 5.0])), [0.0, 6.0, 0.0]),
        ("index_copy_", (0, tc.tensor([1, 0]), tc.tensor([1.0, 5.0])), [5.0, 1.0, 0.0]),
        ("index_fill_", (0, tc.tensor([1]), 2.0), [0.0, 2.0, 0.0]),
        ("index_put_", ((tc.tensor([1]),), tc.tensor(3.0)), [0.0, 3.0, 0.0]),
        ("masked_scatter_", (tc.tensor([True, False, True]), tc.tensor([1.0, 2.0])), [1, 0, 2]),
    ],
)
def test_in_place(name, args, expected):
    x = tc.zeros(3)
    memory = x.numpy()
    assert getattr(x, name)(*args) is x
    assert memory.tolist() == expected


def test_one_hot_by_scatter_as_pytorch_programs_write_it():
    labels = tc.tensor([2, 0])
    assert tc.zeros(2, 3).scatter_(1, labels.unsqueeze(1), 1).tolist() == [[0, 0, 1], [1, 0, 0]]


# --- NumPy's functions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        np.sort, np.median, np.trace, np.cumprod, np.diff, np.tril, np.triu, np.diag, np.diagonal,
        np.diagflat, np.fliplr, np.flipud, np.rot90, np.cov, np.corrcoef, np.nansum, np.nanmean,
        lambda x: np.repeat(x, 2), lambda x: np.repeat(x, 2, axis=1),
        lambda x: np.median(x, axis=1, keepdims=True), lambda x: np.sort(x, axis=None),
        lambda x: np.quantile(x, [0.2, 0.7], axis=0), lambda x: np.cumprod(x, axis=1),
        lambda x: np.split(x, 3, axis=1)[1], lambda x: np.array_split(x, 2, axis=1)[0],
        lambda x: np.hsplit(x, [1])[1], lambda x: np.vsplit(x, 2)[0], lambda x: np.tril(x, k=-1),
        lambda x: np.dstack([x, x]), lambda x: np.column_stack([x, x]),
        lambda x: np.meshgrid(x[0], x[1])[0], lambda x: np.diagonal(x, axis1=1, axis2=0),
    ],
)  # fmt: skip
def test_numpy_functions_record(f):
    x = leaf([[0.5, -1.0, 2.0], [3.0, 1.5, -0.5]])
    y = f(x)
    assert isinstance(y, tc.Tensor) and y.requires_grad
    np.testing.assert_allclose(y.detach(), f(x.detach().numpy()))


# --- making ---------------------------------------------------------------------------------------


def test_places_of_triangles():
    x = tc.arange(9).reshape(3, 3)
    row, column = tc.tril_indices(3, 3, -1)
    assert x[row, column].tolist() == [3, 6, 7]
    row, column = tc.triu_indices(3, 3, offset=1)
    assert x[row, column].tolist() == [1, 2, 5]


def test_new_tensors_take_the_dtype():
    x = tc.tensor([1.5], dtype=tc.float64)
    assert (x.new_zeros(2, 3).shape, x.new_zeros(2, 3).dtype) == ((2, 3), np.float64)
    assert x.new_ones((2,)).tolist() == [1.0, 1.0]
    assert x.new_full((1, 2), 7, dtype=tc.int64).tolist() == [[7, 7]]
    assert x.new_tensor([1, 2]).dtype == np.float64
    assert x.new_zeros(2, requires_grad=True).requires_grad


def test_numbers_on_a_logarithmic_scale():
    assert tc.logspace(-1, 1, 3, base=2.0).tolist() == [0.5, 1.0, 2.0]
    assert tc.logspace(0, 1).shape == (100,)


def test_the_trace_of_a_matrix_is_a_method():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert x.trace().item() == 5.0
    assert slopes(x.trace(), x) == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(errors.ShapeError, match="needs a matrix"):
        tc.ones(3).trace()


# --- bad input ------------------------------------------------------------------------------------

V, M = tc.tensor([1.0, 2.0, 3.0]), tc.tensor(X)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: V.sort(3), errors.ShapeError, "sort: axis 3 does not exist"),
        (lambda: tc.sort(1.0), errors.ShapeError, "sort: needs a tensor with at least one axis"),
        (lambda: V.topk(4), errors.ArgumentError, "topk: k is 4, .* from 0 to 3"),
        (lambda: V.kthvalue(0), errors.ArgumentError, "kthvalue: k is 0, .* from 1 to 3"),
        (lambda: tc.zeros(0).mode(), errors.ShapeError, "mode: .* no elements"),
        (lambda: tc.zeros(0).median(), errors.ShapeError, "median of no elements"),
        (lambda: tc.zeros(2, 0).median(1), errors.ShapeError, "median: .* no elements"),
        (lambda: V.quantile(1.5), errors.ArgumentError, "quantile: q is a number from 0 to 1"),
        (lambda: V.long().quantile(0.5), errors.DtypeError, r"quantile: .* Use x.float\(\)"),
        (lambda: V.quantile(0.5, interpolation="x"), errors.ArgumentError, "one of linear, lower"),
        (lambda: tc.searchsorted(M, V), errors.ShapeError, r"searchsorted: .* \(2, 3\)"),
        (lambda: tc.bucketize(V, M), errors.ShapeError, "bucketize: .* one row"),
        (lambda: V.bincount(), errors.DtypeError, r"bincount: counts integers, .* x.long\(\)"),
        (lambda: tc.bincount(tc.tensor([-1])), errors.ArgumentError, "bincount: .* from 0, got -1"),
        (lambda: V.histc(0), errors.ArgumentError, "histc: needs at least one interval"),
        (lambda: V.cumprod(1), errors.ShapeError, "cumprod: axis 1 does not exist"),
        (lambda: V.long().logcumsumexp(0), errors.DtypeError, "logcumsumexp: works on floats"),
        (lambda: V.diff(-1), errors.ArgumentError, "diff: n is how often"),
        (lambda: V.tril(), errors.ShapeError, "tril: needs a matrix"),
        (lambda: V.diagonal(), errors.ShapeError, "diagonal: "),
        (lambda: tc.diag(tc.zeros(2, 2, 2)), errors.ShapeError, "diag: needs a vector or a matrix"),
        (lambda: V.scatter(0, tc.tensor([3]), 1.0), errors.IndexingError, "scatter: index 3"),
        (lambda: V.scatter(0, tc.tensor([[1]]), 1.0), errors.ShapeError, "scatter: the index has"),
        (lambda: V.scatter(0, tc.tensor([0, 1]), V[:1]), errors.ShapeError, "scatter: src has"),
        (lambda: V.scatter(0, tc.tensor([0]), 1.0, "max"), errors.ArgumentError, "'multiply'"),
        (lambda: V.scatter_reduce(0, tc.tensor([0]), V, "x"), errors.ArgumentError, "one of sum"),
        (lambda: V.index_add(0, tc.tensor([0]), V), errors.ShapeError, r"expected \(1,\)"),
        (lambda: V.index_copy(0, [0, 0], V[:2]), errors.IndexingError, "names an element twice"),
        (lambda: V.index_put((tc.tensor([0, 0]),), V[:2]), errors.IndexingError, "accumulate=True"),
        (lambda: V.index_fill(0, [7], 0.0), errors.IndexingError, "index_fill: index 7"),
        (lambda: V.take(tc.tensor([9])), errors.IndexingError, "take: index 9"),
        (lambda: M.take_along_dim(tc.tensor([0]), 1), errors.ShapeError, "equally many axes"),
        (lambda: V.masked_select(V), errors.DtypeError, "the mask must be boolean"),
        (lambda: V.masked_scatter(V > 0, V[:2]), errors.ShapeError, "True at 3 places"),
        (lambda: V.unfold(0, 4, 1), errors.ShapeError, "a window of 4 does not fit"),
        (lambda: V.unfold(0, 2, 0), errors.ArgumentError, "step must be positive"),
        (lambda: M.unflatten(1, (2, 2)), errors.ShapeError, "reshape"),
        (lambda: M.hsplit(2), errors.ArgumentError, "hsplit: .* cannot be cut into 2 equal"),
        (lambda: V.vsplit(1), errors.ShapeError, "vsplit: needs at least 2 axes"),
        (lambda: V.tensor_split(0), errors.ArgumentError, "a positive number of pieces"),
        (lambda: tc.meshgrid(M), errors.ShapeError, "meshgrid: takes vectors"),
        (lambda: tc.meshgrid(V, indexing="x"), errors.ArgumentError, "'ij' or 'xy'"),
        (lambda: tc.broadcast_tensors(V, V[:2]), errors.ShapeError, "broadcast_tensors: "),
        (lambda: M.combinations(), errors.ShapeError, "combinations: needs a vector"),
        (lambda: V.rot90(), errors.ShapeError, "rot90: "),
        (
            lambda: V.repeat_interleave([1, 2]),
            errors.ShapeError,
            "2 counts for an axis of length 3",
        ),
        (lambda: V.repeat_interleave(-1), errors.ArgumentError, "integers from 0 on"),
        (lambda: tc.zeros(3, 1).cov(), errors.ArgumentError, "cov: 1 observations"),
        (lambda: V.expand_as(V[:2]), errors.ShapeError, "expand"),
        (lambda: tc.tril_indices(-1, 2), errors.ShapeError, "cannot be negative"),
    ],
)
def test_errors_name_the_operation_and_the_cure(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
