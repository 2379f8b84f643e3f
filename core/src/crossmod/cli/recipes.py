"""The one adapter around jsonargparse: recipes from files and the command line, and back to text.

A recipe's parts are chosen by class name, short (`MoleculeTable`) or with its module. Short names resolve among the
classes imported so far, so a domain's module imports the settings modules whose classes its users may name; core's
own (`CORE_SETTINGS`) are imported here. jsonargparse converts the values and builds the tree; what a recipe cannot
take is refused before, by `crossmod.cli.explain`, in one sentence that names the option and its file.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crossmod.cli.arguments import Arguments, assignments, suggestion
from crossmod.cli.explain import explanation
from crossmod.cli.layers import Layer, command_line, lay_over, nested
from crossmod.cli.options import field_hints, subclasses
from crossmod.cli.recipe_dump import dump_recipe
from crossmod.cli.recipe_text import read_file, read_mapping, write_yaml
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.objectives.settings import FAMILY_SETTINGS
from crossmod.recipe import Recipe
from crossmod.settings import Settings

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

__all__ = [
    "CORE_SETTINGS",
    "dump_recipe",
    "parse_recipe",
    "parse_settings",
    "read_recipe",
    "recipe_layers",
    "recipe_parser",
]

CORE_SETTINGS = (
    "crossmod.text.settings",
    "crossmod.vectors.settings",
    "crossmod.objectives.settings",
    *FAMILY_SETTINGS,
)
"""Core's modules whose classes a recipe may name short."""

S = TypeVar("S", bound=Settings)


def recipe_parser(domain: Domain) -> ArgumentParser:
    """The jsonargparse parser of a domain's recipe: no abbreviations, no environment variables, no own help."""
    return _parser(domain.recipe)


def parse_recipe(domain: Domain, words: Sequence[str], base: Layer | None = None) -> Recipe:
    """Read `--config NAME|FILE` and `--option value` into a recipe.

    Files come first, in their order, whatever their place on the command line; options override them all.

    Args:
        domain: Whose recipe.
        words: The command line.
        base: What to start from; without it, `--config`, and without that, the packaged `default.yaml`.

    Raises:
        UserError: A file or option is refused; the sentence names it and what it takes.
    """
    return _parse(domain.recipe, recipe_layers(domain, words, base))


def read_recipe(domain: Domain, text: str, origin: str = "recipe.yaml") -> Recipe:
    """Read the text of one whole recipe, as `dump_recipe` wrote it.

    Raises:
        UserError: It is not a recipe of this domain.
    """
    _import_core_settings()
    return _parse(domain.recipe, [Layer(origin, read_mapping(text, origin))])


def parse_settings(kind: type[S], words: Sequence[str]) -> S:
    """Read `--option value` into one settings object, such as a named evaluation's.

    Raises:
        UserError: An option is refused.
    """
    return _parse(kind, [command_line(assignments(words))])


def recipe_layers(domain: Domain, words: Sequence[str], base: Layer | None = None) -> list[Layer]:
    """What a command line lays over each other: its recipe files, then its options.

    Raises:
        UserError: A recipe file is missing or unreadable, or a word is no option.
    """
    _import_core_settings()
    arguments = Arguments("", words)
    names = arguments.values("--config")
    files = [] if base is not None and not names else [_file(domain, name) for name in names or ["default"]]
    return [*([base] if base is not None else []), *files, command_line(assignments(arguments.rest()))]


def _file(domain: Domain, name: str) -> Layer:
    packaged = domain.recipe_names()
    if name in packaged:
        return Layer(f"{name}.yaml of {domain.name}", read_file(domain.recipes / f"{name}.yaml"))
    path = Path(name)
    if not path.exists() and not path.suffix and len(path.parts) == 1:
        names = ", ".join(packaged) or "none"
        raise UserError(
            f"there is no recipe '{name}': {domain.name} packages {names}, and no file has that "
            f"name{suggestion(name, packaged) or '.'}"
        )
    return Layer(name, read_file(path))


def _parse(kind: type[S], layers: Sequence[Layer]) -> S:
    refusal = explanation(kind, layers)
    if refusal is not None:
        raise UserError(refusal)
    parser, tree = _parser(kind), nested(kind, lay_over(kind, layers))
    try:
        options = vars(parser.instantiate(parser.parse_args([f"--config={write_yaml(tree)}"])))
    except UserError:
        raise
    except (argparse.ArgumentError, ValueError) as error:  # a type that `explanation` does not know, or __post_init__
        raise UserError(" ".join(str(error).split())[:300]) from error
    return kind(**{name: value for name, value in options.items() if name != "config"})


def _parser(kind: type) -> ArgumentParser:
    from jsonargparse import ArgumentParser

    _settle_annotations(Settings)
    parser = ArgumentParser(
        default_env=False, exit_on_error=False, allow_abbrev=False, add_help=False, print_config=None
    )
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(kind, None, fail_untyped=True)
    return parser


def _settle_annotations(kind: type) -> None:
    # Given text annotations, jsonargparse runs the modules' TYPE_CHECKING imports, which here means importing torch.
    for derived in subclasses(kind):
        _settle_annotations(derived)
    try:
        hints = field_hints(kind)
    except NameError:  # a type that only a type checker sees: jsonargparse finds it in its own, slower way
        return
    annotations = kind.__init__.__annotations__  # type: ignore[misc]
    annotations.update({name: hints[name] for name in annotations if name in hints})


def _import_core_settings() -> None:
    for name in CORE_SETTINGS:
        importlib.import_module(name)
