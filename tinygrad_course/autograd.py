"""Reverse-mode automatic differentiation: the backward pass over recorded nodes.

`backward` and `grad` visit the nodes newest first; each hands its cotangent to the derivative rules
of its operation and adds the results to its inputs' cotangents. The same rules run on plain arrays
(fast) or, with ``create_graph=True``, on tensors, so that the backward pass is recorded too.

Un-broadcasting and casting back to an input's dtype happen here, once, never in a rule.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, TypeGuard

import numpy as np

from . import errors
from .elsewhere import lazy
from .journal import Pass, active
from .messages import describe, user_line
from .node import (
    ANOMALY,
    RECORD_ALL,
    RECORD_GRAD,
    TRACING,
    Node,
    engine,
    last_write,
    module_changes,
    recording,
    tick,
)
from .tensor import Tensor, refresh, to_array, wrap

Source = Node | Tensor

engine.append(sys.modules[__name__])

# PyTorch's ``torch.autograd`` has these names too; they stand in modules that build on this one.
_MODES = ("detect_anomaly", "enable_grad", "inference_mode", "no_grad", "set_detect_anomaly")
__getattr__ = lazy(
    __name__,
    {name: f"modes:{name}" for name in (*_MODES, "set_grad_enabled")}
    | {name: f"gradcheck:{name}" for name in ("gradcheck", "gradgradcheck")}
    | {"Function": "function:Function", "Variable": "pytorch:Variable"}
    | {"functional": "differentials"},
)


def backward(
    tensors: Tensor | Sequence[Tensor],
    gradients: Any = None,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradient of `tensors` to the ``.grad`` of every leaf they depend on.

    Args:
        tensors: one tensor or several; a scalar starts from the cotangent 1.
        gradients: cotangents to start from, one per tensor, each of its tensor's shape.
        retain_graph: keep the graph usable for another backward pass.
        create_graph: record the backward pass, so that ``.grad`` can be differentiated.

    Raises:
        GraphError: a tensor without a graph, a spent graph, a missing or misshapen cotangent.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor(3.0, requires_grad=True)
        >>> tc.autograd.backward(x * x)
        >>> x.grad
        tensor(6.)
    """
    recorded = create_graph or bool(recording.get() & RECORD_ALL)
    if gradients is None and not recorded and _is_fresh_scalar(tensors):
        outputs, cotangents = [tensors], [tensors._data.dtype.type(1)]
    else:
        outputs, cotangents = _seeds(tensors, gradients, "backward", recorded)
    noted = _noted(outputs) if recorded else None
    retain = retain_graph or create_graph
    cotangent_of, spent = _run(outputs, cotangents, retain, recorded, create_graph, noted)
    if noted is None:
        _deposit(cotangent_of, spent, recorded)
    else:
        _deposit_noted(cotangent_of, noted)
        noted.close()


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradient of `outputs` with respect to each of `inputs`, leaving ``.grad`` alone.

    Args:
        outputs: one tensor or several, whose sum is differentiated.
        inputs: tensors, leaves or computed ones.
        grad_outputs: cotangents of the outputs; 1 for scalars.
        retain_graph: keep the graph usable; by default, the value of `create_graph`.
        create_graph: record the computation of the gradients, so they can be differentiated.
        only_inputs: accepted; ``.grad`` of other leaves is never touched.
        allow_unused: return None for an input that no gradient reaches, instead of raising.

    Raises:
        GraphError: as `backward`; and an input that no gradient reaches.

    Example:
        >>> import tinygrad_course as tc
        >>> x = tc.tensor(2.0, requires_grad=True)
        >>> (g,) = tc.autograd.grad(x**3, x, create_graph=True)
        >>> (h,) = tc.autograd.grad(g, x)
        >>> g.item(), h.item()
        (12.0, 12.0)
    """
    several = isinstance(inputs, Iterable) and not isinstance(inputs, Tensor)
    wanted: list[Any] = list(inputs) if several else [inputs]
    for position, x in enumerate(wanted):
        if not isinstance(x, Tensor):
            raise errors.DtypeError(
                f"autograd.grad: inputs[{position}] is {type(x).__name__}, expected a tensor. "
                "Pass the tensors to differentiate with respect to."
            )
        if not x._requires_grad:
            raise errors.GraphError(
                f"autograd.grad: inputs[{position}]{_called(x)} does not require grad. "
                "Create it with requires_grad=True, before computing the outputs."
            )
    recorded = create_graph or bool(recording.get() & RECORD_ALL)
    roots, cotangents = _seeds(outputs, grad_outputs, "autograd.grad", recorded)
    targets: list[Source] = [x._node or x for x in wanted]
    retain = create_graph if retain_graph is None else retain_graph or create_graph
    noted = _noted(roots) if recorded else None
    cotangent_of, _ = _run(
        roots, cotangents, retain, recorded, create_graph, noted, targets=set(targets)
    )
    if noted is not None:
        for target, g in cotangent_of.items():
            noted.result(target, g)
        noted.close()
    results: list[Tensor | None] = []
    for position, (x, target) in enumerate(zip(wanted, targets, strict=True)):
        g = cotangent_of.get(target)
        if g is None and not allow_unused:
            raise errors.GraphError(
                f"autograd.grad: no gradient reaches inputs[{position}]{_called(x)}: the outputs "
                "do not depend on it. Pass allow_unused=True to get None for it."
            )
        if g is None or isinstance(g, Tensor):
            results.append(g)
        else:
            results.append(wrap(np.array(g)))
    return tuple(results)


def _is_fresh_scalar(y: Any) -> TypeGuard[Tensor]:
    """Return True for the usual start of a backward pass: a 0-d loss with a graph."""
    return type(y) is Tensor and y._requires_grad and y._view is None and y._data.ndim == 0


def _called(x: Tensor) -> str:
    return f" (named {x.name!r})" if x.name else ""


def _tensors(tensors: Any, caller: str) -> list[Tensor]:
    """Return the outputs as a list, refusing what is no tensor."""
    outputs = list(tensors) if isinstance(tensors, (tuple, list)) else [tensors]
    for y in outputs:
        if not isinstance(y, Tensor):
            raise errors.DtypeError(
                f"{caller}: got {type(y).__name__} ({y!r:.40}) to differentiate, expected a tensor "
                "or several. .item(), .numpy() and float() cut the graph: leave them out."
            )
    return outputs


def _seeds(
    tensors: Tensor | Sequence[Tensor], gradients: Any, caller: str, recorded: bool
) -> tuple[list[Tensor], list[Any]]:
    """Check the outputs and return them with the cotangents to start from."""
    outputs = _tensors(tensors, caller)
    if isinstance(tensors, Tensor) or gradients is None:
        given = [gradients] * len(outputs)
    else:
        given = list(gradients)
    if isinstance(gradients, (tuple, list)) and isinstance(tensors, Tensor) and len(gradients) == 1:
        given = [gradients[0]]
    if len(given) != len(outputs):
        raise errors.GraphError(
            f"{caller}: got {len(outputs)} outputs and {len(given)} cotangents; give one for each."
        )
    cotangents: list[Any] = []
    for y, g in zip(outputs, given, strict=True):
        view = y._view
        if view is not None and view.seen < y._stamp()[0]:
            refresh(y)
        if not y._requires_grad:
            raise errors.GraphError(
                f"{caller}: this tensor of shape {y.shape}{_called(y)} has no graph: nothing it "
                "was computed from has requires_grad=True, or it was computed under no_grad or "
                "detached."
            )
        if g is None:
            if y._data.size != 1:
                raise errors.GraphError(
                    f"{caller}: only a scalar can start without a gradient, got shape {y.shape}. "
                    "Reduce it with .sum() or .mean(), or pass a gradient of that shape."
                )
            g = np.ones(y._data.shape, y._data.dtype)
        elif np.shape(g) != y.shape:
            raise errors.GraphError(
                f"{caller}: the gradient has shape {np.shape(g)}, the tensor {y.shape}; they must "
                "be equal."
            )
        else:
            g = g if isinstance(g, Tensor) and recorded else to_array(g, y.dtype)
        cotangents.append(wrap(g) if recorded and not isinstance(g, Tensor) else g)
    return outputs, cotangents


def _noted(outputs: list[Tensor]) -> Pass | None:
    """Start noting this pass, when a function is being traced."""
    journal = active()
    return None if journal is None else journal.differentiate(outputs)


def _run(
    outputs: list[Tensor],
    cotangents: list[Any],
    retain: bool,
    recorded: bool,
    create_graph: bool,
    noted: Pass | None,
    targets: set[Source] | None = None,
) -> tuple[dict[Source, Any], set[int]]:
    """Propagate cotangents; return those of the leaves, or of `targets`.

    With `recorded`, the rules run on tensors; with `create_graph`, gradients pass through them.
    Also returns the ids of arrays that are shared, so that they are copied before being kept.
    """
    mode = recording.get()
    kept = mode & (ANOMALY | TRACING) | (RECORD_ALL if recorded else 0)
    token = recording.set(kept | RECORD_GRAD if create_graph else kept)
    silenced: list[Any] = []
    try:
        return _propagate(outputs, cotangents, retain, recorded, noted, targets, silenced)
    finally:
        recording.reset(token)
        if noted is not None:
            noted.stop()
        if silenced:
            np.seterr(**silenced[0])


def _propagate(
    outputs: list[Tensor],
    cotangents: list[Any],
    retain: bool,
    recorded: bool,
    noted: Pass | None,
    targets: set[Source] | None,
    silenced: list[Any],
) -> tuple[dict[Source, Any], set[int]]:
    pending: dict[Source, Any] = {}
    shared: set[int] = set()
    heap: list[tuple[int, Node]] = []
    for output, g in zip(outputs, cotangents, strict=True):
        source = output._node or output
        shared.add(id(g))
        if source in pending:
            g = pending[source] + g
        elif isinstance(source, Node):
            heappush(heap, (-source.time, source))
        pending[source] = g
    on_path = None if targets is None else _ancestors_leading_to(targets, outputs)
    anomaly = recording.get() & ANOMALY
    found: dict[Source, Any] = {}
    # What has a cotangent of its own, made here, to which pieces can be added in place.
    own: set[Source] = set()

    following: Node | None = None  # the only node waiting, as long as there is only one
    while heap or following is not None:
        if following is not None:
            node, following = following, None
        else:
            node = heappop(heap)[1]
        g = pending.pop(node)
        if node.extra is not None and (noted is None or noted.calls_hooks):
            g = _run_hooks(node, g, recorded, shared)
        if noted is not None:
            noted.see(node, g)
        if targets is not None and on_path is not None:
            if node in targets:
                found[node] = g
            if not any(node.inputs[i] in on_path for i in node.needs):
                continue  # nothing beyond it is asked for: its own inputs stay unspent
        if node.spent:
            raise errors.GraphError(
                f"backward: the graph through {node.name or node.op.name!r} was used by an earlier "
                "backward pass. Pass retain_graph=True to the first one, or compute the loss again."
            )
        if not retain:
            node.spent = True
        op = node.op
        if op.quiet and not silenced:
            # An infinite derivative is an answer; `detect_anomaly` finds where it comes from.
            silenced.append(np.seterr(all="ignore"))
        if recorded:
            y: Any = _tensor_of(node)
            arrays = _as_tensors(node)
        else:
            y = node._data
            arrays = [getattr(s, "_data", s) for s in node.inputs]
        variadic = op.variadic
        params = node.params
        if variadic:
            values = (g, y, arrays, 0, *params.values())
        elif params:
            values = (g, y, *arrays, *params.values())
        else:
            values = (g, y, *arrays)
        rules = op.rules
        adds = None if recorded or anomaly else op.adds
        for i in node.needs:
            source = node.inputs[i]
            if on_path is not None and source not in on_path:
                continue
            rule = rules[0 if variadic else i]
            if rule is None:
                continue
            if node.time < last_write[0]:
                _refuse_overwritten(node, rule)
            if adds is not None and arrays[i].ndim:  # NumPy's numbers cannot be added to
                if source in own:
                    adds(pending[source], g, arrays, params)
                    continue
                own.add(source)
            if variadic:
                values = (g, y, arrays, i, *params.values())
            gx = rule.formula(*rule.pick(values))
            if gx is None:  # this input of a variadic operation is only a pattern
                continue
            x = arrays[i]
            if gx.shape != x.shape:
                if not recorded and gx.shape[1:] == x.shape:
                    gx = np.add.reduce(gx, axis=0)  # the common case: a bias row
                else:
                    gx = _unbroadcast(gx, x, op)
            if gx.dtype is not x.dtype and gx.dtype != x.dtype:
                gx = gx.astype(x.dtype)
            if anomaly:
                _check_backward(node, gx)
            before = pending.get(source)
            if before is not None:
                pending[source] = before + gx
            else:
                if gx is g:
                    shared.add(id(g))
                pending[source] = gx
                if type(source) is not Node:
                    continue
                if following is None and not heap:
                    following = source
                    continue
                heappush(heap, (-source.time, source))
                if following is not None:
                    heappush(heap, (-following.time, following))
                    following = None
    if targets is None:
        return pending, shared
    calls_hooks = noted is None or noted.calls_hooks
    for leaf, g in pending.items():
        if leaf in targets:
            found[leaf] = _leaf_hooks(leaf, g) if calls_hooks and type(leaf) is not Node else g
    return found, shared


def _ancestors_leading_to(targets: set[Source], outputs: list[Tensor]) -> set[Source]:
    """Return every source between the outputs and `targets`, both included."""
    nodes: list[Node] = []
    seen: set[Source] = set()
    stack = [y._node for y in outputs if y._node is not None]
    oldest = min((s.time for s in targets if isinstance(s, Node)), default=0)
    has_leaves = any(isinstance(s, Tensor) for s in targets)
    while stack:
        node = stack.pop()
        if node in seen or (not has_leaves and node.time < oldest):
            continue
        seen.add(node)
        nodes.append(node)
        stack.extend(s for i in node.needs if type(s := node.inputs[i]) is Node)
    nodes.sort(key=lambda node: node.time)
    leading = set(targets)
    for node in nodes:
        if any(node.inputs[i] in leading for i in node.needs):
            leading.add(node)
    return leading


def _tensor_of(node: Node) -> Tensor:
    """Return a tensor that carries `node` as its history."""
    out = wrap(node._data)
    out._node = node
    out._requires_grad = bool(node.needs) and node.op.differentiable
    out._memory = node.memory
    return out


def _as_tensors(node: Node) -> list[Any]:
    """Return the inputs of `node` as the recorded backward pass needs them: with their history."""
    return [_tensor_of(s) if isinstance(s, Node) else s for s in node.inputs]


def _unbroadcast(gx: Any, x: Any, op: Any) -> Any:
    """Sum `gx` over the axes along which the input `x` was broadcast."""
    from .ops.shape import sum_like

    shape = np.shape(x)
    if gx.ndim < len(shape):
        raise errors.GraphError(
            f"{op.name}: its derivative rule returned shape {gx.shape} for an input of {shape}."
        )
    return sum_like.op(gx, x)


def _refuse_overwritten(node: Node, rule: Any) -> None:
    """Raise when a value that `rule` reads was written after `node` was recorded."""
    count = len(node.inputs)
    if node.op.variadic:
        first = sum(name.endswith("]") for name in node.op.like)  # "xs[0] xs[1]": the first two
        positions = list(range(first, count)) if 2 in rule.reads else []
    else:
        positions = [p - 2 for p in rule.reads if 2 <= p < 2 + count]
    for i in positions:
        read = node.inputs[i]
        if isinstance(read, Node):
            memory = read.memory
            name = read.name or read.op.name
        elif isinstance(read, Tensor):
            memory = read._memory
            name = read.name or f"input {i}"
        else:
            continue
        if memory is not None and memory[0] > node.time:
            _raise_overwritten(node, f"its input {name!r} of shape {np.shape(read._data)}")
    memory = node.memory
    if 1 in rule.reads and memory is not None and memory[0] > node.time:
        _raise_overwritten(node, f"its result of shape {node._data.shape}")


def _raise_overwritten(node: Node, what: str) -> None:
    raise errors.InplaceError(
        f"backward: the derivative of {node.op.name!r} needs {what}, which was changed in place "
        "after it was used (by +=, x[i] = …, copy_, an optimizer step or a write through a view). "
        "Compute the loss again after the change, or change a .clone() instead."
    )


def _deposit(cotangent_of: dict[Any, Any], shared: set[int], recorded: bool) -> None:
    """Add each leaf's cotangent to its ``.grad``."""
    for leaf, g in cotangent_of.items():
        if leaf._hooks:
            g = _leaf_hooks(leaf, g)
        before = leaf.grad
        if recorded or isinstance(g, Tensor):
            g = g if isinstance(g, Tensor) else wrap(np.asarray(g))
            leaf.grad = g if before is None else before + g
        elif before is None:
            # A cotangent that is shared, or a view of another array, must not become two `.grad`s.
            if type(g) is not np.ndarray or g.base is not None or id(g) in shared:
                g = np.array(g)
            shared.add(id(g))
            leaf.grad = wrap(g)
        elif before._node is not None:
            leaf.grad = before.detach() + wrap(np.asarray(g))
        else:
            np.add(before._data, g, out=before._data)
            before._stamp()[0] = last_write[0] = tick()


