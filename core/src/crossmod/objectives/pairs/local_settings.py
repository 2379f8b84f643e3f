"""Settings of the pairwise objectives between phrases and places (torch-free)."""

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
class TopKLocalAlign(ObjectiveSettings):
    """Align every phrase with the few patches that it is most similar to (SimCroP; all but the selection [C]).

    Args:
        a: The modality whose tokens are selected, such as images.
        b: The modality of the phrases; its tower has to tell them, such as a report's sentences.
        hidden_share: Share of a's tokens that are hidden before the choice; 0 takes the whole. (0.75.)
        share: Share of the visible tokens that a phrase selects. (0.05.)
        least: Tokens that it selects at least, where there are so many. (8.)
        temperature: Above 0 weighs the selected by softmax(cosine / temperature); 0 takes their mean. (0.1, or mean.)
        scale: Logit scale to start at, 1/temperature of the contrast. (1/0.07.)
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
    """

    a: str
    b: str
    hidden_share: float = 0.75
    share: float = 0.05
    least: int = 8
    temperature: float = 0.0
    scale: float = 1 / 0.07
    largest_scale: float = 100.0

    def __post_init__(self) -> None:
        if not 0 <= self.hidden_share < 1 or not 0 <= self.share <= 1:
            raise UserError(
                f"hidden_share is {self.hidden_share} and share {self.share}; both are shares, and something stays."
            )
        if self.least < 1 or not self.temperature >= 0:
            raise UserError(f"least is {self.least}, which is at least 1; temperature {self.temperature}, at least 0.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.requirements import visible_tower
        from crossmod.objectives.pairs.aligned_phrases import LocalAlignmentLoss
        from crossmod.objectives.pairs.aligned_phrases_objective import TopKLocalAlignObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a)
        if self.hidden_share:
            visible_tower(towers, self.a, "TopKLocalAlign")
        _require_phrases(towers, self.b, "TopKLocalAlign")
        return TopKLocalAlignObjective(
            self.a,
            self.b,
            LocalAlignmentLoss(LogitScale(self.scale, largest=self.largest_scale)),
            hidden_share=self.hidden_share,
            share=self.share,
            least=self.least,
            temperature=self.temperature,
        )


@dataclass(frozen=True, kw_only=True)
class AttendedLocalAlign(ObjectiveSettings):
    """Align every phrase with the region that it attends to (VELVET-Med's sentence level; details [C]).

    Args:
        a: The modality that is read, such as images.
        b: The modality of the phrases; its tower has to tell them, such as a report's sentences.
        stage: Which of the maps of a's tower is read, from 0 at the finest; -1 takes its tokens. (3 of SwinUNETR.)
        width: Width that phrases and regions are compared in. (Our choice.)
        scale: Logit scale to start at, 1/temperature of the contrast. (1/0.07.)
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
    """

    a: str
    b: str
    stage: int = -1
    width: int = 256
    scale: float = 1 / 0.07
    largest_scale: float = 100.0

    def __post_init__(self) -> None:
        if self.stage < -1 or self.width < 1:
            raise UserError(f"stage is {self.stage}, which is -1 or more, and width {self.width}, which is at least 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.aligned_phrases import LocalAlignmentLoss
        from crossmod.objectives.pairs.aligned_phrases_objective import AttendedLocalAlignObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a)
        _require_phrases(towers, self.b, "AttendedLocalAlign")
        return AttendedLocalAlignObjective(
            self.a,
            self.b,
            (stage_width(towers, self.a, self.stage), towers[self.b].width),
            self.width,
            LocalAlignmentLoss(LogitScale(self.scale, largest=self.largest_scale)),
            stage=self.stage,
        )


def stage_width(towers: Mapping[str, Tower], modality: str, stage: int) -> int:
    """Channels of one of a tower's maps, or its width for -1.

    Raises:
        UserError: The tower has no such map.
    """
    if stage == -1:
        return towers[modality].width
    channels = getattr(towers[modality], "stage_channels", ())
    if stage >= len(channels):
        raise UserError(
            f"stage is {stage}, but the tower {type(towers[modality]).__name__} of {modality!r} has {len(channels)} "
            "maps, counted from 0; take one of them, or -1 for its tokens."
        )
    return int(channels[stage])


def _require_phrases(towers: Mapping[str, Tower], modality: str, objective: str) -> None:
    from crossmod.objectives.pairs.phrases import PhraseTower

    require_modalities(towers, modality)
    if not isinstance(towers[modality], PhraseTower):
        raise UserError(
            f"{objective} aligns phrases of {modality!r}, but its tower {type(towers[modality]).__name__} knows none; "
            "choose a tower that does, such as a report tower of sentences."
        )
