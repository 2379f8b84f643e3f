"""Settings of the evaluation of places by sentences (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class SentencePatchSettings(Options):
    """Volumes ranked by their patches that a sentence is most similar to; nothing of a whole volume is compared.

    Args:
        split: Whose studies are ranked.
        image: The modality of the volumes.
        text: The modality of the reports; its tower knows sentences.
        share: Share of a volume's patches that a sentence selects (0.05 in SimCroP's recipe).
        least: Patches that it selects at least; 8 in the recipe is of the visible quarter, and here all are visible.
        recalls: The k of recall at k.
        untrained: Also score the same towers with the initialisation of another seed.
        seed: Seed of the untrained towers.
    """

    split: Literal["train", "validation", "test"] = "test"
    image: str = "image"
    text: str = "text"
    share: float = 0.05
    least: int = 8
    recalls: tuple[int, ...] = (1, 5, 10)
    untrained: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.least < 1:
            raise UserError(f"share is {self.share}, from 0 to 1, and least {self.least}, at least 1.")


EVALUATIONS: dict[str, Evaluation] = {
    "sentence-patches": Evaluation(
        name="sentence-patches",
        summary="volumes ranked by the patches that a report's sentences select, beside untrained towers and chance",
        target="crossmod_medical.pretraining.sentence_patches:evaluate",
        settings=SentencePatchSettings,
    )
}
