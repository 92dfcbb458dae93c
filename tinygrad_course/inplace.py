"""Changing a tensor in place, without ever giving a wrong gradient.

A change writes new values into the tensor's memory and stamps the memory with the time. When a
gradient must pass, the tensor's history becomes that of the operation, computed from a private copy
of the old values; a view hands the change on to its base, and other views of the same memory record
their history anew when next used (`tensor.refresh`). An earlier node that still needs the
overwritten values is refused in the backward pass, by the stamp.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import errors
from .journal import Journal, active, assignments
from .messages import user_line
from .node import NO_PARAMS, RECORD_ALL, RECORD_GRAD, Node, last_write, recording, tick
from .op import Op, register
from .tensor import Tensor, View, apply, refresh, wrap


def change(
    x: Tensor, op: Op, others: tuple[Any, ...] = (), params: dict[str, Any] = NO_PARAMS
) -> Tensor:
    """Replace the values of `x` by ``op(x, *others, **params)`` and return `x`.

    Raises:
        InplaceError: `x` is a leaf that requires grad (or a view of one) and recording is on.
        ShapeError, DtypeError: the result does not fit `x`.
    """
    x._array()
    for t in (x, *others):
        if isinstance(t, Tensor) and t._view is not None:
            refresh(t)
    mode = recording.get()
    graded = mode & RECORD_GRAD and (
        x._requires_grad or any(isinstance(o, Tensor) and o._requires_grad for o in others)
    )
    if mode & RECORD_ALL and (journal := active()) is not None:
        return _change_noted(x, op, others, params, journal, bool(graded))
    # Outside of a trace, a parameter under no_grad gets no history: record_all may make a model.
    tracked = graded or (mode & RECORD_ALL and not (x._requires_grad and x.is_leaf))
    if not tracked:
        arrays = [o._data if isinstance(o, Tensor) else o for o in others]
        if op.ufunc is not None and _fits(x, arrays):
            with np.errstate(all="ignore"):
                op.ufunc(x._data, *arrays, out=x._data)
            stamp(x)
            return x
        result = apply(op, (x.detach(), *others), params)
        _write(x, result._data, op)
        return x
    _refuse_leaf(x, op)
    return _change_recorded(x, op, others, params)


def _change_recorded(x: Tensor, op: Op, others: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    """Change `x`, and make the change its history."""
    before = apply(snapshot, (x,))
    # In `x *= x` and `x *= x.T` the other operand is about to be overwritten too.
    others = tuple(
        before if o is x else apply(snapshot, (o,)) if _aliases(o, x) else o for o in others
    )
    out = apply(op, (before, *others), params)
    _write(x, out._data, op)
    if out._node is not None:
        _rebase(x, out._node, out._requires_grad)
    return x


def _change_noted(
    x: Tensor,
    op: Op,
    others: tuple[Any, ...],
    params: dict[str, Any],
    journal: Journal,
    graded: bool,
) -> Tensor:
    """Change `x` in a traced function: what stays a leaf outside of a trace stays one here.

    The journal then knows which value the leaf has from now on.
    """
    root = x
    aliased = False
    while root._view is not None:
        aliased = aliased or root._view.op is None
        root = root._view.base
    if graded:
        _refuse_leaf(x, op)
    if graded and not aliased or root._node is not None and not root._node.needs:
        return _change_recorded(x, op, others, params)
    if graded or root._node is not None:
        raise errors.TraceError(
            f"{op.name}_: at {user_line()} a traced function changes {root.name or 'a tensor'!r} "
            "in place in a way that its gradient does not know of (under no_grad, or through "
            ".data or .detach()). Compute a new tensor instead."
        )
    new = apply(op, (x, *others), params)
    if new.dtype != x.dtype or new.shape != x.shape:
        _check_fit(x, new._data, op)
        new = apply(assign, (x, new))
    part, whole = x, new
    while part._view is not None:
        view = part._view
        if view.op is not None:
            whole = apply(assign_view, (view.base, whole), _view_params(view))
        part = view.base
    journal.overwrite(root, whole)
    _write(x, new._data, op)
    return x


def _view_params(view: View) -> dict[str, Any]:
    return {"view": view.op, "view_params": view.params}


def _fits(x: Tensor, arrays: list[Any]) -> bool:
    """Return True when a ufunc may write into `x` directly, with the promotion it would have."""
    if x._data.dtype.kind != "f" or not x._data.flags.writeable:
        return False
    for a in arrays:
        if isinstance(a, np.ndarray):
            if a.dtype != x._data.dtype or a.ndim > x._data.ndim:
                return False
            if a.shape != x._data.shape and np.broadcast_shapes(a.shape, x.shape) != x.shape:
                return False
            if a is not x._data and np.may_share_memory(a, x._data):
                return False
        elif not isinstance(a, (int, float)):
            return False
    return True


def _aliases(value: Any, x: Tensor) -> bool:
    return isinstance(value, Tensor) and np.may_share_memory(value._data, x._data)


def stamp(x: Tensor) -> None:
    """Note that the memory of `x` was written now."""
    x._stamp()[0] = last_write[0] = tick()


def _write(x: Tensor, values: Any, op: Op) -> None:
    _check_fit(x, values, op)
    np.copyto(x._data, values, casting="same_kind")
    stamp(x)


def _check_fit(x: Tensor, values: Any, op: Op) -> None:
    if values.shape != x._data.shape:
        raise errors.ShapeError(
            f"{op.name}_: the result has shape {values.shape}, which does not fit in place into "
            f"{x.shape}. Use the operation that returns a new tensor."
        )
    if not np.can_cast(values.dtype, x._data.dtype, "same_kind"):
        raise errors.DtypeError(
            f"{op.name}_: a result of dtype {values.dtype} cannot be written in place into "
            f"{x.dtype}. Use the operation that returns a new tensor, or convert with .to(dtype)."
        )
    if not x._data.flags.writeable:
        raise errors.InplaceError(
            f"{op.name}_: the memory of this tensor is read-only (an expanded view, or a "
            "read-only array). Change a .clone() instead."
        )


def _refuse_leaf(x: Tensor, op: Op) -> None:
    root = x
    while root._view is not None and root._view.op is not None:
        root = root._view.base
    if root._node is None and root._requires_grad:
        what = "a leaf" if root is x else "a view of a leaf"
        raise errors.InplaceError(
            f"{op.name}_: {what} that requires grad cannot be changed in place while recording. "
            "Do it under `with tc.no_grad():`, or compute a new tensor."
        )


def _history_of(x: Tensor) -> Tensor:
    """Return another tensor with the memory and the present history of `x`, but no view."""
    old = wrap(x._data)
    old._node = x._node
    old._requires_grad = x._requires_grad
    old._name = x._name
    return old


def _rebase(x: Tensor, node: Node, requires_grad: bool) -> None:
    """Make `node` the history of `x`, and of the tensors whose memory `x` views."""
    while True:
        view = x._view
        base_old = _history_of(view.base) if view is not None and view.op is not None else None
        node._data = x._data
        node.memory = x._stamp()
        node.time = tick()
        x._node = node
        x._requires_grad = requires_grad
        if view is None or base_old is None:
            return
        view.seen = x._stamp()[0]
        out = apply(assign_view, (base_old, x), _view_params(view))
        if out._node is None:
            return
        x, node, requires_grad = view.base, out._node, out._requires_grad


snapshot = register(
    Op(
        "snapshot",
        np.array,
        inputs=("x",),
        rules={"x": lambda g: g},
        symbol="copy",
        text="{x}",
        latex="{x}",
        numpy="np.array({x})",
        doc="The values before an in-place change, kept for the derivative of the change.",
    )
)


def _assign_view(base: Any, value: Any, *, view: Op, view_params: dict[str, Any]) -> Any:
    """Return `base` with the part that ``view(base)`` selects replaced by `value`."""
    out = np.array(base, order="C")  # so that a reshape of it is a view, not a copy
    view.forward(out, **view_params)[...] = value
    return out


def _spell_view(form: str, operands: list[str], params: dict[str, Any]) -> str:
    """Write the new value and the view it fills; in NumPy, the same view of the positions."""
    base, value = operands
    name = {"latex": r"\mathrm{assign\_view}", "numpy": "put"}.get(form, "assign_view")
    seen = f"positions({base})" if form == "numpy" else base  # put is a helper of setitem
    view = params["view"].spell(form, [seen], params["view_params"])
    return f"{name}({base}, {value}, {view})"


assign_view: Op = register(
    Op(
        "assign_view",
        _assign_view,
        inputs=("base", "value"),
        defaults={"view": None, "view_params": {}},
        rules={
            "base": lambda g, value, view, view_params: assign_view(
                g, np.zeros_like(value), view=view, view_params=view_params
            ),
            "value": lambda g, view, view_params: view(g, **view_params),
        },
        like="value",
        kind="shape",
        symbol="←",
        text=_spell_view,
        latex=_spell_view,
        numpy=_spell_view,
        doc="A tensor with the part seen through a view replaced.",
    )
)


def _assign(x: Any, value: Any) -> Any:
    out = np.empty_like(x)
    out[...] = value
    return out


assign = register(
    Op(
        "assign",
        _assign,
        inputs=("x", "value"),
        rules={"value": lambda g: g},
        kind="elementwise",
        symbol="←",
        text="{value}",
        latex="{value}",
        numpy="np.full_like({x}, {value})",
        doc="The new values of a state: the derivative passes to `value`, none to the old `x`.",
    )
)


def give(state: Tensor, new: Tensor) -> None:
    """Write a recorded new value into a state, and tell who wants to know."""
    noted = assignments.get()
    if noted is not None:
        noted.append((state, new))
    np.copyto(state._data, new._data)
    stamp(state)


def set_state(state: Tensor, value: Any) -> None:
    """Give a state its new value: recorded when everything is, and without a gradient in any case.

    The state stays a leaf; the graph has its old value as input and the new one as output.
    """
    if recording.get() & RECORD_ALL:
        give(state, apply(assign, (state, value)))
        return
    token = recording.set(recording.get() & ~RECORD_GRAD)
    try:
        change(state, assign, (value,))
    finally:
        recording.reset(token)


__all__ = ["View", "assign", "assign_view", "assignments", "change", "give", "set_state", "stamp"]
