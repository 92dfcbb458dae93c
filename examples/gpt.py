"""A small GPT learns five sonnets by Shakespeare, letter by letter, and writes on from a beginning.

You see a transformer from its parts: letters and their positions become vectors; in each block
every position looks back at the earlier ones (causal attention) and then passes through a small
network; from the last vectors the next letter is predicted. Clipped AdamW steps, compiled, bring
the cross-entropy from about ln 51, all letters alike, to where the text is nearly known by heart;
a sample shows it.

Text: William Shakespeare, Sonnets 18, 29, 73, 116 and 130 (1609), in modern spelling; in the public
domain. Model: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training",
with the normalisation before each part.

    python examples/gpt.py
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_course as tc
from tinygrad_course import nn, optim
from tinygrad_course.nn import functional as F

TEXT = Path(__file__).with_name("sonnets.txt").read_text(encoding="utf-8")
LETTERS = sorted(set(TEXT))
NUMBER = {letter: i for i, letter in enumerate(LETTERS)}

LENGTH, WIDTH, HEADS, BLOCKS = 32, 48, 4, 2  # positions, features of each, heads, blocks
BATCH = 32


class Block(nn.Module):
    """Each position looks back (attention), then thinks for itself (two dense layers)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Any) -> Any:
        """Return vectors (m, L, WIDTH) for such vectors."""
        a = self.norm1(x)
        x = x + self.attention(a, a, a, need_weights=False, is_causal=True)[0]
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Scores of the next letter at every position."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), WIDTH)
        self.positions = nn.PositionalEncoding(WIDTH, dropout=0.0, max_len=LENGTH, learned=True)
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.letters.weight, std=0.02)

    def forward(self, tokens: Any) -> Any:
        """Return scores (m, L, letters) for the numbers of letters (m, L)."""
        x = self.positions(self.letters(tokens))
        x = self.norm(self.blocks(x))
        return F.linear(x, self.letters.weight)  # the same vectors, read the other way round


def batch(tokens: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return pieces of the text, and the same one letter later."""
    starts = rng.integers(len(tokens) - LENGTH, size=(BATCH, 1))
    pieces = tokens[starts + np.arange(LENGTH + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def sample(model: Any, start: str, count: int, temperature: float, rng: Any) -> str:
    """Return `start` and `count` more letters, each drawn with the model's probabilities.

    A temperature below 1 prefers the likely letters; 0 always takes the likeliest.
    """
    written = start
    for _ in range(count):
        tokens = [[NUMBER[letter] for letter in written[-LENGTH:]]]
        with tc.no_grad():
            scores = model(tc.tensor(tokens))[0, -1]
        if temperature == 0:
            written += LETTERS[int(scores.argmax().item())]
            continue
        p = (scores / temperature).softmax(-1).numpy().astype(float)
        written += LETTERS[rng.choice(len(LETTERS), p=p / p.sum())]
    return written


def main(out: Path | None = None, steps: int = 1000, compiled: bool = True) -> dict[str, Any]:
    tc.manual_seed(0)
    rng = np.random.default_rng(0)
    tokens = np.array([NUMBER[letter] for letter in TEXT])
    model = GPT()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(TEXT)} letters, {len(LETTERS)} different; {parameters} parameters")
    print(f"all letters alike would cost {math.log(len(LETTERS)):.3f}")
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=1e-4)

    def step(X: Any, Y: Any) -> Any:
        J = F.cross_entropy(model(X).flatten(0, 1), Y.flatten())
        optimizer.zero_grad()
        J.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return J

    run = tc.compile(step) if compiled else step
    costs = []
    began = time.perf_counter()
    for i in range(steps):
        X, Y = batch(tokens, rng)
        costs.append(run(tc.tensor(X), tc.tensor(Y)).item())
        schedule.step()
        if i % 200 == 0 or i == steps - 1:
            print(f"step {i:4d}: cost {costs[-1]:.3f}")
    seconds = time.perf_counter() - began
    print(f"{seconds:.1f} s, {1000 * seconds / steps:.1f} ms a step")

    model.eval()
    known = sample(model, "Shall I compare", 60, 0.0, rng)
    written = sample(model, "\nLove", 200, 0.5, rng)
    print(f"\nBy heart: {known!r}\n\nAt temperature 0.5:{written}")
    return {
        "parameters": parameters,
        "costs": costs,
        "known": known,
        "written": written,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
