"""Tools for parameters, under PyTorch's name: ``nn.utils.clip_grad_norm_`` and its kin."""

from tinygrad_course.optim.clip import clip_grad_norm_, clip_grad_value_

__all__ = ["clip_grad_norm_", "clip_grad_value_"]
