"""Samples of linear algebra (see `op_samples`): matrices far from singular, values far apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from op_samples import Call, Sample, call, distinct, floats


def regular(*shape: int, key: str = "") -> np.ndarray:
    """Return square matrices far from singular, without symmetry."""
    return 0.4 * floats(*shape, key=key) + np.diag(1.5 + 1.3 * np.arange(shape[-1]))


def positive(*shape: int) -> np.ndarray:
    """Return matrices whose symmetric part is positive definite, not symmetric themselves."""
    return regular(*shape) + 2 * np.eye(shape[-1])


def spread(*shape: int) -> np.ndarray:
    """Return matrices with singular values far apart."""
    u, _, vh = np.linalg.svd(floats(*shape), full_matrices=False)
    return (u * (1.0 + 0.8 * np.arange(u.shape[-1])[::-1])) @ vh


def singular(n: int) -> np.ndarray:
    """Return a matrix whose singular values are far apart, and the last is 0."""
    u, _, vh = np.linalg.svd(floats(n, n))
    return (u * np.arange(n)[::-1]) @ vh


def _eigenvectors(a: np.ndarray) -> np.ndarray:
    return np.linalg.eigh((a + a.mT) / 2)[1]


def _singular_vectors(a: np.ndarray) -> np.ndarray:
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, vh.mT], axis=-2)


OPS: dict[str, list[Sample]] = {
    "onto_diagonal": [
        Sample((floats(3), floats(3, 3)), {"subscripts": "i->ii"}),
        Sample((floats(3, 2), floats(3, 2, 3)), {"subscripts": "ij->iji"}),
        Sample((floats(), floats(2, 2)), {"subscripts": "->ii"}),
        Sample((floats(2, 3), floats(2, 3, 3, 4, 3)), {"subscripts": "bi->biici"}),
    ],
    "cross": [
        Sample((floats(3), floats(3, key="b"))),
        Sample((floats(2, 3), floats(3, key="b"))),
        Sample((floats(3, 2), floats(3, 2, key="b")), {"dim": -2}),
        Sample((floats(4, 3, 1), floats(3, 2, key="b")), {"dim": -2}),
        Sample((floats(0, 3), floats(1, 3))),
    ],
    "inverse": [
        Sample((regular(3, 3),)),
        Sample((regular(2, 2, 2),)),
        Sample((regular(1, 1),)),
        Sample((np.zeros((0, 2, 2)),)),
    ],
    "solve_matrix": [
        Sample((regular(3, 3), floats(3, 2))),
        Sample((regular(2, 2, 2), floats(2, 1))),
        Sample((regular(2, 2), floats(3, 2, 1))),
    ],
    "det": [
        Sample((regular(3, 3),)),
        Sample((regular(2, 2, 2),)),
        Sample((singular(3),)),
        Sample((regular(1, 1),)),
    ],
    "cofactor": [
        Sample((regular(3, 3),)),
        Sample((regular(2, 2, 2),)),
        Sample((regular(1, 1),)),
    ],
    "logabsdet": [Sample((regular(3, 3),)), Sample((regular(2, 2, 2)[:, ::-1],))],
    "logdet": [Sample((regular(3, 3),)), Sample((regular(2, 2, 2),))],
    "det_sign": [Sample((regular(3, 3),)), Sample((regular(2, 2, 2)[:, ::-1],))],
    "matrix_exp": [
        Sample((regular(3, 3),)),
        Sample((0.1 * floats(2, 2, 2),)),
        Sample((3 * floats(2, 2),)),
    ],
    "cholesky_factor": [Sample((positive(3, 3),)), Sample((positive(2, 2, 2),))],
    "orthonormal": [
        Sample((regular(3, 3),)),
        Sample((spread(4, 2),)),
        Sample((regular(2, 2, 2),)),
    ],
    "complement": [Sample((spread(4, 2),)), Sample((spread(2, 3, 1),))],
    "eigenvectors": [Sample((regular(3, 3),)), Sample((regular(2, 2, 2),))],
    "eigenvalues": [
        Sample((regular(3, 3), _eigenvectors(regular(3, 3)))),
        Sample((regular(2, 2, 2), _eigenvectors(regular(2, 2, 2)))),
    ],
    "singular_vectors": [
        Sample((spread(3, 3),)),
        Sample((spread(4, 2),)),
        Sample((spread(2, 2, 3),)),
    ],
    "singular_values": [
        Sample((spread(3, 3), _singular_vectors(spread(3, 3)))),
        Sample((spread(4, 2), _singular_vectors(spread(4, 2)))),
    ],
    "rank": [Sample((spread(3, 2),)), Sample((spread(3, 2),), {"tol": 1.5})],
    "pinverse": [
        Sample((spread(4, 2),)),
        Sample((spread(2, 3),)),
        Sample((regular(2, 2, 2),)),
        Sample((spread(3, 2),), {"rtol": 1e-3}),
    ],
}


def _eigh(a: np.ndarray, *uplo: Any) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.linalg.eigh((a + a.mT) / 2))


def _svd(a: np.ndarray, full_matrices: bool = True) -> tuple[np.ndarray, ...]:
    return tuple(np.linalg.svd(a, full_matrices=full_matrices))


def _qr(a: np.ndarray, *mode: Any) -> tuple[np.ndarray, ...]:
    q, r = np.linalg.qr(a, *mode)
    return q, r


def _matrix_exp(a: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eig(a)
    return ((vectors * np.exp(values)) @ np.linalg.inv(vectors)).real


def _solve_left(A: np.ndarray, B: np.ndarray, left: bool = True) -> np.ndarray:
    return B @ np.linalg.inv(A)


def _lstsq(A: np.ndarray, B: np.ndarray) -> tuple[Any, ...]:
    x, residuals, rank, values = np.linalg.lstsq(A, B)
    return x, residuals if A.shape[0] > A.shape[1] else np.zeros(0), np.int64(rank), values


SQUARE = regular(3, 3)
SYMMETRIC = (SQUARE + SQUARE.T) / 2

COMPOSED: dict[str, list[Call]] = {
    "mm": [call(np.matmul, floats(2, 3), floats(3, 2))],
    "mv": [call(np.matmul, floats(2, 3), floats(3))],
    "bmm": [call(np.matmul, floats(2, 2, 3), floats(2, 3, 1))],
    "addmv": [
        call(lambda x, a, v: x + a @ v, floats(2), floats(2, 3), floats(3)),
        call(
            lambda x, a, v, beta, alpha: beta * x + alpha * (a @ v),
            floats(1),
            floats(2, 3),
            floats(3),
            beta=0.5,
            alpha=2,
        ),
    ],
    "addr": [
        call(lambda x, a, b: x + np.outer(a, b), floats(2, 3), floats(2), floats(3)),
        call(
            lambda x, a, b, beta: beta * x + np.outer(a, b),
            floats(3),
            floats(2),
            floats(3),
            beta=2,
        ),
    ],
    "baddbmm": [
        call(lambda x, a, b: x + a @ b, floats(2, 2, 1), floats(2, 2, 3), floats(2, 3, 1)),
        call(
            lambda x, a, b, beta, alpha: beta * x + alpha * (a @ b),
            floats(2, 1),
            floats(2, 2, 3),
            floats(2, 3, 1),
            beta=3,
            alpha=0.5,
        ),
    ],
    "addbmm": [
        call(lambda x, a, b: x + np.sum(a @ b, 0), floats(2, 2), floats(4, 2, 3), floats(4, 3, 2)),
    ],
    "inner": [
        call(np.inner, floats(3), floats(3, key="b")),
        call(np.inner, floats(2, 3), floats(3)),
        call(np.inner, floats(2, 3), floats(4, 2, 3)),
        call(np.inner, floats(), floats(2, 3)),
    ],
    "linalg.vecdot": [
        call(lambda a, b: np.sum(a * b, -1), floats(2, 3), floats(3)),
        call(lambda a, b: np.sum(a * b, 0), floats(2, 3), floats(2, 3, key="b"), dim=0),
    ],
    "tensordot": [
        call(np.tensordot, floats(2, 3, 2), floats(3, 2, 2)),
        call(np.tensordot, floats(2, 3), floats(3, 4), 1),
        call(np.tensordot, floats(2), floats(3), 0),
        call(np.tensordot, floats(2, 3, 4), floats(4, 5, 2), ([0, -1], [2, 0])),
    ],
    "kron": [
        call(np.kron, floats(2, 3), floats(3, 2)),
        call(np.kron, floats(3), floats(2, 2)),
        call(np.kron, floats(2, 1, 2), floats(2)),
        call(np.kron, floats(), floats(2)),
    ],
    "cross": [
        call(np.cross, floats(3), floats(3, key="b")),
        call(lambda a, b: np.cross(a, b, axis=0), floats(3, 2), floats(3, 2, key="b")),
        call(lambda a, b: np.cross(a, b, axis=1), floats(3, 3), floats(3, 3, key="b"), dim=1),
    ],
    "linalg.cross": [
        call(np.cross, floats(3, 3), floats(3, key="b")),
        call(lambda a, b: np.cross(a, b, axis=0), floats(3, 2), floats(3, 2, key="b"), dim=0),
    ],
    "linalg.multi_dot": [
        call(np.linalg.multi_dot, [floats(2, 3), floats(3, 4), floats(4, 2)]),
        call(np.linalg.multi_dot, [floats(3), floats(3, 1), floats(1, 4), floats(4, 2)]),
        call(np.linalg.multi_dot, [floats(3), floats(3, 2), floats(2)]),
    ],
    "chain_matmul": [
        call(lambda *xs: xs[0] @ xs[1] @ xs[2], floats(2, 3), floats(3, 1), floats(1, 2))
    ],
    "vander": [
        call(np.vander, floats(3)),
        call(np.vander, floats(3), 2, True),
        call(np.vander, np.array([0.5, -1.5]), N=4),
    ],
    "linalg.vander": [
        call(lambda x: np.stack([x**0, x, x**2], -1), floats(2, 3)),
        call(lambda x, N: np.stack([x**0, x], -1), floats(3), N=2),
    ],
    "linalg.solve": [
        call(np.linalg.solve, regular(3, 3), floats(3)),
        call(np.linalg.solve, regular(3, 3), floats(3, 2)),
        call(lambda A, B: np.linalg.solve(A, B[..., None])[..., 0], regular(4, 2, 2), floats(4, 2)),
        call(np.linalg.solve, regular(4, 2, 2), floats(2, 3)),
        call(_solve_left, regular(3, 3), floats(2, 3), left=False),
        call(_solve_left, regular(3, 3), floats(3), left=False),
    ],
    "linalg.solve_triangular": [
        call(lambda A, B, upper: np.linalg.solve(np.tril(A), B), SQUARE, floats(3, 2), upper=False),
        call(
            lambda A, B, upper, unitriangular: np.linalg.solve(np.triu(A, 1) + np.eye(3), B),
            SQUARE,
            floats(3, 2),
            upper=True,
            unitriangular=True,
        ),
        call(
            lambda A, B, upper, left: B @ np.linalg.inv(np.triu(A)),
            SQUARE,
            floats(2, 3),
            upper=True,
            left=False,
        ),
    ],
    "triangular_solve": [
        call(lambda b, A: (np.linalg.solve(np.triu(A), b), A), floats(3, 1), SQUARE),
        call(
            lambda b, A, upper, transpose: (np.linalg.solve(np.tril(A).T, b), A),
            floats(3, 2),
            SQUARE,
            upper=False,
            transpose=True,
        ),
    ],
    "linalg.tensorsolve": [
        call(np.linalg.tensorsolve, regular(6, 6).reshape(2, 3, 3, 2), floats(2, 3)),
    ],
    "slogdet": [
        call(lambda a: tuple(np.linalg.slogdet(a)), SQUARE),
        call(lambda a: tuple(np.linalg.slogdet(a)), regular(2, 2, 2)[:, ::-1]),
    ],
    "matrix_power": [
        call(np.linalg.matrix_power, SQUARE, 3),
        call(np.linalg.matrix_power, regular(2, 2, 2), 6),
        call(np.linalg.matrix_power, SQUARE, -2),
        call(np.linalg.matrix_power, SQUARE, 1),
    ],
    "cholesky": [
        call(lambda a: np.linalg.cholesky((a + a.mT) / 2), positive(3, 3)),
        call(lambda a, upper: np.linalg.cholesky((a + a.mT) / 2).mT, positive(2, 2, 2), upper=True),
    ],
    "cholesky_solve": [
        call(
            lambda b, L: np.linalg.solve(np.tril(L) @ np.tril(L).T, b), floats(3, 2), positive(3, 3)
        ),
        call(
            lambda b, L, upper: np.linalg.solve(np.triu(L).T @ np.triu(L), b),
            floats(3, 2),
            positive(3, 3),
            upper=True,
        ),
    ],
    "cholesky_inverse": [call(lambda L: np.linalg.inv(np.tril(L) @ np.tril(L).T), positive(3, 3))],
    "linalg.qr": [
        call(_qr, regular(3, 3)),
        call(_qr, spread(4, 2)),
        call(_qr, spread(2, 4)),
        call(_qr, regular(2, 2, 2)),
    ],
    "qr": [call(_qr, spread(4, 2))],
    "linalg.eigh": [
        call(_eigh, regular(3, 3)),
        call(_eigh, regular(2, 2, 2)),
        call(lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)), SQUARE, UPLO="L"),
        call(lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)), SQUARE, "U"),
    ],
    "linalg.eigvalsh": [call(lambda a: np.linalg.eigvalsh((a + a.mT) / 2), regular(3, 3))],
    "linalg.svd": [
        call(_svd, spread(3, 3)),
        call(_svd, spread(4, 2), False),
        call(_svd, spread(2, 3), full_matrices=False),
        call(_svd, spread(2, 2, 2)),
    ],
    "svd": [
        call(lambda a: (lambda u, s, vh: (u, s, vh.T))(*_svd(a, False)), spread(4, 2)),
    ],
    "linalg.svdvals": [
        call(lambda a: np.linalg.svd(a, compute_uv=False), spread(3, 3)),
        call(lambda a: np.linalg.svd(a, compute_uv=False), spread(2, 2, 3)),
    ],
    "linalg.matrix_rank": [
        call(np.linalg.matrix_rank, spread(3, 2)),
        call(np.linalg.matrix_rank, np.stack([np.ones((2, 2)), np.eye(2)])),
    ],
    "linalg.lstsq": [
        call(_lstsq, spread(4, 2), floats(4, 3)),
        call(_lstsq, spread(2, 3), floats(2, 1)),
    ],
    "linalg.vector_norm": [
        call(lambda x: np.sqrt(np.sum(x * x)), floats(2, 3)),
        call(
            lambda x, ord, axis: np.linalg.norm(x, ord, axis),
            distinct(2, 3) + 0.07,
            ord=-np.inf,
            axis=1,
        ),
        call(lambda x, p, axis: np.linalg.norm(x, p, axis), distinct(2, 3) + 0.07, -2, 0),
        call(lambda x, ord: np.sum(np.abs(x) ** 1.5) ** (1 / 1.5), distinct(4) + 0.07, ord=1.5),
    ],
    "linalg.matrix_norm": [
        call(np.linalg.norm, spread(3, 2)),
        *[call(np.linalg.norm, spread(3, 2), p) for p in ("nuc", 2, -2, 1, -1, np.inf, -np.inf)],
        call(
            lambda x, p, keepdim: np.linalg.norm(x, p, (2, 0), True),
            spread(3, 2)[:, None],
            "nuc",
            dim=(2, 0),
            keepdim=True,
        ),
        call(lambda x, p: np.linalg.norm(x, p, (-1, 0)), spread(2, 3, 2), np.inf, dim=(-1, 0)),
    ],
    "linalg.norm": [
        call(np.linalg.norm, floats(2, 3)),
        call(lambda x, p: np.linalg.norm(x, p), spread(3, 2), "nuc"),
        call(lambda x, p: np.linalg.norm(x, p), floats(3), 3),
        call(lambda x, p: np.linalg.norm(x, p, axis=1), floats(2, 3), 3, dim=(1,)),
        call(lambda x: np.sqrt(np.sum(x * x)), floats(2, 2, 2)),
    ],
    "linalg.cond": [
        call(np.linalg.cond, SQUARE),
        call(np.linalg.cond, spread(3, 2)),
        call(np.linalg.cond, SQUARE, -2),
        call(np.linalg.cond, SQUARE, 1),
        call(np.linalg.cond, SQUARE, "fro"),
    ],
}
