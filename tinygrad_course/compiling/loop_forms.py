"""How an operation on numbers is written inside a compiled loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Graph, GraphNode

# The dtypes that loops compute in; other operations are left to NumPy.
DTYPES = frozenset(np.dtype(name) for name in ("float32", "float64", "int32", "int64", "bool"))
FLOATS = frozenset(np.dtype(name) for name in ("float32", "float64"))

ARITHMETIC = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "neg": "-{}",
    "abs": "abs({})",
    "sign": "sign_of({})",
    "maximum": "larger({}, {})",
    "minimum": "smaller({}, {})",
    "clip_between": "smaller(larger({}, {}), {})",
}
DIVISIONS = {"floor_divide": "{} // {}", "remainder": "{} % {}"}  # of integers
COPIES = {"clone": "{}", "cast": "{}", "where": "{1} if {0} else {2}"}
FILLED = {"zeros_like": "0", "ones_like": "1"}
FUNCTIONS = {
    "div": "{} / {}",
    "reciprocal": "ONE / {}",
    "sqrt": "sqrt({})",
    "rsqrt": "ONE / sqrt({})",
    "floor": "np.floor({})",
    "ceil": "np.ceil({})",
    "trunc": "np.trunc({})",
    "step": "step_of({})",
}
# Of `loop_math`, where there is one for each precision.
OWN = {
    "exp": "exp",
    "log": "log",
    "log1p": "log1p",
    "tanh": "tanh",
    "expm1": "expm1_",
    "erf": "erf",
    "elu": "elu",
    "gelu_exact": "gelu",
    "gelu_tanh": "gelu_tanh",
}
# Of the C library, one number at a time: NumPy, which computes several at once, takes from a
# quarter to a thirtieth of the time where there are many.
LIBRARY = frozenset("log2 log10 sin cos tan arcsin arccos arctan sinh cosh pow".split())
FEW = 64
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LOGIC = {"logical_and": "{} & {}", "logical_or": "{} | {}", "logical_xor": "{} ^ {}"}
BITWISE = {"bitwise_and": "{} & {}", "bitwise_or": "{} | {}", "bitwise_xor": "{} ^ {}"}
ASKED = {"isnan": "{0} != {0}", "isfinite": "abs({}) < np.inf", "isinf": "abs({}) == np.inf"}
# Worth a loop over one row of numbers, in which they are computed several at a time.
HEAVY = LIBRARY | frozenset(OWN)


def form(graph: Graph, node: GraphNode) -> tuple[str, list[Any]] | None:
    """Return a template of the operation and the dtypes that it takes its operands in, or None.

    A template has a place for each operand; operands come as names, numbers or calls.
    """
    assert node.op is not None
    name, dtype = node.op.name, node.dtype
    operands = [graph[i] for i in node.inputs]
    if dtype not in DTYPES or any(x.dtype not in DTYPES for x in operands):
        return None
    same = [dtype] * len(operands)
    if name in FILLED:
        return f"{dtype.name}({FILLED[name]})", same
    if name in COPIES:
        return COPIES[name], [np.dtype(bool), dtype, dtype] if name == "where" else same
    if name in COMPARISONS:
        common = _common(operands)
        return (f"{{}} {COMPARISONS[name]} {{}}", [common] * 2) if common in DTYPES else None
    if name in LOGIC:
        return LOGIC[name], [np.dtype(bool)] * 2
    if name == "logical_not":
        return "not {}", [np.dtype(bool)]
    if name in BITWISE and dtype.kind in "bi":
        return BITWISE[name], same
    if name == "bitwise_not" and dtype.kind in "bi":
        return ("not {}" if dtype.kind == "b" else "~{}"), same
    if name in ASKED:
        return (ASKED[name], [operands[0].dtype]) if operands[0].dtype in FLOATS else None
    if name in ARITHMETIC and dtype.kind != "b":
        return ARITHMETIC[name], same
    if name in DIVISIONS and dtype.kind == "i" and _is_positive(operands[1]):
        return DIVISIONS[name], same
    if dtype not in FLOATS:
        return None
    if name in FUNCTIONS:
        return FUNCTIONS[name].replace("ONE", f"{dtype.name}(1)"), same
    if name == "round" and node.params["decimals"] == 0:
        return "np.rint({})", same
    if name in OWN:
        more = f", {dtype.name}({float(node.params['alpha'])!r})" if name == "elu" else ""
        return f"{OWN[name]}{8 * dtype.itemsize}({{}}{more})", same
    if name not in LIBRARY:
        return None
    found = _power(operands[1]) if name == "pow" else f"np.{name}({{}})"
    is_call = "np." in found or "**" in found
    return None if is_call and node.size > FEW else (found, same)


def _common(operands: list[GraphNode]) -> Any:
    """Return the dtype in which operands are compared; Python's numbers have none of their own."""
    kinds = [x.value if type(x.value) in (bool, int, float) else x.dtype for x in operands]
    try:
        return np.result_type(*kinds)
    except OverflowError:
        return None


def _is_positive(node: GraphNode) -> bool:
    return node.role == "constant" and not node.shape and bool(node.value > 0)


def _power(exponent: GraphNode) -> str:
    if exponent.role == "constant" and not exponent.shape:
        written = {2.0: "{0} * {0}", 3.0: "{0} * {0} * {0}", 0.5: "sqrt({0})", 1.0: "{0}"}
        value = float(exponent.value)
        if value in written:
            return written[value]
    return "{} ** {}"


def narrows(node: GraphNode) -> bool:
    """Return True where Python would compute in a wider dtype than NumPy."""
    assert node.op is not None
    return node.dtype == np.float32 and node.op.name in ("pow", "sqrt", "rsqrt", "sign", "step")
