"""The softmax contrast of two sets of embeddings, both directions from one tile, in four products.

Forward: each tile of exp(Z - c) feeds row sums and column sums, then is gone. Backward: the tile is formed once more,
G_ij = E_ij (u_i / row_i + v_j / column_j) - (what the targets pull), and two products carry G to a and b. Cosine
logits are bounded by the scale, so one constant c serves rows and columns alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from crossmod_kernels.engine import Engine, Wanted, Weights, choose_engine
from crossmod_kernels.exchange import Alone, Exchange
from crossmod_kernels.first_order import first_order
from crossmod_kernels.online_shift import online_gradients, online_sums
from crossmod_kernels.targets import Targets
from crossmod_kernels.tile_plan import KeptTiles, Logits, TilePlan
from crossmod_kernels.unit_rows import UnitRows, compute_dtype, paired_dots, through_norms_, unit_rows

# exp(60) times the longest sum still fits fp32 and bf16; larger scales are shifted down to it.
LARGEST_EXPONENT = 60.0
# A sum above this is made of normal fp32 numbers wherever they matter to the eighth digit.
SMALLEST_SUM = 1e-30
# "auto" keeps the exponentials up to this size: exact, and below the two embedding-sized temporaries it sits beside.
KEPT_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class ContrastOptions:
    """How a contrast is computed; none of it changes the result beyond rounding, except "keep-bf16"."""

    normalise: bool = True
    memory: str = "auto"
    tile: tuple[int, int] | None = None
    backend: str = "auto"
    exchange: Exchange = field(default_factory=Alone)


def contrast(
    a: Tensor, b: Tensor, scale: Tensor, targets: tuple[Targets, ...], options: ContrastOptions
) -> tuple[Tensor, Tensor]:
    """Losses of rows, lse_j Z_ij - sum_j T_ij Z_ij, and of columns, lse_i Z_ij - sum_i T_ij Z_ij.

    Shape: a (rows, dim); b (keys, dim); returns (rows,) and (keys,), of the keys here if they were gathered.
    """
    losses: tuple[Tensor, Tensor] = _Contrast.apply(a, b, scale, targets, options)
    return losses


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor, targets: tuple[Targets, ...], options: ContrastOptions
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(a.device.type, enabled=False):
            return _forward(ctx, a, b, scale, targets, options)

    @staticmethod
    @first_order
    def backward(ctx: Any, row_upstream: Tensor, column_upstream: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast(row_upstream.device.type, enabled=False):
            return (*_backward(ctx, row_upstream, column_upstream), None, None)


def _forward(
    ctx: Any, a: Tensor, b: Tensor, scale: Tensor, targets: tuple[Targets, ...], options: ContrastOptions
) -> tuple[Tensor, Tensor]:
    engine = choose_engine(options.backend, a.device)
    operand = engine.operand_dtype(a, b)
    unit_a = operands(a, operand, options.normalise)
    unit_b = operands(b, operand, options.normalise)
    keys = options.exchange.gather_rows(unit_b.rows)
    plan = engine.plan(unit_a.rows, keys, options.tile)
    logits = Logits(unit_a.rows, keys, float(scale.detach()), plan)
    shift = max(0.0, logits.scale - LARGEST_EXPONENT)
    kept = _kept_tiles(options.memory, plan, unit_a.rows, needed=any(ctx.needs_input_grad[:3]))

    for each in targets:
        each.begin_forward(plan)
    sums = engine.sums(logits, shift, targets, kept)
    column, in_range = _total_and_check(sums.row, sums.column, options.exchange)
    if in_range:
        row_log_sum, column_log_sum = sums.row.double().log() + shift, column.double().log() + shift
        row = sums.row
    else:
        kept = None
        row, column = _online(logits, targets, options.exchange)
        row_log_sum, column_log_sum = row.double(), column.double()
    row_score, column_score = _scores(logits, targets, options.exchange)

    ctx.save_for_backward(unit_a.rows, unit_a.norms, unit_b.rows, unit_b.norms, keys, row, column)
    ctx.plan, ctx.scale, ctx.shift, ctx.kept, ctx.in_range = plan, logits.scale, shift, kept, in_range
    ctx.engine, ctx.targets, ctx.exchange = engine, targets, options.exchange
    ctx.input_dtypes, ctx.scale_like = (a.dtype, b.dtype), (scale.dtype, scale.shape)
    own = options.exchange.own_rows
    dtype = row.dtype
    return (row_log_sum - row_score).to(dtype), own(column_log_sum - column_score).to(dtype)


def operands(embeddings: Tensor, dtype: torch.dtype, normalise: bool) -> UnitRows:
    """Norms are taken in at least fp32 even where the products take half-precision operands."""
    if not normalise or dtype.itemsize >= 4:
        return unit_rows(embeddings, dtype, normalise=normalise)
    exact = unit_rows(embeddings, torch.float32, normalise=True)
    return UnitRows(exact.rows.to(dtype), exact.norms)


def _kept_tiles(memory: str, plan: TilePlan, like: Tensor, *, needed: bool) -> KeptTiles | None:
    exact = compute_dtype(like)
    small = plan.rows * plan.columns * exact.itemsize <= KEPT_BYTES
    if not needed or memory == "recompute" or (memory == "auto" and not small):
        return None
    return KeptTiles(plan, like, torch.bfloat16 if memory == "keep-bf16" else exact)


def _total_and_check(row: Tensor, column: Tensor, exchange: Exchange) -> tuple[Tensor, bool]:
    """Column sums over all processes, and whether every sum everywhere can be trusted: one exchange for both."""
    bad_rows = (~_trusted(row)).sum().to(column.dtype)
    message = exchange.total(torch.cat([column, bad_rows[None]]))
    column = message[:-1]
    return column, bool((message[-1] == 0) & _trusted(column).all())


def _trusted(sums: Tensor) -> Tensor:
    return torch.isfinite(sums) & (sums > SMALLEST_SUM)


def _online(logits: Logits, targets: tuple[Targets, ...], exchange: Exchange) -> tuple[Tensor, Tensor]:
    for each in targets:
        each.begin_forward(logits.plan)
    row, column = online_sums(_exact(logits), targets)
    largest = exchange.largest(column)
    return row, largest + exchange.total((column - largest).exp()).log()


def _exact(logits: Logits) -> Logits:
    dtype = compute_dtype(logits.a)
    return Logits(logits.a.to(dtype), logits.b.to(dtype), logits.scale, logits.plan)


def _scores(logits: Logits, targets: tuple[Targets, ...], exchange: Exchange) -> tuple[Tensor, Tensor]:
    pairs = [each.scores(logits.a, logits.b, logits.scale) for each in targets]
    row = torch.stack([score.double() for score, _ in pairs]).sum(0)
    column = torch.stack([score.double() for _, score in pairs]).sum(0)
    return row, exchange.total(column)


def along_rows(gradient_a: Tensor | None, a: Tensor, gradient_b: Tensor | None, b: Tensor) -> Tensor:
    """Dot products of one side's gradient with its rows: both sides' sum to the gradient of the scale."""
    if gradient_a is not None:
        return paired_dots(gradient_a, a)
    assert gradient_b is not None
    return paired_dots(gradient_b, b)


def _backward(ctx: Any, row_upstream: Tensor, column_upstream: Tensor) -> tuple[Tensor | None, ...]:
    rows_a, norms_a, rows_b, norms_b, keys, row, column = ctx.saved_tensors
    engine: Engine = ctx.engine
    logits = Logits(rows_a, keys, ctx.scale, ctx.plan)
    column_upstream = ctx.exchange.gather_rows(column_upstream.contiguous())
    for each in ctx.targets:
        each.begin_backward(ctx.plan, row_upstream, column_upstream)

    wants_a, wants_b, wants_scale = ctx.needs_input_grad[:3]
    wanted = Wanted(wants_a or (wants_scale and not wants_b), wants_b)
    if ctx.in_range:
        weights = Weights(row_upstream / row, column_upstream / column)
        gradients = engine.gradients(logits, ctx.shift, weights, ctx.targets, ctx.kept, wanted)
    else:
        upstream = Weights(row_upstream, column_upstream)
        gradients = online_gradients(_exact(logits), row, column, upstream, ctx.targets, wanted)
    gradient_a, gradient_b = gradients

    gradient_scale = None
    if wants_scale:
        # Z = scale * cosine, so the sum of G_ij cosine_ij is that of (dL/da . a) per unit of scale: no further pass.
        along = along_rows(gradient_a, rows_a, gradient_b, keys)
        dtype, shape = ctx.scale_like
        gradient_scale = along.sum(dtype=torch.float64).to(dtype).view(shape)
    if gradient_a is not None:
        through_norms_(gradient_a, UnitRows(rows_a, norms_a), ctx.scale)
        gradient_a = gradient_a.to(ctx.input_dtypes[0]) if wants_a else None
    if gradient_b is not None:
        gradient_b = ctx.exchange.return_rows(gradient_b)
        through_norms_(gradient_b, UnitRows(rows_b, norms_b), ctx.scale)
        gradient_b = gradient_b.to(ctx.input_dtypes[1])
    return gradient_a, gradient_b, gradient_scale
