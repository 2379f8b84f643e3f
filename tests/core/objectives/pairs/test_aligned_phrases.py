"""Phrases against their reads: check 3 of the sheet simcrop and check 4 of the sheet velvet-med."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.objectives.pairs import (
    LocalAlignmentLoss,
    Phrases,
    Read,
    TokenSet,
    local_alignment,
    phrase_negatives,
    read_selected,
    select_top_tokens,
)
from crossmod.state.logit_scale import LogitScale

SCALE = torch.tensor(5.0)


def _read(queries: Tensor, tokens: Tensor, mask: Tensor) -> Read:
    return read_selected(queries, tokens, select_top_tokens(queries, tokens, mask, share=0.5, least=2), mask)


def _read_all(queries: Tensor, tokens: Tensor, mask: Tensor) -> Read:
    return read_selected(queries, tokens, select_top_tokens(queries, tokens, mask, share=1.0), mask)


def _slow(cosines: Tensor, owner: list[int], phrase: list[int], group: list[int]) -> Tensor:
    """Both directions, one phrase at a time, with the denominators written out."""
    said = [{phrase[i] for i in range(len(owner)) if owner[i] == v} for v in range(len(group))]

    def negative(i: int, v: int) -> bool:
        return group[v] != group[owner[i]] and phrase[i] not in said[v]

    total = cosines.new_zeros(())
    for i, own in enumerate(owner):
        samples = [cosines[i, v] for v in range(len(group)) if v == own or negative(i, v)]
        phrases = [cosines[j, own] for j in range(len(owner)) if j == i or negative(j, own)]
        for scores in (samples, phrases):
            total = total + (SCALE * torch.stack(scores)).logsumexp(0) - SCALE * cosines[i, own]
    return total / (2 * len(owner))


@given(some.lists(some.tuples(some.integers(0, 3), some.integers(0, 3)), min_size=1, max_size=9), some.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_loss_is_its_definition(named: list[tuple[int, int]], seed: int) -> None:
    owner, phrase = ([*numbers] for numbers in zip(*named, strict=True))
    group = [0, 1, 2, 1]
    cosines = torch.rand(len(owner), 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    negatives = phrase_negatives(torch.tensor(owner), torch.tensor(phrase), torch.tensor(group))
    found = local_alignment(cosines, torch.tensor(owner), SCALE, negatives).loss
    torch.testing.assert_close(found, _slow(cosines, owner, phrase, group))


def test_sentences_of_one_report_never_appear_in_each_others_denominators() -> None:
    owner = torch.tensor([0, 0, 0, 1, 1, 2])
    negatives = phrase_negatives(owner, None, torch.arange(3))
    assert negatives[0].tolist() == [False, True, True]
    cosines = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    # The second direction of sentence 0: among sentences, on its own volume.
    logits = torch.where(negatives[:, 0] | (torch.arange(6) == 0), cosines[:, 0], -torch.inf)
    assert logits.isfinite().tolist() == [True, False, False, True, True, True]
    # A report alone in its batch loses nothing, whatever its sentences look like.
    alone = local_alignment(torch.randn(3, 1), owner[:3], SCALE, negatives[:3, :1])
    assert float(alone.loss) == float(alone.loss_ab) == float(alone.loss_ba) == 0
    # What sentence 1 scores on its own volume moves its own terms, not those of sentence 0.
    moved = cosines.detach().clone()
    moved[1, 0] += 1
    found = local_alignment(cosines, owner, SCALE, negatives)
    (gradient,) = torch.autograd.grad(found.loss, cosines)
    other = local_alignment(moved.requires_grad_(), owner, SCALE, negatives)
    (after,) = torch.autograd.grad(other.loss, moved)
    torch.testing.assert_close(after[0, 0], gradient[0, 0])


def test_two_reports_that_share_a_sentence_are_no_negatives_of_each_other_for_it() -> None:
    owner, phrase = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([7, 8, 7, 9, 5])
    negatives = phrase_negatives(owner, phrase, torch.arange(3))
    assert negatives.tolist() == [
        [False, False, True],
        [False, True, True],
        [False, False, True],
        [True, False, True],
        [True, True, False],
    ]
    cosines = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    local_alignment(cosines, owner, SCALE, negatives).loss.backward()
    touched = cosines.grad != 0
    # The shared sentence on the other report's volume takes no part; all else does.
    assert touched.tolist() == [[True, False, True], [True] * 3, [False, True, True], [True] * 3, [True] * 3]


def test_one_sentence_a_report_and_all_patches_are_infonce_of_text_and_mean_patch() -> None:
    texts, patches = torch.randn(7, 1, 6), torch.randn(7, 20, 6)
    phrases = Phrases(texts, torch.ones(7, 1, dtype=torch.bool), torch.arange(7)[:, None])
    found = LocalAlignmentLoss()(phrases, TokenSet(patches, torch.ones(7, 20, dtype=torch.bool)), _read_all)
    mean = functional.normalize(functional.normalize(patches, dim=2).mean(1), dim=1)
    expected = InfoNCELoss()(functional.normalize(texts[:, 0], dim=1), mean)
    torch.testing.assert_close(found.loss, expected.loss)


def test_a_sentence_that_picks_places_without_a_look_at_them_gains_nothing() -> None:
    """Volumes that are all the same tell no report from another, however distinct the selected places are."""
    texts = torch.eye(6)[:, None]
    patches = torch.eye(6).expand(6, 6, 6)
    phrases = Phrases(texts, torch.ones(6, 1, dtype=torch.bool), torch.arange(6)[:, None])
    tokens = TokenSet(patches, torch.ones(6, 6, dtype=torch.bool))

    def read(queries: Tensor, values: Tensor, mask: Tensor) -> Read:
        return read_selected(queries, values, select_top_tokens(queries, values, mask, least=1), mask)

    found = LocalAlignmentLoss(LogitScale(100.0))(phrases, tokens, read)
    assert float(found.terms["loss_ab"]) == pytest.approx(torch.tensor(6.0).log().item(), abs=1e-5)


def test_padding_and_groups_are_heeded() -> None:
    values, tokens = torch.randn(3, 4, 5), torch.randn(3, 6, 5)
    mask = torch.arange(4) < torch.tensor([[4], [1], [2]])
    real = torch.arange(6) < torch.tensor([[6], [3], [5]])
    phrases = Phrases(values, mask, torch.arange(12).view(3, 4))
    loss = LocalAlignmentLoss(LogitScale(5.0))
    owner = mask.nonzero()[:, 0]
    queries = values[mask]
    rows = [_read(queries[None], tokens[v : v + 1, real[v]], real[v : v + 1, real[v]]).values[0] for v in range(3)]
    cosines = torch.stack([(functional.normalize(queries, dim=1) * row).sum(1) for row in rows], 1)
    for group in (torch.tensor([0, 1, 2]), torch.tensor([4, 9, 4])):
        expected = local_alignment(cosines, owner, SCALE, phrase_negatives(owner, None, group)).loss
        found = loss(phrases, TokenSet(tokens, real), _read, group)
        torch.testing.assert_close(found.loss, expected)
        assert float(found.terms["phrases"]) == pytest.approx(7 / 3)
    spoilt = phrases._replace(values=values.masked_fill(~mask[..., None], torch.nan))
    clouded = TokenSet(tokens.masked_fill(~real[..., None], torch.nan), real)
    assert torch.equal(loss(spoilt, clouded, _read, group).loss, found.loss)


def test_gradients_are_those_of_finite_differences_and_the_scale_learns() -> None:
    cosines = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    owner, phrase = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([1, 2, 1, 3, 4])
    negatives = phrase_negatives(owner, phrase, torch.arange(3))
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, s: local_alignment(c, owner, s, negatives).loss, (cosines, scale))


def test_no_phrase_costs_an_attached_zero_and_bad_input_is_refused_or_shows() -> None:
    values = torch.randn(2, 3, 4, requires_grad=True)
    none = Phrases(values, torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.int64))
    tokens = TokenSet(torch.randn(2, 5, 4, requires_grad=True), torch.ones(2, 5, dtype=torch.bool))
    loss = LocalAlignmentLoss()
    zero = loss(none, tokens, _read)
    assert float(zero.loss.detach()) == 0
    zero.loss.backward()
    assert values.grad is not None and not bool(values.grad.any()) and not bool(tokens.tokens.grad.any())
    with pytest.raises(ValueError, match="one row each"):
        loss(none, TokenSet(tokens.tokens[:1], tokens.mask[:1]), _read)
    owner = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="owner has shape"):
        local_alignment(torch.randn(3, 2), owner, SCALE, torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least one"):
        local_alignment(torch.randn(0, 2), owner[:0], SCALE, torch.ones(0, 2, dtype=torch.bool))
    broken = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    assert bool(local_alignment(broken, owner, SCALE, phrase_negatives(owner, None, owner)).loss.isnan())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_scored_in_single_even_at_the_clamp(dtype: torch.dtype) -> None:
    values, patches = torch.randn(4, 2, 8).to(dtype), torch.randn(4, 6, 8).to(dtype)
    there, real = torch.ones(4, 2, dtype=torch.bool), torch.ones(4, 6, dtype=torch.bool)
    loss = LocalAlignmentLoss(LogitScale(100.0))
    names = torch.arange(8).view(4, 2)
    half = loss(Phrases(values, there, names), TokenSet(patches, real), _read).loss
    single = loss(Phrases(values.float(), there, names), TokenSet(patches.float(), real), _read).loss
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, single)
