"""A graph as text, and back: JSON with one node per line, exact and deterministic.

Operations are stored by their names in the registry, numbers so that every bit comes back, infinity
and NaN included. Nothing in a stored graph is ever executed: reading one builds data.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DtypeError, GraphError, GraphFileError, TinygradCourseError
from .graph import ROLES, Graph, GraphNode
from .op import REGISTRY, Op
from .random import Generator

FORMAT = "tinygrad_course.graph"
VERSION = 1

# What is left out of the text: most nodes have these.
_USUAL: dict[str, Any] = {
    "op": None,
    "inputs": [],
    "params": {},
    "scope": [],
    "grad": None,
    "grad_of": None,
    "rule_of": None,
    "anonymous": False,
    "made": False,
    "value": None,
}


# --- writing ------------------------------------------------------------------------------------


def to_json(graph: Graph, values: bool = True) -> str:
    """Return the graph as text; see `Graph.to_json`."""
    start = _dumped({"format": FORMAT, "version": VERSION})
    nodes = ",\n".join(_dumped(_stored(node, values)) for node in graph)
    end = _dumped(
        {
            "outputs": [node.index for node in graph.outputs],
            "updates": [list(pair) for pair in graph.updates],
            "notes": graph.notes,
        }
    )
    return f'{start[:-1]}, "nodes": [\n{nodes}\n], {end[1:]}\n'


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _stored(node: GraphNode, values: bool) -> dict[str, Any]:
    """Return a node as JSON can hold it."""
    op = node.op
    if op is not None and REGISTRY.get(op.name) is not op:
        raise GraphError(
            f"Graph.to_json: {node.name} is computed by {op.name!r}, an operation of your own, "
            "whose program a text cannot hold. Write it with operations of the package, or store "
            "the program that builds the graph."
        )
    kept: dict[str, Any] = {
        "name": node.name,
        "op": None if op is None else op.name,
        "inputs": list(node.inputs),
        "params": {key: _encoded(value, node) for key, value in node.params.items()},
        "role": node.role,
        "shape": list(node.shape),
        "dtype": _dtype_name(node.dtype),
        "scope": list(node.scope),
        "grad": node.grad,
        "grad_of": node.grad_of,
        "rule_of": node.rule_of,
        "anonymous": node.anonymous,
        "made": node.made,
    }
    kept = {key: value for key, value in kept.items() if _USUAL.get(key, _USUAL) != value}
    if node.value is not None and (values or node.role == "constant"):
        plain = type(node.value) in (bool, int, float)
        kept["value"] = _number(node.value) if plain else _numbers(node.value)
    return kept


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.isnative else dtype.str


def _number(value: Any) -> Any:
    """Return a number as JSON can hold it: NaN and infinities are words."""
    return value if not isinstance(value, float) or math.isfinite(value) else repr(value)


def _numbers(array: Any) -> list[Any]:
    """Return the elements of an array, in row-major order."""
    flat = np.asarray(array).reshape(-1)
    listed: list[Any] = flat.tolist()
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        return [_number(x) for x in listed]
    return listed


def _encoded(value: Any, node: GraphNode) -> Any:
    """Return a parameter of an operation; what JSON lacks is ``{kind: content}``."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(part, node) for part in value]}
    if isinstance(value, list):
        return [_encoded(part, node) for part in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encoded(part, node) for key, part in value.items()}}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, Op) and REGISTRY.get(value.name) is value:
        return {"op": value.name}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"dtype": _dtype_name(np.dtype(value))}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        content = [_dtype_name(value.dtype), list(value.shape), _numbers(value)]
        return {"array": content}
    if isinstance(value, Generator):
        # The place in the stream: a stored graph draws the numbers that this one would draw next.
        return {"generator": value.get_state()}
    raise GraphError(
        f"Graph.to_json: a parameter of {node.name} is a {type(value).__name__}, which text cannot "
        "hold."
    )


# --- reading ------------------------------------------------------------------------------------


def from_json(text: str) -> Graph:
    """Return the graph that a text holds; see `Graph.from_json`."""
    if not isinstance(text, str):
        raise DtypeError(
            f"Graph.from_json: got {type(text).__name__}, expected the text that to_json returned."
        )
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(f"the text is no JSON ({error})") from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise GraphFileError(
            "Graph.from_json: this JSON is no graph that to_json wrote. Pass its text, unchanged."
        )
    if stored.get("version") != VERSION:
        raise GraphFileError(
            f"Graph.from_json: the graph has version {stored.get('version')!r}; this version of "
            f"tinygrad_course reads version {VERSION}. Write it again, from the program."
        )
    try:
        nodes = [_read(k, node) for k, node in enumerate(_list(stored.get("nodes")))]
        count = len(nodes)
        outputs = [_place(i, count) for i in _list(stored.get("outputs"))]
        updates = [_pair(pair, count) for pair in _list(stored.get("updates"))]
        notes = [_typed(note, str) for note in _list(stored.get("notes"))]
        for node in nodes:
            for link in (node.grad, node.grad_of, node.rule_of):
                if link is not None:
                    _place(link, count)
    except TinygradCourseError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _broken(f"{type(error).__name__}: {error}") from None
    return Graph(nodes, outputs, updates, notes)


def _broken(what: str) -> GraphFileError:
    return GraphFileError(
        f"Graph.from_json: the stored graph is damaged: {what}. Write it again with to_json."
    )


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise _broken(what)


def _typed(value: Any, kind: type) -> Any:
    _need(type(value) is kind, f"{value!r:.40} should be {kind.__name__}")
    return value


def _list(value: Any) -> list[Any]:
    return _typed(value, list)  # type: ignore[no-any-return]


