"""Continuously weighted contrast: the acceptance checks of the sheet cwcl (5, on processes, is test_gathering.py)."""

from __future__ import annotations

import math

import pytest
import torch

from crossmod.objectives.pairs import ContinuousContrastLoss, continuous_targets, cosine_logits, soft_cross_entropy
from crossmod.state.logit_scale import LogitScale
from crossmod_kernels import cwcl, infonce_directions


def test_weights_are_the_papers() -> None:
    source = torch.randn(5, 3, dtype=torch.float64)
    weights = 0.5 + 0.5 * cosine_logits(source, source)
    found = continuous_targets(source)
    assert torch.allclose(found, weights / weights.sum(1, keepdim=True))
    assert torch.allclose(weights.diagonal(), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(weights, weights.t()) and float(weights.min()) >= 0 and float(weights.max()) <= 1 + 1e-12
    symmetric = found * weights.sum(1, keepdim=True)
    assert torch.allclose(symmetric, symmetric.t()) and float(found.min()) >= 0
    assert torch.allclose(continuous_targets(7 * source), found)


def test_channels_average_their_cosines() -> None:
    channels = torch.randn(4, 3, 6, dtype=torch.float64)
    cosine = sum(cosine_logits(channels[:, c], channels[:, c]) for c in range(3)) / 3
    weights = 0.5 + 0.5 * cosine
    assert torch.allclose(continuous_targets(channels), weights / weights.sum(1, keepdim=True))


def test_options_sharpen() -> None:
    source = torch.randn(6, 3)
    plain, power, sharp = (continuous_targets(source, **o) for o in ({}, {"power": 8.0}, {"sharpen": 0.02}))
    assert bool((power.diagonal() > plain.diagonal()).all()) and float(sharp.diagonal().min()) > 0.9
    assert torch.allclose(sharp, (cosine_logits(source, source) / 0.02).softmax(1), atol=1e-6)


def test_constant_logits_cost_the_logarithm_of_the_batch_whatever_the_weights() -> None:
    assert float(soft_cross_entropy(torch.zeros(5, 5), continuous_targets(torch.randn(5, 3)))) == pytest.approx(
        math.log(5)
    )


def test_opposite_sources_make_one_direction_of_infonce() -> None:
    a, b = torch.randn(2, 2, 4)
    source = torch.tensor([[1.0], [-1.0]])
    scale = LogitScale(5.0)
    found = ContinuousContrastLoss(scale)(a, b, source)
    directions = infonce_directions(a, b, torch.tensor(5.0))
    assert torch.allclose(found.loss, directions.loss_a.mean() + directions.loss_b.mean(), atol=1e-5)
    assert float(found.terms["effective_positives"]) == pytest.approx(1, abs=1e-6)


def test_the_dense_sharpened_form_agrees_with_the_kernel_where_both_say_the_same() -> None:
    # Sources that are all alike give uniform weights in both forms.
    a, b, source = torch.randn(4, 3), torch.randn(4, 3), torch.ones(4, 2)
    scale = LogitScale(5.0)
    dense = ContinuousContrastLoss(scale, sharpen=0.5)(a, b, source)
    saving = ContinuousContrastLoss(scale)(a, b, source)
    assert torch.allclose(dense.loss, saving.loss, atol=1e-5)
    assert float(dense.terms["effective_positives"]) == pytest.approx(4, abs=1e-4)


@pytest.mark.parametrize("sharpen", [0.0, 0.2])
def test_the_source_has_no_gradient_and_the_scale_has(sharpen: float) -> None:
    a, b, source = (torch.randn(4, 3, requires_grad=True) for _ in range(3))
    loss = ContinuousContrastLoss(sharpen=sharpen)
    loss(a, b, source, 2 * source).loss.backward()
    assert source.grad is None and all(x.grad is not None for x in (a, b, loss.scale.log_scale))


def test_both_directions_and_the_average() -> None:
    a, b, of_a, of_b = torch.randn(4, 5, 3)
    scale = LogitScale(5.0)
    found = ContinuousContrastLoss(scale, power=2.0, reduction="average")(a, b, of_b, of_a).loss
    expected = cwcl(a, b, torch.tensor(5.0), source_ab=of_b, source_ba=of_a, power=2.0) / 2
    assert torch.allclose(found, expected, atol=1e-5)


def _zero_shot(seed: int, *, weighted: bool) -> float:
    """Accuracy of a linear encoder of a; pairs of 4 classes share what is theirs alone, the source knows the class."""
    generator = torch.Generator().manual_seed(seed)
    rows, kind = 256, torch.arange(256) % 4
    corner = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    mixing = torch.randn(8, 40, generator=generator)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        own = torch.randn(rows, 5, generator=generator)
        sides = [torch.cat([corner[kind] + 0.5 * torch.randn(rows, 3, generator=generator), own], 1) for _ in range(2)]
        observed = sides[1] @ mixing + 8 * torch.randn(rows, 40, generator=generator)
        return observed, sides[0], corner[kind] + 0.3 * torch.randn(rows, 3, generator=generator)

    (a, b, source), (fresh, _, _) = draw(), draw()
    weights = (0.1 * torch.randn(40, 8, generator=torch.Generator().manual_seed(1))).requires_grad_()
    optimiser, scale = torch.optim.Adam([weights], lr=0.02), torch.tensor(20.0)
    for _ in range(60):
        if weighted:
            loss = cwcl(a @ weights, b, scale, source_ab=source, power=4.0)
        else:
            directions = infonce_directions(a @ weights, b, scale)
            loss = directions.loss_a.mean() + directions.loss_b.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    prompts = torch.cat([corner, torch.zeros(4, 5)], 1)
    return float((cosine_logits(fresh @ weights.detach(), prompts).argmax(1) == kind).double().mean())


def test_a_source_that_knows_the_classes_helps_zero_shot() -> None:
    # Powered weights: with power 1 they are nearly uniform here, and the paper's gain does not show on this toy.
    gains = [_zero_shot(seed, weighted=True) - _zero_shot(seed, weighted=False) for seed in range(2)]
    assert min(gains) > 0.01, gains


@pytest.mark.parametrize(
    "options", [{"power": 0.0}, {"sharpen": -1.0}, {"power": 2.0, "sharpen": 0.1}, {"power": math.nan}]
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="continuous weights have power"):
        ContinuousContrastLoss(**options)
    with pytest.raises(ValueError, match="continuous weights have power"):
        continuous_targets(torch.eye(2), **options)


@pytest.mark.parametrize("sharpen", [0.0, 0.2])
def test_a_source_is_needed(sharpen: float) -> None:
    with pytest.raises(ValueError, match="no source of weights"):
        ContinuousContrastLoss(sharpen=sharpen)(torch.eye(2), torch.eye(2))


def test_sources_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="of one width for both"):
        continuous_targets(torch.eye(2), torch.eye(3))
