"""A run beside the same towers trained by InfoNCE: what is compared, and by whom differences are resampled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.correctness import zero_shot_correctness
from crossmod.evaluation.retrieval import retrieve
from crossmod.objectives.settings import InfoNCE
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.training.run import train
from crossmod_speech.comparison.evaluation import evaluate, measured
from crossmod_speech.comparison.settings import AgainstInfoNCESettings
from crossmod_speech.domain import domain

SETTINGS = AgainstInfoNCESettings(resamples=20)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> EvaluationContext:
    folder = tmp_path_factory.mktemp("comparison")
    words = [
        *("--data.voices=10", "--data.utterances=16", "--data.workers=0", f"--data.folder={folder / 'voices'}"),
        *("--towers.speech.width=32", "--towers.speech.depth=1", "--towers.text.width=32", "--embedding.width=32"),
        *("--run.batch_size=32", "--run.steps=6", "--run.evaluate_every=0", f"--run.folder={folder / 'run'}"),
        "--run.finish=[]",
    ]
    train(domain, parse_recipe(domain, words))
    model, recipe, _ = load_model_and_recipe(Path(folder / "run"), domain)
    return EvaluationContext(model, recipe)


def test_every_measure_stands_beside_that_of_the_model_trained_by_infonce(context: EvaluationContext):
    (table,) = evaluate(context, SETTINGS)
    names = [str(row.cells["measure"]) for row in table.rows]
    assert names[:2] == ["speech → text, MRR", "text → speech, MRR"]
    assert "intent, accuracy %" in names and "keyword, accuracy %" in names
    assert any(row.cells["own"] != row.cells["beside"] for row in table.rows)
    assert "Trained by CWCL" in table.note and "6 steps each" in table.note


def test_measures_are_those_of_the_evaluations_they_are_named_after(context: EvaluationContext):
    found = {one.name: one for one in measured(context, "text", "test")}
    for direction in retrieve(context, split="test"):
        own = found[f"{direction.name}, MRR"]
        assert float(own.value.mean()) == pytest.approx(direction.metrics.mean_reciprocal_rank)
        assert own.chance == direction.random.mean_reciprocal_rank
    label = context.prepared.corpus.labels["keyword"]
    right = zero_shot_correctness(context, "text", label, "test").right
    assert float(found["keyword, accuracy %"].value.mean()) == pytest.approx(100 * float(right.mean()))


def test_recordings_are_resampled_by_speaker_and_sentences_by_themselves(context: EvaluationContext):
    found = {one.name: one for one in measured(context, "text", "test")}
    prepared = context.prepared
    assert prepared.corpus.subject is not None
    speakers = len(set(prepared.corpus.subject[prepared.corpus.rows("test")].tolist()))
    assert len(torch.unique(found["speech → text, MRR"].subject)) == speakers
    sentences = found["text → speech, MRR"]
    assert len(torch.unique(sentences.subject)) == len(sentences.value)


def test_a_run_of_infonce_has_nothing_to_be_compared_with(context: EvaluationContext):
    recipe = replace(context.recipe, objectives={"contrast": InfoNCE(a="speech", b="text")})
    with pytest.raises(UserError, match="trained by InfoNCE itself"):
        evaluate(replace(context, recipe=recipe), SETTINGS)
    with pytest.raises(UserError, match="at least 2"):
        AgainstInfoNCESettings(resamples=1)
