from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.state.weight_average import WeightAverage


def test_follows_its_recurrence() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = WeightAverage(module, 0.9)
    expected = 0.0
    for step in range(50):
        with torch.no_grad():
            module.weight.fill_(step + 1.0)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1.0)
    assert float(average.average["weight"]) == pytest.approx(expected, rel=1e-5)


def test_applied_lends_the_average_and_gives_the_weights_back_to_the_bit() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average = WeightAverage(module, 0.5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    average.update(0)
    with pytest.raises(RuntimeError, match="in the middle"), average.applied():
        for name, value in average.average.items():
            assert torch.equal(module.state_dict()[name], value)
        raise RuntimeError("in the middle")
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_includes_running_statistics_but_not_counters() -> None:
    average = WeightAverage(nn.BatchNorm1d(3), 0.5)
    assert set(average.average) == {"weight", "bias", "running_mean", "running_var"}


def test_no_decay_keeps_nothing_and_changes_nothing() -> None:
    module = nn.Linear(2, 2)
    average = WeightAverage(module, 0.0)
    before = module.weight.clone()
    average.update(3)
    with average.applied():
        assert torch.equal(module.weight, before)
    assert not average.average
