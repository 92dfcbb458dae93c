"""Datasets, splits and the loader: every example once, repeatable orders, exact resumption."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from tinygrad_course.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
    train_test_split,
)
from tinygrad_course.errors import TinygradCourseError
from tinygrad_course.random import Generator, manual_seed
from tinygrad_course.tensor import Tensor, as_tensor

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10)


class Squares(Dataset):
    """A dataset that is asked example by example."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < 5:
            raise IndexError(index)
        return np.array([index, index**2]), index


def labels(loader: Iterable[Any]) -> list[list[int]]:
    return [y.tolist() for _, y in loader]


# Datasets


def test_tensor_dataset_gives_examples_slices_and_selections() -> None:
    data = TensorDataset(X, as_tensor(Y))
    assert len(data) == 10
    x, y = data[3]
    assert isinstance(x, Tensor)
    assert (x.tolist(), y.item()) == ([6.0, 7.0], 3)
    assert data[-1][1].item() == 9
    assert data[2:4][0].tolist() == X[2:4].tolist()
    assert data[np.array([4, 0])][1].tolist() == [4, 0]
    assert len(list(data)) == 10
    assert repr(data) == "TensorDataset(10 examples: (10, 2), (10,))"


def test_tensor_dataset_shares_memory_but_hands_out_copies() -> None:
    x = X.copy()
    data = TensorDataset(x)
    assert np.shares_memory(data.tensors[0].numpy(), x)
    for index in (0, slice(0, 3), np.array([1, 2])):
        data[index][0].numpy()[...] = -1
    np.testing.assert_array_equal(x, X)


def test_tensor_dataset_keeps_the_dtypes() -> None:
    x, y = next(iter(DataLoader((X.astype(np.float32), Y.astype(np.int8)), batch_size=4)))
    assert (x.dtype, y.dtype) == (np.float32, np.int8)


def test_subset_chooses_in_order_and_nests() -> None:
    data = Subset(Subset(TensorDataset(X, Y), [9, 8, 7, 6]), [3, -4, 3])
    assert [y.item() for _, y in data] == [6, 9, 6]
    assert data[1:][1].tolist() == [9, 6]
    assert labels(DataLoader(data, batch_size=2)) == [[6, 9], [6]]
    assert Subset(Squares(), [2])[0][1] == 2
    assert len(Subset(Squares(), [])) == 0


# Splits


def test_random_split_parts_everything_once_and_repeatably() -> None:
    parts = random_split((X, Y), [7, 3], Generator(0))
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(y.item() for part in parts for _, y in part) == list(range(10))
    again = random_split((X, Y), [7, 3], Generator(0))
    np.testing.assert_array_equal(parts[0].indices, again[0].indices)
    manual_seed(1)
    first = random_split((X, Y), [5, 5])[0].indices
    manual_seed(1)
    np.testing.assert_array_equal(random_split((X, Y), [5, 5])[0].indices, first)


def test_random_split_by_fractions_gives_the_rest_to_the_first() -> None:
    sizes = [len(part) for part in random_split(range(10), [0.33, 0.33, 0.34])]
    assert sizes == [4, 3, 3]
    assert [len(part) for part in random_split(range(10), [1.0])] == [10]


def test_train_test_split_keeps_pairs_together() -> None:
    X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.25, seed=3)
    assert (X_train.shape, X_test.shape) == ((7, 2), (3, 2))
    for x, y in ((X_train, Y_train), (X_test, Y_test)):
        np.testing.assert_array_equal(x[:, 0], 2 * y)
    assert sorted([*Y_train.tolist(), *Y_test.tolist()]) == list(range(10))
    for ours, again in zip(
        train_test_split(X, Y, 3, seed=3), (X_train, X_test, Y_train, Y_test), strict=True
    ):
        np.testing.assert_array_equal(ours, again)
    assert train_test_split(X, Y, seed=4)[3].tolist() != train_test_split(X, Y, seed=5)[3].tolist()


