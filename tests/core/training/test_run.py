"""A run from recipe to folder, in process: what it writes, that it repeats, and that interrupting changes nothing."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import crossmod
from crossmod.cli.recipes import parse_recipe, read_recipe
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.run import validation_score
from crossmod.runs.checkpoint import read_checkpoint
from crossmod.runs.folder import RunFolder
from crossmod.runs.model_folder import load_model
from crossmod.testing.tiny import TinyRecipe, domain
from crossmod.training.fit import Fit
from crossmod.training.run import train


def _recipe(folder: Path, *words: str) -> TinyRecipe:
    base = ["--run.steps=12", "--run.log_every=1", "--run.evaluate_every=4", f"--run.folder={folder}"]
    recipe = parse_recipe(domain, [*base, "--towers.text.dropout=0.1", "--optimiser.average=0.9", *words])
    assert isinstance(recipe, TinyRecipe)
    return recipe


def _final(folder: Path) -> dict[str, torch.Tensor]:
    return dict(read_checkpoint(folder / "checkpoints" / "step-00000012.safetensors").tensors)


def _losses(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if line["split"] == "train"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    torch.set_num_threads(1)
    assert train(domain, _recipe(folder), command=["crossmod", "train", "tiny"]) == 0
    return folder


def test_leaves_everything_that_the_plan_names(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "recipe.yaml",
        "environment.json",
        "metrics.jsonl",
        "rejects.tsv",
        "checkpoints",
        "processors",
        "model",
        "report.html",
    }
    assert {path.name for path in (finished / "model").iterdir()} == {
        "model.safetensors",
        "spec.json",
        "recipe.yaml",
        "README.md",
        "processors",
    }
    assert "retrieval, test split of tiny points" in (finished / "model" / "README.md").read_text()
    assert "point → text" in (finished / "report.html").read_text()


def test_ends_with_a_table_beside_chance_and_the_path_first_and_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(domain, _recipe(tmp_path / "run"))
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == f"run folder {tmp_path / 'run'}"
    assert lines[-1].split() == ["run", "folder", str(tmp_path / "run")]
    text = "\n".join(lines)
    for word in ("point → text", "text → point", "chance", "R@1 %", "R@5 %", "R@10 %", "median rank", "MRR"):
        assert word in text


def test_the_same_recipe_gives_the_same_numbers(finished: Path, tmp_path: Path) -> None:
    again = read_recipe(domain, (finished / "recipe.yaml").read_text())
    again = replace(again, run=replace(again.run, folder=str(tmp_path / "again")))
    train(domain, again)
    assert _losses(tmp_path / "again") == _losses(finished)
    first, second = _final(finished), _final(tmp_path / "again")
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_interrupted_equals_uninterrupted(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    folder = tmp_path / "cut"
    original = Fit._after_step

    def signalled(self: Fit, terms: dict[str, torch.Tensor]) -> None:
        if self.module.step == stop_after:
            signal.raise_signal(signal.SIGTERM)
        original(self, terms)

    monkeypatch.setattr(Fit, "_after_step", signalled)
    recipe = _recipe(folder)
    assert train(domain, recipe) == 128 + signal.SIGTERM
    monkeypatch.undo()
    assert [path.name for path in (folder / "checkpoints").glob("step-*")] == [f"step-{stop_after:08d}.safetensors"]
    assert not (folder / "model").exists()
    torch.manual_seed(999)  # nothing of this process may matter
    assert train(domain, recipe, resume=folder) == 0
    whole, cut = _final(finished), _final(folder)
    assert whole.keys() == cut.keys()
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
    assert _losses(folder) == _losses(finished)
    model, other = load_model(finished, domain), load_model(folder, domain)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_resumed_run_keeps_its_recipe(finished: Path) -> None:
    recipe = _recipe(finished)
    with pytest.raises(UserError, match=r"`optimiser` differs.*--run.initialise"):
        train(domain, replace(recipe, optimiser=replace(recipe.optimiser, rate=1.0)), resume=finished)
    with pytest.raises(UserError, match=r"run.batch_size of a resumed run stays 32"):
        train(domain, replace(recipe, run=replace(recipe.run, batch_size=16)), resume=finished)


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path) -> None:
    with pytest.raises(UserError, match=r"already holds a run; continue it with"):
        train(domain, _recipe(finished))


def test_resuming_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        train(domain, _recipe(tmp_path / "x"), resume=tmp_path)


def test_the_model_loads_and_embeds_raw_items(finished: Path) -> None:
    model = load_model(finished, domain)
    vectors = model.embed("text", ["a point at the far left, top", "seen at the right, bottom"])
    assert vectors.shape == (2, 16)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    assert isinstance(model.towers.text, torch.nn.Module)
    assert not model.training
    with pytest.raises(UserError, match="no modality 'voice'; it has point, text"):
        model.embed("voice", [])
    with pytest.raises(UserError, match=r"item 1 cannot be used: a number is not finite"):
        model.embed("point", [(0.1, 0.2), (float("nan"), 0.0)])


def test_load_finds_its_domain_or_says_what_to_install(finished: Path) -> None:
    with pytest.raises(UserError, match="tiny"):
        crossmod.load(finished)  # the tiny domain registers no entry point


def test_training_starts_from_another_model(finished: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "tuned", f"--run.initialise={finished}", "--optimiser.rate=0.0", "--run.steps=1")
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, average=0.0))
    train(domain, recipe)
    before, after = load_model(finished, domain).state_dict(), load_model(tmp_path / "tuned", domain).state_dict()
    assert all(torch.allclose(value, after[name]) for name, value in before.items())


def test_other_towers_cannot_start_from_it(finished: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "wider", f"--run.initialise={finished}", "--towers.point.width=48")
    with pytest.raises(UserError, match=r"towers\.point of .*layers.* of shape \[32.*\[48"):
        train(domain, recipe)


def test_weights_of_another_spec_are_refused(finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "model", tmp_path / "model")
    spec = json.loads((tmp_path / "model" / "spec.json").read_text())
    spec["modalities"]["point"]["processor"]["mean"] = [5.0, 5.0]
    (tmp_path / "model" / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(UserError, match=r"expect point with mean = \[5.0, 5.0\]"):
        load_model(tmp_path / "model", domain)


def test_a_disk_without_room_is_told_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    class Full:
        free = 1000

    monkeypatch.setattr(psutil, "disk_usage", lambda path: Full)
    with pytest.raises(UserError, match=r"0 MiB of free disk.*lower --run.keep"):
        train(domain, _recipe(tmp_path / "run"))


def test_chunked_training_takes_the_same_steps(tmp_path: Path) -> None:
    plain = ["--towers.text.dropout=0.0", "--run.evaluate_every=0"]
    train(domain, _recipe(tmp_path / "whole", *plain))
    train(domain, _recipe(tmp_path / "chunked", *plain, "--run.chunk_size=8"))
    whole, chunked = _losses(tmp_path / "whole"), _losses(tmp_path / "chunked")
    assert [loss for _, loss in whole] == pytest.approx([loss for _, loss in chunked], rel=1e-4)


def test_too_many_rejected_items_are_all_listed(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path / "run", "--data.broken=30")
    with pytest.raises(UserError, match=r"30 of 720 items.*All of them are listed in .*rejects.tsv"):
        train(domain, recipe)
    lines = (tmp_path / "run" / "rejects.tsv").read_text().splitlines()
    assert lines[0] == "line\tmodality\treason\titem"
    assert len(lines) == 31 and lines[1].startswith("1\tpoint\ta number is not finite\t")


def test_a_run_that_cannot_start_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fewer than run.batch_size"):
        train(domain, _recipe(tmp_path / "run", "--run.batch_size=512"))
    assert list(tmp_path.iterdir()) == []


def test_one_modality_is_taken_and_locked_while_the_other_starts_anew(finished: Path, tmp_path: Path) -> None:
    words = [f"--run.initialise={finished}", "--run.initialise_only=[text]", "--run.freeze=[text]"]
    train(domain, _recipe(tmp_path / "locked", *words, "--towers.point.width=48", "--optimiser.average=0.0"))
    before, after = load_model(finished, domain), load_model(tmp_path / "locked", domain)
    for part in ("towers", "heads"):
        old, new = (getattr(model, part)["text"].state_dict() for model in (before, after))
        assert all(torch.equal(value, new[name]) for name, value in old.items())
    assert after.towers["point"].width == 48


def test_only_modalities_that_there_are_can_be_taken(finished: Path, tmp_path: Path) -> None:
    words = [f"--run.initialise={finished}", "--run.initialise_only=[voice]"]
    with pytest.raises(UserError, match="names 'voice', but the recipe has point, text"):
        train(domain, _recipe(tmp_path / "x", *words))


def test_the_best_weights_are_those_of_the_score_that_the_recipe_names(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(domain, _recipe(folder, "--run.select_by=zero-shot", "--run.evaluate_every=2"))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["zero-shot"] for line in lines if line["split"] == "validation"}
    assert list(scores) == [2, 4, 6, 8, 10, 12] and all(
        "mrr" in line for line in lines if line["split"] == "validation"
    )
    best = RunFolder.open(folder).best()
    assert best is not None and best.facts["best"] == [max(scores.values()), max(scores, key=lambda step: scores[step])]
    context = EvaluationContext(load_model(folder, domain), _recipe(folder))
    assert validation_score(domain, "zero-shot")(context) == pytest.approx(max(scores.values()), abs=1e-6)
    with pytest.raises(UserError, match=r"run\.select_by"):
        train(domain, _recipe(folder), resume=folder)
    label = context.prepared.corpus.labels["upper"]
    same = replace(context.prepared.corpus, labels={"upper": replace(label, values=np.zeros(len(label.values)))})
    with pytest.raises(UserError, match="no label has both classes in the validation split"):
        validation_score(domain, "zero-shot")(replace(context, ready=replace(context.prepared, corpus=same)))


@pytest.mark.parametrize(("name", "what"), [("nonsense", "has no evaluation"), ("retrieval", "no one score")])
def test_weights_are_selected_only_by_what_gives_a_score(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        train(domain, _recipe(tmp_path / "run", f"--run.select_by={name}"))
    assert not (tmp_path / "run").exists()
