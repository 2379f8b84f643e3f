import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.fusion.volume_sampling import cell_centres, cell_size, sample_volume


def slow_sample(volume, place):
    """Trilinear interpolation of one place from its eight cells, zeros outside."""
    depth, height, width = volume.shape[-3:]
    x, y, z = (float(p) * size - 0.5 for p, size in zip(place, (width, height, depth), strict=True))
    total = torch.zeros(volume.shape[0], dtype=volume.dtype)
    for k in (math.floor(z), math.floor(z) + 1):
        for j in (math.floor(y), math.floor(y) + 1):
            for i in (math.floor(x), math.floor(x) + 1):
                if 0 <= k < depth and 0 <= j < height and 0 <= i < width:
                    weight = (1 - abs(z - k)) * (1 - abs(y - j)) * (1 - abs(x - i))
                    total = total + weight * volume[:, k, j, i]
    return total


@settings(deadline=None)
@given(st.lists(st.floats(-0.5, 1.5), min_size=3, max_size=3))
def test_a_sample_is_trilinear(place):
    volume = torch.arange(48.0, dtype=torch.float64).sin().view(1, 2, 2, 3, 4)
    got = sample_volume(volume, torch.tensor([[place]], dtype=torch.float64))
    torch.testing.assert_close(got[0, 0], slow_sample(volume[0], place))


def test_centres_give_the_cells_themselves_and_one_cell_further_the_neighbours():
    volume = torch.randn(2, 5, 2, 3, 4, dtype=torch.float64)
    centres = cell_centres(2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(sample_volume(volume, centres.expand(2, -1, -1)), volume.flatten(2).transpose(1, 2))
    for axis, dimension in ((0, 4), (1, 3), (2, 2)):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = cell_size(volume)[axis]
        moved = sample_volume(volume, (centres + step).expand(2, -1, -1))
        neighbour = torch.cat(
            [
                volume.narrow(dimension, 1, volume.shape[dimension] - 1),
                torch.zeros_like(volume.narrow(dimension, 0, 1)),
            ],
            dimension,
        )
        torch.testing.assert_close(moved, neighbour.flatten(2).transpose(1, 2))


def test_outside_is_zero():
    assert not sample_volume(torch.ones(1, 1, 2, 2, 2), torch.tensor([[[1.5, 0.5, 0.5], [0.5, -0.5, 0.5]]])).any()


def test_gradients_of_volume_and_places_agree_with_finite_differences():
    volume = torch.randn(1, 2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    places = torch.tensor([[[0.3, 0.41, 0.6], [0.9, 0.2, 0.33]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sample_volume, (volume, places))


def test_half_precision_finds_the_cells_of_a_wide_volume():
    volume = torch.arange(600.0).view(1, 1, 1, 1, 600).to(torch.bfloat16)
    out = sample_volume(volume, cell_centres(1, 1, 600)[None])
    assert out.dtype == torch.bfloat16 and torch.equal(out[0, :, 0], volume.flatten())


def test_nothing_to_sample_and_what_does_not_fit():
    assert sample_volume(torch.randn(2, 3, 2, 2, 2), torch.empty(2, 0, 3)).shape == (2, 0, 3)
    assert sample_volume(torch.randn(0, 3, 2, 2, 2), torch.empty(0, 4, 3)).shape == (0, 4, 3)
    with pytest.raises(ValueError, match="do not fit a volume"):
        sample_volume(torch.randn(2, 3, 2, 2, 2), torch.rand(1, 4, 3))
