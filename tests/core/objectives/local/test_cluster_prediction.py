from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.objectives.local.cluster_prediction import ClusterPrediction


def test_logits_are_cosines_over_the_temperature() -> None:
    head = ClusterPrediction(4, 5, label_width=4, temperature=0.1)
    nn.init.eye_(head.project.weight)
    nn.init.zeros_(head.project.bias)
    states = torch.randn(3, 4)
    expected = torch.cosine_similarity(states[:, None], head.labels[None], dim=2) / 0.1
    assert torch.allclose(head.logits(states), expected, atol=1e-5)


def test_only_hidden_frames_count() -> None:
    head = ClusterPrediction(4, 5, label_width=3).double()
    states = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    clusters, hidden = torch.randint(5, (2, 6)), torch.rand(2, 6) < 0.5
    loss = head(states, clusters, hidden)
    other = torch.where(hidden, clusters, (clusters + 1) % 5)
    assert torch.equal(head(states, other, hidden), loss)
    loss.backward()
    assert not states.grad[~hidden].any() and states.grad[hidden].any()
    assert torch.autograd.gradcheck(lambda x: head.logits(x), states)


def test_nothing_hidden_is_a_zero_with_gradient() -> None:
    head = ClusterPrediction(4, 5, label_width=3)
    for batch in (0, 2):
        loss = head(torch.randn(batch, 6, 4), torch.zeros(batch, 6, dtype=torch.int64), torch.zeros(batch, 6) > 0)
        loss.backward()
        assert float(loss.detach()) == 0
    with pytest.raises(ValueError, match="temperature"):
        ClusterPrediction(4, 5, temperature=0)
