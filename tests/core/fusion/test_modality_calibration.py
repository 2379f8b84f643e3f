"""MoCa: acceptance check 6 of the sheet mir, and its gradients."""

from __future__ import annotations

import pytest
import torch

from crossmod.fusion import ModalityCalibration
from crossmod_metrics import frechet_distance

MASK = torch.tensor([[True, True, False, False], [False, True, False, True]])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_it_starts_at_the_identity(dtype: torch.dtype) -> None:
    tokens = torch.randn(2, 4, 6).to(dtype)
    assert torch.equal(ModalityCalibration(6)(tokens, MASK), tokens)


def test_tokens_of_other_modalities_are_the_same_to_the_bit_whatever_was_learned() -> None:
    module, tokens = ModalityCalibration(6, deviation=3.0), torch.randn(2, 4, 6)
    found = module(tokens, MASK)
    assert torch.equal(found[~MASK], tokens[~MASK])
    assert torch.allclose(found[MASK], module.scale * tokens[MASK] + module.shift)
    assert not torch.allclose(found[MASK], tokens[MASK], atol=0.1)
    alone = tokens[:, :1]
    assert torch.equal(module(alone, torch.ones(2, 1, dtype=torch.bool)), alone), "a cached step passes through"


def test_gradients_are_those_of_finite_differences_and_reach_only_what_is_calibrated() -> None:
    module = ModalityCalibration(3, deviation=0.5).double()
    tokens = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)

    def of(tokens: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(module, {"scale": scale, "shift": shift}, (tokens, MASK))
        return found

    inputs = (tokens, module.scale.detach().requires_grad_(), module.shift.detach().requires_grad_())
    assert torch.autograd.gradcheck(of, inputs)
    module(tokens, torch.zeros_like(MASK)).sum().backward()
    assert module.scale.grad is not None and not module.scale.grad.any()


def test_it_brings_two_modalities_together() -> None:
    text = torch.randn(400, 4)
    vision = 3 * torch.randn(400, 4) + torch.tensor([2.0, 0.0, -1.0, 0.5])
    module = ModalityCalibration(4)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    mask = torch.ones(1, 400, dtype=torch.bool)
    for _ in range(150):
        moved = module(vision[None], mask)[0]
        loss = (moved.mean(0) - text.mean(0)).square().sum() + (moved.std(0) - text.std(0)).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    before, after = (frechet_distance(each, text) for each in (vision, module(vision[None], mask)[0].detach()))
    assert after < 0.05 * before


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a deviation of -1"):
        ModalityCalibration(3, deviation=-1.0)
    with pytest.raises(ValueError, match="do not fit a calibration of width 3"):
        ModalityCalibration(3)(torch.zeros(2, 4, 3), MASK[:1])
    with pytest.raises(ValueError, match="do not fit a calibration of width 3"):
        ModalityCalibration(3)(torch.zeros(2, 4, 1), MASK)
