"""The coffee-roasting lab end to end: 2-3-1, batches of 32, Adam, shuffled in every epoch.

Every function here takes the same inputs, labels and starting weights, visits the examples in the
same order (that of `tinygrad_course.fit` with seed 0), and returns the mean loss of each epoch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .steps import missing

BATCH = 32
RATE = 0.01
SIZES = ((2, 3), (3, 1))
Losses = list[float]


def lab(tile: int = 1000) -> tuple[Any, Any, list[Any], list[Any]]:
    """Return the normalized roasts `tile` times over, labels, starting weights and biases."""
    from tinygrad_course.data import course

    X, Y = course.coffee(tile)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    rng = np.random.default_rng(1)
    W = [(rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32) for s in SIZES]
    b = [np.zeros(s[1], np.float32) for s in SIZES]
    return X.astype(np.float32), Y.astype(np.float32), W, b


def orders(m: int) -> Iterator[Any]:
    """Yield the order of the examples in each epoch, as `fit` with seed 0 draws it."""
    import tinygrad_course as tc

    generator = tc.Generator(0).numpy
    while True:
        yield generator.permutation(m)


def ours(X: Any, Y: Any, W: list[Any], b: list[Any], epochs: int, **how: Any) -> Losses:
    """This package's `fit`."""
    import tinygrad_course as tc
    from tinygrad_course import nn

    model = nn.Sequential(*[nn.Dense(*w.shape, activation="sigmoid") for w in W])
    for layer, w, c in zip(model, W, b, strict=True):
        layer.set_weights([w, c])
    history = tc.fit(
        model, X, Y, loss="bce", lr=RATE, epochs=epochs, batch_size=BATCH, verbose=False, **how
    )
    return list(history["loss"])


