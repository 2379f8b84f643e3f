"""Volumes are changed in training alone, and only mirrored, moved and shifted in value."""

from __future__ import annotations

import pytest
import torch

from crossmod_medical.encoders.augmentation import AugmentedVolumeTower
from crossmod_medical.encoders.augmentation_settings import AugmentedVolumes
from crossmod_medical.encoders.network_settings import VolumeResNet
from crossmod_medical.grid import AIR_HU, VolumeGrid
from crossmod_medical.volumes import VolumeInputs

GRID = VolumeGrid(size=(8, 8, 6), cache="off")


def tower_of(**options: object) -> AugmentedVolumeTower:
    torch.manual_seed(0)
    chosen = {"mirror": False, "shift_voxels": 0, "hounsfield_offset": 0.0} | options
    settings = AugmentedVolumes(tower=VolumeResNet(grid=GRID, base=8, stem_stride=1), **chosen)
    tower = settings.build(settings.fit_processor([]))
    assert isinstance(tower, AugmentedVolumeTower)
    return tower


def voxels(samples: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-900, 900, (samples, 6, 8, 8), generator=generator, dtype=torch.int16)


def test_evaluation_sees_volumes_as_they_are() -> None:
    tower = tower_of(mirror=True, shift_voxels=2, hounsfield_offset=50.0).eval()
    inputs = VolumeInputs(voxels(3), GRID)
    torch.testing.assert_close(tower(inputs).pooled, tower.tower(inputs).pooled)
    tower.train()
    assert not torch.allclose(tower(inputs).pooled, tower.tower(inputs).pooled)


def test_mirroring_moves_voxels_and_changes_none() -> None:
    given = voxels()
    found = tower_of(mirror=True).changed(given)
    assert torch.equal(found.flatten(1).sort(1).values, given.flatten(1).sort(1).values)
    ways = {
        (tuple(axes), turned)
        for one, other in zip(given, found, strict=True)
        for axes in ([], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2])
        for turned in (False, True)
        if torch.equal(one.flip(axes).transpose(1, 2) if turned else one.flip(axes), other)
    }
    assert len(ways) > 10


def test_a_shift_moves_air_in_and_is_never_larger_than_said() -> None:
    given = voxels(30)
    found = tower_of(shift_voxels=2).changed(given)
    steps = set()
    for one, other in zip(given, found, strict=True):
        fits = []
        for down in range(-2, 3):
            for high in range(-2, 3):
                for wide in range(-2, 3):
                    moved = torch.full_like(one, AIR_HU)
                    target = tuple(
                        slice(max(0, s), n + min(0, s)) for s, n in zip((down, high, wide), (6, 8, 8), strict=True)
                    )
                    source = tuple(
                        slice(max(0, -s), n + min(0, -s)) for s, n in zip((down, high, wide), (6, 8, 8), strict=True)
                    )
                    moved[target] = one[source]
                    if torch.equal(moved, other):
                        fits.append((down, high, wide))
        assert len(fits) == 1
        steps.add(fits[0])
    assert len(steps) > 20


def test_an_offset_is_one_number_a_volume_and_leaves_air_alone() -> None:
    given = voxels()
    given[:, 0] = AIR_HU
    found = tower_of(hounsfield_offset=20.0).changed(given)
    difference = (found - given)[:, 1:].flatten(1)
    assert torch.equal(difference.amax(1), difference.amin(1)) and len(torch.unique(difference)) > 5
    assert torch.equal(found[:, 0], given[:, 0]) and found.dtype == torch.int16


def test_an_empty_batch_and_settings_without_sense() -> None:
    tower = tower_of(mirror=True).train()
    assert tower(VolumeInputs(voxels(2)[:0], GRID)).pooled.shape == (0, tower.width)
    with pytest.raises(ValueError, match="0 or more"):
        AugmentedVolumes(shift_voxels=-1)
