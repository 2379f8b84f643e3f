"""A generator of random choices that depends on texts alone: the same on every machine, process and Python."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draw:
    """Choices seeded by the SHA-256 of `keys`.

    Only `random()` is used, whose sequence for a given seed Python guarantees; `choice` and `shuffle` it may change.

    Example:
        >>> Draw("ethanol", 0).order([1, 2, 3, 4]) == Draw("ethanol", 0).order([1, 2, 3, 4])
        True
    """

    def __init__(self, *keys: str | int) -> None:
        digest = hashlib.sha256("\n".join(map(str, keys)).encode()).digest()
        self._stream = random.Random(int.from_bytes(digest[:16], "big"))

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit` - 1."""
        return int(self._stream.random() * limit)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._stream.random() < probability

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def order(self, items: Sequence[Item]) -> list[Item]:
        """The items in a random order (Fisher and Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
