"""What a trained run or model folder says of itself, read without torch: its domain and its recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crossmod.cli.layers import Layer
from crossmod.cli.recipe_text import read_file
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.registry import load_domain


@dataclass(frozen=True)
class Trained:
    """A run folder, or a model folder.

    Args:
        path: The folder as the user named it.
        domain: The name of its domain.
    """

    path: Path
    domain: str

    def load_domain(self, given: Domain | None) -> Domain:
        """Its domain: the one that `--domain FOLDER` gave, or the installed one.

        Raises:
            UserError: The given one is another domain, or none of that name is installed.
        """
        if given is not None and given.name != self.domain:
            raise UserError(f"{self.path} is of the domain '{self.domain}', not of '{given.name}'.")
        return given if given is not None else load_domain(self.domain)

    def recipe(self) -> Layer:
        """Its resolved recipe.

        Raises:
            UserError: It was not kept, or cannot be read.
        """
        places = (self.path / "recipe.yaml", self.path / "model" / "recipe.yaml", self.path.parent / "recipe.yaml")
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            raise UserError(f"{self.path} has no recipe.yaml; give the run folder, or the model folder inside it.")
        return Layer(str(place), read_file(place))


def find_trained(path: Path) -> Trained:
    """Read the domain of a run folder or a model folder.

    Raises:
        UserError: There is no such folder, or it holds neither a run nor a model.
    """
    if not path.is_dir():
        raise UserError(f"there is no folder {path}; `ls runs` lists the runs of this folder.")
    for place in (path / "spec.json", path / "model" / "spec.json", path / "environment.json"):
        if place.is_file():
            return Trained(path, _domain(place))
    raise UserError(
        f"{path} is neither a run (environment.json) nor a model (spec.json); give a folder that `crossmod train` made."
    )


def _domain(place: Path) -> str:
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{place} is not JSON ({error}); it was damaged or written by another program.") from error
    name = facts.get("domain") if isinstance(facts, dict) else None
    if not isinstance(name, str):
        raise UserError(f'{place} does not say which domain it is of (no text under "domain").')
    return name
