from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.objectives.matching.pair_fusion import ConcatenatedTokens, as_tokens, take_features


def _features(rows: int, length: int, width: int) -> Features:
    tokens = torch.randn(rows, length, width)
    mask = torch.ones(rows, length, dtype=torch.bool)
    return Features(tokens.mean(1), tokens, mask)


def _padded(features: Features, fill: float) -> Features:
    assert features.tokens is not None and features.mask is not None
    rows, _, width = features.tokens.shape
    tokens = torch.cat([features.tokens, torch.full((rows, 2, width), fill)], dim=1)
    return Features(features.pooled, tokens, torch.cat([features.mask, torch.zeros(rows, 2, dtype=torch.bool)], dim=1))


def test_masked_tokens_have_no_influence() -> None:
    fusion = ConcatenatedTokens(6, 5, width=8, heads=2).eval()
    a, b = _features(3, 4, 6), _features(3, 2, 5)
    plain = fusion(a, b)
    assert plain.shape == (3, 8)
    for fill in (0.0, 1e4):
        assert torch.allclose(fusion(_padded(a, fill), _padded(b, fill)), plain, atol=1e-5)


def test_rows_do_not_see_each_other_and_sides_are_told_apart() -> None:
    fusion = ConcatenatedTokens(6, 6, width=8, heads=2).eval()
    a, b = _features(3, 4, 6), _features(3, 4, 6)
    whole = fusion(a, b)
    index = torch.tensor([2, 0])
    assert torch.allclose(fusion(take_features(a, index), take_features(b, index)), whole[index], atol=1e-5)
    assert not torch.allclose(fusion(b, a), whole, atol=1e-3)


def test_a_fully_masked_row_and_a_tower_without_tokens_have_a_value() -> None:
    fusion = ConcatenatedTokens(6, 5, width=8, heads=2)
    a = _features(2, 3, 6)
    nothing = Features(a.pooled, a.tokens, torch.zeros(2, 3, dtype=torch.bool))
    pooled = Features(torch.randn(2, 5))
    assert torch.isfinite(fusion(nothing, pooled)).all()
    tokens, mask = as_tokens(pooled)
    assert tokens.shape == (2, 1, 5) and bool(mask.all())


def test_gradients_reach_both_sides() -> None:
    fusion = ConcatenatedTokens(6, 5, width=8, heads=2)
    a, b = _features(2, 3, 6), _features(2, 3, 5)
    leaves: list[Tensor] = []
    for features in (a, b):
        assert features.tokens is not None
        leaves.append(features.tokens.requires_grad_())
    fusion(a, b).square().sum().backward()
    assert all(leaf.grad is not None and float(leaf.grad.abs().sum()) > 0 for leaf in leaves)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="2 rows cannot be fused with 3"):
        ConcatenatedTokens(6, 6, width=8, heads=2)(_features(2, 3, 6), _features(3, 3, 6))
    with pytest.raises(ValueError, match="heads divide the width"):
        ConcatenatedTokens(6, 6, width=9, heads=2)
