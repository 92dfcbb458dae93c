"""The same training step of a small convolutional network, written for each library.

Two convolutions of 3 × 3, each with ReLU and max pooling, then a dense layer of 10 classes and the
cross-entropy; SGD. LeNet in today's words. Every builder takes one batch and the same starting
weights, and returns a function that makes one step and returns the loss.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from .steps import RATE, Library, Step, missing


class Case(NamedTuple):
    """A size: the images, and how many channels the convolutions have."""

    batch: int
    channels: int
    length: int
    kernels: tuple[int, int]

    @property
    def title(self) -> str:
        """What a table calls it."""
        shape = f"{self.channels}×{self.length}×{self.length}"
        return f"{shape}, {self.kernels[0]} and {self.kernels[1]} kernels, {self.batch}"

    @property
    def work(self) -> int:
        """Return the multiply-adds of a step: forward, by W, and by A but in layer 1."""
        a, c = self.length - 2, (self.length - 2) // 2 - 2
        first = a * a * self.kernels[0] * self.channels * 9
        second = c * c * self.kernels[1] * self.kernels[0] * 9
        last = 10 * self.kernels[1] * (c // 2) ** 2
        return self.batch * (2 * first + 3 * (second + last))


CASES = [Case(64, 1, 28, (8, 16)), Case(32, 3, 32, (32, 64))]


def problem(case: Case, seed: int = 0) -> tuple[Any, Any, list[Any], list[Any]]:
    """Return images, their classes, and starting weights and biases, float32."""
    rng = np.random.default_rng(seed)
    X = rng.random((case.batch, case.channels, case.length, case.length), dtype=np.float32)
    Y = rng.integers(0, 10, case.batch)
    first, second = case.kernels
    left = ((case.length - 2) // 2 - 2) // 2  # of a length, behind the second pooling
    shapes = [(first, case.channels, 3, 3), (second, first, 3, 3), (10, second * left * left)]
    W = [(rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for s in shapes]
    return X, Y, W, [np.zeros(len(w), np.float32) for w in W]


def _im2col(A: Any) -> tuple[Any, int, int]:
    """Return the windows of 3 × 3 as rows, and how many there are along each axis."""
    windows = np.lib.stride_tricks.sliding_window_view(A, (3, 3), axis=(2, 3))
    n, c, h, w = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9), h, w


def _col2im(cols: Any, shape: tuple[int, ...], h: int, w: int) -> Any:
    """Add rows of windows up to images."""
    images = np.zeros(shape, cols.dtype)
    cols = cols.reshape(shape[0], h, w, shape[1], 3, 3)
    for k in range(3):
        for j in range(3):
            images[:, :, k : k + h, j : j + w] += cols[..., k, j].transpose(0, 3, 1, 2)
    return images


def by_hand(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """NumPy as a good student writes it, with im2col."""
    W, b = [w.copy() for w in W], [c.copy() for c in b]
    m, rows = len(X), np.arange(len(X))

    def layer(A: Any, w: Any, c: Any) -> tuple[Any, Any]:
        """Return convolution, ReLU and pooling, and what the way back needs."""
        cols, height, width = _im2col(A)
        Z = cols @ w.reshape(len(w), -1).T + c
        Z = Z.reshape(m, height, width, -1).transpose(0, 3, 1, 2)
        h, k = height // 2, width // 2
        windows = np.maximum(Z, 0)[:, :, : 2 * h, : 2 * k].reshape(m, -1, h, 2, k, 2)
        windows = windows.transpose(0, 1, 2, 4, 3, 5).reshape(m, -1, h, k, 4)
        at = windows.argmax(axis=-1)[..., None]
        P = np.take_along_axis(windows, at, axis=-1)[..., 0]
        return P, (A.shape, cols, Z, at)

    def back(dP: Any, w: Any, kept: Any, more: bool) -> tuple[Any, Any, Any]:
        """Return the derivatives of the layer's input, weight and bias."""
        shape, cols, Z, at = kept
        h, k = dP.shape[2:]
        windows = np.zeros((*dP.shape, 4), dP.dtype)
        np.put_along_axis(windows, at, dP[..., None], axis=-1)
        windows = windows.reshape(m, -1, h, k, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        dZ = np.zeros(Z.shape, dP.dtype)
        dZ[:, :, : 2 * h, : 2 * k] = windows.reshape(m, -1, 2 * h, 2 * k)
        dZ *= Z > 0
        flat = dZ.transpose(0, 2, 3, 1).reshape(-1, len(w))
        dA = _col2im(flat @ w.reshape(len(w), -1), shape, *Z.shape[2:]) if more else None
        return dA, (flat.T @ cols).reshape(w.shape), flat.sum(axis=0)

    def step() -> float:
        P1, first = layer(X, W[0], b[0])
        P2, second = layer(P1, W[1], b[1])
        F = P2.reshape(m, -1)
        Z = F @ W[2].T + b[2]
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        A = E / E.sum(axis=1, keepdims=True)
        J = -np.log(A[rows, Y]).mean()
        A[rows, Y] -= 1
        dZ = A / m
        gradients = [(dZ.T @ F, dZ.sum(axis=0))]
        dP, *more = back((dZ @ W[2]).reshape(P2.shape), W[1], second, True)
        gradients = [tuple(more), *gradients]
        _, *more = back(dP, W[0], first, False)
        gradients = [tuple(more), *gradients]
        for w, c, (dw, dc) in zip(W, b, gradients, strict=True):
            w -= RATE * dw
            c -= RATE * dc
        return float(J)

    return step


def _training(nn: Any, optim: Any, W: list[Any], filled: Any) -> Any:
    """Return the step in PyTorch's words, which are this package's too."""
    first, second, last = (w.shape for w in W)
    model = nn.Sequential(
        *(nn.Conv2d(first[1], first[0], 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(second[1], second[0], 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(last[1], last[0])),
    )
    filled([model[0], model[3], model[7]])
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    loss_of = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def ours(X: Any, Y: Any, W: list[Any], b: list[Any], *, backend: str = "") -> Step:
    """This package, operation by operation or compiled."""
    import tinygrad_course as tc
    from tinygrad_course import nn, optim
    from tinygrad_course.compiling import compile

    def filled(layers: list[Any]) -> None:
        for layer, w, c in zip(layers, W, b, strict=True):
            layer.set_weights([w, c])

    step = _training(nn, optim, W, filled)
    if backend:
        step = compile(step, backend=backend)
    return functools.partial(step, tc.tensor(X), tc.tensor(Y))


def pytorch(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """PyTorch, eager."""
    import torch

    def filled(layers: list[Any]) -> None:
        for layer, w, c in zip(layers, W, b, strict=True):
            layer.weight.data, layer.bias.data = torch.tensor(w), torch.tensor(c)

    step = _training(torch.nn, torch.optim, W, filled)
    return functools.partial(step, torch.tensor(X), torch.tensor(Y))


def jax_jit(X: Any, Y: Any, W: list[Any], b: list[Any]) -> Step:
    """JAX, the whole step compiled."""
    import jax
    import jax.numpy as jnp

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        *convolutions, (v, e) = parameters
        for w, c in convolutions:
            x = jax.lax.conv(x, w, (1, 1), "VALID") + c[:, None, None]
            window = (1, 1, 2, 2)
            x = jax.lax.reduce_window(
                jax.nn.relu(x), -jnp.inf, jax.lax.max, window, window, "VALID"
            )
        z = x.reshape(len(x), -1) @ v.T + e
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))

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


BUILDERS: dict[str, Library] = {
    "by hand": Library("numpy", by_hand),
    "tinygrad_course": Library("numpy", ours),
    "compiled numpy": Library("numpy", functools.partial(ours, backend="numpy")),
    "compiled numba": Library("numba", functools.partial(ours, backend="numba")),
    "PyTorch": Library("torch", pytorch),
    "JAX jit": Library("jax", jax_jit),
}


def available(names: list[str]) -> list[str]:
    """Return the libraries among these that can be measured here."""
    return [n for n in BUILDERS if n in names and not missing(n)]
