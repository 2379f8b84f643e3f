"""A CT-RATE tree in miniature: names, versions, empty reports, patients and what is not there."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_medical.corpora.ct_rate import ScanName
from crossmod_medical.data import CtRate
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import VolumeProcessor
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS

REPORT_COLUMNS = ["VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN"]
LABEL_COLUMNS = ["VolumeName", *[finding.name for finding in CT_RATE_FINDINGS]]
META_COLUMNS = ["VolumeName", "RescaleSlope", "RescaleIntercept", "XYSpacing", "ZSpacing", "PatientAge"]
SIZE, SPACING = (8, 8, 6), (2.0, 2.0, 3.0)


def hounsfield(seed: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    values = np.full(SIZE, -1000, np.int16)
    values[2:6, 2:6, 1:5] = np.random.default_rng(seed).integers(-100, 200, (4, 4, 4))
    return values


def table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


@pytest.fixture
def tree(tmp_path: Path, write_nifti: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a tree of some volumes, all reports of which are tabled."""

    def write(names: Sequence[str], *, version: int = 2, texts: dict[str, tuple[str, str]] | None = None) -> Path:
        root = tmp_path / f"root{version}"
        for seed, name in enumerate(names):
            parts = ScanName.parse(name)
            assert parts is not None
            folder = f"{root.name}/{parts.half}{'_fixed' if version == 2 else ''}/{parts.patient_name}/{parts.study}"
            values = hounsfield(seed) if version == 2 else (hounsfield(seed) + 1024).astype(np.int16)
            codes = 1 if version == 2 else 0
            write_nifti(values, SPACING, "LPS", name=f"{folder}/{name}", codes=codes)
        for half, long, label in (("train", "train", "train"), ("valid", "validation", "valid")):
            own = [name for name in names if name.startswith(half)]
            words = texts or {}
            reports = [[name, "", "", *words.get(name, (f"Findings of {name[:-9]}.", "Not given."))] for name in own]
            table(root / "radiology_text_reports" / f"{long}_reports.csv", REPORT_COLUMNS, reports)
            labels = [[name, *[(at + len(name)) % 2 for at in range(18)]] for name in own]
            table(root / "multi_abnormality_labels" / f"{label}_predicted_labels.csv", LABEL_COLUMNS, labels)
            metadata = [[name, 1, -1024, "[2.0, 2.0]", 3.0, "065Y"] for name in own]
            table(root / "metadata" / f"{long}_metadata.csv", META_COLUMNS, metadata)
        return root

    return write


NAMES = [f"train_{patient}_{scan}_{recon}.nii.gz" for patient in range(1, 9) for scan in "ab" for recon in (1, 2)] + [
    "valid_1_a_1.nii.gz",
    "valid_2_a_1.nii.gz",
]


def read(root: Path, **options: Any) -> Corpus:
    return CtRate(root=str(root), **{"version": 2, "validation": 0.25, **options}).build()


@given(st.sampled_from(["train", "valid"]), st.integers(1, 99999), st.sampled_from("abcz"), st.integers(1, 12))
def test_names_are_read_back(half: str, patient: int, scan: str, reconstruction: int) -> None:
    name = ScanName(half, patient, scan, reconstruction)
    assert ScanName.parse(str(name)) == name


@pytest.mark.parametrize(
    "name", ["", "train_1_a_1.nii", "../train_1_a_1.nii.gz", "test_1_a_1.nii.gz", "train_1_a_1.nii.gz\n"]
)
def test_other_names_are_none(name: str) -> None:
    assert ScanName.parse(name) is None


def test_a_study_is_one_group_and_a_patient_one_split(tree: Callable[..., Path]) -> None:
    corpus = read(tree(NAMES))
    assert len(corpus) == len(NAMES) and corpus.subject is not None
    groups: dict[str, set[int]] = {}
    for study, group in zip(corpus.ids, corpus.group.tolist(), strict=True):
        groups.setdefault(study, set()).add(group)
    assert len(groups) == 18 and all(len(found) == 1 for found in groups.values())
    assert len(set(corpus.group.tolist())) == 18
    splits: dict[int, set[str]] = {}
    for patient, split in zip(corpus.subject.tolist(), corpus.split.tolist(), strict=True):
        splits.setdefault(patient, set()).add(split)
    assert len(splits) == 10 and all(len(found) == 1 for found in splits.values())
    assert [corpus.ids[row] for row in corpus.rows("test")] == ["valid_1_a", "valid_2_a"]
    assert len(corpus.rows("validation")) == 8  # two of eight patients, two scans each, two reconstructions each
    assert set(corpus.labels) == {finding.name for finding in CT_RATE_FINDINGS}


