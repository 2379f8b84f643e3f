"""Splits: no scaffold on two sides, equal everywhere, the shares roughly kept."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod.sources.splits import by_hash, random_split
from crossmod_molecule.splits import scaffold_split

FRACTIONS = (0.8, 0.1, 0.1)


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=200))
def test_no_scaffold_stands_in_two_splits_and_order_does_not_matter(scaffolds: list[str]) -> None:
    split = scaffold_split(scaffolds, FRACTIONS)
    place = dict(zip(scaffolds, split, strict=True))
    assert split == [place[scaffold] for scaffold in scaffolds]
    shuffled = random.Random(0).sample(scaffolds, len(scaffolds))
    assert scaffold_split(shuffled, FRACTIONS) == [place[scaffold] for scaffold in shuffled]
    counts = Counter(split)
    assert counts["train"] <= round(0.8 * len(scaffolds))
    assert counts["validation"] <= round(0.1 * len(scaffolds))


def test_distinct_scaffolds_fill_the_shares_exactly() -> None:
    counts = Counter(scaffold_split([f"s{i}" for i in range(1000)], FRACTIONS))
    assert counts == {"train": 800, "validation": 100, "test": 100}


def test_the_largest_scaffolds_train() -> None:
    split = scaffold_split(["big"] * 7 + ["mid"] * 2 + ["one"], (0.7, 0.2, 0.1))
    assert split == ["train"] * 7 + ["validation"] * 2 + ["test"]


def test_random_split_keeps_equal_names_together_and_the_shares() -> None:
    names = [i // 2 for i in range(2000)]
    split = random_split(names, FRACTIONS, seed=1)
    assert split[::2] == split[1::2]
    assert Counter(split) == {"train": 1600, "validation": 200, "test": 200}
    assert split == random_split(names, FRACTIONS, seed=1)
    assert split != random_split(names, FRACTIONS, seed=2)


def test_a_new_row_moves_few_others() -> None:
    before = random_split(range(1000), FRACTIONS, seed=0)
    after = random_split(range(1001), FRACTIONS, seed=0)[:1000]
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 2


def test_the_shuffle_is_the_documented_one() -> None:
    """Sorted by SHA-256 of "seed:name", in hexadecimal as well as in bytes."""
    expected = sorted("abc", key=lambda name: hashlib.sha256(f"0:{name}".encode()).hexdigest())
    assert by_hash(list("abc"), 0) == expected


@pytest.mark.parametrize("fractions", [(1.0,), (0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_impossible_shares_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="give the shares"):
        scaffold_split(["a"], fractions)
