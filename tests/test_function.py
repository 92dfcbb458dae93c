"""Custom operations: a forward and a backward written by the user, as in PyTorch."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course.errors import GraphError, ShapeError


class Cube(tc.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class Scale(tc.Function):
    """With an argument that is no tensor, and one that needs no gradient."""

    @staticmethod
    def forward(ctx, x, factor, offset):
        ctx.factor = factor
        return x * factor + offset

    @staticmethod
    def backward(ctx, g):
        assert ctx.needs_input_grad == (True, False, False)
        return g * ctx.factor, None, None


class Polar(tc.Function):
    """Two inputs, two outputs of different shapes."""

    @staticmethod
    def forward(ctx, x, y):
        r = (x * x + y * y).sqrt()
        ctx.save_for_backward(x, y, r)
        return r, tc.stack([x, y])

    @staticmethod
    def backward(ctx, g_radius, g_pair):
        x, y, r = ctx.saved_tensors
        return g_radius * x / r + g_pair[0], g_radius * y / r + g_pair[1]


class Exp(tc.Function):
    """Saves its own output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


def leaf(*numbers):
    data = numbers[0] if len(numbers) == 1 else list(numbers)
    return tc.tensor(data, dtype=tc.float64, requires_grad=True)


def test_first_and_higher_derivatives():
    x = leaf(2.0)
    y = Cube.apply(x)
    assert y.item() == 8.0
    (g,) = tc.autograd.grad(y, x, create_graph=True)
    (h,) = tc.autograd.grad(g, x, create_graph=True)
    (k,) = tc.autograd.grad(h, x)
    assert (g.item(), h.item(), k.item()) == (12.0, 12.0, 6.0)


def test_inside_a_graph():
    x = leaf(1.0, 2.0)
    (Cube.apply(x * 2) * x).sum().backward()  # 8 x⁴
    assert x.grad.tolist() == [32.0, 256.0]


def test_arguments_that_are_no_tensors():
    x = leaf(1.0, 2.0)
    y = Scale.apply(x, 3.0, tc.tensor([1.0, 1.0]))
    y.sum().backward()
    assert y.tolist() == [4.0, 7.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_several_inputs_and_outputs():
    x, y = leaf(3.0), leaf(4.0)
    r, pair = Polar.apply(x, y)
    assert (r.item(), pair.tolist()) == (5.0, [3.0, 4.0])
    (r * 10 + pair[1] * 100).backward()
    assert x.grad.item() == pytest.approx(6.0)
    assert y.grad.item() == pytest.approx(8.0 + 100.0)


def test_one_of_several_outputs_alone():
    x, y = leaf(3.0), leaf(4.0)
    r, _ = Polar.apply(x, y)
    r.backward()
    assert (x.grad.item(), y.grad.item()) == (pytest.approx(0.6), pytest.approx(0.8))


def test_an_output_that_is_an_input():
    class Same(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    y = Same.apply(x)
    assert y is not x
    assert not np.shares_memory(y.numpy(), x.numpy())
    y.backward()
    assert x.grad.item() == 2.0


def test_without_recording_it_only_computes():
    x = leaf(2.0)
    with tc.no_grad():
        assert not Cube.apply(x).requires_grad
    assert not Cube.apply(tc.tensor(2.0)).requires_grad
    assert Cube.apply(tc.tensor(2.0)).item() == 8.0


def test_no_memory_is_held_in_cycles():
    x = leaf(2.0)
    Exp.apply(x).backward()
    x.zero_grad()
    gc.collect()
    gc.disable()
    try:
        for function in (Exp, Cube):
            function.apply(x).backward()
            function.apply(x)
            x.zero_grad()
        Polar.apply(x, leaf(1.0))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_gradients_do_not_alias():
    class Twice(tc.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g, g

    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    Twice.apply(a, b).sum().backward()
    a.grad += 1
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_backward_may_return_arrays():
    class Square(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return tc.from_numpy(np.square(x.numpy()))

        @staticmethod
        def backward(ctx, g):
            return g.numpy() * 2 * ctx.saved_tensors[0].numpy()

    x = leaf(3.0, 4.0)
    Square.apply(x).sum().backward()
    assert x.grad.tolist() == [6.0, 8.0]


def test_wrong_backwards():
    class TooMany(Cube):
        @staticmethod
        def backward(ctx, g):
            return g, g

    class WrongShape(Cube):
        @staticmethod
        def backward(ctx, g):
            return g.sum()

    with pytest.raises(GraphError, match=r"TooMany.backward: returned 2 gradients, .* 1 argument"):
        TooMany.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(ShapeError, match=r"WrongShape.backward: returned shape \(\)"):
        WrongShape.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(NotImplementedError, match="forward"):
        tc.Function.apply(leaf(1.0))


def test_an_input_changed_in_place_after_use():
    x = leaf(2.0)
    u = x * 1
    y = Cube.apply(u)
    u += 1
    with pytest.raises(GraphError, match="changed in place"):
        y.backward()


def test_a_backward_that_overwrites_what_is_still_needed_is_refused():
    w = tc.tensor([2.0, 3.0], requires_grad=True)

    class Vandal(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            with tc.no_grad():
                w.fill_(100.0)
            return g

    y = Vandal.apply(w * w).sum()
    with pytest.raises(tc.errors.InplaceError):
        y.backward()
