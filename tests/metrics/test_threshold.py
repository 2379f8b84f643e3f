"""The chosen threshold is the best of all, and never one of the test split."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod_metrics import choose_threshold


def _merit(scores, labels, threshold, criterion):
    said = [score > threshold for score in scores]
    if criterion == "accuracy":
        return sum(s == bool(label) for s, label in zip(said, labels, strict=True))
    hit = sum(s and bool(label) for s, label in zip(said, labels, strict=True))
    return 2 * hit / max(1, sum(said) + sum(labels))


@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1)), min_size=1, max_size=20),
    st.sampled_from(["accuracy", "f1"]),
)
def test_no_other_threshold_is_better(samples, criterion):
    scores, labels = [float(s) for s, _ in samples], [label for _, label in samples]
    found = choose_threshold(torch.tensor(scores), torch.tensor(labels), split="validation", criterion=criterion)
    tried = [-math.inf, math.inf, *(level + 0.5 for level in range(-5, 5))]
    best = max(_merit(scores, labels, level, criterion) for level in tried)
    assert _merit(scores, labels, found, criterion) == pytest.approx(best)


def test_it_separates_neighbouring_floats():
    low = torch.tensor(1.0)
    scores = torch.stack((low, torch.nextafter(low, torch.tensor(2.0))))
    found = choose_threshold(scores, torch.tensor([0, 1]), split="validation")
    assert (scores > found).tolist() == [False, True]


def test_it_refuses_the_test_split():
    with pytest.raises(ValueError, match="chosen on the test split"):
        choose_threshold(torch.ones(2), torch.tensor([0, 1]), split="test")


def test_other_refusals():
    with pytest.raises(ValueError, match="criterion is 'recall'"):
        choose_threshold(torch.ones(1), torch.ones(1), split="validation", criterion="recall")
    with pytest.raises(ValueError, match="scores holds 1 NaN"):
        choose_threshold(torch.tensor([math.nan]), torch.ones(1), split="validation")
