"""Every encoder: shapes, samples on their own, gradients everywhere, empty batches, refused settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from crossmod.contracts.tower import Features, TokenTower, Tower
from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_medical.encoders.network_settings import ImageResNet, SlicePooling, VolumeResNet, VolumeSwin
from crossmod_medical.encoders.report_settings import ReportLevels
from crossmod_medical.encoders.settings import ImageTransformer, VolumeTransformer
from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.images import ImageInputs
from crossmod_medical.volumes import VolumeInputs

GRID = VolumeGrid(size=(32, 32, 32), spacing_mm=(2.0, 2.0, 2.0), cache="off")
PICTURE = ImageGrid(size=(32, 32), channels=3)
SMALL: dict[str, Any] = {"width": 24, "depth": 1, "heads": 2}
SLICES = ImageTransformer(grid=PICTURE, **SMALL)

SETTINGS: dict[str, TowerSettings] = {
    "joint": VolumeTransformer(grid=GRID, **SMALL),
    "class token": VolumeTransformer(grid=GRID, pooling="cls", **SMALL),
    "factorised": VolumeTransformer(grid=GRID, attention="factorised", pooling="flatten", **SMALL),
    "attention pooling": VolumeTransformer(grid=GRID, attention="factorised", pooling="attention", **SMALL),
    "image": ImageTransformer(grid=PICTURE, pooling="cls", **SMALL),
    "volume resnet": VolumeResNet(grid=GRID, base=8),
    "fine resnet": VolumeResNet(grid=VolumeGrid(size=(16, 16, 16), cache="off"), base=8, stem_stride=1),
    "small stem": VolumeResNet(grid=GRID, base=8, stem_size=3),
    "bottleneck": ImageResNet(grid=PICTURE, base=8, depth=50),
    "swin": VolumeSwin(grid=GRID, base=12, depths=(1, 1, 1, 1), heads=(1, 2, 2, 2), window=3),
    "slices": SlicePooling(grid=GRID, slices=SLICES, heads=2, frozen=False, dropout=0.0),
    "slice query": SlicePooling(grid=GRID, slices=SLICES, heads=2, frozen=False, pooling="query", dropout=0.0),
    "slice max": SlicePooling(grid=GRID, slices=SLICES, heads=2, frozen=False, pooling="max", dropout=0.0),
    "reports": ReportLevels(vocabulary=300, length=64, dropout=0.0, **SMALL),
}


@pytest.fixture(params=sorted(SETTINGS))
def settings(request: pytest.FixtureRequest) -> TowerSettings:
    return SETTINGS[request.param]


@pytest.fixture
def tower(settings: TowerSettings, reports: list[str]) -> Tower:
    torch.manual_seed(0)
    tower = settings.build(settings.fit_processor(reports)).eval()
    with torch.no_grad():  # adapters begin at zero, which would hide mistakes
        for name, parameter in tower.named_parameters():
            if "adapter" in name and not parameter.any():
                parameter.normal_(std=0.1)
    return tower


@pytest.fixture
def inputs(settings: TowerSettings, tower: Tower, reports: list[str], images: ImageInputs) -> Any:
    grid = getattr(settings, "grid", None)
    if grid is None:
        return tower.processor(reports[:3])
    if isinstance(grid, ImageGrid):
        return images
    generator = torch.Generator().manual_seed(0)
    voxels = torch.randint(-1000, 1000, (3, *grid.shape), generator=generator, dtype=torch.int16)
    return VolumeInputs(voxels, grid)


def test_pooled_and_tokens_have_the_towers_width(tower: Tower, inputs: Any) -> None:
    features = tower(inputs)
    assert features.pooled.shape == (3, tower.width)
    assert features.tokens is not None and features.mask is not None
    assert features.tokens.shape == (*features.mask.shape, tower.width)
    assert bool(features.pooled.isfinite().all())


def test_a_sample_does_not_see_its_batch(tower: Tower, inputs: Any) -> None:
    together = tower(inputs).pooled
    for place in range(3):
        alone = tower(inputs.take(torch.tensor([place]))).pooled[0]
        torch.testing.assert_close(alone, together[place], atol=2e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_no_sample_gives_no_features(tower: Tower, inputs: Any, training: bool) -> None:
    nothing = inputs.take(torch.empty(0, dtype=torch.int64))
    assert tower.train(training)(nothing).pooled.shape == (0, tower.width)


def test_every_parameter_learns(tower: Tower, inputs: Any) -> None:
    tower.train()
    features = tower(inputs)
    loss = (features.pooled * torch.randn_like(features.pooled)).sum()
    if isinstance(tower, TokenTower):
        tokens = tower.tokenise(inputs)
        hidden = tower.encode(tokens, torch.rand(tokens.mask.shape) < 0.5).tokens
        assert hidden is not None
        loss = loss + (hidden * torch.randn_like(hidden)).sum()
    loss.backward()
    idle = [name for name, p in tower.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    # A tower of slices hides no patch.
    assert [name for name in idle if name != "slices.hidden_patch"] == []


def test_hidden_tokens_are_hidden_and_all_kept_is_the_forward(tower: Tower, inputs: Any) -> None:
    if not isinstance(tower, TokenTower):
        return
    tokens = tower.tokenise(inputs)
    plain: Features = tower(inputs)
    whole = tower.encode(tokens, torch.ones_like(tokens.mask))
    torch.testing.assert_close(whole.pooled, plain.pooled)
    keep = torch.rand(tokens.mask.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    other = tokens._replace(values=torch.where(keep[..., None], tokens.values, tokens.values + 1))
    assert torch.equal(tower.encode(tokens, keep).pooled, tower.encode(other, keep).pooled)
    assert int(tokens.targets.min()) >= 0 and int(tokens.targets.max()) < tower.vocabulary


@pytest.mark.parametrize("settings", [VolumeResNet(grid=GRID, base=8), ImageResNet(grid=PICTURE, base=8, depth=50)])
def test_group_norm_keeps_samples_apart_in_training_too(settings: Any, images: ImageInputs) -> None:
    torch.manual_seed(0)
    tower = settings.build(settings.fit_processor([])).train()
    inputs = images
    if isinstance(settings, VolumeResNet):
        inputs = VolumeInputs(torch.randint(-1000, 1000, (3, *GRID.shape), dtype=torch.int16), GRID)
    alone = tower(inputs.take(torch.tensor([1]))).pooled[0]
    torch.testing.assert_close(alone, tower(inputs).pooled[1], atol=2e-5, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in tower.modules())


@pytest.mark.parametrize(("norm", "kind"), [("batch", torch.nn.BatchNorm3d), ("instance", torch.nn.InstanceNorm3d)])
def test_every_norm_is_the_one_asked_for(norm: Any, kind: type) -> None:
    tower = VolumeResNet(grid=GRID, base=8, norm=norm).build(None)
    norms = [module for module in tower.modules() if "Norm" in type(module).__name__]
    assert len(norms) == 12 and all(type(module) is kind for module in norms)


def _stem_response(stem_size: Any, spots: torch.Tensor) -> float:
    """How far spots move what leaves a fresh stem, against how far noise spreads it; the mean of ten stems."""
    found = []
    for seed in range(10):
        torch.manual_seed(seed)
        network = VolumeResNet(grid=GRID, base=8, stem_size=stem_size).build(None).network
        noise = torch.rand(1, 1, *GRID.shape)
        with torch.no_grad():
            plain, changed = network.conv1(noise), network.conv1(noise + spots)
        found.append(float((changed - plain).abs().max() / plain.std()))
    return sum(found) / len(found)


def test_a_small_stem_answers_more_to_what_is_two_voxels_wide() -> None:
    spots = torch.zeros(1, 1, *GRID.shape)
    spots[..., 15:17, 15:17, 15:17] = 1.0
    small, published = _stem_response(3, spots), _stem_response(7, spots)
    assert small > 1.5 * published
    network = VolumeResNet(grid=GRID, base=8, stem_size=3).build(None).network
    assert network.conv1.kernel_size == (3, 3, 3)
    assert VolumeResNet(grid=GRID, base=8).build(None).network.conv1.kernel_size == (7, 7, 7)


def test_a_checkpoint_of_another_grid_is_refused(volume_grid: VolumeGrid) -> None:
    spec = dict(VolumeTransformer(grid=GRID, **SMALL).fit_processor([]).spec)
    other = VolumeTransformer(grid=VolumeGrid(size=(32, 32, 64), cache="off"), **SMALL)
    with pytest.raises(UserError, match="size"):
        other.load_processor(spec, {})
    assert VolumeTransformer(grid=GRID, **SMALL).load_processor(spec, {}).grid == GRID


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: VolumeTransformer(grid=GRID, patch=(5, 8, 8)), "divide"),
        (lambda: VolumeTransformer(grid=GRID, width=25, heads=2), "heads"),
        (lambda: VolumeTransformer(grid=GRID, attention="factorised", pooling="cls"), "class token"),
        (lambda: ImageTransformer(grid=PICTURE, dropout=1.0), "dropout"),
        (lambda: VolumeResNet(base=12), "multiple of 8"),
        (lambda: VolumeSwin(grid=VolumeGrid(size=(96, 96, 40))), "multiples of 32"),
        (lambda: VolumeSwin(base=12, heads=(5, 2, 2, 2)), "heads"),
        (lambda: SlicePooling(grid=GRID, slices=ImageTransformer(grid=ImageGrid(size=(64, 64)))), "same size"),
        (
            lambda: SlicePooling(grid=VolumeGrid(size=(32, 32, 8), windows_hu=((-1000, 0), (0, 1000))), slices=SLICES),
            "windows",
        ),
        (lambda: ReportLevels(length=2), "length"),
        (lambda: ReportLevels(width=30, heads=4), "heads"),
    ],
)
def test_settings_that_make_no_tower_are_refused(make: Any, what: str) -> None:
    with pytest.raises(UserError, match=what):
        make()
