"""CLIP's loss as a module: the acceptance checks of the sheet clip-infonce (5, on processes, is test_gathering.py)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from crossmod.objectives import InfoNCELoss
from crossmod.state.logit_scale import LogitScale


def _pairs(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = normalize(torch.randn(2, count, 5, dtype=torch.float64), dim=-1)
    return a, b


@pytest.mark.parametrize("batch", [1, 2, 33])
def test_equal_logits_cost_the_logarithm_of_the_batch(batch: int) -> None:
    same = normalize(torch.ones(batch, 4, dtype=torch.float64), dim=-1)
    assert float(InfoNCELoss()(same, same).loss.detach()) == pytest.approx(math.log(batch), abs=1e-6)


def test_orthogonal_pairs_at_the_clamp_cost_nothing() -> None:
    rows = torch.eye(8)
    assert float(InfoNCELoss(LogitScale(100.0))(rows, rows).loss.detach()) < 1e-4


def test_sides_and_order_do_not_matter() -> None:
    (a, b), loss, order = _pairs(), InfoNCELoss(), torch.randperm(6)
    value = loss(a, b).loss
    assert torch.allclose(loss(b, a).loss, value, atol=1e-12)
    assert torch.allclose(loss(a[order], b[order]).loss, value, atol=1e-12)


@pytest.mark.parametrize("group", [None, torch.tensor([0, 0, 1, 2, 2, 2])])
def test_gradients_match_finite_differences_the_temperature_included(group: torch.Tensor | None) -> None:
    loss = InfoNCELoss(LogitScale(3.0)).double()

    def of(a: torch.Tensor, b: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
        with torch.nn.utils.stateless._reparametrize_module(loss, {"scale.log_scale": log_scale}):
            value: torch.Tensor = loss(a, b, group).loss
        return value

    a, b = _pairs()
    inputs = (a.requires_grad_(), b.requires_grad_(), torch.tensor(1.1, dtype=torch.float64, requires_grad=True))
    assert gradcheck(of, inputs)


def test_a_temperature_that_is_pushed_stops_exactly_at_its_clamp() -> None:
    loss = InfoNCELoss()
    optimiser = torch.optim.SGD(loss.parameters(), lr=1.0)
    rows = torch.eye(4)
    for _ in range(100):
        optimiser.zero_grad()
        (loss(rows, rows).loss - loss.scale().log()).backward()
        optimiser.step()
        loss.scale.clamp_()
        assert float(loss.scale().detach()) <= 100.0
    assert float(loss.scale().detach()) == pytest.approx(100.0, rel=1e-6)


def test_one_group_is_best_at_uniform_logits_and_has_no_gradient_there() -> None:
    group = torch.zeros(5, dtype=torch.int64)
    a = normalize(torch.ones(5, 3, dtype=torch.float64), dim=-1).requires_grad_()
    b = normalize(torch.ones(5, 3, dtype=torch.float64), dim=-1).requires_grad_()
    loss = InfoNCELoss()(a, b, group).loss
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(5), abs=1e-9)
    assert a.grad is not None and b.grad is not None and float(a.grad.abs().max() + b.grad.abs().max()) < 1e-12
    for _ in range(20):
        assert float(InfoNCELoss()(*_pairs(5), group).loss.detach()) >= math.log(5) - 1e-9


def test_two_losses_own_two_temperatures() -> None:
    first, second = InfoNCELoss(), InfoNCELoss()
    assert first.scale is not second.scale and "scale.log_scale" in first.state_dict()
    assert float(first.scale().detach()) == pytest.approx(1 / 0.07, rel=1e-6)
