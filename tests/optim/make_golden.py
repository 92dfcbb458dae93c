"""Write golden.json: trajectories of PyTorch's optimizers and schedulers, to compare ours with.

Run once, where PyTorch 2.13 is installed: ``python tests/optim/make_golden.py``. The tests read the
numbers only; PyTorch is no dependency of them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch.optim import lr_scheduler

STEPS = 25
# So many steps of each optimizer; the first ten are kept, and each tenth after them.
LONG = 100
START = ([1.0, -2.0, 0.5, 3.0], [-0.75])

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd_maximize": ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.1}),
    "adam_default": ("Adam", {}),
    "adam_decay": ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.1, "eps": 1e-3}),
    "adam_amsgrad": ("Adam", {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.6)}),
    "adam_maximize": ("Adam", {"lr": 0.02, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.1}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    "rmsprop": ("RMSprop", {"lr": 0.05}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.05, "alpha": 0.8, "centered": True, "eps": 1e-2}),
    "rmsprop_all": (
        "RMSprop",
        {"lr": 0.02, "momentum": 0.7, "centered": True, "weight_decay": 0.1, "eps": 1e-2},
    ),
    "rmsprop_maximize": ("RMSprop", {"lr": 0.01, "momentum": 0.3, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.5}),
    "adagrad_all": (
        "Adagrad",
        {"lr": 0.5, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3},
    ),
    "adagrad_maximize": ("Adagrad", {"lr": 0.05, "maximize": True}),
    "adadelta": ("Adadelta", {}),
    "adadelta_all": ("Adadelta", {"lr": 0.5, "rho": 0.6, "eps": 1e-2, "weight_decay": 0.1}),
    "adadelta_maximize": ("Adadelta", {"lr": 0.3, "eps": 1e-3, "maximize": True}),
    "adamax": ("Adamax", {"lr": 0.1}),
    "adamax_all": (
        "Adamax",
        {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adamax_maximize": ("Adamax", {"lr": 0.02, "maximize": True}),
    "nadam": ("NAdam", {"lr": 0.1}),
    "nadam_all": (
        "NAdam",
        {"lr": 0.1, "betas": (0.8, 0.9), "momentum_decay": 0.1, "weight_decay": 0.1, "eps": 1e-3},
    ),
    "nadam_decoupled": (
        "NAdam",
        {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True},
    ),
    "nadam_maximize": ("NAdam", {"lr": 0.02, "maximize": True}),
    "radam": ("RAdam", {"lr": 0.1}),
    "radam_short": ("RAdam", {"lr": 0.1, "betas": (0.8, 0.7), "weight_decay": 0.1, "eps": 1e-3}),
    # The rectification begins at a step that is 6 by default, later for a short average.
    "radam_late": ("RAdam", {"lr": 0.05, "betas": (0.9, 0.68)}),
    "radam_decoupled": (
        "RAdam",
        {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True},
    ),
    "radam_maximize": ("RAdam", {"lr": 0.02, "maximize": True}),
    "asgd": ("ASGD", {"lr": 0.1}),
    "asgd_all": (
        "ASGD",
        {"lr": 0.2, "lambd": 0.1, "alpha": 0.5, "t0": 10.0, "weight_decay": 0.1},
    ),
    "asgd_maximize": ("ASGD", {"lr": 0.01, "t0": 0.0, "maximize": True}),
    "rprop": ("Rprop", {"lr": 0.1}),
    "rprop_all": ("Rprop", {"lr": 0.5, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.6)}),
    "rprop_maximize": ("Rprop", {"lr": 0.01, "step_sizes": (1e-3, 0.1), "maximize": True}),
}

# A scheduler that takes others has their names and options among its own.
SCHEDULERS = {
    "multi_step": [("MultiStepLR", {"milestones": [3, 7, 7, 12], "gamma": 0.5})],
    "multi_step_from_0": [("MultiStepLR", {"milestones": [0, 5]})],
    "constant": [("ConstantLR", {})],
    "constant_long": [("ConstantLR", {"factor": 0.25, "total_iters": 9})],
    "linear": [("LinearLR", {})],
    "linear_down": [
        ("LinearLR", {"start_factor": 0.9, "end_factor": 0.2, "total_iters": 8}),
    ],
    "polynomial": [("PolynomialLR", {})],
    "polynomial_square": [("PolynomialLR", {"total_iters": 12, "power": 2.5})],
    "warm_restarts": [("CosineAnnealingWarmRestarts", {"T_0": 4})],
    "warm_restarts_longer": [
        ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.05}),
    ],
    "sequential": [
        (
            "SequentialLR",
            {
                "schedulers": [
                    ("LinearLR", {"start_factor": 0.1, "total_iters": 4}),
                    ("CosineAnnealingLR", {"T_max": 8}),
                    ("StepLR", {"step_size": 3}),
                ],
                "milestones": [4, 12],
            },
        )
    ],
    "sequential_others": [
        (
            "SequentialLR",
            {
                "schedulers": [
                    ("ConstantLR", {"factor": 0.5, "total_iters": 2}),
                    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
                    ("PolynomialLR", {"total_iters": 5}),
                    ("MultiStepLR", {"milestones": [2]}),
                    ("ConstantLR", {"factor": 0.5}),
                ],
                "milestones": [3, 9, 14, 18],
            },
        )
    ],
    "chained_as_one": [
        (
            "ChainedScheduler",
            {
                "schedulers": [
                    ("ConstantLR", {"factor": 0.1, "total_iters": 4}),
                    ("ExponentialLR", {"gamma": 0.9}),
                    ("MultiStepLR", {"milestones": [6], "gamma": 0.5}),
                ]
            },
        )
    ],
    "step": [("StepLR", {"step_size": 3, "gamma": 0.5})],
    "exponential": [("ExponentialLR", {"gamma": 0.9})],
    "cosine": [("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01})],
    "cosine_one": [("CosineAnnealingLR", {"T_max": 1})],
    "chained": [
        ("StepLR", {"step_size": 4, "gamma": 0.5}),
        ("ExponentialLR", {"gamma": 0.95}),
        ("CosineAnnealingLR", {"T_max": 10}),
    ],
}

# With the momentum, or beta 1, of each group.
CYCLES = {
    "one_cycle": ("OneCycleLR", {"max_lr": 0.5, "total_steps": 24}),
    "one_cycle_linear": (
        "OneCycleLR",
        {"max_lr": [0.5, 0.1], "epochs": 4, "steps_per_epoch": 6, "anneal_strategy": "linear"},
    ),
    "one_cycle_three": (
        "OneCycleLR",
        {
            "max_lr": 1.0,
            "total_steps": 26,
            "pct_start": 0.4,
            "three_phase": True,
            "base_momentum": 0.7,
            "max_momentum": [0.9, 0.95],
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ),
    "one_cycle_rate": (
        "OneCycleLR",
        {"max_lr": 0.5, "total_steps": 24, "cycle_momentum": False},
    ),
    "cyclic": ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.7, "step_size_up": 4}),
    "cyclic_2": (
        "CyclicLR",
        {
            "base_lr": [0.1, 0.2],
            "max_lr": [0.7, 0.5],
            "step_size_up": 3,
            "step_size_down": 5,
            "mode": "triangular2",
        },
    ),
    "cyclic_exp": (
        "CyclicLR",
        {
            "base_lr": 0.1,
            "max_lr": 0.7,
            "step_size_up": 4,
            "mode": "exp_range",
            "gamma": 0.95,
            "base_momentum": 0.5,
            "max_momentum": 0.8,
        },
    ),
}

PLATEAUS = {
    "plateau": {"patience": 2, "factor": 0.5},
    "plateau_cooldown": {"patience": 1, "cooldown": 2, "factor": 0.3, "min_lr": 0.01},
    "plateau_abs": {"patience": 1, "threshold_mode": "abs", "threshold": 0.2},
    "plateau_max": {"patience": 1, "mode": "max", "factor": 0.5},
}

METRICS = [
    5.0, 4.0, 3.9, 3.95, 3.9, 3.9, 3.9, 3.0, 3.1, 3.2, 2.9, 2.95, 2.94, 2.93, 2.92, 2.91, 2.9,
    -1.0, -1.00001, -1.0, -0.9, -1.1, -1.1, -1.1, -1.1,
]  # fmt: skip


def gradient(p: list[float], t: int, place: int) -> list[float]:
    """Return a gradient that any program can compute: a bowl, and a push that changes with t."""
    return [0.3 * (i + 1) * x + math.cos(t + i + 2 * place) for i, x in enumerate(p)]


def trajectory(name: str, options: dict, dtype: torch.dtype) -> list[list[float]]:
    # What an optimizer keeps beside its moments (NAdam's product) has this dtype too.
    torch.set_default_dtype(dtype)
    params = [torch.tensor(values, dtype=dtype, requires_grad=True) for values in START]
    optimizer = getattr(torch.optim, name)(params, **options)
    path = []
    for t in range(LONG):
        for place, p in enumerate(params):
            p.grad = torch.tensor(gradient(p.tolist(), t, place), dtype=dtype)
        optimizer.step()
        if t < 10 or t % 10 == 9:
            path.append([x for p in params for x in p.tolist()])
    return path


LBFGS = {
    "plain": {},
    "short": {"lr": 0.5, "history_size": 3, "max_iter": 4},
    "wolfe": {"line_search_fn": "strong_wolfe"},
    "wolfe_short": {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 3},
    "wolfe_far": {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_iter": 5},
    "wolfe_near": {"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_iter": 5, "max_eval": 40},
}


def valley(a, b):
    """Return Rosenbrock's function in four variables, and a bowl that bends."""
    steps = [100 * (a[i + 1] - a[i] ** 2) ** 2 + (1 - a[i]) ** 2 for i in range(3)]
    return sum(steps[1:], steps[0]) + ((b[0] - 2) ** 4 + b[0] ** 2) / 3


