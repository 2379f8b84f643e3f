"""Attention whose keys are sampled from volumes at learned offsets (3-D deformable attention)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.masks import require_mask
from crossmod.fusion.volume_sampling import cell_size, sample_volume


class DeformableSampler3D(nn.Module):
    """out_m(q) = sum_k a_mk v_m(r + dp_mk / (W, H, D)), a = softmax(W_a q), dp = W_off q, heads joined by W_o.

    Deformable DETR's attention (arXiv:2010.04159) over volumes of one or more levels. Offsets count in cells of their
    level, samples outside are zero. It starts with uniform weights and offsets that are the same for every query:
    head m along a direction of its own, point k at k + 1 cells. The directions are a Fibonacci lattice on the sphere
    [ours], which suits every number of heads.

    Args:
        width: Width of the queries and of the levels' channels.
        heads: Heads; they divide the width.
        points: Samples of one head on one level (4).
        levels: Number of volumes.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, *, points: int = 4, levels: int = 1) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} does not divide into {heads} heads; take a divisor.")
        self.heads, self.points, self.levels = heads, points, levels
        self.offset = nn.Linear(width, heads * levels * points * 3)
        self.weight = nn.Linear(width, heads * levels * points)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        for layer in (self.offset, self.weight):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        far = torch.arange(1, points + 1.0).view(1, 1, points, 1)
        spread = _directions(heads).view(heads, 1, 1, 3) * far
        self.offset.bias.data.copy_(spread.expand(heads, levels, points, 3).flatten())

    def forward(
        self,
        queries: Float[Tensor, "batch queries width"],
        references: Float[Tensor, "batch queries 3"],
        volumes: Sequence[Float[Tensor, "batch depth height breadth width"]],
        masks: Sequence[Bool[Tensor, "batch depth height breadth"] | None] | None = None,
    ) -> Float[Tensor, "batch queries width"]:
        """What each query samples.

        Shape:
            references: [batch, queries, 3]; x, y, z in 0..1, x along the volume's last spatial axis.
            volumes: one a level, [batch, depth, height, breadth, width].
            masks: one a level, [batch, depth, height, breadth]; false = padding, which samples as outside does.

        Raises:
            ValueError: Another number of levels than the module has, or shapes do not fit.
        """
        if len(volumes) != self.levels or (masks is not None and len(masks) != self.levels):
            raise ValueError(f"{len(volumes)} volumes were given to a sampler of {self.levels} levels, masks alike.")
        for volume in volumes:
            require_one_batch(queries=queries, references=references, volume=volume)
        batch, count, width = queries.shape
        shape = (batch, count, self.heads, self.levels, self.points)
        dtype = torch.promote_types(queries.dtype, torch.float32)
        offsets = self.offset(queries).view(*shape, 3).to(dtype)
        weights = (
            self.weight(queries)
            .view(batch, count, self.heads, self.levels * self.points)
            .to(dtype)
            .softmax(-1)
            .view(shape)
        )
        total: Tensor | None = None
        for level, volume in enumerate(volumes):
            values = self._values(volume, None if masks is None else masks[level])
            places = references.to(dtype)[:, :, None, None] + offsets[:, :, :, level] * cell_size(values)
            rows = places.transpose(1, 2).reshape(batch * self.heads, count * self.points, 3)
            samples = sample_volume(values, rows).view(batch, self.heads, count, self.points, width // self.heads)
            part = torch.einsum("bmqkc,bqmk->bqmc", samples.to(dtype), weights[:, :, :, level])
            total = part if total is None else total + part
        assert total is not None
        read: Tensor = self.out(total.reshape(batch, count, width).to(queries.dtype))
        return read

    def _values(self, volume: Tensor, mask: Tensor | None) -> Float[Tensor, "rows size depth height breadth"]:
        """Projected values, heads folded into the batch, padding at zero."""
        if mask is not None:
            require_mask("a level's mask", mask.flatten(1), volume.flatten(1, 3))
            volume = volume.masked_fill(~mask[..., None], 0.0)
        value = self.value(volume)
        if mask is not None:
            value = value.masked_fill(~mask[..., None], 0.0)
        split = value.unflatten(-1, (self.heads, value.shape[-1] // self.heads))
        folded: Tensor = split.permute(0, 4, 5, 1, 2, 3).flatten(0, 1)
        return folded


def _directions(count: int) -> Float[Tensor, "count 3"]:
    """Unit vectors spread evenly over the sphere."""
    index = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * index + 1) / count
    around = index * math.pi * (3 - 5**0.5)
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * around.cos(), radius * around.sin(), z], -1).float()
