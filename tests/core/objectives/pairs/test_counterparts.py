"""Drawing the counterpart that is matched jointly: check 4 of the sheet one-to-k-contrastive-mrv."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.objectives.matching import draw_hard_negatives, negative_pairs
from crossmod.objectives.pairs import draw_counterparts
from crossmod.objectives.pairs.counterparts import Preference

DRAWS = 4000


def _frequencies(row: list[float], own: int, preference: Preference) -> list[float]:
    logits = torch.tensor([row]).expand(DRAWS, -1)
    positive = (torch.arange(len(row)) < own).expand(DRAWS, -1)
    drawn = draw_counterparts(logits, positive, preference=preference, generator=torch.Generator().manual_seed(0))
    return (torch.bincount(drawn, minlength=len(row)) / DRAWS).tolist()


def test_the_language_that_is_aligned_worst_is_drawn_most_often() -> None:
    row = [2.0, 1.8, -1.0, 9.0]  # three languages of the row and a key of another
    found = _frequencies(row, 3, "worst")
    share = torch.tensor(row[:3]).softmax(0)
    expected = (share.max() - share) / (share.max() - share).sum()
    assert found[:3] == pytest.approx(expected.tolist(), abs=0.03) and found[3] == 0
    assert found[2] > 0.7 and found[0] == 0
    assert _frequencies(row, 3, "nearest")[:3] == pytest.approx(share.tolist(), abs=0.03)
    assert _frequencies(row, 3, "uniform")[:3] == pytest.approx([1 / 3] * 3, abs=0.03)


def test_counterparts_that_are_aligned_alike_are_drawn_uniformly() -> None:
    assert _frequencies([0.5, 0.5, -3.0], 2, "worst") == pytest.approx([0.5, 0.5, 0.0], abs=0.03)
    assert _frequencies([-900.0, -901.0, 900.0], 2, "worst") == [0, 1, 0], "a softmax over all keys vanishes on both"


@settings(max_examples=60, deadline=None)
@given(
    group_b=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    preference=st.sampled_from(["worst", "uniform", "nearest"]),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
    scale=st.sampled_from([1.0, 100.0]),
    seed=st.integers(0, 10**6),
)
def test_positives_are_of_the_own_group_and_negatives_never(
    group_b: list[int], preference: Preference, dtype: torch.dtype, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    keys = torch.tensor(group_b)
    rows = keys.unique()
    logits = (scale * torch.randn(len(keys), len(rows), generator=generator)).to(dtype).t()
    positive = rows[:, None] == keys[None, :]
    drawn = draw_counterparts(logits, positive, preference=preference, generator=generator)
    assert torch.equal(keys[drawn], rows)
    for scores, allowed, own, other in (
        (logits, negative_pairs(rows, keys), rows, keys),
        (logits.t()[drawn], negative_pairs(rows, rows), rows, rows),
    ):
        found = draw_hard_negatives(scores, allowed, generator=generator, missing="skip")
        assert bool((other[found.column] != own[found.row]).all())
        assert len(found.row) == (len(rows) if len(rows) > 1 else 0)


def test_nothing_draws_nothing_and_what_does_not_fit_is_refused() -> None:
    assert draw_counterparts(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.bool)).shape == (0,)
    logits, positive = torch.zeros(2, 3), torch.tensor([[True, False, True], [False, True, False]])
    with pytest.raises(ValueError, match="rows by keys"):
        draw_counterparts(logits, positive[:, :2])
    with pytest.raises(ValueError, match="row 1 has no key of its own group"):
        draw_counterparts(logits, positive & torch.tensor([[True], [False]]))
    with pytest.raises(ValueError, match="the preference is 'best'"):
        draw_counterparts(logits, positive, preference="best")
    for broken in (math.nan, math.inf):
        with pytest.raises(ValueError, match="NaN or infinity"):
            draw_counterparts(logits.masked_fill(positive, broken), positive)
    elsewhere = logits.masked_fill(~positive, math.nan)
    assert draw_counterparts(elsewhere, positive)[1] == 1
