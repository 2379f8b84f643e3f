"""A chosen class has its own defaults, parts of parts too, whatever the class that the default would have been."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field

import pytest

from crossmod.cli.recipes import parse_settings
from crossmod.errors import UserError
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class Grain(Options, ABC):
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Sand(Grain):
    size: int = 2
    wet: bool = True


@dataclass(frozen=True, kw_only=True)
class Gravel(Grain):
    size: int = 30
    wet: bool = False


@dataclass(frozen=True, kw_only=True)
class Heap(Options, ABC):
    grain: Grain = field(default_factory=Sand)


@dataclass(frozen=True, kw_only=True)
class Dune(Heap):
    pass


@dataclass(frozen=True, kw_only=True)
class Quarry(Heap):
    grain: Grain = field(default_factory=Gravel)


@dataclass(frozen=True, kw_only=True)
class Land(Options):
    heap: Heap = field(default_factory=Dune)
    spare: Heap | None = field(default_factory=Quarry)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Land()),
        (["--heap=Quarry"], Land(heap=Quarry())),
        (["--heap.grain=Gravel"], Land(heap=Dune(grain=Gravel()))),
        (["--heap=Quarry", "--heap.grain.size=7"], Land(heap=Quarry(grain=Gravel(size=7)))),
        (["--heap=Quarry", "--heap.grain=Sand"], Land(heap=Quarry(grain=Sand()))),
        (["--heap=Quarry", "--heap.grain=Sand", "--heap.grain.wet=false"], Land(heap=Quarry(grain=Sand(wet=False)))),
        (["--spare=null"], Land(spare=None)),
        (["--spare=null", "--spare=Dune"], Land(spare=Dune())),
    ],
)
def test_a_chosen_class_has_its_own_defaults(words: list[str], expected: Land) -> None:
    assert parse_settings(Land, words) == expected


def test_a_part_that_may_be_absent_alone_takes_null() -> None:
    with pytest.raises(UserError, match="heap"):
        parse_settings(Land, ["--heap=null"])
