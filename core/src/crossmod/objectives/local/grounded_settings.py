"""Settings of masked language modelling with another modality's evidence (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.local.requirements import (
    require_multiple,
    require_positive,
    require_share,
    token_tower,
    visible_tower,
)
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class GroundedLanguage(ObjectiveSettings):
    """Hide most of a text and rebuild it from what is visible of another modality (SimCroP; details as in ECAMP).

    Args:
        modality: The modality whose tokens are hidden; its tower must offer tokens.
        condition: The modality that helps; its tower must offer tokens.
        share: Share of the tokens that are hidden, phrases aside. (0.7 in ECAMP; not verified for SimCroP.)
        phrases: Phrases that are hidden whole, as raw items of the modality: names of findings. (ECAMP's entities.)
        phrase_share: Share of these that are hidden. (0.75 in ECAMP.)
        hidden_share: Share of the condition's tokens that are hidden; 0 reads all of them. (0.75 in ECAMP.)
        width: Width of the decoder. (Our choice.)
        depth: Layers of the decoder. (Our choice.)
        heads: Attention heads of the decoder; they divide its width.
        dropout: Probability of dropping a component of what a branch of the decoder adds.
        reduction: "row" averages in each row and then over rows, so that chunks add up to the batch exactly [ours];
            "token" averages over all hidden tokens at once. (BERT.)
    """

    modality: str
    condition: str
    share: float = 0.7
    phrases: tuple[str, ...] = ()
    phrase_share: float = 0.75
    hidden_share: float = 0.75
    width: int = 128
    depth: int = 2
    heads: int = 4
    dropout: float = 0.0
    reduction: Literal["row", "token"] = "row"

    def __post_init__(self) -> None:
        require_share(self.share)
        require_positive(width=self.width, depth=self.depth, heads=self.heads)
        require_multiple(self.width, self.heads, 1)
        if not 0 < self.phrase_share <= 1 or not 0 <= self.hidden_share < 1 or not 0 <= self.dropout < 1:
            raise UserError(
                f"phrase_share is {self.phrase_share}, above 0 and at most 1; hidden_share {self.hidden_share} and "
                f"dropout {self.dropout} are at least 0 and below 1."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.fusion.cross_granularity import CrossGranularityDecoder
        from crossmod.objectives.local.attribute_prediction import phrase_ids
        from crossmod.objectives.local.grounded_language import GroundedLanguageObjective

        require_modalities(towers, self.condition)
        tower = token_tower(towers, self.modality, "GroundedLanguage")
        if self.hidden_share:
            visible_tower(towers, self.condition, "GroundedLanguage")
        decoder = CrossGranularityDecoder(
            tower.width,
            towers[self.condition].width,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            dropout=self.dropout,
        )
        return GroundedLanguageObjective(
            self.modality,
            self.condition,
            decoder,
            self.width,
            tower.vocabulary,
            share=self.share,
            phrases=phrase_ids(tower, self.phrases),
            phrase_share=self.phrase_share,
            hidden_share=self.hidden_share,
            reduction=self.reduction,
        )