def pytorch(
    X: Any, Y: Any, W: list[Any], b: list[Any], epochs: int, loader: bool = False
) -> Losses:
    """PyTorch; batches are slices of the shuffled data, or come from a DataLoader."""
    import torch

    layers: list[Any] = []
    for w, c in zip(W, b, strict=True):
        linear = torch.nn.Linear(*w.shape)
        linear.weight.data = torch.tensor(w.T.copy())
        linear.bias.data = torch.tensor(c)
        layers += [linear, torch.nn.Sigmoid()]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    loss_of = torch.nn.BCELoss()
    x, y = torch.tensor(X), torch.tensor(Y)
    draws = orders(len(x))

    def batches() -> Any:
        order = next(draws)
        if loader:
            data = torch.utils.data.TensorDataset(x, y)
            sampler = torch.utils.data.BatchSampler(order.tolist(), BATCH, drop_last=False)
            return torch.utils.data.DataLoader(data, batch_sampler=sampler)
        rows = torch.from_numpy(order)
        return zip(x[rows].split(BATCH), y[rows].split(BATCH), strict=True)

    losses = []
    for _ in range(epochs):
        total = 0.0
        for inputs, target in batches():
            loss = loss_of(model(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        losses.append(total / len(x))
    return losses


def by_hand(X: Any, Y: Any, W: list[Any], b: list[Any], epochs: int) -> Losses:
    """NumPy as a good student writes it."""
    P = [p.copy() for pair in zip(W, b, strict=True) for p in pair]
    v, s = [np.zeros_like(p) for p in P], [np.zeros_like(p) for p in P]
    draws = orders(len(X))
    t = 0
    losses = []
    for _ in range(epochs):
        order = next(draws)
        shuffled, labels = X[order], Y[order]
        total = 0.0
        for i in range(0, len(X), BATCH):
            x, y = shuffled[i : i + BATCH], labels[i : i + BATCH]
            W1, b1, W2, b2 = P
            A1 = 1 / (1 + np.exp(-(x @ W1 + b1)))
            A2 = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
            # PyTorch's and this package's loss stop at -100 as well.
            J = -np.mean(
                y * np.maximum(np.log(A2), -100) + (1 - y) * np.maximum(np.log(1 - A2), -100)
            )
            dZ2 = (A2 - y) / len(x)
            dZ1 = dZ2 @ W2.T * A1 * (1 - A1)
            t += 1
            for k, g in enumerate((x.T @ dZ1, dZ1.sum(0), A1.T @ dZ2, dZ2.sum(0))):
                v[k] = 0.9 * v[k] + 0.1 * g
                s[k] = 0.999 * s[k] + 0.001 * g * g
                P[k] -= RATE * (v[k] / (1 - 0.9**t)) / (np.sqrt(s[k] / (1 - 0.999**t)) + 1e-8)
            total += float(J) * len(x)
        losses.append(total / len(X))
    return losses


def jax_scan(X: Any, Y: Any, W: list[Any], b: list[Any], epochs: int) -> Losses:
    """JAX, a whole epoch in one compiled scan: the fastest way it offers."""
    import jax
    import jax.numpy as jnp

    def cost(P: Any, x: Any, y: Any) -> Any:
        a = x
        for w, c in P:
            a = jax.nn.sigmoid(a @ w + c)
        return -jnp.mean(y * log(a) + (1 - y) * log(1 - a))

    def log(a: Any) -> Any:
        # At least -100, as PyTorch's loss has it; the derivative of log 0 is not to become NaN.
        return jnp.where(a > 0, jnp.maximum(jnp.log(jnp.where(a > 0, a, 1)), -100), -100)

    def step(state: Any, batch: Any) -> Any:
        P, v, s, t = state
        J, g = jax.value_and_grad(cost)(P, *batch)
        t = t + 1
        v = jax.tree.map(lambda a, d: 0.9 * a + 0.1 * d, v, g)
        s = jax.tree.map(lambda a, d: 0.999 * a + 0.001 * d * d, s, g)
        one, two = 1 - 0.9**t, 1 - 0.999**t
        P = jax.tree.map(lambda p, a, q: p - RATE * (a / one) / (jnp.sqrt(q / two) + 1e-8), P, v, s)
        return (P, v, s, t), J

    @jax.jit
    def epoch(state: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(step, state, (x, y))

    P = [(jnp.array(w), jnp.array(c)) for w, c in zip(W, b, strict=True)]
    state = (P, jax.tree.map(jnp.zeros_like, P), jax.tree.map(jnp.zeros_like, P), jnp.float32(0))
    draws = orders(len(X))
    losses = []
    for _ in range(epochs):
        order = next(draws)
        state, J = epoch(state, X[order].reshape(-1, BATCH, 2), Y[order].reshape(-1, BATCH, 1))
        losses.append(float(J.mean()))
    return losses


RUNS: dict[str, tuple[str, Callable[..., Losses]]] = {
    "NumPy by hand": ("by hand", by_hand),
    "fit": ("tinygrad_course", ours),
    "fit(compile=False)": ("tinygrad_course", functools.partial(ours, compile=False)),
    'fit(compile="numpy")': ("compiled numpy", functools.partial(ours, compile="numpy")),
    'fit(compile="numba")': ("compiled numba", functools.partial(ours, compile="numba")),
    "PyTorch": ("PyTorch", pytorch),
    "PyTorch with DataLoader": ("PyTorch", functools.partial(pytorch, loader=True)),
    "JAX, lax.scan": ("JAX jit", jax_scan),
}


def available(names: list[str]) -> list[str]:
    """Return the runs of these libraries that can be made here."""
    found = [n for n, (library, _) in RUNS.items() if library in names and not missing(library)]
    return [n for n in found if not n.startswith("fit") or accepted(RUNS[n][1])]


def accepted(run: Callable[..., Losses]) -> bool:
    """Return whether `fit` knows the option of a run."""
    from tinygrad_course.errors import ArgumentError

    X, Y, W, b = lab(1)
    try:
        run(X[:1], Y[:1], W, b, 1)
    except (ArgumentError, TypeError):
        return False
    return True
