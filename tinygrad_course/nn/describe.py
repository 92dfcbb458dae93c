"""The text of a module: its parts as a tree, with the numbers of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .module import Module


def describe(module: Module) -> str:
    """Return the module as a tree, as PyTorch prints it, with parameter counts."""
    text = _tree(module)
    count = _count(module)
    return f"{text}  {count}" if count else text


def _tree(module: Module) -> str:
    """Return ``Name(…)`` with the children indented below."""
    extra = module.extra_repr()
    lines = []
    for name, child in module.named_children(remove_duplicate=False):
        text = _tree(child).replace("\n", "\n  ")
        # A module that only holds others leaves the counting to them.
        count = _count(child) if any(child.own_parameters()) else ""
        lines.append(f"  ({name}): {text}" + (f"  {count}" if count else ""))
    if not lines:
        return f"{type(module).__name__}({extra})"
    head = f"{type(module).__name__}(" + (f"{extra}," if extra else "")
    return "\n".join([head, *lines, ")"])


def _count(module: Module) -> str:
    """Return ``# 13 parameters``, or nothing for a module without any."""
    sizes = [(p._data.size, p.requires_grad) for p in module.parameters()]
    total = sum(size for size, _ in sizes)
    if not sizes:
        return ""
    frozen = sum(size for size, trained in sizes if not trained)
    note = "" if not frozen else ", frozen" if frozen == total else f", {frozen:,} of them frozen"
    return f"# {total:,} parameter{'' if total == 1 else 's'}{note}"
