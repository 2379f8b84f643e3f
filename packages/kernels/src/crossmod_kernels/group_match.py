"""Which rows and keys belong together: group ids of both sides brought to one numbering, and counted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


@dataclass(frozen=True)
class GroupMatch:
    """Groups 0..groups-1 of rows and columns, and how many of each a group has.

    Shape: row_group (rows,); column_group (columns,); rows_in_group, columns_in_group (groups,).
    """

    row_group: Int64[Tensor, "rows"]
    column_group: Int64[Tensor, "columns"]
    rows_in_group: Int64[Tensor, "groups"]
    columns_in_group: Int64[Tensor, "groups"]

    @property
    def groups(self) -> int:
        return len(self.rows_in_group)

    @property
    def has_positive(self) -> Bool[Tensor, "columns"]:
        """The columns that some row belongs to."""
        return self.rows_in_group[self.column_group] > 0

    @property
    def pair_count(self) -> int:
        """How many (row, column) pairs are positive."""
        return int(self.columns_in_group[self.row_group].sum())

    def pairs(self) -> tuple[Int64[Tensor, "pairs"], Int64[Tensor, "pairs"]]:
        """Every positive pair as (row, column). Shape: two of (pairs,)."""
        order = torch.argsort(self.column_group, stable=True)
        first = torch.cumsum(self.columns_in_group, 0) - self.columns_in_group
        length = self.columns_in_group[self.row_group]
        rows = torch.repeat_interleave(torch.arange(len(length), device=length.device), length)
        start = torch.cumsum(length, 0) - length
        inside = torch.arange(len(rows), device=rows.device) - start[rows]
        return rows, order[first[self.row_group[rows]] + inside]


def match_groups(
    group_a: Int64[Tensor, "rows"],
    group_b: Int64[Tensor, "columns"],
    every_group_a: Int64[Tensor, "every_row"] | None = None,
) -> GroupMatch:
    """Number the groups of both sides alike.

    With rows spread over processes, `group_a` names the rows here and `every_group_a` those of all processes, which
    are the ones counted.
    Shape: group_a (rows,); group_b (columns,); every_group_a (every_row,).
    """
    counted = group_a if every_group_a is None else every_group_a
    ids, numbers = torch.unique(torch.cat([group_a, group_b, counted]).long(), return_inverse=True)
    row_group, column_group, counted_group = numbers.split([len(group_a), len(group_b), len(counted)])
    return GroupMatch(
        row_group,
        column_group,
        torch.bincount(counted_group, minlength=len(ids)),
        torch.bincount(column_group, minlength=len(ids)),
    )


def check_every_row_has_a_key(group_a: Int64[Tensor, "rows"], group_b: Int64[Tensor, "columns"]) -> None:
    """Refuse rows that no key belongs to: their targets would have nothing to sum to one.

    Shape: group_a (rows,); group_b (columns,).

    Raises:
        ValueError: naming the first such row and its group.
    """
    without = (~torch.isin(group_a, group_b)).nonzero()
    if len(without):
        row = int(without[0])
        raise ValueError(
            f"row {row} of a has group {int(group_a[row])}, which no key in group_b has ({len(without)} such "
            "rows): give every row at least one positive key"
        )
