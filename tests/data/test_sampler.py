"""Samplers, datasets one after the other, and PyTorch's loader arguments."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import data, errors
from tinygrad_course.utils.data import ConcatDataset, DataLoader, TensorDataset


def test_utils_data_has_the_names_of_data():
    from tinygrad_course.utils import data as under_pytorchs_name

    for name in under_pytorchs_name.__all__:
        assert getattr(under_pytorchs_name, name) is getattr(data, name)


def test_concatenated_datasets_are_one_after_the_other():
    first, second = TensorDataset([1.0, 2.0]), TensorDataset([3.0, 4.0, 5.0])
    both = first + second
    assert isinstance(both, ConcatDataset)
    assert [x.item() for (x,) in (both[i] for i in range(-5, 5))] == [1, 2, 3, 4, 5] * 2
    assert [x.tolist() for (x,) in DataLoader(both, batch_size=3)] == [[1, 2, 3], [4, 5]]
    with pytest.raises(errors.IndexingError, match="from 0 to 4"):
        both[5]
    with pytest.raises(errors.ArgumentError, match="at least one"):
        ConcatDataset([])


def test_random_samplers_visit_each_once_and_repeat_by_seed():
    for make in (
        lambda g: data.RandomSampler(range(20), generator=g),
        lambda g: data.SubsetRandomSampler(list(range(20)), generator=g),
    ):
        one, two = make(tc.Generator(3)), make(tc.Generator(3))
        order = list(one)
        assert sorted(order) == list(range(20)) != order
        assert order == list(two) != list(one)
    assert len(list(data.RandomSampler(range(3), replacement=True, num_samples=9))) == 9


def test_a_weighted_sampler_draws_in_proportion():
    sampler = data.WeightedRandomSampler([1, 3, 0, 4], 8000, generator=tc.Generator(0))
    counts = collections.Counter(sampler)
    # 6 standard deviations of a binomial draw, √(8000 p (1 − p)), are at most 270.
    assert counts[2] == 0
    for index, expected in ((0, 1000), (1, 3000), (3, 4000)):
        assert abs(counts[index] - expected) < 270
    once = list(data.WeightedRandomSampler([1, 3, 0, 4], 3, replacement=False))
    assert sorted(once) == [0, 1, 3]


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [np.nan, 1.0], [[1.0, 2.0]]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(errors.ArgumentError, match="one number >= 0 per example"):
        data.WeightedRandomSampler(weights, 1)


def test_more_samples_than_examples_need_replacement():
    with pytest.raises(errors.ArgumentError, match="replacement=True"):
        data.RandomSampler(range(3), num_samples=4)
    with pytest.raises(errors.ArgumentError, match="for 1 examples"):
        data.WeightedRandomSampler([0.0, 1.0], 2, replacement=False)


def test_a_loader_follows_its_sampler():
    X = np.arange(5.0)
    loader = DataLoader(TensorDataset(X), batch_size=2, sampler=[4, 0, 3], num_workers=2)
    assert [x.tolist() for (x,) in loader] == [[4, 0], [3]]
    assert len(loader) == 2
    loader = DataLoader(TensorDataset(X), batch_sampler=[[1], [2, 3, 4]], pin_memory=True)
    assert [x.tolist() for (x,) in loader] == [[1], [2, 3, 4]]
    with pytest.raises(errors.ArgumentError, match="its sampler's"):
        loader.state_dict()


def test_two_orders_and_unknown_arguments_are_refused():
    X = np.arange(5.0)
    with pytest.raises(errors.ArgumentError, match="Leave out shuffle"):
        DataLoader(X, shuffle=True, sampler=[0])
    with pytest.raises(errors.ArgumentError, match="batch_sampler"):
        DataLoader(X, batch_size=2, batch_sampler=[[0]])
    with pytest.raises(errors.DtypeError, match="'num_worker'"):
        DataLoader(X, num_worker=2)


def test_strings_of_examples_become_a_list():
    class Words(data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return {"word": "abc"[index], "place": index}

    (batch,) = DataLoader(Words(), batch_size=3)
    assert batch["word"] == ["a", "b", "c"]
    assert batch["place"].tolist() == [0, 1, 2]
