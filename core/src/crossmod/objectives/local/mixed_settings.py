"""Settings of the local objectives over several modalities: masking across them, mixing, colours (torch-free)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.local.requirements import require_multiple, require_positive, visible_tower
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class MaskedModalities(ObjectiveSettings):
    """Keep few tokens among all modalities of a sample and rebuild the rest of each (MultiMAE, arXiv:2204.01678).

    Args:
        modalities: The modalities; each tower must be able to leave tokens out.
        visible: Tokens that a sample keeps. (98 of 588 in MultiMAE.)
        concentration: Of the Dirichlet draw of the modalities' shares; large ones are even. (1.)
        subsets_uniformly: First draw which modalities may be visible at all.
        codes: Modalities that are rebuilt as discrete tokens (semantic classes).
        absolute: Modalities whose values are scored by their absolute error (depth); all others by the square.
        uncertain: Weigh the modalities' losses by learned uncertainties and not equally (an option of MultiMAE).
        standardised: Rebuild values by each patch's own mean and deviation.
        joint_width: Width in which the towers' states meet.
        joint_depth: Blocks over all visible states; 0 leaves the meeting to the decoders. (Our choice: MultiMAE has
            one encoder for all, of 12 blocks.)
        global_tokens: Learned tokens that go along with the visible ones. (1.)
        width: Width of the decoders; a multiple of the heads and of twice the axes. (256.)
        depth: Blocks of each decoder after its cross-attention. (2.)
        heads: Attention heads of decoders and joint encoder. (8.)
    """

    modalities: tuple[str, ...]
    visible: int = 98
    concentration: float = 1.0
    subsets_uniformly: bool = False
    codes: tuple[str, ...] = ()
    absolute: tuple[str, ...] = ()
    uncertain: bool = False
    standardised: bool = False
    joint_width: int = 256
    joint_depth: int = 2
    global_tokens: int = 1
    width: int = 256
    depth: int = 2
    heads: int = 8

    def __post_init__(self) -> None:
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise UserError(f"MaskedModalities masks {list(self.modalities)}; name at least one, and each once.")
        for kind, named in (("codes", self.codes), ("absolute values", self.absolute)):
            if not set(named) <= set(self.modalities):
                raise UserError(f"MaskedModalities rebuilds {kind} of {list(named)}, which are not all among its own.")
        if set(self.codes) & set(self.absolute):
            raise UserError("MaskedModalities rebuilds one modality as codes and as absolute values; name it once.")
        if not self.concentration > 0 or min(self.joint_depth, self.global_tokens) < 0:
            raise UserError(
                f"concentration is {self.concentration}, which is positive; joint_depth {self.joint_depth} and "
                f"global_tokens {self.global_tokens}, at least 0."
            )
        require_positive(visible=self.visible, depth=self.depth, heads=self.heads)
        require_positive(width=self.width, joint_width=self.joint_width)
        require_multiple(self.width, self.heads, 2)
        require_multiple(self.joint_width, self.heads, 1)

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.masked_autoencoder import CrossModalDecoder
        from crossmod.objectives.local.masked_modalities import (
            MaskedModalitiesObjective,
            MaskedSide,
            ModalityMasking,
        )
        from crossmod.objectives.local.patch_targets import patch_target
        from crossmod.objectives.local.token_transformer import TokenTransformer

        sides = {}
        for modality in self.modalities:
            tower = visible_tower(towers, modality, "MaskedModalities")
            require_multiple(self.width, self.heads, 2 * tower.patch_axes)
            try:
                kind = patch_target(self._kind(modality), tower, standardised=self.standardised)
            except ValueError as error:
                raise UserError(f"MaskedModalities of {modality!r}: {error}.") from error
            decoder = CrossModalDecoder(
                self.joint_width,
                len(self.modalities),
                kind.outputs,
                width=self.width,
                depth=self.depth,
                heads=self.heads,
            )
            sides[modality] = MaskedSide(tower.width, decoder, kind, self.joint_width)
        joint = TokenTransformer(self.joint_width, self.joint_depth, self.heads)
        masking = ModalityMasking(self.visible, self.concentration, self.subsets_uniformly)
        return MaskedModalitiesObjective(
            sides, joint, masking, global_tokens=self.global_tokens, uncertain=self.uncertain
        )

    def _kind(self, modality: str) -> Literal["codes", "absolute", "values"]:
        return "codes" if modality in self.codes else "absolute" if modality in self.absolute else "values"


@dataclass(frozen=True, kw_only=True)
class MixedPatches(ObjectiveSettings):
    """Mix patches of several samples and match each with its own sample's text (MixReorg; details are ours).

    Args:
        modality: The modality whose patches are mixed; its tower must be able to leave patches out.
        text: The modality that says what a sample is.
        members: Samples of a set; batch and chunks are best multiples of it. (2 to 4, our choice.)
        width: Width that patches and texts are compared in.
        scale: 1/temperature of the comparison. (Our choice.)
        mix_after: Blocks of the tower that samples pass before they are mixed, so that patches know their sample.
            (The first blocks in the paper; how many is not verified.)
        refresh: What enters each later block: the mixture alone ("none"), or its "mean" or "sum" with the mix of the
            unmixed samples at that depth. (The paper refreshes; how is not verified.)
        blocks: Dotted name of the tower's list of blocks, for `mix_after` and `refresh`; empty takes the tower's own.
        restored_weight: Weight of the contrast of restored samples with their texts, for whole batches only. (1 is
            our choice; the paper's is not verified. The samples' own contrast is `InfoNCE`.)
    """

    modality: str
    text: str
    members: int = 2
    width: int = 256
    scale: float = 1 / 0.07
    mix_after: int = 0
    refresh: Literal["none", "mean", "sum"] = "none"
    blocks: str = ""
    restored_weight: float = 0.0

    def __post_init__(self) -> None:
        require_positive(members=self.members, width=self.width)
        if not self.scale > 0:
            raise UserError(f"the scale of MixedPatches is {self.scale}; it is positive.")
        if self.mix_after < 0 or not 0 <= self.restored_weight < math.inf:
            raise UserError(
                f"mix_after is {self.mix_after} and restored_weight {self.restored_weight}; neither is below 0."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.mixed_branch import MixingPlan, tower_blocks
        from crossmod.objectives.local.mixed_patches import MixedPatchesObjective

        require_modalities(towers, self.text)
        tower = visible_tower(towers, self.modality, "MixedPatches")
        plan = MixingPlan(self.mix_after, self.refresh, self.blocks)
        if plan.beside:
            try:
                tower_blocks(tower, plan)
            except ValueError as error:
                raise UserError(f"MixedPatches of {self.modality!r}: {error}.") from error
        return MixedPatchesObjective(
            self.modality,
            self.text,
            tower.width,
            towers[self.text].width,
            members=self.members,
            joint_width=self.width,
            scale=self.scale,
            plan=plan,
            restored_weight=self.restored_weight,
        )


@dataclass(frozen=True, kw_only=True)
class TextGuidedColourisation(ObjectiveSettings):
    """Rebuild the colours of a grey picture under its description's guidance (PLIP, arXiv:2305.08386).

    Args:
        modality: The modality of pictures; its tower must offer the maps of its stages.
        text: The modality that describes them.
        width: Channels after the stages are joined. (Not given in the paper; our choice.)
    """

    modality: str
    text: str
    width: int = 128

    def __post_init__(self) -> None:
        if self.width < 4:
            raise UserError(f"width is {self.width}; the decoder halves it twice, so it is at least 4.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.colourisation import TextGuidedColouriser
        from crossmod.objectives.local.colourisation_objective import TextGuidedColourisationObjective
        from crossmod.objectives.local.staged_tower import StagedTower

        require_modalities(towers, self.modality, self.text)
        tower = towers[self.modality]
        if not isinstance(tower, StagedTower):
            raise UserError(
                f"TextGuidedColourisation needs the maps of stages of {self.modality!r}, which its tower "
                f"{type(tower).__name__} does not offer; choose a hierarchical tower of pictures."
            )
        colouriser = TextGuidedColouriser(
            tower.stage_channels, towers[self.text].width, width=self.width, colours=tower.colours
        )
        return TextGuidedColourisationObjective(self.modality, self.text, colouriser)
