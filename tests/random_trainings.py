"""Random training programs: models, losses, optimizers, and what happens between the steps.

A program of a seed is played twice, plainly and with a compiled step; both must note the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn, optim

ACTIVATIONS = (None, "relu", "tanh", "sigmoid")
# A bias before BatchNorm has a gradient of nothing but rounding errors; with a small ε an adaptive
# optimizer would make steps of them.
OPTIMIZERS: tuple[Callable[[Any], Any], ...] = (
    lambda p: optim.SGD(p, lr=0.05),
    lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: optim.Adam(p, lr=0.01, eps=1e-3),
    lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1, eps=1e-3),
    lambda p: optim.RMSprop(p, lr=0.005, momentum=0.5, eps=1e-3),
    lambda p: optim.Adagrad(p, lr=0.05, eps=1e-3),
)
SCHEDULERS: tuple[Callable[[Any], Any], ...] = (
    lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
    lambda o: optim.lr_scheduler.ExponentialLR(o, 0.9),
    lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 5),
)
LOSSES = {
    "mse": nn.MSELoss(),
    "huber": nn.HuberLoss(),
    "l1": nn.L1Loss(),
    "logits": nn.BCEWithLogitsLoss(),
    "classes": nn.CrossEntropyLoss(),
}


class Training:
    """One random program.

    Attributes:
        what: what it consists of, for messages.
    """

    def __init__(self, seed: int) -> None:
        """Draw the program; the same seed gives the same."""
        self.rng = rng = np.random.default_rng(seed)
        tc.manual_seed(seed)
        self.loss_name = str(rng.choice(list(LOSSES)))
        self.loss = LOSSES[self.loss_name]
        self.outputs = 3 if self.loss_name == "classes" else int(rng.integers(1, 3))
        self.dtype = np.float64
        self.model = self._model().double()
        self.new_optimizer()
        self.clip = float(rng.choice([0.0, 0.0, 0.5]))
        # forget first, forget last, or add up over two calls
        self.style = str(rng.choice(["first", "last", "kept", "by hand"]))
        self.calls = 0
        self.average = [p.detach().clone() for p in self.model.parameters()]
        self.ema = bool(rng.random() < 0.3)
        self.what = f"{self.loss_name} {self.style} clip={self.clip} ema={self.ema}\n{self.model}"

    def _model(self) -> Any:
        rng, layers, n = self.rng, [], 3
        for _ in range(rng.integers(0, 3)):
            width = int(rng.integers(2, 7))
            kind = nn.Linear if rng.random() < 0.3 else nn.Dense
            layers.append(kind(n, width))
            n = width
            if rng.random() < 0.3:
                layers.append(nn.BatchNorm1d(n))
            if rng.random() < 0.2:
                layers.append(nn.LayerNorm(n))
            layers.append((nn.Tanh, nn.ReLU, nn.Sigmoid, nn.GELU)[rng.integers(4)]())
            if rng.random() < 0.3:
                layers.append(nn.Dropout(0.3))
        return nn.Sequential(*layers, nn.Dense(n, self.outputs))

    def new_optimizer(self) -> None:
        """Draw another optimizer."""
        rng, wanted = self.rng, [p for p in self.model.parameters() if p.requires_grad]
        groups: Any = wanted
        if len(wanted) > 2 and rng.random() < 0.3:
            groups = [{"params": wanted[:2], "lr": 0.03}, {"params": wanted[2:]}]
        self.optimizer = OPTIMIZERS[rng.integers(len(OPTIMIZERS))](groups)
        self.scheduler = SCHEDULERS[rng.integers(len(SCHEDULERS))](self.optimizer)

    def step(self, X: Any, Y: Any) -> Any:
        """Take a step."""
        if self.style == "first":
            self.optimizer.zero_grad()
        prediction = self.model(X)
        J = self.loss(prediction, Y)
        if self.model.training:
            J.backward()
            if self.clip:
                optim.clip_grad_norm_(self.model.parameters(), self.clip)
            if self.style == "by hand":
                with tc.no_grad():
                    for p in self.model.parameters():
                        if p.grad is not None:
                            p.sub_(0.01 * p.grad)
                        p.grad = None
            else:
                self.optimizer.step()
            if self.style == "last":
                self.optimizer.zero_grad()
            if self.ema:
                with tc.no_grad():
                    for a, p in zip(self.average, self.model.parameters(), strict=True):
                        a.mul_(0.9).add_(p * 0.1)
        with tc.no_grad():
            spread = (prediction - prediction.mean()).abs().max()
        return J.detach(), {"spread": spread, "prediction": prediction.detach()}

    def batch(self) -> Any:
        """Return a batch; the last of an epoch is smaller."""
        m = 5 if self.rng.random() < 0.8 else 3
        X = self.rng.normal(size=(m, 3))
        if self.loss_name == "classes":
            return X, self.rng.integers(0, 3, m)
        if self.loss_name == "logits":
            return X, self.rng.integers(0, 2, (m, self.outputs)).astype(float)
        return X, self.rng.normal(size=(m, self.outputs))

    def happen(self) -> str:
        """Change something between the steps."""
        rng, model = self.rng, self.model
        events: dict[str, Callable[[], Any]] = {
            "nothing": lambda: None,
            "schedule": self.scheduler.step,
            "eval": model.eval,
            "train": model.train,
            "freeze": lambda: model[0].requires_grad_(False) if len(model) > 1 else None,
            "thaw": lambda: model[0].requires_grad_(True),
            "other optimizer": self.new_optimizer,
            "weights": lambda: model.load_state_dict(model.state_dict()),
            "state": lambda: self.optimizer.load_state_dict(self.optimizer.state_dict()),
            "in place": lambda: model[-1].bias.detach().mul_(0.5),
            "data": lambda: setattr(model[-1].weight, "data", model[-1].weight.data * 0.9),
            "clip": lambda: setattr(self, "clip", 0.3),
            "seed": lambda: tc.manual_seed(1),
            "layer": lambda: model.__setitem__(-1, nn.Dense(*self.sizes()).double()),
            "forget": model.zero_grad,
            "leave": lambda: (model[-1].bias ** 2).sum().backward(),
        }
        weights = np.array([3.0] + [1.0] * (len(events) - 1))
        name = str(rng.choice(list(events), p=weights / weights.sum()))
        events[name]()
        return name

    def sizes(self) -> tuple[int, int]:
        """Return the sizes of the last layer."""
        n, m = self.model[-1].weight.shape
        return int(n), int(m)

    def states(self) -> Iterator[Any]:
        """Yield what a step leaves."""
        yield from self.model.parameters()
        yield from self.model.buffers()
        yield from self.average
        for p in self.model.parameters():
            for name, value in self.optimizer.state.get(p, {}).items():
                yield np.array(value) if name == "step" else value
        yield np.array(tc.random.get_rng_state()["state"] % 2**60)

    def play(self, compiled: Callable[[Any], Any] | None, steps: int) -> Iterator[tuple[str, Any]]:
        """Take steps, some of them plainly, and yield what they return and leave."""
        fast = self.step if compiled is None else compiled(self.step)
        for k in range(steps):
            X, Y = (tc.tensor(x) for x in self.batch())
            J, others = (fast if self.rng.random() < 0.8 else self.step)(X, Y)
            yield f"loss {k}", J
            for name, value in others.items():
                yield f"{name} {k}", value
            for j, value in enumerate(self.states()):
                yield f"state {j} after step {k}", value
            self.happen()


def differs(seed: int, compiled: Callable[[Any], Any], steps: int = 8) -> str:
    """Return where the plain and the compiled program differ, or nothing."""
    one = Training(seed)
    expected = [(name, np.array(getattr(x, "_data", x))) for name, x in one.play(None, steps)]
    two = Training(seed)
    for (name, a), (_, x) in zip(expected, two.play(compiled, steps), strict=True):
        b = np.asarray(getattr(x, "_data", x))
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"seed {seed}: {name}: {a.shape} {a.dtype}, {b.shape} {b.dtype}\n{one.what}"
        if not np.allclose(a, b, rtol=1e-8, atol=1e-9, equal_nan=True):
            return f"seed {seed}: {name}: {a}, {b}\n{one.what}"
    return ""
