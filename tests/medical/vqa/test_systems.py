"""Every system of this folder trains, is evaluated, and starts another from its parts, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.cli.main import main
from crossmod_medical.domain import domain

PAIR = (
    "--towers.image.image.grid.size=[32,32]",
    "--towers.image.image.width=24",
    "--towers.image.text.vocabulary=300",
    "--towers.image.text.width=16",
    "--towers.image.width=16",
)
SMALL = {
    "pubmedclip": (
        "--data.held_back=0",  # as it is published: no split is left to validate on, the last step serves
        "--towers.image.visual.grid.size=[32,32]",
        "--towers.image.visual.base=8",
        "--towers.image.word_width=16",
        "--towers.image.width=16",
    ),
    "m3ae": PAIR,
    "ptunifier": PAIR,
}
SHORT = ("--run.steps=3", "--run.batch_size=8", "--run.evaluate_every=0", "--data.workers=0", "--run.threads=1")


def train(name: str, questions: Path, folder: Path, *words: str) -> Path:
    arguments = ["train", "medical", f"--config={name}", f"--data.root={questions}", f"--run.folder={folder}"]
    assert main([*arguments, *SMALL[name], *SHORT, *words]) == 0
    return folder


@pytest.fixture(scope="module")
def finished(questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the pubmedclip system."""
    return train("pubmedclip", questions, tmp_path_factory.mktemp("runs") / "first")


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_system_trains_and_is_evaluated(
    name: str, questions: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished if name == "pubmedclip" else train(name, questions, tmp_path / "run")
    capsys.readouterr()
    assert main(["evaluate", str(run), "--on", "vqa"]) == 0
    shown = capsys.readouterr().out
    for line in ("model", "model, image exchanged", "nearest training questions", "commonest answer of the kind"):
        assert line in shown
    covered = next(line for line in shown.splitlines() if line.startswith("answer in the training vocabulary"))
    # One of thirteen test answers stands in no training question.
    assert "92.3" in covered


def test_training_questions_of_the_same_image_know_the_drawn_test(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(finished), "--on", "vqa"]) == 0
    same = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("nearest of the same image"))
    # Nothing is held back, and the test repeats training questions: only the answer outside the vocabulary is missed.
    assert "92.3" in same


def test_a_part_of_one_model_starts_a_part_of_another(questions: Path, finished: Path, tmp_path: Path) -> None:
    import torch

    import crossmod
    from crossmod.runs.model_folder import find_model, read_weights

    words = (f"--run.initialise={finished}", '--run.initialise_parts={"towers.image.visual": "towers.image.visual"}')
    second = train("pubmedclip", questions, tmp_path / "second", *words, "--optimiser.rate=0", "--seed=7")
    weights, own = (read_weights(find_model(run)) for run in (finished, second))
    visual = [key for key in weights if key.startswith("towers.image.visual.")]
    assert visual and all(torch.equal(weights[key], own[key]) for key in visual)
    assert not torch.equal(weights["towers.text.rows.weight"], own["towers.text.rows.weight"])
    model = crossmod.load(str(second))
    assert model.modalities == ("image", "text")


def test_parts_that_do_not_exist_are_named(
    questions: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "medical", "--config=pubmedclip", f"--data.root={questions}", *SMALL["pubmedclip"], *SHORT]
    for parts, sentence in (
        ('{"towers.image.absent": "towers.image.visual"}', "towers.image.absent"),
        ('{"towers.image.visual": "towers.image.absent"}', "no tensor"),
    ):
        folder = f"--run.folder={tmp_path / sentence.replace(' ', '')}"
        assert main([*arguments, folder, f"--run.initialise={finished}", f"--run.initialise_parts={parts}"]) != 0
        assert sentence in capsys.readouterr().err
    assert main([*arguments, '--run.initialise_parts={"a": "b"}']) != 0
    assert "run.initialise" in capsys.readouterr().err


def test_the_domain_has_the_evaluation_and_the_recipes() -> None:
    assert "vqa" in domain.evaluations
    assert {"pubmedclip", "m3ae", "ptunifier"} <= set(domain.recipe_names())
