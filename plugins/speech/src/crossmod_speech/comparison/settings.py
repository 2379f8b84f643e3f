"""Settings of the comparison of a run's objective with plain contrast (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class AgainstInfoNCESettings(Options):
    """Retrieval and zero-shot accuracy beside the same towers trained by InfoNCE: same seed, rows, steps and rate.

    The model beside is trained in this same evaluation, which takes as long as the run did. Intervals of the
    differences resample speakers.

    Args:
        split: Whose rows are scored.
        text: The modality that is asked with, and that prompts are embedded by.
        resamples: Bootstrap resamples.
        seed: Of the resamples.
    """

    split: Literal["validation", "test"] = "test"
    text: str = "text"
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 2:
            raise UserError(f"resamples is {self.resamples}; an interval needs at least 2.")


EVALUATIONS: dict[str, Evaluation] = {
    "against-infonce": Evaluation(
        name="against-infonce",
        summary="retrieval and zero-shot accuracy beside the same towers trained by InfoNCE in this evaluation",
        target="crossmod_speech.comparison.evaluation:evaluate",
        settings=AgainstInfoNCESettings,
    ),
}
"""Comparisons of objectives."""
