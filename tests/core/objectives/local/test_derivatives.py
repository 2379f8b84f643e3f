"""Local losses that stand on others have the gradient of finite differences, and autocast reaches no score's loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crossmod.objectives.local import (
    AttributePrediction,
    ClusterPrediction,
    DistillationHead,
    GroupedQuantiser,
    MaskedRegionLoss,
    UncertaintyWeights,
    VectorQuantiser,
    code_diversity_loss,
    grouped_patch_logits,
    masked_cross_entropy,
    mixture_segmentation_loss,
    next_token_loss,
    patch_sources,
    region_feature_loss,
    region_label_loss,
    score_tokens,
    self_distillation_loss,
    spectrogram_loss,
    stop_loss,
)

IDS = torch.tensor([[0, 3, 1], [2, 2, 0]])
MASK = torch.tensor([[True, True, False], [True, True, True]])
CHOSEN = torch.tensor([[False, True, False], [True, False, True]])


def _uncertain(x: Tensor) -> Tensor:
    weights = UncertaintyWeights("a", "b").to(x.dtype)
    with torch.no_grad():
        weights.log_variances["a"].fill_(0.7)
    value: Tensor = weights({"a": x.square().mean(), "b": x[0].sigmoid().sum()})
    return value


def _attributes(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    head = AttributePrediction(4, 4, 5, heads=2).to(x.dtype)
    return masked_cross_entropy(head(x, x[:, 0], MASK)[CHOSEN], IDS[CHOSEN])


def _clusters(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    value: Tensor = ClusterPrediction(4, 5, label_width=3).to(x.dtype)(x, IDS, CHOSEN)
    return value


def _commitment(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    value: Tensor = VectorQuantiser(4, 6).to(x.dtype)(x, MASK).commitment
    return value


def _grouped_commitment(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    value: Tensor = GroupedQuantiser(4, 3, 6, groups=2).to(x.dtype)(x, MASK).commitment
    return value


def _distilled(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    head = DistillationHead(4, 6, hidden=5, bottleneck=3).to(x.dtype)
    teacher = torch.randn(2, 3, 6).to(x.dtype)
    return self_distillation_loss(head(x.transpose(0, 1)), teacher[:, :2], torch.zeros(6, dtype=x.dtype))


def _regions(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    loss = MaskedRegionLoss(4, 4, {"kind": 5}).to(x.dtype)
    value: Tensor = loss(x, torch.ones_like(x), CHOSEN, MASK, {"kind": (IDS, MASK * 0.5)})
    return value


def _soft_labels(x: Tensor) -> Tensor:
    soft = torch.eye(4, dtype=x.dtype)[:3] * 0.6 + 0.1
    return score_tokens(x[CHOSEN], IDS[CHOSEN], CHOSEN, 3, soft=soft, soft_share=0.4).loss


def _groups(x: Tensor) -> Tensor:
    """Three tokens share two groups; as a straight-through pick has no finite difference, the softmax stands here."""
    logits = grouped_patch_logits(x[..., :2].transpose(1, 2).softmax(1), x[:, :2], x[:, 1:], 60.0)
    source = patch_sources(2, 2, 3, generator=torch.Generator().manual_seed(0))
    return mixture_segmentation_loss(torch.stack([logits, logits.flip(1)], 1), source)


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "hidden tokens": lambda x: masked_cross_entropy(x[CHOSEN], IDS[CHOSEN]),
    "hidden tokens by row": lambda x: score_tokens(x[CHOSEN], IDS[CHOSEN], CHOSEN, 3).loss,
    "next token": lambda x: next_token_loss(x, IDS, MASK),
    "attributes": _attributes,
    "clusters": _clusters,
    "commitment": _commitment,
    "commitment of groups": _grouped_commitment,
    "distillation": _distilled,
    "diversity": lambda x: code_diversity_loss(x.softmax(-1).flatten(0, 1)),
    "uncertainty": _uncertain,
    "soft labels": _soft_labels,
    "region features": lambda x: region_feature_loss(x, torch.full_like(x, 0.3), CHOSEN, MASK),
    "region labels": lambda x: region_label_loss(x, IDS, MASK * 0.7, MASK, CHOSEN),
    "regions": _regions,
    "spectrogram": lambda x: spectrogram_loss([x, x.square()], torch.full_like(x, 0.3), MASK),
    "stop": lambda x: stop_loss(x[..., 0], MASK),
    "groups": _groups,
}
LEARNED = ("attributes", "clusters", "commitment of groups", "distillation", "regions")
"""Those with a learned layer on the way, which autocast rightly runs in half precision."""


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert LOSSES[name](x).dtype == torch.float64
    assert torch.autograd.gradcheck(LOSSES[name], x)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in LEARNED])
def test_autocast_reaches_neither_the_loss_nor_its_gradient(name: str) -> None:
    x = torch.randn(2, 3, 4, requires_grad=True)
    found = []
    for inside in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            loss = LOSSES[name](x)
        found.append([loss.detach(), *torch.autograd.grad(loss, x)])
    assert found[1][0].dtype == torch.float32
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(*found, strict=True))
