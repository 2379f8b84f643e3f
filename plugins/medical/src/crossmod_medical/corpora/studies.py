"""From studies, each with its volumes, texts and labels, to a corpus: one group a study, no patient in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossmod.contracts.corpus import Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.distinct import distinct
from crossmod.sources.groups import groups_of
from crossmod.sources.items import column_of
from crossmod_medical.corpora.texts import same_text
from crossmod_medical.reports.prompts import Finding, finding_labels


@dataclass(frozen=True)
class StudyRecord:
    """One study as a source states it.

    Args:
        id: Its identifier.
        patient: Whose it is.
        split: "train", "validation", "test", or nothing for candidates only.
        images: Its volumes or images (reconstructions, views), each with its line in the source.
        texts: Its texts (report, sections), each with its line; the first is the fullest.
        labels: By finding, 1 where it is present, 0 where it is not; what is missing is unknown.
        attributes: By name (age, sex, scanner), what is known of the patient or of the device.
    """

    id: str
    patient: str
    split: str
    images: Sequence[tuple[Any, int]]
    texts: Sequence[tuple[str, int]]
    labels: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


def assemble_studies(
    name: str,
    records: Sequence[StudyRecord],
    *,
    findings: Sequence[Finding] = (),
    facts: Mapping[str, Any] | None = None,
    rejected: Sequence[Rejected] = (),
) -> Corpus:
    """Lay studies out as rows: every volume of a study with every one of its texts, all in one group.

    A text that several studies share ("Normal CT of the chest.", in whatever case) describes all of them: where a study
    has a text of its own besides, the shared one is left out and counted; where it has none, the studies share a group.

    Raises:
        UserError: There is no study, or a patient stands in two splits.
    """
    if not records:
        first = f"; the first: line {rejected[0].line}, {rejected[0].reason}" if rejected else ""
        raise UserError(f"{name} has no usable study ({len(rejected)} rejected{first}); look at its columns and paths.")
    _refuse_split_patients(name, records)
    texts, left_out = _own_texts(records)
    rows = [
        (number, image, text)
        for number, (record, own) in enumerate(zip(records, texts, strict=True))
        for image in (*record.images,) or (None,)
        for text in (*own,) or (None,)
    ]
    shared = ["" if text is None else f"{records[number].split}\n{same_text(text[0])}" for number, _, text in rows]
    group = groups_of([str(number) for number, _, _ in rows], shared)
    images = column_of((image[0], *image) if image else None for _, image, _ in rows)
    written = column_of(
        ((own_group, text[0]), *text) if text else None
        for own_group, (_, _, text) in zip(group.tolist(), rows, strict=True)
    )
    of_row = [records[number] for number, _, _ in rows]
    values = {
        finding.name: [record.labels.get(finding.name, float("nan")) for record in of_row]
        for finding in findings
        if any(finding.name in record.labels for record in records)
    }
    return Corpus(
        name=name,
        columns={"image": images, "text": written},
        ids=[record.id for record in of_row],
        group=group,
        split=np.array([record.split for record in of_row], np.str_),
        facts={**(facts or {}), "texts that several studies share, left out": left_out},
        rejected=tuple(rejected),
        labels=finding_labels(values, findings),
        weight=_weights([number for number, _, _ in rows], group.tolist()),
        subject=np.array(distinct(record.patient for record in of_row)[1], np.int64),
        attributes={
            name: np.array([record.attributes.get(name, "") for record in of_row], np.str_)
            for name in dict.fromkeys(name for record in records for name, value in record.attributes.items() if value)
        },
    )


def _own_texts(records: Sequence[StudyRecord]) -> tuple[list[list[tuple[str, int]]], int]:
    """Each study's texts without those that other studies have too, unless nothing else is left; and how many."""
    studies_of = Counter(text for record in records for text in {same_text(text) for text, _ in record.texts})
    kept, left_out = [], 0
    for record in records:
        once = list({text: (text, line) for text, line in reversed(record.texts)}.values())[::-1]
        own = [entry for entry in once if studies_of[same_text(entry[0])] == 1] or once[:1]
        left_out += len(once) - len(own)
        kept.append(own)
    return kept, left_out


def _weights(studies: Sequence[int], groups: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A group of several studies is visited as often as it has studies."""
    members: dict[int, set[int]] = {}
    for study, group in zip(studies, groups, strict=True):
        members.setdefault(group, set()).add(study)
    return np.array([len(members[group]) for group in groups], np.float64)


def _refuse_split_patients(name: str, records: Sequence[StudyRecord]) -> None:
    seen: dict[str, StudyRecord] = {}
    for record in records:
        if not record.split:
            continue
        first = seen.setdefault(record.patient, record)
        if first.split != record.split:
            raise UserError(
                f"{name} has a patient in two splits: study {first.id!r} is in {first.split}, study {record.id!r} in "
                f"{record.split}; give all studies of a patient one split."
            )
