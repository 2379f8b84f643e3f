"""The vision transformer of this domain, for volumes and for images: patches that can be hidden or left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod.objectives.local.patches import grid_coordinates, patchify, sinusoidal_positions
from crossmod.objectives.local.visible_tokens import VisibleTokens, gather_visible
from crossmod.text.block import AttentionPooling
from crossmod_medical.encoders.centring import PlaceCentring
from crossmod_medical.encoders.stages import FactorisedStage, JointStage

GREY_LEVELS = 64
"""Classes of a patch for objectives over discrete tokens: its mean grey in as many equal steps."""

Pooling = Literal["mean", "cls", "attention", "flatten"]
PatchNorm = Literal["none", "after", "around", "place"]


class PatchTransformerTower(TokenTower):
    """Cut into patches, project, add fixed sine-cosine positions, transform (ViT, arXiv:2010.11929; MAE).

    A vision tower of `MaskedPatches`: hidden patches can be left out, and the cost of what follows falls with them.
    Its discrete tokens, for objectives that want some, are the patches' mean grey levels [ours].

    Args:
        processor: What makes its inputs, whose `x` is [samples, channels, *axes] in 0..1.
        axes: Extent of the inputs along every axis: depth, height, width, or height and width.
        patch: Extent of a patch along the same axes; divides them.
        channels: Channels of the inputs.
        width: Width of tokens and pooled vector.
        depth: Blocks; with `factorised` so many within slices and as many along depth.
        heads: Attention heads; they divide the width.
        factorised: Attention within slices, then along depth, and not among all.
        pooling: "mean" of the tokens, the class token, a learned query's "attention", or CT-CLIP's "flatten": the
            mean along depth, then one linear map of all places at once.
        dropout: Probability of dropping a component of what a branch adds.
        patch_norm: Layer norm of every patch "after" its projection, or "around" it: of its values, and of the result;
            or the projections centred by those of the same "place" in other samples.
        centred: States of joint attention lose what all places of a batch have in common.
    """

    positions: Float[Tensor, "length width"]
    places: Float[Tensor, "length axes"]

    def __init__(
        self,
        processor: Processor,
        *,
        axes: Sequence[int],
        patch: Sequence[int],
        channels: int,
        width: int,
        depth: int,
        heads: int,
        factorised: bool = False,
        pooling: Pooling = "mean",
        dropout: float = 0.0,
        patch_norm: PatchNorm = "none",
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.processor, self.width, self.vocabulary = processor, width, GREY_LEVELS
        self.patch, self.pooling = tuple(patch), pooling
        self.counts = tuple(extent // step for extent, step in zip(axes, patch, strict=True))
        self.patch_values, self.patch_axes = channels * math.prod(patch), len(self.patch)
        projection = nn.Linear(self.patch_values, width)
        before = [nn.LayerNorm(self.patch_values)] if patch_norm == "around" else []
        after = PlaceCentring(math.prod(self.counts), width) if patch_norm == "place" else nn.LayerNorm(width)
        self.embed = projection if patch_norm == "none" else nn.Sequential(*before, projection, after)
        self.hidden_patch = nn.Parameter(torch.empty(width).normal_(std=0.02))
        places = grid_coordinates(self.counts)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("positions", _positions(places, width), persistent=False)
        self.stage: JointStage | FactorisedStage
        if factorised:
            self.stage = FactorisedStage(width, depth, heads, slices=self.counts[0], dropout=dropout)
        else:
            first = pooling == "cls"
            self.stage = JointStage(width, depth, heads, dropout=dropout, class_token=first, centred=centred)
        self.attention_pooling = AttentionPooling(width, heads) if pooling == "attention" else None
        flat = math.prod(self.counts[-2:]) * width
        self.flat_pooling = nn.Linear(flat, width, bias=False) if pooling == "flatten" else None

    def forward(self, inputs: Any, /) -> Features:
        """Encode pictures."""
        return self._features(self.placed(self.embed(patchify(inputs.x, self.patch))))

    def local(self, inputs: Any, /) -> Float[Tensor, "samples *places width"] | None:
        """One vector a patch, on the grid of patches, whose mean is the pooled vector; None where pooling is no mean.

        Under "flatten" a patch's vector is what the map of its place makes of it, times the number of places.
        """
        if self.pooling not in ("mean", "flatten"):
            return None
        states, _ = self.stage(self.placed(self.embed(patchify(inputs.x, self.patch))))
        grid: Tensor = states.view(len(states), *self.counts, self.width)
        if self.flat_pooling is None:
            return grid
        places = math.prod(self.counts[-2:])
        weight = self.flat_pooling.weight.view(self.width, *self.counts[-2:], self.width)
        local: Tensor = places * torch.einsum("...hwi,ohwi->...hwo", grid, weight.to(grid.dtype))
        return local

    def tokenise(self, inputs: Any, /) -> Tokens:
        """Embed patches; targets are their mean grey levels."""
        patches = patchify(inputs.x, self.patch)
        levels = (patches.mean(-1) * GREY_LEVELS).long().clamp(0, GREY_LEVELS - 1)
        return Tokens(self.embed(patches), levels, torch.ones_like(levels, dtype=torch.bool), context=patches)

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the patches where `keep` is false replaced by a learned one."""
        hidden = self.hidden_patch.to(tokens.values.dtype)
        return self._features(self.placed(torch.where(keep[..., None], tokens.values, hidden)))

    def encode_visible(self, tokens: Tokens, visible: Bool[Tensor, "batch length"], /) -> VisibleTokens:
        """States of the visible patches alone; the others are neither seen nor computed (MAE, arXiv:2111.06377)."""
        return self.encode_visible_and_class(tokens, visible)[0]

    def encode_visible_and_class(
        self, tokens: Tokens, visible: Bool[Tensor, "batch length"]
    ) -> tuple[VisibleTokens, Float[Tensor, "batch width"] | None]:
        """As `encode_visible`, and the class token's state, None where the tower has none."""
        placed = self.placed(tokens.values)
        if isinstance(self.stage, FactorisedStage):
            return gather_visible(self.stage(placed, visible)[0], visible), None
        chosen = gather_visible(placed, visible)
        even = bool(chosen.mask.all())
        states, first = self.stage(chosen.values, None if even else chosen.mask)
        return chosen._replace(values=states), first

    def patches(self, tokens: Tokens, /) -> Float[Tensor, "batch length patch_values"]:
        """The values of every patch, in 0..1, row-major with channels last."""
        values: Tensor = tokens.context
        return values

    def coordinates(self, tokens: Tokens, /) -> Float[Tensor, "batch length patch_axes"]:
        """The index of every patch along the axes."""
        return self.places.expand(len(tokens.values), -1, -1)

    def transform(self, placed: Float[Tensor, "batch length width"]) -> Features:
        """Features of tokens that need no positions any more, such as learned prompts in place of patches.

        Raises:
            ValueError: The tower's pooling or attention needs the whole grid.
        """
        if self.flat_pooling is not None or isinstance(self.stage, FactorisedStage):
            raise ValueError("only a tower of joint attention, pooled by mean, cls or attention, takes other tokens.")
        return self._features(placed)

    def placed(self, values: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        """Embedded patches with their positions."""
        return values + self.positions.to(values.dtype)

    def _features(self, placed: Float[Tensor, "batch length width"]) -> Features:
        states, first = self.stage(placed)
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        if first is not None:
            pooled = first
        elif self.attention_pooling is not None:
            pooled = self.attention_pooling(states, mask)
        elif self.flat_pooling is not None:
            grid = states.view(len(states), *self.counts, self.width)
            pooled = self.flat_pooling((grid.mean(1) if self.patch_axes == 3 else grid).flatten(1))
        else:
            pooled = states.mean(1)
        return Features(pooled, states, mask)


def _positions(places: Float[Tensor, "length axes"], width: int) -> Float[Tensor, "length width"]:
    """Sine-cosine positions in as much of the width as divides among the axes; the rest is zero."""
    spare = width % (2 * places.shape[1])
    return functional.pad(sinusoidal_positions(places, width - spare), (0, spare))
