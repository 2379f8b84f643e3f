"""The sentences: slots of all languages agree, meanings are English, unseen intents are made of known words."""

from __future__ import annotations

import re

import pytest

from crossmod.sources.draw import Draw
from crossmod_speech.synthesis.english import (
    ENGLISH,
    KEYWORDS,
    PHRASES,
    SLOTS,
    UNSEEN_KEYWORDS,
    UNSEEN_WORDINGS,
    WORDINGS,
    intent_prompts,
)
from crossmod_speech.synthesis.languages import LANGUAGES, sentence_split

SLOT = re.compile(r"\{(\w+)\}")


def words_of(wordings: tuple[str, ...]) -> set[str]:
    """The words that stand between the slots."""
    return {word.strip("?") for wording in wordings for word in SLOT.sub(" ", wording).split()}


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_other_languages_fill_as_english_does(code: str) -> None:
    language = LANGUAGES[code]
    assert set(language.wordings) <= set(WORDINGS)
    for slot, fillers in language.slots.items():
        assert len(fillers) == len(SLOTS[slot]), slot
        assert len(set(fillers)) == len(fillers), slot
    for intent, several in language.wordings.items():
        for wording, meant in several:
            assert sorted(SLOT.findall(wording)) == sorted(SLOT.findall(meant)), (intent, wording)
            assert not meant.endswith("?"), (intent, wording)


def test_a_sentence_means_what_its_slots_mean() -> None:
    said = [LANGUAGES["de"].sentence("shopping_add", Draw("t", number), SLOTS) for number in range(50)]
    milk = [sentence for sentence in said if "Milch" in sentence.text]
    assert milk and all("milk" in sentence.meaning for sentence in milk)
    assert not any("{" in sentence.text + sentence.meaning for sentence in said)


def test_questions_are_asked_as_they_stand() -> None:
    said = [ENGLISH.sentence("weather_ask", Draw("t", number), SLOTS) for number in range(40)]
    assert all(sentence.is_question and sentence.text.split()[0] in {"what", "will", "do", "how"} for sentence in said)
    assert all(sentence.meaning == "" and "?" not in sentence.text for sentence in said)


def test_unseen_intents_are_said_in_words_that_training_knows() -> None:
    known = set.union(*(words_of(several) for several in WORDINGS.values()))
    unknown = set.union(*(words_of(several) for several in UNSEEN_WORDINGS.values())) - known
    assert unknown == set()
    assert not set(WORDINGS) & set(UNSEEN_WORDINGS)


def test_phrases_of_prompts_are_made_of_words_that_training_knows() -> None:
    fillers = {word for several in SLOTS.values() for filler in several for word in filler.split()}
    known = set.union(*(words_of(several) for several in WORDINGS.values())) | fillers
    assert {word for phrase in PHRASES.values() for word in phrase.split()} <= known


def test_unseen_keywords_are_heard_in_training_sentences() -> None:
    fillers = {word for several in SLOTS.values() for filler in several for word in filler.split()}
    known = set.union(*(words_of(several) for several in WORDINGS.values())) | fillers
    assert set(UNSEEN_KEYWORDS) <= known and not set(UNSEEN_KEYWORDS) & set(KEYWORDS)


def test_every_intent_has_prompts_of_its_own() -> None:
    assert set(PHRASES) == {*WORDINGS, *UNSEEN_WORDINGS}
    prompts = [prompt for intent in PHRASES for prompt in intent_prompts(intent)]
    assert len(prompts) == len(set(prompts)) == 6 * len(PHRASES)


def test_sentences_part_at_the_stated_shares() -> None:
    splits = [sentence_split(f"sentence {number}", 0) for number in range(2000)]
    assert [splits.count(name) / 2000 for name in ("train", "validation", "test")] == pytest.approx(
        [0.6, 0.15, 0.25], abs=0.03
    )
    assert splits != [sentence_split(f"sentence {number}", 1) for number in range(2000)]
