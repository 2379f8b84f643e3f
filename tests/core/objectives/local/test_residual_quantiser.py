from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from crossmod.objectives.local.residual_quantiser import GroupedQuantiser, ResidualQuantiser


def test_stored_codes_give_back_the_output() -> None:
    for quantiser in (ResidualQuantiser(6, 5, 3), GroupedQuantiser(6, 4, 5, groups=3, stages=2)):
        features = torch.randn(2, 7, 6)
        for _ in range(3):
            quantiser.update(features)
        found = quantiser.eval()(features)
        assert found.codes.shape == (2, 7, 3 if isinstance(quantiser, ResidualQuantiser) else 6)
        assert torch.allclose(quantiser.look_up(found.codes), found.values, atol=1e-5)


def test_a_stage_never_adds_to_the_rest_when_it_may_choose_zero() -> None:
    quantiser = ResidualQuantiser(4, 6, 5)
    for stage in quantiser.stages:
        stage.codebook[0] = 0
    features = torch.randn(50, 4)
    rest, norms = features, [features.norm(dim=1)]
    for stage in quantiser.stages:
        rest = rest - stage(rest).values
        norms.append(rest.norm(dim=1))
    assert all((b <= a + 1e-5).all() for a, b in pairwise(norms))
    assert torch.allclose(features - quantiser(features).values, rest, atol=1e-5)


def test_training_stages_leaves_less_and_less() -> None:
    features = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    errors = []
    for stages in (1, 2, 4):
        quantiser = ResidualQuantiser(4, 16, stages)
        for _ in range(15):
            quantiser.update(features, generator=torch.Generator().manual_seed(0))
        errors.append(float((features - quantiser(features).values).square().mean()))
    assert errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]


def test_the_gradient_passes_straight_through() -> None:
    quantiser = ResidualQuantiser(4, 6, 3)
    features = torch.randn(5, 4, requires_grad=True)
    weight = torch.randn(5, 4)
    (quantiser(features).values * weight).sum().backward()
    assert torch.equal(features.grad, weight)
    grouped = GroupedQuantiser(4, 3, 6, groups=2)
    found = grouped(features)
    (found.values.sum() + found.commitment).backward()
    assert all(p.grad is not None and p.grad.any() for p in grouped.enter.parameters())


def test_groups_of_exact_codes_are_the_identity() -> None:
    quantiser = GroupedQuantiser(6, 2, 4, groups=3)
    features = torch.randn(4, 6)
    for index, group in enumerate(quantiser.quantisers):
        for layer in (quantiser.enter[index], quantiser.leave[index]):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)
        group.stages[0].codebook.copy_(features[:, 2 * index : 2 * index + 2])
    assert torch.allclose(quantiser(features).values, features, atol=1e-6)
    with pytest.raises(ValueError, match="groups"):
        GroupedQuantiser(5, 2, 4, groups=3)
