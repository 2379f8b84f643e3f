"""Reads one language of Common Voice: three tables, one a split, and the folder of clips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.rows import UnusableRow
from crossmod.sources.tables import Row, Table, open_table
from crossmod_speech.corpora.settings import CommonVoice
from crossmod_speech.corpora.utterances import Reading, Utterance
from crossmod_speech.sources import SpeechSource

TABLES = {"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "test"}

ATTRIBUTES = {"sex": ("gender",), "age": ("age",), "accent": ("accents", "accent"), "language": ("locale",)}
"""By attribute, the columns that may hold it; older releases name some otherwise."""

SEXES = {"male": "male", "male_masculine": "male", "female": "female", "female_feminine": "female"}


def read_common_voice(settings: CommonVoice) -> Reading:
    """Read the tables that are there.

    Raises:
        UserError: There is none, or it lacks a column.
    """
    root = Path(settings.root)
    found = {root / name: split for name, split in TABLES.items() if (root / name).is_file()}
    if not found:
        raise UserError(f"{root} has none of {', '.join(TABLES)}; give the folder of one language with --data.root.")
    rejected: list[Rejected] = []
    utterances = [
        utterance
        for path, split in found.items()
        for utterance in _table(open_table(path), split, root / "clips", rejected)
    ]
    facts = {
        "source": "Common Voice (arXiv:1912.06670)",
        "licence": "CC0-1.0",
        "split": "its own train, dev and test tables, by speaker",
    }
    return Reading("Common Voice", utterances, facts=facts, rejected=rejected)


def _table(table: Table, split: str, clips: Path, rejected: list[Rejected]) -> Iterator[Utterance]:
    at = {name: table.position(name) for name in ("client_id", "path", "sentence")}
    attributes = {
        name: next((table.columns.index(one) for one in columns if one in table.columns), -1)
        for name, columns in ATTRIBUTES.items()
    }
    lines: dict[str, int] = {}
    for row in table.rows:
        try:
            yield _utterance(row, at, attributes, split, clips, lines)
        except UnusableRow as fault:
            rejected.append(fault.at(row.line))


def _utterance(
    row: Row, at: dict[str, int], attributes: dict[str, int], split: str, clips: Path, lines: dict[str, int]
) -> Utterance:
    if row.fault:
        raise UnusableRow("speech", "\t".join(map(str, row.cells)), row.fault)
    cell = str(row.cells[at["path"]]).strip()
    text = " ".join(str(row.cells[at["sentence"]]).split())
    if not cell:
        raise UnusableRow("speech", text, "the cell of 'path' is empty: no recording")
    if not text:
        raise UnusableRow("text", cell, "its text is empty")
    if lines.setdefault(cell, row.line) != row.line:
        raise UnusableRow("speech", cell, f"the same recording stands on line {lines[cell]} already")
    try:
        # The first releases leave the suffix out.
        path = below_root(clips, cell if Path(cell).suffix else f"{cell}.mp3")
    except EscapingPath as fault:
        raise UnusableRow("speech", cell, str(fault)) from None
    known = {name: str(row.cells[place]).strip() for name, place in attributes.items() if place >= 0}
    known["sex"] = SEXES.get(known.get("sex", ""), "")
    speaker = str(row.cells[at["client_id"]]).strip()
    return Utterance(cell, speaker, split, SpeechSource(str(path)), row.line, (text,), {}, known)
