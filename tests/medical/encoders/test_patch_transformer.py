"""The patch transformer: grids, factorisation, tokens that are left out, and masked modelling on top."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch

from crossmod.contracts.batch import Batch
from crossmod.model import CrossModal
from crossmod.objectives.local.settings import MaskedPatches
from crossmod.objectives.local.visible_tower import VisibleTower
from crossmod.recipe import EmbeddingSettings
from crossmod.training.forwards import BatchForwards
from crossmod_medical.encoders.patch_transformer import PatchTransformerTower
from crossmod_medical.encoders.settings import ImageTransformer, VolumeTransformer
from crossmod_medical.encoders.stages import FactorisedStage
from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.images import ImageInputs
from crossmod_medical.volumes import VolumeInputs


def tower_of(settings: Any) -> PatchTransformerTower:
    torch.manual_seed(0)
    tower = settings.build(settings.fit_processor([])).eval()
    assert isinstance(tower, PatchTransformerTower)
    return tower


def volume_tower(volume_grid: VolumeGrid, attention: str = "joint", pooling: str = "mean") -> PatchTransformerTower:
    return tower_of(
        VolumeTransformer(
            grid=volume_grid,
            patch=(8, 8, 4),
            width=24,
            depth=2,
            heads=2,
            attention=attention,
            pooling=pooling,
        )
    )


@pytest.mark.parametrize(
    ("size", "patch", "counts"),
    [
        ((224, 224, 112), (16, 16, 8), (14, 14, 14)),
        ((96, 96, 64), (16, 16, 8), (8, 6, 6)),
        ((480, 480, 240), (20, 20, 10), (24, 24, 24)),
    ],
)
def test_published_grids(size: Any, patch: Any, counts: tuple[int, int, int]) -> None:
    settings = VolumeTransformer(grid=VolumeGrid(size=size, cache="off"), patch=patch, width=12, depth=1, heads=2)
    assert tower_of(settings).counts == counts


def test_patches_lie_where_their_voxels_are(volume_grid: VolumeGrid) -> None:
    tower = volume_tower(volume_grid)
    voxels = torch.full((1, *volume_grid.shape), -1000, dtype=torch.int16)
    voxels[0, 4:8, 24:32, 0:8] = 1000  # second of eight along depth, last of four along height, first along width
    tokens = tower.tokenise(VolumeInputs(voxels, volume_grid))
    bright = tower.patches(tokens).mean(-1)[0]
    assert int((bright > 0).sum()) == 1
    assert tower.coordinates(tokens)[0, int(bright.argmax())].tolist() == [1.0, 3.0, 0.0]
    assert tokens.targets[0, int(bright.argmax())] == tower.vocabulary - 1


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_hidden_patches_have_no_part_in_the_visible_ones(
    volumes: VolumeInputs, volume_grid: VolumeGrid, attention: str
) -> None:
    tower = volume_tower(volume_grid, attention)
    assert isinstance(tower, VisibleTower)
    tokens = tower.tokenise(volumes)
    visible = torch.rand(tokens.mask.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    visible[1] = False
    visible[1, 5] = True
    found = tower.encode_visible(tokens, visible)
    noisy = tokens._replace(values=torch.where(visible[..., None], tokens.values, torch.nan))
    again = tower.encode_visible(noisy, visible)
    torch.testing.assert_close(again.values[again.mask], found.values[found.mask])
    assert found.mask.sum(1).tolist() == visible.sum(1).tolist()
    for sample in range(3):
        assert found.place[sample][found.mask[sample]].tolist() == visible[sample].nonzero()[:, 0].tolist()
        index = torch.tensor([sample])
        alone = tower.encode_visible(tower.tokenise(volumes.take(index)), visible[index])
        torch.testing.assert_close(
            alone.values[alone.mask], found.values[sample][found.mask[sample]], atol=2e-5, rtol=1e-4
        )


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_all_visible_is_the_forward(volumes: VolumeInputs, volume_grid: VolumeGrid, attention: str) -> None:
    tower = volume_tower(volume_grid, attention)
    tokens = tower.tokenise(volumes)
    found = tower.encode_visible(tokens, tokens.mask)
    torch.testing.assert_close(found.values, tower(volumes).tokens, atol=2e-5, rtol=1e-4)


def test_factorised_attention_is_within_slices_and_then_along_depth() -> None:
    torch.manual_seed(0)
    stage = FactorisedStage(8, 1, 2, slices=3)
    tokens = torch.randn(2, 12, 8)
    states, _ = stage(tokens)
    within = torch.stack([stage.within(tokens[:, 4 * s : 4 * s + 4]) for s in range(3)], 1)
    expected = torch.stack([stage.along(within[:, :, place]) for place in range(4)], 2)
    torch.testing.assert_close(states, expected.reshape(2, 12, 8))


def test_a_change_in_one_slice_reaches_all_through_both_stages(volume_grid: VolumeGrid, volumes: VolumeInputs) -> None:
    tower = volume_tower(volume_grid, "factorised")
    other = volumes.voxels.clone()
    other[0, 0, 0, 0] += 500
    before, after = tower(volumes).tokens, tower(VolumeInputs(other, volume_grid)).tokens
    assert bool((before[0] != after[0]).any(-1).all()) and torch.equal(before[1], after[1])


def test_mean_pooling_along_depth_then_one_map_is_ct_clips(volume_grid: VolumeGrid, volumes: VolumeInputs) -> None:
    tower = volume_tower(volume_grid, "factorised", "flatten")
    features = tower(volumes)
    assert tower.flat_pooling is not None and tower.flat_pooling.in_features == 4 * 4 * 24
    grid = features.tokens.view(3, 8, 16, 24).mean(1)
    torch.testing.assert_close(features.pooled, tower.flat_pooling(grid.flatten(1)))


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_three_quarters_masked_cost_about_a_quarter(attention: str) -> None:
    settings = VolumeTransformer(
        grid=VolumeGrid(size=(64, 64, 64), cache="off"),
        patch=(8, 8, 8),
        width=96,
        depth=2,
        heads=4,
        attention=attention,
    )
    tower = tower_of(settings)
    grid = settings.grid
    tokens = tower.tokenise(VolumeInputs(torch.zeros(4, *grid.shape, dtype=torch.int16), grid))
    keep = torch.rand(tokens.mask.shape, generator=torch.Generator().manual_seed(0)).argsort(1) < 128
    seconds = {}
    with torch.no_grad():
        for visible in (tokens.mask, keep, tokens.mask, keep):  # the first two rounds warm up
            start = time.thread_time()
            tower.encode_visible(tokens, visible)
            seconds[bool(visible is keep)] = time.thread_time() - start
    assert seconds[True] < 0.5 * seconds[False]


@pytest.mark.parametrize("kind", ["volume", "image"])
def test_masked_patches_train_on_it(
    kind: str, volumes: VolumeInputs, images: ImageInputs, volume_grid: VolumeGrid, image_grid: ImageGrid
) -> None:
    picture = ImageTransformer(grid=image_grid, patch=(8, 8), width=24, depth=1, heads=2)
    tower = volume_tower(volume_grid, "factorised") if kind == "volume" else tower_of(picture)
    inputs = volumes if kind == "volume" else images
    model = CrossModal({"image": tower}, EmbeddingSettings(width=8))
    objective = MaskedPatches(modality="image", width=48, depth=1, heads=2).build({"image": tower})
    rows = torch.arange(3)
    batch = Batch({"image": inputs}, {"image": torch.ones(3, dtype=torch.bool)}, rows, rows)
    loss = objective(BatchForwards(model, batch), batch).loss
    loss.backward()
    assert 0.5 < float(loss.detach()) < 4.0
    assert all(bool(p.grad.any()) for p in tower.stage.parameters() if p.grad is not None)
    assert all(p.grad is not None and bool(p.grad.any()) for p in tower.embed.parameters())


def test_a_norm_before_the_projection_leaves_out_how_dense_a_patch_is(volume_grid: VolumeGrid) -> None:
    patches = torch.rand(1, 4, 8 * 8 * 4)
    for norm, kept in (("none", True), ("after", True), ("around", False)):
        settings = VolumeTransformer(grid=volume_grid, patch=(8, 8, 4), width=24, depth=1, heads=2, patch_norm=norm)
        embed = tower_of(settings).embed
        assert torch.allclose(embed(patches), embed(patches + 0.3), atol=1e-3) is not kept


def test_what_patches_hold_is_as_large_as_where_they_are(volumes: VolumeInputs, volume_grid: VolumeGrid) -> None:
    tower = volume_tower(volume_grid)
    values = tower.tokenise(volumes).values.detach()
    assert float(values.std(-1).min()) > float(tower.positions.std(-1).max()) > 0.5


def test_prompts_pass_in_place_of_patches(image_grid: ImageGrid, volume_grid: VolumeGrid) -> None:
    picture = ImageTransformer(grid=image_grid, patch=(8, 8), width=24, depth=1, heads=2, pooling="cls")
    features = tower_of(picture).transform(torch.randn(2, 5, 24))
    assert features.pooled.shape == (2, 24) and features.tokens is not None and features.tokens.shape == (2, 5, 24)
    with pytest.raises(ValueError, match="joint"):
        volume_tower(volume_grid, "factorised").transform(torch.randn(2, 5, 24))


def test_positions_tell_places_apart_at_any_width(image_grid: ImageGrid) -> None:
    for width in (22, 24, 26):
        settings = replace(ImageTransformer(), grid=image_grid, patch=(8, 8), width=width, heads=2, depth=1)
        positions = tower_of(settings).positions
        distance = torch.cdist(positions, positions) + torch.eye(16) * 9
        assert positions.shape == (16, width) and float(distance.min()) > 0.1
