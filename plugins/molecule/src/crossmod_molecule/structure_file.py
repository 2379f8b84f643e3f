"""Reads a `StructureFile`: an SD file, record by record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossmod.contracts.corpus import Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.splits import read_split
from crossmod.sources.tables import text_lines
from crossmod_molecule.data import StructureFile
from crossmod_molecule.observations import Observation, assemble_corpus, listed_texts
from crossmod_molecule.splitting import splitter
from crossmod_molecule.structures import silent_rdkit

LONGEST_RECORD_CHARACTERS = 16 << 20
"""No molecule takes so much; a file without ends of record must not be held in memory whole."""


def read_structure_file(settings: StructureFile) -> Corpus:
    """Read the corpus; the line of a record is its number in the file.

    Raises:
        UserError: The file is missing, empty, or lacks a named property in every record.
    """
    split = splitter(settings.split_by, settings.fractions, settings.split_seed)
    wanted = [settings.text] if isinstance(settings.text, str) else list(settings.text)
    rejected: list[Rejected] = []
    observations: list[Observation] = []
    properties: set[str] = set()
    for number, molecule in enumerate(_records(Path(settings.path)), 1):
        if molecule is None or not molecule.GetNumAtoms():
            reason = "RDKit cannot read the record" if molecule is None else "the record has no atoms"
            rejected.append(Rejected("molecule", number, f"record {number}", reason))
            continue
        values = molecule.GetPropsAsDict(includePrivate=False, includeComputed=False, autoConvertStrings=False)
        properties |= values.keys()
        title = molecule.GetProp("_Name") if molecule.HasProp("_Name") else ""
        identifier = str(values.get(settings.id, "") if settings.id else title).strip() or f"row-{number}"
        stated = str(values.get(settings.split_column, "")) if settings.split_by == "column" else ""
        texts = list(dict.fromkeys(text for name in wanted for text in listed_texts(values.get(name, ""))))
        observations += [
            Observation(
                identifier,
                silent_rdkit().MolToSmiles(molecule),
                number,
                text,
                number,
                read_split(stated, settings.path, number),
            )
            for text in texts or [""]
        ]
    if not observations and not rejected:
        raise UserError(f"{settings.path} is empty; it needs SD records.")
    _require(settings, [*wanted, *([settings.id] if settings.id else [])], properties, len(observations))
    return assemble_corpus(
        Path(settings.path).name,
        observations if settings.id else _unique_titles(observations),
        splitter=split,
        scaffolds=settings.split_by == "scaffold",
        workers=settings.workers,
        rejected=rejected,
        facts={"source": Path(settings.path).name},
    )


def _records(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path.")
    name = path.name.lower()
    if Path(name.removesuffix(".gz")).suffix not in (".sdf", ".sd"):
        raise UserError(f"{path} is not named as an SD file (.sdf or .sd, also .gz); use MoleculeTable for tables.")
    record: list[str] = []
    size = 0
    for number, line in enumerate(text_lines(path), 1):
        if line.startswith("$$$$"):
            yield _molecule(record)
            record, size = [], 0
        else:
            record.append(line)
            size += len(line) + 1
            if size > LONGEST_RECORD_CHARACTERS:
                raise UserError(f"{path} has no end of record ($$$$) in the lines up to {number}; it is no SD file.")
    if any(line.strip() for line in record):
        yield _molecule(record)


def _molecule(record: list[str]) -> Any:
    """RDKit's molecule with its properties; None where it cannot read the record."""
    supplier = silent_rdkit().SDMolSupplier()
    supplier.SetData("\n".join([*record, "$$$$", ""]))
    return next(iter(supplier), None)


def _require(settings: StructureFile, wanted: list[str], properties: set[str], observations: int) -> None:
    """Refuse a property that no record has."""
    for name in wanted:
        if observations and name not in properties:
            found = ", ".join(sorted(properties)[:20]) or "none"
            raise UserError(
                f"no record of {settings.path} has a property {name!r}; its properties are {found}; name one of them."
            )


def _unique_titles(observations: list[Observation]) -> list[Observation]:
    """Titles that stand on several records give way to the record's number: many programs write one title for all."""
    records: dict[str, set[int]] = {}
    for observation in observations:
        records.setdefault(observation.id, set()).add(observation.line)
    return [
        observation if len(records[observation.id]) == 1 else replace(observation, id=f"row-{observation.line}")
        for observation in observations
    ]
