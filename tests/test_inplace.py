"""In-place changes and views: the right gradient or a clear error, never a wrong gradient."""

from __future__ import annotations

import os

import numpy as np
import pytest
from alias_programs import KINDS, Dual, Step, Tensors, execute
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_course as tc
from tinygrad_course.errors import InplaceError

LEAVES = [
    np.array([[0.4, -0.7, 0.2], [-0.3, 0.9, -0.5]]),
    np.array([0.6, -0.2, 0.8]),
    np.array([[-0.1, 0.5, 0.7], [0.3, -0.6, -0.9]]),
]
NEEDS = [True, True, False]
DIRECTIONS = [
    [np.array([[1.0, -0.5, 0.3], [0.7, 0.2, -1.1]]), np.array([0.9, -1.3, 0.4]), np.zeros((2, 3))],
    [np.array([[-0.2, 0.8, 0.6], [-1.2, 0.1, 0.5]]), np.array([0.3, 0.7, -0.6]), np.zeros((2, 3))],
]

MORE = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1
small = st.integers(0, 60)
steps = st.builds(
    Step, st.sampled_from(KINDS), small, small, small, st.sampled_from([False, False, False, True])
)


def gradient_is_right_or_refused(program: list[Step]) -> str:
    """Run a program, then compare every gradient with the reference."""
    duals = [Dual(LEAVES, d) for d in DIRECTIONS]
    tensors = Tensors(LEAVES, NEEDS)
    with np.errstate(over="ignore", invalid="ignore"):
        execute(program, duals, tensors)
    weights = [0.3 + 0.1 * k for k in range(len(tensors.pool))]
    for x, (values, _) in zip(tensors.pool, duals[0].pool, strict=True):
        if not np.all(np.abs(values) < 1e3):
            return "too large to compare"
        np.testing.assert_allclose(x.numpy(), values, rtol=1e-11, atol=1e-12)
    total = sum((x.sin() * w).sum() for x, w in zip(tensors.pool, weights, strict=True))
    np.testing.assert_allclose(total.item(), duals[0].loss(weights)[0], rtol=1e-9, atol=1e-11)
    leaves = [x for x, needs in zip(tensors.leaves, NEEDS, strict=True) if needs]
    for recorded in (True, False):
        try:
            found = tc.autograd.grad(
                total, leaves, retain_graph=True, create_graph=recorded, allow_unused=True
            )
        except InplaceError:
            return "refused"
        for dual, direction in zip(duals, DIRECTIONS, strict=True):
            got = sum(
                float(np.sum(g.numpy() * d))
                for g, d in zip(found, direction, strict=False)
                if g is not None
            )
            np.testing.assert_allclose(got, dual.loss(weights)[1], rtol=1e-8, atol=1e-9)
    return "right"


@settings(max_examples=MORE * 400)
@given(st.lists(steps, min_size=1, max_size=12))
def test_random_programs(program):
    gradient_is_right_or_refused(program)


def test_most_programs_are_computed_not_refused():
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(150):
        program = [
            Step(
                KINDS[rng.integers(len(KINDS))],
                *map(int, rng.integers(0, 60, 3)),
                rng.random() < 0.2,
            )
            for _ in range(6)
        ]
        outcomes.append(gradient_is_right_or_refused(program))
    assert outcomes.count("right") > 120


# --- the smallest case of each kind --------------------------------------------------------------


def leaf(*numbers: float) -> tc.Tensor:
    return tc.tensor(list(numbers), dtype=tc.float64, requires_grad=True)


def test_add_in_place_between_forward_and_backward():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y * 1.0
    y += 10  # neither rule reads y
    (y + z).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_an_overwritten_value_that_the_derivative_needs_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y * y
    y += 1
    with pytest.raises(InplaceError, match="'mul' needs its input .* changed in place"):
        z.sum().backward()


def test_an_overwritten_result_that_the_derivative_needs_is_refused():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(InplaceError, match="'exp' needs its result"):
        y.sum().backward()


