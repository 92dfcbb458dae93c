"""Sheets of equations: what the courses write, in every form, for every operation and module."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.derivation import Equations, derive
from tinygrad_course.derivation.notation import relayout
from tinygrad_course.graph import Graph
from tinygrad_course.modes import record_all

sys.path.insert(0, str(Path(__file__).parent))  # its own helpers, as in conftest.py

import equation_models as models  # noqa: E402
from attention_layers import ATTENTION_LAYERS  # noqa: E402
from equation_models import MODELS, M  # noqa: E402
from image_layers import IMAGE_LAYERS  # noqa: E402
from op_samples import COMPOSED, OPS, Call, Sample  # noqa: E402
from recurrent_layers import RECURRENT_LAYERS  # noqa: E402
from test_registry import each, fill, leaves, run  # noqa: E402

FORMS = {"text": "txt", "latex": "tex", "markdown": "md", "mathml": "html"}

# Name of the golden file: (model, options of `equations`).
SHEETS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"shallow_{layout}_{mean}": (f"shallow_{layout}", {"mean": mean})
        for layout in ("columns", "rows")
        for mean in ("course", "exact")
    },
    "shallow_general": ("shallow_columns", {"activations": "general"}),
    "shallow_steps": ("shallow_columns", {"steps": True}),
    "shallow_steps_exact": ("shallow_rows", {"steps": True, "mean": "exact"}),
    "shallow_shapes": ("shallow_columns", {"shapes": True}),
    "shallow_unsimplified": ("shallow_columns", {"simplify": False}),
    "linear_layers": ("linear_layers", {}),
    "linear_layers_columns": ("linear_layers", {"notation": "columns"}),
    "deep": ("deep", {}),
    "deep_general": ("deep", {"layers": "general"}),
    "deep_general_rows_exact": (
        "deep",
        {"layers": "general", "notation": "rows", "mean": "exact"},
    ),
    "softmax_general": ("softmax_one_hot", {"layers": "general"}),
    "softmax_steps": ("softmax_by_hand", {"steps": True}),
    "softmax_numbers_columns": ("softmax_numbers", {"notation": "columns"}),
    "logistic_rows": ("logistic", {"notation": "rows"}),
    "welch": ("welch", {"notation": "welch"}),
    "welch_in_rows": ("welch", {}),
    "welch_steps": ("welch", {"notation": "welch", "steps": True}),
    "slide_steps": ("slide", {"steps": True}),
    "fan_out_steps": ("fan_out", {"steps": True}),
    "batch_norm_columns": ("batch_norm", {"notation": "columns", "shapes": True}),
    "batch_norm_steps": ("batch_norm", {"steps": True}),
    "residual_steps": ("residual", {"steps": True}),
    "convolution_steps": ("convolution", {"steps": True, "shapes": True}),
    **{
        name: (name, {})
        for name in MODELS
        if name not in ("shallow_columns", "shallow_rows", "linear_layers", "deep", "welch")
    },
}
# In these, the other forms are kept too.
IN_ALL_FORMS = (
    *("shallow_columns_course", "shallow_rows_exact", "slide", "welch", "batch_norm"),
    "deep_convolution",
)


def sheet(name: str, **options: Any) -> Equations:
    """Return the equations of a model, by its name."""
    tc.manual_seed(0)
    tc.set_default_dtype(tc.float64)
    return tc.equations(MODELS[name](), **options)


# --- golden sheets ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_a_sheet_reads_as_before(name, golden):
    model, options = SHEETS[name]
    found = sheet(model, **options)
    golden(f"equations_{name}.txt", found + "\n")
    if name in IN_ALL_FORMS:
        golden(f"equations_{name}.tex", found.latex + "\n")
        golden(f"equations_{name}.md", found.markdown)
        golden(f"equations_{name}.html", found.mathml + "\n")


def test_there_is_no_golden_sheet_that_nothing_makes():
    kept = {p.name for p in (Path(__file__).parent / "golden").glob("equations_*")}
    made = {f"equations_{name}.txt" for name in SHEETS}
    others = set(FORMS.values()) - {"txt"}
    made |= {f"equations_{name}.{end}" for name in IN_ALL_FORMS for end in others}
    assert kept == made


# --- what the courses write ---------------------------------------------------------------------


def test_a_convolution_and_its_two_adjoints():
    """DLS, course 4, week 1: dA and dW of the lab, whose sums are over examples and windows."""
    found = sheet("convolution")
    assert found.forward[:4] == [
        "Z[1] = W[1] ∗ X + b[1][:, None, None]",
        "A[1] = relu(Z[1])",
        "P[1] = pool_max(A[1], size=2)",
        "F[1] = reshape(P[1], shape=(m, 36))",
    ]
    assert found.backward[3:] == [
        "dF[1] = dZ[2] W[2]",
        "dP[1] = reshape_like(dF[1], P[1])",
        "dZ[1] = pool_place(dP[1], A[1], size=2) * (Z[1] > 0)",
        "dW[1] = (1/m) conv_kernel(dZ[1], X, size=3)",
        "db[1] = (1/m) np.sum(dZ[1], axis=(0, 2, 3))",
    ]
    assert r"Z^{[1]} &= W^{[1]} \ast X + b^{[1]} \\" in found.latex


def test_the_shallow_network_in_columns_is_the_courses_4_and_6_equations():
    """DLS, course 1, week 3."""
    found = sheet("shallow_columns", activations="general")
    assert found.forward == [
        "Z[1] = W[1] X + b[1]",
        "A[1] = g[1](Z[1])",
        "Z[2] = W[2] A[1] + b[2]",
        "A[2] = σ(Z[2])",
    ]
    assert found.cost == ["J = -(1/m) np.sum(Y * log(A[2]) + (1 - Y) * log(1 - A[2]))"]
    assert found.backward == [
        "dZ[2] = A[2] - Y",
        "dW[2] = (1/m) dZ[2] A[1]ᵀ",
        "db[2] = (1/m) np.sum(dZ[2], axis=1, keepdims=True)",
        "dZ[1] = W[2]ᵀ dZ[2] * g[1]′(Z[1])",
        "dW[1] = (1/m) dZ[1] Xᵀ",
        "db[1] = (1/m) np.sum(dZ[1], axis=1, keepdims=True)",
    ]


def test_the_shallow_network_in_rows_is_the_courses_4_and_6_equations():
    """The same in the layout of MLS: products in the other order, sums over axis 0."""
    found = sheet("shallow_rows", activations="general")
    assert found.forward == [
        "Z[1] = X W[1] + b[1]",
        "A[1] = g[1](Z[1])",
        "Z[2] = A[1] W[2] + b[2]",
        "A[2] = σ(Z[2])",
    ]
    assert found.backward == [
        "dZ[2] = A[2] - Y",
        "dW[2] = (1/m) A[1]ᵀ dZ[2]",
        "db[2] = (1/m) np.sum(dZ[2], axis=0)",
        "dZ[1] = dZ[2] W[2]ᵀ * g[1]′(Z[1])",
        "dW[1] = (1/m) Xᵀ dZ[1]",
        "db[1] = (1/m) np.sum(dZ[1], axis=0)",
    ]


@pytest.mark.parametrize("options", [{}, {"activations": "general"}, {"mean": "exact"}])
def test_either_layout_can_be_written_in_the_other(options):
    rows, columns = sheet("shallow_rows", **options), sheet("shallow_columns", **options)
    assert sheet("shallow_rows", notation="columns", **options) == columns
    assert sheet("shallow_columns", notation="rows", **options) == rows
    assert sheet("linear_layers", notation="columns", **options) == columns
    assert sheet("shallow_rows", notation="rows", **options) == rows


def test_layer_l_is_the_courses():
    """DLS, course 1, week 4: forward and backward functions of layer l."""
    found = sheet("deep", layers="general")
    assert found.forward == ["Z[l] = W[l] A[l-1] + b[l]", "A[l] = g[l](Z[l])"]
    assert found.backward == [
        "dA[L] = -Y / A[L] + (1 - Y) / (1 - A[L])",
        "dZ[l] = dA[l] * g[l]′(Z[l])",
        "dW[l] = (1/m) dZ[l] A[l-1]ᵀ",
        "db[l] = (1/m) np.sum(dZ[l], axis=1, keepdims=True)",
        "dA[l-1] = W[l]ᵀ dZ[l]",
    ]
    assert "keeps Z[l], A[l-1], W[l] and b[l] (the cache)" in " ".join(found.split())


def test_exact_derivatives_are_written_as_such():
    found = sheet("shallow_columns", mean="exact")
    assert found.backward[0] == "∂J/∂Z[2] = (1/m) (A[2] - Y)"
    assert found.backward[1] == "∂J/∂W[2] = ∂J/∂Z[2] A[1]ᵀ"
    assert "Note" not in found


def test_welch_is_his():
    """Neural Networks Demystified, part 4."""
    found = sheet("welch", notation="welch")
    assert found.forward == [
        "z(2) = X W(1)",
        "a(2) = f(z(2))",
        "z(3) = a(2) W(2)",
        "ŷ = f(z(3))",
    ]
    assert found.cost == ["J = (1/2) np.sum((y - ŷ)²)"]
    assert found.backward == [
        "δ(3) = (ŷ - y) * f′(z(3))",
        "∂J/∂W(2) = a(2)ᵀ δ(3)",
        "δ(2) = δ(3) W(2)ᵀ * f′(z(2))",
        "∂J/∂W(1) = Xᵀ δ(2)",
    ]


@pytest.mark.parametrize(
    "name", ["logistic_by_hand", "sigmoid_by_hand", "logistic", "logistic_with_logits"]
)
def test_logistic_regression_has_the_courses_gradients_however_the_cost_is_written(name):
    backward = ["dZ = A - Y", "dw = (1/m) X dZᵀ"]
    backward += ["db = (1/m) np.sum(dZ, axis=1, keepdims=True)"]
    assert sheet(name).backward == backward


@pytest.mark.parametrize("name", ["softmax_numbers", "softmax_one_hot", "softmax_by_hand"])
def test_softmax_has_p_minus_y_however_the_labels_are_given(name):
    labels = "one_hot(Y, classes=3)" if name == "softmax_numbers" else "Y"
    assert sheet(name).backward[0] == f"dZ[2] = A[2] - {labels}"


def test_a_penalty_adds_lambda_over_m_times_w():
    found = sheet("regularised")
    assert "+ (1/(2 m)) λ (np.sum(W[1]²) + np.sum(W[2]²))" in found.cost[0]
    assert found.backward[1] == "dW[2] = (1/m) (dZ[2] A[1]ᵀ + λ W[2])"
    exact = sheet("regularised", mean="exact").backward[1]
    assert exact == "∂J/∂W[2] = ∂J/∂Z[2] A[1]ᵀ + (1/m) λ W[2]"


def test_batch_norm_has_the_names_of_the_course():
    """DLS, course 2, week 3."""
    found = sheet("batch_norm")
    assert found.forward[1:6] == [
        "μ[1] = np.mean(Z[1], axis=0, keepdims=True)",
        "σ²[1] = np.mean((Z[1] - μ[1])², axis=0, keepdims=True)",
        "σ[1] = √(σ²[1] + 1e-5)",
        "Z_norm[1] = (Z[1] - μ[1]) / σ[1]",
        "Z\u0303[1] = Z_norm[1] * γ[1] + β[1]",
    ]
    assert "dγ[1] = (1/m) np.sum(dZ\u0303[1] * Z_norm[1], axis=0)" in found.backward


# --- single numbers -----------------------------------------------------------------------------


def values_in(found: Equations) -> dict[str, float]:
    """Return the numbers beside the equations."""
    pairs = re.findall(r"^  (\S+) = .*?(-?[\d.]+(?:e-?\d+)?)$", found, re.M)
    return {name: float(number) for name, number in pairs}


def test_the_slide_has_its_numbers_beside_it():
    found = sheet("slide")
    numbers = {"u": 6, "v": 11, "J": 33, "dJ/dv": 3, "dJ/da": 3, "dJ/du": 3, "dJ/db": 6, "dJ/dc": 9}
    assert values_in(found) == numbers
    assert found.forward == ["u = b c", "v = a + u", "J = 3 v"]
    assert found.backward[0] == "dJ/dv = 3"
    assert found.backward[-2:] == ["dJ/db = dJ/du c", "dJ/dc = dJ/du b"]


def test_derivatives_of_several_uses_add_up():
    """J = ab + ac − (b + c) at (5, 3, 2): dJ/da = b + c, dJ/db = dJ/dc = a − 1."""
    found = sheet("fan_out")
    numbers = values_in(found)
    assert [numbers[f"dJ/d{x}"] for x in "abc"] == [5, 4, 4]
    assert "dJ/da = dJ/du b + dJ/dv c" in found.backward
    assert "because a is used in u and v" in sheet("fan_out", steps=True)


def test_micrograds_example_has_its_numbers():
    numbers = values_in(sheet("micrograd"))
    assert numbers["g"] == pytest.approx(24.7041, abs=5e-5)
    assert numbers["dg/da"] == pytest.approx(138.8338, abs=5e-4)
    assert numbers["dg/db"] == pytest.approx(645.5773, abs=5e-4)


def test_a_value_used_twice_by_one_operation():
    """d(sin(x²)/x)/dx = 2 cos(x²) − sin(x²)/x²."""
    (x,) = models.scalars(x=2.0)
    found = tc.equations((x * x).sin() / x)
    assert found.backward[-1] == "dJ/dx = 2 dJ/du x - J / x"
    assert values_in(found)["dJ/dx"] == pytest.approx(2 * np.cos(4) - np.sin(4) / 4, abs=1e-5)


def test_every_step_of_numbers_is_a_line_also_when_it_repeats_another():
    (a,) = models.scalars(a=2.0)
    found = tc.equations((a * a) * (a * a))
    assert found.forward == ["u = a²", "v = a²", "J = u v"]
    assert values_in(found)["dJ/da"] == 32


def test_one_element_of_a_vector():
    """The derivative of −log softmax(x)[1] is softmax(x) less a 1 in place 1."""
    x = tc.tensor([1.0, 2.0, 3.0], requires_grad=True, name="x", dtype=tc.float64)
    found = tc.equations(-tc.log_softmax(x, 0)[1])
    assert found.cost == ["J = -u[1, ...]"]
    x.detach()
    (line,) = [x for x in found.derivation.lines if x.name == "dx"]
    value = found.derivation.evaluate()[line.name]
    np.testing.assert_allclose(value, tc.softmax(x, 0).detach().numpy() - [0, 1, 0], rtol=1e-12)


# --- steps and shapes ---------------------------------------------------------------------------


def test_steps_say_what_is_multiplied_with_what_and_why_a_sum_appears():
    text = " ".join(sheet("shallow_columns", steps=True).split())
    for link in (
        "dL = ones_like(L) from J = (1/m) np.sum(L): each example counts 1",
        "dZ[2] = dA[2] * A[2] * (1 - A[2]) dA[2] · ∂A[2]/∂Z[2], where A[2] = σ(Z[2])",
        "dW[2] = (1/m) dZ[2] A[1]ᵀ (1/m) dZ[2] · ∂Z[2]/∂W[2], where Z[2] = W[2] A[1] + b[2]",
        "b[2] was broadcast along axis 1, so its derivative is summed over axis 1",
    ):
        assert link in text
    exact = " ".join(sheet("shallow_columns", steps=True, mean="exact").split())
    assert "∂J/∂L = (1/m) ones_like(L) from J = (1/m) np.sum(L): each example counts" in exact
    assert "each example counts 1/m " in exact


def test_steps_have_a_link_for_each_equation_of_the_forward_pass():
    found = sheet("residual", steps=True)
    defined = [line.partition(" = ")[0] for line in found.forward]
    assert "u" in defined  # the sum has no name of its own
    for name in defined:
        assert any(line.startswith(f"d{name} = ") for line in found.backward)


def test_shapes_are_in_units_and_examples():
    found = sheet("shallow_columns", shapes=True)
    assert found.startswith(f"Shapes: n[0] = 2, n[1] = 4, n[2] = 1, m = {M}\n")
    lines = found.splitlines()
    for name, shape in (
        ("W[1]", "(n[1], n[0])"),
        ("X", "(n[0], m)"),
        ("dZ[1]", "(n[1], m)"),
        ("dW[2]", "(n[2], n[1])"),
        ("db[1]", "(n[1], 1)"),
        ("J", "()"),
    ):
        assert any(line.startswith(f"  {name} ") and shape in line for line in lines)
    assert "Shapes" not in sheet("shallow_columns")


def test_shapes_stand_in_one_column_whatever_marks_the_letters_have():
    lines = sheet("batch_norm", shapes=True).replace("\u0303", "").splitlines()
    backward = [x for x in lines[lines.index("Backward propagation") :] if " (n[" in x]
    assert len(backward) >= 6
    assert len({line.rindex(" (n[") for line in backward}) == 1


# --- forms --------------------------------------------------------------------------------------


def check_forms(source: Any, **options: Any) -> Equations:
    """Write a sheet in every form; LaTeX is balanced, MathML is well-formed."""
    found = tc.equations(source, **options)
    # Of x.clone() nothing is left to write.
    assert found.forward or found.cost or found.derivation.graph.outputs[0].op is None
    latex = found.latex
    bare = re.sub(r"\\[{}]", "", latex)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0, latex
    assert depth == 0, latex
    assert latex.count(r"\left") == latex.count(r"\right")
    assert latex.count(r"\begin{aligned}") == latex.count(r"\end{aligned}") == 1
    # Two superscripts side by side are an error in LaTeX.
    assert not re.search(r"\^\{[^{}]*\}\^", latex), latex
    page = ElementTree.fromstring(f"<div>{found.mathml}</div>")
    assert len(page.findall("math")) == len(found.blocks)
    assert not any((e.text or "").startswith("\\") for e in page.iter())
    assert found.markdown.count("$$") == 2 * len(found.blocks)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_form_can_be_asked_for(form):
    found = sheet("shallow_columns")
    assert sheet("shallow_columns", form=form) == getattr(found, form, str(found))


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_every_sheet_has_all_forms(name):
    model, options = SHEETS[name]
    tc.set_default_dtype(tc.float64)
    check_forms(MODELS[model](), **options)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("options", [{"steps": True, "shapes": True}, {"simplify": False}])
def test_every_model_has_all_forms_link_by_link_and_unsimplified(name, options):
    tc.set_default_dtype(tc.float64)
    check_forms(MODELS[name](), **options)


@each(OPS, COMPOSED)
def test_every_operation_is_written_in_all_forms(name: str, sample: Sample | Call) -> None:
    inputs = leaves(sample)
    with record_all():
        outputs = [y for y in run(name, sample, fill(sample, inputs)) if not y.is_leaf]
    if outputs:
        check_forms(Graph.of(outputs))
    for y in outputs:
        if y.requires_grad and y.numel():
            check_forms((y * y).sum())


X3 = (4, 3)  # four examples of three features


def layer() -> Any:
    """Return what a dense layer computes of four examples."""
    return nn.Dense(3, 2)(tc.rand(*X3))


def classes() -> Any:
    return nn.Dense(3, 3)(tc.rand(*X3)), tc.tensor([0, 2, 1, 0])


def signs() -> Any:
    return tc.tensor([1.0, -1.0, 1.0, -1.0])


LOSSES: dict[str, Any] = {
    "CosineEmbeddingLoss": lambda: nn.CosineEmbeddingLoss()(layer(), tc.rand(4, 2), signs()),
    "GaussianNLLLoss": lambda: nn.GaussianNLLLoss()(layer(), tc.ones(4, 2), tc.ones(4, 2)),
    "HingeEmbeddingLoss": lambda: nn.HingeEmbeddingLoss()(layer()[:, 0], signs()),
    "KLDivLoss": lambda: nn.KLDivLoss(reduction="batchmean")(
        layer().log_softmax(-1), tc.rand(4, 2).softmax(-1)
    ),
    "MarginRankingLoss": lambda: nn.MarginRankingLoss(0.1)(layer()[:, 0], tc.rand(4), signs()),
    "MultiLabelMarginLoss": lambda: nn.MultiLabelMarginLoss()(
        classes()[0], tc.tensor([[0, -1, 0], [1, 2, -1], [2, -1, 0], [0, 1, -1]])
    ),
    "MultiLabelSoftMarginLoss": lambda: nn.MultiLabelSoftMarginLoss()(layer(), tc.ones(4, 2)),
    "MultiMarginLoss": lambda: nn.MultiMarginLoss()(*classes()),
    "PoissonNLLLoss": lambda: nn.PoissonNLLLoss()(layer(), tc.ones(4, 2)),
    "SoftMarginLoss": lambda: nn.SoftMarginLoss()(layer()[:, 0], signs()),
    "TripletMarginLoss": lambda: nn.TripletMarginLoss()(layer(), tc.rand(4, 2), tc.rand(4, 2)),
    "TripletMarginWithDistanceLoss": lambda: nn.TripletMarginWithDistanceLoss()(
        layer(), tc.rand(4, 2), tc.rand(4, 2)
    ),
}
MODULES: dict[str, Any] = {
    **ATTENTION_LAYERS,
    **LOSSES,
    **RECURRENT_LAYERS,
    **IMAGE_LAYERS,
    "BCELoss": lambda: nn.BCELoss()(nn.Dense(3, 2, "sigmoid")(tc.rand(*X3)), tc.ones(4, 2)),
    "BCEWithLogitsLoss": lambda: nn.BCEWithLogitsLoss()(
        nn.Dense(3, 2)(tc.rand(*X3)), tc.ones(4, 2)
    ),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "CrossEntropyLoss": lambda: nn.CrossEntropyLoss()(
        nn.Dense(3, 2)(tc.rand(*X3)), tc.tensor([0, 1, 1, 0])
    ),
    "Dropout": lambda: nn.Dropout(0.3),
    "ELU": lambda: nn.ELU(0.5),
    "Flatten": lambda: nn.Flatten(),
    "CosineSimilarity": lambda: nn.CosineSimilarity()(
        nn.Dense(3, 2)(tc.rand(*X3)), tc.rand(4, 2)
    ).mean(),
    "GELU": lambda: nn.GELU(),
    "GLU": lambda: nn.Sequential(nn.Dense(3, 4), nn.GLU()),
    "HuberLoss": lambda: nn.HuberLoss()(nn.Dense(3, 2)(tc.rand(*X3)), tc.ones(4, 2)),
    "Identity": lambda: nn.Identity(),
    "L1Loss": lambda: nn.L1Loss()(nn.Dense(3, 2)(tc.rand(*X3)), tc.ones(4, 2)),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "LeakyReLU": lambda: nn.LeakyReLU(0.1),
    "Linear": lambda: nn.Linear(3, 2),
    "LogSoftmax": lambda: nn.LogSoftmax(-1),
    "SmoothL1Loss": lambda: nn.SmoothL1Loss()(nn.Dense(3, 2)(tc.rand(*X3)), tc.ones(4, 2)),
    "MSELoss": lambda: nn.MSELoss()(nn.Dense(3, 2)(tc.rand(*X3)), tc.ones(4, 2)),
    "PairwiseDistance": lambda: nn.PairwiseDistance()(
        nn.Dense(3, 2)(tc.rand(*X3)), tc.rand(4, 2)
    ).mean(),
    "Threshold": lambda: nn.Threshold(0.1, 0.5),
    "Unflatten": lambda: nn.Unflatten(1, (3, 1)),
    "NLLLoss": lambda: nn.NLLLoss()(
        nn.Dense(3, 2)(tc.rand(*X3)).log_softmax(-1), tc.tensor([0, 1, 1, 0])
    ),
}


def modules_of_nn() -> list[str]:
    """Return the names of the modules that compute something."""
    bases = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
    bases |= {"Activation", "RNNBase"}
    found = {n for n in dir(nn) if isinstance(getattr(nn, n), type)}
    found = {n for n in found if issubclass(getattr(nn, n), nn.Module)}
    return sorted(found - bases)


@pytest.mark.parametrize("name", modules_of_nn())
def test_every_module_is_written_in_all_forms(name):
    make = MODULES.get(name, getattr(nn, name))
    made = make(3, 2) if name == "Dense" else make()
    if isinstance(made, nn.Normalization):
        made.adapt(tc.rand(*X3))
    if isinstance(made, nn.Module):
        net = nn.Sequential(nn.Dense(3, 3), made, nn.Flatten())
        made = (net(tc.rand(*X3)) ** 2).mean()
    found = check_forms(made)
    check_forms(made, steps=True, shapes=True)
    assert any(line.startswith("dW[1] = ") for line in found.backward)


# --- the same every time ------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import tinygrad_course as tc
from equation_models import MODELS
tc.set_default_dtype(tc.float64)
for name in sorted(MODELS):
    tc.manual_seed(0)
    found = tc.equations(MODELS[name](), shapes=True)
    print(found, found.latex, found.mathml, sep="\\n")
"""


