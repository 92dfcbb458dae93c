"""Training: `fit`, its `History`, callbacks, and helpers to judge a trained model.

Example:
    >>> from tinygrad_course import nn
    >>> from tinygrad_course.train import evaluate, fit
    >>> X, Y = [[0.0], [1.0], [2.0], [3.0]], [[0], [0], [1], [1]]
    >>> model = nn.Sequential(nn.Dense(1, 1), nn.Sigmoid())
    >>> history = fit(model, X, Y, loss="bce", lr=0.1, epochs=200, batch_size=None)
    >>> evaluate(model, X, Y, loss="bce", metrics="accuracy")["accuracy"]
    1.0
"""

from tinygrad_course.train.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
)
from tinygrad_course.train.evaluate import evaluate, predict
from tinygrad_course.train.fit import Run, fit
from tinygrad_course.train.history import History
from tinygrad_course.train.metrics import accuracy

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "ModelCheckpoint",
    "Run",
    "accuracy",
    "evaluate",
    "fit",
    "predict",
]
