"""Settings of the pairwise objectives that keep state beside the loss: slow towers, queues, tables (torch-free)."""

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
class MomentumContrast(ObjectiveSettings):
    """Contrast with slow towers and a queue, its targets distilled (ALBEF, arXiv:2107.07651; TCL, arXiv:2202.10401).

    Args:
        a: One modality.
        b: The other modality.
        width: Width of the objective's own projections (256 in ALBEF).
        momentum: Weight of the past in the slow towers (0.995 in ALBEF).
        queue: Past rows kept as negatives (65,536 in ALBEF; a few batches serve small corpora).
        share: Share of the targets that the slow towers give (0.4 in ALBEF).
        share_steps: Steps over which that share grows from zero (ALBEF's first epoch).
        intra_weight: Weight of the contrast inside each modality (1 in TCL, 0 in ALBEF).
        local_weight: Weight of the contrast with tokens (1 in TCL, 0 in ALBEF); both towers have to return tokens.
        skip_a: Leading tokens of a that are left out, such as 1 for [CLS].
        skip_b: Leading tokens of b that are left out.
        scale: Logit scale to start at, 1/temperature (1/0.07 in ALBEF).
        largest_scale: Clamp of the logit scale after each step (1000 in ALBEF, whose temperature ends at 0.001).
        smallest_scale: Lower end of that clamp (2 in ALBEF, whose temperature ends at 0.5).
        groups: Rows of one group, queued ones too, are positives of each other; false as in ALBEF's pre-training.
    """

    a: str
    b: str
    width: int = 256
    momentum: float = 0.995
    queue: int = 4096
    share: float = 0.4
    share_steps: int = 0
    intra_weight: float = 0.0
    local_weight: float = 0.0
    skip_a: int = 0
    skip_b: int = 0
    scale: float = 1 / 0.07
    largest_scale: float = 1000.0
    smallest_scale: float = 2.0
    groups: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 <= self.momentum <= 1:
            raise UserError(f"share is {self.share} and momentum {self.momentum}; both lie between 0 and 1.")
        if self.width < 1 or self.queue < 1:
            raise UserError(f"width is {self.width} and queue {self.queue}; both are at least 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.momentum_objective import MomentumObjective, MomentumSide, MomentumWeights
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        sides = [
            MomentumSide(name, towers[name], width=self.width, queue=self.queue, momentum=self.momentum, skip=skip)
            for name, skip in ((self.a, self.skip_a), (self.b, self.skip_b))
        ]
        weights = MomentumWeights(self.share, self.share_steps, self.intra_weight, self.local_weight)
        scale = LogitScale(self.scale, largest=self.largest_scale, smallest=self.smallest_scale)
        return MomentumObjective(sides[0], sides[1], scale, weights, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class NoiseAdaptive(ObjectiveSettings):
    """InfoNCE that trusts a pair less the more its loss looks like noise, after a warm-up (NEVLP; details are ours).

    Args:
        a: One modality.
        b: The other modality.
        samples: Rows of the corpus, as `crossmod data look` counts them; the objective keeps a loss for each.
        warmup_steps: Steps of plain InfoNCE before losses are told apart.
        refit_steps: Steps between fits of the two kinds of loss; an epoch serves.
        strength: Doubt per probability of noise (0.5, our choice; NEVLP's value is not known).
        decay: Weight of the past in a sample's average loss (our choice).
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    a: str
    b: str
    samples: int
    warmup_steps: int = 1000
    refit_steps: int = 1000
    strength: float = 0.5
    decay: float = 0.9
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    groups: bool = True

    def __post_init__(self) -> None:
        if self.samples < 1 or self.warmup_steps < 0 or self.refit_steps < 1:
            raise UserError(
                f"NoiseAdaptive has {self.samples} samples, {self.warmup_steps} steps of warm-up and "
                f"{self.refit_steps} between fits; give at least one sample and one step between fits."
            )
        if not 0 <= self.strength <= 1 or not 0 <= self.decay < 1:
            raise UserError(f"strength is {self.strength} and decay {self.decay}; both lie between 0 and 1.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.pairs.noise_objective import NoiseAdaptiveObjective
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.a, self.b)
        return NoiseAdaptiveObjective(
            self.a,
            self.b,
            LogitScale(self.scale, largest=self.largest_scale),
            samples=self.samples,
            warmup_steps=self.warmup_steps,
            refit_steps=self.refit_steps,
            strength=self.strength,
            decay=self.decay,
            groups=self.groups,
        )
