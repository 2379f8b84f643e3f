"""Settings of the pairwise objectives on embeddings, beyond InfoNCE and SigLIP (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class CWCL(ObjectiveSettings):
    """Contrast whose targets follow the similarities inside a frozen modality (CWCL, arXiv:2309.14580).

    Args:
        a: The modality that is trained.
        b: The modality whose similarities weigh the targets; usually frozen.
        weighted: "ab" weighs the softmax over b's items (the paper), "ba" the one over a's items, "both" each by the
            similarities of what it runs over.
        source: Weigh by the tower's pooled "features" or by its projected "embedding"; chunked backward has only the
            embedding.
        power: Exponent of the weights; above 1 sharpens them (1 in the paper).
        sharpen: Temperature of softmax weights; 0 takes the paper's weights.
        reduction: "sum" of the directions (the paper) or their "average".
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
    """

    a: str
    b: str
    weighted: Literal["ab", "ba", "both"] = "ab"
    source: Literal["features", "embedding"] = "features"
    power: float = 1.0
    sharpen: float = 0.0
    reduction: Literal["sum", "average"] = "sum"
    scale: float = 1 / 0.07
    largest_scale: float = 100.0

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.continuous import ContinuousContrastLoss, ContinuousObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        scale = LogitScale(self.scale, largest=self.largest_scale)
        loss = ContinuousContrastLoss(scale, power=self.power, sharpen=self.sharpen, reduction=self.reduction)
        return ContinuousObjective(self.a, self.b, loss, weighted=self.weighted, source=self.source)


@dataclass(frozen=True, kw_only=True)
class HardestNegative(ObjectiveSettings):
    """Hinge on each row's hardest negative, for tuning retrieval (VSE++, arXiv:1707.05612; MoMu and MolFM).

    Args:
        a: One modality.
        b: The other modality.
        margin: By how much a pair has to beat its hardest negative in cosine (0.2 in MoMu and MolFM).
        reduction: "sum" over the batch (MolFM) or "mean", whose size does not grow with the batch.
        groups: Rows of one group are no negatives of each other; false contrasts them.
    """

    a: str
    b: str
    margin: float = 0.2
    reduction: Literal["sum", "mean"] = "sum"
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.hinge import HardestNegativeHinge
        from crossmod.objectives.pairwise import PairwiseObjective

        require_modalities(towers, self.a, self.b)
        if not self.margin > 0:
            raise UserError(f"the hinge's margin is {self.margin}; it is above 0.")
        return PairwiseObjective(self.a, self.b, HardestNegativeHinge(self.margin, self.reduction), groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class IdentityContrast(ObjectiveSettings):
    """Contrast of identities (the corpus's groups) by reverse KL, which punishes wrong pairs (PLIP, arXiv:2305.08386).

    Args:
        a: One modality.
        b: The other modality.
        divergence: "reverse" KL (PLIP) or "cross-entropy", the shared InfoNCE as a sum of its directions.
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
    """

    a: str
    b: str
    divergence: Literal["reverse", "cross-entropy"] = "reverse"
    scale: float = 1 / 0.07
    largest_scale: float = 100.0

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.identities import IdentityContrastLoss
        from crossmod.objectives.pairwise import PairwiseObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        scale = LogitScale(self.scale, largest=self.largest_scale)
        return PairwiseObjective(self.a, self.b, IdentityContrastLoss(scale, self.divergence))


@dataclass(frozen=True, kw_only=True)
class SmoothedInfoNCE(ObjectiveSettings):
    """InfoNCE with smoothed labels, for corpora of which some pairs are wrong (label smoothing, arXiv:1512.00567).

    Args:
        a: One modality.
        b: The other modality.
        amount: Weight of the uniform part of the targets (0.1 in the paper).
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    amount: float = 0.1
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    groups: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1:
            raise UserError(f"label smoothing is {self.amount}; it lies between 0 and 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.smoothed import SmoothedInfoNCELoss
        from crossmod.objectives.pairwise import PairwiseObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        scale = LogitScale(self.scale, largest=self.largest_scale)
        return PairwiseObjective(self.a, self.b, SmoothedInfoNCELoss(scale, self.amount), groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class ModalityGap(ObjectiveSettings):
    """Squared distance of two modalities' means, to close the gap beside a contrast; our own term after Cross the Gap.

    Args:
        a: One modality.
        b: The other modality.
    """

    a: str
    b: str

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.modality_gap import ModalityGapPenalty
        from crossmod.objectives.pairwise import PairwiseObjective

        require_modalities(towers, self.a, self.b)
        return PairwiseObjective(self.a, self.b, ModalityGapPenalty())


@dataclass(frozen=True, kw_only=True)
class MultiView(ObjectiveSettings):
    """Mean InfoNCE over a list of pairs of modalities, such as graph-text and graph-SMILES (MoMu, arXiv:2209.05481).

    Args:
        pairs: The pairs, such as [[graph, text], [graph, smiles]].
        scale: Logit scale to start at, 1/temperature (10 in MoMu).
        learned_scale: True learns the scale, clamped at 100; MoMu keeps it constant.
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    pairs: list[list[str]]
    scale: float = 10.0
    learned_scale: bool = False
    groups: bool = True

    def __post_init__(self) -> None:
        if not self.pairs or any(len(set(pair)) != 2 or len(pair) != 2 for pair in self.pairs):
            raise UserError(
                f"the view pairs are {self.pairs}; name at least one pair of two different modalities, such as "
                "[[graph, text], [graph, smiles]]."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.multi_view import MultiViewObjective
        from crossmod.state.logit_scale import LogitScale

        for first, second in self.pairs:
            require_modalities(towers, first, second)
        pairs = [(first, second) for first, second in self.pairs]
        return MultiViewObjective(pairs, LogitScale(self.scale, learned=self.learned_scale), groups=self.groups)
