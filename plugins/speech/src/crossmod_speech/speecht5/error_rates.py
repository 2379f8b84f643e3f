"""Word and character errors of transcripts, counted by jiwer, with intervals over speakers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod_metrics import bootstrap_statistic

_NO_WORD = re.compile(r"[^\w\s']|_")


def compared(text: str) -> str:
    """A text as error rates compare it: lower case, no punctuation but apostrophes, single blanks.

    >>> compared("Turn on  the Lights, please!")
    'turn on the lights please'
    """
    return " ".join(_NO_WORD.sub(" ", text.lower()).split())


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of every utterance, and of how many they are.

    Shape:
        word_errors, words, letter_errors, letters: [utterances]; substituted, left out and put in; and the reference's.
    """

    word_errors: Int64[Tensor, "utterances"]
    words: Int64[Tensor, "utterances"]
    letter_errors: Int64[Tensor, "utterances"]
    letters: Int64[Tensor, "utterances"]

    @property
    def word_rate(self) -> float:
        """Word errors over words; above 1 where more is written than was said."""
        return float(self.word_errors.sum() / self.words.sum())

    @property
    def letter_rate(self) -> float:
        """Character errors over characters, blanks included."""
        return float(self.letter_errors.sum() / self.letters.sum())

    @property
    def exact(self) -> float:
        """Share of utterances without an error."""
        return float((self.letter_errors == 0).double().mean())

    def word_interval(
        self, speaker: Int64[Tensor, "utterances"] | None, *, seed: int, resamples: int
    ) -> tuple[float, float]:
        """95 % interval of the word error rate, speakers resampled."""

        def rate(drawn: Tensor) -> float:
            return float(self.word_errors[drawn].sum() / self.words[drawn].sum())

        found = bootstrap_statistic(rate, len(self.words), speaker, seed=seed, resamples=resamples)
        return found.low, found.high


def count_errors(references: Sequence[str], written: Sequence[str]) -> Errors:
    """Errors of texts against what was said, both as `compared` gives them.

    Raises:
        ValueError: A reference holds no word, or the texts differ in number.
    """
    if len(references) != len(written):
        raise ValueError(
            f"{len(written)} texts cannot be compared with {len(references)} references; give one for each"
        )
    counts = []
    for place, (said, found) in enumerate(zip(references, written, strict=True)):
        reference, hypothesis = compared(said), compared(found)
        if not reference:
            raise ValueError(f"reference {place} holds no word, and so has no error rate; leave it out")
        words = jiwer.process_words(reference, hypothesis)
        letters = jiwer.process_characters(reference, hypothesis)
        counts.append([number for output in (words, letters) for number in _errors(output)])
    found_counts = torch.tensor(counts, dtype=torch.int64).reshape(-1, 4)
    return Errors(*found_counts.unbind(1))


def _errors(output: jiwer.WordOutput | jiwer.CharacterOutput) -> tuple[int, int]:
    wrong = output.substitutions + output.deletions
    return wrong + output.insertions, wrong + output.hits
