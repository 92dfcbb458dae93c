"""Optimizers, gradient clipping and learning-rate schedules.

From simple to complex: `SGD`, `ASGD` and `Rprop`; `Adagrad`, `RMSprop` and `Adadelta`; `Adam`,
`AdamW`, `Adamax`, `NAdam` and `RAdam`. `LBFGS` and `minimize` are for losses of all examples at
once.

Example:
    >>> import tinygrad_course as tc
    >>> from tinygrad_course import optim
    >>> w = tc.tensor(5.0, requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.5)
    >>> for step in range(50):
    ...     optimizer.zero_grad()
    ...     J = (w - 3) ** 2
    ...     J.backward()
    ...     optimizer.step()
    >>> round(w.item(), 4)
    3.0
"""

from tinygrad_course.optim import lr_scheduler
from tinygrad_course.optim.adam_variants import Adamax, NAdam, RAdam
from tinygrad_course.optim.adaptive import Adadelta, Adagrad, Adam, AdamW, RMSprop
from tinygrad_course.optim.averaged import ASGD
from tinygrad_course.optim.clip import clip_grad_norm_, clip_grad_value_
from tinygrad_course.optim.lbfgs import LBFGS
from tinygrad_course.optim.minimize import minimize
from tinygrad_course.optim.optimizer import Optimizer
from tinygrad_course.optim.rprop import Rprop
from tinygrad_course.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
    "minimize",
]
