"""A learner's functions, written to the courses' signatures, each checked alone on right inputs.

That is how the labs grade them: a mistake in `linear_backward` is found there, and not in
`L_model_backward`, which calls it. Signatures are those of the DL Specialization (forward and
backward of a layer with caches, of L layers, of the shallow network, of logistic regression, of the
gradient checking lab) and of Neural Networks Demystified (a class with `costFunctionPrime`).
"""

from __future__ import annotations

import copy
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .calling import (
    Outcome,
    Supply,
    call,
    flattened,
    name_of,
    named,
    quietly,
    sentence_on,
    supplied,
)
from .tape import Tape

BACKWARD = re.compile(
    r"L_model_backward|backward_propagation\w*|backward_prop\w*|backprop\w*|backward|propagate|"
    r"compute_gradients?\w*|gradients?|grad"
)
FORWARD = re.compile(r"L_model_forward|forward_propagation\w*|forward_prop\w*|forward")
COST = re.compile(r"compute_cost\w*|cost|compute_loss\w*|cost_function")
HELPERS = (
    "linear_forward", "linear_activation_forward", "sigmoid_backward", "relu_backward",
    "tanh_backward", "linear_backward", "linear_activation_backward",
)  # fmt: skip


@dataclass
class Trial:
    """One call of a learner's function.

    Attributes:
        function: its name.
        values: what it returned, by our names.
        fixed: right values that it was given, by our names.
        outcome: how the call went.
        layer: the layer it was called for; 0 for the whole network.
        helper: True for a function that others are made of.
    """

    function: str
    values: dict[str, Any]
    fixed: dict[str, Any]
    outcome: Outcome
    layer: int = 0
    helper: bool = False


class Context:
    """The right values of a network, as a learner's functions take them.

    Args:
        tape: the derivation.
        extra: the caller's own arguments, such as ``lambd``.
    """

    def __init__(self, tape: Tape, extra: Mapping[str, Any]) -> None:
        self.tape = tape
        self.mean = self._has_mean()
        self.values: dict[str, Any] = {}
        for name, i in tape.names.items():
            value = tape.nodes[i].value if i in tape.leaves else tape.right[i]
            if value is not None and i != tape.cost:
                scale = tape.m if self.mean and tape.is_scaled(i) and tape.m else 1
                self.values[name] = np.asarray(value) * scale if scale != 1 else np.asarray(value)
        self.parameters = [n for n, i in tape.names.items() if i in tape.leaves and i in tape.grad]
        self.layers = self._layers()
        self.transposed = False
        data = [n for n, i in tape.names.items() if tape.nodes[i].role == "data"]
        self._alias("X", "A0", data[:1])
        self._alias("Y", "y", data[-1:])
        if self.layers:
            last = f"A{len(self.layers)}"
            for name in ("", "d"):
                if name + last in self.values:
                    self.values[f"{name}AL"] = self.values[name + last]
        if tape.m:
            self.values.setdefault("m", tape.m)
        self._single_unit()
        self.supply = Supply(self.values, self.parameters, extra)

    def _has_mean(self) -> bool:
        """Return True for the mean of a loss: the course's dZ is then m times the derivative."""
        return any(n.op is not None and n.op.name in ("count", "mean") for n in self.tape.nodes)

    def _alias(self, name: str, other: str, otherwise: list[str]) -> None:
        for known in (name, other, *otherwise):
            if known in self.values:
                self.values.setdefault(name, self.values[known])
                self.values.setdefault(other, self.values[known])
                return

    def _single_unit(self) -> None:
        """Give a network of one layer the names of the logistic-regression lab: w = W1ᵀ, b."""
        if len(self.layers) != 1 or "w" in self.values or "W1" not in self.values:
            return
        W = self.values["W1"]
        self.transposed = W.ndim == 2 and W.shape[0] == 1 and W.shape[1] > 1
        self.values["w"] = W.T if self.transposed else W
        if "b1" in self.values:
            b = self.values["b1"]
            self.values["b"] = b.reshape(()).item() if b.size == 1 else b

    def _layers(self) -> list[tuple[str, str, str, str, str]]:
        """Return per layer the names of its A_prev, W, b, Z, and its activation."""
        found = []
        previous = "X"
        number = 1
        while f"W{number}" in self.tape.names:
            z, a = self.tape.names.get(f"Z{number}"), self.tape.names.get(f"A{number}")
            if z is None:
                break
            node = self.tape.nodes[a].op if a is not None else None
            kind = node.name if node is not None else "linear"
            found.append((previous, f"W{number}", f"b{number}", f"Z{number}", kind))
            previous = f"A{number}"
            number += 1
        return found

    def layer_cache(self, layer: int) -> tuple[Any, Any]:
        """Return ((A_prev, W, b), Z), the cache of a layer."""
        a, w, b, z, _ = self.layers[layer - 1]
        return (self.values.get(a), self.values.get(w), self.values.get(b)), self.values.get(z)

    @property
    def caches(self) -> list[tuple[Any, Any]]:
        """The caches of all layers."""
        return [self.layer_cache(k) for k in range(1, len(self.layers) + 1)]


