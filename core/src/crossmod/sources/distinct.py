"""Items that are stored once, however many rows hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def distinct(values: Iterable[Any]) -> tuple[list[Any], list[int]]:
    """The distinct values in order of appearance, and the place of each value among them.

    >>> distinct("abca")
    (['a', 'b', 'c'], [0, 1, 2, 0])
    """
    place: dict[Any, int] = {}
    at = [place.setdefault(value, len(place)) for value in values]
    return list(place), at
