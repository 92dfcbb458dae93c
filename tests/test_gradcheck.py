"""The gradient check: published numbers, planted errors, and that it leaves no trace."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn
from tinygrad_course.checking.state import Surroundings
from tinygrad_course.gradcheck import check_gradients, gradcheck, gradgradcheck

RNG = np.random.default_rng(0)


def point(*shape, name=None, seed=0, dtype=np.float64):
    data = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return tc.tensor(data, requires_grad=True, name=name)


def lab_network(second_product=None):
    """The 4-5-3-1 network of the gradient checking lab, with its cases' numbers."""
    rng = np.random.RandomState(1)
    X = rng.randn(4, 3)
    Y = np.array([[1.0, 1.0, 0.0]])
    shapes = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}
    p = {k: tc.tensor(rng.randn(*shape), requires_grad=True) for k, shape in shapes.items()}
    product = second_product or (lambda W, A: W @ A)

    def cost():
        A1 = (p["W1"] @ X + p["b1"]).relu()
        A2 = (product(p["W2"], A1) + p["b2"]).relu()
        A3 = (p["W3"] @ A2 + p["b3"]).sigmoid()
        return (-(A3.log() * Y) - (1 - A3).log() * (1 - Y)).sum() / 3

    return cost, p


class Product(tc.Function):
    """A matrix product whose derivative for W is multiplied by `factor`."""

    factor = 1.0

    @staticmethod
    def forward(ctx, W, A):
        ctx.save_for_backward(W, A)
        return W @ A

    @classmethod
    def backward(cls, ctx, g):
        W, A = ctx.saved_tensors
        return (g @ A.T) * cls.factor, W.T @ g


def wrong(factor):
    made = type("Product", (Product,), {"factor": factor})
    # A static method, as `Function` calls it, that knows the factor.
    made.backward = staticmethod(lambda ctx, g: Product.backward.__func__(made, ctx, g))
    return made.apply


# --- numbers from the course --------------------------------------------------------------------


def test_the_labs_line_has_the_labs_number():
    # DLS C2 W1: J = θ x at x = 2, θ = 4, ε = 1e-7.
    theta = tc.tensor(4.0, dtype=tc.float64, requires_grad=True, name="theta")
    report = check_gradients(lambda theta: theta * 2.0, theta, eps=1e-7)
    assert report.difference == 2.919335883291695e-10
    assert report["theta"].analytic == 2.0
    assert report.passed
    assert "ε = 1e-07 (as given)" in str(report)


def test_correct_backprop_exceeds_the_labs_threshold_at_its_epsilon_but_not_at_ours():
    cost, p = lab_network()
    with_theirs = check_gradients(cost, p, eps=1e-7)
    assert 1.18e-7 < with_theirs.difference < 1.2e-7
    assert with_theirs.passed
    with_ours = check_gradients(cost, p)
    assert with_ours.passed
    assert with_ours.difference < 1e-8
    assert (with_ours.entries, with_ours.size) == (47, 47)
    assert "6.06e-06" in with_ours.eps


def test_the_numbers_are_those_of_the_formula():
    x = point(3, name="x")
    h = 1e-4
    report = check_gradients(lambda x: (x**3).sum(), x, eps=h)
    v = x.numpy()
    numeric = ((v + h) ** 3 - (v - h) ** 3) / (2 * h)
    expected = np.linalg.norm(3 * v**2 - numeric)
    expected /= np.linalg.norm(3 * v**2) + np.linalg.norm(numeric)
    assert report.difference == pytest.approx(expected, rel=1e-6)
    place = report["x"].index
    assert report["x"].numeric == pytest.approx(numeric[place], rel=1e-9)


# --- planted errors -----------------------------------------------------------------------------


