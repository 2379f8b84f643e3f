"""The solver: stationary points, independence of the problems, and an honest report of convergence."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics.convex_solver import Spectrum, apply_weights, minimise
from crossmod_metrics.logistic_losses import ClassLoss, TaskLoss


def problem(samples=200, width=20, tasks=6, condition=1e3):
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64, generator=generator)).Q
    scales = torch.logspace(0, -torch.tensor(condition).log10(), width, dtype=torch.float64)
    x = torch.randn(samples, width, dtype=torch.float64, generator=generator) @ (basis * scales) @ basis.T
    labels = (torch.rand(samples, tasks, generator=generator) < torch.linspace(0.02, 0.9, tasks)).double()
    labels[:2] = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    return x, TaskLoss.of(labels)


@pytest.mark.parametrize("l2", [1e-5, 1e-2, 10.0])
def test_the_gradient_of_every_problem_vanishes(l2):
    x, loss = problem()
    start = torch.zeros(21, 6, 1, dtype=torch.float64)
    found = minimise(x, loss, l2, start, Spectrum.of(x), tolerance=1e-16, max_steps=500)
    assert bool(found.converged.all())
    residual = loss.gradient(apply_weights(x, found.weights))[..., 0]
    assert torch.allclose(x.T @ residual, -l2 * found.weights[:-1, :, 0], atol=1e-7)
    assert torch.allclose(residual.sum(dim=0), torch.zeros(6, dtype=torch.float64), atol=1e-7)


def test_the_hessian_guess_saves_steps_on_ill_conditioned_features():
    x, loss = problem(samples=2000, width=60)
    start = torch.zeros(61, 6, 1, dtype=torch.float64)
    settings = {"tolerance": 1e-10, "max_steps": 1000}
    guided = minimise(x, loss, 1e-5, start, Spectrum.of(x), **settings)
    level = Spectrum(torch.eye(60, dtype=torch.float64), torch.ones(60, dtype=torch.float64))
    plain = minimise(x, loss, 1e-5, start, level, **settings)
    assert bool(guided.converged.all())
    assert guided.steps * 3 < plain.steps


def test_a_start_at_the_optimum_takes_no_step():
    x, loss = problem()
    start = torch.zeros(21, 6, 1, dtype=torch.float64)
    spectrum = Spectrum.of(x)
    first = minimise(x, loss, 0.1, start, spectrum, tolerance=1e-12, max_steps=100)
    again = minimise(x, loss, 0.1, first.weights, spectrum, tolerance=1e-12, max_steps=100)
    assert again.steps == 0
    assert torch.equal(again.weights, first.weights)


def test_a_far_start_still_descends_to_the_optimum():
    x, _ = problem()
    labels = torch.arange(200) % 3
    far = 300 * torch.randn(21, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    near = torch.zeros_like(far)
    loss, spectrum = ClassLoss(labels, 3), Spectrum.of(x)
    found = [
        minimise(x, loss, 0.01, start, spectrum, tolerance=1e-15, max_steps=3000).weights[:-1] for start in (far, near)
    ]
    assert torch.allclose(*found, atol=1e-5)


def test_too_few_steps_are_reported_as_not_converged():
    x, loss = problem()
    start = torch.zeros(21, 6, 1, dtype=torch.float64)
    found = minimise(x, loss, 1e-4, start, Spectrum.of(x), tolerance=1e-12, max_steps=1)
    assert found.steps == 1
    assert not bool(found.converged.any())


def test_problems_that_leave_early_keep_the_solution_they_have_alone():
    x, loss = problem(tasks=9)
    spectrum, settings = Spectrum.of(x), {"tolerance": 1e-14, "max_steps": 500}
    together = minimise(x, loss, 1e-4, torch.zeros(21, 9, 1, dtype=torch.float64), spectrum, **settings)
    for task in range(9):
        alone_loss = TaskLoss(loss.target[:, task, None], loss.weight[:, task, None])
        alone = minimise(x, alone_loss, 1e-4, torch.zeros(21, 1, 1, dtype=torch.float64), spectrum, **settings)
        assert torch.allclose(together.weights[:, task], alone.weights[:, 0], rtol=1e-4, atol=1e-4)
