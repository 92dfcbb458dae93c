"""Write recurrent_golden.json: PyTorch's recurrent layers, to compare ours with.

Run once, where PyTorch 2.13 is installed: ``python tests/nn/make_recurrent_golden.py``. Inputs,
parameters and cotangents are waves, see `wave`; a case holds results and gradients.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

# Name -> kind, options, whether initial states are given, and lengths of packed sequences.
CASES: dict[str, tuple[str, dict[str, Any], bool, list[int] | None]] = {
    "RNN": ("RNN", {}, False, None),
    "RNN relu": ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bias": False}, True, None),
    "RNN both ways": ("RNN", {"bidirectional": True, "batch_first": True}, False, None),
    "RNN packed": ("RNN", {}, False, [4, 2, 1]),
    "LSTM": ("LSTM", {}, False, None),
    "LSTM no bias": ("LSTM", {"bias": False, "batch_first": True}, True, None),
    "LSTM deep": ("LSTM", {"num_layers": 2, "bidirectional": True}, True, None),
    "LSTM packed": ("LSTM", {"num_layers": 2, "bidirectional": True}, True, [2, 4, 3]),
    "GRU": ("GRU", {}, False, None),
    "GRU no bias": ("GRU", {"bias": False}, True, None),
    "GRU deep": ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}, True, None),
    "GRU packed": ("GRU", {"bidirectional": True, "batch_first": True}, True, [1, 4, 4]),
}
INPUT, HIDDEN, STEPS, BATCH = 2, 3, 4, 3


def wave(*shape: int, phase: float = 0.0) -> np.ndarray:
    """Return reproducible numbers between -1 and 1."""
    count = int(np.prod(shape))
    return np.sin(1.7 * np.arange(1, count + 1) + phase).reshape(shape)


def given(name: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the input of a case, and its initial states."""
    kind, options, with_states, _ = CASES[name]
    shape = (BATCH, STEPS) if options.get("batch_first") else (STEPS, BATCH)
    rows = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    count = (2 if kind == "LSTM" else 1) if with_states else 0
    states = [wave(rows, BATCH, HIDDEN, phase=3.0 + k) for k in range(count)]
    return wave(*shape, INPUT), states


def run(name: str, library: Any, tensor: Any, rnn: Any) -> dict[str, Any]:
    """Run a case in PyTorch or here; return results and gradients by name, as lists."""
    kind, options, _, lengths = CASES[name]
    layer = getattr(library, kind)(INPUT, HIDDEN, **options)
    for k, p in enumerate(layer.parameters()):
        p.data = tensor(0.7 * wave(*p.shape, phase=float(k)))
    x, states = given(name)
    leaves = [tensor(a).requires_grad_() for a in (x, *states)]
    hx = None if not states else tuple(leaves[1:]) if kind == "LSTM" else leaves[1]
    data = leaves[0]
    first = options.get("batch_first", False)
    if lengths is not None:
        data = rnn.pack_padded_sequence(data, tensor(np.array(lengths)), first, False)
    output, final = layer(data, hx)
    if lengths is not None:
        output, _ = rnn.pad_packed_sequence(output, first)
    results = [output, *(final if kind == "LSTM" else (final,))]
    cost = sum((y * tensor(wave(*y.shape, phase=0.5))).sum() for y in results)
    cost.backward()
    named = dict(zip(("x", "h_0", "c_0"), leaves, strict=False)) | dict(layer.named_parameters())
    return {
        "results": [y.tolist() for y in results],
        "gradients": {key: p.grad.tolist() for key, p in named.items()},
    }


def main() -> None:
    import torch
    from torch import nn

    torch.set_default_dtype(torch.float64)
    cases = {name: run(name, nn, torch.tensor, nn.utils.rnn) for name in CASES}
    path = Path(__file__).parent / "recurrent_golden.json"
    lines = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
