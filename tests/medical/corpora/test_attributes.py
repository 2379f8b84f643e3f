"""What is known of patients and scanners reaches the corpus as subgroups, by study, and as ranges of age alone."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossmod.sources.tables import open_table
from crossmod_medical.corpora.attributes import age_group
from crossmod_medical.corpora.ct_rate_attributes import read_attributes
from crossmod_medical.data import EmbeddedPhantoms, MedicalTable


@pytest.mark.parametrize(
    ("stated", "group"),
    [
        *(("065Y", "60 to 79"), (65, "60 to 79"), ("65.0", "60 to 79"), ("0Y", "under 20"), ("19", "under 20")),
        *(("20", "20 to 39"), ("79y", "60 to 79"), ("80", "80 and over"), ("101", "80 and over")),
        *(("011M", "under 20"), ("3W", "under 20"), ("5D", "under 20")),
        *(("", ""), ("nan", ""), ("-3", ""), ("450", ""), ("about 60", ""), ("1950-01-02", "")),
    ],
)
def test_ages_become_ranges(stated: object, group: str) -> None:
    assert age_group(stated) == group


def _write(path: Path, rows: list[list[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def test_metadata_with_and_without_the_columns(tmp_path: Path) -> None:
    full = _write(
        tmp_path / "full.csv",
        [
            ["VolumeName", "PatientAge", "PatientSex", "Manufacturer", "PatientName"],
            ["train_1_a_1.nii.gz", "065Y", "F", "Siemens  Healthineers", "Somebody"],
            ["train_2_a_1.nii.gz", "", "O", "nan", "Somebody"],
        ],
    )
    bare = _write(tmp_path / "bare.csv", [["VolumeName"], ["train_3_a_1.nii.gz"]])
    found = read_attributes([open_table(full), open_table(bare)])
    assert found == {
        "train_1_a_1.nii.gz": {"age": "60 to 79", "sex": "F", "scanner": "Siemens Healthineers"},
        "train_2_a_1.nii.gz": {},
        "train_3_a_1.nii.gz": {},
    }


def test_columns_of_a_table_are_kept_for_the_whole_study(tmp_path: Path, write_nifti: Callable[..., Path]) -> None:
    paths = [write_nifti(np.zeros((4, 4, 4), np.int16), name=f"{name}.nii.gz").name for name in "abc"]
    table = _write(
        tmp_path / "table.csv",
        [
            ["image", "text", "study", "patient age", "sex"],
            [paths[0], "One.", "s1", "44", "M"],
            [paths[1], "One.", "s1", "", ""],
            [paths[2], "Two.", "s2", "unknown", "nan"],
        ],
    )
    settings = MedicalTable(path=str(table), id="study", attributes=["patient age", "sex"])
    corpus = settings.build()
    assert corpus.ids == ["s1", "s1", "s2"]
    assert {name: values.tolist() for name, values in corpus.attributes.items()} == {
        "patient age": ["40 to 59", "40 to 59", ""],
        "sex": ["M", "M", ""],
    }


def test_phantoms_state_age_and_sex() -> None:
    corpus = EmbeddedPhantoms(patients=12, workers=0).build()
    assert set(corpus.attributes) == {"age", "sex"} and set(corpus.attributes["sex"].tolist()) == {"F", "M"}
    by_study: dict[str, set[str]] = {}
    for study, age in zip(corpus.ids, corpus.attributes["age"].tolist(), strict=True):
        by_study.setdefault(study, set()).add(age)
    assert all(len(ages) == 1 and ages != {""} for ages in by_study.values())
