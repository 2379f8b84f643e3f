"""Standardisation: training statistics only, and constants left alone."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics.standardisation import Standardisation


def test_training_features_get_mean_zero_and_unit_variance_and_others_the_same_map():
    train = 5 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + 7
    fitted = Standardisation.of(train)
    out = fitted.apply(train)
    assert torch.allclose(out.mean(dim=0), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(out.std(dim=0, correction=0), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(fitted.apply(train[:1] + 1) - out[:1], 1 / fitted.scale, atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8])
def test_a_constant_feature_becomes_zero(constant):
    train = torch.full((7, 1), constant)
    assert float(Standardisation.of(train).apply(train).abs().max()) < 1e-6


def test_a_feature_of_tiny_spread_is_not_taken_for_a_constant():
    train = torch.tensor([[1e-20], [3e-20]], dtype=torch.float64)
    assert Standardisation.of(train).apply(train).flatten().tolist() == pytest.approx([-1.0, 1.0])
