from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.objectives.matching.pair_fusion import PairFusion
from crossmod.objectives.matching.pair_matching import (
    Negatives,
    PairMatchingLoss,
    hard_candidates,
    matching_cross_entropy,
    permuted_candidates,
    replaced_candidates,
)


class Product(PairFusion):
    width = 4

    def forward(self, a: Features, b: Features, /) -> Tensor:
        return a.pooled * b.pooled


@given(group=st.lists(st.integers(0, 5), max_size=8), hard=st.booleans(), seed=st.integers(0, 20))
def test_candidates_are_the_pairs_and_a_negative_for_every_row_of_either_side(
    group: list[int], hard: bool, seed: int
) -> None:
    groups, generator = torch.tensor(group, dtype=torch.int64), torch.Generator().manual_seed(seed)
    pairs = hard_candidates(
        torch.randn(len(group), len(group), generator=generator), groups, hard=hard, generator=generator
    )
    batch = len(group)
    if len(set(group)) < 2:
        assert not len(pairs.a)
        return
    assert pairs.matched.tolist() == [True] * batch + [False] * (2 * batch)
    assert pairs.a[:batch].tolist() == pairs.b[:batch].tolist() == list(range(batch))
    assert (groups[pairs.a[batch:]] != groups[pairs.b[batch:]]).all()
    assert pairs.a[batch : 2 * batch].tolist() == pairs.b[2 * batch :].tolist() == list(range(batch))


def test_permuted_candidates_use_every_row_once() -> None:
    pairs = permuted_candidates(torch.tensor([3, 5, 5, 7]))
    assert sorted(pairs.a[4:].tolist()) == pairs.b[4:].tolist() == [0, 1, 2, 3]
    assert not len(permuted_candidates(torch.tensor([3, 5, 5])).a)
    assert not len(permuted_candidates(torch.tensor([3])).a)


@given(group=st.lists(st.integers(0, 3), max_size=8), share=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 20))
def test_replaced_candidates_are_one_a_row_and_match_exactly_where_nothing_was_replaced(
    group: list[int], share: float, seed: int
) -> None:
    groups = torch.tensor(group, dtype=torch.int64)
    pairs = replaced_candidates(groups, share=share, generator=torch.Generator().manual_seed(seed))
    if len(set(group)) < 2:
        assert not len(pairs.a)
        return
    assert pairs.a.tolist() == list(range(len(group)))
    assert torch.equal(pairs.matched, pairs.a == pairs.b)
    assert torch.equal(pairs.matched, groups[pairs.a] == groups[pairs.b])
    if share != 0.5:
        # Whoever has another group can lose its counterpart; here that is everyone.
        assert int(pairs.matched.sum()) == (0 if share else len(group))


def test_half_of_the_counterparts_are_replaced() -> None:
    generator = torch.Generator().manual_seed(0)
    matched = torch.cat([replaced_candidates(torch.arange(50), generator=generator).matched for _ in range(200)])
    assert abs(float(matched.float().mean()) - 0.5) < 0.02
    with pytest.raises(ValueError, match="between 0 and 1"):
        replaced_candidates(torch.arange(3), share=1.5)


def test_hard_negatives_follow_the_similarities_of_each_direction() -> None:
    logits = torch.full((3, 3), -50.0)
    logits[0, 2] = logits[1, 0] = logits[2, 1] = 50.0
    pairs = hard_candidates(logits, torch.arange(3))
    assert pairs.b[3:6].tolist() == [2, 0, 1]
    assert pairs.a[6:9].tolist() == [1, 2, 0]


def test_the_loss_in_closed_form() -> None:
    matched = torch.tensor([True, False, False])
    assert float(matching_cross_entropy(torch.zeros(3, 2), matched)) == pytest.approx(math.log(2))
    logits = torch.tensor([[0.0, 3.0], [2.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 3
    assert float(matching_cross_entropy(logits, matched).detach()) == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda scores: matching_cross_entropy(scores, matched), (logits,))
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(
        matching_cross_entropy(logits[order], matched[order]), matching_cross_entropy(logits, matched)
    )
    for dtype in (torch.float16, torch.bfloat16):
        assert matching_cross_entropy(logits.detach().to(dtype), matched).dtype == torch.float32
    empty = torch.zeros(0, 2, requires_grad=True)
    matching_cross_entropy(empty, matched[:0]).backward()
    assert empty.grad is not None
    with pytest.raises(ValueError, match=r"give \[pairs, 2\]"):
        matching_cross_entropy(torch.zeros(3, 3), matched)


@pytest.mark.parametrize("negatives", ["hard", "uniform", "permutation", "replaced"])
def test_learns_to_tell_pairs_apart(negatives: Negatives) -> None:
    code = torch.nn.functional.one_hot(torch.arange(4), 4).float() * 2
    loss = PairMatchingLoss(Product(), negatives)
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.1)
    outcome = None
    for _ in range(60):
        optimiser.zero_grad()
        outcome = loss(Features(code), Features(code), torch.arange(4), code @ code.T)
        outcome.loss.backward()
        optimiser.step()
    assert outcome is not None
    assert float(outcome.terms["accuracy"]) == 1.0
    if negatives != "replaced":
        assert float(outcome.terms["negatives"]) == (4 if negatives == "permutation" else 8)
    every = torch.arange(16)
    probability = loss.probability(Features(code[every // 4]), Features(code[every % 4]))
    assert torch.equal(probability.view(4, 4) > 0.5, torch.eye(4, dtype=torch.bool))


@pytest.mark.parametrize("negatives", ["hard", "uniform", "permutation", "replaced"])
@pytest.mark.parametrize("group", [[], [2], [2, 2, 2]])
def test_without_a_negative_the_loss_is_a_zero_with_gradient(negatives: Negatives, group: list[int]) -> None:
    features = torch.randn(len(group), 4, requires_grad=True)
    logits = torch.zeros(len(group), len(group))
    groups = torch.tensor(group, dtype=torch.int64)
    outcome = PairMatchingLoss(Product(), negatives)(Features(features), Features(features), groups, logits)
    outcome.loss.backward()
    assert float(outcome.loss.detach()) == 0 and float(outcome.terms["negatives"]) == 0
    assert features.grad is not None


def test_expanded_rows_of_half_precision_are_scored() -> None:
    pooled = torch.ones(1, 4, dtype=torch.bfloat16).expand(3, 4)
    outcome = PairMatchingLoss(Product()).bfloat16()(
        Features(pooled), Features(pooled), torch.arange(3), torch.zeros(3, 3)
    )
    assert outcome.loss.dtype == torch.float32 and bool(torch.isfinite(outcome.loss))


def test_refuses_what_does_not_fit() -> None:
    loss, three = PairMatchingLoss(Product()), Features(torch.randn(3, 4))
    with pytest.raises(ValueError, match="3 rows, 2 counterparts and 3 groups"):
        loss(three, Features(torch.randn(2, 4)), torch.arange(3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="drawn from similarities"):
        loss(three, three, torch.arange(3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        loss(three, three, torch.arange(3), torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match="'permutation'"):
        PairMatchingLoss(Product(), "soft")
