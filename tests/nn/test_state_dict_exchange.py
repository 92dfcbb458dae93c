"""State dicts go to PyTorch and come from it as safetensors, by name and layout.

`state_dicts.safetensors` was written by `make_state_dict_golden.py`, with PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import tinygrad_course as tc
from tinygrad_course import nn

GOLDEN = Path(__file__).parent / "state_dicts.safetensors"
LAYERS = {
    "Linear": lambda: nn.Linear(3, 4),
    "Conv1d": lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2),
    "Conv2d": lambda: nn.Conv2d(2, 3, (3, 2), padding=1, dilation=(1, 2), bias=False),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 2, 3, 2, padding=1, output_padding=1),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "BatchNorm2d": lambda: nn.BatchNorm2d(2),
    "LayerNorm": lambda: nn.LayerNorm((2, 3)),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(2, affine=True),
    "PReLU": lambda: nn.PReLU(3),
    "RNN": lambda: nn.RNN(3, 4, batch_first=True),
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 4, num_layers=2, batch_first=True),
    "LSTMCell": lambda: nn.LSTMCell(3, 4),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=True
    ),
}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return tc.load(GOLDEN, require_checksum=False)


def state_of(golden: dict[str, Any], name: str) -> dict[str, Any]:
    start = f"{name}/state/"
    return {key[len(start) :]: value for key, value in golden.items() if key.startswith(start)}


def test_every_layer_of_the_file_is_compared(golden):
    assert {key.partition("/")[0] for key in golden} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_dict_of_pytorch_gives_pytorchs_results(name, golden):
    layer = LAYERS[name]()
    layer.load_state_dict(state_of(golden, name))
    layer.eval()
    x = golden[f"{name}/input"]
    y = layer(x, x, x) if name == "MultiheadAttention" else layer(x)
    y = y[0] if isinstance(y, tuple) else y
    expected = golden[f"{name}/output"].numpy()
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_state_dict_is_one_that_pytorch_loads(name, golden, tmp_path):
    """Names, order, shapes and dtypes are those of PyTorch's layer, in an ordinary file."""
    theirs = state_of(golden, name)
    layer = LAYERS[name]()
    layer.load_state_dict(theirs)
    tc.save(layer.state_dict(), tmp_path / "layer.safetensors")
    ours = safetensors.numpy.load_file(tmp_path / "layer.safetensors")
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype
        np.testing.assert_array_equal(ours[key], value.numpy())
