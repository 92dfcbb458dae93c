"""Names of a module that stand elsewhere: imported when first asked for, or not there, and why."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import errors


def lazy(
    module: str, places: Mapping[str, str], cures: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``: it finds the names in `places` and explains the others.

    Args:
        module: the module's own name.
        places: name -> ``"part"`` or ``"part:attribute"`` within this package.
        cures: name of PyTorch that is not here -> what to do instead.
    """
    package = __name__.partition(".")[0]

    def find(name: str) -> Any:
        target = places.get(name)
        if target is None:
            message = f"module {module!r} has no attribute {name!r}"
            if cures and name in cures:
                message = f"{module}.{name} is not here: {cures[name]}"
            raise errors.MissingNameError(message, name=name, obj=sys.modules[module])
        part, _, attribute = target.partition(":")
        loaded = importlib.import_module(f"{package}.{part}")
        value = getattr(loaded, attribute) if attribute else loaded
        setattr(sys.modules[module], name, value)
        return value

    return find
