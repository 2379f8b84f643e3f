"""Reads a `MedicalTable`: a user's own table of paths and texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossmod.contracts.corpus import Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.rows import NOTHING, UnusableRow
from crossmod.sources.splits import check_fractions, random_split, read_split
from crossmod.sources.tables import Row, Table, open_table
from crossmod_medical.corpora.attributes import attribute_value
from crossmod_medical.corpora.studies import StudyRecord, assemble_studies
from crossmod_medical.corpora.texts import report_texts
from crossmod_medical.data import MedicalTable
from crossmod_medical.reports.prompts import Finding
from crossmod_medical.reports.sections import HEADINGS

LABEL_VALUES = {"1": 1.0, "1.0": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0}


@dataclass
class _Study:
    """What the rows of one study gave so far."""

    patient: str
    split: str
    line: int
    images: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)


def read_medical_table(settings: MedicalTable) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: The file, a column or the settings do not fit together; the sentence says which.
    """
    check_fractions(settings.fractions)
    if strangers := [name for name in settings.sections if name not in HEADINGS]:
        raise UserError(f"data.sections has {strangers[0]!r}; the sections that are known are {', '.join(HEADINGS)}.")
    reader = _Reader(settings, open_table(settings.path))
    studies, rejected = reader.read()
    splits = _splits(settings, studies)
    records = [
        StudyRecord(
            id=name,
            patient=study.patient,
            split=split,
            images=list(study.images.items()),
            texts=list(study.texts.items()),
            labels=study.labels,
            attributes=study.attributes,
        )
        for (name, study), split in zip(studies.items(), splits, strict=True)
    ]
    findings = [Finding(name, (name.replace("_", " ").lower(),)) for name in settings.labels]
    facts = {"source": Path(settings.path).name, "studies": len(records), "split": settings.split_by}
    return assemble_studies(Path(settings.path).name, records, findings=findings, facts=facts, rejected=rejected)


def _splits(settings: MedicalTable, studies: dict[str, _Study]) -> list[str]:
    if settings.split_by == "column":
        return [study.split for study in studies.values()]
    return random_split([study.patient for study in studies.values()], settings.fractions, settings.split_seed)


class _Reader:
    """Walks the rows and gathers them by study."""

    def __init__(self, settings: MedicalTable, table: Table) -> None:
        self.settings, self.table = settings, table
        self.root = Path(settings.root) if settings.root else Path(settings.path).parent
        self.image_at = table.position(settings.image)
        self.texts_at = [table.position(name) for name in _listed(settings.text)]
        self.id_at = table.position(settings.id) if settings.id else -1
        self.patient_at = table.position(settings.patient) if settings.patient else -1
        self.split_at = table.position(settings.split_column) if settings.split_by == "column" else -1
        self.labels_at = {name: table.position(name) for name in settings.labels}
        self.attributes_at = {name: table.position(name) for name in settings.attributes}

    def read(self) -> tuple[dict[str, _Study], list[Rejected]]:
        """Studies by identifier, and the rows that could not be used."""
        studies: dict[str, _Study] = {}
        rejected: list[Rejected] = []
        for row in self.table.rows:
            try:
                self._take(row, studies)
            except UnusableRow as fault:
                rejected.append(fault.at(row.line))
        return studies, rejected

    def _take(self, row: Row, studies: dict[str, _Study]) -> None:
        if row.fault:
            raise UnusableRow("image", "\t".join(map(str, row.cells)), row.fault)
        cell = str(row.cells[self.image_at]).strip()
        path = self._path(cell) if cell else ""
        texts = self._texts(row)
        if not path and not texts:
            raise UnusableRow("image", cell, f"the cells of {self.settings.image!r} and of the text are both empty")
        if not texts:
            raise UnusableRow("text", cell, "its report is empty")
        name = str(row.cells[self.id_at]).strip() if self.id_at >= 0 else (cell or f"row-{row.line}")
        if not name:
            raise UnusableRow("image", cell, f"the cell of {self.settings.id!r} is empty")
        labels = {label: self._label(label, row.cells[at], cell) for label, at in self.labels_at.items()}
        patient = str(row.cells[self.patient_at]).strip() if self.patient_at >= 0 else name
        split = ""
        if self.split_at >= 0:
            split = read_split(str(row.cells[self.split_at]), self.settings.path, row.line)
        study = studies.setdefault(name, _Study(patient or name, split, row.line))
        self._require_same(name, study, patient or name, split, row.line)
        if path:
            study.images.setdefault(path, row.line)
        for text in texts:
            study.texts.setdefault(text, row.line)
        for attribute, at in self.attributes_at.items():
            if value := attribute_value(attribute, row.cells[at]):
                study.attributes.setdefault(attribute, value)
        study.labels.update({label: value for label, value in labels.items() if not math.isnan(value)})

    def _path(self, cell: str) -> str:
        try:
            return str(below_root(self.root, cell))
        except EscapingPath as fault:
            raise UnusableRow("image", cell, str(fault)) from None

    def _texts(self, row: Row) -> list[str]:
        reports = [str(row.cells[at]).strip() for at in self.texts_at]
        return [
            text
            for report in reports
            if report
            for text in report_texts(
                report,
                sections=self.settings.sections,
                each=self.settings.each_section,
                longest_words=self.settings.longest_words,
            )
        ]

    def _label(self, name: str, value: Any, item: str) -> float:
        word = str(value).strip().lower()
        if word in NOTHING:
            return math.nan
        if word not in LABEL_VALUES:
            raise UnusableRow(
                "image", item, f"its label {name} is {str(value)[:40]!r}, which is neither 0 nor 1 nor empty"
            )
        return LABEL_VALUES[word]

    def _require_same(self, name: str, study: _Study, patient: str, split: str, line: int) -> None:
        if (study.patient, study.split) != (patient, split):
            what = "patients" if study.patient != patient else "splits"
            raise UserError(
                f"{self.settings.path} gives study {name!r} two {what}, on lines {study.line} and {line}; "
                "give the rows of a study the same."
            )


def _listed(text: str | list[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else list(text)