def test_train_test_split_gives_tensors_for_tensors() -> None:
    X_train, _, _, Y_test = train_test_split(as_tensor(X), as_tensor(Y))
    assert isinstance(X_train, Tensor)
    assert isinstance(Y_test, Tensor)
    assert (X_train.shape, Y_test.shape) == ((8, 2), (2,))


def test_train_test_split_without_a_seed_follows_manual_seed() -> None:
    manual_seed(0)
    one = train_test_split(X, Y, seed=None)[3].tolist()
    two = train_test_split(X, Y, seed=None)[3].tolist()
    manual_seed(0)
    assert train_test_split(X, Y, seed=None)[3].tolist() == one
    assert one != two


def test_test_size_is_not_rounded_up_by_a_rounding_error() -> None:
    # 0.1 * 30 is 3.0000000000000004.
    assert len(train_test_split(np.zeros((30, 1)), np.zeros(30), 0.1)[1]) == 3


@pytest.mark.parametrize("seed", range(5))
def test_stratified_parts_keep_the_proportions(seed: int) -> None:
    y = np.repeat([0.0, 1.0, 2.0], [60, 30, 10]).reshape(100, 1)
    x = np.arange(100.0).reshape(100, 1)
    X_train, X_test, Y_train, Y_test = train_test_split(x, y, 0.2, seed=seed, stratify=y)
    assert np.unique(Y_test, return_counts=True)[1].tolist() == [12, 6, 2]
    assert np.unique(Y_train, return_counts=True)[1].tolist() == [48, 24, 8]
    assert sorted(np.concatenate([X_train, X_test]).ravel()) == x.ravel().tolist()
    assert Y_test.ravel().tolist() != sorted(Y_test.ravel().tolist())


def test_stratified_shares_that_are_no_whole_numbers_sum_to_the_size() -> None:
    y = np.repeat(["a", "b", "c"], [7, 7, 6])
    *_, Y_test = train_test_split(np.zeros((20, 1)), np.arange(20), 5, stratify=y)
    counts = np.unique(y[Y_test], return_counts=True)[1]
    # Shares 1.75, 1.75, 1.5: the two largest remainders get the places left.
    assert counts.tolist() == [2, 2, 1]


# The loader


def test_batches_in_order() -> None:
    loader = DataLoader((X, Y), batch_size=4)
    assert len(loader) == 3
    batches = list(loader)
    assert all(isinstance(part, Tensor) for batch in batches for part in batch)
    assert [batch[0].shape for batch in batches] == [(4, 2), (4, 2), (2, 2)]
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    np.testing.assert_array_equal(batches[1][0].numpy(), X[4:8])


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "count"),
    [(1, False, 10), (3, False, 4), (3, True, 3), (5, True, 2), (10, False, 1), (11, False, 1)],
)
def test_length(batch_size: int, drop_last: bool, count: int) -> None:
    loader = DataLoader((X, Y), batch_size, drop_last=drop_last)
    assert len(loader) == len(list(loader)) == count


