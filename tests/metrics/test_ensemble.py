"""Rank ensembles: agreement changes nothing, disagreement averages places, ties stay ties."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics import rank_ensemble, rank_matrix, ranks_from_scores


def scores_of(seed, shape=(6, 20)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_places_are_one_plus_the_better_and_half_of_the_tied():
    scores = torch.randint(4, (8, 15), generator=torch.Generator().manual_seed(0)).float()
    above = (scores[:, None, :] > scores[:, :, None]).sum(dim=2)
    tied = (scores[:, None, :] == scores[:, :, None]).sum(dim=2) - 1
    assert torch.equal(rank_matrix(scores), 1 + above + tied / 2.0)


@pytest.mark.parametrize("copies", [1, 2, 3, 7])
def test_identical_models_equal_the_single_model(copies):
    scores = torch.randint(5, (6, 20), generator=torch.Generator().manual_seed(1)).float()
    assert torch.equal(rank_ensemble([scores] * copies), rank_matrix(scores))
    positives = torch.eye(6, 20, dtype=torch.bool)
    single = ranks_from_scores(scores, positives)
    assert torch.equal(ranks_from_scores(-rank_ensemble([scores] * copies), positives), single)


def test_a_monotone_change_of_one_models_scale_changes_nothing():
    first, second = scores_of(2), scores_of(3)
    assert torch.equal(rank_ensemble([first, second]), rank_ensemble([first, torch.exp(3 * second) + 100]))


def test_opposite_models_cancel_into_one_tie():
    scores = scores_of(4)
    assert torch.equal(rank_ensemble([scores, -scores]), torch.full((6, 20), 10.5, dtype=torch.float64))


def test_ranks_and_scores_are_two_ways_to_say_one_thing_and_weights_tip_the_balance():
    first, second = scores_of(5), scores_of(6)
    places = [rank_matrix(first), rank_matrix(second)]
    assert torch.equal(rank_ensemble(places, kind="ranks"), rank_ensemble([first, second]))
    assert torch.equal(rank_ensemble([first, second], weights=[1000.0, 1.0]), rank_matrix(first))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_ranked(dtype):
    scores = scores_of(7).to(dtype)
    assert torch.equal(rank_matrix(scores), rank_matrix(scores.float()))


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="got no matrix"):
        rank_ensemble([])
    with pytest.raises(ValueError, match="same queries and candidates"):
        rank_ensemble([scores_of(0), scores_of(0, (6, 19))])
    with pytest.raises(ValueError, match="NaN"):
        rank_ensemble([scores_of(0) * torch.nan])
    with pytest.raises(ValueError, match="one positive number"):
        rank_ensemble([scores_of(0)], weights=[-1.0])
