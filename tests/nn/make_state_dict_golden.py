"""Write state_dicts.safetensors: layers of PyTorch, what they are given and what they return.

    python tests/nn/make_state_dict_golden.py

PyTorch and safetensors are needed to run this; the numbers in the file are of PyTorch 2.13. The
tensors of a layer called ``name`` are ``name/state/<key>``, ``name/input`` and ``name/output``.
"""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import nn

HERE = Path(__file__).parent
LAYERS = {
    "Linear": (nn.Linear(3, 4), (5, 3)),
    "Conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    "Conv2d": (nn.Conv2d(2, 3, (3, 2), padding=1, dilation=(1, 2), bias=False), (2, 2, 6, 5)),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1),
        (2, 3, 4, 3),
    ),
    "BatchNorm1d": (nn.BatchNorm1d(3), (6, 3)),
    "BatchNorm2d": (nn.BatchNorm2d(2), (3, 2, 4, 4)),
    "LayerNorm": (nn.LayerNorm((2, 3)), (4, 2, 3)),
    "GroupNorm": (nn.GroupNorm(2, 4), (3, 4, 5)),
    "InstanceNorm2d": (nn.InstanceNorm2d(2, affine=True), (3, 2, 4, 4)),
    "PReLU": (nn.PReLU(3), (4, 3)),
    "RNN": (nn.RNN(3, 4, batch_first=True), (2, 5, 3)),
    "LSTM": (nn.LSTM(3, 4, num_layers=2, bidirectional=True), (5, 2, 3)),
    "GRU": (nn.GRU(3, 4, num_layers=2, batch_first=True), (2, 5, 3)),
    "LSTMCell": (nn.LSTMCell(3, 4), (2, 3)),
    "MultiheadAttention": (nn.MultiheadAttention(8, 2, batch_first=True), (2, 5, 8)),
    "TransformerEncoderLayer": (
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True),
        (2, 5, 8),
    ),
}


def main() -> None:
    torch.manual_seed(0)
    found = {}
    for name, (layer, shape) in LAYERS.items():
        with torch.no_grad():
            for p in layer.parameters():
                p.uniform_(-0.7, 0.7)
            x = torch.randn(shape)
            layer.train()
            call(name, layer, x)  # so that running statistics are not those of the start
            layer.eval()
            y = call(name, layer, x)
        for key, value in layer.state_dict().items():
            found[f"{name}/state/{key}"] = value.clone()
        found[f"{name}/input"] = x
        found[f"{name}/output"] = y.contiguous()
    safetensors.torch.save_file(found, HERE / "state_dicts.safetensors")


def call(name, layer, x):
    y = layer(x, x, x) if name == "MultiheadAttention" else layer(x)
    return y[0] if isinstance(y, tuple) else y


if __name__ == "__main__":
    main()
