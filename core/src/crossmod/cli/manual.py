"""The options of a recipe as help text: each with what it takes, what it means and what it holds now."""

from __future__ import annotations

import inspect
import textwrap
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from crossmod.cli.layers import lay_over
from crossmod.cli.options import CLASS, Option, flat, summary, survey
from crossmod.cli.recipe_text import write_yaml
from crossmod.cli.recipes import recipe_layers
from crossmod.domain import Domain, Evaluation

_WIDTH = 110
_INDENT = 36


def recipe_manual(domain: Domain, words: Sequence[str]) -> str:
    """Every option of a domain's recipe, with the values that this command line would run with."""
    layers = recipe_layers(domain, words)
    files = ", ".join(layer.origin for layer in layers if layer.origin)
    tree = lay_over(domain.recipe, layers)
    lines = [f"Packaged recipes (--config NAME): {', '.join(domain.recipe_names())}", ""]
    lines += [f"Options, with their values [in brackets] from {files or 'the command line'}:"]
    for option in survey(domain.recipe, tree):
        if "." not in option.key:
            lines += ["", *textwrap.wrap(f"{option.key}: {option.meaning}", _WIDTH)]
        lines += _option(option, told="." not in option.key)
    return "\n".join(lines)


def evaluation_manual(evaluation: Evaluation) -> str:
    """The options of one named evaluation."""
    lines = [f"{evaluation.name}: {evaluation.summary}", "", f"Options of --on {evaluation.name}:"]
    for option in survey(evaluation.settings, {}):
        lines += _option(option)
    doc = summary(evaluation.settings)
    return "\n".join([lines[0], *([doc] if doc else []), *lines[1:]])


def _option(option: Option, *, told: bool = False) -> Iterator[str]:
    meaning = "" if told else f"{option.meaning} "
    if option.classes and inspect.isclass(option.hint) and not inspect.isabstract(option.hint):
        return  # the recipe fixes this part's class: only its options are of interest
    if option.classes:
        tree = flat(option.value)
        chosen = isinstance(tree, dict) and CLASS in tree
        others = option.classes[1:] if chosen else option.classes
        text = f"{option.classes[0]}" if chosen else "no class yet"
        text += f"; or {', '.join(others)}" if others else ""
        yield from _entry(f"--{option.key} CLASS", f"{meaning}[{text}]")
    elif option.value is MISSING and option.hint is not MISSING and typing.get_origin(option.hint) is dict:
        yield from _entry(f"--{option.key}.NAME CLASS", "add a part of that name, or choose another class for it")
    else:
        value = "[required]" if option.value is MISSING else f"[{_value(option.value)}]"
        yield from _entry(f"--{option.key} {_metavar(option.hint)}", f"{meaning}{value}")


def _entry(left: str, text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text.strip(), _WIDTH - _INDENT, break_long_words=False) or [""]
    if len(left) > _INDENT - 4:
        yield f"  {left}"
    else:
        yield f"  {left}".ljust(_INDENT) + wrapped.pop(0)
    yield from (" " * _INDENT + line for line in wrapped)


def _value(value: Any) -> str:
    text = write_yaml(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value)
    lines = text.removesuffix("...\n").strip().splitlines()
    if len(lines) > 1:
        return str(list(value) if isinstance(value, tuple) else value).replace("'", "")
    return lines[0]


def _metavar(hint: Any) -> str:
    names = {int: "N", float: "X", bool: "true|false", str: "TEXT", Path: "PATH"}
    if hint in names:
        return names[hint]
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return "|".join(map(str, parts))
    if type(None) in parts:
        return "|".join("null" if part is type(None) else _metavar(part) for part in parts)
    return "MAPPING" if typing.get_origin(hint) is dict else "[A,B]" if parts else "VALUE"
