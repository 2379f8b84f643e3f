from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.prefix import draw_prefixes, next_token_loss, shift_right


@given(
    lengths=st.lists(st.integers(0, 15), max_size=5),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_a_prefix_begins_a_row_and_leaves_something(lengths: list[int], low: float, high: float, seed: int) -> None:
    low, high = min(low, high), max(low, high)
    mask = torch.arange(15) < torch.tensor(lengths, dtype=torch.int64)[:, None]
    prefix = draw_prefixes(mask, low, high, torch.Generator().manual_seed(seed))
    for row, length in zip(prefix, lengths, strict=True):
        count = int(row.sum())
        assert row[:count].all()
        assert count == length if length < 2 else 1 <= count < length
        if length >= 2:
            assert low * length - 0.51 <= max(count, low * length - 0.5) and count <= max(1, high * length + 0.51)


def test_the_loss_scores_each_token_by_the_logits_before_it() -> None:
    ids = torch.tensor([[0, 2, 1, 3]])
    logits = torch.full((1, 4, 4), -50.0)
    for place in range(3):
        logits[0, place, ids[0, place + 1]] = 50.0
    everything = torch.ones(1, 4, dtype=torch.bool)
    assert float(next_token_loss(logits, ids, everything)) == 0
    logits = torch.randn(2, 5, 4, dtype=torch.float64)
    ids = torch.randint(4, (2, 5))
    predicted = torch.tensor([[False, False, True, True, False], [False, True, False, False, True]])
    expected = [-logits[b, i - 1].log_softmax(0)[ids[b, i]] for b in range(2) for i in range(5) if predicted[b, i]]
    assert float(next_token_loss(logits, ids, predicted)) == pytest.approx(float(sum(expected)) / 4, rel=1e-5)


def test_concepts_before_a_caption_are_a_prompt_that_no_loss_is_taken_of() -> None:
    """NEVLP puts detected names before a caption: labels of -100 there, and the caption is scored as if alone."""
    labels = torch.tensor([[-100, -100, -100, 3, 1], [-100, 2, 0, 3, -100]])
    ids, logits = labels.clamp(min=0), torch.randn(2, 5, 4, requires_grad=True)
    loss = next_token_loss(logits, ids, labels != -100)
    assert torch.equal(loss, next_token_loss(logits, torch.where(labels < 0, 2, ids), labels != -100))
    (gradient,) = torch.autograd.grad(loss, logits)
    scored = gradient.any(2)
    assert scored.tolist() == [[False, False, True, True, False], [True, True, True, False, False]]


def test_nothing_predicted_and_bad_shapes() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    ids = torch.zeros(2, 3, dtype=torch.int64)
    loss = next_token_loss(logits, ids, torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    with pytest.raises(ValueError, match="same tokens"):
        next_token_loss(logits, ids[:, :2], torch.zeros(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="smallest <= largest"):
        draw_prefixes(torch.ones(1, 3, dtype=torch.bool), 0.8, 0.2)


def test_shifting_puts_a_zero_first() -> None:
    values = torch.arange(1.0, 7.0).view(1, 3, 2)
    assert shift_right(values).tolist() == [[[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]]
    assert shift_right(values[:, :0]).shape == (1, 0, 2)
