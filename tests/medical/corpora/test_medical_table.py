"""A table of one's own: studies, sections, splits by patient, labels, and rows that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_medical.data import MedicalTable


def read(folder: Path, lines: list[str], **options: Any) -> Corpus:
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return MedicalTable(path=str(path), **options).build()


def test_rows_of_a_study_share_a_group_and_those_of_a_patient_a_split(tmp_path: Path) -> None:
    lines = ["image,text,study,who"]
    lines += [f"{n}-{view}.png,Report {n}.,s{n},p{n // 3}" for n in range(60) for view in ("front", "side")]
    corpus = read(tmp_path, lines, id="study", patient="who")
    assert len(corpus) == 120 and len(set(corpus.group.tolist())) == 60
    assert corpus.subject is not None
    pairs = set(zip(corpus.subject.tolist(), corpus.split.tolist(), strict=True))
    assert len(pairs) == 20 and set(corpus.split.tolist()) == {"train", "validation", "test"}
    assert corpus.columns["image"].items[0] == str(tmp_path / "0-front.png")


def test_a_study_of_two_images_and_three_sections_is_six_rows_of_one_group(tmp_path: Path) -> None:
    report = "Findings: A nodule. Impression: Benign. Recommendation: None."
    lines = ["image,text,study", f'a.nii.gz,"{report}",s1', f'b.nii.gz,"{report}",s1', 'c.nii.gz,"Other.",s2']
    corpus = read(tmp_path, lines, id="study", sections=["findings", "impression"], each_section=True)
    own = [row for row, name in enumerate(corpus.ids) if name == "s1"]
    assert len(own) == 6 and len({corpus.group[row] for row in own}) == 1
    texts = {corpus.columns["text"].items[corpus.columns["text"].item[row]] for row in own}
    assert texts == {"A nodule.\nBenign.", "A nodule.", "Benign."}


def test_a_text_of_several_studies_describes_them_all(tmp_path: Path) -> None:
    lines = ["image,report,note,who", "a,Normal.,,p", "b,Normal.,,p", "c,Normal.,Own words.,p", "d,Other.,,p"]
    corpus = read(tmp_path, lines, text=["report", "note"], patient="who")
    group = dict(zip(corpus.ids, corpus.group.tolist(), strict=True))
    assert group["a"] == group["b"] != group["c"]
    assert corpus.facts["texts that several studies share, left out"] == 1
    # The group of both is visited twice an epoch.
    weight = dict(zip(corpus.ids, np.asarray(corpus.weight).tolist(), strict=True))
    assert weight == {"a": 2.0, "b": 2.0, "c": 1.0, "d": 1.0}


def test_texts_that_differ_in_case_and_blanks_alone_describe_the_same(tmp_path: Path) -> None:
    lines = ["image,text,who", "a,CHEST CT,p", "b,Chest  CT.,p", "c,chest ct axial,p", "d,CHEST CT,p"]
    corpus = read(tmp_path, lines, patient="who")
    group = dict(zip(corpus.ids, corpus.group.tolist(), strict=True))
    assert group["a"] == group["b"] == group["d"] != group["c"]


def test_labels_are_read_and_others_than_0_and_1_rejected(tmp_path: Path) -> None:
    lines = ["image,text,Pleural_effusion", "a,One.,1", "b,Two.,0", "c,Three.,", "d,Four.,maybe"]
    corpus = read(tmp_path, lines, labels=["Pleural_effusion"])
    values = dict(zip(corpus.ids, corpus.labels["Pleural_effusion"].values.tolist(), strict=True))
    assert values["a"] == 1.0 and values["b"] == 0.0 and np.isnan(values["c"]) and "d" not in values
    assert corpus.labels["Pleural_effusion"].prompts["present"][0] == "Pleural effusion is present."
    [refused] = corpus.rejected
    assert (refused.line, refused.item) == (5, "d") and "'maybe', which is neither 0 nor 1" in refused.reason


def test_hostile_rows_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    lines = [
        *("image,text", "a.png,Fine.", "../secret.png,Out.", "/etc/passwd,Out.", "b.png,", ",", "c/../../x,Out."),
        *("d.png,one,two", "in/../e.png,In."),
    ]
    corpus = read(tmp_path, lines)
    assert corpus.ids == ["a.png", "in/../e.png"]
    reasons = {one.line: one.reason for one in corpus.rejected}
    assert reasons[3] == reasons[4] == reasons[7] == "the path leads out of the root folder"
    assert reasons[5] == "its report is empty" and "both empty" in reasons[6] and "3 cells" in reasons[8]
    assert len(corpus) + len(corpus.rejected) == len(lines) - 1


def test_a_text_without_an_image_stays(tmp_path: Path) -> None:
    corpus = read(tmp_path, ["image,text", "a.png,One.", ",Two."])
    assert corpus.columns["image"].item.tolist() == [0, -1] and corpus.columns["text"].item.tolist() == [0, 1]


def test_what_does_not_fit_together_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two splits: study 'a'"):
        read(tmp_path, ["image,text,who,split", "a,One.,p,train", "b,Two.,p,test"], patient="who", split_by="column")
    with pytest.raises(UserError, match="study 's' two patients, on lines 2 and 3"):
        read(tmp_path, ["image,text,study,who", "a,One.,s,p", "b,Two.,s,q"], id="study", patient="who")
    with pytest.raises(UserError, match="no column 'images'"):
        read(tmp_path, ["image,text", "a,One."], image="images")
    with pytest.raises(UserError, match="no usable study"):
        read(tmp_path, ["image,text", "a,"])
    with pytest.raises(UserError, match="data.sections has 'lungs'"):
        read(tmp_path, ["image,text", "a,One."], sections=["lungs"])
