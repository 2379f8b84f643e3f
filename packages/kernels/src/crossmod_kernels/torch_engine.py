"""Tiles in plain torch: one or two buffers that stay in the cache, filled by products and changed in place."""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.engine import SigmoidSums, Sums, Wanted, Weights
from crossmod_kernels.gradient_sink import GradientSink, subtract_targets
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.sigmoid_tile import SigmoidTile
from crossmod_kernels.targets import Targets
from crossmod_kernels.tile_plan import KeptTiles, Logits, TilePlan, shaped
from crossmod_kernels.unit_rows import compute_dtype

# 2 MiB in fp32: two buffers and the panels of a product share a few MiB of cache; smaller tiles slow the products.
CPU_TILE = (1024, 512)
# On an accelerator fewer and larger launches matter more than cache: 64 MiB in fp32.
ACCELERATOR_TILE = (4096, 4096)


class TorchEngine:
    """The engine for every device that torch knows."""

    def operand_dtype(self, a: Tensor, b: Tensor) -> torch.dtype:
        """At least fp32: a product in plain torch rounds the logits to the type of its operands."""
        return compute_dtype(a, b)

    def plan(self, a: Tensor, b: Tensor, tile: tuple[int, int] | None) -> TilePlan:
        default = CPU_TILE if a.device.type == "cpu" else ACCELERATOR_TILE
        return TilePlan.of(len(a), len(b), tile or default)

    def sums(self, logits: Logits, shift: float, targets: tuple[Targets, ...], kept: KeptTiles | None) -> Sums:
        a, plan = logits.a, logits.plan
        row, column = a.new_zeros(plan.rows), a.new_zeros(plan.columns)
        formed_in_place = kept is not None and kept.storage.dtype == a.dtype
        buffer = None if formed_in_place else plan.buffer(a)
        for tile in plan:
            if kept is not None and buffer is None:
                exponentials = logits.into(kept[tile].view(-1), tile)
            else:
                assert buffer is not None
                exponentials = logits.into(buffer, tile)
            for each in targets:
                each.watch(exponentials, tile, 1.0)
            if shift:
                exponentials.sub_(shift)
            exponentials.exp_()
            row[tile.rows] += exponentials.sum(1)
            column[tile.columns] += exponentials.sum(0)
            if kept is not None and buffer is not None:
                kept[tile].copy_(exponentials)
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
        a, b, plan = logits.a, logits.b, logits.plan
        sink = GradientSink(logits, wanted)
        buffer = plan.buffer(a) if kept is None else None
        second = plan.buffer(a)
        for tile in plan:
            if buffer is None:
                assert kept is not None
                exponentials = kept[tile]
            else:
                exponentials = logits.into(buffer, tile, -shift).exp_()
            gradient = shaped(second, tile)
            torch.add(weights.row[tile.rows, None], weights.column[tile.columns], out=gradient)
            gradient.mul_(exponentials)
            subtract_targets(gradient, tile, targets)
            sink.add(gradient, tile)
        for each in targets:
            each.subtract_from_gradients(sink.a, sink.b, a, b)
        return sink.a, sink.b

    def sigmoid(
        self, logits: Logits, bias: float, bound: float, pairs: PairTargets | None, wanted: Wanted
    ) -> SigmoidSums:
        a, plan = logits.a, logits.plan
        sink = GradientSink(logits, wanted)
        buffer, work = plan.buffer(a), SigmoidTile(plan.buffer(a), bound)
        softplus, sigmoid = a.new_zeros(2, dtype=torch.float64)
        for tile in plan:
            values = logits.into(buffer, tile, bias)
            flat = values.view(-1)
            part = None if pairs is None else pairs.listed_in(tile)
            if pairs is not None and part is not None:
                pairs.logits[part] = flat[pairs.places[part]]
                # Softplus and sigmoid of -inf are zero, so that the sums leave these pairs out.
                flat[pairs.places[part]] = -torch.inf
            softplus += work.softplus_sum_then_sigmoid_(values)
            sigmoid += values.sum()
            if pairs is not None and part is not None:
                flat[pairs.places[part]] = -torch.sigmoid(-pairs.logits[part])
            sink.add(values, tile)
        return SigmoidSums(softplus, sigmoid, sink.a, sink.b)