def test_sheets_are_the_same_in_every_process():
    here = Path(__file__).parent
    program = PROGRAM.format(paths=[str(here), str(here.parents[1])])
    outputs = []
    for seed in ("0", "1234"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, timeout=300, check=True
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert b"dZ[2] = A[2] - Y" in outputs[0]


def test_two_models_alike_have_the_same_sheet():
    assert sheet("batch_norm", steps=True) == sheet("batch_norm", steps=True)


# --- other layouts ------------------------------------------------------------------------------

LAYOUTS = [
    (name, layout)
    for name in ("shallow_columns", "shallow_rows", "linear_layers", "deep", "logistic", "residual",
                 "softmax_numbers", "softmax_one_hot", "softmax_by_hand", "linear_regression",
                 "batch_norm", "batch_norm_evaluated", "layer_norm", "dropout", "regularised",
                 "welch")
    for layout in ("rows", "columns")
]  # fmt: skip


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_the_gradients_of_another_layout_are_the_transposed_ones(name, layout):
    tc.set_default_dtype(tc.float64)
    source = MODELS[name]()
    own = derive(source)
    other = derive(relayout(source, layout))
    first, second = own.evaluate(), other.evaluate()
    gradients = {x.of for x in own.lines if own.graph[x.index].role == "gradient"}
    assert gradients == {x.of for x in other.lines if other.graph[x.index].role == "gradient"}
    for parameter in gradients:
        a, b = first[f"d{parameter}"], second[f"d{parameter}"]
        if np.ndim(a) != np.ndim(b):  # a vector in rows is a column
            a, b = np.ravel(a), np.ravel(b)
        elif not np.array_equal(first[parameter], second[parameter]):
            b = np.transpose(b)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_relayout_draws_nothing_and_changes_nothing():
    tc.set_default_dtype(tc.float64)
    J = MODELS["dropout"]()
    before = tc.equations(J)
    tc.manual_seed(5)
    expected = tc.rand(3).tolist()
    tc.manual_seed(5)
    tc.equations(J, notation="columns")
    assert tc.rand(3).tolist() == expected
    assert tc.equations(J) == before


# --- the object ---------------------------------------------------------------------------------


def test_a_sheet_is_a_string_that_knows_its_parts():
    found = sheet("shallow_columns")
    assert isinstance(found, str)
    assert repr(found) == str(found)
    assert found.latex.startswith("\\begin{aligned}\n&\\textbf{Forward propagation}")
    assert r"dW^{[2]} &= \frac{1}{m} \, dZ^{[2]} A^{[1]\,\top}" in found.latex
    assert r"dZ^{[1]} &= W^{[2]\,\top} dZ^{[2]} \odot (1 - (A^{[1]})^{2})" in found.latex
    again = pickle.loads(pickle.dumps(found))
    assert again == found


def test_a_notebook_shows_it_as_mathematics():
    found = sheet("slide")
    assert found._repr_latex_() == f"$\\displaystyle {found.latex}$"
    assert found._repr_markdown_() == found.markdown
    assert found.markdown.startswith("**Forward propagation**\n\n$$\n\\begin{aligned}\nu &= b c")


def test_a_tensor_that_is_no_scalar_has_a_forward_pass_only():
    net = models.dense(2, 3, 1, g="relu -")
    found = tc.equations(net(tc.rand(5, 2)))
    assert found.forward == ["Z[1] = X W[1] + b[1]", "A[1] = relu(Z[1])", "Z[2] = A[1] W[2] + b[2]"]
    assert not found.backward


def test_wrt_chooses_the_derivatives():
    tc.set_default_dtype(tc.float64)
    net = models.dense(2, 4, 1, g="tanh sigmoid")
    X, Y = models.data()
    J = nn.BCELoss()(net(X), Y)
    for wrt in ("W[2]", net[1].W, [net[1].W]):
        found = tc.equations(J, wrt=wrt)
        assert found.backward == ["dZ[2] = A[2] - Y", "dW[2] = (1/m) A[1]ᵀ dZ[2]"]
    graph = Graph.of(J, backward=True)
    both = tc.equations(graph, wrt=["b[2]", net[1].W])
    assert [line.partition(" ")[0] for line in both.backward] == ["dZ[2]", "dW[2]", "db[2]"]


# --- bad input ----------------------------------------------------------------------------------


def test_something_that_is_no_loss():
    with pytest.raises(errors.DtypeError, match=r"got function, expected the loss .*tc.trace"):
        tc.equations(lambda x: x)
    with pytest.raises(errors.DtypeError, match="got ndarray"):
        tc.equations(np.ones(3))


def test_a_tensor_without_a_graph():
    with pytest.raises(errors.GraphError):
        tc.equations(tc.tensor(3.0))


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [
        ("notation", "greek", "'welch'"),
        ("mean", "median", "'exact'"),
        ("form", "word", "'mathml'"),
        ("layers", "some", "'general'"),
        ("activations", "none", "'named'"),
    ],
)
def test_an_unknown_option_is_told_with_those_there_are(option, value, known):
    with pytest.raises(errors.ArgumentError, match=rf"{option}.*{known}.*{value}"):
        sheet("slide", **{option: value})


