"""ALPRO's pseudo-labels in a recipe: a model trained by contrast names parts, and another learns the names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.tower import Features
from crossmod.errors import UserError
from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens
from crossmod.objectives.matching.region_prompting import PromptedRegionsObjective
from crossmod.objectives.matching.region_settings import PromptedRegions
from crossmod.testing.tiny import ACROSS, UPWARDS, TinyRecipe, domain
from crossmod.training.assemble import assemble
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.run import train

pytestmark = pytest.mark.usefixtures("tiny_installed")
NAMES = [*ACROSS, *UPWARDS]
SMALL = "fusion: {class_path: TokenConcatenation, init_args: {width: 16, depth: 1, heads: 2}}"


def _recipe(folder: Path, *words: str) -> TinyRecipe:
    base = ["--data.points=150", "--towers.point=tower_of_patches.CoordinateEncoder", "--towers.point.width=32"]
    base += ["--run.batch_size=32", "--run.log_every=1", "--optimiser.rate=0.01", "--run.steps=150"]
    recipe = parse_recipe(domain, [*base, f"--run.folder={folder}", *words])
    assert isinstance(recipe, TinyRecipe)
    return recipe


@pytest.fixture(scope="module")
def contrast(tmp_path_factory: pytest.TempPathFactory, tiny_installed: None) -> Path:
    """A finished run of the contrast alone, whose texts speak of one coordinate each."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "contrast"
    captions = "{captions: {class_path: CaptionedMoments, init_args: {a: point}}}"
    words = ["--data.events=true", "--run.steps=150", f"--objectives={captions}"]
    assert train(domain, _recipe(folder, *words)) == 0
    return folder


def _entry(prompter: Path, more: str = "") -> str:
    names = f"[{', '.join(NAMES)}]"
    return (
        f"--objectives={{regions: {{class_path: PromptedRegions, init_args: {{prompter: {prompter}, whole: point, "
        f"text: text, names: {names}, smallest: 0.5, {SMALL}{more}}}}}}}"
    )


def test_a_run_learns_to_name_parts_without_boxes(contrast: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert train(domain, _recipe(folder, _entry(contrast), "--run.steps=80")) == 0
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["regions/loss"] for line in lines if "regions/loss" in line]
    kept = [line["regions/kept"] for line in lines if "regions/kept" in line]
    assert len(losses) == 80 and sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert 0 < min(kept) <= 1


def test_the_student_names_each_coordinate_as_the_prompter_does_from_it_alone(contrast: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, _entry(contrast))
    parts = assemble(recipe)
    objective = parts.mixture.objectives["regions"]
    assert isinstance(objective, PromptedRegionsObjective)
    prompter = objective.loss.prompter
    frozen = {name: value.clone() for name, value in prompter.state_dict().items()}
    trained = [p for p in (*parts.model.parameters(), *parts.mixture.parameters()) if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=0.01)
    rows, draw = torch.from_numpy(parts.prepared.corpus.rows("train")), torch.Generator().manual_seed(0)
    for step in range(150):
        batch = parts.prepared.batch(rows[torch.randperm(len(rows), generator=draw)[:32]])
        optimiser.zero_grad()
        backward(parts.model, parts.mixture, batch, step)
        optimiser.step()
    assert all(torch.equal(value, frozen[name]) for name, value in prompter.state_dict().items())
    assert not prompter.training and not any(p.requires_grad for p in prompter.parameters())
    batch = parts.prepared.batch(torch.from_numpy(parts.prepared.corpus.rows("validation", "test")))
    with torch.no_grad():
        forwards = BatchForwards(parts.model.eval(), batch)
        fused = objective.fusion.tokens_of_a(forwards.features("point"), forwards.features("text"))
        named = objective.loss.predict(fused).argmax(-1)
        tokens = prompter.encode.tokenise(batch.inputs["point"])
        alone = torch.eye(2, dtype=torch.bool)[:, None].expand(2, len(named), 2)
        meant = torch.stack([prompter((tokens, part)).probability.argmax(-1) for part in alone], 1)
    # The names are no constant ones, and a coordinate is named by what the prompter saw of it alone.
    assert len(meant.unique()) >= 4 and float((named == meant).double().mean()) > 0.9


def test_fused_tokens_of_a_are_those_behind_the_pairs_token() -> None:
    torch.manual_seed(0)
    fusion = ConcatenatedTokens(4, 6, width=8, depth=1, heads=2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    a = Features(torch.randn(2, 4), torch.randn(2, 3, 4), mask)
    b, other = Features(torch.randn(2, 6)), Features(torch.randn(2, 6))
    fused = fusion.tokens_of_a(a, b)
    assert fused.shape == (2, 3, 8) and not torch.allclose(fused, fusion.tokens_of_a(a, other))
    alone = Features(a.pooled[1:], a.tokens[1:, :1], mask[1:, :1])
    assert torch.allclose(fusion.tokens_of_a(alone, Features(b.pooled[1:])), fused[1:, :1], atol=1e-6)


def test_a_batch_without_pairs_or_without_a_sure_label_costs_a_zero(contrast: Path, tmp_path: Path) -> None:
    parts = assemble(_recipe(tmp_path, _entry(contrast, ", threshold: 1.1")))
    batch = parts.prepared.batch(torch.arange(6))
    objective = parts.mixture.objectives["regions"]
    unsure = objective(BatchForwards(parts.model, batch), batch)
    unsure.loss.backward()
    assert float(unsure.loss.detach()) == 0 == float(unsure.terms["kept"])
    objective.loss.prompter.threshold = 0.0
    with torch.autocast("cpu", torch.bfloat16):
        rounded = objective(BatchForwards(parts.model, batch), batch)
    assert (
        rounded.loss.dtype == torch.float32 and bool(torch.isfinite(rounded.loss)) and float(rounded.loss.detach()) > 0
    )
    empty = parts.prepared.batch(torch.zeros(0, dtype=torch.int64))
    assert float(objective(BatchForwards(parts.model, empty), empty).loss.detach()) == 0


def test_refuses_what_cannot_prompt(contrast: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no model"):
        assemble(_recipe(tmp_path, _entry(tmp_path)))
    with pytest.raises(UserError, match=r"(?s)expect point with"):
        assemble(_recipe(tmp_path, _entry(contrast), "--data.seed=3"))
    with pytest.raises(UserError, match="encodes point as a whole only"):
        whole = parse_recipe(domain, ["--data.points=150", f"--run.folder={tmp_path / 'whole'}", "--run.steps=1"])
        train(domain, whole)
        assemble(_recipe(tmp_path, _entry(tmp_path / "whole")))
    for changed, message in (
        ({"names": []}, "0 names"),
        ({"templates": ["a scan"]}, "in each template"),
        ({"smallest": 0.6}, "0 < smallest"),
        ({"temperature": 0.0}, "it is positive"),
    ):
        with pytest.raises(UserError, match=message):
            PromptedRegions(**({"prompter": "x", "whole": "point", "text": "text", "names": ["a"]} | changed))