def _place(index: Any, count: int) -> int:
    _need(type(index) is int and 0 <= index < count, f"there is no node number {index!r:.40}")
    return index  # type: ignore[no-any-return]


def _pair(value: Any, count: int) -> tuple[int, int]:
    _need(len(_list(value)) == 2, f"an update is a pair of nodes, not {value!r:.40}")
    return _place(value[0], count), _place(value[1], count)


def _read(k: int, stored: Any) -> GraphNode:
    """Return node number `k`."""
    full = {**_USUAL, **_typed(stored, dict)}
    unknown = set(full) - {*_USUAL, "name", "role", "shape", "dtype"}
    _need(not unknown, f"node {k} has {sorted(unknown)[:3]}")
    missing = {"name", "role", "shape", "dtype"} - set(full)
    _need(not missing, f"node {k} lacks {sorted(missing)}")
    name = _typed(full["name"], str)
    _need(full["role"] in ROLES, f"{name} has the role {full['role']!r:.40}")
    inputs = tuple(_place(i, k) for i in _list(full["inputs"]))
    op = None if full["op"] is None else _operation(full["op"], name)
    params = {key: _decoded(value) for key, value in _typed(full["params"], dict).items()}
    if op is None:
        _need(not inputs and not params, f"the leaf {name} has inputs")
    else:
        _need(set(params) <= set(op.params), f"{name} has parameters that {op.name} has not")
        fits = bool(inputs) if op.variadic else len(inputs) == len(op.inputs)
        _need(fits, f"{name} has {len(inputs)} inputs, which {op.name} does not take")
    shape = _shape(full["shape"])
    dtype = _dtype(full["dtype"])
    return GraphNode(
        index=k,
        op=op,
        inputs=inputs,
        params=params,
        name=name,
        role=full["role"],
        shape=shape,
        dtype=dtype,
        value=_value(full["value"], dtype, shape),
        scope=tuple(_typed(part, str) for part in _list(full["scope"])),
        grad=full["grad"],
        grad_of=full["grad_of"],
        rule_of=full["rule_of"],
        anonymous=_typed(full["anonymous"], bool),
        made=_typed(full["made"], bool),
    )


def _operation(name: Any, user: str) -> Op:
    op = REGISTRY.get(name) if isinstance(name, str) else None
    if op is None or op.kind == "custom":
        close = difflib.get_close_matches(str(name), REGISTRY, n=1)
        hint = f" Is it {close[0]!r}?" if close else ""
        raise GraphFileError(
            f"Graph.from_json: {user} is computed by {name!r:.40}, which is no operation of this "
            f"version.{hint} Write the graph again, from the program."
        )
    return op


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(_typed(n, int) for n in _list(value))
    _need(all(n >= 0 for n in shape), f"{value!r:.40} is no shape")
    return shape


def _dtype(name: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(_typed(name, str))
    _need(dtype.kind in "fiub", f"{name!r:.40} is no dtype of numbers")
    return dtype


def _value(stored: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Return an array of which the elements are listed, or a plain number."""
    if not isinstance(stored, list):
        return _plain(stored)
    _need(len(stored) == math.prod(shape), f"{len(stored)} numbers for the shape {shape}")
    listed = [_plain(x) for x in stored] if dtype.kind == "f" else stored
    kinds = {"f": (int, float), "b": (bool,)}.get(dtype.kind, (int,))
    _need(all(type(x) in kinds for x in listed), f"values that are not {dtype}")
    return np.array(listed, dtype=dtype).reshape(shape)


def _plain(stored: Any) -> Any:
    if isinstance(stored, str):
        _need(stored in ("nan", "inf", "-inf"), f"{stored!r:.40} is no number")
        return float(stored)
    _need(stored is None or type(stored) in (bool, int, float), f"{stored!r:.40} is no number")
    return stored


def _decoded(stored: Any) -> Any:
    """Return a parameter of an operation."""
    if isinstance(stored, list):
        return [_decoded(part) for part in stored]
    if not isinstance(stored, dict):
        return stored
    _need(len(stored) == 1, f"{stored!r:.40} is no parameter")
    ((kind, content),) = stored.items()
    read = _KINDS.get(kind)
    if read is None:
        raise _broken(f"there is no parameter of the kind {kind!r:.40}")
    return read(content)


def _decoded_tuple(content: Any) -> tuple[Any, ...]:
    return tuple(_decoded(part) for part in _list(content))


def _decoded_dict(content: Any) -> dict[str, Any]:
    return {key: _decoded(part) for key, part in _typed(content, dict).items()}


def _decoded_slice(content: Any) -> slice:
    ends = _list(content)
    plain = len(ends) == 3 and all(end is None or type(end) is int for end in ends)
    _need(plain, f"{content!r:.40} is no slice")
    return slice(*ends)


def _decoded_float(content: Any) -> float:
    return float(_plain(_typed(content, str)))


def _decoded_array(content: Any) -> Any:
    dtype, shape, listed = _list(content)
    return _value(_list(listed), _dtype(dtype), _shape(shape))


def _decoded_op(content: Any) -> Op:
    return _operation(content, "a parameter")


def _decoded_generator(content: Any) -> Generator:
    generator = Generator(0)
    generator.set_state(content)
    return generator


def _ellipsis(content: Any) -> Any:
    return Ellipsis


_KINDS: dict[str, Callable[[Any], Any]] = {
    "tuple": _decoded_tuple,
    "dict": _decoded_dict,
    "slice": _decoded_slice,
    "ellipsis": _ellipsis,
    "float": _decoded_float,
    "array": _decoded_array,
    "op": _decoded_op,
    "dtype": _dtype,
    "generator": _decoded_generator,
}
