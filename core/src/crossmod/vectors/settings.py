"""Settings of the vector tower: what a user types after `--towers.NAME` (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmod.recipe import TowerSettings

if TYPE_CHECKING:
    from crossmod.contracts.processor import Processor
    from crossmod.vectors.processor import VectorProcessor
    from crossmod.vectors.tower import VectorTower


@dataclass(frozen=True, kw_only=True)
class VectorEncoder(TowerSettings):
    """A perceptron on vectors that are standardised by the training items' mean and deviation.

    Args:
        width: Width of the hidden layers and of the pooled vector. (Convention.)
        depth: Number of layers. (Two, as in the projection heads of SimCLR.)
        dropout: Probability between layers. (None, for small perceptrons.)
    """

    width: int = 128
    depth: int = 2
    dropout: float = 0.0

    def fit_processor(self, items: Sequence[Any]) -> VectorProcessor:
        """Learn length, mean and deviation from the training items."""
        from crossmod.vectors.processor import VectorProcessor

        return VectorProcessor.fit(items)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> VectorProcessor:
        """Restore length, mean and deviation."""
        from crossmod.vectors.processor import VectorProcessor

        return VectorProcessor.load(spec)

    def build(self, processor: Processor) -> VectorTower:
        """Make the tower."""
        from crossmod.vectors.processor import VectorProcessor
        from crossmod.vectors.tower import VectorTower

        assert isinstance(processor, VectorProcessor)
        return VectorTower(processor, width=self.width, depth=self.depth, dropout=self.dropout)
