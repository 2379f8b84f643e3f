from __future__ import annotations

import math

import pytest
from torch import nn

from crossmod.recipe import OptimiserSettings
from crossmod.state.logit_scale import LogitScale
from crossmod.training.optimiser import RateSchedule, build_optimiser


def test_warm_up_is_linear_and_reaches_the_peak() -> None:
    schedule = RateSchedule(OptimiserSettings(rate=1.0, warmup=0.1), 100)
    assert [schedule.rate(step) for step in range(10)] == pytest.approx([(k + 1) / 10 for k in range(10)])


@pytest.mark.parametrize(
    ("decay", "middle", "end"),
    [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1.0, 1.0)],
)
def test_decay_has_its_closed_form(decay: str, middle: float, end: float) -> None:
    schedule = RateSchedule(OptimiserSettings(rate=1.0, warmup=0.0, decay=decay), 100)
    assert schedule.rate(0) == pytest.approx(1.0)
    assert schedule.rate(50) == pytest.approx(middle)
    assert schedule.rate(100) == pytest.approx(end, abs=1e-12)


def test_cosine_agrees_with_its_formula_everywhere() -> None:
    schedule = RateSchedule(OptimiserSettings(rate=3.0, warmup=0.2), 50)
    for step in range(10, 50):
        assert schedule.rate(step) == pytest.approx(1.5 * (1 + math.cos(math.pi * (step - 10) / 40)))


def test_only_matrices_decay() -> None:
    module = nn.ModuleDict({"layer": nn.Linear(3, 3), "norm": nn.LayerNorm(3), "scale": LogitScale()})
    optimiser, _ = build_optimiser(OptimiserSettings(weight_decay=0.3), [module], 10)
    decayed = {id(p) for g in optimiser.param_groups if g["weight_decay"] == 0.3 for p in g["params"]}
    layer = module["layer"]
    assert decayed == {id(layer.weight)}
    assert sum(len(g["params"]) for g in optimiser.param_groups) == len(list(module.parameters()))


def test_frozen_parameters_are_left_out_and_shared_ones_counted_once() -> None:
    shared, frozen = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
    frozen.requires_grad_(False)
    optimiser, _ = build_optimiser(OptimiserSettings(), [shared, shared, frozen], 10)
    assert [len(g["params"]) for g in optimiser.param_groups] == [1]
