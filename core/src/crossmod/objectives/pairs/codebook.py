"""Finite discrete tokens: both modalities become sparse mixtures of one shared codebook (FDT, arXiv:2303.14865)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.pairs.precision import widened, without_autocast
from crossmod.objectives.pairs.simplex import sparsemax
from crossmod.objectives.pairs.tokens import mean_weights, real_tokens

Pooling = Literal["max", "mean", "sum"]
Normaliser = Literal["sparsemax", "softmax", "sigmoid"]


class Grounding(NamedTuple):
    """A sample in terms of codes. Shape: embedding [batch, dim], unit rows; weights [batch, codes], rows sum to one."""

    embedding: Float[Tensor, "batch dim"]
    weights: Float[Tensor, "batch codes"]


def pooled_scores(
    scores: Float[Tensor, "batch length codes"],
    mask: Bool[Tensor, "batch length"] | None = None,
    *,
    pooling: Pooling = "max",
    release_compat: bool = False,
) -> Float[Tensor, "batch codes"]:
    """Each code's score over a sample's real tokens: -inf at padding before a maximum, weight 0 in a mean or sum.

    `release_compat` multiplies scores at padding by 0 as the released code does, which floors the maxima of any
    padded sample at 0 and leaves means divided by the padded length.

    Shape:
        scores: [batch, length, codes]; mask: [batch, length], true = real.

    Raises:
        ValueError: A sample has no real token, or the mask does not fit.
    """
    mask = real_tokens("the codebook", scores, mask)
    if release_compat:
        scores = scores * mask[..., None].to(scores.dtype)
        mask = torch.ones_like(mask)
    if pooling == "max":
        return scores.masked_fill(~mask[..., None], -torch.inf).max(1).values
    cleared = scores.masked_fill(~mask[..., None], 0.0)
    with without_autocast(cleared):
        return cleared.sum(1) if pooling == "sum" else torch.einsum("blc,bl->bc", cleared, mean_weights(mask, cleared))


def ground(
    pooled: Float[Tensor, "batch codes"], codebook: Float[Tensor, "codes dim"], normaliser: Normaliser = "sparsemax"
) -> Grounding:
    """w = normaliser(pooled scores), f = w C / max(|w C|, 1e-10). A sigmoid's sum is divided by its total weight.

    Shape:
        pooled: [batch, codes]; codebook: [codes, dim].

    Raises:
        ValueError: The scores are not one a code.
    """
    if pooled.shape[-1:] != codebook.shape[:1]:
        raise ValueError(f"there are {pooled.shape[-1]} scores a sample for {len(codebook)} codes; pass one a code")
    pooled = widened(pooled)
    if normaliser == "sparsemax":
        weights = sparsemax(pooled)
    elif normaliser == "softmax":
        weights = pooled.softmax(1)
    else:
        weights = pooled.sigmoid()
        weights = weights / weights.sum(1, keepdim=True)
    with without_autocast(pooled):
        return Grounding(normalize(weights @ codebook.to(weights.dtype), dim=1, eps=1e-10), weights)


class CodebookGrounding(nn.Module):
    """One shared codebook, and a query net for each side that scores tokens against it.

    r = <q(token), C_c> / (sqrt(dim) * temperature); pooled over tokens, normalised over codes, mixed. The query net is
    LayerNorm, Linear, GELU, LayerNorm, Linear; codes are used raw and start at N(0, 1). Scores of all tokens are in
    memory at once: batch * length * codes numbers.

    Args:
        width_a: Width of the tokens of one side.
        width_b: Width of the tokens of the other.
        codes: Number of codes (16,384).
        width: Width of the codes (512).
        temperature: Divisor of the scores (1000 suits 16,384 codes under sparsemax; near 1 suits a few hundred).
        pooling: Over tokens ("max").
        normaliser: Over codes ("sparsemax"); softmax at temperature 1000 is uniform, so change both together.
        release_compat: Padding scores 0 instead of -inf, as in the released code.

    Raises:
        ValueError: There is no code, or the temperature is not above 0.
    """

    def __init__(
        self,
        width_a: int,
        width_b: int,
        *,
        codes: int = 16384,
        width: int = 512,
        temperature: float = 1000.0,
        pooling: Pooling = "max",
        normaliser: Normaliser = "sparsemax",
        release_compat: bool = False,
    ) -> None:
        super().__init__()
        if codes < 1 or not temperature > 0:
            raise ValueError(f"the codebook has {codes} codes at temperature {temperature}; both have to be above 0")
        self.temperature, self.pooling, self.normaliser = temperature, pooling, normaliser
        self.release_compat = release_compat
        self.codebook = nn.Parameter(torch.randn(codes, width))
        self.query_a, self.query_b = _query_net(width_a, width), _query_net(width_b, width)

    def forward(
        self,
        side: Literal["a", "b"],
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Grounding:
        """Ground one side's samples. Shape: tokens [batch, length, width]; mask [batch, length], true = real."""
        return ground(self.pooled(side, tokens, mask), self.codebook, self.normaliser)

    def pooled(
        self,
        side: Literal["a", "b"],
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch codes"]:
        """Each code's pooled score, before normalisation over codes."""
        real = real_tokens(side, tokens, mask)
        queries = (self.query_a if side == "a" else self.query_b)(tokens.masked_fill(~real[..., None], 0.0))
        factor = 1 / (self.codebook.shape[1] ** 0.5 * self.temperature)
        # Full precision: sparsemax sorts scores that differ by thousandths at a temperature of 1000.
        with without_autocast(tokens):
            scores = factor * (widened(queries) @ widened(self.codebook).t())
        return pooled_scores(scores, real, pooling=self.pooling, release_compat=self.release_compat)


def _query_net(width: int, code_width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, code_width),
        nn.GELU(),
        nn.LayerNorm(code_width),
        nn.Linear(code_width, code_width),
    )
