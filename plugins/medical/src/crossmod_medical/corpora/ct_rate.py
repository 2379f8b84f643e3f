"""Reads a CT-RATE tree: which volumes there are, what their reports say, and what is known of their headers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crossmod.contracts.corpus import Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.splits import random_split
from crossmod.sources.tables import Row, Table, open_table
from crossmod_medical.corpora.ct_rate_attributes import read_attributes
from crossmod_medical.corpora.studies import StudyRecord, assemble_studies
from crossmod_medical.data import CtRate
from crossmod_medical.reports.chunks import chunk_report
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS
from crossmod_medical.sources import VolumeSource

REPORTS = ("train_reports.csv", "validation_reports.csv")
LABELS = ("train_predicted_labels.csv", "valid_predicted_labels.csv")
METADATA = ("train_metadata.csv", "validation_metadata.csv")
FOLDERS = ("radiology_text_reports", "multi_abnormality_labels", "metadata")

NOT_GIVEN = "not given."
"""What stands where a report has no such section."""

_NAME = re.compile(r"(train|valid)_(\d+)_([a-z]+)_(\d+)\.nii\.gz")


@dataclass(frozen=True)
class ScanName:
    """The name of a volume: which half of the data, patient, scan and reconstruction."""

    half: str
    patient: int
    scan: str
    reconstruction: int

    @classmethod
    def parse(cls, name: str) -> ScanName | None:
        """The parts of a file's name; None where it is none.

        >>> str(ScanName.parse("valid_53_a_1.nii.gz"))
        'valid_53_a_1.nii.gz'
        """
        found = _NAME.fullmatch(name)
        return cls(found[1], int(found[2]), found[3], int(found[4])) if found else None

    def __str__(self) -> str:
        return f"{self.study}_{self.reconstruction}.nii.gz"

    @property
    def patient_name(self) -> str:
        """The patient, as folders are named."""
        return f"{self.half}_{self.patient}"

    @property
    def study(self) -> str:
        """The scan, which all its reconstructions share with its report."""
        return f"{self.patient_name}_{self.scan}"

    def folders(self) -> tuple[str, ...]:
        """Where a tree may keep it, below its root."""
        below = f"{self.patient_name}/{self.study}"
        older = f"{self.patient_name}/{self.patient_name}{self.scan}"
        return f"{self.half}_fixed/{below}", f"{self.half}/{below}", f"{self.half}/{older}", below, older, ""


def read_ct_rate(settings: CtRate) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: There are no reports, or no volume of any of them.
    """
    if settings.version not in (1, 2):
        raise UserError(f"data.version is {settings.version}; CT-RATE has the versions 1 (raw values) and 2 (HU).")
    root = Path(settings.root)
    base = root / "dataset" if (root / "dataset").is_dir() else root
    rejected: list[Rejected] = []
    metadata = _metadata(base) if settings.version == 1 else {}
    labels, attributes = _labels(base, rejected), read_attributes(_tables(base, METADATA))
    studies: dict[str, StudyRecord] = {}
    absent = 0
    for name, line, texts in _reports(base, settings, rejected):
        path = _find(base, name)
        if path is None:
            absent += 1
            continue
        source = _source(path, name, line, settings, metadata, rejected)
        if source is None:
            continue
        record = studies.setdefault(
            name.study,
            StudyRecord(
                name.study,
                name.patient_name,
                "",
                [],
                [(text, line) for text in texts],
                labels.get(str(name), {}),
                attributes.get(str(name), {}),
            ),
        )
        assert isinstance(record.images, list)
        record.images.append((source, line))
    if not studies and absent:
        raise UserError(
            f"none of the {absent} volumes that the reports under {base} name is there; put them into "
            f"{base}/train{'_fixed' if settings.version == 2 else ''}, as CT-RATE does."
        )
    return assemble_studies(
        f"CT-RATE version {settings.version}",
        _with_splits(studies, settings),
        findings=CT_RATE_FINDINGS,
        rejected=rejected,
        facts={
            "source": "CT-RATE (arXiv:2403.17834), texts translated, labels by a classifier",
            "licence": "CC BY-NC-SA 4.0",
            "reports without a volume on disk": absent,
            "split": "the tree's valid scans test; training patients part into train and validation",
        },
    )


def _with_splits(studies: Mapping[str, StudyRecord], settings: CtRate) -> list[StudyRecord]:
    shares = (1.0 - settings.validation, settings.validation, 0.0)
    training = [record for record in studies.values() if record.patient.startswith("train")]
    drawn = random_split([record.patient for record in training], shares, settings.split_seed)
    split = {record.id: part for record, part in zip(training, drawn, strict=True)}
    return [replace(record, split=split.get(record.id, "test")) for record in studies.values()]


def _tables(base: Path, names: tuple[str, ...]) -> Iterator[Table]:
    """The tables of one kind, in their folder or beside the volumes."""
    for name in names:
        places = [base / name, *(base / folder / name for folder in FOLDERS)]
        path = next((place for place in places if place.is_file()), None)
        if path is not None:
            yield open_table(path)


