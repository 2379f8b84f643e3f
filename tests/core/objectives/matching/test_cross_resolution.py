from __future__ import annotations

import pytest
import torch

from crossmod.objectives.matching.cross_resolution import (
    CrossResolutionConsistency,
    resolution_contrast,
    resolution_prediction,
)
from crossmod_kernels import infonce_reference

SCALE = torch.tensor(7.0, dtype=torch.float64)


def _rows(batch: int = 5) -> torch.Tensor:
    return torch.randn(batch, 4, dtype=torch.float64)


def test_equals_info_nce_with_and_without_groups() -> None:
    short, long = _rows(), _rows()
    # Directions with keys held constant have the value, if not the gradient, of the symmetric loss.
    for group in (None, torch.tensor([0, 0, 1, 2, 1])):
        expected = infonce_reference(short, long, SCALE, group_a=group)
        assert torch.allclose(resolution_contrast(short, long, SCALE, group), expected)


def test_one_view_twice_is_its_own_positive() -> None:
    rows = _rows()
    assert torch.allclose(resolution_contrast(rows, rows, SCALE), infonce_reference(rows, rows, SCALE))
    assert float(resolution_prediction(rows, rows)) == pytest.approx(0)
    assert float(resolution_prediction(rows, -rows)) == pytest.approx(4)


def test_keys_have_no_gradient() -> None:
    short, long = _rows(), _rows().requires_grad_()
    unit = torch.nn.functional.normalize
    loss = resolution_contrast(short, long, SCALE)
    logits = SCALE * unit(long, dim=-1) @ unit(short, dim=-1).T
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(5)) / 2
    assert torch.allclose(torch.autograd.grad(loss, long)[0], torch.autograd.grad(expected, long)[0])
    target = _rows().requires_grad_()
    resolution_prediction(_rows().requires_grad_(), target).backward()
    assert target.grad is None


def test_gradients_are_those_of_finite_differences_with_constant_keys() -> None:
    short, scale = _rows(3).requires_grad_(), SCALE.clone().requires_grad_()
    fixed = short.detach().clone()
    long = _rows(3)

    def frozen(rows: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize
        own = torch.arange(3)
        there = torch.nn.functional.cross_entropy(factor * unit(rows, dim=-1) @ unit(long, dim=-1).T, own)
        back = torch.nn.functional.cross_entropy(factor * unit(long, dim=-1) @ unit(fixed, dim=-1).T, own)
        return (there + back) / 2

    assert torch.autograd.gradcheck(frozen, (short, scale))
    found = torch.autograd.grad(resolution_contrast(short, long, scale), (short, scale))
    expected = torch.autograd.grad(frozen(short, scale), (short, scale))
    assert all(torch.allclose(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("mode", ["contrast", "predict"])
def test_training_brings_the_resolutions_together(mode: str) -> None:
    module = CrossResolutionConsistency(4, projected=8, mode=mode)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    view = torch.nn.Linear(4, 4)
    losses = []
    for _ in range(60):
        rows = torch.randn(16, 4)
        outcome = module(rows, view(rows).detach())
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        losses.append(float(outcome.loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_an_empty_batch_costs_nothing_and_shapes_have_to_fit() -> None:
    nothing = torch.zeros(0, 4, requires_grad=True)
    for module in (CrossResolutionConsistency(4), CrossResolutionConsistency(4, mode="predict")):
        loss = module(nothing, nothing).loss
        loss.backward()
        assert float(loss.detach()) == 0
    one = resolution_contrast(_rows(1), _rows(1), SCALE)
    assert float(one) == pytest.approx(0)
    with pytest.raises(ValueError, match="give pairs of rows"):
        resolution_contrast(_rows(2), _rows(3), SCALE)
    with pytest.raises(ValueError, match="give pairs of rows"):
        resolution_prediction(_rows(2), _rows(3))
    with pytest.raises(ValueError, match="'contrast' or 'predict'"):
        CrossResolutionConsistency(4, mode="byol")
