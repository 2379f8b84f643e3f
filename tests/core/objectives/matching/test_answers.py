from __future__ import annotations

import math

import pytest
import torch

from crossmod.objectives.matching.answers import NO_ANSWER, answer_cross_entropy, draw_answers


def test_only_matching_pairs_with_an_answer_count() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0], [5.0, 1.0]], dtype=torch.float64, requires_grad=True)
    matched = torch.tensor([True, False, True])
    loss = answer_cross_entropy(logits, torch.tensor([0, 1, NO_ANSWER]), matched)
    assert float(loss.detach()) == pytest.approx(math.log1p(math.exp(-2)))
    # The label of a pair that does not match is not read, whatever it is.
    assert torch.equal(loss, answer_cross_entropy(logits, torch.tensor([0, 99, NO_ANSWER]), matched))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[0].any() and not gradient[1:].any()
    answer = torch.tensor([0, 1, 1])
    assert torch.autograd.gradcheck(lambda scores: answer_cross_entropy(scores, answer, matched), (logits,))


def test_without_an_answer_the_loss_is_a_zero_with_gradient() -> None:
    for rows in (0, 2):
        logits = torch.randn(rows, 3, requires_grad=True)
        loss = answer_cross_entropy(logits, torch.zeros(rows, dtype=torch.int64), torch.zeros(rows, dtype=torch.bool))
        loss.backward()
        assert float(loss.detach()) == 0 and logits.grad is not None and not logits.grad.any()
    half = torch.randn(2, 3).half()
    assert answer_cross_entropy(half, torch.tensor([0, 2]), torch.ones(2, dtype=torch.bool)).dtype == torch.float32


def test_soft_answers_are_drawn_in_proportion() -> None:
    scores = torch.tensor([[0.3, 0.9, 0.0], [0.0, 0.0, 0.0]])
    drawn = draw_answers(scores.repeat(20_000, 1), generator=torch.Generator().manual_seed(0)).view(-1, 2)
    assert (drawn[:, 1] == NO_ANSWER).all()
    counts = torch.bincount(drawn[:, 0], minlength=3) / len(drawn)
    assert torch.allclose(counts, torch.tensor([0.25, 0.75, 0.0]), atol=0.01)
    assert draw_answers(torch.zeros(0, 3)).shape == (0,)


def test_refuses_what_does_not_fit() -> None:
    yes = torch.ones(2, dtype=torch.bool)
    with pytest.raises(ValueError, match="give one of each a pair"):
        answer_cross_entropy(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), yes)
    with pytest.raises(ValueError, match="the table has 3"):
        answer_cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]), yes)
    for scores in (torch.tensor([[-1.0, 2.0]]), torch.tensor([[math.nan, 2.0]]), torch.zeros(2, 0)):
        with pytest.raises(ValueError, match="one a known answer"):
            draw_answers(scores)
