"""Chains of elementwise operations over many numbers, with one sum at the end.

NumPy makes one pass through memory for each operation; what fuses the chain makes one in all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .steps import LIBRARIES, missing

Step = Callable[[], Any]


class Chain(NamedTuple):
    """A chain as text, and as a function of a module with `exp`, the sum, and x."""

    text: str
    function: Callable[[Any, Any], Any]


CHAINS = [
    Chain("mean((x² + 1)(x − 2) + x/2)", lambda lib, x: ((x * x + 1) * (x - 2) + x * 0.5).mean()),
    Chain("mean(x / (1 + exp(−x)))", lambda lib, x: (x / (1 + lib.exp(-x))).mean()),
]


def numbers(n: int) -> Any:
    """Return `n` standard normal numbers, float32."""
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)


def plain(chain: Chain, x: Any) -> Step:
    """NumPy."""
    return functools.partial(chain.function, np, x)


def compiled(chain: Chain, x: Any, backend: str) -> Step:
    """This package, compiled."""
    import tinygrad_course as tc
    from tinygrad_course.compiling import compile

    def run(x: Any) -> Any:
        return chain.function(tc, x)

    return functools.partial(compile(run, backend=backend), tc.tensor(x))


def pytorch(chain: Chain, x: Any, fused: bool = False) -> Step:
    """PyTorch, or torch.compile."""
    import torch

    def run(x: Any) -> Any:
        return chain.function(torch, x)

    return functools.partial(torch.compile(run) if fused else run, torch.tensor(x))


def jax_jit(chain: Chain, x: Any) -> Step:
    """JAX."""
    import jax
    import jax.numpy as jnp

    given = jnp.asarray(x)
    run = jax.jit(functools.partial(chain.function, jnp))

    def step() -> Any:
        return run(given).block_until_ready()

    return step


BUILDERS: dict[str, Callable[..., Step]] = {
    "by hand": plain,
    "compiled numpy": functools.partial(compiled, backend="numpy"),
    "compiled numba": functools.partial(compiled, backend="numba"),
    "PyTorch": pytorch,
    "torch.compile": functools.partial(pytorch, fused=True),
    "JAX jit": jax_jit,
}


def available(names: list[str]) -> list[str]:
    """Return which of the libraries take part."""
    return [n for n in names if n in BUILDERS and n in LIBRARIES and not missing(n)]
