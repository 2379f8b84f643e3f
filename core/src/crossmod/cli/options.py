"""The options of a settings class, read from its fields and docstring: what help, suggestions and refusals know.

A settings tree is handled here in flat form: a mapping from field names to values, with the key `class_path` where
the class was chosen. `class_path: X, init_args: {...}` and a bare class name are brought to that form by `flat`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from crossmod.cli.recipe_text import read_value
from crossmod.cli.values import Typed, entry_hint

CLASS = "class_path"


@dataclass(frozen=True)
class Option:
    """One option of a recipe.

    Args:
        key: Its dotted name.
        hint: The type that it takes.
        meaning: Its line in the docstring of the class that has it.
        value: What it holds, in plain YAML values; `dataclasses.MISSING` when it has to be given.
        classes: When the option chooses a class: the names to choose from, the chosen one first.
    """

    key: str
    hint: Any
    meaning: str
    value: Any
    classes: tuple[str, ...] = ()


@cache
def field_hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, resolved."""
    return typing.get_type_hints(kind)


def settings_class(hint: Any) -> type | None:
    """The settings class that a hint names, also under `| None`; None for plain values."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [settings_class(part) for part in typing.get_args(hint)]
        return next((kind for kind in kinds if kind is not None), None)
    return None


def has_named_parts(hint: Any) -> bool:
    """Whether a type is a mapping from names to settings, like a recipe's objectives."""
    return settings_class(entry_hint(hint)) is not None


def subclasses(kind: type) -> list[type]:
    """The classes that derive from `kind` directly."""
    return type.__subclasses__(kind)


def import_path(kind: type) -> str:
    """The name that imports a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def concrete_classes(base: type) -> dict[str, type]:
    """The classes that an option of type `base` may choose, among those imported so far.

    They go by short name; where several share one, each goes by its import path.
    """
    by_name: dict[str, dict[str, type]] = {}
    for kind in _derived(base):
        by_name.setdefault(kind.__name__, {})[import_path(kind)] = kind
    found: dict[str, type] = {}
    for name, kinds in by_name.items():
        found |= kinds if len(kinds) > 1 else {name: next(iter(kinds.values()))}
    return found


def find_class(base: type, name: str) -> type | None:
    """The class of that short name or import path below `base`; None when there is none, or several."""
    known = concrete_classes(base)
    if name in known or "." not in name:
        return known.get(name)
    module, _, attribute = name.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None
    return kind if isinstance(kind, type) and issubclass(kind, base) else None


def _derived(base: type) -> Iterator[type]:
    if not inspect.isabstract(base):
        yield base
    for kind in subclasses(base):
        yield from _derived(kind)


def inline_mapping(raw: Any) -> Any:
    """The mapping that `{...}` on the command line stands for; anything else stays."""
    return read_value(raw) if isinstance(raw, Typed) and raw.lstrip().startswith("{") else raw


def flat(raw: Any) -> Any:
    """Bring one settings value to flat form; values that are no mapping and no class name stay."""
    raw = inline_mapping(raw)
    if isinstance(raw, str):
        return {CLASS: raw}
    if isinstance(raw, Mapping) and isinstance(raw.get("init_args"), Mapping):
        return {**{key: value for key, value in raw.items() if key != "init_args"}, **raw["init_args"]}
    return raw


def chosen(base: type, tree: Any) -> type | None:
    """The class that a flat tree chooses below `base`; None when it chooses none, or one that does not exist."""
    name = tree.get(CLASS) if isinstance(tree, Mapping) else None
    if name is not None:
        return find_class(base, name) if isinstance(name, str) else None
    return None if inspect.isabstract(base) else base


def survey(kind: type, tree: Mapping[str, Any], prefix: str = "") -> Iterator[Option]:
    """Every option of `kind`, in order, with the values of a flat tree and the defaults behind them."""
    hints, meanings = field_hints(kind), docstring_arguments(kind)
    for entry in fields(kind):
        key, hint = f"{prefix}{entry.name}", hints[entry.name]
        value = tree.get(entry.name, default_of(entry))
        meaning = meanings.get(entry.name, "")
        part = settings_class(hint)
        if part is not None:
            yield from _survey_part(key, part, hint, meaning, value)
        elif has_named_parts(hint):
            yield Option(key, hint, meaning, MISSING)
            for name, raw in value.items() if isinstance(value, Mapping) else ():
                yield from _survey_part(f"{key}.{name}", settings_class(entry_hint(hint)), hint, "", raw)
        else:
            yield Option(key, hint, meaning, value)


def docstring_arguments(kind: type) -> dict[str, str]:
    """The meanings that the `Args:` sections of a class and its bases give to the fields."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        doc = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", doc, re.MULTILINE)
        if section:
            entries = re.findall(r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
            meanings |= {name: " ".join(text.split()) for name, text in entries}
    return meanings


def summary(kind: type) -> str:
    """The first paragraph of a class's docstring, on one line."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())


def _survey_part(key: str, base: type | None, hint: Any, meaning: str, raw: Any) -> Iterator[Option]:
    assert base is not None, "only called for settings"
    tree = flat(raw)
    kind = chosen(base, tree)
    names = [name for name, other in sorted(concrete_classes(base).items()) if other is not kind]
    if kind is not None:
        names.insert(0, kind.__name__)
    yield Option(key, hint, meaning, MISSING if raw is MISSING else raw, tuple(names))
    if kind is not None:
        yield from survey(kind, tree if isinstance(tree, Mapping) else {}, f"{key}.")


def default_of(entry: Any) -> Any:
    """What a field of a dataclass holds unless told otherwise, as a flat tree; `MISSING` where it has to be given."""
    if entry.default is not MISSING:
        return _as_tree(entry.default)
    if entry.default_factory is not MISSING:
        return _as_tree(entry.default_factory())
    return MISSING


def _as_tree(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            CLASS: import_path(type(value)),
            **{entry.name: _as_tree(getattr(value, entry.name)) for entry in fields(value)},
        }
    if isinstance(value, Mapping):
        return {name: _as_tree(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_tree(entry) for entry in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value
