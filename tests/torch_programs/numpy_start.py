"""Weights that are the same under both libraries: drawn by NumPy, written into the model."""

import numpy as np


def start(model, seed=0):
    """Fill the parameters of `model`, uniform within ±1/√n for n inputs."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        bound = 1.0 / np.sqrt(p[0].numel() if p.dim() > 1 else 1)
        p.data.copy_(p.data.new_tensor(rng.uniform(-bound, bound, tuple(p.shape))))
    return model
