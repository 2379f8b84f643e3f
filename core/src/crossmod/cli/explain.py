"""Why a recipe was refused, in one sentence: which option, from which file, and what it takes."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import chain
from typing import Any

from crossmod.cli.arguments import closest
from crossmod.cli.layers import Layer, lay_over
from crossmod.cli.options import (
    CLASS,
    chosen,
    concrete_classes,
    field_hints,
    flat,
    has_named_parts,
    settings_class,
    survey,
)
from crossmod.cli.values import entry_hint, expected, fits, quoting, shown


@dataclass(frozen=True)
class Problem:
    """One refused option: its key, and the sentence, in which {key} and {dash} stand for how it was written."""

    key: str
    sentence: str

    def say(self, dash: str) -> str:
        """The sentence, with keys written for the command line (`--`) or for a file (nothing)."""
        return self.sentence.replace("{key}", f"{dash}{self.key}").replace("{dash}", dash)


def explanation(kind: type, layers: Sequence[Layer]) -> str | None:
    """The sentence for the first thing in these layers that `kind` does not take; None when nothing is found."""
    tree = lay_over(kind, layers)
    known = [option.key for option in survey(kind, tree)]
    for problem in chain(_refused(kind, tree, "", known), _missing(kind, tree, "")):
        source = next((layer for layer in reversed(layers) if layer.holds(problem.key)), None)
        if source is None or source.typed:
            return problem.say("--")
        return f"{source.origin}: {problem.say('')}"
    return None


def _refused(kind: type, tree: Mapping[str, Any], prefix: str, known: Sequence[str]) -> Iterator[Problem]:
    hints = field_hints(kind)
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if name == CLASS:
            continue
        if name not in hints:
            yield Problem(key, _no_option(kind, key, prefix, known))
        elif (part := settings_class(hints[name])) is not None:
            yield from _refused_part(part, hints[name], value, key, known)
        elif has_named_parts(hints[name]):
            yield from _refused_named(hints[name], value, key, known)
        elif entry_hint(hints[name]) is not None and isinstance(value, Mapping):
            for entry, item in value.items():
                if not fits(entry_hint(hints[name]), item):
                    takes = expected(entry_hint(hints[name]))
                    yield Problem(f"{key}.{entry}", f"{{key}} takes {takes}, not {shown(item)}.")
        elif not fits(hints[name], value):
            yield Problem(
                key, f"{{key}} takes {expected(hints[name])}, not {shown(value)}{quoting(hints[name], value)}."
            )


def _refused_named(hint: Any, value: Any, key: str, known: Sequence[str]) -> Iterator[Problem]:
    part = entry_hint(hint)
    base = settings_class(part)
    assert base is not None, "named parts are settings"
    if not isinstance(value, Mapping):
        names = ", ".join(sorted(concrete_classes(base)))
        yield Problem(key, f"{{key}} takes a mapping from names to {names}, not {shown(value)}.")
        return
    for entry, raw in value.items():
        yield from _refused_part(base, part, raw, f"{key}.{entry}", known)


def _refused_part(base: type, hint: Any, raw: Any, key: str, known: Sequence[str]) -> Iterator[Problem]:
    tree = flat(raw)
    names = sorted(concrete_classes(base))
    choices = ", ".join(names) or "no class that is imported"
    if tree is None and type(None) in typing.get_args(hint):
        return
    if not isinstance(tree, Mapping):
        yield Problem(key, f"{{key}} takes {choices}, not {shown(raw)}.")
        return
    kind = chosen(base, tree)
    if kind is None or inspect.isabstract(kind):
        name = tree.get(CLASS)
        if name is None:
            yield Problem(
                key, f"{{key}} has no class yet: {{dash}}{key} takes one of {choices}{_near_part(key, known)}"
            )
            return
        hint_text = closest(str(name).rpartition(".")[2], names)
        near = f"; did you mean {hint_text}?" if hint_text else f"; it takes {choices}."
        yield Problem(key, f"{{key}} names '{name}', which is no class that it takes{near}")
        return
    yield from _refused(kind, tree, f"{key}.", known)


def _missing(kind: type, tree: Mapping[str, Any], prefix: str) -> Iterator[Problem]:
    for entry in fields(kind):
        key, hint = f"{prefix}{entry.name}", field_hints(kind)[entry.name]
        part = settings_class(hint)
        if entry.name not in tree:
            if entry.default is MISSING and entry.default_factory is MISSING:
                takes = expected(hint) if part is None else f"one of {', '.join(sorted(concrete_classes(part)))}"
                yield Problem(key, f"{{key}} is not set, and {kind.__name__} needs it: give {takes}.")
        elif part is not None:
            yield from _missing_part(part, tree[entry.name], key)
        elif has_named_parts(hint):
            for name, raw in tree[entry.name].items():
                yield from _missing_part(typing.cast(type, settings_class(entry_hint(hint))), raw, f"{key}.{name}")


def _missing_part(base: type, raw: Any, key: str) -> Iterator[Problem]:
    tree = flat(raw)
    kind = chosen(base, tree)
    if kind is not None and isinstance(tree, Mapping):
        yield from _missing(kind, tree, f"{key}.")


def _near_part(key: str, known: Sequence[str]) -> str:
    near = closest(key, [option for option in known if option != key and option.count(".") == key.count(".")])
    return f"; did you mean {{dash}}{near}?" if near else "."


def _no_option(kind: type, key: str, prefix: str, known: Sequence[str]) -> str:
    siblings = [option for option in known if option.startswith(prefix) and "." not in option[len(prefix) :]]
    near = closest(key, siblings) or closest(key, known)
    owner = f" of {kind.__name__}" if prefix else ""
    if near:
        return f"there is no option {{key}}{owner}; did you mean {{dash}}{near}?"
    names = ", ".join(option[len(prefix) :] for option in siblings)
    return f"there is no option {{key}}{owner}; it has {names or 'none'}."
