"""A graph in its simplest form: `simplify`, and the course's way of scaling derivatives.

Simplifying reads a graph and returns a new one: equal expressions are computed once, what nothing
uses is left out, identities and constants are resolved, factors such as 1/m are moved outside, and
the cancellations that courses do on paper are done (dZ = A − Y). The original is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import naming
from ..graph import Graph, GraphNode, leading_to
from . import cancellations, recognise, whose  # noqa: F401 - cancellations adds its rules
from .general import general_activations, slope_of
from .rewriter import ONE, Coefficient, Rewriter
from .rules import LINEAR, RULES
from .sizes import Sizes

CONVENTIONS = ("course", "exact")


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same in fewer and simpler operations.

    Values, derivatives and data types are those of the original. Two things are taken for granted
    that courses do not spell out either: a guard such as ``max(a (1 - a), 1e-12)`` cancels with
    what it guards, and so does a factor with its divisor where both are 0.

    Args:
        graph: with or without a backward pass.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course.derivation import simplify
        >>> z = tc.tensor([[0.5, -1.0]], requires_grad=True, name="z")
        >>> y = tc.tensor([[1.0, 0.0]], name="y")
        >>> a = z.sigmoid()
        >>> a.name = "a"
        >>> J = tc.nn.BCELoss(reduction="sum")(a, y)
        >>> print(simplify(tc.Graph.of(J, backward=True)))
        z               (1, 2) float32  parameter
        a = sigmoid(z)  (1, 2) float32  forward
        y               (1, 2) float32  data
        L = bce(a, y)   (1, 2) float32  forward
        J = sum(L)      () float32      loss
        dz = sub(a, y)  (1, 2) float32  gradient of z
    """
    return Simplifier(graph).graph()


