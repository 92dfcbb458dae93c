"""Neural networks: modules, layers, activations, losses and initializers, under PyTorch's names.

Example:
    >>> import tinygrad_course as tc
    >>> from tinygrad_course import nn
    >>> model = nn.Sequential(
    ...     nn.Dense(2, 3, activation="sigmoid"),
    ...     nn.Dense(3, 1, activation="sigmoid"),
    ... )
    >>> X, Y = tc.zeros(4, 2), tc.ones(4, 1)
    >>> J = nn.BCELoss()(model(X), Y)
    >>> J.backward()
    >>> [p.name for p in model.parameters()]
    ['W[1]', 'b[1]', 'W[2]', 'b[2]']
"""

from . import functional, init, utils
from .activation import (
    ELU,
    GELU,
    Activation,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from .containers import ModuleDict, ModuleList, ParameterList, Sequential
from .dense import Dense, Flatten, Identity, Linear
from .dropout import Dropout
from .loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from .module import Module
from .norm import BatchNorm1d, LayerNorm, Normalization
from .parameter import Parameter
from .summary import Summary, summary

__all__ = [
    "Activation",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dense",
    "Dropout",
    "ELU",
    "Flatten",
    "GELU",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Normalization",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Step",
    "Summary",
    "Tanh",
    "functional",
    "init",
    "utils",
    "summary",
]
