"""What is simpler than what: the algebra of `simplify`, one small rule at a time.

A rule is ``(r, op, inputs, params) -> index or None``: given the operands that an operation would
be applied to (already simplified), it returns a simpler node, or None when it has nothing to offer.
`r` is the `Rewriter`. Rules marked `backward` move factors and open brackets, and so only touch the
backward pass: the forward pass stays as the user wrote it. The cancellations that learners meet,
such as A − Y, are in `cancellations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .rewriter import Coefficient, Rewriter

Inputs = tuple[int, ...]
Params = dict[str, Any]
RuleFunction = Callable[[Rewriter, str, Inputs, Params], int | None]

RULES: dict[str, list[RuleFunction]] = {}

# Linear in their first operand: a factor of it is a factor of the result.
LINEAR = (
    "sum mean sum_like broadcast_like reshape_like reshape_to matrix_transpose permute_axes "
    "insert_axes remove_axes broadcast_shape cast getitem place cumsum flip roll unfold_windows "
    "fold_windows pool_place pool_pick pool_sum pool_spread resize resize_back"
).split()
CONVOLUTIONS = ("conv", "conv_transpose", "conv_kernel")
SHAPES = (
    "reshape_like reshape_to matrix_transpose permute_axes insert_axes remove_axes broadcast_shape "
    "broadcast_like"
).split()
ELEMENTWISE = "add sub mul div maximum minimum where pow eq ne lt le gt ge".split()


def rule(*names: str, backward: bool = False) -> Callable[[RuleFunction], RuleFunction]:
    """Register a rule for operations; `backward` restricts it to the backward pass."""

    def register(function: RuleFunction) -> RuleFunction:
        def in_backward(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
            return function(r, op, inputs, params) if r.backward else None

        for name in names:
            RULES.setdefault(name, []).append(in_backward if backward else function)
        return function

    return register


# --- identities ---------------------------------------------------------------------------------


@rule("add", "sub")
def _zero_added(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    a, b = inputs
    return a if _is_zero(r, b, a) else None


@rule("add")
def _added_to_zero(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    a, b = inputs
    return b if _is_zero(r, a, b) else None


def _is_zero(r: Rewriter, index: int, other: int) -> bool:
    """Return True for a 0 that neither widens the shape of `other` nor its dtype."""
    if r.is_number(index, 0):
        return r.nodes[other].dtype.kind == "f"
    return r.is_op(index, "zeros_like") and r.fits(index, other)


@rule("mul")
def _times_one(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    for one, x in (inputs, inputs[::-1]):
        if r.is_number(one, 1) and r.nodes[x].dtype.kind == "f":
            return x
        if r.is_op(one, "ones_like") and r.fits(one, x):
            return x
    return None


@rule("div", "pow")
def _over_one(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    a, b = inputs
    return a if r.is_number(b, 1) and r.nodes[a].dtype.kind == "f" else None


@rule("pow")
def _to_the_second(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    a, b = inputs
    return r.make("square", a) if r.is_number(b, 2) and r.backward else None


@rule("neg")
def _twice_negative(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    return r.inputs(x)[0] if r.is_op(x, "neg") else None


@rule("matrix_transpose")
def _twice_transposed(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    return r.inputs(x)[0] if r.is_op(x, "matrix_transpose") else None


@rule("clone", "snapshot")
def _copied(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    return inputs[0]


@rule("cast")
def _same_dtype(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    old, new = r.nodes[x].dtype, np.dtype(params["dtype"])
    floats = old.kind == new.kind == "f" and not r.exact_dtypes
    return x if old == new or floats else None


@rule("broadcast_like", "reshape_like", "sum_like")
def _same_shape(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    x, pattern = inputs
    return x if r.sizes.same(x, pattern) else None


@rule("reshape_to", "broadcast_shape")
def _shape_it_has(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    return x if r.nodes[x].shape == params["shape"] else None


@rule("reshape_to")
def _for_each_channel(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write the γ of channels as γ[:, None, None], whose axes it says."""
    (x,) = inputs
    shape = params["shape"]
    if r.exact_dtypes or len(shape) < 3 or any(n != 1 for n in shape[1:]) or r.ndim(x) != 1:
        return None
    return r.make("insert_axes", x, axis=tuple(range(1, len(shape))))