class Simplifier:
    """Rebuilds one graph.

    Args:
        graph: the graph to read.
        convention: None to keep derivatives as they are, or one of `CONVENTIONS`, which gives
            every derivative a name of its own; "course" then strips 1/m from the derivatives of
            what is computed from data, so that it stands in those of the parameters.
        rewrite: False leaves the expressions as the derivative rules wrote them.
        wanted: the nodes whose derivatives are asked for; by default all leaves that have one.
        links: "all" names the derivative of every line, "layers" those of the layers; nothing then
            cancels across names.
        lines: with links "all": the values without a meaning that have a line.
        activations: "named"; "general" writes those of hidden layers as g[l], and their derivatives
            as g[l]′; "every" does so in every layer; "f" calls them f.

    Attributes:
        new: index in `graph` -> index of the node that replaces it.
        by_m: which constants stand for 1/m and the like, see `recognise`.
        scale: index of a forward node in `graph` -> k, where the node for its derivative computes
            mᵏ times the derivative.
    """

    def __init__(
        self,
        graph: Graph,
        convention: str | None = None,
        rewrite: bool = True,
        wanted: set[int] | None = None,
        links: str = "",
        activations: str = "named",
        lines: frozenset[str] = frozenset(),
    ) -> None:
        self.original = graph
        self.links = links
        self.lines = lines
        self.general = general_activations(graph, activations)
        self.wanted = wanted
        self.convention = convention
        # Conversions between float types are nothing to write down, and would round.
        rules = RULES if rewrite else {"cast": RULES["cast"]}
        self.rewriter = Rewriter(rules, exact_dtypes=convention is None)
        self.rewriter.looks_through = not links
        self.new: dict[int, int] = {}
        self.scale: dict[int, int] = {}
        self.named: dict[int, int] = {}
        self._data: dict[int, str] = {}
        # The values of 1 − Y, for data Y.
        self._complements: dict[Any, int] = {}
        self._read_again = whose.read_again(graph)
        self._owners: set[int] | None = None
        self._m: int | None = None  # an axis that counts the examples, in the rewriter's sizes
        self._core_of: dict[int, tuple[int, int]] = {}
        # (forward node, cotangent) -> the cotangent under the name of that node.
        self._of_own: dict[tuple[int | None, int], int] = {}
        self._shared: dict[int, list[int]] = {}
        # Of the resulting graph: where each rewritten node went, which nodes only name a
        # derivative, and k for those whose value is m**k times the derivative.
        self.place: dict[int, int] = {}
        self.opaque: set[int] = set()
        self.scales: dict[int, int] = {}
        needed = whose.needed(graph)
        self._recognised: list[str] = []
        self._sizes = Sizes.of(graph)
        self.by_m: dict[tuple[int, int], tuple[float, list[recognise.Place]]] = {}
        if convention is not None and rewrite:
            self.by_m, self._recognised = recognise.numbers_of_examples(graph, self._sizes)
        self._from_data = whose.from_data(graph)
        # A graph of numbers, as on slides: every step has a line of its own.
        self.scalar = all(n.shape == () for n in graph)
        self.rewriter.keeps_steps = self.scalar and convention is not None
        self._sum_of = whose.sums(graph)
        of = whose.derivatives(graph)
        for node in graph:
            if node.index in needed:
                self._copy(node, of.get(node.index, []))

    def _copy(self, node: GraphNode, of: list[int]) -> None:
        r = self.rewriter
        r.role = "backward" if node.is_backward else node.role
        r.backward = r.role in ("backward", "update")
        if not r.backward:
            r.role = "forward"
        if node.op is None:
            seed = node.is_backward and node.size == 1 and node.value is not None
            if seed and node.shape == ():
                index = r.number(node.value)
            elif seed and node.grad_of is not None and np.all(np.asarray(node.value) == 1):
                index = r.make("ones_like", self.new[node.grad_of])  # of a cost of shape (1, 1)
            else:
                index = self._leaf(node)
        else:
            inputs = [self._input(node, i) for i in node.inputs]
            if node.index in self._sum_of and self._in_order(self._sum_of[node.index]):
                inputs.reverse()
            op = self.general.get(node.index, node.op)
            if op.kind == "random":
                index = r.drawn(node, inputs)
            else:
                index = r.make(op, *inputs, **node.params)
            if of and self.general:
                index = self._with_slope(index, of)
        if node.op is not None and not node.is_backward and not r.nodes[index].name:
            r.nodes[index].name = node.name
            r.nodes[index].anonymous = node.anonymous
            r.nodes[index].scope = node.scope
        of = [i for i in of if self._has_own(i)]
        summed = [i for i in of if self._repeats(index, self.new[i])]
        of = [i for i in of if i not in summed and self.original[i].role != "loss"]
        if of and self.convention is not None:
            # Of several with one derivative (d = z - y: dz = dd), the one with a meaning names it.
            of = sorted(of, key=lambda i: not self._is_shown(i))
            if self._has_a_name(index, of):
                index = self._name_derivative(index, of, node.index)
            else:
                self._name_core(index, of[0])
        for i in summed:
            self._sum_over_the_example(index, i, node.index)
        self.new[node.index] = index

    def _has_own(self, i: int) -> bool:
        """Return True when the recorded derivative of a node is that of the node in its place.

        Of two equal expressions that are computed once now, each recorded derivative is a part
        only. That of a value holds for its copies too.
        """
        if self._owners is None:
            groups: dict[int, list[int]] = {}
            for node in self.original:
                if not node.is_backward and node.index in self.new:
                    groups.setdefault(self.new[node.index], []).append(node.index)
            self._owners = {
                group[0]
                for group in groups.values()
                if self.original[group[0]].op is None
                or all(self._leads_to(group[0], other) for other in group[1:])
            }
        return i in self._owners or (self.wanted is not None and i in self.wanted)

    def _leads_to(self, first: int, second: int) -> bool:
        """Return True when a few operations lead from one node to another."""
        stack = [second]
        for _ in range(16):
            if not stack:
                break
            inputs = self.original[stack.pop()].inputs
            if first in inputs:
                return True
            stack.extend(i for i in inputs if i > first)
        return False

    def _sum_over_the_example(self, index: int, of: int, cotangent: int) -> None:
        """Make the derivative of what is repeated for each example, where there is one.

        With one example, the bias of a layer has the shape of what it is added to, and the recorded
        derivative no sum; for more examples there is one. Where derivatives from several uses add
        up, each has its own.
        """
        r, target = self.rewriter, self.new[of]
        parts = [self.new[i] for i in self._added_up(cotangent)]
        if all(self._repeats(part, target) for part in parts):
            parts = [index]
        total: int | None = None
        for part in parts:
            if self._repeats(part, target):
                part = r.make("sum_like", part, target)
            total = part if total is None else r.make("add", total, part)
        assert total is not None
        self.named[of] = total
        if self.convention is not None and self._has_a_name(total, [of]):
            total = self._name_derivative(total, [of], cotangent)
        self._of_own[of, cotangent] = total

    def _added_up(self, cotangent: int) -> list[int]:
        """Return the derivatives from several uses of a value that add up to a node, if any do."""
        summed = self._sum_of.get(cotangent)
        found: list[int] = []
        stack = [] if summed is None else [cotangent]
        while stack:
            i = stack.pop()
            if self._sum_of.get(i) == summed:
                stack.extend(reversed(self.original[i].inputs))
            else:
                found.append(i)
        return found

    def _repeats(self, index: int, target: int) -> bool:
        """Return True when a derivative counts examples along an axis where its tensor does not."""
        sizes, shape = self.rewriter.sizes, self.rewriter.nodes[index].shape
        pairs = zip(shape, sizes.axes[index], sizes.axes[target], strict=False)
        return any(n == 1 and sizes.counts(a) and not sizes.counts(b) for n, a, b in pairs)

    def _in_order(self, target: int) -> bool:
        """Return True for what is summed up from its first use to its last, not backwards."""
        return self.scalar or self.original[target].op is None

    def _input(self, node: GraphNode, i: int) -> int:
        """Return what replaces an input: in v = a + u, da is called dv where v's rule reads it."""
        use = node.index if node.rule_of is None else node.rule_of
        if (use, i) in self.by_m:
            return self._count_in_place(*self.by_m[use, i])
        summed = self._sum_of.get(node.index)
        if summed is None or self._sum_of.get(i) == summed:
            return self._of_own.get((node.rule_of, i), self.new[i])
        # Where derivatives from several uses add up, each has the name of the use it comes from.
        others = {self.original[j].rule_of for j in node.inputs if j != i}
        for use in self._shared.get(i, ()):
            if summed in self.original[use].inputs and use not in others:
                return self._of_own[use, i]
        return self.new[i]

    def _count_in_place(self, k: float, places: Sequence[tuple[int, int, int]]) -> int:
        """Return 1/m, in place of a number that stands for it."""
        r = self.rewriter
        counted = [(r.sizes.axes[self.new[leaf]][place], e) for leaf, place, e in places]
        powers = tuple(sorted((r.sizes.root(axis), e) for axis, e in counted))
        return r.factor(Coefficient(k, powers), np.dtype(np.float64))

    def _leaf(self, node: GraphNode) -> int:
        r = self.rewriter
        if node.role != "data":
            again = self._read_again.get(node.index)
            return r.leaf(node) if again is None else self.new[again]
        if self.convention is not None:
            other = self._complements.get(recognise.values_of(node.value))
            if other is not None:
                self._recognised.append(
                    f"1 - {self._data[other]} was computed outside the graph, and is known by its "
                    "values."
                )
                return r.make("sub", r.number(1), other)
            labels = recognise.labels_of(node, self.original)
            if labels is not None:
                self._recognised.append(
                    f"-{labels} was computed outside the graph, and is known by its values."
                )
                node = replace(node, name=labels, value=-np.asarray(node.value))
                return r.make("neg", self._data_leaf(node))
        return self._data_leaf(node)

    def _data_leaf(self, node: GraphNode) -> int:
        r = self.rewriter
        # An axis of length 1 is one example only where nothing counts more.
        axes = self._sizes.axes[node.index]
        many = "m" in self._sizes.symbols() and self._sizes.symbols()["m"] > 1
        lonely = [k for k, n in enumerate(node.shape) if n == 1 and self._sizes.counts(axes[k])]
        index = r.leaf(node, lonely if many else ())
        for place, axis in enumerate(axes):
            if self._m is None and self._sizes.length(axis) == "m":
                self._m = r.sizes.axes[index][place]
        self._data[index] = node.name
        if node.value is not None and recognise.varies(node.value):
            self._complements.setdefault(recognise.values_of(1 - np.asarray(node.value)), index)
        return index

    def _has_a_name(self, index: int, of: list[int]) -> bool:
        """Return True for a derivative to be written: of a leaf, or of what data led to."""
        r = self.rewriter
        if any(self.original[i].op is None for i in of):
            return True
        target = self.original[of[0]]
        if not self.scalar and not self._from_data[target.index] and not self._is_part(target):
            return False
        if not self._is_shown(target.index):
            return False
        if self.links == "all":
            return True
        _, core = r.split(index)
        trivial = r.coefficient(core) is not None or r.is_op(core, "ones_like")
        return self.scalar or not trivial

    def _is_part(self, node: GraphNode) -> bool:
        """Return True for a part of a parameter, W_Q = W_QKV[:E]: its derivative is shown too."""
        part = node.op is not None and node.op.name == "getitem"
        return part and self.original[node.inputs[0]].role == "parameter"

    def _name_derivative(self, index: int, of: list[int], cotangent: int) -> int:
        """Make a node opaque under the name of a derivative, without 1/m in the course's way."""
        r = self.rewriter
        target = self.original[of[0]]
        lifted = ONE
        from_data = self._from_data[target.index] and target.op is not None and target.shape
        if self.convention == "course" and from_data:
            lifted = self._mean_in(index)
            if not lifted.is_one:
                index = self._without(index, lifted)
                for i in of:
                    self.scale[i] = 1
        name = naming.derivative_name(target.name)
        made = r.opaque(index, name)
        self.named.update(dict.fromkeys(of, made))
        if self.scalar or self.links == "all":
            self._shared[cotangent] = [i for i in of[1:] if self._is_shown(i)]
            for i in self._shared[cotangent]:  # in v = a + u: dv, then du = dv and da = dv
                name = naming.derivative_name(self.original[i].name)
                self.named[i] = r.opaque(made, name)
                self._of_own[i, cotangent] = r.scaled(lifted, self.named[i])
        return r.scaled(lifted, made)

    def _is_shown(self, i: int) -> bool:
        """Return True for a value with a meaning, or with a line in any case."""
        node = self.original[i]
        return self.scalar or not node.anonymous or node.name in self.lines

    def _with_slope(self, index: int, of: list[int]) -> int:
        """Write dA · (the derivative of an activation) as dA · g[l]′(Z[l])."""
        r = self.rewriter
        activation = next((self.general[i] for i in self._activated(of[0])), None)
        c, core = r.split(index)
        if activation is None or not r.is_op(core, "mul"):
            return index
        z = self.new[of[0]]
        return r.scaled(c, r.make("mul", r.inputs(core)[0], r.make(slope_of(activation), z)))

    def _activated(self, z: int) -> list[int]:
        return [i for i in self.general if self.original[i].inputs == (z,)]

    def _name_core(self, index: int, of: int) -> None:
        """Call the derivative of a value without a meaning after it, should it get a line."""
        r = self.rewriter
        c, core = r.split(index)
        node = r.nodes[core]
        if node.name or node.op is None or c.number != 1 or not node.is_backward:
            return
        if c.is_one or (self.convention == "course" and self._from_data[of]):
            node.name = naming.derivative_name(self.original[of].name)
            node.anonymous = True
            self._core_of[core] = (of, 0 if c.is_one else 1)

    def _mean_in(self, index: int) -> Coefficient:
        """Return 1/m when each term of a node has it as a factor, else 1."""
        r = self.rewriter
        stack, seen = [index], {index}
        while stack:
            c, core = r.split(stack.pop())
            if self._has_mean(c):
                continue
            terms = self._terms(core)
            if not terms:
                return ONE
            stack.extend(i for i in terms if i not in seen)
            seen.update(terms)
        assert self._m is not None
        return Coefficient(1, ((r.sizes.root(self._m), -1),))

    def _has_mean(self, c: Coefficient) -> bool:
        root = self.rewriter.sizes.root
        return self._m is not None and any(a == root(self._m) and e < 0 for a, e in c.powers)

    def _terms(self, core: int) -> tuple[int, ...]:
        """Return what a factor of a sum, or of a linear operation, is a factor of."""
        r = self.rewriter
        if r.is_op(core, "add", "sub"):
            return r.inputs(core)
        return r.inputs(core)[:1] if r.is_op(core, *LINEAR) else ()

    def _without(self, index: int, factor: Coefficient) -> int:
        """Return a node divided by a factor that each of its terms has."""
        r = self.rewriter
        made: dict[int, int] = {}
        stack = [index]
        while stack:
            i = stack[-1]
            c, core = r.split(i)
            terms = () if self._has_mean(c) else self._terms(core)
            missing = [t for t in terms if t not in made]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if terms:
                op = r.nodes[core].op
                assert op is not None
                inputs = (*(made[t] for t in terms), *r.inputs(core)[len(terms) :])
                made[i] = r.scaled(c, r.make(op, *inputs, **r.params(core)))
            else:
                made[i] = r.scaled(c * factor.inverse(), core)
        return made[index]

    # --- the result -------------------------------------------------------------------------

    def graph(self) -> Graph:
        """Return the nodes that the outputs and derivatives need, as a graph."""
        original = self.original
        keep = [self.new[n.index] for n in original.outputs]
        links: dict[int, int] = {}
        for node in original:
            if node.grad is not None and node.index in self.new and self._has_own(node.index):
                links[node.index] = self.named.get(node.index, self.new[node.grad])
        wanted = {i for i in links if self._is_wanted(i)}
        keep += [links[i] for i in links if i in wanted or self.scalar]
        keep += [self.new[i] for update in original.updates for i in update]
        return _collect(self, keep, links, wanted)

    def _is_wanted(self, index: int) -> bool:
        """Return True for what the backward pass is for: the derivatives of the leaves asked."""
        if self.wanted is not None:
            return index in self.wanted
        return self.original[index].grad is not None and self.original[index].op is None

    def notes(self) -> list[str]:
        """Return in sentences what was taken for granted."""
        found = list(self._recognised)
        for i in self.rewriter.assumed:
            name = self.rewriter.nodes[i].name
            if i in self.place:
                found.append(f"The labels {name} of each example are taken to sum to 1.")
        return found