def test_one_array_gives_tuples_of_one() -> None:
    assert [x.tolist() for (x,) in DataLoader(Y, batch_size=5)] == [Y[:5].tolist(), Y[5:].tolist()]
    assert len(next(iter(DataLoader(as_tensor(Y))))) == 1


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_shuffling_visits_every_example_once_with_its_label(batch_size: int) -> None:
    loader = DataLoader((X, Y), batch_size, shuffle=True, seed=0)
    first, second = ([y for batch in labels(loader) for y in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == Y.tolist()
    assert first != second
    for x, y in loader:
        np.testing.assert_array_equal(x.numpy()[:, 0], 2 * y.numpy())


def test_seeds_repeat_the_order() -> None:
    one = DataLoader((X, Y), 3, shuffle=True, seed=7)
    two = DataLoader((X, Y), 3, shuffle=True, generator=Generator(7))
    other = DataLoader((X, Y), 3, shuffle=True, seed=8)
    epochs = [labels(one) for _ in range(3)]
    assert epochs == [labels(two) for _ in range(3)]
    assert epochs != [labels(other) for _ in range(3)]


def test_without_a_seed_manual_seed_decides_also_after_construction() -> None:
    loader = DataLoader((X, Y), 3, shuffle=True)
    manual_seed(5)
    one = labels(loader), labels(loader)
    manual_seed(5)
    assert (labels(loader), labels(loader)) == one


def test_batch_size_does_not_change_the_order() -> None:
    orders = [
        sum(labels(DataLoader((X, Y), batch_size, shuffle=True, seed=1)), [])
        for batch_size in (1, 4, 10)
    ]
    assert orders[0] == orders[1] == orders[2]


def test_changing_a_batch_leaves_the_data_alone() -> None:
    x = X.copy()
    for shuffle in (False, True):
        for (batch,) in DataLoader(x, batch_size=10, shuffle=shuffle, seed=0):
            batch.numpy()[...] = 0
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("order", ["F", "negative", "readonly"])
def test_any_memory_layout(order: str) -> None:
    x = np.asfortranarray(X) if order == "F" else X[::-1] if order == "negative" else X.copy()
    x.flags.writeable = order != "readonly"
    for shuffle in (False, True):
        rows = [row for (b,) in DataLoader(x, 3, shuffle=shuffle, seed=0) for row in b.tolist()]
        assert sorted(rows) == X.tolist()


def test_a_dataset_of_ones_own_is_stacked() -> None:
    batches = list(DataLoader(Squares(), batch_size=2))
    assert [x.tolist() for x, _ in batches] == [[[0, 0], [1, 1]], [[2, 4], [3, 9]], [[4, 16]]]
    shuffled = labels(DataLoader(Squares(), batch_size=2, shuffle=True, seed=0))
    assert sorted(sum(shuffled, [])) == [0, 1, 2, 3, 4]
    assert [x.tolist() for x in DataLoader([1.5, 2.5, 3.5], batch_size=2)] == [[1.5, 2.5], [3.5]]


def test_a_subclass_with_its_own_getitem_is_obeyed() -> None:
    class Negated(TensorDataset):
        def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
            (x,) = super().__getitem__(index)
            return (as_tensor(-x.numpy()),)

    assert next(iter(DataLoader(Negated(Y), 3)))[0].tolist() == [0, -1, -2]
    assert next(iter(DataLoader(Subset(Negated(Y), [5, 6]), 2)))[0].tolist() == [-5, -6]


def test_collate_fn_replaces_stacking() -> None:
    loader = DataLoader((X, Y), 4, collate_fn=lambda examples: [y.item() for _, y in examples])
    assert list(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    ragged = DataLoader([np.zeros(2), np.zeros(3)], 2, collate_fn=len)
    assert list(ragged) == [2]


def test_default_collate_follows_the_examples() -> None:
    batch = default_collate([{"x": [1.0, 2.0], "y": 0}, {"x": [3.0, 4.0], "y": 1}])
    assert [part.tolist() for part in batch["x"]] == [[1.0, 3.0], [2.0, 4.0]]
    assert batch["y"].tolist() == [0, 1]
    assert default_collate([np.ones(2), np.zeros(2)]).shape == (2, 2)
    assert default_collate([as_tensor(np.ones(2))]).tolist() == [[1.0, 1.0]]


# Resumption


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("stop", range(9))
def test_resuming_equals_going_on(shuffle: bool, stop: int) -> None:
    def make() -> DataLoader:
        return DataLoader((X, Y), 3, shuffle=shuffle, seed=2)

    loader, seen, state, saved = make(), [], None, 0
    for _ in range(4):
        for _, y in loader:
            seen.append(y.tolist())
            if len(seen) == stop:
                saved, state = len(seen), json.loads(json.dumps(loader.state_dict()))
    resumed = DataLoader((X, Y), 3, shuffle=shuffle, seed=99)
    if state is None:
        state = make().state_dict()
    resumed.load_state_dict(state)
    rest = [y.tolist() for _ in range(state["epoch"], 4) for _, y in resumed]
    assert rest == seen[saved:]
    assert resumed.state_dict() == loader.state_dict()


def test_resuming_between_epochs() -> None:
    loader = DataLoader((X, Y), 4, shuffle=True, seed=1)
    labels(loader)
    state = loader.state_dict()
    assert (state["epoch"], state["batch"], state["order_seed"]) == (1, 0, None)
    resumed = DataLoader((X, Y), 4, shuffle=True)
    resumed.load_state_dict(state)
    assert [labels(resumed) for _ in range(3)] == [labels(loader) for _ in range(3)]


def test_breaking_off_ends_the_epoch_for_the_state_too() -> None:
    loader = DataLoader((X, Y), 2, shuffle=True, seed=1)
    for _ in loader:
        break
    state = loader.state_dict()
    assert (state["epoch"], state["batch"]) == (1, 0)
    resumed = DataLoader((X, Y), 2, shuffle=True)
    resumed.load_state_dict(state)
    assert labels(resumed) == labels(loader)


def test_two_passes_at_a_time_do_not_disturb_each_other() -> None:
    loader = DataLoader((X, Y), 5, shuffle=True, seed=1)
    pairs = [(a[1].tolist(), b[1].tolist()) for a, b in zip(loader, loader, strict=True)]
    for one in zip(*pairs, strict=True):
        assert sorted(sum(one, [])) == Y.tolist()
    nested = [y.tolist() for _ in loader for _, y in loader]
    assert len(nested) == 4


def test_a_state_of_another_loader_is_refused_and_changes_nothing() -> None:
    loader = DataLoader((X, Y), 3, shuffle=True, seed=1)
    before = loader.state_dict()
    changes: list[Any] = [
        {"examples": 11},
        {"batch_size": 4},
        {"shuffle": False},
        {"drop_last": True},
        {"epoch": -1},
        {"epoch": "one"},
        {"batch": 1},
        {"batch": 5, "order_seed": 1},
        {"order_seed": -1},
        {"order_seed": 0.5},
        {"extra": 0},
        {"generator": {}},
    ]
    for change in changes:
        with pytest.raises(ValueError, match="Make the loader|Pass"):
            loader.load_state_dict({**before, **change})
        assert loader.state_dict() == before
    with pytest.raises(ValueError, match="got list"):
        loader.load_state_dict([])  # type: ignore[arg-type]


# Errors

ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: DataLoader((X, Y), batch_size=0), ValueError, "batch_size=0"),
    (lambda: DataLoader((X, Y), batch_size=-3), ValueError, "batch_size=-3"),
    (lambda: DataLoader((X, Y), batch_size=2.0), TypeError, "batch_size=2.0"),  # type: ignore[arg-type]
    (lambda: DataLoader((X, Y), batch_size=True), TypeError, "batch_size=True"),
    (lambda: DataLoader((X, Y), batch_size=None), TypeError, "batch_size=None"),  # type: ignore[arg-type]
    (lambda: DataLoader(X[:0]), ValueError, "without examples"),
    (lambda: DataLoader((X, Y), 11, drop_last=True), ValueError, "drops every example"),
    (lambda: DataLoader((X, Y[:9])), ValueError, r"\[10, 9\] examples"),
    (lambda: DataLoader((X.T, Y.reshape(1, 10))), ValueError, "Examples are rows"),
    (lambda: DataLoader([X, Y]), ValueError, "tuple \\(X, Y\\)"),
    (lambda: DataLoader(()), ValueError, "got no arrays"),
    (lambda: DataLoader(5), TypeError, "got a int"),
    (lambda: DataLoader((X, "labels")), TypeError, "argument 1 of str, expected real numbers"),
    (lambda: DataLoader((X, Y), seed=1, generator=Generator(1)), ValueError, "both generator"),
    (lambda: DataLoader((X, Y), seed=-1), ValueError, "seed -1"),
    (
        lambda: DataLoader((X, Y), generator=np.random.default_rng(0)),  # type: ignore[arg-type]
        TypeError,
        r"Pass Generator\(seed\)",
    ),
    (
        lambda: next(iter(DataLoader([{1}, {2}]))),
        TypeError,
        "an example of set, expected real numbers",
    ),
    (
        lambda: next(iter(DataLoader([[1], [1, 2]], batch_size=2))),
        ValueError,
        "numbers of parts 1 and 2",
    ),
    (lambda: default_collate([np.zeros(2), np.zeros(3)]), ValueError, r"shapes \[\(2,\), \(3,\)\]"),
    (lambda: default_collate([{"a": 1}, {"b": 1}]), ValueError, "keys"),
    (lambda: TensorDataset(), ValueError, "at least one"),
    (lambda: TensorDataset(3.0), ValueError, "single number"),
    (lambda: TensorDataset([[1, 2], [3]]), ValueError, "not rectangular"),
    (lambda: TensorDataset(X)[10], IndexError, "from 0 to 9"),
    (lambda: Subset(X, [10]), IndexError, "index 10"),
    (lambda: Subset(X, [-11]), IndexError, "index -11"),
    (lambda: Subset(X, [True, False]), TypeError, "flatnonzero"),
    (lambda: Subset(X, [[1], [2]]), ValueError, "one flat list"),
    (lambda: Subset(TensorDataset(X), [1])[1], IndexError, "from 0 to 0"),
    (lambda: random_split(X, [5, 6]), ValueError, "sum to 11"),
    (lambda: random_split(X, [11, -1]), ValueError, "sizes >= 0"),
    (lambda: random_split(X, [0.5, 0.6]), ValueError, "fractions that sum to 1"),
    (lambda: random_split(X, [float("nan"), 1.0]), ValueError, "nan"),
    (lambda: random_split(X, ["half"]), TypeError, "list of numbers"),  # type: ignore[list-item]
    (lambda: random_split(X, []), TypeError, "list of numbers"),
    (lambda: train_test_split(X, Y[:5]), ValueError, r"\(10, 2\) and Y of shape \(5,\)"),
    (lambda: train_test_split(X, Y, 0.0), ValueError, "test_size=0.0"),
    (lambda: train_test_split(X, Y, 1.0), ValueError, "test_size=1.0"),
    (lambda: train_test_split(X, Y, 10), ValueError, "from 1 to 9"),
    (lambda: train_test_split(X, Y, 0.99), ValueError, "leaves some for training"),
    (lambda: train_test_split(X, Y, "half"), TypeError, "test_size='half'"),  # type: ignore[arg-type]
    (lambda: train_test_split(X, Y, stratify=Y), ValueError, "10 classes"),
    (lambda: train_test_split(X, Y, 1, stratify=Y > 4), ValueError, "for 1 test"),
    (lambda: train_test_split(X, Y, stratify=Y[:3]), ValueError, "10 labels"),
    (lambda: train_test_split(X, Y, seed="one"), TypeError, "seed 'one'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_mistakes_are_named(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        call()
    assert isinstance(caught.value, TinygradCourseError)
    assert "expected" in str(caught.value)


def test_a_tensor_that_collects_gradients_is_refused() -> None:
    weights = Tensor(np.ones((3, 1)), requires_grad=True)
    with pytest.raises(ValueError, match=r"Pass t\.detach\(\)"):
        TensorDataset(weights)
    assert len(TensorDataset(weights.detach())) == 3


def test_the_base_class_asks_for_its_two_methods() -> None:
    with pytest.raises(NotImplementedError, match="__len__"):
        len(Dataset())
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
