"""The languages that voices speak, and which split a sentence belongs to."""

from __future__ import annotations

import hashlib

from crossmod.contracts.corpus import SPLITS
from crossmod_speech.synthesis.english import ENGLISH
from crossmod_speech.synthesis.french import FRENCH
from crossmod_speech.synthesis.german import GERMAN
from crossmod_speech.synthesis.italian import ITALIAN
from crossmod_speech.synthesis.spanish import SPANISH

LANGUAGES = {language.code: language for language in (ENGLISH, GERMAN, FRENCH, SPANISH, ITALIAN)}

SENTENCE_SHARES = (0.6, 0.15, 0.25)
"""Of the sentences: train, validation and test."""


def sentence_split(text: str, seed: int) -> str:
    """The split whose voices alone say a sentence.

    >>> sentence_split("turn on the lights", 0) == sentence_split("turn on the lights", 0)
    True
    """
    place = int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64
    return SPLITS[(place >= SENTENCE_SHARES[0]) + (place >= SENTENCE_SHARES[0] + SENTENCE_SHARES[1])]
