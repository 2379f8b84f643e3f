"""The page of the shared library names all of it, and nothing that is not there."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "objectives.md"
LIBRARIES = (
    "crossmod.objectives",
    "crossmod.fusion",
    "crossmod.state",
    "crossmod.robustness",
    "crossmod_metrics",
    "crossmod_kernels",
)
MODULES = r"crossmod(?:_metrics|_kernels|\.\w+)(?:\.\w+)*"


@cache
def _page() -> str:
    return PAGE.read_text(encoding="utf-8")


@cache
def _named() -> frozenset[str]:
    """Every word between backticks, outside of blocks of code."""
    prose = re.sub(r"```.*?```", "", _page(), flags=re.DOTALL)
    return frozenset(word for code in re.findall(r"`([^`\n]+)`", prose) for word in re.findall(r"\w+", code))


@cache
def _library(name: str) -> ModuleType:
    return importlib.import_module(name)


def _table_names() -> list[str]:
    """The names in the first cell of every row of every table, headings aside."""
    rows = re.findall(r"^\|([^|\n]*)\|(?!.*\n\|[-| ]+$)", _page(), flags=re.MULTILINE)
    return [name for cell in rows for name in re.findall(r"`([\w.]+)`", cell)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_public_name_stands_on_the_page(library: str) -> None:
    missing = sorted(set(_library(library).__all__) - _named())
    assert not missing, f"{PAGE.name} does not name {', '.join(missing)} of {library}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_public_name_is_there_and_is_no_module_of_that_name(library: str) -> None:
    module = _library(library)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert not isinstance(getattr(module, name), ModuleType), f"{library}.{name} is hidden by a module of its name"


def test_every_name_in_a_table_exists() -> None:
    from crossmod.objectives import settings

    found = _table_names()
    assert len(found) > 100
    public = {name for library in LIBRARIES for name in _library(library).__all__}
    unknown = [name for name in found if not (name in public or _imported(name) or hasattr(settings, name))]
    assert not unknown, f"{PAGE.name} names {', '.join(unknown)}, which is nowhere to be had"


def test_every_import_on_the_page_gives_public_names() -> None:
    statements = re.findall(rf"^from ({MODULES}) import (?:\(([^)]*)\)|(.*))$", _page(), flags=re.MULTILINE)
    assert {module for module, _, _ in statements} >= set(LIBRARIES)
    for module, bracketed, plain in statements:
        for name in re.findall(r"\w+", bracketed or plain):
            public = getattr(_library(module), "__all__", None)
            assert hasattr(_library(module), name) and (public is None or name in public), f"{module} has no {name}"


def test_every_class_path_on_the_page_builds_a_recipe_part() -> None:
    from crossmod.cli.options import find_class
    from crossmod.cli.recipes import CORE_SETTINGS
    from crossmod.settings import Settings

    for module in CORE_SETTINGS:
        importlib.import_module(module)
    paths = re.findall(r"class_path: ([\w.]+)", _page())
    assert paths
    for path in paths:
        assert find_class(Settings, path) is not None, f"{PAGE.name} chooses {path}, which no recipe can"


def test_every_objective_of_a_recipe_is_named() -> None:
    from crossmod.cli.options import concrete_classes
    from crossmod.cli.recipes import CORE_SETTINGS
    from crossmod.recipe import ObjectiveSettings

    for module in CORE_SETTINGS:
        importlib.import_module(module)
    kinds = {name for name, kind in concrete_classes(ObjectiveSettings).items() if kind.__module__ in CORE_SETTINGS}
    assert kinds and not kinds - _named()


def _imported(name: str) -> bool:
    """Whether a dotted name, such as `crossmod.fusion.settings.CoAttention`, leads somewhere."""
    module, _, attribute = name.rpartition(".")
    if not re.fullmatch(MODULES, module):
        return False
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False
