"""Positive pairs from group ids: listed where they are few, summed by group where they are many."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod_kernels.group_match import GroupMatch, match_groups
from crossmod_kernels.group_targets import GroupTargets
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.targets import Targets

# A list costs about 40 bytes a pair, so at this many per item it stays below a tenth of 512 dimensions in fp32.
LISTED_PAIRS_PER_ITEM = 4


class Positives(NamedTuple):
    """Row-stochastic targets of both directions, and the columns that have a positive row (others never anchor)."""

    targets: Targets
    has_positive: Bool[Tensor, "columns"]


def identity_positives(rows: int, columns: int, like: Tensor, *, first_column: int = 0) -> Positives:
    """Row i belongs to column first_column + i and to no other."""
    row = torch.arange(rows, device=like.device)
    column_share = like.new_ones(columns)
    has_positive = torch.zeros(columns, dtype=torch.bool, device=like.device)
    has_positive[first_column : first_column + rows] = True
    targets = PairTargets(row, row + first_column, like.new_ones(rows), column_share)
    return Positives(targets, has_positive)


def group_positives(
    group_a: Int64[Tensor, "rows"],
    group_b: Int64[Tensor, "columns"],
    like: Tensor,
    *,
    every_group_a: Int64[Tensor, "every_row"] | None = None,
    listed_pairs_per_item: int = LISTED_PAIRS_PER_ITEM,
) -> Positives:
    """T_ij = [g_i = g_j] / (number of keys in the group of i), and the same over rows for the columns.

    Shape: group_a (rows,); group_b (columns,); every_group_a (every_row,), the rows of all processes.
    """
    match = match_groups(group_a, group_b, every_group_a)
    row_share = match.columns_in_group[match.row_group].to(like.dtype).reciprocal()
    in_column = match.rows_in_group[match.column_group].to(like.dtype)
    column_share = torch.where(in_column > 0, in_column.reciprocal(), 0.0)
    return Positives(group_targets(match, row_share, column_share, listed_pairs_per_item), match.has_positive)


def identity_pairs(rows: int, like: Tensor, *, columns: int, first_column: int = 0) -> PairTargets:
    """Pairs (i, first_column + i), each counted once, by its row."""
    row = torch.arange(rows, device=like.device)
    return PairTargets(row, row + first_column, like.new_ones(rows), like.new_zeros(columns))


def group_pairs(
    group_a: Int64[Tensor, "rows"],
    group_b: Int64[Tensor, "columns"],
    like: Tensor,
    *,
    listed_pairs_per_item: int = LISTED_PAIRS_PER_ITEM,
) -> PairTargets | GroupTargets:
    """Pairs of equal groups, each counted once, by its row. Shape: group_a (rows,); group_b (columns,)."""
    match = match_groups(group_a, group_b)
    return group_targets(match, like.new_ones(len(group_a)), like.new_zeros(len(group_b)), listed_pairs_per_item)


def group_targets(
    match: GroupMatch, row_share: Tensor, column_share: Tensor, listed_pairs_per_item: int = LISTED_PAIRS_PER_ITEM
) -> PairTargets | GroupTargets:
    """Pairs of equal groups at these shares of their row and column: listed where few, summed by group where many."""
    if match.pair_count <= listed_pairs_per_item * (len(row_share) + len(column_share)):
        return PairTargets(*match.pairs(), row_share, column_share)
    return GroupTargets(match, row_share, column_share)
