"""Schedules and clipping: against PyTorch's numbers, closed forms and hand calculation."""

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
from tinygrad_course.errors import StateDictError, TinygradCourseError
from tinygrad_course.modes import record_all
from tinygrad_course.optim import lr_scheduler

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def two_groups() -> optim.Optimizer:
    first, second = (tc.ones(1, requires_grad=True) for _ in range(2))
    return optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.4}], lr=1.0)


def rates_of(optimizer: optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def scheduled(optimizer: optim.Optimizer, name: str, options: dict[str, Any]) -> Any:
    """Return a scheduler, with those inside it made first."""
    if "schedulers" not in options:
        return getattr(lr_scheduler, name)(optimizer, **options)
    parts = [scheduled(optimizer, *part) for part in options["schedulers"]]
    if name == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(parts)
    return lr_scheduler.SequentialLR(optimizer, parts, options["milestones"])


@pytest.mark.parametrize("key", GOLDEN["schedulers"])
def test_rates_equal_pytorch(key: str) -> None:
    golden = GOLDEN["schedulers"][key]
    optimizer = two_groups()
    made = [scheduled(optimizer, n, options) for n, options in golden["made"]]
    path = []
    for _ in golden["rates"]:
        path.append(rates_of(optimizer))
        for scheduler in made:
            scheduler.step()
    np.testing.assert_allclose(path, golden["rates"], rtol=1e-12, atol=1e-15)
    assert made[-1].get_last_lr() == rates_of(optimizer)


@pytest.mark.parametrize("golden", GOLDEN["cycles"], ids=lambda g: f"{g['optimizer']} {g['made']}")
def test_rates_and_momenta_in_cycles_equal_pytorch(golden: dict[str, Any]) -> None:
    first, second = (tc.ones(1, requires_grad=True) for _ in range(2))
    groups = [{"params": [first]}, {"params": [second], "lr": 0.4}]
    kind, (name, options) = golden["optimizer"], golden["made"]
    optimizer = (
        optim.SGD(groups, lr=1.0, momentum=0.6) if kind == "SGD" else optim.Adam(groups, 1.0)
    )
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    path = []
    for _ in golden["path"]:
        momenta = [
            g["momentum"] if kind == "SGD" else g["betas"][0] for g in optimizer.param_groups
        ]
        path.append([*rates_of(optimizer), *momenta])
        scheduler.step()
    np.testing.assert_allclose(path, golden["path"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("key", GOLDEN["resumed"])
def test_built_anew_in_the_middle(key: str) -> None:
    golden = GOLDEN["resumed"][key]
    optimizer = two_groups()
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    name, options = golden["made"]
    scheduler = getattr(lr_scheduler, name)(optimizer, **options, last_epoch=4)
    path = []
    for _ in golden["rates"]:
        path.append(rates_of(optimizer))
        scheduler.step()
    np.testing.assert_allclose(path, golden["rates"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("key", GOLDEN["plateaus"])
def test_plateaus_equal_pytorch(key: str) -> None:
    golden = GOLDEN["plateaus"][key]
    optimizer = two_groups()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **golden["options"])
    path = []
    for value in GOLDEN["metrics"]:
        scheduler.step(value)
        path.append(rates_of(optimizer))
    np.testing.assert_allclose(path, golden["rates"], rtol=1e-12)


def test_closed_forms() -> None:
    optimizer = two_groups()
    scheduler: Any = lr_scheduler.CosineAnnealingLR(optimizer, T_max=8, eta_min=0.1)
    for t in range(1, 9):
        scheduler.step()
        expected = [0.1 + (a - 0.1) * (1 + math.cos(math.pi * t / 8)) / 2 for a in (1.0, 0.4)]
        assert rates_of(optimizer) == pytest.approx(expected)
    optimizer = two_groups()
    scheduler = lr_scheduler.LambdaLR(optimizer, [lambda t: 1 / (1 + t), lambda t: t])
    assert rates_of(optimizer) == [1.0, 0.0]
    scheduler.step()
    assert rates_of(optimizer) == [0.5, 0.4]
    assert scheduler.last_epoch == 1


SCHEDULERS: list[Callable[[optim.Optimizer], Any]] = [
    lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    lambda o: lr_scheduler.ExponentialLR(o, 0.7),
    lambda o: lr_scheduler.CosineAnnealingLR(o, 4),
    lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.3),
    lambda o: lr_scheduler.MultiStepLR(o, [2, 6]),
    lambda o: lr_scheduler.ConstantLR(o, 0.5, total_iters=7),
    lambda o: lr_scheduler.LinearLR(o, total_iters=8),
    lambda o: lr_scheduler.PolynomialLR(o, 10),
    lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.9),
    lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, T_mult=2),
    lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=20),
    lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, step_size_up=3),
    lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [7]
    ),
]


