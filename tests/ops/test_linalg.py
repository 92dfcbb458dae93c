"""Linear algebra at its awkward points: singular, degenerate, odd shapes, bad input, notation."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import assert_close, differences

import tinygrad_course as tc
from tinygrad_course import errors
from tinygrad_course.derivation.verify import verify

RNG = np.random.default_rng(7)
SQUARE = RNG.normal(size=(4, 4)) + 3 * np.eye(4)
SYMMETRIC = SQUARE + SQUARE.T
TALL = RNG.normal(size=(5, 3))


def gradient(f, *arrays):
    """Return the gradient of a scalar function, checked against differences."""
    points = [tc.tensor(a, requires_grad=True) for a in arrays]
    found = [g.numpy() for g in tc.autograd.grad(f(*points), points)]
    expected = differences(lambda *v: f(*map(tc.tensor, v)).item(), list(arrays))
    for g, e in zip(found, expected, strict=True):
        assert_close(g, e, 1e-8)
    return found[0] if len(found) == 1 else found


def numbers(x):
    """Return an array for a tensor that is hidden in a message."""
    return np.asarray(x.detach().numpy())


# --- the namespace --------------------------------------------------------------------------------


def test_the_namespace_has_the_functions():
    for name, f in tc.ops.FUNCTIONS.items():
        if name.startswith("linalg."):
            assert getattr(tc.linalg, name.removeprefix("linalg.")) is f
    assert tc.linalg.inv is tc.inverse
    assert tc.linalg.svd is not tc.svd
    assert issubclass(tc.linalg.LinAlgError, np.linalg.LinAlgError)


def test_methods_are_those_of_pytorch():
    x = tc.tensor(SQUARE)
    for name in ("inverse", "det", "logdet", "slogdet", "qr", "svd", "pinverse", "matrix_exp"):
        assert hasattr(x, name)
    for name in ("solve", "eigh", "linalg.solve", "lstsq", "tensordot", "vander", "svdvals"):
        assert not hasattr(x, name)


def test_results_have_names():
    x = tc.tensor(SQUARE)
    assert tc.slogdet(x)._fields == ("sign", "logabsdet")
    assert tc.linalg.qr(x)._fields == ("Q", "R")
    assert tc.linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert tc.linalg.svd(x)._fields == ("U", "S", "Vh")
    assert tc.svd(x)._fields == ("U", "S", "V")
    solution = tc.linalg.lstsq(x, x)
    assert solution._fields == ("solution", "residuals", "rank", "singular_values")


def test_numpy_functions_record():
    x = tc.tensor(SYMMETRIC @ SYMMETRIC, requires_grad=True)
    B = RNG.normal(size=(4, 2))
    for f in (
        np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.pinv, np.linalg.svdvals,
        np.linalg.eigvalsh, np.linalg.norm, np.linalg.matrix_norm, np.linalg.cond,
        lambda a: np.linalg.solve(a, B), lambda a: np.linalg.slogdet(a)[1],
        lambda a: np.linalg.qr(a)[1], lambda a: np.linalg.qr(a, "r"),
        lambda a: np.linalg.eigh(a)[1], lambda a: np.linalg.svd(a)[1],
        lambda a: np.linalg.svd(a, compute_uv=False), lambda a: np.linalg.matrix_power(a, 3),
        lambda a: np.linalg.lstsq(a, B)[0], lambda a: np.linalg.multi_dot([a, B, B.T]),
        lambda a: np.linalg.norm(a, "nuc"), lambda a: np.linalg.norm(a, 1, axis=0),
        lambda a: np.tensordot(a, B, 1), lambda a: np.kron(a, B), lambda a: np.inner(a, B.T),
        lambda a: np.cross(a[:, 1:], B[:3, 0]), lambda a: np.vander(a[0], 3),
    ):  # fmt: skip
        y = f(x)
        assert isinstance(y, tc.Tensor) and y.requires_grad
        expected = f(x.detach().numpy())
        np.testing.assert_allclose(numbers(y), expected, rtol=1e-9, atol=1e-11)


# --- determinants ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_gradient_of_det_is_right_for_every_rank(rank):
    """The matrix of cofactors, which vanishes from rank n − 2 downwards."""
    a = RNG.normal(size=(4, rank)) @ RNG.normal(size=(rank, 4))
    found = gradient(tc.det, a)
    minors = np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(4)]
            for i in range(4)
        ]
    )
    np.testing.assert_allclose(found, minors, atol=1e-12)


def test_the_second_derivative_of_det_of_a_singular_matrix():
    a = np.diag([2.0, 3.0, 0.0])
    x = tc.tensor(a, requires_grad=True)
    (first,) = tc.autograd.grad(tc.det(x), x, create_graph=True)
    (second,) = tc.autograd.grad(first[2, 2], x)  # a₁₁ a₂₂ − a₁₂ a₂₁
    expected = np.zeros((3, 3))
    expected[0, 0], expected[1, 1] = 3.0, 2.0
    np.testing.assert_allclose(second.numpy(), expected, atol=1e-14)


def test_determinants_of_zero():
    x = tc.tensor(np.ones((2, 2)))
    sign, y = tc.slogdet(x)
    assert (sign.item(), y.item()) == (0.0, -np.inf)
    assert tc.logdet(x).item() == -np.inf
    assert np.isnan(tc.logdet(tc.tensor([[0.0, 1.0], [1.0, 0.0]])).item())
    assert tc.det(tc.zeros(0, 0)).item() == 1.0
    big = tc.eye(400, dtype=tc.float64) * 10
    assert tc.logdet(big).item() == pytest.approx(400 * np.log(10))


def test_cramers_rule():
    """det's gradient over det is the inverse, transposed."""
    x = tc.tensor(SQUARE, requires_grad=True)
    y = tc.det(x)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy().T / y.item(), np.linalg.inv(SQUARE), rtol=1e-12)


