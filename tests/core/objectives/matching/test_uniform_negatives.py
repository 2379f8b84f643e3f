from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.hard_negatives import negative_pairs
from crossmod.objectives.matching.uniform_negatives import draw_derangement, draw_uniform_negatives, has_derangement


@given(group=st.lists(st.integers(0, 4), max_size=12), seed=st.integers(0, 30))
def test_is_a_permutation_without_a_pair_of_one_group_or_says_that_there_is_none(group: list[int], seed: int) -> None:
    groups, generator = torch.tensor(group, dtype=torch.int64), torch.Generator().manual_seed(seed)
    most = max(Counter(group).values(), default=0)
    assert has_derangement(groups) is (2 * most <= len(group))
    if not has_derangement(groups):
        with pytest.raises(ValueError, match="more than half"):
            draw_derangement(groups, generator=generator)
        return
    permutation = draw_derangement(groups, generator=generator)
    assert sorted(permutation.tolist()) == list(range(len(group)))
    assert (groups[permutation] != groups).all()


def test_two_rows_swap_and_one_row_raises() -> None:
    assert draw_derangement(torch.arange(2)).tolist() == [1, 0]
    with pytest.raises(ValueError, match="a batch of 1"):
        draw_derangement(torch.arange(1))


def test_all_derangements_of_four_are_equally_likely() -> None:
    seen = Counter(tuple(draw_derangement(torch.arange(4)).tolist()) for _ in range(9_000))
    assert len(seen) == 9
    statistic = sum((count - 1000) ** 2 / 1000 for count in seen.values())
    # 8 degrees of freedom; beyond 26.1 lies one in a thousand.
    assert statistic < 26.1


def test_two_large_groups_change_places_although_trying_would_never_end() -> None:
    group = torch.arange(200) % 2
    permutation = draw_derangement(group)
    assert (group[permutation] != group).all()
    assert len(set(permutation.tolist())) == 200
    assert permutation.tolist() != draw_derangement(group).tolist()


def test_uniform_draws_reach_every_candidate_equally() -> None:
    allowed = negative_pairs(torch.tensor([0, 0, 1, 2])).repeat(6000, 1)
    column = draw_uniform_negatives(allowed).column.view(6000, 4)
    share = torch.stack([(column == j).double().mean(0) for j in range(4)], dim=1)
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2 / 3, 2 / 3, 0, 2 / 3], [2 / 3, 2 / 3, 2 / 3, 0]]) / 2
    # Four standard errors of a share near a half in 6,000 draws.
    assert (share - expected).abs().max() < 0.026
