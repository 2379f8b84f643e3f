"""FILIP's token-wise late interaction: every token finds its best partner, and a sample's score is their mean."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import crossmod_kernels
from crossmod.objectives.pairs.precision import without_autocast
from crossmod.objectives.pairs.tokens import real_tokens, unit_tokens
from crossmod_kernels import LateInteraction

# Tokens of a in a tile whose width `chunk_size` sets: long enough for fast products.
CHUNKED_TOKENS = 1024


class TokenSet(NamedTuple):
    """Tokens and which of them are real. Shape: tokens [batch, length, dim]; mask [batch, length]."""

    tokens: Float[Tensor, "batch length dim"]
    mask: Bool[Tensor, "batch length"]


def late_interaction(
    tokens_a: Float[Tensor, "batch length_a dim"],
    tokens_b: Float[Tensor, "keys length_b dim"],
    mask_a: Bool[Tensor, "batch length_a"] | None = None,
    mask_b: Bool[Tensor, "keys length_b"] | None = None,
    *,
    chunk_size: int = 0,
    similarity_dtype: torch.dtype | None = None,
) -> LateInteraction:
    """s_ab[i,j] = mean_k max_r <a_ik, b_jr> and s_ba[j,i] = mean_r max_k <a_ik, b_jr> (FILIP, arXiv:2111.07783).

    Padding is no candidate of a maximum and has weight 0 in the mean. Gradients of a maximum go to the first token
    that attains it, so that only its place is kept for the backward pass: batch * keys * (length_a + length_b)
    bytes (`crossmod_kernels.late_interaction`, which holds one tile of products at a time).
    `chunk_size` sets how many samples of b a tile has; 0 leaves it to the kernel.
    `similarity_dtype` forms the products in half precision (one of the paper's three memory measures).

    Shape:
        tokens_a: [batch, length_a, dim]; tokens_b: [keys, length_b, dim]; masks without dim, true = real.

    Raises:
        ValueError: A set is empty, widths differ, a mask does not fit, or a sample has no real token.
    """
    mask_a, mask_b = real_tokens("a", tokens_a, mask_a), real_tokens("b", tokens_b, mask_b)
    if tokens_a.shape[2] != tokens_b.shape[2]:
        raise ValueError(
            f"tokens of a have {tokens_a.shape[2]} dimensions and tokens of b have {tokens_b.shape[2]}; project both "
            "to one width"
        )
    tile = (max(1, CHUNKED_TOKENS // tokens_a.shape[1]), chunk_size) if chunk_size > 0 else None
    return crossmod_kernels.late_interaction(
        tokens_a, tokens_b, mask_a, mask_b, product_dtype=similarity_dtype, tile=tile
    )


def best_matched(own: TokenSet, partner: TokenSet, share: float = 0.25) -> TokenSet:
    """The `share` of each sample's real tokens (at least one) that are most similar to a token of its own partner.

    FILIP keeps the top quarter before gathering. Which tokens are anchors is not said there; crossmod keeps
    anchors complete and selects partners only. The choice has no gradient, the chosen tokens have.

    Shape:
        own, partner: sets of equal batch and dim; returns [batch, ceil(share * length), dim] and its mask.

    Raises:
        ValueError: The share is outside (0, 1], or as `late_interaction`.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of kept tokens is {share}; it is above 0 and at most 1")
    with torch.no_grad():
        best = token_similarities(own, partner).max(2).values.masked_fill(~own.mask, -torch.inf)
        wanted = (own.mask.sum(1, keepdim=True) * share).ceil().clamp(min=1)
        kept = max(1, math.ceil(own.tokens.shape[1] * share))
        order = best.argsort(dim=1, descending=True, stable=True)[:, :kept]
        mask = torch.arange(order.shape[1], device=order.device) < wanted
    chosen = own.tokens.gather(1, order[..., None].expand(-1, -1, own.tokens.shape[2]))
    return TokenSet(chosen, mask)


def token_similarities(own: TokenSet, partner: TokenSet) -> Float[Tensor, "batch length_a length_b"]:
    """<a_ik, b_ir> inside each pair: FILIP's word-to-patch map; -inf where the partner's token is padding.

    Shape:
        own, partner: sets of equal batch and dim.

    Raises:
        ValueError: The sets differ in batch or width, or as `late_interaction`.
    """
    masks = [real_tokens(name, part.tokens, part.mask) for name, part in (("a", own), ("b", partner))]
    if own.tokens.shape[::2] != partner.tokens.shape[::2]:
        raise ValueError(
            f"tokens of a have shape {tuple(own.tokens.shape)} and of b {tuple(partner.tokens.shape)}; pairs need "
            "equal batch and width"
        )
    with without_autocast(own.tokens):
        a, b = unit_tokens(own.tokens, masks[0]), unit_tokens(partner.tokens, masks[1])
        products = torch.einsum("ikd,ird->ikr", a, b.to(a.dtype))
    return products.masked_fill(~masks[1][:, None, :], -torch.inf)
