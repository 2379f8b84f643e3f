"""Layers of a recipe (files, then the command line) laid over each other in flat form.

Merging knows the types: choosing another class keeps the options that both have, text stays text where an option takes
text (`--data.prompt "a: b"`), a file's `objectives` replace the earlier ones, and the command line adds to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from crossmod.cli.options import (
    CLASS,
    chosen,
    default_of,
    field_hints,
    flat,
    has_named_parts,
    import_path,
    inline_mapping,
    settings_class,
)
from crossmod.cli.values import Typed, entry_hint, typed_value


@dataclass(frozen=True)
class Layer:
    """Options from one place.

    Args:
        origin: The file's name; empty for the command line.
        tree: The options as read.
    """

    origin: str
    tree: Mapping[str, Any]

    @property
    def typed(self) -> bool:
        """Whether it came from the command line, where named parts are added and not replaced."""
        return not self.origin

    def holds(self, key: str) -> bool:
        """Whether it sets the option of that dotted key, or part of it."""
        tree: Any = self.tree
        for step in key.split("."):
            tree = flat(tree)
            if not isinstance(tree, Mapping) or step not in tree:
                return False
            tree = tree[step]
        return True


def command_line(pairs: Iterable[tuple[str, str]]) -> Layer:
    """The layer that `--key value` pairs make."""
    tree: dict[str, Any] = {}
    for key, value in pairs:
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            held = node.get(parent, {})
            node[parent] = dict(flat(held)) if isinstance(flat(held), Mapping) else {}
            node = node[parent]
        if isinstance(node.get(last), dict) and not value.lstrip().startswith("{"):
            node[last][CLASS] = Typed(value)
        else:
            node[last] = Typed(value)
    return Layer("", tree)


def lay_over(kind: type, layers: Iterable[Layer]) -> dict[str, Any]:
    """The flat tree of all layers, the later over the earlier."""
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _merge(kind, tree, layer.tree, layer.typed)
    return tree


def nested(base: type, tree: Any) -> Any:
    """A flat tree in the form that is written down: `init_args` below every `class_path`.

    A chosen class has all its options written out, since jsonargparse lets options that the default's class has too
    keep that one's values.
    """
    kind = chosen(base, tree)
    if kind is None or not isinstance(tree, Mapping):
        return tree
    if CLASS in tree:
        tree = _completed(kind, tree)
    hints, options = field_hints(kind), {}
    for name, value in tree.items():
        hint = hints.get(name)
        part = settings_class(hint)
        if part is not None:
            options[name] = nested(part, value)
        elif has_named_parts(hint) and isinstance(value, Mapping):
            options[name] = {entry: nested(_part(hint), raw) for entry, raw in value.items()}
        elif name != CLASS:
            options[name] = value
    if CLASS not in tree:
        return options
    local = "<locals>" in kind.__qualname__  # defined inside a function: only its short name finds it
    return {CLASS: kind.__name__ if local else import_path(kind), "init_args": options}


def _completed(kind: type, tree: Mapping[str, Any]) -> dict[str, Any]:
    """A flat tree of `kind` with the defaults of that class below what it holds."""
    hints, whole = field_hints(kind), dict(tree)
    for entry in fields(kind):
        default, part = default_of(entry), settings_class(hints[entry.name])
        if default is MISSING or not entry.init:
            continue
        held = whole.setdefault(entry.name, default)
        if part is not None and isinstance(held, Mapping) and CLASS not in held:
            whole[entry.name] = _merge(part, default, held, typed=False)
    return whole


def _part(hint: Any) -> type:
    part = settings_class(entry_hint(hint))
    assert part is not None, "only asked of named settings"
    return part


def _merge(base: type, older: Any, newer: Any, typed: bool) -> Any:
    older, newer = flat(older), flat(newer)
    if not isinstance(newer, Mapping):
        return newer
    result = dict(older) if isinstance(older, Mapping) else {}
    kind = chosen(base, {**({CLASS: result[CLASS]} if CLASS in result else {}), **newer})
    hints = field_hints(kind) if kind is not None else {}
    if CLASS in newer and newer[CLASS] != result.get(CLASS):
        result = {name: value for name, value in result.items() if name in hints}
    for name, value in newer.items():
        hint = hints.get(name)
        part, named = settings_class(hint), has_named_parts(hint)
        if name == CLASS:
            result[CLASS] = str(value) if isinstance(value, str) else value
        elif part is not None:
            absent = typed_value(hint, value) is None
            result[name] = None if absent else _merge(part, result.get(name, {}), value, typed)
        elif named and isinstance(inline := inline_mapping(value), Mapping):
            result[name] = _merge_named(hint, result.get(name, {}), inline, typed)
        elif typed and isinstance(value, Mapping) and entry_hint(hint) is not None:
            added = {entry: typed_value(entry_hint(hint), item) for entry, item in value.items()}
            result[name] = {**(result.get(name) or {}), **added}
        else:
            result[name] = typed_value(hint, value)
    return result


def _merge_named(hint: Any, older: Any, newer: Mapping[str, Any], typed: bool) -> dict[str, Any]:
    known = older if isinstance(older, Mapping) else {}
    merged = {name: _merge(_part(hint), known.get(name, {}), value, typed) for name, value in newer.items()}
    return {**known, **merged} if typed else merged
