"""The update of the parameters and the training loop, as NumPy source.

An optimizer's formula is run once on tensors, as `step` does while a training step is recorded, and
the graph that results is written like any other: there is one definition of Adam, and this is not
another.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors
from ..graph import Graph
from ..node import RECORD_ALL, recording
from ..tensor import Tensor, wrap
from . import program as layout
from .lines import Derivation, derive
from .program import Assignment, Statement
from .writer import Writer

# What the courses call the state and the options of optimizers; others keep their names.
NAMES = {
    "momentum_buffer": "v",
    "exp_avg": "v",
    "exp_avg_sq": "s",
    "max_exp_avg_sq": "s_max",
    "sum": "s",
    "square_avg": "s",
    "grad_avg": "g_mean",
    "lr": "learning_rate",
    "eps": "epsilon",
    "alpha": "beta",
}
SETUP = {"gradient descent with momentum": "initialize_velocity"}
RATE = ["learning_rate"]
# What corrects a moving average for its start at 0.
_CORRECTION = re.compile(r"1 - \w+ \*\* t")


@dataclass(frozen=True)
class Update:
    """The update rule of one parameter W, with its gradient dW.

    Attributes:
        title: what the optimizer is called in a sentence.
        moments: names of what is kept from step to step, with the source of the first value.
        options: names of the numbers it reads, with their values; the learning rate comes first.
        counts: True when it reads the number of the step, t.
        statements: the new moments and the new W, which have the names of the old ones.
    """

    title: str
    moments: dict[str, str]
    options: dict[str, float]
    counts: bool
    statements: tuple[Assignment, ...]

    @property
    def setup(self) -> str:
        """The name of the function that makes the first moments."""
        return SETUP.get(self.title, f"initialize_{self.title.lower()}")

    @property
    def taken(self) -> set[str]:
        """Names that data must not have in the training loop."""
        own = {"train", "update_parameters", "costs", "t", "learning_rate", "num_iterations"}
        return {self.setup, *self.moments, *own}

    @property
    def arguments(self) -> list[str]:
        """What a call needs beside the parameters and their gradients, options excepted."""
        return [*self.moments, *(["t"] if self.counts else [])]


def update_of(optimizer: Any) -> Update:
    """Return the update rule of an optimizer.

    Args:
        optimizer: a name such as "adam", an `Optimizer`, whose options are taken, or None for plain
            gradient descent.

    Raises:
        ArgumentError: an unknown name; an optimizer whose groups have different options.
        DtypeError: something else.

    Example:
        >>> rule = update_of("rmsprop")
        >>> for statement in rule.statements:
        ...     print(statement.target, "=", layout.written(statement.value))
        s[name] = beta * s[name] + (1 - beta) * dW**2
        W = W - learning_rate * (dW / (np.sqrt(s[name]) + epsilon))
        >>> rule.moments, rule.options
        ({'s': 'np.zeros_like(W)'}, {'learning_rate': 0.01, 'beta': 0.99, 'epsilon': 1e-08})
    """
    made = _optimizer(optimizer)
    group = made.param_groups[0]
    used = [moment for moment in made._used(group)]
    numbers = {"lr": float(group["lr"])}
    arguments = list(inspect.signature(type(made).update).parameters)[4 + len(used) :]
    values = dict(zip(arguments, made._options(group), strict=False))
    numbers.update((k, float(x)) for k, x in values.items() if type(x) is not bool and x)
    traced = _Trace(type(made), used, numbers, values)
    moments = {}
    for moment in filter(None, used):
        first = float(np.ravel(made._first(moment, np.zeros(1), group))[0])
        name = traced.names[moment]
        filled = f"np.full_like(W, {layout.number(first)})" if first else "np.zeros_like(W)"
        moments[name] = layout.number(first) if moment in made.single else filled
    statements = tuple(traced.statements())
    read = {node.id for s in statements for node in ast.walk(s.value) if isinstance(node, ast.Name)}
    options = {traced.names[k]: x for k, x in numbers.items() if traced.names[k] in read}
    title = type(made).__name__
    if title == "SGD":
        title = "gradient descent with momentum" if moments else "gradient descent"
    return Update(title, moments, options, "t" in read, statements)


def _optimizer(optimizer: Any) -> Any:
    """Return an optimizer, for its formula and options."""
    from ..optim import Optimizer
    from ..train.fit import OPTIMIZERS

    if optimizer is None:
        optimizer = "sgd"
    if isinstance(optimizer, str):
        if optimizer.lower() not in OPTIMIZERS:
            raise errors.ArgumentError(
                f"source: got optimizer={optimizer!r}, expected one of {', '.join(OPTIMIZERS)}, or "
                "an Optimizer."
            )
        lr = {"lr": 0.01} if optimizer.lower() == "sgd" else {}
        parameter = wrap(np.zeros(1))
        parameter._requires_grad = True
        return OPTIMIZERS[optimizer.lower()]([parameter], **lr)
    if not isinstance(optimizer, Optimizer):
        raise errors.DtypeError(
            f"source: got a {type(optimizer).__name__} as optimizer, expected an Optimizer, or a "
            'name such as "adam".'
        )
    if optimizer.needs_closure:
        raise errors.ArgumentError(
            f"source: a step of {type(optimizer).__name__} is no formula of the gradient: it "
            'computes the loss several times. Choose another optimizer, such as "adam".'
        )
    kept = [
        {k: v for k, v in group.items() if k not in ("params", "param_names", "initial_lr")}
        for group in optimizer.param_groups
    ]
    if any(options != kept[0] for options in kept):
        raise errors.ArgumentError(
            f"source: the {type(optimizer).__name__} has {len(kept)} groups with different "
            "options, expected one set of options for all parameters. Make an optimizer for each "
            "group, and a program for each."
        )
    return optimizer


class _Trace:
    """An optimizer's formula, run once on tensors.

    Args:
        kind: an optimizer with ``update(p, g, lr, t, *moments, *options)``.
        used: the moments, None for those not in use.
        numbers: the learning rate and the options that are numbers.
        values: all options.
    """

    def __init__(
        self, kind: Any, used: Sequence[str | None], numbers: dict[str, float], values: Any
    ) -> None:
        self.names: dict[str, str] = {}
        for name in (*filter(None, used), *numbers):
            wanted = NAMES.get(name, name)
            while wanted in self.names.values():
                wanted += "_"
            self.names[name] = wanted
        # Values that differ, so that nothing seems to be equal that is not.
        draw = np.random.default_rng(0).uniform
        p, g = (_leaf(name, draw(0.4, 0.8, (2, 3))) for name in ("W", "dW"))
        states = {
            name: _leaf(
                self.names[name], np.array(draw(0.4, 0.8, () if name in kind.single else (2, 3)))
            )
            for name in filter(None, used)
        }
        given = {name: _leaf(self.names[name], np.array(x)) for name, x in numbers.items()}
        token = recording.set(RECORD_ALL)
        try:
            new = {"W": p.clone(), **{self.names[m]: x.clone() for m, x in states.items()}}
            moments = [m and new[self.names[m]] for m in used]
            options = [given.get(name, value) for name, value in values.items()]
            kind.update(new["W"], g, given["lr"], _leaf("t", np.array(2.0)), *moments, *options)
        finally:
            recording.reset(token)
        for name, tensor in new.items():
            tensor.name = f"{name}_new"
        self.new = new
        self.d: Derivation = derive(Graph.of(list(new.values())))

    def statements(self) -> list[Assignment]:
        """Return the new values, in the order of computing."""
        lines = sorted(self.d.lines, key=lambda line: line.index)
        results = {n.index: name for n, name in zip(self.d.graph.outputs, self.new, strict=True)}
        names = {line.name: results[line.index] for line in lines if line.index in results}
        readers = [line for line in lines if "dW" in self.d.reads(line)]
        if len(readers) == 1 and readers[0].name not in names:
            names[readers[0].name] = "dW"  # with the weight decay, it takes the gradient's place
        moments = {name: f"{name}[name]" for name in self.new if name != "W"}
        writer = Writer(self.d, "numpy", names)
        found = []
        for line in lines:
            target = names.get(line.name, line.name)
            corrections = _Corrections(moments)
            value = layout.parsed(writer.right(line))
            for step in (_Zeros(), _Squares(), corrections, layout.Renamer(moments)):
                value = step.visit(value)
            found += corrections.found
            found.append(Assignment(moments.get(target, target), value))
        return found


def _leaf(name: str, value: Any) -> Tensor:
    made = wrap(value)
    made.name = name
    return made


class _Zeros(ast.NodeTransformer):
    """Leaves out what options that are 0 switch off: (t - 1) * 0, 1 + 0, x / 1."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        for x, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.Mult) and _is(x, 0):
                return ast.Constant(0)
            if isinstance(node.op, ast.Add) and _is(x, 0):
                return other
            if isinstance(node.op, ast.Mult) and _is(x, 1):
                return other
        if isinstance(node.op, ast.Pow) and _is(node.left, 0):
            return ast.Constant(0)
        if isinstance(node.op, ast.Sub) and _is(node.right, 0):
            return node.left
        return node.left if isinstance(node.op, ast.Div) and _is(node.right, 1) else node


