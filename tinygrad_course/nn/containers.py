"""Modules that hold modules: one after another, in a list, or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from .. import errors
from .module import Module
from .parameter import Parameter


class _Numbered(Module):
    """Parts called "0", "1", …: what the list-like containers share."""

    _list_of = "modules"

    def _items(self) -> list[Any]:
        return [vars(self)[name] for name in self._members]

    def _add(self, name: str, value: Any) -> None:
        self.add_module(name, value)

    def _rebuild(self, values: list[Any], names: list[str] | None = None) -> None:
        """Hold exactly `values`, under `names` or counted from 0."""
        if names is None:
            names = [str(i) for i in range(len(values))]
        for value in values:
            self._check(value)
        for name in list(self._members):
            delattr(self, name)
        for name, value in zip(names, values, strict=True):
            self._add(name, value)

    def _check(self, value: Any) -> None:
        if not isinstance(value, Module):
            what = getattr(value, "__name__", None) or type(value).__name__
            raise errors.DtypeError(
                f"{type(self).__name__}: holds modules, got {what!r}. Wrap a function in a module: "
                "nn.ReLU() for relu; or call it in the forward of a Module of your own."
            )

    def _place(self, index: Any) -> int:
        try:
            place = operator.index(index)
        except TypeError:
            raise errors.DtypeError(
                f"{type(self).__name__}: an index is an integer or a slice, got {index!r}."
            ) from None
        n = len(self)
        if not -n <= place < n:
            raise errors.IndexingError(
                f"{type(self).__name__}: index {place} is outside; it holds {n} {self._list_of}, "
                f"numbered 0 to {n - 1}."
                if n
                else f"{type(self).__name__}: is empty, so index {place} is outside."
            )
        return place % n

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items())

    def __contains__(self, value: object) -> bool:
        return any(value is item for item in self._items())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            # Of a subclass, whose constructor may want other arguments, the container it is.
            kind: Any = next(k for k in type(self).__mro__ if k.__module__ == __name__)
            part = kind()
            part._rebuild(
                self._items()[index], list(self._members)[index] if self.in_order else None
            )
            return part
        return self._items()[self._place(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(value)
        setattr(self, list(self._members)[self._place(index)], value)

    def __delitem__(self, index: Any) -> None:
        values = self._items()
        names = list(self._members)
        counted = names == [str(i) for i in range(len(names))]
        chosen = index if isinstance(index, slice) else self._place(index)
        del values[chosen]
        del names[chosen]
        self._rebuild(values, None if counted else names)

    def append(self, module: Any) -> Self:
        """Add one at the end."""
        return self._extend([module])

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add several at the end."""
        return self._extend(list(modules))

    def _extend(self, values: list[Any]) -> Self:
        for value in values:
            self._check(value)
        for value in values:
            count = len(self)
            while str(count) in self._members:
                count += 1
            self._add(str(count), value)
        return self

    def insert(self, index: int, module: Any) -> Self:
        """Put one before the place `index`; those behind are counted anew."""
        self._check(module)
        values = self._items()
        values.insert(index, module)
        self._rebuild(values)
        return self


class Sequential(_Numbered):
    """Modules applied one after another: y = f_L(… f_2(f_1(x))).

    Args:
        modules: the modules; or one list of them, as Keras writes it; or one dictionary name ->
            module.

    Raises:
        DtypeError: something that is no module.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> model = nn.Sequential(
        ...     nn.Dense(2, 3, activation="sigmoid"),
        ...     nn.Dense(3, 1, activation="sigmoid"),
        ... )
        >>> model
        Sequential(
          (0): Dense(in_features=2, out_features=3, activation='sigmoid')  # 9 parameters
          (1): Dense(in_features=3, out_features=1, activation='sigmoid')  # 4 parameters
        )  # 13 parameters
        >>> model(tc.zeros(5, 2)).shape
        (5, 1)
    """

    in_order = True

    # What `forward` runs: (module, name of its result or None).
    _steps: tuple[tuple[Module, str | None], ...] = ()

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for module in modules[0].values():
                self._check(module)
            for name, module in modules[0].items():
                self.add_module(name, module)
            return
        if len(modules) == 1 and isinstance(modules[0], (list, tuple)):
            modules = tuple(modules[0])
        self._extend(list(modules))

    def _changed(self, removed: bool = False) -> None:
        super()._changed(removed)
        vars(self)["_steps"] = tuple((module, None) for _, module in self._own("module"))

    def name_steps(self, names: list[str | None]) -> None:
        """Take the names of what the steps compute."""
        vars(self)["_steps"] = tuple(
            (module, name) for (module, _), name in zip(self._steps, names, strict=True)
        )

    def forward(self, x: Any) -> Any:
        """Apply the modules in order."""
        for module, name in self._steps:
            before = x
            x = module(x)
            if name is not None and x is not before and x._node is not None:
                x._node.name = name
        return x


