"""Recurrent layers and embeddings as layers of rows, for the tests that try every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_course import nn
from tinygrad_course.nn.utils.rnn import pack_padded_sequence


class LastState(nn.Module):
    """Read the features of an example one by one; return the states at the last of them."""

    def __init__(self, layer: nn.Module, lengths: list[int] | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.lengths = lengths

    def forward(self, x: Any) -> Any:
        x = x.unsqueeze(-1)
        if self.lengths is not None:
            lengths = (self.lengths * x.shape[0])[: x.shape[0]]
            final = self.layer(pack_padded_sequence(x, lengths, True, False))[1]
            return (final[0] if isinstance(final, tuple) else final)[-1]
        y = self.layer(x)[0][:, -1]
        return y if y.shape[1] == 3 else y[:, :3] * y[:, 3:]


class Twice(nn.Module):
    """Take two steps of a cell."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Any) -> Any:
        state = self.cell(x, self.cell(x))
        return state[0] if isinstance(state, tuple) else state


class Signs(nn.Module):
    """Look the sign of each feature up."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 1, padding_idx=2)

    def forward(self, x: Any) -> Any:
        return x * self.table((x > 0).long() + (x > 1).long()).squeeze(-1)


RECURRENT_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "Embedding": Signs,
    "GRU": lambda: LastState(nn.GRU(1, 3, batch_first=True)),
    "GRU packed": lambda: LastState(nn.GRU(1, 3, batch_first=True), [2, 3, 1]),
    "GRUCell": lambda: Twice(nn.GRUCell(3, 3)),
    "LSTM": lambda: LastState(nn.LSTM(1, 3, 2, batch_first=True, dropout=0.2)),
    "LSTM both ways": lambda: LastState(nn.LSTM(1, 3, batch_first=True, bidirectional=True)),
    "LSTMCell": lambda: Twice(nn.LSTMCell(3, 3)),
    "RNN": lambda: LastState(nn.RNN(1, 3, batch_first=True)),
    "RNN both ways": lambda: LastState(nn.RNN(1, 3, batch_first=True, bidirectional=True)),
    "RNN packed": lambda: LastState(nn.RNN(1, 3, bias=False, batch_first=True), [1, 3]),
    "RNNCell": lambda: Twice(nn.RNNCell(3, 3, nonlinearity="relu")),
}
