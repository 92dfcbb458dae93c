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
from ..op import ATOM, Op, register
from ..tensor import Tensor, apply, as_tensor

# NumPy function or ufunc -> what to call when it is given a tensor.
NUMPY: dict[Any, Callable[..., Any]] = {}
UFUNC_OPS: dict[Any, Op] = {}
# Public name -> function: the namespace of the package, and the list the documentation reads.
FUNCTIONS: dict[str, Any] = {}

ALIASES = {"dim": "axis", "keepdim": "keepdims", "dims": "axis", "unbiased": "correction"}


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
    text: str = "",
    latex: str = "",
    numpy: str = "",
    precedence: int = ATOM,
    ufunc: Any = None,
    overrides: tuple[Any, ...] = (),
    operator: str = "",
    quiet: bool = False,
    public: bool = True,
    methods: tuple[str, ...] = (),
    **derivatives: Callable[..., Any],
) -> Callable[[Callable[..., Any]], Function]:
    """Define a primitive operation; the decorated function is its forward on arrays.

    Args:
        kind: one of `op.KINDS`.
        view: the result shares the first input's memory.
        like: inputs (space separated) that rules use only for their shape.
        symbol, text, latex, numpy, precedence: see `Op`.
        ufunc: a NumPy ufunc that is the forward (the function's body is then not used); calling
            it on a tensor records this operation.
        overrides: NumPy functions that, called on a tensor, record this operation.
        operator: Python operator, such as ``mul`` for ``*`` (gives ``__mul__`` and ``__rmul__``).
        quiet: silence floating-point warnings: at a singularity the result is NaN or Inf.
        public: export it and make it a method; otherwise it only serves derivative rules.
        methods: further method names.
        derivatives: ``dx=rule`` for each input ``x`` that has a derivative.
    """

    def define(forward: Callable[..., Any]) -> Function:
        name = forward.__name__.rstrip("_")
        inputs, defaults, variadic = _signature(forward)
        compute = ufunc if ufunc is not None else forward
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
                rules={key[1:]: rule for key, rule in derivatives.items()},
                like=like,
                kind=kind,
                view=view,
                variadic=variadic,
                symbol=symbol,
                text=text,
                latex=latex,
                numpy=numpy or (f"np.{ufunc.__name__}({_args(inputs)})" if ufunc else ""),
                precedence=precedence,
                ufunc=ufunc,
                doc=inspect.getdoc(forward) or "",
            )
        )
        call: Any = _public(made, forward)
        if operator:
            _operator(operator, made)
        if ufunc is not None:
            UFUNC_OPS[ufunc] = made
        for numpy_function in overrides:
            NUMPY[numpy_function] = call
        if public:
            FUNCTIONS[name] = call
            for method in (name, *methods):
                setattr(Tensor, method, call)
            if kind == "elementwise" and made.differentiable:
                setattr(Tensor, f"{name}_", _inplace(made))
        return call  # type: ignore[no-any-return]

    return define


