"""Sentences of SLURP, spoken: dealt to voices by split, some intents never in training."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_speech.corpora.settings import SpokenSlurp


def write_table(path: Path, sentences: dict[str, str]) -> str:
    lines = ["sentence\tscenario\taction"]
    lines += ["\t".join([text, *intent.split("_", 1)]) for text, intent in sentences.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("slurp")
    intents = ("alarm_set", "iot_hue_lightoff", "play_music", "news_query")
    training = {f"training sentence {number} for you": intents[number % 4] for number in range(32)}
    test = {f"test sentence {number} for you": intents[number % 4] for number in range(12)}
    both = {"we are in both": "alarm_set"}
    return SpokenSlurp(
        training=write_table(folder / "devel.tsv", {**training, **both, "": "alarm_set"}),
        test=write_table(folder / "test.tsv", {**test, "We are in both.": "alarm_set"}),
        unseen=1,
        voices=10,
        folder=str(folder / "recordings"),
        workers=0,
    ).build()


def texts_of(corpus: Corpus, split: str) -> list[str]:
    column = corpus.columns["text"]
    return [column.items[column.item[row]] for row in corpus.rows(split)]


def test_training_sentences_are_said_by_two_voices_and_test_sentences_by_one(corpus: Corpus) -> None:
    train, test = texts_of(corpus, "train"), texts_of(corpus, "test")
    assert len(test) == len(set(test)) == 13
    assert len(train) == 2 * len(set(train))
    assert corpus.subject is not None
    pairs = set(zip(corpus.subject[corpus.rows("train")].tolist(), train, strict=True))
    assert len(pairs) == len(train)


def test_what_the_test_says_is_not_trained_on(corpus: Corpus) -> None:
    assert "we are in both" not in texts_of(corpus, "train") + texts_of(corpus, "validation")
    assert set(texts_of(corpus, "train")).isdisjoint(texts_of(corpus, "validation"))


def test_an_unseen_intent_is_tested_and_never_trained(corpus: Corpus) -> None:
    label = corpus.labels["unseen intent"]
    [unseen] = label.classes
    assert unseen not in corpus.labels["intent"].classes and len(corpus.labels["intent"].classes) == 3
    assert set(corpus.split[~np.isnan(label.values)].tolist()) == {"test"}
    assert corpus.facts["intents never trained on"] == [unseen]
    assert label.prompts[unseen] == [unseen.replace("_", " ")]


def test_an_empty_sentence_is_rejected_with_its_line(corpus: Corpus) -> None:
    [entry] = corpus.rejected
    assert (entry.modality, entry.line, entry.reason) == ("text", 35, "its sentence is empty")


def test_more_unseen_intents_than_there_are_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "a.tsv", {"hello there": "general_greet"})
    with pytest.raises(UserError, match=r"data\.unseen is 9"):
        SpokenSlurp(training=table, test=table, unseen=9, folder=str(tmp_path)).build()
    with pytest.raises(UserError, match="no sentence of its own"):
        SpokenSlurp(training=table, test=table, unseen=0, folder=str(tmp_path)).build()


def test_the_published_sentences_are_read() -> None:
    data = Path(os.environ.get("CROSSMOD_DATA", Path(__file__).parents[4] / "shared" / "data")) / "speech"
    if not (data / "slurp_text").is_dir():
        pytest.skip("SLURP's sentences are not here; set CROSSMOD_DATA to the folder that holds speech/slurp_text")
    from crossmod.contracts.corpus import Rejected
    from crossmod.sources.tables import open_table
    from crossmod_speech.corpora.slurp import slurp_sentences

    rejected: list[Rejected] = []
    counted = [
        len(list(slurp_sentences(open_table(data / "slurp_text" / name), rejected)))
        for name in ("devel.tsv.gz", "test.tsv.gz")
    ]
    assert counted == [2033, 2974] and not rejected