# --- conventions where values are equal -----------------------------------------------------------


def test_equal_eigenvalues():
    """The eigenvalues have a derivative, one of several; the eigenvectors have none."""
    x = tc.tensor(np.diag([2.0, 2.0, 5.0]), requires_grad=True)
    values, vectors = tc.linalg.eigh(x)
    (g,) = tc.autograd.grad(values.sum(), x, retain_graph=True)
    np.testing.assert_allclose(g.numpy(), np.eye(3), atol=1e-15)  # the trace
    (g,) = tc.autograd.grad(values[2], x, retain_graph=True)
    np.testing.assert_allclose(g.numpy(), np.diag([0.0, 0.0, 1.0]), atol=1e-15)
    (g,) = tc.autograd.grad(vectors.sum(), x)
    assert np.isnan(g.numpy()).any() or np.isinf(g.numpy()).any()


def test_equal_singular_values():
    x = tc.tensor(np.eye(3), requires_grad=True)
    (g,) = tc.autograd.grad(tc.linalg.matrix_norm(x, "nuc"), x)
    np.testing.assert_allclose(g.numpy(), np.eye(3), atol=1e-15)
    (g,) = tc.autograd.grad(tc.linalg.svd(x).U.sum(), x)
    assert not np.isfinite(g.numpy()).all()


def test_nuclear_norm_of_a_singular_matrix_is_finite():
    x = tc.tensor(np.outer([3.0, 4.0], [1.0, 0.0]), requires_grad=True)
    (g,) = tc.autograd.grad(tc.linalg.svdvals(x)[0], x)
    np.testing.assert_allclose(g.numpy(), [[0.6, 0.0], [0.8, 0.0]], atol=1e-15)


# --- what does not depend on signs ----------------------------------------------------------------


def test_projectors_on_eigenvectors():
    def f(a):
        q = tc.linalg.eigh(a).eigenvectors[:, -2:]
        return ((q @ q.mT) * np.arange(16.0).reshape(4, 4)).sum()

    gradient(f, SYMMETRIC)


def test_functions_of_matrices():
    """Through the eigenvectors, the derivative of exp is that of the exponential series."""

    def by_eigenvectors(a):
        values, q = tc.linalg.eigh(a)
        return ((q * values.exp()) @ q.mT)[0, 1]

    def by_series(a):
        return tc.matrix_exp((a + a.mT) / 2)[0, 1]

    a = SYMMETRIC / 5
    np.testing.assert_allclose(gradient(by_eigenvectors, a), gradient(by_series, a), rtol=1e-9)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 4), (2, 3, 2)])
def test_factors_multiply_to_the_matrix(shape):
    """Then the derivative of what they multiply to is the cotangent itself."""
    a = RNG.normal(size=shape)
    g = RNG.normal(size=shape)
    for f in (
        lambda x: (lambda u, s, vh: (u * s[..., None, :]) @ vh)(*tc.linalg.svd(x, False)),
        lambda x: (lambda q, r: q @ r)(*tc.linalg.qr(x)),
    ):
        x = tc.tensor(a, requires_grad=True)
        y = f(x)
        np.testing.assert_allclose(numbers(y), a, atol=1e-13)
        (found,) = tc.autograd.grad(y, x, tc.tensor(g))
        np.testing.assert_allclose(found.numpy(), g, atol=1e-10)


