"""The corpus of labelled reports, and statements of findings."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod_medical.findings.data import CtRateReports
from crossmod_medical.findings.processor import FindingProcessor
from crossmod_medical.findings.settings import FindingTable
from crossmod_medical.findings.statements import UnknownFinding, present, statement
from crossmod_medical.reports.prompts import CT_RATE_FINDINGS

NAMES = ("Emphysema", "Lung nodule", "Consolidation")


@pytest.mark.parametrize("number", range(8))
def test_a_statement_reads_back(number: int) -> None:
    values = [float(number >> place & 1) for place in range(3)]
    assert present(statement(values, NAMES), NAMES).tolist() == [bool(value) for value in values]


def test_a_statement_may_be_written_loosely_but_not_of_what_is_unknown() -> None:
    assert present("lung NODULE;emphysema", NAMES).tolist() == [True, True, False]
    for text, reason in (("Lung nodule; mass", "'mass' is no finding"), ("", "no finding is named")):
        with pytest.raises(UnknownFinding, match=reason):
            present(text, NAMES)


def test_the_processor_sets_unknown_findings_aside_and_restores_itself() -> None:
    processor = FindingProcessor(NAMES)
    read = processor.process(["none", "mass", "Consolidation", 7])
    assert read.accepted.tolist() == [0, 2] and [place for place, _ in read.rejected] == [1, 3]
    assert processor.inputs([read]).present.tolist() == [[False] * 3, [False, False, True]]
    settings = FindingTable(findings=NAMES)
    assert settings.load_processor(processor.spec, {}).names == NAMES
    with pytest.raises(UserError, match="findings"):
        FindingTable(findings=NAMES[:2]).load_processor(processor.spec, {})
    with pytest.raises(UserError, match="twice"):
        FindingTable(findings=("Mass", "mass"))


def test_rows_are_reports_with_their_findings(labelled_reports: Path) -> None:
    corpus = CtRateReports(root=str(labelled_reports), held_back=0.25).build()
    assert [len(corpus.rows(split)) for split in ("train", "validation", "test")] == [60, 20, 24]
    said = corpus.columns["text"]
    for row in (0, 50, 103):
        values = [corpus.labels[finding.name].values[row] for finding in CT_RATE_FINDINGS]
        names = [finding.name for finding in CT_RATE_FINDINGS]
        assert said.items[said.item[row]] == statement(values, names)
    same = said.item[:, None] == said.item[None]
    assert np.array_equal(same, corpus.group[:, None] == corpus.group[None])


def test_repeated_test_reports_can_be_left_out(labelled_reports: Path) -> None:
    corpus = CtRateReports(root=str(labelled_reports), repeated="drop").build()
    assert len(corpus.rows("test")) == 23 and "val_24" not in corpus.ids


def test_rows_that_cannot_be_used_are_set_aside(labelled_reports: Path, tmp_path: Path) -> None:
    root = shutil.copytree(labelled_reports, tmp_path / "broken")
    lines = (root / "train.csv").read_text(encoding="utf-8").splitlines()
    zeros = ",0" * (len(CT_RATE_FINDINGS) - 1)
    lines += [f"train_81,,0,A report.,2{zeros}", f"train_82,,0,  ,0{zeros}", "train_83,,0,short"]
    (root / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    corpus = CtRateReports(root=str(root)).build()
    assert [fault.line for fault in corpus.rejected] == [82, 83, 84]
    assert "neither 0 nor 1" in corpus.rejected[0].reason and "empty" in corpus.rejected[1].reason
    (root / "val.csv").unlink()
    with pytest.raises(UserError, match=r"val\.csv"):
        CtRateReports(root=str(root)).build()


def test_equal_training_texts_stand_on_one_side(labelled_reports: Path, tmp_path: Path) -> None:
    root = shutil.copytree(labelled_reports, tmp_path / "twice")
    lines = (root / "train.csv").read_text(encoding="utf-8").splitlines()
    (root / "train.csv").write_text("\n".join(lines + lines[1:]) + "\n", encoding="utf-8")
    corpus = CtRateReports(root=str(root), held_back=0.3).build()
    text = corpus.columns["image"].item
    assert not set(text[corpus.rows("train")]) & set(text[corpus.rows("validation")])
    assert len(corpus.rows("validation")) == 48


def test_the_real_reports_are_read_whole(medical_data: Path) -> None:
    corpus = CtRateReports(root=str(medical_data / "ct_rate_reports")).build()
    train = np.concatenate([corpus.rows("train"), corpus.rows("validation")])
    assert not corpus.rejected and len(train) == 800 and len(corpus.rows("test")) == 200
    assert int(corpus.labels["Pericardial effusion"].values[train].sum()) == 64
    assert int(corpus.labels["Lung nodule"].values[train].sum()) == 370
    assert len(CtRateReports(root=str(medical_data / "ct_rate_reports"), repeated="drop").build().rows("test")) == 194
