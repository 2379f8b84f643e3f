"""RadCLIP's adapter: a 2-D tower reads every slice, one layer of attention mixes them, a pooling makes one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod.fusion import MultiHeadAttention
from crossmod.fusion.residual import FeedForward
from crossmod.objectives.local.patches import sinusoidal_positions
from crossmod_medical.volumes import VolumeInputs

SlicePool = Literal["mean", "query", "max"]

POSITION_SCALE = 100.0
"""Sine-cosine positions tell whole numbers apart; a place in 0..1 is given in hundredths."""


@dataclass(frozen=True)
class SliceImages:
    """Slices as a minibatch of 2-D images.

    Shape:
        x: [slices, channels, height, width] in 0..1.
    """

    x: Float[Tensor, "slices channels height width"]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Int64[Tensor, "chosen"]) -> SliceImages:
        """The slices at `index`, in that order; an index may repeat."""
        return SliceImages(self.x.index_select(0, index))

    def to(self, device: torch.device | str) -> SliceImages:
        """The same slices on another device."""
        return SliceImages(self.x.to(device))


@dataclass(frozen=True)
class SliceFeatures:
    """What a 2-D tower makes of volumes: kept, it saves the tower's work in every further epoch.

    Shape:
        values: [samples, slices, width].
        positions: [samples, slices]; where each slice lies.
        mask: [samples, slices]; false where the grid holds nothing but air.
    """

    values: Float[Tensor, "samples slices width"]
    positions: Float[Tensor, "samples slices"]
    mask: Bool[Tensor, "samples slices"]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Int64[Tensor, "chosen"]) -> SliceFeatures:
        """The volumes at `index`, in that order; an index may repeat."""
        return SliceFeatures(self.values[index], self.positions[index], self.mask[index])

    def to(self, device: torch.device | str) -> SliceFeatures:
        """The same features on another device."""
        return SliceFeatures(self.values.to(device), self.positions.to(device), self.mask.to(device))


class PooledSlices(NamedTuple):
    """What the adapter makes of slices.

    Shape:
        pooled: [samples, width].
        states: [samples, slices, width].
        weights: [samples, slices] or None; each slice's share of the pooled vector, summing to 1 over valid slices.
    """

    pooled: Float[Tensor, "samples width"]
    states: Float[Tensor, "samples slices width"]
    weights: Float[Tensor, "samples slices"] | None


class SliceAdapter(nn.Module):
    """x = I + MHSA(norm(I) + PE(P)); x = x + MLP(norm(x)); one vector of the valid slices (RadCLIP).

    RadCLIP writes V = MHSA(I + PE(P)); its layers, heads and pooling are not verified, since the adapter is not in the
    released code. One pre-norm layer, with the positions inside the attention branch, is our definition: both branches
    start at zero, so that an untrained adapter is the plain pooling of its slices.

    Args:
        width: Width of the slices' features.
        heads: Attention heads (8).
        pooling: "mean", a learned "query" with one weight a slice, or "max".
        dropout: Probability of dropping a component of what a branch adds (0.1).
    """

    def __init__(self, width: int, heads: int, *, pooling: SlicePool = "mean", dropout: float = 0.1) -> None:
        super().__init__()
        self.width, self.pooling = width, pooling
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.mlp = FeedForward(width)
        self.dropout = nn.Dropout(dropout)
        self.query = nn.Parameter(torch.zeros(width)) if pooling == "query" else None
        for layer in (self.attention.out, self.mlp[-1]):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, slices: SliceFeatures) -> PooledSlices:
        """Mix and pool the valid slices."""
        mask, width = slices.mask, self.width
        spare = width % 2
        places = sinusoidal_positions(slices.positions[..., None] * POSITION_SCALE, width - spare)
        places = nn.functional.pad(places, (0, spare)).to(slices.values.dtype)
        placed = self.attention_norm(slices.values) + places
        states = slices.values + self.dropout(self.attention(placed, placed, mask))
        states = states + self.dropout(self.mlp(self.mlp_norm(states)))
        states = states.masked_fill(~mask[..., None], 0.0)
        if self.pooling == "max":
            lowest = states.masked_fill(~mask[..., None], -torch.inf)
            return PooledSlices(lowest.amax(1), states, None)
        weights = self._weights(states, mask)
        return PooledSlices(torch.einsum("bs,bsw->bw", weights, states), states, weights)

    def _weights(self, states: Tensor, mask: Tensor) -> Float[Tensor, "samples slices"]:
        if self.query is None:
            return mask.to(states.dtype) / mask.sum(1, keepdim=True)
        scores: Tensor = states @ self.query * self.width**-0.5
        return scores.masked_fill(~mask, -torch.inf).softmax(1)


class SlicePoolingTower(Tower):
    """Volumes through a 2-D tower and the adapter; slices that hold only air have no part in it.

    Whether RadCLIP freezes the 2-D tower here is not verified; ours is frozen by default and then stays in evaluation
    mode, which makes its features worth keeping: see `read`.

    Args:
        processor: What makes its volumes.
        tower: Reads one slice: an image tower of the volumes' height and width.
        adapter: Mixes and pools.
        channels: Channels that the 2-D tower takes; a single window is repeated.
        frozen: Whether the 2-D tower stays as it is.
        spacing_mm: Distance of slices, to place them in millimetres; None places them from 0 to 1.
    """

    def __init__(
        self,
        processor: Processor,
        tower: Tower,
        adapter: SliceAdapter,
        *,
        channels: int,
        frozen: bool,
        spacing_mm: float | None = None,
    ) -> None:
        super().__init__()
        self.processor, self.width = processor, tower.width
        self.slices, self.adapter = tower, adapter
        self.channels, self.frozen, self.spacing_mm = channels, frozen, spacing_mm
        if frozen:
            self.slices.requires_grad_(False)
            self.slices.eval()

    def train(self, mode: bool = True) -> SlicePoolingTower:
        """Set training mode, except for a frozen 2-D tower."""
        super().train(mode)
        if self.frozen:
            self.slices.eval()
        return self

    def forward(self, inputs: VolumeInputs | SliceFeatures, /) -> Features:
        """Encode volumes, or what `read` made of them."""
        slices = inputs if isinstance(inputs, SliceFeatures) else self.read(inputs)
        mixed = self.adapter(slices)
        return Features(mixed.pooled, mixed.states, slices.mask)

    def read(self, inputs: VolumeInputs) -> SliceFeatures:
        """The 2-D tower's vector of every slice that holds something, to be kept or given to `forward`."""
        x = inputs.x.transpose(1, 2)
        samples, depth, windows = x.shape[:3]
        mask = x.flatten(2).amax(2) > 0 if x.numel() else x.new_zeros(samples, depth, dtype=torch.bool)
        mask = mask | ~mask.any(1, keepdim=True)
        repeated = x[mask].expand(-1, self.channels, -1, -1) if windows == 1 else x[mask]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pooled = self.slices(SliceImages(repeated)).pooled
        values = pooled.new_zeros(samples, depth, self.width).index_put(mask.nonzero(as_tuple=True), pooled)
        return SliceFeatures(values, self._places(samples, depth, values), mask)

    def weights(self, inputs: VolumeInputs | SliceFeatures) -> Float[Tensor, "samples slices"] | None:
        """Each slice's share of the pooled vector; None where the pooling has none."""
        slices = inputs if isinstance(inputs, SliceFeatures) else self.read(inputs)
        mixed: PooledSlices = self.adapter(slices)
        return mixed.weights

    def _places(self, samples: int, depth: int, like: Tensor) -> Float[Tensor, "samples slices"]:
        index = torch.arange(depth, device=like.device, dtype=torch.float32)
        step = 1 / max(1, depth - 1) if self.spacing_mm is None else self.spacing_mm / POSITION_SCALE
        return (index * step).expand(samples, -1)