def function(
    *, overrides: tuple[Any, ...] = (), method: bool = True, methods: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Define a function composed of others; its first argument becomes a tensor.

    Args:
        overrides: NumPy functions that, called on a tensor, call this one.
        method: make it a method of `Tensor`.
        methods: further method names.
    """

    def define(body: Callable[..., Any]) -> Callable[..., Any]:
        name = body.__name__.rstrip("_")
        names = list(inspect.signature(body).parameters)
        first = names[0]

        @functools.wraps(body)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                kwargs = _rename(kwargs, names)
            if args:
                if not isinstance(args[0], Tensor) and first != "tensors":
                    args = (as_tensor(args[0]), *args[1:])
            elif first in kwargs and first != "tensors":
                kwargs[first] = as_tensor(kwargs[first])
            try:
                return body(*args, **kwargs)
            except TypeError as error:
                raise _call_error(name, body, error) from None

        FUNCTIONS[name] = call
        for numpy_function in overrides:
            NUMPY[numpy_function] = call
        if method:
            for method_name in (name, *methods):
                setattr(Tensor, method_name, call)
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


def _args(names: tuple[str, ...]) -> str:
    return ", ".join("{%s}" % name for name in names)


def _rename(kwargs: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Translate PyTorch's argument names to ours, where a function has ours."""
    renamed = {}
    for key, value in kwargs.items():
        target = key
        if key not in names:
            if key in ALIASES and ALIASES[key] in names:
                target = ALIASES[key]
            elif key in ("input", "self", "a", "x"):
                target = names[0]
            elif key == "other" and len(names) > 1:
                target = names[1]
        if target in renamed or (target != key and target in kwargs):
            raise errors.ArgumentError(
                f"the arguments {key!r} and {target!r} mean the same; give one of them."
            )
        renamed[target] = value
    return renamed


def _call_error(name: str, body: Callable[..., Any], error: TypeError) -> TypeError:
    """Return a clear error for a call with wrong arguments; other TypeErrors pass unchanged."""
    if isinstance(error, errors.TinygradCourseError):
        return error
    if body.__name__ + "()" in str(error):
        return errors.DtypeError(f"{name}: {error}. It is {name}{inspect.signature(body)}.")
    return error


def _public(made: Op, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the public function of an operation."""
    inputs = made.inputs
    count = len(inputs)
    names = [*inputs, *made.params]
    fixed = not made.variadic and not made.params

    def simple(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs:
            args = _arrange(made, args, kwargs, names)[0]
        if len(args) != count:
            raise errors.DtypeError(
                f"{made.name}: takes {count} operands ({', '.join(inputs)}), got {len(args)}."
            )
        return apply(made, args)

    def general(*args: Any, **kwargs: Any) -> Tensor:
        operands, params = _arrange(made, args, kwargs, names)
        return apply(made, operands, params)

    call: Any = simple if fixed else general
    call = functools.update_wrapper(call, forward)
    call.op = made
    return call  # type: ignore[no-any-return]


def _arrange(
    made: Op, args: tuple[Any, ...], kwargs: dict[str, Any], names: list[str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort the arguments of a call into operands and a full dictionary of parameters."""
    count = len(args) if made.variadic else len(made.inputs)
    kwargs = _rename(kwargs, names) if kwargs else kwargs
    params = dict(made.defaults)
    extra = args[count:]
    if len(extra) > len(made.params):
        raise errors.DtypeError(f"{made.name}: takes {names}, got {len(args)} arguments.")
    for name, value in zip(made.params, extra, strict=False):
        params[name] = value
    operands = list(args[:count])
    if not made.variadic:
        for name in made.inputs[len(operands) :]:
            if name not in kwargs:
                raise errors.DtypeError(f"{made.name}: the operand {name!r} is missing.")
            operands.append(kwargs[name])
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

        setattr(Tensor, f"__{name}__", unary)
        return

    def method(self: Tensor, other: Any) -> Tensor:
        return apply(made, (self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        return apply(made, (other, self))

    def inplace(self: Tensor, other: Any) -> Tensor:
        return change(self, made, (other,))

    setattr(Tensor, f"__{name}__", method)
    if name in ("eq", "ne", "lt", "le", "gt", "ge"):
        return
    setattr(Tensor, f"__r{name}__", reflected)
    if name != "matmul":
        setattr(Tensor, f"__i{name}__", inplace)


def _inplace(made: Op) -> Callable[..., Tensor]:
    """Return the in-place method of an elementwise operation, such as ``add_``."""
    names = [*made.inputs, *made.params]

    def inplace(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        operands, params = _arrange(made, (self, *args), kwargs, names)
        return change(self, made, operands[1:], params)

    inplace.__name__ = inplace.__qualname__ = f"{made.name}_"
    inplace.__doc__ = f"In-place `{made.name}`: the result replaces this tensor's values."
    return inplace
