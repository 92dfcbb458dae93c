"""Data: the courses' datasets, datasets of your own, splits and batches.

`data.course` makes the labs' data; `TensorDataset` and `DataLoader` hand any data out in batches.
"""

from tinygrad_course.data import course
from tinygrad_course.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset
from tinygrad_course.data.loader import DataLoader, default_collate
from tinygrad_course.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tinygrad_course.data.split import random_split, train_test_split

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "course",
    "default_collate",
    "random_split",
    "train_test_split",
]
