"""A domain's module and recipes: light to import, documented, and equal after writing and reading."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, ClassVar

from crossmod.cli.options import concrete_classes, docstring_arguments, field_hints, import_path, settings_class
from crossmod.cli.recipes import dump_recipe, parse_recipe, read_recipe
from crossmod.cli.values import entry_hint
from crossmod.testing.conformance.subject import Conformance

HEAVY = ("torch", "lightning", "rdkit", "monai", "nibabel", "rasterio", "librosa", "trimesh", "transformers")
"""What importing a domain may not import: `crossmod train DOMAIN --help` would wait for it."""

_LOOK = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


class RecipeConformance(Conformance):
    """The domain object, its module, its settings and its packaged recipes.

    Attributes:
        heavy: Modules that importing the domain's module may not import.
        required: By packaged recipe, the options that it leaves for the user to give, such as a path.
    """

    heavy: ClassVar[Sequence[str]] = HEAVY
    required: ClassVar[Mapping[str, Sequence[str]]] = {}

    def test_name_and_summary_can_be_listed(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", self.domain.name)
        assert self.domain.summary.strip() and "\n" not in self.domain.summary

    def test_default_recipe_is_packaged(self) -> None:
        assert self.domain.recipe_names()[:1] == ["default"]

    def test_packaged_recipe_reads_back_equal(self, packaged: str) -> None:
        recipe = parse_recipe(self.domain, [f"--config={packaged}", *self.required.get(packaged, ())])
        assert isinstance(recipe, self.domain.recipe)
        assert read_recipe(self.domain, dump_recipe(recipe)) == recipe

    def test_small_recipe_reads_back_equal(self, options: list[str]) -> None:
        recipe = parse_recipe(self.domain, options)
        assert read_recipe(self.domain, dump_recipe(recipe)) == recipe

    def test_importing_the_domain_is_light(self) -> None:
        look = subprocess.run(
            [sys.executable, "-c", _LOOK, self.domain.recipe.__module__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert look.returncode == 0, look.stderr
        imported = set(json.loads(look.stdout.splitlines()[-1]))
        assert self.domain.recipe.__module__ in imported
        assert imported.isdisjoint(self.heavy), sorted(imported & set(self.heavy))

    def test_every_option_is_explained(self) -> None:
        kinds = [self.domain.recipe, *(evaluation.settings for evaluation in self.domain.evaluations.values())]
        package = self.domain.recipe.__module__.partition(".")[0]
        assert [name for kind in kinds for name in unexplained_options(kind, package)] == []

    def test_evaluations_and_drawings_exist(self) -> None:
        for name, evaluation in self.domain.evaluations.items():
            assert evaluation.name == name and evaluation.summary.strip()
        targets = [evaluation.target for evaluation in self.domain.evaluations.values()]
        for target in [*targets, *self.domain.drawings.values()]:
            module, _, function = target.partition(":")
            assert callable(getattr(import_module(module), function, None)), f"{target} is no function"


def unexplained_options(kind: type, package: str) -> list[str]:
    """The options at and below `kind` that no `Args:` section explains, among the classes of one package."""
    return [
        f"{import_path(found)}.{entry.name}"
        for found in dict.fromkeys(_reachable(kind, set()))
        if found.__module__.partition(".")[0] == package
        for entry in fields(found)
        if not docstring_arguments(found).get(entry.name)
    ]


def _reachable(kind: Any, seen: set[Any]) -> Iterator[Any]:
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for hint in field_hints(kind).values():
        base = settings_class(hint) or settings_class(entry_hint(hint))
        if base is not None:
            for chosen in concrete_classes(base).values():
                yield from _reachable(chosen, seen)
