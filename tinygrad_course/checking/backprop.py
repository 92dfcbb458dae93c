"""Checking backpropagation that a learner wrote by hand: is it right, and if not, why?

`check_backprop` is the way in. What the learner handed in is called and sorted out by `calling`,
`functions` and `matching`, judged on a `tape` of derived operations by `judgement`, explained by
`diagnosis`, and shown by `verdicts`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from ..graph import Graph
from ..tensor import Tensor

if TYPE_CHECKING:
    from .tape import Tape
    from .verdicts import BackpropReport


def check_backprop(
    loss: Any,
    yours: Any,
    *,
    wrt: Any = None,
    forward: Any = None,
    inputs: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    tolerance: float | None = None,
) -> BackpropReport:
    """Check gradients that you computed by hand, and name the mistake in a sentence.

    The backward pass of `loss` is derived, and each of your values is held against its line, such
    as dZ[1] = W[2]ᵀ dZ[2] * (1 − A[1]²), computed from *your* values before it: the value where the
    mistake is shows, and those that only inherit it are not blamed. The single mistake that turns
    the line into what you have is then looked for and named. Your dZ and dA may be m times the
    derivative, as the DL Specialization writes them, or the derivative itself.

    A learner's mistake never raises: functions that raise, missing or misspelt names, wrong shapes
    and NaN are all told in the report.

    Args:
        loss: the cost as a tensor (computed from named tensors or by a model), a graph of it, or a
            plain NumPy function that returns it, called with `inputs`.
        yours: what you computed, one of

            - a dictionary of arrays, ``{"dW1": dW1, …}``, with dZ1, A1, … if you like: the more
              there is, the nearer the diagnosis;
            - a function that returns one; its arguments are found by name (X, Y, W1, parameters,
              cache, …);
            - a module, a namespace or the path of a file with functions as the courses write them
              (``linear_backward(dZ, cache)``, ``L_model_backward(AL, Y, caches)``,
              ``backward_propagation(parameters, cache, X, Y)``, ``propagate(w, b, X, Y)``, …): each
              is tried alone on right inputs.
        wrt: names, such as ``["dW2", "db2"]``, or tensors: gradients that must be there; by default
            those of all parameters.
        forward: your forward values as a dictionary, or a function that returns them; they are
            compared first.
        inputs: arguments of a NumPy `loss` by name; also further arguments of your functions, such
            as ``{"lambd": 0.7}``.
        names: your names where they are not recognised: ``{"grad_hidden": "dW1"}``.
        tolerance: the difference ‖yours − derived‖₂ / (‖yours‖₂ + ‖derived‖₂) below which a value
            is right; by default 1e-7 for float64 and 1e-5 for float32.

    Returns:
        The report: true when all is right; ``print(report)`` shows a table, ``report.first`` is the
        first value in error, with its ``.diagnosis``.

    Raises:
        DtypeError: `loss` is neither tensor, graph nor function; `yours` is nothing to check.
        ArgumentError: `inputs` do not fit the NumPy function; `names` or `wrt` name unknown values.
        GraphError: no gradient can be derived from `loss`.

    Source:
        Gradient checking, with its difference: DeepLearning.AI, Improving Deep Neural Networks,
        week 1.

    Example:
        >>> import numpy as np, tinygrad_course as tc
        >>> rng = np.random.default_rng(0)
        >>> w = tc.tensor(rng.normal(size=(2, 1)), requires_grad=True, name="w")
        >>> b = tc.tensor(0.1, dtype=tc.float64, requires_grad=True, name="b")
        >>> X = tc.tensor(rng.normal(size=(2, 5)), name="X")
        >>> Y = tc.tensor([[0, 1, 1, 0, 1]], dtype=tc.float64, name="Y")
        >>> J = tc.nn.BCELoss()(tc.sigmoid(w.T @ X + b), Y)
        >>> def propagate(w, b, X, Y):
        ...     m = X.shape[1]
        ...     A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
        ...     dZ = Y - A
        ...     return {"dZ": dZ, "dw": np.dot(X, dZ.T) / m, "db": np.sum(dZ) / m}
        >>> print(tc.check_backprop(J, propagate).first.diagnosis)
        dZ is Y − A instead of A − Y: the sign is wrong.
    """
    from .numeric import FailedForward
    from .session import Session

    loss, yours = _in_order(loss, yours)
    _check_arguments(loss, yours, names, tolerance)
    try:
        tape, reference = _tape(loss, inputs, wrt)
    except FailedForward as error:
        return Session.failed(str(error))
    return Session(
        tape, reference, wanted=_wanted(tape, wrt), inputs=inputs or {}, names=names or {},
        tolerance=tolerance, forward=forward,
    ).report(yours)  # fmt: skip


def _in_order(loss: Any, yours: Any) -> tuple[Any, Any]:
    """Return the two in their order; the other order is understood where it is clear."""
    known = (Tensor, Graph)
    if isinstance(yours, known) and not isinstance(loss, known):
        return yours, loss
    return loss, yours


def _check_arguments(loss: Any, yours: Any, names: Any, tolerance: Any) -> None:
    if not isinstance(loss, (Tensor, Graph)) and not callable(loss):
        raise errors.DtypeError(
            f"check_backprop: the loss is {type(loss).__name__}, expected a tensor (the cost), a "
            "graph, or a NumPy function that returns the cost. Write check_backprop(loss, yours)."
        )
    if yours is None or isinstance(yours, (int, float, complex, np.ndarray, Tensor)):
        raise errors.DtypeError(
            f"check_backprop: got {type(yours).__name__} to check, expected your gradients by "
            'name, {"dW1": dW1, "db1": db1}, a function that returns them, or a module of '
            "functions."
        )
    if names is not None and not isinstance(names, Mapping):
        raise errors.DtypeError(
            f"check_backprop: names is {type(names).__name__}, expected a dictionary from your "
            'names to ours: {"grad_hidden": "dW1"}.'
        )
    if tolerance is not None and not (isinstance(tolerance, (int, float)) and tolerance > 0):
        raise errors.ArgumentError(
            f"check_backprop: tolerance is {tolerance!r}, expected a positive number such as 1e-7."
        )


def _tape(loss: Any, inputs: Any, wrt: Any) -> tuple[Tape, str]:
    from ..derivation.lines import derive
    from .numeric import reference
    from .tape import Tape

    if not isinstance(loss, (Tensor, Graph)):
        return reference(_plain(loss), inputs, wrt)
    if isinstance(loss, Tensor) and loss.size() and loss.numel() != 1:
        raise errors.ShapeError(
            f"check_backprop: the loss has shape {loss.shape}, expected a single number. Reduce it "
            "with .sum() or .mean()."
        )
    plain = derive(loss, mean="exact")
    if not any(node.role == "gradient" for node in plain.graph):
        raise errors.GraphError(
            "check_backprop: there is no backward pass to derive: create the parameters with "
            "requires_grad=True, or capture the graph with tc.Graph.of(loss, backward=True)."
        )
    tape = Tape(plain, derive(loss, mean="exact", links="all"))
    lost = [tape.called[i] for i in sorted(tape.leaves) if tape.nodes[i].value is None]
    if lost:
        raise errors.GraphError(
            f"check_backprop: the value of {lost[0]} was changed after the loss was computed, most "
            "often by optimizer.step(). Check before the step, or compute the loss again."
        )
    return tape, "derived from the loss, in float64"


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isclass(function):
        raise errors.DtypeError(
            f"check_backprop: the loss is the class {function.__name__}, expected a tensor or a "
            "function that returns the cost."
        )
    return function


def _wanted(tape: Tape, wrt: Any) -> list[int]:
    """Return the gradients that must be there."""
    from .matching import plain

    gradients = [i for i in tape.of if tape.is_gradient(i)]
    if wrt is None:
        return gradients
    listed = [wrt] if isinstance(wrt, (str, Tensor)) else list(wrt)
    chosen = []
    for each in listed:
        name = plain(str(each.name if isinstance(each, Tensor) else each))
        index = tape.names.get(name)
        if index is not None and index in tape.grad:
            index = tape.grad[index]
        if index not in gradients:
            known = ", ".join(tape.called[i] for i in gradients)
            raise errors.ArgumentError(
                f"check_backprop: wrt names {name!r}, expected gradients of this loss: {known}."
            )
        chosen.append(index)
    return chosen
