"""How an operation is defined: `op` for a primitive, `function` for one composed of others.

Both give a public function that accepts tensors, arrays or numbers, PyTorch's argument names or
NumPy's (``dim``/``keepdim`` or ``axis``/``keepdims``), returns a tensor, and becomes a method of
`Tensor`. A definition stands on one screen: signature, docstring, forward, derivatives, notation.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .. import errors
from ..inplace import change
from ..messages import CAUGHT, explain_call, plain
from ..node import PYTHON_NUMBERS
from ..op import ATOM, Op, register
from ..spelling import Template
from ..tensor import Tensor, apply, as_tensor

# NumPy function or ufunc -> what to call when it is given a tensor.
NUMPY: dict[Any, Callable[..., Any]] = {}
UFUNC_OPS: dict[Any, Op] = {}
# Public name -> function: the namespace of the package, and the list the documentation reads. A
# name with a dot, such as linalg.solve, is of a namespace in the package, and no method.
FUNCTIONS: dict[str, Any] = {}

ALIASES = {"dim": "axis", "keepdim": "keepdims", "dims": "axis", "unbiased": "correction"}
# Names for lengths or axes given as `f(x, 2, 3)`: also accepted as one keyword.
STARRED = frozenset({"shape", "size", "sizes", "dims", "dim", "axes", "axis", "reps", "repeats"})


def attach(method: Any, *names: str) -> None:
    """Make `method` (a function or a property) a member of `Tensor` under `names` without dots."""
    for name in names:
        if "." not in name:
            setattr(Tensor, name, method)


class Function(Protocol):
    """A public operation: callable, and knows its `Op`."""

    op: Op
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Compute and record."""


def op(
    *,
    kind: str = "elementwise",
    view: bool = False,
    like: str = "",
    symbol: str = "",
    text: Template = "",
    latex: Template = "",
    numpy: Template = "",
    helper: str = "",
    precedence: int = ATOM,
    ufunc: Any = None,
    fast: Any = None,
    overrides: tuple[Any, ...] = (),
    operator: str = "",
    quiet: bool = False,
    public: bool = True,
    inplace: bool = True,
    also: tuple[str, ...] = (),
    keywords: dict[str, str] | None = None,
    **derivatives: Callable[..., Any],
) -> Callable[[Callable[..., Any]], Function]:
    """Define a primitive operation; the decorated function is its forward on arrays.

    Args:
        kind: one of `op.KINDS`.
        view: the result shares the first input's memory.
        like: inputs (space separated) that rules use only for their shape.
        symbol: what a drawing writes in the operation's circle.
        text: how an equation writes it: a function's name, or a template over inputs and
            parameters (see `spelling`); by default a call of the operation's own name.
        latex: the same for LaTeX.
        numpy: the same for NumPy source; by default a call of the ufunc.
        helper: source of a small function that `numpy` calls and NumPy lacks.
        precedence: how tightly `text` binds.
        ufunc: a NumPy ufunc that is the forward (the function's body is then not used); calling
            it on a tensor records this operation.
        fast: Python's operator for the ufunc, much quicker on single numbers.
        overrides: NumPy functions that, called on a tensor, record this operation.
        operator: Python operator, such as ``mul`` for ``*`` (gives ``__mul__`` and ``__rmul__``).
        quiet: silence floating-point warnings: at a singularity the result is NaN or Inf. (From
            such an operation on, a backward pass is silent too.)
        public: export it and make it a method; otherwise it only serves derivative rules.
        inplace: an elementwise operation gets an in-place method too, such as ``exp_``.
        also: further names, as a function and as a method.
        keywords: further names of arguments, such as PyTorch's ``exponent``; ``"*b"`` is the name
            of a factor that multiplies the operand b first, such as ``alpha`` in ``add``.
        derivatives: ``dx=rule`` for each input ``x`` that has a derivative.
    """

    def define(forward: Callable[..., Any]) -> Function:
        name = forward.__name__.rstrip("_")
        inputs, defaults, variadic = _signature(forward)
        compute = fast or (ufunc if ufunc is not None else forward)
        rules = {key[1:]: rule for key, rule in derivatives.items()}
        if quiet:
            compute = np.errstate(all="ignore")(compute)
        unknown = [key for key in derivatives if not key.startswith("d")]
        if unknown:
            raise TypeError(f"op {name!r}: unknown arguments {unknown}")
        made = register(
            Op(
                name,
                compute,
                inputs=inputs,
                defaults=defaults,
                rules=rules,
                like=like,
                kind=kind,
                view=view,
                variadic=variadic,
                symbol=symbol,
                text=text,
                latex=latex,
                numpy=numpy or (f"np.{ufunc.__name__}" if ufunc else ""),
                helper=helper,
                precedence=precedence,
                ufunc=ufunc,
                quiet=quiet,
                doc=inspect.getdoc(forward) or "",
            )
        )
        call: Any = _public(made, forward, keywords or {})
        if operator:
            _operator(operator, made)
        if ufunc is not None:
            UFUNC_OPS[ufunc] = made
        for numpy_function in overrides:
            NUMPY[numpy_function] = call
        if public:
            for alias in (name, *also):
                FUNCTIONS[alias] = call
            attach(call, name, *also)
            if inplace and kind == "elementwise" and made.rules[0] is not None:
                method = _inplace(made, keywords or {})
                method.__wrapped__ = forward  # type: ignore[attr-defined]  # for its signature
                attach(method, *(f"{alias}_" for alias in (name, *also)))
        return call  # type: ignore[no-any-return]

    return define


