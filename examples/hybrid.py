"""A hybrid network: an image and a row of a table, read by two branches and joined.

You see a question that neither input answers alone: is the digit in the picture larger than the
number in the table? A convolutional branch reads the 8 x 8 pixels, a dense branch the table, their
units are concatenated, and the gradient divides again on its way back. Who sees only one of the two
is right in 75 % of the cases at most, however good the reading.

Data: the digits inside scikit-learn, with numbers 0 to 9 drawn beside them.
Course: Deep Learning Specialization, course 1 week 1, "Supervised learning with neural networks",
which names hybrid architectures.

    python examples/hybrid.py --out pictures
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


class Hybrid(nn.Module):
    """An image (m, 1, 8, 8) and a table (m, 10) in; the logit of the answer (m, 1) out."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.table = nn.Sequential(nn.Linear(10, 16), nn.ReLU())
        self.both = nn.Sequential(nn.Linear(16 * 2 * 2 + 16, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, image: tc.Tensor, table: tc.Tensor) -> tc.Tensor:
        """Return the logit that the digit is larger than the number."""
        return self.both(tc.cat([self.image(image), self.table(table)], dim=1))


def with_numbers(images: np.ndarray, digits: np.ndarray, rng: Any) -> tuple[tc.Tensor, ...]:
    """Draw a number beside each image; return images, tables (one-hot) and answers."""
    numbers = rng.integers(0, 10, len(digits))
    table = np.eye(10, dtype=np.float32)[numbers]
    answers = (digits > numbers).astype(np.float32).reshape(-1, 1)
    return tc.tensor(images), tc.tensor(table), tc.tensor(answers)


def train(kept: tuple[bool, bool], images: np.ndarray, digits: np.ndarray, epochs: int) -> Any:
    """Train on the inputs that are kept, zeros in place of the others; return model and costs.

    The numbers are drawn anew in each epoch.
    """
    tc.manual_seed(0)
    model = Hybrid()
    loss = nn.BCEWithLogitsLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    see_image, see_table = kept

    @tc.compile
    def step(image: tc.Tensor, table: tc.Tensor, Y: tc.Tensor) -> tc.Tensor:
        J = loss(model(image * see_image, table * see_table), Y)
        optimizer.zero_grad()
        J.backward()
        optimizer.step()
        return J

    rng = np.random.default_rng(0)
    costs = []
    for _ in range(epochs):
        data = TensorDataset(*with_numbers(images, digits, rng))
        loader = DataLoader(data, batch_size=64, shuffle=True, drop_last=True)
        costs.append(float(np.mean([step(*batch).item() for batch in loader])))
    return model, costs


def main(out: Path | None = None, epochs: int = 60) -> dict[str, Any]:
    images, digits = course.digits()
    images = images.reshape(-1, 1, 8, 8).astype(np.float32)
    known, unseen = np.split(np.random.default_rng(0).permutation(len(images)), [1437])
    image, table, Y = with_numbers(images[unseen], digits[unseen], np.random.default_rng(1))
    found: dict[str, Any] = {}
    for name, kept in (
        ("image alone", (True, False)),
        ("table alone", (False, True)),
        ("image and table", (True, True)),
    ):
        model, costs = train(kept, images[known], digits[known], epochs)
        with tc.no_grad():
            answers = (model(image * kept[0], table * kept[1]) > 0).numpy()
        percent = 100 * float((answers == Y.numpy()).mean())
        print(f"{name}: cost {costs[0]:.4f} -> {costs[-1]:.4f}, {percent:.1f} % of the test right")
        found[name] = {"costs": costs, "right": percent}

    image.name, table.name, Y.name = "X_image", "X_table", "Y"
    sheet = tc.equations(nn.BCEWithLogitsLoss()(model(image, table), Y))
    print(sheet)

    if out is not None:
        import matplotlib.pyplot as plt

        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
        viz.plot_history({name: found[name]["costs"] for name in found}, left)
        left.set(ylabel="cost")
        with tc.no_grad():
            odds = [model(image, tc.eye(10)[[t] * len(image)]).sigmoid().numpy() for t in range(10)]
        shown = [[float(odds[t][digits[unseen] == d].mean()) for t in range(10)] for d in range(10)]
        right.imshow(shown, cmap="RdBu", vmin=0, vmax=1)
        right.set(xlabel="number", ylabel="digit in the image", title="P(digit > number)")
        right.set(xticks=range(10), yticks=range(10))
        fig.savefig(out / "hybrid.png")
        plt.close(fig)
    return found | {"sheet": sheet}


if __name__ == "__main__":
    main(pictures_folder())
