from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from crossmod.objectives.matching.focal import dice_loss, quality_focal_loss, sigmoid_focal_loss


def test_focal_is_its_formula() -> None:
    logits = torch.randn(3, 5, dtype=torch.float64)
    targets = (torch.rand(3, 5) < 0.4).double()
    total = 0.0
    for logit, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        p_t, alpha_t = (p, 0.25) if target else (1 - p, 0.75)
        total -= alpha_t * (1 - p_t) ** 2 * math.log(p_t)
    assert float(sigmoid_focal_loss(logits, targets, reduction="sum")) == pytest.approx(total)
    assert float(sigmoid_focal_loss(logits, targets)) == pytest.approx(total / 15)
    assert sigmoid_focal_loss(logits, targets, reduction="none").shape == (3, 5)


def test_focal_without_focus_is_half_of_cross_entropy() -> None:
    logits, targets = torch.randn(7), (torch.rand(7) < 0.5).float()
    found = sigmoid_focal_loss(logits, targets, alpha=0.5, gamma=0.0)
    assert torch.allclose(found, binary_cross_entropy_with_logits(logits, targets) / 2)


def test_quality_focal_in_closed_form() -> None:
    logits = torch.tensor([0.3, -2.0, 4.0], dtype=torch.float64)
    p = logits.sigmoid()
    assert float(quality_focal_loss(logits, torch.ones_like(p))) == pytest.approx(
        float(((1 - p) ** 2 * -p.log()).mean())
    )
    assert float(quality_focal_loss(logits, torch.zeros_like(p))) == pytest.approx(float((p**2 * -(1 - p).log()).sum()))


def test_quality_focal_rests_where_score_and_quality_agree() -> None:
    logits = torch.randn(6, dtype=torch.float64, requires_grad=True)
    loss = quality_focal_loss(logits, logits.detach().sigmoid())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-20)
    assert float(logits.grad.abs().max()) < 1e-12


def test_quality_focal_divides_by_positives_or_by_what_it_is_told() -> None:
    logits, targets = torch.randn(4, 3), torch.zeros(4, 3)
    targets[0, :2] = torch.tensor([0.4, 0.9])
    single = quality_focal_loss(logits, targets, normaliser=1.0)
    assert torch.allclose(quality_focal_loss(logits, targets), single / 2)
    assert torch.allclose(quality_focal_loss(logits, targets, normaliser=0.3), single)
    assert torch.allclose(quality_focal_loss(logits, targets, normaliser=5.0), single / 5)


def test_dice_in_closed_form() -> None:
    sure = torch.full((2, 4), 50.0)
    assert float(dice_loss(sure, torch.ones(2, 4))) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(-sure, torch.zeros(2, 4))) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(sure, torch.zeros(2, 4))) == pytest.approx(1 - 1 / 5)
    assert float(dice_loss(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))) == pytest.approx(1 - 5 / 7)


def test_gradients_are_those_of_finite_differences() -> None:
    logits = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    hard, soft = (torch.rand(2, 4) < 0.5).double(), torch.rand(2, 4, dtype=torch.float64)
    for loss, targets in ((sigmoid_focal_loss, hard), (quality_focal_loss, soft), (dice_loss, soft)):
        assert torch.autograd.gradcheck(lambda scores, loss=loss, targets=targets: loss(scores, targets), (logits,))


@given(
    logit=st.floats(-1e4, 1e4),
    target=st.floats(0, 1),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
)
def test_extreme_scores_of_any_precision_stay_finite_and_not_negative(
    logit: float, target: float, dtype: torch.dtype
) -> None:
    logits = torch.tensor([[logit]], dtype=dtype).expand(2, 3).requires_grad_()
    targets = torch.full((2, 3), target)
    for loss in (
        sigmoid_focal_loss(logits, targets.round()),
        quality_focal_loss(logits, targets),
        dice_loss(logits, targets),
    ):
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.dtype == torch.float32
        assert math.isfinite(float(loss.detach())) and float(loss.detach()) >= -1e-6
        assert bool(torch.isfinite(gradient).all())


def test_nothing_costs_a_zero_with_gradient() -> None:
    for loss in (sigmoid_focal_loss, quality_focal_loss, dice_loss):
        logits = torch.zeros(0, 3, requires_grad=True)
        loss(logits, torch.zeros(0, 3)).backward()
        assert logits.grad is not None


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="give one shape"):
        sigmoid_focal_loss(torch.zeros(2), torch.zeros(3))
    for targets in (torch.tensor([1.5]), torch.tensor([torch.nan])):
        with pytest.raises(ValueError, match="between 0 and 1"):
            quality_focal_loss(torch.zeros(1), targets)
    with pytest.raises(ValueError, match="above 1"):
        quality_focal_loss(torch.zeros(1), torch.zeros(1), beta=1.0)
    with pytest.raises(ValueError, match="gamma is at least 0"):
        sigmoid_focal_loss(torch.zeros(1), torch.zeros(1), gamma=-1.0)
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none'"):
        sigmoid_focal_loss(torch.zeros(1), torch.zeros(1), reduction="all")
