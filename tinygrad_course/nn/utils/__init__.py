"""Tools for parameters and sequences, under PyTorch's names: ``nn.utils.clip_grad_norm_`` …."""

from tinygrad_course.nn.utils import rnn
from tinygrad_course.nn.utils.vectors import parameters_to_vector, vector_to_parameters
from tinygrad_course.optim.clip import clip_grad_norm_, clip_grad_value_

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]
