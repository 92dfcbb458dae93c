"""The derivation in the functions of the Deep Learning Specialization, with their caches.

Course 1 builds a deep network from `linear_forward`, `linear_activation_forward`,
`L_model_forward`, `compute_cost`, and their backward counterparts. What each of them computes is
derived here like any other model: a small one that has just this step is recorded, and its lines
become the function's body. So there is no table of derivatives, and any activation and any loss
will do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from .. import errors
from ..graph import GraphNode
from ..modes import enable_grad
from ..op import helpers_of
from ..tensor import Tensor, apply, wrap
from . import program as layout
from . import updates
from .chain import Chain, Layer
from .lines import Derivation, Line, derive
from .program import Assignment, Statement
from .source import RESERVED, Program, Spelling, gradients_of, read_by

# --- small models -------------------------------------------------------------------------------


class Steps:
    """What the functions of the course compute, as statements derived from small models.

    Args:
        chain: the layers.
        style: "course" or "exact", see `source`.
    """

    def __init__(self, chain: Chain, style: str) -> None:
        self.chain = chain
        self.graph = chain.graph
        self.style = style
        self.columns = chain.layers[0].first
        self.output = "AL" if chain.layers[-1].activation is not None else "ZL"
        self.cost_model = self._cost_model()
        # The mean's 1/m stands in linear_backward when the derivative of the output is without it.
        self.lifted = any(
            line.scale for line in self.cost_model.lines if line.name == f"d{self.output}"
        )
        self.linear_model = self._linear_model(chain.layers[-1])

    def _computed(self, index: int, name: str) -> Any:
        """Return a tensor that parameters and data led to, and whose derivative has a line."""
        node = self.graph[index]
        value = np.ones(node.shape) if node.value is None else np.asarray(node.value, np.float64)
        units = (node.shape[0], 1) if self.columns else node.shape[1:]
        made: Any = _leaf("x", value) * _leaf("c", np.ones(units), True)
        made = made + _leaf("e", np.zeros(units), True)
        made.name = name
        return made

    def _linear_model(self, layer: Layer) -> Derivation:
        """Return Z = W A + b, where dZ is known."""
        with enable_grad():
            before = self._computed(layer.before, "A_prev")
            W: Any = _leaf("W", np.ones(self.graph[layer.weight].shape), True)
            factor = W.mT if layer.transposed else W
            sums = factor @ before if layer.first else before @ factor
            if layer.bias is not None:
                sums = sums + _leaf("b", np.ones(self.graph[layer.bias].shape), True)
            sums.name = "Z"
            total = (sums * _leaf("dZ", np.ones(sums.shape))).sum(axis=0 if self.columns else 1)
            return derive(total.mean() if self.lifted else total.sum(), mean="course")

    def activation_model(self, node: GraphNode) -> Derivation:
        """Return A = g(Z), where dA is known."""
        with enable_grad():
            before = self._computed(node.inputs[0], "Z")
            assert node.op is not None
            after: Any = apply(node.op, (before,), node.params)
            after.name = "A"
            return derive((after * _leaf("dA", np.ones(node.shape))).sum())

    def _cost_model(self) -> Derivation:
        """Return the cost as a function of the last layer's output."""
        output = self.chain.layers[-1].after
        with enable_grad():
            known: dict[int, Any] = {output: self._computed(output, self.output)}
            for i in self.chain.cost:
                node = self.graph[i]
                if node.op is not None:
                    known[i] = apply(node.op, tuple(known[j] for j in node.inputs), node.params)
                elif node.role == "constant":
                    known[i] = node.value
                else:
                    known[i] = _leaf(node.name, np.asarray(node.value))
            loss = known[self.graph.outputs[0].index]
            loss.name = "cost"
            return derive(loss, mean=self.style)


def _leaf(name: str, value: Any, requires_grad: bool = False) -> Any:
    made: Tensor = wrap(value)
    made.name = name
    made._requires_grad = requires_grad
    return made


