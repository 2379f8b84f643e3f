"""A LibriSpeech tree: official splits, transcripts, the sex of speakers, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod_speech.corpora.settings import LibriSpeech


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "LibriSpeech"
    for part, speaker in (
        ("train-clean-100", "19"),
        ("train-other-500", "20"),
        ("dev-clean", "84"),
        ("test-other", "9"),
    ):
        chapter = root / part / speaker / "198"
        chapter.mkdir(parents=True)
        for number in range(2):
            (chapter / f"{speaker}-198-000{number}.flac").touch()
        lines = [f"{speaker}-198-000{number} THE TEXT {number} OF {speaker}'S" for number in range(2)]
        (chapter / f"{speaker}-198.trans.txt").write_text("\n".join(lines) + "\n")
    lines = [";ID  |SEX| SUBSET           |MINUTES| NAME", "19   | F | train-clean-100  | 25.19 | Kara Shallenberg"]
    lines += ["9    | M | test-other       | 30.01 | A | B"]
    (root / "SPEAKERS.TXT").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("below", ["", "LibriSpeech"])
def test_the_folders_are_the_splits(tree: Path, below: str) -> None:
    corpus = LibriSpeech(root=str(tree / below)).build()
    assert {split: len(corpus.rows(split)) for split in ("train", "validation", "test")} == {
        "train": 4,
        "validation": 2,
        "test": 2,
    }
    place = corpus.ids.index("19-198-0001")
    assert corpus.columns["text"].items[corpus.columns["text"].item[place]] == "the text 1 of 19's"
    path = tree / "LibriSpeech" / "train-clean-100" / "19" / "198" / "19-198-0001.flac"
    assert corpus.columns["speech"].items[corpus.columns["speech"].item[place]].path == str(path)
    sexes = dict(zip(corpus.ids, corpus.attributes["sex"].tolist(), strict=True))
    assert (sexes["19-198-0000"], sexes["9-198-0000"], sexes["84-198-0000"]) == ("female", "male", "")
    assert corpus.subject is not None and len(set(corpus.subject.tolist())) == 4


def test_parts_are_chosen(tree: Path) -> None:
    corpus = LibriSpeech(root=str(tree), parts=["dev-clean", "train-clean-100"]).build()
    assert set(corpus.attributes["part"].tolist()) == {"dev-clean", "train-clean-100"}
    with pytest.raises(UserError, match="no part 'train-clean-360'; its parts are dev-clean, test-other, train-clean"):
        LibriSpeech(root=str(tree), parts=["train-clean-360"]).build()


def test_transcripts_and_recordings_that_do_not_fit_are_named(tree: Path) -> None:
    chapter = tree / "LibriSpeech" / "dev-clean" / "84" / "198"
    (chapter / "84-198-0001.flac").rename(chapter / "84-198-0007.flac")
    lines = ["84-198-0000 FINE", "84-198-0001 ABSENT", "84-198-0002", "../84-198-0003 OUT", "84-198-0000 TWICE", ""]
    (chapter / "84-198.trans.txt").write_text("\n".join(lines) + "\n")
    corpus = LibriSpeech(root=str(tree), parts=["dev-clean"]).build()
    # The absent recording stays: the reader of recordings says that there is no such file.
    assert corpus.ids == ["84-198-0000", "84-198-0001"]
    found = {(entry.modality, entry.line): entry.reason for entry in corpus.rejected}
    assert found == {
        ("text", 3): "its text is empty",
        ("speech", 4): "its name holds a slash or a zero byte; names of utterances have none",
        ("speech", 5): "84-198.trans.txt has two lines of it",
        ("speech", 1): "84-198.trans.txt has no line of it",
    }


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder such as train-clean-100"):
        LibriSpeech(root=str(tmp_path)).build()
