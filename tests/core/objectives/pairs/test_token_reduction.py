"""Token reduction: acceptance checks 1 to 3 of the sheet wukong."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from crossmod.objectives.pairs import GroupedLinear, TokenReducer


def test_maps_are_distributions_and_mixtures_follow_them() -> None:
    reducer = TokenReducer(8, 3, groups=2)
    tokens = torch.randn(2, 5, 8)
    found = reducer(tokens)
    assert found.tokens.shape == (2, 3, 8) and found.maps.shape == (2, 3, 5)
    assert torch.allclose(found.maps.sum(2), torch.ones(2, 3))
    assert torch.allclose(found.tokens, found.maps @ reducer.values(tokens), atol=1e-6)


def test_maps_that_pick_one_token_each_reproduce_the_values() -> None:
    reducer = TokenReducer(8, 4, groups=1).double()
    tokens = torch.randn(1, 4, 8, dtype=torch.float64)
    with torch.no_grad():
        hidden = reducer.into_maps[0](reducer.norm(tokens))[0]
        picking = reducer.into_maps[1]
        assert isinstance(picking, nn.Linear)
        picking.weight.copy_(1000 * torch.linalg.pinv(hidden).t())
        picking.bias.zero_()
    found = reducer(tokens)
    assert torch.allclose(found.maps[0], torch.eye(4, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found.tokens, reducer.values(tokens), atol=1e-8)


def test_the_grid_may_be_permuted() -> None:
    reducer, tokens, order = TokenReducer(8, 3).double(), torch.randn(2, 6, 8, dtype=torch.float64), torch.randperm(6)
    found, permuted = reducer(tokens), reducer(tokens[:, order])
    assert torch.allclose(permuted.tokens, found.tokens, atol=1e-12)
    assert torch.allclose(permuted.maps, found.maps[:, :, order], atol=1e-12)


def test_one_group_is_a_linear_layer() -> None:
    grouped, linear = GroupedLinear(6, 1), nn.Linear(6, 6)
    with torch.no_grad():
        linear.weight.copy_(grouped.convolution.weight[:, :, 0])
        linear.bias.copy_(grouped.convolution.bias)
    tokens = torch.randn(2, 3, 6)
    assert torch.allclose(grouped(tokens), linear(tokens), atol=1e-6)


def test_groups_do_not_mix() -> None:
    grouped, tokens = GroupedLinear(6, 3), torch.randn(1, 2, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(grouped(tokens)[..., :2].sum(), tokens)
    assert bool((gradient[..., 2:] == 0).all()) and bool((gradient[..., :2] != 0).all())


def test_the_class_token_is_set_aside_unchanged() -> None:
    reducer, tokens = TokenReducer(8, 2, keep_first=True), torch.randn(3, 5, 8)
    found = reducer(tokens, torch.ones(3, 5, dtype=torch.bool))
    assert found.tokens.shape == (3, 3, 8) and torch.equal(found.tokens[:, 0], tokens[:, 0])
    moved = tokens.clone()
    moved[:, 0] += 1
    assert torch.equal(reducer(moved).tokens[:, 1:], reducer(tokens).tokens[:, 1:])


@pytest.mark.parametrize("rubbish", [100.0, math.nan])
def test_padding_changes_nothing(rubbish: float) -> None:
    reducer, tokens = TokenReducer(8, 2), torch.randn(2, 3, 8)
    padded = torch.cat([tokens, torch.full((2, 2, 8), rubbish)], 1)
    found = reducer(padded, torch.arange(5).expand(2, 5) < 3)
    assert torch.allclose(found.tokens, reducer(tokens).tokens, atol=1e-6)
    assert bool((found.maps[..., 3:] == 0).all())


def test_gradients_match_finite_differences() -> None:
    reducer = TokenReducer(4, 2, groups=2).double()
    assert gradcheck(lambda x: reducer(x).tokens, (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True),))


def test_what_cannot_be_built_or_reduced_is_refused() -> None:
    with pytest.raises(ValueError, match="4 groups do not divide the token width 6"):
        TokenReducer(6, 2, groups=4)
    with pytest.raises(ValueError, match="at least one"):
        TokenReducer(8, 0)
    with pytest.raises(ValueError, match="sample 0 of the reducer has no real token"):
        TokenReducer(8, 2)(torch.randn(1, 2, 8), torch.zeros(1, 2, dtype=torch.bool))
