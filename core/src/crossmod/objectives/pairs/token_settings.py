"""Settings of the pairwise objectives that need a tower's tokens (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class FILIP(ObjectiveSettings):
    """Late interaction: every token finds its best partner, and samples are contrasted by the mean (arXiv:2111.07783).

    Args:
        a: One modality; its tower has to return tokens.
        b: The other modality; its tower has to return tokens.
        width: Width that tokens are projected to (256 in FILIP).
        skip_a: Leading tokens of a that are left out, such as 1 for [CLS].
        skip_b: Leading tokens of b that are left out.
        kept_share: Share of each sample's tokens that meet other samples (0.25 in FILIP; 1 keeps all).
        chunk_size: Samples of b whose products are formed at once; 0 keeps those of the whole batch in memory.
        half: Form token products in bfloat16 (a memory measure of FILIP).
        reduced_a: Learned mixtures that replace a's tokens (12 or 24 in Wukong); 0 reduces nothing.
        reduced_b: Learned mixtures that replace b's tokens; 0 reduces nothing.
        reduction_groups: Groups of the reduction's convolutions (8 in Wukong); they divide the width.
        scale: Logit scale to start at, 1/temperature (1/0.07 in FILIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    width: int = 256
    skip_a: int = 0
    skip_b: int = 0
    kept_share: float = 1.0
    chunk_size: int = 0
    half: bool = False
    reduced_a: int = 0
    reduced_b: int = 0
    reduction_groups: int = 8
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        import torch

        from crossmod.objectives.pairs.token_contrast import LateInteractionLoss, LateInteractionObjective
        from crossmod.objectives.pairs.token_reduction import TokenReducer
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        loss = LateInteractionLoss(
            LogitScale(self.scale, largest=self.largest_scale),
            kept_share=self.kept_share,
            chunk_size=self.chunk_size,
            similarity_dtype=torch.bfloat16 if self.half else None,
        )
        reducers = [
            TokenReducer(self.width, kept, groups=self.reduction_groups) if kept else None
            for kept in (self.reduced_a, self.reduced_b)
        ]
        return LateInteractionObjective(
            self.a,
            self.b,
            (towers[self.a].width, towers[self.b].width),
            self.width,
            loss,
            skip=(self.skip_a, self.skip_b),
            reducers=(reducers[0], reducers[1]),
            groups=self.groups,
        )


@dataclass(frozen=True, kw_only=True)
class FDT(ObjectiveSettings):
    """Contrast of sparse mixtures of one shared codebook, which both modalities' tokens choose (arXiv:2303.14865).

    Args:
        a: One modality; its tower has to return tokens.
        b: The other modality; its tower has to return tokens.
        codes: Size of the codebook (16,384 in FDT).
        width: Width of the codes (512 in FDT).
        temperature: Divisor of the scores (1000 in FDT with 16,384 codes; near 1 suits a few hundred).
        pooling: Over tokens (max in FDT).
        normaliser: Over codes (sparsemax in FDT); softmax wants another temperature.
        skip_a: Leading tokens of a that are left out, such as 1 for [CLS].
        skip_b: Leading tokens of b that are left out.
        scale: Logit scale to start at, 1/temperature (1/0.07 in FDT).
        largest_scale: Clamp of the logit scale after each step (100 in FDT).
        smallest_scale: Lower end of that clamp (e^3 in FDT's released code; 1 in CLIP).
        release_compat: Padding scores 0 instead of -inf, as in the released code.
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    codes: int = 16384
    width: int = 512
    temperature: float = 1000.0
    pooling: Literal["max", "mean", "sum"] = "max"
    normaliser: Literal["sparsemax", "softmax", "sigmoid"] = "sparsemax"
    skip_a: int = 0
    skip_b: int = 0
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    smallest_scale: float = 1.0
    release_compat: bool = False
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.codebook import CodebookGrounding
        from crossmod.objectives.pairs.discrete_tokens import DiscreteTokenObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        grounding = CodebookGrounding(
            towers[self.a].width,
            towers[self.b].width,
            codes=self.codes,
            width=self.width,
            temperature=self.temperature,
            pooling=self.pooling,
            normaliser=self.normaliser,
            release_compat=self.release_compat,
        )
        scale = LogitScale(self.scale, largest=self.largest_scale, smallest=self.smallest_scale)
        skip = (self.skip_a, self.skip_b)
        return DiscreteTokenObjective(self.a, self.b, grounding, scale, skip=skip, groups=self.groups)