def test_a_doubled_dW2_is_found_and_named():
    cost, p = lab_network(wrong(2.0))
    report = check_gradients(cost, p)
    assert not report.passed
    assert [c.name for c in report if not c.passed] == ["W2"]
    assert report["W2"].ratio == pytest.approx(2.0)
    assert report["W2"].relative == pytest.approx(0.5)
    text = str(report)
    assert "W2: analytic is exactly 2 × numeric" in text
    assert "WRONG" in text
    assert "Product" in text
    with pytest.raises(errors.GradcheckError, match="exactly 2 × numeric") as caught:
        gradcheck(cost, p)
    assert caught.value.report["W2"].failed == 4


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [
        (-1.0, "the sign is flipped"),
        (3.0, "exactly 3 × numeric: 3 is the length of a data axis: is the mean's 1/m missing"),
        (1 / 3, "exactly 1/3 × numeric: 3 is the length of a data axis: divided by m once too"),
        (0.5, "exactly 1/2 × numeric"),
        (7.0, "exactly 7 × numeric: a factor 7"),
        (-2.0, "exactly −2 × numeric with the sign flipped"),
        (1.234, "1.234 × numeric at every entry"),
        (0.0, "zero everywhere"),
    ],
)
def test_factors_are_named(factor, sentence):
    cost, p = lab_network(wrong(factor))
    report = check_gradients(cost, p)
    assert not report["W2"].passed
    assert sentence in str(report)


def test_a_hook_that_changes_a_gradient_is_named():
    cost, p = lab_network()
    p["b1"].register_hook(lambda g: g * 4)
    text = str(check_gradients(cost, p))
    assert "b1: analytic is exactly 4 × numeric" in text
    assert "a hook registered on it" in text


def test_a_transposed_gradient_is_named():
    class Transposed(tc.Function):
        @staticmethod
        def forward(ctx, W, x):
            ctx.save_for_backward(x)
            return W @ x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return x @ g.T, None

    x = RNG.standard_normal((3, 2))
    W = point(3, 3, name="W")
    report = check_gradients(lambda W: (Transposed.apply(W, tc.tensor(x)) ** 2).sum(), W)
    assert "W: analytic is the transpose of numeric" in str(report)


def test_a_rule_that_forgets_the_incoming_gradient_is_named():
    class Square(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x * x).sum()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x

    report = check_gradients(lambda x: Square.apply(x), point(3))
    assert not report.passed
    assert report.difference < 1e-9  # the numbers alone agree: the cotangent was 1
    assert "not proportional to the incoming gradient" in str(report)
    assert "Square" in str(report)


def test_some_wrong_entries_are_named_by_their_own_ratio():
    class Half(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, g):
            return g * 3 * tc.tensor([1.0, 1.0, 2.0], dtype=tc.float64)

    report = check_gradients(lambda x: Half.apply(x), point(3, name="x"))
    assert report["x"].index == (2,)
    assert report["x"].output == "output 2"
    assert "1 of 3 checked entries disagree" in str(report)
    assert "at the entries that disagree, analytic is exactly 2 × numeric" in str(report)


def test_an_error_in_one_entry_of_a_large_matrix_does_not_escape_the_sample():
    class Last(tc.Function):
        @staticmethod
        def forward(ctx, W, x):
            ctx.save_for_backward(x)
            return W @ x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            dW = (g @ x.T).numpy().copy()
            dW[:, 900:] = 0
            return tc.tensor(dW), None

    x = tc.tensor(RNG.standard_normal((1000, 1)))
    W = point(8, 1000, name="W")
    report = check_gradients(lambda W: (Last.apply(W, x) ** 2).mean(), W, max_entries=5)
    assert report.entries == 5
    assert "random direction through all 8000 entries" in str(report)
    assert not report.passed


# --- causes that are no wrong number ------------------------------------------------------------


def test_kinks_are_named_and_not_compared_unless_strict():
    x = tc.tensor([-1.0, 2.0, 3.0, 0.0], dtype=tc.float64, requires_grad=True, name="x")
    report = check_gradients(lambda x: x.relu().sum(), x)
    assert report.passed
    assert report["x"].kinks == 1
    assert "relu has a kink at entry (3,): left slope 0, right slope 1" in str(report)
    assert not check_gradients(lambda x: x.relu().sum(), x, strict=True).passed
    with pytest.raises(errors.GradcheckError, match="relu has a kink at entry"):
        gradcheck(lambda x: x.relu(), x)
    assert gradcheck(lambda x: x.relu(), x, strict=False)