def test_a_tensor_times_itself_in_place():
    x = leaf(2.0, 3.0)
    y = x * 1
    y *= y
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_a_matrix_times_its_own_transpose_in_place():
    x = tc.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=tc.float64, requires_grad=True)
    y = x * 1
    y *= y.T  # y[i, j] = x[i, j] x[j, i]
    y.sum().backward()
    assert x.grad.tolist() == [[2.0, 6.0], [4.0, 8.0]]


def test_a_write_through_a_view_reaches_the_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:].mul_(10)
    assert y.tolist() == [1.0, 20.0, 30.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0]


def test_a_write_to_the_base_reaches_its_views():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    part = y[:2]
    y *= 5
    assert part.tolist() == [5.0, 10.0]
    part.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0, 0.0]


def test_a_view_of_a_view_of_a_view():
    x = tc.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = x * 1
    y.T[1:].reshape(2, 2)[0] *= 7
    (y * y).sum().backward()
    expected = 2 * np.arange(6.0).reshape(2, 3)
    expected[:, 1] *= 49
    assert x.grad.tolist() == expected.tolist()


def test_views_of_one_element_are_views():
    y = tc.zeros(3)
    element = y[1]
    element += 5
    assert y.tolist() == [0.0, 5.0, 0.0]


def test_item_assignment_stops_the_gradient_of_what_it_replaces():
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2
    y[1] = v[0] * 3
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 2.0]
    assert v.grad.tolist() == [3.0]


def test_assigning_values_with_more_axes():
    y = tc.zeros(2, 3)
    v = tc.ones(1, 3, requires_grad=True)
    y[0] = v
    y.sum().backward()
    assert v.grad.tolist() == [[1.0, 1.0, 1.0]]


def test_assigning_a_list_keeps_the_precision():
    y = tc.zeros(2, dtype=tc.float64)
    y[:] = [0.1, 0.2]
    assert y.tolist() == [0.1, 0.2]


def test_a_mask_changed_after_use_is_refused():
    x = leaf(1.0, 2.0)
    mask = tc.tensor([True, False])
    y = tc.where(mask, x, 0.0)
    mask[0] = False
    with pytest.raises(InplaceError):
        y.sum().backward()


def test_an_index_changed_after_use_is_refused():
    x = leaf(1.0, 2.0)
    index = tc.tensor([0, 0])
    y = x[index]
    index += 1
    with pytest.raises(InplaceError):
        y.sum().backward()


def test_an_array_used_as_operand_is_copied():
    x = leaf(1.0, 2.0)
    buffer = np.array([3.0, 4.0])
    y = x * buffer
    buffer[:] = 0
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.zero_(),
        lambda x: x[0].fill_(1.0),
        lambda x: x.reshape(1, 2).mul_(2),
    ],
)
def test_a_leaf_that_requires_grad_is_not_written_while_recording(write):
    x = leaf(1.0, 2.0)
    with pytest.raises(InplaceError, match="leaf that requires grad .*no_grad"):
        write(x)
    with tc.no_grad():
        write(x)


def test_an_optimizer_step_between_forward_and_backward():
    w, x = leaf(1.0, 2.0), tc.tensor([3.0, 4.0], dtype=tc.float64)
    linear = (w * x).sum()  # reads x for w's gradient
    square = (w * w).sum()  # reads w
    with tc.no_grad():
        w -= 0.1
    linear.backward()
    assert w.grad.tolist() == [3.0, 4.0]
    with pytest.raises(InplaceError):
        square.backward()


def test_training_by_hand_under_no_grad():
    w = leaf(5.0)
    for _ in range(100):
        loss = ((w - 2) ** 2).sum()
        w.zero_grad()
        loss.backward()
        with tc.no_grad():
            w -= 0.2 * w.grad
    assert w.item() == pytest.approx(2.0, abs=1e-12)


