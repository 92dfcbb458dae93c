"""The symbolic length of every axis: m examples, n[l] units, or a plain number.

A graph holds arrays of particular lengths; what is derived from it should hold for any number of
examples. `Sizes` ties axes together through the operations (the columns of A in A B are the rows of
B), and reads the symbols off the classes of tied axes: a class that data has and no parameter
shares is a number of examples, ``m``; the units of the layer that computes ``Z[l]`` are ``n[l]``.
Only shapes are read here, never values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..naming import is_data

if TYPE_CHECKING:
    from ..graph import Graph, GraphNode

Axes = tuple[int, ...]
Length = str | int

# Names of the numbers of examples, of steps and the like, in the order they are met.
COUNTS = ("m", "k", "p", "q", "r", "s")

_LAYER = re.compile(r"[ZA]\[(\w+)\]")


class Sizes:
    """Classes of axes that must have the same length.

    Example:
        >>> import numpy as np, tinygrad_course as tc
        >>> from tinygrad_course.derivation.sizes import Sizes
        >>> W = tc.tensor(np.ones((4, 2)), requires_grad=True, name="W[1]")
        >>> X = tc.tensor(np.ones((2, 400)), name="X")
        >>> Z = W @ X
        >>> Z.name = "Z[1]"
        >>> graph = tc.Graph.of(Z.sum())
        >>> sizes = Sizes.of(graph)
        >>> [sizes.lengths(graph.find(name).index) for name in ("W[1]", "X", "Z[1]")]
        [('n[1]', 'n[0]'), ('n[0]', 'm'), ('n[1]', 'm')]
    """

    def __init__(self) -> None:
        self.axes: list[Axes] = []
        self._parent: list[int] = []
        self._length: list[int] = []
        # What is known of a class, kept at its root.
        self._data: list[bool] = []
        self._parameter: list[bool] = []
        self._one: list[bool] = []  # a length of 1 that stands for "repeat me", not for one example
        self._fixed: list[bool] = []  # written down as a number in the program
        self._names: dict[int, str] | None = None
        # What an axis of length 1 was reduced from.
        self._reduced: dict[int, int] = {}
        # Which nodes, and which operands of the node being added, are parameters.
        self._parameters: list[bool] = []
        self._operands: list[bool] = []
        # Which nodes data led to.
        self._led: list[bool] = []

    @classmethod
    def of(cls, graph: Graph) -> Sizes:
        """Tie the axes of all nodes of a graph."""
        sizes = cls()
        for node in graph:
            sizes.add(node)
        sizes.name(graph)
        return sizes

    # --- reading ----------------------------------------------------------------------------

    def same(self, i: int, j: int) -> bool:
        """Return True when two nodes have the same shape whatever the number of examples."""
        a, b = self.axes[i], self.axes[j]
        return len(a) == len(b) and all(
            self._find(p) == self._find(q) for p, q in zip(a, b, strict=True)
        )

    def lengths(self, i: int) -> tuple[Length, ...]:
        """Return the symbolic shape of a node."""
        return tuple(self.length(axis) for axis in self.axes[i])

    def length(self, axis: int) -> Length:
        """Return the symbol of a class of axes, or its length when it has none."""
        root = self._find(axis)
        name = (self._names or {}).get(root)
        return self._length[root] if name is None else name

    def counts(self, axis: int) -> bool:
        """Return True when an axis counts examples."""
        root = self._find(axis)
        return self._data[root] and not (
            self._parameter[root] or self._one[root] or self._fixed[root]
        )

    def is_one(self, axis: int) -> bool:
        """Return True for an axis of length 1 that only stands for repetition."""
        return self._one[self._find(axis)]

    def root(self, axis: int) -> int:
        """Return what represents the class of an axis."""
        return self._find(axis)

    def symbols(self) -> dict[str, int]:
        """Return the length of each symbol."""
        return {name: self._length[root] for root, name in sorted((self._names or {}).items())}

    # --- naming -----------------------------------------------------------------------------

    def name(self, graph: Graph) -> None:
        """Give the classes their symbols, from the names of the graph's nodes."""
        self._names = {}
        taken = {n.name for n in graph if n.op is None or n.op.name != "count"}
        free = [symbol for symbol in COUNTS if symbol not in taken]
        axes = [a for n in graph if is_data(n) for a in self.axes[n.index]]
        # The axes of a cost of shape (1, 1) stay what they are for any number of examples.
        kept = {self._find(a) for n in graph if n.role == "loss" for a in self.axes[n.index]}
        found = [self._find(axis) for axis in axes if self.counts(axis)]
        roots = [root for root in dict.fromkeys(found) if root not in kept]
        # An axis of length 1 counts examples only where no other does.
        for root in [r for r in roots if self._length[r] > 1] or roots[:1]:
            if free:
                self._names[root] = free.pop(0)
        for node in graph:
            layer = _LAYER.fullmatch(node.name)
            if layer is None or node.is_backward:
                continue
            for axis in self.axes[node.index]:
                root = self._find(axis)
                if self._parameter[root] and not self._one[root]:
                    self._names.setdefault(root, f"n[{layer[1]}]")
        self._name_features(graph)

    def _name_features(self, graph: Graph) -> None:
        """Call the features of the data n[0], when the first layer is numbered."""
        assert self._names is not None
        if "n[1]" not in self._names.values():
            return
        for node in graph:
            if is_data(node):
                for axis in self.axes[node.index]:
                    root = self._find(axis)
                    if self._parameter[root] and root not in self._names:
                        self._names[root] = "n[0]"
                return

    # --- classes ----------------------------------------------------------------------------

    def _new(self, length: int, data: bool = False, parameter: bool = False) -> int:
        self._parent.append(len(self._parent))
        self._length.append(length)
        self._data.append(data)
        self._parameter.append(parameter)
        self._one.append(False)
        self._fixed.append(False)
        return len(self._parent) - 1

    def one(self, reduced: int | None = None) -> int:
        """Return a new axis of length 1 that only stands for repetition of what was `reduced`."""
        axis = self._new(1)
        self._one[axis] = True
        if reduced is not None:
            self._reduced[axis] = reduced
        return axis

    def number(self, length: int) -> int:
        """Return a new axis whose length is a plain number."""
        axis = self._new(length)
        self._fixed[axis] = True
        return axis

    def fix(self, axis: int) -> None:
        """Note that the program writes this length down."""
        self._fixed[self._find(axis)] = True

    def _find(self, axis: int) -> int:
        parent = self._parent
        while parent[axis] != axis:
            parent[axis] = parent[parent[axis]]
            axis = parent[axis]
        return axis

    def tie(self, p: int, q: int) -> None:
        """Note that two axes have the same length."""
        a, b = self._find(p), self._find(q)
        if a == b or self._length[a] != self._length[b]:
            return
        if self._one[a] != self._one[b]:
            return
        a, b = min(a, b), max(a, b)
        self._parent[b] = a
        for flags in (self._data, self._parameter, self._fixed):
            flags[a] = flags[a] or flags[b]

    # --- operations -------------------------------------------------------------------------

    def add(self, node: GraphNode) -> None:
        """Infer the axes of the next node from those of its inputs."""
        parameter = node.op is None and node.role == "parameter" and not is_data(node)
        self._parameters.append(parameter)
        data = node.role == "data" if node.op is None else any(self._led[i] for i in node.inputs)
        self._led.append(data)
        if node.op is None:
            axes: Axes = tuple(self._new(n, is_data(node), parameter) for n in node.shape)
        else:
            inputs = [self.axes[i] for i in node.inputs]
            self._operands = [self._parameters[i] for i in node.inputs]
            if node.is_backward and node.op.name == "add":
                # Parts of one derivative: with one example, that part may lack its sum over it.
                self._operands = [not self._led[i] for i in node.inputs]
            rule = _RULES.get(node.op.name)
            if rule is None:
                rule = _elementwise if node.op.kind in ("elementwise", "custom") else _unknown
            found = rule(self, inputs, node.params, node.shape)
            axes = self._checked(found, node.shape)
        self.axes.append(axes)

    def _checked(self, axes: Sequence[int], shape: tuple[int, ...]) -> Axes:
        """Return the inferred axes, those that do not fit the shape replaced by numbers."""
        if len(axes) != len(shape):
            return tuple(self.number(n) for n in shape)
        return tuple(
            axis if self._length[self._find(axis)] == n else self.number(n)
            for axis, n in zip(axes, shape, strict=True)
        )

    def broadcast(self, inputs: Sequence[Axes], parameters: Sequence[bool] = ()) -> Axes:
        """Tie operands as broadcasting does, and return the axes of the result.

        `parameters` tells which operands are parameters themselves.
        """
        ndim = max((len(axes) for axes in inputs), default=0)
        flags = parameters or [False] * len(inputs)
        result = []
        for place in range(ndim):
            column = [
                (axes[place - ndim + len(axes)], flag)
                for axes, flag in zip(inputs, flags, strict=True)
                if place - ndim + len(axes) >= 0
            ]
            result.append(self._joint(column))
        return tuple(result)

    def _joint(self, column: list[tuple[int, bool]]) -> int:
        lengths = [self._length[self._find(a)] for a, _ in column]
        longest = 0 if 0 in lengths else max(lengths)
        full = [pair for pair, n in zip(column, lengths, strict=True) if n == longest]
        full.sort(key=lambda pair: (self._one[self._find(pair[0])], pair[1]))
        first = full[0][0]
        for axis, is_parameter in full[1:]:
            # The bias (n, 1) of a layer is repeated for m examples also when m happens to be 1.
            if longest == 1 and is_parameter and not self._parameter[self._find(first)]:
                continue
            # What meets the sum over another axis counts nothing: it is a length of 1.
            origin = self._reduced.get(axis)
            if longest == 1 and origin is not None and self._find(origin) != self._find(first):
                self.fix(first)
            self.tie(first, axis)
        return first


