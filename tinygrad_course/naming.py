"""Readable names for the nodes of a graph: one set of rules for every printer and picture.

`names_of` gives each node a name, by the first rule that applies:

1. a name that the user or a module gave (``W[1]``, ``Z[1]``, ``loss``);
2. an activation of ``Z[l]`` is ``A[l]``, the transpose of ``W[l]`` is ``W[l]ᵀ``;
3. a number is written as itself;
4. the scalar that the graph computes is ``J``;
5. an unnamed leaf that requires grad is ``W`` (a matrix), ``b`` (added to a product) or ``w``;
   other data is ``X`` (a matrix) or ``x``, or ``Y``, ``y`` when it is the label of a loss;
6. what an activation, or a loss of logits, is applied to is ``Z`` or ``z``, its result ``A`` or
   ``a``; the loss of each example is ``L``; the second of a kind gets a number: ``Z2``;
7. any other intermediate value is ``u``, ``v``, ``p`` … while six letters last, else ``t1`` …;
8. the derivative of the output with respect to ``v`` is ``dv``; other values of the backward pass
   are ``g1``, ``g2`` …;
9. the new value of ``W`` is ``W_new``; other values of an update are ``s1``, ``s2`` ….

A name that is taken gets a suffix: ``w``, ``w_2``. The same program always gives the same names,
and adding the backward pass to a graph does not rename its forward pass. Pure functions: nothing
here computes, draws or remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import GraphNode

ACTIVATIONS = frozenset(
    "sigmoid tanh relu leaky_relu elu softplus gelu_exact gelu_tanh silu softmax step".split()
)
LOSSES = frozenset("bce bce_with_logits huber".split())
_OF_LOGITS = ACTIVATIONS | {"log_softmax", "bce_with_logits"}
PRODUCTS = frozenset("matrix_product inner mul einsum".split())
# Examples and labels, also where a derivative with respect to them is asked for.
DATA = frozenset("X x Y y A[0] A0 inputs input data images labels".split())
LETTERS = ("u", "v", "p", "q", "r", "s")

_LAYER = re.compile(r"(\D+)\[(\w+)\]")


_LATER = ("backward", "gradient", "update")


def names_of(
    nodes: Sequence[GraphNode], updates: Sequence[tuple[int, int]] = ()
) -> tuple[list[str], list[int]]:
    """Return a name for each node of a graph, and which of them are without a meaning (rule 7).

    No two names are alike, numbers excepted.

    Args:
        nodes: in the order of the graph; a node's ``name`` is what it was given, or empty.
        updates: (index of a parameter or state, index of its new value).
    """
    namer = _Namer(nodes)
    for i, node in enumerate(nodes):
        if node.name:
            namer.name(i, node.name)
    forward = [i for i, n in enumerate(nodes) if n.role not in _LATER]
    users = _users(nodes, forward)
    for i in forward:
        namer.name_forward(i, users.get(i, ()))
    namer.name_the_rest(forward)
    namer.name_updates([i for i, n in enumerate(nodes) if n.role == "update"], updates)
    namer.name_backward([i for i, n in enumerate(nodes) if n.role in ("backward", "gradient")])
    return namer.names, namer.anonymous


class _Namer:
    """The names given so far, while `names_of` runs."""

    def __init__(self, nodes: Sequence[GraphNode]) -> None:
        self.nodes = nodes
        self.names = [""] * len(nodes)
        # Name -> how many suffixes were tried, so that a million equal names stay linear.
        self.taken: dict[str, int] = {}
        self.stems: dict[str, int] = {}
        self.anonymous: list[int] = []

    def name(self, i: int, wanted: str) -> None:
        """Give node `i` the name `wanted`, with a suffix when it is taken."""
        name = wanted
        while name in self.taken:
            self.taken[wanted] += 1
            name = f"{wanted}_{self.taken[wanted]}"
        self.taken[name] = 1
        self.names[i] = name

    def number(self, i: int, stem: str) -> None:
        """Give node `i` the name `stem`, or the first free of ``stem2``, ``stem3`` …."""
        count = self.stems.get(stem, 0) + 1
        name = stem if count == 1 else f"{stem}{count}"
        while name in self.taken:
            count += 1
            name = f"{stem}{count}"
        self.stems[stem] = count
        self.name(i, name)

    def name_forward(self, i: int, users: Iterable[tuple[int, int]]) -> None:
        """Name one node of the forward pass, unless it is an ordinary intermediate value."""
        node = self.nodes[i]
        if self.names[i]:
            return
        if node.role == "constant":
            self.names[i] = number_text(node.value)
            return
        if node.op is not None and node.op.name in ACTIVATIONS:
            layer = _LAYER.fullmatch(self.names[node.inputs[0]])
            if layer is not None and layer[1] == "Z":
                self.name(i, f"A[{layer[2]}]")
                return
        if node.op is not None and node.op.name == "matrix_transpose":
            of = self.names[node.inputs[0]]
            if of:
                self.name(i, f"{of}ᵀ")
                self.anonymous.append(i)  # says nothing that Kᵀ does not
                return
        if node.role == "loss":
            self.number(i, "J")
            return
        stem = self._leaf_stem(node, users) if node.op is None else self._stem(node, users)
        if stem:
            self.number(i, _case(stem, node))

    def _leaf_stem(self, node: GraphNode, users: Iterable[tuple[int, int]]) -> str:
        for user, position in users:
            consumer = self.nodes[user]
            if consumer.op is None:
                continue
            if node.role == "data" and position == 1 and _compares(consumer):
                return "y"
            if node.role == "data" and consumer.op.name == "sub" and len(list(users)) == 1:
                other = self.nodes[consumer.inputs[1 - position]].op
                if other is not None:  # a prediction less its label
                    return "y"
            if node.role == "parameter" and consumer.op.name == "affine" and position == 2:
                return "b"
            if node.role == "parameter" and consumer.op.name == "add":
                other = self.nodes[consumer.inputs[1 - position]].op
                if other is not None and other.name in PRODUCTS:
                    return "b"
        return "x" if node.role == "data" else "w"

    def _stem(self, node: GraphNode, users: Iterable[tuple[int, int]]) -> str:
        assert node.op is not None
        if node.op.name in LOSSES and node.role == "forward":
            return "L"
        if node.op.name in ACTIVATIONS:
            return "a"
        for user, position in users:
            consumer = self.nodes[user].op
            if consumer is not None and position == 0 and consumer.name in _OF_LOGITS:
                return "" if consumer.name == "softmax" and self._is_masked(node) else "z"
        return "y" if node.role == "output" else ""

    def _is_masked(self, node: GraphNode) -> bool:
        """Return True for S + M, scores with a name and a mask: attention reads softmax(S + M)."""
        if node.op is None or node.op.name != "add":
            return False
        scores, mask = (self.nodes[i] for i in node.inputs)
        return bool(scores.name) and scores.op is not None and mask.role == "data"

    def name_the_rest(self, forward: list[int]) -> None:
        """Name ordinary intermediate values: letters while they last, else numbers."""
        rest = [i for i in forward if not self.names[i]]
        self.anonymous.extend(rest)
        letters = [letter for letter in LETTERS if letter not in self.taken]
        if len(rest) <= len(letters):
            for i, letter in zip(rest, letters, strict=False):
                self.name(i, letter)
            return
        for k, i in enumerate(rest, start=1):
            self.name(i, f"t{k}")

    def name_backward(self, backward: list[int]) -> None:
        """Name derivatives after what they are derivatives of."""
        for i in backward:
            of = self.nodes[i].grad_of
            if of is not None and not self.names[i]:
                self.name(i, derivative_name(self.names[of]))
        rest = [i for i in backward if not self.names[i]]
        self.anonymous.extend(rest)
        for k, i in enumerate(rest, start=1):
            self.name(i, f"g{k}")

    def name_updates(self, update: list[int], updates: Sequence[tuple[int, int]]) -> None:
        """Name new values after what they are the values of."""
        for state, new in updates:
            if not self.names[new]:
                self.name(new, f"{self.names[state]}_new")
        rest = [i for i in update if not self.names[i]]
        self.anonymous.extend(rest)
        for k, i in enumerate(rest, start=1):
            self.name(i, f"s{k}")


def _compares(consumer: GraphNode) -> bool:
    """Return whether the second operand of an operation is a label: in a loss, or to pick with."""
    assert consumer.op is not None
    in_loss = bool(consumer.scope) and consumer.scope[-1].split()[0].endswith("Loss")
    return in_loss or consumer.op.name in LOSSES or consumer.op.kind == "index"


def _users(nodes: Sequence[GraphNode], forward: list[int]) -> dict[int, list[tuple[int, int]]]:
    """Return for each forward node its forward users, as (user, position of the input)."""
    users: dict[int, list[tuple[int, int]]] = {}
    for i in forward:
        for position, source in enumerate(nodes[i].inputs):
            users.setdefault(source, []).append((i, position))
    # Labels get an axis of length 1 before a loss picks with them: what uses that uses them.
    for i in reversed(forward):
        op = nodes[i].op
        if op is not None and op.name in ("insert_axes", "remove_axes") and i in users:
            users.setdefault(nodes[i].inputs[0], []).extend(users[i])
    return users


def _case(stem: str, node: GraphNode) -> str:
    """Return a capital for a matrix, a small letter for a vector or number, as courses do."""
    return stem.upper() if len(node.shape) >= 2 and stem != "b" else stem


def is_data(node: GraphNode) -> bool:
    """Return True for a leaf that holds examples or labels, rather than parameters."""
    return node.op is None and (
        node.role == "data" or (node.role == "parameter" and node.name in DATA)
    )


def number_text(value: Any) -> str:
    """Return a constant as mathematics writes it.

    >>> number_text(3), number_text(0.5), number_text(2.0)
    ('3', '0.5', '2')
    """
    plain = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(plain, float) and isinstance(value, (np.ndarray, np.generic)):
        # The shortest text that gives back the same number in the array's own precision.
        plain_text = str(np.asarray(value)[()])
    else:
        plain_text = repr(plain)
    return plain_text[:-2] if plain_text.endswith(".0") else plain_text


def derivative_name(name: str) -> str:
    """Return what courses call the derivative of the cost with respect to `name`.

    >>> derivative_name("W[1]")
    'dW[1]'
    """
    return f"d{name}"


def compact(name: str) -> str:
    """Return a name without its brackets, as programs spell it.

    >>> compact("dW[1]"), compact("loss")
    ('dW1', 'loss')
    """
    return re.sub(r"\[(\w+)\]", r"\1", name)


def module_label(module: Any) -> str:
    """Return how to call a module: ``layer 1 (Dense)`` when its layers are counted, or its class.

    >>> module_label(object())
    'object'
    """
    kind = type(module).__name__
    layer = getattr(module, "_layer", 0)
    return f"layer {layer} ({kind})" if layer else kind