@pytest.mark.parametrize("make", SCHEDULERS)
def test_state_dict_resumes_exactly(make: Callable[[optim.Optimizer], Any], tmp_path: Path) -> None:
    def go(optimizer: optim.Optimizer, scheduler: Any, epochs: range) -> list[list[float]]:
        path = []
        for epoch in epochs:
            args = (1 / (1 + epoch),) if hasattr(scheduler, "patience") else ()
            scheduler.step(*args)
            path.append(rates_of(optimizer))
        return path

    optimizer = two_groups()
    scheduler = make(optimizer)
    go(optimizer, scheduler, range(5))
    saved = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    tc.save(saved, tmp_path / "s.safetensors")
    whole = go(optimizer, scheduler, range(5, 12))
    again = two_groups()
    resumed = make(again)
    loaded = tc.load(tmp_path / "s.safetensors")
    again.load_state_dict(loaded["optimizer"])
    resumed.load_state_dict(loaded["scheduler"])
    assert go(again, resumed, range(5, 12)) == whole
    assert resumed.last_epoch == scheduler.last_epoch


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: lr_scheduler.StepLR(o, 0), "step_size=0"),
        (lambda o: lr_scheduler.StepLR("sgd", 1), "str"),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), "T_max=0"),
        (lambda o: lr_scheduler.ExponentialLR(o, None), "gamma=None"),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.5, last_epoch=3), "initial_lr"),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.5, last_epoch=1.5), "last_epoch"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs]), "1 functions, expected 2"),
        (lambda o: lr_scheduler.LambdaLR(o, [1, 2]), "function of the epoch"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="up"), "mode='up'"),
        (lambda o: lr_scheduler.MultiStepLR(o, 3), "milestones=3"),
        (lambda o: lr_scheduler.MultiStepLR(o, [1.5]), "milestone 1.5"),
        (lambda o: lr_scheduler.ConstantLR(o, factor=0), "0 < factor <= 1"),
        (lambda o: lr_scheduler.LinearLR(o, start_factor=2), "start_factor=2"),
        (lambda o: lr_scheduler.LinearLR(o, end_factor=-1), "end_factor=-1"),
        (lambda o: lr_scheduler.PolynomialLR(o, 0), "total_iters=0"),
        (lambda o: lr_scheduler.MultiplicativeLR(o, 0.5), "function of the epoch"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 1.5), "T_0=1.5"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, T_mult=0), "T_mult=0"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0), "total_steps, or epochs"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 10, pct_start=2), "pct_start=2"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 10, anneal_strategy="sin"), "'sin'"),
        (lambda o: lr_scheduler.OneCycleLR(o, [1.0], 10), "1 values of max_lr, expected 2"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, mode="square"), "mode='square'"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, scale_fn=3), "scale_fn=3"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 0), "step_size_up=0"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, max_momentum=1.5), "max_momentum=1.5"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), "no schedulers"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [2]), "one milestone"),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), "metric"),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(two_groups(), 1)], o),
            "another optimizer",
        ),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), "factor=1.0"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0.1]), "min_lr"),
    ],
)
def test_bad_arguments(make: Callable[[optim.Optimizer], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        make(two_groups())
    assert isinstance(caught.value, TinygradCourseError)


def test_state_of_another_kind_is_refused() -> None:
    step = lr_scheduler.StepLR(two_groups(), 2)
    with pytest.raises(StateDictError, match="expected the keys"):
        step.load_state_dict(lr_scheduler.ExponentialLR(two_groups(), 0.5).state_dict())
    single = optim.SGD([tc.ones(1, requires_grad=True)], lr=1.0)
    with pytest.raises(StateDictError, match="expected 2"):
        step.load_state_dict(lr_scheduler.StepLR(single, 2).state_dict())


def test_no_momentum_to_cycle_and_no_step_after_the_last() -> None:
    adagrad = optim.Adagrad([tc.ones(1, requires_grad=True)])
    for make in (
        lambda: lr_scheduler.OneCycleLR(adagrad, 1.0, 10),
        lambda: lr_scheduler.CyclicLR(adagrad, 0.1, 1.0),
    ):
        with pytest.raises(ValueError, match="Adagrad has no momentum.*cycle_momentum=False"):
            make()
    scheduler = lr_scheduler.OneCycleLR(adagrad, 1.0, 3, cycle_momentum=False)
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="step 4 of 3"):
        scheduler.step()


def test_functions_in_schedules() -> None:
    optimizer = two_groups()
    scheduler: Any = lr_scheduler.MultiplicativeLR(optimizer, [lambda t: 1 / t, lambda t: t])
    for _ in range(3):
        scheduler.step()
    assert rates_of(optimizer) == pytest.approx([1 / 6, 0.4 * 6])
    optimizer = two_groups()
    scheduler = lr_scheduler.CyclicLR(
        optimizer, 1.0, 2.0, 2, scale_fn=lambda k: 10.0**k, scale_mode="iterations"
    )
    scheduler.step()
    assert rates_of(optimizer) == [6.0, 6.0]  # 1 + (2 - 1) / 2 * 10
    # In a sequence, a multiplicative schedule multiplies the rate that is there.
    optimizer = two_groups()
    parts = [
        lr_scheduler.ConstantLR(optimizer, 0.5, total_iters=9),
        lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.5),
    ]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, [2])
    path = []
    for _ in range(4):
        path.append(rates_of(optimizer)[0])
        scheduler.step()
    assert path == [0.5, 0.5, 0.25, 0.125]


