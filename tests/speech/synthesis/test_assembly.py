"""The default corpus: split by voice and sentence, labelled, found again, and recognisable across voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod.testing.difference import difference
from crossmod_speech.data import EmbeddedSpeech, SpeechTable
from crossmod_speech.readers.recordings import read_speech


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="module")
def settings(folder: Path) -> EmbeddedSpeech:
    return EmbeddedSpeech(voices=20, utterances=24, noisy=0.25, folder=str(folder), workers=0)


@pytest.fixture(scope="module")
def corpus(settings: EmbeddedSpeech) -> Corpus:
    return settings.build()


def test_no_voice_and_no_sentence_stands_in_two_splits(corpus: Corpus) -> None:
    assert corpus.subject is not None
    pairs = set(zip(corpus.subject.tolist(), corpus.split.tolist(), strict=True))
    assert len(pairs) == 20 and {split for _, split in pairs} == {"train", "validation", "test"}
    words = np.array([bool(np.isnan(values)) for values in corpus.labels["keyword"].values])
    words &= np.isnan(corpus.labels["unseen keyword"].values)
    texts = [corpus.columns["text"].items[place] for place in corpus.columns["text"].item]
    said = {(texts[row], corpus.split[row]) for row in np.flatnonzero(words)}
    assert len(said) == len({text for text, _ in said})


def test_a_keyword_is_one_group_a_split(corpus: Corpus) -> None:
    column = corpus.columns["text"]
    rows = [row for row, place in enumerate(column.item) if column.items[place] == "yes"]
    found = {(corpus.group[row], column.item[row], corpus.split[row]) for row in rows}
    assert len({split for _, _, split in found}) > 1
    assert len(found) == len({split for _, _, split in found}) == len({group for group, _, _ in found})


def test_a_voice_of_another_language_has_the_meaning_in_english_too(corpus: Corpus) -> None:
    rows = np.flatnonzero(corpus.attributes["language"] == "de")
    items = corpus.columns["speech"].item[rows]
    assert len(items) == 2 * len(set(items.tolist()))
    assert (np.bincount(np.unique(items, return_inverse=True)[1]) == 2).all()


def test_labels_of_unseen_classes_are_known_outside_training_only(corpus: Corpus) -> None:
    for name in ("intent", "keyword"):
        for label, splits in ((name, {"train", "validation", "test"}), (f"unseen {name}", {"validation", "test"})):
            known = ~np.isnan(corpus.labels[label].values)
            assert set(corpus.split[known].tolist()) == splits, label
            assert set(corpus.labels[label].prompts) == set(corpus.labels[label].classes)


def test_it_is_found_again_and_equal(settings: EmbeddedSpeech, corpus: Corpus, folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.flac")}
    assert difference(corpus, settings.build(), "corpus") is None
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.flac")} == before and len(before) == 20


def test_the_folder_is_a_speech_table(corpus: Corpus, folder: Path) -> None:
    [table] = folder.glob("segments-*.csv")
    read = SpeechTable(
        path=str(table), start="start", end="end", speaker="voice", text=["text", "meaning"], split_by="column"
    ).build()
    assert len(read) == len(corpus) and read.split.tolist() == corpus.split.tolist()
    assert {item.path for item in read.columns["speech"].items} == {
        item.path for item in corpus.columns["speech"].items
    }
    assert not read.rejected


def test_the_same_word_of_another_voice_is_nearer_than_another_word(corpus: Corpus) -> None:
    label = corpus.labels["keyword"].values
    rows = np.flatnonzero(~np.isnan(label) & (corpus.attributes["noise"] == "none"))
    shapes = np.stack([_shape(corpus, row) for row in rows])
    distance = ((shapes[:, None] - shapes[None]) ** 2).sum(-1)
    assert corpus.subject is not None
    distance[corpus.subject[rows][:, None] == corpus.subject[rows][None]] = np.inf
    hits = label[rows][distance.argmin(1)] == label[rows]
    # By chance one in twenty; with three voices to a word not every word has a neighbour.
    assert len(rows) > 40 and hits.mean() > 0.4


def _shape(corpus: Corpus, row: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Cepstra of an utterance at 16 times between its first and last loud frame, without their mean."""
    source = corpus.columns["speech"].items[corpus.columns["speech"].item[row]]
    samples = read_speech(source, 16000, 10.0)[0] / 32768.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160] * np.hanning(400)
    power = np.abs(np.fft.rfft(frames)) ** 2
    loud = np.flatnonzero(power.sum(1) > 0.003 * power.sum(1).max())
    edges = np.unique(np.round(np.geomspace(4, 180, 25)).astype(int))
    bands = np.log(np.add.reduceat(power[loud[0] : loud[-1] + 1], edges, axis=1) + 1e-6)
    steps = np.arange(bands.shape[1])
    cosines = np.cos(np.pi * np.outer(np.arange(1, 13), steps + 0.5) / bands.shape[1])
    cepstra = bands @ cosines.T
    times = np.linspace(0, len(cepstra) - 1, 16)
    shape = np.stack([np.interp(times, np.arange(len(cepstra)), one) for one in cepstra.T])
    shape -= shape.mean(1, keepdims=True)
    return np.asarray((shape / np.linalg.norm(shape)).ravel())


def test_too_few_voices_and_shares_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match=r"data\.voices is 3"):
        EmbeddedSpeech(voices=3)
    with pytest.raises(UserError, match="they are shares"):
        EmbeddedSpeech(noisy=1.5)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match=r"cannot be written to .*file"):
        EmbeddedSpeech(voices=5, utterances=4, folder=str(blocked / "below"), workers=0).build()
