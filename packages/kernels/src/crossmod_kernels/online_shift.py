"""Row and column log-sum-exp with a running maximum, for logits that no constant shift can hold.

Rows and columns have shifts of their own here, so a tile costs two exponentials instead of one; the products are the
same four. Taken only after the constant shift was found out of range: unnormalised embeddings or a huge scale.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.engine import Wanted, Weights
from crossmod_kernels.gradient_sink import GradientSink, subtract_targets
from crossmod_kernels.targets import Targets
from crossmod_kernels.tile_plan import Logits, shaped


class RunningLogSumExp:
    """log sum exp over values that arrive in pieces."""

    def __init__(self, size: int, like: Tensor) -> None:
        self.largest = like.new_full((size,), -torch.inf)
        self.total = like.new_zeros(size)

    def add(self, values: Tensor, part: slice, dim: int, buffer: Tensor) -> None:
        """Add a tile whose axis `dim` is summed away; `buffer` has the tile's shape and is overwritten."""
        largest = torch.maximum(self.largest[part], values.amax(dim))
        torch.sub(values, largest.unsqueeze(dim), out=buffer)
        self.total[part] *= (self.largest[part] - largest).exp_()
        self.total[part] += buffer.exp_().sum(dim)
        self.largest[part] = largest

    def value(self) -> Tensor:
        return self.largest + self.total.log()


def online_sums(logits: Logits, targets: tuple[Targets, ...]) -> tuple[Tensor, Tensor]:
    """Log-sum-exp of every row and of every column: one product. Shape: two of (rows,) and (columns,)."""
    a, plan = logits.a, logits.plan
    rows, columns = RunningLogSumExp(plan.rows, a), RunningLogSumExp(plan.columns, a)
    buffer, second = plan.buffer(a), plan.buffer(a)
    for tile in plan:
        values = logits.into(buffer, tile)
        for each in targets:
            each.watch(values, tile, 1.0)
        rows.add(values, tile.rows, 1, shaped(second, tile))
        columns.add(values, tile.columns, 0, shaped(second, tile))
    return rows.value(), columns.value()


def online_gradients(
    logits: Logits,
    row_log_sum: Tensor,
    column_log_sum: Tensor,
    upstream: Weights,
    targets: tuple[Targets, ...],
    wanted: Wanted,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of a and b per unit of scale: three products. Shape: as a and b."""
    a, b, plan = logits.a, logits.b, logits.plan
    sink = GradientSink(logits, wanted)
    buffer, second = plan.buffer(a), plan.buffer(a)
    for tile in plan:
        values = logits.into(buffer, tile)
        gradient = shaped(second, tile)
        torch.sub(values, row_log_sum[tile.rows, None], out=gradient)
        gradient.exp_().mul_(upstream.row[tile.rows, None])
        values.sub_(column_log_sum[tile.columns]).exp_().mul_(upstream.column[tile.columns])
        gradient.add_(values)
        subtract_targets(gradient, tile, targets)
        sink.add(gradient, tile)
    for each in targets:
        each.subtract_from_gradients(sink.a, sink.b, a, b)
    return sink.a, sink.b
