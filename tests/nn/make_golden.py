"""Write golden.json: values and gradients of PyTorch's layers and losses, to compare ours with.

Run once, where PyTorch 2.13 is installed: ``python tests/nn/make_golden.py``. The tests read the
numbers only; PyTorch is no dependency of them. Each case holds its inputs, the value, and the
gradients for the cotangent `wave(*value.shape, phase=0.5)` (1 for a scalar).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def wave(*shape: int, phase: float = 0.0) -> np.ndarray:
    """Return reproducible numbers between -1 and 1."""
    count = int(np.prod(shape))
    return np.sin(1.7 * np.arange(1, count + 1) + phase).reshape(shape)


def main() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_default_dtype(torch.float64)
    cases: dict[str, dict[str, object]] = {}

    def case(name, f, x, **more):
        x = torch.tensor(x).requires_grad_()
        y = f(x)
        cotangent = torch.tensor(wave(*y.shape, phase=0.5)) if y.ndim else None
        (g,) = torch.autograd.grad(y, x, cotangent)
        cases[name] = {"x": x.tolist(), "y": y.tolist(), "grad": g.tolist(), **more}

    z = 2 * wave(4, 3)
    classes = torch.tensor([0, 2, 1, 2])
    gaps = torch.tensor([0, -100, 1, 2])
    weight = torch.tensor([0.2, 1.0, 3.0])
    soft = torch.softmax(torch.tensor(wave(4, 3, phase=1)), 1)
    for reduction in ("mean", "sum", "none"):
        case(f"ce {reduction}", lambda z, r=reduction: F.cross_entropy(z, classes, reduction=r), z)
    case("ce weight", lambda z: F.cross_entropy(z, classes, weight), z)
    case("ce weight none", lambda z: F.cross_entropy(z, classes, weight, reduction="none"), z)
    case("ce ignore", lambda z: F.cross_entropy(z, gaps), z)
    case("ce smooth", lambda z: F.cross_entropy(z, classes, label_smoothing=0.1), z)
    case("ce all", lambda z: F.cross_entropy(z, gaps, weight, label_smoothing=0.2), z)
    case(
        "ce all sum",
        lambda z: F.cross_entropy(z, gaps, weight, label_smoothing=0.2, reduction="sum"),
        z,
    )
    case("ce soft", lambda z: F.cross_entropy(z, soft), z, soft=soft.tolist())
    case(
        "ce soft all",
        lambda z: F.cross_entropy(z, soft, weight, label_smoothing=0.3),
        z,
        soft=soft.tolist(),
    )
    places = torch.tensor([[0, 1], [2, 1]])
    case("ce places", lambda z: F.cross_entropy(z, places), wave(2, 3, 2))
    case("ce vector", lambda z: F.cross_entropy(z, torch.tensor(2)), wave(3))
    case("nll weight", lambda z: F.nll_loss(F.log_softmax(z, 1), classes, weight), z)
    case("nll sum", lambda z: F.nll_loss(z, classes, reduction="sum"), z)

    a, y = 0.5 + 0.45 * wave(4, 1), torch.tensor([[1.0], [0.0], [1.0], [0.3]])
    factors = torch.tensor([[1.0], [2.0], [0.5], [0.0]])
    positive = torch.tensor([2.5])
    edges, truth = np.array([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    logits = 3 * wave(4, 1)
    bcel = F.binary_cross_entropy_with_logits
    case("bce", lambda a: F.binary_cross_entropy(a, y), a)
    case("bce sum", lambda a: F.binary_cross_entropy(a, y, reduction="sum"), a)
    case("bce weight", lambda a: F.binary_cross_entropy(a, y, factors), a)
    case("bce edges", lambda a: F.binary_cross_entropy(a, truth, reduction="none"), edges)
    case("bcel", lambda z: bcel(z, y), logits)
    case("bcel far", lambda z: bcel(z, truth, reduction="none"), np.array([-1e4, -1e4, 1e4, 1e4]))
    case("bcel pos", lambda z: bcel(z, y, pos_weight=positive), logits)
    case("bcel all", lambda z: bcel(z, y, factors, pos_weight=positive, reduction="sum"), logits)

    target = torch.tensor(2 * wave(4, 3, phase=2))
    case("mse", lambda a: F.mse_loss(a, target), z)
    case("mse none", lambda a: F.mse_loss(a, target, reduction="none"), z)
    case("l1", lambda a: F.l1_loss(a, target), z)
    case("huber", lambda a: F.huber_loss(a, target, delta=0.7), z)
    case("huber none", lambda a: F.huber_loss(a, target, delta=0.7, reduction="none"), z)
    case("smooth", lambda a: F.smooth_l1_loss(a, target, beta=0.4), z)

    def filled(module, **values):
        with torch.no_grad():
            for name, value in values.items():
                getattr(module, name).copy_(torch.tensor(value))
        return module

    def statistics(norm):
        return {"mean": norm.running_mean.tolist(), "var": norm.running_var.tolist()}

    norm = filled(
        nn.BatchNorm1d(3, momentum=0.3, eps=1e-3), weight=[0.5, 2.0, -1.0], bias=[0.1, 0.2, 0.3]
    )
    case("bn first", norm, wave(5, 3))
    cases["bn first"].update(statistics(norm))
    case("bn second", norm, wave(5, 3, phase=2))
    cases["bn second"].update(statistics(norm))
    norm.eval()
    case("bn eval", norm, wave(5, 3))
    norm = nn.BatchNorm1d(3, momentum=None)
    case("bn average first", norm, wave(2, 3, 4))
    case("bn average second", norm, wave(2, 3, 4, phase=2))
    cases["bn average second"].update(statistics(norm))
    norm = nn.BatchNorm1d(3, track_running_stats=False, affine=False).eval()
    case("bn batch only", norm, wave(5, 3))
    layer = filled(nn.LayerNorm((3, 4)), weight=wave(3, 4, phase=3), bias=wave(3, 4, phase=4))
    case("ln", layer, wave(2, 3, 4))
    linear = filled(nn.Linear(3, 2), weight=wave(2, 3, phase=3), bias=wave(2, phase=4))
    case("linear", linear, wave(5, 3))

    activations = {
        "Sigmoid": nn.Sigmoid(),
        "Tanh": nn.Tanh(),
        "ReLU": nn.ReLU(),
        "LeakyReLU": nn.LeakyReLU(0.2),
        "ELU": nn.ELU(0.5),
        "Softplus": nn.Softplus(),
        "GELU": nn.GELU(),
        "GELU tanh": nn.GELU("tanh"),
        "SiLU": nn.SiLU(),
        "Softmax": nn.Softmax(1),
        "LogSoftmax": nn.LogSoftmax(1),
    }
    for name, module in activations.items():
        case(f"act {name}", module, 3 * wave(2, 3))
    path = Path(__file__).parent / "golden.json"
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
