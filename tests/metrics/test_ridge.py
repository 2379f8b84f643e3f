"""Ridge probe: the normal equations, the dual form, missing targets, and the choice of the penalty."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics import ridge_probe


def sample(samples=80, features=7, targets=3, seed=0, noise=0.3):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(samples, features, generator=generator, dtype=torch.float64) + 5
    y = x @ torch.randn(features, targets, generator=generator, dtype=torch.float64) + 4
    return x, y + noise * torch.randn(samples, targets, generator=generator, dtype=torch.float64)


def slow_ridge(x, y, l2):
    """Normal equations with an intercept column that carries no penalty."""
    design = torch.cat((x, torch.ones(len(x), 1, dtype=x.dtype)), dim=1)
    penalty = l2 * torch.eye(design.shape[1], dtype=x.dtype)
    penalty[-1, -1] = 0.0
    return torch.linalg.solve(design.T @ design / len(x) + penalty, design.T @ y / len(x))


def standardised(x):
    return (x - x.mean(dim=0)) / x.std(dim=0, correction=0)


@pytest.mark.parametrize("features", [7, 80, 200])
@pytest.mark.parametrize("l2", [1e-3, 1.0])
def test_weights_solve_the_normal_equations_in_both_forms(features, l2):
    x, y = sample(features=features)
    probe = ridge_probe(x, y, x, y, l2_grid=(l2,))
    expected = slow_ridge(standardised(x), y, l2)
    assert torch.allclose(probe.weight, expected[:-1], atol=1e-7)
    assert torch.allclose(probe.bias, expected[-1], atol=1e-7)


def test_missing_targets_are_fitted_on_the_samples_that_have_them():
    x, y = sample()
    y[:30, 0] = torch.nan
    y[50:, 2] = torch.nan
    probe = ridge_probe(x, y, x, y, l2_grid=(0.1,))
    for target in range(3):
        carried = ~y[:, target].isnan()
        expected = slow_ridge(standardised(x)[carried], y[carried, target], 0.1)
        assert torch.allclose(probe.weight[:, target], expected[:-1], atol=1e-9)
        assert torch.allclose(probe.bias[target], expected[-1], atol=1e-9)


def test_a_linear_target_is_predicted_and_the_penalty_follows_the_noise():
    x, y = sample(noise=0.0)
    clean = ridge_probe(x[:40], y[:40], x[40:], y[40:])
    assert torch.allclose(clean.predict(x[40:]), y[40:], atol=0.05)
    assert set(clean.l2.tolist()) == {min(clean.validation_loss)}
    x, y = sample(samples=100, features=60, noise=60.0)
    noisy = ridge_probe(x[:70], y[:70], x[70:], y[70:])
    assert noisy.validation_loss[float(noisy.l2[0])] == min(noisy.validation_loss.values())
    assert float(noisy.l2[0]) > 0.1


def test_the_unit_of_a_target_has_no_vote_on_the_shared_penalty():
    x, y = sample(samples=60, features=20, noise=3.0)
    scaled = y * torch.tensor([1.0, 1e6, 1e-6], dtype=torch.float64)
    first = ridge_probe(x[:40], y[:40], x[40:], y[40:])
    second = ridge_probe(x[:40], scaled[:40], x[40:], scaled[40:])
    assert first.validation_loss == pytest.approx(second.validation_loss)
    assert torch.equal(first.l2, second.l2)


def test_a_penalty_of_its_own_for_every_target():
    x, y = sample(samples=60, features=30, noise=0.0)
    y[:, 1] += 200 * torch.randn(60, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    probe = ridge_probe(x[:40], y[:40], x[40:], y[40:], per_target=True)
    for target in range(3):
        alone = ridge_probe(x[:40], y[:40, target, None], x[40:], y[40:, target, None])
        assert float(probe.l2[target]) == float(alone.l2[0])
        assert torch.allclose(probe.weight[:, target], alone.weight[:, 0], atol=1e-9)
    assert float(probe.l2[1]) > float(probe.l2[0])


def test_hostile_input_is_refused_in_words():
    x, y = sample(samples=10)
    with pytest.raises(ValueError, match="target 1 has fewer than two distinct"):
        ridge_probe(x, torch.stack((y[:, 0], torch.full((10,), 0.1)), dim=1), x, y[:, :2])
    with pytest.raises(ValueError, match="target 0 has fewer than two distinct"):
        ridge_probe(x, y * torch.nan, x, y)
    with pytest.raises(ValueError, match="no validation value"):
        ridge_probe(x, y, x, y * torch.nan)
    with pytest.raises(ValueError, match="infinite"):
        ridge_probe(x, y * torch.inf, x, y)
    with pytest.raises(ValueError, match="3 targets and validation 2"):
        ridge_probe(x, y, x, y[:, :2])
    with pytest.raises(ValueError, match="train_features 9, train_targets 10"):
        ridge_probe(x[:9], y, x, y)
    with pytest.raises(ValueError, match="target 0 has fewer"):
        ridge_probe(x[:1], y[:1], x, y)
    with pytest.raises(ValueError, match="features holds 70 NaN"):
        ridge_probe(x, y, x * torch.nan, y)