def function(
    *,
    name: str = "",
    overrides: tuple[Any, ...] = (),
    method: bool = True,
    also: tuple[str, ...] = (),
    keywords: dict[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Define a function composed of others; its first argument becomes a tensor.

    Args:
        name: its public name, when that is not the name it is defined by.
        overrides: NumPy functions that, called on a tensor, call this one.
        method: make it a method of `Tensor`.
        also: further names, as a function and as a method.
        keywords: further names of arguments, such as NumPy's ``a_min``.
    """

    def define(body: Callable[..., Any]) -> Callable[..., Any]:
        public = name or body.__name__.rstrip("_")
        parameters = inspect.signature(body).parameters
        names = [n for n, p in parameters.items() if p.kind is not p.VAR_POSITIONAL]
        starred = len(names) < len(parameters)
        first = next(iter(parameters))
        place = names.index("axis") if "axis" in names else -1

        @functools.wraps(body)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                kwargs = _rename(kwargs, names, keywords or {})
                if starred:
                    lengths = [kwargs.pop(k) for k in list(kwargs) if k in STARRED]
                    if lengths and first in kwargs:
                        args = (kwargs.pop(first),)
                    args = (*args, *lengths)
            if type(kwargs.get("axis")) is list:
                kwargs["axis"] = tuple(kwargs["axis"])
            if args:
                if 0 < place < len(args) and type(args[place]) is list:
                    args = (*args[:place], tuple(args[place]), *args[place + 1 :])
                if not isinstance(args[0], Tensor) and first != "tensors":
                    args = (as_tensor(args[0]), *args[1:])
            elif first in kwargs and first != "tensors":
                kwargs[first] = as_tensor(kwargs[first])
            try:
                return body(*args, **kwargs)
            except errors.TinygradCourseError:
                raise
            except CAUGHT as error:
                raise _call_error(public, body, error, args) from error

        call.__name__ = public if name else body.__name__
        for alias in (public, *also):
            FUNCTIONS[alias] = call
        for numpy_function in overrides:
            NUMPY[numpy_function] = call
        if method:
            attach(call, public, *also)
        return call

    return define


def _signature(forward: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """Split a forward's parameters: inputs have no default, parameters have one."""
    inputs: list[str] = []
    defaults: dict[str, Any] = {}
    variadic = False
    for name, parameter in inspect.signature(forward).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            inputs.append(name)
            variadic = True
        elif parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
            default = parameter.default
            defaults[name] = None if default is parameter.empty else default
        else:
            inputs.append(name)
    return tuple(inputs), defaults, variadic


def _rename(kwargs: dict[str, Any], names: list[str], keywords: dict[str, str]) -> dict[str, Any]:
    """Translate PyTorch's argument names to ours, where a function has ours."""
    renamed: dict[str, Any] = {}
    for key, value in kwargs.items():
        target = key
        if key not in names:
            if key in keywords:
                target = keywords[key]
            elif key in ALIASES and ALIASES[key] in names:
                target = ALIASES[key]
            elif key in ("input", "tensor", "self", "a", "x"):
                target = names[0]
            elif key == "other" and len(names) > 1:
                target = names[1]
        if target in renamed or (target != key and target in kwargs):
            raise errors.ArgumentError(
                f"the arguments {key!r} and {target!r} mean the same; give one of them."
            )
        renamed[target] = value
    return renamed


def _call_error(
    name: str, body: Callable[..., Any], error: Exception, args: tuple[Any, ...]
) -> errors.TinygradCourseError:
    """Return a clear error for a call with wrong arguments."""
    signature = inspect.signature(body)
    if isinstance(error, TypeError) and body.__name__ + "()" in str(error):
        said = str(error).replace(f"{body.__name__}()", name)
        return errors.DtypeError(f"{name}: {said}. It is {name}{plain(signature)}.")
    return explain_call(name, args, error, signature)


def _public(made: Op, forward: Callable[..., Any], keywords: dict[str, str]) -> Callable[..., Any]:
    """Return the public function of an operation."""
    inputs = made.inputs
    count = len(inputs)
    names = [*inputs, *made.params]
    fixed = not made.variadic and not made.params
    lead = _values(made)[0]

    def simple(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs:
            args = _arrange(made, args, kwargs, names, keywords)[0]
        if len(args) != count:
            raise errors.DtypeError(
                f"{made.name}: takes {count} operands ({', '.join(inputs)}), got {len(args)}."
            )
        if type(args[lead]) in PYTHON_NUMBERS:
            args = _lift(made, args)
        return apply(made, args)

    def general(*args: Any, **kwargs: Any) -> Tensor:
        if not kwargs and len(args) == count and isinstance(args[lead], Tensor):
            return apply(made, args, made.defaults)
        operands, params = _arrange(made, args, kwargs, names, keywords)
        if type(operands[lead]) in PYTHON_NUMBERS:
            operands = _lift(made, operands)
        return apply(made, operands, params)

    call: Any = simple if fixed else general
    call = functools.update_wrapper(call, forward)
    call.op = made
    return call  # type: ignore[no-any-return]


def _values(made: Op) -> list[int]:
    """Return the positions of the operands whose values count (not the condition of `where`)."""
    places = [k for k, rule in enumerate(made.rules) if rule is not None]
    return places or list(range(len(made.inputs)))


def _lift(made: Op, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give Python numbers the default dtypes when no operand has a dtype of its own.

    ``where(mask, 1.0, 0.0)`` is then float32, like ``tensor([1.0])``, not NumPy's float64.
    """
    places = _values(made)
    kinds = {type(operands[k]) for k in places}
    if not kinds <= PYTHON_NUMBERS:
        return operands
    strongest = next(kind for kind in (float, int, bool) if kind in kinds)
    lifted = list(operands)
    for k in places:
        if type(operands[k]) is strongest:
            lifted[k] = as_tensor(operands[k])
    return tuple(lifted)


def _arrange(
    made: Op,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    names: list[str],
    keywords: dict[str, str],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort the arguments of a call into operands and a full dictionary of parameters."""
    count = len(args) if made.variadic else len(made.inputs)
    factors: dict[str, Any] = {}
    if kwargs and keywords:
        factors = {k: kwargs[k] for k in kwargs if keywords.get(k, "").startswith("*")}
        kwargs = {k: value for k, value in kwargs.items() if k not in factors}
    kwargs = _rename(kwargs, names, keywords) if kwargs else kwargs
    params = dict(made.defaults)
    extra = args[count:]
    if len(extra) > len(made.params):
        raise errors.DtypeError(f"{made.name}: takes {names}, got {len(args)} arguments.")
    twice = [name for name in names[: len(args)] if name in kwargs]
    if twice and not made.variadic:
        raise errors.DtypeError(f"{made.name}: got two values for {twice[0]!r}; give one.")
    for name, value in zip(made.params, extra, strict=False):
        params[name] = value
    operands = list(args[:count])
    if not made.variadic:
        for name in made.inputs[len(operands) :]:
            if name not in kwargs:
                raise errors.DtypeError(f"{made.name}: the operand {name!r} is missing.")
            operands.append(kwargs[name])
    for key, factor in factors.items():
        place = made.inputs.index(keywords[key][1:])
        value = operands[place]
        operands[place] = (value if type(value) in PYTHON_NUMBERS else as_tensor(value)) * factor
    for name, value in kwargs.items():
        if name in params:
            params[name] = value
        elif name not in made.inputs:
            raise errors.DtypeError(
                f"{made.name}: has no argument {name!r}; it takes {', '.join(names)}."
            )
    if type(params.get("axis")) is list:
        params["axis"] = tuple(params["axis"])
    return tuple(operands), params


def _operator(name: str, made: Op) -> None:
    """Make Python's operator ``__name__`` (and its reflection) record `made`."""
    if len(made.inputs) == 1:

        def unary(self: Tensor) -> Tensor:
            return apply(made, (self,))

        attach(unary, f"__{name}__")
        return

    def method(self: Tensor, other: Any) -> Tensor:
        return apply(made, (self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        return apply(made, (other, self))

    def inplace(self: Tensor, other: Any) -> Tensor:
        return change(self, made, (other,))

    attach(method, f"__{name}__")
    if name in ("eq", "ne", "lt", "le", "gt", "ge"):
        return
    attach(reflected, f"__r{name}__")
    if name != "matmul":
        attach(inplace, f"__i{name}__")


def _inplace(made: Op, keywords: dict[str, str]) -> Callable[..., Tensor]:
    """Return the in-place method of an elementwise operation, such as ``add_``."""
    names = [*made.inputs, *made.params]

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        operands, params = _arrange(made, (self, *args), kwargs, names, keywords)
        return change(self, made, operands[1:], params)

    inplace.__name__ = inplace.__qualname__ = f"{made.name}_"
    inplace.__doc__ = f"In-place `{made.name}`: the result replaces this tensor's values."
    return inplace
