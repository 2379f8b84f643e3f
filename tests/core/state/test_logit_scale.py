from __future__ import annotations

import math

import pytest
import torch

from crossmod.recipe import OptimiserSettings
from crossmod.state.logit_scale import LogitScale
from crossmod.training.optimiser import build_optimiser


def test_starts_at_the_reciprocal_of_the_temperature() -> None:
    assert float(LogitScale().log_scale.detach()) == pytest.approx(2.6593, abs=1e-4)
    assert float(LogitScale(10.0, largest=math.inf)().detach()) == pytest.approx(10.0)


def test_a_hundred_steps_upwards_end_exactly_at_the_clamp() -> None:
    scale = LogitScale()
    optimiser = torch.optim.SGD(scale.parameters(), lr=1.0)
    for _ in range(100):
        optimiser.zero_grad()
        (-scale()).backward()
        optimiser.step()
        scale.clamp_()
        assert float(scale().detach()) <= 100
    assert float(scale().detach()) == pytest.approx(100, rel=1e-5)


def test_the_clamp_lies_on_the_data_and_not_on_the_gradient() -> None:
    scale = LogitScale(100.0)
    scale.clamp_()
    scale().backward()
    assert scale.log_scale.grad is not None
    assert float(scale.log_scale.grad) == pytest.approx(100, rel=1e-5)


def test_weight_decay_leaves_scale_and_bias_alone() -> None:
    scale, matrix = LogitScale(10.0, bias=-10.0), torch.nn.Linear(2, 2, bias=False)
    before, weight = {name: value.clone() for name, value in scale.state_dict().items()}, matrix.weight.clone()
    optimiser, _ = build_optimiser(OptimiserSettings(rate=0.1, weight_decay=0.5, warmup=0.0), (scale, matrix), 10)
    assert scale.bias is not None
    for _ in range(3):
        optimiser.zero_grad()
        (0.0 * (scale() + scale.bias + matrix.weight.sum())).backward()
        optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in scale.state_dict().items())
    assert float((matrix.weight.detach() / weight.detach()).max()) < 0.9


@pytest.mark.parametrize("start", [1.0, 100.0])
def test_at_either_end_of_the_clamp_the_scale_is_free_to_come_back(start: float) -> None:
    scale = LogitScale(start)
    optimiser = torch.optim.SGD(scale.parameters(), lr=1e-5)
    for sign in (1.0, -1.0):
        optimiser.zero_grad()
        ((start - 50) * -sign * scale()).backward()
        optimiser.step()
        scale.clamp_()
        assert 1 <= float(scale().detach()) <= 100 * (1 + 1e-6)
    assert 1.0 < float(scale().detach()) < 100


def test_a_constant_scale_has_no_gradient_and_a_bias_only_when_asked_for() -> None:
    assert not LogitScale(10.0, learned=False).log_scale.requires_grad
    assert LogitScale().bias is None
    bias = LogitScale(10.0, bias=-10.0).bias
    assert bias is not None and float(bias.detach()) == -10


def test_a_temperature_given_for_a_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="1/temperature"):
        LogitScale(0.07)
