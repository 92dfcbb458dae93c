"""Many training steps in one call: each library's fastest way through batches that are there.

Every builder takes the layer sizes' starting weights and stacked batches, and returns a function
that makes one step on each batch and returns the losses. Model, cost and update are those of
`steps`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .steps import RATE, Library, by_hand, missing, training

BATCHES = 64
Block = Callable[[], Any]


def batches(sizes: tuple[int, ...], m: int) -> tuple[Any, Any]:
    """Return stacked batches: X of shape (BATCHES, m, in), Y of shape (BATCHES, m, out)."""
    rng = np.random.default_rng(1)
    X = rng.random((BATCHES, m, sizes[0]), dtype=np.float32)
    Y = (rng.random((BATCHES, m, sizes[-1])) > 0.5).astype(np.float32)
    return X, Y


def stepwise(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Block:
    """NumPy as a good student writes it, one step after another."""
    batch = [X[0].copy(), Y[0].copy()]
    step = by_hand(*batch, W, b)

    def block() -> Any:
        losses = []
        for x, y in zip(X, Y, strict=True):
            batch[0][...], batch[1][...] = x, y
            losses.append(step())
        return losses

    return block


def mapped(X: Any, Y: Any, W: list[Any], b: list[Any], *, backend: str) -> Block:
    """This package: `map` of the compiled step."""
    from tinygrad_course.compiling import compile

    step = compile(training(W, b), backend=backend)
    return functools.partial(step.map, X, Y)


def pytorch(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Block:
    """PyTorch, one step after another."""
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

    def block() -> Any:
        losses = []
        for inputs, target in zip(x, y, strict=True):
            optimizer.zero_grad()
            loss = loss_of(model(inputs), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return block


def jax_scan(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Block:
    """JAX, the steps in one compiled `lax.scan`."""
    import jax
    import jax.numpy as jnp

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a = x
        for w, c in parameters:
            a = jax.nn.sigmoid(a @ w + c)
        return -jnp.mean(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))

    def step(parameters: Any, batch: Any) -> Any:
        J, g = jax.value_and_grad(cost)(parameters, *batch)
        return jax.tree.map(lambda p, d: p - RATE * d, parameters, g), J

    @functools.partial(jax.jit, donate_argnums=0)
    def scan(parameters: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(step, parameters, (x, y))

    state = [[(jnp.array(w), jnp.array(c)) for w, c in zip(W, b, strict=True)]]
    x, y = jnp.asarray(X), jnp.asarray(Y)

    def block() -> Any:
        state[0], losses = scan(state[0], x, y)
        return losses.block_until_ready()

    return block


BLOCKS: dict[str, tuple[str, Library]] = {
    "NumPy by hand": ("by hand", Library("numpy", stepwise)),
    "map, numpy": ("compiled numpy", Library("numpy", functools.partial(mapped, backend="numpy"))),
    "map, numba": ("compiled numba", Library("numba", functools.partial(mapped, backend="numba"))),
    "PyTorch": ("PyTorch", Library("torch", pytorch)),
    "JAX, lax.scan": ("JAX jit", Library("jax", jax_scan)),
}


def available(names: list[str]) -> list[str]:
    """Return the ways of these libraries that can be measured here."""
    return [n for n, (library, _) in BLOCKS.items() if library in names and not missing(library)]
