"""One small trained model of the tiny domain, and a linear pair of encoders whose attack has a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crossmod.cli.recipes import parse_recipe
from crossmod.evaluation.context import EvaluationContext
from crossmod.runs.model_folder import load_model_and_recipe
from crossmod.testing.tiny import domain
from crossmod.training.run import train


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of one recipe, from two seeds."""
    torch.set_num_threads(1)
    folders = [tmp_path_factory.mktemp("robustness") / f"run-{seed}" for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        train(domain, parse_recipe(domain, [f"--run.folder={folder}", "--run.steps=120", f"--seed={seed}"]))
    return folders


@pytest.fixture(scope="package")
def context(runs: list[Path]) -> EvaluationContext:
    model, recipe, _ = load_model_and_recipe(runs[0], domain)
    return EvaluationContext(model, recipe)


@dataclass(frozen=True)
class Linear:
    """Samples of five classes with a caption each, and the linear encoder that both sides agree under."""

    weight: Tensor
    values: Tensor
    captions: Tensor

    def encode(self, values: Tensor) -> Tensor:
        return torch.nn.functional.normalize(values @ self.weight, dim=1)


@pytest.fixture
def linear() -> Linear:
    generator = torch.Generator().manual_seed(5)
    samples, width, dim = 60, 256, 12
    weight = torch.linalg.qr(torch.randn(width, dim, generator=generator)).Q
    centres = torch.randn(5, dim, generator=generator)
    meaning = centres[torch.arange(samples) % 5] + 0.7 * torch.randn(samples, dim, generator=generator)
    meaning = torch.nn.functional.normalize(meaning, dim=1)
    values = meaning @ weight.T + 0.02 * torch.randn(samples, width, generator=generator)
    return Linear(weight, values, meaning)
