"""Label smoothing without a matrix is label smoothing with one."""

from __future__ import annotations

import pytest
import torch

from crossmod.objectives import (
    InfoNCELoss,
    SmoothedInfoNCELoss,
    cosine_logits,
    from_groups,
    label_smoothed,
    soft_target_infonce,
)
from crossmod.state.logit_scale import LogitScale


@pytest.mark.parametrize("group", [None, torch.tensor([0, 1, 1, 2])])
def test_without_smoothing_it_is_infonce(group: torch.Tensor | None) -> None:
    a, b = torch.nn.functional.normalize(torch.randn(2, 4, 5), dim=-1)
    assert torch.allclose(SmoothedInfoNCELoss(amount=0.0)(a, b, group).loss, InfoNCELoss()(a, b, group).loss, atol=1e-5)


@pytest.mark.parametrize("group", [None, torch.tensor([0, 1, 1, 2]), torch.zeros(4, dtype=torch.int64)])
def test_is_the_dense_contrast_on_smoothed_targets_in_value_and_gradient(group: torch.Tensor | None) -> None:
    loss = SmoothedInfoNCELoss(LogitScale(6.0), amount=0.3).double()
    ids = torch.arange(4) if group is None else group
    gradients = []
    for dense in (True, False):
        torch.manual_seed(3)
        a, b = torch.randn(2, 4, 5, dtype=torch.float64)
        leaves = (a.requires_grad_(), b.requires_grad_(), *loss.parameters())
        if dense:
            logits = cosine_logits(a, b, loss.contrast.scale())
            targets = label_smoothed(from_groups(ids, like=logits), 0.3)
            value = soft_target_infonce(logits, logits.t(), targets, targets).loss
        else:
            value = loss(a, b, group).loss
        gradients.append([value, *torch.autograd.grad(value, leaves)])
    assert all(torch.allclose(x, y, atol=1e-9) for x, y in zip(*gradients, strict=True))


@pytest.mark.parametrize("amount", [-0.1, 1.5, float("nan")])
def test_an_amount_that_is_no_share_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        SmoothedInfoNCELoss(amount=amount)


def test_a_fitted_pair_stops_being_pulled_at_one_minus_the_amount() -> None:
    # With B = 2 and amount 0.2 targets are 0.9 and 0.1: the optimal logit difference is ln 9.
    loss, angle = SmoothedInfoNCELoss(LogitScale(4.0), amount=0.2), torch.tensor(0.3, requires_grad=True)
    optimiser = torch.optim.Adam([angle], lr=0.05)
    for _ in range(300):
        b = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([angle.cos(), -angle.sin()])])
        optimiser.zero_grad()
        loss(torch.tensor([[0.0, 1.0], [0.0, -1.0]]), b).loss.backward()
        optimiser.step()
    difference = 4 * 2 * float(angle.detach().sin())
    assert difference == pytest.approx(torch.tensor(9.0).log().item(), abs=1e-2)