def test_both_versions_give_identical_tensors(tree: Callable[..., Path]) -> None:
    grid = VolumeGrid(spacing_mm=SPACING, size=SIZE, cache="off")
    names = NAMES[:4] + NAMES[-2:]
    both = [read(tree(names, version=version), version=version) for version in (1, 2)]
    one, other = (VolumeProcessor(grid).process(corpus.columns["image"].items) for corpus in both)
    assert not one.rejected and not one.counts and not other.counts
    assert np.array_equal(one.arrays["voxels"], other.arrays["voxels"])


def test_version_1_files_read_as_version_2_are_refused(tree: Callable[..., Path]) -> None:
    grid = VolumeGrid(spacing_mm=SPACING, size=SIZE, cache="off")
    corpus = read(tree([NAMES[0], NAMES[-1]], version=1), version=2)
    processed = VolumeProcessor(grid).process(corpus.columns["image"].items)
    assert [reason for _, reason in processed.rejected] == [
        "its header has no affine (sform and qform are unset), so left and right are unknown"
    ] * 2


def test_reports_that_say_nothing_are_rejected_by_line(tree: Callable[..., Path]) -> None:
    texts = {
        NAMES[0]: ("Not given.", "Not given."),
        NAMES[1]: ("nan", ""),
        NAMES[2]: ("Not given.", "Emphysema."),
        NAMES[3]: ("Not given.", "Emphysema."),
    }
    corpus = read(tree(NAMES, texts=texts))
    assert [(one.line, one.item, one.reason) for one in corpus.rejected] == [
        (2, NAMES[0], "its findings and impression are empty"),
        (3, NAMES[1], "its findings and impression are empty"),
    ]
    assert "train_1_a" not in corpus.ids and "Emphysema." in corpus.columns["text"].items


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("report", ["One. Two."]),
        ("findings", ["One."]),
        ("impression", ["Two."]),
        ("each", ["One. Two.", "One.", "Two."]),
    ],
)
def test_the_texts_that_are_asked_for(tree: Callable[..., Path], texts: Any, expected: list[str]) -> None:
    names = [NAMES[0], NAMES[4], NAMES[-1]]
    corpus = read(tree(names, texts={NAMES[0]: ("One.", "Two.")}), texts=texts)
    assert [text for text in corpus.columns["text"].items if text in ("One. Two.", "One.", "Two.")] == expected


def test_long_reports_are_chunked_or_whole_but_never_cut(tree: Callable[..., Path]) -> None:
    long = " ".join(f"Sentence {number} is here." for number in range(50))
    root = tree([NAMES[0], NAMES[-1]], texts={NAMES[0]: (long, "Not given.")})
    assert long in read(root).columns["text"].items
    parts = [text for text in read(root, longest_words=40).columns["text"].items if text.startswith("Sentence")]
    assert " ".join(parts) == long and len(parts) == 5


def test_a_part_of_the_download_serves_and_none_is_refused(tree: Callable[..., Path]) -> None:
    root = tree(NAMES)
    for path in (root / "train_fixed" / "train_2").rglob("*.nii.gz"):
        path.unlink()
    corpus = read(root)
    assert corpus.facts["reports without a volume on disk"] == 4 and len(corpus) == len(NAMES) - 4
    for path in root.rglob("*.nii.gz"):
        path.unlink()
    with pytest.raises(UserError, match="none of the 34 volumes"):
        read(root)
    with pytest.raises(UserError, match=r"neither train_reports\.csv"):
        read(root / "train_fixed")


def test_hostile_rows_are_rejected_in_words(tree: Callable[..., Path]) -> None:
    root = tree(NAMES)
    reports = root / "radiology_text_reports" / "train_reports.csv"
    with reports.open("a", encoding="utf-8") as stream:
        stream.write('../../../etc/passwd,,,"A nodule.",""\nonly,two\n')
    labels = root / "multi_abnormality_labels" / "train_predicted_labels.csv"
    with labels.open("a", encoding="utf-8") as stream:
        stream.write(",".join(["train_1_b_1.nii.gz", *["7"] * 18]) + "\n")
    reasons = [one.reason for one in read(root).rejected]
    assert any("no volume name" in reason for reason in reasons)
    assert any("the row has 2 cells" in reason for reason in reasons)
    assert any("'7', which is neither 0 nor 1" in reason for reason in reasons)


def test_version_1_needs_its_metadata(tree: Callable[..., Path]) -> None:
    root = tree(NAMES, version=1)
    path = root / "metadata" / "train_metadata.csv"
    table(path, META_COLUMNS, [[NAMES[0], 1, -1024, "broken", 3.0, ""]])
    corpus = read(root, version=1)
    assert {one.item for one in corpus.rejected} == {name for name in NAMES if name.startswith("train")}
    for name in ("train", "validation"):
        (root / "metadata" / f"{name}_metadata.csv").unlink()
    with pytest.raises(UserError, match="which version 1 needs"):
        read(root, version=1)