def test_cholesky_and_eigenvectors_multiply_to_the_matrix():
    a = SYMMETRIC @ SYMMETRIC
    g = RNG.normal(size=(4, 4))
    for f in (
        lambda x: (lambda low: low @ low.mT)(tc.cholesky(x)),
        lambda x: (lambda values, q: (q * values) @ q.mT)(*tc.linalg.eigh(x)),
    ):
        x = tc.tensor(a, requires_grad=True)
        (found,) = tc.autograd.grad(f(x), x, tc.tensor(g))
        np.testing.assert_allclose(found.numpy(), (g + g.T) / 2, atol=1e-10)


def test_full_matrices():
    a = TALL
    u, s, vh = tc.linalg.svd(tc.tensor(a))
    assert (u.shape, s.shape, vh.shape) == ((5, 5), (3,), (3, 3))
    np.testing.assert_allclose(numbers(u.mT @ u), np.eye(5), atol=1e-14)
    np.testing.assert_allclose(numbers((u[:, :3] * s) @ vh), a, atol=1e-14)
    u, s, vh = tc.linalg.svd(tc.tensor(a.T))
    assert vh.shape == (5, 5)
    q, r = tc.linalg.qr(tc.tensor(a), "complete")
    assert (q.shape, r.shape) == ((5, 5), (5, 3))
    np.testing.assert_allclose(numbers(q @ r), a, atol=1e-14)
    assert tc.linalg.qr(tc.tensor(a), "r").Q.shape == (0,)
    u, s, v = tc.svd(tc.tensor(a), compute_uv=False)
    assert not u.numpy().any() and u.shape == (5, 3) and not v.numpy().any()


def test_one_triangle():
    low = np.tril(SYMMETRIC)
    for which, part in (("L", low), ("U", low.T)):
        values = tc.linalg.eigvalsh(tc.tensor(part), which)
        np.testing.assert_allclose(values.numpy(), np.linalg.eigvalsh(SYMMETRIC), rtol=1e-12)
    with pytest.raises(errors.ArgumentError, match="UPLO is 'L' or 'U'"):
        tc.linalg.eigh(tc.tensor(low), "X")


# --- least squares, exponential, chains -----------------------------------------------------------


def test_least_squares_is_the_normal_equations():
    """(Aᵀ A)⁻¹ Aᵀ b, and its derivative."""
    b = RNG.normal(size=5)

    def by_lstsq(a, b):
        return tc.linalg.lstsq(a, b).solution.sum()

    def by_equations(a, b):
        return tc.linalg.solve(a.mT @ a, a.mT @ b).sum()

    found, expected = gradient(by_lstsq, TALL, b), gradient(by_equations, TALL, b)
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-9)
    solution = tc.linalg.lstsq(tc.tensor(TALL), tc.tensor(b))
    assert solution.rank.item() == 3
    residual = np.linalg.lstsq(TALL, b)[1]
    np.testing.assert_allclose(solution.residuals.numpy(), residual, rtol=1e-12)


def test_pseudoinverse_of_fewer_dimensions():
    a = RNG.normal(size=(4, 2)) @ RNG.normal(size=(2, 3))
    y = tc.pinverse(tc.tensor(a)).numpy()
    np.testing.assert_allclose(a @ y @ a, a, atol=1e-12)
    np.testing.assert_allclose(y @ a @ y, y, atol=1e-12)
    np.testing.assert_allclose((a @ y).T, a @ y, atol=1e-12)
    assert tc.linalg.matrix_rank(tc.tensor(a)).item() == 2


def test_exponentials_of_known_matrices():
    for angle in (0.1, 3.0, 40.0):
        a = tc.tensor(np.array([[0.0, -angle], [angle, 0.0]]))
        c, s = np.cos(angle), np.sin(angle)
        np.testing.assert_allclose(tc.matrix_exp(a).numpy(), [[c, -s], [s, c]], atol=1e-12)
    zero = tc.matrix_exp(tc.zeros(2, 3, 3))
    np.testing.assert_array_equal(zero.numpy(), np.broadcast_to(np.eye(3), (2, 3, 3)))
    assert np.isnan(tc.matrix_exp(tc.tensor([[np.inf]])).item())
    single = tc.matrix_exp(tc.tensor([[1.0]]))
    assert single.dtype == np.float32 and single.item() == pytest.approx(np.e, rel=1e-6)