def _deposit_noted(cotangent_of: dict[Any, Any], noted: Pass) -> None:
    """Add each leaf's cotangent to its ``.grad`` in a traced function, recorded.

    A ``.grad`` has an array of its own, as outside of a trace: shared ones may be changed in place.
    """
    journal = active()
    assert journal is not None
    for leaf, g in cotangent_of.items():
        if leaf._hooks:
            g = _leaf_hooks(leaf, g)
        before = leaf.grad
        total = g if before is None else before + g
        if before is not None and before._node is None and not total._requires_grad:
            journal.parts.setdefault(before, (leaf, "grad"))
            journal.overwrite(before, total)
            np.copyto(before._data, total._data)
            before._stamp()[0] = last_write[0] = tick()
        else:
            leaf.grad = wrap(total._array().copy())
            leaf.grad._node = total._node
            leaf.grad._requires_grad = total._requires_grad
            leaf.grad._memory = [0]
            if total._node is None:
                journal.same(leaf.grad, total)
        journal.graded.setdefault(leaf, before)
        noted.result(leaf, total)


# --- hooks --------------------------------------------------------------------------------------

_hook_ids = itertools.count()


class HookHandle:
    """Returned by ``register_hook``; ``remove()`` takes the hook away again."""

    def __init__(self, hooks: dict[int, Callable[[Tensor], Any]], hook: Callable[..., Any]) -> None:
        """Add `hook` to `hooks`."""
        self._hooks = hooks
        self._id = next(_hook_ids)
        module_changes[0] += 1  # compiled functions look at hooks again
        hooks[self._id] = hook

    def remove(self) -> None:
        """Stop calling the hook."""
        self._hooks.pop(self._id, None)


