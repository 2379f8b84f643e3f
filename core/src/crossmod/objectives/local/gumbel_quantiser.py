"""Vector quantisation by a Gumbel softmax over learned codes, and codes mixed into an encoder's output.

wav2vec 2.0 (arXiv:2006.11477); SpeechT5 (arXiv:2110.07205) shares the codebook between speech and text.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened

_SMALLEST_DRAW = 1e-20


class GumbelQuantised(NamedTuple):
    """What the Gumbel quantiser returns.

    Shape:
        values: [batch, length, width]; code vectors.
        codes: [batch, length, groups] int64.
        probabilities: [groups, codes]; softmax without noise, mean over real tokens: what the diversity loss takes.
    """

    values: Float[Tensor, "batch length width"]
    codes: Int64[Tensor, "batch length groups"]
    probabilities: Float[Tensor, "groups codes"]


def gumbel_temperature(update: int, start: float = 2.0, end: float = 0.5, decay: float = 0.999995) -> float:
    """max(end, start * decay^update); the defaults are SpeechT5's."""
    return max(end, start * decay**update)


def gumbel_one_hot(
    logits: Float[Tensor, "*tokens codes"], temperature: float, generator: torch.Generator | None = None
) -> Float[Tensor, "*tokens codes"]:
    """One-hot of the largest noisy logit, with the gradient of softmax((logits + Gumbel noise) / temperature).

    Shape:
        logits: [..., codes].

    Raises:
        ValueError: The temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"the Gumbel temperature is {temperature}; it is positive")
    draw = torch.rand(logits.shape, generator=generator, device=logits.device, dtype=logits.dtype)
    noise = -(-draw.clamp(_SMALLEST_DRAW, 1 - torch.finfo(logits.dtype).eps).log()).log()
    soft = ((logits + noise) / temperature).softmax(-1)
    hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
    return hard + soft - soft.detach()


class GumbelQuantiser(nn.Module):
    """Each group picks one of its codes by a Gumbel softmax; the picked vectors are concatenated.

    In training the pick is noisy and straight-through; in evaluation it is the most likely code.

    Args:
        width: Width of the features and of the values; the groups divide it.
        codes: Codes of each group. (100 in SpeechT5.)
        groups: Number of groups. (2 in SpeechT5.)

    Raises:
        ValueError: The groups do not divide the width.
    """

    def __init__(self, width: int, codes: int = 100, groups: int = 2) -> None:
        super().__init__()
        if width % groups:
            raise ValueError(f"a width of {width} does not divide into {groups} groups; take a multiple of {groups}")
        self.groups, self.codes = groups, codes
        self.score = nn.Linear(width, groups * codes)
        self.codebook = nn.Parameter(torch.rand(groups, codes, width // groups))
        nn.init.normal_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(
        self,
        features: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> GumbelQuantised:
        """Quantise; scores and noise are taken in float32 at least.

        Shape:
            features: [batch, length, width].
            mask: [batch, length]; true = real token; the others do not count in the probabilities.

        Raises:
            ValueError: The temperature is not positive, or the mask has other tokens.
        """
        require_shape(features.shape[:2], mask=mask)
        logits = self.score(features).unflatten(-1, (self.groups, self.codes))
        logits = widened(logits)
        if self.training:
            picked = gumbel_one_hot(logits, temperature, generator)
        else:
            picked = torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
        values = torch.einsum("blgk,gkw->blgw", picked, self.codebook.to(picked.dtype)).flatten(-2)
        soft = logits.softmax(-1)
        real = soft.flatten(0, 1) if mask is None else soft[mask]
        mean = real.sum(0) / max(1, len(real))
        return GumbelQuantised(values.to(features.dtype), picked.argmax(-1), mean)


def replace_by_codes(
    states: Float[Tensor, "batch length width"],
    values: Float[Tensor, "batch length width"],
    mask: Bool[Tensor, "batch length"],
    share: float = 0.1,
    generator: torch.Generator | None = None,
    *,
    release_compat: bool = False,
) -> Float[Tensor, "batch length width"]:
    """Put code vectors in place of floor(share * length) randomly chosen states, so that both modalities meet in them.

    Args:
        share: 0.1 in SpeechT5's released recipe.
        release_compat: Choose the same places for every sample, padding included, as the released code does; else
            every sample draws its own among its real tokens.

    Shape:
        states, values: [batch, length, width].
        mask: [batch, length]; true = real token.

    Raises:
        ValueError: `share` does not lie in [0, 1], or shapes differ.
    """
    require_shape(states.shape, values=values)
    require_shape(states.shape[:2], mask=mask)
    if not 0 <= share <= 1:
        raise ValueError(f"the share of states replaced by codes is {share}; it lies in [0, 1]")
    if release_compat:
        length = mask.shape[1]
        order = torch.rand(length, generator=generator, device=mask.device).argsort().argsort()
        chosen = (order < int(share * length + 1e-9)).expand_as(mask)
    else:
        draw = torch.rand(mask.shape, generator=generator, device=mask.device).masked_fill(~mask, torch.inf)
        wanted = (mask.sum(1, keepdim=True).double() * share + 1e-9).floor()
        chosen = (draw.argsort(1).argsort(1) < wanted) & mask
    return torch.where(chosen[..., None], values, states)
