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
from .messages import CAUGHT, explain
from .node import (
    ANOMALY,
    FLOATS,
    NO_PARAMS,
    PYTHON_NUMBERS,
    RECORD_ALL,
    RECORD_GRAD,
    Node,
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

    __slots__ = ("base", "op", "params", "seen")

    def __init__(self, base: Tensor, op: Op | None, params: dict[str, Any]) -> None:
        """Note the alias of `base`."""
        self.base = base
        self.op = op
        self.params = params
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

    def _stamp(self) -> list[int]:
        """Return the write stamp of this memory: a cell that all its tensors and nodes share."""
        self.numpy()
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
        # Stamped: what was computed from the old values must not be differentiated with the new.
        self._memory = (value if isinstance(value, Tensor) else self)._stamp()
        self._memory[0] = last_write[0] = tick()
        self._data = array
        self._view = None
        if self._node is not None:
            # What is computed from now on reads the new values, so the node must hold them.
            self._node._data = array
            self._node.memory = self._memory

    def numpy(self) -> Array:
        """Return the ndarray itself (shared memory; writes to it are not seen by autograd)."""
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
        return self._data.item()

    def tolist(self) -> Any:
        """Return nested Python lists."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return a tensor on the same memory, without history."""
        out = wrap(self.numpy())
        out._memory = self._stamp()
        out._view = View(self, None, NO_PARAMS)
        out._name = self.name
        return out

    # --- gradients --------------------------------------------------------------------------

    def requires_grad_(self, flag: bool = True) -> Tensor:
        """Ask for (or decline) a gradient of this leaf, in place."""
        if self._node is not None:
            if flag == self._requires_grad:
                return self
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
        array = self.numpy()
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
        return bool((self._data == value).any())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise errors.ArgumentError(
                f"bool: the truth of a tensor of shape {self.shape} is ambiguous. "
                "Use .any() or .all()."
            )
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
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
        state = (self._data.copy(), self._requires_grad, self._name, self.grad)
        return _restore, (type(self), *state)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._data.size == 1 and spec else str(self)

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

_default_dtype = [np.dtype(np.float32)]


def default_dtype() -> np.dtype[Any]:
    """Return the dtype that Python floats get.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.get_default_dtype()
        dtype('float32')
    """
    return _default_dtype[0]


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats get: ``tc.float32`` or ``tc.float64``.

    Example:
        >>> import tinygrad_course as tc
        >>> tc.set_default_dtype(tc.float64)
        >>> tc.tensor(1.0).dtype
        dtype('float64')
        >>> tc.set_default_dtype(tc.float32)
    """
    kind = as_dtype(dtype, "set_default_dtype")
    if kind.kind != "f":
        raise errors.DtypeError(
            f"set_default_dtype: needs a float dtype, got {kind}. Use tc.float32 or tc.float64."
        )
    _default_dtype[0] = kind


def as_dtype(dtype: Any, caller: str) -> np.dtype[Any]:
    """Return `dtype` as NumPy's, or say that there is no such dtype."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise errors.DtypeError(
            f"{caller}: there is no dtype {dtype!r:.60}. Use tc.float32, tc.float64, tc.int64 or "
            "tc.bool_."
        ) from None
    return found


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
    return out


_new = object.__new__


def to_array(data: Any, dtype: Any = None, copy: bool = False) -> Array:
    """Return `data` as a numeric array; Python floats get the default dtype."""
    if isinstance(data, Tensor):
        data = data._data
    if dtype is not None:
        dtype = as_dtype(dtype, "tensor")
    if isinstance(data, (np.ndarray, np.generic)):
        # A complex array is refused below; converted here it would lose its imaginary part.
        wanted = None if data.dtype.kind == "c" else dtype
        try:
            array = np.array(data, dtype=wanted, copy=copy or None, order="K")
        except (ValueError, TypeError) as error:
            raise errors.DtypeError(
                f"tensor: cannot convert an array of dtype {data.dtype} to {wanted}: {error}. "
                "Convert the data to numbers first."
            ) from None
    else:
        try:
            array = np.array(data, dtype=dtype)
        except CAUGHT as error:
            reason = str(error).rstrip(". ")
            raise errors.ShapeError(
                f"tensor: cannot make an array of {type(data).__name__}: {reason}. "
                "Nested lists must be rectangular and hold numbers."
            ) from None
        if dtype is None and array.dtype == np.float64:
            found = _array_dtype(data)
            array = array.astype(found or default_dtype(), copy=False)
    if array.dtype.kind not in "fiub":
        what = "complex numbers" if array.dtype.kind == "c" else f"dtype {array.dtype}"
        what += "" if isinstance(data, np.ndarray) else f" (from {data!r:.40})"
        raise errors.DtypeError(
            f"tensor: holds real numbers, integers or booleans, got {what}. "
            "Convert the data to numbers first (for example one-hot labels, or real and "
            "imaginary parts as two tensors)."
        )
    return array


def _array_dtype(data: Any) -> np.dtype[Any] | None:
    """Return the float dtype of the arrays inside nested lists, None when there are none."""
    found: set[np.dtype[Any]] = set()
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, (np.ndarray, np.generic, Tensor)):
            found.add(item.dtype)
    return np.result_type(*found) if found else None


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
        inputs[0].numpy()
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
    if (needs and mode & RECORD_GRAD) or mode & RECORD_ALL:
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
    out._view = View(base, op if is_recording() else None, params)


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
    token = recording.set(recording.get() | RECORD_GRAD)
    try:
        for x in reversed(stale):
            view = x._view
            assert view is not None
            if view.op is not None:
                fresh = apply(view.op, (view.base,), view.params)
                x._node = fresh._node
                x._requires_grad = fresh._requires_grad
            view.seen = x._stamp()[0]
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


def is_recording() -> bool:
    """Return True when operations on tensors that require grad are recorded.

    Example:
        >>> import tinygrad_course as tc
        >>> with tc.no_grad():
        ...     tc.is_grad_enabled()
        False
    """
    return bool(recording.get() & (RECORD_GRAD | RECORD_ALL))