def _collect(
    simplifier: Simplifier, keep: Sequence[int], links: dict[int, int], wanted: set[int]
) -> Graph:
    r, original = simplifier.rewriter, simplifier.original
    live = sorted(leading_to(r.nodes, keep))
    place = simplifier.place = {i: k for k, i in enumerate(live)}
    nodes = []
    for i in live:
        old = r.nodes[i]
        inputs = tuple(place[j] for j in old.inputs)
        nodes.append(
            GraphNode(
                place[i], old.op, inputs, old.params, old.name, old.role, old.shape, old.dtype,
                old.value, old.scope, anonymous=old.anonymous,
            )
        )  # fmt: skip
    simplifier.opaque = {place[i] for i in r.stands_for if i in place}
    for i, (of, k) in simplifier._core_of.items():
        if i in place:
            nodes[place[i]].grad_of = place.get(simplifier.new[of])
            simplifier.scales[place[i]] = k
    # Of several tensors with one derivative, it belongs to the one it is named after.
    named_after = {i: r.nodes[g].name == naming.derivative_name(original[i].name)
                   for i, g in links.items()}  # fmt: skip
    for i, g in sorted(links.items(), key=lambda link: (named_after[link[0]], link), reverse=True):
        if simplifier.scale.get(i) and g in place:
            simplifier.scales[place[g]] = 1
        target = place.get(simplifier.new[i])
        if target is None or g not in place:
            continue
        nodes[target].grad = place[g]
        node = nodes[place[g]]
        if node.grad_of is None and node.op is not None and node.is_backward:
            node.grad_of = target
            asked = simplifier.wanted is not None or nodes[target].role == "parameter"
            if i in wanted and asked:
                node.role = "gradient"
    _show_activations(nodes)
    for output in original.outputs:
        nodes[place[simplifier.new[output.index]]].role = output.role
    names, anonymous = naming.names_of(nodes)
    for node, name in zip(nodes, names, strict=True):
        node.name = name
    for index in anonymous:
        nodes[index].anonymous = True
    outputs, *updates = (
        [place[simplifier.new[i]] for i in indices]
        for indices in ([n.index for n in original.outputs], *original.updates)
    )
    return Graph(nodes, outputs, [(state, new) for state, new in updates], original.notes)


def _show_activations(nodes: Sequence[GraphNode]) -> None:
    """Count the σ(Z) or softmax(Z) that only dZ = A − Y needs among the forward values."""
    activated = {
        n.inputs[0]
        for n in nodes
        if n.op is not None and n.op.name in naming.ACTIVATIONS and not n.is_backward
    }
    for node in nodes:
        if node.op is not None and node.op.name in ("sigmoid", "softmax") and node.is_backward:
            (z,) = node.inputs
            if z not in activated and not nodes[z].is_backward:
                node.role = "forward"


__all__ = ["CONVENTIONS", "Simplifier", "simplify"]
