"""Read a volume between its cells: trilinear samples at learned places, in one convention of axes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample


def cell_centres(
    depth: int, height: int, width: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Float[Tensor, "cells 3"]:
    """((i + 1/2) / width, (j + 1/2) / height, (k + 1/2) / depth) of every cell, in the order of a flattened volume.

    Shape:
        [depth * height * width, 3]; the last axis is x, y, z in 0..1, z along depth.
    """
    axes = [(torch.arange(size, dtype=dtype, device=device) + 0.5) / size for size in (depth, height, width)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def cell_size(volume: Float[Tensor, "*leading depth height width"]) -> Float[Tensor, "3"]:
    """The size of one cell along x, y, z, where the volume measures 1: (1/width, 1/height, 1/depth)."""
    depth, height, width = volume.shape[-3:]
    dtype = torch.promote_types(volume.dtype, torch.float32)
    return 1 / torch.tensor([width, height, depth], dtype=dtype, device=volume.device)


def sample_volume(
    volume: Float[Tensor, "batch channels depth height width"], places: Float[Tensor, "batch points 3"]
) -> Float[Tensor, "batch points channels"]:
    """Trilinear samples; at a cell's centre the cell itself, outside of the volume zeros.

    Places are computed with in at least float32: half precision cannot tell neighbouring cells of a wide volume apart.

    Shape:
        volume: [batch, channels, depth, height, width].
        places: [batch, points, 3]; x, y, z in 0..1, where x runs along width and z along depth.

    Raises:
        ValueError: The batches differ, or places do not have three coordinates.
    """
    if places.ndim != 3 or places.shape[-1] != 3 or places.shape[0] != volume.shape[0]:
        raise ValueError(
            f"places of shape {tuple(places.shape)} do not fit a volume of shape {tuple(volume.shape)}; "
            "need [batch, points, 3] with the volume's batch."
        )
    batch, channels = volume.shape[:2]
    if not volume.numel() or not places.shape[1]:
        # Attached to both, as samples are.
        return volume.new_zeros(batch, places.shape[1], channels) + 0 * (volume.sum() + places.sum())
    dtype = torch.promote_types(volume.dtype, torch.float32)
    grid = (2 * places.to(dtype) - 1)[:, None, None]
    sampled = grid_sample(volume.to(dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled[:, :, 0, 0].transpose(1, 2).to(volume.dtype)