def lbfgs(options: dict, scale: float) -> dict:
    params = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START]
    optimizer = torch.optim.LBFGS(params, **options)
    path, losses = [], []

    def closure():
        optimizer.zero_grad()
        loss = scale * valley(*params)
        loss.backward()
        return loss

    for _ in range(8):
        losses.append(optimizer.step(closure).item())
        path.append([x for p in params for x in p.tolist()])
    evaluations = optimizer.state[params[0]]["func_evals"]
    return {"options": options, "scale": scale, "losses": losses, "path": path,
            "evaluations": evaluations}  # fmt: skip


def two_groups() -> torch.optim.Optimizer:
    first, second = (torch.ones(1, requires_grad=True) for _ in range(2))
    return torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.4}], lr=1.0)


def scheduled(optimizer: torch.optim.Optimizer, name: str, options: dict):
    """Return a scheduler, with those inside it made first."""
    if "schedulers" not in options:
        return getattr(lr_scheduler, name)(optimizer, **options)
    parts = [scheduled(optimizer, *part) for part in options["schedulers"]]
    others = {key: value for key, value in options.items() if key != "schedulers"}
    if name == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(parts, **others)
    return lr_scheduler.SequentialLR(optimizer, parts, **others)


def cycle(kind: str, name: str, options: dict) -> list[list[float]]:
    """Return rates and momenta, step by step."""
    first, second = (torch.ones(1, requires_grad=True) for _ in range(2))
    groups = [{"params": [first]}, {"params": [second], "lr": 0.4}]
    more = {"momentum": 0.6} if kind == "SGD" else {}
    optimizer = getattr(torch.optim, kind)(groups, lr=1.0, **more)
    scheduler = getattr(lr_scheduler, name)(optimizer, **options)
    path = []
    for _ in range(24):
        momenta = [
            g["momentum"] if kind == "SGD" else g["betas"][0] for g in optimizer.param_groups
        ]
        path.append([*(group["lr"] for group in optimizer.param_groups), *momenta])
        optimizer.step()
        scheduler.step()
    return path


