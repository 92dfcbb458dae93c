"""An autoencoder: 64 pixels through 8 numbers and back, beside the best straight line's.

You see a network learn without labels: the encoder writes each digit as a short code, the decoder
draws it again, and the cost is what was lost. A linear autoencoder can do no better than the first
principal components, and gets there; one with hidden layers loses less with as many numbers.

Source: G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks",
Science 313, 2006; P. Baldi, K. Hornik, "Neural networks and principal component analysis", 1989.

    python examples/autoencoder.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import course

CODE = 8
LR = {"linear": 0.02, "deep": 0.003}


class Autoencoder(nn.Module):
    """Encoder and decoder, which mirror each other."""

    def __init__(self, *sizes: int, activation: str | None) -> None:
        super().__init__()
        self.encoder = self.layers(sizes, activation)
        self.decoder = self.layers(sizes[::-1], activation)

    @staticmethod
    def layers(sizes: tuple[int, ...], activation: str | None) -> nn.Sequential:
        """Dense layers with the activation between them, not after the last."""
        made = nn.Sequential()
        for k, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False), start=2):
            made.append(nn.Dense(n_in, n_out, activation=None if k == len(sizes) else activation))
        return made

    def forward(self, X: tc.Tensor) -> tc.Tensor:
        """Return the pictures as they are drawn again."""
        return self.decoder(self.encoder(X))


def main(out: Path | None = None, epochs: int = 60) -> dict[str, Any]:
    images, _ = course.digits()
    X, X_test = np.split(images.astype(np.float32), [1437])
    mean = X.mean(axis=0)

    # The least that any linear code of so many numbers can lose: what the other components hold.
    _, _, V = np.linalg.svd(X - mean, full_matrices=False)
    drawn = {"principal components": (X_test - mean) @ V[:CODE].T @ V[:CODE] + mean}
    lost_by_components = float(((X - mean - (X - mean) @ V[:CODE].T @ V[:CODE]) ** 2).mean())

    found: dict[str, Any] = {"components": lost_by_components}
    kinds = {"linear": ((64, CODE), None), "deep": ((64, 96, 48, CODE), "relu")}
    for name, (sizes, activation) in kinds.items():
        tc.manual_seed(0)
        model = Autoencoder(*sizes, activation=activation)
        optimizer = optim.Adam(model.parameters(), lr=LR[name])
        falling = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
        history = tc.fit(
            model,
            X,
            X,
            loss="mse",
            optimizer=optimizer,
            scheduler=falling,
            epochs=epochs,
            batch_size=64,
            verbose=False,
        )
        drawn[name] = tc.train.predict(model, X_test).numpy()
        lost, in_test = (
            tc.train.evaluate(model, part, part, loss="mse")["loss"] for part in (X, X_test)
        )
        print(f"{name}: lost {lost:.5f} in training, {in_test:.5f} in the test")
        found[name] = {"history": history, "lost": lost, "test": in_test, "model": model}
    found["components_test"] = float(((drawn["principal components"] - X_test) ** 2).mean())
    print(f"{CODE} principal components: lost {lost_by_components:.5f} in training,", end=" ")
    print(f"{found['components_test']:.5f} in the test")

    inputs = tc.tensor(X, name="X")
    found["sheet"] = tc.equations(nn.MSELoss()(found["linear"]["model"](inputs), inputs))
    print(found["sheet"])

    if out is not None:
        import matplotlib.pyplot as plt

        fig, axes = plt.subplots(4, 1, figsize=(11, 5), layout="constrained")
        rows = {"the digits": X_test} | drawn
        for ax, (title, pictures) in zip(axes, rows.items(), strict=True):
            viz.plot_images(pictures[:12].clip(0, 1), columns=12, ax=ax, title=title)
        fig.savefig(out / "autoencoder.png")
        plt.close(fig)
    return found


if __name__ == "__main__":
    main(pictures_folder())
