"""Settings of the local objectives that any domain can put into a recipe (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.local.requirements import (
    require_axis,
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
class MaskedLanguage(ObjectiveSettings):
    """Masked language modelling with BERT's corruption (arXiv:1810.04805), of single tokens or of spans.

    Args:
        modality: The modality whose tokens are chosen; its tower must offer tokens.
        share: Share of the real tokens that are chosen. (0.15 in BERT.)
        masked: Share of the chosen tokens that are masked. (0.8 in BERT.)
        swapped: Share of the chosen tokens that become another token of the batch; the rest stays. (0.1 in BERT,
            which draws it from the vocabulary.)
        span_length: Tokens of a span; 1 chooses single tokens. (1 in BERT, 10 frames in SpeechT5.)
        whole_words: Choose words and not tokens, where the tower tells which tokens spell one. (BERT's later release.)
        reduction: "row" averages in each row and then over rows, so that chunks add up to the batch exactly [ours];
            "token" averages over all chosen tokens at once. (BERT.)
        distilled: Weight of the soft labels that a slow copy of the tower gives, beside the true ones. (0.4 in ALBEF,
            arXiv:2107.07651; 0 keeps no copy.)
        distilled_steps: Steps over which that weight grows from zero. (ALBEF's first epoch.)
        momentum: Weight of the past in the slow copy. (0.995 in ALBEF.)
    """

    modality: str
    share: float = 0.15
    masked: float = 0.8
    swapped: float = 0.1
    span_length: int = 1
    whole_words: bool = False
    reduction: Literal["row", "token"] = "row"
    distilled: float = 0.0
    distilled_steps: int = 0
    momentum: float = 0.995

    def __post_init__(self) -> None:
        require_share(self.share)
        if not 0 <= self.distilled <= 1 or not 0 <= self.momentum <= 1:
            raise UserError(f"distilled is {self.distilled} and momentum {self.momentum}; both lie between 0 and 1.")
        if self.masked < 0 or self.swapped < 0 or self.masked + self.swapped > 1 + 1e-9:
            raise UserError(f"masked {self.masked} and swapped {self.swapped} are shares of the same tokens; sum <= 1.")
        require_positive(span_length=self.span_length)
        if self.whole_words and self.span_length > 1:
            raise UserError(f"whole words and spans of {self.span_length} tokens exclude each other; take one.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.masked_language import MaskedLanguageObjective
        from crossmod.objectives.local.word_tower import WordTower

        tower = token_tower(towers, self.modality, type(self).__name__)
        if self.whole_words and not isinstance(tower, WordTower):
            raise UserError(
                f"whole words of {self.modality!r} are to be hidden, but its tower {type(tower).__name__} tells "
                "none; set whole_words false, or span_length."
            )
        objective = MaskedLanguageObjective(
            self.modality,
            tower.width,
            tower.vocabulary,
            share=self.share,
            masked=self.masked,
            swapped=self.swapped,
            span_length=self.span_length,
            whole_words=self.whole_words,
            reduction=self.reduction,
        )
        if self.distilled:
            objective.distil(tower, share=self.distilled, share_steps=self.distilled_steps, momentum=self.momentum)
        return objective


@dataclass(frozen=True, kw_only=True)
class MaskedTokens(MaskedLanguage):
    """Masked language modelling without swapped and spared tokens: for atoms, patches and other discrete tokens.

    Every chosen token is hidden (AttrMasking, arXiv:1905.12265).

    Args:
        masked: Share of the chosen tokens that are masked.
        swapped: Share of the chosen tokens that become another token of the batch.
    """

    masked: float = 1.0
    swapped: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PrefixLanguage(ObjectiveSettings):
    """Predict the rest of a sequence from its prefix with a light decoder (T5, arXiv:1910.10683; SimVLM).

    Args:
        modality: The modality whose tokens are predicted; its tower must offer tokens.
        smallest: Least share of the tokens that is prefix. (Our choice: T5 cuts anywhere.)
        largest: Largest share of the tokens that is prefix. (Our choice.)
        width: Width of the decoder; even. (Our choice: a light decoder leaves the work to the tower.)
        depth: Blocks of the decoder. (Our choice.)
        heads: Attention heads of the decoder.
    """

    modality: str
    smallest: float = 0.25
    largest: float = 0.75
    width: int = 128
    depth: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.smallest <= self.largest <= 1:
            raise UserError(
                f"a prefix of {self.smallest} to {self.largest} is none; give 0 <= smallest <= largest <= 1."
            )
        require_positive(width=self.width, depth=self.depth, heads=self.heads)
        require_multiple(self.width, self.heads, 2)

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.prefix_language import PrefixLanguageObjective

        tower = token_tower(towers, self.modality, "PrefixLanguage")
        return PrefixLanguageObjective(
            self.modality,
            tower.width,
            tower.vocabulary,
            smallest=self.smallest,
            largest=self.largest,
            decoder_width=self.width,
            depth=self.depth,
            heads=self.heads,
        )


@dataclass(frozen=True, kw_only=True)
class MaskedPatches(ObjectiveSettings):
    """Encode the visible patches only and rebuild the hidden ones (MAE, arXiv:2111.06377).

    Args:
        modality: The modality whose patches are hidden; its tower must be able to leave tokens out.
        share: Share of the patches that are hidden. (0.75 in MAE, 0.6 in Point-MAE.)
        masker: "uniform" (MAE), "block" (the patches nearest to a random one, Point-MAE), "span" (speech) or "tube"
            (a place at all times, VideoMAE).
        span_length: Patches of a span, for "span". (10 in SpeechT5.)
        time_axis: The axis of the patches' coordinates that tubes run along.
        target: "values" (MAE), "codes" (the tower's discrete tokens), "points" (Chamfer distance, Point-MAE) or
            "quantiles" (VisionTS++).
        standardised: Values and quantiles by the patch's own mean and deviation. (MAE's default.)
        levels: Quantiles that are predicted. (0.1 to 0.9 in VisionTS++.)
        point_axes: Numbers of a point, for "points".
        width: Width of the decoder; a multiple of the heads and of twice the axes. (512 in MAE.)
        depth: Blocks of the decoder. (8 in MAE; 4 in Point-MAE.)
        heads: Attention heads of the decoder.
        reduction: "row" averages in each row and then over rows, so that chunks add up to the batch exactly [ours];
            "token" averages over all hidden patches at once, which differs where rows hide different numbers. (MAE.)
    """

    modality: str
    share: float = 0.75
    masker: Literal["uniform", "block", "span", "tube"] = "uniform"
    span_length: int = 10
    time_axis: int = 0
    target: Literal["values", "codes", "points", "quantiles"] = "values"
    standardised: bool = True
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)
    point_axes: int = 3
    width: int = 128
    depth: int = 4
    heads: int = 4
    reduction: Literal["row", "token"] = "row"

    def __post_init__(self) -> None:
        require_share(self.share)
        require_positive(width=self.width, depth=self.depth, heads=self.heads, span_length=self.span_length)
        require_positive(point_axes=self.point_axes)
        require_multiple(self.width, self.heads, 2)
        if not self.levels or not all(0 < level < 1 for level in self.levels):
            raise UserError(f"the quantile levels are {list(self.levels)}; give at least one, each between 0 and 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.masked_autoencoder import TokenDecoder
        from crossmod.objectives.local.masked_patches import MaskedPatchesObjective, PatchMasker
        from crossmod.objectives.local.patch_targets import patch_target

        tower = visible_tower(towers, self.modality, "MaskedPatches")
        require_multiple(self.width, self.heads, 2 * tower.patch_axes)
        require_axis(self.time_axis, tower.patch_axes)
        try:
            target = patch_target(
                self.target, tower, standardised=self.standardised, levels=self.levels, point_axes=self.point_axes
            )
        except ValueError as error:
            raise UserError(f"MaskedPatches of {self.modality!r}: {error}.") from error
        decoder = TokenDecoder(tower.width, target.outputs, width=self.width, depth=self.depth, heads=self.heads)
        masker = PatchMasker(self.masker, self.share, self.span_length, self.time_axis)
        return MaskedPatchesObjective(self.modality, decoder, masker, target, reduction=self.reduction)


@dataclass(frozen=True, kw_only=True)
class AttributePrediction(ObjectiveSettings):
    """Hide tokens or phrases and predict them with another modality's pooled features (PLIP, arXiv:2305.08386).

    Args:
        modality: The modality whose tokens are hidden; its tower must offer tokens.
        condition: The modality that helps.
        share: Share of the phrases, or tokens, that are hidden. (0.15 is BERT's; PLIP does not state it.)
        phrases: Phrases that are hidden whole, as raw items of the modality; empty hides single tokens.
        depth: Self-attention blocks of the head. (Not stated in the paper; our choice.)
        heads: Attention heads; they divide the tower's width.
    """

    modality: str
    condition: str
    share: float = 0.15
    phrases: tuple[str, ...] = ()
    depth: int = 1
    heads: int = 4

    def __post_init__(self) -> None:
        require_share(self.share)
        require_positive(depth=self.depth, heads=self.heads)

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local import attribute_prediction
        from crossmod.objectives.local.masked_language import AttributePredictionObjective

        require_modalities(towers, self.modality, self.condition)
        tower = token_tower(towers, self.modality, "AttributePrediction")
        require_multiple(tower.width, self.heads, 1)
        head = attribute_prediction.AttributePrediction(
            tower.width, towers[self.condition].width, tower.vocabulary, depth=self.depth, heads=self.heads
        )
        ids = attribute_prediction.phrase_ids(tower, self.phrases)
        return AttributePredictionObjective(self.modality, self.condition, head, share=self.share, phrases=ids)
