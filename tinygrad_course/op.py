"""What an operation *is*: one definition that every reader of the graph shares.

An `Op` holds how to compute a result from NumPy arrays, one derivative rule per input, how
mathematics writes it and how NumPy spells it. This module knows nothing of tensors, graphs or
drawing; it only describes. How notation is written is in `spelling`.

A derivative rule is a function of *named* quantities that returns the cotangent of one input:

    g        the cotangent of the output (dJ/dy)
    y        the output
    a, b, …  the inputs, by the names they have in the definition
    axis, …  the parameters, likewise

A rule asks for what it needs by naming it, as a formula sheet would: ``da=lambda g, b: g * b``.
Rules are written with NumPy functions and operators only. On arrays they run at NumPy's speed; on
tensors the same functions record, so the backward pass can itself be differentiated, drawn and
printed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from . import errors, spelling
from .spelling import ATOM, COMPARISON, JUXTAPOSITION, POWER, PRODUCT, SUM, UNARY, Template

REGISTRY: dict[str, Op] = {}

# The class whose instances record (set by `tensor`), and what records: ``record(op, inputs, …)``.
recorders: list[Any] = [(), None]

KINDS = ("elementwise", "reduction", "shape", "index", "linalg", "random", "custom")


class Rule:
    """One derivative rule, with the positions of the values it names.

    Positions count in the tuple ``(g, y, *inputs, *params)`` that the engine builds per node.
    """

    __slots__ = ("formula", "pick", "reads")

    def __init__(
        self, formula: Callable[..., Any], names: tuple[str, ...], like: tuple[str, ...]
    ) -> None:
        """Bind `formula`'s argument names to positions in `names`."""
        code = inspect.unwrap(formula).__code__
        wanted = code.co_varnames[: code.co_argcount]
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise TypeError(f"a derivative rule names {unknown}; it may name {list(names)}")
        positions = [names.index(name) for name in wanted]
        self.formula = formula
        # A slice keeps the picked value a tuple when there is only one.
        single = positions[0] if len(positions) == 1 else None
        self.pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = (
            itemgetter(slice(single, single + 1)) if single is not None else itemgetter(*positions)
        )
        # Positions whose *values* matter: overwriting those arrays in place would be an error.
        self.reads = tuple(p for p, n in zip(positions, wanted, strict=True) if n not in like)

    def __call__(self, values: tuple[Any, ...]) -> Any:
        """Return the cotangent, given ``(g, y, *inputs, *params)``."""
        return self.formula(*self.pick(values))


