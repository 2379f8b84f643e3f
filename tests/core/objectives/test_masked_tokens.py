from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.masked_tokens import masked_cross_entropy, uniform_keep


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 100),
)
def test_hides_the_stated_number_of_real_tokens_only(lengths: list[int], share: float, seed: int) -> None:
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    keep = uniform_keep(mask, share, torch.Generator().manual_seed(seed))
    hidden = ~keep
    assert not (hidden & ~mask).any()
    for row, length in enumerate(lengths):
        expected = min(length, max(1, int(torch.tensor(length * share).round()))) if length else 0
        assert int(hidden[row].sum()) == expected


def test_every_token_is_hidden_equally_often() -> None:
    mask = torch.ones(4000, 10, dtype=torch.bool)
    share = (~uniform_keep(mask, 0.3, torch.Generator().manual_seed(0))).double().mean(0)
    # 4,000 draws at 0.3: four standard errors are 0.029.
    assert (share - 0.3).abs().max() < 0.03


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
