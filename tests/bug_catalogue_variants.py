"""Right backpropagation in other words: equal code, other conventions, other ways to hand it in."""

from __future__ import annotations

import numpy as np

import tinygrad_course as tc

# --- one expression written differently -----------------------------------------------------------

EDITS = {
    "linear regression, rows": [
        ("dw", "np.mean(err[:, None] * X, axis=0)"),
        ("dw", "sum(err[i] * X[i] for i in range(m)) / m"),
        ("db", "np.mean(err)"),
        ("db", "np.mean(X @ w + b) - np.mean(y)"),
    ],
    "logistic regression, columns": [
        ("A", "0.5 * (1 + np.tanh((np.dot(w.T, X) + b) / 2))"),
        ("dw", "np.dot(X, (A - Y).T) / m"),
        ("dw", "-np.dot(X, (Y - A).T) / m"),
        ("dw", "np.sum(X * dZ, axis=1, keepdims=True) / m"),
        ("dw", "np.mean(X * dZ, axis=1, keepdims=True)"),
        ("dw", "(np.dot(dZ, X.T) / m).T"),
        ("db", "np.mean(dZ)"),
        ("db", "np.sum(dZ, axis=1, keepdims=True) / m"),
        ("db", "np.sum(dZ, axis=1) / m"),
        ("dZ", "-(Y - A)"),
        ("dZ", "A * (1 - Y) - Y * (1 - A)"),
        ("dZ", "(-Y / A + (1 - Y) / (1 - A)) * A * (1 - A)"),
    ],
    "regularized logistic regression, rows": [
        ("dw", "(X.T @ dz + lambd * w) / m"),
        ("dw", "np.mean(dz[:, None] * X, axis=0) + w * lambd / m"),
        ("db", "dz.sum() / m"),
    ],
    "shallow network, tanh and sigmoid, columns": [
        ("A1", "(np.exp(Z1) - np.exp(-Z1)) / (np.exp(Z1) + np.exp(-Z1))"),
        ("A1", "2 * sigmoid(2 * Z1) - 1"),
        ("dZ2", "(-Y / A2 + (1 - Y) / (1 - A2)) * A2 * (1 - A2)"),
        ("dW2", "(1 / m) * np.dot(dZ2, A1.T)"),
        ("dW2", "np.dot(dZ2 / m, A1.T)"),
        ("dW2", "np.sum(dZ2 * A1, axis=1, keepdims=True).T / m"),
        ("dW2", "np.einsum('im,jm->ij', dZ2, A1) / m"),
        ("db2", "np.sum(dZ2) / m"),
        ("db2", "np.mean(dZ2, axis=1, keepdims=True)"),
        ("db2", "np.dot(dZ2, np.ones((m, 1))) / m"),
        ("dZ1", "np.dot(W2.T, dZ2) / np.cosh(Z1) ** 2"),
        ("dZ1", "W2.T * dZ2 * (1 - A1 * A1)"),
        ("dZ1", "np.dot(W2.T, dZ2) * (1 - A1) * (1 + A1)"),
        ("dZ1", "np.dot(W2.T, dZ2) * (1 - np.tanh(Z1) ** 2)"),
        ("dZ1", "np.dot(W2.T, dZ2) - np.dot(W2.T, dZ2) * A1**2"),
        ("dZ1", "np.multiply(W2.T @ (A2 - Y), 1 - np.square(A1))"),
        ("dW1", "sum(dZ1[:, [i]] @ X[:, [i]].T for i in range(m)) / m"),
        ("db1", "np.sum(dZ1, axis=1).reshape(-1, 1) / m"),
        ("db1", "np.average(dZ1, axis=1)[:, None]"),
    ],
    "2-3-1, sigmoid, rows": [
        ("dZ1", "dA1 * sigmoid(Z1) * (1 - sigmoid(Z1))"),
        ("dZ1", "dA1 * (A1 - A1**2)"),
        ("dZ1", "dA1 * sigmoidPrime(Z1)"),
        ("dA1", "dZ2 * W2.T"),
        ("dA1", "(W2 @ dZ2.T).T"),
        ("dW1", "(dZ1.T @ X).T"),
        ("db1", "np.ones(m) @ dZ1"),
        ("db1", "np.sum(dZ1, axis=0, keepdims=True)"),
    ],
    "2-3-1 without biases, half the sum of squares, rows": [
        ("delta3", "(yHat - Y) * yHat * (1 - yHat)"),
        ("delta2", "np.dot(delta3, W2.T) * a2 * (1 - a2)"),
        ("dJdW1", "(delta2.T @ X).T"),
    ],
    "regression, relu, half the mean square, columns": [
        ("A1", "Z1 * (Z1 > 0)"),
        ("A1", "(Z1 + np.abs(Z1)) / 2"),
        ("dZ1", "dA1 * (A1 > 0)"),
        ("dZ1", "np.where(Z1 > 0, dA1, 0)"),
        ("dZ1", "dA1 * np.sign(A1)"),
        ("dZ1", "dA1 * np.heaviside(Z1, 0)"),
        ("dW1", "(X @ dZ1.T).T / m"),
        ("db1", "dZ1.mean(axis=1, keepdims=True)"),
    ],
    "regression, tanh, mean square, rows": [
        ("dZ2", "-2 * (Y - Z2)"),
        ("dZ2", "2 * Z2 - 2 * Y"),
        ("db2", "dZ2.mean()"),
        ("dZ1", "dA1 / np.cosh(Z1) ** 2"),
        ("db1", "dZ1.mean(axis=0)"),
        ("db1", "dZ1.sum(axis=0).reshape(1, -1) / m"),
    ],
    "leaky relu, rows": [
        ("A1", "np.maximum(0.01 * Z1, Z1)"),
        ("dZ1", "np.where(A1 > 0, dA1, 0.01 * dA1)"),
        ("dZ1", "dA1 * (0.99 * (Z1 > 0) + 0.01)"),
    ],
    "softmax classifier on class numbers, relu, rows": [
        ("P", "np.exp(Z2) / np.exp(Z2).sum(axis=1, keepdims=True)"),
        ("dZ2", "P - (Y[:, None] == np.arange(P.shape[1]))"),
        ("dZ2", "np.array([[P[i, j] - (Y[i] == j) for j in range(3)] for i in range(m)])"),
        ("dZ1", "dA1 * (Z1 > 0)"),
    ],
    "softmax classifier on one-hot labels, tanh, columns": [
        ("dZ2", "A2 * Y.sum(axis=0) - Y"),
        ("A2", "np.exp(Z2) / np.sum(np.exp(Z2), axis=0)"),
        ("dZ1", "dA1 / np.cosh(Z1) ** 2"),
    ],
    "gradient checking lab, 4-5-3-1, relu, columns": [
        ("dZ2", "np.multiply(dA2, np.int64(Z2 > 0))"),
        ("dZ2", "np.where(A2 == 0, 0, dA2)"),
        ("dZ1", "dA1 * (Z1 >= 0)"),
        ("dW1", "np.dot(dZ1, X.T) / X.shape[1]"),
    ],
    "deep network with the chain through dA, columns": [
        ("dA3", "-Y / A3 + (1 - Y) / (1 - A3)"),
        ("dA3", "(A3 - Y) / (A3 * (1 - A3))"),
        ("dZ3", "A3 - Y"),
        ("dZ3", "dA3 * (1 / (1 + np.exp(-Z3))) * (1 - 1 / (1 + np.exp(-Z3)))"),
        ("dZ1", "np.array(dA1) * (Z1 > 0)"),
    ],
    "regularization lab, 2-5-3-1, columns": [
        ("dW3", "(np.dot(dZ3, A2.T) + lambd * W3) / m"),
        ("dW1", "1. / m * (np.dot(dZ1, X.T) + lambd * W1)"),
        ("dZ1", "np.multiply(dA1, np.int64(Z1 > 0))"),
    ],
    "dropout lab with fixed masks, 2-5-4-1, columns": [
        ("dZ2", "np.multiply(dA2, np.int64(A2 > 0))"),
        ("dA1", "np.where(D1 == 1, np.dot(W2.T, dZ2) / keep_prob, 0)"),
    ],
}

