"""Computed numbers stay NumPy scalars inside; nobody may notice."""

import copy

import numpy as np
import pytest

import tinygrad_course as tc


@pytest.fixture
def y():
    x = tc.tensor(3.0, requires_grad=True)
    return x * 2


def test_it_is_an_array_outside(y):
    assert type(y.numpy()) is np.ndarray
    assert type(np.asarray(y)) is np.ndarray
    assert y.numpy() is y.numpy()
    assert y.shape == () and y.dtype == np.float32


def test_writes_through_the_array_are_seen(y):
    z = (y * 1).detach()
    z.numpy()[...] = 5
    assert z.item() == 5


def test_changes_in_place_keep_the_history():
    x = tc.tensor(3.0, requires_grad=True)
    y = x * 2
    y += 1
    y *= 10
    y.backward()
    assert y.item() == 70 and x.grad.item() == 20


def test_a_view_of_a_computed_number_shares_its_memory():
    x = tc.tensor(3.0, requires_grad=True)
    y = x * 2
    row = y.reshape(1)
    row *= 5
    assert y.item() == 30
    y.backward()
    assert x.grad.item() == 10


def test_a_detached_alias_shares_its_memory(y):
    alias = y.detach()
    alias.fill_(4.0)
    assert y.item() == 4


def test_an_overwritten_number_is_refused():
    x = tc.tensor(3.0, requires_grad=True)
    y = x * 2
    z = y * y
    with tc.no_grad():
        y.mul_(2)
    with pytest.raises(tc.errors.InplaceError):
        z.backward()


def test_division_by_zero_is_infinite_not_an_error():
    x = tc.tensor(1.0) * 1
    assert (x / 0).item() == np.inf
    assert np.isnan(((x - 1) / 0).item())


def test_gradients_are_separate_arrays():
    a = tc.tensor(1.0, requires_grad=True)
    b = tc.tensor(1.0, requires_grad=True)
    ((a + b) * 3).backward()
    a.grad.mul_(2)
    assert (a.grad.item(), b.grad.item()) == (6, 3)


def test_precision_follows_the_dtype():
    x = tc.tensor(0.1, dtype=tc.float64, requires_grad=True)
    assert (x * 3).dtype == np.float64
    assert (tc.tensor(0.1) * 3).dtype == np.float32
    assert (tc.tensor(2) * 3).dtype == np.int64


def test_copies(y):
    z = y.detach()
    assert copy.deepcopy(z).item() == 6
    assert y.clone().item() == 6
