"""What the demo computes: data, model, training, predictions, gradient check. No pictures.

The program that a reader sees on the page, `CODE`, is the one that runs here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course import nn
from tinygrad_course.checking.report import GradientReport
from tinygrad_course.creation import tensor
from tinygrad_course.data import course, train_test_split
from tinygrad_course.derivation.equations import Equations, equations
from tinygrad_course.derivation.source import Program, source
from tinygrad_course.derivation.verify import Verification, verify
from tinygrad_course.gradcheck import check_gradients
from tinygrad_course.random import manual_seed
from tinygrad_course.tensor import Tensor
from tinygrad_course.train import History, evaluate, fit, predict

__all__ = ["BATCH", "CODE", "Outcome", "code", "train"]

Array = NDArray[Any]

BATCH = 32
"""Examples per step, and in the graph that is drawn and checked."""

CODE = """\
import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.data import course, train_test_split

# 360 real images of 8 × 8 pixels; a fifth is held out.
X, Y = course.digits01()
X_train, X_test, Y_train, Y_test = train_test_split(
    X, Y, test_size=0.2, seed={seed}, stratify=Y
)

tc.manual_seed({seed})
model = nn.Sequential(
    nn.Dense(64, 25, activation="sigmoid"),
    nn.Dense(25, 15, activation="sigmoid"),
    nn.Dense(15, 1, activation="sigmoid"),
)
history = tc.fit(
    model, X_train, Y_train,
    loss="bce", optimizer="adam", lr=0.003,
    epochs={epochs}, batch_size=32, seed={seed},
    validation_data=(X_test, Y_test), metrics="accuracy",
)
"""


def code(seed: int, epochs: int) -> str:
    """Return the program of the demo, as the page shows it."""
    return CODE.format(seed=seed, epochs=epochs)


@dataclass(frozen=True)
class Outcome:
    """What came out of the demo.

    Attributes:
        seed, epochs: what it was made with.
        model: the trained network.
        history: loss and accuracy of each epoch.
        X_train, Y_train, X_test, Y_test: the data.
        rows: the places of the test images in `course.digits01()`.
        probability: what the network says of each test image: how likely it shows a one.
        training, test: loss and accuracy.
        loss: the loss of one batch, with the graph behind it.
        report: the gradient check of that loss.
        sheet: the equations of its forward and backward pass.
        program: the same in NumPy.
        verified: both compared with automatic differentiation.
    """

    seed: int
    epochs: int
    model: nn.Sequential
    history: History
    X_train: Array
    Y_train: Array
    X_test: Array
    Y_test: Array
    rows: Array
    probability: Array
    training: dict[str, float]
    test: dict[str, float]
    loss: Tensor
    report: GradientReport
    sheet: Equations
    program: Program
    verified: Verification

    @property
    def truth(self) -> Array:
        """The digits of the test images, 0 or 1."""
        return np.asarray(self.Y_test.reshape(-1), np.int64)

    @property
    def guess(self) -> Array:
        """What the network takes the test images for, 0 or 1."""
        return np.asarray(self.probability >= 0.5, np.int64)

    @property
    def wrong(self) -> list[int]:
        """The places in the test set of the images that are read wrong."""
        return [int(i) for i in np.flatnonzero(self.guess != self.truth)]

    @property
    def parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def code(self) -> str:
        """The program that gives this outcome."""
        return code(self.seed, self.epochs)

    def metadata(self) -> dict[str, Any]:
        """Return what the model's file says about it."""
        return {"network": "64-25-15-1", "seed": self.seed, "epochs": self.epochs}

    def lines(self) -> list[str]:
        """Return the result in a few lines of text."""
        total = len(self.truth)
        right = total - len(self.wrong)
        lines = [
            f"training  {len(self.X_train)} images  loss {self.training['loss']:.6f}  "
            f"accuracy {self.training['accuracy']:.2%}",
            f"test       {total} images  loss {self.test['loss']:.6f}  "
            f"accuracy {self.test['accuracy']:.2%} ({right} of {total})",
        ]
        if not self.wrong:
            lines.append("misclassified test images: none")
        else:
            lines.append(f"misclassified test images: {', '.join(map(str, self.wrong))}")
        for i in self.wrong:
            lines.append(
                f"  test image {i} (row {self.rows[i]} of course.digits01) is a {self.truth[i]}, "
                f"read as {self.guess[i]}: probability of a one {self.probability[i]:.3f}"
            )
        verdict = "passed" if self.report.passed else "FAILED"
        lines.append(
            f"gradient check {verdict}: all {self.report.entries} entries of "
            f"{len(self.report)} parameters, difference {self.report.difference:.2e}"
        )
        lines.append(str(self.verified))
        return lines

    def gradient_text(self) -> str:
        """Return the report of the gradient check, with what was checked."""
        head = (
            "The trained 64-25-15-1 network: derivatives of the mean binary cross-entropy of\n"
            f"{BATCH} training images with respect to every parameter.\n\n"
        )
        return head + self.report.to_text()


def train(*, seed: int = 0, epochs: int = 40, verbose: Any = False) -> Outcome:
    """Run the program of the demo, and judge what it made.

    Args:
        seed: of the split, the weights and the order of the examples.
        epochs: how often to go through the training images.
        verbose: as for `fit`.
    """
    X, Y = course.digits01()
    X_train, X_test, Y_train, Y_test = train_test_split(X, Y, 0.2, seed=seed, stratify=Y)
    # The same draw once more, for the places of the images.
    _, rows, _, _ = train_test_split(np.arange(len(X)), Y, 0.2, seed=seed, stratify=Y)
    manual_seed(seed)
    model = nn.Sequential(
        nn.Dense(64, 25, activation="sigmoid"),
        nn.Dense(25, 15, activation="sigmoid"),
        nn.Dense(15, 1, activation="sigmoid"),
    )
    history = fit(
        model,
        X_train,
        Y_train,
        loss="bce",
        optimizer="adam",
        lr=0.003,
        epochs=epochs,
        batch_size=BATCH,
        seed=seed,
        validation_data=(X_test, Y_test),
        metrics="accuracy",
        verbose=verbose,
    )
    x = tensor(X_train[:BATCH].astype(np.float32), name="X")
    y = tensor(Y_train[:BATCH].astype(np.float32), name="Y")
    measure = nn.BCELoss()

    def loss() -> Tensor:
        J: Tensor = measure(model(x), y)
        return J

    J = loss()
    program = source(J)
    return Outcome(
        seed=seed,
        epochs=epochs,
        model=model,
        history=history,
        X_train=X_train,
        Y_train=Y_train,
        X_test=X_test,
        Y_test=Y_test,
        rows=rows,
        probability=predict(model, X_test).numpy().reshape(-1),
        training=evaluate(model, X_train, Y_train, loss="bce", metrics="accuracy"),
        test=evaluate(model, X_test, Y_test, loss="bce", metrics="accuracy"),
        loss=J,
        report=check_gradients(loss, model, max_entries=None),
        sheet=equations(J),
        program=program,
        verified=verify(program),
    )
