"""Names: given ones win, the rest follow the courses, and nothing depends on chance."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import naming, nn
from tinygrad_course.graph import Graph


def leaf(value, name=None, grad=True):
    return tc.tensor(value, requires_grad=grad, name=name)


def names(*outputs, **options):
    return [node.name for node in Graph.of(list(outputs), **options)]


def test_slide():
    a, b, c = leaf(5.0, "a"), leaf(3.0, "b"), leaf(2.0, "c")
    graph = Graph.of(3 * (a + b * c), backward=True)
    assert [n.name for n in graph] == ["b", "c", "u", "a", "v", "3", "J", "dJ", "dv", "db", "dc"]


def test_the_backward_pass_renames_nothing():
    a, b = leaf(5.0), leaf(3.0)
    y = (a * b + a).sin()
    forward = names(y)
    assert names(y, backward=True)[: len(forward)] == forward


def test_given_names_win_and_equal_ones_get_a_suffix():
    u, other = leaf(1.0, "u"), leaf(2.0, "u")
    loss = u * other
    assert names(loss) == ["u", "u_2", "J"]
    loss.name = "cost"
    assert names(loss) == ["u", "u_2", "cost"]


def test_an_invented_name_avoids_a_given_one():
    u, x = leaf(1.0, "u"), leaf(2.0, "J")
    assert names((u + x) * x) == ["u", "J", "v", "J2"]


def test_a_suffix_that_is_itself_taken():
    w_2, first, second, third = (leaf(1.0, name) for name in ("w_2", "w", "w", "w"))
    found = names((w_2 * first) * (second * third))
    assert found == ["w_2", "w", "u", "w_3", "w_4", "v", "J"]


def test_network_of_plain_tensors_reads_like_a_course():
    X, Y = tc.ones(5, 2), tc.ones(5, 1)
    W1, b1 = leaf(np.ones((2, 3))), leaf(np.ones(3))
    W2, b2 = leaf(np.ones((3, 1))), leaf(np.ones(1))
    A1 = tc.tanh(X @ W1 + b1)
    loss = nn.functional.binary_cross_entropy(tc.sigmoid(A1 @ W2 + b2), Y.double())
    named = [n.name for n in Graph.of(loss) if not n.anonymous]
    assert named == ["X", "W", "b", "Z", "A", "W2", "b2", "Z2", "A2", "Y", "L", "J"]


def test_labels_of_a_loss_are_y():
    model, labels = nn.Dense(2, 1), tc.ones(4, 1)
    assert "Y" in names(nn.MSELoss()(model(tc.ones(4, 2)), labels))
    loss = nn.CrossEntropyLoss()(tc.ones(3, 2, requires_grad=True), tc.tensor([0, 1, 1]))
    assert "y" in names(loss)


def test_vectors_get_small_letters():
    x, w = tc.ones(3), leaf(np.ones(3, "f"))
    assert names(tc.sigmoid((x * w).sum())) == ["x", "w", "u", "z", "J"]
    assert names(tc.sigmoid(x * w)) == ["x", "w", "z", "a"]


def test_output_that_is_no_number_is_y():
    x, w = tc.ones(3), leaf(np.ones(3, "f"))
    assert names(x * w + 1) == ["x", "w", "u", "1", "y"]


def test_activation_of_a_named_layer():
    z = leaf(np.ones((2, 2), "f"), "W") * 2
    z.name = "Z[7]"
    assert names(tc.relu(z).sum()) == ["W", "2", "Z[7]", "A[7]", "J"]


def test_modules_name_what_they_compute():
    model = nn.Sequential(nn.Dense(2, 4, activation="tanh"), nn.Dense(4, 1, activation="sigmoid"))
    loss = nn.BCELoss()(model(tc.ones(3, 2)), tc.ones(3, 1))
    graph = Graph.of(loss, backward=True)
    for number in ("1", "2"):
        for name in "WbZA":
            assert graph.find(f"d{name}[{number}]").grad_of == graph.find(f"{name}[{number}]").index
            assert graph.find(f"d{name}{number}") is graph.find(f"d{name}[{number}]")


def test_transposes_are_written_as_such():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    found = names(model(tc.zeros(4, 3)).mean())
    assert "W[1]ᵀ" in found and "W[2]ᵀ" in found


@pytest.mark.parametrize("activation", [n for n in dir(nn.functional) if n in ("gelu", "silu")])
def test_every_activation_of_a_layer_is_a(activation):
    z = leaf([[1.0]], grad=True) * 2
    z.name = "Z[3]"
    assert "A[3]" in names(getattr(tc, activation)(z).sum())


def test_the_set_of_activations_names_operations():
    from tinygrad_course.op import REGISTRY

    assert naming.ACTIVATIONS | naming.LOSSES | naming.PRODUCTS <= set(REGISTRY)


def test_many_intermediate_values_are_numbered():
    x = leaf(1.0, "x")
    y = x
    for _ in range(8):
        y = y + x
    assert names(y) == ["x", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "J"]


def test_several_outputs():
    a = leaf(2.0, "a")
    assert names(a + 1, a * 2)[-1:] == ["J2"]


def test_same_program_same_names():
    def program():
        W = leaf(np.ones((3, 2)))
        return names((tc.relu(tc.ones(4, 3) @ W) ** 2).mean(), backward=True)

    assert program() == program()


def test_a_shared_derivative_is_called_after_what_was_computed_last():
    a, b = leaf(1.0, "a"), leaf(2.0, "b")
    graph = Graph.of((a + b) * 3, backward=True)
    assert graph.find("da") is graph.find("db") is graph.find("du")
    assert graph.find("du").name == "du"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (-2.0, "-2"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (1e-12, "1e-12"),
        (True, "True"),
    ],
)
def test_numbers(value, text):
    assert naming.number_text(value) == text


def test_a_million_equal_names_stay_linear():
    x = leaf(1.0, "x")
    y = x
    for _ in range(20_000):
        y = y + x
        y.name = "y"
    found = names(y)
    assert len(set(found)) == len(found)
    assert found[-1] == "y_20000"


def test_module_label():
    layer = nn.Dense(1, 1)
    assert naming.module_label(layer) == "Dense"
    layer(tc.ones(1, 1))
    assert naming.module_label(layer) == "layer 1 (Dense)"
