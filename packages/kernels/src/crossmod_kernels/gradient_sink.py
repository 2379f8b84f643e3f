"""Where the gradient of each tile goes: two products, added up in at least fp32."""

from __future__ import annotations

import torch
from torch import Tensor

from crossmod_kernels.engine import Wanted
from crossmod_kernels.products import add_product_
from crossmod_kernels.targets import Targets
from crossmod_kernels.tile_plan import Logits, Tile
from crossmod_kernels.unit_rows import compute_dtype


class GradientSink:
    """Gradients of a and b per unit of scale; a side nobody wants costs nothing."""

    def __init__(self, logits: Logits, wanted: Wanted) -> None:
        self.logits = logits
        dtype = compute_dtype(logits.a)
        self.a = torch.zeros_like(logits.a, dtype=dtype) if wanted.a else None
        self.b = torch.zeros_like(logits.b, dtype=dtype) if wanted.b else None

    def add(self, gradient: Tensor, tile: Tile) -> None:
        """Add one tile. Shape: gradient (tile rows, tile columns), of the operands' type."""
        if self.a is not None:
            _add_product_(self.a[tile.rows], gradient, self.logits.b[tile.columns])
        if self.b is not None:
            _add_product_(self.b[tile.columns], gradient.t(), self.logits.a[tile.rows])


def _add_product_(total: Tensor, x: Tensor, y: Tensor) -> None:
    if x.dtype == total.dtype:
        add_product_(total, x, y)
    elif x.is_cuda:
        total.add_(torch.mm(x, y, out_dtype=total.dtype))
    else:
        # A CPU hands half-precision products out in their own type; at least their sum over tiles is exact.
        total.add_(torch.mm(x, y))


def subtract_targets(gradient: Tensor, tile: Tile, targets: tuple[Targets, ...]) -> None:
    """Subtract from one contiguous tile of the gradient what the targets pull."""
    for each in targets:
        pairs = each.pairs_in(tile)
        if pairs is not None:
            gradient.view(-1).index_add_(0, pairs.places, pairs.weights, alpha=-1)
        each.subtract_from_tile(gradient, tile)
