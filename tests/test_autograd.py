"""Recording and the backward pass: what PyTorch promises, plus memory and depth."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course.errors import AnomalyError, DtypeError, GraphError
from tinygrad_course.node import Node
from tinygrad_course.tensor import Tensor, View


def leaf(*numbers: float) -> Tensor:
    data = numbers[0] if len(numbers) == 1 else list(numbers)
    return tc.tensor(data, dtype=tc.float64, requires_grad=True)


# --- the slide: J = 3 (a + b c) ------------------------------------------------------------------


def test_the_graph_of_the_slide():
    a, b, c = leaf(5.0), leaf(3.0), leaf(2.0)
    u = b * c
    v = a + u
    J = 3 * v
    for x in (u, v, J):
        x.retain_grad()
    J.backward()
    assert J.item() == 33.0
    assert [x.grad.item() for x in (J, v, u, a, b, c)] == [1.0, 3.0, 3.0, 3.0, 6.0, 9.0]


# --- backward ------------------------------------------------------------------------------------


def test_gradients_accumulate_until_zeroed():
    x = leaf(2.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 8.0
    x.zero_grad()
    assert x.grad is None
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_a_tensor_used_several_times():
    x = leaf(3.0)
    y = x * x + x * x * x + x
    y.backward()
    assert x.grad.item() == 2 * 3 + 3 * 9 + 1
    x.zero_grad()
    (x - x).backward()
    assert x.grad.item() == 0.0


def test_only_leaves_that_ask_get_a_gradient():
    x, k = leaf(1.0, 2.0), tc.tensor([3.0, 4.0])
    y = x * k
    y.sum().backward()
    assert k.grad is None
    assert y.grad is None
    assert x.grad.tolist() == [3.0, 4.0]


def test_backward_of_a_leaf_itself():
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_backward_from_a_given_cotangent():
    x = leaf(1.0, 2.0)
    (x * x).backward(tc.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    x.zero_grad()
    (x * x).backward([1.0, 0.0])
    assert x.grad.tolist() == [2.0, 0.0]
    x.zero_grad()
    (x * x).backward(gradient=np.array([0.0, 1.0]))
    assert x.grad.tolist() == [0.0, 4.0]


def test_backward_from_several_outputs():
    x = leaf(2.0)
    u, v = x * 3, x * x
    tc.autograd.backward([u, v], [None, tc.tensor(10.0)])
    assert x.grad.item() == 3.0 + 40.0
    x.zero_grad()
    w = x * 5
    tc.autograd.backward([w, w])
    assert x.grad.item() == 10.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: (x * x).backward(), "only a scalar"),
        (lambda x: (x * x).backward(tc.ones(3)), "shape"),
        (lambda x: tc.tensor(1.0).backward(), "no graph"),
        (lambda x: (x.detach() * 2).sum().backward(), "no graph"),
        (lambda x: tc.autograd.backward([x.sum()], [None, None]), "one for each"),
        (lambda x: tc.autograd.grad(x.sum(), tc.tensor(1.0)), "does not require grad"),
        (lambda x: tc.autograd.grad(x.sum(), leaf(1.0)), "no gradient reaches"),
    ],
)
def test_what_backward_refuses(call, words):
    with pytest.raises(GraphError, match=words):
        call(leaf(1.0, 2.0))


def test_a_spent_graph_says_so():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphError, match="retain_graph=True"):
        y.backward()
    z = x * x
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 18.0


def test_part_of_a_spent_graph():
    x = leaf(3.0)
    u = x * x
    (u * 2).backward()
    with pytest.raises(GraphError, match="'mul' was used by an earlier"):
        (u * 3).backward()


def test_integers_have_no_gradient():
    with pytest.raises(DtypeError, match="only floats have gradients"):
        tc.tensor([1, 2], requires_grad=True)
    x = leaf(1.5, 2.5)
    assert not x.to(tc.int64).requires_grad
    assert not (x > 2).requires_grad
    assert not x.argmax().requires_grad


def test_gradients_do_not_share_memory():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = tc.tensor([1.0, 1.0], dtype=tc.float64)
    (a + b).backward(seed)
    assert not np.shares_memory(a.grad.numpy(), b.grad.numpy())
    assert not np.shares_memory(a.grad.numpy(), seed.numpy())
    a.grad += 1
    assert b.grad.tolist() == [1.0, 1.0]
    c = leaf(1.0, 2.0)
    c.reshape(2, 1).T.sum().backward()
    c.grad += 1  # writable memory of its own, not a view of a repeated number
    assert c.grad.tolist() == [2.0, 2.0]


def test_a_shared_subexpression_is_visited_once():
    calls = []

    class Count(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            calls.append(g.item())
            return g * 2

    x = leaf(1.0)
    y = Count.apply(x)
    (y + y * y + y).backward()
    assert calls == [2.0 + 2 * 2.0]


# --- grad ----------------------------------------------------------------------------------------


def test_grad_leaves_dot_grad_alone():
    x = leaf(2.0)
    (g,) = tc.autograd.grad(x**3, x)
    assert g.item() == 12.0
    assert x.grad is None


def test_grad_with_respect_to_computed_tensors():
    x = leaf(2.0)
    u = x * x
    v = u * 3
    gu, gx = tc.autograd.grad(v * v, [u, x])
    assert gu.item() == 2 * 12 * 3
    assert gx.item() == 2 * 12 * 3 * 4
    (gy,) = tc.autograd.grad(u, u)
    assert gy.item() == 1.0


def test_grad_stops_at_its_inputs_and_leaves_the_graph_beyond_them_usable():
    x = leaf(2.0)
    u = x * x
    (gu,) = tc.autograd.grad(u * u, u)
    u.backward(gu)
    assert x.grad.item() == 4 * 8.0


def test_grad_of_several_outputs():
    x = leaf(2.0)
    (g,) = tc.autograd.grad([x * 3, x * x], [x], grad_outputs=[tc.tensor(1.0), tc.tensor(2.0)])
    assert g.item() == 3 + 8


def test_unused_inputs():
    x, other = leaf(2.0), leaf(1.0)
    g, none = tc.autograd.grad(x * x, [x, other], allow_unused=True)
    assert (g.item(), none) == (4.0, None)


def test_grad_retains_the_graph_only_when_asked():
    x = leaf(2.0)
    y = x * x
    tc.autograd.grad(y, x, retain_graph=True)
    tc.autograd.grad(y, x)
    with pytest.raises(GraphError, match="retain_graph"):
        tc.autograd.grad(y, x)


def test_create_graph_gives_higher_orders():
    x = leaf(2.0)
    y = x**5
    orders = [y]
    for _ in range(5):
        (g,) = tc.autograd.grad(orders[-1], x, create_graph=True)
        orders.append(g)
    assert [o.item() for o in orders] == [32.0, 80.0, 160.0, 240.0, 240.0, 120.0]


def test_backward_with_create_graph_makes_a_differentiable_grad():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    (h,) = tc.autograd.grad(x.grad, x)
    assert h.item() == 18.0


def test_a_gradient_penalty():
    w, x = leaf(0.5, -1.0), leaf(2.0, 3.0)
    (g,) = tc.autograd.grad((w * x).sum().tanh(), x, create_graph=True)
    penalty = (g * g).sum()
    penalty.backward()

    def value(w, x):
        t = np.tanh(np.sum(w * x))
        return np.sum(((1 - t * t) * w) ** 2)

    from numeric import assert_close, differences

    for got, expected in zip(
        (w.grad, x.grad), differences(value, [w.numpy(), x.numpy()]), strict=True
    ):
        assert_close(got.numpy(), expected, 1e-9)


# --- hooks ---------------------------------------------------------------------------------------


def test_hooks_see_and_replace_gradients():
    x = leaf(2.0)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    handle = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (y * y).backward(retain_graph=True)
    assert seen == [12.0]
    assert x.grad.item() == 12.0 * 10 * 3 + 1
    handle.remove()
    x.zero_grad()
    (y * y).backward()
    assert x.grad.item() == 12.0 * 3 + 1


def test_a_hook_of_a_leaf_runs_once_with_the_whole_gradient():
    x = leaf(2.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + 3 * x).backward()
    assert seen == [7.0]
    tc.autograd.grad(x * x, x)
    assert seen == [7.0, 4.0]


def test_hooks_under_create_graph_stay_differentiable():
    x = leaf(2.0)
    y = x * x
    handle = y.register_hook(lambda g: g * g)
    (g,) = tc.autograd.grad(y**2, x, create_graph=True)  # (2 x²)² 2 x = 8 x⁵
    assert g.item() == 8 * 32.0
    handle.remove()
    assert tc.autograd.grad(g, x)[0].item() == 40 * 16.0


def test_a_hook_must_keep_the_shape():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match="hook: returned"):
        (x * x).sum().backward()
    with pytest.raises(GraphError, match="does not require grad"):
        tc.tensor(1.0).register_hook(print)


def test_retain_grad():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0]
    assert not np.shares_memory(y.grad.numpy(), x.grad.numpy())


# --- modes ---------------------------------------------------------------------------------------


def test_no_grad_and_enable_grad():
    x = leaf(2.0)
    with tc.no_grad():
        assert not tc.is_grad_enabled()
        assert not (x * x).requires_grad
        with tc.enable_grad():
            y = x * x
        assert not (x * x).requires_grad
    assert tc.is_grad_enabled()
    y.backward()
    assert x.grad.item() == 4.0


def test_modes_as_decorators_and_after_an_error():
    @tc.no_grad()
    def evaluate(x):
        assert not tc.is_grad_enabled()
        return x * 2

    assert not evaluate(leaf(1.0)).requires_grad
    with pytest.raises(ZeroDivisionError), tc.no_grad():
        1 / 0  # noqa: B018
    assert tc.is_grad_enabled()
    with tc.set_grad_enabled(False):
        assert not tc.is_grad_enabled()
        with tc.set_grad_enabled(True):
            assert tc.is_grad_enabled()
    with pytest.raises(RecursionError):
        recurse()
    assert tc.is_grad_enabled()


@tc.no_grad()
def recurse():
    recurse()


def test_modes_are_per_thread():
    inside, checked = threading.Event(), threading.Event()
    seen = []

    def other():
        inside.wait(5)
        seen.append((leaf(1.0) * 2).requires_grad)
        checked.set()

    thread = threading.Thread(target=other)
    thread.start()
    with tc.no_grad():
        inside.set()
        assert checked.wait(5)
    thread.join()
    assert seen == [True]


def test_modes_are_per_task():
    async def quiet(log):
        with tc.no_grad():
            await asyncio.sleep(0.01)
            log.append(("quiet", tc.is_grad_enabled()))

    async def loud(log):
        for _ in range(3):
            await asyncio.sleep(0.005)
            log.append(("loud", tc.is_grad_enabled()))

    async def both():
        log: list[tuple[str, bool]] = []
        await asyncio.gather(quiet(log), loud(log))
        return log

    assert set(asyncio.run(both())) == {("quiet", False), ("loud", True)}


def test_threads_differentiate_their_own_graphs():
    results = {}

    def work(k: int) -> None:
        x = leaf(float(k))
        for _ in range(50):
            x.zero_grad()
            (x * x * x).backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: 3.0 * k * k for k in range(4)}


def test_detach_cuts_the_graph():
    x = leaf(2.0)
    y = x * x
    (y.detach() * x).backward()
    assert x.grad.item() == 4.0
    assert y.detach().is_leaf
    assert np.shares_memory(y.detach().numpy(), y.numpy())
    assert not y.detach().requires_grad


def test_requires_grad_can_be_declined():
    x = leaf(1.0)
    x.requires_grad_(False)
    assert not (x * 2).requires_grad
    y = leaf(1.0) * 2
    with pytest.raises(GraphError, match="only a leaf"):
        y.requires_grad_(False)


# --- anomalies -----------------------------------------------------------------------------------


def test_detect_anomaly_names_the_operation_and_the_line_forward():
    x = leaf(1.0, -1.0)
    with pytest.raises(AnomalyError) as caught, tc.detect_anomaly():
        tc.log(x)  # the line
    assert "log: made nan at index (1,)" in str(caught.value)
    assert f"{__file__}:" in str(caught.value)
    assert _line_of(caught, "tc.log(x)  # the line")


def test_detect_anomaly_names_the_operation_and_the_line_backward():
    x = leaf(0.0, 4.0)
    with tc.detect_anomaly():
        y = x.sqrt()  # finite here, not its derivative
        with pytest.raises(AnomalyError) as caught:
            y.sum().backward()
    assert "sqrt: its derivative made inf at index (0,)" in str(caught.value)
    assert _line_of(caught, "y = x.sqrt()  # finite")


def test_detect_anomaly_lets_given_infinities_pass():
    with tc.detect_anomaly():
        y = tc.tensor([np.inf, 1.0]) * 2
    assert y.tolist() == [np.inf, 2.0]


def _line_of(caught, source: str) -> bool:
    number = int(str(caught.value).split(f"{__file__}:")[1].split(". ")[0].split(",")[0])
    with open(__file__, encoding="utf-8") as file:
        return source in file.readlines()[number - 1]


# --- copies --------------------------------------------------------------------------------------


def test_leaves_can_be_copied_and_pickled():
    x = leaf(1.0, 2.0)
    x.name = "x"
    (x * x).sum().backward()
    for y in (copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))):
        assert y.tolist() == [1.0, 2.0]
        assert y.requires_grad
        assert y.name == "x"
        assert y.grad.tolist() == [2.0, 4.0]
        assert not np.shares_memory(y.numpy(), x.numpy())
    with pytest.raises(GraphError, match=r"detach\(\).clone"):
        copy.deepcopy(x * 2)


# --- memory and depth ----------------------------------------------------------------------------


def _training_step(w, b, x, target):
    a = tc.sigmoid(x @ w + b)
    loss = ((a - target) ** 2).mean() + (w[0] * w.T).sum() * 1e-3
    w.zero_grad()
    b.zero_grad()
    loss.backward()
    with tc.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
    return loss.item()


def test_ten_thousand_steps_leave_nothing_behind():
    w = tc.randn(3, 1, requires_grad=True)
    b = tc.zeros(1, requires_grad=True)
    x, target = tc.randn(4, 3), tc.rand(4, 1)
    for _ in range(50):
        _training_step(w, b, x, target)
    gc.collect()
    gc.disable()
    ours = (Tensor, Node, View)
    # Those that other tests keep, such as data shared by a module's tests.
    alive = sum(isinstance(o, ours) for o in gc.get_objects())
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            _training_step(w, b, x, target)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for _ in range(9_500):
            _training_step(w, b, x, target)
        # No cycles: with the collector off, everything was freed at once.
        assert sum(isinstance(o, ours) for o in gc.get_objects()) <= alive + 10
        assert gc.collect() == 0
    finally:
        gc.enable()
        tracemalloc.stop()
    assert after - before < 20_000


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: (x * x).sum().backward(),
        lambda x: (x * x).sum().backward(create_graph=False, retain_graph=True),
        lambda x: tc.autograd.grad((x**3).sum(), x, create_graph=True),
        lambda x: tc.cat([x, x]).reshape(2, -1)[0].sum().backward(),
        lambda x: (x * 1).mul_(x).sum().backward(),
        lambda x: (x * 1)[0].add_(x[1]).backward(),
        lambda x: tc.hessian(lambda v: (v**3).sum())(x),
        lambda x: (x * 2).register_hook(lambda g: g * 2),
        lambda x: (x * 2).retain_grad(),
        lambda x: tc.einsum("i,i", x, x).backward(),
    ],
)
def test_no_reference_cycles(compute):
    x = leaf(1.0, 2.0)
    compute(x)
    x.zero_grad()
    gc.collect()
    gc.disable()
    try:
        compute(x)
        x.zero_grad()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("length", [100_000, 1_000_000])
def test_a_long_chain(length):
    """Built, differentiated and freed without recursion: the slope of x + 1e-6 + 1e-6 + … is 1."""
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = y + 1e-6
    y.backward()
    assert x.grad.item() == 1.0
    assert y.item() == pytest.approx(1.0 + 1e-6 * length)
    del y


def test_a_long_chain_to_second_order():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.00001
    z = y * y
    (g,) = tc.autograd.grad(z, x, create_graph=True)
    (h,) = tc.autograd.grad(g, x)
    slope = 1.00001**20_000
    assert g.item() == pytest.approx(2 * slope**2, rel=1e-9)
    assert h.item() == pytest.approx(2 * slope**2, rel=1e-9)


def test_a_wide_sum():
    xs = [leaf(float(k)) for k in range(2_000)]
    total = tc.stack(xs).sum()
    total.backward()
    assert all(x.grad.item() == 1.0 for x in xs)
    y = xs[0] * 1
    total = sum((y for _ in range(5_000)), leaf(0.0))
    xs[0].zero_grad()
    total.backward()
    assert xs[0].grad.item() == 5_000.0


def test_gradients_of_many_slices_add_up() -> None:
    """Pieces are added in place, and nothing that a user holds is written to."""
    x = tc.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    g = tc.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    y = x[0] * 2 + x[1] * x[0] + x[[1, 1, 2]].sum(0) + x[:, 1].sum()
    (y.sum() + (x * g).sum()).backward()
    assert x.grad is not None
    # 2 + x[1], x[0] + 2 and 1; 2 more in column 1, whose sum is added twice; and g everywhere.
    assert x.grad.tolist() == [[6.0, 9.0], [4.0, 7.0], [2.0, 4.0]]
    assert g.tolist() == [[1.0, 1.0]] * 3
    z = x.clone()
    start = tc.ones(3, 2)
    tc.autograd.backward([z, z[0] + z[0]], [start, tc.ones(2)])
    assert start.tolist() == [[1.0, 1.0]] * 3
    number = tc.tensor(2.0, requires_grad=True)
    (number[None] * 3 + number[None, None] + number[...]).sum().backward()
    assert number.grad is not None and number.grad.item() == 5.0
    assert x.grad.tolist() == [[9.0, 12.0], [5.0, 8.0], [3.0, 5.0]]
