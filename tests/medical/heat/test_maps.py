"""Maps of places: an exact part of the pooled vector, hot where the finding was put, and the same from hiding it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from crossmod.contracts.tower import Features, Tower
from crossmod.model import CrossModal
from crossmod.recipe import EmbeddingSettings
from crossmod_medical.encoders.augmentation import AugmentedVolumeTower
from crossmod_medical.encoders.network_settings import VolumeResNet
from crossmod_medical.encoders.settings import VolumeTransformer
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.heat.maps import HIDDEN_PARTS, PlacedTower, occlusion_map, on_grid, place_map, within_body
from crossmod_medical.volumes import VolumeInputs

GRID = VolumeGrid(spacing_mm=(4.0, 4.0, 4.0), size=(40, 32, 24), cache="off")


def volumes(count: int = 2, seed: int = 0) -> VolumeInputs:
    draw = torch.Generator().manual_seed(seed)
    voxels = torch.randint(-900, 300, (count, *GRID.shape), generator=draw).to(torch.int16)
    return VolumeInputs(voxels, GRID)


@pytest.mark.parametrize(
    "settings",
    [
        VolumeTransformer(grid=GRID, patch=(8, 8, 4), width=12, depth=1, heads=2, pooling="mean"),
        VolumeTransformer(
            grid=GRID, patch=(8, 8, 4), width=12, depth=1, heads=2, attention="factorised", pooling="flatten"
        ),
        VolumeTransformer(grid=GRID, patch=(8, 8, 4), width=12, depth=1, heads=2, patch_norm="around"),
        VolumeResNet(grid=GRID, base=8),
    ],
    ids=["mean", "flatten", "normalised", "network"],
)
def test_the_places_average_to_the_pooled_vector(settings: Any) -> None:
    torch.manual_seed(0)
    tower = settings.build(settings.fit_processor([])).double().eval()
    inputs = volumes()
    local = tower.local(_Doubled(inputs))
    assert local.ndim == 5
    torch.testing.assert_close(local.mean((1, 2, 3)), tower(_Doubled(inputs)).pooled, rtol=1e-9, atol=1e-9)
    assert isinstance(tower, PlacedTower)
    wrapped = AugmentedVolumeTower(tower.processor, tower, mirror=True, shift_voxels=2, hounsfield_offset=9.0)
    torch.testing.assert_close(wrapped.local(_Doubled(inputs)), local)


class _Doubled:
    """Volumes in float64."""

    def __init__(self, inputs: VolumeInputs) -> None:
        self.x = inputs.x.double()

    def __len__(self) -> int:
        return len(self.x)


def test_a_pooling_that_is_no_mean_has_no_places() -> None:
    settings = VolumeTransformer(grid=GRID, patch=(8, 8, 4), width=12, depth=1, heads=2, pooling="attention")
    tower = settings.build(settings.fit_processor([]))
    assert tower.local(volumes()) is None
    assert place_map(_model(tower), "image", volumes(), torch.eye(2, 12)[None]) is None


class _Blocks(Tower):
    """The squared brightness of blocks of 4 voxels as the second component, and as the first what is left to 1."""

    width = 2

    def __init__(self) -> None:
        super().__init__()
        self.processor = GRID.build()
        self.pool = nn.AvgPool3d(4)

    def local(self, inputs: VolumeInputs) -> torch.Tensor:
        bright = self.pool(inputs.x)[:, 0].square()
        return torch.stack([1 - bright, bright], -1)

    def forward(self, inputs: VolumeInputs) -> Features:
        return Features(self.local(inputs).mean((1, 2, 3)))


def _model(tower: Tower) -> CrossModal:
    model = CrossModal({"image": tower}, EmbeddingSettings(width=tower.width)).eval()
    with torch.no_grad():
        for head in model.heads.values():
            for name, value in head.named_parameters():
                value.copy_(torch.eye(tower.width) if name.endswith("weight") else torch.zeros_like(value))
    return model


def _with_one_bright_block() -> VolumeInputs:
    voxels = torch.full((2, *GRID.shape), -1000, dtype=torch.int16)
    voxels[1, 8:12, 20:24, 12:16] = 1000
    return VolumeInputs(voxels, GRID)


def test_both_ways_are_hottest_where_the_finding_is() -> None:
    model, inputs, direction = _model(_Blocks()), _with_one_bright_block(), torch.eye(2)
    both = place_map(model, "image", inputs, torch.stack([direction, direction.flip(0)]))
    assert both is not None and both.shape == (2, 6, 8, 10, 2) and torch.equal(both[..., 0], -both[..., 1])
    places = both[..., 0]
    assert places[1].flatten().argmax() == torch.tensor([2 * 80 + 5 * 10 + 3])
    assert float(places[1].max()) == pytest.approx(1.0) and float(places[0].max()) == pytest.approx(-1.0)
    hidden = occlusion_map(model, "image", inputs, torch.stack([direction, direction.flip(0)]))
    assert hidden.shape == (2, *HIDDEN_PARTS, 2) and not hidden[0].any()
    torch.testing.assert_close(hidden[..., 0], -hidden[..., 1])
    # Parts are 6 voxels deep, 5 or 6 high and 5 wide: the block lies in part 1, in 3 and 4, and in 2 and 3.
    hot = hidden[1, ..., 0]
    depth, height, width = (int(at) for at in torch.unravel_index(hot.argmax(), HIDDEN_PARTS))
    assert depth == 1 and height in (3, 4) and width in (2, 3) and 1 <= int((hot > 1e-4).sum()) <= 4


def test_too_few_places_show_nothing() -> None:
    settings = VolumeResNet(grid=GRID, base=8)
    tower = settings.build(settings.fit_processor([]))
    assert place_map(_model(tower), "image", volumes(), torch.eye(2, tower.width)[None]) is None


def test_a_map_keeps_its_centres_on_the_grid() -> None:
    heat = torch.zeros(1, 6, 8, 10)
    heat[0, 2, 5, 3] = 1.0
    voxels = on_grid(heat, (24, 32, 40))
    assert voxels.shape == (1, 24, 32, 40)
    hot = (voxels[0] == voxels.max()).nonzero().double().mean(0)
    assert hot.tolist() == [9.5, 21.5, 13.5]


def test_heat_around_the_patient_is_left_out() -> None:
    voxels = torch.full((2, 10, 12, 14), -1000, dtype=torch.int16)
    voxels[0, 2:8, 3:9, 4:12] = 40
    voxels[0, 4:6, 5:7, 6:10] = -900  # lung, inside the body
    heat = torch.ones(2, 10, 12, 14)
    found = within_body(voxels, heat)
    assert torch.equal(found[0, 2:8, 3:9, 4:12], heat[0, 2:8, 3:9, 4:12])
    assert float(found.sum()) == 6 * 6 * 8 and not found[1].any()
