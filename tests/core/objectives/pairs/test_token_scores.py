"""Late interaction against the sheet's hand cases and a slow transcription (sheet filip, 1 to 6)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from crossmod.objectives.pairs import TokenSet, best_matched, cosine_logits, late_interaction, token_similarities


def _slow(a: torch.Tensor, b: torch.Tensor, mask_a: torch.Tensor, mask_b: torch.Tensor) -> list[list[list[float]]]:
    def score(anchors: torch.Tensor, partners: torch.Tensor) -> float:
        best = [max(float(x @ y / (x.norm() * y.norm())) for y in partners) for x in anchors]
        return sum(best) / len(best)

    real_a, real_b = ([x[m] for x, m in zip(*side, strict=True)] for side in ((a, mask_a), (b, mask_b)))
    return [[[score(x, y) for y in real_b] for x in real_a], [[score(y, x) for x in real_a] for y in real_b]]


def _ragged(batch: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, length, generator=generator) > 0.4
    mask[:, int(torch.randint(length, (1,), generator=generator))] = True
    return torch.randn(batch, length, 3, generator=generator, dtype=torch.float64), mask


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 4),
    keys=st.integers(1, 4),
    lengths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 10**6),
    chunk=st.integers(0, 5),
)
def test_is_the_mean_of_each_tokens_best_partner(
    rows: int, keys: int, lengths: tuple[int, int], seed: int, chunk: int
) -> None:
    (a, mask_a), (b, mask_b) = _ragged(rows, lengths[0], seed), _ragged(keys, lengths[1], seed + 1)
    found = late_interaction(a, b, mask_a, mask_b, chunk_size=chunk)
    expected = _slow(a, b, mask_a, mask_b)
    assert torch.allclose(found.ab, torch.tensor(expected[0], dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found.ba, torch.tensor(expected[1], dtype=torch.float64), atol=1e-9)


def test_hand_cases() -> None:
    e = torch.eye(3)
    found = late_interaction(e[None, :2], e[None, [0, 2]])
    assert (float(found.ab), float(found.ba)) == (0.5, 0.5)
    found = late_interaction(e[None, :2], e[None, :1])
    assert (float(found.ab), float(found.ba)) == (0.5, 1.0)


def test_one_token_a_side_is_the_cosine_in_both_directions() -> None:
    a, b = torch.randn(4, 1, 5), torch.randn(3, 1, 5)
    found = late_interaction(a, b)
    assert torch.allclose(found.ab, cosine_logits(a[:, 0], b[:, 0]), atol=1e-6)
    assert torch.equal(found.ab, found.ba.t())


def test_the_directions_differ_on_several_tokens() -> None:
    found = late_interaction(torch.randn(3, 4, 5), torch.randn(3, 2, 5))
    assert not torch.allclose(found.ab, found.ba.t(), atol=1e-3)


@pytest.mark.parametrize("rubbish", [1e4, math.nan, math.inf])
def test_padding_changes_nothing_whatever_stands_in_it(rubbish: float) -> None:
    a, b = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 2, 4, requires_grad=True)
    plain = late_interaction(a, b)
    padded, mask = [], []
    for tokens in (a, b):
        padded.append(torch.cat([tokens, torch.full((2, 2, 4), rubbish)], 1))
        mask.append(torch.arange(padded[-1].shape[1]).expand(2, -1) < tokens.shape[1])
    found = late_interaction(padded[0], padded[1], mask[0], mask[1])
    assert torch.equal(found.ab, plain.ab) and torch.equal(found.ba, plain.ba)
    for one, other in zip(*(torch.autograd.grad(x.ab.sum(), (a, b)) for x in (plain, found)), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_negative_scores_are_not_floored_by_padding() -> None:
    a, b = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[-1.0, 0.0], [0.0, 0.0]]])
    assert float(late_interaction(a, b, None, torch.tensor([[True, False]])).ab) == -1


def test_the_order_of_tokens_does_not_matter() -> None:
    a, b = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(3, 4, 4, dtype=torch.float64)
    shuffled = late_interaction(a[:, torch.randperm(5)], b[:, torch.randperm(4)])
    assert all(torch.allclose(x, y, atol=1e-12) for x, y in zip(shuffled, late_interaction(a, b), strict=True))


@pytest.mark.parametrize("chunk", [0, 2])
def test_gradients_match_finite_differences(chunk: int) -> None:
    (a, mask_a), (b, mask_b) = _ragged(2, 3, 1), _ragged(3, 2, 2)
    assert gradcheck(
        lambda x, y: tuple(late_interaction(x, y, mask_a, mask_b, chunk_size=chunk)),
        (a.requires_grad_(), b.requires_grad_()),
    )


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunks_agree_with_the_whole_in_value_and_gradient(chunk: int) -> None:
    (a, mask_a), (b, mask_b) = _ragged(4, 3, 3), _ragged(4, 5, 4)
    a.requires_grad_(), b.requires_grad_()
    found = []
    for size in (0, chunk):
        scores = late_interaction(a, b, mask_a, mask_b, chunk_size=size)
        loss = (scores.ab * torch.arange(16.0).view(4, 4)).sum() + scores.ba.square().sum()
        found.append((loss.detach(), *torch.autograd.grad(loss, (a, b))))
    assert all(torch.allclose(x, y, atol=1e-10) for x, y in zip(*found, strict=True))


@pytest.mark.parametrize("chunk", [0, 2])
def test_the_backward_pass_keeps_places_of_maxima_and_no_products(chunk: int) -> None:
    a, b = torch.randn(8, 6, 4, requires_grad=True), torch.randn(8, 5, 4, requires_grad=True)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        late_interaction(a, b, chunk_size=chunk)
    assert max(x.untyped_storage().nbytes() // x.element_size() for x in kept) <= 8 * 8 * 6
    assert sum(x.numel() for x in kept if x.dtype == torch.uint8) == 8 * 8 * (6 + 5)


def test_a_tie_goes_to_the_first_token() -> None:
    a, b = torch.ones(1, 1, 2), torch.ones(1, 3, 2, requires_grad=True)
    weight = torch.tensor([1.0, -1.0])
    (gradient,) = torch.autograd.grad((late_interaction(a * weight, b).ab).sum(), b)
    assert bool((gradient[0, 0] != 0).any()) and bool((gradient[0, 1:] == 0).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_tokens_are_scored_in_single_and_products_in_half_on_request(dtype: torch.dtype) -> None:
    a, b = torch.randn(3, 4, 32).to(dtype), torch.randn(3, 5, 32).to(dtype)
    single = late_interaction(a, b)
    assert single.ab.dtype == torch.float32
    assert torch.equal(single.ab, late_interaction(a.float(), b.float()).ab)
    half = late_interaction(a, b, similarity_dtype=dtype)
    assert half.ab.dtype == torch.float32 and torch.allclose(half.ab, single.ab, atol=2e-2)


def test_expanded_and_strided_tokens_are_as_good_as_dense_ones() -> None:
    a, b = torch.randn(1, 3, 4).expand(2, 3, 4), torch.randn(4, 3, 2).transpose(0, 2)
    found, dense = late_interaction(a, b), late_interaction(a.contiguous(), b.contiguous())
    assert torch.allclose(found.ab, dense.ab) and torch.allclose(found.ba, dense.ba)


@pytest.mark.parametrize(
    ("a", "b", "mask", "message"),
    [
        (torch.zeros(0, 2, 3), torch.zeros(1, 2, 3), None, "tokens of a have shape"),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 4), None, "project both"),
        (torch.ones(2, 2, 3), torch.ones(1, 2, 3), torch.tensor([[True, True], [False, False]]), "sample 1 of a"),
        (torch.ones(2, 2, 3), torch.ones(1, 2, 3), torch.ones(2, 3, dtype=torch.bool), "the mask of a"),
        (torch.ones(2, 2, 3), torch.ones(1, 2, 3), torch.ones(2, 2), "type torch.float32 beside tokens"),
    ],
)
def test_token_sets_that_do_not_fit_are_refused(
    a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        late_interaction(a, b, mask)


def test_the_best_matched_tokens_are_those_nearest_to_the_own_partner() -> None:
    e = torch.eye(4)
    own = TokenSet(torch.stack([e, e]), torch.tensor([[True] * 4, [True, True, False, False]]))
    partner = TokenSet(torch.stack([e[2:], e[1:3]]), torch.ones(2, 2, dtype=torch.bool))
    kept = best_matched(own, partner, 0.5)
    assert kept.tokens.shape == (2, 2, 4) and kept.mask.tolist() == [[True, True], [True, False]]
    assert {int(token.argmax()) for token in kept.tokens[0]} == {2, 3}
    assert int(kept.tokens[1, 0].argmax()) == 1
    every = best_matched(own, partner, 1.0)
    assert every.mask.sum(1).tolist() == [4, 2]
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        best_matched(own, partner, 0.0)


def test_the_alignment_map_holds_the_products_of_a_pair() -> None:
    a, b = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 4] = False
    found = token_similarities(TokenSet(a, torch.ones(2, 3, dtype=torch.bool)), TokenSet(b, mask))
    assert torch.allclose(found[0], cosine_logits(a[0], b[0]), atol=1e-6)
    assert bool((found[1, :, 4] == -torch.inf).all())
    scores = late_interaction(a, b, None, mask).ab.diagonal()
    assert torch.allclose(found.max(2).values.mean(1), scores, atol=1e-6)
