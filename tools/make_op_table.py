"""Write docs/operations.md from the definitions of the operations.

Names, views and notation come from the registry, derivatives from the rules as they stand in
the source: the page cannot say something else than the code. `tests/test_docs.py` fails when it is
out of date; then run

    python tools/make_op_table.py
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_course import ops
from tinygrad_course.op import REGISTRY, Op, helper_functions

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"

FAMILIES = {
    "elementwise": "Arithmetic, powers, exponentials, logarithms",
    "trigonometry": "Trigonometric and hyperbolic functions",
    "rounding": "Rounding and remainders",
    "special": "Special functions",
    "logarithms": "Logarithms of sums, products and odds",
    "activation": "Activations",
    "piecewise": "Activations of straight pieces",
    "compare": "Comparisons and choices",
    "reduce": "Reductions",
    "cumulative": "Running sums and products, differences",
    "statistics": "Statistics",
    "sort": "Sorting and searching",
    "counting": "Counting",
    "shape": "Shapes and axes",
    "join": "Joining, reordering, repeating",
    "cut": "Cutting into pieces and windows",
    "index": "Indexing",
    "scatter": "Writing to places",
    "diagonal": "Diagonals and triangles",
    "linalg": "Products of vectors and matrices",
    "einsum": "Einstein summation",
    "inverse": "Inverses, linear equations, powers",
    "determinant": "Determinants",
    "decomposition": "Decompositions",
    "least_squares": "Rank, pseudoinverse, least squares",
    "norms": "Norms",
    "distance": "Distances",
    "windows": "Windows of images",
    "convolution": "Convolution",
    "pool": "Windows pooled",
    "pooling": "Pooling",
    "resize": "Resizing",
    "loss": "Losses",
    "random": "Random draws",
}

HEAD = """\
<!-- Written by tools/make_op_table.py. Change the docstrings and rules in tinygrad_course/ops. -->

# Operations

Every operation is a function of the package (`tc.exp(x)`) and a method of a tensor (`x.exp()`);
most elementwise ones also have an in-place method (`x.exp_()`). Axes are given as `axis` and
`keepdims` or as `dim` and `keepdim`. NumPy's own functions, called on a tensor, record the same
operations: `np.exp(x)`.

The derivative is the rule itself, as the code has it. In a rule, `g` is the derivative of the
loss with respect to the result y, and `dx` that with respect to the input x; the engine sums it
over the axes along which an input was broadcast. The same rule computes on arrays in
`backward()`, and on tensors with `create_graph=True`, where it can be differentiated again.

Indexing `x[i]` reads and writes with slices, integers, index arrays and masks, as NumPy does;
its derivative puts g back at the same places, and adds where a place was read twice.

The equation and the NumPy spelling show all parameters; where one has its default value, it is
left out. Functions that NumPy lacks, such as `sigmoid`, are at the end of this page.

A result marked *view* shares its input's memory. Names in brackets are further names of the
same function. Operations in italics have no function of their own: they are what functions such
as `matmul` or `reshape` record, and what a printed graph shows.
"""

HELPERS = """\
A NumPy spelling may call these. They are plain functions of arrays that write nothing in place, so
they run with `jax.numpy` imported as `np` too.
"""


def rules_in(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return function name -> input -> derivative rule as source, for a module of operations."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "op":
                inputs = [a.arg for a in (*node.args.args, node.args.vararg) if a is not None]
                rules = {k.arg: k.value for k in decorator.keywords}
                found[node.name] = {x: _body(rules[f"d{x}"]) for x in inputs if f"d{x}" in rules}
    return found


def _body(rule: ast.expr) -> str:
    """Return the formula of a rule; of a named function, its call."""
    return ast.unparse(rule.body) if isinstance(rule, ast.Lambda) else f"{ast.unparse(rule)}(…)"


def table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def summary(doc: str | None) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join((doc or "").partition("\n\n")[0].split())


def arguments(call: Any) -> str:
    """Return the arguments of a function with their defaults, without types."""
    plain = [p.replace(annotation=p.empty) for p in inspect.signature(call).parameters.values()]
    return ", ".join(str(p).replace(" = ", "=") for p in plain)


def names_of(call: Any) -> list[str]:
    """Return the public names of a function, its own first."""
    names = [name for name, value in ops.FUNCTIONS.items() if value is call]
    return sorted(names, key=lambda name: name != call.__name__)


class Symbol(str):
    """A parameter that is written by its name, without a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def spelled(made: Op, form: str) -> str:
    """Return an operation of inputs and parameters that stand for any."""
    operands = ["xs[0]", "xs[1]", "…"] if made.variadic else list(made.inputs)
    params: dict[str, Any] = {name: Symbol(name) for name in made.params}
    if "index" in params:  # brackets around it say enough
        operands = operands[: 1 if made.name == "getitem" else 2]
    try:
        return made.spell(form, operands, params)
    except TypeError:  # a spelling that counts with a parameter: show it for the defaults
        return made.spell(form, operands)


def family(module: ModuleType) -> str:
    """Return the tables of one module."""
    own = [c for c in dict.fromkeys(ops.FUNCTIONS.values()) if c.__module__ == module.__name__]
    public = {id(c.op): c for c in own if hasattr(c, "op")}
    rules = rules_in(module)
    rows = []
    for function_name, derivatives in rules.items():
        made = REGISTRY[function_name.rstrip("_")]
        call = public.get(id(made))
        name = f"*{made.name}*"
        if call is not None:
            first, *others = names_of(call)
            name = f"`{first}`" + (f" ({', '.join(f'`{n}`' for n in others)})" if others else "")
        formulas = "<br>".join(f"`d{x} = {rule}`" for x, rule in derivatives.items())
        view = " *(view)*" if made.view else ""
        notation = (f"`{spelled(made, form)}`" for form in ("text", "numpy"))
        rows.append((name, summary(made.doc) + view, formulas or "none", *notation))
    parts = []
    if rows:
        parts.append(table(rows, ("Operation", "What", "Derivative", "Equation", "NumPy")))
    composed = [
        (
            f"`{names_of(call)[0]}({arguments(call)})`",
            ", ".join(f"`{n}`" for n in names_of(call)[1:]) or "–",
            summary(call.__doc__),
        )
        for call in own
        if not hasattr(call, "op")
    ]
    if composed:
        parts.append(table(composed, ("Function made of operations", "Also", "What")))
    return "\n\n".join(parts)


def page() -> str:
    """Return the text of docs/operations.md."""
    parts = [HEAD]
    for name, title in FAMILIES.items():
        parts.append(f"## {title}\n\n{family(getattr(ops, name))}\n")
    sources = "\n\n\n".join(helper_functions().values())
    parts.append(f"## Functions that NumPy lacks\n\n{HELPERS}\n```python\n{sources}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(f"wrote {PAGE}")
