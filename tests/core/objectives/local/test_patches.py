from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.patches import (
    grid_coordinates,
    patchify,
    sinusoidal_positions,
    standardise_patches,
    trimmed_standardise,
    unpatchify,
)


@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    size=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    channels=st.integers(1, 3),
)
def test_unpatchify_undoes_patchify(counts: list[int], size: list[int], channels: int) -> None:
    size = size[: len(counts)]
    grid = torch.randn(2, channels, *(n * p for n, p in zip(counts, size, strict=True)))
    assert torch.equal(unpatchify(patchify(grid, size), counts, size), grid)


def test_the_order_is_row_column_channel() -> None:
    grid = torch.arange(2 * 4 * 6).view(1, 2, 4, 6).float()
    patches = patchify(grid, (2, 3))
    assert patches.shape == (1, 4, 12)
    by_hand = [float(grid[0, c, 2 + row, 0 + column]) for row in range(2) for column in range(3) for c in range(2)]
    assert patches[0, 2].tolist() == by_hand
    view = grid.transpose(2, 3)
    assert torch.equal(patchify(view, (3, 2)), patchify(view.contiguous(), (3, 2)))


def test_a_grid_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        patchify(torch.zeros(1, 1, 5, 4), (2, 2))
    with pytest.raises(ValueError, match="do not fill"):
        unpatchify(torch.zeros(1, 5, 4), (2, 2), (2, 2))


def test_standardised_patches_have_unbiased_variance_one_and_constant_ones_are_zero() -> None:
    patches = torch.randn(3, 5, 12, dtype=torch.float64)
    standard = standardise_patches(patches)
    assert torch.allclose(standard.mean(-1), torch.zeros(3, 5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(standard.var(-1), torch.ones(3, 5, dtype=torch.float64), atol=1e-5)
    assert torch.equal(standardise_patches(torch.full((1, 1, 8), 7.0)), torch.zeros(1, 1, 8))
    assert torch.equal(standardise_patches(torch.full((1, 1), 7.0)), torch.zeros(1, 1))
    assert standardise_patches(patches.half()).dtype == torch.float32


def test_positions_encode_the_column_first() -> None:
    width = 16
    positions = sinusoidal_positions(grid_coordinates((3, 5)), width)
    row, column = 2, 4
    omega = [10000 ** (-k / (width / 4)) for k in range(width // 4)]
    angles = [torch.tensor([v * w for w in omega], dtype=torch.float64) for v in (column, row)]
    expected = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())])
    assert torch.allclose(positions[row * 5 + column].double(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 6"):
        sinusoidal_positions(torch.zeros(2, 3), 16)


def test_trimmed_standardisation_does_not_see_outliers() -> None:
    depth = torch.randn(3, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain = trimmed_standardise(depth)
    kept = depth.flatten(1).sort(1).values[:, 160:1440]
    expected = (depth - kept.mean(1).view(3, 1, 1, 1)) / (kept.var(1).view(3, 1, 1, 1) + 1e-6).sqrt()
    assert torch.allclose(plain, expected)
    broken = depth.flatten(1).clone()
    order = broken.argsort(1)
    broken.scatter_(1, order[:, -80:], 1e6)  # the highest 5%, so that what is kept stays the same
    changed = trimmed_standardise(broken)
    same = torch.ones_like(broken, dtype=torch.bool).scatter(1, order[:, -80:], False)
    assert (changed - plain.flatten(1))[same].abs().max() < 1e-3
    for trim in (0.5, -0.1, 0.49):
        with pytest.raises(ValueError, match="trimming"):
            trimmed_standardise(torch.zeros(1, 5), trim)