Rule = Callable[[Sizes, list[Axes], dict[str, Any], tuple[int, ...]], Sequence[int]]


def _elementwise(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    return s.broadcast(inputs, s._operands)


def _unknown(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """Keep the axes of the first input where the shape stays; otherwise numbers."""
    first = inputs[0] if inputs else ()
    return first if len(first) == len(shape) else tuple(s.number(n) for n in shape)


def _first(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    return inputs[0]


def _assigned(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    s.broadcast(inputs)
    return inputs[0]


def _like(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """The second input is the pattern of the shape."""
    return inputs[1]


def _spread(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    s.broadcast(inputs, s._operands)
    return inputs[1]


def _scalar(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    return ()


def _product(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    a, b = inputs[0], inputs[1]
    if len(a) == 1 or len(b) == 1:  # with a vector
        s.tie(a[-1], b[0] if len(b) == 1 else b[-2])
        return (*a[:-1], *b[1:])
    s.tie(a[-1], b[-2])
    return (*s.broadcast([a[:-2], b[:-2]]), a[-2], b[-1])


def _affine(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    product = tuple(_product(s, inputs, params, shape))
    s.broadcast([product, inputs[2]], [False, s._operands[2]])
    return product


def _inner(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    s.tie(inputs[0][0], inputs[1][0])
    return ()


def _places(axis: Any, ndim: int) -> set[int]:
    if axis is None:
        return set(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return {a % ndim for a in axes} if ndim else set()


def _reduce(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    places = _places(params.get("axis"), len(inputs[0]))
    if params.get("keepdims"):
        return [s.one(a) if k in places else a for k, a in enumerate(inputs[0])]
    return [a for k, a in enumerate(inputs[0]) if k not in places]


def _transpose(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    a = inputs[0]
    return (*a[:-2], a[-1], a[-2])


def _permute(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    return [inputs[0][k] for k in params["axes"]]


def _insert(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    places = _places(params["axis"], len(shape))
    rest = iter(inputs[0])
    return [s.one() if k in places else next(rest) for k in range(len(shape))]


def _remove(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    places = _places(params["axis"], len(inputs[0]))
    return [a for k, a in enumerate(inputs[0]) if k not in places]


def _reshape(s: Sizes, inputs: list[Axes], params: Any, shape: tuple[int, ...]) -> Sequence[int]:
    """Keep the axes that a reshape leaves alone, from the left and from the right."""
    old = inputs[0]
    lengths = [s._length[s._find(a)] for a in old]
    left = 0
    while left < min(len(old), len(shape)) and lengths[left] == shape[left]:
        left += 1
    right = 0
    while (
        right < min(len(old), len(shape)) - left
        and lengths[len(old) - 1 - right] == shape[len(shape) - 1 - right]
    ):
        right += 1
    for axis in old[left : len(old) - right]:
        s.fix(axis)
    middle = [s.number(n) for n in shape[left : len(shape) - right]]
    return [*old[:left], *middle, *old[len(old) - right :]]


def _expand(s: Sizes, inputs: list[Axes], params: Any, shape: tuple[int, ...]) -> Sequence[int]:
    old = inputs[0]
    extra = len(shape) - len(old)
    return [
        old[k - extra] if k >= extra and s._length[s._find(old[k - extra])] == n else s.number(n)
        for k, n in enumerate(shape)
    ]


def _select(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    """Follow an index: a full slice keeps an axis, a number drops it, None adds one."""
    index = params["index"]
    arrays = list(inputs[1:])
    used = sum(part is not None and part is not Ellipsis for part in index)
    old = list(inputs[0])
    result: list[int] = []
    fancy: int | None = None
    picked = s.broadcast(arrays) if arrays else ()
    for part in index if any(p is Ellipsis for p in index) else (*index, Ellipsis):
        if part is None:
            result.append(s.one())
        elif part is Ellipsis:
            for _ in range(len(inputs[0]) - used):
                result.append(old.pop(0))
        elif isinstance(part, int):
            old.pop(0)
        elif isinstance(part, slice):
            axis = old.pop(0)
            full = part == slice(None)
            if not full:
                s.fix(axis)  # how many are left depends on the length
            result.append(axis if full else s.number(shape[min(len(result), len(shape) - 1)]))
        else:  # an array of the index
            old.pop(0)
            if fancy is None:
                fancy = len(result)
    if fancy is not None:
        result[fancy:fancy] = picked
    return result


def _pattern(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """`place(g, pattern, …)`: the pattern's axes."""
    return inputs[1]


def _along(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    x, index = inputs[0], inputs[1]
    if len(x) == len(index):
        axis = params["axis"] % len(x)
        for k, (p, q) in enumerate(zip(x, index, strict=True)):
            if k != axis:
                s.tie(p, q)
    return index


def _scatter(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    _along(s, inputs, params, shape)
    s.broadcast(inputs[1:3])
    return inputs[0]


def _join(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    axis = params["axis"] % len(shape)
    result = []
    for k, n in enumerate(shape):
        if k == axis:
            for other in inputs:
                s.fix(other[k])
            result.append(s.number(n))
            continue
        for other in inputs[1:]:
            s.tie(inputs[0][k], other[k])
        result.append(inputs[0][k])
    return result


def _pad(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    result = []
    for axis, widths, n in zip(inputs[0], params["widths"], shape, strict=True):
        if any(widths):
            s.fix(axis)
        result.append(s.number(n) if any(widths) else axis)
    return result


def _einsum(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    terms, result = params["subscripts"].split("->")
    known: dict[str, int] = {}
    for term, axes in zip(terms.split(","), inputs, strict=True):
        for letter, axis in zip(term, axes, strict=True):
            s.tie(known.setdefault(letter, axis), axis)
            if term.count(letter) > 1:
                s.fix(axis)  # a diagonal, which its derivative is put back on by position
    return [known[letter] for letter in result]


def _matrix(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """A square matrix, or a number for each: rows and columns are of one length."""
    a = inputs[0]
    s.tie(a[-2], a[-1])
    return a[: len(shape)]


def _solve(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    a, b = inputs[0], inputs[1]
    s.tie(a[-2], a[-1])
    s.tie(a[-1], b[-2])
    return (*s.broadcast([a[:-2], b[:-2]]), *b[-2:])


def _cross(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    for axes in inputs:
        s.fix(axes[params["dim"]])
    return s.broadcast(inputs)


def _decomposed(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """Factors side by side are taken apart by position."""
    a = inputs[0]
    for axis in a[-2:]:
        s.fix(axis)
    return (*a[:-2], *(s.number(n) for n in shape[len(a) - 2 :]))


def _running(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    if params["axis"] is not None:
        return inputs[0]
    for axis in inputs[0]:
        s.fix(axis)
    return [s.number(n) for n in shape]


def _one_hot(s: Sizes, inputs: list[Axes], params: dict[str, Any], shape: Any) -> Sequence[int]:
    place = params["axis"] % len(shape)
    return [*inputs[0][:place], s.number(shape[place]), *inputs[0][place:]]


def _windows(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """Examples and channels stay; lengths in space are numbers."""
    for axes in inputs:
        for axis in axes[2:]:
            s.fix(axis)
        s.tie(inputs[0][0], axes[0])
        s.tie(inputs[0][1], axes[1])
    return [*inputs[0][:2], *map(s.number, shape[2:])]


def _convolution(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    """Of w (O, C, …) and x (N, C, …), or of what is transposed in them: two axes meet."""
    for axes in inputs:
        for axis in axes[2:]:
            s.fix(axis)
    (o, d), (n, c) = inputs[0][:2], inputs[1][:2]
    if params["groups"] > 1:  # channels are split by their numbers
        for axis in (c, o, d):
            s.fix(axis)
    return [o, d, n, c]


def _conv(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    o, d, n, c = _convolution(s, inputs, params, shape)
    if params["groups"] == 1:
        s.tie(c, d)
    return [n, o, *map(s.number, shape[2:])]


def _conv_transpose(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    p, c, n, o = _convolution(s, inputs, params, shape)
    s.tie(o, p)
    return [n, c if params["groups"] == 1 else s.number(shape[1]), *map(s.number, shape[2:])]


def _conv_kernel(s: Sizes, inputs: list[Axes], params: Any, shape: Any) -> Sequence[int]:
    for axes in inputs:
        for axis in axes[2:] if params["groups"] == 1 else axes[1:]:
            s.fix(axis)
    (n, o), (m, c) = inputs[0][:2], inputs[1][:2]
    s.tie(n, m)
    return [o, c if params["groups"] == 1 else s.number(shape[1]), *map(s.number, shape[2:])]


_RULES: dict[str, Rule] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "conv_kernel": _conv_kernel,
    **dict.fromkeys(
        (
            "unfold_windows",
            "fold_windows",
            "pool_max",
            "pool_place",
            "pool_pick",
            "pool_sum",
            "pool_spread",
            "resize",
            "resize_back",
        ),
        _windows,
    ),
    "one_hot": _one_hot,
    "matrix_product": _product,
    "affine": _affine,
    "inner": _inner,
    "einsum": _einsum,
    "onto_diagonal": _like,
    "solve_matrix": _solve,
    "cross": _cross,
    "pinverse": _transpose,
    **dict.fromkeys(
        ("inverse", "det", "cofactor", "logabsdet", "det_sign", "cholesky_factor"),
        _matrix,
    ),
    **dict.fromkeys(("singular_vectors", "singular_values", "complement"), _decomposed),
    **dict.fromkeys(("eigenvectors", "eigenvalues", "matrix_exp"), _decomposed),
    "matrix_transpose": _transpose,
    "permute_axes": _permute,
    "insert_axes": _insert,
    "remove_axes": _remove,
    "reshape_to": _reshape,
    "broadcast_shape": _expand,
    "broadcast_like": _spread,
    "sum_like": _spread,
    "reshape_like": _like,
    "getitem": _select,
    "place": _pattern,
    "setitem": _first,
    "assign": _assigned,
    "assign_view": _first,
    "take_along_axis": _along,
    "gather_along": _along,
    "scatter_into": _scatter,
    "join": _join,
    "pad_constant": _pad,
    "cumsum": _running,
    "softmax": _first,
    "log_softmax": _first,
    "count": _scalar,
    **dict.fromkeys(
        ("sum", "mean", "amax", "amin", "argmax", "argmin", "logsumexp", "norm2", "all", "any"),
        _reduce,
    ),
}


def sizes_of(graph: Graph) -> list[tuple[Length, ...]]:
    """Return the symbolic shape of every node of a graph.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.derivation.sizes import sizes_of
        >>> X, w = tc.ones(5, 2), tc.ones(2, 1).requires_grad_()
        >>> sizes_of(tc.Graph.of((X @ w).mean()))
        [('m', 2), (2, 1), ('m', 1), ()]
    """
    sizes = Sizes.of(graph)
    return [sizes.lengths(i) for i in range(len(graph))]