@pytest.mark.parametrize(
    ("name", "f", "at"),
    [
        ("leaky_relu", lambda x: tc.leaky_relu(x), [0.0, 0.5]),
        ("clamp", lambda x: x.clamp(0.0, 1.0), [1.0, 0.5]),
        # Exactly at these kinks the conventions choose the middle, as central differences do.
        ("abs", lambda x: x.abs(), [1.0, 1e-9]),
        ("maximum", lambda x: tc.maximum(x, tc.tensor([3.0, 1.0])), [3.0 + 1e-9, 2.0]),
        ("max", lambda x: x.max(), [2.0, 2.0 + 1e-9]),
        ("norm", lambda x: x.norm(), [0.0, 1e-9]),
    ],
)
def test_operations_with_kinks_are_named(name, f, at):
    x = tc.tensor(at, dtype=tc.float64, requires_grad=True, name="x")
    report = check_gradients(f, x)
    assert report.passed
    assert f"x: {name} has a kink" in str(report)


def test_a_wrong_slope_at_a_kink_is_still_wrong():
    class Relu(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return tc.maximum(x, 0.0)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x > 0) - 3 * g * (x == 0)

    x = tc.tensor([1.0, 0.0], dtype=tc.float64, requires_grad=True, name="x")
    report = check_gradients(lambda x: Relu.apply(x), x)
    assert not report.passed
    assert "is not between them" in str(report)


def test_a_kink_near_by_is_stepped_between():
    x = tc.tensor([2e-6, -3e-6], dtype=tc.float64, requires_grad=True)
    report = check_gradients(lambda x: x.relu().sum(), x)
    assert report.passed
    assert report["x"].kinks == 0


def test_a_jump_is_named():
    x = tc.tensor([0.0, 1.0], dtype=tc.float64, requires_grad=True, name="x")
    report = check_gradients(lambda x: (x > 0).to(tc.float64) + x, x)
    assert "x: the function jumps at entry (0,)" in str(report)


def test_many_kinks_at_once_are_set_aside():
    x = tc.tensor(np.zeros(400), requires_grad=True, name="x")
    report = check_gradients(lambda x: x.relu().sum(), x)
    assert report.passed
    assert report["x"].kinks == 400


def test_steep_functions_are_refined():
    # J‴ h²/6 alone would be 5e-4 of the slope.
    x = tc.tensor([0.3], dtype=tc.float64, requires_grad=True)
    report = check_gradients(lambda x: (x * 1e4).sin(), x)
    assert report.passed


def test_float32_inputs_are_checked_on_float64_copies():
    x = point(2, 3, dtype=np.float32, name="x")
    report = check_gradients(lambda x: x.exp(), x)
    assert report.passed
    assert report.difference < 1e-9
    assert report["x"].dtype == "float32"
    assert "x: float32, checked on float64 copies" in str(report)
    assert gradcheck(lambda x: x.exp(), x)


def test_float32_inside_the_function_is_named():
    x = point(3, name="x")
    with pytest.raises(errors.GradcheckError, match="computes in float32"):
        gradcheck(lambda x: x.to(tc.float32).exp(), x)


def test_new_tensors_inside_a_float32_function_do_not_lose_digits():
    def f(x):
        out = tc.zeros(3)
        for i in range(3):
            out[i] = x[i] ** 2
        return out.sum()

    assert check_gradients(f, point(3, dtype=np.float32)).passed
    assert tc.default_dtype() == np.float32


def test_non_determinism_is_named():
    def noisy(x):
        return x * tc.rand(3)

    tc.manual_seed(0)
    state = tc.get_rng_state()
    with pytest.raises(errors.GradcheckError, match="non-deterministic.*default_generator"):
        gradcheck(noisy, point(3))
    assert tc.get_rng_state() == state

    calls = []

    def counts(x):
        calls.append(1)
        return x * len(calls)

    report = check_gradients(counts, point(3))
    assert not report.passed
    assert "non-deterministic: two runs on the same values differ" in report.summary()


def test_a_seeded_draw_is_deterministic():
    def f(x):
        tc.manual_seed(1)
        return x * tc.rand(3)

    assert gradcheck(f, point(3))