def test_powers():
    x = tc.tensor(SQUARE)
    np.testing.assert_array_equal(tc.matrix_power(x, 0).numpy(), np.eye(4))
    copy = tc.matrix_power(x, 1)
    assert not np.shares_memory(copy.numpy(), x.numpy())
    for n in (-3, 7):
        expected = np.linalg.matrix_power(SQUARE, n)
        np.testing.assert_allclose(x.matrix_power(n).numpy(), expected, rtol=1e-11)


def test_the_cheapest_order_of_a_chain():
    """Cormen et al., section 15.2: 15125 multiplications, ((A₁ (A₂ A₃)) ((A₄ A₅) A₆))."""
    from tinygrad_course.ops.linalg import _cheapest

    split = _cheapest([30, 35, 15, 5, 10, 20, 25])
    assert (split[0, 5], split[0, 2], split[3, 5]) == (2, 0, 4)


def test_triangular_solves_read_one_triangle():
    low = np.tril(SQUARE)
    B = RNG.normal(size=(4, 2))
    x = tc.tensor(SQUARE, requires_grad=True)
    y = tc.linalg.solve_triangular(x, tc.tensor(B), upper=False)
    np.testing.assert_allclose(numbers(y), np.linalg.solve(low, B), rtol=1e-12)
    y.sum().backward()
    assert not np.triu(x.grad.numpy(), 1).any()


# --- shapes and numbers ---------------------------------------------------------------------------


def test_right_hand_sides():
    A = tc.tensor(np.stack([SQUARE, SYMMETRIC, SQUARE.T]))
    for shape in ((4,), (3, 4), (4, 2), (3, 4, 2), (1, 4, 5), (2, 3, 4, 1)):
        assert tc.linalg.solve(A, tc.zeros(*shape, dtype=tc.float64)).shape[-1] == shape[-1]
    assert tc.linalg.solve(A, tc.zeros(3, 4)).shape == (3, 4)
    assert tc.linalg.solve(A, tc.zeros(4)).shape == (3, 4)
    assert tc.linalg.solve(A, tc.zeros(2, 4), left=False).shape == (3, 2, 4)


def test_float32_stays_float32_and_integers_become_floats():
    n = tc.tensor([[2, 1], [1, 3]])
    for f in (tc.inverse, tc.det, tc.linalg.svdvals, tc.linalg.eigvalsh, tc.cholesky, tc.pinverse):
        assert f(n.to(tc.float32)).dtype == np.float32
        assert f(n).dtype == np.float64


def test_norms_of_the_documentation():
    """The numbers of the examples in torch.linalg.norm's documentation."""
    B = (tc.arange(9, dtype=tc.float64) - 4.0).reshape(3, 3)
    for order, value in (
        (None, 7.745967), ("fro", 7.745967), (np.inf, 9.0), (-np.inf, 2.0), (1, 7.0), (-1, 6.0),
        (2, 7.3484692),
    ):  # fmt: skip
        assert tc.linalg.norm(B, order).item() == pytest.approx(value, rel=1e-6)
    b = B.flatten()
    for order, value in ((np.inf, 4.0), (-np.inf, 0.0), (1, 20.0), (2, 7.745967), (3, 5.848035)):
        assert tc.linalg.norm(b, order).item() == pytest.approx(value, rel=1e-6)
    assert tc.linalg.vector_norm(b, 0).item() == 8.0
    assert tc.linalg.norm(B, dim=0).shape == (3,)
    assert tc.linalg.norm(B, dim=(0, 1), keepdim=True).shape == (1, 1)
    assert tc.linalg.matrix_norm(B[None], "nuc", keepdim=True).shape == (1, 1, 1)


def test_zero_beta_ignores_what_is_added():
    nan = tc.tensor(np.full((2, 2), np.nan))
    assert tc.addmm(nan, tc.eye(2), tc.eye(2), beta=0).numpy().tolist() == np.eye(2).tolist()
    y = tc.baddbmm(tc.ones(1, 2, 2), tc.ones(1, 2, 1), tc.ones(1, 1, 2), beta=2, alpha=3)
    assert (y == 5).all().item()


# --- errors ---------------------------------------------------------------------------------------

