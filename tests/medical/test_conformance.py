"""The medical domain keeps the promises that every domain makes."""

from __future__ import annotations

import pytest

from crossmod.testing.conformance import (
    CorpusConformance,
    ProcessorConformance,
    RecipeConformance,
    RunConformance,
    TowerConformance,
)
from crossmod_medical.domain import domain as medical

SMALL = (
    *("--data.patients=16", "--data.workers=0", "--run.batch_size=8", "--run.log_every=5"),
    *("--towers.image=VolumeTransformer", "--towers.image.patch=[8, 8, 8]", "--towers.image.depth=1"),
    *("--towers.image.grid.size=[32, 24, 16]", "--towers.image.grid.spacing_mm=[12, 12, 18]"),
    *("--towers.image.width=32", "--towers.text.width=32", "--towers.text.buckets=2048", "--embedding.width=32"),
    "--towers.text.least_texts=1",  # of some 20 studies, few n-grams stand in more than one
)


class Medical:
    """What the classes below have in common."""

    domain = medical
    small = SMALL
    hostile = {  # noqa: RUF012 - the conformance classes read it and change nothing
        "image": ["", "absent.nii.gz", "a\0b", 7, "x" * 5000],
        "text": ["", 7, None, "lone \udc80 surrogate"],
    }
    required = {  # noqa: RUF012 - as above
        **dict.fromkeys(
            ("ct-rate-reports", "lidc", "m3ae", "ptunifier", "pubmedclip", "radclip-slices"), ("--data.root=absent",)
        ),
        "radclip": ("--data.root=absent", "--run.initialise=absent"),
    }

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
        """The small run, its phantoms and volumes in a folder of the session."""
        folder = tmp_path_factory.getbasetemp() / "conformance"
        return [*cls.small, f"--data.folder={folder}", f"--towers.image.grid.cache={folder / 'volumes'}"]


class TestRecipes(Medical, RecipeConformance):
    pass


class TestCorpus(Medical, CorpusConformance):
    pass


class TestProcessors(Medical, ProcessorConformance):
    pass


class TestTowers(Medical, TowerConformance):
    pass


class TestRuns(Medical, RunConformance):
    steps = 6
