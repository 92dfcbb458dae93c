"""All losses with their options: PyTorch's numbers, and the same compiled, printed and checked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.derivation.verify import verify
from tinygrad_course.errors import ArgumentError, DtypeError, IndexingError, ShapeError
from tinygrad_course.nn import functional as F

CASES = json.loads((Path(__file__).parent / "losses_golden.json").read_text())["cases"]
for _case in CASES:
    for _name in ("weight", "pos_weight"):
        if _case["options"].get(_name):
            _case["options"][_name] = np.array(_case["options"][_name])  # in float64


def wave(*shape: int, phase: float = 0.0) -> Any:
    """As in make_losses_golden.py."""
    return np.sin(1.7 * np.arange(1, math.prod(shape) + 1) + phase).reshape(shape)


def name_of(case: dict[str, Any]) -> str:
    shapes = [str(np.shape(a)) for a in case["args"]]
    options = [f"{k}={v}" for k, v in case["options"].items() if v is not None]
    return f"{case['function']} {' '.join(shapes)} {' '.join(options)}"


def arguments(case: dict[str, Any]) -> tuple[list[tc.Tensor], list[tc.Tensor]]:
    """Return the arguments, and those of them that have gradients."""
    given = [tc.tensor(np.array(a)) for a in case["args"]]
    return given, [a.requires_grad_() for a in given if a.dtype.kind == "f"]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_value_and_gradients_equal_pytorch(case: dict[str, Any]) -> None:
    given, floats = arguments(case)
    y = getattr(F, case["function"])(*given, **case["options"])
    np.testing.assert_allclose(y.numpy(), case["y"], rtol=1e-12, atol=1e-14)
    y.backward(tc.tensor(wave(*y.shape, phase=0.5)) if y.ndim else None)
    for a, expected in zip(floats, case["grads"], strict=True):
        if expected is None:
            continue  # PyTorch has none for this argument
        assert a.grad is not None and np.isfinite(a.grad.numpy()).all()
        # PyTorch's derivative of 0 log 0 with respect to a count is NaN.
        wanted = np.where(np.isnan(expected), a.grad.numpy(), expected)
        np.testing.assert_allclose(a.grad.numpy(), wanted, rtol=1e-11, atol=1e-13)


# A case or two of each function in each number of axes: the first and the last.
FIRST: dict[Any, Any] = {}
for _case in CASES:
    FIRST.setdefault((_case["function"], *map(np.ndim, _case["args"])), _case)
LAST = {(c["function"], *map(np.ndim, c["args"])): c for c in CASES}
FEW = [*FIRST.values(), *(c for k, c in LAST.items() if c is not FIRST[k])]


MODULES = {
    "kl_div": lambda o: nn.KLDivLoss(**o),
    "poisson_nll_loss": lambda o: nn.PoissonNLLLoss(**o),
    "gaussian_nll_loss": lambda o: nn.GaussianNLLLoss(**o),
    "hinge_embedding_loss": lambda o: nn.HingeEmbeddingLoss(**o),
    "margin_ranking_loss": lambda o: nn.MarginRankingLoss(**o),
    "cosine_embedding_loss": lambda o: nn.CosineEmbeddingLoss(**o),
    "soft_margin_loss": lambda o: nn.SoftMarginLoss(**o),
    "multi_margin_loss": lambda o: nn.MultiMarginLoss(**o),
    "multilabel_margin_loss": lambda o: nn.MultiLabelMarginLoss(**o),
    "multilabel_soft_margin_loss": lambda o: nn.MultiLabelSoftMarginLoss(**o),
    "triplet_margin_loss": lambda o: nn.TripletMarginLoss(**o),
    "triplet_margin_with_distance_loss": lambda o: nn.TripletMarginWithDistanceLoss(**o),
    "cross_entropy": lambda o: nn.CrossEntropyLoss(**o),
    "nll_loss": lambda o: nn.NLLLoss(**o),
    "binary_cross_entropy": lambda o: nn.BCELoss(**o),
    "binary_cross_entropy_with_logits": lambda o: nn.BCEWithLogitsLoss(**o),
    "huber_loss": lambda o: nn.HuberLoss(**o),
    "smooth_l1_loss": lambda o: nn.SmoothL1Loss(**o),
}


def compare_compiled(cases: list[Any], backend: str) -> None:
    """Compile once; then other numbers of the same shapes: nothing of the first ones is kept."""
    losses = [MODULES[case["function"]](case["options"]) for case in cases]
    given = [arguments(case)[0] for case in cases]
    floats = [a for args in given for a in args if a.requires_grad]

    def back(given: Any) -> Any:
        found = [loss(*args) for loss, args in zip(losses, given, strict=True)]
        total = tc.stack([(J * J).sum() for J in found]).sum()
        total.backward()
        return found

    fast = tc.compile(back, backend=backend)
    for _ in range(3):
        results = []
        for f in (back, fast):
            for a in floats:
                a.grad = None
            results.append([J.numpy() for J in f(given)])
            results[-1] += [a.grad.numpy() for a in floats if a.grad is not None]
        for one, two in zip(*results, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-13)
        with tc.no_grad():
            for a in (a for args in given for a in args if a.ndim):  # examples change their places
                a.copy_(a.numpy()[::-1].copy())
    assert not fast.reason and fast.traced == 1


@pytest.mark.parametrize("case", FEW, ids=name_of)
def test_compiled_equals_eager(case: dict[str, Any]) -> None:
    compare_compiled([case], "numpy")


def test_compiled_with_numba_equals_eager() -> None:
    pytest.importorskip("numba")
    # One case of each that `test_compile` does not try: compiling takes its time.
    tried = ("cross_entropy", "nll_loss", "huber_loss", "smooth_l1_loss")
    chosen = {c["function"]: c for c in CASES if c["function"] not in tried}
    compare_compiled(list(chosen.values()), "numba")


@pytest.mark.parametrize("case", FEW, ids=name_of)
def test_equations_and_program_compute_the_same(case: dict[str, Any]) -> None:
    given, _ = arguments(case)
    y = getattr(F, case["function"])(*given, **case["options"])
    J = y if y.ndim == 0 else (y * y).sum()
    assert verify(J, tolerance=1e-9)


@pytest.mark.parametrize("case", FIRST.values(), ids=name_of)
def test_second_derivatives_agree_with_differences(case: dict[str, Any]) -> None:
    given, floats = arguments(case)
    loss = getattr(F, case["function"])
    if case["function"] == "poisson_nll_loss":
        floats = floats[:1]  # a count of 0 cannot be made smaller

    def f(*values: tc.Tensor) -> Any:
        y = loss(*values, *given[len(values) :], **case["options"])
        return (y * y).sum()

    assert tc.gradcheck(f, tuple(floats))
    assert tc.gradgradcheck(f, tuple(floats))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_modules_pass_their_options_on(case: dict[str, Any]) -> None:
    module = MODULES[case["function"]](case["options"])
    given, _ = arguments(case)
    np.testing.assert_allclose(module(*given).numpy(), case["y"], rtol=1e-12, atol=1e-14)


# --- at the edges -------------------------------------------------------------------------------


def test_divergence_of_a_distribution_from_itself_is_0_also_with_zeros() -> None:
    p = tc.tensor([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], requires_grad=True)
    logq = tc.tensor([[-50.0, math.log(0.25), math.log(0.75)], [0.0, -80.0, -90.0]])
    J = F.kl_div(logq, p, reduction="sum")
    assert abs(J.item()) < 1e-6
    J.backward()
    assert p.grad is not None and np.isfinite(p.grad.numpy()).all()


def test_losses_far_out_stay_finite() -> None:
    x = tc.tensor([1e4, -1e4], requires_grad=True)
    J = F.soft_margin_loss(x, tc.tensor([-1, 1]), reduction="sum")
    J.backward()
    assert J.item() == 2e4 and x.grad is not None and x.grad.tolist() == [1.0, -1.0]
    zero = tc.zeros(2, 3, requires_grad=True)
    for J in (
        F.cosine_embedding_loss(zero, zero, tc.tensor([1, -1])),
        F.triplet_margin_loss(zero, zero, zero),
        F.gaussian_nll_loss(zero, zero, tc.zeros(2, 3)),
        F.poisson_nll_loss(zero, tc.zeros(2, 3), log_input=False, full=True),
    ):
        zero.grad = None
        J.backward()
        assert math.isfinite(J.item()) and np.isfinite(zero.grad.numpy()).all()


def test_a_variance_below_epsilon_is_still_learned() -> None:
    v = tc.tensor([1e-9], dtype=tc.float64, requires_grad=True)
    F.gaussian_nll_loss([0.0], [1.0], v, eps=0.5, reduction="sum").backward()
    # ½ (1/v − d²/v²) at v = ε
    assert v.grad is not None and v.grad.item() == pytest.approx((2 - 4) / 2)


def test_integers_become_floats() -> None:
    assert F.multi_margin_loss([[1, 2]], [0]).item() == 1.0
    assert F.multilabel_margin_loss([[1, 2]], [[0, -1]]).item() == 1.0
    assert F.margin_ranking_loss([1, 2], [0, 4], [1, 1]).item() == 1.0


# --- bad input ----------------------------------------------------------------------------------

X = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.kl_div(X, X + 2), ArgumentError, r"label at index \(0, 0\) is 2"),
        (lambda: F.kl_div(X, X[0]), ShapeError, r"shape \(2, 3\), the labels \(3,\)"),
        (lambda: F.kl_div(X, X, reduction="batch"), ArgumentError, "'batchmean', got 'batch'"),
        (lambda: F.kl_div(0.0, 0.0, reduction="batchmean"), ShapeError, "number of examples"),
        (lambda: nn.KLDivLoss("average"), ArgumentError, "or 'batchmean', got 'average'"),
        (lambda: nn.SoftMarginLoss("batchmean"), ArgumentError, "'sum' or 'none', got"),
        (lambda: F.poisson_nll_loss(X, X - 1), ArgumentError, "the count at index .* is -1"),
        (lambda: F.poisson_nll_loss(X - 1, X, False), ArgumentError, "the mean .*log_input=True"),
        (lambda: F.gaussian_nll_loss(X, X, X - 1), ArgumentError, "variance .* is -1.*softplus"),
        (lambda: F.gaussian_nll_loss(X, X, math.nan), ArgumentError, "the variance is nan"),
        (lambda: F.gaussian_nll_loss(X, X, X[:, :2]), ShapeError, r"variances \(2, 2\).*\(2, 1\)"),
        (lambda: F.gaussian_nll_loss(X, X, X, eps=0), ArgumentError, "eps must be a positive"),
        (lambda: F.hinge_embedding_loss(X, X), ArgumentError, r"is 0.*2 \* y - 1"),
        (lambda: F.soft_margin_loss(X, X + 2), ArgumentError, "Labels are −1 or 1"),
        (lambda: F.margin_ranking_loss(X, X, X[:1] + 1), ShapeError, "must be equal"),
        (lambda: F.margin_ranking_loss(X, X, X + 1, margin="x"), ArgumentError, "margin must be"),
        (lambda: F.cosine_embedding_loss(X, X, [1, 1, 1]), ShapeError, r"labels \(3,\).*\(m,\)"),
        (lambda: F.cosine_embedding_loss(X, X, [0, 1]), ArgumentError, "label at index 0 is 0"),
        (lambda: F.triplet_margin_loss(X, X, X[0]), ShapeError, "must be equal"),
        (lambda: F.triplet_margin_loss(X, X, X, margin=0), ArgumentError, "positive number"),
        (
            lambda: F.triplet_margin_with_distance_loss(X, X, X, distance_function=3),
            DtypeError,
            "distance_function",
        ),
        (lambda: F.multi_margin_loss(X, [0, 3]), IndexingError, "is 3, but there are 3 classes"),
        (lambda: F.multi_margin_loss(X, [0, -1]), IndexingError, "is -1"),
        (lambda: F.multi_margin_loss(X, [0.0, 1.0]), DtypeError, "y.long"),
        (lambda: F.multi_margin_loss(X, [0, 1], p=3), ArgumentError, "p must be 1 or 2"),
        (lambda: F.multi_margin_loss(X, [0, 1], weight=[1.0]), ShapeError, "each of the 3 classes"),
        (lambda: F.multi_margin_loss(X[None], [0]), ShapeError, r"expected \(m, C\)"),
        (lambda: F.multilabel_margin_loss(X, [[0, 1], [1, 2]]), ShapeError, "Fill the rest"),
        (lambda: F.multilabel_margin_loss(X, X), DtypeError, "integers"),
        (lambda: F.multilabel_margin_loss(X, [[0, 4, -1]] * 2), IndexingError, "is 4"),
        (lambda: F.multilabel_soft_margin_loss(X, X + 2), ArgumentError, "is 2"),
        (lambda: F.cross_entropy(X, X - 0.5), ArgumentError, "are probabilities.*softmax"),
    ],
)
def test_bad_input(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
