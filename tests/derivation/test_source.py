"""Emitted programs: they compute what autodiff does, for any m; they read well; they train."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.derivation.source import Program, source
from tinygrad_course.op import REGISTRY
from tinygrad_course.ops import FUNCTIONS
from tinygrad_course.tensor import Tensor, apply

sys.path.insert(0, str(Path(__file__).parent))  # its own helpers, as in conftest.py

import source_models as models  # noqa: E402
from op_samples import COMPOSED, OPS, Call, Sample  # noqa: E402
from source_models import assert_agrees, graph_of, model  # noqa: E402

CHAINS = sorted(models.chains())
LAYERED = sorted(name for name, made in models.chains().items() if made.layers)
OTHERS = sorted(models.others())


@pytest.fixture(autouse=True)
def _double():
    tc.set_default_dtype(tc.float64)


# --- the same as autodiff -----------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAINS + OTHERS)
def test_a_program_agrees_with_autodiff_for_any_m(name):
    made = model(name)
    loss = made.graph(5)
    programs = [source(loss), source(loss, style="exact")]
    for m in made.counts:
        graph = graph_of(made.graph(m))
        for program in programs:
            assert_agrees(program, graph)


@pytest.mark.parametrize("name", LAYERED)
def test_the_functions_of_the_course_agree_with_autodiff_for_any_m(name):
    made = model(name)
    loss = made.graph(5)
    programs = [source(loss, functions="layers", style=style) for style in ("course", "exact")]
    for m in made.counts:
        graph = graph_of(made.graph(m))
        for program in programs:
            assert_agrees(program, graph)


@pytest.mark.parametrize("notation", ["rows", "columns"])
@pytest.mark.parametrize("functions", ["one", "layers"])
def test_another_notation_transposes_data_and_gradients(notation, functions):
    for layout in ("rows", "columns"):
        loss = model(f"deep_{layout}").graph(5)
        graph = graph_of(loss)
        program = source(loss, notation=notation, functions=functions)
        found = program.evaluate()
        for name in ("dW[1]", "dW[2]", "dW[4]"):
            expected = graph.find(name).value
            expected = expected if layout == notation else expected.T
            np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-15)


def test_a_program_of_one_example_runs_for_many():
    made = model("deep_columns")
    program = source(made.graph(1))
    assert "(n[1], m)" in program
    assert_agrees(program, graph_of(made.graph(7)))


@pytest.mark.parametrize("kind", sorted({**OPS, **COMPOSED}))
def test_every_operation_in_a_program(kind):
    for sample in {**OPS, **COMPOSED}[kind]:
        tensors = []
        with np.errstate(all="ignore"):
            results = called(kind, sample, tensors)
            results = [y for y in results if isinstance(y, Tensor) and y.requires_grad]
            results = [y for y in results if y.numel()]
            if not results:
                continue
            random = np.random.default_rng(0)
            loss = sum((y * tc.tensor(random.normal(size=y.shape))).sum() for y in results)
            found = source(loss).evaluate()
            slopes = tc.autograd.grad(loss, tensors, allow_unused=True)
        for x, slope in zip(tensors, slopes, strict=True):
            if slope is not None:
                np.testing.assert_allclose(
                    found[f"d{x.name}"], slope.numpy(), 1e-11, 1e-13, err_msg=f"{kind}({sample})"
                )


def called(kind: str, sample: Sample, tensors: list) -> list:
    """Call an operation on a sample, its float arrays as parameters."""

    def leaf(a):
        if isinstance(a, (list, tuple)):
            return type(a)(leaf(part) for part in a)
        if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
            return a
        tensors.append(tc.tensor(a, requires_grad=True, name="abcdefgh"[len(tensors)]))
        return tensors[-1]

    args = tuple(leaf(a) for a in sample.args)
    if isinstance(sample, Call):
        found = FUNCTIONS[kind](*args, **sample.params)
    else:
        found = apply(REGISTRY[kind], args, {**REGISTRY[kind].defaults, **sample.params})
    return list(found) if isinstance(found, (list, tuple)) else [found]


def test_dropout_draws_from_a_generator_that_is_given():
    tc.manual_seed(3)
    layers = nn.Dense(2, 4, activation="relu"), nn.Dropout(0.4), nn.Dense(4, 1)
    network = nn.Sequential(*layers)
    X, Y = tc.tensor(models.normal(20, 2), name="X"), tc.tensor(models.normal(20, 1), name="Y")
    program = source(nn.MSELoss()(network(X), Y))
    assert program.arguments[:3] == ["X", "Y", "rng"]
    generator = tc.Generator(5)
    layers[1].generator = generator
    same = np.random.default_rng(0)
    same.bit_generator.state = generator.numpy.bit_generator.state
    loss = nn.MSELoss()(network(X), Y)
    loss.backward()
    weights = [p.numpy() for p in network.parameters()]
    cost, grads = program.compile().forward_backward(X.numpy(), Y.numpy(), same, *weights)
    assert cost == pytest.approx(loss.item(), rel=1e-12)
    for key, p in zip(("dW1", "db1", "dW2", "db2"), network.parameters(), strict=True):
        np.testing.assert_allclose(grads[key], p.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_a_mask_that_was_drawn_can_be_given():
    tc.manual_seed(3)
    network = nn.Sequential(nn.Dense(2, 4), nn.Dropout(0.4), nn.Dense(4, 1))
    X, Y = tc.tensor(models.normal(20, 2), name="X"), tc.tensor(models.normal(20, 1), name="Y")
    loss = nn.MSELoss()(network(X), Y)
    program = source(loss)
    graph = tc.Graph.of(loss, backward=True)
    mask = next(n for n in graph if n.op is not None and n.op.kind == "random")
    found = program.evaluate(drawn={mask.name: mask.value})
    np.testing.assert_allclose(found["dW[1]"], graph.find("dW[1]").value, rtol=1e-12, atol=1e-15)


JAX_MODELS = (
    "shallow_columns", "deep_rows", "classes_rows", "softmax_columns", "gelu_rows", "linear",
    "elu_columns", "layer_norm", "sliced", "joined", "einsum", "vectors", "hinge", "lambda",
)  # fmt: skip


@pytest.mark.parametrize("name", JAX_MODELS)
def test_a_program_runs_on_jax_numpy(name):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    made = model(name)
    loss = made.graph(5)
    graph = graph_of(made.graph(7))
    values = {node.name: node.value for node in graph.inputs}
    programs = [source(loss, optimizer="adam", loop=True)]
    if made.layers:
        programs.append(source(loss, functions="layers", optimizer="adam", loop=True))
    for program in programs:
        module = program.compile(np=jax.numpy)
        cost, slopes = program._run(module, values, None)
        assert float(cost) == pytest.approx(float(graph.outputs[0].value), rel=1e-12)
        for leaf, value in slopes.items():
            expected = graph[graph.find(leaf).grad].value
            np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-11, atol=1e-13)


# --- the text -----------------------------------------------------------------------------------


def golden_models():
    """Return losses whose programs are kept as golden text."""
    X, Y = tc.ones(2, 400), tc.ones(1, 400)
    found = {}
    for layout in ("columns", "rows"):
        data = (X, Y) if layout == "columns" else (X.T.detach(), Y.T.detach())
        for tensor, name in zip(data, "XY", strict=True):
            tensor.name = name
        shallow = models.dense(2, 4, 1, activation="tanh", last="sigmoid", layout=layout)
        deep = models.dense(2, 4, 3, 1, activation="relu", last="sigmoid", layout=layout)
        found[f"shallow_{layout}"] = nn.BCELoss()(shallow(data[0]), data[1])
        found[f"deep_{layout}"] = nn.BCELoss()(deep(data[0]), data[1])
    return found


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_golden_programs(golden, layout):
    losses = golden_models()
    golden(f"shallow_{layout}.py.txt", source(losses[f"shallow_{layout}"]))
    golden(f"layers_{layout}.py.txt", source(losses[f"deep_{layout}"], functions="layers"))


def test_golden_adam_loop(golden):
    loss = golden_models()["shallow_columns"]
    golden("shallow_adam_loop.py.txt", source(loss, optimizer="adam", loop=True))


def test_the_slide_s_graph():
    a, b, c = (
        tc.tensor(v, requires_grad=True, name=n) for v, n in ((5.0, "a"), (3.0, "b"), (2.0, "c"))
    )
    program = source(3 * (a + b * c))
    assert program.arguments == ["a", "b", "c"]
    J, grads = program.compile().forward_backward(5.0, 3.0, 2.0)
    assert (J, grads) == (33.0, {"da": 3, "db": 6.0, "dc": 9.0})


def test_the_statements_are_the_equations():
    program = source(model("shallow_columns").graph(5))
    names = [line.name.replace("[", "").replace("]", "") for line in program.derivation.lines]
    body = [line.strip() for line in program.splitlines() if " = " in line]
    targets = [line.split(" = ")[0] for line in body if line.split(" = ")[0] in names]
    assert targets == names


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
def test_programs_are_clean(tmp_path):
    for name in (*CHAINS, *OTHERS):
        made = model(name)
        loss = made.graph(5)
        (tmp_path / f"{name}.py").write_text(source(loss, optimizer="adam", loop=True), "utf-8")
        if made.layers:
            text = source(loss, functions="layers", optimizer="rmsprop", loop=True)
            (tmp_path / f"{name}_layers.py").write_text(text, "utf-8")
    rules = ("--isolated", "--select=E,F,W,I,B,UP,C4,SIM,RET,PIE", "--line-length=100")
    ignored = "--ignore=RET504"  # a name for what is returned is wanted here
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, ignored, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_long_lines_are_broken():
    for name in ("l2", "layer_norm", "batch_norm", "gelu_rows"):
        text = source(model(name).graph(5), optimizer=optim.RMSprop([tc.ones(1).requires_grad_()]))
        assert max(len(line) for line in text.splitlines()) <= 100
        code = [line.split("  #")[0] for line in text.splitlines()]
        assert max(map(len, code)) <= 88


SCRIPT = """
import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation.source import source
tc.manual_seed(0)
X, Y = tc.ones(4, 2), tc.ones(4, 3)
net = nn.Sequential(nn.Dense(2, 3, activation="gelu"), nn.LayerNorm(3), nn.Dense(3, 3))
J = nn.CrossEntropyLoss()(net(X), Y / 3) + 0.1 * sum((p * p).sum() for p in net.parameters())
print(source(J, optimizer="adam", loop=True))
chain = nn.Sequential(nn.Dense(2, 3, activation="gelu"), nn.Dense(3, 3, activation="elu"))
print(source(nn.HuberLoss()(chain(X), Y), functions="layers", loop=True))
"""


def test_the_same_model_gives_the_same_program_in_every_process():
    texts = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("0", "77")
    ]
    assert texts[0] == texts[1]
    assert texts[0].count(b"def ") > 10


def test_the_same_model_gives_the_same_program_twice():
    first, second = golden_models(), golden_models()
    for name, loss in first.items():
        assert source(loss) == source(second[name])


def test_names_that_programs_cannot_use():
    program = source(model("greek").graph(5))
    assert len(set(program.arguments)) == len(program.arguments) == 9
    assert {"in_", "lambda_", "np_", "grads_", "sigmoid_"} <= set(program.arguments)


# --- Program ------------------------------------------------------------------------------------


def test_a_program_is_a_string_that_runs(tmp_path):
    loss = model("shallow_columns").graph(5)
    program = source(loss, name="backprop")
    assert isinstance(program, Program) and isinstance(program, str)
    assert program.function == "backprop"
    assert program.arguments == ["X", "Y", "W1", "b1", "W2", "b2"]
    assert repr(program) == str(program)
    assert pickle.loads(pickle.dumps(program)) == str(program)
    path = tmp_path / "backprop.py"
    path.write_text(program, encoding="utf-8")
    namespace = {}
    exec(path.read_text(encoding="utf-8"), namespace)
    values = [program.derivation.graph.find(name).value for name in program.arguments]
    J, grads = namespace["backprop"](*values)
    assert J == pytest.approx(loss.item(), rel=1e-13)
    assert list(grads) == ["dW1", "db1", "dW2", "db2"]


def test_a_traceback_shows_the_line_of_the_program():
    import traceback

    program = source(model("shallow_columns").graph(5))
    with pytest.raises(ValueError) as caught:
        program.compile().forward_backward(*[np.ones((3, 4))] * 6)
    assert "A1 = " in "".join(traceback.format_exception(caught.value)) or "Z1 = W1 @ X" in "".join(
        traceback.format_exception(caught.value)
    )


def test_a_tensor_that_is_no_scalar_gives_the_forward_pass():
    network = nn.Sequential(nn.Dense(2, 3, activation="tanh"))
    X = tc.tensor(models.normal(4, 2), name="X")
    program = source(network(X))
    assert program.function == "forward"
    layer = network[0]
    found = program.compile().forward(X.numpy(), *layer.get_weights())
    np.testing.assert_allclose(found, network(X).numpy(), rtol=1e-12)


def test_several_outputs():
    a, b = tc.tensor(2.0, requires_grad=True, name="a"), tc.tensor(3.0, name="b")
    program = source(tc.Graph.of([a * b, a + b]))
    assert program.compile().forward(3.0, 2.0) == (6.0, 5.0)


def test_a_traced_function():
    def cost(w, X, y):
        m = X.shape[0]
        return (1 / (2 * m)) * np.sum((X @ w - y) ** 2)

    X, y, w = models.normal(10, 3), models.normal(10, 1), models.normal(3, 1)
    program = source(tc.trace(cost, w, X, y, wrt="w"))
    assert "m = X.shape[0]" in program
    X, y = models.normal(4, 3), models.normal(4, 1)
    J, grads = program.compile().forward_backward(X, y, w)
    assert J == pytest.approx(((X @ w - y) ** 2).sum() / 8, rel=1e-12)
    np.testing.assert_allclose(grads["dw"], X.T @ (X @ w - y) / 4, rtol=1e-12)


# --- bad input ----------------------------------------------------------------------------------


def chain_loss():
    return model("shallow_columns").graph(5)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"functions": "many"}, errors.ArgumentError, "functions is 'one' or 'layers'"),
        ({"name": "not a name"}, errors.ArgumentError, "expected a Python name"),
        ({"name": 3}, errors.ArgumentError, "expected a Python name"),
        ({"style": "other"}, errors.ArgumentError, "'course' or 'exact'"),
        ({"optimizer": "sdg"}, errors.ArgumentError, "expected one of sgd, adagrad"),
        ({"optimizer": 3}, errors.DtypeError, "got a int as optimizer"),
        ({"functions": "layers", "wrt": "W1"}, errors.ArgumentError, "wrt leaves out W[2], b[1]"),
    ],
)
def test_arguments_out_of_range(options, kind, message):
    with pytest.raises(kind) as caught:
        source(chain_loss(), **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("l2", "the cost reads W[1]"),
        ("residual", "is not computed from the layer before it alone"),
        ("shared", "its layers differ in their layout"),
        ("batch_norm", "Z[2] is not computed from the layer before it alone"),
        ("gelu_tanh", "not computed from the layer before it alone"),
        ("einsum", "no matrix product with a parameter was found"),
    ],
)
def test_a_model_that_is_no_chain(name, why):
    with pytest.raises(errors.GraphError) as caught:
        source(model(name).graph(5), functions="layers")
    assert why in str(caught.value)
    assert "functions='one'" in str(caught.value)


def test_layers_of_different_kinds_are_no_chain():
    network = nn.Sequential(nn.Dense(2, 3), nn.Linear(3, 1))
    loss = nn.MSELoss()(network(tc.ones(4, 2)), tc.ones(4, 1))
    with pytest.raises(errors.GraphError, match="differ in their layout"):
        source(loss, functions="layers")


def test_a_forward_pass_has_neither_layers_nor_loop():
    output = nn.Sequential(nn.Dense(2, 3))(tc.ones(4, 2))
    with pytest.raises(errors.GraphError, match="no cost to differentiate"):
        source(output, functions="layers")
    with pytest.raises(errors.GraphError, match="a loop needs gradients"):
        source(output, loop=True)


def test_groups_with_different_options_are_refused():
    a, b = (tc.ones(2).requires_grad_() for _ in range(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    with pytest.raises(errors.ArgumentError, match="2 groups with different options"):
        source(chain_loss(), optimizer=optimizer)


def test_an_operation_of_ones_own_has_no_spelling():
    class Cubed(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    x = tc.tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(errors.GraphError, match="has no NumPy spelling"):
        source(Cubed.apply(x).sum())
