"""Correct NumPy programs, written by hand as students write them: forward, cost and backward.

Each is a text that runs with its inputs as variables. They are the base of the catalogue of bugs
(`bug_catalogue`) and know nothing of the derived backward pass: `model` computes the same cost in
tensors, and a test holds the gradients written here against central differences of the cost
written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from bug_catalogue_models import (
    KEEP,
    LAMBDA,
    Arrays,
    draw_dropout,
    draw_logistic,
    draw_vectors,
    drawn,
    model_dropout,
    model_half_mse,
    model_l2,
    model_leaky,
    model_linear,
    model_logistic,
    model_regularized_logistic,
    model_softmax_columns,
    model_welch,
    network,
)

import tinygrad_course as tc
from tinygrad_course import nn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoidPrime(z):
    return np.exp(-z) / (1 + np.exp(-z)) ** 2


def relu(z):
    return np.maximum(0, z)


def softmax(z, axis):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


TOOLS = {
    "np": np,
    "sigmoid": sigmoid,
    "sigmoidPrime": sigmoidPrime,
    "relu": relu,
    "softmax": softmax,
}


@dataclass(frozen=True)
class Program:
    """A correct program.

    Attributes:
        source: its statements, one per line, each `name = expression`.
        draw: draws the inputs, given a generator and m.
        model: computes the same cost in tensors, given the inputs.
        gradients: names of its gradients, and of what they are gradients of.
        backward: names of the other values of its backward pass.
        sizes: how many examples the catalogue tries.
        constants: numbers that its text uses, such as λ.
    """

    name: str
    source: str
    draw: Callable[[np.random.Generator, int], Arrays]
    model: Callable[[Arrays], tc.Tensor]
    gradients: dict[str, str]
    backward: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (7, 9)
    constants: Arrays = field(default_factory=dict)

    def inputs(self, seed: int, m: int) -> Arrays:
        return self.draw(np.random.default_rng(seed), m)

    def run(self, inputs: Arrays, source: str | None = None) -> Arrays:
        """Run the program, or an edited text of it, and return what it computed."""
        known = {**TOOLS, **self.constants, **inputs}
        space = dict(known)
        exec(self.source if source is None else source, space)
        return {k: v for k, v in space.items() if k != "__builtins__" and known.get(k) is not v}

    def edited(self, target: str, expression: str) -> str:
        """Return the text with another expression for `target`."""
        start = f"{target} = "
        lines = self.source.splitlines()
        found = [i for i, line in enumerate(lines) if line.startswith(start)]
        assert len(found) == 1, (self.name, target)
        assert lines[found[0]] != start + expression, (self.name, target, expression)
        lines[found[0]] = start + expression
        return "\n".join(lines) + "\n"

    def expression(self, target: str) -> str:
        """Return the expression that `target` is computed by."""
        start = f"{target} = "
        return next(x for x in self.source.splitlines() if x.startswith(start))[len(start) :]


DEEP = {f"d{kind}{layer}": f"{kind}{layer}" for layer in (3, 2, 1) for kind in "Wb"}
TWO = {name: of for name, of in DEEP.items() if of[1] != "3"}

# --- the programs, from simple to complex ---------------------------------------------------------

LINEAR = Program(
    name="linear regression, rows",
    source="""\
m = X.shape[0]
f = X @ w + b
err = f - y
cost = np.sum(err**2) / (2 * m)
dw = X.T @ err / m
db = np.sum(err) / m
""",
    draw=draw_vectors("real"),
    model=model_linear,
    gradients={"dw": "w", "db": "b"},
)

LOGISTIC = Program(
    name="logistic regression, columns",
    source="""\
m = X.shape[1]
A = sigmoid(np.dot(w.T, X) + b)
cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
dZ = A - Y
dw = 1 / m * np.dot(X, dZ.T)
db = 1 / m * np.sum(dZ)
""",
    draw=draw_logistic,
    model=model_logistic,
    gradients={"dw": "w", "db": "b"},
    backward=("dZ",),
)

REGULARIZED = Program(
    name="regularized logistic regression, rows",
    source="""\
