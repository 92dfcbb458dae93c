"""Numbers for a model's layers, and from them the names that equations and pictures show.

The layers of a model are counted l = 1, 2, … in the order of registration; then its weights are
``W[l]`` and ``b[l]``, what layer l computes is ``Z[l]`` and its activation ``A[l]``. `number`
writes these names once, into the parameters and into the modules that will name their results;
calling the model then costs nothing but storing a ready string.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

# The name of something of layer l: its stem, and [l].
NUMBERED = re.compile(r"([^\[\]]+)(\[\w+\])")

# Changes whenever any module anywhere gains or loses a part; a model numbered at another value
# looks at its layers again.
structure = [0]


def number(root: Module) -> None:
    """Number the layers of the model `root` and name its parameters.

    Layers that already count upward keep their numbers, so that a part of a model, called alone,
    has the names it has in the whole.
    """
    layers = [module for module in root.modules() if module.is_layer]
    kept = bool(layers) and all(module._layer for module in layers)
    kept = kept and all(a._layer < b._layer for a, b in pairwise(layers))
    if not kept:
        for count, layer in enumerate(layers, start=1):
            layer._layer = count
    _Walk(kept).visit(root, "")


def name_after(x: Any, y: Any, stem: str) -> Any:
    """Name what was computed from a layer's result after it: P[1] is A[1], pooled.

    Returns:
        y.
    """
    layer = NUMBERED.fullmatch(getattr(x, "name", None) or "")
    node = getattr(y, "_node", None)
    if layer is not None and node is not None:
        node.name = stem + layer[2]
    return y


class _Walk:
    """One walk over a model, in the order in which its layers are numbered."""

    def __init__(self, kept: bool) -> None:
        self.kept = kept
        self.seen: set[int] = set()
        # The layer met last, and the layer whose activation has not come yet (0: none).
        self.last = 0
        self.waiting = 0

    def visit(self, module: Module, path: str) -> None:
        """Name the parts of `module` and of the modules in it."""
        if module.is_layer:
            self.last = module._layer
            self.waiting = module._layer if module.wants_activation else 0
        if id(module) in self.seen:
            return
        self.seen.add(id(module))
        vars(module)["_structure"] = structure[0]
        module.name_results()
        for attribute, parameter in module.own_parameters():
            self._name(module, attribute, parameter, path)
        if module.in_order:
            self._sequence(module, path)
            return
        before = self.last
        for name, child in module.named_children():
            self.visit(child, f"{path}{name}.")
        if self.last != before:
            # In which order a general module calls its layers is not known here.
            self.waiting = 0

    def _sequence(self, module: Module, path: str) -> None:
        """Name what each step of a Sequential computes, where it is a layer's activation."""
        names: list[str | None] = []
        for name, child in module.named_children(remove_duplicate=False):
            self.visit(child, f"{path}{name}.")
            if child.is_activation and self.waiting:
                names.append(f"A[{self.waiting}]")
                self.waiting = 0
            else:
                names.append(None)
        module.name_steps(names)

    def _name(self, module: Module, attribute: str, parameter: Parameter, path: str) -> None:
        symbol = module.symbols.get(attribute)
        if id(parameter) in self.seen:
            return
        self.seen.add(id(parameter))
        if symbol is not None:
            number = f"[{self.last}]" if module.numbers_symbols else ""
            parameter.suggest_name(symbol + number)
        elif not (self.kept and parameter.name):
            parameter.suggest_name(path + attribute)
