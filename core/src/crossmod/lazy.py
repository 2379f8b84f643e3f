"""Public names of a package that are imported when they are asked for, so that settings are read without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> tuple[list[str], Callable[[str], Any]]:
    """What a package's `__init__` assigns to `__all__` and `__getattr__`.

    Args:
        package: The package's `__name__`.
        modules: Module names, relative to the package, and the public names that each holds.

    Returns:
        The sorted names, and the function that finds one (PEP 562).
    """
    home = {name: f"{package}.{module}" for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return sorted(home), find
