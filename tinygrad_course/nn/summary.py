"""A table of a model's layers: output shapes and numbers of parameters, as Keras prints it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors
from ..modes import no_grad
from ..tensor import Tensor, as_input, default_dtype
from .module import Module

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Row:
    """One line of a `Summary`.

    Attributes:
        name: path in the model, such as ``"0"`` or ``"encoder.fc1"``.
        kind: the module's class.
        shape: shape of its result, None where the batch size stands; None if unknown.
        parameters: how many numbers the module's own parameters hold.
    """

    name: str
    kind: str
    shape: Shape | None
    parameters: int


@dataclass(frozen=True)
class Summary:
    """What `summary` returns: prints as a table.

    Attributes:
        model: the model's class.
        rows: one `Row` per layer.
        trainable: how many numbers training adjusts; each shared parameter counts once.
        frozen: how many parameters do not require grad.
        buffers: how many numbers the buffers hold (running statistics; no parameters).
        size: bytes of all parameters.

    Example:
        >>> from tinygrad_course import nn
        >>> table = nn.summary(nn.Sequential(nn.Dense(2, 3), nn.Dense(3, 1)))
        >>> table.total, [row.parameters for row in table.rows]
        (13, [9, 4])
    """

    model: str
    rows: tuple[Row, ...]
    trainable: int
    frozen: int
    buffers: int
    size: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.trainable + self.frozen

    def __str__(self) -> str:
        shapes = any(row.shape is not None for row in self.rows)
        head = ["Layer (type)", "Output shape", "Param #"]
        table = [
            [f"{row.name} ({row.kind})" if row.name else row.kind, _text(row.shape)]
            + [f"{row.parameters:,}"]
            for row in self.rows
        ]
        if not shapes:
            head.pop(1)
            for line in table:
                line.pop(1)
        widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]
        rule = "─" * (sum(widths) + 3 * (len(widths) - 1))
        lines = [f"Model: {self.model}", rule, _line(head, widths), rule]
        lines += [_line(line, widths) for line in table]
        lines += [
            rule,
            f"Total params: {self.total:,} ({_bytes(self.size)})",
            f"Trainable params: {self.trainable:,}",
            f"Non-trainable params: {self.frozen:,}",
        ]
        if self.buffers:
            lines.append(f"Buffers: {self.buffers:,} numbers")
        return "\n".join(lines)

    __repr__ = __str__


def summary(model: Module, input: Any = None) -> Summary:
    """Return a table of the layers, their output shapes and their parameters.

    Args:
        model: a module.
        input: without it, the table has no output shapes. A tensor or array: a batch, as the model
            takes it. A tuple of lengths: the shape of one example, such as ``(400,)`` (Keras's
            ``Input(shape=…)``), or of a batch with None where its size stands, such as
            ``(None, 400)`` or, for examples in columns, ``(400, None)``.

    Raises:
        DtypeError: not a module; ShapeError: an input that does not fit the model.

    The model is called in evaluation mode, without recording; nothing in it changes.

    Example:
        >>> from tinygrad_course import nn
        >>> model = nn.Sequential(
        ...     nn.Dense(2, 3, activation="sigmoid"), nn.Dense(3, 1, activation="sigmoid")
        ... )
        >>> print(nn.summary(model, (2,)))
        Model: Sequential
        ─────────────────────────────────────
        Layer (type)   Output shape   Param #
        ─────────────────────────────────────
        0 (Dense)      (None, 3)            9
        1 (Dense)      (None, 1)            4
        ─────────────────────────────────────
        Total params: 13 (52.00 B)
        Trainable params: 13
        Non-trainable params: 0
    """
    if not isinstance(model, Module):
        raise errors.DtypeError(f"summary: needs a module, got {type(model).__name__}.")
    shapes = {} if input is None else _output_shapes(model, input)
    rows = []
    for name, module in model.named_modules():
        own = [p for _, p in module.own_parameters()]
        if own or not any(module.children()):
            count = sum(p._data.size for p in own)
            rows.append(Row(name, type(module).__name__, shapes.get(module), count))
    parameters = list(model.parameters())
    return Summary(
        type(model).__name__,
        tuple(rows),
        sum(p._data.size for p in parameters if p.requires_grad),
        sum(p._data.size for p in parameters if not p.requires_grad),
        sum(b._data.size for b in model.buffers()),
        sum(p._data.nbytes for p in parameters),
    )


def _output_shapes(model: Module, input: Any) -> dict[Module, Shape]:
    """Return the shape of every module's result, with None where the batch size stands.

    Two batches of different size are run; the lengths that differ are the batch.
    """
    first, second = _two_batches(model, input)
    one, two = _run(model, first), _run(model, second)
    return {
        module: tuple(
            n if n == k else None for n, k in zip(shape, two.get(module, shape), strict=True)
        )
        for module, shape in one.items()
        if len(shape) == len(two.get(module, shape))
    }


def _run(model: Module, x: Tensor) -> dict[Module, tuple[int, ...]]:
    found: dict[Module, tuple[int, ...]] = {}

    def note(module: Module, args: Any, result: Any) -> None:
        if isinstance(result, tuple) and result:  # such as attention and its weights
            result = result[0]
        if isinstance(result, Tensor):
            found[module] = result.shape

    handles = [module.register_forward_hook(note) for module in model.modules()]
    try:
        with _evaluation(model), no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def _evaluation(model: Module) -> Iterator[None]:
    """Evaluate inside the block; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            vars(module)["training"] = training


def _two_batches(model: Module, input: Any) -> tuple[Tensor, Tensor]:
    """Return two inputs that differ in batch size."""
    layouts = [vars(module).get("layout") for module in model.modules() if module.is_layer]
    last = layouts[:1] == ["columns"]
    dtype = next((p.dtype for p in model.parameters()), default_dtype())
    if isinstance(input, (tuple, list)) and all(n is None or isinstance(n, int) for n in input):
        lengths: list[int | None] = list(input)
        if None not in lengths:
            lengths = [*lengths, None] if last else [None, *lengths]
        batches = [
            Tensor(np.zeros([m if n is None else n for n in lengths], dtype)) for m in (2, 3)
        ]
        return batches[0], batches[1]
    x = as_input(input)
    if x.ndim == 0:
        raise errors.ShapeError("summary: needs a batch or the shape of an example, got a number.")
    axis = x.ndim - 1 if last else 0
    shape = list(x.shape)
    shape[axis] += 1
    return x, Tensor(np.zeros(shape, x.dtype))


def _text(shape: Shape | None) -> str:
    if shape is None:
        return "—"
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _line(cells: list[str], widths: list[int]) -> str:
    *left, number = cells
    padded = [cell.ljust(width) for cell, width in zip(left, widths, strict=False)]
    return "   ".join([*padded, number.rjust(widths[-1])])


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