# --- whole programs changed -----------------------------------------------------------------------


def true_derivatives(source):
    """Divide by m at the start of the backward pass instead of at the end of each gradient."""
    lines = []
    started = False
    for line in source.splitlines():
        name, _, right = line.partition(" = ")
        if name.startswith(("dW", "db")):
            right = f"({right}) * m"
        elif not started and name.startswith(("dZ", "dA")):
            right = f"({right}) / m"
            started = True
        lines.append(f"{name} = {right}")
    return "\n".join(lines) + "\n"


def scaled_late(source):
    """Leave a constant 2 out of dZ and put it into every gradient."""
    return source.replace("dZ2 = 2 * (Z2 - Y)", "dZ2 = Z2 - Y").replace("/ m\nd", "/ m * 2\nd")


def last_line_too(source):
    return scaled_late(source).rstrip() + " * 2\n"


COLUMNS = (
    "shallow network, tanh and sigmoid, columns",
    "gradient checking lab, 4-5-3-1, relu, columns",
    "deep network with the chain through dA, columns",
    "regression, relu, half the mean square, columns",
    "softmax classifier on one-hot labels, tanh, columns",
    "dropout lab with fixed masks, 2-5-4-1, columns",
    "digits, 64-25-15-1, sigmoid, rows",
    "leaky relu, rows",
)
TEXTS = {name: [("true derivatives for dZ and dA", true_derivatives)] for name in COLUMNS}
TEXTS["regression, tanh, mean square, rows"] = [("the 2 in the gradients", last_line_too)]


