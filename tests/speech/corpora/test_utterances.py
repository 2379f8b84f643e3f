"""Utterances to rows: texts, groups within splits, speakers, labels, and what must not leak."""

from __future__ import annotations

import numpy as np
import pytest

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance, assemble, said_words, word_prompts
from crossmod_speech.sources import SpeechSource


def utterance(
    path: str, text: str | tuple[str, ...], speaker: str = "", split: str = "train", **rest: object
) -> Utterance:
    texts = text if isinstance(text, tuple) else (text,)
    return Utterance(path, speaker, split, SpeechSource(path), 1, texts, **rest)  # type: ignore[arg-type]


def test_equal_words_share_a_group_within_a_split_and_not_across() -> None:
    said = [
        utterance("a", "Stop!", "one"),
        utterance("b", "stop", "two"),
        utterance("c", "stop", "three", "test"),
        utterance("d", "stopped", "one"),
        utterance("e", "stop", "four", ""),
    ]
    corpus = assemble(Reading("r", said))
    group = corpus.group.tolist()
    assert group[0] == group[1] and len({group[1], group[2], group[3], group[4]}) == 4
    column = corpus.columns["text"]
    # An item a group: the text of the test split is another item than that of the training split.
    assert column.items.count("stop") == 3 and len(set(column.item.tolist())) == 5


def test_all_texts_of_a_recording_are_rows_of_one_group() -> None:
    said = [utterance("a", ("guten Tag", "good day")), utterance("b", "good day"), utterance("c", "bye")]
    corpus = assemble(Reading("r", said))
    assert len(corpus) == 4 and corpus.group.tolist() == [0, 0, 0, 1]
    assert corpus.columns["speech"].item.tolist() == [0, 0, 1, 2]
    assert corpus.ids == ["a", "a", "b", "c"] and corpus.facts["utterances"] == 3


def test_noise_has_no_text_and_a_group_of_its_own() -> None:
    said = [utterance("a", ()), utterance("b", ()), utterance("c", "yes")]
    corpus = assemble(Reading("r", said))
    assert corpus.columns["text"].item.tolist() == [-1, -1, 0]
    assert len(set(corpus.group.tolist())) == 3


def test_speakers_are_subjects_and_recordings_of_nobody_are_their_own() -> None:
    said = [utterance("a", "x", "s"), utterance("b", "y", "s"), utterance("c", "z"), utterance("d", "w")]
    corpus = assemble(Reading("r", said))
    assert corpus.subject is not None and corpus.subject.tolist() == [0, 0, 1, 2]


def test_labels_and_attributes_are_unknown_where_nothing_says_them() -> None:
    said = [
        utterance("a", "x", labels={"word": "yes"}, attributes={"sex": "female", "accent": ""}),
        utterance("b", "y", labels={"word": "no"}),
        utterance("c", "z"),
    ]
    corpus = assemble(Reading("r", said, [Classes("word", {"no": ["no"], "yes": ["yes", "yes please"], "off": []})]))
    label = corpus.labels["word"]
    assert label.values[:2].tolist() == [1.0, 0.0] and np.isnan(label.values[2])
    assert label.classes == ("no", "yes", "off") and set(label.prompts) == {"no", "yes"}
    assert {name: values.tolist() for name, values in corpus.attributes.items()} == {"sex": ["female", "", ""]}


@pytest.mark.parametrize("what", ["speaker", "recording"])
def test_a_speaker_or_a_recording_in_two_splits_is_refused(what: str) -> None:
    names = ("a", "a") if what == "recording" else ("a", "b")
    who = ("s", "s") if what == "speaker" else ("", "")
    said = [utterance(names[0], "x", who[0], "train"), utterance(names[1], "y", who[1], "test")]
    with pytest.raises(UserError, match=f"has the {what} . in two splits: a is in train, {names[1]} in test"):
        assemble(Reading("r", said))
    # A row that only serves as a candidate takes part in no split.
    assemble(Reading("r", [said[0], utterance(names[1], "y", who[1], "")]))


def test_a_corpus_of_rejects_names_the_first() -> None:
    rejected = [Rejected("text", 7, "x", "its text is empty")]
    with pytest.raises(UserError, match="no usable utterance .1 rejected; the first: line 7, its text is empty"):
        assemble(Reading("r", [], rejected=rejected))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It's TEN o'clock.", "it\N{RIGHT SINGLE QUOTATION MARK}s ten o'clock"),
        ("Café", "Cafe\N{COMBINING ACUTE ACCENT}"),
        ("'stop'", "stop"),
        ("well-known", "well known"),
        ("ＹＥＳ", "yes"),
    ],
)
def test_texts_that_are_spoken_alike(one: str, other: str) -> None:
    assert said_words(one) == said_words(other) != ""


def test_signs_alone_are_a_text_that_equals_itself() -> None:
    assert said_words("?!") == "?!" != said_words("...") and said_words("ten") != said_words("tens")


def test_prompts_are_words_in_templates() -> None:
    assert word_prompts("email_sendemail", ["{}", "a request: {}"]) == ["email sendemail", "a request: email sendemail"]
    assert word_prompts("a{0}b") == ["a{0}b"]