class ModuleList(_Numbered):
    """A list of modules, registered so that their parameters are found.

    Args:
        modules: any iterable of modules.

    Example:
        >>> from tinygrad_course import nn
        >>> layers = nn.ModuleList([nn.Dense(2, 3), nn.Dense(3, 1)])
        >>> len(layers), layers[-1].out_features
        (2, 1)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._extend(_listed("ModuleList", modules))


def _listed(name: str, values: Any) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, Iterable):
        return list(values)
    raise errors.DtypeError(f"{name}: takes a list, got {type(values).__name__}. Write [item].")


class ParameterList(_Numbered):
    """A list of parameters, registered.

    Args:
        values: parameters; tensors and arrays become parameters.

    Example:
        >>> from tinygrad_course import nn
        >>> weights = nn.ParameterList([nn.Parameter([1.0]), nn.Parameter([2.0])])
        >>> [name for name, _ in weights.named_parameters()]
        ['0', '1']
    """

    _list_of = "parameters"

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._extend(_listed("ParameterList", values))

    def _add(self, name: str, value: Any) -> None:
        self.register_parameter(name, value if isinstance(value, Parameter) else Parameter(value))

    def _check(self, value: Any) -> None:
        if not isinstance(value, Parameter):
            Parameter(value)  # raises the error that says what is wrong

    def __setitem__(self, index: Any, value: Any) -> None:
        value = value if isinstance(value, Parameter) else Parameter(value)
        setattr(self, list(self._members)[self._place(index)], value)


class _ByName(Module):
    """Parts by name: what the dictionary-like containers share."""

    _dict_of = "module"

    def update(self, parts: Any) -> None:
        """Add parts, replacing those of the same name."""
        for name, part in parts.items() if isinstance(parts, Mapping) else parts:
            self[name] = part

    def __getitem__(self, name: str) -> Any:
        if name not in self._members:
            raise errors.ModuleError(
                f"{type(self).__name__}: has no {self._dict_of} {name!r}; it has "
                f"{', '.join(self) or 'none'}."
            )
        return vars(self)[name]

    def __setitem__(self, name: str, part: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._members))

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self._members)

    def values(self) -> list[Any]:
        """Return the parts."""
        return [vars(self)[name] for name in self._members]

    def items(self) -> list[tuple[str, Any]]:
        """Return (name, part) pairs."""
        return [(name, vars(self)[name]) for name in self._members]

    def pop(self, name: str) -> Any:
        """Remove a part and return it."""
        part = self[name]
        del self[name]
        return part


class ModuleDict(_ByName):
    """Modules by name, registered.

    Args:
        modules: a dictionary, or pairs, name -> module.

    Example:
        >>> from tinygrad_course import nn
        >>> heads = nn.ModuleDict({"digit": nn.Dense(25, 10), "parity": nn.Dense(25, 1)})
        >>> heads["parity"].out_features
        1
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __setitem__(self, name: str, module: Any) -> None:
        self.add_module(name, module)


class ParameterDict(_ByName):
    """Parameters by name, registered.

    Args:
        parameters: a dictionary, or pairs, name -> parameter; tensors and arrays become parameters.

    Example:
        >>> import tinygrad_course as tc
        >>> from tinygrad_course import nn
        >>> scales = nn.ParameterDict({"left": tc.ones(2), "right": tc.zeros(2)})
        >>> [name for name, _ in scales.named_parameters()]
        ['left', 'right']
    """

    _dict_of = "parameter"

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def __setitem__(self, name: str, value: Any) -> None:
        self.register_parameter(name, value if isinstance(value, Parameter) else Parameter(value))


__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
