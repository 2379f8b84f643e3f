"""Targets of few positive pairs: their logits are read from the tiles, their share is subtracted in the tiles.

Subtracting before the product with the embeddings keeps small gradients: a fitted pair leaves p - 1, and taking 1
away after the product would cancel nearly equal sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.targets import PairsInTile, Targets
from crossmod_kernels.tile_plan import Tile, TilePlan


class PairTargets(Targets):
    """Positive pairs as a list: T_ij = row_share_i for a -> b and column_share_j for b -> a.

    Shape: rows, columns (pairs,) int64; row_share (rows,); column_share (columns,).
    """

    def __init__(self, rows: Tensor, columns: Tensor, row_share: Tensor, column_share: Tensor) -> None:
        self.rows, self.columns = rows, columns
        self.row_share, self.column_share = row_share, column_share
        self.plan: TilePlan | None = None

    def _sort_by_tile(self, plan: TilePlan) -> None:
        if self.plan == plan:
            return
        number = plan.number_of(self.rows, self.columns)
        order = torch.argsort(number, stable=True)
        self.rows, self.columns = self.rows[order], self.columns[order]
        self.places = plan.place_of(self.rows, self.columns)
        ends = torch.cumsum(torch.bincount(number, minlength=plan.count), 0)
        self.bounds: list[int] = [0, *ends.tolist()]
        self.plan = plan

    def listed_in(self, tile: Tile) -> slice | None:
        """Where the pairs of a tile stand in the list, once it is sorted by a `begin_...`."""
        start, stop = self.bounds[tile.number], self.bounds[tile.number + 1]
        return slice(start, stop) if stop > start else None

    def begin_forward(self, plan: TilePlan) -> None:
        self._sort_by_tile(plan)
        self.logits = self.row_share.new_empty(len(self.rows))

    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        part = self.listed_in(tile)
        if part is not None:
            self.logits[part] = logits.view(-1)[self.places[part]] * factor

    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        row = torch.zeros_like(self.row_share).index_add_(0, self.rows, self.logits)
        column = torch.zeros_like(self.column_share).index_add_(0, self.columns, self.logits)
        return row.mul_(self.row_share), column.mul_(self.column_share)

    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        self._sort_by_tile(plan)
        row, column = row_upstream * self.row_share, column_upstream * self.column_share
        self.weights = row[self.rows] + column[self.columns]

    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        part = self.listed_in(tile)
        return None if part is None else PairsInTile(self.places[part], self.weights[part])

    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        """Nothing: the pairs are handed out by `pairs_in`."""

    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        """Nothing: every pair was in a tile."""
