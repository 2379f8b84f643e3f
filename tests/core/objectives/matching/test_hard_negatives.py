from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.hard_negatives import draw_hard_negatives, negative_pairs


@given(
    group=st.lists(st.integers(0, 3), max_size=7),
    seed=st.integers(0, 50),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
)
def test_never_draws_a_pair_of_one_group_and_skips_only_rows_without_another(
    group: list[int], seed: int, dtype: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = torch.tensor(group, dtype=torch.int64)
    logits = (30 * torch.randn(len(group), len(group), generator=generator)).to(getattr(torch, dtype))
    drawn = draw_hard_negatives(logits, negative_pairs(groups), generator=generator, missing="skip")
    assert (groups[drawn.row] != groups[drawn.column]).all()
    assert drawn.row.tolist() == [row for row, own in enumerate(group) if set(group) - {own}]


def test_saturated_logits_in_half_precision_never_give_the_positive() -> None:
    group = torch.tensor([0, 1, 2, 2])
    logits = torch.full((4, 4), -1e4, dtype=torch.float16)
    logits.fill_diagonal_(1e4)
    logits[0, 2] = -1e4 + 64
    allowed = negative_pairs(group).repeat(2500, 1)
    drawn = draw_hard_negatives(logits.repeat(2500, 1), allowed)
    assert len(drawn.row) == 10_000
    assert allowed[drawn.row, drawn.column].all()
    first = drawn.column[drawn.row % 4 == 0]
    assert (first == 2).all()


def test_frequencies_follow_the_softmax_of_the_similarities() -> None:
    logits = torch.tensor([[9.0, 0.0, 1.0, 2.0], [0.5, 9.0, -1.0, 0.0], [0.0, 0.0, 9.0, 0.0], [3.0, 1.0, -2.0, 9.0]])
    allowed = ~torch.eye(4, dtype=torch.bool)
    draws = 20_000
    column = draw_hard_negatives(logits.repeat(draws, 1), allowed.repeat(draws, 1)).column.view(draws, 4)
    expected = logits.masked_fill(~allowed, -torch.inf).softmax(1) * draws
    seen = torch.stack([(column == j).sum(0) for j in range(4)], dim=1)
    statistic = ((seen - expected).square() / expected.clamp(min=1e-9))[allowed].sum()
    # 4 rows of 3 columns leave 8 degrees of freedom; beyond 26.1 lies one draw in a thousand.
    assert float(statistic) < 26.1


def test_one_seed_gives_one_draw_and_leaves_no_graph() -> None:
    logits = torch.randn(6, 6, requires_grad=True)
    allowed = negative_pairs(torch.arange(6))
    first, second = (draw_hard_negatives(logits, allowed, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first.column, second.column)
    other = draw_hard_negatives(logits.detach().T.contiguous().T, allowed, generator=torch.Generator().manual_seed(2))
    assert torch.equal(first.column, other.column)


def test_other_columns_than_rows_can_be_drawn_from() -> None:
    allowed = negative_pairs(torch.tensor([1, 2]), torch.tensor([1, 1, 2]))
    assert allowed.tolist() == [[False, False, True], [True, True, False]]
    assert int(draw_hard_negatives(torch.zeros(2, 3), allowed).column[0]) == 2


@pytest.mark.parametrize("group", [[4], [4, 4, 4]])
def test_a_batch_of_one_or_of_one_group_says_so(group: list[int]) -> None:
    allowed = negative_pairs(torch.tensor(group))
    logits = torch.zeros(len(group), len(group))
    with pytest.raises(ValueError, match="row 0 of .* take larger batches"):
        draw_hard_negatives(logits, allowed)
    assert len(draw_hard_negatives(logits, allowed, missing="skip").row) == 0


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_poison_matters_only_where_it_could_be_drawn(poison: float) -> None:
    logits, allowed = torch.zeros(3, 3), negative_pairs(torch.arange(3))
    logits[1, 1] = poison
    assert len(draw_hard_negatives(logits, allowed).row) == 3
    logits[1, 2] = poison
    with pytest.raises(ValueError, match="NaN or infinity"):
        draw_hard_negatives(logits, allowed)


def test_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="rows by columns"):
        draw_hard_negatives(torch.zeros(2, 3), torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="'error' or 'skip'"):
        draw_hard_negatives(torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool), missing="pass")
