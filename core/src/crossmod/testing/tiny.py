"""A whole domain in one file: points of the unit square and sentences about where they lie.

Core is tested on it, and it shows the least that a domain consists of (torch-free).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crossmod.contracts.corpus import Attached, Column, Corpus, Label
from crossmod.domain import Domain
from crossmod.recipe import DataSettings, Recipe, TowerSettings, TowersSettings
from crossmod.vectors.settings import VectorEncoder

ACROSS = ("far left", "left", "right", "far right")
UPWARDS = ("bottom", "lower half", "upper half", "top")
OPENINGS = ("a point at the", "this one lies at the", "seen at the")


@dataclass(frozen=True, kw_only=True)
class TinyData(DataSettings):
    """Points with sentences, drawn from a seed.

    Args:
        points: How many points.
        sentences: Sentences a point.
        broken: So many points have no usable coordinates.
        events: Attach to every row what objectives on events need, with a point's coordinates as its two events:
            "reordered" texts that tell them in the wrong order, and "captions" of each coordinate.
        seed: Of the draw.
    """

    points: int = 240
    sentences: int = 2
    broken: int = 0
    events: bool = False
    seed: int = 0

    def build(self) -> Corpus:
        """Draw the corpus; every tenth point is a test point, every ninth of a ten a validation point."""
        draw = random.Random(self.seed)
        points: list[Any] = [(draw.random(), draw.random()) for _ in range(self.points)]
        texts: list[str] = []
        item: list[int] = []
        place: list[int] = []
        told: list[tuple[str, str, str, int]] = []
        for number, (x, y) in enumerate(points):
            for _ in range(self.sentences):
                place.append(number)
                item.append(len(texts))
                opening, across, upwards = draw.choice(OPENINGS), ACROSS[int(4 * x)], UPWARDS[int(4 * y)]
                texts.append(f"{opening} {across}, {upwards}, number {number}")
                told.append((opening, across, upwards, number))
        for number in range(self.broken):
            points[number] = (float("nan"), 0.0)
        row = np.array(place, dtype=np.int64)
        split = np.array([{8: "validation", 9: "test"}.get(number % 10, "train") for number in place])
        upper = np.array([float(points[number][1] >= 0.5) for number in place])
        attached = _events(told, texts) if self.events else {}
        return Corpus(
            name="tiny points",
            columns={"point": Column(points, row), "text": Column(texts, np.array(item, dtype=np.int64))},
            ids=[f"point-{number}" for number in place],
            group=row,
            split=split,
            facts={"source": "generated", "licence": "none needed"},
            labels={
                "upper": Label(
                    upper,
                    "point",
                    ("below", "above"),
                    {"below": ["at the bottom", "lower half"], "above": ["at the top", "upper half"]},
                )
            },
            attached=attached,
        )


def _events(told: list[tuple[str, str, str, int]], texts: list[str]) -> dict[str, Attached]:
    """Append the wrong order and the two captions of every row to the texts, and say whose they are."""
    row = np.arange(len(told), dtype=np.int64)
    wrong = len(texts) + row
    texts += [f"{opening} {upwards}, {across}, number {number}" for opening, across, upwards, number in told]
    moment = len(texts) + np.arange(2 * len(told), dtype=np.int64)
    texts += [words for _, across, upwards, _ in told for words in (across, upwards)]
    return {
        "reordered": Attached("text", row, wrong),
        "captions": Attached("text", row.repeat(2), moment, np.tile(np.arange(2, dtype=np.int64), len(told))),
    }


@dataclass(frozen=True, kw_only=True)
class TinyTowers(TowersSettings):
    """Points and text.

    Args:
        point: The encoder of points.
        text: The encoder of sentences.
    """

    point: TowerSettings = field(default_factory=VectorEncoder)
    text: TowerSettings


@dataclass(frozen=True, kw_only=True)
class TinyRecipe(Recipe):
    """A run on points and sentences."""

    data: DataSettings = field(default_factory=TinyData)
    towers: TinyTowers


domain = Domain(
    name="tiny",
    summary="points of the unit square and sentences about them, for tests",
    recipe=TinyRecipe,
    recipes=Path(__file__).parent / "recipes",
)
"""The domain itself."""
