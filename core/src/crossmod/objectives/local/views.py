"""Views of a sample made of its own tokens: a contiguous part of it, seen by itself."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.tower import Tokens, TokenTower
from crossmod.objectives.local.maskers import hide_lowest, uniform_noise
from crossmod.objectives.local.visible_tokens import VisibleTokens
from crossmod.objectives.local.visible_tower import VisibleTower


def draw_view(
    mask: Bool[Tensor, "batch length"],
    coordinates: Float[Tensor, "batch length axes"],
    smallest: float,
    largest: float,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "batch length"]:
    """The tokens nearest to one drawn at random, a share of them uniform in [smallest, largest], at least one [ours].

    What a crop is to pixels: a contiguous part of an image, a text, a series or a cloud. Unlike DINO's crops
    (arXiv:2104.14294) it is not resized.

    Shape:
        mask: [batch, length]; true = real token.
        coordinates: [batch, length, axes].

    Returns:
        [batch, length]; true = real token of the view; none in a row without real tokens.

    Raises:
        ValueError: The shares are not 0 < smallest <= largest <= 1.
    """
    if not 0 < smallest <= largest <= 1:
        raise ValueError(f"a view of {smallest} to {largest} of a sample is none; give 0 < smallest <= largest <= 1")
    if not mask.numel():
        return torch.zeros_like(mask)
    real = mask.sum(1)
    draw = torch.rand(len(mask), generator=generator, device=mask.device, dtype=torch.float64)
    count = (real * (smallest + (largest - smallest) * draw)).round().long().clamp(min=1).minimum(real)
    centre = uniform_noise(mask, generator).masked_fill(~mask, torch.inf).argmin(1)
    origin = coordinates.gather(1, centre[:, None, None].expand(-1, 1, coordinates.shape[2]))
    return ~hide_lowest((coordinates - origin).double().square().sum(2), mask, count)


def token_coordinates(tower: Any, tokens: Tokens) -> Float[Tensor, "batch length axes"]:
    """Where a tower's tokens lie: what a tower of patches says, or their order."""
    if isinstance(tower, VisibleTower):
        return tower.coordinates(tokens)
    length = tokens.mask.shape[1]
    order = torch.arange(length, dtype=torch.float32, device=tokens.mask.device)
    return order[None, :, None].expand(len(tokens.mask), length, 1)


def encode_view(tower: Any, tokens: Tokens, view: Bool[Tensor, "batch length"]) -> Float[Tensor, "batch width"]:
    """The pooled vector of a view: of the visible tokens alone, or with the others replaced by the mask token.

    Raises:
        ValueError: The tower offers neither.
    """
    if isinstance(tower, VisibleTower):
        return pool_visible(tower.encode_visible(tokens, view))
    if isinstance(tower, TokenTower):
        return tower.encode(tokens, view | ~tokens.mask).pooled
    raise ValueError(f"{type(tower).__name__} cannot encode a part of a sample; take a tower of patches or of tokens")


def pool_visible(visible: VisibleTokens) -> Float[Tensor, "batch width"]:
    """The mean of the visible tokens; zero where a sample has none."""
    kept = visible.values.masked_fill(~visible.mask[..., None], 0.0)
    return kept.sum(1) / visible.mask.sum(1, keepdim=True).clamp(min=1)
