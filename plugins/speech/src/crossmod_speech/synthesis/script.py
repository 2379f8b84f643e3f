"""What every voice says, and what is heard behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossmod.sources.draw import Draw
from crossmod_speech.synthesis.english import KEYWORDS, SLOTS, UNSEEN_KEYWORDS, UNSEEN_WORDINGS, WORDINGS
from crossmod_speech.synthesis.languages import LANGUAGES, sentence_split
from crossmod_speech.synthesis.voices import Voice
from crossmod_speech.synthesis.wording import Sentence

KEYWORD_SHARE = 0.25
"""Of the utterances of an English voice; other voices say sentences alone."""

NOISES = ("white", "pink", "babble")
SIGNAL_TO_NOISE_DB = (20, 10, 5)

ATTEMPTS = 40
"""Sentences that are drawn of an intent before another intent is; one with few sentences may have none in a split."""


@dataclass(frozen=True)
class Line:
    """One utterance.

    Args:
        text: The words.
        meaning: The same in English; empty where they are English.
        intent: What is wanted; empty for a single word.
        keyword: The single word; empty for a sentence.
        is_question: Whether it is asked.
        noise: What is heard behind it; empty for nothing.
        signal_to_noise_db: How much louder the speech is; None without noise.
        level_db: Root mean square of the speech, against full scale.
        margins_seconds: Quiet, or noise alone, before and after.
    """

    text: str
    meaning: str = ""
    intent: str = ""
    keyword: str = ""
    is_question: bool = False
    noise: str = ""
    signal_to_noise_db: int | None = None
    level_db: float = -26.0
    margins_seconds: tuple[float, float] = (0.05, 0.05)


def write_script(voice: Voice, utterances: int, noisy: float, seed: int) -> list[Line]:
    """The lines of one voice, single words among sentences; equal arguments give equal lines.

    Args:
        voice: Who speaks.
        utterances: How many lines.
        noisy: Share of them with noise.
        seed: Draws them.
    """
    draw = Draw(voice.name, voice.split, seed, "script")
    words = _keywords(voice, round(KEYWORD_SHARE * utterances), draw) if voice.language == "en" else []
    sentences = [_sentence(voice, draw, seed) for _ in range(utterances - len(words))]
    spoken = [Line(word, keyword=word) for word in words]
    spoken += [Line(said.text, said.meaning, intent, is_question=said.is_question) for intent, said in sentences]
    return [behind_noise(line, noisy, draw) for line in draw.order(spoken)]


def behind_noise(line: Line, noisy: float, draw: Draw) -> Line:
    """The same line at a level of its own and, with the probability `noisy`, in noise."""
    noise = draw.choose(NOISES) if draw.chance(noisy) else ""
    return Line(
        line.text,
        line.meaning,
        line.intent,
        line.keyword,
        line.is_question,
        noise,
        draw.choose(SIGNAL_TO_NOISE_DB) if noise else None,
        -32.0 + draw.below(11),
        (0.03 + draw.below(12) / 100, 0.03 + draw.below(12) / 100),
    )


def _keywords(voice: Voice, count: int, draw: Draw) -> list[str]:
    """Every word about as often; those that training never hears alone only in the other splits."""
    known: Sequence[str] = KEYWORDS if voice.split == "train" else (*KEYWORDS, *UNSEEN_KEYWORDS)
    words: list[str] = []
    while len(words) < count:
        words += draw.order(known)
    return words[:count]


def _sentence(voice: Voice, draw: Draw, seed: int) -> tuple[str, Sentence]:
    language = LANGUAGES[voice.language]
    intents = [*WORDINGS] if voice.split == "train" else [*WORDINGS, *UNSEEN_WORDINGS]
    spoken = [intent for intent in intents if intent in language.wordings]
    while True:
        intent = draw.choose(spoken)
        for _ in range(ATTEMPTS):
            said = language.sentence(intent, draw, SLOTS)
            # The meaning is a text of the row as well, so it must not cross splits either.
            if {sentence_split(text, seed) for text in (said.text, said.meaning) if text} == {voice.split}:
                return intent, said
