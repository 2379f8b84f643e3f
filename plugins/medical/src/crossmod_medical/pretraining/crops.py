"""Crops of volumes, turned about the body's axis, with cuboids taken out: what self-supervision looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.objectives.local.maskers import hide_lowest, uniform_noise

TURNS = 4
"""Rotations about z that keep a square crop on its grid: by 0, 90, 180 and 270 degrees."""


class View(NamedTuple):
    """One view of every volume.

    Shape:
        x: [batch, channels, depth, height, width]; the crop, turned.
        hidden: [batch, depth, height, width]; true where it is taken out.
        turn: [batch]; quarter turns about z, 0 to 3.
    """

    x: Float[Tensor, "batch channels depth height width"]
    hidden: Bool[Tensor, "batch depth height width"]
    turn: Int64[Tensor, "batch"]

    @property
    def masked(self) -> Float[Tensor, "batch channels depth height width"]:
        """The crop without what is hidden, which is 0 as air is."""
        return self.x.masked_fill(self.hidden[:, None], 0.0)


def draw_crops(
    x: Float[Tensor, "batch channels depth height width"],
    size: Sequence[int],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch channels crop_depth crop_height crop_width"]:
    """A crop of `size` (depth, height, width) at a place of its own in every volume.

    Raises:
        ValueError: The volumes are smaller.
    """
    spare = [extent - step for extent, step in zip(x.shape[2:], size, strict=True)]
    if min(spare) < 0:
        raise ValueError(f"crops of {list(size)} do not fit volumes of {list(x.shape[2:])}; take smaller ones")
    starts = torch.stack([torch.randint(most + 1, (len(x),), generator=generator) for most in spare], 1).tolist()
    d, h, w = size
    crops = [row[:, a : a + d, b : b + h, c : c + w] for row, (a, b, c) in zip(x, starts, strict=True)]
    return torch.stack(crops) if crops else x[..., :d, :h, :w]


def draw_turns(count: int, generator: torch.Generator | None = None) -> Int64[Tensor, "count"]:
    """Quarter turns about z, each of the four as likely."""
    return torch.randint(TURNS, (count,), generator=generator)


def turn_about_z(
    x: Float[Tensor, "batch channels depth height width"], turn: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch channels depth height width"]:
    """Every volume turned within its slices, from its right to its front.

    Raises:
        ValueError: Slices are not square.
    """
    if x.shape[3] != x.shape[4]:
        raise ValueError(f"slices of {list(x.shape[3:])} do not turn onto their grid; take square ones")
    rows = [torch.rot90(row, quarter, (2, 3)) for row, quarter in zip(x, turn.tolist(), strict=True)]
    return torch.stack(rows) if rows else x


def cuboid_masking(
    batch: int,
    size: Sequence[int],
    edge: int,
    shares: tuple[float, float],
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "batch depth height width"]:
    """Take out cubes of a regular grid, a share of them that is drawn anew for every volume.

    VELVET-Med's unimodal objectives are not named in its abstract; masked cuboids, and 0.3 to 0.6 of the volume, are
    [C], as in Swin UNETR's pre-training (arXiv:2111.14791), whose cuboids lie anywhere.

    Args:
        edge: Voxels of a cube along every axis; divides the size.
        shares: Least and largest share that is hidden.

    Returns:
        [batch, *size]; true where hidden; of every volume at least one cube, and never all.

    Raises:
        ValueError: The edge does not divide the size, there is but one cube, or shares are no range within (0, 1).
    """
    low, high = shares
    if edge < 1 or any(extent % edge for extent in size) or not 0 < low <= high < 1:
        raise ValueError(f"cubes of {edge} and shares {low} to {high} do not take parts of {list(size)} out")
    cubes = [extent // edge for extent in size]
    total = math.prod(cubes)
    if total < 2:
        raise ValueError(f"a volume of {list(size)} is one cube of {edge}; take smaller cubes")
    everything = torch.ones(batch, total, dtype=torch.bool)
    drawn = low + (high - low) * torch.rand(batch, generator=generator, dtype=torch.float64)
    count = (drawn * total).round().long().clamp(1, total - 1)
    hidden = ~hide_lowest(uniform_noise(everything, generator), everything, count)
    grown = hidden.view(batch, *cubes)
    for axis in (1, 2, 3):
        grown = grown.repeat_interleave(edge, axis)
    return grown


def draw_view(
    x: Float[Tensor, "batch channels depth height width"],
    size: Sequence[int],
    edge: int,
    shares: tuple[float, float],
    generator: torch.Generator | None = None,
) -> View:
    """Crop, turn and hide."""
    turn = draw_turns(len(x), generator)
    crop = turn_about_z(draw_crops(x, size, generator), turn)
    hidden = cuboid_masking(len(x), size, edge, shares, generator)
    return View(crop, hidden.to(x.device), turn.to(x.device))
