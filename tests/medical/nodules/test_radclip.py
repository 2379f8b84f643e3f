"""RadCLIP's two stages through the command line, and its sheet's checks of targets and of kept features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from crossmod.cli.main import main
from crossmod.model import CrossModal
from crossmod.objectives import InfoNCELoss
from crossmod.runs.model_folder import load_model
from crossmod.state import LogitScale
from crossmod_medical.domain import domain
from crossmod_medical.encoders.slice_pooling import SlicePoolingTower
from crossmod_medical.nodules.data import LidcNodules

SIZES = "[12, 12, 6]"
SHORT = ("--run.steps=4", "--run.batch_size=8", "--run.evaluate_every=0", "--data.workers=0", "--run.threads=1")
TEXT = ("--towers.text.width=32", "--towers.text.buckets=2048", "--embedding.width=32")
SLICES = (f"--data.grid.size={SIZES}", "--towers.image.grid.size=[12, 12]", "--towers.image.base=8")
VOLUMES = (
    f"--towers.image.grid.size={SIZES}",
    "--towers.image.slices.grid.size=[12, 12]",
    "--towers.image.slices.base=8",
)


def train(nodules: Path, folder: Path, config: str, *words: str) -> CrossModal:
    arguments = ["train", "medical", f"--config={config}", f"--data.root={nodules}", f"--run.folder={folder}"]
    assert main([*arguments, *SHORT, *TEXT, *words]) == 0
    return load_model(folder, domain)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    held = b.state_dict()
    return all(torch.equal(value, held[name]) for name, value in a.state_dict().items())


@pytest.fixture(scope="module")
def stages(nodules: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CrossModal]:
    """A text tower trained beside volumes, then both stages against it."""
    root = tmp_path_factory.mktemp("stages")
    tiny = (f"--towers.image.tower.grid.size={SIZES}", "--towers.image.tower.base=8")
    start = train(nodules, root / "start", "lidc", *tiny)
    first = train(nodules, root / "first", "radclip-slices", f"--run.initialise={root / 'start'}", *SLICES)
    second = train(nodules, root / "second", "radclip", f"--run.initialise={root / 'first'}", *VOLUMES)
    return {"start": start, "first": first, "second": second}


@pytest.fixture(scope="module")
def first_folder(stages: dict[str, CrossModal], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first stage lies."""
    return next(tmp_path_factory.getbasetemp().glob("stages*")) / "first"


def test_the_text_tower_and_its_projection_stay_as_they_are(stages: dict[str, CrossModal]) -> None:
    start = stages["start"]
    for stage in ("first", "second"):
        assert same(stages[stage].towers["text"], start.towers["text"])
        assert same(stages[stage].heads["text"], start.heads["text"])


def test_the_second_stage_trains_adapter_and_projection_alone(stages: dict[str, CrossModal]) -> None:
    first, second = stages["first"], stages["second"].tower("image")
    assert isinstance(second, SlicePoolingTower)
    assert same(second.slices, first.towers["image"])
    assert bool(second.adapter.mlp[-1].weight.any()) and bool(second.adapter.attention.out.weight.any())
    assert not same(stages["second"].heads["image"], first.heads["image"])


def test_what_the_second_stage_begins_with_is_the_mean_of_slices(
    nodules: Path, stages: dict[str, CrossModal], first_folder: Path, tmp_path: Path
) -> None:
    first = stages["first"]
    model = train(
        nodules, tmp_path / "still", "radclip", f"--run.initialise={first_folder}", *VOLUMES, "--optimiser.rate=0"
    )
    tower = model.tower("image")
    assert isinstance(tower, SlicePoolingTower)
    path = LidcNodules(root=str(nodules)).build().columns["image"].items[0]
    inputs = tower.processor([path])
    slices = tower.read(inputs)
    mean = slices.values[0][slices.mask[0]].mean(0, keepdim=True)
    torch.testing.assert_close(model.embed("image", [path]), first.project("image", mean).detach(), atol=1e-5, rtol=0)


def test_kept_features_have_the_loss_of_live_ones(nodules: Path, stages: dict[str, CrossModal]) -> None:
    model = stages["second"].eval()
    tower = model.tower("image")
    assert isinstance(tower, SlicePoolingTower)
    corpus = LidcNodules(root=str(nodules)).build()
    paths, texts = corpus.columns["image"].items[:6], corpus.columns["text"].items[:6]
    inputs, text = tower.processor(paths), model.embed("text", texts)
    kept = tower.read(inputs)
    loss = InfoNCELoss()
    live, cached = (loss(model.project("image", tower(each).pooled), text).loss for each in (inputs, kept))
    torch.testing.assert_close(live, cached)


def test_plain_and_group_targets_agree_on_exact_duplicates_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.randn(9, 16, generator=generator, dtype=torch.float64), dim=1)
    group = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4, 4])
    texts = normalize(torch.randn(5, 16, generator=generator, dtype=torch.float64), dim=1)[group]
    noise = 0.01 * torch.randn(9, 16, generator=generator, dtype=torch.float64)
    loss = InfoNCELoss(LogitScale(1 / 0.07, learned=False)).double()

    def scored(texts: torch.Tensor, groups: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        given = images.clone().requires_grad_()
        found = loss(given, texts, groups).loss
        return found, torch.autograd.grad(found, given)[0]

    plain, grouped = scored(texts, None), scored(texts, group)
    torch.testing.assert_close(plain, grouped, atol=1e-6, rtol=0)
    floor = torch.bincount(group)[group].double().log().mean()
    assert float(plain[0].detach()) > float(floor)
    perfect = normalize(torch.eye(5, dtype=torch.float64), dim=1)[group]
    torch.testing.assert_close(loss(perfect, perfect, group).loss, floor, atol=1e-4, rtol=0)
    near = normalize(texts + noise, dim=1)
    assert float((scored(near, None)[1] - scored(near, group)[1]).abs().max()) > 1e-3


def test_the_second_stage_needs_the_first(nodules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "medical", "--config=radclip", f"--data.root={nodules}", *SHORT, *TEXT, *VOLUMES]) == 2
    assert "run.initialise" in capsys.readouterr().err
