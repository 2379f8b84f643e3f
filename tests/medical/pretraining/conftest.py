"""Small volumes with reports, and models on them."""

from __future__ import annotations

import pytest
import torch

from crossmod.contracts.batch import Batch
from crossmod_medical.encoders.network_settings import VolumeSwin
from crossmod_medical.encoders.report_settings import ReportLevels
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.volumes import VolumeInputs

REPORTS = (
    "The heart is enlarged. No pleural effusion. Nodule of 5 mm in the left upper lobe.",
    "No pleural effusion.",
    "Emphysema in both lungs. Calcified aorta.",
    "Pleural effusion on the right side.",
)


@pytest.fixture
def swin() -> VolumeSwin:
    grid = VolumeGrid(size=(32, 32, 32), spacing_mm=(2.0, 2.0, 2.0), cache="off")
    return VolumeSwin(grid=grid, base=12, depths=(1, 1, 1, 1), heads=(2, 2, 4, 8), window=2)


@pytest.fixture
def levels() -> ReportLevels:
    return ReportLevels(vocabulary=300, length=64, width=24, depth=1, heads=2, dropout=0.0)


@pytest.fixture
def reports() -> list[str]:
    return list(REPORTS)


@pytest.fixture
def batch(swin: VolumeSwin, levels: ReportLevels) -> Batch:
    generator = torch.Generator().manual_seed(0)
    voxels = torch.randint(-1000, 1000, (4, 32, 32, 32), generator=generator, dtype=torch.int16)
    there = torch.ones(4, dtype=torch.bool)
    inputs = {"image": VolumeInputs(voxels, swin.grid), "text": levels.fit_processor(REPORTS)(list(REPORTS))}
    return Batch(inputs, {"image": there, "text": there}, torch.arange(4), torch.arange(4))
