"""Write `tinygrad_course/_methods.pyi`: the methods that operations attach to `Tensor` at run time.

Run it after adding an operation:

    python tools/make_stubs.py

With ``--check`` it only compares, and exits with 1 when the file is out of date.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "tinygrad_course" / "_methods.pyi"

HEADER = '''\
"""Operations as methods of `Tensor`. Written by tools/make_stubs.py; do not edit."""

import builtins
from typing import Any, Self

from .tensor import Tensor

class TensorMethods:
'''

# Functions composed of others do not say what they return; all but these return a tensor.
RETURNS = {
    "split": "tuple[Tensor, ...]",
    "chunk": "tuple[Tensor, ...]",
    "unbind": "tuple[Tensor, ...]",
    "tensor_split": "tuple[Tensor, ...]",
    "hsplit": "tuple[Tensor, ...]",
    "vsplit": "tuple[Tensor, ...]",
    "dsplit": "tuple[Tensor, ...]",
    "std_mean": "tuple[Tensor, Tensor]",
    "var_mean": "tuple[Tensor, Tensor]",
    **dict.fromkeys(
        ("sort", "topk", "kthvalue", "mode", "cummax", "cummin"),
        "Any",  # (values, indices)
    ),
    "aminmax": "Any",  # (min, max)
    "median": "Any",  # a tensor, or the pair (values, indices)
    "nanmedian": "Any",
    "nonzero": "Any",  # a tensor, or a tuple of them
    **dict.fromkeys(("qr", "slogdet", "svd", "triangular_solve"), "Any"),  # tuples with names
    "max": "Any",  # a tensor, or the pair (values, indices)
    "min": "Any",
}
# Keywords accepted besides the names in the signature (`ops/define` translates them).
ALIASES = {"axis": ("dim", "dims"), "keepdims": ("keepdim",), "correction": ("unbiased",)}
BUILTIN = ("int", "float", "bool", "str")
SKIPPED = {"__annotations__", "__doc__", "__module__", "__weakref__"}


def attached() -> dict[str, Any]:
    """Return the members of `Tensor` that its class body does not define."""
    sys.path.insert(0, str(ROOT))
    from tinygrad_course.tensor import Tensor

    tree = ast.parse((ROOT / "tinygrad_course" / "tensor.py").read_text(encoding="utf-8"))
    (body,) = (n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor")
    written = set(SKIPPED)
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            written.add(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            written.add(statement.target.id)
        elif isinstance(statement, ast.Assign):
            written.update(t.id for t in statement.targets if isinstance(t, ast.Name))
    return {
        name: value
        for name, value in sorted(vars(Tensor).items())
        # Newer Pythons note in the class where it stands; that is no member.
        if name not in written and (callable(value) or isinstance(value, property))
    }


def annotation(parameter: inspect.Parameter) -> str:
    """Return a parameter's type: built-in ones as written, Any for the others."""
    written = str(parameter.annotation)
    parts = [p.strip() for p in written.split("|")]
    if all(p in BUILTIN or p == "None" for p in parts):
        # Tensor has methods called float, int and bool, which would hide the types.
        return " | ".join(f"builtins.{p}" if p in BUILTIN else p for p in parts)
    return "Any"


def parameters(name: str, function: Any) -> list[str]:
    """Return the parameters of a method, with PyTorch's keywords beside NumPy's."""
    listed = list(inspect.signature(function).parameters.values())[1:]
    operands = [p for p in listed if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    shown = ["self"]
    more = []
    marked = False  # a star or a starred name was written
    renamed = False  # an argument may come under another name, so no later one is required
    for p in listed:
        text = f"{'other' if p.name == 'b' and len(operands) == 1 else p.name}: {annotation(p)}"
        if p.kind is p.VAR_POSITIONAL:
            shown.append(f"*{text}")
            marked = True
            continue
        if p.kind is p.VAR_KEYWORD:
            more.append(f"**{text}")
            continue
        if p.kind is p.KEYWORD_ONLY and not marked:
            shown.append("*")
            marked = True
        aliases = ALIASES.get(p.name, ()) if p.kind is p.POSITIONAL_OR_KEYWORD else ()
        if "dims" in aliases and name not in ("flip", "roll"):
            aliases = aliases[:1]
        renamed = renamed or bool(aliases)
        if p.default is not p.empty:
            text += f" = {p.default!r}".replace("'", '"')
        elif renamed:
            text += " = ..."
        shown.append(text)
        more += [f"{alias}: {annotation(p)} = ..." for alias in aliases]
    if more and not marked and not more[0].startswith("**"):
        shown.append("*")
    return shown + more


def result(name: str, function: Any) -> str:
    """Return what a method returns."""
    if name.endswith("_") and not name.endswith("__"):
        return "Self"
    if name in RETURNS:
        return RETURNS[name]
    returned = str(inspect.signature(function).return_annotation)
    if returned in BUILTIN:
        return f"builtins.{returned}"
    return "Any" if name == "size" else "Tensor"


def line(name: str, member: Any) -> str:
    """Return the stub of one member."""
    if isinstance(member, property):
        return f"    @property\n    def {name}(self) -> Tensor: ..."
    if name in ("__eq__", "__ne__"):
        return f"    def {name}(self, other: object) -> Tensor: ...  # type: ignore[override]"
    if name == "__setitem__":
        return "    def __setitem__(self, index: Any, value: Any) -> None: ..."
    if name in ("__array_ufunc__", "__array_function__"):
        return f"    def {name}(self, *args: Any, **kwargs: Any) -> Any: ..."
    if name.startswith("__i") and name[3:-2] in ("add", "sub", "mul", "truediv", "pow", "mod",
                                                  "floordiv", "and", "or"):  # fmt: skip
        return f"    def {name}(self, other: Any) -> Self: ..."
    if name == "assign":
        return "    def assign(self, value: Any) -> Self: ..."
    listed = parameters(name, member)
    end = f") -> {result(name, member)}: ..."
    short = f"    def {name}({', '.join(listed)}{end}"
    if len(short) <= 100:
        return short
    inner = f"        {', '.join(listed)}"
    if len(inner) > 100:
        inner = "\n".join(f"        {p}," for p in listed)
    return f"    def {name}(\n{inner}\n    {end}"


def stub() -> str:
    """Return the text of the stub."""
    return HEADER + "\n".join(line(n, m) for n, m in attached().items()) + "\n"


def main() -> int:
    """Write the stub, or compare it."""
    text = stub()
    if "--check" in sys.argv[1:]:
        current = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
        if current != text:
            print(f"{STUB} is out of date: run python tools/make_stubs.py")
            return 1
        return 0
    STUB.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