class Op:
    """One operation: its forward function, derivative rules, notation and NumPy spelling.

    Attributes:
        name: the name in the registry, in graphs and in error messages.
        forward: function of arrays (and keyword parameters) that returns an array.
        inputs: names of the inputs, in order; one name for a `variadic` operation.
        params: names of the parameters that are not arrays (axis, shape, …), with `defaults`.
        rules: one `Rule` per input, None where no derivative exists.
        kind: one of `KINDS`.
        view: True when the result shares memory with the first input.
        symbol: the few characters a drawing puts in the operation's circle.
        text, latex, numpy: how it is written, see `spelling`; a text or LaTeX that is not given is
            a call of the operation's name.
        helper: Python source of the functions that `numpy` calls and NumPy lacks: short, pure, with
            ``np`` alone, so that they run on ``jax.numpy`` too. They may call each other's helpers.
        precedence: how tightly `text` (and `latex`) binds.
        like: names of inputs that rules use only for their shape.
        adds: None, or ``adds(total, g, xs, params)``, which adds the cotangent of the first input
            to an array in place: cheaper than an array of zeros for each of many small pieces.
        quiet: True when it has singularities, where an infinite result is an answer.
        differentiable: True when at least one input has a derivative rule.
    """

    __slots__ = (
        "name",
        "forward",
        "inputs",
        "params",
        "defaults",
        "rules",
        "kind",
        "view",
        "variadic",
        "symbol",
        "text",
        "latex",
        "numpy",
        "helper",
        "precedence",
        "ufunc",
        "like",
        "adds",
        "quiet",
        "differentiable",
        "doc",
    )

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *,
        inputs: tuple[str, ...],
        defaults: dict[str, Any] | None = None,
        rules: dict[str, Callable[..., Any]] | None = None,
        like: str = "",
        kind: str = "elementwise",
        view: bool = False,
        variadic: bool = False,
        symbol: str = "",
        text: Template = "",
        latex: Template = "",
        numpy: Template = "",
        helper: str = "",
        precedence: int = ATOM,
        ufunc: Any = None,
        quiet: bool = False,
        adds: Callable[..., None] | None = None,
        doc: str = "",
    ) -> None:
        """Describe an operation; `rules` maps input names to formulas, `like` names shape-only."""
        if kind not in KINDS:
            raise ValueError(f"op {name!r}: kind must be one of {KINDS}, got {kind!r}")
        self.name = name
        self.forward = forward
        self.inputs = inputs
        self.defaults = dict(defaults or {})
        self.params = tuple(self.defaults)
        self.kind = kind
        self.view = view
        self.variadic = variadic
        self.symbol = symbol or name
        self.text = text or name
        self.latex = latex or rf"\mathrm{{{{{name}}}}}".replace("_", r"\_")
        self.numpy = numpy
        self.helper = helper
        self.precedence = precedence
        self.ufunc = ufunc
        self.adds = adds
        self.quiet = quiet
        self.doc = doc
        # Inputs that rules use only for their shape; "xs[0] xs[1]": the first of a variadic op.
        self.like = tuple(like.split())
        taken = {"g", "y", "i"} & {*inputs, *self.params}
        if taken:
            raise ValueError(f"op {name!r}: {sorted(taken)} have a fixed meaning in rules; rename")
        rules = rules or {}
        stray = set(rules) - set(inputs)
        if stray:
            raise TypeError(f"op {name!r} has rules for {sorted(stray)}, which are no inputs")
        # A variadic rule sees all inputs as one tuple, and `i`, the position it is asked about.
        names = ("g", "y", *inputs, *(("i",) if variadic else ()), *self.params)
        self.rules: tuple[Rule | None, ...] = tuple(
            Rule(rules[n], names, self.like) if n in rules else None for n in inputs
        )
        self.differentiable = any(rule is not None for rule in self.rules)

    def rule(self, position: int) -> Rule | None:
        """Return the rule of the input at `position` (all inputs of a variadic op share one)."""
        return self.rules[0 if self.variadic else position]

    def spell(
        self, form: str, operands: Sequence[str], params: dict[str, Any] | None = None
    ) -> str:
        """Return the operation applied to written operands, as text, LaTeX or NumPy source.

        Args:
            form: "text", "latex" or "numpy".
            operands: the operands, in brackets where they need them (see `bounds`; for NumPy, every
                one that is not a name or a call).
            params: the parameters; those left out have their defaults.

        Raises:
            GraphError: an operation without a NumPy spelling, which is one of the user's own.

        Example:
            >>> import tinygrad_course as tc
            >>> total = tc.sum.op
            >>> total.spell("text", ["dZ[2]"], {"axis": 1, "keepdims": True})
            'np.sum(dZ[2], axis=1, keepdims=True)'
        """
        template = getattr(self, form)
        if not template:
            raise errors.GraphError(
                f"{self.name} has no NumPy spelling: it is an operation of your own. Compute it "
                "from operations of the package, or give its Op a `numpy` template."
            )
        full = {**self.defaults, **(params or {})}
        return spelling.fill(template, form, self.inputs, operands, full, self.defaults)

    def bounds(
        self, count: int, params: dict[str, Any] | None = None, form: str = "text"
    ) -> list[int]:
        """Return how tightly each of `count` operands must bind to need no brackets in `spell`.

        Example:
            >>> import tinygrad_course as tc
            >>> tc.sub.op.bounds(2) == [SUM, SUM + 1]  # a - (b - c)
            True
        """
        return spelling.bounds(lambda marks: self.spell(form, marks, params), count)

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """Compute on arrays, or record on tensors: what derivative rules call.

        Arrays in, array out; as soon as one input is a tensor, the result is a recorded tensor.
        """
        if params:
            params = {**self.defaults, **params}
        else:
            params = self.defaults
        kind, record = recorders
        for x in inputs:
            if isinstance(x, kind):
                return record(self, inputs, params)
        return self.forward(*inputs, **params)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name,)  # copies and worker processes share the registered object


def register(op: Op) -> Op:
    """Add `op` to the registry; a name can be taken once."""
    if op.name in REGISTRY:
        raise ValueError(f"an op named {op.name!r} is already registered")
    REGISTRY[op.name] = op
    return op


def find(name: str) -> Op:
    """Return the registered operation called `name`."""
    return REGISTRY[name]


def helper_functions() -> dict[str, str]:
    """Return the source of every helper function of the registered operations, by its name."""
    found: dict[str, str] = {}
    for op in REGISTRY.values():
        for node in ast.parse(op.helper).body if op.helper else ():
            assert isinstance(node, ast.FunctionDef)
            found[node.name] = ast.get_source_segment(op.helper, node) or ""
    return found


def helpers_of(source: str) -> list[str]:
    r"""Return the sources of the helper functions that a program calls, each after those it calls.

    Args:
        source: NumPy source, such as a `spell` returns.

    Example:
        >>> import tinygrad_course as tc
        >>> print("\n\n".join(helpers_of("A1 = silu(Z1)")))
        def sigmoid(z):
            # The logistic function.
            return 1 / (1 + np.exp(-z))
        <BLANKLINE>
        def silu(z):
            # Sigmoid linear unit, also called swish.
            return z * sigmoid(z)
    """
    known = helper_functions()
    found: dict[str, str] = {}

    def collect(text: str) -> None:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name) and node.id in known and node.id not in found:
                found[node.id] = ""  # reserved: a helper may call itself
                collect(known[node.id])
                del found[node.id]
                found[node.id] = known[node.id]

    collect(source)
    return list(found.values())


__all__ = [
    "ATOM",
    "COMPARISON",
    "JUXTAPOSITION",
    "KINDS",
    "POWER",
    "PRODUCT",
    "REGISTRY",
    "SUM",
    "UNARY",
    "Op",
    "Rule",
    "find",
    "helper_functions",
    "helpers_of",
    "recorders",
    "register",
]
