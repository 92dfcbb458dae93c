"""Checking derivatives against differences: is this gradient right, and if not, why?

`gradcheck` and `gradgradcheck` answer True or raise, with PyTorch's arguments. `check_gradients`
gives the full report, of a function or of a whole model:

    print(check_gradients(lambda: loss(model(X), Y), model))

The work is done in `tinygrad_course.checking`, loaded at the first check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checking.report import GradientReport


def check_gradients(
    f: Callable[..., Any],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float = 1e-5,
    strict: bool = False,
    max_entries: int | None = 1000,
    seed: int = 0,
    nondet_tol: float = 0.0,
) -> GradientReport:
    """Compare analytic derivatives with central differences in float64, and name what is wrong.

    The numeric derivative of an entry θ is (J(θ+ε) − J(θ−ε)) / 2ε; the report gives, per parameter
    and overall, the courses' difference ‖grad − approx‖₂ / (‖grad‖₂ + ‖approx‖₂). Models and
    tensors come back unchanged, bit for bit: float32 ones are checked on float64 copies.

    Args:
        f: a function of the inputs, or one without arguments that uses them; it returns a tensor
            or a tuple of tensors, of any shape.
        inputs: a model (all its parameters), a tensor, a tuple or a dictionary of tensors.
        eps: ε; by default the best for float64, 6.06e-6 · max(1, |θ|).
        atol: absolute tolerance; by default what rounding explains.
        rtol: relative tolerance.
        strict: count entries at a kink as failures.
        max_entries: check a seeded sample of this many entries of a larger model, and a random
            direction through all entries of each sampled parameter; None checks every entry.
        seed: of the sample, and of the cotangents of outputs that are no scalars.
        nondet_tol: how far two runs on the same values may differ.

    Returns:
        The report: true when all derivatives agree; ``print(report)`` shows the table.

    Raises:
        NothingToCheckError: no input is a float tensor that requires grad, or no output a float.
        DtypeError: `f` is no function, or returned something other than tensors.

    Source:
        Gradient checking: DeepLearning.AI, Improving Deep Neural Networks, week 1.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.gradcheck import check_gradients
        >>> theta = tc.tensor(4.0, dtype=tc.float64, requires_grad=True, name="theta")
        >>> report = check_gradients(lambda theta: theta * 2.0, theta, eps=1e-7)
        >>> report.passed, report.difference
        (True, 2.919335883291695e-10)
    """
    from .checking.check import check
    from .checking.comparison import Options

    return check(
        f, inputs, Options(eps, atol, rtol, strict, max_entries, seed, nondet_tol, recorded=False)
    )


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    eps: float | None = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    *,
    nondet_tol: float = 0.0,
    strict: bool = True,
    max_entries: int | None = None,
    seed: int = 0,
) -> bool:
    """Return True when analytic and numeric derivatives of ``f(*inputs)`` agree, else raise.

    They agree where |analytic − numeric| ≤ atol + rtol · |numeric|, with differences in float64.

    Args:
        f: a function of the inputs that returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require grad are checked. Also a model, with `f` a
            function without arguments.
        eps: the step ε of the differences; None chooses it for float64.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: False returns False instead of raising.
        nondet_tol: how far two runs on the same values may differ.
        strict: as in PyTorch, an entry at a kink fails; False sets it aside.
        max_entries: check at most this many entries, a seeded sample.
        seed: of the sample, and of random cotangents.

    Raises:
        GradcheckError: they disagree, or cannot be compared; its ``.report`` has the numbers.
        NothingToCheckError: nothing requires grad.

    Source:
        ``torch.autograd.gradcheck``.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([1.0, 2.0], dtype=tc.float64, requires_grad=True)
        >>> tc.gradcheck(lambda x: (x**3).sum(), x)
        True
    """
    from .checking.check import check
    from .checking.comparison import Options

    options = Options(eps, atol, rtol, strict, max_entries, seed, nondet_tol, recorded=False)
    report = check(f, inputs, options)
    if raise_exception:
        report.raise_if_failed()
    return report.passed


def gradgradcheck(
    f: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    eps: float | None = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    *,
    nondet_tol: float = 0.0,
    strict: bool = True,
    max_entries: int | None = None,
    seed: int = 0,
) -> bool:
    """Return True when second derivatives of ``f(*inputs)`` agree with differences of the first.

    It checks the gradient itself as a function of the inputs and of the incoming cotangents.

    Args:
        f: a function of the inputs that returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple, as for `gradcheck`.
        grad_outputs: cotangents of the outputs; by default seeded random ones.
        eps: the step ε of the differences; None chooses it for float64.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: False returns False instead of raising.
        nondet_tol: how far two runs on the same values may differ.
        strict: an entry at a kink of the gradient fails.
        max_entries: check at most this many entries, a seeded sample.
        seed: of the sample, and of random cotangents.

    Raises:
        GradcheckError: they disagree, or cannot be compared; its ``.report`` has the numbers.
        NothingToCheckError: nothing requires grad.

    Source:
        ``torch.autograd.gradgradcheck``.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor([1.0, 2.0], dtype=tc.float64, requires_grad=True)
        >>> tc.gradgradcheck(lambda x: (x**3).sum(), x)
        True
    """
    from .checking.comparison import Options
    from .checking.second import check_second

    options = Options(eps, atol, rtol, strict, max_entries, seed, nondet_tol, recorded=True)
    report = check_second(f, inputs, grad_outputs, options)
    if raise_exception:
        report.raise_if_failed()
    return report.passed
