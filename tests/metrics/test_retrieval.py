"""Retrieval metrics: closed forms, the exact chance level, and rank consistency."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_metrics import (
    best_rank_distribution,
    chance,
    mean_rank_variance,
    ranks,
    ranks_from_scores,
    retrieval_metrics,
)


def test_perfect_retrieval():
    found = retrieval_metrics(torch.ones(4), candidates=9)
    assert found.recall == {1: 1.0, 5: 1.0, 10: 1.0}
    assert found.hits == {1: 4, 5: 4, 10: 4}
    assert (found.mean_rank, found.median_rank, found.mean_reciprocal_rank) == (1.0, 1.0, 1.0)
    assert found.as_dict()["recall@5"] == 1.0
    assert (found.candidates, found.queries) == (9, 4)


def test_a_shared_first_place_is_no_hit_at_one():
    assert retrieval_metrics(torch.tensor([1.5]), candidates=2, ks=(1, 2)).recall == {1: 0.0, 2: 1.0}


def test_constant_embeddings_are_worth_the_middle_of_the_gallery():
    constant, groups = torch.full((100, 3), 0.3), torch.arange(100)
    found = retrieval_metrics(ranks(constant, constant, groups, groups), candidates=100)
    assert found.mean_rank == chance(100).mean_rank == 50.5
    assert found.recall[10] == 0.0


@settings(max_examples=50, deadline=None)
@given(candidates=st.integers(1, 60), data=st.data())
def test_chance_equals_the_binomial_formula(candidates, data):
    positives = data.draw(st.integers(1, candidates))
    ks = (1, 5, candidates)
    found = chance(candidates, positives, ks)
    total = math.comb(candidates, positives)
    for k in ks:
        missed = math.comb(max(candidates - k, 0), positives)
        assert found.recall[k] == pytest.approx(1 - missed / total, abs=1e-12)
    probability = [math.comb(candidates - r, positives - 1) / total for r in range(1, candidates + 1)]
    assert best_rank_distribution(candidates, positives).tolist() == pytest.approx(probability, abs=1e-12)
    assert found.mean_rank == pytest.approx(sum(r * p for r, p in enumerate(probability, 1)))
    assert found.mean_reciprocal_rank == pytest.approx(sum(p / r for r, p in enumerate(probability, 1)))


def test_chance_of_one_positive_is_the_uniform_rank():
    found = chance(33_010, 1, ks=(1, 10, 1000))
    assert found.recall == pytest.approx({1: 1 / 33_010, 10: 10 / 33_010, 1000: 1000 / 33_010})
    assert (found.mean_rank, found.median_rank) == (16_505.5, 16_505.5)
    assert chance(7).median_rank == 4.0


def test_chance_of_mixed_positives_matches_a_simulation():
    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor([1, 1, 3, 8]).repeat(1500)
    scores = torch.rand(len(counts), 25, generator=generator)
    simulated = retrieval_metrics(ranks_from_scores(scores, torch.arange(25) < counts[:, None]), candidates=25)
    expected = chance(25, counts)
    assert expected.queries == simulated.queries
    assert simulated.recall == pytest.approx(expected.recall, abs=0.025)
    assert simulated.hits == pytest.approx(expected.hits, abs=150)
    assert simulated.mean_rank == pytest.approx(expected.mean_rank, abs=0.3)
    assert simulated.mean_reciprocal_rank == pytest.approx(expected.mean_reciprocal_rank, abs=0.02)
    assert simulated.median_rank == pytest.approx(expected.median_rank, abs=1)


def test_rank_variance_over_languages():
    found = mean_rank_variance(torch.tensor([[1, 1, 1], [1, 4, 1]]), candidates=10)
    assert found.mean_rank_variance == pytest.approx(1.0)
    assert found.mean_rank_std == pytest.approx(0.5 * math.sqrt(2))
    assert (found.candidates, found.instances) == (10, 2)
    shifted = mean_rank_variance(torch.tensor([[1, 1, 1], [101, 104, 101]]), candidates=200)
    assert shifted.mean_rank_variance == pytest.approx(1.0)
    assert mean_rank_variance(torch.full((5, 3), 7.0), candidates=10).mean_rank_variance == 0.0


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="ranks is empty"):
        retrieval_metrics(torch.ones(0), candidates=3)
    with pytest.raises(ValueError, match=r"ranks span 0\.0 to 2\.0"):
        retrieval_metrics(torch.tensor([0.0, 2.0]), candidates=3)
    with pytest.raises(ValueError, match="NaN"):
        retrieval_metrics(torch.tensor([torch.nan]), candidates=3)
    with pytest.raises(ValueError, match="ks is"):
        retrieval_metrics(torch.ones(2), candidates=3, ks=(0,))
    with pytest.raises(ValueError, match="positives span 0 to 0"):
        chance(5, 0)
    with pytest.raises(ValueError, match="one language"):
        mean_rank_variance(torch.ones(3, 1), candidates=4)
