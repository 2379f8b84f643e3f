"""Settings of the fusions that pair matching can score pairs with (torch-free)."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from crossmod.errors import UserError
from crossmod.objectives.matching.settings import PairFusionSettings

if TYPE_CHECKING:
    from crossmod.objectives.matching.pair_fusion import PairFusion


class Sizes(TypedDict):
    """The sizes that all of these fusions take."""

    width: int
    depth: int
    heads: int
    dropout: float


@dataclass(frozen=True, kw_only=True)
class SizedFusion(PairFusionSettings, ABC):
    """A fusion of a width, a depth and a number of heads.

    Args:
        width: Width of the fusion (768 in the papers; 256 serves small corpora).
        depth: Number of layers (5 in LXMERT, 6 in ALBEF, MolFM and METER, 12 in Q-Former; 2 serves small corpora).
        heads: Attention heads; they divide the width (12 in the papers).
        dropout: Probability of dropping a component of what a branch adds (0.1 in the papers).
    """

    width: int = 256
    depth: int = 2
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        divides = self.heads >= 1 and self.width >= 1 and self.width % self.heads == 0
        if not divides or self.depth < 1 or not 0 <= self.dropout < 1:
            raise UserError(
                f"a fusion of width {self.width}, {self.heads} heads, {self.depth} layers and dropout {self.dropout} "
                "cannot be made; heads divide the width, there is at least one layer, and dropout is below 1."
            )

    @property
    def sizes(self) -> Sizes:
        """The sizes, as the fusion takes them."""
        return {"width": self.width, "depth": self.depth, "heads": self.heads, "dropout": self.dropout}


@dataclass(frozen=True, kw_only=True)
class CoAttention(SizedFusion):
    """Both sides read each other, then themselves, layer by layer (LXMERT, arXiv:1908.07490).

    Args:
        share_cross: One set of cross-attention weights for both directions, as in LXMERT's released code.
    """

    share_cross: bool = True

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.fusion.pair_fusions import CoAttentionFusion

        return CoAttentionFusion(width_a, width_b, share_cross=self.share_cross, **self.sizes)


@dataclass(frozen=True, kw_only=True)
class QueriedTokens(SizedFusion):
    """Side a queries side b in every layer (MolFM, arXiv:2307.09484; ALBEF, arXiv:2107.07651); text is their a."""

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.fusion.pair_fusions import QueriedFusion

        return QueriedFusion(width_a, width_b, **self.sizes)


@dataclass(frozen=True, kw_only=True)
class TwoStreams(SizedFusion):
    """Each side attends to itself, then to the other (METER, arXiv:2111.02387; M3AE, arXiv:2209.07098)."""

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.fusion.pair_fusions import TwoStreamFusion

        return TwoStreamFusion(width_a, width_b, **self.sizes)


@dataclass(frozen=True, kw_only=True)
class BridgedTowers(SizedFusion):
    """Each layer also hears the matching top layer of each tower (BridgeTower, arXiv:2206.08657).

    `depth` is also the number of layers of each tower that it reads; a text transformer needs `packed: false`.
    """

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.fusion.bridged_fusion import BridgedFusion

        return BridgedFusion(width_a, width_b, **self.sizes)


@dataclass(frozen=True, kw_only=True)
class ResampledTokens(SizedFusion):
    """Learned queries read side b beside the tokens of side a (Q-Former, arXiv:2301.12597); text is its a.

    Args:
        queries: Number of learned queries (32 in Q-Former; 8 serves short inputs).
    """

    queries: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.queries < 1:
            raise UserError(f"a fusion of {self.queries} queries reads nothing; take at least one.")

    def build(self, width_a: int, width_b: int) -> PairFusion:
        """Make the fusion."""
        from crossmod.fusion.pair_fusions import ResampledFusion

        return ResampledFusion(width_a, width_b, queries=self.queries, **self.sizes)
