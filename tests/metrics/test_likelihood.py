"""Likelihood of answers: the chain rule, padding that has no part in it, and names of different length."""

from __future__ import annotations

import math

import pytest
import torch

from crossmod_metrics import answer_log_odds, rank_by_likelihood, sequence_log_likelihood


def _fixture():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=generator)
    tokens = torch.randint(7, (3, 5), generator=generator)
    answer = torch.tensor([[0, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], dtype=torch.bool)
    return logits, tokens, answer


@pytest.mark.parametrize("length_normalise", [False, True])
def test_it_is_the_sum_of_the_tokens_log_probabilities(length_normalise):
    logits, tokens, answer = _fixture()
    found = sequence_log_likelihood(logits, tokens, answer, length_normalise=length_normalise)
    for row in range(3):
        total, count = 0.0, 0
        for place in range(5):
            if answer[row, place]:
                weights = [math.exp(value) for value in logits[row, place].tolist()]
                total += math.log(weights[tokens[row, place]] / sum(weights))
                count += 1
        assert float(found[row]) == pytest.approx(total / (count if length_normalise else 1), abs=1e-6)


def test_padding_and_prefix_have_no_part_in_it():
    logits, tokens, answer = _fixture()
    before = sequence_log_likelihood(logits, tokens, answer)
    spoiled = torch.where(answer[..., None], logits, torch.nan)
    other = torch.where(answer, tokens, -100)
    assert torch.equal(sequence_log_likelihood(spoiled, other, answer), before)
    wider = torch.nn.functional.pad(spoiled, (0, 0, 0, 4), value=9.0)
    longer, marks = torch.nn.functional.pad(other, (0, 4)), torch.nn.functional.pad(answer, (0, 4))
    assert torch.equal(sequence_log_likelihood(wider, longer, marks), before)


def test_a_constant_on_the_logits_changes_nothing():
    logits, tokens, answer = _fixture()
    shifted = logits.double() + 50.0
    assert torch.allclose(
        sequence_log_likelihood(shifted, tokens, answer), sequence_log_likelihood(logits, tokens, answer), atol=1e-9
    )
    odds = answer_log_odds(logits[:, 0], 2, 5)
    assert torch.allclose(answer_log_odds(shifted[:, 0], 2, 5), odds, atol=1e-9)
    elsewhere = logits[:, 0].clone()
    elsewhere[:, [0, 1, 3, 4, 6]] = 99.0
    assert torch.equal(answer_log_odds(elsewhere, 2, 5), odds)


def test_log_odds_are_the_difference_of_two_answers_of_one_token():
    logits, _, _ = _fixture()
    place, one = torch.ones(3, 1, dtype=torch.bool), torch.full((3, 1), 2)
    difference = sequence_log_likelihood(logits[:, :1], one, place) - sequence_log_likelihood(
        logits[:, :1], one + 3, place
    )
    assert torch.allclose(answer_log_odds(logits[:, 0], 2, 5), difference)


def test_length_normalisation_changes_the_winner_of_names_of_different_length():
    scores, truth, lengths = torch.tensor([[-3.0, -4.0, -9.0]]), torch.tensor([1]), torch.tensor([1, 4, 2])
    assert rank_by_likelihood(scores, truth).item() == 2.0
    assert rank_by_likelihood(scores, truth, lengths=lengths).item() == 1.0


def test_an_impossible_candidate_ranks_last():
    assert rank_by_likelihood(torch.tensor([[-1.0, -math.inf]]), torch.tensor([1])).item() == 2.0


def test_refusals():
    logits, tokens, answer = _fixture()
    with pytest.raises(ValueError, match="sequence 1 has no answer token"):
        sequence_log_likelihood(logits, tokens, answer & torch.tensor([True, False, True])[:, None])
    with pytest.raises(ValueError, match="one token and one mark"):
        sequence_log_likelihood(logits, tokens[:, :4], answer)
    with pytest.raises(ValueError, match="class indices must lie in 0 to 6"):
        sequence_log_likelihood(logits, tokens + 7, answer)
    with pytest.raises(ValueError, match="class indices must lie in 0 to 1"):
        answer_log_odds(torch.zeros(1, 2), 0, 2)
    with pytest.raises(ValueError, match="lengths has shape"):
        rank_by_likelihood(torch.zeros(1, 2), torch.tensor([0]), lengths=torch.tensor([1, 0]))
