"""Compiled against eager: every operation and every public function, on fresh inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_samples import COMPOSED, OPS, Call, Sample

import tinygrad_course as tc
from tinygrad_course.op import REGISTRY
from tinygrad_course.ops import FUNCTIONS
from tinygrad_course.tensor import apply

CASES = [
    pytest.param(name, sample, id=f"{name}-{k}{'c' if listed is COMPOSED else ''}")
    for listed in (OPS, COMPOSED)
    for name, samples in listed.items()
    for k, sample in enumerate(samples)
    if (name, k) != ("t", 1)  # returns its argument: nothing is computed
]


def function_of(name: str, sample: Sample) -> Callable[..., Any]:
    if isinstance(sample, Call):
        return FUNCTIONS[name]
    op = REGISTRY[name]
    return lambda *args, **params: apply(op, args, {**op.defaults, **params})


def leaves(value: Any) -> list[Any]:
    """Return the arrays in arguments."""
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in leaves(part)]
    return [value] if isinstance(value, np.ndarray) else []


def filled(value: Any, tensors: Any) -> Any:
    """Return arguments with tensors in the place of arrays."""
    if isinstance(value, (list, tuple)) and leaves(value):
        return type(value)(filled(part, tensors) for part in value)
    return next(tensors) if isinstance(value, np.ndarray) else value


def fresh(arrays: list[Any], k: int) -> list[Any]:
    """Return inputs of other values, still inside of the operation's domain."""
    rng = np.random.default_rng(k)
    made = []
    for a in arrays:
        if a.dtype.kind == "f":
            made.append(a * (1 + 0.02 * k * rng.uniform(-1, 1, a.shape)))
        elif a.dtype.kind == "b":
            made.append(rng.random(a.shape) < 0.5 if k else a)
        else:
            made.append(a)
    return made


def tracked(arrays: list[Any]) -> list[Any]:
    return [tc.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def results(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in results(part)]
    return [value]


def the(a: Any, b: Any) -> None:
    """Assert that two tensors are the same."""
    assert (a is None) == (b is None)
    if a is None:
        return
    x, y = a.numpy(), b.numpy()
    assert x.shape == y.shape and x.dtype == y.dtype
    np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


def has_program(compiled: Any) -> bool:
    """Return whether there is one, or cannot be: with a mask that selects now more, now fewer."""
    text = compiled.explain()
    return not text.startswith("no program") or "a mask selects" in text


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_results_and_derivatives(name: str, sample: Sample) -> None:
    f = function_of(name, sample)
    arrays = leaves(sample.args)

    def plain(*xs: Any) -> Any:
        return f(*filled(sample.args, iter(xs)), **sample.params)

    def back(*xs: Any) -> Any:
        found = results(plain(*xs))
        total = sum(y.cos().sum() for y in found if y.requires_grad)
        total.backward()
        return found, total

    quick, quick_back = tc.compile(plain), tc.compile(back)
    tc.manual_seed(3)
    values = [fresh(arrays, i) for i in range(3)]
    for given in values:
        xs = [tc.tensor(a) for a in given]
        state = tc.random.get_rng_state()
        with tc.no_grad():
            expected = results(plain(*xs))
            after = tc.random.get_rng_state()
            tc.random.set_rng_state(state)
            found = results(quick(*xs))
        assert tc.random.get_rng_state() == after
        for a, b in zip(found, expected, strict=True):
            the(a, b)
    assert quick.traced == 1 and has_program(quick)
    if not any(y.requires_grad for y in results(plain(*tracked(values[0])))):
        return
    for given in values:
        one, two = tracked(given), tracked(given)
        state = tc.random.get_rng_state()
        expected, total = back(*one)
        tc.random.set_rng_state(state)
        found, again = quick_back(*two)
        the(again, total)
        for a, b in zip(found, expected, strict=True):
            the(a, b)
        for a, b in zip(two, one, strict=True):
            the(a.grad, b.grad)
    assert has_program(quick_back)