def _reports(base: Path, settings: CtRate, rejected: list[Rejected]) -> Iterator[tuple[ScanName, int, list[str]]]:
    found = False
    for table in _tables(base, REPORTS):
        found = True
        name_at = table.position("VolumeName")
        at = [table.position("Findings_EN"), table.position("Impressions_EN")]
        for row in table.rows:
            name = _name(row, name_at, "text", rejected)
            if name is None:
                continue
            texts = _texts([_given(row.cells[place]) for place in at], settings)
            if texts:
                yield name, row.line, texts
            else:
                rejected.append(Rejected("text", row.line, str(name), "its findings and impression are empty"))
    if not found:
        raise UserError(f"{base} has neither {REPORTS[0]} nor {REPORTS[1]}; give CT-RATE's root with --data.root.")


def _name(row: Row, at: int, modality: str, rejected: list[Rejected]) -> ScanName | None:
    """The volume that a row is about; None where the row cannot be used."""
    if row.fault:
        rejected.append(Rejected(modality, row.line, "\t".join(map(str, row.cells))[:200], row.fault))
        return None
    cell = str(row.cells[at]).strip()
    name = ScanName.parse(cell)
    if name is None:
        rejected.append(Rejected(modality, row.line, cell[:200], "it is no volume name such as train_53_a_1.nii.gz"))
    return name


def _given(cell: Any) -> str:
    text = " ".join(str(cell).split())
    return "" if text.lower() in (NOT_GIVEN, "nan", "none") else text


def _texts(parts: list[str], settings: CtRate) -> list[str]:
    findings, impression = parts
    both = " ".join(part for part in parts if part)
    texts = {
        "report": [both],
        "findings": [findings or both],
        "impression": [impression or both],
        "each": [both, findings, impression],
    }[settings.texts]
    return [chunk for text in dict.fromkeys(texts) for chunk in chunk_report(text, settings.longest_words)]


def _labels(base: Path, rejected: list[Rejected]) -> dict[str, dict[str, float]]:
    """By volume name, the findings that the label tables state."""
    values: dict[str, dict[str, float]] = {}
    for table in _tables(base, LABELS):
        name_at = table.position("VolumeName")
        at = {finding.name: table.position(finding.name) for finding in CT_RATE_FINDINGS}
        for row in table.rows:
            name = _name(row, name_at, "image", rejected)
            if name is None:
                continue
            cells = {finding: str(row.cells[place]).strip() for finding, place in at.items()}
            odd = next((finding for finding, cell in cells.items() if cell not in ("0", "1", "0.0", "1.0", "")), None)
            if odd is not None:
                reason = f"its label {odd} is {cells[odd][:40]!r}, which is neither 0 nor 1 nor empty"
                rejected.append(Rejected("image", row.line, str(name), reason))
                continue
            values[str(name)] = {finding: float(cell) for finding, cell in cells.items() if cell}
    return values


def _metadata(base: Path) -> dict[str, dict[str, str]]:
    """By volume name, what the metadata tables say of slope, intercept and spacing."""
    wanted = ("RescaleSlope", "RescaleIntercept", "XYSpacing", "ZSpacing")
    found: dict[str, dict[str, str]] = {}
    for table in _tables(base, METADATA):
        name_at, at = table.position("VolumeName"), {name: table.position(name) for name in wanted}
        for row in table.rows:
            if not row.fault:
                found[str(row.cells[name_at]).strip()] = {name: str(row.cells[place]) for name, place in at.items()}
    if not found:
        raise UserError(
            f"{base} has no {METADATA[0]}, which version 1 needs for slope, intercept and spacing; add it, or read "
            "version 2 files with --data.version 2."
        )
    return found


def _find(base: Path, name: ScanName) -> Path | None:
    return next((path for folder in name.folders() if (path := base / folder / str(name)).is_file()), None)


def _source(
    path: Path,
    name: ScanName,
    line: int,
    settings: CtRate,
    metadata: Mapping[str, Mapping[str, str]],
    rejected: list[Rejected],
) -> VolumeSource | None:
    if settings.version == 2:
        return VolumeSource(str(path), name=str(name))
    try:
        known = metadata[str(name)]
        slope, intercept = float(known["RescaleSlope"]), float(known["RescaleIntercept"])
        plane = json.loads(known["XYSpacing"])
        spacing = float(plane[0]), float(plane[1] if len(plane) > 1 else plane[0]), float(known["ZSpacing"])
    except (KeyError, ValueError, TypeError, IndexError):
        slope, intercept, spacing = math.nan, math.nan, (math.nan, math.nan, math.nan)
    if not all(math.isfinite(value) for value in (slope, intercept, *spacing)):
        reason = "the metadata table states no slope, intercept and spacing for it, which version 1 needs"
        rejected.append(Rejected("image", line, str(name), reason))
        return None
    return VolumeSource(str(path), slope, intercept, spacing, settings.version_1_axes, str(name))