ONES = tc.ones(2, 2)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: tc.inverse(ONES), r"inverse: got \(2, 2\) float32.*Singular.*lstsq"),
        (lambda: tc.linalg.solve(ONES, tc.ones(2)), "linalg.solve: got.*Singular.*linalg.pinv"),
        (lambda: tc.matrix_power(ONES, -1), "Singular"),
        (lambda: tc.cholesky(-tc.eye(2)), "cholesky.*ositive definite.*linalg.eigh"),
        (lambda: tc.linalg.svd(tc.full((2, 2), np.nan)), "svd"),
        (lambda: tc.linalg.solve_triangular(tc.zeros(2, 2), ONES, upper=True), "Singular"),
    ],
)
def test_matrices_without_what_was_asked_for(f, words):
    with pytest.raises(errors.LinAlgError, match=words):
        f()
    with pytest.raises(np.linalg.LinAlgError):
        f()


def test_a_derivative_that_does_not_exist():
    x = tc.tensor(np.ones((2, 2)), requires_grad=True)
    with pytest.raises(errors.LinAlgError, match="singular"):
        tc.slogdet(x).logabsdet.backward()


@pytest.mark.parametrize("name", ["inverse", "det", "logdet", "slogdet", "matrix_exp", "cholesky"])
@pytest.mark.parametrize("shape", [(2, 3), (3,), (), (4, 3, 2)])
def test_what_is_not_square(name, shape):
    with pytest.raises(errors.ShapeError, match=f"{name}.*square"):
        getattr(tc, name)(tc.ones(*shape))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: tc.linalg.solve(tc.eye(3), tc.ones(2)), "as many rows"),
        (lambda: tc.linalg.solve(tc.eye(3), tc.tensor(1.0)), "as many rows"),
        (lambda: tc.linalg.solve(tc.ones(2, 3, 3), tc.ones(4, 3, 1)), "solve"),
        (lambda: tc.linalg.solve(tc.ones(2, 3), tc.ones(2)), "square"),
        (lambda: tc.linalg.lstsq(tc.ones(4, 2), tc.ones(3)), "as many rows"),
        (lambda: tc.linalg.svd(tc.ones(3)), "needs matrices"),
        (lambda: tc.mm(tc.ones(3), ONES), "mm: needs input a matrix, mat2 a matrix; got shapes"),
        (lambda: tc.mm(ONES, tc.ones(3, 2)), "matmul"),
        (lambda: tc.bmm(ONES, ONES), "stack of matrices"),
        (lambda: tc.bmm(tc.ones(2, 1, 1), tc.ones(3, 1, 1)), "stacks of 2 and 3"),
        (lambda: tc.mv(ONES, ONES), "a vector"),
        (lambda: tc.cross(tc.ones(2), tc.ones(2)), "three components"),
        (lambda: tc.linalg.cross(tc.ones(3, 2), tc.ones(3), dim=0), "three components"),
        (lambda: tc.tensordot(tc.ones(2, 3), tc.ones(2, 3), 1), "different lengths"),
        (lambda: tc.tensordot(ONES, ONES, 3), "as many axes"),
        (lambda: tc.tensordot(ONES, ONES, ([0, 0], [0, 1])), "each once"),
        (lambda: tc.inner(tc.ones(2), tc.ones(3)), "equally long"),
        (lambda: tc.linalg.multi_dot([tc.ones(2, 3), tc.ones(2, 3)]), "matmul"),
        (lambda: tc.linalg.multi_dot([tc.ones(1, 1, 1), ONES]), "at the ends"),
        (lambda: tc.linalg.multi_dot([]), "got none"),
        (lambda: tc.linalg.norm(tc.ones(2, 2, 2), 2), "vector or a matrix"),
        (lambda: tc.linalg.matrix_norm(ONES, dim=(0, 0)), "two axes"),
        (lambda: tc.linalg.tensorsolve(tc.ones(2, 3), tc.ones(3)), "first axes"),
    ],
)
def test_shapes_that_do_not_fit(f, words):
    with pytest.raises(errors.ShapeError, match=words):
        f()


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: tc.linalg.qr(ONES, "full"), "mode is 'reduced'"),
        (lambda: tc.linalg.matrix_norm(ONES, 3), "ord is 'fro'"),
        (lambda: tc.linalg.vector_norm(ONES, "fro"), "ord is a number"),
        (lambda: tc.linalg.matrix_rank(ONES, 0.1, rtol=0.1), "not both"),
        (lambda: tc.tensordot(ONES, ONES, "ab"), "two lists"),
        (lambda: tc.vander(tc.ones(2), 0), "N is the number"),
    ],
)
def test_arguments_that_do_not_exist(f, words):
    with pytest.raises(errors.ArgumentError, match=words):
        f()


