"""Reads a `SpeechTable`: a user's own table of recordings, or of parts of them, and texts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.rows import LONGEST_VALUE, UnusableRow, stated
from crossmod.sources.splits import check_fractions, random_split, read_split
from crossmod.sources.tables import Row, Table, open_table
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance, word_prompts
from crossmod_speech.data import SpeechTable
from crossmod_speech.sources import SpeechSource


def read_speech_table(settings: SpeechTable) -> Reading:
    """Read the table.

    Raises:
        UserError: The file, a column or the settings do not fit together; the sentence says which.
    """
    check_fractions(settings.fractions)
    utterances, rejected = _Reader(settings, open_table(settings.path)).read()
    if settings.split_by != "column":
        utterances = _with_splits(settings, utterances)
    classes = [
        Classes(
            name,
            {
                value: word_prompts(value, settings.templates)
                for value in sorted({one.labels[name] for one in utterances if name in one.labels})
            },
        )
        for name in settings.labels
    ]
    facts = {"source": Path(settings.path).name, "split": settings.split_by}
    return Reading(Path(settings.path).name, utterances, classes, facts, rejected)


def _with_splits(settings: SpeechTable, utterances: Sequence[Utterance]) -> list[Utterance]:
    names = [one.speaker or f"{one.source.archive}\n{one.source.path}" for one in utterances]
    if settings.split_by == "speaker":
        splits = random_split(names, settings.fractions, settings.split_seed)
    else:
        named = dict.fromkeys(settings.validation_speakers, "validation") | dict.fromkeys(
            settings.test_speakers, "test"
        )
        if strangers := sorted(set(named) - set(names)):
            known = ", ".join(sorted({one.speaker for one in utterances if one.speaker})[:20])
            raise UserError(f"{settings.path} has no speaker {strangers[0]!r}; its speakers are {known}.")
        splits = [named.get(name, "train") for name in names]
    return [replace(one, split=split) for one, split in zip(utterances, splits, strict=True)]


class _Reader:
    """Walks the rows."""

    def __init__(self, settings: SpeechTable, table: Table) -> None:
        self.settings, self.table = settings, table
        self.root = Path(settings.root) if settings.root else Path(settings.path).parent
        if not self.root.exists():
            raise UserError(f"data.root {self.root} is neither a folder nor a ZIP archive; check the path.")
        self.is_archive = self.root.is_file()
        self.texts_at = [table.position(name) for name in _listed(settings.text)]
        self.audio_at = table.position(settings.audio)
        named = ("start", "end", "id", "speaker")
        self.at = {what: table.position(getattr(settings, what)) for what in named if getattr(settings, what)}
        if settings.split_by == "column":
            self.at["split"] = table.position(settings.split_column)
        elif settings.split_by == "named" and not settings.speaker:
            raise UserError("data.split_by named needs the column of speakers; give it with --data.speaker COLUMN.")
        self.labels_at = {name: table.position(name) for name in settings.labels}
        self.attributes_at = {name: table.position(name) for name in settings.attributes}
        self.lines: dict[str, int] = {}

    def read(self) -> tuple[list[Utterance], list[Rejected]]:
        """The utterances, and the rows that could not be used."""
        found: list[Utterance] = []
        rejected: list[Rejected] = []
        for row in self.table.rows:
            try:
                found.append(self._utterance(row))
            except UnusableRow as fault:
                rejected.append(fault.at(row.line))
        return found, rejected

    def _utterance(self, row: Row) -> Utterance:
        if row.fault:
            raise UnusableRow("speech", "\t".join(map(str, row.cells)), row.fault)
        cell = str(row.cells[self.audio_at]).strip()
        texts = tuple(dict.fromkeys(filter(None, (self._text(row.cells[at]) for at in self.texts_at))))
        if not cell:
            raise UnusableRow(
                "speech", texts[0] if texts else "", f"the cell of {self.settings.audio!r} is empty: no recording"
            )
        labels = {name: stated(row.cells[at]) for name, at in self.labels_at.items()}
        if not texts and not any(labels.values()):
            raise UnusableRow("text", cell, "its text is empty")
        source = self._source(cell, row)
        name = self._cell(row, "id") or self._place(source)
        self._require_first(name, cell, row.line)
        split = read_split(self._cell(row, "split"), self.settings.path, row.line)
        known = {name: stated(row.cells[at])[:LONGEST_VALUE] for name, at in self.attributes_at.items()}
        return Utterance(
            id=name,
            speaker=self._cell(row, "speaker"),
            split=split,
            source=source,
            line=row.line,
            texts=texts,
            labels={name: value for name, value in labels.items() if value},
            attributes={name: value for name, value in known.items() if value},
        )

    def _cell(self, row: Row, what: str) -> str:
        return str(row.cells[self.at[what]]).strip() if what in self.at else ""

    def _text(self, cell: object) -> str:
        text = " ".join(str(cell).split())
        return text.lower() if self.settings.lower_case else text

    def _source(self, cell: str, row: Row) -> SpeechSource:
        try:
            path = below_root(self.root, cell)
        except EscapingPath as fault:
            raise UnusableRow("speech", cell, str(fault)) from None
        start, end = (self._seconds(what, row, cell) for what in ("start", "end"))
        if self.is_archive:
            member = Path(os.path.relpath(path, self.root)).as_posix()
            return SpeechSource(member, start or 0.0, end, archive=str(self.root))
        return SpeechSource(str(path), start or 0.0, end)

    def _place(self, source: SpeechSource) -> str:
        """What names an utterance that has no name: its recording below the root, and its times."""
        path = source.path if source.archive else Path(os.path.relpath(source.path, self.root)).as_posix()
        if source.start_seconds == 0 and source.end_seconds is None:
            return path
        end = "end" if source.end_seconds is None else repr(source.end_seconds)
        return f"{path}:{source.start_seconds!r}-{end}"

    def _seconds(self, what: str, row: Row, cell: str) -> float | None:
        cell_of_time = self._cell(row, what)
        if not cell_of_time:
            return None
        try:
            return float(cell_of_time)
        except ValueError:
            raise UnusableRow(
                "speech", cell, f"its {what} is {cell_of_time[:40]!r}, which is no number of seconds"
            ) from None

    def _require_first(self, name: str, cell: str, line: int) -> None:
        first = self.lines.setdefault(name, line)
        if first != line:
            what = f"the id {name!r}" if self.settings.id else "the same recording"
            raise UnusableRow("speech", cell, f"{what} stands on line {first} already")


def _listed(text: str | list[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else list(text)
