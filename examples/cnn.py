"""A convolutional network reads handwritten digits: its equations, its filters, what they see.

You see two convolutions with pooling and a dense layer learn the ten digits of 8 x 8 pixels, with
fewer parameters than one dense layer of 30 units has; the equations of their forward and backward
propagation; the 3 x 3 filters of the first layer and the feature maps that they make of an image.

Course: Deep Learning Specialization, course 4 week 1, "Convolutional Neural Networks".

    python examples/cnn.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course, train_test_split


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 2 * 2, 10),
    )


def main(out: Path | None = None, epochs: int = 20) -> dict[str, Any]:
    images, labels = course.digits()
    X = images.reshape(-1, 1, 8, 8).astype(np.float32)
    X, X_test, Y, Y_test = train_test_split(X, labels, test_size=0.25, stratify=labels)
    tc.manual_seed(0)
    model = network()
    print(nn.summary(model, (1, 8, 8)))

    few = tc.tensor(X[:5], name="X"), tc.tensor(Y[:5], name="Y")
    equations = tc.equations(nn.CrossEntropyLoss()(model(few[0]), few[1]), shapes=True)
    print(equations)

    optimizer = optim.Adam(model.parameters(), lr=0.005)
    history = tc.fit(
        model, X, Y, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=epochs, batch_size=32,
        metrics="accuracy", validation_data=(X_test, Y_test), verbose=0,
    )  # fmt: skip
    with tc.no_grad():
        predictions = model(tc.tensor(X_test)).argmax(axis=1).numpy()
    right = float(np.mean(predictions == Y_test))
    print(f"cost {history['loss'][0]:.3f} -> {history['loss'][-1]:.4f}")
    print(f"{right:.1%} of {len(Y_test)} test images right")

    with tc.no_grad():
        maps = model[:2](tc.tensor(X_test[:1]))[0]
    if out is not None:
        viz.draw_network(model, 8).render(out / "cnn_network.svg")
        filters = model[0].W.reshape(8, 9)
        viz.plot_weights(filters, (3, 3), layout="columns").figure.savefig(out / "cnn_filters.png")
        seen = np.concatenate([X_test[0], maps.numpy()])
        ax = viz.plot_images(seen, columns=9, title="An image, and what each filter makes of it")
        ax.figure.savefig(out / "cnn_feature_maps.png")
        ax = viz.plot_images(X_test[:, 0], Y_test, predictions, limit=32)
        ax.figure.savefig(out / "cnn.png")
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "costs": history["loss"],
        "accuracy": right,
        "equations": str(equations),
        "maps": maps.shape,
    }


if __name__ == "__main__":
    main(pictures_folder())
