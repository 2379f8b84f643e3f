"""Common Voice tables: three splits, speakers by client, what they stated of themselves, and hostile rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod_speech.corpora.settings import CommonVoice

HEADER = "client_id\tpath\tsentence\tup_votes\tage\tgender\taccents\tlocale"


def write(root: Path, name: str, rows: list[str], header: str = HEADER) -> None:
    (root / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_tables_are_splits_and_clients_speakers(tmp_path: Path) -> None:
    write(tmp_path, "train.tsv", ['c1\ta.mp3\tHe said "no".\t2\ttwenties\tfemale_feminine\tScotland\ten'])
    write(tmp_path, "dev.tsv", ["c2\tb.mp3\tYes.\t2\t\t\t\ten", "c2\tc\tNo.\t2\t\tother\t\ten"])
    write(tmp_path, "test.tsv", ["c3\td.mp3\tYes!\t2\tsixties\tmale\t\ten"])
    corpus = CommonVoice(root=str(tmp_path)).build()
    assert corpus.split.tolist() == ["train", "validation", "validation", "test"]
    assert [item.path for item in corpus.columns["speech"].items] == [
        str(tmp_path / "clips" / name) for name in ("a.mp3", "b.mp3", "c.mp3", "d.mp3")
    ]
    assert corpus.columns["text"].items[0] == 'He said "no".'
    assert corpus.attributes["sex"].tolist() == ["female", "", "", "male"]
    assert corpus.attributes["age"].tolist() == ["twenties", "", "", "sixties"]
    assert corpus.attributes["accent"].tolist() == ["Scotland", "", "", ""]
    assert corpus.subject is not None and corpus.subject.tolist() == [0, 1, 1, 2]
    # The same word in two splits is a group of its own in each.
    assert len(set(corpus.group.tolist())) == 4


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    rows = ["c1\ta.mp3\tone\t2\t\t\t\ten", "c1\t\ttwo\t2\t\t\t\ten", "c1\tb.mp3\t \t2\t\t\t\ten"]
    rows += ["c1\t../../b.mp3\tthree\t2\t\t\t\ten", "c1\tc.mp3\tfour", "c2\ta.mp3\tfive\t2\t\t\t\ten"]
    write(tmp_path, "train.tsv", rows)
    corpus = CommonVoice(root=str(tmp_path)).build()
    assert corpus.ids == ["a.mp3"]
    assert {entry.line: (entry.modality, entry.reason) for entry in corpus.rejected} == {
        3: ("speech", "the cell of 'path' is empty: no recording"),
        4: ("text", "its text is empty"),
        5: ("speech", "the path leads out of the root folder"),
        6: ("speech", "the row has 3 cells where the header has 8"),
        7: ("speech", "the same recording stands on line 2 already"),
    }


def test_a_client_of_two_splits_and_missing_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has none of train\.tsv, dev\.tsv, test\.tsv"):
        CommonVoice(root=str(tmp_path)).build()
    write(tmp_path, "train.tsv", ["c1\ta.mp3"], header="client_id\tpath")
    with pytest.raises(UserError, match="no column 'sentence'"):
        CommonVoice(root=str(tmp_path)).build()
    write(tmp_path, "train.tsv", ["c1\ta.mp3\tone\t2\t\t\t\ten"])
    write(tmp_path, "test.tsv", ["c1\tb.mp3\ttwo\t2\t\t\t\ten"])
    with pytest.raises(UserError, match="has the speaker c1 in two splits"):
        CommonVoice(root=str(tmp_path)).build()