def register_hook(x: Tensor, hook: Callable[[Tensor], Any]) -> HookHandle:
    """Call ``hook(grad)`` when the gradient of `x` is known; what it returns replaces it."""
    _need_grad(x, "register_hook")
    if not callable(hook):
        raise errors.DtypeError(
            f"register_hook: got {type(hook).__name__}, expected a function of the gradient."
        )
    if x._node is None:
        if x._hooks is None:
            x._hooks = {}
        return HookHandle(x._hooks, hook)
    return HookHandle(_extra(x._node).setdefault("hooks", {}), hook)


def retain_grad(x: Tensor) -> None:
    """Keep ``.grad`` of the computed tensor `x` in a backward pass."""
    _need_grad(x, "retain_grad")
    if x._node is not None:
        _extra(x._node)["retain"] = weakref.ref(x)


def _need_grad(x: Tensor, caller: str) -> None:
    if not x._requires_grad:
        raise errors.GraphError(
            f"{caller}: the tensor{_called(x)} does not require grad, so it never has a gradient. "
            "Create it with requires_grad=True."
        )


def _extra(node: Node) -> dict[str, Any]:
    if node.extra is None:
        node.extra = {}
    return node.extra


def _run_hooks(node: Node, g: Any, recorded: bool, shared: set[int]) -> Any:
    """Call the hooks of a computed tensor and keep its gradient where asked to."""
    extra = node.extra
    assert extra is not None
    for hook in list(extra.get("hooks", {}).values()):
        g = _call_hook(hook, g, recorded)
    keeper = extra["retain"]() if "retain" in extra else None
    if keeper is not None:
        kept = g if isinstance(g, Tensor) else wrap(np.array(g))
        keeper.grad = kept if keeper.grad is None else keeper.grad + kept
    return g