def test_a_backward_that_is_not_deterministic_is_named():
    class Noisy(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2 + tc.rand(*g.shape) * 1e-3

    report = check_gradients(lambda x: Noisy.apply(x), point(2))
    assert "the backward pass is non-deterministic" in str(report)


def test_inputs_that_no_gradient_reaches_are_named():
    def f(used, cut, unused):
        return (used * cut.detach()).sum()

    inputs = (point(2), point(2, seed=1), point(2, seed=2))
    report = check_gradients(f, inputs)
    assert [c.passed for c in report] == [True, False, True]
    assert "cut: no gradient reaches it, although the function depends on it" in str(report)
    assert ".detach()" in str(report)
    assert "unused: no gradient reaches it, and moving it changes nothing" in str(report)
    with pytest.raises(errors.GradcheckError, match="cut: no gradient reaches it"):
        gradcheck(f, inputs)


def test_an_unused_input_alone_is_no_failure():
    assert gradcheck(lambda x, y: x * 2, (point(2), point(2, seed=1)))


def test_an_output_without_graph_is_named():
    with pytest.raises(errors.GradcheckError, match="output does not require grad, although"):
        gradcheck(lambda x: (x * 2).detach(), point(2))
    constant = check_gradients(lambda x: tc.tensor([1.0]), point(2, name="x"))
    assert constant.passed
    assert "does not depend on it" in str(constant)


def test_a_second_output_without_graph_is_noted():
    report = check_gradients(lambda x: (x * 2, x.detach()), point(2))
    assert report.passed
    assert "output 1 does not require grad" in str(report)


def test_frozen_and_integer_inputs_are_noted():
    frozen = tc.tensor([1.0, 2.0], dtype=tc.float64, name="frozen")
    counts = tc.tensor([1, 2], name="counts")
    report = check_gradients(lambda x, f, c: x * f * c, (point(2, name="x"), frozen, counts))
    assert report.passed
    assert [c.name for c in report] == ["x"]
    assert "frozen: requires_grad is False" in str(report)
    assert "counts has dtype int64" in str(report)


@pytest.mark.parametrize(
    ("inputs", "fragment"),
    [
        (tc.tensor([1, 2]), "int64"),
        (tc.tensor([1.0]), "requires_grad is False"),
        ((), "no tensor among them"),
        ("text", "expected a tensor"),
        (None, "expected a tensor"),
    ],
)
def test_nothing_to_check(inputs, fragment):
    with pytest.raises((errors.NothingToCheckError, errors.DtypeError), match=fragment):
        gradcheck(lambda x: x, inputs)


def test_nothing_to_check_is_a_value_error_as_in_pytorch():
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(lambda x: x, tc.tensor([1.0]), raise_exception=False)


def test_results_that_are_no_tensors_are_refused():
    with pytest.raises(TypeError, match=r"returned float, expected a tensor.*\.item\(\)"):
        gradcheck(lambda x: x.sum().item(), point(2))
    with pytest.raises(ValueError, match="returned bool"):
        gradcheck(lambda x: x > 0, point(2))
    with pytest.raises(TypeError, match="expected a function"):
        gradcheck(3, point(2))


def test_nan_and_infinity_are_named():
    x = tc.tensor([-1.0, 1.0], dtype=tc.float64, requires_grad=True, name="x")
    with pytest.raises(errors.GradcheckError, match="the function returned nan"):
        gradcheck(lambda x: x.log(), x)
    zero = tc.tensor([0.0, 1.0], dtype=tc.float64, requires_grad=True, name="x")
    report = check_gradients(lambda x: x.sqrt(), zero)
    assert not report.passed
    assert "not finite beside entry (0,)" in str(report)


def test_a_gradient_that_is_not_finite_is_named():
    class Bad(tc.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    report = check_gradients(lambda x: Bad.apply(x), point(2, name="x"))
    assert not report.passed
    assert "the analytic gradient is not finite" in str(report)


def test_inputs_changed_in_place_are_named():
    x = point(3, name="x")
    before = x.numpy().copy()

    def f(x):
        with tc.no_grad():
            x.mul_(2.0)
        return x * 3

    with pytest.raises(errors.GradcheckError, match=r"changes its input in place \(x\)"):
        gradcheck(f, x)
    assert np.array_equal(x.numpy(), before)


def test_a_value_computed_before_the_check_is_no_input():
    x = point(3, name="x")
    y = x * 2
    report = check_gradients(lambda x: y * 1.0, x)
    assert "moving it changes nothing" in str(report)


# --- what can be checked ------------------------------------------------------------------------


def test_non_scalar_results_are_checked_by_the_full_jacobian_or_projections():
    W = point(3, 4, name="W")
    x = tc.tensor(RNG.standard_normal((4, 2)))
    small = check_gradients(lambda W: W @ x, W)
    assert small.passed
    assert small["W"].output.startswith("output ")
    wide = tc.tensor(RNG.standard_normal((4, 500)))
    large = check_gradients(lambda W: (W @ wide, W.sum()), W)
    assert large.passed
    assert large["W"].output.startswith("projection ")
    assert "1501 outputs: checked by 3 projections" in str(large)


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((0, 3)),
        np.array(1.5),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6.0)[::-2],
        np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    ],
    ids=["empty", "scalar", "fortran", "negative stride", "read-only"],
)
def test_any_memory_layout(data):
    x = tc.from_numpy(data).requires_grad_()
    before = data.copy()
    assert gradcheck(lambda x: (x * x).sum(), x)
    assert x.numpy() is data
    assert np.array_equal(data, before)


