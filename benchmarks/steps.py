"""The same training step, written for each library: forward, BCE cost, gradients, SGD update.

Every builder takes the layer sizes and one batch (rows are examples, float32) and the same starting
weights, and returns a function that makes one step and returns the loss. All layers are sigmoid
layers; the cost is the mean binary cross-entropy over all outputs.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

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


def training(W: list[Any], b: list[Any]) -> Callable[[Any, Any], Any]:
    """Return this package's step, as its documentation shows: nn, a loss, an optimizer."""
    from tinygrad_course import nn, optim

    model = nn.Sequential(*[nn.Dense(*w.shape, activation="sigmoid") for w in W])
    for layer, w, c in zip(model, W, b, strict=True):
        layer.set_weights([w, c])
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    loss_of = nn.BCELoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def ours(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """This package, operation by operation."""
    import tinygrad_course as tc

    return functools.partial(training(W, b), tc.tensor(X), tc.tensor(Y))


def compiled(X: Any, Y: Any, W: list[Any], b: list[Any], *, backend: str) -> Step:
    """This package, the same step compiled."""
    import tinygrad_course as tc
    from tinygrad_course.compiling import compile

    step = compile(training(W, b), backend=backend)
    return functools.partial(step, tc.tensor(X), tc.tensor(Y))


def pytorch(X: Any, Y: Any, W: list[Any], b: list[Any], *, fused: bool = False) -> Step:
    """PyTorch, eager; or (`fused`) with model and loss through torch.compile."""
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

    def cost(x: Any, y: Any) -> Any:
        return loss_of(model(x), y)

    if fused:
        cost = torch.compile(cost)
    x, y = torch.tensor(X), torch.tensor(Y)

    def step() -> Any:
        optimizer.zero_grad()
        loss = cost(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def jax_jit(X: Any, Y: Any, W: list[Any], b: list[Any], *, synchronous: bool = False) -> Step:
    """JAX, the whole step compiled, new parameters in the memory of the old.

    By default another thread runs the step while this one waits; waking it takes longer than a
    small step. `synchronous` turns that off, for the whole process.
    """
    import jax
    import jax.numpy as jnp

    if synchronous:
        jax.config.update("jax_cpu_enable_async_dispatch", False)

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a = x
        for w, c in parameters:
            a = jax.nn.sigmoid(a @ w + c)
        return -jnp.mean(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))

    @functools.partial(jax.jit, donate_argnums=0)
    def update(parameters: Any, x: Any, y: Any) -> Any:
        J, g = jax.value_and_grad(cost)(parameters, x, y)
        return J, jax.tree.map(lambda p, d: p - RATE * d, parameters, g)

    state = [[(jnp.array(w), jnp.array(c)) for w, c in zip(W, b, strict=True)]]
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


class Library(NamedTuple):
    """How a step is made, and which module it needs."""

    module: str
    build: Callable[..., Step]


LIBRARIES: dict[str, Library] = {
    "by hand": Library("numpy", by_hand),
    "tinygrad_course": Library("numpy", ours),
    "compiled numpy": Library("numpy", functools.partial(compiled, backend="numpy")),
    "compiled numba": Library("numba", functools.partial(compiled, backend="numba")),
    "PyTorch": Library("torch", pytorch),
    "torch.compile": Library("torch", functools.partial(pytorch, fused=True)),
    "JAX jit": Library("jax", jax_jit),
    "JAX synchronous": Library("jax", functools.partial(jax_jit, synchronous=True)),
    "autograd": Library("autograd", hips_autograd),
    "MyGrad": Library("mygrad", my_grad),
}


# Settings that hold for a whole process: timed in one of their own, after the others.
ALONE = ("JAX synchronous",)


def missing(name: str) -> str:
    """Return why a library cannot run here, or an empty string."""
    module = LIBRARIES[name].module
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed"
    if name == "compiled numba":
        from tinygrad_course.compiling import compile

        try:
            compile(abs, backend="numba")
        except ValueError as error:
            return str(error).rstrip(".")
    compilers = (os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl")
    if name == "torch.compile" and not any(shutil.which(c) for c in compilers if c):
        return "it needs a C++ compiler, and there is none here"
    return ""


# (sizes, batch): what people learn with, then what hardware is good at.
SIZES: list[tuple[tuple[int, ...], int]] = [
    ((2, 3, 1), 32),
    ((2, 4, 1), 400),
    ((400, 25, 15, 1), 32),
    ((400, 25, 15, 1), 1000),
    ((12288, 20, 7, 5, 1), 209),
    ((784, 512, 256, 10), 128),
]

# From about 10 multiply-adds to about 10^8, one for each power of ten.
CURVE: list[tuple[tuple[int, ...], int]] = [
    ((1, 1), 5),
    ((2, 3, 1), 5),
    ((2, 3, 1), 48),
    ((8, 16, 1), 32),
    ((64, 25, 1), 30),
    ((64, 64, 10), 100),
    ((256, 128, 10), 128),
    ((784, 400, 100, 10), 128),
]


def multiply_adds(sizes: tuple[int, ...], m: int) -> int:
    """Return those of the matrix products in one step: A W, Aᵀ dZ, and dZ Wᵀ but in layer 1."""
    products = [n * k for n, k in zip(sizes, sizes[1:], strict=False)]
    return m * (3 * sum(products) - products[0])
