"""A twin trains as a run of its own would, on the corpus that is there already."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.objectives.settings import SigLIP
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.testing.tiny import domain
from crossmod.training.display import Display
from crossmod.training.run import train
from crossmod.training.twin import train_twin


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin") / "run"
    train(domain, parse_recipe(domain, [f"--run.folder={folder}", "--run.steps=12", "--run.evaluate_every=4"]))
    return folder


@pytest.fixture
def context(run: Path) -> EvaluationContext:
    model, recipe, _ = load_model_and_recipe(run, domain)
    return EvaluationContext(model, recipe)


def test_the_twin_of_the_same_recipe_is_the_same_model_to_the_bit(context: EvaluationContext, run: Path):
    drawn = torch.get_rng_state()
    twin = train_twin(domain, context.recipe, context)
    own = context.model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in twin.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert sorted(path.name for path in run.parent.iterdir()) == ["run"]


def test_another_objective_gives_another_model_and_leaves_the_first_alone(context: EvaluationContext):
    before = {name: value.clone() for name, value in context.model.state_dict().items()}
    recipe = replace(context.recipe, objectives={"contrast": SigLIP(a="point", b="text")})
    twin = train_twin(domain, recipe, context)
    assert not torch.equal(twin.embedded("point").of(torch.arange(4)), context.embedded("point").of(torch.arange(4)))
    assert all(torch.equal(value, before[name]) for name, value in context.model.state_dict().items())
    assert not twin.model.training


def test_a_signal_stops_it_with_a_sentence(context: EvaluationContext, monkeypatch: pytest.MonkeyPatch):
    class Stopping(Display):
        def advance(self, *words: object, **named: object) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(UserError, match=r"stopped by SIGTERM after step 1 of 12"):
        train_twin(domain, context.recipe, replace(context, ready=context.prepared, display=Stopping(None)))
