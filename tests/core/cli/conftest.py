"""A small real plugin, installed for each test: a package and its dist-info folder on sys.path."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.domain import Domain
from crossmod.registry import load_domain

MODULE = '''
"""Strings of beads and their descriptions: a domain without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from crossmod.contracts.corpus import Column, Corpus, Rejected
from crossmod.domain import Domain, Evaluation
from crossmod.errors import UserError
from crossmod.recipe import DataSettings, ObjectiveSettings, Recipe, TowerSettings, TowersSettings
from crossmod.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BeadTable(DataSettings):
    """A text file, one string of beads and its description a line.

    Args:
        path: The file.
        columns: What its two columns are called.
        limit: Most lines; null reads all.
        prices: Price of each colour.
        cache: Where to keep what was read.
    """

    path: str
    columns: tuple[str, ...] = ("beads", "text")
    limit: int | None = None
    prices: dict[str, float] = field(default_factory=dict)
    cache: Path = Path("cache")

    def __post_init__(self) -> None:
        if self.limit == 0:
            raise UserError("data.limit is 0; a corpus has at least one line.")

    def build(self) -> Corpus:
        lines = [line.split("\\t") for line in Path(self.path).read_text().splitlines()]
        rows = np.arange(len(lines))
        split = np.array(["train", "test", "validation"])[rows % 3]
        return Corpus(
            name="beads",
            columns={
                "beads": Column([beads for beads, _ in lines], rows),
                "text": Column([text for _, text in lines], rows),
            },
            ids=[str(row) for row in rows],
            group=np.unique([beads for beads, _ in lines], return_inverse=True)[1],
            split=split,
            facts={"source": self.path},
            rejected=[Rejected("text", 7, "??", "no letters")],
        )


@dataclass(frozen=True, kw_only=True)
class BeadGenerator(DataSettings):
    """Strings made up.

    Args:
        rows: How many.
    """

    rows: int = 10

    def build(self) -> Corpus:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class BeadTower(TowerSettings):
    """A string encoder.

    Args:
        depth: Blocks.
        pooling: How tokens become one vector.
    """

    depth: int = 4
    pooling: Literal["mean", "first"] = "mean"

    def fit_processor(self, items: Sequence[Any]) -> Any: ...
    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Any: ...
    def build(self, processor: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class BeadTowers(TowersSettings):
    """Beads and text."""

    beads: TowerSettings
    text: TowerSettings


@dataclass(frozen=True, kw_only=True)
class BeadContrast(ObjectiveSettings):
    """Contrast of two modalities.

    Args:
        a: One.
        b: The other.
    """

    a: str
    b: str

    def build(self, towers: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class BeadRecipe(Recipe):
    """Beads."""

    data: DataSettings
    towers: BeadTowers


@dataclass(frozen=True, kw_only=True)
class ColourSettings(Settings):
    """Colours by nearest description.

    Args:
        colours: How many.
    """

    colours: int = 3

    def build(self) -> None: ...


domain = Domain(
    "beads",
    "Strings of beads",
    BeadRecipe,
    Path(__file__).parent / "recipes",
    {"colours": Evaluation("colours", "which colours a string has", "crossmod_beads.colours:run", ColourSettings)},
)
'''

DEFAULT = """\
data:
  class_path: BeadTable
  init_args: {path: beads.tsv, max_rejected: 0.2}
towers:
  beads: {class_path: BeadTower, init_args: {depth: 2}}
  text: {class_path: BeadTower}
objectives:
  contrast: {class_path: BeadContrast, init_args: {a: beads, b: text}}
optimiser: {rate: 1e-2}
"""

SMALL = """\
data: {class_path: BeadGenerator}
towers:
  beads: {class_path: BeadTower, init_args: {depth: 1}}
  text: {class_path: BeadTower, init_args: {depth: 1}}
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip would fill it, with the plugin crossmod-beads."""
    site = tmp_path_factory.mktemp("site")
    package, facts = site / "crossmod_beads", site / "crossmod_beads-1.2.dist-info"
    (package / "recipes").mkdir(parents=True)
    facts.mkdir()
    (package / "__init__.py").write_text("")
    (package / "domain.py").write_text(MODULE)
    (package / "recipes" / "default.yaml").write_text(DEFAULT)
    (package / "recipes" / "small.yaml").write_text(SMALL)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: crossmod-beads\nVersion: 1.2\nSummary: Beads\n")
    (facts / "entry_points.txt").write_text("[crossmod.domains]\nbeads = crossmod_beads.domain:domain\n")
    return site


@pytest.fixture
def beads(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Domain:
    """The domain, with an empty current folder."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    return load_domain("beads")