def test_assigning_data_of_a_leaf():
    w = leaf(1.0, 2.0)
    used = (w * w).sum()
    w.data = tc.tensor([5.0, 6.0], dtype=tc.float64)
    with pytest.raises(InplaceError):
        used.backward()
    (w * w).sum().backward()
    assert w.grad.tolist() == [10.0, 12.0]


def test_assigning_data_of_a_result():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.data = np.array([10.0, 20.0])
    (y * y).sum().backward()  # d(y²) = 2 y · 3 with the new y
    assert x.grad.tolist() == [60.0, 120.0]


def test_a_write_to_data_is_seen_but_not_recorded():
    x = leaf(1.0, 2.0)
    y = x * 3
    z = y * 2
    y.data.fill_(100.0)
    assert y.tolist() == [100.0, 100.0]
    z.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    u = x * 3
    v = u * u
    u.data.zero_()
    with pytest.raises(InplaceError):
        v.sum().backward()


def test_detached_aliases_take_part_in_the_check():
    x = leaf(1.0, 2.0)
    y = x.exp()
    alias = y.detach()
    alias += 1
    with pytest.raises(InplaceError):
        y.sum().backward()


def test_a_stale_view_used_under_no_grad_keeps_its_history():
    x = leaf(1.0, 2.0, 3.0)
    part = x[1:]
    with tc.no_grad():
        x *= 10
        assert part.sum().item() == 50.0
    part.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0]


def test_a_view_learns_that_its_base_requires_grad():
    base, x = tc.zeros(3, dtype=tc.float64), leaf(1.0, 2.0, 3.0)
    part = base[:2]
    assert not part.requires_grad
    base += x
    assert part.requires_grad
    assert not part.is_leaf
    part.mul_(4)
    base.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 1.0]


def test_views_of_gradients_can_be_written():
    x = leaf(1.0, 2.0)
    y = x.reshape(2, 1) * 3
    (g,) = tc.autograd.grad(y.sum(), x, create_graph=True)
    with tc.no_grad():
        g.mul_(0.5)
    assert (g * 1).tolist() == [1.5, 1.5]


def test_expanded_memory_is_not_written():
    y = tc.zeros(3).expand(2, 3)
    for write in (lambda: y.add_(1), lambda: y.__setitem__(0, 1.0), lambda: y.exp_()):
        with pytest.raises(InplaceError, match="read-only"):
            write()


def test_a_read_only_array_is_not_written():
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    with pytest.raises(InplaceError, match="read-only"):
        tc.from_numpy(fixed).add_(1)


def test_results_that_do_not_fit():
    with pytest.raises(ValueError, match=r"add_: the result has shape \(2, 3\)"):
        tc.zeros(3).add_(tc.zeros(2, 3))
    with pytest.raises(TypeError, match="add_: a result of dtype float64"):
        tc.tensor([1, 2]).add_(0.5)
    x = tc.zeros(2)
    x += np.ones(2)  # float64 into float32, as NumPy and PyTorch do
    assert x.dtype == np.float32


def test_duplicate_indices_are_refused():
    x = tc.zeros(3)
    with pytest.raises(IndexError, match="twice"):
        x[[0, 0]] = 1.0


def test_masked_fill_in_place_broadcasts_its_mask():
    x = tc.zeros(2, 3)
    x.masked_fill_(tc.tensor([True, False, True]), 1.0)
    assert x.tolist() == [[1.0, 0.0, 1.0]] * 2
    with pytest.raises(TypeError, match="boolean"):
        x.masked_fill_(tc.tensor([1, 0, 1]), 1.0)


def test_scatter_add_in_place():
    x = tc.zeros(3)
    x.scatter_add_(0, tc.tensor([0, 2, 0]), tc.tensor([1.0, 2.0, 3.0]))
    assert x.tolist() == [4.0, 0.0, 2.0]


def test_a_long_chain_of_views_is_refreshed_without_recursion():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = base
    for _ in range(5_000):
        view = view[:]
    base *= 3
    view.mul_(2)
    base.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