@rule("setitem")
def _all_replaced(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """x[...] = v replaces all of x."""
    x, v = inputs[:2]
    everything = all(part is Ellipsis or part == slice(None) for part in params["index"])
    alike = r.sizes.same(x, v) and r.nodes[x].dtype == r.nodes[v].dtype
    return v if len(inputs) == 2 and everything and alike else None


@rule("insert_axes", "remove_axes")
def _no_axes(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    return inputs[0] if params["axis"] == () else None


@rule("remove_axes")
def _inserted_and_removed(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    if not r.is_op(x, "insert_axes"):
        return None
    places = [{a % r.ndim(x) for a in p["axis"]} for p in (params, r.params(x))]
    return r.inputs(x)[0] if places[0] == places[1] else None


@rule("where")
def _one_choice(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    condition, a, b = inputs
    return a if a == b and r.fits(condition, a) else None


@rule("sum_like")
def _sum_over_axes(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write un-broadcasting as the sum over axes that it is."""
    x, pattern = inputs
    old, new = r.sizes.axes[x], r.sizes.axes[pattern]
    extra = len(old) - len(new)
    root = r.sizes.root
    lengths = r.nodes[pattern].shape
    stretched = tuple(
        k + extra
        for k, axis in enumerate(new)
        if lengths[k] == 1 and root(axis) != root(old[k + extra])
    )
    if extra:
        leading = tuple(range(extra))
        x = r.make("sum", x, axis=leading[0] if extra == 1 else leading, keepdims=False)
        stretched = tuple(k - extra for k in stretched)
    if stretched:
        x = r.make("sum", x, axis=stretched[0] if len(stretched) == 1 else stretched, keepdims=True)
    return x


@rule("reshape_like", backward=True)
def _sums_to_vector(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write a bias's sums over examples and over space as one: sum(dZ, axis=(0, 2, 3))."""
    x, pattern = inputs
    summed: set[int] = set()
    kept: list[int] = list(range(r.ndim(x)))  # the axes of x that are left, as places in the input
    total = x
    while r.is_op(total, "sum") and r.params(total)["axis"] is not None:
        given, ndim = r.params(total), r.ndim(r.inputs(total)[0])
        axis = given["axis"] if isinstance(given["axis"], tuple) else (given["axis"],)
        over = {a % ndim for a in axis}
        places = [k for k in range(ndim) if given["keepdims"] or k not in over]
        summed = over | {places[k] for k in summed}
        kept = [places[k] for k in kept]
        total = r.inputs(total)[0]
    left = [r.sizes.root(r.sizes.axes[total][k]) for k in kept if k not in summed]
    wanted = [r.sizes.root(a) for a in r.sizes.axes[pattern]]
    if not summed or left != wanted or len(summed) + len(left) != r.ndim(total):
        return None
    places = sorted(summed)
    return r.make("sum", total, axis=places[0] if len(places) == 1 else tuple(places))


# --- constants ----------------------------------------------------------------------------------


@rule("mul", "div", "neg")
def _coefficients(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """2 · (1/m) = 2/m; in the forward pass only where an m is involved."""
    found = [c for c in map(r.coefficient, inputs) if c is not None]
    if len(found) < len(inputs) or not (r.backward or any(c.powers for c in found)):
        return None
    if op == "neg":
        return r.factor(found[0].negative(), r.nodes[inputs[0]].dtype)
    if op == "div" and found[1].number == 0:
        return None
    second = found[1].inverse() if op == "div" else found[1]
    return r.factor(found[0] * second, r.nodes[inputs[0]].dtype)


@rule("add", "sub", "pow", backward=True)
def _numbers(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """3 − 1 = 2."""
    found = [c for c in map(r.coefficient, inputs) if c is not None]
    if len(found) < 2 or any(c.powers for c in found):
        return None
    a, b = (c.number for c in found)
    if op == "pow" and (a < 0 or (a == 0 and b < 0)):
        return None
    return r.number(a + b if op == "add" else a - b if op == "sub" else a**b)


# --- broadcasting -------------------------------------------------------------------------------


@rule(*ELEMENTWISE)
def _repeats_anyway(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Leave out a repetition that the operation does by itself."""
    for k, x in enumerate(inputs):
        others = [y for y in inputs if y != x]
        c, core = r.split(x)
        if r.is_op(core, "broadcast_like") and any(r.fits(core, y) for y in others):
            inputs = (*inputs[:k], r.scaled(c, r.inputs(core)[0]), *inputs[k + 1 :])
            return r.make(op, *inputs, **params)
    return None


@rule("broadcast_like", "reshape_like", backward=True)
def _repeated_number(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """A number repeated is a multiple of ones."""
    x, pattern = inputs
    c = r.coefficient(x)
    if c is not None:
        return r.scaled(c, r.make("ones_like", pattern))
    return r.make("ones_like", pattern) if r.is_op(x, "ones_like") else None


@rule(*SHAPES, backward=True)
def _ones_arranged(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Ones in another arrangement are ones."""
    if not r.is_op(inputs[0], "ones_like"):
        return None
    if op in ("reshape_like", "broadcast_like"):
        return r.make("ones_like", inputs[1])
    return r.make("ones_like", r.make(op, *r.inputs(inputs[0]), **params))


@rule("sum", backward=True)
def _sum_of_repeated(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """The sum of a number repeated m times is m times the number."""
    (x,) = inputs
    repeated = r.is_op(x, "broadcast_like") and r.ndim(r.inputs(x)[0]) == 0
    if not (repeated or r.is_op(x, "ones_like")) or params["axis"] is not None:
        return None
    count = r.make("count", x, axis=None)
    c = r.coefficient(count)
    if c is None or params["keepdims"]:
        return None
    return r.scaled(c, r.inputs(x)[0]) if repeated else r.factor(c, r.nodes[x].dtype)


# --- factors ------------------------------------------------------------------------------------


@rule("neg", backward=True)
def _minus_outside(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    (x,) = inputs
    c, core = r.split(x)
    return r.scaled(c.negative(), core)


@rule(*LINEAR, backward=True)
def _factor_outside(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """f(c x) = c f(x) for a linear f."""
    c, core = r.split(inputs[0])
    return None if c.is_one else r.scaled(c, r.make(op, core, *inputs[1:], **params))


@rule("mul", backward=True)
def _times_coefficient(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    for factor, x in (inputs, inputs[::-1]):
        c = r.coefficient(factor)
        if c is not None:
            return r.scaled(c, x)
    return None


@rule("matrix_product", "inner", "mul", *CONVOLUTIONS, backward=True)
def _factors_outside(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(c A) (d B) = c d (A B)."""
    (c, a), (d, b) = r.split(inputs[0]), r.split(inputs[1])
    if c.is_one and d.is_one:
        return None
    return r.scaled(c * d, r.make(op, a, b, **params))


@rule("div", backward=True)
def _factor_over_factor(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(c a) / (d b) = (c/d) (a/b)."""
    below = r.coefficient(inputs[1])
    if below is not None:
        return r.scaled(below.inverse(), inputs[0]) if below.number else None
    (c, a), (d, b) = r.split(inputs[0]), r.split(inputs[1])
    if c.is_one and d.is_one:
        return None
    return r.scaled(c * d.inverse(), r.make("div", a, b))


@rule("div")
def _over_count(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write x / m as (1/m) x."""
    below = r.coefficient(inputs[1])
    if below is None or not below.powers:
        return None
    return r.scaled(below.inverse(), inputs[0])


@rule("mean")
def _mean_as_sum(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """The mean over all examples is (1/m) Σ, which is where 1/m comes from."""
    (x,) = inputs
    if r.exact_dtypes or params["axis"] is not None or r.ndim(x) == 0:
        return None
    c = r.coefficient(r.make("count", x, axis=None))
    total = r.make("sum", x, axis=None, keepdims=params["keepdims"])
    return None if c is None else r.scaled(c.inverse(), total)


@rule("count")
def _count_of_data(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Count along an axis of the data, whatever was computed from them."""
    (x,) = inputs
    if r.exact_dtypes or r.nodes[x].op is None:
        return None
    return r.factor(r.count_of(x, params["axis"]), r.nodes[x].dtype)


@rule("sum")
def _sum_of_sums(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Σ(−x) = −Σx; and Σ over everything of Σ over an axis is one Σ."""
    (x,) = inputs
    if r.exact_dtypes or params["axis"] is not None or params["keepdims"]:
        return None
    if r.is_op(x, "neg"):
        return r.make("neg", r.make("sum", r.inputs(x)[0]))
    return r.make("sum", r.inputs(x)[0]) if r.is_op(x, "sum") else None


@rule("sum")
def _picked_by_labels(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """The sum of the entries that labels pick is the sum of one_hot(labels) * x."""
    (x,) = inputs
    if r.exact_dtypes or params["axis"] is not None or not r.is_op(x, "take_along_axis"):
        return None
    source, index = r.inputs(x)
    axis = r.params(x)["axis"] % r.ndim(source)
    if r.nodes[index].shape[axis] != 1 or r.nodes[index].role == "parameter":
        return None
    classes = r.nodes[source].shape[axis]
    labels = r.make("remove_axes", index, axis=(axis,))
    marks = r.make("one_hot", labels, classes=classes, axis=axis - r.ndim(source))
    return r.make("sum", r.make("mul", marks, source), keepdims=params["keepdims"])


@rule("add", "sub", backward=True)
def _like_terms(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(x + a) + a = x + 2 a, and a + (a − x) = 2 a − x."""
    x, y = inputs
    if r.is_op(x, "add", "sub"):
        total, term, sign = x, y, -1 if op == "sub" else 1
    elif op == "add" and r.is_op(y, "add", "sub"):
        total, term, sign = y, x, 1
    else:
        return None
    d, b = r.split(term)
    first, second = r.inputs(total)
    for other, own in ((first, second), (second, first)):
        c, a = r.split(own)
        behind = own == second
        number = (-c.number if behind and r.is_op(total, "sub") else c.number) + sign * d.number
        if a != b or c.powers != d.powers or number == 0:
            continue
        together = r.scaled(Coefficient(number, c.powers), a)
        if behind:
            return r.make("add", other, together)
        return r.make("sub" if r.is_op(total, "sub") else "add", together, other)
    return None


@rule("add", "sub", backward=True)
def _common_factor(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Write c a ± c b as c (a ± b), and signs once: a − b, never a + (−b)."""
    (c, a), (d, b) = r.split(inputs[0]), r.split(inputs[1])
    if op == "sub":
        d = d.negative()
    if c == d:
        if a == b:
            return r.scaled(c * Coefficient(2), a)
        return None if c.is_one and op == "add" else r.scaled(c, r.make("add", a, b))
    if c == d.negative():
        if c.number < 0:
            c, a, b = d, b, a
        return None if c.is_one and op == "sub" else r.scaled(c, r.make("sub", a, b))
    first, second = (r.scaled(k if k.number > 0 else k.negative(), x) for k, x in ((c, a), (d, b)))
    if c.number < 0 and d.number < 0:
        return r.scaled(Coefficient(-1), r.make("add", first, second))
    if c.number < 0:
        return r.make("sub", second, first)
    wanted = "add" if d.number > 0 else "sub"
    return None if op == wanted else r.make(wanted, first, second)


# --- products -----------------------------------------------------------------------------------


@rule("mul", backward=True)
def _squared(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    a, b = inputs
    return r.make("square", a) if a == b else None


@rule("matrix_product", backward=True)
def _times_one_by_one(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """A [1] = A: in the derivative of a cost of shape (1, 1)."""
    for one, x in (inputs, inputs[::-1]):
        counted = any(map(r.sizes.counts, r.sizes.axes[one]))
        if r.is_op(one, "ones_like") and r.nodes[one].shape == (1, 1) and not counted:
            return x
    return None


@rule("matrix_transpose", backward=True)
def _transposed_product(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(A B)ᵀ = Bᵀ Aᵀ, where A B is not known from the forward pass."""
    (x,) = inputs
    if not r.is_op(x, "matrix_product") or not r.nodes[x].is_backward:
        return None
    a, b = r.inputs(x)
    left, right = r.make("matrix_transpose", b), r.make("matrix_transpose", a)
    return r.make("matrix_product", left, right)


@rule("matrix_transpose", backward=True)
def _number_transposed(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """(1 − Y)ᵀ = 1 − Yᵀ, for data Y."""
    (x,) = inputs
    if not r.is_op(x, "add", "sub"):
        return None
    parts = r.inputs(x)
    numbers = [r.coefficient(part) is not None for part in parts]
    leaves = [r.nodes[part].op is None for part in parts]
    if not any(numbers) or not all(leaves):
        return None
    flipped = [p if r.coefficient(p) is not None else r.make(op, p) for p in parts]
    kind = r.nodes[x].op
    assert kind is not None
    return r.make(kind, *flipped)


@rule("where", backward=True)
def _common_choice(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """Where z > 0: g, else s g; is g · (where z > 0: 1, else s)."""
    condition, a, b = inputs
    (c, x), (d, y) = r.split(a), r.split(b)
    if r.coefficient(x) is not None or r.coefficient(y) is not None:
        return None
    shared, left, right = _shared_factor(r, x, y)
    if shared is None or c.powers != d.powers:
        return None
    common = Coefficient(1, c.powers)
    first = r.scaled(Coefficient(c.number), left if left is not None else r.number(1))
    second = r.scaled(Coefficient(d.number), right if right is not None else r.number(1))
    if r.exact_dtypes and left is right is None:  # two plain numbers would be float64
        dtype = r.nodes[a].dtype
        first, second = (r.number(dtype.type(r.nodes[i].value)) for i in (first, second))
    return r.scaled(common, r.make("mul", shared, r.make("where", condition, first, second)))


def _shared_factor(r: Rewriter, x: int, y: int) -> tuple[int | None, int | None, int | None]:
    """Return a factor of both x and y, and what is left of each (None for 1)."""
    if x == y:
        return x, None, None
    for one, other, swap in ((x, y, False), (y, x, True)):
        if r.is_op(other, "mul") and one in r.inputs(other):
            a, b = r.inputs(other)
            rest = b if a == one else a
            return one, (rest if swap else None), (None if swap else rest)
    return None, None, None


@rule("remove_axes", "reshape_like")
def _product_with_vector(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """X w for a vector w, instead of the column that w was made to; likewise w X."""
    x = inputs[0]
    if r.exact_dtypes or not r.is_op(x, "matrix_product") or r.ndim(x) != 2:
        return None
    if op == "remove_axes":
        axis = params["axis"]
        places = {a % 2 for a in (axis if isinstance(axis, tuple) else (axis,))}
    else:
        places = {0, 1} if r.ndim(inputs[1]) == 1 else set()
    left, right = r.inputs(x)
    shape = r.nodes[x].shape
    if 1 in places and shape[1] == 1 and _is_vector(r, right):
        return r.make("matrix_product", left, r.inputs(right)[0])
    if 0 in places and shape[0] == 1 and _is_vector(r, left):
        return r.make("matrix_product", r.inputs(left)[0], right)
    return None


def _is_vector(r: Rewriter, x: int) -> bool:
    """Return True for a vector made a matrix."""
    return r.is_op(x, "insert_axes", "reshape_like") and r.ndim(r.inputs(x)[0]) == 1


@rule("matrix_product")
def _product_of_vectors(r: Rewriter, op: str, inputs: Inputs, params: Params) -> int | None:
    """A column times a row is the product of each element with each: u[:, None] * v."""
    left, right = inputs
    if r.exact_dtypes or r.ndim(left) != 2 or r.nodes[left].shape[1] != 1:
        return None
    if r.is_op(right, "matrix_transpose"):
        right = r.inputs(right)[0]
    if not _is_vector(r, left) or not _is_vector(r, right):
        return None
    column = r.make("insert_axes", r.inputs(left)[0], axis=(1,))
    return r.make("mul", column, r.inputs(right)[0])
