from __future__ import annotations

import math

import pytest
import torch

from crossmod.objectives.local.uncertainty_weights import UncertaintyWeights


def test_it_starts_as_the_plain_sum_and_settles_at_the_logarithms_of_the_losses() -> None:
    weights = UncertaintyWeights("rgb", "depth")
    losses = {"rgb": torch.tensor(0.5), "depth": torch.tensor(8.0)}
    assert float(weights(losses).detach()) == 8.5
    optimiser = torch.optim.Adam(weights.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        weights(losses).backward()
        optimiser.step()
    # d/ds (exp(-s) L + s) vanishes at s = log L.
    found = [float(value.detach()) for value in weights.log_variances.values()]
    assert sorted(found) == pytest.approx([math.log(0.5), math.log(8)], abs=1e-3)


def test_a_task_without_a_score_does_not_move_its_weight() -> None:
    weights = UncertaintyWeights("rgb", "depth")
    prediction = torch.ones((), requires_grad=True)
    weights({"rgb": torch.tensor(2.0), "depth": prediction * 0}).backward()
    assert float(weights.log_variances["depth"].grad) == 0 and float(weights.log_variances["rgb"].grad) == -1
    assert float(prediction.grad) == 0
    with pytest.raises(ValueError, match="do not fit"):
        weights({"rgb": prediction})
