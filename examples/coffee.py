"""Coffee roasting, trained: a 2-3-1 network of sigmoids learns which roasts are good.

You see the whole road in a few lines: normalise the inputs, build the model, train it with Adam,
predict. The 200 roasts are copied 1000 times, as in the lab, so that ten epochs are enough.

Course: Machine Learning Specialization, course 2 week 1, lab "Coffee Roasting in TensorFlow".

    python examples/coffee.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course


def main(out: Path | None = None, tile: int = 1000, epochs: int = 10) -> dict[str, Any]:
    X, Y = course.coffee()
    norm = nn.Normalization(axis=-1)
    norm.adapt(X)
    Xt, Yt = course.coffee(tile=tile)

    tc.manual_seed(0)
    model = nn.Sequential(
        nn.Dense(2, 3, activation="sigmoid"),
        nn.Dense(3, 1, activation="sigmoid"),
    )
    print(nn.summary(model))
    history = tc.fit(
        model,
        norm(Xt),
        Yt,
        loss="bce",
        optimizer=optim.Adam(model.parameters(), lr=0.01),
        epochs=epochs,
        batch_size=32,
    )
    print(history)

    right = int(((model(norm(X)).numpy() >= 0.5) == Y).sum())
    good, long = model(norm([[200.0, 13.9], [200.0, 17.0]])).numpy().ravel()
    print(f"{right} of {len(X)} roasts right")
    print(f"200 °C for 13.9 minutes: {good:.4f}, for 17 minutes: {long:.2e}")

    if out is not None:
        viz.plot_history(history).figure.savefig(out / "coffee_history.png")
        ax = viz.plot_decision_boundary(lambda points: model(norm(points)), X, Y)
        ax.figure.savefig(out / "coffee.png")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss": history["loss"],
        "right": right,
        "predictions": [float(good), float(long)],
    }


if __name__ == "__main__":
    main(pictures_folder())