m = X.shape[0]
a = sigmoid(X @ w + b)
cost = -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)) + lambd / (2 * m) * np.sum(w**2)
dz = a - y
dw = X.T @ dz / m + lambd / m * w
db = np.mean(dz)
""",
    draw=draw_vectors("binary"),
    model=model_regularized_logistic,
    gradients={"dw": "w", "db": "b"},
    backward=("dz",),
    constants={"lambd": LAMBDA},
)

SHALLOW = Program(
    name="shallow network, tanh and sigmoid, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = np.tanh(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = sigmoid(Z2)
cost = -np.sum(np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)) / m
dZ2 = A2 - Y
dW2 = np.dot(dZ2, A1.T) / m
db2 = np.sum(dZ2, axis=1, keepdims=True) / m
dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
dW1 = np.dot(dZ1, X.T) / m
db1 = np.sum(dZ1, axis=1, keepdims=True) / m
""",
    draw=drawn((2, 4, 1), "columns", "binary"),
    model=network("tanh", "sigmoid", layout="columns", loss=nn.BCELoss()),
    gradients=TWO,
    backward=("dZ2", "dZ1"),
)

COFFEE = Program(
    name="2-3-1, sigmoid, rows",
    source="""\
m = len(X)
Z1 = X @ W1 + b1
A1 = sigmoid(Z1)
Z2 = A1 @ W2 + b2
A2 = sigmoid(Z2)
cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
dZ2 = (A2 - Y) / m
dW2 = A1.T @ dZ2
db2 = np.sum(dZ2, axis=0)
dA1 = dZ2 @ W2.T
dZ1 = dA1 * A1 * (1 - A1)
dW1 = X.T @ dZ1
db1 = np.sum(dZ1, axis=0)
""",
    draw=drawn((2, 3, 1), "rows", "binary"),
    model=network("sigmoid", "sigmoid", layout="rows", loss=nn.BCELoss()),
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
)

WELCH = Program(
    name="2-3-1 without biases, half the sum of squares, rows",
    source="""\
z2 = np.dot(X, W1)
a2 = sigmoid(z2)
z3 = np.dot(a2, W2)
yHat = sigmoid(z3)
J = 0.5 * np.sum((Y - yHat) ** 2)
delta3 = np.multiply(-(Y - yHat), sigmoidPrime(z3))
dJdW2 = np.dot(a2.T, delta3)
delta2 = np.dot(delta3, W2.T) * sigmoidPrime(z2)
dJdW1 = np.dot(X.T, delta2)
""",
    draw=drawn((2, 3, 1), "rows", "real", biases=False),
    model=model_welch,
    gradients={"dJdW2": "W2", "dJdW1": "W1"},
    backward=("delta3", "delta2"),
    sizes=(5, 6),
)

HALF_MSE = Program(
    name="regression, relu, half the mean square, columns",
    source="""\
m = X.shape[1]
Z1 = W1 @ X + b1
A1 = relu(Z1)
Z2 = W2 @ A1 + b2
cost = np.sum((Z2 - Y) ** 2) / (2 * m)
dZ2 = Z2 - Y
dW2 = 1 / m * dZ2 @ A1.T
db2 = 1 / m * dZ2.sum(axis=1, keepdims=True)
dA1 = W2.T @ dZ2
dZ1 = dA1 * (Z1 > 0)
dW1 = 1 / m * dZ1 @ X.T
db1 = 1 / m * dZ1.sum(axis=1, keepdims=True)
""",
    draw=drawn((3, 5, 2), "columns", "real"),
    model=model_half_mse,
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
)

MSE = Program(
    name="regression, tanh, mean square, rows",
    source="""\
m = X.shape[0]
Z1 = X @ W1 + b1
A1 = np.tanh(Z1)
Z2 = A1 @ W2 + b2
cost = np.mean((Z2 - Y) ** 2)
dZ2 = 2 * (Z2 - Y)
dW2 = A1.T @ dZ2 / m
db2 = dZ2.sum(axis=0) / m
dA1 = dZ2 @ W2.T
dZ1 = dA1 * (1 - A1**2)
dW1 = X.T @ dZ1 / m
db1 = dZ1.sum(axis=0) / m
""",
    draw=drawn((3, 4, 1), "rows", "real"),
    model=network("tanh", None, layout="rows", loss=nn.MSELoss()),
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
)

