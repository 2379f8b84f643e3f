"""Processors and towers of questions keep the promises that every domain's do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from crossmod.testing.conformance import ProcessorConformance, TowerConformance
from crossmod_medical.domain import domain as medical
from crossmod_medical.pairs.item import ImageText

MIXED = (
    "--config=pubmedclip",
    "--towers.image.visual.grid.size=[32,32]",
    "--towers.image.visual.base=8",
    "--towers.image.word_width=8",
    "--towers.image.width=8",
)
PROMPTED = (
    "--config=ptunifier",
    "--towers.image.image.grid.size=[32,32]",
    "--towers.image.image.width=16",
    "--towers.image.text.vocabulary=300",
    "--towers.image.text.width=16",
    "--towers.image.text.dropout=0.0",
    "--towers.image.width=16",
)


class Questions:
    """What the classes below have in common."""

    domain = medical
    words: ClassVar[tuple[str, ...]] = MIXED
    tolerance = 1e-4
    hostile: ClassVar[dict[str, list[object]]] = {
        "image": ["", 7, None, ImageText(None, None), ImageText("absent.png", "is it left?")],
        "text": ["", 7, None],
    }

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, questions: Path) -> list[str]:
        """The small run on the drawn questions."""
        return [*cls.words, f"--data.root={questions}", "--data.workers=0"]


class TestMixedProcessors(Questions, ProcessorConformance):
    pass


class TestPromptedProcessors(Questions, ProcessorConformance):
    words = PROMPTED


class TestMixedTowers(Questions, TowerConformance):
    # The autoencoder's way up is trained by its own objective alone.
    without_gradient = ("image.autoencoder.up.*",)


class TestPromptedTowers(Questions, TowerConformance):
    words = PROMPTED
    # Pairs never touch the pools, and hidden patches stand for masked objectives.
    without_gradient = ("image.pools.*", "image.image.hidden_patch")