def test_warm_restarts_go_to_fractions_of_epochs() -> None:
    optimizer = two_groups()
    scheduler: Any = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    for epoch, t, period in ((0.5, 0.5, 2), (3.0, 1.0, 4), (6.25, 0.25, 8), (0, 0, 2)):
        scheduler.step(epoch)
        expected = (1 + math.cos(math.pi * t / period)) / 2
        assert rates_of(optimizer) == pytest.approx([expected, 0.4 * expected])
        assert scheduler.last_epoch == math.floor(epoch)
    with pytest.raises(ValueError, match="epoch=-1"):
        scheduler.step(-1)


def test_the_states_of_several_are_refused_together() -> None:
    def make(gamma: float) -> Any:
        o = two_groups()
        return lr_scheduler.ChainedScheduler(
            [lr_scheduler.ExponentialLR(o, gamma), lr_scheduler.StepLR(o, 2)]
        )

    one, two = make(0.5), make(0.25)
    state = two.state_dict()
    for bad in (
        {**state, "_schedulers": state["_schedulers"][:1]},
        {**state, "_schedulers": state["_schedulers"][::-1]},
        {**state, "extra": 1},
        3,
    ):
        with pytest.raises(StateDictError, match="expected"):
            one.load_state_dict(bad)
        assert one._schedulers[0].gamma == 0.5
    one.load_state_dict(state)
    assert one._schedulers[0].gamma == 0.25


# Clipping


def params_with_gradients(dtype: Any = np.float64) -> list[tc.Tensor]:
    params = []
    for place, values in enumerate(GOLDEN["start"]):
        p = tc.tensor(values, dtype=dtype, requires_grad=True)
        i = np.arange(len(values))
        g = 0.3 * (i + 1) * np.array(values) + np.cos(1 + i + 2 * place)
        p.grad = tc.tensor(g.astype(dtype))
        params.append(p)
    return params


