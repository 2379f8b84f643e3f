"""Settings of objectives on events that a corpus attaches to its rows (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class EventOrder(ObjectiveSettings):
    """Contrast recordings of several events with their texts and with wrong orders (EA-VTR, arXiv:2407.07478; spec).

    The corpus attaches the wrong orders to its rows (`Corpus.attached`; `compose_events` and `reordered_texts` make
    them). Rows without any are contrasted as InfoNCE does.

    Args:
        a: The modality of the recording.
        b: The modality of the text.
        reordered: Name under which the corpus attaches texts told in other orders.
        reordered_a: Name of recordings with their events in other orders; null has none.
        scale: Logit scale to start at, 1/temperature (1/0.07, our choice).
        smallest_scale: Lower clamp of the logit scale after each step (2, our choice).
        largest_scale: Upper clamp (100, our choice).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    reordered: str = "reordered"
    reordered_a: str | None = None
    scale: float = 1 / 0.07
    smallest_scale: float = 2.0
    largest_scale: float = 100.0
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.event_contrast import OrderContrast
        from crossmod.objectives.matching.event_objectives import EventOrderObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        loss = OrderContrast(LogitScale(self.scale, smallest=self.smallest_scale, largest=self.largest_scale))
        return EventOrderObjective(self.a, self.b, self.reordered, self.reordered_a, loss, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class CaptionedMoments(ObjectiveSettings):
    """Contrast moments of a recording with captions of their own (EA-VTR, arXiv:2407.07478; spec).

    The corpus attaches the captions to its rows, each with the token that it speaks of (`Corpus.attached`).

    Args:
        a: The modality of the recording; its tower gives one token a moment.
        captions: Name under which the corpus attaches captions.
        duplicate: Cosine of two captions of one group above which they are no negatives (0.9, our choice).
        scale: Logit scale to start at, 1/temperature (1/0.07, our choice).
        smallest_scale: Lower clamp of the logit scale after each step (2, our choice).
        largest_scale: Upper clamp (100, our choice).
    """

    a: str
    captions: str = "captions"
    duplicate: float = 0.9
    scale: float = 1 / 0.07
    smallest_scale: float = 2.0
    largest_scale: float = 100.0

    def __post_init__(self) -> None:
        if not -1 <= self.duplicate <= 1:
            raise UserError(f"captions cannot be the same from a cosine of {self.duplicate}; it lies in -1 to 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.event_contrast import LocalTextContrast
        from crossmod.objectives.matching.event_objectives import CaptionedMomentsObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a)
        scale = LogitScale(self.scale, smallest=self.smallest_scale, largest=self.largest_scale)
        return CaptionedMomentsObjective(self.a, self.captions, LocalTextContrast(scale, self.duplicate))
