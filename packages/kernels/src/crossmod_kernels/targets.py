"""What a contrast asks of its targets, so that identity, groups and continuous weights share one engine.

A softmax contrast is log-sum-exp minus a linear term, sum_j T_ij Z_ij. The engine owns the first; targets own the
second, and its share in the gradient, wherever it is cheapest: at a few elements of a tile, over a whole tile,
or in a product of the embeddings that never meets a tile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from crossmod_kernels.tile_plan import Tile, TilePlan


class PairsInTile(NamedTuple):
    """Elements of one tile by flat place, no place twice, and what to subtract from the gradient there."""

    places: Tensor
    weights: Tensor


class Targets(ABC):
    """The linear term of a contrast over rows (a -> b) and over columns (b -> a)."""

    @abstractmethod
    def begin_forward(self, plan: TilePlan) -> None:
        """Make ready to see every tile of `plan` once."""

    @abstractmethod
    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        """Read one tile before it is exponentiated; the logits are `factor` times its values."""

    @abstractmethod
    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """sum_j T_ij Z_ij per row and sum_i T_ij Z_ij per column, once every tile was seen."""

    @abstractmethod
    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        """Take the gradients that arrive at the losses of the rows and of the columns."""

    @abstractmethod
    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        """The few elements of a tile that the linear term touches."""

    @abstractmethod
    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        """Subtract what touches every element of a tile from the gradient of its logits."""

    @abstractmethod
    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        """Subtract the rest from the gradients of a and b, both per unit of scale."""
