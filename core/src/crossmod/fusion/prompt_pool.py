"""PTUnifier: learned prompts, retrieved by the modality that is there, stand in for the one that is not."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.fusion.masks import require_mask

PoolMetric = Literal["dot", "cosine"]


class PoolUsage(NamedTuple):
    """How evenly a pool is used: share of its rows that were picked, and entropy of the picks over log(size)."""

    share: float
    evenness: float


class PromptPool(nn.Module):
    """The `count` rows of a learned pool that score highest with a query (PTUnifier, arXiv:2302.08958).

    The query is the mean of the present modality's embedded tokens. Which rows are picked has no gradient; the picked
    rows do. (The released code gathers without gradient, so its pools never learn; that is not reproduced.)

    Args:
        size: Rows of the pool (2048 in the paper).
        width: Width of the prompts.
        count: Prompts of one sample (49 for images, 32 for text).
        query_width: Width of the present modality; a projection is learned where it differs from `width`.
        metric: "dot" is the paper's; a trained pool can collapse onto rows of large norm, which "cosine" cannot.

    Raises:
        ValueError: The pool is smaller than the count, or the metric is unknown.
    """

    def __init__(
        self, size: int, width: int, count: int, *, query_width: int | None = None, metric: PoolMetric = "dot"
    ) -> None:
        super().__init__()
        if not 0 <= count <= size:
            raise ValueError(f"{count} prompts cannot be picked from a pool of {size}; take at most the pool's size.")
        if metric not in get_args(PoolMetric):
            raise ValueError(f"the pool's metric is {metric!r}; take 'dot' or 'cosine'.")
        self.count, self.metric = count, metric
        self.rows = nn.Parameter(torch.empty(size, width))
        nn.init.normal_(self.rows, std=0.02)
        project = query_width is not None and query_width != width
        self.project = nn.Linear(query_width, width, bias=False) if project and query_width else None
        if self.project is not None:
            # Picking has no gradient, so the projection is a fixed random one, which keeps inner products on average.
            self.project.weight.requires_grad_(False)

    def scores(
        self, tokens: Float[Tensor, "batch length query_width"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch size"]:
        """Score of every row of the pool with the mean of the real tokens, without gradient; zero where there are none.

        Raises:
            ValueError: The mask does not fit, or a real token is not finite.
        """
        if mask is None:
            mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        require_mask("mask", mask, tokens)
        with torch.no_grad():
            held = tokens.masked_fill(~mask[..., None], 0.0)
            query = held.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            if not bool(query.isfinite().all()):
                raise ValueError("a real token is not finite, so no prompt is nearest to it; look at the embeddings.")
            query = query if self.project is None else self.project(query)
            rows = self.rows.to(query.dtype)
            if self.metric == "cosine":
                query, rows = normalize(query, dim=-1), normalize(rows, dim=-1)
            return query @ rows.T

    def forward(
        self, tokens: Float[Tensor, "batch length query_width"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> tuple[Float[Tensor, "batch count width"], Int64[Tensor, "batch count"]]:
        """The prompts of every sample, best first, and which rows they are; rows of one sample are distinct."""
        picked = self.scores(tokens, mask).topk(self.count, dim=1).indices
        return self.rows[picked], picked

    def usage(self, picked: Int64[Tensor, "batch count"]) -> PoolUsage:
        """How evenly the picks of a batch, or of many, are spread over the pool."""
        counts = torch.bincount(picked.flatten(), minlength=len(self.rows)).double()
        if not counts.sum() or len(self.rows) < 2:
            return PoolUsage(float((counts > 0).double().mean()), 0.0)
        entropy = float(torch.special.entr(counts / counts.sum()).sum())
        return PoolUsage(float((counts > 0).double().mean()), entropy / math.log(len(self.rows)))


class StandIns(nn.Module):
    """Two pools: each stands in for its modality where a batch has only the other (PTUnifier, arXiv:2302.08958).

    Args:
        pool_a: Prompts that replace modality a, queried by b.
        pool_b: Prompts that replace modality b, queried by a.
    """

    def __init__(self, pool_a: PromptPool, pool_b: PromptPool) -> None:
        super().__init__()
        self.pool_a, self.pool_b = pool_a, pool_b

    def forward(
        self,
        tokens_a: Float[Tensor, "batch length_a width_a"] | None,
        tokens_b: Float[Tensor, "batch length_b width_b"] | None,
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
    ) -> tuple[Tensor, Bool[Tensor, "batch length"] | None, Tensor, Bool[Tensor, "batch length"] | None]:
        """Tokens and mask of a, then of b; what was absent is prompts, all real. A pair comes back untouched.

        Raises:
            ValueError: Both are absent.
        """
        if tokens_a is None and tokens_b is None:
            raise ValueError("neither modality is there to query the pools with; give at least one.")
        if tokens_a is None:
            assert tokens_b is not None
            tokens_a, _ = self.pool_a(tokens_b, mask_b)
            mask_a = None
        elif tokens_b is None:
            tokens_b, _ = self.pool_b(tokens_a, mask_a)
            mask_b = None
        return tokens_a, mask_a, tokens_b, mask_b
