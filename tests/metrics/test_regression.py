"""Regression metrics: closed forms, invariances, and correlations that are refused where undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crossmod_metrics import mae, multi_task, pearson, r2, rmse, spearman


def sample(seed=0, count=40):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(count, generator=generator)
    return target + 0.5 * torch.randn(count, generator=generator), target


def test_errors_of_a_constant_offset():
    target = torch.linspace(0.0, 9.0, 10)
    assert rmse(target + 2, target) == pytest.approx(2.0)
    assert mae(target - 3, target) == pytest.approx(3.0)
    assert rmse(torch.tensor([0.0, 3.0]), torch.tensor([0.0, -1.0])) == pytest.approx(math.sqrt(8))


def test_explained_variance_of_perfect_mean_and_worse_predictions():
    target = torch.tensor([1.0, 2.0, 6.0])
    assert r2(target, target) == 1.0
    assert r2(torch.full((3,), 3.0), target) == 0.0
    assert r2(-target, target) < 0


def test_correlations_equal_numpy_and_their_invariances():
    predicted, target = sample()
    assert pearson(predicted, target) == pytest.approx(np.corrcoef(predicted.double(), target.double())[0, 1])
    order = predicted.argsort().argsort().double(), target.argsort().argsort().double()
    assert spearman(predicted, target) == pytest.approx(np.corrcoef(*order)[0, 1])
    assert pearson(-7 * predicted + 3, target) == pytest.approx(-pearson(predicted, target), rel=1e-6)
    assert spearman(torch.exp(predicted), target) == pytest.approx(spearman(predicted, target))


def test_tied_values_share_their_mean_rank():
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    found = spearman(torch.tensor([1.0, 1.0, 2.0]), torch.tensor([10.0, 20.0, 30.0]))
    assert found == pytest.approx(1.5 / math.sqrt(3.0))


def test_half_precision_is_computed_in_double():
    predicted, target = sample(1)
    assert rmse(predicted.bfloat16(), target.half()) == rmse(predicted.bfloat16().double(), target.half().double())


def test_targets_with_missing_values_are_scored_task_by_task():
    predicted = torch.tensor([[1.0, 4.0], [2.0, 4.0], [9.0, 4.0]])
    target = torch.tensor([[1.0, 5.0], [4.0, 5.0], [torch.nan, 3.0]])
    found = multi_task(mae, predicted, target, distinct_labels=1)
    assert found.per_task.tolist() == [1.0, 1.0]


def test_hostile_input_is_refused_in_words():
    one = torch.ones(1)
    with pytest.raises(ValueError, match="target is constant"):
        r2(one, one)
    with pytest.raises(ValueError, match="predicted is constant over 3"):
        pearson(torch.ones(3), torch.arange(3.0))
    with pytest.raises(ValueError, match="target is constant"):
        spearman(torch.arange(3.0), torch.ones(3))
    with pytest.raises(ValueError, match="target holds 1 NaN"):
        rmse(one, one * torch.nan)
    with pytest.raises(ValueError, match="predicted is empty"):
        mae(one[:0], one[:0])
    with pytest.raises(ValueError, match="predicted 1, target 2"):
        mae(one, torch.ones(2))
