"""RadCLIP's adapter by its sheet's checks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from crossmod_medical.encoders.network_settings import SlicePooling
from crossmod_medical.encoders.settings import ImageTransformer
from crossmod_medical.encoders.slice_pooling import SliceAdapter, SliceFeatures, SlicePoolingTower
from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.volumes import VolumeInputs

SLICES = ImageTransformer(grid=ImageGrid(size=(16, 16), channels=3), patch=(8, 8), width=16, depth=1, heads=2)


def tower_of(depth: int = 6, **options: Any) -> SlicePoolingTower:
    torch.manual_seed(0)
    grid = VolumeGrid(size=(16, 16, depth), cache="off")
    settings = SlicePooling(grid=grid, slices=SLICES, heads=2, **options)
    tower = settings.build(settings.fit_processor([])).eval()
    assert isinstance(tower, SlicePoolingTower)
    return tower


def awake(adapter: SliceAdapter) -> SliceAdapter:
    """An adapter whose branches do something."""
    with torch.no_grad():
        for parameter in adapter.parameters():
            if not parameter.any():
                parameter.normal_(std=0.2)
    return adapter.eval()


def volume(depth: int, samples: int = 2) -> VolumeInputs:
    generator = torch.Generator().manual_seed(3)
    voxels = torch.randint(-900, 900, (samples, depth, 16, 16), generator=generator, dtype=torch.int16)
    return VolumeInputs(voxels, VolumeGrid(size=(16, 16, depth), cache="off"))


def features(samples: int = 2, slices: int = 5) -> SliceFeatures:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(samples, slices, 16, generator=generator)
    places = torch.linspace(0, 1, slices).expand(samples, -1)
    return SliceFeatures(values, places, torch.ones(samples, slices, dtype=torch.bool))


@pytest.mark.parametrize("pooling", ["mean", "query", "max"])
def test_one_slice_and_an_untrained_adapter_give_the_slice(pooling: Any) -> None:
    tower = tower_of(1, pooling=pooling)
    inputs = volume(1)
    torch.testing.assert_close(tower(inputs).pooled, tower.read(inputs).values[:, 0])


@pytest.mark.parametrize("pooling", ["mean", "query", "max"])
def test_padded_slices_have_no_influence_at_all(pooling: Any) -> None:
    adapter = awake(SliceAdapter(16, 2, pooling=pooling))
    held = features()
    longer = SliceFeatures(
        torch.cat([held.values, torch.full((2, 3, 16), torch.nan)], 1),
        torch.cat([held.positions, torch.zeros(2, 3)], 1),
        torch.cat([held.mask, torch.zeros(2, 3, dtype=torch.bool)], 1),
    )
    clean = SliceFeatures(longer.values.nan_to_num(7.0), longer.positions, longer.mask)
    torch.testing.assert_close(adapter(clean).pooled, adapter(held).pooled)


def test_slices_of_air_are_padding() -> None:
    tower = tower_of(6)
    awake(tower.adapter)
    inputs = volume(6)
    inputs.voxels[0, 4:] = -1024
    slices = tower.read(inputs)
    assert slices.mask.tolist() == [[True] * 4 + [False] * 2, [True] * 6]
    inputs.voxels[0] = -1024
    assert bool(tower.read(inputs).mask[0].all()) and bool(tower(inputs).pooled.isfinite().all())


def test_order_matters_through_positions_alone() -> None:
    adapter = awake(SliceAdapter(16, 2, pooling="query"))
    held = features()
    order = torch.tensor([3, 0, 4, 1, 2])
    together = SliceFeatures(held.values[:, order], held.positions[:, order], held.mask)
    torch.testing.assert_close(adapter(together).pooled, adapter(held).pooled)
    without = SliceFeatures(held.values[:, order], held.positions, held.mask)
    assert not torch.allclose(adapter(without).pooled, adapter(held).pooled, atol=1e-4)


def test_a_frozen_slice_tower_has_no_gradient_and_stays_in_evaluation_mode() -> None:
    tower = tower_of().train()
    tower(volume(6)).pooled.square().sum().backward()
    assert not tower.slices.training and tower.adapter.training
    assert all(parameter.grad is None for parameter in tower.slices.parameters())
    assert any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in tower.adapter.parameters())


def test_kept_features_give_what_live_ones_give() -> None:
    tower, inputs = tower_of(), volume(6)
    awake(tower.adapter)
    kept = tower.read(inputs)
    index = torch.tensor([1, 0])
    torch.testing.assert_close(tower(kept.take(index)).pooled, tower(inputs.take(index)).pooled)


@pytest.mark.parametrize("pooling", ["mean", "query"])
def test_shares_of_slices_sum_to_one(pooling: Any) -> None:
    tower, inputs = tower_of(pooling=pooling), volume(6)
    awake(tower.adapter)
    inputs.voxels[0, :2] = -1024
    weights = tower.weights(inputs)
    assert weights is not None
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert float(weights.detach()[0, :2].abs().max()) == 0.0


def test_positions_in_millimetres_follow_the_spacing() -> None:
    index, millimetre = tower_of(5).read(volume(5)), tower_of(5, positions="millimetre").read(volume(5))
    torch.testing.assert_close(index.positions[0], torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(millimetre.positions[0] * 100, torch.arange(5) * 3.0)


def test_the_adapter_alone_finds_one_telling_slice_among_many() -> None:
    torch.manual_seed(0)
    adapter, head = SliceAdapter(16, 2, pooling="query", dropout=0.0), torch.nn.Linear(16, 2)
    signal = torch.nn.functional.normalize(torch.randn(2, 16), dim=1) * 4
    optimiser = torch.optim.AdamW([*adapter.parameters(), *head.parameters()], lr=1e-2)

    def draw(samples: int) -> tuple[SliceFeatures, torch.Tensor]:
        values, label = torch.randn(samples, 12, 16), torch.randint(2, (samples,))
        values[torch.arange(samples), torch.randint(12, (samples,))] += signal[label]
        places = torch.linspace(0, 1, 12).expand(samples, -1)
        return SliceFeatures(values, places, torch.ones(samples, 12, dtype=torch.bool)), label

    for _ in range(120):
        slices, label = draw(64)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(adapter(slices).pooled), label).backward()
        optimiser.step()
    slices, label = draw(500)
    assert float((head(adapter(slices).pooled).argmax(1) == label).float().mean()) > 0.9