def rates(schedulers: list) -> list[list[float]]:
    optimizer = two_groups()
    made = [scheduled(optimizer, name, options) for name, options in schedulers]
    path = []
    for _ in range(STEPS):
        path.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        for scheduler in made:
            scheduler.step()
    return path


def resumed(name: str, options: dict) -> list[list[float]]:
    """Return the rates of a scheduler that is built anew with last_epoch=4."""
    optimizer = two_groups()
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    scheduler = getattr(lr_scheduler, name)(optimizer, **options, last_epoch=4)
    path = []
    for _ in range(6):
        path.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return path


def plateau(options: dict) -> list[list[float]]:
    optimizer = two_groups()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    path = []
    for value in METRICS:
        scheduler.step(value)
        path.append([group["lr"] for group in optimizer.param_groups])
    return path


def clipped(kind: float, largest: float) -> dict:
    params = [torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in START]
    for place, p in enumerate(params):
        p.grad = torch.tensor(gradient(p.tolist(), 1, place), dtype=torch.float64)
    norm = torch.nn.utils.clip_grad_norm_(params, largest, norm_type=kind)
    return {"norm": norm.item(), "grad": [x for p in params for x in p.grad.tolist()]}


def main() -> None:
    optimizers = {
        key: {
            "name": name,
            "options": options,
            "path": trajectory(name, options, torch.float64),
            "last32": trajectory(name, options, torch.float32)[-1],
        }
        for key, (name, options) in OPTIMIZERS.items()
    }
    torch.set_default_dtype(torch.float32)
    golden = {
        "torch": torch.__version__,
        "start": START,
        "metrics": METRICS,
        "optimizers": optimizers,
        "lbfgs": {
            f"{key} {scale}": lbfgs(options, scale)
            for key, options in LBFGS.items()
            for scale in (1.0, 1e-3)
            if (key, scale) not in (("plain", 1.0), ("short", 1.0))  # which go to infinity
        },
        "schedulers": {k: {"made": v, "rates": rates(v)} for k, v in SCHEDULERS.items()},
        "resumed": {
            k: {"made": v[0], "rates": resumed(*v[0])}
            for k, v in SCHEDULERS.items()
            if len(v) == 1 and "schedulers" not in v[0][1]
        },
        "cycles": [
            {"optimizer": kind, "made": v, "path": cycle(kind, *v)}
            for kind in ("SGD", "Adam")
            for v in CYCLES.values()
        ],
        "plateaus": {k: {"options": v, "rates": plateau(v)} for k, v in PLATEAUS.items()},
        "clip": [
            {"norm_type": kind, "max_norm": largest, **clipped(kind, largest)}
            for kind, largest in ((2.0, 1.0), (1.0, 2.0), (3.0, 0.5), (2.0, 100.0))
        ],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"').replace("]],", "]],\n")
    (Path(__file__).parent / "golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
