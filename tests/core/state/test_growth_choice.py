from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod.state.growth_choice import GrowthCandidate, choose_growth

CANDIDATE = st.builds(
    GrowthCandidate,
    name=st.text("abc", min_size=1, max_size=3),
    score=st.floats(0, 1),
    added_parameters=st.integers(1, 100),
)


def test_takes_the_most_for_a_parameter_beyond_the_noise() -> None:
    wide = GrowthCandidate(name="width x1.25", score=0.60, added_parameters=400)
    deep = GrowthCandidate(name="text blocks +1", score=0.54, added_parameters=100)
    noisy = GrowthCandidate(name="shared blocks +1", score=0.51, added_parameters=1)
    large = GrowthCandidate(name="image blocks +2", score=0.90, added_parameters=501)
    choice = choose_growth([wide, deep, noisy, large], 0.50, noise=0.02, budget=500)
    assert choice.chosen is deep
    assert choice.over_budget == ("image blocks +2",) and choice.within_noise == ("shared blocks +1",)
    assert choose_growth([wide, deep, noisy, large], 0.50, noise=0.02, budget=600).chosen is large


@given(candidates=st.lists(CANDIDATE, max_size=6), present=st.floats(0, 1), budget=st.integers(0, 120))
def test_stays_in_the_budget_and_keeps_the_model_where_nothing_beats_the_noise(
    candidates: list[GrowthCandidate], present: float, budget: int
) -> None:
    choice = choose_growth(candidates, present, noise=0.1, budget=budget)
    possible = [one for one in candidates if one.added_parameters <= budget and one.score - present > 0.1]
    if not possible:
        assert choice.chosen is None
        return
    assert choice.chosen in possible
    rate = (choice.chosen.score - present) / choice.chosen.added_parameters
    assert rate == max((one.score - present) / one.added_parameters for one in possible)
    assert choose_growth(candidates, present, noise=2.0, budget=budget).chosen is None


def test_a_gain_of_exactly_the_noise_is_none_and_ties_go_to_the_smaller() -> None:
    two, one = (GrowthCandidate(name=str(n), score=0.5 + n / 4, added_parameters=n) for n in (2, 1))
    assert choose_growth([one], 0.5, noise=0.25, budget=9).chosen is None
    assert choose_growth([two, one], 0.5, noise=0.0, budget=9).chosen is one
    assert choose_growth([], 0.5, noise=0.0, budget=9).chosen is None


def test_refuses_what_cannot_be_compared() -> None:
    fine = GrowthCandidate(name="a", score=1.0, added_parameters=1)
    for present, noise, budget in ((math.nan, 0.0, 1), (0.0, -1.0, 1), (0.0, math.nan, 1), (0.0, 0.0, -1)):
        with pytest.raises(ValueError, match="decides nothing"):
            choose_growth([fine], present, noise=noise, budget=budget)
    for broken in (
        GrowthCandidate(name="b", score=math.inf, added_parameters=1),
        GrowthCandidate(name="b", score=1.0, added_parameters=0),
    ):
        with pytest.raises(ValueError, match="candidate 'b'"):
            choose_growth([fine, broken], 0.0, noise=0.0, budget=1)
