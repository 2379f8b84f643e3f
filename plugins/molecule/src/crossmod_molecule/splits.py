"""Which structures train, validate and test by their scaffolds, by a fixed rule that gives equal splits anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from crossmod.contracts.corpus import SPLITS
from crossmod.sources.splits import check_fractions


def scaffold_split(scaffolds: Sequence[str], fractions: Sequence[float]) -> list[str]:
    """The split of every structure, such that no scaffold stands in two (MoleculeNet, arXiv:1703.00564).

    Scaffold sets are taken from the largest to the smallest, equal sizes in the order of their SMILES; each goes
    to train if it still fits whole into train's share, else to validation if it fits there, else to test. All
    structures without a ring share the empty scaffold. Neither the order of the structures nor a seed matters.

    >>> scaffold_split(["a", "a", "a", "b", "b", "c"], (0.5, 0.34, 0.16))
    ['train', 'train', 'train', 'validation', 'validation', 'test']
    """
    check_fractions(fractions)
    members: dict[str, list[int]] = defaultdict(list)
    for index, scaffold in enumerate(scaffolds):
        members[scaffold].append(index)
    room = [round(share * len(scaffolds)) for share in fractions[:2]]
    split = ["test"] * len(scaffolds)
    for scaffold in sorted(members, key=lambda name: (-len(members[name]), name)):
        size = len(members[scaffold])
        fits = next((part for part in (0, 1) if size <= room[part]), None)
        if fits is not None:
            room[fits] -= size
            for index in members[scaffold]:
                split[index] = SPLITS[fits]
    return split
