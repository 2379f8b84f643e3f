"""The cheapest one-to-one assignment, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BIDS_PER_ROW = 8
"""Bids that a row may make on average before paths take over; measured to be near the fastest on pools of vectors."""


def cheapest_assignment(cost: NDArray[np.floating]) -> NDArray[np.int64]:
    """A column for every row, no column twice, with the least sum of costs (Kuhn 1955; Jonker and Volgenant 1987).

    Rows first bid for columns, which settles most of them; each one left takes a shortest augmenting path under dual
    prices. O(rows^2 columns), every step vectorised over the columns.

    Shape:
        cost: [rows, columns], rows <= columns, finite.

    Returns:
        [rows]; the column of every row.

    Raises:
        ValueError: More rows than columns, or a cost is not finite.
    """
    if cost.ndim != 2 or cost.shape[0] > cost.shape[1]:
        raise ValueError(
            f"costs of shape {cost.shape} cannot give every row a column of its own; need rows <= columns."
        )
    exact = np.asarray(cost, dtype=np.float64)
    if not np.isfinite(exact).all():
        raise ValueError("a cost of the assignment is not finite; look at the vectors that it is a distance of.")
    rows, columns = exact.shape
    price_row, price_column = np.zeros(rows), np.zeros(columns)
    column_of, row_of = np.full(rows, -1, dtype=np.int64), np.full(columns, -1, dtype=np.int64)
    _bid(exact, price_row, price_column, column_of, row_of)
    for row in np.flatnonzero(column_of < 0):
        shortest, came_from, settled, end = _shortest_path(exact, price_row, price_column, row_of, int(row))
        length = shortest[end]
        price_row[row] += length
        inner = np.flatnonzero(settled)
        owners = row_of[inner]
        price_row[owners] += length - shortest[inner]
        price_column[inner] -= length - shortest[inner]
        while True:
            owner = came_from[end]
            row_of[end] = owner
            column_of[owner], end = end, column_of[owner]
            if owner == row:
                break
    return column_of


def _bid(
    cost: NDArray[np.float64],
    price_row: NDArray[np.float64],
    price_column: NDArray[np.float64],
    column_of: NDArray[np.int64],
    row_of: NDArray[np.int64],
) -> None:
    """Augmenting row reduction: a row takes its cheapest column and pays what makes its second choice as good.

    Prices stay feasible, and columns that nobody took stay at price zero, as an optimum of rows < columns demands.
    Wars of ever smaller bids are left to the exact paths after a number of bids.
    """
    rows, columns = cost.shape
    waiting = list(range(rows))[::-1] if columns > 1 else []
    for _ in range(BIDS_PER_ROW * rows):
        if not waiting:
            return
        row = waiting.pop()
        reduced = cost[row] - price_column
        first = int(reduced.argmin())
        least, reduced[first] = reduced[first], np.inf
        second = int(reduced.argmin())
        margin = reduced[second] - least
        owner = int(row_of[first])
        if margin == 0 and owner >= 0:
            first, owner = second, int(row_of[second])
            if owner >= 0:
                continue
        price_column[first] -= margin
        price_row[row] = least + margin
        row_of[first], column_of[row] = row, first
        if owner >= 0:
            column_of[owner] = -1
            waiting.append(owner)


def _shortest_path(
    cost: NDArray[np.float64],
    price_row: NDArray[np.float64],
    price_column: NDArray[np.float64],
    row_of: NDArray[np.int64],
    start: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], np.intp]:
    """Dijkstra over reduced costs from an unassigned row to the nearest unassigned column."""
    columns = cost.shape[1]
    shortest, came_from = np.full(columns, np.inf), np.full(columns, -1, dtype=np.int64)
    settled = np.zeros(columns, dtype=bool)
    row, length = start, 0.0
    while True:
        through = length + cost[row] - price_row[row] - price_column
        better = ~settled & (through < shortest)
        shortest[better], came_from[better] = through[better], row
        end = np.argmin(np.where(settled, np.inf, shortest))
        if row_of[end] < 0:
            return shortest, came_from, settled, end
        settled[end], length, row = True, float(shortest[end]), int(row_of[end])
