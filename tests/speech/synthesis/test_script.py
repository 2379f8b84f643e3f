"""What voices say: sentences of their own split, every keyword, unseen intents only where nothing is learned."""

from __future__ import annotations

from collections import Counter

import pytest

from crossmod_speech.synthesis.english import KEYWORDS, UNSEEN_KEYWORDS, UNSEEN_WORDINGS
from crossmod_speech.synthesis.languages import sentence_split
from crossmod_speech.synthesis.script import Line, write_script
from crossmod_speech.synthesis.voices import Voice, draw_voices

VOICES = draw_voices(40, 0.2, 0)
SCRIPTS = {voice: write_script(voice, 80, 0.5, 0) for voice in VOICES}


def lines_of(split: str) -> list[tuple[Voice, Line]]:
    return [(voice, line) for voice, lines in SCRIPTS.items() if voice.split == split for line in lines]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_voice_says_sentences_of_its_split_alone(split: str) -> None:
    said = [(line.text, line.meaning) for _, line in lines_of(split) if line.intent]
    assert {sentence_split(text, 0) for pair in said for text in pair if text} == {split}


def test_training_hears_no_unseen_intent_and_no_unseen_word_alone() -> None:
    trained = [line for _, line in lines_of("train")]
    assert not {line.intent for line in trained} & set(UNSEEN_WORDINGS)
    assert not {line.text for line in trained} & set(UNSEEN_KEYWORDS)
    tested = [line for _, line in lines_of("test")]
    assert set(UNSEEN_WORDINGS) <= {line.intent for line in tested}
    assert set(UNSEEN_KEYWORDS) <= {line.keyword for line in tested}


def test_test_sentences_in_english_hold_known_words_alone() -> None:
    known = {word for _, line in lines_of("train") for word in line.text.split()}
    tested = {word for voice, line in lines_of("test") if voice.language == "en" for word in line.text.split()}
    assert tested <= known


def test_english_training_voices_say_every_keyword() -> None:
    for voice, lines in SCRIPTS.items():
        words = Counter(line.keyword for line in lines if line.keyword)
        assert sum(words.values()) == (20 if voice.language == "en" else 0)
        if voice.language == "en" and voice.split == "train":
            assert words == dict.fromkeys(KEYWORDS, 1)


def test_noise_is_as_frequent_as_asked() -> None:
    voice = VOICES[0]
    noisy = [sum(bool(line.noise) for line in write_script(voice, 400, share, 0)) for share in (0.0, 0.5, 1.0)]
    assert noisy[0] == 0 and noisy[1] == pytest.approx(200, abs=40) and noisy[2] == 400
    assert all((line.signal_to_noise_db is None) == (line.noise == "") for line in SCRIPTS[voice])


def test_equal_arguments_give_equal_lines_and_other_seeds_do_not() -> None:
    voice = VOICES[0]
    assert write_script(voice, 30, 0.5, 0) == write_script(voice, 30, 0.5, 0) != write_script(voice, 30, 0.5, 1)
