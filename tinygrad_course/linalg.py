"""Linear algebra under the names of ``torch.linalg``.

Everything works on one matrix or on stacks of them, over the last two axes, and differentiates to
any order. The definitions, with their rules and sources, are in `ops`.

Example:
    >>> import tinygrad_course as tc
    >>> A = tc.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    >>> tc.linalg.solve(A, tc.tensor([3.0, 5.0])).sum().backward()
    >>> A.grad.round(decimals=2)
    tensor([[-0.32, -0.56],
            [-0.16, -0.28]])
"""

from __future__ import annotations

from .errors import LinAlgError
from .ops.decomposition import cholesky, eigh, eigvalsh, svdvals
from .ops.decomposition import linalg_qr as qr
from .ops.decomposition import linalg_svd as svd
from .ops.determinant import det, slogdet
from .ops.inverse import (
    inverse,
    matrix_exp,
    matrix_power,
    solve,
    solve_triangular,
    tensorsolve,
)
from .ops.least_squares import lstsq, matrix_rank
from .ops.least_squares import pinverse as pinv
from .ops.linalg import linalg_cross as cross
from .ops.linalg import linalg_vander as vander
from .ops.linalg import matmul, multi_dot, vecdot
from .ops.norms import cond, matrix_norm, vector_norm
from .ops.norms import linalg_norm as norm

inv = inverse

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]