def test_computed_inputs_and_repeated_inputs():
    base = point(2)
    y = base * 3
    y.name = "y"
    assert gradcheck(lambda y: y**2, y)
    assert not y.is_leaf
    y.sum().backward()
    assert base.grad.tolist() == [3.0, 3.0]
    x = point(2)
    report = check_gradients(lambda a, b: a * b, (x, x))
    assert report.passed
    assert len(report) == 1
    assert "same tensor" in str(report)


def test_plain_numbers_and_arrays():
    assert check_gradients(lambda t: t**2, 3.0)["t"].analytic == 6.0
    assert check_gradients(lambda a, b: a * b, (np.ones(2), 2.0)).entries == 3


def test_a_function_that_differentiates_inside():
    def penalty(x):
        y = (x**3).sum()
        (g,) = tc.autograd.grad(y, x, create_graph=True)
        return (g**2).sum()

    assert gradcheck(penalty, point(3))


def test_under_no_grad():
    with tc.no_grad():
        assert gradcheck(lambda x: x**2, point(3))


def test_raise_exception_false():
    cost, p = lab_network(wrong(2.0))
    assert gradcheck(cost, p, raise_exception=False) is False


def test_second_derivatives():
    x = point(3)
    assert gradgradcheck(lambda x: x**3, x)
    assert gradgradcheck(lambda x, y: (x @ y, x.sum()), (point(2, 3), point(3, 2, seed=1)))
    assert gradgradcheck(lambda x: x * 2, x)
    assert gradgradcheck(lambda x: x**2, x, grad_outputs=tc.tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="grad_outputs"):
        gradgradcheck(lambda x: x**2, x, grad_outputs=tc.tensor([1.0]))


