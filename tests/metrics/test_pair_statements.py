"""Paired tasks: consistency against accuracy, chance of four scores, and intervals by statement."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod_metrics import COMPOSITION_CHANCE, bootstrap_mean, composition_score, order_sensitivity, pair_score

TRIPLES = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(TRIPLES)
def test_consistency_never_exceeds_the_accuracy_of_statements(triples):
    judged, truth, statement = (torch.tensor(column) for column in zip(*triples, strict=True))
    found = pair_score(judged, truth, statement)
    assert found.consistency <= found.statement_accuracy + 1e-12
    by_statement = {}
    for was, is_true, number in triples:
        by_statement.setdefault(number, []).append(was == is_true)
    assert found.consistency == pytest.approx(sum(map(all, by_statement.values())) / len(by_statement))
    assert found.accuracy == pytest.approx(sum(sum(right) for right in by_statement.values()) / len(triples))


def test_consistency_may_exceed_the_accuracy_of_pairs():
    right = torch.tensor([1, 0, 0, 0, 0, 1, 1])
    found = pair_score(right, torch.ones(7, dtype=torch.int64), torch.tensor([0, 0, 0, 0, 0, 1, 2]))
    assert found.consistency == pytest.approx(2 / 3) and found.accuracy == pytest.approx(3 / 7)


def test_one_pair_a_statement_makes_all_three_equal():
    found = pair_score(torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1]), torch.tensor([4, 5, 6]))
    assert found.accuracy == found.statement_accuracy == found.consistency == pytest.approx(2 / 3)


def test_a_constant_judge_is_right_half_the_time_and_never_consistent():
    truth = torch.tensor([0, 1]).repeat(10)
    found = pair_score(torch.ones(20), truth, torch.arange(10).repeat_interleave(2))
    assert (found.accuracy, found.consistency) == (0.5, 0.0)


def test_more_pairs_of_the_same_statements_do_not_narrow_the_interval():
    torch.manual_seed(1)
    right, statement = torch.randint(2, (60,)).double(), torch.arange(30).repeat_interleave(2)
    once = bootstrap_mean(right, statement, seed=0, resamples=10_000)
    twice = bootstrap_mean(right.repeat(2), statement.repeat(2), seed=0, resamples=10_000)
    assert twice.high - twice.low == pytest.approx(once.high - once.low, abs=1e-12)
    assert bootstrap_mean(right.repeat(2), seed=0).standard_error < 0.8 * once.standard_error


def test_chance_of_the_composition_scores_is_a_count_of_orders():
    orders = torch.tensor(list(permutations(range(4))), dtype=torch.float64).reshape(-1, 2, 2)
    found = composition_score(orders)
    assert (found.choose_b, found.choose_a, found.group) == pytest.approx(COMPOSITION_CHANCE)


def test_group_needs_both_choices_and_transposing_swaps_them():
    torch.manual_seed(0)
    scores = torch.randn(200, 2, 2)
    found, turned = composition_score(scores), composition_score(scores.transpose(1, 2))
    assert (found.choose_a, found.choose_b, found.group) == (turned.choose_b, turned.choose_a, turned.group)
    own = scores.diagonal(dim1=1, dim2=2).min(1).values
    other = torch.maximum(scores[:, 0, 1], scores[:, 1, 0])
    assert found.group == pytest.approx(float((own > other).double().mean()))


def test_a_tie_is_wrong():
    blind_to_b = torch.tensor([[[0.9, 0.9], [0.1, 0.1]]])
    found = composition_score(blind_to_b)
    assert (found.choose_b, found.group) == (0.0, 0.0)


def test_order_sensitivity_is_the_mean_change():
    assert order_sensitivity(torch.tensor([0.5, 1.0]), torch.tensor([0.5, 0.0])) == 0.5


def test_refusals():
    with pytest.raises(ValueError, match="judged holds 1 value"):
        pair_score(torch.tensor([2]), torch.tensor([1]), torch.tensor([0]))
    with pytest.raises(ValueError, match="lengths differ"):
        pair_score(torch.tensor([1]), torch.tensor([1]), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="two items by two captions"):
        composition_score(torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="given is empty"):
        order_sensitivity(torch.zeros(0), torch.zeros(0))
