"""The base class of layers and models: finds their parameters, calls them, saves and loads them.

Here you write a model as a subclass of `Module`: assign layers and parameters to attributes in
``__init__`` (after ``super().__init__()``) and compute in ``forward``. A module knows its parts,
not what is done with them: optimizers, checkpoints and pictures only ask for `parameters`,
`state_dict` and `named_modules`.

While a module runs, it stands in the context variable `scope`, so that what is recorded knows which
layer it belongs to.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .. import errors
from ..autograd import HookHandle
from ..journal import active
from ..node import module_changes, scope
from ..tensor import Tensor
from .conversions import Conversions
from .describe import describe
from .hooks import call_between_gates
from .numbering import number, structure
from .parameter import Parameter
from .state import IncompatibleKeys, load

PARAMETER, BUFFER, TEMPORARY, MODULE = "parameter", "buffer", "temporary buffer", "module"


class Module(Conversions):
    """Base class of layers and models.

    A subclass calls ``super().__init__()`` first, then assigns its parts to attributes, and defines
    ``forward``. Calling the module calls ``forward``.

    Class attributes that a layer of your own may set:

    * ``is_layer``: True gives it a number l in the names ``W[l]``, ``b[l]``, ``Z[l]``;
    * ``symbols``: attribute -> symbol of its parameters, such as ``{"weight": "W", "bias": "b"}``;
    * ``is_activation``: True makes its result, after layer l in a `Sequential`, ``A[l]``.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> class Line(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.w = nn.Parameter(200.0)
        ...         self.b = nn.Parameter(100.0)
        ...     def forward(self, x):
        ...         return self.w * x + self.b
        >>> line = Line()
        >>> line(tc.tensor([1.0, 2.0])).tolist()
        [300.0, 500.0]
        >>> [name for name, _ in line.named_parameters()]
        ['w', 'b']
    """

    is_layer: ClassVar[bool] = False
    is_activation: ClassVar[bool] = False
    # True when the children are applied one after another, each to the result of the one before.
    in_order: ClassVar[bool] = False
    symbols: ClassVar[Mapping[str, str]] = {}
    # False leaves the number of the layer out of its parameters' names: W_hh, where t is in [ ].
    numbers_symbols: ClassVar[bool] = True
    # Buffers that may be empty (None) here and are then filled from a state dict.
    filled_by_state: ClassVar[frozenset[str]] = frozenset()

    training: bool
    # Name -> kind of every registered part; the parts themselves are ordinary attributes, so that
    # reading `self.weight` in forward costs no more than any attribute.
    _members: dict[str, str]
    # Functions to call before forward, after it, and in a backward pass; None until there is one.
    _hooks: tuple[dict[int, Callable[..., Any]], ...] | None
    # The value of `structure` at which this module was numbered.
    _structure: int
    # The number l of a layer; 0 before the first call.
    _layer: int = 0

    def __init__(self) -> None:
        """Start without parts, in training mode."""
        vars(self).update(_members={}, training=True, _hooks=None, _structure=-1)

    # --- calling ----------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every module that is called overrides it."""
        raise NotImplementedError(
            f"{type(self).__name__}: has no forward method. Define `def forward(self, x)` in the "
            "class; if it is a list of modules, call the modules in it one by one."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward``, and note in `scope` that this module runs."""
        outer = scope.get()
        if outer is None and self._structure != structure[0]:
            number(self)
        token = scope.set((self, outer))
        try:
            if self._hooks is not None:
                return self._call_with_hooks(args, kwargs)
            # One argument and no keywords is what layers get: passing it on as such is the
            # fastest of the three calls.
            if kwargs:
                return self.forward(*args, **kwargs)
            return self.forward(args[0]) if len(args) == 1 else self.forward(*args)
        finally:
            scope.reset(token)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pre_hooks, hooks, backward_hooks = self._start_hooks()
        for before in list(pre_hooks.values()):
            changed = before(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        run = functools.partial(self.forward, **kwargs)
        if backward_hooks:
            result = call_between_gates(self, backward_hooks, args, run)
        else:
            result = run(*args)
        for after in list(hooks.values()):
            changed = after(self, args, result)
            if changed is not None:
                result = changed
        return result

    def register_forward_hook(self, hook: Callable[[Any, Any, Any], Any]) -> HookHandle:
        """Call ``hook(module, args, result)`` after each forward; what it returns replaces it.

        Returns:
            A handle; its ``remove()`` takes the hook away.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course import nn
            >>> layer = nn.Dense(2, 3)
            >>> handle = layer.register_forward_hook(lambda m, args, y: print("Z:", y.shape))
            >>> _ = layer(tc.zeros(4, 2))
            Z: (4, 3)
            >>> handle.remove()
        """
        return HookHandle(self._start_hooks()[1], hook)

    def register_forward_pre_hook(self, hook: Callable[[Any, Any], Any]) -> HookHandle:
        """Call ``hook(module, args)`` before each forward; it may return other arguments."""
        return HookHandle(self._start_hooks()[0], hook)

    def register_full_backward_hook(self, hook: Callable[[Any, Any, Any], Any]) -> HookHandle:
        """Call ``hook(module, grad_input, grad_output)`` in each backward pass through the module.

        Both are tuples of gradients; what the hook returns replaces those of the inputs.
        """
        return HookHandle(self._start_hooks()[2], hook)

    def _start_hooks(self) -> tuple[dict[int, Callable[..., Any]], ...]:
        module_changes[0] += 1
        if self._hooks is None:
            self._hooks = ({}, {}, {})
        return self._hooks

    # --- registering parts ------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        module_changes[0] += 1
        kind = MODULE if isinstance(value, Module) else None
        if isinstance(value, Parameter):
            kind = PARAMETER
        members = vars(self).get("_members")
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        elif kind is not None:
            if members is None:
                raise _not_started(self)
            self._register(name, kind, value)
        elif members and name in members:
            self._replace(name, members[name], value)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._members:
            del self._members[name]
            self._changed(removed=True)
        object.__delattr__(self, name)
        module_changes[0] += 1

    def __getattr__(self, name: str) -> Any:
        # Only reached when the ordinary search failed.
        if name in ("_members", "_hooks", "_structure", "training"):
            raise _not_started(self)
        members = vars(self).get("_members", {})
        parts = ", ".join(members) if members else "none"
        raise errors.ModuleError(
            f"{type(self).__name__}: has no attribute {name!r}. Its parameters, buffers and "
            f"modules: {parts}."
        )

    def _register(self, name: str, kind: str, value: Any) -> None:
        """Make `value` the part called `name`."""
        before = self._members.get(name)
        if before is not None and before != kind:
            del self._members[name]  # the new kind takes its place at the end of the order
        self._members[name] = kind
        vars(self)[name] = value
        self._changed(removed=before is not None)

    def _replace(self, name: str, kind: str, value: Any) -> None:
        """Assign to a registered name something that is no parameter and no module."""
        if value is not None and not (kind in (BUFFER, TEMPORARY) and isinstance(value, Tensor)):
            if kind == PARAMETER:
                cure = "Wrap it: nn.Parameter(value); or write new values with .copy_(value)."
            elif kind == MODULE:
                cure = "Use `del` first to make it an ordinary attribute."
            else:
                cure = "Make it a tensor: tc.tensor(value)."
            raise errors.DtypeError(
                f"{type(self).__name__}.{name}: is a {kind}, and cannot become "
                f"{type(value).__name__}. {cure}"
            )
        vars(self)[name] = value
        self._changed(removed=kind in (PARAMETER, MODULE))

    def _changed(self, removed: bool = False) -> None:
        """Note that the parts changed, so that models number their layers anew."""
        structure[0] += 1
        module_changes[0] += 1
        if removed:
            for module in self.modules():
                if module._layer:
                    module._layer = 0

    def _check_new(self, name: str, what: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise errors.ArgumentError(
                f"{type(self).__name__}.{what}: a name is a non-empty string without dots, got "
                f"{name!r}."
            )
        if hasattr(type(self), name) or (name in vars(self) and name not in self._members):
            raise errors.ArgumentError(
                f"{type(self).__name__}.{what}: the attribute {name!r} exists already. "
                "Choose another name."
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None to keep its place.

        Raises:
            DtypeError: not a `Parameter`; ArgumentError: an unusable name.
        """
        self._check_new(name, "register_parameter")
        if param is not None and not isinstance(param, Parameter):
            raise errors.DtypeError(
                f"register_parameter: {name!r} must be a Parameter or None, got "
                f"{type(param).__name__}. Wrap it: nn.Parameter(value)."
            )
        self._register(name, PARAMETER, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter, such as a running mean.

        Args:
            name: the attribute it becomes.
            tensor: a tensor or array, or None to keep its place.
            persistent: False keeps it out of the state dict.

        Raises:
            ArgumentError: an unusable name.

        Example:
            >>> import tinygrad_course as tc
            >>> from tinygrad_course import nn
            >>> m = nn.Module()
            >>> m.register_buffer("mean", tc.zeros(2))
            >>> list(m.state_dict())
            ['mean']
        """
        self._check_new(name, "register_buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            tensor = Tensor(tensor)
        self._register(name, BUFFER if persistent else TEMPORARY, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`, or None to keep its place.

        Raises:
            DtypeError: not a module; ArgumentError: an unusable name.
        """
        self._check_new(name, "add_module")
        if module is not None and not isinstance(module, Module):
            raise errors.DtypeError(
                f"{type(self).__name__}: {name!r} must be a module, got {_what(module)}. "
                "A function has a module too: nn.ReLU() for relu."
            )
        self._register(name, MODULE, module)

    register_module = add_module

    # --- looking at parts -------------------------------------------------------------------

    def _own(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        for name, kind in self._members.items():
            if kind in kinds and (value := vars(self)[name]) is not None:
                yield name, value

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) of this module without its children."""
        return self._own(PARAMETER)

    def named_children(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) of the direct children; a shared one once."""
        seen = set()
        for name, child in self._own(MODULE):
            if child not in seen or not remove_duplicate:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield the direct children."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) of this module and all inside it, parents first.

        Args:
            prefix: stands before every path.
            remove_duplicate: yield a shared module once.

        Example:
            >>> from tinygrad_course import nn
            >>> model = nn.Sequential(nn.Dense(2, 3), nn.Sequential(nn.ReLU()))
            >>> [path for path, _ in model.named_modules()]
            ['', '0', '1', '1.0']
        """
        seen: set[Module] = set()
        # With the modules around each one, so that a module inside itself ends the search.
        stack: list[tuple[str, Module, tuple[Module, ...]]] = [(prefix, self, ())]
        while stack:
            path, module, around = stack.pop()
            if module in around or (remove_duplicate and module in seen):
                continue
            seen.add(module)
            yield path, module
            inner = (*around, module)
            children = [
                (f"{path}.{name}" if path else name, child, inner)
                for name, child in module._own(MODULE)
            ]
            stack.extend(reversed(children))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def _named(
        self, kinds: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = (
            self.named_modules(prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        )
        for path, module in modules:
            for name, value in module._own(*kinds):
                if remove_duplicate and value in seen:
                    continue
                seen.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter); a shared parameter once.

        Args:
            prefix: stands before every path.
            recurse: include the parameters of inner modules.
            remove_duplicate: yield a shared parameter under its first path only.
        """
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once: what an optimizer takes."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer)."""
        return self._named((BUFFER, TEMPORARY), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the module at a dotted path, such as ``"encoder.0"``; "" is this module.

        Raises:
            ModuleError: no module is there.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            child = vars(module).get(name) if module._members.get(name) == MODULE else None
            if child is None:
                known = ", ".join(n for n, _ in module.named_children()) or "none"
                raise errors.ModuleError(
                    f"get_submodule: no module {name!r} of {target!r} in "
                    f"{type(module).__name__}; its modules: {known}."
                )
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a dotted path, such as ``"0.weight"``.

        Raises:
            ModuleError: no parameter is there.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = dict(module.own_parameters())
        if name not in found:
            raise errors.ModuleError(
                f"get_parameter: no parameter {name!r} in {type(module).__name__}; its "
                f"parameters: {', '.join(found) or 'none'}."
            )
        return found[name]

    # --- changing all of it -----------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch to training: dropout drops, batch normalisation uses the batch; and back."""
        module_changes[0] += 1
        for module in self.modules():
            vars(module)["training"] = bool(mode)
        return self

    def eval(self) -> Self:
        """Switch to evaluation; `train` switches back."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every inner module, then on this one: for initialization.

        Example:
            >>> from tinygrad_course import nn
            >>> def start(module):
            ...     if isinstance(module, nn.Dense):
            ...         _ = nn.init.zeros_(module.weight)
            >>> model = nn.Sequential(nn.Dense(2, 1)).apply(start)
            >>> model[0].weight.tolist()
            [[0.0], [0.0]]
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: False fills them with zeros instead.
        """
        journal = active()
        for parameter in self.parameters():
            if journal is not None:
                journal.forget(parameter)
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = Tensor(np.zeros_like(parameter.grad._data))

    # --- state ------------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Return path -> tensor of all parameters and persistent buffers.

        The tensors are detached and share the module's memory; copy them to keep them.

        Example:
            >>> from tinygrad_course import nn
            >>> {k: v.shape for k, v in nn.Sequential(nn.Dense(2, 3)).state_dict().items()}
            {'0.weight': (2, 3), '0.bias': (3,)}
        """
        return {path: value.detach() for path, value in self._state(prefix)}

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules(prefix, remove_duplicate=False):
            for kind in (PARAMETER, BUFFER):
                for name, value in module._own(kind):
                    yield (f"{path}.{name}" if path else name), value

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Write the values of a state dict into the parameters and buffers, in place.

        Args:
            state: path -> tensor or array, as `state_dict` returns it.
            strict: False leaves out missing and unknown keys instead of raising.

        Returns:
            The missing and the unknown keys.

        Raises:
            StateDictError: missing or unknown keys (if strict), wrong shapes, values that are not
                numeric; all of them listed. Nothing is then changed.

        Example:
            >>> import numpy as np
            >>> from tinygrad_course import nn
            >>> layer = nn.Dense(1, 1)
            >>> layer.load_state_dict({"weight": np.array([[200.0]]), "bias": np.array([100.0])})
            IncompatibleKeys(missing_keys=[], unexpected_keys=[])
            >>> layer([[1.0], [2.0]]).tolist()
            [[300.0], [500.0]]
        """
        return load(self, state, strict)

    # --- names and text ---------------------------------------------------------------------

    @property
    def wants_activation(self) -> bool:
        """True when the activation of this layer is computed outside it."""
        return True

    def name_results(self) -> None:
        """Prepare the names of what `forward` records, from the layer's number."""

    def name_steps(self, names: list[str | None]) -> None:
        """Take the names of what the steps of a Sequential compute."""

    def extra_repr(self) -> str:
        """Return the text between the brackets of `repr`; override it."""
        return ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from ..notebook import module_bundle

        return module_bundle(self)

    def __repr__(self) -> str:
        return describe(self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._members})


def _what(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return f"the function {name!r}" if callable(value) and name else type(value).__name__


def _not_started(module: Module) -> errors.ModuleError:
    name = type(module).__name__
    return errors.ModuleError(
        f"{name}: its parts cannot be registered yet, because {name}.__init__ has not called "
        "super().__init__(). Make that the first line of __init__."
    )
