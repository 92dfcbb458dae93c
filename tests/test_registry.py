"""Every operation against its samples: values, derivatives of two orders, dtypes, memory, names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numeric import assert_close, differences, slope_along
from op_samples import COMPOSED, OPS, Call, Sample, floats
from op_samples_arranging import AXIS_CALLS, KEEP_DTYPES

import tinygrad_course as tc
from tinygrad_course.op import REGISTRY
from tinygrad_course.ops import FUNCTIONS
from tinygrad_course.tensor import Tensor, apply

# Answers with a bool or recorded elsewhere: tested in ops/test_compare.py.
QUESTIONS = {"equal", "allclose"}
# The registry as the package defines it; other tests may register operations of their own.
PRIMITIVE = {name: made for name, made in REGISTRY.items() if made.kind != "custom"}


def each(*lists: dict[str, list[Any]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test per operation of a check of one sample; a failure names the sample."""
    cases = [pytest.param(n, listed, id=n) for samples in lists for n, listed in samples.items()]

    def make(check: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize(("name", "samples"), cases)
        def test(name: str, samples: list[Sample]) -> None:
            for sample in samples:
                try:
                    check(name, sample)
                except Exception as error:
                    error.add_note(f"in the sample {name}({sample})")
                    raise

        test.__name__ = check.__name__
        test.__doc__ = check.__doc__
        return test

    return make


each_op = each(OPS)
each_call = each(COMPOSED)
each_function = each(OPS, COMPOSED)


# --- one way to call operations and composed functions --------------------------------------------


def run(name: str, sample: Sample, args: tuple[Any, ...]) -> list[Tensor]:
    """Return the results of a sample's call on other arguments, as a list."""
    if isinstance(sample, Call):
        result = FUNCTIONS[name](*args, **sample.params)
    else:
        made = PRIMITIVE[name]
        result = apply(made, args, {**made.defaults, **sample.params})
    return list(result) if isinstance(result, (tuple, list)) else [result]


def arrays_of(sample: Sample) -> list[np.ndarray]:
    """Return the float arrays of a call, those in lists too."""
    found = []
    for a in sample.args:
        for part in a if isinstance(a, (list, tuple)) else [a]:
            if isinstance(part, np.ndarray) and part.dtype.kind == "f":
                found.append(part)
    return found


def fill(sample: Sample, values: list[Any]) -> tuple[Any, ...]:
    """Return the arguments of a call with its float arrays replaced, in order."""
    rest = iter(values)

    def swap(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(swap(part) for part in a)
        return next(rest) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

    return tuple(swap(a) for a in sample.args)


def leaves(sample: Sample, dtype: Any = np.float64) -> list[Tensor]:
    return [tc.tensor(a.astype(dtype), requires_grad=True) for a in arrays_of(sample)]


def weights(outputs: list[Any]) -> list[np.ndarray]:
    """Return fixed weights, so that a sum of outputs has a cotangent without symmetry."""
    return [floats(*np.shape(y), low=0.5, high=1.5, key=f"w{k}") for k, y in enumerate(outputs)]


def scalar(outputs: list[Tensor]) -> Tensor | None:
    """Return the weighted sum of the differentiable outputs."""
    total = None
    for y, w in zip(outputs, weights(outputs), strict=True):
        if y.requires_grad:
            part = (y * w.astype(y.dtype)).sum()
            total = part if total is None else total + part
    return total


def value(name: str, sample: Sample, arrays: list[np.ndarray]) -> float:
    """Return the same weighted sum, from arrays alone."""
    with tc.no_grad():
        outputs = run(name, sample, fill(sample, [tc.tensor(a) for a in arrays]))
    return sum(
        float(np.sum(y.numpy() * w))
        for y, w in zip(outputs, weights(outputs), strict=True)
        if y.dtype.kind == "f"
    )


# --- the list is complete -------------------------------------------------------------------------


def test_every_operation_has_a_sample():
    assert set(OPS) == set(PRIMITIVE)
    assert all(OPS.values())


def test_every_public_function_has_a_sample():
    composed = {id(f): n for n, f in FUNCTIONS.items() if not hasattr(f, "op")}
    names = {n for n, f in FUNCTIONS.items() if composed.get(id(f)) and n == f.__name__}
    assert set(COMPOSED) == names - QUESTIONS
    assert all(COMPOSED.values())


def test_every_operation_is_documented():
    for name, made in PRIMITIVE.items():
        assert made.doc, name
        assert made.symbol, name
        assert made.text, name


# --- values ---------------------------------------------------------------------------------------


@each_call
def test_composed_equals_numpy(name, sample):
    got = run(name, sample, fill(sample, [tc.tensor(a) for a in arrays_of(sample)]))
    params = {k: v for k, v in sample.params.items() if k != "dim"}
    expected = sample.numpy(*sample.args, **params)
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    assert len(got) == len(expected)
    for y, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(y.numpy(), np.asarray(e), rtol=1e-13, atol=1e-14)
        assert y.dtype == np.asarray(e).dtype


# --- derivatives ----------------------------------------------------------------------------------


@each_function
def test_first_derivative(name, sample):
    points = leaves(sample)
    total = scalar(run(name, sample, fill(sample, points)))
    if total is None:
        return  # no derivative
    total.backward()
    expected = differences(
        lambda *arrays: value(name, sample, list(arrays)), [p.numpy() for p in points]
    )
    for k, (p, e) in enumerate(zip(points, expected, strict=True)):
        got = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        assert_close(got, e, 1e-9, f"{name} {sample}, input {k}")


@each_function
def test_second_derivative(name, sample):
    """The gradient of ⟨v, gradient⟩ against differences of the (tested) first derivative."""
    points = leaves(sample)

    def slope(points: list[Tensor]) -> Tensor | None:
        total = scalar(run(name, sample, fill(sample, points)))
        if total is None:
            return None
        first = tc.autograd.grad(total, points, create_graph=True, allow_unused=True)
        parts = [
            (g * floats(*g.shape, key=f"v{k}")).sum()
            for k, g in enumerate(first)
            if g is not None and g.requires_grad
        ]
        return sum(parts[1:], parts[0]) if parts else None

    def at(*arrays: np.ndarray) -> float:
        y = slope([tc.tensor(a, requires_grad=True) for a in arrays])
        assert y is not None
        return y.item()

    y = slope(points)
    if y is None:
        return  # no derivative, or a constant one
    found = tc.autograd.grad(y, points, allow_unused=True)
    got = [
        np.zeros(p.shape) if g is None else g.numpy() for p, g in zip(points, found, strict=True)
    ]
    # Two random directions see every wrong element; one input at a time names the wrong one.
    for k in range(len(points)):
        for key in "uv":
            direction = [np.zeros(p.shape) for p in points]
            direction[k] = floats(*points[k].shape, key=key)
            expected = slope_along(at, [p.numpy() for p in points], direction)
            assert_close(np.sum(got[k] * direction[k]), expected, 2e-8, f"input {k}")


@each_function
def test_recorded_derivative_equals_the_fast_one(name, sample):
    results = []
    for recorded in (False, True):
        points = leaves(sample)
        total = scalar(run(name, sample, fill(sample, points)))
        if total is None:
            return  # no derivative
        results.append(tc.autograd.grad(total, points, create_graph=recorded, allow_unused=True))
    for fast, recorded in zip(*results, strict=True):
        assert (fast is None) == (recorded is None)
        if fast is not None:
            assert fast.dtype == recorded.dtype
            np.testing.assert_allclose(recorded.numpy(), fast.numpy(), rtol=1e-14, atol=1e-15)


# --- dtypes, layouts, memory ----------------------------------------------------------------------


@each_function
def test_float32_stays_float32(name, sample):
    if sample.params.get("dtype") or not arrays_of(sample):
        return  # the dtype is asked for, or there is no float
    if any(isinstance(a, np.ndarray) and a.dtype.kind == "i" for a in sample.args) and name in (
        "floor_divide",
    ):
        return  # integers
    points = leaves(sample, np.float32)
    outputs = run(name, sample, fill(sample, points))
    for y in outputs:
        assert y.dtype == np.float32 or y.dtype.kind in "bi"
    total = scalar(outputs)
    if total is None:
        return
    for recorded in (True, False):
        found = tc.autograd.grad(
            total, points, create_graph=recorded, retain_graph=True, allow_unused=True
        )
        assert all(g is None or g.dtype == np.float32 for g in found)


@each_function
def test_mixed_dtypes_promote_and_gradients_follow_their_inputs(name, sample):
    wide = arrays_of(sample)
    apart = ("assign", "assign_view", "setitem", "place", "pool_place", "pool_pick")
    if len(wide) < 2 or name in apart:
        return  # needs two floats that meet
    points = [
        tc.tensor(a.astype(np.float32 if k == 0 else np.float64), requires_grad=True)
        for k, a in enumerate(wide)
    ]
    outputs = run(name, sample, fill(sample, points))
    total = scalar(outputs)
    if total is None:
        return  # no derivative
    patterns = PRIMITIVE[name].like if name in PRIMITIVE else ()
    if not patterns and name not in ("scatter_add", "scatter_into", *KEEP_DTYPES):
        assert outputs[0].dtype == np.float64
    total.backward()
    for p in points:
        assert p.grad is None or p.grad.dtype == p.dtype


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """Return the same values in other memory: Fortran order, negative strides, read-only."""
    backward = x[tuple(slice(None, None, -1) for _ in range(x.ndim))].copy()
    fixed = x.copy()
    fixed.flags.writeable = False
    return [
        np.asfortranarray(x) if x.ndim else x.copy(),
        backward[tuple(slice(None, None, -1) for _ in range(x.ndim))] if x.ndim else x.copy(),
        np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
        fixed,
    ]


@each_function
def test_layout_does_not_matter_and_inputs_stay_unchanged(name, sample):
    if name == "bernoulli_mask" or not arrays_of(sample):
        return  # random, or without floats

    def compute(arrays: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
        points = [tc.from_numpy(a).requires_grad_() for a in arrays]
        outputs = run(name, sample, fill(sample, points))
        for y in outputs:
            if y.requires_grad:
                g = weights([y])[0]
                g.flags.writeable = False
                y.backward(g, retain_graph=True)
        grads = [None if p.grad is None else p.grad.numpy() for p in points]
        return [y.numpy() for y in outputs], grads

    plain = [a.copy() for a in arrays_of(sample)]
    values, grads = compute(plain)
    for kind in range(4):
        arrays = [layouts(a)[kind] for a in plain]
        for a in arrays:
            a.flags.writeable = False
        others, other_grads = compute(arrays)
        for a, b in zip(values, others, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-14)
        for a, b in zip(grads, other_grads, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-14)
        for a, b in zip(plain, arrays, strict=True):
            np.testing.assert_array_equal(a, b)


@each_op
def test_backward_changes_neither_cotangent_nor_values(name, sample):
    points = leaves(sample)
    outputs = run(name, sample, fill(sample, points))
    for y in outputs:
        if not y.requires_grad:
            continue
        before = y.numpy().copy()
        g = weights([y])[0]
        kept = g.copy()
        y.backward(g)
        np.testing.assert_array_equal(g, kept)
        np.testing.assert_array_equal(y.numpy(), before)
        for k, p in enumerate(points):
            if p.grad is not None:
                assert not np.shares_memory(p.grad.numpy(), g)
                assert not any(
                    np.shares_memory(p.grad.numpy(), q.grad.numpy())
                    for q in points[k + 1 :]
                    if q.grad is not None
                )


@each_op
def test_only_views_share_memory(name, sample):
    made = PRIMITIVE[name]
    arrays = [a.copy() if isinstance(a, np.ndarray) else a for a in sample.args]
    tensors = [tc.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays]
    (y,) = run(name, sample, tuple(tensors))
    others = arrays[1:] if made.view else arrays
    assert not any(np.shares_memory(y.numpy(), a) for a in others if isinstance(a, np.ndarray))
    advanced = any(p == "array" for p in sample.params.get("index", ()) if isinstance(p, str))
    if made.view and y.numel() and not advanced:
        assert np.shares_memory(y.numpy(), arrays[0])
        assert y._view is not None and y._view.base is tensors[0]


# --- names, keywords, methods ---------------------------------------------------------------------


def axis_users() -> list[str]:
    found = []
    for name, f in FUNCTIONS.items():
        parameters = inspect.signature(f).parameters
        if "axis" in parameters and name == f.__name__ and name not in ("gather", "scatter_add"):
            found.append(name)
    return found


@pytest.mark.parametrize("name", axis_users())
def test_both_names_of_axes_work(name):
    f = FUNCTIONS[name]
    parameters = inspect.signature(f).parameters
    more: dict[str, Any] = {
        "cat": {}, "stack": {}, "split": {"split_size": 1}, "chunk": {"chunks": 2},
        "narrow": {"start": 0, "length": 1}, "select": {"index": 0}, "index_select": {"index": [0]},
        "roll": {"shifts": 1}, "cosine_similarity": {"x2": floats(2, 3, key="b")},
    }.get(name, AXIS_CALLS.get(name, {}))  # fmt: skip
    shape = (2, 4) if name == "glu" else (2, 3)
    x: Any = floats(*shape) > 0 if name in ("all", "any") else floats(*shape)
    x = tc.tensor(x)
    first = [x, x] if list(parameters)[0] == "tensors" else x
    spellings = [{"axis": 1}, {"dim": 1}]
    if name in ("flip", "roll"):
        spellings.append({"dims": 1})
    if "keepdims" in parameters:
        spellings = [{a: 1, k: True} for a in ("axis", "dim") for k in ("keepdims", "keepdim")]
    if name == "unsqueeze":
        spellings = [{"axis": 2}, {"dim": 2}]
    results = [f(first, **more, **s) for s in spellings]
    for other in results[1:]:
        a, b = (r if isinstance(r, tuple) else (r,) for r in (results[0], other))
        for p, q in zip(a, b, strict=True):
            assert p.shape == q.shape
            np.testing.assert_array_equal(p.numpy(), q.numpy())
    with pytest.raises((TypeError, ValueError), match="same|two values"):
        f(first, **more, axis=0, dim=0)


@each_op
def test_function_and_method_agree(name, sample):
    made = PRIMITIVE[name]
    if not hasattr(FUNCTIONS.get(name), "op") or name == "where":
        return  # not public, or a method with its own order of arguments
    if not isinstance(sample.args[0], np.ndarray):
        return  # a number has no methods
    x, *rest = [tc.tensor(a) if isinstance(a, np.ndarray) else a for a in sample.args]
    a = FUNCTIONS[name](x, *rest, **sample.params)
    b = getattr(x, name)(*rest, **sample.params)
    c = apply(made, (x, *rest), {**made.defaults, **sample.params})
    for y in (b, c):
        assert y.dtype == a.dtype
        np.testing.assert_array_equal(y.numpy(), a.numpy())


@each_call
def test_composed_function_and_method_agree(name, sample):
    if not isinstance(sample.args[0], np.ndarray) or not hasattr(Tensor, name):
        return  # takes a list, or a string; or PyTorch has no such method
    args = fill(sample, [tc.tensor(a) for a in arrays_of(sample)])
    args = (tc.as_tensor(args[0]), *args[1:])
    a = FUNCTIONS[name](*args, **sample.params)
    b = getattr(args[0], name)(*args[1:], **sample.params)
    pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
    for p, q in pairs:
        np.testing.assert_array_equal(p.numpy(), q.numpy())


# In place, they give the tensor another shape on the same memory, instead of other values.
CHANGE_SHAPE = ("unsqueeze", "squeeze", "transpose", "swapaxes", "t")


def inplace_names() -> list[str]:
    return [
        n
        for n, f in FUNCTIONS.items()
        if hasattr(Tensor, f"{n}_") and n not in ("scatter_add", *CHANGE_SHAPE)
    ]


@pytest.mark.parametrize("name", CHANGE_SHAPE)
def test_in_place_a_view_changes_the_shape(name):
    canonical = FUNCTIONS[name].__name__.rstrip("_")
    for sample in {**OPS, **COMPOSED}[canonical]:
        x, *rest = [tc.tensor(a) if isinstance(a, np.ndarray) else a for a in sample.args]
        x.requires_grad_()
        expected = FUNCTIONS[name](x, *rest, **sample.params)
        copy = x.clone()
        memory = copy.numpy()
        assert getattr(copy, f"{name}_")(*rest, **sample.params) is copy
        assert copy.shape == expected.shape
        assert np.shares_memory(copy.numpy(), memory)
        np.testing.assert_array_equal(copy.numpy(), expected.numpy())
        w = weights([expected])[0]
        (a,) = tc.autograd.grad(expected, x, w)
        (b,) = tc.autograd.grad(copy, x, w, retain_graph=True)
        np.testing.assert_array_equal(b.numpy(), a.numpy())
        copy.mul_(2)  # what is written later is written to the same memory, with its derivative
        np.testing.assert_array_equal(memory, 2 * x.detach().numpy())
        (b,) = tc.autograd.grad(copy, x, w)
        np.testing.assert_array_equal(b.numpy(), 2 * a.numpy())
        with pytest.raises(tc.errors.InplaceError, match="leaf that requires grad"):
            getattr(x, f"{name}_")(*rest, **sample.params)


@pytest.mark.parametrize("name", inplace_names())
@pytest.mark.parametrize("tracked", [False, True])
def test_inplace_form_agrees(name, tracked):
    listed = COMPOSED if name in COMPOSED else OPS
    canonical = FUNCTIONS[name].__name__.rstrip("_")
    for sample in listed[canonical] if canonical in listed else COMPOSED.get(canonical, []):
        if not isinstance(sample.args[0], np.ndarray) or sample.args[0].dtype.kind != "f":
            continue
        x, *rest = [tc.tensor(a) if isinstance(a, np.ndarray) else a for a in sample.args]
        if tracked:
            x.requires_grad_()
        expected = FUNCTIONS[name](x, *rest, **sample.params)
        if expected.shape != x.shape:
            with pytest.raises(ValueError, match="does not fit"):
                getattr(x.clone(), f"{name}_")(*rest, **sample.params)
            continue
        copy = x.clone()
        memory = copy.numpy()
        result = getattr(copy, f"{name}_")(*rest, **sample.params)
        assert result is copy
        assert copy.numpy() is memory
        np.testing.assert_array_equal(copy.numpy(), expected.numpy())
        if tracked and expected.requires_grad:
            w = weights([expected])[0]
            (a,) = tc.autograd.grad(expected, x, w, allow_unused=True)
            (b,) = tc.autograd.grad(copy, x, w, allow_unused=True)
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-15)
