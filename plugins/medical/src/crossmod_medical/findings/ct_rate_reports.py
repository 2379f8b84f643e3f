"""Reads the hand-labelled reports of CT-RATE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crossmod.contracts.corpus import Column, Corpus, Label, Rejected
from crossmod.errors import UserError
from crossmod.sources.distinct import distinct
from crossmod.sources.groups import groups_of
from crossmod.sources.splits import random_split
from crossmod.sources.tables import open_table
from crossmod_medical.corpora.texts import same_text
from crossmod_medical.findings.data import CtRateReports
from crossmod_medical.findings.statements import statement
from crossmod_medical.reports.prompts import ABSENT, CT_RATE_FINDINGS, PRESENT

FILES = {"train.csv": "train", "val.csv": "test"}
NAMES = tuple(finding.name for finding in CT_RATE_FINDINGS)


class Report(NamedTuple):
    """One usable row."""

    line: int
    name: str
    split: str
    text: str
    repeated: bool
    findings: tuple[float, ...]


def read_ct_rate_reports(settings: CtRateReports) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: A table or a column is missing, or no training report can be used.
    """
    rejected: list[Rejected] = []
    reports = [report for name in FILES for report in _reports(Path(settings.root) / name, rejected)]
    if settings.repeated == "drop":
        reports = [report for report in reports if report.split == "train" or not report.repeated]
    training = [same_text(report.text) for report in reports if report.split == "train"]
    if not training:
        raise UserError(f"{Path(settings.root) / 'train.csv'} has no usable report ({len(rejected)} rejected).")
    shares = (1.0 - settings.held_back, settings.held_back, 0.0)
    drawn = dict(zip(training, random_split(training, shares, settings.split_seed), strict=True))
    statements = [statement(report.findings, NAMES) for report in reports]
    items, at = distinct([(report.split, report.text) for report in reports])
    said, said_at = distinct(statements)
    first = {place: report.line for place, report in reversed(list(zip(at, reports, strict=True)))}
    values = np.array([report.findings for report in reports], np.float64)
    return Corpus(
        name="CT-RATE reports",
        columns={
            "image": Column([text for _, text in items], np.array(at, np.int64), [first[p] for p in range(len(items))]),
            "text": Column(said, np.array(said_at, np.int64)),
        },
        ids=[report.name for report in reports],
        group=groups_of([str(place) for place in at], statements),
        split=np.array(["test" if report.split == "test" else drawn[same_text(report.text)] for report in reports]),
        facts={
            "source": "CT-RATE (arXiv:2403.17834), texts translated, findings read by hand",
            "licence": "CC BY-NC-SA 4.0",
            "repeated test texts": settings.repeated,
        },
        rejected=tuple(rejected),
        labels={name: Label(values[:, place], "image", (ABSENT, PRESENT)) for place, name in enumerate(NAMES)},
    )


def _reports(path: Path, rejected: list[Rejected]) -> Iterator[Report]:
    table = open_table(path)
    name_at, text_at, repeated_at = (
        table.position(column) for column in ("AccessionNo", "report_text", "repeated_text")
    )
    at = [table.position(name) for name in NAMES]
    for row in table.rows:
        name = "" if row.fault else str(row.cells[name_at]).strip()
        fault = row.fault
        if not fault and not str(row.cells[text_at]).strip():
            fault = "its report is empty"
        cells = [] if fault else [str(row.cells[place]).strip() for place in at]
        odd = next((cell for cell in cells if cell not in ("0", "1", "0.0", "1.0")), None)
        if odd is not None:
            fault = f"one of its findings is {odd[:40]!r}, neither 0 nor 1"
        if fault:
            rejected.append(Rejected("image", row.line, f"{path.name}: {name[:160]}", fault))
            continue
        repeated = str(row.cells[repeated_at]).strip() in ("1", "1.0")
        found = tuple(map(float, cells))
        yield Report(row.line, name, FILES[path.name], " ".join(str(row.cells[text_at]).split()), repeated, found)
