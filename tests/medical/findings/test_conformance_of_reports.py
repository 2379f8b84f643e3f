"""Processors, corpora and towers of reports and findings keep the promises that every domain's do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from crossmod.testing.conformance import CorpusConformance, ProcessorConformance, TowerConformance
from crossmod_medical.domain import domain as medical


class Reports:
    """What the classes below have in common."""

    domain = medical
    tolerance = 1e-5
    hostile: ClassVar[dict[str, list[object]]] = {
        "image": ["", 7, None, "lone \udc80 surrogate"],
        "text": ["", 7, None, "a mass that no one knows"],
    }
    # Biases of findings are no part of any vector.
    without_gradient = ("text.bias",)

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, labelled_reports: Path) -> list[str]:
        """The small run on the written reports."""
        words = ["--config=ct-rate-reports", f"--data.root={labelled_reports}", "--data.workers=0"]
        sizes = ["--towers.image.sentence.buckets=512", "--towers.image.sentence.width=16", "--towers.text.width=16"]
        return [*words, *sizes, "--embedding.width=16"]


class TestCorpus(Reports, CorpusConformance):
    pass


class TestProcessors(Reports, ProcessorConformance):
    pass


class TestTowers(Reports, TowerConformance):
    pass
