"""Processors, corpora and towers of nodules keep the promises that every domain's do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from crossmod.testing.conformance import CorpusConformance, ProcessorConformance, TowerConformance
from crossmod_medical.domain import domain as medical
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.sources import SliceSource

TEXT = ("--towers.text.width=16", "--towers.text.buckets=512", "--embedding.width=16", "--data.workers=0")
CUBES = (
    "--config=lidc",
    "--towers.image.tower.grid.size=[12, 12, 6]",
    "--towers.image.tower.base=8",
    "--towers.image.hounsfield_offset=0",
    "--towers.image.shift_voxels=0",
    "--towers.image.mirror=false",
    *TEXT,
)
SLICES = (
    "--config=radclip-slices",
    "--data.grid.size=[12, 12, 6]",
    "--towers.image.grid.size=[12, 12]",
    "--towers.image.base=8",
    *TEXT,
)
POOLED = (
    "--config=radclip",
    "--towers.image.grid.size=[12, 12, 6]",
    "--towers.image.slices.grid.size=[12, 12]",
    "--towers.image.slices.base=8",
    "--towers.image.frozen=false",
    "--towers.image.dropout=0",
    *TEXT,
)


class Nodules:
    """What the classes below have in common."""

    domain = medical
    words: ClassVar[tuple[str, ...]] = CUBES
    tolerance = 1e-4
    hostile: ClassVar[dict[str, list[object]]] = {
        "image": ["", "absent.nii.gz", 7, SliceSource("absent.nii.gz", VolumeGrid(size=(12, 12, 6)), 0)],
        "text": ["", 7, None],
    }

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, nodules: Path) -> list[str]:
        """The small run on the drawn nodules, from nothing."""
        return [*cls.words, f"--data.root={nodules}", "--run.initialise_only=[]", "--run.initialise_parts={}"]


class TestCorpus(Nodules, CorpusConformance):
    pass


class TestSliceCorpus(Nodules, CorpusConformance):
    words = SLICES


class TestCubeProcessors(Nodules, ProcessorConformance):
    pass


class TestSliceProcessors(Nodules, ProcessorConformance):
    words = SLICES


class TestCubeTowers(Nodules, TowerConformance):
    pass


class TestPooledTowers(Nodules, TowerConformance):
    words = POOLED
    # Branches that start at zero give what lies before them no gradient yet.
    without_gradient = ("image.adapter.*",)
