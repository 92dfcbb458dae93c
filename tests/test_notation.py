"""Every operation as text, LaTeX and NumPy: complete, valid, and equal to what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from op_samples import Sample
from test_registry import PRIMITIVE, each_op

from tinygrad_course.op import Op, helpers_of

RANDOM = "bernoulli_mask"  # draws from `rng`; tested by itself


def names_of(made: Op, sample: Sample) -> list[str]:
    """Return a name for each operand of a sample."""
    if not made.variadic:
        return list(made.inputs)
    return [f"x{k}" for k in range(len(sample.args))]


def evaluate(source: str, np: Any, values: dict[str, Any]) -> Any:
    """Return the value of NumPy source with the helpers that it calls, and nothing else."""
    program = "\n\n".join([*helpers_of(source), f"result = {source}"])
    scope = {**values, "np": np}
    exec(program, scope)
    return scope["result"]


def assert_same(got: Any, expected: np.ndarray) -> None:
    assert np.shape(got) == expected.shape
    if expected.dtype.kind == "f":
        assert np.asarray(got).dtype == expected.dtype
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-12, atol=1e-15)


def forward(made: Op, sample: Sample) -> np.ndarray:
    return np.asarray(made.forward(*sample.args, **{**made.defaults, **sample.params}))


@each_op
def test_numpy_computes_the_same(name, sample):
    made = PRIMITIVE[name]
    if name == RANDOM:
        return
    names = names_of(made, sample)
    source = made.spell("numpy", names, sample.params)
    with np.errstate(all="ignore"):
        got = evaluate(source, np, dict(zip(names, sample.args, strict=True)))
    assert_same(got, forward(made, sample))
