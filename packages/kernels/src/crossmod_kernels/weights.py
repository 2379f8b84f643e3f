"""Continuous targets from a frozen source's cosines, w_ij = (1 + u_i.u_j) / 2, never held as a matrix.

Affine weights need no tile at all: sum_j w_ij Z_ij = scale/2 a_i . (sum_j b_j + (sum_j b_j u_j') u_i). Powered or
thresholded weights are formed tile by tile beside the logits: one more product in each pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_kernels.targets import PairsInTile, Targets
from crossmod_kernels.tile_plan import Logits, Tile, TilePlan

Side = Literal["rows", "columns"]
Value = TypeVar("Value")
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Sources:
    """Unit rows that say how alike the items are. Shape: rows (batch, source_dim); columns (keys, source_dim)."""

    rows: Float[Tensor, "batch source_dim"]
    columns: Float[Tensor, "keys source_dim"]


class AffineWeights(Targets):
    """T_ij = w_ij / sum w over the other side, for the rows or for the columns."""

    def __init__(self, sources: Sources, side: Side) -> None:
        self.sources, self.side = sources, side
        self.anchors, self.others = in_order(sources.rows, sources.columns, side)
        total = self.others.sum(0)
        self.weight_sum = _without_zeros((len(self.others) + self.anchors @ total) / 2)

    def begin_forward(self, plan: TilePlan) -> None:
        """Nothing: tiles are not read."""

    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        """Nothing: tiles are not read."""

    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        anchors, others = in_order(a, b, self.side)
        weighted = self._weighted_sums(others, self.others, None)
        score = torch.empty_like(self.weight_sum)
        for start in range(0, len(anchors), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            score[part] = (anchors[part] * weighted(self.anchors[part])).sum(1)
        score.mul_(scale / 2).div_(self.weight_sum)
        return in_order(score, score.new_zeros(len(others)), self.side)

    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        upstream, _ = in_order(row_upstream, column_upstream, self.side)
        self.factor = upstream / (2 * self.weight_sum)

    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        return None

    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        """Nothing: the gradients of a and b take it."""

    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        anchors, others = in_order(a, b, self.side)
        for_anchors, for_others = in_order(gradient_a, gradient_b, self.side)
        if for_anchors is not None:
            weighted = self._weighted_sums(others, self.others, None)
            for start in range(0, len(anchors), CHUNK_ROWS):
                part = slice(start, start + CHUNK_ROWS)
                for_anchors[part].addcmul_(weighted(self.anchors[part]), self.factor[part, None], value=-1.0)
        if for_others is not None:
            weighted = self._weighted_sums(anchors, self.anchors, self.factor)
            for start in range(0, len(others), CHUNK_ROWS):
                part = slice(start, start + CHUNK_ROWS)
                for_others[part].sub_(weighted(self.others[part]))

    def _weighted_sums(self, rows: Tensor, sources: Tensor, factor: Tensor | None) -> Callable[[Tensor], Tensor]:
        """u -> sum_j f_j (1 + u.u_j) x_j: two sums over all rows, taken once."""
        total = self.weight_sum.new_zeros(rows.shape[1])
        outer = self.weight_sum.new_zeros(sources.shape[1], rows.shape[1])
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            chunk = rows[part].to(total.dtype)
            if factor is not None:
                chunk = chunk * factor[part, None]
            total += chunk.sum(0)
            outer.addmm_(sources[part].t(), chunk)
        return lambda u: torch.addmm(total, u, outer)


class TiledWeights(Targets):
    """T_ij = w_ij^power / sum over the other side, weights up to `threshold` set to zero first."""

    def __init__(self, sources: Sources, side: Side, *, power: float, threshold: float) -> None:
        self.sources, self.side, self.power, self.threshold = sources, side, power, threshold

    def begin_forward(self, plan: TilePlan) -> None:
        source = self.sources.rows if self.side == "rows" else self.sources.columns
        self.weight_sum = source.new_zeros(plan.rows if self.side == "rows" else plan.columns)
        self.weighted_logits = torch.zeros_like(self.weight_sum)
        self._begin(plan)

    def _begin(self, plan: TilePlan) -> None:
        self.cosines = Logits(self.sources.rows, self.sources.columns, 0.5, plan)
        self.buffer = plan.buffer(self.sources.rows)

    def _weights(self, tile: Tile) -> Tensor:
        weights = self.cosines.into(self.buffer, tile).add_(0.5).clamp_(0.0, 1.0)
        if self.threshold > 0:
            torch.threshold_(weights, self.threshold, 0.0)
        return weights if self.power == 1 else weights.pow_(self.power)

    def watch(self, logits: Tensor, tile: Tile, factor: float) -> None:
        weights = self._weights(tile)
        dim, part = (1, tile.rows) if self.side == "rows" else (0, tile.columns)
        self.weight_sum[part] += weights.sum(dim)
        self.weighted_logits[part] += weights.mul_(logits).sum(dim).mul_(factor)

    def scores(self, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        del self.buffer
        self.weight_sum = _without_zeros(self.weight_sum)
        score = self.weighted_logits / self.weight_sum
        other = len(b) if self.side == "rows" else len(a)
        return in_order(score, score.new_zeros(other), self.side)

    def begin_backward(self, plan: TilePlan, row_upstream: Tensor, column_upstream: Tensor) -> None:
        upstream, _ = in_order(row_upstream, column_upstream, self.side)
        self.factor = upstream / self.weight_sum
        self._begin(plan)

    def pairs_in(self, tile: Tile) -> PairsInTile | None:
        return None

    def subtract_from_tile(self, gradient: Tensor, tile: Tile) -> None:
        along = self.factor[tile.rows, None] if self.side == "rows" else self.factor[tile.columns]
        gradient.sub_(self._weights(tile).mul_(along))

    def subtract_from_gradients(
        self, gradient_a: Tensor | None, gradient_b: Tensor | None, a: Tensor, b: Tensor
    ) -> None:
        """Nothing more to subtract: every weight was in a tile. The room for one is given back."""
        del self.buffer


def _without_zeros(weight_sum: Tensor) -> Tensor:
    """An extra key is like no row perhaps; it never anchors, so that any divisor but zero serves."""
    return torch.where(weight_sum == 0, 1.0, weight_sum)


def in_order(rows: Value, columns: Value, side: Side) -> tuple[Value, Value]:
    """Anchors first, the side they are compared with second; the same call undoes it."""
    return (rows, columns) if side == "rows" else (columns, rows)
