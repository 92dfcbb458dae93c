"""Side-by-side timing of training steps, with NumPy by hand, PyTorch, JAX, autograd, MyGrad.

Run ``python -m benchmarks``. Absolute times depend on the machine; quote the ratios of one run.
"""

from .runner import main

__all__ = ["main"]