@pytest.mark.parametrize("golden", GOLDEN["clip"])
@pytest.mark.parametrize("recorded", [False, True])
def test_clipping_the_norm_equals_pytorch(golden: dict[str, Any], recorded: bool) -> None:
    params = params_with_gradients()
    if recorded:
        with record_all():
            norm = optim.clip_grad_norm_(params, golden["max_norm"], golden["norm_type"])
    else:
        norm = optim.clip_grad_norm_(params, golden["max_norm"], golden["norm_type"])
    assert norm.item() == pytest.approx(golden["norm"], rel=1e-12)
    clipped = [x for p in params for x in p.grad.tolist()]  # type: ignore[union-attr]
    assert clipped == pytest.approx(golden["grad"], rel=1e-12)


def test_clipping_by_hand() -> None:
    w = tc.tensor([0.0, 0.0], requires_grad=True)
    idle = tc.tensor([1.0], requires_grad=True)
    w.grad = tc.tensor([3.0, -4.0])
    assert optim.clip_grad_norm_([w, idle], 10.0).item() == 5.0
    assert w.grad.tolist() == [3.0, -4.0]  # small enough: the very same bits
    assert optim.clip_grad_norm_(w, 2.5, norm_type=math.inf).item() == 4.0
    np.testing.assert_allclose(w.grad.numpy(), [1.875, -2.5], rtol=1e-6)
    assert optim.clip_grad_norm_([idle], 1.0).item() == 0.0
    w.grad = tc.tensor([0.5, -7.0])
    optim.clip_grad_value_([w, idle], 1.0)
    assert w.grad.tolist() == [0.5, -1.0]
    assert w.grad.dtype == np.float32
    from tinygrad_course.nn import utils

    assert utils.clip_grad_norm_ is optim.clip_grad_norm_


def test_norms_that_overflow_float32_are_still_clipped() -> None:
    w = tc.tensor([0.0, 0.0], requires_grad=True)
    w.grad = tc.tensor([3e30, 4e30])
    assert optim.clip_grad_norm_([w], 5.0).item() == pytest.approx(5e30)
    np.testing.assert_allclose(w.grad.numpy(), [3.0, 4.0], rtol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("kind", [2.0, math.inf, 1.5])
def test_gradients_that_are_not_finite(bad: float, kind: float) -> None:
    w = tc.tensor([0.0, 0.0], requires_grad=True)
    w.grad = tc.tensor([1.0, bad])
    with pytest.raises(RuntimeError, match="detect_anomaly"):
        optim.clip_grad_norm_([w], 1.0, norm_type=kind, error_if_nonfinite=True)
    assert w.grad.tolist()[0] == 1.0
    norm = optim.clip_grad_norm_([w], 1.0, norm_type=kind).item()
    assert not math.isfinite(norm)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.clip_grad_norm_([np.ones(2)], 1.0), "ndarray"),
        (lambda: optim.clip_grad_norm_(tc.ones(1), -1.0), "max_norm=-1"),
        (lambda: optim.clip_grad_norm_(tc.ones(1), 1.0, norm_type=0), "norm_type=0"),
        (lambda: optim.clip_grad_value_(tc.ones(1), -1.0), "clip_value"),
    ],
)
def test_bad_clipping(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()


# Compiled steps


@pytest.mark.parametrize("cycle", [False, True])
def test_one_cycle_over_compiled_steps(cycle: bool) -> None:
    """The same numbers either way; a momentum that always changes is no part of a program."""
    weights = []
    for compiled in (False, True):
        w = tc.tensor(np.array([1.0, -2.0]), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
        scheduler = lr_scheduler.OneCycleLR(optimizer, 0.2, 40, cycle_momentum=cycle)

        def step(w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            J = (w * w).sum()
            J.backward()
            optimizer.step()
            return J

        run = tc.compile(step, backend="numpy") if compiled else step
        for _ in range(40):
            run()
            scheduler.step()
        weights.append(w.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-12)
    if cycle:
        assert "changes too often: momentum of SGD" in run.explain()  # type: ignore[attr-defined]
    else:
        assert run.traced == 1  # type: ignore[attr-defined]
