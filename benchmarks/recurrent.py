"""The same training step of a recurrent network, written for each library.

A recurrent layer (tanh, LSTM or GRU) over 50 elements, then a dense layer on its last state and
the binary cross-entropy of its logit; SGD. Every builder takes the case, one batch and the same
starting weights, and returns a function that makes one step and returns the loss.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from .steps import RATE, Library, Step, missing

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


class Case(NamedTuple):
    """A layer and its sizes."""

    kind: str
    batch: int
    steps: int
    features: int
    hidden: int

    @property
    def title(self) -> str:
        """What a table calls it."""
        return f"{self.kind}, {self.steps} × {self.features} → {self.hidden}, {self.batch}"

    @property
    def work(self) -> int:
        """Return the multiply-adds of a step: forward, by weights, and by states."""
        rows = GATES[self.kind] * self.hidden
        through_time = self.steps * rows * (2 * self.features + 3 * self.hidden)
        return self.batch * (through_time + 3 * self.hidden)


CASES = [Case(kind, 32, 50, 16, 64) for kind in GATES]


def problem(case: Case, seed: int = 0) -> tuple[Case, Any, Any, dict[str, Any], dict[str, Any]]:
    """Return the case, sequences, labels, and starting values of both layers, float32."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((case.batch, case.steps, case.features)).astype(np.float32)
    Y = (rng.random((case.batch, 1)) > 0.5).astype(np.float32)
    n, rows = case.hidden, GATES[case.kind] * case.hidden
    shapes = {"weight_ih_l0": (rows, case.features), "weight_hh_l0": (rows, n)}
    shapes |= {"bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}
    bound = n**-0.5
    layer = {k: rng.uniform(-bound, bound, s).astype(np.float32) for k, s in shapes.items()}
    head = {"weight": rng.uniform(-bound, bound, (1, n)).astype(np.float32)}
    return case, X, Y, layer, {**head, "bias": np.zeros(1, np.float32)}


def by_hand(case: Case, X: Any, Y: Any, layer: dict[str, Any], head: dict[str, Any]) -> Step:
    """NumPy as a good student writes it: the plain layer, through time and back."""
    if case.kind != "RNN":
        raise ValueError("by hand there is the plain layer")
    U, W, b, e = (p.copy() for p in layer.values())
    v, c = (p.copy() for p in head.values())
    m, steps, n = len(X), X.shape[1], len(W)

    def step() -> float:
        H = np.zeros((steps + 1, m, n), np.float32)
        P = X @ U.T + (b + e)
        for t in range(steps):
            H[t + 1] = np.tanh(P[:, t] + H[t] @ W.T)
        Z = H[-1] @ v.T + c
        J = np.mean(np.maximum(Z, 0) - Z * Y + np.log1p(np.exp(-np.abs(Z))))
        dZ = (1 / (1 + np.exp(-Z)) - Y) / m
        dv, dc = dZ.T @ H[-1], dZ.sum(axis=0)
        dH = dZ @ v
        dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros_like(b)
        for t in reversed(range(steps)):
            dA = dH * (1 - H[t + 1] ** 2)
            dU += dA.T @ X[:, t]
            dW += dA.T @ H[t]
            db += dA.sum(axis=0)
            dH = dA @ W
        for p, dp in ((U, dU), (W, dW), (b, db), (e, db), (v, dv), (c, dc)):
            p -= RATE * dp
        return float(J)

    return step


def _training(nn: Any, optim: Any, case: Case, load: Any) -> Any:
    """Return the step in PyTorch's words, which are this package's too."""
    recurrent = getattr(nn, case.kind)(case.features, case.hidden, batch_first=True)
    head = nn.Linear(case.hidden, 1)
    load(recurrent, head)
    optimizer = optim.SGD([*recurrent.parameters(), *head.parameters()], lr=RATE)
    loss_of = nn.BCEWithLogitsLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        output, _ = recurrent(x)
        loss = loss_of(head(output[:, -1]), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def ours(
    case: Case,
    X: Any,
    Y: Any,
    layer: dict[str, Any],
    head: dict[str, Any],
    *,
    backend: str = "",
) -> Step:
    """This package, operation by operation or compiled."""
    import tinygrad_course as tc
    from tinygrad_course import nn, optim
    from tinygrad_course.compiling import compile

    def load(recurrent: Any, linear: Any) -> None:
        recurrent.load_state_dict(layer)
        linear.load_state_dict(head)

    step = _training(nn, optim, case, load)
    if backend:
        step = compile(step, backend=backend)
    return functools.partial(step, tc.tensor(X), tc.tensor(Y))


def pytorch(case: Case, X: Any, Y: Any, layer: dict[str, Any], head: dict[str, Any]) -> Step:
    """PyTorch, eager."""
    import torch

    def load(recurrent: Any, linear: Any) -> None:
        for module, values in ((recurrent, layer), (linear, head)):
            module.load_state_dict({k: torch.tensor(v) for k, v in values.items()})

    step = _training(torch.nn, torch.optim, case, load)
    return functools.partial(step, torch.tensor(X), torch.tensor(Y))


BUILDERS: dict[str, Library] = {
    "by hand": Library("numpy", by_hand),
    "tinygrad_course": Library("numpy", ours),
    "compiled numpy": Library("numpy", functools.partial(ours, backend="numpy")),
    "compiled numba": Library("numba", functools.partial(ours, backend="numba")),
    "PyTorch": Library("torch", pytorch),
}


def available(names: list[str], kind: str = "RNN") -> list[str]:
    """Return the libraries among these that can be measured here."""
    found = [n for n in BUILDERS if n in names and not missing(n)]
    return [n for n in found if n != "by hand" or kind == "RNN"]
