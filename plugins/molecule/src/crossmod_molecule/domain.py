"""What this package hands to crossmod: the molecule domain (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import crossmod_molecule.corpus.embedded  # noqa: F401 - makes its settings known to the command line
from crossmod.domain import Domain, Evaluation
from crossmod.recipe import Recipe, TowerSettings, TowersSettings
from crossmod_molecule.data import MoleculeData
from crossmod_molecule.encoders.settings import GraphIsomorphism
from crossmod_molecule.evaluations import MoleculeNetSettings, Text2MolSettings


@dataclass(frozen=True, kw_only=True)
class MoleculeTowers(TowersSettings):
    """The encoders of molecules and of their texts.

    Args:
        molecule: The encoder of structures, given as SMILES.
        text: The encoder of names and descriptions.
    """

    molecule: TowerSettings = field(default_factory=GraphIsomorphism)
    text: TowerSettings


@dataclass(frozen=True, kw_only=True)
class MoleculeRecipe(Recipe):
    """A run on molecules and texts.

    Args:
        data: The corpus of molecules and texts.
        towers: The encoders of both.
    """

    data: MoleculeData
    towers: MoleculeTowers


domain = Domain(
    name="molecule",
    summary="Molecular graphs with names and descriptions",
    recipe=MoleculeRecipe,
    recipes=Path(__file__).parent / "recipes",
    evaluations={
        "text2mol": Evaluation(
            name="text2mol",
            summary="text to molecule by Text2Mol's protocol: each text against all molecules of the corpus",
            target="crossmod.evaluation.retrieval:evaluate",
            settings=Text2MolSettings,
        ),
        "moleculenet": Evaluation(
            name="moleculenet",
            summary="linear probes on measured properties, beside the untrained tower and Morgan fingerprints",
            target="crossmod_molecule.moleculenet:evaluate",
            settings=MoleculeNetSettings,
        ),
    },
    drawings={"molecule": "crossmod_molecule.drawing:draw_molecule"},
)
