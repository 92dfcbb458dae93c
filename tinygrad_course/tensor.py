"""The tensor: a NumPy array that remembers the operation that made it.

Here you can make a `Tensor`, and see how one is recorded (`apply`). Each recorded result owns a
`node.Node`; a node's inputs are nodes again or leaf tensors, so the nodes form the computation
graph. Nothing here knows any particular operation (see `ops/`) or how gradients are computed (see
`autograd`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import errors
from ._methods import TensorMethods
from .arrays import as_dtype as as_dtype
from .arrays import default_dtype as default_dtype
from .arrays import set_default_dtype as set_default_dtype
from .arrays import to_array as to_array
from .journal import active, look
from .messages import CAUGHT, explain
from .node import (
    ANOMALY,
    FLOATS,
    NO_PARAMS,
    PYTHON_NUMBERS,
    RECORD_ALL,
    RECORD_GRAD,
    TRACING,
    Node,
    births,
    engine,
    last_write,
    positions_of,
    recording,
    scope,
    tick,
)
from .op import Op, recorders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class View:
    """How a tensor came to share another's memory: ``op(base, **params)``.

    `op` is None for an alias without history (`detach`). `seen` is the write stamp the tensor's own
    history takes into account; when the memory was written later, the history is recorded anew.
    """

    __slots__ = ("base", "op", "params", "differentiable", "seen")

    def __init__(
        self, base: Tensor, op: Op | None, params: dict[str, Any], differentiable: bool = True
    ) -> None:
        """Note the alias of `base`."""
        self.base = base
        self.op = op
        self.params = params
        self.differentiable = differentiable
        self.seen = base._stamp()[0]


class Tensor(TensorMethods):
    """An n-dimensional array that records what is computed from it.

    Args:
        data: numbers, nested lists, arrays or a tensor; copied.
        dtype: a NumPy dtype; Python floats become the default dtype (float32), ints int64.
        requires_grad: True to collect ``.grad`` here in a backward pass.
        name: how equations, pictures and messages call it.

    Raises:
        DtypeError: for data that is not numeric, or integer data with ``requires_grad``.

    Example:
        >>> import tinygrad_course as tc
        >>> w = tc.tensor([1.0, 2.0], requires_grad=True)
        >>> J = (w * w).sum()
        >>> J.backward()
        >>> w.grad
        tensor([2., 4.])
    """

    __slots__ = (
        "_data",
        "_node",
        "_requires_grad",
        "grad",
        "_memory",
        "_view",
        "_name",
        "_hooks",
        "__weakref__",
    )
    # Python's binary operators ask NumPy arrays and scalars on the left to leave the work to us.
    __array_priority__ = 1000

    _data: Array
    _node: Node | None
    _requires_grad: bool
    grad: Tensor | None
    _memory: list[int] | None
    _view: View | None
    _name: str | None
    _hooks: dict[int, Callable[[Tensor], Any]] | None

    def __init__(
        self,
        data: Any,
        dtype: Any = None,
        requires_grad: bool = False,
        name: str | None = None,
    ) -> None:
        """Copy `data` into a new leaf tensor."""
        self._start(to_array(data, dtype, copy=True))
        self._name = name
        if isinstance(data, Tensor) and active() is not None:
            note_same(self, data)
        if requires_grad:
            self.requires_grad_()

    def _start(self, array: Array) -> None:
        self._data = array
        self._node = None
        self._requires_grad = False
        self.grad = None
        self._memory = None
        self._view = None
        self._name = None
        self._hooks = None
        if births:
            births[-1].add(self)

    def _stamp(self) -> list[int]:
        """Return the write stamp of this memory: a cell that all its tensors and nodes share."""
        self._array()
        if self._memory is None:
            self._memory = [0]
            if self._node is not None:
                if self._node.memory is None:
                    self._node.memory = self._memory
                self._memory = self._node.memory
        return self._memory

    # --- what it is -------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def device(self) -> Any:
        """The device that holds the data: always the CPU."""
        from .creation import device

        return device("cpu")

    @property
    def requires_grad(self) -> bool:
        """True when a backward pass would compute a gradient for this tensor."""
        if self._view is not None:
            refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self.requires_grad_(flag)

    @property
    def is_leaf(self) -> bool:
        """True when no recorded operation made this tensor."""
        if self._view is not None:
            refresh(self)
        return self._node is None

    @property
    def name(self) -> str | None:
        """How equations, pictures and messages call this tensor."""
        return self._name if self._node is None else self._node.name

    @name.setter
    def name(self, name: str | None) -> None:
        if self._node is None:
            self._name = name
        else:
            self._node.name = name

    @property
    def data(self) -> Tensor:
        """A detached tensor on the same memory; assigning replaces the array."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        array = to_array(value, None, copy=False)
        if self._requires_grad and array.dtype.kind != "f":
            raise errors.DtypeError(
                f"data: a tensor that requires grad holds floats, got dtype {array.dtype}. "
                "Convert the new value with .float() first."
            )
        if (journal := active()) is not None:
            self._note_replaced(journal, value, array)
        # Stamped: what was computed from the old values must not be differentiated with the new.
        self._memory = (value if isinstance(value, Tensor) else self)._stamp()
        self._memory[0] = last_write[0] = tick()
        self._data = array
        self._view = None
        if self._node is not None:
            # What is computed from now on reads the new values, so the node must hold them.
            self._node._data = array
            self._node.memory = self._memory

    def _note_replaced(self, journal: Any, value: Any, array: Array) -> None:
        """Note in a traced function that ``x.data = value`` gives this tensor another value."""
        if isinstance(value, Tensor) and value._data is self._data:
            return  # w.data -= g wrote to this memory already
        if array.shape != self._data.shape or self._node is not None:
            raise errors.TraceError(
                f"data: a traced function cannot replace an array of shape {self.shape} by one of "
                f"shape {array.shape}, or that of a computed tensor. Make a new tensor instead."
            )
        journal.overwrite(self, value if isinstance(value, Tensor) else wrap(array))

    def numpy(self) -> Array:
        """Return the ndarray itself (shared memory; writes to it are not seen by autograd)."""
        if recording.get() & TRACING:
            look(self, "numpy")
        return self._array()

    def _array(self) -> Array:
        if type(self._data) is not np.ndarray:
            # A computed number was kept as NumPy's scalar, which computes ten times faster.
            self._data = np.asarray(self._data)
            if self._node is not None:
                self._node._data = self._data
        return self._data

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise errors.ShapeError(
                f"item: needs exactly one element, got shape {self.shape}. "
                "Reduce first, with .sum() or .mean(), or use .tolist()."
            )
        if recording.get() & TRACING:
            look(self, "item")
        return self._data.item()

    def tolist(self) -> Any:
        """Return nested Python lists."""
        if recording.get() & TRACING:
            look(self, "tolist")
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return a tensor on the same memory, without history."""
        out = wrap(self._array())
        out._memory = self._stamp()
        out._view = View(self, None, NO_PARAMS)
        out._name = self.name
        if active() is not None:
            note_same(out, self)
        return out

    # --- gradients --------------------------------------------------------------------------

    def requires_grad_(self, flag: bool = True) -> Tensor:
        """Ask for (or decline) a gradient of this leaf, in place."""
        if self._node is not None:
            if flag == self._requires_grad:
                return self
            if not self._node.needs and (journal := active()) is not None:
                # Outside of a trace it would have no node: it becomes the leaf it would be.
                journal.same(self, self._node)
                self._node = None
                return self.requires_grad_(flag)
            raise errors.GraphError(
                "requires_grad_: only a leaf can change it, and this tensor was computed by "
                f"{self._node.op.name!r}. Use .detach() for a tensor without history."
            )
        if flag and self._data.dtype.kind != "f":
            raise errors.DtypeError(
                f"requires_grad: only floats have gradients, got dtype {self.dtype}. "
                "Write 1.0 instead of 1, or pass dtype=tc.float32."
            )
        self._requires_grad = bool(flag)
        return self

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Compute the gradient of this tensor for every leaf, added to the leaf's ``.grad``.

        Args:
            gradient: the cotangent to start from, of this tensor's shape; 1 for a scalar.
            retain_graph: keep the graph usable for a second backward pass.
            create_graph: record the backward pass itself, for higher derivatives.

        Raises:
            GraphError: no graph, a spent graph, or no gradient given for a non-scalar.
        """
        engine[0].backward(self, gradient, retain_graph, create_graph)

    def zero_grad(self) -> None:
        """Forget the collected gradient."""
        if (journal := active()) is not None:
            journal.forget(self)
        self.grad = None

    def retain_grad(self) -> None:
        """Keep ``.grad`` of a computed tensor too."""
        from .autograd import retain_grad

        retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Any:
        """Call ``hook(grad)`` when this tensor's gradient is known; it may return another."""
        from .autograd import register_hook

        return register_hook(self, hook)

    # --- Python and NumPy protocols ---------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if recording.get() & TRACING:
            look(self, "np.asarray")
        array = self._array()
        if dtype is not None and dtype != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise errors.DtypeError("len: a 0-d tensor has no length. Use .item() for its value.")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        if recording.get() & TRACING:
            look(self, "in")
        return bool((self._data == value).any())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise errors.ArgumentError(
                f"bool: the truth of a tensor of shape {self.shape} is ambiguous. "
                "Use .any() or .all()."
            )
        if recording.get() & TRACING:
            look(self, "bool")
        return bool(self._data)

    def __float__(self) -> float:
        if recording.get() & TRACING:
            look(self, "float")
        return float(self.item())

    def __int__(self) -> int:
        if recording.get() & TRACING:
            look(self, "int")
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise errors.DtypeError(
                f"index: needs one integer, got dtype {self.dtype} and shape {self.shape}."
            )
        return int(self.item())

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        if self._node is not None:
            raise errors.GraphError(
                "copy: only leaf tensors can be copied or pickled; this one was computed by "
                f"{self._node.op.name!r}. Use .detach().clone()."
            )
        if recording.get() & TRACING:
            look(self, "copy")
        state = (self._data.copy(), self._requires_grad, self._name, self.grad)
        return _restore, (type(self), *state)

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if self._data.size == 1 and spec else str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .notebook import tensor_bundle

        return tensor_bundle(self)

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix="tensor(", precision=4)
        parts = [body]
        if self._data.dtype not in (default_dtype(), np.dtype(np.int64), np.dtype(np.bool_)):
            parts.append(f"dtype={self._data.dtype}")
        if self._node is not None and self._requires_grad:
            parts.append(f"op={self._node.op.name}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        if self.name:
            parts.append(f"name={self.name!r}")
        return f"tensor({', '.join(parts)})"


def _restore(
    kind: type[Tensor], array: Array, requires_grad: bool, name: str | None, grad: Tensor | None
) -> Tensor:
    out = wrap(array, kind)
    out._requires_grad = requires_grad
    out._name = name
    out.grad = grad
    return out


# --- making tensors -----------------------------------------------------------------------------


def wrap(array: Array, kind: type[Tensor] = Tensor) -> Tensor:
    """Return a leaf tensor on `array` itself, without a check or a copy."""
    out = _new(kind)
    out._data = array
    out._node = None
    out._requires_grad = False
    out.grad = None
    out._memory = None
    out._view = None
    out._name = None
    out._hooks = None
    if births:
        births[-1].add(out)
    return out


_new = object.__new__


def as_input(value: Any) -> Tensor:
    """Return `value` if it is a tensor, else a tensor of a copy: what layers and losses take."""
    return value if isinstance(value, Tensor) else Tensor(value)


def as_tensor(value: Any) -> Tensor:
    """Return `value` if it is a tensor, else a tensor of it (arrays are shared)."""
    return value if isinstance(value, Tensor) else wrap(to_array(value))


# --- recording ----------------------------------------------------------------------------------


def apply(op: Op, inputs: tuple[Any, ...], params: dict[str, Any] = NO_PARAMS) -> Tensor:
    """Compute ``op(*inputs, **params)`` and record it: the one way a tensor is ever computed.

    `inputs` are tensors, arrays or numbers; `params` must hold every parameter, in the op's order.
    """
    arrays = []
    sources = []
    needs = 0
    bit = 1
    if op.view and isinstance(inputs[0], Tensor):
        inputs[0]._array()
    for x in inputs:
        if isinstance(x, Tensor):
            view = x._view
            if view is not None and view.seen < x._memory[0]:  # type: ignore[index]
                refresh(x)
            arrays.append(x._data)
            sources.append(x._node or x)
            if x._requires_grad:
                needs |= bit
        else:
            if type(x) not in PYTHON_NUMBERS:
                x = operand(op, x)
            arrays.append(x)
            sources.append(x)
        bit += bit
    try:
        data = op.forward(*arrays, **params) if params else op.forward(*arrays)
    except CAUGHT as error:
        explain(op, arrays, params, error)
    if type(data) is not np.ndarray and type(data) not in FLOATS:
        data = np.asarray(data)

    # Objects are filled in line rather than by constructors: every operation pays for this.
    out = _new(Tensor)
    out._data = data
    out.grad = None
    out._memory = None
    out._view = None
    out._name = None
    out._hooks = None
    mode = recording.get()
    if not mode & RECORD_GRAD:
        needs = 0
    if needs or mode & RECORD_ALL:
        node = out._node = _new(Node)
        node.op = op
        node.inputs = tuple(sources)
        node.params = params
        node._data = data
        node.needs = positions_of[needs]
        node.memory = None
        node.time = tick()
        node.scope = scope.get()
        node.name = None
        node.spent = False
        node.extra = None
        out._requires_grad = needs != 0 and op.differentiable and data.dtype.kind == "f"
    else:
        out._node = None
        out._requires_grad = False
    if op.view and np.may_share_memory(data, arrays[0]):
        link(out, inputs, op, params)
    if mode & ANOMALY:
        from .autograd import check_forward

        check_forward(op, arrays, data, out._node)
    return out


recorders[:] = [Tensor, apply]


def link(out: Tensor, inputs: tuple[Any, ...], op: Op, params: dict[str, Any]) -> None:
    """Note that `out` shares the memory of the first input, as ``op(base, **params)``."""
    base = inputs[0]
    if not isinstance(base, Tensor):
        return
    if len(inputs) > 1:
        # `reshape_like(base, pattern)`: the pattern becomes a parameter, a view has one base.
        params = {op.inputs[1]: getattr(inputs[1], "_data", inputs[1]), **params}
    out._memory = base._stamp()
    if out._node is not None:
        out._node.memory = out._memory
    # A view made while nothing is recorded stays outside the history, like `detach`.
    mode = recording.get()
    recorded = mode & (RECORD_GRAD | RECORD_ALL)
    out._view = View(base, op if recorded else None, params, bool(mode & RECORD_GRAD))


def refresh(x: Tensor) -> None:
    """Record the history of the view `x` anew where its memory was written through an alias."""
    stale: list[Tensor] = []
    view = x._view
    while view is not None and view.seen < x._stamp()[0]:
        stale.append(x)
        if view.op is None:
            break
        x = view.base
        view = x._view
    # Also under `no_grad`: the view was made while recording, and keeps its place in the graph.
    mode = recording.get()
    token = recording.set(mode)
    try:
        for x in reversed(stale):
            view = x._view
            assert view is not None
            if view.op is not None:
                graded = view.differentiable
                recording.set(mode | RECORD_GRAD if graded else mode & ~RECORD_GRAD)
                fresh = apply(view.op, (view.base,), view.params)
                x._node = fresh._node
                x._requires_grad = fresh._requires_grad
            elif (journal := active()) is not None:
                journal.same(x, view.base)
            view.seen = x._stamp()[0]
    finally:
        recording.reset(token)


def note_same(x: Tensor, of: Tensor) -> None:
    """Note in a traced function that the new leaf `x` has the values of another tensor."""
    journal = active()
    if journal is None:
        return
    if of._view is not None:
        refresh(of)
    token = recording.set(recording.get() & ~RECORD_GRAD)
    try:
        journal.same(x, of if of.dtype == x.dtype else of.to(x.dtype))
    finally:
        recording.reset(token)


def operand(op: Op, value: Any) -> Array:
    """Return an array for an operand that is neither a tensor nor a number, or refuse it."""
    if isinstance(value, (np.generic, np.ndarray, list, tuple)) or hasattr(value, "__array__"):
        # A private copy: a caller may reuse its buffer before the backward pass.
        return to_array(value, copy=True)
    if isinstance(value, (float, int)):
        return value  # type: ignore[return-value]  # a subclass of a Python number
    raise errors.DtypeError(
        f"{op.name}: operands are tensors, arrays or numbers, got "
        f"{type(value).__name__} ({value!r:.40})."
    )
