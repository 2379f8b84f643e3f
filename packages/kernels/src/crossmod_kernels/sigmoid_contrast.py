"""The pairwise sigmoid contrast: no sum over other tiles enters a gradient, so the forward pass forms them too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from crossmod_kernels.contrast import along_rows, operands
from crossmod_kernels.engine import SigmoidSums, Wanted, choose_engine
from crossmod_kernels.exchange import Alone, Exchange
from crossmod_kernels.first_order import first_order
from crossmod_kernels.group_targets import GroupTargets
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.tile_plan import Logits
from crossmod_kernels.unit_rows import through_norms_


@dataclass(frozen=True, kw_only=True)
class SigmoidOptions:
    """How the pairs are computed, and the factor on their sum."""

    factor: float
    normalise: bool = True
    tile: tuple[int, int] | None = None
    backend: str = "auto"
    exchange: Exchange = field(default_factory=Alone)


def sigmoid_contrast(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    bias: Tensor,
    positives: PairTargets | GroupTargets | None,
    options: SigmoidOptions,
) -> Tensor:
    """factor * sum_ij softplus(-y_ij Z_ij), y = 1 for the positives. Shape: a (rows, dim); b (keys, dim)."""
    loss: Tensor = _SigmoidContrast.apply(a, b, scale, bias, positives, options)
    return loss


class _SigmoidContrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        scale: Tensor,
        bias: Tensor,
        positives: PairTargets | GroupTargets | None,
        options: SigmoidOptions,
    ) -> Tensor:
        with torch.autocast(a.device.type, enabled=False):
            return _forward(ctx, a, b, scale, bias, positives, options)

    @staticmethod
    @first_order
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ctx.exchange.check_same(upstream)
        gradients = zip(ctx.saved_tensors, ctx.input_dtypes, strict=True)
        scaled = [None if each is None else (each * upstream).to(dtype) for each, dtype in gradients]
        return (*scaled, None, None)


def _forward(
    ctx: Any,
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    bias: Tensor,
    positives: PairTargets | GroupTargets | None,
    options: SigmoidOptions,
) -> Tensor:
    engine = choose_engine(options.backend, a.device)
    operand = engine.operand_dtype(a, b)
    unit_a, unit_b = (operands(side, operand, options.normalise) for side in (a, b))
    keys = options.exchange.gather_rows(unit_b.rows)
    logits = Logits(unit_a.rows, keys, float(scale.detach()), engine.plan(unit_a.rows, keys, options.tile))
    wants_a, wants_b, wants_scale, wants_bias = ctx.needs_input_grad[:4]
    wanted = Wanted(wants_a or (wants_scale and not wants_b), wants_b)

    bound = _bound(logits, float(bias.detach()), normalised=options.normalise)
    pairs = positives if isinstance(positives, PairTargets) else None
    if pairs is not None:
        pairs.begin_forward(logits.plan)
    sums = engine.sigmoid(logits, float(bias.detach()), bound, pairs, wanted)
    loss, bias_gradient = _with_positives(sums, logits, float(bias.detach()), positives)

    factor = options.factor
    saved: list[Tensor | None] = [None, None, None, None]
    if wants_scale:
        along = along_rows(sums.gradient_a, unit_a.rows, sums.gradient_b, keys)
        saved[2] = (along.sum(dtype=torch.float64) * factor).view(scale.shape)
    if wants_bias:
        saved[3] = (bias_gradient * factor).view(bias.shape)
    if wants_a and sums.gradient_a is not None:
        through_norms_(sums.gradient_a, unit_a, logits.scale * factor)
        saved[0] = sums.gradient_a
    if sums.gradient_b is not None:
        gradient_b = options.exchange.return_rows(sums.gradient_b)
        through_norms_(gradient_b, unit_b, logits.scale * factor)
        saved[1] = gradient_b
    ctx.save_for_backward(*saved)
    ctx.exchange = options.exchange
    ctx.input_dtypes = (a.dtype, b.dtype, scale.dtype, bias.dtype)
    return (loss * factor).to(torch.promote_types(operand, torch.float32))


def _bound(logits: Logits, bias: float, *, normalised: bool) -> float:
    """No logit is above it."""
    if normalised:
        return logits.scale + bias
    longest = [float(torch.linalg.vector_norm(side, dim=1).max()) for side in (logits.a, logits.b)]
    return logits.scale * longest[0] * longest[1] + bias


def _with_positives(
    sums: SigmoidSums, logits: Logits, bias: float, positives: PairTargets | GroupTargets | None
) -> tuple[Tensor, Tensor]:
    """The loss and the gradient of the bias, the positives' terms included; group sums enter the gradients here."""
    if positives is None:
        return sums.softplus, sums.sigmoid
    if isinstance(positives, PairTargets):
        values = positives.logits.double()
        return sums.softplus - torch.nn.functional.logsigmoid(values).sum(), sums.sigmoid - torch.sigmoid(-values).sum()
    # softplus(-z) - softplus(z) = -z: every pair was counted as a negative, take the positives' logits away.
    score, _ = positives.scores(logits.a, logits.b, logits.scale)
    count = positives.match.pair_count
    ones, zeros = torch.ones_like(positives.row_share), torch.zeros_like(positives.column_share)
    positives.begin_backward(logits.plan, ones, zeros)
    positives.subtract_from_gradients(sums.gradient_a, sums.gradient_b, logits.a, logits.b)
    return sums.softplus - score.sum(dtype=torch.float64) - count * bias, sums.sigmoid - count
