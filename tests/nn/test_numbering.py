"""The names W[l], b[l], Z[l], A[l] that a model gives to its parameters and results."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import tinygrad_course as tc
from tinygrad_course import nn
from tinygrad_course.nn import functional as F
from tinygrad_course.node import Node


def recorded(y: Any) -> list[str]:
    """Return the names of the recorded nodes, oldest first."""
    nodes: dict[int, Node] = {}
    stack = [y._node]
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node.time not in nodes:
            nodes[node.time] = node
            stack.extend(node.inputs)
    return [node.name or node.op.name for _, node in sorted(nodes.items())]


def parameter_names(model: Any) -> list[str | None]:
    return [p.name for p in model.parameters()]


def test_layers_are_counted_from_1() -> None:
    model = nn.Sequential(nn.Dense(2, 3, "sigmoid"), nn.Dense(3, 1, "sigmoid"))
    assert parameter_names(model) == [None] * 4
    y = model(tc.zeros(4, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]
    assert recorded(y) == ["Z[1]", "A[1]", "Z[2]", "A[2]"]


def test_columns_have_the_same_names() -> None:
    model = nn.Sequential(
        nn.Dense(2, 3, "tanh", layout="columns"), nn.Dense(3, 1, "sigmoid", layout="columns")
    )
    y = model(tc.zeros(2, 4))
    assert recorded(y) == ["Z[1]", "A[1]", "Z[2]", "A[2]"]


def test_an_activation_module_names_the_layers_result() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    y = model(tc.zeros(4, 2))
    assert recorded(y) == ["matrix_transpose", "Z[1]", "A[1]", "matrix_transpose", "Z[2]"]


def test_one_activation_module_used_twice() -> None:
    act = nn.Tanh()
    model = nn.Sequential(nn.Dense(2, 3), act, nn.Dense(3, 3), act, nn.Dense(3, 1))
    named = [n for n in recorded(model(tc.zeros(4, 2))) if "[" in n]
    assert named == ["Z[1]", "A[1]", "Z[2]", "A[2]", "Z[3]"]


def test_normalisation_and_dropout_may_stand_between() -> None:
    model = nn.Sequential(
        nn.BatchNorm1d(2), nn.Dense(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.ReLU()
    )
    named = [n for n in recorded(model(tc.rand(4, 2))) if "[1]" in n]
    # What normalises is called as in the course; X[0] would be the input.
    normalised = ["μ[1]", "σ²[1]", "σ[1]", "Z_norm[1]", "Z\u0303[1]"]
    assert named == ["Z[1]", *normalised, "D[1]", "Z\u0303_drop[1]", "A[1]"]
    # γ and β carry the number of the layer before; the first normalises A[0], the input.
    assert parameter_names(model) == ["γ[0]", "β[0]", "W[1]", "b[1]", "γ[1]", "β[1]"]


def test_only_the_first_activation_after_a_layer_is_its_own() -> None:
    model = nn.Sequential(nn.Dense(2, 3, "tanh"), nn.ReLU(), nn.Dense(3, 1), nn.ReLU(), nn.ReLU())
    named = [n for n in recorded(model(tc.rand(4, 2))) if "[" in n]
    assert named == ["Z[1]", "A[1]", "Z[2]", "A[2]"]


def test_activation_as_function_module_or_linear() -> None:
    for given in (tc.tanh, nn.Tanh(), lambda z: z.exp() * 2):
        named = [n for n in recorded(nn.Dense(2, 3, given)(tc.zeros(1, 2))) if "[" in n]
        assert named == ["Z[1]", "A[1]"]
    for given in (None, "linear", lambda z: z):
        named = [n for n in recorded(nn.Dense(2, 3, given)(tc.zeros(1, 2))) if "[" in n]
        assert named == ["Z[1]"]


def test_nested_models_count_through() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Dense(2, 2)
            self.second = nn.Dense(2, 2)

        def forward(self, x: Any) -> Any:
            return self.second(F.relu(self.first(x)))

    model = nn.Sequential(Block(), nn.ReLU(), nn.Sequential(nn.Dense(2, 2)), nn.Tanh(), Block())
    y = model(tc.rand(3, 2))
    named = [n for n in recorded(y) if "[" in n]
    # What follows a general module is not taken for the activation of a layer inside it; a nested
    # Sequential is part of the sequence.
    assert named == ["Z[1]", "Z[2]", "Z[3]", "A[3]", "Z[4]", "Z[5]"]


def test_layers_added_later_are_numbered_anew() -> None:
    model = nn.Sequential(nn.Dense(2, 2))
    model(tc.zeros(1, 2))
    model.append(nn.Dense(2, 2))
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]
    model.insert(0, nn.Dense(2, 2, "relu"))
    y = model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]", "W[3]", "b[3]"]
    assert [n for n in recorded(y) if "[" in n] == ["Z[1]", "A[1]", "Z[2]", "Z[3]"]
    del model[0]
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]
    model[0] = nn.Dense(2, 2)
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_a_new_activation_renames_the_results() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.ReLU())
    model(tc.zeros(1, 2))
    model[0].activation = "tanh"
    named = [n for n in recorded(model(tc.zeros(1, 2))) if "[" in n]
    assert named == ["Z[1]", "A[1]"]  # and the ReLU after it stays without a name
    model[0].activation = None
    y = model(tc.zeros(1, 2))
    assert [n for n in recorded(y) if "[" in n] == ["Z[1]", "A[1]"]
    assert y.name == "A[1]"


def test_a_part_called_alone_keeps_its_number() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    model(tc.zeros(1, 2))
    nn.Dense(1, 1)  # changes the structure of something else
    model[1](tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_a_part_called_first_is_renumbered_by_the_whole() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    model[1](tc.zeros(1, 2))
    assert model[1].weight.name == "W[1]"
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_a_copied_layer_gets_a_number_of_its_own() -> None:
    layer = nn.Dense(2, 2)
    layer(tc.zeros(1, 2))
    model = nn.Sequential(layer, copy.deepcopy(layer))
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_a_copied_model_keeps_its_names() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2, "relu"))
    model(tc.zeros(1, 2))
    twin = copy.deepcopy(model)
    assert [n for n in recorded(twin(tc.zeros(1, 2))) if "[" in n] == ["Z[1]", "Z[2]", "A[2]"]
    assert parameter_names(twin) == ["W[1]", "b[1]", "W[2]", "b[2]"]


def test_a_shared_layer_has_one_number() -> None:
    layer = nn.Dense(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.Tanh(), nn.Dense(2, 1))
    named = [n for n in recorded(model(tc.zeros(1, 2))) if "[" in n]
    assert named == ["Z[1]", "A[1]", "Z[1]", "A[1]", "Z[2]"]


def test_names_given_by_the_user_stay() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    model[0].weight.name = "theta"
    model(tc.zeros(1, 2))
    assert parameter_names(model) == ["theta", "b[1]", "W[2]", "b[2]"]


def test_other_parameters_are_called_by_their_path() -> None:
    class Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(1.0)

        def forward(self, x: Any) -> Any:
            return self.w * x

    line = Line()
    line(tc.zeros(1))
    assert line.w.name == "w"
    model = nn.Sequential(nn.Dense(1, 1), Line())
    model(tc.zeros(1, 1))
    assert parameter_names(model) == ["W[1]", "b[1]", "1.w"]


def test_a_layer_of_ones_own_can_take_part() -> None:
    class Mine(nn.Module):
        is_layer = True
        symbols = {"theta": "Θ"}

        def __init__(self) -> None:
            super().__init__()
            self.theta = nn.Parameter([[1.0]])

        def forward(self, x: Any) -> Any:
            return x @ self.theta

    model = nn.Sequential(Mine(), nn.ReLU(), nn.Dense(1, 1))
    y = model(tc.zeros(1, 1))
    assert parameter_names(model) == ["Θ[1]", "W[2]", "b[2]"]
    assert [n for n in recorded(y) if "[" in n] == ["A[1]", "Z[2]"]


def test_nothing_is_named_where_nothing_is_recorded() -> None:
    model = nn.Sequential(nn.Dense(2, 2, "relu"), nn.Dense(2, 2), nn.ReLU())
    with tc.no_grad():
        assert model(tc.zeros(1, 2)).name is None


def test_forward_called_directly_works_without_names() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.ReLU())
    y = model.forward(tc.zeros(1, 2))
    assert y.shape == (1, 2)


@pytest.mark.parametrize("dtype", [tc.float32, tc.float64])
def test_names_survive_a_conversion(dtype: Any) -> None:
    model = nn.Sequential(nn.Dense(2, 2))
    model(tc.zeros(1, 2))
    assert parameter_names(model.to(dtype)) == ["W[1]", "b[1]"]
