"""Side-by-side timing: NumPy by hand, this package eager and compiled, PyTorch, JAX and others.

Run ``python -m benchmarks`` (``--help`` lists the parts). Absolute times depend on the machine;
quote the ratios of one run. `steps` has the same training step for each library, `elementwise`,
`coffee` and `chains` the other problems; `worker` measures in processes of their own, `report` and
`plot` show, `runner` puts it together.
"""

from .runner import main

__all__ = ["main"]