def _leaf_hooks(leaf: Any, g: Any) -> Any:
    for hook in list((leaf._hooks or {}).values()):
        g = _call_hook(hook, g, isinstance(g, Tensor))
    return g


def _call_hook(hook: Callable[[Tensor], Any], g: Any, recorded: bool) -> Any:
    replaced = hook(g if isinstance(g, Tensor) else wrap(np.array(g)))
    if replaced is None:
        return g
    if np.shape(replaced) != np.shape(g):
        raise errors.ShapeError(
            f"hook: returned a gradient of shape {np.shape(replaced)}, expected {np.shape(g)}."
        )
    return replaced if recorded else to_array(replaced, g.dtype)


# --- anomalies ----------------------------------------------------------------------------------


def check_forward(op: Any, arrays: Sequence[Any], data: Any, node: Node | None) -> None:
    """Raise when `op` made a NaN or Inf out of finite operands; remember the user's line."""
    line = user_line()
    if node is not None:
        _extra(node)["line"] = line
    if not _finite(data) and all(_finite(a) for a in arrays):
        raise errors.AnomalyError(
            f"{op.name}: made {_first_bad(data)} from finite operands ({describe(list(arrays))}), "
            f"called at {line}. Keep the operands inside the operation's domain."
        )


def _check_backward(node: Node, gx: Any) -> None:
    array = gx._data if isinstance(gx, Tensor) else gx
    if not _finite(array):
        line = (node.extra or {}).get("line", "a line outside detect_anomaly")
        raise errors.AnomalyError(
            f"{node.op.name}: its derivative made {_first_bad(array)}; the operation was called "
            f"at {line}. Look at the values there: a zero, a negative number or an overflow."
        )


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _first_bad(value: Any) -> str:
    array = np.asarray(value)
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[where]} at index {where}" if where else f"{array}"
