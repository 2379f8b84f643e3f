from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.order_shuffling import shuffled_places, shuffling_test


@given(rows=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4), seed=st.integers(0, 20))
def test_real_places_are_permuted_and_padding_stays(rows: list[list[bool]], seed: int) -> None:
    mask = torch.tensor(rows)
    places = shuffled_places(mask, torch.Generator().manual_seed(seed))
    assert places.sort(1).values.tolist() == [list(range(6))] * len(rows)
    assert torch.equal(mask.gather(1, places), mask)
    natural = torch.arange(6).expand_as(places)
    assert torch.equal(places[~mask], natural[~mask])


def test_every_order_is_equally_likely() -> None:
    mask = torch.tensor([[True, False, True, True]]).expand(6000, 4)
    seen = Counter(map(tuple, shuffled_places(mask).tolist()))
    assert len(seen) == 6
    # 5 degrees of freedom; beyond 20.5 lies one in a thousand.
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 20.5


def test_a_model_without_order_drops_by_exactly_nothing_and_one_of_order_alone_to_chance() -> None:
    frames = torch.arange(8.0).repeat(200, 1)
    mask = torch.ones(200, 8, dtype=torch.bool)

    def pooled(places: torch.Tensor | None) -> float:
        seen = frames if places is None else frames.gather(1, places)
        return float((seen.mean(1) == 3.5).double().mean())

    def ascending(places: torch.Tensor | None) -> float:
        seen = frames if places is None else frames.gather(1, places)
        return float((seen[:, 0] < seen[:, 1]).double().mean())

    assert shuffling_test(pooled, mask).drop == 0.0
    result = shuffling_test(ascending, mask, repeats=20, seed=1)
    assert result.ordered == 1 and result.drop == pytest.approx(0.5, abs=0.05)
    assert result.relative_drop == result.drop
    assert result == shuffling_test(ascending, mask, repeats=20, seed=1)
    assert result != shuffling_test(ascending, mask, repeats=20, seed=2)


def test_a_metric_of_zero_has_no_relative_drop_and_nan_is_refused() -> None:
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert math.isnan(shuffling_test(lambda places: 0.0, mask).relative_drop)
    with pytest.raises(ValueError, match="NaN on some order"):
        shuffling_test(lambda places: 1.0 if places is None else math.nan, mask)
    with pytest.raises(ValueError, match="take five"):
        shuffling_test(lambda places: 1.0, mask, repeats=0)