class Part:
    """Some lines of a small model, as statements of a function.

    Args:
        model: the derivation.
        targets: the lines wanted, and with them what they need.
        given: lines that are known.
        comments: what to write behind a line, by its name.

    Attributes:
        statements: the lines, those that count examples first.
        data: names of the data that they read.
        numbers: numbers that they read, with their values: ``lambd=0.7``.
    """

    def __init__(
        self,
        model: Derivation,
        targets: Sequence[str],
        given: Sequence[str],
        comments: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        spelled = Spelling(model, RESERVED)
        lines = _needed(model, targets, given)
        found: list[Statement] = [
            layout.assigned(
                spelled.names[line.name], spelled.writer.right(line), comments.get(line.name, "")
            )
            for line in lines
        ]
        read = read_by(found)
        data, _, numbers = spelled.arguments(found)
        self.data = [name for name in data if name in read and name not in given]
        self.numbers = [n for n in numbers if n.split("=")[0] in read]
        self.statements = [*_counts(model, spelled, [*self.data, *given], read), *found]
        self.leaves = {spelled.names[n.name]: n.name for n in model.leaves}


def _needed(model: Derivation, targets: Sequence[str], given: Sequence[str]) -> list[Line]:
    """Return the lines that targets are computed from, in order."""
    found: dict[str, Line] = {}
    stack = list(targets)
    while stack:
        line = model.by_name.get(stack.pop())
        if line is not None and line.name not in found and line.name not in given:
            found[line.name] = line
            stack.extend(model.reads(line))
    return sorted(found.values(), key=lambda line: line.index)


def _counts(
    model: Derivation, spelled: Spelling, names: Sequence[str], read: set[str]
) -> list[Statement]:
    """Return ``m = Y.shape[1]``, with the first of `names` that has this axis."""
    nodes = {spelled.names[n.name]: n.index for n in model.leaves}
    nodes.update({spelled.names[line.name]: line.index for line in model.lines})
    found: list[Statement] = []
    for symbol in sorted(read & set(model.sizes.symbols())):
        for name in names:
            lengths = model.sizes.lengths(nodes[name]) if name in nodes else ()
            if symbol in lengths:
                found.append(layout.assigned(symbol, f"{name}.shape[{lengths.index(symbol)}]"))
                break
    return found


class _CourseForm(ast.NodeTransformer):
    """Writes the derivative of the binary cross-entropy as the course does.

    (a − y) / (a (1 − a)) is −(y/a) + (1 − y)/(1 − a); the guard against division by 0 is left out.
    """

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        found = _DIVIDED.fullmatch(ast.unparse(node))
        if found is None:
            return node
        a, y = found[1], found[2]
        return ast.parse(f"-({y} / {a}) + (1 - {y}) / (1 - {a})", mode="eval").body


_DIVIDED = re.compile(r"\((\w+) - (\w+)\) / np\.maximum\(\1 \* \(1 - \1\), 1e-12\)")


# --- the functions ------------------------------------------------------------------------------


def layered(d: Derivation, style: str, optimizer: Any, loop: bool) -> Program:
    """Return the program with the functions of the course."""
    if d.m == 1:
        raise errors.GraphError(
            "source: functions='layers' needs a model that was recorded with two examples at "
            "least, to tell examples from units, and this one has one. Use functions='one', or "
            "more data."
        )
    chain = Chain(d.simplifier.original)
    rule = updates.update_of(optimizer)
    asked = {g.of for g in gradients_of(d)}
    writer = _Functions(d, chain, Steps(chain, style))
    if not asked >= set(writer.keys()):
        left = sorted(set(writer.keys()) - asked)
        raise errors.ArgumentError(
            "source: functions='layers' writes the gradients of all parameters, and wrt leaves out "
            f"{', '.join(left)}. Leave wrt out, or use functions='one'."
        )
    functions = [*writer.functions(), *updates.update_functions(rule)]
    if loop:
        functions.append(writer.loop(rule))
    helpers = helpers_of("\n\n".join(functions))
    text = layout.module(writer.documentation(), helpers, [*writer.constants(), *functions])
    return Program(text, "L_model_forward", ["X", "parameters"], d, writer.run)


class _Functions:
    """Writes the functions of the course for one chain."""

    def __init__(self, d: Derivation, chain: Chain, steps: Steps) -> None:
        self.d = d
        self.chain = chain
        self.steps = steps
        self.graph = chain.graph
        self.bias = chain.layers[0].bias is not None
        self.out = steps.output
        self.labels: dict[Any, str] = {}
        self.nodes: dict[str, GraphNode] = {}
        self.used = [self._label(layer) for layer in chain.layers]
        self.cost = Part(steps.cost_model, ["cost"], [self.out])
        self.slope = Part(steps.cost_model, [f"d{self.out}"], [self.out])

    def _label(self, layer: Layer) -> str:
        """Return what the functions call an activation."""
        if layer.activation is None:
            return "linear"
        node = self.graph[layer.activation]
        assert node.op is not None
        name = node.op.name.removesuffix("_exact")
        key = (name, repr(node.params))
        if key not in self.labels:
            count = sum(other == name for other, _ in self.labels)
            self.labels[key] = f"{name}_{count + 1}" if count else name
            self.nodes[self.labels[key]] = node
        return self.labels[key]

    @property
    def hidden(self) -> list[str]:
        """The activations of the hidden layers."""
        return self.used[:-1]

    @property
    def last(self) -> str | None:
        """The activation of the last layer."""
        return self.used[-1] if self.chain.layers[-1].activation is not None else None

    @property
    def mixed(self) -> bool:
        """True when the hidden layers differ."""
        return len(set(self.hidden)) > 1

    def constants(self) -> list[str]:
        """Return the list of activations, where one name does not say it."""
        if not self.mixed:
            return []
        names = ", ".join(f'"{label}"' for label in self.hidden)
        return [f"# The activations of the hidden layers.\nACTIVATIONS = [{names}]"]

    def functions(self) -> list[str]:
        """Return the source of all functions, in the order of the course."""
        return [
            self.linear_forward(),
            *self.activation_forward(),
            self.model_forward(),
            self.compute_cost(),
            self.linear_backward(),
            *self.activation_backward(),
            self.model_backward(),
        ]

    # --- forward ----------------------------------------------------------------------------

    def linear_forward(self) -> str:
        part = Part(self.steps.linear_model, ["Z"], ["A_prev"], self.shapes())
        names = ["A_prev", "W", *(["b"] if self.bias else [])]
        equation = self.steps.linear_model.write(self.steps.linear_model.by_name["Z"])
        return layout.function(
            "linear_forward",
            names,
            f"Return {equation} of a layer, and the cache for the backward pass.",
            [*part.statements, f"cache = ({', '.join(names)})", "return Z, cache"],
        )

    def shapes(self) -> dict[str, str]:
        """Return the shapes of what a layer l computes."""
        layer = self.chain.layers[0]
        units, before = "n[l]", "n[l-1]"
        forward = layer.first != layer.transposed
        columns = self.steps.columns
        bias = f"({units}, 1)" if columns else f"(1, {units})"
        weight = f"({units}, {before})" if forward else f"({before}, {units})"
        return {
            "Z": f"({units}, m)" if columns else f"(m, {units})",
            "dA_prev": f"({before}, m)" if columns else f"(m, {before})",
            "dW": weight,
            "db": bias if layer.shape == 2 else f"({units},)",
        }

    def activation_forward(self) -> list[str]:
        labels = [label for label in dict.fromkeys(self.used) if self._is_applied(label)]
        if not labels:
            return []
        body: list[Statement] = [f"Z, linear_cache = linear_forward({self._of_layer('A_prev')})"]
        for word, label in zip(["if", *["elif"] * len(labels)], labels, strict=False):
            body.append(f'{word} activation == "{label}":')
            body += layout.body(self._forward(label))
        body += ["cache = (linear_cache, Z)", "return A, cache"]
        return [
            layout.function(
                "linear_activation_forward",
                [*self._of_layer("A_prev").split(", "), "activation"],
                "Return A of a layer, and the cache for the backward pass.",
                body,
            )
        ]

    def _is_applied(self, label: str) -> bool:
        return label in self.hidden or label == self.last

    def _of_layer(self, before: str) -> str:
        return f"{before}, W, b" if self.bias else f"{before}, W"

    def _forward(self, label: str) -> list[Statement]:
        if label == "linear":
            return [layout.assigned("A", "Z")]
        return Part(self.steps.activation_model(self.nodes[label]), ["A"], ["Z"]).statements

    def model_forward(self) -> str:
        body: list[Statement] = ["caches = []", "A = X", self._count_layers("parameters"), ""]
        if self.hidden:
            called = f"linear_activation_forward({self._of_layer('A')}, {self._name()})"
            body += [
                "for layer in range(1, L):",
                *layout.body(
                    [*self._take("layer"), f"A, cache = {called}", "caches.append(cache)"]
                ),
                "",
            ]
        body += self._take("L")
        if self.last is None:
            body.append(f"{self.out}, cache = linear_forward({self._of_layer('A')})")
        else:
            called = f'{self._of_layer("A")}, "{self.last}"'
            body.append(f"{self.out}, cache = linear_activation_forward({called})")
        body += ["caches.append(cache)", f"return {self.out}, caches"]
        summary = "Return the output of the last layer, and the caches of all layers."
        return layout.function("L_model_forward", ["X", "parameters"], summary, body)

    def _count_layers(self, of: str) -> str:
        per = " // 2" if self.bias and of == "parameters" else ""
        return f"L = len({of}){per}  # the number of layers"

    def _take(self, layer: str) -> list[Statement]:
        """Return the statement that takes the parameters of a layer."""
        names = ["W", "b"] if self.bias else ["W"]
        values = [f'parameters[f"{name}{{{layer}}}"]' for name in names]
        return [f"{', '.join(names)} = {', '.join(values)}"]

    def _name(self) -> str:
        return "ACTIVATIONS[layer - 1]" if self.mixed else f'"{self.hidden[0]}"'

    def compute_cost(self) -> str:
        return layout.function(
            "compute_cost",
            [self.out, *self.cost.data, *self.cost.numbers],
            "Return the cost.",
            [*self.cost.statements, "return cost"],
        )

    # --- backward ---------------------------------------------------------------------------

    def linear_backward(self) -> str:
        names = ["A_prev", "W", *(["b"] if self.bias else [])]
        targets = ["dA_prev", "dW", *(["db"] if self.bias else [])]
        part = Part(self.steps.linear_model, targets, ["A_prev", "dZ"], self.shapes())
        order = {name: k for k, name in enumerate(("m", "dW", "db", "dA_prev"))}
        statements = sorted(part.statements, key=lambda s: order.get(_target(s), -1))
        return layout.function(
            "linear_backward",
            ["dZ", "cache"],
            "Return the derivatives of the layer before, of W and of b."
            if self.bias
            else "Return the derivatives of the layer before, and of W.",
            [f"{', '.join(names)} = cache", *statements, f"return {', '.join(targets)}"],
        )

    def activation_backward(self) -> list[str]:
        labels = [label for label in dict.fromkeys(self.used) if self._is_applied(label)]
        if not labels:
            return []
        body: list[Statement] = ["linear_cache, Z = cache"]
        for word, label in zip(["if", *["elif"] * len(labels)], labels, strict=False):
            body.append(f'{word} activation == "{label}":')
            body += layout.body(self._backward(label))
        body.append("return linear_backward(dZ, linear_cache)")
        return [
            layout.function(
                "linear_activation_backward",
                ["dA", "cache", "activation"],
                "Return the derivatives of the layer before, and of the parameters.",
                body,
            )
        ]

    def _backward(self, label: str) -> list[Statement]:
        if label == "linear":
            return [layout.assigned("dZ", "dA")]
        model = self.steps.activation_model(self.nodes[label])
        return Part(model, ["dZ"], ["Z", "dA"]).statements

    def model_backward(self) -> str:
        statements: list[Statement] = [
            Assignment(s.target, layout.signed(_CourseForm().visit(s.value)))
            if isinstance(s, Assignment)
            else s
            for s in self.slope.statements
        ]
        keys = ["dA", "dW", *(["db"] if self.bias else [])]
        target = ", ".join(keys)
        if self.last is None:
            called = f"linear_backward(d{self.out}, caches[L - 1])"
        else:
            called = f'linear_activation_backward(d{self.out}, caches[L - 1], "{self.last}")'
        body: list[Statement] = [
            "grads = {}",
            self._count_layers("caches"),
            "",
            *statements,
            f"{target} = {called}",
            self._keep("L", "L - 1"),
        ]
        if self.hidden:
            called = f"linear_activation_backward(dA, caches[layer - 1], {self._name()})"
            body += [
                "",
                "for layer in reversed(range(1, L)):",
                *layout.body([f"{target} = {called}", self._keep("layer", "layer - 1")]),
            ]
        body += ["", "return grads"]
        data = [n for n in self.slope.data]
        return layout.function(
            "L_model_backward",
            [self.out, *data, "caches", *self.slope.numbers],
            "Return the gradients, as a dictionary.",
            body,
        )

    def _keep(self, layer: str, before: str) -> str:
        pairs = [f'f"dA{{{before}}}": dA', f'f"dW{{{layer}}}": dW']
        pairs += [f'f"db{{{layer}}}": db'] if self.bias else []
        return f"grads.update({{{', '.join(pairs)}}})"

    # --- training, documentation ------------------------------------------------------------

    def loop(self, rule: updates.Update) -> str:
        labels = list(dict.fromkeys([*self.cost.data, *self.slope.data]))
        numbers = list(dict.fromkeys([*self.cost.numbers, *self.slope.numbers]))

        cost = ", ".join([self.out, *self.cost.data, *map(_passed_on, self.cost.numbers)])
        slope = [self.out, *self.slope.data, "caches", *map(_passed_on, self.slope.numbers)]
        step = [
            f"{self.out}, caches = L_model_forward(X, parameters)",
            f"cost = compute_cost({cost})",
            f"grads = L_model_backward({', '.join(slope)})",
        ]
        return updates.training_loop(rule, ["X", *labels], numbers, step, "cost")

    def run(
        self, functions: Any, values: Mapping[str, Any], rng: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Return the cost and the gradients that the functions compute."""

        def named(part: Part, arguments: Sequence[str]) -> dict[str, Any]:
            names = [n.split("=")[0] for n in arguments]
            return {n: values[part.leaves[n]] for n in names}

        parameters = {key: values[name] for name, key in self.keys().items()}
        X = values[self.graph[self.chain.layers[0].before].name]
        output, caches = functions.L_model_forward(X, parameters)
        known = named(self.cost, [*self.cost.data, *self.cost.numbers])
        cost = functions.compute_cost(output, **known)
        known = named(self.slope, [*self.slope.data, *self.slope.numbers])
        grads = functions.L_model_backward(output, caches=caches, **known)
        return cost, {name: grads[f"d{key}"] for name, key in self.keys().items()}

    def keys(self) -> dict[str, str]:
        """Return what the functions call each parameter: W1, b1, …."""
        found = {}
        for k, layer in enumerate(self.chain.layers, start=1):
            found[self.graph[layer.weight].name] = f"W{k}"
            if layer.bias is not None:
                found[self.graph[layer.bias].name] = f"b{k}"
        return found

    def documentation(self) -> str:
        """Return the docstring of the file."""
        shapes = self.shapes()
        units: list[int] = []
        for layer in self.chain.layers:
            W = self.graph[layer.weight].shape
            forward = layer.first != layer.transposed
            units += [W[1] if forward else W[0]] if not units else []
            units.append(W[0] if forward else W[1])
        count = len(self.chain.layers)
        X = shapes["Z"].replace("[l]", "[0]")
        rows = [("X", X)]
        spelled = Spelling(self.d)
        labels = {**self.cost.leaves, **self.slope.leaves}
        for name in dict.fromkeys([*self.cost.data, *self.slope.data]):
            node = self.d.graph.find(labels[name])
            rows.append((name, spelled.shape(node.index) + " integers" * (node.dtype.kind in "iu")))
        rows.append(("Wl", shapes["dW"]))
        rows += [("bl", shapes["db"])] if self.bias else []
        rows += [("Zl, Al", shapes["Z"])]
        keys = ("W1, b1, …", "dW1, db1, …") if self.bias else ("W1, W2, …", "dW1, dW2, …")
        sentences = f"The keys of parameters are {keys[0]}, those of grads {keys[1]}."
        if self.steps.lifted:
            sentences += (
                " dZ and dA are derivatives of the sum of the losses, not of their mean; the 1/m "
                "of the mean stands in dW" + (" and db." if self.bias else ".")
            )
        size = f"{count} layer{'s' * (count > 1)}"
        lines = [
            f"A network of {size} in the functions of the course, in NumPy.",
            "",
            "Shapes, for any number m of examples:",
            "",
            *(f"{layout.INDENT}{name:<6}  {shape}" for name, shape in rows),
            "",
            *layout.paragraph(f"n[l] is the number of units of layer l: n = {units}."),
            "",
            *layout.paragraph(" ".join([sentences, *self.steps.cost_model.notes])),
        ]
        return "\n".join(lines)


def _passed_on(number: str) -> str:
    """Return an argument that passes on another: ``x=x`` for ``x=0.5``."""
    name = number.split("=")[0]
    return f"{name}={name}"


def _target(statement: Statement) -> str:
    return statement.target if isinstance(statement, Assignment) else ""
