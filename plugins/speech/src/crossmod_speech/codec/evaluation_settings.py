"""What a codec is scored on (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class ReconstructionSettings(Options):
    """Error of rebuilt recordings and use of the codes, beside what knows no codes, wrong ones, and no training.

    Args:
        split: Whose recordings are rebuilt.
        speech: The modality of recordings.
        utterances: Most of them, evenly drawn.
        rounds: Turns of Griffin and Lim's algorithm, which rebuilds from the spectrogram itself.
        seed: Of the random codes, of the first phases and of the untrained codec.
        recordings: Folder that the first few are written to as WAV, original and rebuilt; empty writes none.
        written: How many.
    """

    split: Literal["train", "validation", "test"] = "test"
    speech: str = "speech"
    utterances: int = 100
    rounds: int = 32
    seed: int = 0
    recordings: str = ""
    written: int = 4

    def __post_init__(self) -> None:
        if min(self.utterances, self.rounds, self.written) < 1:
            raise UserError("utterances, rounds and written of the reconstruction evaluation are 1 or more.")


EVALUATIONS: dict[str, Evaluation] = {
    "reconstruction": Evaluation(
        name="reconstruction",
        summary="error of recordings rebuilt from a codec's codes, and how many of the codes are used",
        target="crossmod_speech.codec.evaluation:evaluate",
        settings=ReconstructionSettings,
        score="crossmod_speech.codec.evaluation:validation_score",
    ),
}
"""Evaluations of codecs."""
