"""Chains of fully connected layers, recognised in a graph.

A chain is what the courses call an L-layer network: each layer computes Z = W A + b (or A W + b, or
A Wᵀ + b) from the one before, applies an activation, and a cost is computed from the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import errors, naming
from ..graph import Graph, GraphNode, leading_to


@dataclass(frozen=True)
class Layer:
    """A fully connected layer in a graph.

    Attributes:
        weight, bias: indices of W and b; no bias: None.
        before: index of what the layer is applied to.
        sums: index of Z.
        after: index of A; that of Z without an activation.
        activation: index of the node of the activation, or None.
        first: True for W A, False for A W.
        transposed: True where the transpose of W is used.
        shape: how the bias is added: the number of its axes; 0 without one.
    """

    weight: int
    bias: int | None
    before: int
    sums: int
    after: int
    activation: int | None
    first: bool
    transposed: bool
    shape: int


class Chain:
    """A model that is a chain of fully connected layers, found in the graph of its cost.

    Args:
        graph: the graph of the cost, with its backward pass.

    Attributes:
        graph: the graph.
        layers: the layers, the first one first.
        cost: indices of the nodes that compute the cost from the output of the last layer.

    Raises:
        GraphError: the graph is no such chain.

    Example:
        >>> import tinygrad_course as tc
        >>> net = tc.nn.Sequential(tc.nn.Dense(2, 3, activation="relu"), tc.nn.Dense(3, 1))
        >>> J = tc.nn.MSELoss()(net(tc.ones(5, 2)), tc.ones(5, 1))
        >>> chain = Chain(tc.Graph.of(J, backward=True))
        >>> [chain.graph[layer.after].name for layer in chain.layers]
        ['A[1]', 'Z[2]']
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        if len(self.graph.outputs) != 1 or not self.graph.has_backward:
            raise _no_chain("it has no cost to differentiate")
        self.users: dict[int, list[int]] = {}
        forward = sorted(leading_to(graph.nodes, [n.index for n in graph.outputs]))
        for i in forward:
            for j in dict.fromkeys(self.graph[i].inputs):
                self.users.setdefault(j, []).append(i)
        self.layers = [layer for layer in map(self._layer, forward) if layer is not None]
        if not self.layers:
            raise _no_chain("no matrix product with a parameter was found")
        self._check_links()
        inside = self._inside()
        self.cost = [i for i in forward if i not in inside]
        self._check_rest()

    def _layer(self, i: int) -> Layer | None:
        """Return the layer whose product, or product plus bias, is computed by a node."""
        node = self.graph[i]
        if node.op is None or node.op.name not in ("affine", "matrix_product"):
            return None
        found = self._weight(node)
        if found is None:
            return None
        weight, transposed, first, before = found
        bias = node.inputs[2] if node.op.name == "affine" else None
        if bias is None:
            users = self.users.get(i, [])
            added = self.graph[users[0]] if len(users) == 1 else None
            if added is not None and added.op is not None and added.op.name == "add":
                other = added.inputs[1 - added.inputs.index(i)]
                if self.graph[other].op is None and self.graph[other].role == "parameter":
                    i, bias = added.index, other
        activation = self._activation(i)
        after = i if activation is None else activation
        ndim = len(self.graph[bias].shape) if bias is not None else 0
        return Layer(weight, bias, before, i, after, activation, first, transposed, ndim)

    def _weight(self, node: GraphNode) -> tuple[int, bool, bool, int] | None:
        """Return W, whether it is transposed, whether it stands first, and the other factor."""
        for place in (0, 1):
            i = node.inputs[place]
            factor = self.graph[i]
            transposed = factor.op is not None and factor.op.name == "matrix_transpose"
            leaf = self.graph[factor.inputs[0]] if transposed else factor
            if leaf.op is None and leaf.role == "parameter" and len(node.shape) == 2:
                return leaf.index, transposed, place == 0, node.inputs[1 - place]
        return None

    def _activation(self, i: int) -> int | None:
        users = self.users.get(i, [])
        if len(users) != 1:
            return None
        node = self.graph[users[0]]
        named = node.op is not None and node.op.name in naming.ACTIVATIONS
        return node.index if named else None

    def _check_links(self) -> None:
        first = self.layers[0]
        for layer, previous in zip(self.layers[1:], self.layers, strict=False):
            if layer.before != previous.after or len(self.users[previous.after]) != 1:
                name = self.graph[layer.sums].name
                raise _no_chain(f"{name} is not computed from the layer before it alone")
        kinds = {(x.first, x.transposed, x.shape) for x in self.layers}
        if len(kinds) > 1:
            raise _no_chain("its layers differ in their layout, or in having a bias")
        before = self.graph[first.before]
        if not naming.is_data(before):
            raise _no_chain("the input of its first layer is computed, and no data")

    def _inside(self) -> set[int]:
        """Return the nodes of the layers, their transposed weights too."""
        found = set()
        for layer in self.layers:
            found |= {layer.weight, layer.before, layer.sums, layer.after}
            found |= {layer.bias} if layer.bias is not None else set()
            found |= set(self.graph[layer.sums].inputs)
            for i in self.graph[layer.sums].inputs:
                found |= set(self.graph[i].inputs) if self.graph[i].op is not None else set()
        return found

    def _check_rest(self) -> None:
        output = self.layers[-1].after
        own = {output, *self.cost}
        for i in self.cost:
            node = self.graph[i]
            if node.role == "parameter":
                raise _no_chain(f"the cost reads {node.name}, a parameter")
            stray = [j for j in node.inputs if j not in own]
            if stray:
                raise _no_chain(f"the cost reads {self.graph[stray[0]].name}")
        seen = [layer.weight for layer in self.layers]
        seen += [layer.bias for layer in self.layers if layer.bias is not None]
        if len(set(seen)) < len(seen):
            raise _no_chain("two of its layers share a parameter")


def _no_chain(why: str) -> errors.GraphError:
    return errors.GraphError(
        "source: functions='layers' writes a chain of fully connected layers, each with an "
        f"activation, and a cost; this model is none: {why}. Use functions='one'."
    )
