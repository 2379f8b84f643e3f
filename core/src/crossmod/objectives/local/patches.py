"""Patches of dense grids of any number of axes, their per-patch standardisation, and fixed positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.objectives.pairs.precision import widened


def patchify(grid: Float[Tensor, "batch channels *axes"], size: Sequence[int]) -> Float[Tensor, "batch length values"]:
    """Cut a grid into patches; patches and the values inside one run row-major, channels last (MAE's order).

    Shape:
        grid: [batch, channels, *axes] (rows, columns for an image; depth, rows, columns for a volume).
        size: The patch's extent along every axis.

    Returns:
        [batch, patches, values of a patch].

    Raises:
        ValueError: An axis is not a multiple of the patch's extent, or `size` has another number of axes.
    """
    axes = grid.shape[2:]
    if len(size) != len(axes) or any(extent % step for extent, step in zip(axes, size, strict=True)):
        raise ValueError(
            f"a grid of {list(axes)} does not divide into patches of {list(size)}; pad or crop it to a multiple"
        )
    counts = [extent // step for extent, step in zip(axes, size, strict=True)]
    split = grid.reshape(*grid.shape[:2], *(n for pair in zip(counts, size, strict=True) for n in pair))
    places, inside = range(2, split.ndim, 2), range(3, split.ndim, 2)
    ordered = split.permute(0, *places, *inside, 1)
    return ordered.reshape(len(grid), math.prod(counts), math.prod(size) * grid.shape[1])


def unpatchify(
    patches: Float[Tensor, "batch length values"], counts: Sequence[int], size: Sequence[int]
) -> Float[Tensor, "batch channels *axes"]:
    """The inverse of `patchify`.

    Args:
        counts: Patches along every axis.
        size: The patch's extent along every axis.

    Raises:
        ValueError: The number of patches or of values does not fit.
    """
    values = math.prod(size)
    if patches.shape[1] != math.prod(counts) or patches.shape[2] % values:
        raise ValueError(
            f"{patches.shape[1]} patches of {patches.shape[2]} values do not fill {list(counts)} patches of "
            f"{list(size)}; give the counts and size that they were cut with"
        )
    channels, axes = patches.shape[2] // values, len(size)
    split = patches.reshape(len(patches), *counts, *size, channels)
    pairs = [axis for i in range(axes) for axis in (1 + i, 1 + axes + i)]
    ordered = split.permute(0, 1 + 2 * axes, *pairs)
    return ordered.reshape(len(patches), channels, *(n * step for n, step in zip(counts, size, strict=True)))


def standardise_patches(
    patches: Float[Tensor, "*batch values"], epsilon: float = 1e-6
) -> Float[Tensor, "*batch values"]:
    """(x - mean) / sqrt(variance + epsilon) over the values of every patch, unbiased variance (MAE's norm_pix).

    A constant patch becomes zero; so does a patch of a single value, which has no variance.

    Shape:
        patches: [..., values].
    """
    wide = widened(patches)
    centred = wide - wide.mean(-1, keepdim=True)
    variance = centred.square().sum(-1, keepdim=True) / max(1, patches.shape[-1] - 1)
    return centred / (variance + epsilon).sqrt()


def trimmed_standardise(values: Float[Tensor, "batch *axes"], trim: float = 0.1) -> Float[Tensor, "batch *axes"]:
    """(x - mean) / sqrt(variance + 1e-6) a sample, mean and variance without the lowest and highest share `trim`.

    MultiMAE's standardisation of depth maps (arXiv:2204.01678): the kept values are int(trim n) to int((1 - trim) n)
    of the sorted ones, the variance is unbiased, and all values are standardised.

    Shape:
        values: [batch, ...].

    Raises:
        ValueError: `trim` does not lie in [0, 0.5), or leaves fewer than two values.
    """
    flat = widened(values).flatten(1)
    count = flat.shape[1]
    kept = flat.sort(1).values[:, int(trim * count) : int((1 - trim) * count)] if 0 <= trim < 0.5 else flat[:, :0]
    if kept.shape[1] < 2:
        raise ValueError(
            f"trimming {trim} of {count} values from either end leaves fewer than two; take a smaller share"
        )
    standard = (flat - kept.mean(1, keepdim=True)) / (kept.var(1, keepdim=True) + 1e-6).sqrt()
    return standard.view(values.shape)


def grid_coordinates(counts: Sequence[int], device: torch.device | str | None = None) -> Float[Tensor, "length axes"]:
    """The indices of a grid's patches, row-major, as coordinates.

    Returns:
        [patches, axes] float32.
    """
    lines = [torch.arange(count, dtype=torch.float32, device=device) for count in counts]
    return torch.stack(torch.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(counts))


def sinusoidal_positions(coordinates: Float[Tensor, "*batch axes"], width: int) -> Float[Tensor, "*batch width"]:
    """Fixed sine-cosine positions: every axis fills an equal part [sin | cos] of the width.

    With k = 0 .. width/(2 axes) - 1 the angle is coordinate * 10000^(-2 axes k / width). The last axis comes first:
    for an image, the first half encodes the column and the second half the row, as in MAE's released code. Any real
    coordinates serve, so point centres have positions too [ours].

    Shape:
        coordinates: [..., axes].

    Returns:
        [..., width], in the coordinates' type.

    Raises:
        ValueError: The width is not a multiple of twice the number of axes.
    """
    axes = coordinates.shape[-1]
    if width % (2 * axes):
        raise ValueError(f"positions of width {width} do not divide into {axes} axes; take a multiple of {2 * axes}")
    each = width // (2 * axes)
    rate = 10000.0 ** (-torch.arange(each, dtype=torch.float64, device=coordinates.device) / each)
    angle = coordinates.double().flip(-1)[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1).flatten(-2).to(coordinates.dtype)
