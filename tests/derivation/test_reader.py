"""Reading equations back: names, precedences, calls, sheets, and errors that point at a column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_samples import OPS
from test_registry import PRIMITIVE, each

import tinygrad_course as tc
from tinygrad_course import errors
from tinygrad_course.derivation.reader import EquationError, Reader, equations_in, read
from tinygrad_course.op import ATOM, REGISTRY

A = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -1.0]])
B = np.array([[2.0, 0.0], [1.0, -1.0], [0.5, 3.0]])
V = np.array([1.0, -2.0, 3.0])
VALUES: dict[str, Any] = {
    "W[1]": A, "B": B, "x": V, "a": 3.0, "b": 5.0, "m": 4, "k": 7, "dJ/dv": 2.0, "W": np.eye(2),
    "∂J/∂Z[2]": -A, "σ²[1]": V * V, "Z̃[1]": 2 * V, "b[1]ᵀ": V, "two words": 8.0, "t1": 0.5,
    "max": 11.0, "I": np.array([2, 0]), "M": V > 0, "z(2)": 13.0, "ŷ": 17.0, "W[1].momentum": 19.0,
    "x²": 23.0,
}  # fmt: skip


def value(text: str) -> Any:
    return Reader(VALUES).value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # numbers and names
        ("3", 3), ("0.25", 0.25), ("1e-05", 1e-5), ("2.5e3", 2500.0), ("-inf", -np.inf),
        ("W[1]", A), ("∂J/∂Z[2]", -A), ("dJ/dv", 2.0), ("two words", 8.0), ("b[1]ᵀ", V),
        ("σ²[1]", V * V), ("Z̃[1]", 2 * V), ("z(2)", 13.0), ("ŷ", 17.0), ("x²", 23.0),
        ("W[1].momentum", 19.0), ("True", True),
        # sums, products, signs
        ("a - b - 1", -3.0), ("a - (b - 1)", -1.0), ("a / b / 2", 0.3), ("a / (b / 2)", 1.2),
        ("a + b * 2", 13.0), ("(a + b) * 2", 16.0), ("-a * b", -15.0), ("a - -b", 8.0),
        ("a * -b", -15.0), ("b // a", 1.0), ("b mod a", 2.0), ("-(b mod a)", -2.0), ("--a", 3.0),
        # side by side: products of matrices, and of anything with a number
        ("W[1] B", A @ B), ("a b", 15.0), ("a W[1] B", 3 * A @ B), ("-a b", -15.0),
        ("(1/m) W[1] B", A @ B / 4), ("(1/(2 m)) a", 0.375), ("a / 2 m", 0.375), ("2 (3)", 6),
        ("W[1] B * W", A @ B * np.eye(2)), ("1/m", 0.25), ("x · x", 14.0), ("a - 1/m", 2.75),
        ("W B[0:2]", B[:2]), ("dJ/dv a", 6.0), ("m k", 28),
        # powers, roots, bars
        ("t1²", 0.25), ("a³", 27.0), ("a⁻¹", 1 / 3), ("m⁻²", 1 / 16), ("a^t1", math.sqrt(3)),
        ("a^(-t1)", 3**-0.5), ("√a", math.sqrt(3)), ("√(a + 1)", 2.0), ("2 a²", 18.0),
        ("-a²", -9.0), ("W[1]ᵀ", A.T), ("W[1]ᵀ W", A.T), ("(W[1] B)ᵀ", (A @ B).T),
        ("|x|", np.abs(V)), ("|x| + |-a|", np.abs(V) + 3), ("| |x| - 2|", np.abs(np.abs(V) - 2)),
        ("‖x‖", math.sqrt(14)), ("2 ‖x‖", 2 * math.sqrt(14)), ("W[1][:, 0]²", A[:, 0] ** 2),
        # comparisons and logic
        ("x > 0", V > 0), ("x + 1 <= 2", V + 1 <= 2), ("a == 3", True), ("a != 3", False),
        ("x > 0 and x < 2", (V > 0) & (V < 2)), ("not x > 0", V <= 0), ("M or x < 0", V == V),
        ("x > 0 xor M", V != V), ("M & M", V > 0), ("M | M", V > 0), ("~M", V <= 0),
        ("(x > 0) + (x > -5)", [2.0, 1.0, 2.0]), ("1 - M", [0.0, 1.0, 0.0]), ("-M", [-1, 0, -1]),
        # calls
        ("np.sum(W[1])", 1.75), ("np.sum(W[1], axis=1, keepdims=True)", A.sum(1, keepdims=True)),
        ("np.mean(W[1], axis=(0, 1))", A.mean()), ("σ(0)", 0.5), ("log(a)", math.log(3)),
        ("max(x, 0)", np.maximum(V, 0)), ("max(max, 12)", 12.0), ("max max", 121.0),
        ("where(x > 0, x, 0)", np.maximum(V, 0)), ("clamp(x, -np.inf, 1)", np.minimum(V, 1)),
        ("softmax(W[1], axis=0)", np.exp(A) / np.exp(A).sum(0)), ("norm(x, axis=0)", 14**0.5),
        ("leaky_relu(x, negative_slope=0.5)", [1.0, -1.0, 3.0]), ("exp(-t1 (a))", math.exp(-1.5)),
        ("einsum(W[1], B, subscripts='ij,jk->ik')", A @ B), ("cat(x, x)", np.tile(V, 2)),
        ("reshape(W[1], shape=(3, 2))", A.reshape(3, 2)), ("reshape(W, shape=(m,))", [1, 0, 0, 1]),
        ("pad(x, widths=((1, 0),), value=-np.inf)", [-np.inf, 1, -2, 3]),
        ("roll(x, shifts=-1)", [-2.0, 3.0, 1.0]), ("np.sum(W[1], axis=None)", 1.75),
        ("zeros_like(x, dtype='float32')", np.zeros(3)), ("cast(x, dtype='int64')", [1, -2, 3]),
        ("one_hot(I, classes=3)", [[0, 0, 1], [1, 0, 0]]),
        # indices
        ("x[1, ...]", -2.0), ("x[1:]", V[1:]), ("x[::-1]", V[::-1]), ("x[:2]", V[:2]),
        ("x[None]", V[None]), ("W[1][..., None, -1]", A[..., None, -1]), ("x[I, ...]", V[[2, 0]]),
        ("x[I]", V[[2, 0]]), ("x[x > 0]", V[V > 0]), ("W[1][0:2:1, I]", A[:, [2, 0]]),
        ("place(a, x, [1, ...])", [0.0, 3.0, 0.0]), ("place(t1, x, [I])", [0.5, 0.0, 0.5]),
        ("setitem(x, a, [1:])", [1.0, 3.0, 3.0]),
        ("assign_view(W[1], x, W[1][0, ...])", [V, A[1]]),
        ("assign_view(B, W[1], transpose(B, axes=(1, 0)))", A.T),
    ],
)  # fmt: skip
def test_values(text, expected):
    got = value(text)
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-15)


# --- every operation, as it writes itself ---------------------------------------------------------

# An equation has real numbers: these only change their representation, and are not written.
SILENT = ("cast", "clone", "snapshot")


@each(OPS)
def test_every_operation_reads_what_it_writes(name, sample):
    made = PRIMITIVE[name]
    if made.kind == "random":
        return
    names = list(made.inputs)
    if made.variadic:
        names = [f"x{k}" for k in range(len(sample.args))]
    values = dict(zip(names, sample.args, strict=True))
    params = {**made.defaults, **sample.params}
    with np.errstate(all="ignore"):
        expected = np.asarray(made.forward(*sample.args, **params))
    got = Reader(values).value(made.spell("text", names, sample.params))
    if name == "assign":  # written as the new value; equations add how it is repeated
        got = np.broadcast_to(got, expected.shape)
    assert np.shape(got) == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-15, atol=1e-15)


def test_no_two_operations_are_called_alike():
    functions = Reader({}).functions
    texts = [op.text for op in REGISTRY.values() if isinstance(op.text, str) and "{" not in op.text]
    assert len(set(texts)) == len(texts)
    assert all(functions[text].text == text for text in texts)


# --- brackets -------------------------------------------------------------------------------------

UNARY = [
    "neg",
    "square",
    "sqrt",
    "abs",
    "exp",
    "tanh",
    "reciprocal",
    "bitwise_not",
    "matrix_transpose",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "matrix_product",
    "remainder",
    "floor_divide",
    "gt",
]
trees = st.recursive(
    st.sampled_from(["p", "q", "r"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), inner), st.tuples(st.sampled_from(BINARY), inner, inner)
    ),
    max_leaves=8,
)
SQUARE = {k: np.random.default_rng(i).uniform(0.5, 2, (2, 2)) for i, k in enumerate("pqr")}


def written(tree: Any) -> tuple[str, int]:
    """Return a tree as a text, by what operations say of themselves, and how tightly it binds."""
    if isinstance(tree, str):
        return tree, ATOM
    op = REGISTRY[tree[0]]
    parts = [written(part) for part in tree[1:]]
    bounds = op.bounds(len(parts))
    texts = [t if s >= least else f"({t})" for (t, s), least in zip(parts, bounds, strict=True)]
    return op.spell("text", texts), op.precedence


def computed(tree: Any) -> Any:
    if isinstance(tree, str):
        return SQUARE[tree]
    inputs = [computed(part) for part in tree[1:]]
    numbers = [x * 1.0 if x.dtype == bool and tree[0] != "bitwise_not" else x for x in inputs]
    return np.asarray(REGISTRY[tree[0]].forward(*numbers))


def is_logical(tree: Any) -> bool:
    """~ is for booleans, all else for numbers."""
    if isinstance(tree, str):
        return True
    if tree[0] == "bitwise_not" and (
        isinstance(tree[1], str) or tree[1][0] not in ("gt", "bitwise_not")
    ):
        return False
    return all(is_logical(part) for part in tree[1:])


@settings(max_examples=400)
@given(trees.filter(is_logical))
def test_brackets_are_read_as_they_are_written(tree):
    with np.errstate(all="ignore"):
        expected = computed(tree)
        got = Reader(SQUARE).value(written(tree)[0])
    # a + (b + c) is written a + b + c
    np.testing.assert_allclose(got * 1.0, expected * 1.0, rtol=1e-9, atol=1e-9)


def test_long_sums_and_products():
    count = 20_000
    assert value(" + ".join(["a"] * count)) == 3 * count
    assert value(" ".join(["1"] + ["(1)"] * count)) == 1


# --- sheets ---------------------------------------------------------------------------------------


def test_a_sheet_as_it_is_printed():
    a, b, c = (
        tc.tensor(v, requires_grad=True, name=n) for v, n in ((5.0, "a"), (3.0, "b"), (2.0, "c"))
    )
    sheet = str(tc.equations(3 * (a + b * c))) if hasattr(tc, "equations") else SHEET
    found = read(sheet, {"a": 5.0, "b": 3.0, "c": 2.0})
    assert {k: float(v) for k, v in found.items()} == {
        "u": 6, "v": 11, "J": 33, "dJ/dv": 3, "dJ/da": 3, "dJ/du": 3, "dJ/db": 6, "dJ/dc": 9,
    }  # fmt: skip


SHEET = """\
Forward propagation
  u = b c        = 6
  v = a + u      = 11
  J = 3 v        = 33

