"""Draw the pictures of the README and the guide into docs/pictures.

Everything is seeded, so the pictures change only when what they show does. `tests/test_docs.py`
compares the committed ones with fresh ones; when they differ, look at them and run

    python docs/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim

PICTURES = Path(__file__).parent / "pictures"


def slide_graph() -> viz.Drawing:
    """J = 3(a + bc) with all derivatives."""
    a = tc.tensor(5.0, requires_grad=True, name="a")
    b = tc.tensor(3.0, requires_grad=True, name="b")
    c = tc.tensor(2.0, requires_grad=True, name="c")
    return viz.draw(3 * (a + b * c), backward=True)


def training_step() -> viz.Drawing:
    """Forward and backward pass of a 2-3-1 network on four examples."""
    generator = tc.Generator(0)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="tanh", generator=generator),
        nn.Dense(3, 1, activation="sigmoid", generator=generator),
    )
    X = tc.tensor(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), name="X")
    Y = tc.tensor(np.array([[0], [1], [1], [0]], np.float32), name="Y")
    return viz.draw(nn.BCELoss()(model(X), Y), backward=True)


def layers() -> viz.Drawing:
    """The lecture's network with each layer as one box."""
    generator = tc.Generator(0)
    model = nn.Sequential(
        nn.Dense(64, 25, activation="sigmoid", generator=generator),
        nn.Dense(25, 15, activation="sigmoid", generator=generator),
        nn.Dense(15, 1, activation="sigmoid", generator=generator),
    )
    X = tc.tensor(np.zeros((360, 64), np.float32), name="X")
    Y = tc.tensor(np.zeros((360, 1), np.float32), name="Y")
    return viz.draw(nn.BCELoss()(model(X), Y), depth=1)


def network() -> viz.Drawing:
    """The lecture's 64-25-15-1 network as circles."""
    return viz.draw_network([64, 25, 15, 1], activations=["sigmoid", "sigmoid", "sigmoid"])


def convolutional_network() -> viz.Drawing:
    """Two convolutions with pooling, and a dense layer."""
    generator = tc.Generator(0)
    return viz.draw_network(
        nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1, generator=generator), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 6, 3, generator=generator), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(6, 3, generator=generator)),
        )
    )


def compiled_step() -> viz.Drawing:
    """What a compiled step of a 2-3-1 network runs, in NumPy."""
    generator = tc.Generator(0)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid", generator=generator),
        nn.Dense(3, 1, activation="sigmoid", generator=generator),
    )
    loss, sgd = nn.BCELoss(), optim.SGD(model.parameters(), lr=0.1)

    @tc.compile(backend="numpy")
    def step(X: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        sgd.zero_grad()
        J = loss(model(X), Y)
        J.backward()
        sgd.step()
        return J

    step(tc.zeros(32, 2), tc.zeros(32, 1))
    return viz.draw(step)


DRAWINGS = {
    "slide_graph": slide_graph,
    "training_step": training_step,
    "layers": layers,
    "network": network,
    "convolutional_network": convolutional_network,
    "compiled_step": compiled_step,
}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, make in DRAWINGS.items():
        (PICTURES / f"{name}.svg").write_bytes(make().pipe("svg"))
        print(f"wrote {PICTURES / name}.svg")
