"""Write losses_golden.json: values and gradients of PyTorch's losses, to compare ours with.

Run once, where PyTorch 2.13 is installed: ``python tests/nn/make_losses_golden.py``. The tests read
the numbers only; PyTorch is no dependency of them. Each case holds its arguments (floats have
gradients, integers have none), the value, and the gradients for the cotangent
`wave(*value.shape, phase=0.5)` (1 for a number).
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np


def wave(*shape: int, phase: float = 0.0) -> np.ndarray:
    """Return reproducible numbers between -1 and 1."""
    count = int(np.prod(shape))
    return np.sin(1.7 * np.arange(1, count + 1) + phase).reshape(shape)


def main() -> None:
    import torch
    from torch.nn import functional as F

    torch.set_default_dtype(torch.float64)
    cases = []

    def case(function: str, args: list, reductions=("mean", "sum", "none"), **options) -> None:
        for reduction in reductions:
            given = [torch.tensor(a) for a in args]
            floats = [a.requires_grad_() for a in given if a.is_floating_point()]
            passed = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
            y = getattr(F, function)(*given, reduction=reduction, **passed)
            cotangent = torch.tensor(wave(*y.shape, phase=0.5)) if y.ndim else None
            grads = torch.autograd.grad(y, floats, cotangent, allow_unused=True)
            cases.append(
                {
                    "function": function,
                    "args": [np.asarray(a).tolist() for a in args],
                    "options": {**options, "reduction": reduction},
                    "y": y.tolist(),
                    "grads": [None if g is None else g.tolist() for g in grads],
                }
            )

    every = ("batchmean", "mean", "sum", "none")
    x = 2 * wave(4, 3)
    signs = np.where(wave(4, 3, phase=2) > 0, 1, -1)
    p = np.exp(wave(4, 3, phase=1))
    p /= p.sum(1, keepdims=True)
    logq = x - np.log(np.exp(x).sum(1, keepdims=True))
    case("kl_div", [logq, p], every)
    case("kl_div", [logq, np.log(p)], every, log_target=True)
    case("kl_div", [wave(2, 3, 2) - 2, (p[0] * np.ones((2, 2, 3))).reshape(2, 3, 2)], every)
    counts = np.array([[0.0, 1.0, 2.0], [3.0, 0.5, 7.0], [1.0, 4.0, 0.0], [2.0, 2.0, 12.0]])
    for full in (False, True):
        case("poisson_nll_loss", [x, counts], full=full)
        case("poisson_nll_loss", [np.exp(x), counts], full=full, log_input=False, eps=1e-3)
    var = np.exp(wave(4, 3, phase=3))
    for full in (False, True):
        case("gaussian_nll_loss", [x, wave(4, 3, phase=1), var], full=full)
    case("gaussian_nll_loss", [x, wave(4, 3, phase=1), var[:, :1]])
    case("gaussian_nll_loss", [x, wave(4, 3, phase=1), var[:, 0]])
    case("gaussian_nll_loss", [x, wave(4, 3, phase=1), 0.3 * var], eps=0.5)
    for margin in (1.0, 0.3):
        case("hinge_embedding_loss", [np.abs(x), signs], margin=margin)
        case("margin_ranking_loss", [x, wave(4, 3, phase=5), signs], margin=margin - 0.3)
        case("cosine_embedding_loss", [x, wave(4, 3, phase=5), signs[:, 0]], margin=margin - 1)
    case("cosine_embedding_loss", [x[0], wave(3, phase=5), np.int64(-1)], margin=0.1)
    case("soft_margin_loss", [x, signs])
    for p_, margin, weight in itertools.product((1, 2), (1.0, 0.4), (None, [0.2, 1.0, 3.0])):
        case("multi_margin_loss", [x, np.array([0, 2, 1, 2])], p=p_, margin=margin, weight=weight)
    case("multi_margin_loss", [x[0], np.int64(1)], p=2)
    several = np.array([[2, 0, -1], [-1, 0, 1], [0, 1, 2], [1, -1, 1]])
    case("multilabel_margin_loss", [x, several])
    case("multilabel_margin_loss", [x[0], several[0]])
    case("multilabel_soft_margin_loss", [x, (signs + 1) // 2])
    case("multilabel_soft_margin_loss", [x, (signs + 1) // 2], weight=[0.2, 1.0, 3.0])
    a, b, c = wave(4, 3), wave(4, 3, phase=0.3), wave(4, 3, phase=1.1)
    for norm, swap in itertools.product((2.0, 1.0, 3.0), (False, True)):
        case("triplet_margin_loss", [a, b, c], p=norm, swap=swap, margin=0.8)
    case("triplet_margin_loss", [a[0], b[0], c[0]])
    for swap in (False, True):
        case("triplet_margin_with_distance_loss", [a, b, c], swap=swap)

    # Options of the losses of classes and of two classes, in all combinations.
    maps = 2 * wave(2, 3, 2, 2)
    seen = np.array([[[0, 2], [1, 1]], [[2, -100], [0, 1]]])
    weight = [0.2, 1.0, 3.0]
    soft = np.exp(wave(2, 3, 2, 2, phase=1))
    soft /= soft.sum(1, keepdims=True)
    for w, smoothing in itertools.product((None, weight), (0.0, 0.1)):
        options = {"weight": w, "label_smoothing": smoothing}
        case("cross_entropy", [maps, seen], **options)
        case("cross_entropy", [maps, np.abs(seen) % 3], **options, ignore_index=1)
        case("cross_entropy", [maps, soft], **options)
        case("cross_entropy", [maps[0, :, 0, 0], soft[0, :, 0, 0]], **options)
        case("cross_entropy", [maps[0, :, 0, 0], np.int64(2)], **options)
    for w in (None, weight):
        case("nll_loss", [np.log(soft), seen], weight=w)
        case("nll_loss", [np.log(soft[..., 0]), np.abs(seen[..., 0]) % 3], weight=w, ignore_index=2)
    halves = (signs + 1) / 2
    for w, positive in itertools.product((None, weight), (None, [2.0, 0.5, 1.0])):
        options = {"weight": w, "pos_weight": positive}
        case("binary_cross_entropy_with_logits", [x, 0.8 * halves + 0.1], **options)
    case("binary_cross_entropy", [p, 0.8 * halves + 0.1], weight=weight)
    case("huber_loss", [x, wave(4, 3, phase=1)], delta=0.7)
    case("smooth_l1_loss", [x, wave(4, 3, phase=1)], beta=0.7)
    text = json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":"))
    text = text.replace('},{"function"', '},\n{"function"')
    (Path(__file__).parent / "losses_golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