Backward propagation
  dJ/dv = 3
  dJ/du = dJ/dv    = 3
  dJ/da = dJ/dv    = 3
  dJ/db = dJ/du c  = 6
  dJ/dc = dJ/du b  = 9

Note: here u = 6, and
  v = 11."""


def test_titles_shapes_remarks_and_notes_are_passed_over():
    assert list(equations_in(SHEET))[:3] == ["u = b c", "v = a + u", "J = 3 v"]
    assert len(list(equations_in(SHEET))) == 8
    shapes = "Shapes: m = 4, n[0] = 2\n  X     (2, m)  data\n\nCost\n  J = 2 v  ()\n"
    assert list(equations_in(shapes)) == ["J = 2 v"]
    assert list(equations_in("a = 1\nb = 2 a\n")) == ["a = 1", "b = 2 a"]


def test_later_equations_know_earlier_ones():
    found = read("p = 2 a\nq = p²\na = q + p", VALUES)
    assert found == {"p": 6.0, "q": 36.0, "a": 42.0}
    assert VALUES["a"] == 3.0


def test_given_values_are_not_computed():
    sheet = "D = mask(x, keep=0.5)\ny = x * D"
    with pytest.raises(EquationError, match="draws anew"):
        read(sheet, VALUES)
    found = read(sheet, VALUES, given={"D": np.array([0.0, 2.0, 2.0])})
    np.testing.assert_array_equal(found["y"], [0.0, -4.0, 6.0])


def test_operations_of_ones_own():
    class Twice(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    made = tc.Graph.of(Twice.apply(tc.ones(2, requires_grad=True))).outputs[0].op
    assert made is not None
    for called in ("Twice", "g[1]′"):
        (y,) = read(f"y = {called}(x)", VALUES, operations={called: made}).values()
        np.testing.assert_array_equal(y, 2 * V)


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("Z = W[3] x", 6, "no value of this number"),
        ("Z = a +", 8, "expected a number, a name or a bracket"),
        ("Z = (a", 7, "expected '\\)', got the end"),
        ("Z = (a b", 9, "expected '\\)', got the end"),
        ("Z = a b)", 8, "'\\)' does not continue the expression"),
        ("Z = a ++ b", 7, "'\\+' does not continue the expression"),
        ("Z = foo(a)", 5, "'foo' is not known. Known are: W\\[1\\]"),
        ("Z = W[1] W[1]", 9, "matrix_product of shapes \\(2, 3\\), \\(2, 3\\)"),
        ("Z = np.sum(B, axis=7)", 5, "sum of shapes \\(3, 2\\): axis 7 is out of bounds"),
        ("Z = np.sum(B, foo=7)", 5, "unexpected keyword"),
        ("Z = max(a)", 5, "maximum"),
        ("Z = |x", 7, "expected '\\|'"),
        ("Z = x[", 7, "expected"),
        ("Z = mask(x, keep=0.5)", 5, "draws anew"),
        ("Z = x[9, ...]", 6, "getitem of shapes \\(3,\\): index 9 is out of bounds"),
    ],
)
def test_errors_point_at_the_place(text, column, message):
    with pytest.raises(EquationError, match=message) as caught:
        read(text, VALUES)
    error = caught.value
    assert isinstance(error, errors.ArgumentError) and isinstance(error, ValueError)
    lines = str(error).splitlines()
    assert lines[1] == f"  {text}"
    assert lines[2] == " " * (column + 1) + "^"
    assert error.column == column and f"at column {column}: " in lines[0]


def test_deep_brackets_are_refused_in_a_sentence():
    with pytest.raises(EquationError, match="nested too deeply") as caught:
        value("(" * 5000 + "a" + ")" * 5000)
    assert len(str(caught.value)) < 400
