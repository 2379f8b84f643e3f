"""One small trained model of the tiny domain for every evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.corpus import Label
from crossmod.evaluation.context import EvaluationContext
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.testing.tiny import domain
from crossmod.training.run import train


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    train(domain, parse_recipe(domain, [f"--run.folder={folder}", "--run.steps=120"]))
    return folder


@pytest.fixture(scope="package")
def context(run: Path) -> EvaluationContext:
    model, recipe, _ = load_model_and_recipe(run, domain)
    return EvaluationContext(model, recipe)


@pytest.fixture(scope="package")
def halves(context: EvaluationContext) -> dict[str, Label]:
    """Two labels of two classes without prompts, which the points' coordinates decide."""
    points = context.prepared.corpus.columns["point"]
    held = {"top": lambda point: point[1] >= 0.5, "left": lambda point: point[0] < 0.5}
    return {
        name: Label(np.array([float(holds(points.items[i])) for i in points.item]), "point", ("no", "yes"))
        for name, holds in held.items()
    }
