"""Which subjects train, validate and test: by scaffold or at random, by fixed rules that give equal splits anywhere."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence

from crossmod.contracts.corpus import SPLITS
from crossmod.errors import UserError


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse shares that are not three, not positive in training, or not one together.

    Raises:
        UserError: They are.
    """
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(
            f"fractions is {tuple(fractions)}; give the shares of train, validation and test, such as 0.8 0.1 0.1."
        )


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


def random_split(names: Sequence[Hashable], fractions: Sequence[float], seed: int) -> list[str]:
    """The split of every subject; equal names share one.

    Distinct names are sorted by the SHA-256 of `seed:name` and cut at the shares, so adding a row moves few others.
    """
    check_fractions(fractions)
    order = by_hash([str(name) for name in dict.fromkeys(names)], seed)
    first, second = round(fractions[0] * len(order)), round((fractions[0] + fractions[1]) * len(order))
    split = {name: SPLITS[(place >= first) + (place >= second)] for place, name in enumerate(order)}
    return [split[str(name)] for name in names]


def by_hash(names: Sequence[str], seed: int) -> list[str]:
    """Names in the order of the SHA-256 of `seed:name`: a shuffle that every machine repeats."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