def test_complex_matrices_are_refused():
    with pytest.raises(errors.DtypeError):
        tc.linalg.inv(np.eye(2) * 1j)
    with pytest.raises(errors.DtypeError, match="integer"):
        tc.matrix_power(ONES, 0.5)


# --- how it is written ----------------------------------------------------------------------------


def parameter(name, value=SQUARE):
    return tc.tensor(value, requires_grad=True, name=name)


def test_equations_of_a_linear_system():
    A, B = parameter("A"), parameter("B", RNG.normal(size=(4, 2)))
    loss = tc.linalg.solve(A, B).tanh().sum()
    sheet = tc.equations(loss)
    assert sheet.forward[0] == "Z = A⁻¹ B"
    assert list(sheet.backward[:2]) == ["g1 = A⁻ᵀ (1 - A2²)", "dA = -g1 Zᵀ"]
    assert "A^{-1} B" in sheet.latex and r"{A}^{-\top}" in sheet.latex
    verify(loss)


def test_equations_of_inverses_of_layers():
    W = parameter("W[1]")
    loss = tc.logdet(W @ W.mT) + tc.inverse(W.mT).sum() + tc.det(W)
    sheet = str(tc.equations(loss))
    assert "W[1]⁻ᵀ" in sheet and " det(W[1])" in sheet and "cof(W[1])" in sheet
    latex = tc.equations(loss).latex
    assert r"W^{[1]\,-\top}" in latex and r"\det(W^{[1]})" in latex
    verify(loss)


def test_an_elementwise_reciprocal_is_no_inverse():
    W = parameter("W")
    loss = (W**-1).tanh().sum()
    sheet = tc.equations(loss)
    assert sheet.forward[0] == "Z = W^(-1)"
    assert r"W^{\circ -1}" in sheet.latex
    verify(loss)


@pytest.mark.parametrize("subscripts", ["ii->i", "ii", "ij,ij->", "iij,j->i", "ij->", "iii->i"])
def test_equations_of_einsum_name_all_that_they_use(subscripts):
    terms = subscripts.partition("->")[0].split(",")
    operands = [parameter("AB"[k], RNG.normal(size=(3,) * len(t))) for k, t in enumerate(terms)]
    loss = tc.einsum(subscripts, *operands).tanh().sum()
    graph = tc.Graph.of(loss, backward=True)
    assert all(n.op is not None or np.ndim(n.value) == 0 or n.name in "AB" for n in graph)
    verify(loss)


def test_einsum_as_pytorch():
    x = tc.tensor(RNG.normal(size=(2, 3, 3)), requires_grad=True)
    np.testing.assert_array_equal(
        numbers(tc.einsum("bii->bi", x)), numbers(x)[:, range(3), range(3)]
    )
    y = tc.einsum("...ij->ij", x)  # the axes of the ellipsis are summed
    np.testing.assert_allclose(numbers(y), numbers(x).sum(0))
    (g,) = tc.autograd.grad(y.sum(), x)
    assert (g == 1).all().item()


@pytest.mark.parametrize(
    "f",
    [
        tc.det, tc.logdet, lambda a: tc.slogdet(a)[1], lambda a: tc.inverse(a).sum(),
        lambda a: tc.einsum("ii", a), lambda a: tc.einsum("ii->i", a).sum(),
        lambda a: tc.linalg.eigvalsh(a).sum(), lambda a: tc.linalg.svdvals(a).sum(),
        lambda a: tc.linalg.cholesky(a).sum(), lambda a: tc.linalg.qr(a).R.sum(),
        lambda a: tc.linalg.norm(a, "nuc"), lambda a: tc.matrix_exp(a / 5).sum(),
        lambda a: tc.linalg.solve(a, (a * a).sum(1)).sum(), lambda a: tc.pinverse(a).sum(),
        lambda a: tc.kron(a, a).sum(), lambda a: tc.linalg.lstsq(a, a**2).solution.sum(),
    ],
)  # fmt: skip
def test_programs_of_costs_without_anything_behind(f):
    """The cotangent is then the number 1, not an array."""
    A = parameter("A", SYMMETRIC @ SYMMETRIC / 20 + np.diag([1.0, 2.0, 3.0, 4.0]))
    loss = f(A)
    (expected,) = tc.autograd.grad(loss, A, retain_graph=True)
    _, grads = tc.source(loss).compile().forward_backward(A.detach().numpy())
    np.testing.assert_allclose(grads["dA"], expected.numpy(), rtol=1e-9, atol=1e-12)