LEAKY = Program(
    name="leaky relu, rows",
    source="""\
m = X.shape[0]
Z1 = X @ W1 + b1
A1 = np.where(Z1 > 0, Z1, 0.01 * Z1)
Z2 = A1 @ W2 + b2
A2 = sigmoid(Z2)
cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
dZ2 = A2 - Y
dW2 = A1.T @ dZ2 / m
db2 = np.sum(dZ2, axis=0) / m
dA1 = dZ2 @ W2.T
dZ1 = dA1 * np.where(Z1 > 0, 1, 0.01)
dW1 = X.T @ dZ1 / m
db1 = np.sum(dZ1, axis=0) / m
""",
    draw=drawn((3, 5, 1), "rows", "binary"),
    model=model_leaky,
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
)

SOFTMAX_ROWS = Program(
    name="softmax classifier on class numbers, relu, rows",
    source="""\
m = X.shape[0]
Z1 = X @ W1 + b1
A1 = relu(Z1)
Z2 = A1 @ W2 + b2
P = softmax(Z2, axis=1)
cost = -np.mean(np.log(P[np.arange(m), Y]))
dZ2 = P - np.eye(P.shape[1])[Y]
dW2 = A1.T @ dZ2 / m
db2 = dZ2.sum(axis=0) / m
dA1 = dZ2 @ W2.T
dZ1 = dA1 * (A1 > 0)
dW1 = X.T @ dZ1 / m
db1 = dZ1.sum(axis=0) / m
""",
    draw=drawn((4, 6, 3), "rows", "classes"),
    model=network("relu", None, layout="rows", loss=nn.CrossEntropyLoss()),
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
    sizes=(8, 11),
)

SOFTMAX_COLUMNS = Program(
    name="softmax classifier on one-hot labels, tanh, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = np.tanh(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = softmax(Z2, axis=0)
cost = -np.sum(Y * np.log(A2)) / m
dZ2 = A2 - Y
dW2 = np.dot(dZ2, A1.T) / m
db2 = np.sum(dZ2, axis=1, keepdims=True) / m
dA1 = np.dot(W2.T, dZ2)
dZ1 = dA1 * (1 - A1**2)
dW1 = np.dot(dZ1, X.T) / m
db1 = np.sum(dZ1, axis=1, keepdims=True) / m
""",
    draw=drawn((3, 5, 4), "columns", "one-hot"),
    model=model_softmax_columns,
    gradients=TWO,
    backward=("dZ2", "dA1", "dZ1"),
    sizes=(8, 10),
)

CHECKING_LAB = Program(
    name="gradient checking lab, 4-5-3-1, relu, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = relu(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = relu(Z2)
Z3 = np.dot(W3, A2) + b3
A3 = sigmoid(Z3)
cost = 1. / m * np.sum(-np.log(A3) * Y - np.log(1 - A3) * (1 - Y))
dZ3 = A3 - Y
dW3 = 1. / m * np.dot(dZ3, A2.T)
db3 = 1. / m * np.sum(dZ3, axis=1, keepdims=True)
dA2 = np.dot(W3.T, dZ3)
dZ2 = np.multiply(dA2, np.int64(A2 > 0))
dW2 = 1. / m * np.dot(dZ2, A1.T)
db2 = 1. / m * np.sum(dZ2, axis=1, keepdims=True)
dA1 = np.dot(W2.T, dZ2)
dZ1 = np.multiply(dA1, np.int64(A1 > 0))
dW1 = 1. / m * np.dot(dZ1, X.T)
db1 = 1. / m * np.sum(dZ1, axis=1, keepdims=True)
""",
    draw=drawn((4, 5, 3, 1), "columns", "binary"),
    model=network("relu", "relu", "sigmoid", layout="columns", loss=nn.BCELoss()),
    gradients=DEEP,
    backward=("dZ3", "dA2", "dZ2", "dA1", "dZ1"),
    sizes=(8, 11),
)

