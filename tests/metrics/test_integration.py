"""Modality Integration Rate: Gaussians with known distances, and what the scale and the outliers do."""

from __future__ import annotations

import math

import pytest
import torch

from crossmod_metrics import frechet_distance, modality_integration_rate


def tokens(count=400, width=8, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 1


def test_equal_sets_have_no_distance_and_a_shift_its_square():
    x = tokens()
    assert frechet_distance(x, x) < 1e-9
    for shift in (1.0, 2.0):
        moved = x.clone()
        moved[:, 3] += shift
        assert frechet_distance(x, moved) == pytest.approx(shift**2, abs=1e-8)


def test_diagonal_gaussians_have_the_closed_form():
    generator = torch.Generator().manual_seed(1)
    scale_a, scale_b = torch.rand(2, 6, generator=generator, dtype=torch.float64) + 0.5
    noise = torch.randn(2, 20_000, 6, generator=generator, dtype=torch.float64)
    a, b = noise[0] * scale_a, noise[1] * scale_b + 0.3
    expected = float((scale_a - scale_b).square().sum()) + 6 * 0.09
    assert frechet_distance(a, b) == pytest.approx(expected, rel=0.05)


def test_the_root_equals_a_direct_matrix_square_root():
    a = tokens(seed=2) @ torch.randn(8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    b = tokens(seed=4)
    covariance_a, covariance_b = torch.cov(a.T), torch.cov(b.T)
    shared = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp_min(0).sqrt().sum()
    trace = covariance_a.trace() + covariance_b.trace() - 2 * shared
    expected = float((a.mean(dim=0) - b.mean(dim=0)).square().sum() + trace)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


def test_two_samples_of_one_gaussian_are_near_and_the_form_of_the_released_fast_mode_is_not():
    """That iteration starts at its own fixed point and returns S_a S_b itself where the root was meant."""
    a, b = (tokens(count=20_000, width=16, seed=seed) * 1.5 for seed in (20, 21))
    covariance_a, covariance_b = torch.cov(a.T), torch.cov(b.T)
    fast = float((a.mean(0) - b.mean(0)).square().sum() + torch.trace(covariance_a + covariance_b))
    fast -= 2 * float(torch.trace(covariance_a @ covariance_b))
    exact = frechet_distance(a, b)
    assert 0 < exact < 0.01 * float(covariance_a.trace())
    assert abs(fast) > 100 * exact


def test_the_rate_is_the_logarithm_of_the_sum_and_the_order_of_layers_is_free():
    layers = [(tokens(seed=5), tokens(seed=6) + 1), (tokens(seed=7) * 2, tokens(seed=8))]
    found = modality_integration_rate(*zip(*layers, strict=True))
    assert found.rate == pytest.approx(math.log10(sum(found.per_layer)))
    assert found.total == pytest.approx(sum(found.per_layer))
    assert modality_integration_rate(*zip(*layers[::-1], strict=True)).rate == pytest.approx(found.rate)


def test_a_common_rotation_and_a_common_scale_change_nothing_and_a_one_sided_scale_counts():
    # Tokens of one length: no outlier, although rounding makes the lengths differ.
    x, y = (torch.nn.functional.normalize(side) for side in (tokens(seed=9) + 1, tokens(seed=10)))
    plain = modality_integration_rate([x], [y]).total
    # The coordinate-wise median of an outlier would turn with the axes, so this pair has none.
    assert modality_integration_rate([x], [y]).outliers == ((0, 0),)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(11), dtype=torch.float64)).Q
    assert modality_integration_rate([x @ rotation], [y @ rotation]).total == pytest.approx(plain, rel=1e-6)
    assert modality_integration_rate([10 * x], [10 * y]).total == pytest.approx(plain, rel=1e-9)
    assert modality_integration_rate([3 * x], [y]).total > 2 * plain


def test_one_huge_token_is_replaced_and_reported():
    x, y = tokens(seed=9), tokens(seed=10) + 1
    plain = modality_integration_rate([x], [y])
    x[17] *= 1000
    found = modality_integration_rate([x], [y])
    assert found.outliers == ((1, 0),)
    assert found.total == pytest.approx(plain.total, rel=0.01)


def test_identical_modalities_have_a_floored_logarithm():
    x = tokens()
    found = modality_integration_rate([x], [x])
    assert found.total < 1e-9
    assert -12.0 <= found.rate < -9.0


def test_a_projection_is_reported_seeded_and_at_full_width_a_rotation():
    x, y = tokens(seed=12), tokens(seed=13) + 1
    full = modality_integration_rate([x], [y]).total
    assert modality_integration_rate([x], [y], projection=8).total == pytest.approx(full, rel=1e-8)
    first, again, other = (modality_integration_rate([x], [y], projection=3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.projection == 3
    assert first.total != other.total
    assert first.total < full


def test_hostile_input_is_refused_in_words():
    x = tokens()
    with pytest.raises(ValueError, match="8 tokens for 8 dimensions"):
        modality_integration_rate([x[:8]], [x])
    with pytest.raises(ValueError, match=r"modality has 1 layer\(s\) and reference 2"):
        modality_integration_rate([x], [x, x])
    with pytest.raises(ValueError, match="modality has 0"):
        modality_integration_rate([], [])
    with pytest.raises(ValueError, match="reference holds"):
        modality_integration_rate([x], [x * torch.nan])
    with pytest.raises(ValueError, match="length zero"):
        modality_integration_rate([x], [x * 0])
    with pytest.raises(ValueError, match="one token"):
        frechet_distance(x[:1], x)
    with pytest.raises(ValueError, match="projection is 9"):
        modality_integration_rate([x], [x], projection=9)
