"""Finite discrete tokens: acceptance checks 2 to 6 of the sheet fdt."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from crossmod.objectives.pairs import CodebookGrounding, cosine_logits, ground, pooled_scores
from crossmod_kernels import infonce


def _grounding(codes: int = 6, temperature: float = 1.0, **options: object) -> CodebookGrounding:
    return CodebookGrounding(5, 7, codes=codes, width=4, temperature=temperature, **options)


def test_one_code_makes_all_alike() -> None:
    grounding = _grounding(codes=1)
    a, b = grounding("a", torch.randn(4, 3, 5)).embedding, grounding("b", torch.randn(4, 2, 7)).embedding
    assert torch.allclose(cosine_logits(a, b), torch.ones(4, 4), atol=1e-6)
    assert float(infonce(a, b, torch.tensor(14.3)).detach()) == pytest.approx(math.log(4), abs=1e-5)


@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
@pytest.mark.parametrize("normaliser", ["sparsemax", "softmax", "sigmoid"])
def test_weights_are_distributions_that_ignore_padding_and_order(pooling: str, normaliser: str) -> None:
    grounding = _grounding(pooling=pooling, normaliser=normaliser).double()
    tokens = torch.randn(2, 4, 5, dtype=torch.float64)
    found = grounding("a", tokens)
    assert torch.allclose(found.weights.sum(1), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(found.embedding.norm(dim=1), torch.ones(2, dtype=torch.float64))
    padded = torch.cat([tokens[:, torch.randperm(4)], torch.full((2, 3, 5), math.nan, dtype=torch.float64)], 1)
    other = grounding("a", padded, torch.arange(7).expand(2, 7) < 4)
    assert torch.allclose(other.weights, found.weights, atol=1e-12)
    again = grounding(
        "a", torch.cat([padded[:, :4], torch.randn(2, 3, 5).double()], 1), torch.arange(7).expand(2, 7) < 4
    )
    assert torch.equal(again.weights, other.weights), "what stands in the padding has no part, to the bit"


def test_equal_scores_ground_equally() -> None:
    pooled = torch.randn(3, 6)
    found = ground(pooled, torch.randn(6, 4))
    again = ground(pooled, torch.randn(6, 4))
    assert torch.equal(found.weights, again.weights)
    same = ground(torch.cat([pooled, pooled]), torch.randn(6, 4)).embedding
    assert torch.allclose((same[:3] * same[3:]).sum(1), torch.ones(3), atol=1e-6)


def test_gradients_reach_everything_but_the_codes_that_nothing_chose() -> None:
    grounding = _grounding(codes=40, temperature=0.5)
    a, b = grounding("a", torch.randn(1, 3, 5)), grounding("b", torch.randn(1, 2, 7))
    (a.embedding * b.embedding).sum().backward()
    chosen = ((a.weights > 0) | (b.weights > 0))[0]
    gradient = grounding.codebook.grad
    assert gradient is not None and 0 < int(chosen.sum()) < 40
    assert bool((gradient[~chosen] == 0).all()) and bool((gradient[chosen] != 0).any())
    for net in (grounding.query_a, grounding.query_b):
        assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


def test_the_support_shrinks_with_the_temperature() -> None:
    scores = torch.randn(8, 200)
    codebook = torch.randn(200, 4)
    sizes = [int((ground(scores / t, codebook).weights > 0).sum()) for t in (1000.0, 30.0, 3.0, 1.0, 0.1)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 8 * 200 and sizes[-1] < 30


def test_scores_are_products_over_root_width_and_temperature() -> None:
    grounding, tokens = _grounding(temperature=10.0), torch.randn(2, 3, 5)
    expected = (grounding.query_a(tokens) @ grounding.codebook.t() / (2 * 10.0)).max(1).values
    assert torch.allclose(grounding.pooled("a", tokens), expected, atol=1e-6)


def test_the_released_code_floors_a_padded_caption_at_zero() -> None:
    scores, mask = -torch.rand(1, 2, 3) - 1, torch.tensor([[True, False]])
    assert torch.equal(pooled_scores(scores, mask), scores[:, 0])
    assert bool((pooled_scores(scores, mask, release_compat=True) == 0).all())
    full = torch.tensor([[True, True]])
    assert torch.equal(pooled_scores(scores, full, release_compat=True), pooled_scores(scores, full))


def test_gradients_match_finite_differences() -> None:
    grounding = _grounding().double()
    tokens = torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, c: ground(pooled_scores(x @ c.t()), c).embedding, (tokens, grounding.codebook))


@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_round_the_scores_that_sparsemax_sorts(dtype: torch.dtype, pooling: str) -> None:
    grounding, tokens = _grounding(codes=50, temperature=1000.0, pooling=pooling), torch.randn(2, 3, 5)
    exact = grounding("a", tokens).weights
    with torch.autocast("cpu", dtype=dtype):
        weights = grounding("a", tokens).weights
    assert weights.dtype == torch.float32 and torch.allclose(weights, exact, atol=1e-4)


def test_what_cannot_be_grounded_is_refused() -> None:
    with pytest.raises(ValueError, match="both have to be above 0"):
        _grounding(codes=0)
    with pytest.raises(ValueError, match="both have to be above 0"):
        _grounding(temperature=0.0)
    with pytest.raises(ValueError, match="sample 1 of a has no real token"):
        _grounding()("a", torch.randn(2, 2, 5), torch.tensor([[True, True], [False, False]]))
    with pytest.raises(ValueError, match="3 scores a sample for 4 codes"):
        ground(torch.zeros(1, 3), torch.zeros(4, 2))
