"""Settings of the default corpus: the molecules that RDKit ships (free of torch, numpy and rdkit)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod_molecule.data import MoleculeData

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class EmbeddedMolecules(MoleculeData):
    """About 16,000 molecules from the RDKit wheel, and sentences generated from what is measured on them.

    Nothing is downloaded. The texts state functional groups, rings, composition and properties; no person wrote
    them, and what a model learns from them is to read such statements off a structure.

    Args:
        texts: Generated texts a molecule.
        limit: Molecules, drawn at random by `seed`; 0 takes them all.
        split_by: "scaffold" keeps all molecules of a Murcko scaffold on one side; "random" ignores scaffolds.
        seed: Draws the facts, the wording, the limited molecules and the split.
    """

    texts: int = 4
    limit: int = 0
    split_by: Literal["scaffold", "random"] = "scaffold"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.texts < 1:
            raise UserError(f"data.texts is {self.texts}; a molecule needs at least one text.")
        if self.limit < 0:
            raise UserError(f"data.limit is {self.limit}; give a number of molecules, or 0 for all.")
        if self.split_by not in ("scaffold", "random"):
            raise UserError(f"data.split_by is '{self.split_by}'; take 'scaffold' or 'random'.")

    def build(self) -> Corpus:
        """Read, select, measure and describe the molecules.

        Raises:
            UserError: The RDKit wheel lacks one of the files, or the processes could not start.
        """
        from crossmod_molecule.corpus.assembly import Assembly

        return Assembly(self).corpus()
