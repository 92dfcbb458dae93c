"""Recurrent layers and embeddings: PyTorch's numbers, options, errors, and what they learn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_course as tc
from tinygrad_course import errors, nn, optim
from tinygrad_course.nn import functional as F
from tinygrad_course.nn.utils import rnn as sequences

sys.path.insert(0, str(Path(__file__).parent))
from make_recurrent_golden import CASES, run, wave  # noqa: E402

GOLDEN = json.loads((Path(__file__).parent / "recurrent_golden.json").read_text())
KINDS = ("RNN", "LSTM", "GRU")


def test_every_case_has_numbers() -> None:
    assert list(GOLDEN) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_pytorch(name: str) -> None:
    made = run(name, Doubles, tc.tensor, sequences)
    for mine, wanted in zip(made["results"], GOLDEN[name]["results"], strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-12, atol=1e-14)
    assert list(made["gradients"]) == list(GOLDEN[name]["gradients"])  # and names and order
    for key, wanted in GOLDEN[name]["gradients"].items():
        np.testing.assert_allclose(made["gradients"][key], wanted, rtol=1e-11, atol=1e-13)


class Doubles:
    """The layers, of float64."""

    @staticmethod
    def RNN(*args: Any, **kwargs: Any) -> Any:
        return nn.RNN(*args, **kwargs, dtype=tc.float64)

    @staticmethod
    def LSTM(*args: Any, **kwargs: Any) -> Any:
        return nn.LSTM(*args, **kwargs, dtype=tc.float64)

    @staticmethod
    def GRU(*args: Any, **kwargs: Any) -> Any:
        return nn.GRU(*args, **kwargs, dtype=tc.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_a_step_of_the_layer(kind: str) -> None:
    layer = getattr(nn, kind)(2, 3, dtype=tc.float64)
    cell = getattr(nn, f"{kind}Cell")(2, 3, dtype=tc.float64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = tc.tensor(wave(4, 2))
    output, _ = layer(x.unsqueeze(1))
    state = None
    for t in range(4):
        state = cell(x[t : t + 1], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(h.numpy(), output[t].numpy(), rtol=1e-12)
    single = cell(x[0])
    single = single[0] if kind == "LSTM" else single
    np.testing.assert_allclose(single.numpy(), output[0, 0].numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence(kind: str) -> None:
    layer = getattr(nn, kind)(2, 3, 2, bidirectional=True, dtype=tc.float64)
    x = tc.tensor(wave(5, 2))
    y, state = layer(x)
    whole, states = layer(x.unsqueeze(1))
    assert y.shape == (5, 6)
    np.testing.assert_array_equal(y.numpy(), whole[:, 0].numpy())
    pair = (state, states) if kind != "LSTM" else (state[1], states[1])
    np.testing.assert_array_equal(pair[0].numpy(), pair[1][:, 0].numpy())
    again, _ = layer(x, state)
    assert again.shape == (5, 6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, [1, 3]])
def test_derivatives(kind: str, lengths: list[int] | None) -> None:
    layer = getattr(nn, kind)(2, 2, bidirectional=lengths is not None, dtype=tc.float64)

    def states(x: Any) -> Any:
        if lengths is None:
            return layer(x)[0]
        return layer(sequences.pack_padded_sequence(x, lengths, False, False))[0].data

    x = tc.tensor(wave(3, 2, 2), requires_grad=True)
    assert tc.gradcheck(states, (x,))
    assert tc.gradgradcheck(states, (x,))


def test_names() -> None:
    rnn = nn.RNN(1, 2)
    rnn(tc.zeros(3, 1, 1))
    assert [p.name for p in rnn.parameters()] == ["W_ih", "W_hh", "b_ih", "b_hh"]


def test_start() -> None:
    layer = nn.LSTM(5, 16)
    for p in layer.parameters():
        values = p.numpy()
        assert np.abs(values).max() <= 0.25 and values.std() == pytest.approx(
            0.25 / 3**0.5, rel=0.3
        )
    assert layer.weight_hh_l0.shape == (64, 16)
    assert repr(nn.GRU(2, 3, 2, dropout=0.5)).startswith("GRU(2, 3, num_layers=2, dropout=0.5)")


def test_dropout_between_layers() -> None:
    with pytest.warns(UserWarning, match="num_layers=1"):
        nn.RNN(2, 3, dropout=0.5)
    layer = nn.RNN(2, 50, 2, dropout=0.5, generator=tc.Generator(0))
    x = tc.ones(3, 1, 2)
    first, second = layer(x)[0].numpy(), layer(x)[0].numpy()
    assert not np.array_equal(first, second)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())
    # The last layer's result is not dropped from.
    assert (first != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors(kind: str, tmp_path: Path) -> None:
    layer = getattr(nn, kind)(2, 3, 2, bidirectional=True)
    tc.save(layer.state_dict(), tmp_path / "layer.safetensors")
    other = getattr(nn, kind)(2, 3, 2, bidirectional=True)
    other.load_state_dict(tc.load(tmp_path / "layer.safetensors"))
    x = tc.tensor(wave(4, 3, 2).astype(np.float32))
    np.testing.assert_array_equal(layer(x)[0].numpy(), other(x)[0].numpy())


# --- sequences ----------------------------------------------------------------------------------


def test_packing() -> None:
    parts = [tc.tensor([1.0, 2.0]), tc.tensor([3.0, 4.0, 5.0]), tc.tensor([6.0])]
    padded = sequences.pad_sequence(parts, padding_value=-1.0)
    assert padded.tolist() == [[1.0, 3.0, 6.0], [2.0, 4.0, -1.0], [-1.0, 5.0, -1.0]]
    left = sequences.pad_sequence(parts, batch_first=True, padding_side="left")
    assert left.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [0.0, 0.0, 6.0]]
    packed = sequences.pack_sequence(parts, enforce_sorted=False)
    # As PyTorch: the steps of the sequences of 3, 2 and 1 elements.
    assert packed.data.tolist() == [3.0, 1.0, 6.0, 4.0, 2.0, 5.0]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices is not None and packed.unsorted_indices is not None
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    back, lengths = sequences.pad_packed_sequence(packed, True, -1.0, total_length=4)
    assert back.tolist() == [[1.0, 2.0, -1.0, -1.0], [3.0, 4.0, 5.0, -1.0], [6.0, -1.0, -1.0, -1.0]]
    assert lengths.tolist() == [2, 3, 1]
    assert [x.tolist() for x in sequences.unpack_sequence(packed)] == [x.tolist() for x in parts]


def test_packing_differentiates() -> None:
    def through(x: Any) -> Any:
        packed = sequences.pack_padded_sequence(x, [1, 3], enforce_sorted=False)
        return sequences.pad_packed_sequence(packed, total_length=5)[0] ** 2

    assert tc.gradcheck(through, (tc.tensor(wave(3, 2, 2), requires_grad=True),))


# --- embeddings ---------------------------------------------------------------------------------


def test_embedding() -> None:
    layer = nn.Embedding(4, 2, padding_idx=-1, dtype=tc.float64)
    assert layer.padding_idx == 3 and layer.weight[3].tolist() == [0.0, 0.0]
    layer.weight.data = tc.tensor(wave(4, 2))
    index = tc.tensor([[0, 3], [0, 1]])
    y = layer(index)
    np.testing.assert_array_equal(y.numpy(), wave(4, 2)[[[0, 3], [0, 1]]])
    cotangent = wave(2, 2, 2)
    (y * tc.tensor(cotangent)).sum().backward()
    wanted = np.zeros((4, 2))
    wanted[0] = cotangent[0, 0] + cotangent[1, 0]
    wanted[1] = cotangent[1, 1]
    np.testing.assert_allclose(layer.weight.grad.numpy(), wanted)
    table = tc.tensor(wave(4, 2), requires_grad=True)
    assert tc.gradcheck(lambda w: F.embedding([1, 1, 0], w) ** 2, (table,))
    assert tc.gradgradcheck(lambda w: F.embedding([1, 1, 0], w, padding_idx=2) ** 2, (table,))


def test_embedding_from_pretrained() -> None:
    table = tc.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad and layer(tc.tensor(1)).tolist() == [3.0, 4.0]
    assert nn.Embedding.from_pretrained(table, freeze=False, sparse=True).weight.requires_grad


# --- errors -------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "features": (
        lambda: nn.RNN(3, 4)(tc.zeros(5, 2, 2)),
        errors.ShapeError,
        ["RNN", "(5, 2, 2)", "(T, m, 3)", "input_size"],
    ),  # noqa: E501  # fmt: skip
    "order": (lambda: nn.LSTM(3, 4)(tc.zeros(5, 3, 2)), errors.ShapeError, ["permute"]),
    "vector": (lambda: nn.GRU(1, 4)(tc.zeros(5)), errors.ShapeError, ["unsqueeze(-1)"]),
    "empty": (lambda: nn.GRU(1, 4)(tc.zeros(0, 2, 1)), errors.ShapeError, ["at least one element"]),
    "words": (lambda: nn.GRU(1, 4)(tc.zeros(5, 2, 1).long()), errors.DtypeError, ["Embedding"]),
    "state": (
        lambda: nn.GRU(1, 4)(tc.zeros(5, 2, 1), tc.zeros(2, 4)),
        errors.ShapeError,
        ["GRU", "h_0", "(1, 2, 4)"],
    ),  # noqa: E501  # fmt: skip
    "pair": (
        lambda: nn.LSTM(1, 4)(tc.zeros(5, 2, 1), tc.zeros(1, 2, 4)),
        errors.DtypeError,
        ["pair"],
    ),  # noqa: E501  # fmt: skip
    "nonlinearity": (
        lambda: nn.RNN(1, 4, nonlinearity="elu"),
        errors.ArgumentError,
        ["tanh", "elu"],
    ),  # noqa: E501  # fmt: skip
    "projection": (lambda: nn.LSTM(1, 4, proj_size=2), errors.ArgumentError, ["nn.Linear"]),
    "probability": (lambda: nn.LSTM(1, 4, dropout=2), errors.ArgumentError, ["dropout", "2"]),
    "size": (lambda: nn.LSTM(1, 0), errors.ArgumentError, ["hidden_size"]),
    "cell input": (
        lambda: nn.RNNCell(2, 3)(tc.zeros(4, 3)),
        errors.ShapeError,
        ["(m, 2)", "nn.RNN"],
    ),  # noqa: E501  # fmt: skip
    "cell state": (
        lambda: nn.GRUCell(2, 3)(tc.zeros(4, 2), tc.zeros(3, 3)),
        errors.ShapeError,
        ["(4, 3)"],
    ),  # noqa: E501  # fmt: skip
    "cell pair": (
        lambda: nn.LSTMCell(2, 3)(tc.zeros(4, 2), tc.zeros(4, 3)),
        errors.DtypeError,
        ["pair"],
    ),  # noqa: E501  # fmt: skip
    "ragged": (
        lambda: sequences.pack_padded_sequence(tc.zeros(4, 2), [3]),
        errors.ShapeError,
        ["2 integers"],
    ),  # noqa: E501  # fmt: skip
    "too long": (
        lambda: sequences.pack_padded_sequence(tc.zeros(4, 2), [5, 3]),
        errors.ShapeError,
        ["5", "batch_first"],
    ),  # noqa: E501  # fmt: skip
    "growing": (
        lambda: sequences.pack_padded_sequence(tc.zeros(4, 2), [2, 3]),
        errors.ArgumentError,
        ["enforce_sorted=False"],
    ),  # noqa: E501  # fmt: skip
    "nothing": (
        lambda: sequences.pack_padded_sequence(tc.zeros(4, 2), [2, 0]),
        errors.ArgumentError,
        ["at least one"],
    ),  # noqa: E501  # fmt: skip
    "mixed": (
        lambda: sequences.pad_sequence([tc.zeros(4, 2), tc.zeros(3)]),
        errors.ShapeError,
        ["one shape"],
    ),  # noqa: E501  # fmt: skip
    "not packed": (
        lambda: sequences.pad_packed_sequence(tc.zeros(4, 2)),
        errors.DtypeError,
        ["PackedSequence"],
    ),  # type: ignore[arg-type]  # noqa: E501  # fmt: skip
    "packed width": (
        lambda: nn.RNN(2, 3)(sequences.pack_sequence([tc.zeros(4, 1)])),
        errors.ShapeError,
        ["input_size=2"],
    ),  # noqa: E501  # fmt: skip
    "index": (
        lambda: nn.Embedding(4, 2)(tc.tensor([1, 4])),
        errors.IndexingError,
        ["Embedding(4, 2)", "4 at index (1,)", "0 … 3"],
    ),  # noqa: E501  # fmt: skip
    "negative": (lambda: nn.Embedding(4, 2)(tc.tensor([-1])), errors.IndexingError, ["-1"]),
    "floats": (lambda: nn.Embedding(4, 2)(tc.zeros(3)), errors.DtypeError, ["float32", ".long()"]),
    "padding": (lambda: nn.Embedding(4, 2, padding_idx=4), errors.ArgumentError, ["padding_idx=4"]),
    "norm": (lambda: nn.Embedding(4, 2, max_norm=1.0), errors.ArgumentError, ["max_norm"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, kind, words = ERRORS[name]
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


# --- learning -----------------------------------------------------------------------------------


def test_lstm_remembers_the_first_element() -> None:
    """The sign of the first of ten numbers, nine of which are noise."""
    tc.manual_seed(0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(128, 10, 1)).astype(np.float32)
    Y = (X[:, 0] > 0).astype(np.float32)
    lstm, head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 1)
    optimizer = optim.Adam([*lstm.parameters(), *head.parameters()], lr=0.03)
    loss_of = nn.BCEWithLogitsLoss()

    @tc.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(head(lstm(x)[0][:, -1]), y)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(150):
        step(tc.tensor(X), tc.tensor(Y))
    new = rng.normal(size=(200, 10, 1)).astype(np.float32)
    right = (head(lstm(tc.tensor(new))[0][:, -1]).numpy() > 0) == (new[:, 0] > 0)
    assert right.mean() > 0.9


def test_gru_counts_words_of_any_length() -> None:
    """Whether letter 1 comes more often than letter 2, in packed words of 1 to 8 letters."""
    tc.manual_seed(1)
    rng = np.random.default_rng(1)
    letters, gru, head = nn.Embedding(3, 4, padding_idx=0), nn.GRU(4, 8), nn.Linear(8, 1)
    model = nn.ModuleList([letters, gru, head])
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    loss_of = nn.BCEWithLogitsLoss()

    def batch() -> tuple[Any, list[int], Any]:
        lengths = [int(n) for n in rng.integers(1, 9, 64)]
        words = [rng.integers(1, 3, n) for n in lengths]
        y = np.array([[(w == 1).sum() > (w == 2).sum()] for w in words])
        return sequences.pad_sequence([tc.tensor(w) for w in words]), lengths, y

    def logits(words: Any, lengths: list[int]) -> Any:
        packed = sequences.pack_padded_sequence(letters(words), lengths, False, False)
        return head(gru(packed)[1][0])

    for _ in range(120):
        words, lengths, y = batch()
        optimizer.zero_grad()
        loss_of(logits(words, lengths), tc.tensor(y.astype(np.float32))).backward()
        optimizer.step()
    words, lengths, y = batch()
    assert ((logits(words, lengths).numpy() > 0) == y).mean() > 0.95
    assert letters.weight[0].tolist() == [0.0] * 4
