"""A Speech Commands tree: words, lists, silence cut from noise, and the separate archive of test clips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_speech.corpora.settings import SpeechCommands
from crossmod_speech.readers.recordings import read_speech

SPEAKERS = {"train": ("a1", "a2"), "validation": ("b1",), "test": ("c1",)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    lists: dict[str, list[str]] = {"validation": [], "test": []}
    for word in ("yes", "stop", "bed"):
        (tmp_path / word).mkdir()
        for split, speakers in SPEAKERS.items():
            for speaker in speakers:
                for take in range(5):
                    name = f"{word}/{speaker}_nohash_{take}.wav"
                    (tmp_path / name).touch()
                    if split in lists:
                        lists[split].append(name)
    (tmp_path / "validation_list.txt").write_text("\n".join(lists["validation"]) + "\n")
    (tmp_path / "testing_list.txt").write_text("\n".join(lists["test"]) + "\n")
    noise = tmp_path / "_background_noise_"
    noise.mkdir()
    stream = np.random.default_rng(0)
    soundfile.write(noise / "rain.wav", stream.normal(0, 0.1, 60 * 1000 + 300), 4000)
    (noise / "README.md").write_text("noises")
    return tmp_path


def named(corpus: Corpus, label: str) -> list[str]:
    found = corpus.labels[label]
    return ["" if np.isnan(value) else found.classes[int(value)] for value in found.values]


def test_lists_are_splits_and_names_speakers(tree: Path) -> None:
    corpus = SpeechCommands(root=str(tree)).build()
    spoken = [row for row, word in enumerate(named(corpus, "word")) if word]
    assert Counter(corpus.split[spoken].tolist()) == {"train": 30, "validation": 15, "test": 15}
    assert corpus.subject is not None and len({corpus.subject[row] for row in spoken}) == 4
    assert Counter(named(corpus, "word")[row] for row in spoken) == {"yes": 20, "stop": 20, "bed": 20}
    assert {named(corpus, "command")[row] for row in spoken if "bed" in corpus.ids[row]} == {"unknown"}
    assert len(corpus.labels["command"].classes) == 12
    texts = [corpus.columns["text"].items[corpus.columns["text"].item[row]] for row in spoken]
    assert texts == [corpus.ids[row].split("/")[0] for row in spoken]


def test_silence_is_a_second_of_noise_without_text(tree: Path) -> None:
    corpus = SpeechCommands(root=str(tree), silence=0.25).build()
    silent = [row for row, name in enumerate(named(corpus, "command")) if name == "silence"]
    # Of the noise's 15 seconds 12, 2 and 1 go to the splits; a quarter of the training clips is 10.
    assert Counter(corpus.split[silent].tolist()) == {"train": 10, "validation": 2, "test": 1}
    assert all(corpus.columns["text"].item[row] == -1 for row in silent)
    assert not any(named(corpus, "word")[row] for row in silent)
    items = [corpus.columns["speech"].items[corpus.columns["speech"].item[row]] for row in silent]
    assert len(set(items)) == len(items)
    assert all(len(read_speech(item, 4000, 9)[0]) == 4000 for item in items)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_silence_is_at_most_its_share(tree: Path, share: float) -> None:
    corpus = SpeechCommands(root=str(tree), silence=share).build()
    for split in ("train", "validation", "test"):
        rows = corpus.rows(split)
        silent = sum(named(corpus, "command")[row] == "silence" for row in rows)
        assert silent <= round(share * len(rows)) + 1e-9, split


def test_the_archive_of_test_clips_has_no_lists(tmp_path: Path) -> None:
    for name in ("_unknown_/bed_a1_nohash_0.wav", "yes/a1_nohash_0.wav", "_silence_/17.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    corpus = SpeechCommands(root=str(tmp_path)).build()
    assert set(corpus.split.tolist()) == {"test"}
    found = dict(zip(corpus.ids, zip(named(corpus, "command"), named(corpus, "word"), strict=True), strict=True))
    assert found == {
        "_unknown_/bed_a1_nohash_0.wav": ("unknown", "bed"),
        "yes/a1_nohash_0.wav": ("yes", "yes"),
        "_silence_/17.wav": ("silence", ""),
    }
    assert corpus.subject is not None and len(set(corpus.subject.tolist())) == 2


def test_broken_noise_and_names_without_speakers_are_named(tree: Path) -> None:
    (tree / "_background_noise_" / "broken.wav").write_text("no sound")
    (tree / "yes" / "_nohash_0.wav").touch()
    corpus = SpeechCommands(root=str(tree), silence=0.3).build()
    [entry] = corpus.rejected
    assert entry.item == "yes/_nohash_0.wav" and entry.reason.startswith("its name has no word and speaker")
    assert [item for item in corpus.columns["speech"].items if "broken" in item.path]


def test_a_folder_without_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(UserError, match="no folders of words"):
        SpeechCommands(root=str(tmp_path)).build()