# --- the same numbers handed in otherwise ---------------------------------------------------------


def float32(program, inputs, results):
    small = {
        name: np.asarray(v, np.float32) if np.asarray(v).dtype.kind == "f" else v
        for name, v in inputs.items()
    }
    computed = program.run(small)
    return {name: np.asarray(computed[name], np.float32) for name in results}


def extra_keys(program, inputs, results):
    return {**results, "learning_rate": 0.01, "note": "mine", "vdW1": np.zeros((2, 2))}


def with_parameters(program, inputs, results):
    return {**results, **inputs}


def lists(program, inputs, results):
    return {name: np.asarray(v).tolist() for name, v in results.items()}


def fortran(program, inputs, results):
    return {name: np.asfortranarray(v) for name, v in results.items()}


def strided(program, inputs, results):
    return {name: np.repeat(np.asarray(v), 2, axis=0)[::2] if np.ndim(v) else v
            for name, v in results.items()}  # fmt: skip


def tensors(program, inputs, results):
    return {name: tc.tensor(np.asarray(v)) for name, v in results.items()}


def backwards(program, inputs, results):
    return dict(reversed(results.items()))


def renamed(pattern):
    """Return a form in which the gradients have other names: `pattern` of what they are of."""

    def hand_in(program, inputs, results):
        made = {pattern(of): results[name] for name, of in program.gradients.items()}
        rest = {k: v for k, v in results.items() if k not in program.gradients}
        return {**made, **rest}

    return hand_in


def bracketed(of):
    return f"d{of[0]}[{of[1:]}]" if of[1:] else f"d{of}"


def underscored(of):
    return f"d{of[0]}_{of[1:]}" if of[1:] else f"d{of}"


FORMS = [
    ("computed in float32", float32),
    ("with other entries", extra_keys),
    ("with the parameters", with_parameters),
    ("lists", lists),
    ("Fortran order", fortran),
    ("strided views", strided),
    ("tensors", tensors),
    ("in another order", backwards),
    ("dW[1]", renamed(bracketed)),
    ("dW_1", renamed(underscored)),
    ("W1", renamed("{}".format)),
    ("grads_W1", renamed("grads_{}".format)),
    ("grad_W1", renamed("grad_{}".format)),
    ("W1_grad", renamed("{}_grad".format)),
    ("dJ_dW1", renamed("dJ_d{}".format)),
    ("dJdW1", renamed("dJd{}".format)),
]

VARIANTS = {"edits": EDITS, "texts": TEXTS, "forms": FORMS}
