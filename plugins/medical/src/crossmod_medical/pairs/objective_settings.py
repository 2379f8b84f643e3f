"""Settings of what the tower of pairs is trained by (torch-free)."""

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
    from crossmod_medical.pairs.tower import CoAttentionPairTower


def _pair_tower(towers: Mapping[str, Tower], modality: str, objective: str) -> CoAttentionPairTower:
    from crossmod_medical.pairs.tower import CoAttentionPairTower

    require_modalities(towers, modality)
    tower = towers[modality]
    if not isinstance(tower, CoAttentionPairTower):
        raise UserError(
            f"{objective} works on the fusion of {modality!r}, but its tower {type(tower).__name__} has none; "
            "choose CoAttentionPair."
        )
    return tower


@dataclass(frozen=True, kw_only=True)
class PairMaskedWords(ObjectiveSettings):
    """Hide whole words of a text and name them with the image's help (MLM of M3AE and PTUnifier).

    Args:
        modality: The modality of the pairs.
        share: Share of the words that are chosen. (0.15.)
        masked: Share of the chosen words' tokens that are masked. (0.8 in BERT.)
        swapped: Share that becomes another token of the batch; the rest stays. (0.1 in BERT.)
    """

    modality: str = "image"
    share: float = 0.15
    masked: float = 0.8
    swapped: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or min(self.masked, self.swapped) < 0 or self.masked + self.swapped > 1 + 1e-9:
            raise UserError("share lies between 0 and 1, and masked and swapped are parts of the chosen tokens.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod_medical.pairs.masked_words import PairMaskedWordsObjective

        tower = _pair_tower(towers, self.modality, "PairMaskedWords")
        return PairMaskedWordsObjective(
            self.modality, tower, share=self.share, masked=self.masked, swapped=self.swapped
        )


@dataclass(frozen=True, kw_only=True)
class PairMaskedPatches(ObjectiveSettings):
    """Leave most patches of an image out and rebuild them with the text's help (MIM of M3AE, arXiv:2209.07098).

    Args:
        modality: The modality of the pairs.
        share: Share of the patches that are left out. (0.75.)
        layer: Fusion layers that have run when patches are rebuilt; those above are not trained by this term. (3 of
            M3AE's 6; the release's default is the last, and its pre-training script overrides it.)
        width: Width of the decoder. (384.)
        depth: Blocks of the decoder. (4.)
        heads: Attention heads of the decoder. (6.)
        standardised: Rebuild each patch by its own mean and deviation. (True.)
    """

    modality: str = "image"
    share: float = 0.75
    layer: int = 1
    width: int = 128
    depth: int = 2
    heads: int = 4
    standardised: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"the share of patches that are left out is {self.share}; it lies between 0 and 1.")
        if self.width % self.heads or self.width % 4 or self.depth < 1:
            raise UserError(f"a decoder of width {self.width} needs heads that divide it, and a multiple of 4.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The fusion has fewer layers than `layer`.
        """
        from crossmod.objectives.local.masked_autoencoder import TokenDecoder
        from crossmod_medical.pairs.masked_patches import PairMaskedPatchesObjective

        tower = _pair_tower(towers, self.modality, "PairMaskedPatches")
        if not 0 <= self.layer <= len(tower.fusion.layers_a):
            raise UserError(f"layer is {self.layer}, and the fusion has {len(tower.fusion.layers_a)} layers.")
        decoder = TokenDecoder(
            tower.width // 2, tower.image.patch_values, width=self.width, depth=self.depth, heads=self.heads
        )
        return PairMaskedPatchesObjective(
            self.modality, decoder, share=self.share, layer=self.layer, standardised=self.standardised
        )


@dataclass(frozen=True, kw_only=True)
class PairSwapping(ObjectiveSettings):
    """Give half of the batch the image of another pair and tell which (ITM of M3AE and PTUnifier).

    Args:
        modality: The modality of the pairs.
    """

    modality: str = "image"

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod_medical.pairs.swapping import PairSwappingObjective

        return PairSwappingObjective(self.modality, _pair_tower(towers, self.modality, "PairSwapping").width)


@dataclass(frozen=True, kw_only=True)
class StandInContrast(ObjectiveSettings):
    """Contrast images, prompts for their text, with texts, prompts for their image (ITC of PTUnifier).

    Args:
        modality: The modality of the pairs; its tower has prompts.
        temperature: Constant divisor of the cosines. (0.1.)
    """

    modality: str = "image"
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise UserError(f"the temperature is {self.temperature}; it is positive.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective.

        Raises:
            UserError: The tower has no prompts.
        """
        from crossmod_medical.pairs.contrast import StandInContrastObjective

        if _pair_tower(towers, self.modality, "StandInContrast").pools is None:
            raise UserError(f"StandInContrast needs prompts for what is missing; set towers.{self.modality}.prompts.")
        return StandInContrastObjective(self.modality, self.temperature)
