"""Settings of pair matching, of its fusion, and of the objectives on views and on steps (torch-free)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings
from crossmod.settings import Settings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower
    from crossmod.objectives.matching.pair_fusion import PairFusion


@dataclass(frozen=True, kw_only=True)
class PairFusionSettings(Settings, ABC):
    """What turns the features of a pair into one vector."""

    @abstractmethod
    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion of features of two widths."""


@dataclass(frozen=True, kw_only=True)
class TokenConcatenation(PairFusionSettings):
    """Self-attention over the tokens of both sides (ALPRO, arXiv:2112.09583).

    Args:
        width: Width of the fused tokens (768 in ALPRO; 256 serves small corpora).
        depth: Number of blocks (6 in ALPRO; 2 serves small corpora).
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    width: int = 256
    depth: int = 2
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads or self.depth < 1:
            raise UserError(
                f"a fusion of width {self.width} with {self.heads} heads and {self.depth} blocks cannot be made; heads "
                "divide the width, and there is at least one block."
            )

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens

        return ConcatenatedTokens(
            width_a, width_b, width=self.width, depth=self.depth, heads=self.heads, dropout=self.dropout
        )


@dataclass(frozen=True, kw_only=True)
class PairMatching(ObjectiveSettings):
    """Tell matching pairs from drawn ones by their fused tokens (ITM of ALBEF, arXiv:2107.07651; CMM of MolFM).

    Args:
        a: One modality.
        b: The other modality.
        fusion: What scores a pair.
        negatives: "hard" draws by similarity (ALBEF), "uniform" independently, "permutation" each once (MolFM),
            "replaced" scores one pair a row, of which about half have another counterpart (LXMERT).
        scale: Factor on cosine similarities before the draw, 1/temperature (1/0.07, where ALBEF's starts).
        groups: Rows of one group are never negatives; false takes every other row, as the released codes do.
    """

    a: str
    b: str
    fusion: PairFusionSettings = field(default_factory=TokenConcatenation)
    negatives: Literal["hard", "uniform", "permutation", "replaced"] = "hard"
    scale: float = 1 / 0.07
    groups: bool = True

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise UserError(f"the scale of hard negatives is {self.scale}; it is 1/temperature, at least 0.")

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.objective import MatchingObjective
        from crossmod.objectives.matching.pair_matching import PairMatchingLoss

        require_modalities(towers, self.a, self.b)
        fusion = self.fusion.build(towers[self.a].width, towers[self.b].width)
        loss = PairMatchingLoss(fusion, self.negatives)
        return MatchingObjective(self.a, self.b, loss, scale=self.scale, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class MomentWords(ObjectiveSettings):
    """Contrast a short view with the words that speak of it (HiTeA, arXiv:2212.14546, in our exact definition).

    Args:
        moment: The modality of the short view.
        text: The modality whose tokens are selected from.
        width: Common width of both (256 as in HiTeA's relatives; its own is not verified).
        share: Share of a text's words that is selected (0.4, our choice).
        scale: Logit scale to start at, 1/temperature (1/0.07 in CLIP).
        largest_scale: Clamp of the logit scale after each step (100 in CLIP).
        groups: Rows of one group are each other's positives in equal parts; false contrasts them.
    """

    moment: str
    text: str
    width: int = 256
    share: float = 0.4
    scale: float = 1 / 0.07
    largest_scale: float = 100.0
    groups: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.width < 1:
            raise UserError(
                f"a share of words of {self.share} at width {self.width} selects none; the share lies above 0 and goes "
                "up to 1, the width is at least 1."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.views import MomentWordObjective
        from crossmod.objectives.matching.word_moments import MomentWordContrast
        from crossmod.state.logit_scale import LogitScale

        require_modalities(towers, self.moment, self.text)
        loss = MomentWordContrast(LogitScale(self.scale, largest=self.largest_scale), self.share)
        widths = (towers[self.moment].width, towers[self.text].width)
        return MomentWordObjective(self.moment, self.text, widths, self.width, loss, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class CrossResolution(ObjectiveSettings):
    """A text with a short and with a long view means the same (HiTeA, arXiv:2212.14546, in our exact definition).

    Args:
        short: The modality of the short or coarse view.
        long: The modality of the long or fine view; its tower is as wide as the short one's.
        text: What both are fused with.
        fusion: What fuses a view with the text.
        projected: Width that the fused vectors are compared in (256, our choice).
        scale: 1/temperature of the contrast, constant (1/0.07, our choice).
        mode: "contrast" with in-batch negatives, or "predict" as BYOL does, without any.
        groups: Rows of one group share their target; false contrasts them.
    """

    short: str
    long: str
    text: str
    fusion: PairFusionSettings = field(default_factory=TokenConcatenation)
    projected: int = 256
    scale: float = 1 / 0.07
    mode: Literal["contrast", "predict"] = "contrast"
    groups: bool = True

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.cross_resolution import CrossResolutionConsistency
        from crossmod.objectives.matching.views import CrossResolutionObjective

        require_modalities(towers, self.short, self.long, self.text)
        width, other = towers[self.short].width, towers[self.long].width
        if width != other:
            raise UserError(
                f"the tower of {self.short!r} is {width} wide and that of {self.long!r} {other}, but one fusion reads "
                "both; give them one width."
            )
        fusion = self.fusion.build(width, towers[self.text].width)
        compared = CrossResolutionConsistency(fusion.width, projected=self.projected, scale=self.scale, mode=self.mode)
        return CrossResolutionObjective(self.short, self.long, self.text, fusion, compared, groups=self.groups)


@dataclass(frozen=True, kw_only=True)
class Alternating(ObjectiveSettings):
    """Objectives by turns, a step each, so that every batch is of one kind (EA-VTR, arXiv:2407.07478; our cycle).

    Args:
        objectives: The objectives by name.
        cycle: For each step of the cycle the names that it trains, such as [[pairs], [frames, pairs], [order]].
    """

    objectives: dict[str, ObjectiveSettings]
    cycle: list[list[str]]

    def __post_init__(self) -> None:
        named = {name for names in self.cycle for name in names}
        if not self.cycle or not all(self.cycle) or named != set(self.objectives):
            raise UserError(
                f"the cycle {self.cycle} and the objectives {sorted(self.objectives)} do not fit; name each objective "
                "in some step, and at least one in every step."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.matching.alternation import AlternatingObjective

        return AlternatingObjective(self.objectives, self.cycle, towers)
