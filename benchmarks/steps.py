"""The same training step, written for each library: forward, BCE cost, gradients, SGD update.

Every builder takes the layer sizes and one batch (rows are examples, float32) and the same starting
weights, and returns a function that makes one step and returns the loss. All layers are sigmoid
layers; the cost is the mean binary cross-entropy over all outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RATE = 0.01
Step = Callable[[], float]


def problem(sizes: tuple[int, ...], m: int, seed: int = 0) -> tuple[Any, Any, list[Any], list[Any]]:
    """Return X, Y and starting weights and biases, all float32."""
    rng = np.random.default_rng(seed)
    X = rng.random((m, sizes[0]), dtype=np.float32)
    Y = (rng.random((m, sizes[-1])) > 0.5).astype(np.float32)
    pairs = list(zip(sizes, sizes[1:], strict=False))
    W = [(rng.standard_normal(p) / np.sqrt(p[0])).astype(np.float32) for p in pairs]
    b = [np.zeros(n, np.float32) for _, n in pairs]
    return X, Y, W, b


def by_hand(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """NumPy as a good student writes it."""
    W, b = [w.copy() for w in W], [c.copy() for c in b]

    def step() -> float:
        A = [X]
        for w, c in zip(W, b, strict=True):
            A.append(1 / (1 + np.exp(-(A[-1] @ w + c))))
        a = A[-1]
        J = -np.mean(Y * np.log(a) + (1 - Y) * np.log(1 - a))
        dZ = (a - Y) / a.size
        for i in reversed(range(len(W))):
            dW = A[i].T @ dZ
            db = dZ.sum(axis=0)
            if i:
                dZ = dZ @ W[i].T * A[i] * (1 - A[i])
            W[i] -= RATE * dW
            b[i] -= RATE * db
        return float(J)

    return step


def ours(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """This package, as its documentation shows: nn, a loss, an optimizer."""
    import tinygrad_course as tc
    from tinygrad_course import nn, optim

    model = nn.Sequential(*[nn.Dense(*w.shape, activation="sigmoid") for w in W])
    for layer, w, c in zip(model, W, b, strict=True):
        layer.set_weights([w, c])
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    loss_of = nn.BCELoss()
    x, y = tc.tensor(X), tc.tensor(Y)

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def pytorch(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """PyTorch, eager."""
    import torch

    layers: list[Any] = []
    for w, c in zip(W, b, strict=True):
        linear = torch.nn.Linear(*w.shape)
        linear.weight.data = torch.tensor(w.T.copy())
        linear.bias.data = torch.tensor(c)
        layers += [linear, torch.nn.Sigmoid()]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    loss_of = torch.nn.BCELoss()
    x, y = torch.tensor(X), torch.tensor(Y)

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def jax_jit(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """JAX, the whole step compiled."""
    import jax
    import jax.numpy as jnp

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a = x
        for w, c in parameters:
            a = jax.nn.sigmoid(a @ w + c)
        return -jnp.mean(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))

    @jax.jit
    def update(parameters: Any, x: Any, y: Any) -> Any:
        J, g = jax.value_and_grad(cost)(parameters, x, y)
        return J, jax.tree.map(lambda p, d: p - RATE * d, parameters, g)

    state = [[(jnp.asarray(w), jnp.asarray(c)) for w, c in zip(W, b, strict=True)]]
    x, y = jnp.asarray(X), jnp.asarray(Y)

    def step() -> Any:
        J, state[0] = update(state[0], x, y)
        return J.block_until_ready()

    return step


def hips_autograd(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    def cost(parameters: Any) -> Any:
        a = X
        for w, c in parameters:
            a = 1 / (1 + anp.exp(-(anp.dot(a, w) + c)))
        return -anp.mean(Y * anp.log(a) + (1 - Y) * anp.log(1 - a))

    both = autograd.value_and_grad(cost)
    state = [[(w.copy(), c.copy()) for w, c in zip(W, b, strict=True)]]

    def step() -> float:
        J, g = both(state[0])
        state[0] = [
            (w - np.float32(RATE) * dw, c - np.float32(RATE) * dc)
            for (w, c), (dw, dc) in zip(state[0], g, strict=True)
        ]
        return float(J)

    return step


def my_grad(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """MyGrad."""
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid

    weights = [mg.tensor(w.copy()) for w in W]
    biases = [mg.tensor(c.copy()) for c in b]

    def step() -> float:
        a: Any = X
        for w, c in zip(weights, biases, strict=True):
            a = sigmoid(mg.matmul(a, w) + c)
        J = -mg.mean(Y * mg.log(a) + (1 - Y) * mg.log(1 - a))
        J.backward()
        for p in (*weights, *biases):
            p.data -= np.float32(RATE) * p.grad
            p.null_grad()
        return float(J)

    return step


LIBRARIES: dict[str, tuple[str, Callable[..., Step]]] = {
    "by hand": ("numpy", by_hand),
    "tinygrad_course": ("numpy", ours),
    "PyTorch": ("torch", pytorch),
    "JAX jit": ("jax", jax_jit),
    "autograd": ("autograd", hips_autograd),
    "MyGrad": ("mygrad", my_grad),
}

# (sizes, batch): what people learn with, then what hardware is good at.
SIZES: list[tuple[tuple[int, ...], int]] = [
    ((2, 3, 1), 32),
    ((2, 4, 1), 400),
    ((400, 25, 15, 1), 32),
    ((400, 25, 15, 1), 1000),
    ((12288, 20, 7, 5, 1), 209),
    ((784, 512, 256, 10), 128),
]
