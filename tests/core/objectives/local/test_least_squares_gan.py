"""Least-squares adversarial losses: closed forms, and that neither side's gradient reaches the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.objectives import adversary_loss, feature_matching_loss, generator_loss, with_stopped_parameters


def test_closed_forms() -> None:
    ones, zeros, half = torch.ones(3, 4), torch.zeros(3, 4), torch.full((2,), 0.5)
    assert float(adversary_loss([ones], [zeros])) == 0 and float(adversary_loss([zeros], [ones])) == 2
    # A discriminator that cannot tell says 1/2: 1/4 for each kind, whatever the number of scores.
    assert float(adversary_loss([half, ones * 0.5], [half, ones * 0.5])) == 1
    assert float(generator_loss([ones])) == 0 and float(generator_loss([zeros, half])) == 1.25
    assert float(feature_matching_loss([[zeros, half]], [[ones, half]])) == 1


def test_derivatives() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, 4, dtype=torch.float64, generator=draw, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: adversary_loss([x], [y]), (a, b))
    assert torch.autograd.gradcheck(lambda x: generator_loss([x]), (a,))
    feature_matching_loss([[a]], [[b]]).backward()
    assert a.grad is None and b.grad is not None


def test_one_backward_pass_gives_each_side_its_own_gradient() -> None:
    torch.manual_seed(0)
    generator = nn.Linear(3, 5).double()
    adversary = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 1)))
    adversary.double()
    noise, real = torch.randn(7, 3).double(), torch.randn(7, 5).double()

    def gradients(loss: torch.Tensor, module: nn.Module) -> list[torch.Tensor]:
        return list(torch.autograd.grad(loss, list(module.parameters())))

    expected_generator = gradients(generator_loss([adversary(generator(noise))]), generator)
    expected_adversary = gradients(adversary_loss([adversary(real)], [adversary(generator(noise).detach())]), adversary)
    fake = generator(noise)
    judged = with_stopped_parameters(adversary, fake)
    assert isinstance(judged, torch.Tensor)
    (generator_loss([judged]) + adversary_loss([adversary(real)], [adversary(fake.detach())])).backward()
    for module, expected in ((generator, expected_generator), (adversary, expected_adversary)):
        for parameter, wanted in zip(module.parameters(), expected, strict=True):
            assert parameter.grad is not None and torch.allclose(parameter.grad, wanted)


def test_what_does_not_fit_is_refused() -> None:
    scores = torch.zeros(2)
    with pytest.raises(ValueError, match="1 and 2 discriminators"):
        adversary_loss([scores], [scores, scores])
    with pytest.raises(ValueError, match="0 and 0 discriminators"):
        generator_loss([])
    with pytest.raises(ValueError, match=r"\[2\] for real and \[3\] for generated"):
        feature_matching_loss([[scores]], [[torch.zeros(3)]])
    assert float(generator_loss([torch.zeros(0, 4, dtype=torch.float16)])) == 0
