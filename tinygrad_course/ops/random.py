"""Random draws as operations: recorded, so that a whole training step can be replayed.

A draw has no derivative. It takes its shape from an input, never from a number written down, so
that a replay with another batch size draws as many numbers as it needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..random import default_generator
from .define import op


def _spell(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write the draw; with keep = 0 nothing is kept, and nothing divided by 0."""
    keep = params["keep"]
    return f"(rng.random(np.shape({operands[0]})) < {keep}) / {keep or 1}"


@op(
    kind="random",
    like="pattern",
    symbol="mask",
    text="mask({pattern}, keep={keep})",
    latex=r"\mathrm{{mask}}({pattern}, \mathrm{{keep}}={keep})",
    numpy=_spell,
    public=False,
)
def bernoulli_mask(pattern: Any, *, keep: float = 0.5, generator: Any = None) -> Any:
    """Draw 1/keep with probability `keep`, else 0, in the shape of `pattern`.

    The mean of a draw is 1: what inverted dropout multiplies by. `generator` is a `Generator`, None
    the one that `manual_seed` seeds.
    """
    dtype = np.asarray(pattern).dtype
    shape = np.shape(pattern)
    stream = (generator or default_generator).numpy
    if dtype.kind != "f":
        dtype = np.dtype(np.float32)
    drawn = stream.random(shape, dtype=np.float64 if dtype == np.float64 else np.float32)
    mask = np.asarray(np.less(drawn, keep), dtype=dtype)
    if keep > 0:
        mask /= keep
    return mask
