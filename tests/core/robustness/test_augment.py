from __future__ import annotations

import pytest
import torch

from crossmod.errors import UserError
from crossmod.robustness.augment import SCALES, Noisy, Rescaled


@pytest.mark.parametrize("shape", [(2, 3, 17), (2, 3, 9, 14), (2, 1, 6, 7, 8)])
@pytest.mark.parametrize("scale", SCALES)
def test_a_scaled_copy_keeps_its_shape_and_a_constant(shape, scale):
    values = torch.full(shape, 0.3)
    found = Rescaled(scale)(values, torch.Generator())
    assert found.shape == values.shape
    assert torch.allclose(found, values, atol=1e-6)


def test_halving_removes_the_fastest_pattern():
    stripes = torch.tensor([1.0, -1.0]).repeat(16)[None, None]
    assert float(Rescaled(0.5)(stripes, torch.Generator())[..., 2:-2].abs().max()) < 1e-6


def test_a_copy_is_differentiable():
    values = torch.rand(1, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Rescaled(0.75, 0.05)(x, torch.Generator().manual_seed(0)), (values,))


def test_noise_has_its_deviation_stays_in_range_and_is_fresh():
    values, generator = torch.full((40, 50), 0.5), torch.Generator().manual_seed(0)
    one, two = Noisy(0.05)(values, generator), Noisy(0.05)(values, generator)
    assert float((one - values).std()) == pytest.approx(0.05, rel=0.05) and not torch.equal(one, two)
    clipped = Noisy(5.0, 0.0, 1.0)(values, generator)
    assert float(clipped.min()) == 0.0 and float(clipped.max()) == 1.0


def test_vectors_have_no_scales():
    with pytest.raises(UserError, match="has no scales"):
        Rescaled(0.5)(torch.zeros(2, 3), torch.Generator())
