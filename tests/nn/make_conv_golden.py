"""Write conv_golden.json and conv_torch.safetensors: PyTorch's images, and the weights as it saves.

Run once, where PyTorch 2.13 and safetensors are installed: ``python tests/nn/make_conv_golden.py``.
The tests read the files only; neither is a dependency of them. The weights and running statistics
of a small network are saved by PyTorch's own names and layouts; beside them its outputs for
`wave(2, 2, 9, 8)`, while training and in evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def wave(*shape: int) -> np.ndarray:
    """Return reproducible numbers between -1 and 1."""
    return np.sin(1.7 * np.arange(1, int(np.prod(shape)) + 1)).reshape(shape).astype(np.float32)


def network(nn):
    """Return a network of every layer with a state, in PyTorch's words."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, (3, 2), padding="same", dilation=(1, 2), groups=2, bias=False),
        nn.MaxPool2d(2, stride=1, padding=1),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.LeakyReLU(),
        nn.AvgPool2d(2, padding=1, count_include_pad=False),
        nn.Flatten(2),
        nn.Conv1d(4, 3, 4, stride=3, padding=2, padding_mode="replicate"),
        nn.ConvTranspose1d(3, 2, 2, dilation=2),
    )


def main() -> None:
    """Write both files."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = network(torch.nn)
    x = torch.tensor(wave(2, 2, 9, 8))
    training = model(x)  # changes the running statistics
    here = Path(__file__).parent
    save_file(model.state_dict(), here / "conv_torch.safetensors")
    evaluated = model.eval()(x)
    out = {"training": training.tolist(), "evaluated": evaluated.tolist()}
    (here / "conv_golden.json").write_text(json.dumps(out), encoding="utf-8")


if __name__ == "__main__":
    main()
