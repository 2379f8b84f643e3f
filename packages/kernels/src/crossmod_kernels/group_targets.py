"""Targets of many positive pairs: sums over groups, so that no pair is ever listed.

sum_j T_ij Z_ij = scale a_i . (mean of b in the group of i), which costs O(batch dim), as does its gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.group_match import GroupMatch
from crossmod_kernels.targets import PairsInTile, Targets
from crossmod_kernels.tile_plan import Tile, TilePlan

CHUNK_ROWS = 1024


class GroupTargets(Targets):
    """T_ij = [g_i = g_j] row_share_i for a -> b, and the same with column_share_j for b -> a.

    Shape: row_share (rows,); column_share (columns,).
    """

    def __init__(self, match: GroupMatch, row_share: Tensor, column_share: Tensor) -> None:
        self.match, self.row_share, self.column_share = match, row_share, column_share

    def begin_forward(self, plan: TilePlan) -> None:
        """Nothing: tiles are not read."""

    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        """Nothing: tiles are not read."""

    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        sums = self._sums(b, self.match.column_group, None)
        row = _dots_with_group(a, sums, self.match.row_group).mul_(self.row_share * scale)
        sums = self._sums(a, self.match.row_group, None)
        column = _dots_with_group(b, sums, self.match.column_group).mul_(self.column_share * scale)
        return row, column

    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        self.row_weight = row_upstream * self.row_share
        self.column_weight = column_upstream * self.column_share

    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        return None

    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        """Nothing: the gradients of a and b take it."""

    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        row_group, column_group = self.match.row_group, self.match.column_group
        if gradient_a is not None:
            _subtract_group(gradient_a, self._sums(b, column_group, None), row_group, self.row_weight)
            _subtract_group(gradient_a, self._sums(b, column_group, self.column_weight), row_group, None)
        if gradient_b is not None:
            _subtract_group(gradient_b, self._sums(a, row_group, None), column_group, self.column_weight)
            _subtract_group(gradient_b, self._sums(a, row_group, self.row_weight), column_group, None)

    def _sums(self, rows: Tensor, group: Tensor, weight: Tensor | None) -> Tensor:
        sums = self.row_share.new_zeros(self.match.groups, rows.shape[1])
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            chunk = rows[part].to(sums.dtype)
            sums.index_add_(0, group[part], chunk if weight is None else chunk * weight[part, None])
        return sums


def _dots_with_group(rows: Tensor, sums: Tensor, group: Tensor) -> Tensor:
    parts = [
        (rows[start : start + CHUNK_ROWS] * sums[group[start : start + CHUNK_ROWS]]).sum(1)
        for start in range(0, len(rows), CHUNK_ROWS)
    ]
    return torch.cat(parts)


def _subtract_group(gradient: Tensor, sums: Tensor, group: Tensor, weight: Tensor | None) -> None:
    for start in range(0, len(gradient), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        chunk = sums[group[part]]
        gradient[part] -= chunk if weight is None else chunk.mul_(weight[part, None])