CHAIN = Program(
    name="deep network with the chain through dA, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = relu(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = np.tanh(Z2)
Z3 = np.dot(W3, A2) + b3
A3 = sigmoid(Z3)
cost = -np.sum(np.multiply(Y, np.log(A3)) + np.multiply(1 - Y, np.log(1 - A3))) / m
dA3 = -(np.divide(Y, A3) - np.divide(1 - Y, 1 - A3))
dZ3 = dA3 * A3 * (1 - A3)
dW3 = np.dot(dZ3, A2.T) / m
db3 = np.sum(dZ3, axis=1, keepdims=True) / m
dA2 = np.dot(W3.T, dZ3)
dZ2 = dA2 * (1 - A2**2)
dW2 = np.dot(dZ2, A1.T) / m
db2 = np.sum(dZ2, axis=1, keepdims=True) / m
dA1 = np.dot(W2.T, dZ2)
dZ1 = np.where(Z1 <= 0, 0, dA1)
dW1 = np.dot(dZ1, X.T) / m
db1 = np.sum(dZ1, axis=1, keepdims=True) / m
""",
    draw=drawn((5, 4, 3, 1), "columns", "binary"),
    model=network("relu", "tanh", "sigmoid", layout="columns", loss=nn.BCELoss()),
    gradients=DEEP,
    backward=("dA3", "dZ3", "dA2", "dZ2", "dA1", "dZ1"),
    sizes=(6, 9),
)

SQUARE = Program(
    name="layers of equal width, tanh and sigmoid, columns",
    source="""\
m = X.shape[1]
Z1 = W1 @ X + b1
A1 = np.tanh(Z1)
Z2 = W2 @ A1 + b2
A2 = np.tanh(Z2)
Z3 = W3 @ A2 + b3
A3 = sigmoid(Z3)
cost = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m / 3
dZ3 = (A3 - Y) / 3
dW3 = dZ3 @ A2.T / m
db3 = np.sum(dZ3, axis=1, keepdims=True) / m
dA2 = W3.T @ dZ3
dZ2 = dA2 * (1 - A2**2)
dW2 = dZ2 @ A1.T / m
db2 = np.sum(dZ2, axis=1, keepdims=True) / m
dA1 = W2.T @ dZ2
dZ1 = dA1 * (1 - A1**2)
dW1 = dZ1 @ X.T / m
db1 = np.sum(dZ1, axis=1, keepdims=True) / m
""",
    draw=drawn((3, 3, 3, 3), "columns", "binary"),
    model=network("tanh", "tanh", "sigmoid", layout="columns", loss=nn.BCELoss()),
    gradients=DEEP,
    backward=("dZ3", "dA2", "dZ2", "dA1", "dZ1"),
)

# Here every product of matrices is also possible elementwise, and every transpose fits.
SQUARE_DATA = replace(
    SQUARE, name="as many examples as units, tanh and sigmoid, columns", sizes=(3,)
)

L2 = Program(
    name="regularization lab, 2-5-3-1, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = relu(Z1)
Z2 = np.dot(W2, A1) + b2
A2 = relu(Z2)
Z3 = np.dot(W3, A2) + b3
A3 = sigmoid(Z3)
squares = np.sum(np.square(W1)) + np.sum(np.square(W2)) + np.sum(np.square(W3))
entropy = np.sum(np.multiply(-np.log(A3), Y) + np.multiply(-np.log(1 - A3), 1 - Y)) / m
cost = entropy + lambd / (2 * m) * squares
dZ3 = A3 - Y
dW3 = 1. / m * np.dot(dZ3, A2.T) + lambd / m * W3
db3 = 1. / m * np.sum(dZ3, axis=1, keepdims=True)
dA2 = np.dot(W3.T, dZ3)
dZ2 = np.multiply(dA2, np.int64(A2 > 0))
dW2 = 1. / m * np.dot(dZ2, A1.T) + lambd / m * W2
db2 = 1. / m * np.sum(dZ2, axis=1, keepdims=True)
dA1 = np.dot(W2.T, dZ2)
dZ1 = np.multiply(dA1, np.int64(A1 > 0))
dW1 = 1. / m * np.dot(dZ1, X.T) + lambd / m * W1
db1 = 1. / m * np.sum(dZ1, axis=1, keepdims=True)
""",
    draw=drawn((2, 5, 3, 1), "columns", "binary"),
    model=model_l2,
    gradients=DEEP,
    backward=("dZ3", "dA2", "dZ2", "dA1", "dZ1"),
    sizes=(9, 6),
    constants={"lambd": LAMBDA},
)

