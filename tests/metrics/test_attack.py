"""Attack success: hand-made ranks, the queries that never count, and the shape of a transfer table."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod_metrics import attack_success, transfer_table


def test_hand_made_ranks_give_exact_numbers():
    before = torch.tensor([1.0, 1.0, 2.0, 6.0, 11.0])
    after = torch.tensor([1.0, 2.0, 7.0, 1.0, 1.0])
    found = attack_success(before, after)
    assert found.rate == {1: 1 / 2, 5: 1 / 3, 10: 0.0}
    assert found.right_before == {1: 2, 5: 3, 10: 4}
    assert found.right_after == {1: 3, 5: 4, 10: 5}
    assert found.queries == 5


def test_queries_that_were_wrong_before_never_count():
    before = torch.tensor([1.0, 9.0, 9.0])
    worse, better = torch.tensor([4.0, 99.0, 99.0]), torch.tensor([4.0, 1.0, 1.0])
    assert attack_success(before, worse, (1,)).rate == attack_success(before, better, (1,)).rate == {1: 1.0}


def test_nothing_right_before_is_nan_with_a_warning():
    with pytest.warns(UserWarning, match="no query is right at k = 1 before"):
        found = attack_success(torch.tensor([3.0, 4.0]), torch.tensor([9.0, 9.0]), (1, 5))
    assert math.isnan(found.rate[1]) and found.rate[5] == 1.0


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=30), st.integers(1, 20))
def test_agrees_with_sets(pairs, k):
    before, after = (torch.tensor([float(pair[side]) for pair in pairs]) for side in (0, 1))
    clean = {place for place, (was, _) in enumerate(pairs) if was <= k}
    still = {place for place, (_, now) in enumerate(pairs) if now <= k}
    if clean:
        assert attack_success(before, after, (k,)).rate[k] == len(clean - still) / len(clean)
        assert attack_success(before, before, (k,)).rate[k] == 0.0


def test_a_transfer_table_has_a_row_a_source_and_a_column_a_target():
    clean = {name: torch.ones(4) for name in ("x", "y", "z")}
    lost = torch.tensor([2.0, 2.0, 1.0, 1.0])
    after = {
        "x": {"x": torch.full((4,), 5.0), "y": lost, "z": torch.ones(4)},
        "y": {"x": lost, "y": torch.full((4,), 2.0), "z": lost},
    }
    table = transfer_table(clean, after, k=1)
    assert table.rate.shape == (2, 3) and table.sources == ("x", "y") and table.targets == ("x", "y", "z")
    assert table.rate.tolist() == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5]]
    assert table.white_box() == {"x": 1.0, "y": 1.0}
    assert table.mean_transfer("x") == 0.25
    with pytest.raises(ValueError, match="no source 'z'; it has x, y"):
        table.mean_transfer("z")


@pytest.mark.parametrize(
    ("before", "after", "ks", "said"),
    [
        ([], [], (1,), "before is empty"),
        ([1.0], [1.0, 2.0], (1,), "lengths differ"),
        ([0.0], [1.0], (1,), "before holds a rank of 0.0"),
        ([1.0], [float("nan")], (1,), "after holds 1 NaN"),
        ([1.0], [1.0], (), "ks is ()"),
        ([1.0], [1.0], (0,), "ks is (0,)"),
    ],
)
def test_refuses_what_are_no_ranks(before, after, ks, said):
    with pytest.raises(ValueError) as error:
        attack_success(torch.tensor(before), torch.tensor(after), ks)
    assert said in str(error.value)


def test_refuses_a_table_with_holes():
    with pytest.raises(ValueError, match="0 source"):
        transfer_table({"x": torch.ones(1)}, {})
    with pytest.raises(ValueError, match="source 'x' was shown to no target"):
        transfer_table({"x": torch.ones(1)}, {"x": {}})
