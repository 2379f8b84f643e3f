"""Columns of distinct items, from what every row holds."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from crossmod.contracts.corpus import Column


def column_of(rows: Iterable[tuple[Hashable, Any, int] | None]) -> Column:
    """A column of the distinct items in order of appearance.

    Args:
        rows: For every row its item as (key, item, line of the source), or None where it has none. Items are stored
            once for every key, with the line of their first appearance.

    >>> column = column_of([("a", "gas", 2), None, ("a", "gas", 3), ("b", "gas", 4)])
    >>> column.items, column.item.tolist(), column.lines
    (['gas', 'gas'], [0, -1, 0, 1], [2, 4])
    """
    position: dict[Hashable, int] = {}
    items: list[Any] = []
    lines: list[int] = []
    index: list[int] = []
    for row in rows:
        if row is None:
            index.append(-1)
            continue
        key, item, line = row
        place = position.setdefault(key, len(position))
        if place == len(items):
            items.append(item)
            lines.append(line)
        index.append(place)
    return Column(items, np.array(index, np.int64), lines)