# --- finding functions ----------------------------------------------------------------------------


def load(path: str | Path) -> tuple[dict[str, Any], str]:
    """Run a learner's file and return its names; or why it does not run, in a sentence."""
    path = Path(path)
    if not path.is_file():
        return {}, f"There is no file {str(path)!r}. Give the path of a .py file."
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    before = list(sys.path)
    sys.path.insert(0, str(path.parent))  # its own imports, such as dnn_utils
    linecache.checkcache(str(path))
    try:
        # Not by an import: its compiled copy would outlive a quick edit.
        code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
        with quietly():
            exec(code, vars(module))
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError):
            return {}, f"{path.name} has a syntax error in line {error.lineno}: {error.msg}."
        return {}, sentence_on(error, path.name)
    finally:
        sys.path[:] = before
    return dict(vars(module)), ""


def namespace(yours: Any) -> dict[str, Any] | None:
    """Return the names of a module, a namespace or a dictionary of functions; else None."""
    if isinstance(yours, ModuleType):
        return dict(vars(yours))
    if isinstance(yours, Mapping):
        functions = {str(k): v for k, v in yours.items() if inspect.isroutine(v)}
        known = [k for k in functions if kind_of(k)]
        return {str(k): v for k, v in yours.items()} if known else None
    if hasattr(yours, "__dict__") and not callable(yours):
        functions = {k: v for k, v in vars(yours).items() if callable(v)}
        return functions if any(kind_of(k) for k in functions) else None
    return None


def kind_of(name: str) -> str:
    """Return what a function of this name is: helper, forward, cost or backward; else ""."""
    if name in HELPERS:
        return "helper"
    for kind, pattern in (("backward", BACKWARD), ("forward", FORWARD), ("cost", COST)):
        if pattern.fullmatch(name):
            return kind
    return ""


