"""Reads `Chebi20`: the candidate structures, their names and their descriptions, with the published split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from crossmod.contracts.corpus import SPLITS, Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.splits import by_hash, read_split
from crossmod.sources.tables import open_table
from crossmod_molecule.data import Chebi20
from crossmod_molecule.observations import Observation, assemble_corpus, listed_texts

SOURCE = "ChEBI-20 (Edwards et al. 2021, 2022); content of ChEBI, CC BY 4.0"


class Structure(NamedTuple):
    """One candidate: its SMILES, the line that states it, and its published split."""

    smiles: str
    line: int
    split: str


def read_chebi20(settings: Chebi20) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: The folder has neither layout, or lacks what `texts` asks for.
    """
    root = Path(settings.root)
    rejected: list[Rejected] = []
    if (root / "molecules.tsv.gz").is_file():
        observations = _Tables(settings, root, rejected).observations()
    elif (root / "train.txt").is_file():
        observations = _molt5(settings, root, rejected)
    else:
        raise UserError(
            f"{root} holds neither molecules.tsv.gz nor MolT5's train.txt; point `--data.root` at a ChEBI-20 folder."
        )
    return assemble_corpus(
        "ChEBI-20",
        observations,
        workers=settings.workers,
        rejected=rejected,
        facts={
            "source": SOURCE,
            "split": "as published",
            "texts": settings.texts,
            "description form": settings.description_form,
        },
    )


class _Tables:
    """The layout of one table a kind of text, each keyed by `cid`."""

    def __init__(self, settings: Chebi20, root: Path, rejected: list[Rejected]) -> None:
        self.settings = settings
        self.root = root
        self.rejected = rejected
        path = root / "molecules.tsv.gz"
        self.structures = {
            cid: Structure(smiles, line, read_split(split, str(path), line))
            for line, (cid, smiles, split) in _cells(path, rejected, "cid", "smiles", "split")
        }

    def observations(self) -> list[Observation]:
        """Every text with its molecule, and the molecules without one."""
        names = self.settings.texts != "descriptions"
        descriptions = self.settings.texts != "names"
        found = [*self._names()] if names else []
        # Training descriptions exist in MolT5's form only, and two forms are never mixed.
        if descriptions and self.settings.description_form == "description":
            found += self._told("train_part", {"train"}, "train")
        held_back = self._held_back()
        for observation in self._told("validation", {"validation"}, "train"):
            if observation.id in held_back:
                found.append(self._observe(observation.id, observation.text, observation.text_line, "validation"))
            elif descriptions:
                found.append(observation)
        found += self._told("test", {"test"}, "test")
        assert not any(o.split == "train" and self.structures[o.id].split == "test" for o in found), (
            "a text of a test molecule would train"
        )
        if self.settings.candidates:
            told = {observation.id for observation in found}
            found += [self._observe(cid, "", 0, "") for cid in self.structures if cid not in told]
        return found

    def _names(self) -> Iterator[Observation]:
        """Name and synonyms of training molecules; those of other molecules are never read as texts."""
        for line, (cid, name, synonyms) in self._rows("names", "cid", "name", "synonyms"):
            if self.structures[cid].split == "train":
                for text in dict.fromkeys([name.strip(), *listed_texts(synonyms)]):
                    if text:
                        yield self._observe(cid, text, line, "train")

    def _told(self, table: str, published: set[str], split: str) -> Iterator[Observation]:
        """Descriptions of a table, of molecules whose published split is among `published`."""
        for line, (cid, text) in self._rows(table, "cid", self.settings.description_form):
            if text.strip() and self.structures[cid].split in published:
                weight = self.settings.description_weight if split == "train" else 1.0
                yield self._observe(cid, text.strip(), line, split, weight)

    def _held_back(self) -> set[str]:
        cids = [observation.id for observation in self._told("validation", {"validation"}, "validation")]
        return set(by_hash(cids, self.settings.split_seed)[: self.settings.held_back])

    def _rows(self, table: str, *columns: str) -> Iterator[tuple[int, list[str]]]:
        path = self.root / f"{table}.tsv.gz"
        for line, cells in _cells(path, self.rejected, *columns):
            if cells[0] not in self.structures:
                raise UserError(f"line {line} of {path} has cid {cells[0]!r}, which is not in molecules.tsv.gz.")
            yield line, cells

    def _observe(self, cid: str, text: str, line: int, split: str, weight: float = 1.0) -> Observation:
        structure = self.structures[cid]
        return Observation(cid, structure.smiles, structure.line, text, line, split, weight)


def _molt5(settings: Chebi20, root: Path, rejected: list[Rejected]) -> list[Observation]:
    """MolT5's files, which write every backslash of a SMILES twice and hold every training description."""
    if settings.texts == "names" or settings.description_form != "description":
        raise UserError(f"{root} is MolT5's release, which has descriptions only; use `--data.texts descriptions`.")
    return [
        Observation(cid, smiles.replace("\\\\", "\\"), line, text.strip(), line, split)
        for split in SPLITS
        for line, (cid, smiles, text) in _cells(root / f"{split}.txt", rejected, "CID", "SMILES", "description")
    ]


def _cells(path: Path, rejected: list[Rejected], *columns: str) -> Iterator[tuple[int, list[Any]]]:
    """Line and named cells of every row that fits the header."""
    table = open_table(path)
    positions = [table.position(column) for column in columns]
    for row in table.rows:
        if row.fault:
            rejected.append(Rejected("row", row.line, "\t".join(map(str, row.cells))[:200], row.fault))
        else:
            yield row.line, [row.cells[position] for position in positions]
