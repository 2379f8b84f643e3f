"""Tiles on CUDA: a cuBLAS product, then one Triton kernel that does everything element by element.

Half-precision embeddings enter the products as they are, with fp32 logits: bf16 logits at scale 100 would have steps
of a quarter of a nat.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from crossmod_kernels.cuda import kernels
from crossmod_kernels.engine import SigmoidSums, Sums, Wanted, Weights
from crossmod_kernels.gradient_sink import GradientSink
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.targets import PairsInTile, Targets
from crossmod_kernels.tile_plan import KeptTiles, Logits, Tile, TilePlan, shaped
from crossmod_kernels.unit_rows import compute_dtype

# 64 MiB of fp32 logits: large launches, and gradient slices of both sides that fit the L2 cache of a large card.
TILE = (4096, 4096)
BLOCK = {"block_rows": 32, "block_columns": 128}


class TritonEngine:
    """The engine for CUDA, and for any tensor under Triton's interpreter."""

    def operand_dtype(self, a: Tensor, b: Tensor) -> torch.dtype:
        """Half precision if both sides have it, else at least fp32."""
        if a.is_cuda and a.dtype == b.dtype and a.dtype.itemsize == 2:
            return a.dtype
        return compute_dtype(a, b)

    def plan(self, a: Tensor, b: Tensor, tile: tuple[int, int] | None) -> TilePlan:
        return TilePlan.of(len(a), len(b), tile or TILE)

    def sums(self, logits: Logits, shift: float, targets: tuple[Targets, ...], kept: KeptTiles | None) -> Sums:
        plan, dtype = logits.plan, compute_dtype(logits.a)
        row = logits.a.new_zeros(plan.rows, dtype=dtype)
        column = logits.a.new_zeros(plan.columns, dtype=dtype)
        buffer = plan.buffer(logits.a, dtype)
        for tile in plan:
            values = _cosines(logits, buffer, tile)
            for each in targets:
                each.watch(values, tile, logits.scale)
            grid = _grid(tile)
            row_parts = values.new_empty(grid[1], tile.shape[0])
            column_parts = values.new_empty(grid[0], tile.shape[1])
            store = values if kept is None else kept[tile]
            kernels.exponential_sums[grid](
                values, store, row_parts, column_parts, *tile.shape, logits.scale, shift,
                keep=kept is not None, **BLOCK,
            )  # fmt: skip
            row[tile.rows] += row_parts.sum(0)
            column[tile.columns] += column_parts.sum(0)
        return Sums(row, column)

    def gradients(
        self,
        logits: Logits,
        shift: float,
        weights: Weights,
        targets: tuple[Targets, ...],
        kept: KeptTiles | None,
        wanted: Wanted,
    ) -> tuple[Tensor | None, Tensor | None]:
        plan, dtype = logits.plan, compute_dtype(logits.a)
        sink = GradientSink(logits, wanted)
        buffer = plan.buffer(logits.a, dtype) if kept is None else None
        second = plan.buffer(logits.a)
        row_weight, column_weight = weights.row.contiguous(), weights.column.contiguous()
        for tile in plan:
            if buffer is None:
                assert kept is not None
                values = kept[tile]
            else:
                values = _cosines(logits, buffer, tile)
            gradient = shaped(second, tile)
            kernels.logit_gradients[_grid(tile)](
                values, gradient, row_weight[tile.rows], column_weight[tile.columns], *tile.shape,
                logits.scale, shift, exponentiated=kept is not None, **BLOCK,
            )  # fmt: skip
            for each in targets:
                pairs = each.pairs_in(tile)
                if pairs is not None:
                    exponentials = values.view(-1)[pairs.places].to(dtype)
                    if kept is None:
                        exponentials = exponentials.mul_(logits.scale).sub_(shift).exp_()
                    _set_pairs(gradient, tile, pairs, exponentials, weights)
                each.subtract_from_tile(gradient, tile)
            sink.add(gradient, tile)
        for each in targets:
            each.subtract_from_gradients(sink.a, sink.b, logits.a, logits.b)
        return sink.a, sink.b

    def sigmoid(
        self, logits: Logits, bias: float, bound: float, pairs: PairTargets | None, wanted: Wanted
    ) -> SigmoidSums:
        plan, dtype = logits.plan, compute_dtype(logits.a)
        sink = GradientSink(logits, wanted)
        buffer, second = plan.buffer(logits.a, dtype), plan.buffer(logits.a)
        totals = logits.a.new_zeros(2, dtype=torch.float64)
        for tile in plan:
            values, gradient = _cosines(logits, buffer, tile), shaped(second, tile)
            flat = values.view(-1)
            part = None if pairs is None else pairs.listed_in(tile)
            if pairs is not None and part is not None:
                pairs.logits[part] = flat[pairs.places[part]] * logits.scale + bias
                # Softplus and sigmoid of -inf are zero, so that the sums leave these pairs out.
                flat[pairs.places[part]] = -torch.inf
            grid = _grid(tile)
            parts = values.new_empty(2, grid[0] * grid[1])
            kernels.sigmoids[grid](
                values, gradient, parts[0], parts[1], *tile.shape, logits.scale, bias, **BLOCK
            )  # fmt: skip
            totals += parts.sum(1, dtype=torch.float64)
            if pairs is not None and part is not None:
                pull = torch.sigmoid(-pairs.logits[part])
                gradient.view(-1)[pairs.places[part]] = -pull.to(gradient.dtype)
            sink.add(gradient, tile)
        return SigmoidSums(totals[0], totals[1], sink.a, sink.b)


def _grid(tile: Tile) -> tuple[int, int]:
    rows, columns = tile.shape
    return triton.cdiv(rows, BLOCK["block_rows"]), triton.cdiv(columns, BLOCK["block_columns"])


def _cosines(logits: Logits, buffer: Tensor, tile: Tile) -> Tensor:
    """The tile before its scale, which the kernels apply, in the buffer's type."""
    a, b, out = logits.a[tile.rows], logits.b[tile.columns].t(), shaped(buffer, tile)
    if a.dtype == out.dtype:
        return torch.mm(a, b, out=out)
    return torch.mm(a, b, out_dtype=out.dtype, out=out)


def _set_pairs(gradient: Tensor, tile: Tile, pairs: PairsInTile, exponentials: Tensor, weights: Weights) -> None:
    """Write the positives' gradients, subtracted before they are rounded to the operands' type."""
    width = tile.shape[1]
    row = weights.row[tile.rows][pairs.places // width]
    column = weights.column[tile.columns][pairs.places % width]
    exact = exponentials * (row + column) - pairs.weights
    gradient.view(-1)[pairs.places] = exact.to(gradient.dtype)
