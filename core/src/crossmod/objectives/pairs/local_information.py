"""TCL's local mutual information: a sample's global vector finds its own regions or words among those of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, softplus

from crossmod.objectives.pairs.precision import unit, widened, without_autocast
from crossmod.objectives.pairs.tokens import mean_weights, real_tokens
from crossmod_kernels.validation import check_groups

_POOLS: dict[int, Callable[..., Tensor]] = {
    1: adaptive_avg_pool1d,
    2: adaptive_avg_pool2d,
    3: adaptive_avg_pool3d,
}


def global_local_contrast(
    pooled: Float[Tensor, "batch dim"],
    local: Float[Tensor, "samples places dim"],
    scale: Float[Tensor, ""],
    mask: Bool[Tensor, "samples places"] | None = None,
    *,
    group: Int64[Tensor, "samples"] | None = None,
) -> Float[Tensor, ""]:
    """mean_i mean_q -log( e^{s_iiq} / (e^{s_iiq} + sum_{j != i, q'} e^{s_ijq'}) ), s_ijq = scale <z_i, l_jq>.

    TCL's LMI (arXiv:2202.10401). One positive a time: a sample's other locals are not in its denominator. Locals are
    constants and taken as they are: normalise tokens before pooling them, not after. With `group`, locals of the same
    group are no negatives either; TCL keeps them as negatives [ours]. A sample without negatives loses nothing. Samples
    beyond the batch, those of other processes, are negatives alone.

    Shape:
        pooled: [batch, dim], any length; local: [samples, places, dim], samples >= batch; scale: [];
        mask: [samples, places], true = real; group: [samples].

    Raises:
        ValueError: Shapes do not fit, or a sample has no real local.
    """
    mask = real_tokens("the locals", local, mask)
    if pooled.ndim != 2 or pooled.shape[1] != local.shape[2] or not 0 < len(pooled) <= len(local):
        raise ValueError(
            f"pooled vectors have shape {tuple(pooled.shape)} beside locals of shape {tuple(local.shape)}; pass "
            "[batch, dim] and [samples, places, dim], at least one sample a pooled vector"
        )
    check_groups(local, local, group, None)
    with without_autocast(pooled):
        local = widened(local.detach()).masked_fill(~mask[..., None], 0.0)
        logits = scale * torch.einsum("id,jqd->ijq", unit(pooled), local)
    rows = torch.arange(len(pooled), device=pooled.device)
    own = torch.arange(len(local), device=pooled.device) if group is None else group
    negative = (own[: len(pooled), None] != own)[..., None] & mask
    positive, mask = logits[rows, rows], mask[: len(pooled)]
    alone = ~negative.flatten(1).any(1, keepdim=True)
    # A row of -inf throughout has no gradient that is a number, so rows without negatives are kept out of it.
    rivals = logits.masked_fill(~negative, -torch.inf).flatten(1).masked_fill(alone, 0.0).logsumexp(1, keepdim=True)
    # Multiplied rather than filled, so that a vector that is no number shows even without negatives.
    losses = torch.where(alone, 0 * positive, softplus(rivals - positive)).masked_fill(~mask, 0.0)
    return (losses * mean_weights(mask, losses)).sum(1).mean()


def pooled_regions(
    tokens: Float[Tensor, "batch places dim"], grid: Sequence[int], regions: Sequence[int]
) -> Float[Tensor, "batch regions dim"]:
    """Adaptive average pooling of a grid of 1 to 3 dimensions, row-major: 16x16 patches into 4x4 regions in TCL.

    Shape:
        tokens: [batch, product of grid, dim] -> [batch, product of regions, dim].

    Raises:
        ValueError: The grid does not hold the tokens, or grid and regions differ in dimensions.
    """
    if math.prod(grid) != tokens.shape[1] or len(grid) != len(regions) or len(grid) not in _POOLS:
        raise ValueError(
            f"a grid of {tuple(grid)} is pooled to {tuple(regions)}, but there are {tokens.shape[1]} tokens; pass "
            "1 to 3 sizes whose product is the number of tokens, and as many region sizes"
        )
    spread = tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *grid)
    return _POOLS[len(grid)](spread, list(regions)).flatten(2).transpose(1, 2)
