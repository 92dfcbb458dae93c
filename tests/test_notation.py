"""Every operation as text, LaTeX and NumPy: complete, valid, and equal to what it computes."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from op_samples import OPS, Sample
from test_registry import PRIMITIVE, each, each_op

import tinygrad_course as tc
from tinygrad_course import errors
from tinygrad_course.op import ATOM, POWER, PRODUCT, SUM, UNARY, Op, helper_functions, helpers_of

RANDOM = "bernoulli_mask"  # draws from `rng`; has a test of its own


def names_of(made: Op, sample: Sample) -> list[str]:
    """Return a name for each operand of a sample."""
    if not made.variadic:
        return list(made.inputs)
    return [f"x{k}" for k in range(len(sample.args))]


def spelled(name: str, sample: Sample, form: str) -> str:
    made = PRIMITIVE[name]
    return made.spell(form, names_of(made, sample), sample.params)


# --- NumPy ----------------------------------------------------------------------------------------


def evaluate(source: str, np: Any, values: dict[str, Any]) -> Any:
    """Return the value of NumPy source with the helpers that it calls, and nothing else."""
    scope = {**values, "np": np}
    exec("\n\n".join([*helpers_of(source), f"result = {source}"]), scope)
    return scope["result"]


def check_numpy(name: str, sample: Sample, np_: Any, rtol: float = 1e-12) -> None:
    made = PRIMITIVE[name]
    if name == RANDOM:
        return
    names = names_of(made, sample)
    arrays = [np_.asarray(a) if isinstance(a, np.ndarray) else a for a in sample.args]
    with np.errstate(all="ignore"):
        expected = np.asarray(made.forward(*sample.args, **{**made.defaults, **sample.params}))
        got = evaluate(spelled(name, sample, "numpy"), np_, dict(zip(names, arrays, strict=True)))
    assert np.shape(got) == expected.shape
    if expected.dtype.kind == "f" and name != "count":  # m is a whole number, and promotes nothing
        assert np.asarray(got).dtype == expected.dtype
    np.testing.assert_allclose(np.asarray(got), expected, rtol=rtol, atol=rtol / 1000)


@each_op
def test_numpy_computes_the_same(name, sample):
    check_numpy(name, sample, np)


@each_op
def test_numpy_keeps_float32(name, sample):
    args = [
        a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in sample.args
    ]
    check_numpy(name, Sample(tuple(args), sample.params), np, rtol=1e-5)


def one_of_each(samples: list[Sample]) -> list[Sample]:
    """Return the first sample with each set of parameters: compiling all takes too long."""
    return list({tuple(sample.params): sample for sample in samples[::-1]}.values())


@contextmanager
def double_precision(jax: Any) -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@each({name: one_of_each(samples) for name, samples in OPS.items()})
def test_jax_numpy_computes_the_same(name, sample):
    jax = pytest.importorskip("jax")
    with double_precision(jax):
        check_numpy(name, sample, jax.numpy)


@pytest.mark.parametrize("keep", [0.7, 1.0, 0.0])
def test_a_random_draw_is_spelled_with_rng(keep):
    pattern = np.zeros((40, 30))
    made = PRIMITIVE[RANDOM]
    params = {"keep": keep, "generator": tc.random.Generator().manual_seed(3)}
    drawn = made.forward(pattern, **params)
    source = made.spell("numpy", ["A"], params)
    got = evaluate(source, np, {"A": pattern, "rng": np.random.default_rng(3)})
    np.testing.assert_array_equal(got, drawn)


def test_an_operation_of_ones_own_has_no_numpy_spelling():
    made = Op("Cube", lambda x: x**3, inputs=("x",), kind="custom")
    assert made.spell("text", ["u"]) == "Cube(u)"
    with pytest.raises(errors.GraphError, match="Cube has no NumPy spelling"):
        made.spell("numpy", ["u"])


# --- helpers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", helper_functions())
def test_helpers_are_pure_functions_of_numpy(name):
    source = helper_functions()[name]
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef) and function.name == name
    nodes = list(ast.walk(function))
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {n.id for n in nodes if isinstance(n, ast.Name)} - own
    assert used <= {"np", *helper_functions(), *dir(builtins)}
    for node in nodes:  # no writing in place: neither x[i] = v, x.a = v nor x += v
        assert not isinstance(node, (ast.AugAssign, ast.Global, ast.Nonlocal, ast.Import))
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            assert isinstance(node.ctx, ast.Load)
    assert "# " in source  # a line of explanation
    assert len(source.splitlines()) <= 8
    assert max(map(len, source.splitlines())) <= 100


def test_helpers_come_before_those_that_call_them():
    found = "\n".join(helpers_of("dx = put(x, gelu(v), positions(x)[1])"))
    order = re.findall(r"def (\w+)", found)
    assert sorted(order) == ["erf", "gelu", "place", "positions", "put"]
    assert order.index("erf") < order.index("gelu")
    assert order.index("place") < order.index("put")
    assert helpers_of("np.exp(erf_like)") == []


def test_a_helper_is_defined_once():
    sources = "\n".join(made.helper for made in PRIMITIVE.values())
    names = re.findall(r"^def (\w+)", sources, flags=re.M)
    assert len(names) == len(set(names)) == len(helper_functions())


def test_erf_is_exact_to_the_last_digits():
    # Abramowitz and Stegun, Handbook of Mathematical Functions, table 7.1, and erf(x) ≈ 2x/√π.
    x = np.array([0.02, 0.5, 1.0, 1.5, 2.0, -0.5, 30.0])
    expected = [
        0.0225645747, 0.5204998778, 0.8427007929, 0.9661051465, 0.9953222650, -0.5204998778,
        1.0,
    ]  # fmt: skip
    np.testing.assert_allclose(evaluate("erf(x)", np, {"x": x}), expected, rtol=0, atol=5.1e-11)
    small = evaluate("erf(x)", np, {"x": 1e-9})
    np.testing.assert_allclose(small, 2e-9 / math.sqrt(math.pi), rtol=2e-15)
    x = np.linspace(-7, 7, 1001)
    exact = [math.erf(v) for v in x]
    np.testing.assert_allclose(evaluate("erf(x)", np, {"x": x}), exact, rtol=2e-15)
    assert evaluate("erf(x)", np, {"x": np.float32(0.5)}).dtype == np.float32


# --- text -----------------------------------------------------------------------------------------

# Operations that an equation writes as one of their operands: it has the same values.
SILENT = {"cast": {"dtype"}, "clone": set(), "snapshot": set(), "assign": {"x"}}


@each_op
def test_text_mentions_every_input_and_parameter(name, sample):
    made = PRIMITIVE[name]
    text = spelled(name, sample, "text")
    for operand in names_of(made, sample):
        assert operand in text or operand in SILENT.get(name, ())
    for key, value in sample.params.items():
        if value == made.defaults[key] or key in SILENT.get(name, ()):
            continue
        if key in ("index", "view", "view_params") or name == "insert_axes":
            continue  # written as brackets: see below
        single = value[0] if key == "axis" and np.ndim(value) and len(value) == 1 else value
        assert f"{key}={single!r}" in text


@pytest.mark.parametrize(
    ("name", "operands", "params", "text"),
    [
        ("matrix_product", ["W[2]ᵀ", "dZ[2]"], {}, "W[2]ᵀ dZ[2]"),
        ("insert_axes", ["w"], {"axis": (1,)}, "w[:, None]"),
        ("insert_axes", ["w"], {"axis": (0,)}, "w[None]"),
        ("sum", ["dZ[2]"], {"axis": 1, "keepdims": True}, "np.sum(dZ[2], axis=1, keepdims=True)"),
        ("sum", ["dZ[2]"], {"axis": (1,)}, "np.sum(dZ[2], axis=1)"),
        ("mean", ["L"], {}, "np.mean(L)"),
        ("sigmoid", ["Z[2]"], {}, "σ(Z[2])"),
        ("softmax", ["Z"], {}, "softmax(Z)"),
        ("softmax", ["Z"], {"axis": 0}, "softmax(Z, axis=0)"),
        ("norm2", ["w"], {}, "‖w‖"),
        ("norm2", ["w"], {"axis": 0}, "norm(w, axis=0)"),
        ("getitem", ["x"], {"index": (1,)}, "x[1, ...]"),  # x[1] could be the name of a layer's x
        ("getitem", ["x"], {"index": (slice(None),)}, "x[:]"),
        ("getitem", ["x"], {"index": (slice(2, None), -1)}, "x[2:, -1]"),
        ("getitem", ["x"], {"index": (..., None, slice(None, None, -1))}, "x[..., None, ::-1]"),
        ("getitem", ["x", "I"], {"index": ("array",)}, "x[I]"),
        ("getitem", ["x", "I"], {"index": (slice(0, 6, 2), "array")}, "x[0:6:2, I]"),
        ("place", ["g", "x"], {"index": (0, 2)}, "place(g, x, [0, 2])"),
        ("setitem", ["x", "v", "M"], {"index": ("array",)}, "setitem(x, v, [M])"),
        ("zeros_like", ["x"], {"dtype": np.float32}, "zeros_like(x, dtype='float32')"),
        ("clip_between", ["x", "-1", "1"], {}, "clamp(x, -1, 1)"),
        ("pad_constant", ["x"], {"value": -np.inf}, "pad(x, value=-np.inf)"),
    ],
)
def test_text_is_the_courses(name, operands, params, text):
    assert PRIMITIVE[name].spell("text", operands, params) == text


def test_every_function_in_a_text_belongs_to_one_operation():
    """What a text calls says which operation it is."""
    owners: dict[str, str] = {}
    for name, samples in OPS.items():
        for sample in samples:
            called = re.match(r"[\w.]+(?=\()", spelled(name, sample, "text"))
            if called and PRIMITIVE[name].precedence == ATOM:
                assert owners.setdefault(called[0], name) == name


def test_brackets_are_where_they_are_needed():
    """What binds less tightly than its place needs brackets; `bounds` reads it off the text."""
    bounds = {name: PRIMITIVE[name].bounds for name in PRIMITIVE}
    assert bounds["add"](2) == [SUM, SUM]  # a + (b + c) is written a + b + c
    assert bounds["sub"](2) == [SUM, SUM + 1]
    assert bounds["div"](2) == [PRODUCT, PRODUCT + 1]
    assert bounds["div"](2, form="latex") == [0, 0]  # the fraction encloses
    assert bounds["neg"](1) == [UNARY]  # −(a * b), but −W X is −(W X)
    assert PRIMITIVE["mul"].precedence < UNARY < PRIMITIVE["matrix_product"].precedence < POWER
    assert min(bounds["matrix_product"](2)) > UNARY  # (−W) X
    assert bounds["square"](1) == bounds["sqrt"](1) == bounds["matrix_transpose"](1) == [ATOM]
    assert bounds["sqrt"](1, form="latex") == [0]
    assert bounds["pow"](2, form="latex") == [ATOM, 0]
    assert bounds["abs"](1) == bounds["norm2"](1) == bounds["exp"](1) == [0]
    assert bounds["norm2"](1, form="latex") == bounds["floor"](1, form="latex") == [0]
    assert bounds["getitem"](2, {"index": ("array",)}) == [ATOM, 0]
    assert bounds["gt"](2) == [SUM, SUM]
    assert bounds["logical_not"](1) == [SUM]
    assert bounds["bce"](2) == [PRODUCT, PRODUCT]  # target * log(a), 1 - a
    assert bounds["affine"](3)[2] == SUM
    assert bounds["clone"](1) == [ATOM]  # counts as an atom, whatever stands there


# --- LaTeX ----------------------------------------------------------------------------------------


@each_op
def test_latex_is_balanced_and_converts(name, sample):
    latex = spelled(name, sample, "latex")
    bare = re.sub(r"\\[{}]", "", latex)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0, latex
    assert depth == 0, latex
    assert latex.count(r"\left") == latex.count(r"\right")
    for operand in names_of(PRIMITIVE[name], sample):
        assert operand in latex or operand in SILENT.get(name, ())
    if not PRIMITIVE[name].text == PRIMITIVE[name].latex:
        assert not re.search(r"(?<!\\)_(?!2|\{)", latex), (
            latex
        )  # an underscore would lower the rest
    converter = pytest.importorskip("latex2mathml.converter")
    assert converter.convert(latex).startswith("<math")
    # Names of the course have superscripts: A^{[1]}^2 would be an error, {A^{[1]}}^2 is not.
    course = PRIMITIVE[name].spell("latex", ["A^{[1]}"] * len(sample.args), sample.params)
    assert not re.search(r"A\^\{\[1\]\}\^", course)


@pytest.mark.parametrize(
    ("name", "operands", "params", "latex"),
    [
        ("square", ["A"], {}, "{A}^2"),
        ("matrix_transpose", ["W^{[2]}"], {}, r"{W^{[2]}}^{\top}"),
        ("sigmoid", ["z"], {}, r"\sigma(z)"),
        ("log2", ["z"], {}, r"\log_2(z)"),
        ("div", ["1", "m"], {}, r"\frac{1}{m}"),
        ("leaky_relu", ["z"], {"negative_slope": 0.3},
         r"\mathrm{leaky\_relu}(z, \mathrm{negative\_slope}=0.3)"),
        ("sum", ["z"], {"axis": 0, "keepdims": True},
         r"\mathrm{np.sum}(z, \mathrm{axis}=0, \mathrm{keepdims}=\mathrm{True})"),
        ("getitem", ["x"], {"index": (slice(1, 3), ...)}, r"x[1{:}3, \ldots]"),
        ("pad_constant", ["x"], {"value": -np.inf}, r"\mathrm{pad}(x, \mathrm{value}=-\infty)"),
    ],
)  # fmt: skip
def test_latex_of_the_course(name, operands, params, latex):
    assert PRIMITIVE[name].spell("latex", operands, params) == latex
