"""A variational autoencoder: digits on a plane, and new ones drawn from it.

You see an encoder that answers with a distribution, N(μ, σ²), instead of a point, and the trick
that lets gradients pass the drawing of it: z = μ + σ ε with ε ~ N(0, 1), so that z depends on μ and
σ as on any other number. The cost is what the reconstruction costs, plus how far N(μ, σ²) is from
N(0, 1), both in nats for an image. The plane of the codes, decoded, shows the digits melt into each
other.

Source: D. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013.

    python examples/vae.py --out pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from command_line import pictures_folder

import tinygrad_course as tc
import viz
from tinygrad_course import nn, optim
from tinygrad_course.data import DataLoader, TensorDataset, course


class VAE(nn.Module):
    """64-128-2 and back; the encoder's last layer gives μ and log σ²."""

    def __init__(self, hidden: int = 128, code: int = 2) -> None:
        super().__init__()
        self.hidden = nn.Dense(64, hidden, activation="relu")
        self.mean = nn.Dense(hidden, code)
        self.log_variance = nn.Dense(hidden, code)
        self.decoder = nn.Sequential(
            nn.Dense(code, hidden, activation="relu"), nn.Dense(hidden, 64, activation="sigmoid")
        )

    def encode(self, X: tc.Tensor) -> tuple[tc.Tensor, tc.Tensor]:
        """Return μ and s = log σ² of each example's code."""
        A = self.hidden(X)
        mean, log_variance = self.mean(A), self.log_variance(A)
        mean.name, log_variance.name = "μ", "s"
        return mean, log_variance

    def forward(self, X: tc.Tensor, noise: tc.Tensor) -> tuple[tc.Tensor, tc.Tensor, tc.Tensor]:
        """Return the image drawn again from the code z = μ + σ ε, with μ and log σ²."""
        mean, log_variance = self.encode(X)
        deviation = (log_variance / 2).exp()
        z = mean + deviation * noise
        deviation.name, z.name = "σ", "z"
        return self.decoder(z), mean, log_variance


def divergence(mean: tc.Tensor, log_variance: tc.Tensor) -> tc.Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² - 1 - log σ²), summed over all examples."""
    return (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 2


def cost(model: VAE, X: tc.Tensor, noise: tc.Tensor) -> tuple[tc.Tensor, tc.Tensor]:
    """Return reconstruction and divergence, in nats for an image."""
    drawn, mean, log_variance = model(X, noise)
    m = X.shape[0]
    reconstruction = nn.BCELoss(reduction="sum")(drawn, X)
    return reconstruction / m, divergence(mean, log_variance) / m


def entropy(p: np.ndarray) -> float:
    """Return the nats for an image of pixels that are on with probabilities p (…, 64)."""
    p = p.astype(np.float64).clip(1e-12, 1 - 1e-12)
    return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).sum(axis=-1).mean())


def main(out: Path | None = None, epochs: int = 100) -> dict[str, Any]:
    images, labels = course.digits()
    X, X_test = (tc.tensor(part) for part in np.split(images.astype(np.float32), [1437]))

    tc.manual_seed(0)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    @tc.compile
    def step(X: tc.Tensor, noise: tc.Tensor) -> tc.Tensor:
        J = sum(cost(model, X, noise))
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    loader = DataLoader(TensorDataset(X), batch_size=64, shuffle=True, drop_last=True)
    costs = []
    for epoch in range(epochs):
        losses = [step(batch, tc.randn(len(batch), 2)).item() for (batch,) in loader]
        costs.append(float(np.mean(losses)))
        if epoch % 20 == 0 or epoch == epochs - 1:
            print(f"epoch {epoch:3d}: {costs[-1]:.2f} nats for an image")

    with tc.no_grad():
        reconstruction, far = (part.item() for part in cost(model, X_test, tc.randn(360, 2)))
    # Grey is uncertain even to who knows the image; and this is what the mean image alone costs.
    floor, blind = entropy(X_test.numpy()), entropy(X.numpy().mean(axis=0))
    print(f"test images: reconstruction {reconstruction:.2f} + divergence {far:.2f} nats;")
    print(f"the pixels' own entropy is {floor:.2f}, the mean image costs {blind:.2f}")

    some, noise = tc.tensor(X.numpy()[:100], name="X"), tc.randn(100, 2)
    noise.name = "ε"
    sheet = tc.equations(sum(cost(model, some, noise)))
    print(sheet)

    if out is not None:
        import matplotlib.pyplot as plt

        fig, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained")
        with tc.no_grad():
            codes = model.encode(X_test)[0].numpy()
            side = np.linspace(-2, 2, 12, dtype=np.float32)
            grid = np.stack(np.meshgrid(side, -side), axis=-1).reshape(-1, 2)
            pictures = model.decoder(tc.tensor(grid)).numpy()
        for digit in range(10):
            where = labels[1437:] == digit
            left.plot(*codes[where].T, ".", color=viz.style.CLASSES[digit], label=str(digit))
        left.legend(title="digit")
        left.set(xlabel="μ₁", ylabel="μ₂", title="test images on the plane of the codes")
        viz.plot_images(
            pictures, columns=12, ax=right, limit=144, title="the plane from -2 to 2, decoded"
        )
        fig.savefig(out / "vae.png")
        plt.close(fig)
    return {
        "costs": costs,
        "reconstruction": reconstruction,
        "divergence": far,
        "kl": divergence,
        "floor": floor,
        "blind": blind,
        "model": model,
        "sheet": sheet,
    }


if __name__ == "__main__":
    main(pictures_folder())