def _is(node: ast.expr, value: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


class _Squares(ast.NodeTransformer):
    """Writes the square of a name as one: dW**2 for dW * dW."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        same = ast.unparse(node.left) == ast.unparse(node.right)
        if same and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Name):
            return ast.BinOp(node.left, ast.Pow(), ast.Constant(2))
        return node


class _Corrections(ast.NodeTransformer):
    """Gives a moment corrected for its start a statement of its own, as the course has it.

    (α / (1 − βᵗ)) · (v / d) is α · (v / (1 − βᵗ)) / d.
    """

    def __init__(self, moments: Collection[str]) -> None:
        self.moments = moments
        self.found: list[Assignment] = []

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = node.left, node.right
        if isinstance(node.op, ast.Mult) and _is_corrected(left) and _is_quotient(right):
            assert isinstance(left, ast.BinOp) and isinstance(right, ast.BinOp)
            top = ast.BinOp(right.left, ast.Div(), left.right)
            node = ast.BinOp(ast.BinOp(left.left, ast.Mult(), top), ast.Div(), right.right)
        self.generic_visit(node)
        if _is_corrected(node) and isinstance(node.left, ast.Name) and node.left.id in self.moments:
            name = f"{node.left.id}_corrected"
            moment = ast.parse(f"{node.left.id}[name]", mode="eval").body
            self.found.append(Assignment(name, ast.BinOp(moment, node.op, node.right)))
            return ast.Name(name)
        return node


def _is_quotient(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def _is_corrected(node: ast.expr) -> bool:
    """Return True for a quotient x / (1 − βᵗ)."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
        return False
    return _CORRECTION.fullmatch(ast.unparse(node.right)) is not None


# --- source -------------------------------------------------------------------------------------


def update_functions(rule: Update, only: Sequence[str] | None = None) -> list[str]:
    """Return the source of `update_parameters`, and of what makes the first moments.

    Args:
        rule: the update rule.
        only: names of the parameters to update; by default all.
    """
    found = []
    kept = ", ".join(["parameters", *rule.moments])
    if rule.moments:
        made = [
            layout.assigned(name, "{name: " + first + " for name, W in parameters.items()}")
            for name, first in rule.moments.items()
        ]
        summary = "Return the moments as they are before the first step."
        ending = f"return {', '.join(rule.moments)}"
        found.append(layout.function(rule.setup, ["parameters"], summary, [*made, ending]))
    options = [f"{name}={layout.number(value)}" for name, value in rule.options.items()]
    arguments = ["parameters", "grads", *rule.arguments, *options]
    copies = ", ".join(f"dict({name})" for name in kept.split(", "))
    names = "parameters" if only is None else f"({', '.join(map(_quoted, only))},)"
    inner: list[Statement] = ['W, dW = parameters[name], grads["d" + name]']
    for statement in rule.statements:
        target = "parameters[name]" if statement.target == "W" else statement.target
        inner.append(Assignment(target, statement.value))
    body: list[Statement] = [
        f"{kept} = {copies}",
        f"for name in {names}:",
        *layout.body(inner),
        f"return {kept}",
    ]
    counted = "; t counts the steps from 1" if rule.counts else ""
    summary = f"Take one step of {rule.title}{counted}."
    found.append(layout.function("update_parameters", arguments, summary, body))
    return found


def _quoted(text: str) -> str:
    return f'"{text}"'


def training_loop(
    rule: Update, data: Sequence[str], numbers: Sequence[str], step: Sequence[Statement], cost: str
) -> str:
    """Return the source of `train`.

    Args:
        rule: the update rule.
        data: names of the data.
        numbers: arguments with defaults.
        step: statements that compute the cost and ``grads``.
        cost: the name of the cost.
    """
    # Rprop's rate is where its step sizes start, and nothing that a step reads.
    rates = [f"learning_rate={layout.number(x)}" for k, x in rule.options.items() if k in RATE]
    arguments = [*data, "parameters", *numbers, *rates, "num_iterations=1000"]
    kept = ", ".join(["parameters", *rule.moments])
    called = ["parameters", "grads", *rule.arguments, *(RATE if rates else [])]
    first = [f"{', '.join(rule.moments)} = {rule.setup}(parameters)"] if rule.moments else []
    steps = "t in range(1, num_iterations + 1)" if rule.counts else "_ in range(num_iterations)"
    inside = [
        *step,
        f"costs.append({cost})",
        *layout.call(f"{kept} = update_parameters", called, indent=8),
    ]
    body = ["costs = []", *first, f"for {steps}:", *layout.body(inside), "return parameters, costs"]
    summary = "Return the parameters after training, and the cost before each step."
    return layout.function("train", arguments, summary, body)
