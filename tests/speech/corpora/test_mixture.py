"""Several corpora as one: shared words are one text, labels and speakers stay apart, splits may be left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.errors import UserError
from crossmod_speech.data import SpeechMixture, SpeechTable


def table(folder: Path, name: str, rows: list[str]) -> SpeechTable:
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["path,text,split,who,word", *rows]) + "\n", encoding="utf-8")
    return SpeechTable(path=str(path), speaker="who", split_by="column", labels=["word"])


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, SpeechTable]:
    return {
        "clean": table(tmp_path, "a", ["1.wav,yes,train,s,yes", "2.wav,no,test,t,no", "9.wav,,train,s,"]),
        "phone": table(tmp_path, "b", ["3.wav,Yes,train,s,yes", "4.wav,go,test,u,go"]),
    }


def test_words_are_shared_and_all_else_is_kept_apart(parts: dict[str, SpeechTable]) -> None:
    corpus = SpeechMixture(parts=parts).build()
    assert corpus.ids == ["clean/1.wav", "clean/2.wav", "phone/3.wav", "phone/4.wav"]
    group = corpus.group.tolist()
    assert group[0] == group[2] and len(set(group)) == 3
    assert corpus.subject is not None and len(set(corpus.subject.tolist())) == 4
    assert set(corpus.labels) == {"clean word", "phone word"}
    assert corpus.labels["phone word"].classes == ("go", "yes")
    assert corpus.attributes["corpus"].tolist() == ["clean", "clean", "phone", "phone"]
    assert corpus.name == "clean + phone" and corpus.facts["clean: source"] == "a.csv"
    assert [entry.reason for entry in corpus.rejected] == ["its text is empty"]


def test_only_the_splits_that_are_named_are_taken(parts: dict[str, SpeechTable]) -> None:
    corpus = SpeechMixture(parts=parts, splits={"phone": ["test"]}).build()
    assert corpus.ids == ["clean/1.wav", "clean/2.wav", "phone/4.wav"]


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"radio": ["test"]}, "names 'radio'; the parts are clean, phone"),
        ({"phone": ["dev"]}, "the split 'dev'"),
        ({"phone": ["validation"]}, "phone holds no utterance"),
    ],
)
def test_what_there_is_not_is_refused(parts: dict[str, SpeechTable], splits: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SpeechMixture(parts=parts, splits=splits).build()


def test_no_part_at_all_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.parts is empty"):
        SpeechMixture(parts={}).build()
