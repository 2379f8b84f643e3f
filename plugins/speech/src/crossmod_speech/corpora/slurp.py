"""Reads SLURP: sentences with scenario and action, and all recordings of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.rows import UnusableRow
from crossmod.sources.tables import Row, Table, open_table
from crossmod_speech.corpora.settings import Slurp
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance, word_prompts
from crossmod_speech.sources import SpeechSource

TABLES = {"train.jsonl": "train", "devel.jsonl": "validation", "test.jsonl": "test"}
HEADSET = "-headset"

FACTS = {
    "source": "SLURP (Bastianelli, Vanzo, Swietojanski, Rieser, EMNLP 2020)",
    "licence": "texts CC BY 4.0, recordings CC BY-NC 4.0",
}


def read_slurp(settings: Slurp) -> Reading:
    """Read the tables that are there.

    Raises:
        UserError: There is none, or it lacks a column.
    """
    root = Path(settings.root)
    audio = Path(settings.audio) if settings.audio else root
    found = {root / name: split for name, split in TABLES.items() if (root / name).is_file()}
    if not found:
        raise UserError(f"{root} has none of {', '.join(TABLES)}; give the folder of SLURP's tables with --data.root.")
    rejected: list[Rejected] = []
    utterances: list[Utterance] = []
    for path, split in found.items():
        table = open_table(path)
        at = {name: table.position(name) for name in ("slurp_id", "recordings")}
        for row, sentence in slurp_sentences(table, rejected):
            files = row.cells[at["recordings"]]
            for name in _files(files, row.line, sentence["sentence"], rejected):
                source = _source(audio, name, row.line, rejected)
                if source is not None:
                    utterances.append(
                        _utterance(f"{row.cells[at['slurp_id']]}/{name}", source, split, row.line, sentence)
                    )
    facts = {**FACTS, "split": "its own train, devel and test tables, which share speakers"}
    return Reading("SLURP", utterances, slurp_labels(utterances, settings.templates), facts, rejected)


def slurp_sentences(table: Table, rejected: list[Rejected]) -> Iterator[tuple[Row, Mapping[str, str]]]:
    """The rows of a table with their sentence, scenario and intent; what lacks one is set aside."""
    at = {name: table.position(name) for name in ("sentence", "scenario", "action")}
    for row in table.rows:
        try:
            if row.fault:
                raise UnusableRow("text", "\t".join(map(str, row.cells)), row.fault)
            cells = {name: " ".join(str(row.cells[place]).split()) for name, place in at.items()}
            if not cells["sentence"]:
                raise UnusableRow("text", f"{cells['scenario']} {cells['action']}", "its sentence is empty")
            if not cells["scenario"] or not cells["action"]:
                raise UnusableRow("text", cells["sentence"], "its scenario or its action is empty")
        except UnusableRow as fault:
            rejected.append(fault.at(row.line))
            continue
        yield row, {**cells, "intent": f"{cells['scenario']}_{cells['action']}"}


def slurp_labels(
    utterances: Sequence[Utterance], templates: Sequence[str], names: Sequence[str] = ("intent", "scenario")
) -> list[Classes]:
    """The labels of utterances, with the classes' names as words for prompts."""
    classes = {name: sorted({one.labels[name] for one in utterances if name in one.labels}) for name in names}
    return [
        Classes(name, {each: word_prompts(each, templates) for each in several})
        for name, several in classes.items()
        if several
    ]


def _files(recordings: Any, line: int, sentence: str, rejected: list[Rejected]) -> list[str]:
    """The names of the recordings of a row."""
    entries = recordings if isinstance(recordings, list) else []
    names = [str(entry["file"]) for entry in entries if isinstance(entry, dict) and entry.get("file")]
    if not names:
        rejected.append(UnusableRow("speech", sentence, "it names no recording").at(line))
    return list(dict.fromkeys(names))


def _source(audio: Path, name: str, line: int, rejected: list[Rejected]) -> SpeechSource | None:
    try:
        return SpeechSource(str(below_root(audio, name)))
    except EscapingPath as fault:
        rejected.append(UnusableRow("speech", name, str(fault)).at(line))
        return None


def _utterance(name: str, source: SpeechSource, split: str, line: int, sentence: Mapping[str, str]) -> Utterance:
    return Utterance(
        id=name,
        speaker="",
        split=split,
        source=source,
        line=line,
        texts=(sentence["sentence"],),
        labels={"intent": sentence["intent"], "scenario": sentence["scenario"]},
        attributes={"microphone": "headset" if HEADSET in Path(source.path).stem else "distant"},
    )
