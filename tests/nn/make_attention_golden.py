"""Write attention_golden.json: PyTorch's values and gradients of the programs in attention_cases.

Run once, where PyTorch 2.13 is installed: ``python tests/nn/make_attention_golden.py``. The tests
read the numbers only; PyTorch is no dependency of them. Inputs are `wave`s with their place as
phase, the cotangent is ``wave(*value.shape, phase=0.5)``; NaN are written as null.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
from attention_cases import CASES, wave


def numbers(x):
    """Return nested lists of numbers, with null for NaN."""
    if isinstance(x, list):
        return [numbers(part) for part in x]
    return None if np.isnan(x) else x


def main() -> None:
    import torch
    from torch import nn
    from torch.nn import functional as F

    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    found = {}
    for name, (program, shapes) in CASES.items():
        xs = [torch.tensor(wave(*s, phase=i)).requires_grad_() for i, s in enumerate(shapes)]
        y = program(torch, nn, F, *xs)
        grads = torch.autograd.grad(
            y, xs, torch.tensor(wave(*y.shape, phase=0.5)), allow_unused=True
        )
        parts = [None if g is None else numbers(g.tolist()) for g in grads]
        found[name] = {"y": numbers(y.tolist()), "grads": parts}
    path = Path(__file__).parent / "attention_golden.json"
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in found.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
