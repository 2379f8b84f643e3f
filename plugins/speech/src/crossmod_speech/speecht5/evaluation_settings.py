"""What SpeechT5's models are scored on (torch-free): words, spectrograms, and the codebook that both share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class TranscriptionSettings(Options):
    """Word and character error rates, beside the commonest transcript and that of the nearest training recording.

    Texts are compared without case and punctuation. Intervals resample speakers, where they are known.

    Args:
        split: Whose utterances are written.
        speech: The modality of utterances.
        text: The modality of texts.
        by: "attention" searches with the decoder, "ctc" takes each frame's likeliest letter.
        beam: Sequences that the decoder keeps open; 1 is greedy.
        ctc_weight: Share of CTC in the score that a beam's sequences are ranked by.
        batch_size: Utterances at a time.
        resamples: Bootstrap resamples.
        seed: Of the resamples.
    """

    split: Split = "test"
    speech: str = "speech"
    text: str = "text"
    by: Literal["attention", "ctc"] = "attention"
    beam: int = 1
    ctc_weight: float = 0.5
    batch_size: int = 64
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.beam, self.batch_size) < 1 or self.resamples < 2 or not 0 <= self.ctc_weight <= 1:
            raise UserError(
                "beam and batch_size are at least 1, resamples at least 2, and ctc_weight lies from 0 to 1."
            )


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings(Options):
    """Mean absolute error and mel-cepstral distance of spoken texts, beside what needs no text.

    Args:
        split: Whose texts are spoken.
        speech: The modality of utterances.
        text: The modality of texts.
        utterances: Most of them, evenly drawn; aligning takes a while.
        longest_seconds: Where speech that does not stop is cut.
        batch_size: Texts at a time.
        seed: Of the dropout that stays on, and of the exchange of texts.
    """

    split: Split = "test"
    speech: str = "speech"
    text: str = "text"
    utterances: int = 100
    longest_seconds: float = 6.0
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.utterances, self.batch_size) < 1 or not self.longest_seconds > 0:
            raise UserError("utterances, batch_size and longest_seconds are positive.")


@dataclass(frozen=True, kw_only=True)
class SharedCodesSettings(Options):
    """How much of the codebook each modality uses, and how much of it both use.

    Args:
        split: Whose utterances and texts are quantised.
        speech: The modality of utterances.
        text: The modality of texts.
        batch_size: Items at a time.
    """

    split: Split = "test"
    speech: str = "speech"
    text: str = "text"
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"batch_size is {self.batch_size}; take 1 or more.")


EVALUATIONS: dict[str, Evaluation] = {
    "transcription": Evaluation(
        name="transcription",
        summary="word and character error rates of what the model writes, beside two baselines",
        target="crossmod_speech.speecht5.transcription_evaluation:evaluate",
        settings=TranscriptionSettings,
    ),
    "synthesis": Evaluation(
        name="synthesis",
        summary="error of spectrograms that the model speaks from texts, frame by frame and on its own",
        target="crossmod_speech.speecht5.synthesis_evaluation:evaluate",
        settings=SynthesisSettings,
    ),
    "shared-codes": Evaluation(
        name="shared-codes",
        summary="use of SpeechT5's codebook by speech, by text and by both",
        target="crossmod_speech.speecht5.code_evaluation:evaluate",
        settings=SharedCodesSettings,
    ),
}
"""Evaluations of SpeechT5's models."""
