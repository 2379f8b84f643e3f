"""Reads a `MoleculeTable`: a user's own table of structures and texts."""

from __future__ import annotations

from pathlib import Path

from crossmod.contracts.corpus import Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.splits import read_split
from crossmod.sources.tables import open_table
from crossmod_molecule.data import MoleculeTable
from crossmod_molecule.observations import Observation, assemble_corpus, listed_texts
from crossmod_molecule.splitting import splitter

Texts = dict[str, list[tuple[str, int]]]


def read_molecule_table(settings: MoleculeTable) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: A file, a column or the settings do not fit together; the sentence says which.
    """
    split = splitter(settings.split_by, settings.fractions, settings.split_seed)
    if settings.text_tables and not settings.id:
        raise UserError("data.text_tables are joined by identifier; name the column with `--data.id`.")
    rejected: list[Rejected] = []
    further = _further_texts(settings, rejected)
    observations = _observations(settings, further, rejected)
    facts = {"source": Path(settings.path).name, "split": _split_in_words(settings)}
    if settings.text_tables:
        known = {observation.id for observation in observations}
        facts["identifiers of text tables without a molecule"] = str(len(further.keys() - known))
    return assemble_corpus(
        Path(settings.path).name,
        observations,
        splitter=split,
        scaffolds=settings.split_by == "scaffold",
        workers=settings.workers,
        rejected=rejected,
        facts=facts,
    )


def _text_columns(text: str | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _observations(settings: MoleculeTable, further: Texts, rejected: list[Rejected]) -> list[Observation]:
    """Observations of the table, each molecule's further texts with its first row."""
    table = open_table(settings.path)
    smiles_at = table.position(settings.smiles)
    wanted = _text_columns(settings.text)
    if settings.text_tables:
        wanted = [name for name in wanted if name in table.columns]
    texts_at = [table.position(name) for name in wanted]
    id_at = table.position(settings.id) if settings.id else -1
    split_at = table.position(settings.split_column) if settings.split_by == "column" else -1
    observations: list[Observation] = []
    seen: set[str] = set()
    for number, row in enumerate(table.rows, 1):
        if row.fault:
            rejected.append(Rejected("row", row.line, "\t".join(map(str, row.cells))[:200], row.fault))
            continue
        smiles = str(row.cells[smiles_at]).strip()
        identifier = str(row.cells[id_at]).strip() if id_at >= 0 else f"row-{number}"
        split = read_split(str(row.cells[split_at]), settings.path, row.line) if split_at >= 0 else ""
        if not smiles or not identifier:
            missing = settings.id if smiles else settings.smiles
            rejected.append(Rejected("molecule", row.line, identifier or smiles, f"the cell of {missing!r} is empty"))
            continue
        texts = [(text, row.line) for position in texts_at for text in listed_texts(row.cells[position])]
        if identifier not in seen:
            seen.add(identifier)
            texts += further.get(identifier, [])
        distinct = dict(reversed(texts)) or {"": row.line}
        observations += [
            Observation(identifier, smiles, row.line, text, line, split) for text, line in reversed(distinct.items())
        ]
    return observations


def _further_texts(settings: MoleculeTable, rejected: list[Rejected]) -> Texts:
    """Texts of the text tables by identifier."""
    texts: Texts = {}
    for path in settings.text_tables:
        table = open_table(path)
        id_at = table.position(settings.id)
        wanted = _text_columns(settings.text)
        present = [name for name in wanted if name in table.columns]
        positions = [table.position(name) for name in present or wanted]
        for row in table.rows:
            if row.fault:
                rejected.append(Rejected("row", row.line, "\t".join(map(str, row.cells))[:200], row.fault))
                continue
            own = texts.setdefault(str(row.cells[id_at]).strip(), [])
            own += [(text, row.line) for position in positions for text in listed_texts(row.cells[position])]
    return texts


def _split_in_words(settings: MoleculeTable) -> str:
    shares = "/".join(f"{100 * share:g}" for share in settings.fractions)
    if settings.split_by == "column":
        return f"column {settings.split_column}"
    if settings.split_by == "scaffold":
        return f"Bemis-Murcko scaffold, {shares}, largest scaffold sets first"
    return f"random by group, {shares}, seed {settings.split_seed}"
