"""Sliding windows: they cover the volume, one of full size is the tower itself, and training draws them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.contracts.tower import Features, Tower
from crossmod.errors import UserError
from crossmod_medical.encoders.settings import VolumeTransformer
from crossmod_medical.encoders.windowed import WindowedVolumeTower, window_starts
from crossmod_medical.encoders.windowed_settings import WindowedVolumes
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.volumes import VolumeInputs

WHOLE = VolumeGrid(spacing_mm=(4.0, 4.0, 4.0), size=(12, 10, 8), cache="off")
WINDOW = replace(WHOLE, size=(6, 4, 4))


class _Corner(Tower):
    """The value of a window's first voxel; one token a voxel."""

    width = 1

    def __init__(self) -> None:
        super().__init__()
        self.processor = WINDOW.build()

    def forward(self, inputs: VolumeInputs) -> Features:
        assert inputs.voxels.shape[1:] == WINDOW.shape and inputs.spec == WINDOW
        tokens = inputs.voxels.flatten(1)[..., None].float()
        return Features(tokens[:, 0], tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))


def _numbered(count: int = 2) -> VolumeInputs:
    voxels = torch.arange(8 * 10 * 12, dtype=torch.int16).view(1, *WHOLE.shape)
    return VolumeInputs(voxels.repeat(count, 1, 1, 1), WHOLE)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 0.95))
def test_windows_reach_from_end_to_end_and_overlap(window: int, more: int, overlap: float) -> None:
    extent = window + more
    starts = window_starts(extent, window, overlap)
    assert starts[0] == 0 and starts[-1] == extent - window and starts == sorted(starts)
    shared = [window - (after - before) for before, after in pairwise(starts)]
    assert min(shared) >= min(window - 1, int(window * overlap)) - 1e-9 or window == 1
    assert window_starts(window, window, overlap) == [0]


def test_the_whole_is_the_mean_of_its_windows() -> None:
    tower = WindowedVolumeTower(WHOLE.build(), _Corner(), whole=WHOLE, window=WINDOW, overlap=0.0).eval()
    assert len(tower.starts) == 2 * 3 * 2
    features = tower(_numbered())
    corners = [float(120 * z + 12 * y + x) for z, y, x in tower.starts]
    assert features.pooled.flatten().tolist() == pytest.approx([sum(corners) / 12] * 2)
    assert features.tokens is not None and features.tokens.shape == (2, 12 * 4 * 4 * 6, 1)
    assert set(features.tokens[0].flatten().int().tolist()) == set(range(8 * 10 * 12))


def test_training_sees_one_window_of_every_volume() -> None:
    tower = WindowedVolumeTower(WHOLE.build(), _Corner(), whole=WHOLE, window=WINDOW, overlap=0.0).train()
    torch.manual_seed(0)
    features = tower(_numbered(64))
    assert features.tokens is not None and features.tokens.shape == (64, 96, 1)
    corners = features.pooled.flatten().int()
    z, y, x = corners // 120, corners % 120 // 12, corners % 12
    assert (int(z.max()), int(y.max()), int(x.max())) == (4, 6, 6) and int(torch.stack([z, y, x]).min()) == 0
    assert len(corners.unique()) > 20


def test_a_window_of_full_size_is_the_tower_itself() -> None:
    inner = VolumeTransformer(grid=WHOLE, patch=(4, 5, 4), width=12, depth=1, heads=2)
    settings = WindowedVolumes(grid=WHOLE, tower=inner)
    tower = settings.build(settings.fit_processor([])).eval()
    inputs = _numbered()
    torch.testing.assert_close(tower(inputs).pooled, tower.tower(inputs).pooled)
    assert len(tower(inputs.take(torch.arange(0))).pooled) == 0


def test_windows_that_do_not_fit_are_refused() -> None:
    inner = VolumeTransformer(grid=WINDOW, patch=(2, 2, 2), width=12, depth=1, heads=2)
    for tower, sentence in (
        (replace(inner, grid=replace(WINDOW, spacing_mm=(1.0, 1.0, 1.0))), "the same"),
        (replace(inner, grid=replace(WINDOW, windows_hu=((-160.0, 240.0),))), "the same"),
        (replace(inner, grid=replace(WINDOW, size=(24, 4, 4))), "do not fit"),
    ):
        with pytest.raises(UserError, match=sentence):
            WindowedVolumes(grid=WHOLE, tower=tower)
    with pytest.raises(UserError, match="overlap is 1"):
        WindowedVolumes(grid=WHOLE, tower=inner, overlap=1.0)
