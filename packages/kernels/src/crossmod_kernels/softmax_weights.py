"""Soft targets that a teacher's own contrast gives, formed tile by tile: T_ij = share * softmax(teacher logits)_ij."""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.online_shift import RunningLogSumExp
from crossmod_kernels.targets import PairsInTile, Targets
from crossmod_kernels.tile_plan import Logits, Tile, TilePlan, shaped
from crossmod_kernels.weights import Side, Sources, in_order


class SoftmaxWeights(Targets):
    """T_ij = share * exp(t u_i.v_j) / sum over the other side: three products a direction, one of them to normalise."""

    def __init__(self, teacher: Sources, side: Side, *, scale: float, share: float) -> None:
        self.teacher, self.side, self.scale, self.share = teacher, side, scale, share

    def begin_forward(self, plan: TilePlan) -> None:
        rows = self.teacher.rows
        self._begin(plan)
        log_sum = RunningLogSumExp(plan.rows if self.side == "rows" else plan.columns, rows)
        second = plan.buffer(rows)
        for tile in plan:
            dim, part = self._along(tile)
            log_sum.add(self.logits.into(self.buffer, tile), part, dim, shaped(second, tile))
        self.log_sum = log_sum.value()
        self.weighted_logits = torch.zeros_like(self.log_sum)

    def _begin(self, plan: TilePlan) -> None:
        self.logits = Logits(self.teacher.rows, self.teacher.columns, self.scale, plan)
        self.buffer = plan.buffer(self.teacher.rows)

    def _along(self, tile: Tile) -> tuple[int, slice]:
        """The axis that the distribution runs over, and whose distributions a tile holds."""
        return (1, tile.rows) if self.side == "rows" else (0, tile.columns)

    def _probabilities(self, tile: Tile) -> Tensor:
        dim, part = self._along(tile)
        return self.logits.into(self.buffer, tile).sub_(self.log_sum[part].unsqueeze(dim)).exp_()

    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        dim, part = self._along(tile)
        self.weighted_logits[part] += self._probabilities(tile).mul_(logits).sum(dim).mul_(factor)

    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        del self.buffer
        other = len(b) if self.side == "rows" else len(a)
        score = self.weighted_logits * self.share
        return in_order(score, score.new_zeros(other), self.side)

    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        upstream, _ = in_order(row_upstream, column_upstream, self.side)
        self.factor = upstream * self.share
        self._begin(plan)

    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        return None

    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        dim, part = self._along(tile)
        gradient.sub_(self._probabilities(tile).mul_(self.factor[part].unsqueeze(dim)))

    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        """Nothing more to subtract: every weight was in a tile. The room for one is given back."""
        del self.buffer
