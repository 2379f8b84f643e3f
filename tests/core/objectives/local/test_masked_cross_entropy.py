from __future__ import annotations

import math

import torch

from crossmod.objectives.local.reconstruction import masked_cross_entropy


def test_uniform_logits_cost_the_logarithm_of_the_vocabulary() -> None:
    loss = masked_cross_entropy(torch.zeros(5, 7), torch.arange(5))
    assert abs(float(loss) - math.log(7)) < 1e-6


def test_the_gradient_is_softmax_minus_target_over_the_number_hidden() -> None:
    logits = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 3, 5, 3])
    masked_cross_entropy(logits.float(), targets).backward()
    expected = (logits.softmax(1) - torch.nn.functional.one_hot(targets, 6)) / 4
    assert logits.grad is not None
    assert torch.allclose(logits.grad, expected.detach(), atol=1e-6)


def test_nothing_hidden_is_a_zero_with_gradient() -> None:
    logits = torch.zeros(0, 6, requires_grad=True)
    loss = masked_cross_entropy(logits, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
