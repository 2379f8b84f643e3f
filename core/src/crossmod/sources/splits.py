"""Which subjects train, validate and test: at random or as stated, by rules that give equal splits anywhere."""

from __future__ import annotations

import hashlib
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


def read_split(value: str, source: str, line: int) -> str:
    """A cell of a split column; "valid", "val" and "dev" mean validation.

    Raises:
        UserError: It is none of the known words.
    """
    word = value.strip().lower()
    word = {"valid": "validation", "val": "validation", "dev": "validation"}.get(word, word)
    if word and word not in SPLITS:
        raise UserError(
            f"line {line} of {source} has the split {value!r}; use train, validation, test, or nothing for a "
            "candidate only."
        )
    return word
