"""A quasi-Newton method: steps from what the last gradients say about the curvature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_course.errors import ArgumentError, DtypeError, StateDictError, UnrecordableError
from tinygrad_course.modes import enable_grad
from tinygrad_course.node import RECORD_ALL, last_write, recording, tick

from .checks import checked_number
from .line_search import Point, strong_wolfe
from .optimizer import Group, Optimizer

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS: Newton's method with a Hessian estimated from the last gradients.

    From the changes s = xₖ₊₁ − xₖ of the parameters and y = gₖ₊₁ − gₖ of the gradient, the inverse
    Hessian H is estimated, which is never written out; a step is x ← x + t d with d = −H g::

        q ← −g;    for each pair, the newest first:   a = (s·q) / (y·s),   q ← q − a y
        d ← (y·s) / (y·y) q;    the oldest first:     b = (y·d) / (y·s),   d ← d + (a − b) s

    The step length t is `lr`, or found by a line search. All parameters are taken as one vector.
    It is for losses of all examples at once: of small batches, changes of the gradient say nothing
    about the curvature. A call of `step` takes up to `max_iter` steps.

    Args:
        params: leaf tensors that require grad; one group.
        lr: the step length t, or the first one that the line search tries.
        max_iter: the most steps in a call.
        max_eval: the most evaluations of the loss in a call; by default 1.25 `max_iter`.
        tolerance_grad: end when no derivative is larger.
        tolerance_change: end when parameters or loss change less.
        history_size: how many pairs (s, y) are kept.
        line_search_fn: None, or "strong_wolfe".

    Raises:
        ArgumentError, DtypeError, GraphError: see `Optimizer`; also when `step` gets no closure.
        TraceError: a step inside of `tc.trace`: how many evaluations it takes depends on the loss.
            (A function that `tc.compile` is given is called as it is.)

    Source: Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989,
    in the form of `torch.optim.LBFGS`.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import optim
        >>> w = tc.tensor([-1.5, 2.0], dtype=tc.float64, requires_grad=True)
        >>> optimizer = optim.LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     J = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2  # Rosenbrock's valley
        ...     J.backward()
        ...     return J
        >>> J = optimizer.step(closure)
        >>> [round(x, 5) for x in w.tolist()]
        [1.0, 1.0]
    """

    needs_closure = True

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        """Check the options and the parameters."""
        if max_eval is None and isinstance(max_iter, int):
            max_eval = max_iter * 5 // 4
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)
        if len(self.param_groups) != 1:
            raise ArgumentError(
                f"LBFGS: got {len(self.param_groups)} parameter groups, expected one: all "
                "parameters are one vector."
            )
        self._params = self.param_groups[0]["params"]
        self._clear()

    def _clear(self) -> None:
        """Forget all steps."""
        self._steps = self._evaluations = 0
        self._pairs: list[tuple[Any, Any]] = []  # (s, y)
        self._d: Any = None
        self._t = 0.0
        self._gradient: Any = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` steps.

        Args:
            closure: forgets the gradients, computes the loss and its gradients, and returns it.

        Returns:
            The loss before the first of these steps.
        """
        if recording.get() & RECORD_ALL:
            raise UnrecordableError(
                "LBFGS looks at the loss to choose how far to go, and a recorded program could not "
                "choose anew. Take its step outside of the traced function."
            )
        if not callable(closure):
            raise ArgumentError(
                "LBFGS.step: got no closure, expected a function that computes the loss anew, with "
                "its gradients: each step needs several. Write optimizer.step(closure)."
            )
        group = self.param_groups[0]
        first, point = self._evaluate(closure)
        most = group["max_iter"]
        evaluations = 1
        if np.abs(point.gradient).max(initial=0) <= group["tolerance_grad"]:
            return first
        for step in range(1, most + 1):
            gradient = point.gradient
            self._direct(gradient, group["history_size"])
            d, before = self._d, point.value
            self._gradient = gradient
            self._t = float(group["lr"])
            if self._steps == 1:
                self._t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            slope = float(gradient @ d)
            if slope > -group["tolerance_change"]:
                break
            here = [p._data.copy() for p in self._params]
            if group["line_search_fn"] is None:
                self._move(here, self._t)
                count = 0
                if step < most:  # the loss after the last step is looked at by nobody
                    point, count = self._evaluate(closure)[1], 1
            else:

                def at(t: float, here: list[Any] = here, d: Any = d) -> Point:
                    self._move(here, t)
                    found = self._evaluate(closure)[1]
                    return Point(t, found.value, float(found.gradient @ d), found.gradient)

                start = Point(0.0, before, slope, gradient)
                narrow = group["tolerance_change"] / float(np.abs(d).max())
                left = group["max_eval"] - evaluations
                point, count = strong_wolfe(at, start, self._t, narrow, left)
                self._t = point.t
                self._move(here, point.t)
            evaluations += count
            if (
                step == most
                or evaluations >= group["max_eval"]
                or np.abs(point.gradient).max() <= group["tolerance_grad"]
                or np.abs(d * self._t).max() <= group["tolerance_change"]
                or abs(point.value - before) < group["tolerance_change"]
            ):
                break
        return first

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add the only group."""
        if self.param_groups:
            raise ArgumentError("LBFGS: it has one group of parameters, and takes no other.")
        super().add_param_group(param_group)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state and the options: nested dictionaries of arrays and numbers."""
        found = super().state_dict()
        if self._steps:
            pairs = np.array(self._pairs).reshape(-1, 2, len(self._gradient))
            found["state"][0] = {
                "step": self._steps,
                "func_evals": self._evaluations,
                "t": self._t,
                "d": self._d.copy(),
                "prev_flat_grad": self._gradient.copy(),
                "old_stps": pairs[:, 0].copy(),
                "old_dirs": pairs[:, 1].copy(),
            }
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state and the options of `state_dict`, which is copied.

        Raises:
            StateDictError: it does not fit; the optimizer then stays as it is.
        """
        state = state_dict.get("state", {}) if isinstance(state_dict, Mapping) else {}
        bare = {**state_dict, "state": {}} if isinstance(state_dict, Mapping) else state_dict
        entry = dict(next(iter(state.values()))) if state else {}
        names = {"step", "func_evals", "t", "d", "prev_flat_grad", "old_stps", "old_dirs"}
        size = sum(p._data.size for p in self._params)
        if entry and (set(entry) != names or np.shape(entry["d"]) != (size,)):
            raise StateDictError(
                f"LBFGS.load_state_dict: got the state {sorted(entry)}, expected {sorted(names)} "
                f"of {size} parameters. Pass what state_dict() of an LBFGS returned."
            )
        super().load_state_dict(bare)
        self._clear()
        if entry:
            dtype = np.result_type(*(p.dtype for p in self._params))
            self._steps, self._evaluations = int(entry["step"]), int(entry["func_evals"])
            self._t = float(entry["t"])
            self._d, self._gradient, changes, others = (
                np.array(entry[name], dtype)
                for name in ("d", "prev_flat_grad", "old_stps", "old_dirs")
            )
            self._pairs = list(zip(changes, others, strict=True))

    def _check(self, group: Group) -> None:
        for name in ("max_iter", "max_eval", "history_size"):
            if isinstance(group[name], bool) or not isinstance(group[name], int):
                raise DtypeError(f"LBFGS: got {name}={group[name]!r}, expected an integer >= 1.")
            checked_number("LBFGS", name, group[name], least=1)
        for name in ("tolerance_grad", "tolerance_change"):
            checked_number("LBFGS", name, group[name], least=0)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ArgumentError(
                f"LBFGS: got line_search_fn={group['line_search_fn']!r}, expected None or "
                "'strong_wolfe'."
            )

    # --- the vector of all parameters -----------------------------------------------------------

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, Point]:
        """Return the loss, and with its gradient, where the parameters are."""
        with enable_grad():
            loss = closure()
        parts = []
        for p in self._params:
            if p.grad is None:
                parts.append(np.zeros(p._data.size, p.dtype))
            else:
                self._refuse_gradient(p)
                parts.append(p.grad._data.reshape(-1))
        try:
            value = float(loss)
        except TypeError:
            raise DtypeError(
                f"LBFGS.step: the closure returned a {type(loss).__name__}, expected the loss. "
                "End it with: return J."
            ) from None
        self._evaluations += 1
        return loss, Point(0.0, value, 0.0, np.concatenate(parts))

    def _move(self, here: list[Any], t: float) -> None:
        """Put the parameters at the distance t from where they were."""
        now = last_write[0] = tick()
        start = 0
        for p, x in zip(self._params, here, strict=True):
            part = self._d[start : start + x.size].reshape(x.shape)
            start += x.size
            p._data[...] = x + t * part
            (p._memory or p._stamp())[0] = now

    def _direct(self, g: Any, most: int) -> None:
        """Find the direction −H g, with the last change of gradient and parameters."""
        self._steps += 1
        if self._steps == 1:
            self._d = -g
            return
        y, s = g - self._gradient, self._d * self._t
        if y @ s > 1e-10:  # else the curvature along the step is not positive
            self._pairs = [*self._pairs, (s, y)][-most:]
        q = -g
        passed = []
        for s, y in reversed(self._pairs):
            a = (s @ q) / (y @ s)
            q -= a * y
            passed.append(a)
        if self._pairs:
            s, y = self._pairs[-1]
            q *= (y @ s) / (y @ y)
        for (s, y), a in zip(self._pairs, reversed(passed), strict=True):
            q += (a - (y @ q) / (y @ s)) * s
        self._d = q
