from __future__ import annotations

import pytest

from crossmod_molecule.corpus.english import article, counted, listed, plural
from crossmod_molecule.corpus.groups import GROUP_NAMES
from crossmod_molecule.corpus.nouns import group_nouns
from crossmod_molecule.corpus.ring_names import RING_NAMES

AN = ("ester", "8-membered ring", "11-membered ring", "18-membered ring", "N-oxide", "azide", "epoxide", "H-bond donor")
A = ("urea", "uracil unit", "unit", "thiol", "1,2,4-triazole", "2-pyranone", "15-membered ring", "ketone")


@pytest.mark.parametrize("noun", AN)
def test_an_before_a_vowel_sound(noun: str) -> None:
    assert article(noun) == "an"


@pytest.mark.parametrize("noun", A)
def test_a_before_a_consonant_sound(noun: str) -> None:
    assert article(noun) == "a"


def test_articles_of_the_whole_vocabulary_follow_spelling_but_for_the_known_exceptions() -> None:
    nouns = [noun for name in GROUP_NAMES for noun in group_nouns(name)] + [name for name, _ in RING_NAMES]
    odd = {noun for noun in nouns if (article(noun) == "an") != (noun[0] in "aeiouAEIOU")}
    assert {noun.split()[0] for noun in odd} == {"N-oxide", "urea", "uracil"}


@pytest.mark.parametrize(
    ("noun", "expected"), [("ring", "rings"), ("copy of the main component", "copies of the main component")]
)
def test_plurals(noun: str, expected: str) -> None:
    assert plural(noun) == expected


def test_numbers_agree_with_their_nouns() -> None:
    assert [counted(n, "ring") for n in (0, 1, 2, 12, 13)] == [
        "no rings",
        "a ring",
        "two rings",
        "twelve rings",
        "13 rings",
    ]
    assert [counted(n, "ring", words=False) for n in (0, 1, 2)] == ["no rings", "1 ring", "2 rings"]
    assert counted(1, "1,3-dioxolane ring", words=False) == "one 1,3-dioxolane ring"


def test_lists_end_in_and() -> None:
    assert listed(["a", "b", "c", "d"]) == "a, b, c and d"
