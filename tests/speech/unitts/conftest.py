"""A small language model over texts and codes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from crossmod_speech.unitts.settings import SpokenLanguageModel
from crossmod_speech.unitts.tower import SpokenLanguageTower

TEXTS = ["a i u", "e a", "u i e a", "i e"]


@pytest.fixture
def language() -> Callable[..., SpokenLanguageTower]:
    """Makes one in evaluation mode, with 16 codes."""

    def made(seed: int = 0, **options: object) -> SpokenLanguageTower:
        sizes = {"codes": 16, "vocabulary": 280, "length": 16, "longest": 40, "width": 32, "depth": 2, "heads": 2}
        settings = SpokenLanguageModel(**{**sizes, **options})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = settings.build(settings.fit_processor(TEXTS)).eval()
            # Larger than they start, so that what stands before a token is seen in its scores.
            torch.nn.init.normal_(tower.embedding.weight, std=0.5)
        return tower

    return made
