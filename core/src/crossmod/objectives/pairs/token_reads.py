"""What a phrase reads of the other modality's tokens: the few it resembles most (SimCroP), or an attended mean."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.pairs.precision import unit, widened, without_autocast
from crossmod.objectives.pairs.tokens import real_tokens, unit_tokens

SLACK = 1e-9


class Selected(NamedTuple):
    """The tokens that each query selects, the most similar first.

    Shape:
        place: [batch, queries, most]; mask: the same, false beyond the number that a sample's queries select.
    """

    place: Int64[Tensor, "batch queries most"]
    mask: Bool[Tensor, "batch queries most"]


class Read(NamedTuple):
    """What each query reads, and the weight of every token in it. Shape: [batch, queries, dim] and [.., length]."""

    values: Float[Tensor, "batch queries dim"]
    weights: Float[Tensor, "batch queries length"]


@torch.no_grad()
def select_top_tokens(
    queries: Float[Tensor, "batch queries dim"],
    tokens: Float[Tensor, "batch length dim"],
    mask: Bool[Tensor, "batch length"] | None = None,
    *,
    share: float = 0.05,
    least: int = 8,
) -> Selected:
    """The k real tokens of largest cosine, k = max(least, floor(share real)), at most all; without gradient.

    SimCroP's abstract has the adaptive selection; share and least are [C]. Ties go to the token that stands first.

    Shape:
        queries: [batch, queries, dim]; tokens: [batch, length, dim]; mask: [batch, length], true = real token.

    Raises:
        ValueError: The share is outside [0, 1], `least` is below 1, batches or widths differ, or a sample has no token.
    """
    if not 0 <= share <= 1 or least < 1:
        raise ValueError(f"a share of {share} and at least {least} tokens select none; take 0 to 1, and 1 or more")
    mask = _require(queries, tokens, mask)
    with without_autocast(tokens):
        cosine = torch.einsum("bsd,bld->bsl", unit(queries), unit_tokens(tokens, mask))
    real = mask.sum(1)
    wanted = (real.double() * share + SLACK).floor().long().clamp(min=least).minimum(real)
    most = int(wanted.max())
    place = cosine.masked_fill(~mask[:, None], -torch.inf).argsort(dim=2, descending=True, stable=True)[..., :most]
    taken = torch.arange(most, device=mask.device) < wanted[:, None, None]
    return Selected(place, taken.expand_as(place))


def read_selected(
    queries: Float[Tensor, "batch queries dim"],
    tokens: Float[Tensor, "batch length dim"],
    selected: Selected,
    mask: Bool[Tensor, "batch length"] | None = None,
    *,
    temperature: float = 0.0,
) -> Read:
    """The mean of the selected unit tokens, normalised; the gradient reaches those tokens alone.

    SimCroP's read-out is [C]: its code is not released.

    Args:
        temperature: Above 0 the mean is weighted by softmax(cosine / temperature) over the selected (0.1 in the sheet).

    Shape:
        queries: [batch, queries, dim]; tokens: [batch, length, dim]; mask: [batch, length], true = real token.

    Raises:
        ValueError: The temperature is negative, or as `select_top_tokens`.
    """
    if not temperature >= 0:
        raise ValueError(f"the temperature is {temperature}; 0 takes the plain mean, above it weighs by similarity")
    mask = _require(queries, tokens, mask)
    with without_autocast(tokens):
        real = unit_tokens(tokens, mask)
        taken = torch.zeros(*queries.shape[:2], tokens.shape[1], dtype=torch.bool, device=tokens.device)
        taken.scatter_(2, selected.place, selected.mask)
        if temperature:
            cosine = torch.einsum("bsd,bld->bsl", unit(queries).to(real.dtype), real)
            weights = (cosine / temperature).masked_fill(~taken, -torch.inf).softmax(2)
        else:
            weights = taken.to(real.dtype) / taken.sum(2, keepdim=True)
        return Read(unit(weights @ real), weights)


class AttentionRead(nn.Module):
    """softmax(Q u (K t)^T / sqrt(width)) V t, normalised: one head of cross-attention from phrases to tokens.

    Args:
        query_width: Width of the phrases.
        token_width: Width of the tokens.
        width: Width of queries, keys and of what is read.
    """

    def __init__(self, query_width: int, token_width: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, width, bias=False)
        self.key = nn.Linear(token_width, width, bias=False)
        self.value = nn.Linear(token_width, width, bias=False)

    def forward(
        self,
        queries: Float[Tensor, "batch queries query_width"],
        tokens: Float[Tensor, "batch length token_width"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Read:
        """What each query reads.

        Shape:
            queries: [batch, queries, query_width]; tokens: [batch, length, token_width].
            mask: [batch, length]; true = real token.

        Raises:
            ValueError: Batches differ, or a sample has no token.
        """
        mask = _require(queries, tokens, mask, widths=False)
        tokens = tokens.masked_fill(~mask[..., None], 0.0)
        query, key, value = widened(self.query(queries)), widened(self.key(tokens)), widened(self.value(tokens))
        with without_autocast(tokens):
            logits = torch.einsum("bsd,bld->bsl", query, key) / math.sqrt(key.shape[2])
            weights = logits.masked_fill(~mask[:, None], -torch.inf).softmax(2)
            return Read(unit(torch.einsum("bsl,bld->bsd", weights, value)), weights)


def _require(
    queries: Tensor, tokens: Tensor, mask: Tensor | None, *, widths: bool = True
) -> Bool[Tensor, "batch length"]:
    real = real_tokens("what phrases read", tokens, mask)
    if queries.ndim != 3 or len(queries) != len(tokens) or (widths and queries.shape[2] != tokens.shape[2]):
        raise ValueError(
            f"queries have shape {tuple(queries.shape)} beside tokens of shape {tuple(tokens.shape)}; pass "
            "[batch, queries, dim] and [batch, length, dim] of one batch"
        )
    return real
