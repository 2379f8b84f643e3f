"""Small volumes, images and reports that the encoders are tried on."""

from __future__ import annotations

import pytest
import torch

from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.images import ImageInputs
from crossmod_medical.volumes import VolumeInputs

REPORTS = [
    "The heart is enlarged. No pleural effusion. Nodule of 5 mm in the left upper lobe.",
    "No finding.",
    "Emphysema in both lungs. Calcified aorta.",
    "Pleural effusion on the right side",
]


@pytest.fixture
def reports() -> list[str]:
    return list(REPORTS)


@pytest.fixture
def volume_grid() -> VolumeGrid:
    return VolumeGrid(size=(32, 32, 32), spacing_mm=(2.0, 2.0, 2.0), cache="off")


@pytest.fixture
def volumes(volume_grid: VolumeGrid) -> VolumeInputs:
    generator = torch.Generator().manual_seed(0)
    voxels = torch.randint(-1000, 1000, (3, *volume_grid.shape), generator=generator, dtype=torch.int16)
    return VolumeInputs(voxels, volume_grid)


@pytest.fixture
def image_grid() -> ImageGrid:
    return ImageGrid(size=(32, 32), channels=3)


@pytest.fixture
def images() -> ImageInputs:
    generator = torch.Generator().manual_seed(1)
    return ImageInputs(torch.randint(0, 256, (3, 3, 32, 32), generator=generator, dtype=torch.uint8))
