"""What a language model over texts and codes is scored on (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class PerplexitySettings(Options):
    """Perplexity of each task, and what it is with another row's text or speech before it.

    Args:
        split: Whose documents are read.
        speech: The modality whose tower is the codec.
        text: The modality whose tower is the language model.
        rows: Most rows, evenly drawn.
        batch_size: Documents at a time.
    """

    split: Split = "test"
    speech: str = "speech"
    text: str = "text"
    rows: int = 500
    batch_size: int = 32

    def __post_init__(self) -> None:
        if min(self.rows, self.batch_size) < 1:
            raise UserError("rows and batch_size are 1 or more.")


@dataclass(frozen=True, kw_only=True)
class SpokenTextsSettings(Options):
    """Texts spoken by way of codes, held against their recordings and against those of other texts.

    Args:
        split: Whose texts are spoken.
        speech: The modality whose tower is the codec.
        text: The modality whose tower is the language model.
        rows: Most rows, evenly drawn; aligning takes a while.
        longest_seconds: Where speech that does not end is cut.
        temperature: Divisor of the logits. (0.9 in UniTTS.)
        top_p: Codes are drawn among the likeliest that have this share together. (0.9.)
        batch_size: Texts at a time.
        resamples: Bootstrap resamples.
        seed: Of the drawing, of the exchange and of the resamples.
        recordings: Folder that the first few are written to as WAV, original and spoken; empty writes none.
        written: How many.
    """

    split: Split = "test"
    speech: str = "speech"
    text: str = "text"
    rows: int = 100
    longest_seconds: float = 4.0
    temperature: float = 0.9
    top_p: float = 0.9
    batch_size: int = 32
    resamples: int = 1000
    seed: int = 0
    recordings: str = ""
    written: int = 4

    def __post_init__(self) -> None:
        if min(self.rows, self.batch_size, self.written) < 1 or self.resamples < 2 or not self.longest_seconds > 0:
            raise UserError("rows, batch_size, written and longest_seconds are positive, resamples 2 or more.")


EVALUATIONS: dict[str, Evaluation] = {
    "perplexity": Evaluation(
        name="perplexity",
        summary="perplexity of speech, of text and of each given the other, beside what counts of tokens give",
        target="crossmod_speech.unitts.perplexity:evaluate",
        settings=PerplexitySettings,
        score="crossmod_speech.unitts.perplexity:validation_score",
    ),
    "spoken-texts": Evaluation(
        name="spoken-texts",
        summary="distance of texts that are spoken by way of codes from their recordings, and from others",
        target="crossmod_speech.unitts.spoken_texts:evaluate",
        settings=SpokenTextsSettings,
    ),
}
"""Evaluations of language models over texts and codes."""
