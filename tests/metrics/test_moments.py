"""Moments: hand-made frames, padding that never wins, ties that earn what chance would."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod_metrics import moment_recall, multi_event_scores


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=9),
    st.integers(0, 8),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 3),
)
def test_agrees_with_a_loop_and_padding_changes_nothing(scores, start, length, k, padding):
    frames = len(scores)
    start = min(start, frames - 1)
    end = min(start + length, frames)
    best = max(scores[start:end])
    outside = [score for place, score in enumerate(scores) if not start <= place < end]
    rank = 1 + sum(score > best for score in outside) + 0.5 * sum(score == best for score in outside)
    padded = torch.tensor([[float(score) for score in scores] + [99.0] * padding])
    padded[:, frames:] = math.nan if padding > 1 else 99.0
    found = moment_recall(padded, torch.tensor([[start, end]]), frames=torch.tensor([frames]), ks=(k,))
    assert found == {k: float(rank <= k)}


def test_a_constant_score_hits_at_one_only_where_the_span_is_everything():
    spans = torch.tensor([[0, 1], [2, 4], [0, 4]])
    assert moment_recall(torch.ones(3, 4), spans, ks=(1, 2, 4)) == pytest.approx({1: 1 / 3, 2: 2 / 3, 4: 1.0})


def test_several_events_need_a_frame_each():
    one, other = [0.9, 0.1, 0.1], [0.1, 0.1, 0.7]
    both, only_one = torch.tensor([one, other]), torch.tensor([one, [0.1, 0.1, 0.1]])
    found = multi_event_scores(torch.stack((both, only_one)))
    assert found.tolist() == pytest.approx([0.8, 0.5])
    assert multi_event_scores(both[None, :, torch.tensor([2, 0, 1])]).tolist() == pytest.approx([0.8])
    assert multi_event_scores(both[None], frames=torch.tensor([2])).tolist() == pytest.approx([0.5])


def test_refusals():
    scores = torch.zeros(1, 3)
    with pytest.raises(ValueError, match=r"span of sentence 0 is \[2, 4\] of 3 frame"):
        moment_recall(scores, torch.tensor([[2, 4]]))
    with pytest.raises(ValueError, match=r"is \[1, 1\] of 3"):
        moment_recall(scores, torch.tensor([[1, 1]]))
    with pytest.raises(ValueError, match="frames spans 0 to 0"):
        moment_recall(scores, torch.tensor([[0, 1]]), frames=torch.tensor([0]))
    with pytest.raises(ValueError, match="holds 1 NaN"):
        multi_event_scores(torch.tensor([[[math.nan, 1.0]]]))
    with pytest.raises(ValueError, match="scores is empty"):
        multi_event_scores(torch.zeros(0, 2, 2))
    with pytest.raises(ValueError, match="ks is"):
        moment_recall(scores, torch.tensor([[0, 1]]), ks=())
