"""Sequential, ModuleList, ModuleDict, ParameterList."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.errors import ArgumentError, DtypeError, IndexingError, ModuleError


class Add(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Any) -> Any:
        return x * 10 + self.n


def numbers(container: Any) -> list[int]:
    return [m.n for m in container]


def test_applies_in_order() -> None:
    assert nn.Sequential(Add(1), Add(2), Add(3))(0) == 123
    assert nn.Sequential()(7) == 7
    assert nn.Sequential([Add(1), Add(2)])(0) == 12


def test_names() -> None:
    model = nn.Sequential(OrderedDict(first=Add(1), second=Add(2)))
    assert [n for n, _ in model.named_children()] == ["first", "second"]
    assert model(0) == 12 and model.first.n == 1
    model.add_module("third", Add(3))
    assert model(0) == 123


def test_indexing_and_slicing() -> None:
    model = nn.Sequential(Add(0), Add(1), Add(2), Add(3))
    assert model[0].n == 0 and model[-1].n == 3 and len(model) == 4
    part = model[1:3]
    assert type(part) is nn.Sequential and part(0) == 12
    # As in PyTorch, a slice keeps the names, and so fits a part of the state dict.
    assert [n for n, _ in part.named_children()] == ["1", "2"]
    assert part[0] is model[1]
    assert part.append(Add(9))(0) == 129
    model[0] = Add(7)
    assert numbers(model) == [7, 1, 2, 3]
    del model[1]
    assert numbers(model) == [7, 2, 3]
    assert [n for n, _ in model.named_children()] == ["0", "1", "2"]
    del model[1:]
    assert model(0) == 7
    assert model[0] in model and Add(7) not in model


def test_append_extend_insert_chain() -> None:
    model = nn.Sequential(Add(1)).append(Add(3)).insert(1, Add(2)).extend([Add(4), Add(5)])
    assert model(0) == 12345
    assert [n for n, _ in model.named_children()] == ["0", "1", "2", "3", "4"]


def test_setattr_by_number_replaces_the_step() -> None:
    model = nn.Sequential(Add(1), Add(2))
    setattr(model, "1", Add(5))
    assert model(0) == 15
    setattr(model, "1", None)
    assert model(0) == 1


def test_subclass_with_another_constructor_can_be_sliced() -> None:
    class Mine(nn.Sequential):
        def __init__(self, n: int) -> None:
            super().__init__(*[Add(i) for i in range(n)])

    part = Mine(3)[1:]
    assert type(part) is nn.Sequential and part(0) == 12


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"holds modules, got 'relu'.*nn\.ReLU\(\)"):
        nn.Sequential(nn.Dense(1, 1), tc.relu)
    with pytest.raises(DtypeError, match="holds modules, got 'Dense'"):
        nn.Sequential(nn.Dense)
    model = nn.Sequential(Add(1))
    with pytest.raises(DtypeError, match="holds modules, got 'int'"):
        model.extend([Add(2), 3])
    assert len(model) == 1
    with pytest.raises(IndexingError, match="index 5 is outside; it holds 1 modules"):
        model[5]
    with pytest.raises(IndexingError, match="is empty"):
        nn.Sequential()[0]
    with pytest.raises(DtypeError, match="an index is an integer"):
        model["0"]


def test_module_list() -> None:
    layers = nn.ModuleList(Add(i) for i in range(3))
    layers.append(Add(3)).insert(0, Add(9))
    assert numbers(layers) == [9, 0, 1, 2, 3]
    assert numbers(layers[1:]) == [0, 1, 2, 3]
    assert [n for n, _ in layers[1:].named_children()] == ["0", "1", "2", "3"]
    net = nn.ModuleList([nn.Dense(1, 2), nn.Dense(2, 1)])
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    with pytest.raises(NotImplementedError):
        net(1)


def test_module_dict() -> None:
    heads = nn.ModuleDict({"a": Add(1)})
    heads["b"] = Add(2)
    heads.update({"c": Add(3)})
    assert heads.keys() == ["a", "b", "c"] == list(heads) and len(heads) == 3
    assert [m.n for m in heads.values()] == [1, 2, 3]
    assert dict(heads.items())["b"].n == 2 and "b" in heads
    assert heads.pop("b").n == 2 and "b" not in heads
    heads["a"] = Add(5)
    assert heads["a"](0) == 5
    del heads["a"]
    for name in ("zzz", "forward", "training"):
        with pytest.raises(KeyError, match=f"has no module '{name}'; it has c"):
            heads[name]
    with pytest.raises(ArgumentError, match="exists already"):
        heads["keys"] = Add(1)
    assert isinstance(pytest.raises(ModuleError, heads.pop, "q").value, AttributeError)


def test_parameter_list() -> None:
    weights = nn.ParameterList([nn.Parameter([1.0]), tc.ones(2)])
    weights.append([3.0])
    assert [n for n, _ in weights.named_parameters()] == ["0", "1", "2"]
    assert all(type(p) is nn.Parameter for p in weights)
    weights[0] = tc.zeros(1)
    assert weights[0].tolist() == [0.0] and len(weights[1:]) == 2
    del weights[0]
    assert [p.tolist() for p in weights] == [[1.0, 1.0], [3.0]]
    with pytest.raises(DtypeError):
        weights.append([1])
