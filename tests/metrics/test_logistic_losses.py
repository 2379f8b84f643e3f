"""The losses of the probe against torch's own, and their derivatives against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from crossmod_metrics.logistic_losses import ClassLoss, TaskLoss


def task_loss():
    labels = torch.tensor([[1.0, 0.0], [0.0, torch.nan], [1.0, 1.0], [torch.nan, 0.0]], dtype=torch.float64)
    return TaskLoss.of(labels), labels


def logits(shape, seed=0):
    return 3 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_task_loss_is_the_mean_over_the_labels_that_exist():
    loss, labels = task_loss()
    z = logits((4, 2, 1))
    for task in range(2):
        carried = ~labels[:, task].isnan()
        expected = binary_cross_entropy_with_logits(z[carried, task, 0], labels[carried, task])
        assert float(loss.value(z)[task]) == pytest.approx(float(expected))


def test_class_loss_is_cross_entropy():
    labels = torch.tensor([2, 0, 1, 1])
    z = logits((4, 1, 3))
    assert float(ClassLoss(labels, 3).value(z)) == pytest.approx(float(cross_entropy(z[:, 0], labels)))


@pytest.mark.parametrize("kind", ["task", "class"])
def test_derivatives_match_finite_differences(kind):
    loss = task_loss()[0] if kind == "task" else ClassLoss(torch.tensor([2, 0, 1, 1]), 3)
    z = logits((4, 2, 1) if kind == "task" else (4, 1, 3), seed=1)
    step = 1e-5
    gradient = loss.gradient(z)
    for place in range(z.numel()):
        shift = torch.zeros(z.numel(), dtype=torch.float64)
        shift[place] = step
        shift = shift.reshape(z.shape)
        slope = (loss.value(z + shift).sum() - loss.value(z - shift).sum()) / (2 * step)
        assert float(gradient.flatten()[place]) == pytest.approx(float(slope), abs=1e-8)
    for problem in range(z.shape[1]):
        for column in range(z.shape[2]):
            shift = torch.zeros_like(z)
            shift[:, problem, column] = step
            bend = (loss.gradient(z + shift) - loss.gradient(z - shift))[:, problem, column].sum() / (2 * step)
            assert float(loss.curvature(z)[problem, column]) == pytest.approx(float(bend), abs=1e-8)


@pytest.mark.parametrize("size", [40.0, 900.0])
def test_large_logits_stay_finite(size):
    z = torch.tensor([size, -size, -size, size], dtype=torch.float64).reshape(4, 1, 1)
    loss = TaskLoss.of(torch.tensor([[1.0], [0.0], [1.0], [0.0]]))
    assert float(loss.value(z)) == pytest.approx(size / 2)
    assert bool(torch.isfinite(loss.gradient(z)).all())
    assert bool(torch.isfinite(loss.curvature(z)).all())
