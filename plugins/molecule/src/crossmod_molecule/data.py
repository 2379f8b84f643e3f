"""Settings of the corpora that this domain reads (torch-free): their class names are what a user types."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from crossmod.recipe import DataSettings

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class MoleculeData(DataSettings, ABC):
    """A corpus of molecules (SMILES) and texts about them."""


@dataclass(frozen=True, kw_only=True)
class MoleculeTable(MoleculeData):
    """A table of your own: CSV, TSV, JSON lines or Parquet, all but the last also gzipped.

    Molecules of equal canonical isomeric SMILES, and rows of equal text, share a group and are never each other's
    negatives. A molecule without text stays as a candidate.

    Args:
        path: The table.
        smiles: Its column of SMILES.
        text: Its column of texts, or several; a cell may hold one text or a JSON list of texts.
        id: Its column of identifiers; empty numbers the rows `row-1`, `row-2` and so on.
        split_by: "scaffold" lets no Bemis-Murcko scaffold stand in two splits, "random" no group, "column" reads
            `split_column`.
        split_column: Column that holds train, validation, test or nothing.
        fractions: Shares of train, validation and test (80/10/10 as in MoleculeNet, arXiv:1703.00564).
        split_seed: Seed of the random split.
        text_tables: Further tables with the `id` column and one or more of the `text` columns.
    """

    path: str
    smiles: str = "smiles"
    text: str | list[str] = "description"
    id: str = ""
    split_by: Literal["scaffold", "random", "column"] = "scaffold"
    split_column: str = "split"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0
    text_tables: list[str] = field(default_factory=list)

    def build(self) -> Corpus:
        """Read the corpus."""
        from crossmod_molecule.molecule_table import read_molecule_table

        return read_molecule_table(self)


@dataclass(frozen=True, kw_only=True)
class StructureFile(MoleculeData):
    """An SD file (`.sdf`, `.sd`, also gzipped), its properties as texts.

    Args:
        path: The file.
        text: The property that holds the text, or several; a value may be a JSON list of texts.
        id: The property that holds the identifier; empty takes the record's title, or `row-N` where that is blank.
        split_by: "scaffold", "random", or "column" for the property `split_column`.
        split_column: Property that holds train, validation, test or nothing.
        fractions: Shares of train, validation and test.
        split_seed: Seed of the random split.
    """

    path: str
    text: str | list[str] = "description"
    id: str = ""
    split_by: Literal["scaffold", "random", "column"] = "scaffold"
    split_column: str = "split"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0

    def build(self) -> Corpus:
        """Read the corpus."""
        from crossmod_molecule.structure_file import read_structure_file

        return read_structure_file(self)


@dataclass(frozen=True, kw_only=True)
class Chebi20(MoleculeData):
    """ChEBI-20 (Text2Mol, EMNLP 2021; MolT5, EMNLP 2022), with its published split.

    Two layouts are known: a folder with `molecules.tsv.gz`, `names.tsv.gz`, `train_part.tsv.gz`,
    `validation.tsv.gz` and `test.tsv.gz`, and MolT5's `train.txt`, `validation.txt` and `test.txt`. In the first,
    which holds few training descriptions, validation descriptions train too, but for those held back. No text of a
    test molecule, name or description, ever trains.

    Args:
        root: The folder.
        texts: What training reads: "names" are names and synonyms of training molecules.
        description_form: "description" has "The molecule" for the name (MolT5); "description_named" keeps the
            name (Text2Mol), for which no training descriptions exist but those of validation.
        description_weight: How often training draws a description against a name, and visits a molecule that has
            one against a molecule that has none.
        held_back: Validation descriptions that select the model instead of training it, the first in the order of
            the SHA-256 of `split_seed:cid`.
        split_seed: Seed of that order.
        candidates: Keep molecules without a text as candidates, so that retrieval ranks all 33,010.
    """

    root: str
    texts: Literal["names", "descriptions", "both"] = "both"
    description_form: Literal["description", "description_named"] = "description"
    description_weight: float = 1.0
    held_back: int = 500
    split_seed: int = 0
    candidates: bool = True

    def build(self) -> Corpus:
        """Read the corpus."""
        from crossmod_molecule.chebi20 import read_chebi20

        return read_chebi20(self)
