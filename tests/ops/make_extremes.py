"""Write extremes.json: sensitive functions and their derivatives at inputs from 1e-300 to 1e300.

Needs mpmath, which the tests do not:

    python tests/ops/make_extremes.py

Each number is computed with 340 digits and rounded once. Where a formula cancels, it is written so
here that it does not; none is taken from the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mpmath as mp

mp.mp.dps = 340

# Every 20 decades, and three numbers a decade where the functions bend.
EXPONENTS = sorted({*range(-300, 301, 20), *(k / 3 for k in range(-60, 11))})
POSITIVE = [10.0**e for e in EXPONENTS]
ALL = [-x for x in reversed(POSITIVE)] + POSITIVE

Number = Any
Formula = Callable[..., Number]


def sigma(x: Number) -> Number:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Number) -> Number:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def gauss(x: Number) -> Number:
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


def erfc(x: Number) -> Number:
    return mp.erfc(x) if abs(x) < 1e6 else mp.mpf(0 if x > 0 else 2)


def xlogy(a: Number, b: Number) -> Number:
    return a * mp.log(b) if a else mp.mpf(0)


def single(numbers: Iterable[float]) -> list[tuple[float, ...]]:
    return [(x,) for x in numbers]


def with_other(other: float) -> list[tuple[float, ...]]:
    """Return pairs of each number with a fixed one and with its half."""
    return [(x, b) for x in ALL for b in (other, x / 2)]


# name: (points, the function, its derivatives)
FUNCTIONS: dict[str, tuple[list[tuple[float, ...]], Formula, list[Formula]]] = {
    "sigmoid": (single(ALL), sigma, [lambda x: sigma(x) * sigma(-x)]),
    "tanh": (single(ALL), mp.tanh, [lambda x: 4 * sigma(2 * x) * sigma(-2 * x)]),
    "softplus": (single(ALL), softplus, [sigma]),
    "logsigmoid": (single(ALL), lambda x: -softplus(-x), [lambda x: sigma(-x)]),
    "silu": (
        single(ALL),
        lambda x: x * sigma(x),
        [lambda x: sigma(x) * (1 + x * sigma(-x))],
    ),
    "expm1": (single(ALL), mp.expm1, [mp.exp]),
    "log1p": (single(x for x in ALL if x > -1), mp.log1p, [lambda x: 1 / (1 + x)]),
    "logit": (
        single(x for x in POSITIVE if x < 1),
        lambda x: mp.log(x / (1 - x)),
        [lambda x: 1 / (x * (1 - x))],
    ),
    "erf": (single(ALL), mp.erf, [gauss]),
    "erfc": (single(ALL), erfc, [lambda x: -gauss(x)]),
    "logaddexp": (
        with_other(1.5),
        lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        [lambda a, b: sigma(a - b), lambda a, b: sigma(b - a)],
    ),
    "hypot": (
        with_other(3.0),
        mp.hypot,
        [lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b)],
    ),
    "xlogy": (
        [p for x in POSITIVE for p in ((x, 0.3), (-x, 7.0), (0.7, x), (x, x), (0.0, x))],
        xlogy,
        [lambda a, b: mp.log(b), lambda a, b: a / b],
    ),
    "bce_with_logits": (
        [(x, y) for x in ALL for y in (0.0, 1.0, 0.3)],
        lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
        [lambda z, y: (1 - y) * sigma(z) - y * sigma(-z), lambda z, y: -z],
    ),
}


def rounded(x: Number) -> float:
    try:
        return float(x)
    except OverflowError:
        return float("inf" if x > 0 else "-inf")


def main() -> None:
    found = {}
    for name, (points, function, derivatives) in FUNCTIONS.items():
        exact = [[mp.mpf(x) for x in point] for point in points]
        found[name] = {
            "points": points,
            "values": [rounded(function(*p)) for p in exact],
            "slopes": [[rounded(d(*p)) for p in exact] for d in derivatives],
        }
    path = Path(__file__).with_name("extremes.json")
    lines = [f"{json.dumps(name)}: {json.dumps(table)}" for name, table in found.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
