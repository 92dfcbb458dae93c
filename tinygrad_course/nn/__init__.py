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
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Activation,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Softsign,
    Step,
    Tanh,
    Tanhshrink,
)
from .containers import ModuleDict, ModuleList, ParameterList, Sequential
from .dense import Dense, Flatten, Identity, Linear
from .distance import CosineSimilarity, PairwiseDistance
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
from .piecewise import (
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    PReLU,
    ReLU6,
    Softshrink,
    Threshold,
)
from .summary import Summary, summary

__all__ = [
    "CELU",
    "GLU",
    "SELU",
    "Activation",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "Dense",
    "Dropout",
    "ELU",
    "Flatten",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Normalization",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "ParameterList",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Step",
    "Summary",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "functional",
    "init",
    "utils",
    "summary",
]