def test_a_wrong_second_derivative_is_found():
    class Cube(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x.detach() ** 2

    x = point(2, name="x")
    assert gradcheck(lambda x: Cube.apply(x), x)
    with pytest.raises(errors.GradcheckError, match="x: no gradient reaches it, although"):
        gradgradcheck(lambda x: Cube.apply(x), x)
    assert gradgradcheck(lambda x: Cube.apply(x), x, raise_exception=False) is False


def test_a_backward_in_numpy_has_no_second_derivative():
    class Cube(tc.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return tc.tensor(g.numpy() * 3 * x.numpy() ** 2)

    with pytest.raises(errors.GradcheckError, match="computes with NumPy"):
        gradgradcheck(lambda x: Cube.apply(x), point(2))


def test_second_derivatives_of_a_constant():
    with pytest.raises(errors.NothingToCheckError, match="no output requires grad"):
        gradgradcheck(lambda x: x.detach(), point(2))


# --- models -------------------------------------------------------------------------------------


class StandIn:
    """What a check asks of a module, without `tinygrad_course.nn`."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.training = True
        self.W = tc.tensor(rng.standard_normal((3, 2)).astype(np.float32), requires_grad=True)
        self.b = tc.tensor(np.zeros(2, np.float32), requires_grad=True)
        self.frozen = tc.tensor(np.ones(2, np.float32))
        self.running = tc.tensor(np.zeros(2, np.float32))
        self.steps = tc.tensor(0)
        self.calls = 0
        self.table = np.zeros(2)
        self.generator = tc.Generator(5)
        self.seen = []

    def modules(self):
        yield self

    def named_parameters(self):
        yield "W", self.W
        yield "b", self.b
        yield "frozen", self.frozen

    def __call__(self, x):
        self.calls += 1
        self.seen.append(1)
        self.table += 1
        z = x @ self.W + self.b
        with tc.no_grad():
            self.running.mul_(0.9).add_(z.mean(0) * 0.1)
            self.steps = self.steps + 1
        mask = tc.rand(*z.shape, generator=self.generator) > 0.3
        return z.tanh() * mask * self.frozen * (1 + self.running * 0)


def state_of(model):
    tensors = {k: getattr(model, k) for k in ("W", "b", "frozen", "running", "steps")}
    return {
        "identity": {k: (id(t), id(t.numpy())) for k, t in tensors.items()},
        "bytes": {k: (t.dtype, t.numpy().tobytes()) for k, t in tensors.items()},
        "plain": (model.calls, model.table.tolist(), model.generator.get_state(), len(model.seen)),
        "grad": {k: t.grad for k, t in tensors.items()},
        "default": tc.get_rng_state(),
    }


def test_a_model_comes_back_bit_for_bit():
    model = StandIn()
    X = tc.tensor(RNG.standard_normal((5, 3)).astype(np.float32))
    (model(X) ** 2).mean().backward()
    before = state_of(model)
    report = check_gradients(lambda: (model(X) ** 2).mean(), model)
    assert report.passed, report
    assert report.difference < 1e-9
    assert [c.name for c in report] == ["W", "b"]
    assert "frozen: requires_grad is False" in str(report)
    assert state_of(model) == before


def test_a_model_comes_back_bit_for_bit_after_an_exception():
    model = StandIn()
    X = tc.tensor(RNG.standard_normal((5, 3)).astype(np.float32))
    before = state_of(model)
    calls = []

    def loss():
        calls.append(1)
        y = (model(X) ** 2).mean()
        if len(calls) == 7:
            raise KeyError("on the way")
        return y

    with pytest.raises(KeyError, match="on the way"):
        check_gradients(loss, model)
    assert state_of(model) == before
    assert tc.default_dtype() == np.float32


def test_a_model_in_the_closure_comes_back_too():
    model = StandIn()
    X = point(5, 3, name="X")
    before = state_of(model)
    assert gradcheck(lambda X: model(X).sum(), X)
    assert gradcheck(model, X)
    assert state_of(model) == before


def test_surroundings_see_globals_partials_and_methods():
    from functools import partial

    from tinygrad_course.checking.state import reached

    model = StandIn()
    assert any(r is model for r in reached(partial(lambda m: m, model)))
    assert any(r is model for r in reached(model.named_parameters))
    assert Surroundings(reached(lambda: model), []).modules


def deep_model(drop):
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), drop, nn.LayerNorm(6), nn.Linear(6, 3)
    )


def snapshot(model):
    return (
        {k: (t.dtype, t.numpy().tobytes()) for k, t in model.state_dict().items()},
        [(p.name, id(p.numpy()), p.grad) for p in model.parameters()],
        [module.training for module in model.modules()],
        tc.get_rng_state(),
    )


def test_a_real_model_with_batch_norm_and_seeded_dropout_in_training():
    generator = tc.Generator(1)
    model = deep_model(nn.Dropout(0.5, generator=generator))
    X = tc.tensor(np.random.default_rng(1).standard_normal((10, 4)))
    Y = tc.tensor([0, 1, 2, 1, 0, 2, 2, 1, 0, 1])
    before, drawn = snapshot(model), generator.get_state()
    report = check_gradients(lambda: nn.functional.cross_entropy(model(X.float()), Y), model)
    assert report.passed, report
    assert report.entries == report.size == 6 * 4 + 6 + 12 + 12 + 18 + 3
    assert report["W[1]"].name == "0.weight"
    assert "0.weight (W[1])" in str(report)
    # Batch normalisation takes the bias before it away again.
    assert "0.bias: its gradient is zero but for rounding" in str(report)
    assert snapshot(model) == before
    assert generator.get_state() == drawn


def test_unseeded_dropout_is_named():
    model = deep_model(nn.Dropout(0.5))
    X = tc.tensor(np.random.default_rng(1).standard_normal((10, 4)))
    before = snapshot(model)
    report = check_gradients(lambda: model(X).mean(), model)
    assert not report.passed
    assert "nothing could be compared" in str(report)
    assert "model.eval()" in report.summary()
    assert check_gradients(lambda: model(X).mean(), model.eval()).passed
    assert snapshot(model.train()) == before


def test_the_lectures_digit_network_is_checked_in_full():
    model = nn.Sequential(
        nn.Dense(64, 25, "sigmoid"), nn.Dense(25, 15, "sigmoid"), nn.Dense(15, 1, "sigmoid")
    )
    rng = np.random.default_rng(0)
    X = tc.tensor(rng.random((8, 64)), dtype=tc.float32)
    Y = tc.tensor(rng.integers(0, 2, (8, 1)), dtype=tc.float32)
    loss = nn.BCELoss()
    report = check_gradients(lambda: loss(model(X), Y), model, max_entries=None)
    assert report.passed
    assert report.entries == 2031
    assert report.difference < 1e-8


def test_gradients_collected_before_stay():
    x = point(2)
    (x * 2).sum().backward()
    before = x.grad
    gradcheck(lambda x: x**2, x)
    assert x.grad is before
    assert before.tolist() == [2.0, 2.0]


def test_a_wide_model_finishes_on_a_sample():
    W1 = tc.tensor(RNG.standard_normal((12288, 20)) * 0.01, requires_grad=True, name="W1")
    b1 = tc.tensor(np.zeros(20), requires_grad=True, name="b1")
    X = RNG.standard_normal((2, 12288))

    def loss():
        return ((X @ W1 + b1).relu() ** 2).mean()

    report = check_gradients(loss, (W1, b1), max_entries=60)
    assert report.passed, report
    assert report["b1"].entries == 20
    assert report["W1"].entries == 40
    assert "60 of 245780 entries (a seeded sample)" in str(report)
    again = check_gradients(loss, (W1, b1), max_entries=60)
    assert again.to_text() == report.to_text()


# --- the report ---------------------------------------------------------------------------------


def test_the_report_reads_well():
    cost, p = lab_network()
    report = check_gradients(cost, p)
    text = report.to_text()
    lines = text.splitlines()
    assert lines[0] == "Gradient check passed: 47 of 47 entries of 6 parameters"
    assert "difference ‖grad − approx‖₂ / (‖grad‖₂ + ‖approx‖₂) = " in text
    header = next(line for line in lines if line.startswith("parameter"))
    for column in ("shape", "analytic", "numeric", "ratio", "abs. error", "rel. error"):
        assert column in header
    assert all(len(line) < 140 for line in lines)
    assert report.to_text(ascii=True).isascii()
    assert "eps = cbrtu*max(1, |" in report.to_text(ascii=True)
    assert repr(report) == text
    assert bool(report)
    with pytest.raises(KeyError, match="W9.*it has W1"):
        report["W9"]


def test_ratios_without_a_number():
    from tinygrad_course.checking.report import ParameterCheck

    def made(a, n):
        return ParameterCheck("x", "", (1,), "float64", 1, 1, (0,), "", a, n, 0.0, True)

    assert made(0.0, 0.0).ratio == 1.0
    assert made(-1.0, 0.0).ratio == -math.inf
    assert made(0.0, 0.0).relative == 0.0


def test_an_error_message_starts_with_its_cause():
    cost, p = lab_network(wrong(2.0))
    with pytest.raises(errors.GradcheckError) as caught:
        gradcheck(cost, p)
    first = str(caught.value).splitlines()[0]
    assert re.match(r"gradcheck: W2: 4 of 15 checked entries disagree, most at \(2, 0\)", first)
    assert "exactly 2 ×" in first


def test_the_package_exports_functions_not_modules():
    assert tc.gradcheck is gradcheck
    assert tc.gradgradcheck is gradgradcheck
    assert tc.check_gradients is check_gradients
