"""Under PyTorch's name: ``utils.data`` is `tinygrad_course.data`."""

from tinygrad_course.utils import data

__all__ = ["data"]
