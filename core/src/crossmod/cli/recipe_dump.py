"""A recipe written out as YAML, completely: what the run folder keeps and what runs again to the same numbers."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from crossmod.cli.options import CLASS, field_hints, import_path
from crossmod.cli.recipe_text import write_yaml
from crossmod.cli.values import entry_hint
from crossmod.recipe import Recipe


def dump_recipe(recipe: Recipe) -> str:
    """Write every option of a recipe as YAML that reads back to an equal recipe.

    A part is written with `class_path` and `init_args` where its class is one of several; where the recipe fixes the
    class, its options stand alone.
    """
    return write_yaml(_plain(recipe, type(recipe), ""))


def _plain(value: Any, hint: Any, key: str) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        hints = field_hints(type(value))
        options = {
            entry.name: _plain(getattr(value, entry.name), hints[entry.name], f"{key}.{entry.name}")
            for entry in fields(value)
            if entry.init
        }
        if type(value) in (hint, *typing.get_args(hint)):
            return options
        return {CLASS: import_path(type(value)), "init_args": options}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(entry, entry_hint(hint), f"{key}.{name}") for name, entry in value.items()}
    if isinstance(value, list | tuple):
        items = (*typing.get_args(hint), None)
        return [_plain(entry, items[0], f"{key}[{i}]") for i, entry in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        assert not (isinstance(value, float) and math.isnan(value)), f"{key.lstrip('.')} is NaN, unequal to itself"
        return value
    raise TypeError(f"{key.lstrip('.')} holds a {type(value).__name__}, which a recipe cannot write down")