class Functions:
    """The functions of a learner's module, tried one by one.

    Args:
        names: everything in the module.
        context: right values.
    """

    def __init__(self, names: Mapping[str, Any], context: Context) -> None:
        self.context = context
        self.found: dict[str, list[tuple[str, Callable[..., Any]]]] = {}
        for name, value in names.items():
            if callable(value) and not isinstance(value, type) and kind_of(name):
                self.found.setdefault(kind_of(name), []).append((name, value))

    def trials(self) -> Iterator[Trial]:
        """Yield the calls, in the order of computing: what others are made of comes first."""
        for kind in ("forward helper", "forward", "cost", "backward helper", "backward"):
            group = kind.split()[0]
            if kind.endswith("helper"):
                for name, function in self.found.get("helper", ()):
                    if name.endswith("_" + group):
                        yield from self._helper(name, function)
            else:
                for name, function in self.found.get(kind, ()):
                    yield self.whole(name, function)

    # --- functions of a layer ---------------------------------------------------------------

    def _helper(self, name: str, function: Callable[..., Any]) -> Iterator[Trial]:
        for layer in range(len(self.context.layers), 0, -1):
            activation = self.context.layers[layer - 1][4]
            if name.split("_")[0] in ("sigmoid", "relu", "tanh") and activation not in name:
                continue
            trial = self._layer(name, function, layer, activation)
            if trial is not None:
                yield trial

    def _layer(
        self, name: str, function: Callable[..., Any], layer: int, activation: str
    ) -> Trial | None:
        values = self.context.values
        (a, w, b), z = linear, activated = self.context.layer_cache(layer)
        da, dz = values.get(f"dA{layer}"), values.get(f"dZ{layer}")
        if name == "linear_forward":
            arguments, results = [a, w, b], [f"Z{layer}"]
        elif name == "linear_activation_forward":
            arguments, results = [a, w, b, activation], [f"A{layer}"]
        elif name == "linear_backward":
            arguments = [dz, linear]
            results = [f"dA{layer - 1}", f"dW{layer}", f"db{layer}"]
        elif name == "linear_activation_backward":
            arguments = [da, (linear, activated), activation]
            results = [f"dA{layer - 1}", f"dW{layer}", f"db{layer}"]
        else:
            arguments, results = [da, z], [f"dZ{layer}"]
        if any(x is None for x in arguments):
            return None
        outcome = call(function, {str(k): v for k, v in enumerate(arguments)}, name)
        returned = outcome.returned
        parts = list(returned) if isinstance(returned, tuple) else [returned]
        if not outcome.failure and name.endswith("_backward") and len(parts) != len(results):
            outcome.failure = (
                f"{name} returned {len(parts)} value{'s' * (len(parts) != 1)}, expected "
                f"{len(results)}: {', '.join(re.sub(r'[0-9]', '', r) for r in results)}."
            )
        got = {} if outcome.failure else dict(zip(results, parts, strict=False))
        got.pop("dA0", None)
        fixed = {f"d{k}{layer}": v for k, v in (("Z", dz), ("A", da)) if v is not None}
        fixed = {k: v for k, v in fixed.items() if k not in results and name.endswith("backward")}
        if name.startswith("linear_activation"):
            fixed.pop(f"dZ{layer}", None)
        return Trial(name, got, fixed, outcome, layer, helper=True)

    # --- functions of a network -------------------------------------------------------------

    def whole(self, name: str, function: Callable[..., Any]) -> Trial:
        """Call a function of the whole network on right inputs."""
        arguments, failure = supplied(function, self._supply(name, function), name)
        if failure:
            return Trial(name, {}, {}, Outcome(failure=failure))
        outcome = call(function, arguments, name)
        values = self._named(name, outcome)
        if not outcome.failure and not values:
            outcome.failure = nameless(name, outcome)
        return Trial(name, values, {}, outcome)

    def _supply(self, name: str, function: Callable[..., Any]) -> Supply:
        context = self.context
        extra = {"caches": context.caches, **context.supply.extra}
        forward = [f for n, f in self.found.get("forward", ()) if n.startswith("L_")]
        if name == "L_model_backward" and forward and not context.layers:
            extra.pop("caches")
        return Supply(context.values, context.parameters, extra)

    def _named(self, name: str, outcome: Outcome) -> dict[str, Any]:
        """Return the results of a function of the network, by name."""
        values = dict(outcome.values)
        kind = kind_of(name)
        returned = outcome.returned
        if kind == "forward" and isinstance(returned, tuple) and returned:
            first = returned[0]
            if np.ndim(first) and "AL" in self.context.values:
                values = {"AL": first, **values}
        if kind == "cost":
            values = {"cost": returned}
        if self.context.transposed and np.ndim(values.get("dw", 0)) == 2:
            values["dw"] = np.transpose(values["dw"])
        return {k: v for k, v in values.items() if isinstance(k, str)}


def nameless(name: str, outcome: Outcome) -> str:
    """Return what is wrong with results that have no names."""
    return (
        f"{name} returned {type(outcome.returned).__name__}, which has no names: return a "
        'dictionary such as {"dW1": dW1, "db1": db1}.'
    )


def call_one(function: Callable[..., Any], context: Context) -> tuple[dict[str, Any], Outcome]:
    """Call a learner's backward function and return its results by name."""
    trial = Functions({}, context).whole(name_of(function), function)
    return trial.values, trial.outcome


def call_object(thing: Any, context: Context) -> tuple[dict[str, Any], Outcome] | None:
    """Run Welch's class: set its weights, call `costFunctionPrime`, read its values."""
    method = getattr(thing, "costFunctionPrime", None)
    if method is None:
        return None
    copied = copy.copy(thing)
    for name in context.parameters:
        if hasattr(copied, name):
            setattr(copied, name, np.array(context.values[name]))
    method = copied.costFunctionPrime
    arguments, failure = supplied(method, context.supply)
    if failure:
        return {}, Outcome(failure=failure)
    outcome = call(method, arguments)
    own = {k: v for k, v in vars(copied).items() if isinstance(v, np.ndarray)}
    values = {k: v for k, v in own.items() if k not in context.parameters}
    return {**values, **named(outcome.returned, method)}, outcome


__all__ = ["Context", "Functions", "Trial", "call_object", "call_one", "flattened", "load"]
