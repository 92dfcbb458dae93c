"""SciPy's minimizers on the parameters of a model, taken as one flat vector.

SciPy looks for the minimum; the loss, its gradient and products with its Hessian come from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_course.autograd import grad
from tinygrad_course.errors import ArgumentError, DtypeError, ShapeError, missing
from tinygrad_course.modes import enable_grad
from tinygrad_course.node import RECORD_ALL, last_write, recording, tick
from tinygrad_course.tensor import Tensor, wrap

from .checks import checked_parameters

__all__ = ["minimize"]

# What a method asks for beside the loss.
WITH_GRADIENT = (
    "CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "dogleg", "trust-ncg", "trust-krylov",
    "trust-exact", "trust-constr",
)  # fmt: skip
WITH_PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr")
WITH_HESSIAN = ("dogleg", "trust-exact")
WITHOUT = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")


def minimize(
    f: Callable[[], Any],
    parameters: Any,
    method: str = "BFGS",
    *,
    tol: float | None = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[[Any], Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """Find parameters that make a loss as small as possible, by `scipy.optimize.minimize`.

    The gradient comes from automatic differentiation; so do the products of the Hessian with a
    vector, ∇(∇J · v), that "Newton-CG", "trust-ncg", "trust-krylov" and "trust-constr" ask for, and
    the whole Hessian for "dogleg" and "trust-exact". SciPy computes in float64; let the parameters
    be float64 too (``model.double()``), since a gradient in float32 ends the search early.

    Args:
        f: computes the loss from the parameters where they are, without arguments.
        parameters: a model, a tensor, or tensors: leaves that require grad.
        method: a method of SciPy's: "BFGS", "L-BFGS-B", "CG", "Newton-CG", "trust-ncg",
            "Nelder-Mead", …
        tol: when to stop; each method has its own meaning of it.
        bounds: for some methods, the limits (low, high) of each number.
        constraints: for some methods, see SciPy.
        callback: called with the flat vector after each iteration; the parameters are there then.
        options: of the method, such as ``{"maxiter": 200, "gtol": 1e-8}``.

    Returns:
        SciPy's result: ``.x``, the flat vector (parameters one after another, each row by row),
        ``.fun``, the loss there, ``.nit``, the iterations, ``.success`` and ``.message``. The
        parameters are left at ``.x``.

    Raises:
        MissingDependencyError: SciPy is not installed: the extra ``scipy``.
        ArgumentError, DtypeError, GraphError: an unknown method; parameters as in `Optimizer`.
        ShapeError: the loss is not one number.

    Source: Nocedal and Wright, "Numerical Optimization", 2006, describe the methods.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([-1.5, 2.0], dtype=tc.float64, requires_grad=True)
        >>> def valley():  # Rosenbrock's
        ...     return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
        >>> result = optim.minimize(valley, w)
        >>> [round(x, 4) for x in w.tolist()], result.success
        ([1.0, 1.0], True)
    """
    try:
        from scipy.optimize import minimize as search
    except ImportError as error:
        raise missing("scipy", "optim.minimize", "scipy") from error
    known = {name.lower(): name for name in (*WITH_GRADIENT, *WITHOUT)}
    if not isinstance(method, str) or method.lower() not in known:
        raise ArgumentError(
            f"minimize: got method={method!r}, expected one of {', '.join(known.values())}."
        )
    method = known[method.lower()]
    loss = _Loss(f, _tensors(parameters))
    given: dict[str, Any] = {"tol": tol, "constraints": constraints, "options": options}
    if method in WITH_GRADIENT:
        given["jac"] = True
    if method in WITH_PRODUCTS:
        given["hessp"] = loss.product
    if method in WITH_HESSIAN:
        given["hess"] = loss.hessian
    if bounds is not None:
        given["bounds"] = bounds
    if callback is not None:
        told = callback

        def tell(x: Any, *rest: Any) -> Any:
            loss.write(x)
            return told(x.copy())

        given["callback"] = tell
    start = loss.read()
    function = loss.with_gradient if method in WITH_GRADIENT else loss.value
    try:
        result = search(function, start, method=method, **given)
    except BaseException:
        loss.write(start)
        raise
    loss.write(result.x)
    return result


class _Loss:
    """A loss as a function of a flat vector.

    Args:
        f: computes it from the parameters where they are.
        parameters: leaf tensors.
    """

    def __init__(self, f: Callable[[], Any], parameters: list[Tensor]) -> None:
        if not callable(f):
            raise DtypeError(
                f"minimize: got a {type(f).__name__}, expected a function that computes the loss. "
                "Write minimize(lambda: loss_fn(model(X), Y), model)."
            )
        self.f = f
        self.parameters = parameters

    def read(self) -> Any:
        """Return the parameters as one vector."""
        return np.concatenate([p._data.reshape(-1) for p in self.parameters]).astype(np.float64)

    def write(self, x: Any) -> None:
        """Put the parameters where the vector says."""
        now = last_write[0] = tick()
        start = 0
        for p in self.parameters:
            p._data[...] = x[start : start + p._data.size].reshape(p.shape)
            start += p._data.size
            (p._memory or p._stamp())[0] = now

    def value(self, x: Any) -> float:
        """Return the loss."""
        return float(self._loss(x))

    def with_gradient(self, x: Any) -> tuple[float, Any]:
        """Return the loss and its gradient."""
        with enable_grad():
            J = self._loss(x)
            found = grad(J, self.parameters, allow_unused=True)
        return float(J), self._flat(found)

    def product(self, x: Any, v: Any) -> Any:
        """Return the Hessian times a vector."""
        with enable_grad():
            found = grad(self._loss(x), self.parameters, create_graph=True, allow_unused=True)
            return self._flat(self._along(found, v, last=True))

    def hessian(self, x: Any) -> Any:
        """Return the Hessian."""
        with enable_grad():
            found = grad(self._loss(x), self.parameters, create_graph=True, allow_unused=True)
            rows = [self._flat(self._along(found, v)) for v in np.eye(len(x))]
        return np.array(rows)

    def _loss(self, x: Any) -> Tensor:
        if recording.get() & RECORD_ALL:
            raise ArgumentError("minimize: it cannot be part of a traced function.")
        self.write(x)
        J = self.f()
        if not isinstance(J, Tensor):
            raise DtypeError(
                f"minimize: the function returned a {type(J).__name__}, expected a tensor. Compute "
                "the loss with tensor operations, without .item() or .numpy()."
            )
        if J._data.size != 1:
            raise ShapeError(
                f"minimize: the loss has shape {J.shape}, expected one number. Reduce it with "
                ".sum() or .mean()."
            )
        return J

    def _along(self, gradient: Any, v: Any, last: bool = False) -> Any:
        """Differentiate the gradient along a vector."""
        slope: Any = 0.0
        start = 0
        for p, g in zip(self.parameters, gradient, strict=True):
            part = v[start : start + p._data.size].reshape(p.shape).astype(p.dtype)
            start += p._data.size
            if g is not None:
                slope = slope + (g * wrap(part)).sum()
        if not isinstance(slope, Tensor) or not slope.requires_grad:
            return [None] * len(self.parameters)  # of a linear loss
        return grad(slope, self.parameters, retain_graph=not last, allow_unused=True)

    def _flat(self, gradients: Iterable[Any]) -> Any:
        parts = [
            np.zeros(p._data.size) if g is None else g._data.reshape(-1)
            for p, g in zip(self.parameters, gradients, strict=True)
        ]
        return np.concatenate(parts).astype(np.float64)


def _tensors(parameters: Any) -> list[Tensor]:
    if hasattr(parameters, "parameters"):
        parameters = [p for p in parameters.parameters() if p.requires_grad]
    elif not isinstance(parameters, Iterable):
        raise DtypeError(
            f"minimize: got a {type(parameters).__name__} as parameters, expected a model, a "
            "tensor or a list of tensors."
        )
    return checked_parameters("minimize", parameters, set())[0]