def test_wrt_that_is_not_in_the_graph():
    w = tc.tensor(1.0, requires_grad=True, name="w")
    with pytest.raises((errors.GraphError, errors.ArgumentError), match="w"):
        tc.equations(MODELS["slide"](), wrt=w)
    with pytest.raises(errors.ArgumentError, match="'x'"):
        tc.equations(MODELS["slide"](), wrt="x")


def test_the_general_form_needs_layers_that_are_alike():
    with pytest.raises(errors.GraphError, match="numbered layers"):
        sheet("logistic", layers="general")
    with pytest.raises(errors.GraphError, match=r"no general layer l. Use layers='all'"):
        sheet("dropout", layers="general")
    with pytest.raises(errors.GraphError, match="no general layer l"):
        sheet("residual", layers="general")


def test_an_operation_that_has_no_other_layout():
    with pytest.raises(errors.GraphError, match=r"'getitem' .* as columns. Use notation='auto'"):
        sheet("embedding", notation="columns")


def test_a_loss_after_the_step():
    """The optimizer wrote into the parameters: what the loss was computed from is gone."""
    net = models.dense(2, 3, 1, g="tanh sigmoid")
    X, Y = models.data()
    J = nn.BCELoss()(net(X.to(tc.float32)), Y)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    J.backward()
    optimizer.step()
    with pytest.raises(errors.TinygradCourseError, match=r"overwritten|changed|in place") as found:
        tc.equations(J)
    assert "step" in str(found.value)
