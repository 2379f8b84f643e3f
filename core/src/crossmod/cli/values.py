"""The plain values that an option's type takes: read from the command line, checked, and said in words."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from crossmod.cli.recipe_text import read_value

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}


class Typed(str):
    """A value as typed on the command line: text whose meaning depends on the type that the option takes."""

    __slots__ = ()


def entry_hint(hint: Any) -> Any:
    """The value type of a mapping type; None for other types."""
    if typing.get_origin(hint) in (dict, Mapping) and len(typing.get_args(hint)) == 2:
        return typing.get_args(hint)[1]
    return None


def typed_value(hint: Any, value: Any) -> Any:
    """What a typed text means to an option of that type; values that were not typed stay.

    >>> typed_value(str, Typed("1e-3")), typed_value(float, Typed("1e-3")), typed_value(str | None, Typed("null"))
    ('1e-3', 0.001, None)
    """
    if not isinstance(value, Typed):
        return value
    parts = typing.get_args(hint) if _is_union(hint) else (hint,)
    parsed = read_value(value)
    others = [part for part in parts if part not in (str, Path)]
    if len(others) < len(parts):
        return parsed if any(fits(part, parsed) for part in others) else str(value)
    return parsed if any(fits(part, parsed) for part in parts) or not fits(hint, str(value)) else str(value)


def expected(hint: Any) -> str:
    """What a type takes, in words.

    >>> expected(int | None)
    'a whole number or null'
    """
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if hint is None or hint is type(None):
        return "null"
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(member.name for member in hint)}"
    if _is_union(hint):
        return " or ".join(expected(part) for part in parts)
    if _is_listing(origin):
        return f"a list of {expected(parts[0]).removeprefix('a ')}, such as [x, y]" if parts else "a list"
    if entry_hint(hint) is not None:
        return f"a mapping such as {{name: value}}, each value {expected(entry_hint(hint))}"
    if is_dataclass(hint):
        return f"a mapping with {', '.join(entry.name for entry in fields(hint))}"
    return getattr(hint, "__name__", str(hint))


def fits(hint: Any, value: Any) -> bool:
    """Whether a type takes a plain value; types unknown here take everything."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        return any(fits(part, value) for part in parts)
    if hint is None or hint is type(None):
        return value is None
    if origin is typing.Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if hint is bool:
        return isinstance(value, bool) or str(value).lower() in ("yes", "no", "true", "false")
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    if hint in (str, Path):
        return isinstance(value, str)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return value in hint.__members__
    if _is_listing(origin):
        return isinstance(value, list | tuple) and (not parts or all(fits(parts[0], item) for item in value))
    if entry_hint(hint) is not None:
        return isinstance(value, Mapping) and all(fits(entry_hint(hint), item) for item in value.values())
    if is_dataclass(hint):
        return isinstance(value, Mapping) and _fits_fields(typing.cast(type, hint), value)
    return True


def _fits_fields(kind: type, value: Mapping[str, Any]) -> bool:
    """Whether a mapping gives the fields of a settings class that stands in a list: all it needs, none it lacks."""
    hints = typing.get_type_hints(kind)
    needed = {entry.name for entry in fields(kind) if entry.default is entry.default_factory is MISSING}
    return needed <= value.keys() <= hints.keys() and all(fits(hints[name], item) for name, item in value.items())


def _is_listing(origin: Any) -> bool:
    return origin in (list, tuple, Sequence)


def shown(value: Any) -> str:
    """A refused value, for a sentence."""
    if value is None:
        return "null"
    return repr(str(value)) if isinstance(value, str) else str(value)


def quoting(hint: Any, value: Any) -> str:
    """What to add when a file gives a number to an option that takes that number as text."""
    quoted = not isinstance(value, str | None) and fits(hint, str(value)) and hint is not bool
    return f" (a number: write it in quotes, '{value}')" if quoted else ""


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
