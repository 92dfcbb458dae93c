"""Optimizers: trajectories against PyTorch and against the published algorithms."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import optim
from tinygrad_course.errors import InplaceError, StateDictError, TinygradCourseError
from tinygrad_course.modes import record_all
from tinygrad_course.node import Node
from tinygrad_course.optim.optimizer import assignments

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
START = GOLDEN["start"]
RUNS = GOLDEN["optimizers"]


def gradient(p: Any, t: int, place: int) -> Any:
    """The gradient of make_golden.py."""
    i = np.arange(len(p))
    return 0.3 * (i + 1) * p + np.cos(t + i + 2 * place)


def options_of(key: str) -> dict[str, Any]:
    options = dict(RUNS[key]["options"])
    if "betas" in options:
        options["betas"] = tuple(options["betas"])
    return options


def build(key: str, dtype: Any = np.float64) -> tuple[list[tc.Tensor], optim.Optimizer]:
    params = [tc.tensor(values, dtype=dtype, requires_grad=True) for values in START]
    return params, getattr(optim, RUNS[key]["name"])(params, **options_of(key))


def advance(params: list[tc.Tensor], optimizer: optim.Optimizer, times: range) -> list[Any]:
    path = []
    for t in times:
        for place, p in enumerate(params):
            g = gradient(p.numpy().astype(np.float64), t, place)
            p.grad = tc.tensor(g.astype(p.dtype))
        optimizer.step()
        path.append([x for p in params for x in p.tolist()])
    return path


# Against PyTorch


@pytest.mark.parametrize("key", RUNS)
def test_trajectory_equals_pytorch(key: str) -> None:
    path = advance(*build(key), range(100))
    kept = path[:10] + path[19::10]  # as in make_golden.py
    np.testing.assert_allclose(kept, RUNS[key]["path"], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("key", RUNS)
def test_float32_stays_float32_and_near_pytorch(key: str) -> None:
    params, optimizer = build(key, np.float32)
    path = advance(params, optimizer, range(100))
    assert [p.dtype for p in params] == [np.float32] * 2
    for entry in optimizer.state.values():
        assert all(v.dtype == np.float32 for k, v in entry.items() if k != "step")
    np.testing.assert_allclose(path[-1], RUNS[key]["last32"], rtol=2e-4, atol=2e-5)


# Against the published algorithms, one line of the paper per line


def published_sgd(
    p: Any, grads: Callable[..., Any], n: int, lr: float, mu: float, nes: bool
) -> Any:
    v = 0 * p
    for t in range(n):
        g = grads(p, t)
        v = mu * v + g
        p = p - lr * (g + mu * v) if nes else p - lr * v
    return p


def published_adam(p: Any, grads: Callable[..., Any], n: int, alpha: float, ams: bool) -> Any:
    m, v, largest = 0 * p, 0 * p, 0 * p
    for t in range(1, n + 1):
        g = grads(p, t - 1)
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        largest = np.maximum(largest, v)
        m_hat = m / (1 - 0.9**t)
        v_hat = (largest if ams else v) / (1 - 0.999**t)
        p = p - alpha * m_hat / (np.sqrt(v_hat) + 1e-8)
    return p


def published_adamw(p: Any, grads: Callable[..., Any], n: int, alpha: float, decay: float) -> Any:
    m, v = 0 * p, 0 * p
    for t in range(1, n + 1):
        g = grads(p, t - 1)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        p = p - alpha * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + decay * p)
    return p


def published_rmsprop(p: Any, grads: Callable[..., Any], n: int, lr: float, centered: bool) -> Any:
    square, mean = 0 * p, 0 * p
    for t in range(n):
        g = grads(p, t)
        square = 0.99 * square + 0.01 * g**2
        mean = 0.99 * mean + 0.01 * g
        variance = square - mean**2 if centered else square
        p = p - lr * g / (np.sqrt(variance) + 1e-8)
    return p


def published_adagrad(p: Any, grads: Callable[..., Any], n: int, lr: float) -> Any:
    total = 0 * p
    for t in range(n):
        g = grads(p, t)
        total = total + g**2
        p = p - lr * g / (np.sqrt(total) + 1e-10)
    return p


@pytest.mark.parametrize(
    ("made", "published", "numbers"),
    [
        (lambda p: optim.SGD(p, 0.05), published_sgd, (0.05, 0.0, False)),
        (lambda p: optim.SGD(p, 0.05, momentum=0.9), published_sgd, (0.05, 0.9, False)),
        (lambda p: optim.SGD(p, 0.05, 0.9, nesterov=True), published_sgd, (0.05, 0.9, True)),
        (lambda p: optim.Adam(p, 0.1), published_adam, (0.1, False)),
        (lambda p: optim.Adam(p, 0.1, amsgrad=True), published_adam, (0.1, True)),
        (lambda p: optim.AdamW(p, 0.1, weight_decay=0.2), published_adamw, (0.1, 0.2)),
        (lambda p: optim.RMSprop(p, 0.02), published_rmsprop, (0.02, False)),
        (lambda p: optim.RMSprop(p, 0.02, centered=True), published_rmsprop, (0.02, True)),
        (lambda p: optim.Adagrad(p, 0.3), published_adagrad, (0.3,)),
    ],
)
def test_forty_steps_follow_the_publication(made: Any, published: Any, numbers: Any) -> None:
    start = np.array(START[0])
    w = tc.tensor(start, requires_grad=True)
    optimizer = made([w])
    advance([w], optimizer, range(40))
    expected = published(start, lambda p, t: gradient(p, t, 0), 40, *numbers)
    # Centered: the first variances are differences of nearly equal numbers.
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-7)


# By hand


def stepped(make: Any, values: list[float], grads: list[list[float]]) -> list[float]:
    w = tc.tensor(np.array(values), requires_grad=True)
    optimizer = make([w])
    for g in grads:
        w.grad = tc.tensor(np.array(g))
        optimizer.step()
    return w.tolist()  # type: ignore[no-any-return]


def test_first_steps_by_hand() -> None:
    # v1 = 2, p1 = 1 - 0.5*2 = 0; v2 = 0.5*2 + 3 = 4, p2 = 0 - 0.5*4 = -2
    assert stepped(lambda p: optim.SGD(p, 0.5, momentum=0.5), [1.0], [[2.0], [3.0]]) == [-2.0]
    # Nesterov: p1 = 1 - 0.5*(2 + 0.5*2) = -0.5; v2 = 4, p2 = -0.5 - 0.5*(3 + 2) = -3
    made = stepped(lambda p: optim.SGD(p, 0.5, 0.5, nesterov=True), [1.0], [[2.0], [3.0]])
    assert made == [-3.0]
    # Dampening is not applied at the first step: v1 = 2, v2 = 0.5*2 + 0.75*4 = 4
    made = stepped(lambda p: optim.SGD(p, 1.0, 0.5, dampening=0.25), [10.0], [[2.0], [4.0]])
    assert made == [4.0]
    # Weight decay: g = 2 + 0.5*4 = 4
    assert stepped(lambda p: optim.SGD(p, 0.25, weight_decay=0.5), [4.0], [[2.0]]) == [3.0]
    # Adam's first step is lr in the direction of -sign(g), whatever its size.
    made = stepped(lambda p: optim.Adam(p, 0.5, eps=0), [1.0, 1.0], [[1e-3, -1e6]])
    assert made == pytest.approx([0.5, 1.5], abs=1e-12)
    # Adagrad after g = 3, 4: 1 - 1 - 4/5
    made = stepped(lambda p: optim.Adagrad(p, 1.0, eps=0), [1.0], [[3.0], [4.0]])
    assert made == pytest.approx([-0.8])
    # RMSprop: s = 0.75*0 + 0.25*4 = 1
    assert stepped(lambda p: optim.RMSprop(p, 0.5, 0.75, eps=0), [1.0], [[2.0]]) == [0.0]


def test_maximize_climbs() -> None:
    for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad):
        w = tc.tensor([0.1], requires_grad=True)
        w.grad = tc.tensor([2.0])
        kind([w], lr=0.01, maximize=True).step()
        assert w.item() > 0.1


# State


@pytest.mark.parametrize("key", RUNS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resumed_from_a_checkpoint_bit_for_bit(key: str, dtype: Any, tmp_path: Path) -> None:
    params, optimizer = build(key, dtype)
    advance(params, optimizer, range(7))
    middle = [p.numpy().copy() for p in params]
    tc.save(optimizer.state_dict(), tmp_path / "state.safetensors")
    whole = advance(params, optimizer, range(7, 20))

    again = [tc.tensor(a, requires_grad=True) for a in middle]
    kind = getattr(optim, RUNS[key]["name"])
    resumed = kind(again, lr=123.0)  # its options come from the state dict
    resumed.load_state_dict(tc.load(tmp_path / "state.safetensors"))
    assert advance(again, resumed, range(7, 20)) == whole


def test_state_dict_is_a_copy_numbered_by_position() -> None:
    params, optimizer = build("adam")
    advance(params, optimizer, range(2))
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["params"] == [0, 1]
    assert sorted(saved["state"][1]) == ["exp_avg", "exp_avg_sq", "step"]
    assert saved["state"][0]["step"] == 2
    before = saved["state"][0]["exp_avg"].copy()
    advance(params, optimizer, range(2, 4))
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"], before)
    optimizer.load_state_dict(saved)
    saved["state"][0]["exp_avg"][:] = 99
    assert optimizer.state[params[0]]["exp_avg"].tolist() == before.tolist()


def test_state_dict_that_does_not_fit_changes_nothing() -> None:
    params, optimizer = build("adam")
    advance(params, optimizer, range(3))
    good = optimizer.state_dict()
    other = [tc.ones(5, requires_grad=True), tc.ones(1, requires_grad=True)]
    wrong_shape = optim.Adam(other, lr=9.0)
    for p in other:
        p.grad = tc.ones_like(p)
    wrong_shape.step()
    momentum = optim.SGD(params, lr=1.0, momentum=0.9)
    advance(params, momentum, range(1))
    one_parameter = optim.Adam(params[:1]).state_dict()
    stray = {**good, "state": {7: good["state"][0]}}
    for bad, message in [
        ({}, "expected the keys"),
        (wrong_shape.state_dict(), "shape"),
        (momentum.state_dict(), "another kind"),
        (one_parameter, r"groups of \[1\] parameters, expected \[2\]"),
        (stray, "parameter 7"),
        ({**good, "param_groups": [{**good["param_groups"][0], "lr": -1.0}]}, "lr=-1"),
    ]:
        with pytest.raises((StateDictError, ValueError), match=message):
            optimizer.load_state_dict(bad)
    now = optimizer.state_dict()
    assert now["param_groups"] == good["param_groups"]
    for number in (0, 1):
        for name in ("exp_avg", "exp_avg_sq", "step"):
            np.testing.assert_array_equal(now["state"][number][name], good["state"][number][name])


def test_parameters_without_gradient_are_left_alone_and_keep_their_own_count() -> None:
    for key in ("sgd", "adam", "sgd_momentum"):
        params, optimizer = build(key)
        params[0].grad = tc.ones_like(params[0])
        optimizer.step()
        assert params[1].tolist() == START[1]
        assert params[0].tolist() != START[0]
        assert params[1] not in optimizer.state
    params, optimizer = build("adam")
    params[0].grad = tc.ones_like(params[0])
    optimizer.step()
    params[1].grad = tc.tensor(np.array([5.0]))
    optimizer.step()
    # The second parameter's first step: bias correction counts from its own 1.
    assert params[1].item() == pytest.approx(-0.75 - 0.1, abs=1e-8)


def test_groups_have_options_of_their_own() -> None:
    a, b = (tc.ones(2, requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.25)
    a.grad = b.grad = tc.ones(2)
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.75, 0.75], [0.5, 0.5])
    optimizer.param_groups[1]["lr"] = 0.125
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.5, 0.5], [0.375, 0.375])
    c = tc.ones((), requires_grad=True)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    assert len(optimizer.param_groups) == 3
    c.grad = tc.ones(())
    optimizer.step()
    assert c.item() == 0.75
    assert "group 2" in repr(optimizer)


def test_named_parameters_are_accepted_and_named() -> None:
    w = tc.ones(2, requires_grad=True)
    optimizer = optim.SGD([("layer.W", w)], lr=0.5)
    assert optimizer.param_groups[0]["param_names"] == ["layer.W"]
    w.grad = tc.ones(2)
    optimizer.step()
    assert w.tolist() == [0.5, 0.5]


def test_changing_options_between_steps() -> None:
    w = tc.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    w.grad = tc.tensor([1.0])
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    optimizer.step()
    assert w.item() == 1.0 - 0.5 - 0.5 - 0.75
    optimizer.param_groups[0]["lr"] = np.float64(0.25)  # a NumPy number must not promote
    optimizer.step()
    assert w.dtype == np.float32


def test_zero_grad() -> None:
    params, optimizer = build("sgd")
    for p in params:
        p.grad = tc.ones_like(p)
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is not None and params[0].grad.tolist() == [0.0] * 4
    assert kept is not None and kept.tolist() == [1.0] * 4
    optimizer.zero_grad()
    assert [p.grad for p in params] == [None, None]


def test_closure_is_called_with_gradients_on() -> None:
    w = tc.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def closure() -> tc.Tensor:
        optimizer.zero_grad()
        J = (w * w).sum()
        J.backward()
        return J

    with tc.no_grad():
        loss = optimizer.step(closure)
    assert (loss.item(), w.item()) == (4.0, 1.0)


def test_replaced_and_odd_memory() -> None:
    w = tc.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    w.data = np.array([3.0, 4.0])
    w.grad = tc.tensor(np.array([2.0, 2.0]))
    optimizer.step()
    assert w.tolist() == [2.0, 3.0]
    fortran = tc.from_numpy(np.asfortranarray(np.ones((3, 2)))).requires_grad_()
    strided = tc.from_numpy(np.ones((4, 4))[::-2, ::2]).requires_grad_()
    empty = tc.zeros(0, 3, requires_grad=True)
    scalar = tc.tensor(1.0, requires_grad=True)
    params = [fortran, strided, empty, scalar]
    for optimizer in (optim.SGD(params, 0.5), optim.Adam(params, 0.5, eps=0)):
        for p in params:
            p.grad = tc.ones_like(p)
        optimizer.step()
    assert all((p.numpy() == 0).all() for p in params)
    assert empty.shape == (0, 3)


# The graph


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_step_between_forward_and_backward_is_refused(name: str) -> None:
    w = tc.tensor([1.0, 2.0], requires_grad=True)
    optimizer = getattr(optim, name)([w], lr=0.1)
    J = (w * w).sum()
    w.grad = tc.ones(2)
    optimizer.step()
    with pytest.raises(InplaceError, match="optimizer step"):
        J.backward()
    w.grad = None
    J = (w * w).sum()
    J.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy())


def test_a_step_is_seen_through_views_of_the_parameter() -> None:
    w = tc.tensor([1.0, 2.0], requires_grad=True)
    head = w[:1]
    w.grad = tc.ones(2)
    optim.SGD([w], lr=0.5).step()
    assert head.tolist() == [0.5]
    (head * head).sum().backward()
    assert w.grad.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("key", RUNS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_formula_gives_the_same_bits_on_tensors(key: str, dtype: Any) -> None:
    """The update is one formula: recorded on tensors it computes what it does on arrays."""
    plain, eager = build(key, dtype)
    seen, traced = build(key, dtype)
    advance(plain, eager, range(3))
    advance(seen, traced, range(3))
    noted: list[Any] = []
    token = assignments.set(noted)
    try:
        with record_all():
            advance(seen, traced, range(3, 6))
    finally:
        assignments.reset(token)
    advance(plain, eager, range(3, 6))
    for p, q in zip(plain, seen, strict=True):
        # The recorded power of beta may differ from Python's in the last bit of a float64.
        if dtype is np.float32 or not RUNS[key]["name"].startswith("Adam"):
            np.testing.assert_array_equal(p.numpy(), q.numpy())
        else:
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-14)
        assert q.is_leaf and q.requires_grad
    assert {id(p) for p in seen} <= {id(state) for state, _ in noted}
    for state, value in noted[-2:]:
        assert value._node is not None and value._node.op.name == "assign"
        assert state.is_leaf
    # Afterwards plain steps go on from there, and the state is plain numbers again.
    advance(plain, eager, range(6, 9))
    advance(seen, traced, range(6, 9))
    for p, q in zip(plain, seen, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6)
    for entry in traced.state_dict()["state"].values():
        assert entry["step"] == 9 or RUNS[key]["name"] == "SGD"


def test_update_on_tensors_directly() -> None:
    g = np.array([1.0, -2.0, 0.5], np.float32)
    arrays = [np.full(3, v, np.float32) for v in (1.0, 0.0, 0.0)]
    tensors = [tc.tensor(a) for a in arrays]
    for t in range(1, 6):
        numbers = (0.9, 0.999, 1e-8, 0.01, False)
        optim.Adam.update(arrays[0], g, 0.1, t, arrays[1], arrays[2], None, *numbers)
        with record_all():
            optim.Adam.update(
                tensors[0], tc.tensor(g), 0.1, t, tensors[1], tensors[2], None, *numbers
            )
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())


# Bad input


def leaf(*shape: int) -> tc.Tensor:
    return tc.ones(*shape, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD([]), "no parameters"),
        (lambda: optim.SGD(leaf(1)), "one tensor"),
        (lambda: optim.SGD({"W": leaf(1)}), "dict"),
        (lambda: optim.SGD(3), "int"),
        (lambda: optim.SGD({leaf(1)}), "set"),
        (lambda: optim.SGD([np.ones(2)]), "ndarray"),
        (lambda: optim.SGD([leaf(2) * 2]), "computed by 'mul'"),
        (lambda: optim.SGD([tc.ones(2)]), "does not require grad"),
        (lambda: optim.SGD([("a", leaf(1)), leaf(1)]), "with and without names"),
        (lambda: optim.SGD([{"params": []}]), "without parameters"),
        (lambda: optim.SGD([{"lr": 0.1}]), "params"),
        (lambda: optim.SGD([{"params": [leaf(1)], "learning_rate": 1}]), "learning_rate"),
        (lambda: optim.SGD([leaf(1)], lr=-0.1), "lr=-0.1"),
        (lambda: optim.SGD([leaf(1)], lr=math.nan), "lr=nan"),
        (lambda: optim.SGD([leaf(1)], lr="fast"), "lr='fast'"),
        (lambda: optim.SGD([leaf(1)], momentum=-1), "momentum=-1"),
        (lambda: optim.SGD([leaf(1)], weight_decay=-1), "weight_decay=-1"),
        (lambda: optim.SGD([leaf(1)], nesterov=True), "nesterov"),
        (lambda: optim.Adam([leaf(1)], betas=(0.9, 1.0)), r"betas\[1\]=1.0"),
        (lambda: optim.Adam([leaf(1)], betas=0.9), "two numbers"),
        (lambda: optim.Adam([leaf(1)], eps=-1e-8), "eps"),
        (lambda: optim.RMSprop([leaf(1)], alpha=1.5), "alpha"),
        (lambda: optim.Adagrad([leaf(1)], lr_decay=-1), "lr_decay"),
        (lambda: optim.Adadelta([leaf(1)], rho=1.5), "rho=1.5"),
        (lambda: optim.Adamax([leaf(1)], betas=(0.9,)), "two numbers"),
        (lambda: optim.NAdam([leaf(1)], momentum_decay=-1), "momentum_decay=-1"),
        (lambda: optim.RAdam([leaf(1)], weight_decay=-1), "weight_decay=-1"),
        (lambda: optim.ASGD([leaf(1)], lambd=-1), "lambd=-1"),
        (lambda: optim.Rprop([leaf(1)], etas=(1.2, 0.5)), "0 < η⁻ < 1 < η⁺"),
        (lambda: optim.Rprop([leaf(1)], step_sizes=(1, 0.5)), "η_min <= η_max"),
        (lambda: optim.Rprop([leaf(1)], etas=0.5), "two numbers"),
        (lambda: optim.Adam([leaf(1)], learning_rate=0.1), "unknown option 'learning_rate'"),
        (lambda: optim.SGD([leaf(1)], differentiable=True), "differentiable=True"),
        (lambda: optim.Adam([leaf(1)], decoupled_weight_decay=True), "Use AdamW"),
        (lambda: optim.SGD([tc.ones(1).expand(3).requires_grad_()]), "read-only"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message) as caught:
        make()
    assert isinstance(caught.value, TinygradCourseError)
    assert "\n" not in str(caught.value)


def test_what_chooses_an_implementation_in_pytorch_changes_nothing() -> None:
    for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.RAdam, optim.Rprop):
        options = {"foreach": True, "fused": None, "capturable": False, "differentiable": False}
        w = leaf(2)
        optimizer = kind([w], lr=0.5, **options)
        assert not set(options) & set(optimizer.param_groups[0])


def test_the_momenta_of_nadam_have_one_product() -> None:
    params, optimizer = build("nadam")
    advance(params, optimizer, range(2))
    saved = optimizer.state_dict()
    # β₁ (1 − ½ 0.96^(t ψ)) for t = 1, 2
    expected = 0.9**2 * (1 - 0.5 * 0.96**0.004) * (1 - 0.5 * 0.96**0.008)
    assert saved["state"][0]["mu_product"].shape == ()
    assert saved["state"][0]["mu_product"] == pytest.approx(expected, rel=1e-12)
    saved["state"][0]["mu_product"] = np.ones(4)
    with pytest.raises(StateDictError, match=r"mu_product.*expected \(\)"):
        optimizer.load_state_dict(saved)


def test_duplicates_are_refused_within_and_between_groups() -> None:
    w = leaf(2)
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([w, w])
    optimizer = optim.SGD([w])
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [w]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_gradients_that_do_not_fit(name: str) -> None:
    w = leaf(2, 3)
    optimizer = getattr(optim, name)([w], lr=0.1)
    for shape in ((3,), (3, 2), (2, 1), ()):
        w.grad = tc.ones(*shape)
        with pytest.raises(ValueError, match=r"shape \(2, 3\), its .grad"):
            optimizer.step()
    w.grad = np.ones((2, 3))  # type: ignore[assignment]
    with pytest.raises(TypeError, match="ndarray"):
        optimizer.step()
    assert (w.numpy() == 1).all()


# Small parameters are updated together, large ones with kept work arrays


@pytest.mark.parametrize("key", RUNS)
def test_joined_and_large_parameters_follow_the_same_formula(key: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (), (5,), (120, 100), (2, 2)]
    starts = [rng.normal(size=s).astype(np.float32) for s in shapes]
    kind = getattr(optim, RUNS[key]["name"])
    together = [tc.tensor(a, requires_grad=True) for a in starts]
    apart = [tc.tensor(a, requires_grad=True) for a in starts]
    optimizer = kind(together, **options_of(key))
    singles = [kind([p], **options_of(key)) for p in apart]
    for t in range(8):
        for i, (p, q) in enumerate(zip(together, apart, strict=True)):
            g = rng.normal(size=p.shape).astype(np.float32)
            # Now and then one has no gradient, then its count falls behind.
            p.grad = None if (t, i) == (3, 0) else tc.tensor(g)
            q.grad = None if (t, i) == (3, 0) else tc.tensor(g)
        if t == 5:
            saved = optimizer.state_dict()
            optimizer.load_state_dict(saved)
        optimizer.step()
        for single in singles:
            single.step()
    for p, q in zip(together, apart, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    for p, single in zip(together, singles, strict=True):
        if key == "adam":
            mean, (other,) = optimizer.state[p]["exp_avg"], single.state.values()
            np.testing.assert_array_equal(mean.numpy(), other["exp_avg"].numpy())


def test_state_replaced_by_hand_is_used() -> None:
    params, optimizer = build("adam")
    advance(params, optimizer, range(2))
    optimizer.state[params[0]]["exp_avg"] = tc.zeros(4, dtype=tc.float64)
    optimizer.state[params[1]]["exp_avg"].zero_()
    again = [tc.tensor(p.numpy(), requires_grad=True) for p in params]
    other = optim.Adam(again)
    other.load_state_dict(optimizer.state_dict())
    assert advance(params, optimizer, range(2, 4)) == advance(again, other, range(2, 4))
    optimizer.state.clear()
    advance(params, optimizer, range(1))
    assert optimizer.state_dict()["state"][0]["step"] == 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "AdamW"])
def test_a_whole_recorded_step_is_one_graph_from_leaf_to_new_value(name: str) -> None:
    """Forward, backward, clipping and update, all recorded: the same bits, and one graph."""
    x = tc.tensor([[1.0, 2.0], [3.0, -1.0]])
    plain, traced = (tc.tensor([[0.5], [0.25]], requires_grad=True) for _ in range(2))
    options = {"lr": 0.1, **({"momentum": 0.9} if name in ("SGD", "RMSprop") else {})}
    eager, recorded = (getattr(optim, name)([w], **options) for w in (plain, traced))
    for _ in range(3):
        eager.zero_grad()
        (x @ plain).square().mean().backward()
        optim.clip_grad_value_(plain, 0.5)
        eager.step()

        noted: list[Any] = []
        token = assignments.set(noted)
        with record_all():
            recorded.zero_grad()
            (x @ traced).square().mean().backward(create_graph=True)
            optim.clip_grad_value_(traced, 0.5)
            recorded.step()
        assignments.reset(token)
        np.testing.assert_array_equal(plain.numpy(), traced.numpy())
        sources, stack = set(), [value._node for state, value in noted if state is traced]
        while stack:
            node = stack.pop()
            sources.add(id(node))
            stack += [s for s in getattr(node, "inputs", ()) if isinstance(s, (tc.Tensor, Node))]
        assert {id(traced), id(x)} <= sources
        assert traced.is_leaf and traced.requires_grad
