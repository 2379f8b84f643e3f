"""The tiny domain passes every conformance test, with a transformer and with a bag of n-grams."""

from __future__ import annotations

from typing import Any, ClassVar

from crossmod.testing import tiny
from crossmod.testing.conformance import (
    CorpusConformance,
    ProcessorConformance,
    RecipeConformance,
    RunConformance,
    TowerConformance,
)


class Tiny:
    domain = tiny.domain
    small: ClassVar = ["--data.points=80", "--run.batch_size=16", "--optimiser.average=0.9"]
    hostile: ClassVar[dict[str, list[Any]]] = {
        "point": [(0.5, float("nan")), (0.5,), (0.1, 0.2, 0.3), "a point", [], {"x": 1.0}],
        "text": ["", " \n", 7, b"left", "\ud800"],
    }


class Bag(Tiny):
    small: ClassVar = [
        *Tiny.small,
        "--towers.text=NgramBag",
        "--towers.text.buckets=512",
        "--towers.text.width=16",
    ]


class TestRecipe(Tiny, RecipeConformance): ...


class TestCorpus(Tiny, CorpusConformance): ...


class TestProcessors(Tiny, ProcessorConformance): ...


class TestBagProcessors(Bag, ProcessorConformance): ...


class TestTowers(Tiny, TowerConformance): ...


class TestBagTowers(Bag, TowerConformance): ...


class TestRun(Tiny, RunConformance): ...