DROPOUT = Program(
    name="dropout lab with fixed masks, 2-5-4-1, columns",
    source="""\
m = X.shape[1]
Z1 = np.dot(W1, X) + b1
A1 = relu(Z1) * D1 / keep_prob
Z2 = np.dot(W2, A1) + b2
A2 = relu(Z2) * D2 / keep_prob
Z3 = np.dot(W3, A2) + b3
A3 = sigmoid(Z3)
cost = 1. / m * np.sum(-np.log(A3) * Y - np.log(1 - A3) * (1 - Y))
dZ3 = A3 - Y
dW3 = 1. / m * np.dot(dZ3, A2.T)
db3 = 1. / m * np.sum(dZ3, axis=1, keepdims=True)
dA2 = np.dot(W3.T, dZ3) * D2 / keep_prob
dZ2 = np.multiply(dA2, np.int64(Z2 > 0))
dW2 = 1. / m * np.dot(dZ2, A1.T)
db2 = 1. / m * np.sum(dZ2, axis=1, keepdims=True)
dA1 = np.dot(W2.T, dZ2) * D1 / keep_prob
dZ1 = np.multiply(dA1, np.int64(Z1 > 0))
dW1 = 1. / m * np.dot(dZ1, X.T)
db1 = 1. / m * np.sum(dZ1, axis=1, keepdims=True)
""",
    draw=draw_dropout,
    model=model_dropout,
    gradients=DEEP,
    backward=("dZ3", "dA2", "dZ2", "dA1", "dZ1"),
    sizes=(8, 12),
    constants={"keep_prob": KEEP},
)

DIGITS = Program(
    name="digits, 64-25-15-1, sigmoid, rows",
    source="""\
m = X.shape[0]
Z1 = X @ W1 + b1
A1 = sigmoid(Z1)
Z2 = A1 @ W2 + b2
A2 = sigmoid(Z2)
Z3 = A2 @ W3 + b3
A3 = sigmoid(Z3)
cost = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
dZ3 = A3 - Y
dW3 = A2.T @ dZ3 / m
db3 = np.sum(dZ3, axis=0) / m
dA2 = dZ3 @ W3.T
dZ2 = dA2 * A2 * (1 - A2)
dW2 = A1.T @ dZ2 / m
db2 = np.sum(dZ2, axis=0) / m
dA1 = dZ2 @ W2.T
dZ1 = dA1 * A1 * (1 - A1)
dW1 = X.T @ dZ1 / m
db1 = np.sum(dZ1, axis=0) / m
""",
    draw=drawn((64, 25, 15, 1), "rows", "binary"),
    model=network("sigmoid", "sigmoid", "sigmoid", layout="rows", loss=nn.BCELoss()),
    gradients=DEEP,
    backward=("dZ3", "dA2", "dZ2", "dA1", "dZ1"),
    sizes=(12,),
)

PROGRAMS = (
    LINEAR,
    LOGISTIC,
    REGULARIZED,
    SHALLOW,
    COFFEE,
    WELCH,
    HALF_MSE,
    MSE,
    LEAKY,
    SOFTMAX_ROWS,
    SOFTMAX_COLUMNS,
    CHECKING_LAB,
    CHAIN,
    SQUARE,
    SQUARE_DATA,
    L2,
    DROPOUT,
    DIGITS,
)
