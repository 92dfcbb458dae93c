"""Handwritten digits, larger: the lab's 400-25-15-1 network on 20 x 20 pixels of MNIST.

You see the lab's own sizes: 400 inputs, 10,431 parameters, Adam for 20 epochs, and then fewer
than one image in a hundred read wrong.

Course: Machine Learning Specialization, course 2 week 1, lab "Neural Networks for Handwritten Digit
Recognition, Binary".

    pip install -e ".[demo,mnist]" && python examples/digits_400.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn
from tinygrad_course.data import course


def main(out: Path | None = None, epochs: int = 20) -> dict[str, Any]:
    X, Y = course.digits400()
    tc.manual_seed(1)
    model = nn.Sequential(
        nn.Dense(400, 25, activation="sigmoid"),
        nn.Dense(25, 15, activation="sigmoid"),
        nn.Dense(15, 1, activation="sigmoid"),
    )
    print(nn.summary(model, (400,)))
    held = np.arange(len(X)) % 5 == 0  # every fifth image is not trained on
    history = tc.fit(
        model,
        X[~held],
        Y[~held],
        loss="bce",
        optimizer="adam",
        lr=0.001,
        epochs=epochs,
        batch_size=32,
        seed=0,
        validation_data=(X[held], Y[held]),
        metrics="accuracy",
        verbose=False,
    )
    wrong = round((1 - history["val_accuracy"][-1]) * int(held.sum()))
    print(
        f"after {epochs} epochs: cost {history['loss'][-1]:.4f}; of {held.sum()} images that it "
        f"has not seen it reads {wrong} wrong"
    )
    if out is not None:
        some = np.flatnonzero(held)[::8]
        guesses = (tc.predict(model, X[some]).numpy() >= 0.5).astype(int)
        ax = viz.plot_images(X[some], Y[some], guesses, limit=24)
        ax.figure.savefig(out / "digits_400.png")
        viz.plot_weights(model[0].W, (20, 20)).figure.savefig(out / "digits_400_weights.png")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "costs": history["loss"],
        "wrong": wrong,
    }


if __name__ == "__main__":
    main(pictures_folder())
